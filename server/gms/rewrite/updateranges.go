package rewrite

import ast "github.com/dolthub/vitess/go/vt/sqlparser"

// UpdatedRanges makes two comparisons of each BETWEEN that must hold for the rows of an
// UPDATE: the planner, which has a short list of rules for one of one table, finds no index
// for a BETWEEN if the table has an alias, as it has behind a view, and locks all of it.
func UpdatedRanges(stmt ast.Statement) {
	switch n := stmt.(type) {
	case *ast.Explain:
		UpdatedRanges(n.Statement)
	case *ast.Update:
		if n.Where != nil {
			n.Where.Expr = compared(n.Where.Expr)
		}
	}
}

func compared(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.ParenExpr:
		e.Expr = compared(e.Expr)
	case *ast.AndExpr:
		e.Left, e.Right = compared(e.Left), compared(e.Right)
	case *ast.RangeCond:
		_, column := e.Left.(*ast.ColName)
		_, from := e.From.(*ast.SQLVal)
		_, to := e.To.(*ast.SQLVal)
		if column && from && to && e.Operator == ast.BetweenStr {
			return &ast.AndExpr{Left: &ast.ComparisonExpr{Operator: ast.GreaterEqualStr, Left: e.Left, Right: e.From},
				Right: &ast.ComparisonExpr{Operator: ast.LessEqualStr, Left: e.Left, Right: e.To}}
		}
	}
	return e
}
