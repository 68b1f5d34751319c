package gms

import (
	"slices"
	"strconv"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// orderedExpressions names what the numbers and aliases of ORDER BY stand for where the planner takes
// them for columns below DISTINCT, or misses the alias of a group's expression beside HAVING.
func orderedExpressions(stmt ast.Statement) error {
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok {
			return true, nil
		}
		for _, o := range s.OrderBy {
			if v, ok := o.Expr.(*ast.SQLVal); ok && s.QueryOpts.Distinct {
				numberedExpression(s, o, v)
			}
			if c, ok := o.Expr.(*ast.ColName); ok && s.Having != nil && c.Qualifier.IsEmpty() {
				groupedExpression(s, o, c)
			}
		}
		return true, nil
	}, stmt)
}

// numberedExpression puts the expression with a number into an ORDER BY, or its alias.
func numberedExpression(s *ast.Select, o *ast.Order, v *ast.SQLVal) {
	at, err := strconv.Atoi(string(v.Val))
	if v.Type != ast.IntVal || err != nil || at < 1 || at > len(s.SelectExprs) ||
		slices.ContainsFunc(s.SelectExprs, func(e ast.SelectExpr) bool { _, ok := e.(*ast.AliasedExpr); return !ok }) {
		return
	}
	e := s.SelectExprs[at-1].(*ast.AliasedExpr)
	switch e.Expr.(type) {
	case *ast.ColName, *ast.SQLVal, *ast.NullVal:
		return
	}
	if o.Expr = e.Expr; !e.As.IsEmpty() {
		o.Expr = &ast.ColName{Name: e.As}
	}
}

// groupedExpression puts the expression of an alias into an ORDER BY, if the query is grouped by it.
func groupedExpression(s *ast.Select, o *ast.Order, c *ast.ColName) {
	for _, e := range s.SelectExprs {
		a, ok := e.(*ast.AliasedExpr)
		if !ok || !a.As.Equal(c.Name) {
			continue
		}
		if _, column := a.Expr.(*ast.ColName); !column && slices.ContainsFunc(s.GroupBy, func(g ast.Expr) bool { return ast.String(g) == ast.String(a.Expr) }) {
			o.Expr = a.Expr
		}
		return
	}
}
