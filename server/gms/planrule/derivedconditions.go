package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// PushIntoDerived moves more conditions into derived tables than the planner does. One on columns by which all windows of a SELECT
// are partitioned goes below these: it takes partitions as a whole. One that compares a column of a derived table with one that an
// inner join has equal to a literal is one with that.
//
// Source: MySQL's derived condition pushdown (8.0.22) and equality propagation.
func PushIntoDerived(a *analyzer.Analyzer) {
	AroundRule(a, "pushFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		pushed, same, err := transform.Node(ctx, n, belowWindow)
		if err != nil {
			return n, transform.SameTree, err
		}
		pushed, same2, err := rule(ctx, pushed, f)
		return pushed, same && same2, err
	})
	AroundRule(a, "pushdownSubqueryAliasFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		implied, same, err := transform.Node(ctx, n, withLiterals)
		if err != nil {
			return n, transform.SameTree, err
		}
		implied, same2, err := rule(ctx, implied, f)
		return implied, same && same2, err
	})
}

// withLiterals adds to a filter what it implies of the columns of derived tables.
func withLiterals(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all := expression.SplitConjunction(ctx, w.Expression)
	conditions, derived := slices.Clip(all), sql.ColSet{}
	var joined func(n sql.Node)
	joined = func(n sql.Node) {
		switch n := n.(type) {
		case *plan.JoinNode:
			if n.Op.IsInner() || n.Op.IsCross() {
				if n.Filter != nil {
					conditions = append(conditions, expression.SplitConjunction(ctx, n.Filter)...)
				}
				joined(n.Left())
				joined(n.Right())
			}
		case *plan.SubqueryAlias:
			derived = derived.Union(n.Columns())
		}
	}
	joined(w.Child)
	if derived.Empty() || len(conditions) < 2 {
		return n, transform.SameTree, nil
	}
	known := map[sql.ColumnId]sql.Expression{}
	for _, e := range conditions {
		if eq, ok := e.(*expression.Equals); ok {
			for _, side := range [][2]sql.Expression{{eq.Left(), eq.Right()}, {eq.Right(), eq.Left()}} {
				g, column := side[0].(*expression.GetField)
				if l, literal := side[1].(*expression.Literal); column && literal && comparedAlike(ctx, g, l) {
					known[g.Id()] = l
				}
			}
		}
	}
	added := all
	for _, e := range conditions {
		if eq, ok := e.(*expression.Equals); ok {
			for _, side := range [][2]sql.Expression{{eq.Left(), eq.Right()}, {eq.Right(), eq.Left()}} {
				to, ok := side[0].(*expression.GetField)
				from, ok2 := side[1].(*expression.GetField)
				if ok && ok2 && derived.Contains(to.Id()) && known[to.Id()] == nil && known[from.Id()] != nil && comparedAlike(ctx, from, to) {
					added = append(added, expression.NewEquals(to, known[from.Id()]))
				}
			}
		}
	}
	if len(added) == len(all) {
		return n, transform.SameTree, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(added...), w.Child), transform.NewTree, nil
}

// comparedAlike reports whether a column is compared with another value as its values with each other are.
func comparedAlike(ctx *sql.Context, column *expression.GetField, with sql.Expression) bool {
	t, text := column.Type(ctx).(sql.StringType)
	if !text {
		return types.IsInteger(column.Type(ctx)) && types.IsInteger(with.Type(ctx))
	}
	if x, ok := with.(*expression.GetField); ok {
		u, ok := x.Type(ctx).(sql.StringType)
		return ok && types.IsTextOnly(t) && types.IsTextOnly(u) && u.Collation() == t.Collation()
	}
	by, _ := expr.CommonCollation(ctx, []sql.Expression{column, with})
	return types.IsTextOnly(with.Type(ctx)) && by == t.Collation()
}

// belowWindow moves conditions of a filter above a window.
func belowWindow(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	f, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	w, named := windowBelow(f.Child)
	if w == nil {
		return n, transform.SameTree, nil
	}
	columns := partitionColumns(w)
	var kept, moved []sql.Expression
	for _, e := range expression.SplitConjunction(ctx, f.Expression) {
		of, _, err := transform.Expr(ctx, e, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if g, ok := e.(*expression.GetField); ok && named[g.Id()] != nil {
				return named[g.Id()], transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
		if takesPartitions(ctx, of, columns) {
			moved = append(moved, of)
		} else {
			kept = append(kept, e)
		}
	}
	if len(moved) == 0 {
		return n, transform.SameTree, nil
	}
	below, err := w.WithChildren(ctx, plan.NewFilter(ctx, expression.JoinAnd(moved...), w.Child))
	if err != nil {
		return n, transform.SameTree, err
	}
	out, _, err := transform.Node(ctx, f.Child, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if n == sql.Node(w) {
			return below, transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
	if err == nil && len(kept) > 0 {
		out = plan.NewFilter(ctx, expression.JoinAnd(kept...), out)
	}
	return out, transform.NewTree, err
}

// windowBelow returns the window whose rows a plan has all of, nil if it is none, and its columns that have other names above it.
func windowBelow(n sql.Node) (*plan.Window, map[sql.ColumnId]*expression.GetField) {
	named := map[sql.ColumnId]*expression.GetField{}
	name := func(exprs []sql.Expression) {
		for _, e := range exprs {
			if a, ok := e.(*expression.Alias); ok {
				if g, ok := a.Child.(*expression.GetField); ok {
					named[a.Id()] = g
				}
			}
		}
	}
	for {
		switch x := n.(type) {
		case *plan.Window:
			name(x.SelectExprs)
			return x, named
		case *plan.Project:
			name(x.Projections)
			n = x.Child
		case *plan.Sort, *plan.Distinct:
			n = x.Children()[0]
		default:
			return nil, nil
		}
	}
}

// partitionColumns returns the columns that are in the PARTITION BY of every window.
func partitionColumns(w *plan.Window) (all sql.ColSet) {
	first := true
	for _, e := range w.SelectExprs {
		if a, ok := e.(*expression.Alias); ok {
			e = a.Child
		}
		x, ok := e.(sql.WindowAdaptableExpression)
		if !ok {
			continue
		}
		var columns sql.ColSet
		if def := x.Window(); def != nil {
			for _, by := range def.PartitionBy {
				if g, ok := by.(*expression.GetField); ok {
					columns.Add(g.Id())
				}
			}
		}
		if !first {
			columns = columns.Intersection(all)
		}
		all, first = columns, false
	}
	return all
}

// takesPartitions reports whether a condition is the same for rows that are equal by some columns. Texts that are equal may differ,
// so that they must be compared as the column is, with what is known.
func takesPartitions(ctx *sql.Context, e sql.Expression, columns sql.ColSet) bool {
	if varies(ctx, e, false) || varies(ctx, e, true) {
		return false
	}
	texts, some := false, false
	other := transform.InspectExpr(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
		switch e := e.(type) {
		case *expression.GetField:
			t := e.Type(ctx)
			some, texts = true, texts || types.IsText(t)
			return !columns.Contains(e.Id()) || !types.IsText(t) && !types.IsNumber(t) && !types.IsTime(t) && !types.IsTimespan(t)
		case *plan.Subquery:
			return true
		}
		return false
	})
	if other || !some || !texts {
		return !other && some
	}
	switch e.(type) {
	case *expression.Equals, *expression.InTuple:
	default:
		return false
	}
	sides := e.Children()
	g, ok := sides[0].(*expression.GetField)
	if !ok || !Known(ctx, sides[1]) {
		return false
	}
	known := []sql.Expression{sides[1]}
	if list, ok := sides[1].(expression.Tuple); ok {
		known = list
	}
	return !slices.ContainsFunc(known, func(k sql.Expression) bool { return !comparedAlike(ctx, g, k) })
}
