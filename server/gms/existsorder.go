package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// orderExists puts the EXISTS of subqueries that name nothing outside of them behind the
// others. The planner makes cross joins of them, and looks for the columns of a semi-join
// above one in the wrong places.
func orderExists(a *analyzer.Analyzer) {
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

// aside returns 1 if e is EXISTS of a subquery that names nothing outside of it, else 0.
func aside(e sql.Expression) int {
	if x, ok := e.(*plan.ExistsSubquery); ok && x.Query.Correlated().Empty() {
		return 1
	}
	return 0
}
