package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// hiddenCondition is a condition in which a rule finds nothing.
type hiddenCondition struct{ sql.Expression }

// Children implements sql.Expression.
func (hiddenCondition) Children() []sql.Expression { return nil }

// guardCrossJoins keeps the conditions of WHERE that cross joins on the side of an outer join
// that it may leave out would get. The planner makes inner joins of those, and forgets that
// WHERE is asked of what is left out, too.
func guardCrossJoins(a *analyzer.Analyzer) {
	aroundRule(a, "replaceCrossJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		hidden, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok || !crossJoined(w.Child, false) {
				return n, transform.SameTree, nil
			}
			all := slices.Clone(expression.SplitConjunction(ctx, w.Expression))
			for i, e := range all {
				all[i] = hiddenCondition{e}
			}
			return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), transform.NewTree, nil
		})
		if err != nil || same == transform.SameTree {
			return rule(ctx, n, f)
		}
		replaced, same, err := rule(ctx, hidden, f)
		if err != nil || same == transform.SameTree {
			return n, transform.SameTree, err
		}
		replaced, _, err = transform.Node(ctx, replaced, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			all := slices.Clone(expression.SplitConjunction(ctx, w.Expression))
			for i, e := range all {
				if h, ok := e.(hiddenCondition); ok {
					all[i] = h.Expression
				}
			}
			return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), transform.NewTree, nil
		})
		return replaced, transform.NewTree, err
	})
}

// crossJoined reports whether a plan has a cross join on the side of an outer join that it
// may leave out, optional: n is on one.
func crossJoined(n sql.Node, optional bool) bool {
	j, ok := n.(*plan.JoinNode)
	if !ok {
		return !sql.IsOpaque(n) && slices.ContainsFunc(n.Children(), func(n sql.Node) bool { return crossJoined(n, optional) })
	}
	return optional && j.Op.IsCross() || crossJoined(j.Left(), optional || j.Op.IsRightOuter()) ||
		crossJoined(j.Right(), optional || j.Op.IsLeftOuter())
}
