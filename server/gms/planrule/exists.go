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
	"sextant/server/gms/value"
)

// GuardExists corrects how the planner makes joins of EXISTS.
//
// It makes a cross join of an EXISTS that names nothing outside of it, and looks for the
// columns of a semi-join above that in the wrong places: such come last.
//
// A condition in a subquery that names the outer query alone it moves out, NOT EXISTS(SELECT …
// WHERE c) becoming NOT(EXISTS(SELECT …) AND c), which is NULL where c is. It does so, too, where
// there is a row without those that the condition refuses, see tied.
func GuardExists(a *analyzer.Analyzer) {
	AroundRule(a, "hoistOutOfScopeFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() || tied(ctx, n, false) {
			return n, transform.SameTree, nil
		}
		moved, same, err := rule(ctx, n, f)
		if err != nil || same == transform.SameTree || !value.Served(ctx) {
			return moved, same, err
		}
		if moved, err = keepCorrelations(ctx, n, moved); err != nil {
			return n, same, err
		}
		moved, _, err = intoSubqueries(ctx, moved, decideMoved)
		return moved, same, err
	})
	AroundRule(a, "unnestExistsSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if f != nil && f.SubqueryIsSet() && value.Served(ctx) && manyTables(n) {
			return n, transform.SameTree, nil
		}
		if f == nil || !f.SubqueryIsSet() {
			return rule(ctx, n, f)
		}
		ordered, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
			for i, e := range all {
				if kept := keptExists(ctx, e); kept != nil {
					all[i], same = kept, transform.NewTree
				}
			}
			compare := func(a, b sql.Expression) int { return aside(a) - aside(b) }
			if bool(same) && slices.IsSortedFunc(all, compare) {
				return n, same, nil
			}
			slices.SortStableFunc(all, compare)
			return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), transform.NewTree, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same2, err := rule(ctx, ordered, f)
		return planned, same && same2, err
	})
}

// tied reports whether a statement has conditions that may not be moved out of a subquery: those below an aggregate,
// a UNION or a join of one that names the outer query, and those of a LATERAL. Or it has a derived table, within: n is
// of one, with a subquery that names its tables: the planner then takes the derived table for one that names others.
func tied(ctx *sql.Context, n sql.Node, within bool) (found bool) {
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		switch n := n.(type) {
		case *plan.SubqueryAlias:
			found = found || n.IsLateral || !n.Correlated.Empty() || tied(ctx, n.Child, true)
			return false
		case *plan.Filter:
			sql.Inspect(ctx, n.Expression, func(ctx *sql.Context, e sql.Expression) bool {
				if sub, ok := e.(*plan.Subquery); ok && !sub.Correlated().Empty() {
					found = found || within || tied(ctx, sub.Query, false) || filtersBelow(sub.Query, false)
				}
				return !found
			})
		}
		return !found
	})
	return found
}

// filtersBelow reports whether a query has a condition, or nothing in the place of a table, below a node that has rows
// for none, below: n is.
func filtersBelow(n sql.Node, below bool) bool {
	switch n := n.(type) {
	case *plan.Filter, *plan.EmptyTable:
		if below {
			return true
		}
	case *plan.GroupBy:
		below = below || len(n.GroupByExprs) == 0
	case *plan.SetOp:
		below = true
	case *plan.JoinNode:
		below = below || !n.Op.IsInner() && !n.Op.IsCross()
	}
	return !sql.IsOpaque(n) && slices.ContainsFunc(n.Children(), func(n sql.Node) bool { return filtersBelow(n, below) })
}

// dependentTable reports whether a query has a derived table that names the outer query.
func dependentTable(n sql.Node) (found bool) {
	transform.Inspect(n, func(n sql.Node) bool {
		t, ok := n.(*plan.SubqueryAlias)
		found = found || ok && !t.CanCacheResults()
		return !found
	})
	return found
}

// keptExists returns EXISTS, or NOT of one, as a condition that becomes no join: the planner takes the joined rows for
// those of the subquery, whose aggregate may have one where there are none, whose LIMIT may leave none, and which has
// derived tables with conditions on the outer row.
func keptExists(ctx *sql.Context, e sql.Expression) sql.Expression {
	x := e
	if not, ok := e.(*expression.Not); ok {
		x = not.Child
	}
	exists, ok := x.(*plan.ExistsSubquery)
	if !ok {
		return nil
	}
	kept := filtersBelow(exists.Query.Query, false) || dependentTable(exists.Query.Query)
	for n := exists.Query.Query; !kept; {
		switch x := n.(type) {
		case *plan.GroupBy:
			kept = len(x.GroupByExprs) == 0
		case *plan.Limit:
			rows, ok := literalValue(ctx, x.Limit)
			count, _, err := types.Int64.Convert(ctx, rows)
			kept = !ok || err != nil || count == int64(0)
		case *plan.Project, *plan.Sort, *plan.Distinct, *plan.TopN, *plan.Having:
		default:
			return nil
		}
		n = n.Children()[0]
	}
	return &unindexed{expression.UnaryExpressionStub{Child: e}}
}

// decideMoved has the conditions that were moved out of a subquery beside it under NOT be true
// or false.
func decideMoved(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	e, same, err := transform.Expr(ctx, w.Expression, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		not, ok := e.(*expression.Not)
		if !ok {
			return e, transform.SameTree, nil
		}
		parts, same := expression.SplitConjunction(ctx, not.Child), transform.SameTree
		if len(parts) < 2 || !asksSubquery(parts[0]) {
			return e, transform.SameTree, nil
		}
		for k, p := range parts[1:] {
			if _, done := p.(*expression.IsTrue); !done && !asksSubquery(p) {
				parts[k+1], same = expression.NewIsTrue(p), transform.NewTree
			}
		}
		if same {
			return e, same, nil
		}
		return expression.NewNot(expression.JoinAnd(parts...)), same, nil
	})
	if err != nil || same {
		return n, transform.SameTree, err
	}
	return plan.NewFilter(ctx, e, w.Child), transform.NewTree, nil
}

// asksSubquery reports whether e is IN or EXISTS of a subquery.
func asksSubquery(e sql.Expression) bool {
	switch e.(type) {
	case *plan.InSubquery, *expr.InRows, *plan.ExistsSubquery:
		return true
	}
	return false
}

// aside returns 1 if e is EXISTS of a subquery that names nothing outside of it, else 0.
func aside(e sql.Expression) int {
	if x, ok := e.(*plan.ExistsSubquery); ok && x.Query.Correlated().Empty() {
		return 1
	}
	return 0
}
