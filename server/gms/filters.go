package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
)

// filter puts a condition into the locking scan below it, where it decides what is
// locked (T-11), and asks other rows for it; those of an index where its subqueries' values are in one.
func (b *builder) filter(ctx *sql.Context, s *Session, n *plan.Filter, r sql.Row) (sql.RowIter, error) {
	if child := withPartitions(ctx, n.Child, "", n.Expression); child != n.Child {
		c := *n
		c.Child = child
		n = &c
	}
	if scan, err := s.memberScan(ctx, n, planrule.Known); err != nil {
		return nil, err
	} else if scan != nil {
		c := *n
		c.Child = scan
		n = &c
	}
	if len(r) == 0 && pureCondition(ctx, n.Expression) {
		if child, ok := withFilter(n.Child, n.Expression); ok {
			return b.plain(ctx, s, child, r)
		}
	}
	below := n.Child
	scan, err := s.knownScan(ctx, n, r)
	if err != nil {
		return nil, err
	}
	if scan != nil {
		if below = scan; s.measures != nil { // EXPLAIN ANALYZE, which shows what was read
			n.Child = scan
		}
	}
	child, err := b.base.Build(ctx, below, r)
	if err != nil {
		return nil, err
	}
	return plan.NewFilterIter(expr.CompareNulls(ctx, n.Expression), child), nil
}

// withFilter returns n with the condition in its table, false if n is not a
// locking scan of one of our tables.
func withFilter(n sql.Node, e sql.Expression) (sql.Node, bool) {
	switch x := n.(type) {
	case *plan.ResolvedTable:
		t, ok := counted(x.Table).(*Table)
		if !ok || t.ref.lock < lockShared {
			return nil, false
		}
		c, f := *x, *t
		f.filter = e
		c.Table = &f
		return &c, true
	case *plan.IndexedTableAccess:
		t, ok := counted(x.Table).(*Table)
		if !ok || t.ref.lock < lockShared {
			return nil, false
		}
		c, f := *x, *t
		f.filter = e
		c.Table = &f
		return &c, true
	case *plan.TableAlias:
		child, ok := withFilter(x.Child, e)
		if !ok {
			return nil, false
		}
		c := *x
		c.Child = child
		return &c, true
	}
	return nil, false
}

// counted returns the table under the wrapper that counts rows for SHOW PROCESSLIST.
func counted(t sql.Table) sql.Table {
	switch p := t.(type) {
	case *plan.ProcessTable:
		return p.Underlying()
	case *plan.ProcessIndexableTable:
		return p.Underlying()
	}
	return t
}

// pureCondition reports whether a condition reads nothing but the row.
func pureCondition(ctx *sql.Context, e sql.Expression) bool {
	pure := true
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		switch e.(type) {
		case *plan.Subquery, *plan.InSubquery, *plan.ExistsSubquery:
			pure = false
		}
		if nd, ok := e.(sql.NonDeterministicExpression); ok && nd.IsNonDeterministic() {
			pure = false
		}
		return pure
	})
	return pure
}
