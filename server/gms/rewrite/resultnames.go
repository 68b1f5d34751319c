package rewrite

import (
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// Names names the columns of the SELECTs of a statement as its text has them, sent, from which quoted differs in the
// names that are quoted there; in a program those too that the grammar gives no names. plain: the client has not escaped backslashes.
func (e Edits) Names(stmt ast.Statement, sent, quoted string, program, plain bool) {
	_ = syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		x, ok := n.(*ast.AliasedExpr)
		if !ok || x == nil || x.EndParsePos <= x.StartParsePos {
			return nil, true, nil
		}
		if _, column := x.Expr.(*ast.ColName); column || x.InputExpression == "" && !program {
			return nil, true, nil
		}
		from, to := e.Sent(x.StartParsePos), e.Sent(x.EndParsePos)
		if quoted != sent {
			from, to = syntax.UnquotedOffset(sent, quoted, from), syntax.UnquotedOffset(sent, quoted, to)
		}
		if from >= to || to > len(sent) {
			return nil, true, nil
		}
		if head := strings.TrimRight(sent[:from], " "); sent[from] == '(' && len(head) >= 3 && strings.EqualFold(head[len(head)-3:], "row") {
			from = len(head) - 3 // which is left out
		}
		x.InputExpression = withoutComments(sent[whole(sent, from, to):to])
		inner := syntax.Unparenthesized(x.Expr)
		if inner != x.Expr {
			switch v := inner.(type) {
			case *ast.ColName: // it is the column
				x.InputExpression = v.Name.String()
				return nil, true, nil
			case *ast.SQLVal:
				x.InputExpression = strings.Trim(x.InputExpression, "() ")
				if v.Type == ast.StrVal {
					x.InputExpression = literalName(x.InputExpression, string(v.Val))
					return nil, true, nil
				}
			}
		}
		if _, literal := x.Expr.(*ast.SQLVal); plain && !literal {
			x.InputExpression = syntax.Unescaping(x.InputExpression)
		}
		if text := strings.TrimLeft(x.InputExpression, "+ "); len(text) < len(x.InputExpression) && strings.Trim(text, "0123456789.") == "" {
			x.InputExpression = text // the number has its name
		}
		if _, null := x.Expr.(*ast.NullVal); null {
			x.InputExpression = "NULL"
		}
		if v, ok := x.Expr.(*ast.SQLVal); ok && v.Type == ast.StrVal && !strings.HasPrefix(x.InputExpression, "_") {
			x.InputExpression = literalName(x.InputExpression, string(v.Val))
		}
		if u, ok := x.Expr.(*ast.UnaryExpr); ok && len(x.InputExpression) > 1 && x.InputExpression[1] == '\'' { // N'…'
			if v, ok := u.Expr.(*ast.SQLVal); ok {
				x.InputExpression = literalName(x.InputExpression[1:], string(v.Val))
			}
		}
		return nil, true, nil
	})
}

// whole returns where an expression begins of which the grammar has left out what stands before its first word: the parenthesis
// behind SELECT DISTINCT, and NOT.
func whole(sent string, from, to int) int {
	for {
		head := strings.TrimRight(sent[:from], " \t\r\n")
		switch {
		case strings.HasSuffix(head, "(") && opened(sent[from:to]) < 0:
			from = len(head) - 1
		case len(head) > 3 && strings.EqualFold(head[len(head)-3:], "not") && !syntax.WordByte(head[len(head)-4]):
			from = len(head) - 3
		default:
			return from
		}
	}
}

// opened returns how many parentheses more a text opens than it closes.
func opened(text string) (n int) {
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		if word == " " {
			switch text[at] {
			case '(':
				n++
			case ')':
				n--
			}
		}
		at = end
	}
	return n
}

// withoutComments returns an expression without what is around it: blanks, comments and the comma before it.
func withoutComments(text string) string {
	for {
		text = strings.Trim(strings.TrimLeft(text, ", \n\t\r"), " \n\t\r")
		if at := strings.LastIndex(text, "/*"); at > 0 && strings.HasSuffix(text, "*/") && !strings.Contains(text[at:len(text)-2], "*/") {
			text = text[:at]
			continue
		}
		if end := strings.Index(text, "*/"); end > 0 && strings.HasPrefix(text, "/*") && text[2] != '!' {
			text = text[end+2:]
			continue
		}
		return text
	}
}

// literalName is the name of a column that is a text: its value from the first visible character on, of several texts in
// a row the first one's.
func literalName(sent, value string) string {
	if l := syntax.NewLexer(sent); l.Kind == 's' {
		if first := l.Q[l.Start:l.At]; first != sent {
			value = syntax.Unquoted(first)
		}
	}
	return strings.TrimLeftFunc(value, func(r rune) bool { return r <= ' ' })
}
