package rewrite

import (
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
)

// DecimalLiterals marks the constants of a statement with a point that a column or an aggregate is compared with, in place.
func DecimalLiterals(stmt ast.Statement) {
	mark := func(n ast.SQLNode) (bool, error) {
		if c, ok := n.(*ast.ComparisonExpr); ok {
			if _, ok := syntax.Mirrored[c.Operator]; ok {
				c.Left, c.Right = decimalBeside(c.Right, c.Left), decimalBeside(c.Left, c.Right)
			}
		}
		return true, nil
	}
	switch s := stmt.(type) {
	case *ast.DDL:
		if s.TableSpec != nil {
			for _, c := range s.TableSpec.Constraints {
				if check, ok := c.Details.(*ast.CheckConstraintDefinition); ok {
					_ = syntax.Walk(mark, check.Expr)
				}
			}
		}
	case *ast.AlterTable:
		for _, d := range s.Statements {
			DecimalLiterals(d)
		}
	}
	if stmt = queryOf(stmt); stmt != nil {
		_ = syntax.Walk(mark, stmt)
	}
}

func decimalBeside(other, e ast.Expr) ast.Expr {
	_, column := other.(*ast.ColName)
	if f, ok := other.(*ast.FuncExpr); ok { // a column of its groups to the planner
		column = f.IsAggregate()
	}
	value := e
	if u, ok := e.(*ast.UnaryExpr); ok && u.Operator == ast.UMinusStr {
		value = u.Expr
	}
	if v, ok := value.(*ast.SQLVal); ok && column && v.Type == ast.FloatVal || column && variable(value) && !variable(other) {
		return syntax.Call(expr.DecimalLiteral, e)
	}
	return e
}
