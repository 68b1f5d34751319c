package rewrite

import (
	"reflect"
	"regexp"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// ComparedRowsText finds what may be a comparison of rows in a statement's text.
var ComparedRowsText = regexp.MustCompile(`(?i)\)\s*[<=>!]+\s*(row\s*)?\(`)

// RowComparisons has rows that are compared be compared column by column, as MySQL has it:
// (a,b) < (c,d) is a < c OR (a = c AND b < d), beside a <= c, which it implies and which is a range of an index.
// The planner has no collations of the columns of rows.
func RowComparisons(stmt ast.Statement) error {
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		c, ok := n.(*ast.ComparisonExpr)
		if !ok {
			return nil, true, nil
		}
		left, lok := c.Left.(ast.ValTuple)
		right, rok := c.Right.(ast.ValTuple)
		if !lok || !rok || len(left) != len(right) || len(left) < 2 {
			return nil, true, nil
		}
		e := rowComparison(c.Operator, left, right)
		if e == nil {
			return nil, true, nil
		}
		if or, ok := e.(*ast.OrExpr); ok && c.Operator != ast.NotEqualStr {
			bound := *or.Left.(*ast.ComparisonExpr)
			bound.Operator += "="
			e = &ast.AndExpr{Left: &bound, Right: &ast.ParenExpr{Expr: or}}
		}
		return &ast.ParenExpr{Expr: e}, true, nil
	})
}

// rowComparison returns nil for an operator that compares no rows.
func rowComparison(operator string, left, right ast.ValTuple) ast.Expr {
	compare := func(op string) ast.Expr { return &ast.ComparisonExpr{Operator: op, Left: left[0], Right: right[0]} }
	last := len(left) == 1
	switch operator {
	case ast.EqualStr, ast.NullSafeEqualStr:
		if last {
			return compare(operator)
		}
		return &ast.AndExpr{Left: compare(operator), Right: rowComparison(operator, left[1:], right[1:])}
	case ast.NotEqualStr:
		if last {
			return compare(operator)
		}
		return &ast.OrExpr{Left: compare(operator), Right: rowComparison(operator, left[1:], right[1:])}
	case ast.LessThanStr, ast.LessEqualStr, ast.GreaterThanStr, ast.GreaterEqualStr:
		if last {
			return compare(operator)
		}
		equal := &ast.AndExpr{Left: compare(ast.EqualStr), Right: &ast.ParenExpr{Expr: rowComparison(operator, left[1:], right[1:])}}
		return &ast.OrExpr{Left: compare(operator[:1]), Right: equal}
	}
	return nil
}
