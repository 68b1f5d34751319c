package gms

import (
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/protocol"
)

// names names the columns of the SELECTs of a statement as its text has them, sent, from which quoted differs in the
// names that are quoted there; in a program those too that the grammar gives no names.
func (e edits) names(stmt ast.Statement, sent, quoted string, program bool) {
	_ = replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		x, ok := n.(*ast.AliasedExpr)
		if !ok || x == nil || x.EndParsePos <= x.StartParsePos {
			return nil, true, nil
		}
		if _, column := x.Expr.(*ast.ColName); column || x.InputExpression == "" && !program {
			return nil, true, nil
		}
		from, to := e.sent(x.StartParsePos), e.sent(x.EndParsePos)
		if quoted != sent {
			from, to = unquotedOffset(sent, quoted, from), unquotedOffset(sent, quoted, to)
		}
		if from >= to || to > len(sent) {
			return nil, true, nil
		}
		if head := strings.TrimRight(sent[:from], " "); sent[from] == '(' && len(head) >= 3 && strings.EqualFold(head[len(head)-3:], "row") {
			from = len(head) - 3 // which is left out
		}
		x.InputExpression = withoutComments(sent[from:to])
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
	if l := newLexer(sent); l.kind == 's' {
		if first := l.q[l.start:l.at]; first != sent {
			value = unquoted(first)
		}
	}
	return strings.TrimLeftFunc(value, func(r rune) bool { return r <= ' ' })
}

// namesAsSent names the columns of a SELECT that are system variables as the statement has
// them; the planner names them in lower case.
func namesAsSent(stmt ast.Statement, columns []protocol.Column) {
	s, ok := stmt.(*ast.Select)
	if !ok {
		return
	}
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok || !x.As.IsEmpty() {
			continue
		}
		c, ok := x.Expr.(*ast.ColName)
		if !ok || !strings.HasPrefix(c.Name.String(), "@@") {
			continue
		}
		for i := range columns {
			if strings.EqualFold(columns[i].Name, c.Name.String()) {
				columns[i].Name = c.Name.String()
			}
		}
	}
}
