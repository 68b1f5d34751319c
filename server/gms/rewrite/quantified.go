package rewrite

import (
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// quantified returns what a comparison with ANY or ALL of a subquery's rows is: IN, NOT
// IN, or a call of one of quantifiers. nil if c is no such comparison.
func quantified(c *ast.ComparisonExpr) ast.Expr {
	for _, q := range []struct{ mark, name string }{{syntax.AnyMark, "any"}, {syntax.SomeMark, "any"}, {syntax.AllMark, "all"}} {
		rows := syntax.Introduced(c.Right, q.mark)
		if p, ok := rows.(*ast.ParenExpr); ok {
			rows = p.Expr
		}
		if rows == nil {
			continue
		}
		switch {
		case c.Operator == ast.EqualStr && q.name == "any":
			return &ast.ComparisonExpr{Operator: ast.InStr, Left: c.Left, Right: rows}
		case c.Operator == ast.NotEqualStr && q.name == "all":
			return &ast.ComparisonExpr{Operator: ast.NotInStr, Left: c.Left, Right: rows}
		}
		return syntax.Call(expr.QuantifierName(c.Operator, q.name), c.Left, rows)
	}
	return nil
}
