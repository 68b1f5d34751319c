package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// nullSafeFilter is a condition on <=> that no index serves.
type nullSafeFilter struct{ *expression.NullSafeEquals }

// WithChildren implements sql.Expression.
func (e *nullSafeFilter) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n, err := e.NullSafeEquals.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &nullSafeFilter{n.(*expression.NullSafeEquals)}, nil
}

// GuardNullSafeJoins keeps conditions on <=> from becoming part of an index's key beside
// those on =. The planner takes the key of an index from the conditions of a join in an
// order of its own, and what comes behind a <=> finds NULL in the index too, though = is
// never true of it.
func GuardNullSafeJoins(a *analyzer.Analyzer) {
	AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		guarded, same, err := guardJoins(ctx, n)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same2, err := rule(ctx, guarded, f)
		if err != nil || bool(same) {
			return planned, same2, err
		}
		planned, _, err = transform.NodeExprs(ctx, planned, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if e, ok := e.(*nullSafeFilter); ok {
				return e.NullSafeEquals, transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
		return planned, transform.NewTree, err
	})
}

func guardJoins(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	var equal, nullSafe bool
	transform.Inspect(n, func(n sql.Node) bool {
		if j, ok := n.(*plan.JoinNode); ok && j.Filter != nil {
			for _, e := range expression.SplitConjunction(ctx, j.Filter) {
				switch e := e.(type) {
				case expression.Equality: // where there is no NULL, none is found
					equal = equal || e.Left().IsNullable(ctx) || e.Right().IsNullable(ctx)
				case *expression.NullSafeEquals:
					nullSafe = true
				}
			}
		}
		return true
	})
	if !equal || !nullSafe {
		return n, transform.SameTree, nil
	}
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		j, ok := n.(*plan.JoinNode)
		if !ok || j.Filter == nil {
			return n, transform.SameTree, nil
		}
		all := expression.SplitConjunction(ctx, j.Filter)
		same := transform.SameTree
		for i, e := range all {
			if e, ok := e.(*expression.NullSafeEquals); ok && hasColumn(ctx, e.Left()) && hasColumn(ctx, e.Right()) {
				all[i], same = &nullSafeFilter{e}, transform.NewTree
			}
		}
		return j.WithFilter(expression.JoinAnd(all...)), same, nil
	})
}

func hasColumn(ctx *sql.Context, e sql.Expression) bool {
	return transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		_, ok := e.(*expression.GetField)
		return ok
	})
}
