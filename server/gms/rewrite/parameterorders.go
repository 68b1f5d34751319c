package rewrite

import ast "github.com/dolthub/vitess/go/vt/sqlparser"

// ParametersOfOrders has the parameters that are all of a member of ORDER BY or GROUP BY be constants, in place: to the planner an
// integer there is the position of a column. Those of a UNION's ORDER BY are left.
func ParametersOfOrders(stmt ast.Statement) {
	constant := func(e *ast.Expr) {
		if v, ok := (*e).(*ast.SQLVal); ok && v.Type == ast.ValArg {
			*e = &ast.UnaryExpr{Operator: ast.UPlusStr, Expr: v}
		}
	}
	ordered := func(orders ast.OrderBy) {
		for _, o := range orders {
			constant(&o.Expr)
		}
	}
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Select:
			ordered(n.OrderBy)
			for i := range n.GroupBy {
				constant(&n.GroupBy[i])
			}
		case *ast.Update:
			ordered(n.OrderBy)
		case *ast.Delete:
			ordered(n.OrderBy)
		}
		return true, nil
	}, stmt)
}
