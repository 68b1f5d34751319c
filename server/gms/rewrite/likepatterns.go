package rewrite

import (
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// RangeLikes gives indexes the range of what a LIKE without a leading wildcard matches. The planner
// gives the lower bound alone, and a wrong one for a pattern with an escape.
func RangeLikes(stmt ast.Statement) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ComparisonExpr:
			if e := selectedExpression(n.Escape); e != nil {
				n.Escape = e // which the planner does not take for a part of LIKE
			}
			if (n.Operator == ast.LikeStr || n.Operator == ast.NotLikeStr) && n.Escape == nil {
				n.Escape = ast.NewStrVal([]byte(`\`))
			}
		case *ast.Where:
			if n != nil && n.Type == ast.WhereStr {
				n.Expr = withLikeBounds(n.Expr)
			}
		case *ast.JoinTableExpr:
			if n.Condition.On != nil {
				n.Condition.On = withLikeBounds(n.Condition.On)
			}
		}
		return true, nil
	}, stmt)
}

// selectedExpression returns the one expression of a subquery without tables, nil for others.
func selectedExpression(e ast.Expr) ast.Expr {
	q, ok := e.(*ast.Subquery)
	if !ok {
		return nil
	}
	s, ok := q.Select.(*ast.Select)
	if !ok || len(s.SelectExprs) != 1 || s.Where != nil || s.Having != nil || s.Limit != nil || s.GroupBy != nil || s.With != nil || len(s.From) > 0 && !syntax.Dual(s.From) {
		return nil
	}
	x, _ := s.SelectExprs[0].(*ast.AliasedExpr)
	if x == nil {
		return nil
	}
	return x.Expr
}

// withLikeBounds puts bounds beside the LIKEs of a condition that AND and OR join.
func withLikeBounds(e ast.Expr) ast.Expr {
	switch n := e.(type) {
	case *ast.AndExpr:
		n.Left, n.Right = withLikeBounds(n.Left), withLikeBounds(n.Right)
	case *ast.OrExpr:
		n.Left, n.Right = withLikeBounds(n.Left), withLikeBounds(n.Right)
	case *ast.ParenExpr:
		n.Expr = withLikeBounds(n.Expr)
	case *ast.ComparisonExpr:
		if _, column := n.Left.(*ast.ColName); !column || n.Operator != ast.LikeStr {
			return e
		}
		escape := n.Escape
		if escape == nil {
			escape = ast.NewStrVal([]byte(`\`))
		}
		return &ast.ParenExpr{Expr: &ast.AndExpr{Left: n, Right: &ast.AndExpr{
			Left: syntax.Call(function.LikeLower, n.Left, n.Right, escape), Right: syntax.Call(function.LikeUpper, n.Left, n.Right, escape)}}}
	}
	return e
}

// WithoutLikeBounds returns a condition as it was before withLikeBounds, for its text.
func WithoutLikeBounds(e ast.Expr) ast.Expr {
	switch n := e.(type) {
	case *ast.AndExpr:
		return &ast.AndExpr{Left: WithoutLikeBounds(n.Left), Right: WithoutLikeBounds(n.Right)}
	case *ast.OrExpr:
		return &ast.OrExpr{Left: WithoutLikeBounds(n.Left), Right: WithoutLikeBounds(n.Right)}
	case *ast.ParenExpr:
		if and, ok := n.Expr.(*ast.AndExpr); ok {
			if bounds, ok := and.Right.(*ast.AndExpr); ok {
				if f, ok := bounds.Left.(*ast.FuncExpr); ok && f.Name.String() == function.LikeLower {
					return and.Left
				}
			}
		}
		return &ast.ParenExpr{Expr: WithoutLikeBounds(n.Expr)}
	}
	return e
}
