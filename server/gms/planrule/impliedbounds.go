package planrule

import (
	"reflect"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/value"
)

// ImplyBounds has the planner look for a range of an index by what an OR says of a column in all of its parts, too: a <= 5 of
// a < 5 OR a = 5 AND b < 7, which is how the rows behind another are asked for. The OR stays the condition.
func ImplyBounds(a *analyzer.Analyzer) {
	AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if !value.Served(ctx) {
			return rule(ctx, n, f)
		}
		bounded, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			w, ok := n.(*plan.Filter)
			if !ok {
				return n, transform.SameTree, nil
			}
			all := []sql.Expression{w.Expression}
			for _, e := range expression.SplitConjunction(ctx, w.Expression) {
				all = append(all, impliedBounds(ctx, e)...)
			}
			if len(all) == 1 {
				return n, transform.SameTree, nil
			}
			return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), transform.NewTree, nil
		})
		if err != nil || same {
			return rule(ctx, n, f)
		}
		planned, same, err := rule(ctx, bounded, f)
		if err != nil || same {
			return n, transform.SameTree, err
		}
		planned, _, err = transform.Node(ctx, planned, withoutBounds)
		return planned, transform.NewTree, err
	})
}

// withoutBounds takes what ORs imply out of a filter.
func withoutBounds(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	all := expression.SplitConjunction(ctx, w.Expression)
	rest := slices.DeleteFunc(slices.Clone(all), func(e sql.Expression) bool {
		_, ok := e.(*impliedBound)
		return ok
	})
	switch len(rest) {
	case len(all):
		return n, transform.SameTree, nil
	case 0:
		return w.Child, transform.NewTree, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(rest...), w.Child), transform.NewTree, nil
}

// impliedBounds returns what an OR implies of columns: the bound of each that all of its parts compare with the same literal in one direction.
func impliedBounds(ctx *sql.Context, e sql.Expression) (bounds []sql.Expression) {
	parts := Disjuncts(e)
	if len(parts) < 2 {
		return nil
	}
	for _, first := range literalComparisons(ctx, parts[0]) {
		for _, bound := range first.widened() {
			if !slices.ContainsFunc(parts[1:], func(part sql.Expression) bool {
				return !slices.ContainsFunc(literalComparisons(ctx, part), bound.holds)
			}) {
				bounds = append(bounds, bound)
				break
			}
		}
	}
	return bounds
}

// impliedBound is a comparison that other conditions imply: an index may serve it, and no row need be asked for it.
type impliedBound struct{ indexBound }

// WithChildren implements sql.Expression.
func (b *impliedBound) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := b.indexBound.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &impliedBound{*e.(*indexBound)}, nil
}

// widened returns the bounds that a comparison of a column with a value implies, the closest first.
func (b *indexBound) widened() (out []*impliedBound) {
	add := func(op sql.IndexScanOp, compare sql.Expression) {
		out = append(out, &impliedBound{indexBound{expression.UnaryExpressionStub{Child: compare}, op, b.column, b.value}})
	}
	if b.op == sql.IndexScanOpEq {
		add(b.op, expression.NewEquals(b.column, b.value))
	}
	if b.op != sql.IndexScanOpGt && b.op != sql.IndexScanOpGte {
		add(sql.IndexScanOpLte, expression.NewLessThanOrEqual(b.column, b.value))
	}
	if b.op != sql.IndexScanOpLt && b.op != sql.IndexScanOpLte {
		add(sql.IndexScanOpGte, expression.NewGreaterThanOrEqual(b.column, b.value))
	}
	return out
}

// holds reports whether a bound holds where a comparison is true.
func (b *impliedBound) holds(c *indexBound) bool {
	return b.column.(*expression.GetField).Id() == c.column.(*expression.GetField).Id() && reflect.DeepEqual(b.value, c.value) &&
		slices.ContainsFunc(c.widened(), func(w *impliedBound) bool { return w.op == b.op })
}

// LiteralBound returns the comparison of a column with a literal that a condition is and an index can serve; ok false: it is none.
func LiteralBound(ctx *sql.Context, e sql.Expression) (op sql.IndexScanOp, column *expression.GetField, literal *expression.Literal, ok bool) {
	b := literalComparisons(ctx, e)
	if len(b) != 1 {
		return 0, nil, nil, false
	}
	literal, ok = b[0].value.(*expression.Literal)
	return b[0].op, b[0].column.(*expression.GetField), literal, ok
}

// literalComparisons returns the comparisons of columns with literals among conditions that an index can serve.
func literalComparisons(ctx *sql.Context, e sql.Expression) (out []*indexBound) {
	for _, c := range expression.SplitConjunction(ctx, e) {
		if _, negated := c.(*expression.Not); negated {
			continue
		}
		op, column, v, ok := analyzer.IndexLeafChildren(IndexConditions{}.Next(c))
		if _, is := column.(*expression.GetField); ok && !is {
			op, column, v = op.Swap(), v, column
		}
		switch op {
		case sql.IndexScanOpEq, sql.IndexScanOpLt, sql.IndexScanOpLte, sql.IndexScanOpGt, sql.IndexScanOpGte:
		default:
			continue
		}
		given := v
		switch v.(type) {
		case *momentDay, *momentCut:
			given = v.Children()[0]
		}
		if _, is := column.(*expression.GetField); !ok || !is {
			continue
		}
		if known, is := literalValue(ctx, given); is && known != nil {
			out = append(out, &indexBound{op: op, column: column, value: v})
		}
	}
	return out
}
