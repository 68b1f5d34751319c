package gms

import (
	"context"
	"slices"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// scalars exchanges the sides of comparisons with a subquery at the right that may
// return several rows. The planner makes a semi-join of such a comparison, which is
// true if any row satisfies it; a subquery at the left it evaluates, and refuses a
// second row (MySQL 1242).
func scalars(stmt ast.Statement, unique func(*ast.Select) bool) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if p, ok := n.(*ast.ParenTableExpr); ok { // FROM (a, b)
			for len(p.Exprs) > 1 {
				p.Exprs = append(ast.TableExprs{&ast.JoinTableExpr{LeftExpr: p.Exprs[0], Join: ast.JoinStr, RightExpr: p.Exprs[1]}}, p.Exprs[2:]...)
			}
		}
		c, ok := n.(*ast.ComparisonExpr)
		if !ok {
			return true, nil
		}
		sub, ok := c.Right.(*ast.Subquery)
		if !ok || singleRow(sub.Select) {
			return true, nil
		}
		if s, ok := sub.Select.(*ast.Select); ok && unique(s) {
			return true, nil
		}
		if _, both := c.Left.(*ast.Subquery); both {
			return true, nil
		}
		if op, ok := syntax.Mirrored[c.Operator]; ok {
			c.Operator, c.Left, c.Right = op, c.Right, c.Left
		}
		return true, nil
	}, stmt)
}

// uniqueRow reports whether a subquery reads one table by all columns of a unique
// key: it has one row at most.
func (s *Session) uniqueRow(q *ast.Select) bool {
	if len(q.From) != 1 || q.Where == nil {
		return false
	}
	from, ok := q.From[0].(*ast.AliasedTableExpr)
	if !ok {
		return false
	}
	name, ok := from.Expr.(ast.TableName)
	if !ok {
		return false
	}
	db := name.DbQualifier.String()
	if db == "" {
		db = s.GetCurrentDatabase()
	}
	cat, err := s.b.db.CatalogAt(context.Background(), 0)
	if err != nil || s.temporary(db, name.Name.String()) != nil {
		return false
	}
	def := cat.Table(db, name.Name.String())
	if def == nil {
		return false
	}
	fixed := map[string]bool{}
	equalities(q.Where.Expr, fixed)
	covers := func(ix *engine.IndexDef) bool {
		return ix.Unique && !slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool {
			return c.Prefix != 0 || !fixed[strings.ToLower(def.Columns[c.Column].Name)]
		})
	}
	return !def.Keyless() && covers(def.Primary) || slices.ContainsFunc(def.Indexes, covers)
}

// equalities notes the columns that a condition compares with a value.
func equalities(e ast.Expr, fixed map[string]bool) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		equalities(e.Expr, fixed)
	case *ast.AndExpr:
		equalities(e.Left, fixed)
		equalities(e.Right, fixed)
	case *ast.ComparisonExpr:
		if e.Operator != ast.EqualStr {
			return
		}
		for _, side := range [][2]ast.Expr{{e.Left, e.Right}, {e.Right, e.Left}} {
			col, ok := side[0].(*ast.ColName)
			if _, value := side[1].(*ast.SQLVal); ok && value {
				fixed[col.Name.Lowered()] = true
			}
		}
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
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
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
