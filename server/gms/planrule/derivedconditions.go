package planrule

import (
	"slices"
	"strings"

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
// inner join has equal to a literal is one with that. And it moves fewer: one that rows of a group may differ by stays above these.
//
// Source: MySQL's derived condition pushdown (8.0.22) and equality propagation.
func PushIntoDerived(a *analyzer.Analyzer) {
	AroundRule(a, "pushFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		pushed, same, err := transform.Node(ctx, n, belowWindow)
		if err != nil {
			return n, transform.SameTree, err
		}
		pushed, same2, err := transform.Node(ctx, pushed, aboveGroups)
		if err != nil {
			return n, transform.SameTree, err
		}
		pushed, same3, err := rule(ctx, pushed, f)
		return pushed, same && same2 && same3, err
	})
	AroundRule(a, "pushdownSubqueryAliasFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		implied, same, err := transform.Node(ctx, n, withLiterals)
		if err != nil {
			return n, transform.SameTree, err
		}
		implied, same2, err := transform.Node(ctx, implied, aboveGroups)
		if err != nil {
			return n, transform.SameTree, err
		}
		implied, same3, err := rule(ctx, implied, f)
		return implied, same && same2 && same3, err
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

// takesPartitions reports whether a condition is the same for rows that are equal by some columns.
func takesPartitions(ctx *sql.Context, e sql.Expression, columns sql.ColSet) bool {
	if varies(ctx, e, false) || varies(ctx, e, true) {
		return false
	}
	some := false
	other := transform.InspectExpr(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
		switch e := e.(type) {
		case *expression.GetField:
			some = true
			return !columns.Contains(e.Id())
		case *plan.Subquery:
			return true
		}
		return false
	})
	return !other && some && takesEqual(ctx, e)
}

// takesEqual reports whether a condition is the same for rows whose columns are equal. Texts that are equal may differ, so that they
// must be compared as their columns are. A LIKE that is counts too, though 'ß' is equal to 'ss': it finds the index's range.
func takesEqual(ctx *sql.Context, e sql.Expression) bool {
	if !transform.InspectExpr(ctx, e, differsFromEqual) {
		return true
	}
	operands := e.Children()
	switch x := e.(type) {
	case *expression.And, *expression.Or, *expression.Xor, *expression.Not:
		return !slices.ContainsFunc(operands, func(o sql.Expression) bool { return !takesEqual(ctx, o) })
	case *expression.IsNull:
		return isColumn(x.Child)
	case *expression.Equals, *expression.NullSafeEquals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan,
		*expression.GreaterThanOrEqual, *expression.Between, *plan.InSubquery:
	case *expression.Like:
		if t, ok := x.LeftChild.Type(ctx).(sql.StringType); !ok || !strings.Contains(t.Collation().Name(), "_0900_") { // 'b' is equal to 'b ' by others
			return false
		}
	case *expression.InTuple:
		if list, ok := x.Right().(expression.Tuple); ok {
			operands = append([]sql.Expression{x.Left()}, list...)
		}
	case *indexBound:
		return false
	case sql.IndexComparisonExpression: // the bounds of a LIKE, by the column's collation
		return true
	default:
		return false
	}
	at := slices.IndexFunc(operands, func(o sql.Expression) bool { return isColumn(o) && differsFromEqual(ctx, o) })
	return at >= 0 && !slices.ContainsFunc(operands, func(o sql.Expression) bool {
		return !isColumn(o) && transform.InspectExpr(ctx, o, differsFromEqual) || !comparedAlike(ctx, operands[at].(*expression.GetField), o)
	})
}

// isColumn reports whether an expression is a column.
func isColumn(e sql.Expression) bool { _, is := e.(*expression.GetField); return is }

// differsFromEqual reports whether an expression is a column whose values may differ though they are equal.
func differsFromEqual(ctx *sql.Context, e sql.Expression) bool {
	if !isColumn(e) {
		return false
	}
	t := e.Type(ctx)
	return types.IsTextOnly(t) && t.(sql.StringType).Collation() != sql.Collation_utf8mb4_0900_bin || types.IsJSON(t)
}

// aboveGroups keeps conditions of a filter above what makes one row of those that are equal, if these are not the same for all of them:
// the planner moves what a filter has, not what a HAVING has. Those are conditions on what a statement does not group by, too, which
// depends on what it does by ONLY_FULL_GROUP_BY alone.
func aboveGroups(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	f, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	groups, by, named := false, []sql.Expression(nil), map[sql.ColumnId]sql.Expression{}
	any := true // columns are the same for all rows of a group
	transform.Inspect(f.Child, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.Distinct, *plan.SetOp:
			groups = true
		case *plan.GroupBy:
			groups, by, any = true, n.GroupByExprs, len(n.GroupByExprs) > 0 && sql.LoadSqlMode(ctx).OnlyFullGroupBy()
		case *plan.Project:
			for _, e := range n.Projections {
				if a, ok := e.(*expression.Alias); ok {
					named[a.Id()] = a.Child
				}
			}
		}
		return !groups
	})
	if !groups {
		return n, transform.SameTree, nil
	}
	varied := func(_ *sql.Context, e sql.Expression) bool {
		g, column := e.(*expression.GetField)
		if !column || any {
			return false
		}
		of := named[g.Id()]
		return !slices.ContainsFunc(by, func(k sql.Expression) bool {
			return k.String() == g.String() || of != nil && k.String() == of.String()
		})
	}
	var kept, moved []sql.Expression
	for _, e := range expression.SplitConjunction(ctx, f.Expression) {
		if takesEqual(ctx, e) && !transform.InspectExpr(ctx, e, varied) {
			moved = append(moved, e)
		} else {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		return n, transform.SameTree, nil
	}
	child := f.Child
	if len(moved) > 0 {
		child = plan.NewFilter(ctx, expression.JoinAnd(moved...), child)
	}
	return plan.NewHaving(expression.JoinAnd(kept...), child), transform.NewTree, nil
}
