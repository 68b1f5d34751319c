package rewrite

import (
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// momentWords are the words that expr.MomentMarks stand for.
var momentWords = func() []string {
	var pairs []string
	for word, mark := range expr.MomentMarks {
		pairs = append(pairs, mark, word)
	}
	return pairs
}()

// plainMoments makes texts of the marked literals among the arguments of a function that
// takes nothing but literals.
func plainMoments(args ast.SelectExprs) {
	for _, a := range args {
		if x, ok := a.(*ast.AliasedExpr); ok {
			if u, ok := x.Expr.(*ast.UnaryExpr); ok {
				if e, _ := momentLiteral(u); e != nil {
					x.Expr = u.Expr
				}
			}
		}
	}
}

// momentLiteral returns the literal that a marked text is, nil for others.
func momentLiteral(u *ast.UnaryExpr) (ast.Expr, error) {
	mark := strings.TrimSpace(u.Operator)
	word := ""
	for w, m := range expr.MomentMarks {
		if m == mark {
			word = strings.ToLower(w)
		}
	}
	v, ok := u.Expr.(*ast.SQLVal)
	if word == "" || !ok {
		return nil, nil
	}
	c := momentCast(word, v)
	if c == nil {
		what := strings.ToUpper(word)
		if word == "timestamp" {
			what = "DATETIME"
		}
		return nil, mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", what, v.Val)
	}
	return c, nil
}

// Moment returns the literal that a text is behind the word date, time or timestamp as the planner has it, nil if it is none.
func Moment(word string, v *ast.SQLVal) ast.Expr {
	c := momentCast(word, v)
	switch {
	case c == nil:
		return nil
	case word == "time":
		return timeForm(c)
	}
	return c
}

// momentCast returns the cast that stands for the literal that a text is behind the word date, time or timestamp, nil if it is none.
func momentCast(word string, v *ast.SQLVal) *ast.ConvertExpr {
	text := string(v.Val)
	if !isLiteralOf(word, text) {
		return nil
	}
	kind := &ast.ConvertType{Type: word}
	if word != "date" {
		if word == "timestamp" {
			kind.Type = "datetime"
		}
		if _, digits, ok := strings.Cut(text, "."); ok {
			kind.Length = ast.NewIntVal([]byte(strconv.Itoa(min(len(digits), 6))))
		}
	}
	return &ast.ConvertExpr{Name: "cast", Expr: v, Type: kind}
}

// isLiteralOf reports whether a text is a DATE, a TIME or a TIMESTAMP, whole and with nothing behind it.
func isLiteralOf(word, text string) bool {
	if word == "time" {
		_, _, fault := value.SpanOf(text, false)
		return fault == 0
	}
	m, fault, ok := value.FieldsOf(text)
	if _, there := m.Time(false); !ok || fault != 0 || !there {
		return false
	}
	return (m.Count > 3) == (word == "timestamp")
}
