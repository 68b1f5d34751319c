package gms

import (
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// mirrored are the comparisons by what they are with the sides exchanged.
var mirrored = map[string]string{
	ast.EqualStr: ast.EqualStr, ast.NullSafeEqualStr: ast.NullSafeEqualStr, ast.NotEqualStr: ast.NotEqualStr,
	ast.LessThanStr: ast.GreaterThanStr, ast.GreaterThanStr: ast.LessThanStr,
	ast.LessEqualStr: ast.GreaterEqualStr, ast.GreaterEqualStr: ast.LessEqualStr,
}

// scalars exchanges the sides of comparisons with a subquery at the right that may
// return several rows. The planner makes a semi-join of such a comparison, which is
// true if any row satisfies it; a subquery at the left it evaluates, and refuses a
// second row (MySQL 1242).
func scalars(stmt ast.Statement) {
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		if not, ok := n.(*ast.NotExpr); ok {
			excluded(not.Expr, ast.InStr)
		}
		c, ok := n.(*ast.ComparisonExpr)
		if !ok {
			return true, nil
		}
		excluded(c, ast.NotInStr)
		sub, ok := c.Right.(*ast.Subquery)
		if !ok || singleRow(sub.Select) {
			return true, nil
		}
		if _, both := c.Left.(*ast.Subquery); both {
			return true, nil
		}
		if op, ok := mirrored[c.Operator]; ok {
			c.Operator, c.Left, c.Right = op, c.Right, c.Left
		}
		return true, nil
	}, stmt)
}

// excluded gives the subquery of a NOT IN a limit above every number of rows. The planner
// makes an anti-join of it otherwise, and if both sides are indexed one that
// forgets that nothing is outside of a set with NULL in it.
func excluded(e ast.Expr, operator string) {
	for {
		p, ok := e.(*ast.ParenExpr)
		if !ok {
			break
		}
		e = p.Expr
	}
	c, ok := e.(*ast.ComparisonExpr)
	if !ok || c.Operator != operator {
		return
	}
	sub, ok := c.Right.(*ast.Subquery)
	if !ok {
		return
	}
	if s, ok := sub.Select.(*ast.Select); ok && s.Limit == nil && len(s.From) > 0 {
		s.Limit = &ast.Limit{Rowcount: ast.NewIntVal([]byte("9223372036854775807"))}
	}
}

// singleRow reports whether a subquery has at most one row by its form: a LIMIT 1, or
// aggregates without groups.
func singleRow(s ast.SelectStatement) bool {
	switch s := s.(type) {
	case *ast.ParenSelect:
		return singleRow(s.Select)
	case *ast.Select:
		if s.Limit != nil {
			v, ok := s.Limit.Rowcount.(*ast.SQLVal)
			return ok && (string(v.Val) == "1" || string(v.Val) == "0")
		}
		if len(s.From) == 0 {
			return true
		}
		if len(s.GroupBy) > 0 || len(s.SelectExprs) != 1 {
			return false
		}
		e, ok := s.SelectExprs[0].(*ast.AliasedExpr)
		return ok && aggregated(e.Expr)
	}
	return false
}

// aggregated reports whether an expression has an aggregate function in it, outside
// of subqueries.
func aggregated(e ast.Expr) bool {
	found := false
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.FuncExpr:
			found = found || n.Over == nil && n.IsAggregate()
		case *ast.GroupConcatExpr:
			found = true
		}
		return !found, nil
	}, e)
	return found
}
