package rewrite

import (
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// DateNumbers notes the numbers of a statement that dates may be compared with, in place. What
// is compared is known only when the statement is planned.
func DateNumbers(stmt ast.Statement) {
	if stmt = queryOf(stmt); stmt == nil {
		return
	}
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ComparisonExpr:
			switch n.Operator {
			case ast.InStr, ast.NotInStr:
				if list, ok := n.Right.(ast.ValTuple); ok {
					for i, e := range list {
						if lit := dateLike(n.Left, e, true); lit != nil {
							list[i] = lit
						}
					}
				}
				return true, nil
			}
			if _, ok := syntax.Mirrored[n.Operator]; !ok {
				return true, nil
			}
			if lit := dateLike(n.Left, n.Right, false); lit != nil {
				n.Right = lit
			} else if lit := dateLike(n.Right, n.Left, false); lit != nil {
				n.Left = lit
			} else if text, ok := integerText(n.Right); ok && (aggregateCall(n.Left) || notDate(n.Left, text)) {
				n.Left = syntax.Call(expr.DateCompare, n.Left)
			}
		case *ast.RangeCond:
			from, _ := integerText(n.From)
			to, _ := integerText(n.To)
			if notDate(n.Left, from) || notDate(n.Left, to) {
				n.Left = syntax.Call(expr.DateCompare, n.Left)
				return true, nil
			}
			if lit := dateLike(n.Left, n.From, false); lit != nil {
				n.From = lit
			}
			if lit := dateLike(n.Left, n.To, false); lit != nil {
				n.To = lit
			}
		}
		return true, nil
	}, stmt)
}

// aggregateCall reports whether e is MAX or MIN, whose value may be a date.
func aggregateCall(e ast.Expr) bool {
	f, ok := e.(*ast.FuncExpr)
	return ok && (f.Name.EqualString("max") || f.Name.EqualString("min")) && f.Over == nil
}

func integerText(e ast.Expr) (string, bool) {
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.IntVal {
		return "", false
	}
	return string(v.Val), true
}

// dateLike returns the mark in place of a number with which something is compared, or of a text in a list, nil if it is
// none that is a date.
func dateLike(e, value ast.Expr, inList bool) ast.Expr {
	text, ok := integerText(value)
	lit, _ := value.(*ast.SQLVal)
	varies := variable(value) || inList && lit != nil && lit.Type == ast.StrVal
	if !varies && (!ok || !dateDigits(text) && text != "0") {
		return nil
	}
	switch f := e.(type) {
	case *ast.ColName:
		if variable(e) {
			return nil
		}
	case *ast.FuncExpr:
		if f.Over != nil {
			return nil
		}
	default:
		return nil
	}
	if varies {
		return syntax.Call(expr.DateLiteral, e, value)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err != nil {
		return nil
	} else if _, ok := expr.MomentOfNumber(n); !ok {
		return nil
	}
	return syntax.Call(expr.DateLiteral, e, value)
}

// variable reports whether e is a parameter or a user variable.
func variable(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SQLVal:
		return e.Type == ast.ValArg
	case *ast.ColName:
		name := e.Name.String()
		return strings.HasPrefix(name, "@") && !strings.HasPrefix(name, "@@")
	}
	return false
}

// dateDigits reports whether a number is as long as a date.
func dateDigits(text string) bool {
	return len(text) == 6 || len(text) == 8 || len(text) == 12 || len(text) == 14
}

// notDate reports whether a number that a column is compared with is as long as a date, and none.
func notDate(e ast.Expr, text string) bool {
	if _, ok := e.(*ast.ColName); !ok || !dateDigits(text) {
		return false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	_, ok := expr.MomentOfNumber(n)
	return err == nil && !ok
}
