package gms

import (
	"errors"
	"reflect"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// The planner's grammar lacks some operators. Their words are replaced by introducers of
// character sets that no text has and that may not stand where they are put; after
// parsing, what they introduce is replaced by what was meant.
const (
	anyMark    = "_geostd8"        // = ANY (…)
	someMark   = "_macce"          // = SOME (…)
	allMark    = "_keybcs2"        // = ALL (…)
	assignMark = " OR _hp8 '' OR " // @a := …
	rollupMark = ", _swe7 ''"      // GROUP BY … WITH ROLLUP
)

// markedWords are the words that the marks stand for.
var markedWords = strings.NewReplacer(anyMark, "any", someMark, "some", allMark, "all", assignMark, ":=", rollupMark, " WITH ROLLUP")

// unmarked returns a text with the words that the marks stand for, as it was sent.
func unmarked(query string) string {
	if !strings.Contains(query, "_") {
		return query
	}
	return markedWords.Replace(query)
}

// edits are where a text has marks, in order: where each ends, and by how much the text
// up to there is longer than what was sent.
type edits []struct{ end, longer int }

// sent returns where in the text that was sent a position is that is in none of the marks.
func (e edits) sent(position int) int {
	longer := 0
	for _, x := range e {
		if x.end <= position {
			longer = x.longer
		}
	}
	return position - longer
}

// positions makes those of a definition's body the ones in the text that was sent.
func (e edits) positions(stmt ast.Statement) {
	if d, ok := stmt.(*ast.DDL); ok {
		d.SubStatementPositionStart = e.sent(d.SubStatementPositionStart)
		d.SubStatementPositionEnd = e.sent(d.SubStatementPositionEnd)
	}
}

// withMarks puts marks in the place of words that the grammar lacks, see markedWords, and returns
// where. Texts without such words are returned as they are.
func withMarks(query string) (string, edits) {
	if !strings.Contains(query, ":=") && !containsFold(query, "rollup") &&
		!containsFold(query, "any") && !containsFold(query, "some") && !containsFold(query, "all") {
		return query, nil
	}
	var made edits
	var out strings.Builder
	done := 0 // copied so far
	put := func(from, end int, text string) {
		out.WriteString(query[done:from])
		out.WriteString(text)
		done = end
		made = append(made, struct{ end, longer int }{out.Len(), out.Len() - end})
	}
	// The three tokens before: a word in lower case, or the sign.
	var before [3]string
	with := 0        // where the last WITH begins
	setting := false // in the list of a SET
	depth := 0
	for at := 0; at < len(query); {
		word, end := nextWord(query, at)
		if word == "" {
			at = end
			continue
		}
		token := strings.ToLower(word)
		if word == " " {
			token = query[at : at+1]
		}
		switch token {
		case "with":
			with = at
		case "rollup":
			if before[0] == "with" {
				put(len(strings.TrimRight(query[:with], " \t\r\n")), end, rollupMark)
			}
		case "any", "some", "all":
			if strings.Contains("=<>", before[0]) && before[0] != "" && strings.HasPrefix(strings.TrimLeft(query[end:], " \t\r\n"), "(") {
				put(at, end, map[string]string{"any": anyMark, "some": someMark, "all": allMark}[token])
			}
		case "set":
			setting, depth = true, 0
		case "where", ";":
			setting = false
		case "(":
			depth++
		case ")":
			depth--
		case ":":
			if end < len(query) && query[end] == '=' && before[1] == "@" && before[2] != "@" {
				if end++; !setting || depth > 0 || before[2] != "set" && before[2] != "," {
					put(at, end, assignMark)
				}
			}
		}
		before[2], before[1], before[0] = before[1], before[0], token
		at = end
	}
	out.WriteString(query[done:])
	return out.String(), made
}

// unmark completes a statement of a text with marks, in place. It looks everywhere in it,
// also where the grammar's own walk does not go: definitions, bodies, EXPLAIN.
func unmark(stmt ast.Statement) error {
	return replaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.AliasedExpr:
			n.InputExpression = unmarked(n.InputExpression)
		case *ast.ComparisonExpr:
			if e := quantified(n); e != nil {
				return e, true, nil
			}
		case *ast.OrExpr:
			if e := assignment(n); e != nil {
				return e, true, nil
			}
		case *ast.Select:
			if rolledUp(n) {
				return nil, true, rollup(n)
			}
		}
		return nil, true, nil
	})
}

// replaceNodes replaces each node under v for which f returns another, from the top
// down, and goes on within if f says so.
func replaceNodes(v reflect.Value, f func(ast.SQLNode) (to ast.SQLNode, within bool, err error)) error {
	switch v.Kind() {
	case reflect.Pointer:
		return replaceNodes(v.Elem(), f)
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if n, ok := v.Interface().(ast.SQLNode); ok && v.CanSet() {
			to, within, err := f(n)
			if err != nil {
				return err
			}
			if to != nil {
				v.Set(reflect.ValueOf(to))
			}
			if !within {
				return nil
			}
		}
		return replaceNodes(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				if err := replaceNodes(v.Field(i), f); err != nil {
					return err
				}
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := replaceNodes(v.Index(i), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// introduced returns what a mark introduces, nil if e is none of it.
func introduced(e ast.Expr, mark string) ast.Expr {
	u, ok := e.(*ast.UnaryExpr)
	if !ok || strings.TrimSpace(u.Operator) != mark {
		return nil
	}
	return u.Expr
}

// call returns a call of a function of this package that no client can name.
func call(name string, args ...ast.Expr) *ast.FuncExpr {
	f := &ast.FuncExpr{Name: ast.NewColIdent(name)}
	for _, a := range args {
		f.Exprs = append(f.Exprs, &ast.AliasedExpr{Expr: a})
	}
	return f
}

// unmarkedError returns a syntax error in the words that were sent.
func unmarkedError(err error) error {
	if text := unmarked(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
