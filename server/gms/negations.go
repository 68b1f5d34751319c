package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// keptNot is NOT of a comparison with a subquery that the planner must not make an
// anti-join of: nothing is outside of a set with NULL in it, nor unlike the row that a
// subquery does not have.
type keptNot struct{ *expression.Not }

// WithChildren implements sql.Expression.
func (e *keptNot) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n, err := e.Not.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &keptNot{n.(*expression.Not)}, nil
}

// Eval implements sql.Expression.
func (e *keptNot) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	in, ok := e.Child.(*plan.InSubquery)
	if !ok {
		return e.Not.Eval(ctx, row)
	}
	sub := in.Right().(*plan.Subquery)
	if l, r := in.Left().Type(ctx), sub.Type(ctx); types.NumColumns(l) == 1 && l.Equals(r) {
		return e.Not.Eval(ctx, row) // of one type, which can be hashed
	}
	left, err := in.Left().Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	rows, err := sub.EvalMultiple(ctx, row)
	if err != nil {
		return nil, err
	}
	var out any = true
	for _, right := range rows {
		switch same, err := equalRows(ctx, in.Left().Type(ctx), sub.Type(ctx), left, right); {
		case err != nil:
			return nil, err
		case same == nil:
			out = nil
		case same == true:
			return false, nil
		}
	}
	return out, nil
}

// equalRows compares two values, or rows of values, which are unequal if any two values
// are, and else NULL if one is.
func equalRows(ctx *sql.Context, lt, rt sql.Type, left, right any) (any, error) {
	ls, ok := lt.(types.TupleType)
	if !ok {
		return expression.NewEquals(expression.NewLiteral(left, lt), expression.NewLiteral(right, rt)).Eval(ctx, nil)
	}
	rs, ok := rt.(types.TupleType)
	l, ok1 := left.([]any)
	r, ok2 := right.([]any)
	if !ok || !ok1 || !ok2 || len(l) != len(ls) || len(r) != len(rs) || len(l) != len(r) {
		return nil, sql.ErrInvalidOperandColumns.New(types.NumColumns(lt), types.NumColumns(rt))
	}
	var out any = true
	for i := range l {
		same, err := equalRows(ctx, ls[i], rs[i], l[i], r[i])
		if err != nil || same == false {
			return same, err
		}
		if same == nil {
			out = nil
		}
	}
	return out, nil
}

// keepNegations makes keptNots of what the planner would make anti-joins of though NULL
// or an empty subquery makes a difference.
func keepNegations(a *analyzer.Analyzer) {
	aroundRule(a, "unnestInSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() || !served(ctx) {
			return rule(ctx, n, f)
		}
		kept, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
			for i, e := range all {
				if not, ok := e.(*expression.Not); ok && !antiJoin(ctx, w.Child, not.Child) {
					all[i], same = &keptNot{not}, transform.NewTree
				}
			}
			if same {
				return n, same, nil
			}
			return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same2, err := rule(ctx, kept, f)
		return planned, same && same2, err
	})
}

// antiJoin reports whether the rows of n for which e is not true are those for which it
// is false.
func antiJoin(ctx *sql.Context, n sql.Node, e sql.Expression) bool {
	switch e := e.(type) {
	case *plan.InSubquery:
		sub, ok := e.Right().(*plan.Subquery)
		return !ok || !sub.CanCacheResults() || never(ctx, n, e.Left()) && neverNull(ctx, sub.Query)
	case expression.Comparer:
		_, ok := e.Right().(*plan.Subquery)
		return !ok
	}
	return true
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
