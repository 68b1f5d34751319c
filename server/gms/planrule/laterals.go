package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// GuardLaterals has a LATERAL derived table made for each row before it by every join, and keeps conditions where LEFT JOIN LATERAL
// has them, as the equalities of NOT EXISTS and NOT IN. The planner takes STRAIGHT_JOIN, USING and NATURAL for joins of rows that are
// made once, and moves the conditions of and above such a LEFT JOIN as those of an inner join.
func GuardLaterals(a *analyzer.Analyzer) {
	for _, id := range []string{"pushdownSubqueryAliasFilters", "replaceCrossJoins", "pushFilters"} {
		AroundRule(a, id, func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
			var left sets.FastIntSet // tables that LEFT JOIN LATERAL joins
			changed := false
			plain, _, err := transform.Node(ctx, n, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				j, ok := n.(*plan.JoinNode)
				if !ok {
					return n, transform.SameTree, nil
				}
				t, lateral := j.Right().(*plan.SubqueryAlias)
				op := j.Op
				if lateral && t.IsLateral && t.Correlated.Intersects(columnsBelow(j.Left())) {
					op = op.AsLateral()
					changed = changed || op != j.Op
				}
				if op == plan.JoinTypeLateralLeft {
					left, op = left.Union(tablesOf(j.Right())), plan.JoinTypeLeftOuter
				}
				return withOp(j, op), op == j.Op, nil
			})
			if err != nil || !changed && left.Empty() {
				return rule(ctx, n, f)
			}
			ruled, same, err := rule(ctx, plain, f)
			if err != nil {
				return n, transform.SameTree, err
			}
			changed = changed || !bool(same)
			ruled, _, err = transform.Node(ctx, ruled, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				j, ok := n.(*plan.JoinNode)
				if !ok || !j.Op.IsLeftOuter() || !tablesOf(j.Right()).SubsetOf(left) {
					return n, transform.SameTree, nil
				}
				return withOp(j, plan.JoinTypeLateralLeft), transform.NewTree, nil
			})
			return ruled, transform.TreeIdentity(!changed), err
		})
	}
	AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		plain, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			j, ok := n.(*plan.JoinNode)
			if !ok || j.Op != plan.JoinTypeLateralLeft && !j.Op.IsAnti() || j.Filter == nil {
				return n, transform.SameTree, nil
			}
			all, same := expression.SplitConjunction(ctx, j.Filter), transform.SameTree
			for i, e := range all {
				_, equality := e.(expression.Equality)
				_, nullSafe := e.(*expression.NullSafeEquals)
				if (equality || nullSafe) && (!j.Op.IsAnti() || TablesIn(ctx, e).SubsetOf(tablesOf(j.Left()))) {
					all[i], same = looseCondition{e}, transform.NewTree
				}
			}
			return j.WithFilter(expression.JoinAnd(all...)), same, nil
		})
		if err != nil || bool(same) {
			return rule(ctx, n, f)
		}
		planned, _, err := rule(ctx, plain, f)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, _, err = transform.NodeExprs(ctx, planned, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if l, ok := e.(looseCondition); ok {
				return l.Expression, transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
		return planned, transform.NewTree, err
	})
}

// looseCondition is an equality of a LEFT JOIN LATERAL, or one of an antijoin's left side alone: the planner would take its
// columns for equal in all rows that the join returns.
type looseCondition struct{ sql.Expression }

// Children implements sql.Expression.
func (l looseCondition) Children() []sql.Expression { return []sql.Expression{l.Expression} }

// WithChildren implements sql.Expression.
func (l looseCondition) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(l, len(children), 1)
	}
	return looseCondition{children[0]}, nil
}

func withOp(j *plan.JoinNode, op plan.JoinType) *plan.JoinNode {
	k := *j
	k.Op = op
	return &k
}
