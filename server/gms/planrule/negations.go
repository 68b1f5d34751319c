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

// keptNot is NOT of a comparison with a subquery, which the planner must not make an
// anti-join of: nothing is unlike the row that a subquery does not have.
type keptNot struct{ *expression.Not }

// WithChildren implements sql.Expression.
func (e *keptNot) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n, err := e.Not.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &keptNot{n.(*expression.Not)}, nil
}

// KeepSubqueries makes expr.InRows and keptNots of what the planner would make anti-joins of
// though NULL or an empty subquery makes a difference, and expr.InRows of what it makes no joins
// of.
func KeepSubqueries(a *analyzer.Analyzer) {
	AroundRule(a, "unnestInSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() || !value.Served(ctx) {
			return rule(ctx, n, f)
		}
		if manyTables(n) {
			return n, transform.SameTree, nil
		}
		kept, same, err := intoSubqueries(ctx, n, keepNegations)
		if err != nil {
			return n, transform.SameTree, err
		}
		kept, same2, err := intoSubqueries(ctx, kept, keepScalars)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same3, err := rule(ctx, kept, f)
		if err != nil {
			return n, transform.SameTree, err
		}
		if !same2 {
			if planned, _, err = intoSubqueries(ctx, planned, freeScalars); err != nil {
				return n, transform.SameTree, err
			}
		}
		planned, same4, err := transform.Node(ctx, planned, splitRows)
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same5, err := transform.Node(ctx, planned, KeepIns)
		return planned, same && same3 && same4 && same5, err
	})
}

// splitRows has a join by a row of values be one by each of them, which an index or a hash may serve. A join of
// NOT IN is of columns that are never NULL (see keepNegations).
func splitRows(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	j, ok := n.(*plan.JoinNode)
	if !ok || j.Filter == nil {
		return n, transform.SameTree, nil
	}
	var all []sql.Expression
	same := transform.SameTree
	for _, e := range expression.SplitConjunction(ctx, j.Filter) {
		eq, ok := e.(*expression.Equals)
		if !ok {
			all = append(all, e)
			continue
		}
		left, lok := eq.Left().(expression.Tuple)
		right, rok := eq.Right().(expression.Tuple)
		if !lok || !rok || len(left) != len(right) {
			all = append(all, e)
			continue
		}
		for i := range left {
			all = append(all, expression.NewEquals(left[i], right[i]))
		}
		same = transform.NewTree
	}
	if same {
		return n, same, nil
	}
	return j.WithFilter(expression.JoinAnd(all...)), same, nil
}

// heldScalar is a subquery that has one value for the whole statement, which the planner must not join with: it would
// compare that row with every row of the table.
type heldScalar struct{ *plan.Subquery }

// keepScalars holds the subqueries with one value that a filter's conditions compare with.
func keepScalars(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	return scalars(ctx, n, func(e sql.Expression) (sql.Expression, error) {
		if sub, ok := e.(*plan.Subquery); ok && sub.CanCacheResults() {
			return &heldScalar{sub}, nil
		}
		return nil, nil
	})
}

// freeScalars takes back what keepScalars did.
func freeScalars(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	return scalars(ctx, n, func(e sql.Expression) (sql.Expression, error) {
		held, ok := e.(*heldScalar)
		if !ok {
			return nil, nil
		}
		q, same, err := intoSubqueries(ctx, held.Query, freeScalars)
		if err != nil || same {
			return held.Subquery, err
		}
		return held.WithQuery(q), nil
	})
}

// scalars puts what f returns in place of the right sides of the comparisons among a filter's conditions; nil: one stays.
func scalars(ctx *sql.Context, n sql.Node, f func(sql.Expression) (sql.Expression, error)) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
	for i, e := range all {
		c, ok := e.(expression.Comparer)
		if !ok {
			continue
		}
		other, err := f(c.Right())
		if err != nil {
			return n, transform.SameTree, err
		}
		if other == nil {
			continue
		}
		with, err := e.WithChildren(ctx, c.Left(), other)
		if err != nil {
			return n, transform.SameTree, err
		}
		all[i], same = with, transform.NewTree
	}
	if same {
		return n, same, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
}

// manyTables reports whether a statement has more tables than the planner can join: its subqueries must not become joins.
func manyTables(n sql.Node) bool {
	tables := 0
	transform.InspectWithOpaque(value.NoContext(), n, func(_ *sql.Context, n sql.Node) bool {
		if _, ok := n.(*plan.ResolvedTable); ok {
			tables++
		}
		if x, ok := n.(sql.Expressioner); ok {
			for _, e := range x.Expressions() {
				sql.Inspect(value.NoContext(), e, func(_ *sql.Context, e sql.Expression) bool {
					if sub, ok := e.(*plan.Subquery); ok && manyTables(sub.Query) {
						tables = expr.JoinedMax
					}
					if sub, ok := e.(*plan.Subquery); ok {
						tables += tablesOf(sub.Query).Len()
					}
					return true
				})
			}
		}
		return true
	})
	return tables >= expr.JoinedMax
}

func keepNegations(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	n, same, err := keepMixed(ctx, n)
	if err != nil {
		return n, same, err
	}
	n, same2, err := negated(ctx, n, func(w *plan.Filter, not *expression.Not) sql.Expression {
		switch e := not.Child.(type) {
		case *plan.InSubquery:
			if sub, ok := e.Right().(*plan.Subquery); ok && !(never(ctx, w.Child, e.Left()) && neverNull(ctx, sub.Query)) {
				return expression.NewNot(expr.NewInRows(e))
			}
		case expression.Comparer:
			if _, ok := e.Right().(*plan.Subquery); ok {
				return &keptNot{not}
			}
		}
		return nil
	})
	return n, same && same2, err
}

// keepMixed makes expr.InRows of a filter's INs with values of two kinds: of '5' and '5.0' the planner's join takes both for 5.
func keepMixed(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
	for i, e := range all {
		in, ok := e.(*plan.InSubquery)
		if !ok {
			continue
		}
		if sub, ok := in.Right().(*plan.Subquery); ok && types.NumColumns(in.Left().Type(ctx)) == 1 {
			left, right := kindOf(ctx, in.Left()), kindOf(ctx, sub)
			members := (left == enumKind || left == setKind) && (right == textKind || right == binaryKind)
			members = members || (right == enumKind || right == setKind) && (left == textKind || left == binaryKind)
			if left != right && left != otherKind && right != otherKind && !members {
				all[i], same = expr.NewInRows(in), transform.NewTree
			}
		}
	}
	if same {
		return n, same, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
}

// intoSubqueries applies f to the nodes of a plan and to those of the subqueries in its conditions.
func intoSubqueries(ctx *sql.Context, n sql.Node, f transform.NodeFunc) (sql.Node, transform.TreeIdentity, error) {
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		w, ok := n.(*plan.Filter)
		if !ok {
			return f(ctx, n)
		}
		e, same, err := transform.Expr(ctx, w.Expression, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			sub, ok := e.(*plan.Subquery)
			if !ok {
				return e, transform.SameTree, nil
			}
			q, same, err := intoSubqueries(ctx, sub.Query, f)
			if err != nil || same {
				return e, transform.SameTree, err
			}
			return sub.WithQuery(q), transform.NewTree, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
		if !same {
			n = plan.NewFilter(ctx, e, w.Child)
		}
		n, same2, err := f(ctx, n)
		return n, same && same2, err
	})
}

// negated puts what f returns in place of the negations among a filter's conditions; nil:
// one stays. Other nodes stay as they are.
func negated(ctx *sql.Context, n sql.Node, f func(w *plan.Filter, not *expression.Not) sql.Expression) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
	for i, e := range all {
		if not, ok := e.(*expression.Not); ok {
			if other := f(w, not); other != nil {
				all[i], same = other, transform.NewTree
			}
		}
	}
	if same {
		return n, same, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
}

// KeepIns makes expr.InRows of the INs of a node's expressions.
func KeepIns(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	x, ok := n.(sql.Expressioner)
	if !ok {
		return n, transform.SameTree, nil
	}
	all, same, err := keepAllIn(ctx, x.Expressions())
	if err != nil || same {
		return n, transform.SameTree, err
	}
	n, err = x.WithExpressions(ctx, all...)
	return n, transform.NewTree, err
}

func keepAllIn(ctx *sql.Context, all []sql.Expression) ([]sql.Expression, transform.TreeIdentity, error) {
	all, same := slices.Clone(all), transform.SameTree
	for i, e := range all {
		switch e := e.(type) {
		case *expr.InRows:
			continue
		case *plan.InSubquery:
			if _, ok := e.Right().(*plan.Subquery); ok {
				all[i], same = expr.NewInRows(e), transform.NewTree
			}
			continue
		case nil:
			continue
		}
		parts, same2, err := keepAllIn(ctx, e.Children())
		if err != nil {
			return nil, transform.SameTree, err
		}
		if same2 {
			continue
		}
		same = transform.NewTree
		if all[i], err = e.WithChildren(ctx, parts...); err != nil {
			return nil, transform.SameTree, err
		}
	}
	return all, same, nil
}

// never reports whether a column of n is never NULL.
func never(ctx *sql.Context, n sql.Node, e sql.Expression) bool {
	c, ok := e.(*expression.GetField)
	return ok && !c.IsNullable(ctx) && !outer(n)
}

// neverNull reports whether a subquery's column is one of its tables that is never NULL.
func neverNull(ctx *sql.Context, n sql.Node) bool {
	p, ok := n.(*plan.Project)
	return ok && len(p.Projections) == 1 && never(ctx, p.Child, p.Projections[0])
}

// outer reports whether there is an outer join in a plan.
func outer(n sql.Node) bool {
	found := false
	transform.Inspect(n, func(n sql.Node) bool {
		j, ok := n.(*plan.JoinNode)
		found = found || ok && j.Op.IsOuter()
		return !found
	})
	return found
}
