package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// guardExists corrects how the planner makes joins of EXISTS.
//
// It makes a cross join of an EXISTS that names nothing outside of it, and looks for the
// columns of a semi-join above that in the wrong places: such come last.
//
// A condition in a subquery that names the outer query alone it moves out, NOT EXISTS(SELECT …
// WHERE c) becoming NOT(EXISTS(SELECT …) AND c), which is NULL where c is.
func guardExists(a *analyzer.Analyzer) {
	aroundRule(a, "hoistOutOfScopeFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := rule(ctx, n, f)
		if err != nil || same == transform.SameTree || !served(ctx) {
			return n, same, err
		}
		n, _, err = transform.Node(ctx, n, decideMoved)
		return n, same, err
	})
	aroundRule(a, "unnestExistsSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() {
			return rule(ctx, n, f)
		}
		ordered, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			all := expression.SplitConjunction(ctx, w.Expression)
			compare := func(a, b sql.Expression) int { return aside(a) - aside(b) }
			if slices.IsSortedFunc(all, compare) {
				return n, transform.SameTree, nil
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

// decideMoved has the conditions that were moved out of a subquery beside it under NOT be true
// or false.
func decideMoved(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	return negated(ctx, n, func(_ *plan.Filter, not *expression.Not) sql.Expression {
		parts := expression.SplitConjunction(ctx, not.Child)
		if len(parts) < 2 || !asksSubquery(parts[0]) {
			return nil
		}
		for k, p := range parts[1:] {
			if _, done := p.(*expression.IsTrue); !done && !asksSubquery(p) {
				parts[k+1] = expression.NewIsTrue(p)
			}
		}
		return expression.NewNot(expression.JoinAnd(parts...))
	})
}

// asksSubquery reports whether e is IN or EXISTS of a subquery.
func asksSubquery(e sql.Expression) bool {
	switch e.(type) {
	case *plan.InSubquery, *inRows, *plan.ExistsSubquery:
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
