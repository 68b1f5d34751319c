package rewrite

import (
	"bytes"
	"regexp"
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
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ComparisonExpr:
			switch n.Operator {
			case ast.InStr, ast.NotInStr:
				if list, ok := n.Right.(ast.ValTuple); ok {
					if _, column := n.Left.(*ast.ColName); column {
						listed(n.Left, list)
					}
					for i, e := range list {
						if lit := dateLike(n.Left, e, true); lit != nil {
							list[i] = lit
						}
						listedTexts(n.Left, e)
					}
				}
				return true, nil
			case ast.LikeStr, ast.NotLikeStr:
				if variable(n.Right) {
					n.Right = syntax.Call(expr.BesideColumn, n.Left, n.Right)
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
			if betweenKinds(n) {
				left, from, to := n.Left, n.From, n.To
				for i, e := range []*ast.Expr{&n.Left, &n.From, &n.To} {
					*e = syntax.Call(expr.BetweenOperand, ast.NewIntVal([]byte{'0' + byte(i)}), left, from, to)
				}
				return true, nil
			}
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

// literalKind tells literals by what they are to comparisons: 'n' for numbers, 's' for texts, 0 for NULL, 'o' for what is no literal of those.
func literalKind(e ast.Expr) byte {
	if u, ok := e.(*ast.UnaryExpr); ok && u.Operator == ast.UMinusStr {
		e = u.Expr
	}
	switch e := e.(type) {
	case *ast.NullVal:
		return 0
	case ast.BoolVal:
		return 'n'
	case *ast.SQLVal:
		switch e.Type {
		case ast.IntVal, ast.FloatVal:
			return 'n'
		case ast.StrVal:
			return 's'
		}
	}
	return 'o'
}

// betweenKinds reports whether the bounds of a BETWEEN of a column may be of two kinds: the planner makes two comparisons of it, to
// MySQL it is one of three operands.
func betweenKinds(n *ast.RangeCond) bool {
	switch left := n.Left.(type) {
	case *ast.ColName, *ast.SubstrExpr, *ast.ConvertExpr:
	case *ast.FuncExpr:
		if left.IsAggregate() || left.Over != nil || withSubquery(left) {
			return false
		}
	default:
		return false
	}
	from, to := literalKind(n.From), literalKind(n.To)
	return (from != to || from == 'o') && from != 0 && to != 0 && !withSubquery(n.From) && !withSubquery(n.To)
}

func withSubquery(e ast.Expr) (found bool) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		_, sub := n.(*ast.Subquery)
		found = found || sub
		return !found, nil
	}, e)
	return found
}

// listed marks the first value of a list that a column is looked for in, unless all are texts: only values of a kind with the column's may
// be hashed.
func listed(column ast.Expr, list ast.ValTuple) {
	for i, e := range list {
		if kind := literalKind(e); kind != 0 && kind != 's' {
			list[i] = syntax.Call(expr.ListedValue, column, e)
			return
		}
	}
}

// brokenExponent is a number and the beginning of an exponent.
var brokenExponent = regexp.MustCompile(`^\s*[-+]?[0-9.]+[eE]`)

// listedTexts marks the texts of a row of a list that begin as a number with an exponent, which no number may be hashed with.
func listedTexts(left, value ast.Expr) {
	columns, ok := left.(ast.ValTuple)
	row, alike := value.(ast.ValTuple)
	if !ok || !alike || len(columns) != len(row) {
		return
	}
	for i, e := range row {
		if v, ok := e.(*ast.SQLVal); ok && v.Type == ast.StrVal && brokenExponent.Match(v.Val) {
			if lit := dateLike(columns[i], e, true); lit != nil {
				row[i] = lit
			}
		}
	}
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

// dateLike returns the mark in place of a number with which something is compared, of a text in a list or of one with an offset of its
// time zone, the year 0 or other characters than ASCII's, nil if it is none that is a date.
func dateLike(e, value ast.Expr, inList bool) ast.Expr {
	text, ok := integerText(value)
	lit, _ := value.(*ast.SQLVal)
	varies := variable(value) || lit != nil && lit.Type == ast.StrVal && (inList || bytes.HasPrefix(lit.Val, []byte("0000")) || expr.OffsetEnd.Match(lit.Val) || notASCII(lit.Val))
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
