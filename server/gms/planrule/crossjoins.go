package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// hiddenCondition is a condition in which a rule finds nothing.
type hiddenCondition struct{ sql.Expression }

// Children implements sql.Expression.
func (hiddenCondition) Children() []sql.Expression { return nil }

// GuardCrossJoins keeps the conditions of WHERE that cross joins on the side of an outer join
// that it may leave out would get. The planner makes inner joins of those, and forgets that
// WHERE is asked of what is left out, too. A condition goes to the cross join that has all its
// tables: the planner puts it to each whose sides a part of it compares.
func GuardCrossJoins(a *analyzer.Analyzer) {
	AroundRule(a, "replaceCrossJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		return moveEqualities(ctx, n, f, rule)
	})
	AroundRule(a, "replaceCrossJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		hidden, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			every, hidden := crossJoined(w.Child, false), false
			all := slices.Clone(expression.SplitConjunction(ctx, w.Expression))
			for i, e := range all {
				if every || namesMore(w.Child, tablesNamed(ctx, w.Child, e)) {
					all[i], hidden = hiddenCondition{e}, true
				}
			}
			if !hidden {
				return n, transform.SameTree, nil
			}
			return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), transform.NewTree, nil
		})
		if err != nil || same == transform.SameTree {
			return rule(ctx, n, f)
		}
		replaced, same, err := rule(ctx, hidden, f)
		if err != nil {
			return n, transform.SameTree, err
		}
		moved := same == transform.NewTree
		replaced, _, err = transform.Node(ctx, replaced, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			under := w.Child
			every := crossJoined(under, false)
			var kept []sql.Expression
			for _, e := range expression.SplitConjunction(ctx, w.Expression) {
				if h, ok := e.(hiddenCondition); ok {
					e = h.Expression
					if j := joinedBy(ctx, under, e, comparesSides); !every && j != nil && tablesNamed(ctx, under, e).SubsetOf(TablesIn(ctx, e)) {
						under, moved = j, true
						continue
					}
				}
				kept = append(kept, e)
			}
			if len(kept) == 0 {
				return under, transform.NewTree, nil
			}
			return plan.NewFilter(ctx, expression.JoinAnd(kept...), under), transform.NewTree, nil
		})
		if err != nil || !moved {
			return n, transform.SameTree, err
		}
		return replaced, transform.NewTree, nil
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

// namesMore reports whether tables are on both sides of a cross join of a plan and elsewhere, too.
func namesMore(n sql.Node, tables sets.FastIntSet) (more bool) {
	InspectJoins(n, func(j *plan.JoinNode) {
		l, r := tablesOf(j.Left()), tablesOf(j.Right())
		more = more || j.Op.IsCross() && tables.Intersects(l) && tables.Intersects(r) && !tables.SubsetOf(l.Union(r))
	})
	return more
}

// tablesNamed returns those of a plan's tables whose columns an expression or its subqueries name.
func tablesNamed(ctx *sql.Context, n sql.Node, e sql.Expression) sets.FastIntSet {
	out := TablesIn(ctx, e).Intersection(tablesOf(n))
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		sq, ok := e.(*plan.Subquery)
		if !ok {
			return true
		}
		transform.Inspect(n, func(n sql.Node) bool {
			t, ok := n.(plan.TableIdNode)
			if ok && sq.Correlated().Intersects(t.Columns()) {
				out.Add(int(t.Id()))
			}
			return n != nil && !ok
		})
		return true
	})
	return out
}

// comparesSides reports whether a condition compares a column of each side of a cross join.
func comparesSides(ctx *sql.Context, j *plan.JoinNode, e sql.Expression) bool {
	left, right := tablesOf(j.Left()), tablesOf(j.Right())
	return j.Op.IsCross() && transform.InspectExpr(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
		c, ok := e.(expression.Comparer)
		if !ok {
			return false
		}
		l, r := TablesIn(ctx, c.Left()), TablesIn(ctx, c.Right())
		return l.Intersects(left) && r.Intersects(right) || l.Intersects(right) && r.Intersects(left)
	})
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
				if j := joinedBy(ctx, under, eq, betweenSides); j != nil {
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

// betweenSides reports whether one side of an equality is of one side of a join, and the other of the other.
func betweenSides(ctx *sql.Context, j *plan.JoinNode, e sql.Expression) bool {
	eq := e.(*expression.Equals)
	left, right := j.Left().Schema(ctx), j.Right().Schema(ctx)
	return ofSchema(ctx, left, eq.Left()) && ofSchema(ctx, right, eq.Right()) || ofSchema(ctx, right, eq.Left()) && ofSchema(ctx, left, eq.Right())
}

// ofSchema reports whether all columns of an expression are in a schema.
func ofSchema(ctx *sql.Context, s sql.Schema, e sql.Expression) bool {
	all := true
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if f, ok := e.(*expression.GetField); ok {
			all = all && s.Contains(f.Name(), f.Table())
		}
		return all
	})
	return all
}

// joinedBy returns a plan whose innermost inner join of the tables of a condition has it, nil if there
// is none or it may not be there.
func joinedBy(ctx *sql.Context, n sql.Node, e sql.Expression, may func(*sql.Context, *plan.JoinNode, sql.Expression) bool) sql.Node {
	j, ok := n.(*plan.JoinNode)
	if !ok || !j.Op.IsCross() && !j.Op.IsInner() {
		return nil
	}
	switch {
	case ofSchema(ctx, j.Left().Schema(ctx), e):
		if l := joinedBy(ctx, j.Left(), e, may); l != nil {
			return withSides(ctx, j, l, j.Right())
		}
	case ofSchema(ctx, j.Right().Schema(ctx), e):
		if r := joinedBy(ctx, j.Right(), e, may); r != nil {
			return withSides(ctx, j, j.Left(), r)
		}
	case ofSchema(ctx, j.Schema(ctx), e) && may(ctx, j, e):
		on := e
		if j.Filter != nil {
			on = expression.JoinAnd(j.Filter, e)
		}
		return plan.NewInnerJoin(ctx, j.Left(), j.Right(), on).WithComment(j.Comment())
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
