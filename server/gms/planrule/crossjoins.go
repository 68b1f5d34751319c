package planrule

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

// GuardCrossJoins keeps the conditions of WHERE that cross joins on the side of an outer join
// that it may leave out would get. The planner makes inner joins of those, and forgets that
// WHERE is asked of what is left out, too.
func GuardCrossJoins(a *analyzer.Analyzer) {
	AroundRule(a, "replaceCrossJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		return moveEqualities(ctx, n, f, rule)
	})
	AroundRule(a, "replaceCrossJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
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

// moveEqualities puts equalities of WHERE between expressions of two tables into the inner joins of
// those, which then may look rows up by them, when the rule has done so with those of two columns.
func moveEqualities(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
	n, ruled, err := rule(ctx, n, f)
	if err != nil || !n.Resolved() {
		return n, ruled, err
	}
	n, moved, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		w, ok := n.(*plan.Filter)
		if !ok {
			return n, transform.SameTree, nil
		}
		child, is := w.Child.(*plan.JoinNode)
		if !is {
			return n, transform.SameTree, nil
		}
		var under sql.Node = child
		var kept []sql.Expression
		all := expression.SplitConjunction(ctx, w.Expression)
		for _, e := range all {
			if eq, ok := e.(*expression.Equals); ok && betweenTables(ctx, eq) {
				if j := joinedBy(ctx, under, eq); j != nil {
					under = j
					continue
				}
			}
			kept = append(kept, e)
		}
		switch len(kept) {
		case len(all):
			return n, transform.SameTree, nil
		case 0:
			return under, transform.NewTree, nil
		}
		return plan.NewFilter(ctx, expression.JoinAnd(kept...), under), transform.NewTree, nil
	})
	return n, ruled && moved, err
}

// betweenTables reports whether both sides of an equality are of columns and the same whenever they are evaluated.
func betweenTables(ctx *sql.Context, eq *expression.Equals) bool {
	for _, side := range eq.Children() {
		column, other := false, false
		sql.Inspect(ctx, side, func(_ *sql.Context, e sql.Expression) bool {
			switch x := e.(type) {
			case *expression.GetField:
				column = true
			case *plan.Subquery, *expression.UserVar, sql.Aggregation, sql.WindowAggregation:
				other = true
			case sql.NonDeterministicExpression:
				other = other || x.IsNonDeterministic()
			}
			return true
		})
		if !column || other {
			return false
		}
	}
	return true
}

// joinedBy returns a plan whose innermost inner join of the tables of an equality has it as a
// condition, nil if there is none.
func joinedBy(ctx *sql.Context, n sql.Node, eq *expression.Equals) sql.Node {
	j, ok := n.(*plan.JoinNode)
	if !ok || !j.Op.IsCross() && !j.Op.IsInner() {
		return nil
	}
	left, right := j.Left().Schema(ctx), j.Right().Schema(ctx)
	of := func(s sql.Schema, exprs ...sql.Expression) bool {
		all := true
		for _, e := range exprs {
			sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
				if f, ok := e.(*expression.GetField); ok {
					all = all && s.Contains(f.Name(), f.Table())
				}
				return all
			})
		}
		return all
	}
	a, b := eq.Left(), eq.Right()
	switch {
	case of(left, a) && of(right, b), of(right, a) && of(left, b):
		on := sql.Expression(eq)
		if j.Filter != nil {
			on = expression.JoinAnd(j.Filter, eq)
		}
		return plan.NewInnerJoin(ctx, j.Left(), j.Right(), on).WithComment(j.Comment())
	case of(left, a, b):
		if l := joinedBy(ctx, j.Left(), eq); l != nil {
			return withSides(ctx, j, l, j.Right())
		}
	case of(right, a, b):
		if r := joinedBy(ctx, j.Right(), eq); r != nil {
			return withSides(ctx, j, j.Left(), r)
		}
	}
	return nil
}

func withSides(ctx *sql.Context, j *plan.JoinNode, left, right sql.Node) sql.Node {
	n, err := j.WithChildren(ctx, left, right)
	if err != nil {
		return nil
	}
	return n
}
