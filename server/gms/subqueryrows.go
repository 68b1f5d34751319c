package gms

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// countSubqueries counts the rows of subqueries in expressions that are no joins, and has IN (SELECT …) keep hashes of them.
func countSubqueries(a *analyzer.Analyzer, next sql.NodeExecBuilder) {
	planrule.AroundRule(a, "finalizeSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		n, same, err := rule(ctx, n, f)
		if err != nil || !value.Served(ctx) || f != nil && !f.SubqueryIsSet() {
			return n, same, err
		}
		n, same2, err := countedPlan(ctx, n, next)
		return n, same && same2, err
	})
}

// rowCondition plans the subqueries of a condition on the rows of a table.
func rowCondition(ctx *sql.Context, a *analyzer.Analyzer, e sql.Expression, t *Table) (_ sql.Expression, err error) {
	columns := sql.ColSet{} // as rowExpression has them
	for i := range t.Schema(ctx) {
		columns.Add(sql.ColumnId(i + 1))
	}
	table := plan.NewResolvedTable(t, sql.UnresolvedDatabase(t.live(ctx).def.Database), nil).WithId(1).WithColumns(columns)
	n := sql.Node(plan.NewFilter(ctx, e, table))
	for _, b := range a.Batches {
		for _, r := range b.Rules {
			if id := r.Id.String(); err == nil && (id == "finalizeSubqueries" || id == "assignExecIndexes") {
				n, _, err = r.Apply(ctx, a, n, nil, analyzer.DefaultRuleSelector, nil)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return n.(*plan.Filter).Expression, nil
}

// countedPlan puts a subqueryBuilder into each subquery of a plan, and subqueryKeys into each IN.
func countedPlan(ctx *sql.Context, n sql.Node, next sql.NodeExecBuilder) (sql.Node, transform.TreeIdentity, error) {
	return transform.NodeExprsWithOpaque(ctx, n, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		if in, ok := e.(*expr.InRows); ok {
			return in.WithReader(subqueryKeys(next)), transform.NewTree, nil
		}
		sub, ok := e.(*plan.Subquery)
		if !ok {
			return e, transform.SameTree, nil
		}
		q, _, err := countedPlan(ctx, sub.Query, next)
		if err != nil {
			return nil, transform.SameTree, err
		}
		return sub.WithQuery(q).WithExecBuilder(&subqueryBuilder{next, sub.CanCacheResults()}), transform.NewTree, nil
	})
}

// subqueryBuilder builds a subquery, its rows counted as kept: until the statement's end
// if it is evaluated once.
type subqueryBuilder struct {
	sql.NodeExecBuilder
	once bool
}

// Build implements sql.NodeExecBuilder. The rows begin with those of the outer query.
func (b *subqueryBuilder) Build(ctx *sql.Context, n sql.Node, outer sql.Row) (sql.RowIter, error) {
	it, err := b.NodeExecBuilder.Build(ctx, n, outer)
	s, ok := ctx.Session.(*Session)
	if err != nil || !ok {
		return it, err
	}
	k := &keeper{child: it, m: &s.memory, full: tableOverflow, size: func(r sql.Row) int64 { return function.HashBytes + function.RowSize(r[len(outer):]) }}
	if b.once {
		k.lasting = n
	}
	return k, nil
}

// subqueryKeys returns what reads the keys of subqueries into hashSets, which are kept until the statement's end.
func subqueryKeys(next sql.NodeExecBuilder) expr.KeyReader {
	return func(ctx *sql.Context, query sql.Node, outer sql.Row, key func(sql.Row) (uint64, bool, error)) (func(uint64) bool, error) {
		s, err := sessionOf(ctx)
		if err != nil {
			return nil, err
		}
		query, _, err = transform.Node(ctx, query, plan.PrependRowInPlan(outer, false))
		if err != nil {
			return nil, err
		}
		it, err := next.Build(ctx, query, outer)
		if err != nil {
			return nil, err
		}
		set := newHashSet(&s.memory)
		for {
			r, err := it.Next(ctx)
			if err == io.EOF {
				return set.has, it.Close(ctx)
			}
			k, keep := uint64(0), false
			if err == nil {
				k, keep, err = key(r[len(outer):])
			}
			if err == nil && keep {
				_, err = set.add(ctx, k)
			}
			if err != nil {
				set.close()
				_ = it.Close(ctx)
				return nil, err
			}
		}
	}
}
