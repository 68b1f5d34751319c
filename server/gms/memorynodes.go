package gms

import (
	"io"
	"math"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/iters"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/planrule"
)

// keep builds the nodes whose iterators keep rows, with the rows counted. Returns
// nil, nil for others.
func (b *builder) keep(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	switch n := n.(type) {
	case *expr.Kept:
		it, err := b.base.Build(ctx, n.Node, r)
		if err != nil {
			return nil, err
		}
		return &keeper{child: it, m: &s.memory, full: n.Full, size: n.Size}, nil
	case *plan.Sort:
		child, err := b.base.Build(ctx, n.Child, r)
		if err != nil {
			return nil, err
		}
		return &sortIter{child: child, sorter: newRowSorter(ctx, &s.memory, n.SortConditions, -1), scan: sortCounter(n.Child)}, nil
	case *plan.TopN:
		limit, offset := n.Limit, sql.Expression(nil)
		if sum := n.Limit.Children(); len(sum) == 2 {
			limit, offset = sum[0], sum[1]
		}
		most, _, err := limits(ctx, limit, offset)
		if err != nil {
			return nil, err
		}
		child, err := b.base.Build(ctx, n.Child, r)
		if err != nil {
			return nil, err
		}
		return &sortIter{child: child, sorter: newRowSorter(ctx, &s.memory, n.SortConditions, most), scan: sortCounter(n.Child), calc: n.CalcFoundRows}, nil
	case *plan.Limit:
		o, ok := n.Child.(*plan.Offset)
		if !ok || !n.CalcFoundRows {
			break
		}
		most, skip, err := limits(ctx, n.Limit, o.Offset)
		if err != nil {
			return nil, err
		}
		child, err := b.base.Build(ctx, o.Child, r)
		return &foundRowsIter{RowIter: child, skip: skip, most: most}, err
	case *plan.Offset:
		if n != skippingNode(s.root) {
			break
		}
		skip, err := iters.GetInt64Value(ctx, n.Offset)
		if err != nil {
			return nil, err
		}
		child, err := b.base.Build(ctx, n.Child, r)
		return &skipIter{RowIter: child, skip: skip, skipped: &s.skipped}, err
	case *plan.Window:
		return b.windows(ctx, s, n, r)
	case *plan.Into:
		c := *n
		c.Child = &expr.Kept{Node: n.Child, Full: tableOverflow, Size: function.RowSize}
		return b.plain(ctx, s, &c, r)
	case *plan.SetOp:
		return b.keepSet(ctx, s, n, r)
	case *plan.Distinct:
		if len(n.DistinctOn()) > 0 {
			return b.keepResult(ctx, s, n, r, hashSize, nil)
		}
		child, err := b.base.Build(ctx, n.Child, r)
		if err != nil {
			return nil, err
		}
		return s.memory.distinct(child, n.Schema(ctx)), nil
	case *plan.Concat:
		return b.keepResult(ctx, s, n, r, hashSize, nil)
	case *plan.SubqueryAlias: // one that sets variables is read before what is around it
		if query := s.ctes[derivedNameOf(n)]; query != nil {
			return b.sharedCTE(ctx, s, n, r, query)
		}
		if n.Correlated.Empty() && planrule.RowsVary(ctx, n.Child, true) {
			it, err := b.plain(ctx, s, n, r)
			if err != nil {
				return nil, err
			}
			return s.readAhead(ctx, it)
		}
	case *plan.HashLookup:
		if n.Lookup == nil {
			read := s.memory.list(n) != nil
			it, err := b.hashed(ctx, s, n, r)
			if err != nil || read || !n.JoinType.IsPartial() {
				return it, err
			}
			// EXISTS reads up to the first row that it finds, and the table is there when all were read.
			if err := readAll(ctx, it); err != nil {
				return nil, err
			}
			if n.Lookup == nil {
				return b.hashed(ctx, s, n, r)
			}
			return b.plain(ctx, s, n, r)
		}
	case *plan.CachedResults:
		if !n.IsFinalized() {
			return b.cached(ctx, s, n, r)
		}
	case *plan.JoinNode:
		return b.keepJoin(ctx, s, n, r)
	case *plan.GroupBy:
		return b.groupBy(ctx, s, n, r)
	case *plan.RecursiveCte:
		return b.recursiveCTE(ctx, s, n, r)
	case *plan.RecursiveTable:
		if list := s.memory.list(n); list != nil {
			return list.all(ctx)
		}
	}
	return nil, nil
}

// readAll reads an iterator to its end.
func readAll(ctx *sql.Context, it sql.RowIter) error {
	for {
		if _, err := it.Next(ctx); err == io.EOF {
			return it.Close(ctx)
		} else if err != nil {
			_ = it.Close(ctx)
			return err
		}
	}
}

// keepResult builds a node that keeps what it returns; lasting is the node if it does
// so from one iterator to the next.
func (b *builder) keepResult(ctx *sql.Context, s *Session, n sql.Node, r sql.Row, size func(sql.Row) int64, lasting sql.Node) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	return &keeper{child: it, m: &s.memory, full: tableOverflow, size: size, lasting: lasting}, nil
}

// keepSet builds UNION, INTERSECT and EXCEPT. A sorted one keeps its rows, one that
// looks for equal rows their hashes.
func (b *builder) keepSet(ctx *sql.Context, s *Session, n *plan.SetOp, r sql.Row) (sql.RowIter, error) {
	var it sql.RowIter
	var err error
	if n.SetOpType == plan.UnionType {
		c := *n
		c.Distinct = false
		c.SortConditions, c.Limit, c.Offset = nil, nil, nil // the planner skips rows before it sorts
		if it, err = b.plain(ctx, s, &c, r); err == nil && n.Distinct {
			it = s.memory.distinct(it, n.Schema(ctx))
		}
	} else {
		it, err = b.matched(ctx, s, n, r)
	}
	if err != nil {
		return nil, err
	}
	return sorted(ctx, s, it, n)
}

// sorted returns the rows of a set operation in its order, those that its LIMIT lets through.
func sorted(ctx *sql.Context, s *Session, it sql.RowIter, n *plan.SetOp) (sql.RowIter, error) {
	most, skip := int64(-1), int64(0)
	if n.Limit != nil {
		var err error
		if most, skip, err = limits(ctx, n.Limit, n.Offset); err != nil {
			return nil, err
		}
	}
	if len(n.SortConditions) > 0 {
		it = &sortIter{child: it, sorter: newRowSorter(ctx, &s.memory, n.SortConditions, most), scan: sortScan}
	}
	rows := &skipIter{RowIter: it, skip: skip}
	if n == skippingNode(s.root) {
		rows.skipped = &s.skipped
	}
	if most < 0 {
		return rows, nil
	}
	return &iters.LimitIter{Limit: most - skip, ChildIter: rows}, nil
}

// skippingNode returns the node of a plan whose OFFSET is the statement's, nil if there is none or SQL_CALC_FOUND_ROWS counts all.
func skippingNode(n sql.Node) sql.Node {
	for {
		switch x := n.(type) {
		case *plan.Limit:
			if n = x.Child; x.CalcFoundRows {
				return nil
			}
		case *plan.Project, *plan.Into:
			n = n.Children()[0]
		case *plan.Offset:
			if top, ok := x.Child.(*plan.TopN); ok && top.CalcFoundRows {
				return nil
			}
			return x
		case *plan.SetOp:
			return x
		default:
			return nil
		}
	}
}

// sortCounter is what sorts of what a node returns are counted as: of the ranges of an index, or of all of a table.
func sortCounter(n sql.Node) task {
	of := sortScan
	transform.Inspect(n, func(n sql.Node) bool {
		if _, ok := n.(*plan.IndexedTableAccess); ok {
			of = sortRange
		}
		return of == sortScan && len(n.Children()) == 1 // of a join's, as the first table is found
	})
	return of
}

// limits returns how many rows there are up to the last that a LIMIT lets through, and how many of them its OFFSET skips,
// 0 without one. A LIMIT whose sum with the OFFSET is beyond BIGINT lets all through.
func limits(ctx *sql.Context, limit, offset sql.Expression) (rows, skip int64, err error) {
	if rows, err = iters.GetInt64Value(ctx, limit); err == nil && offset != nil {
		skip, err = iters.GetInt64Value(ctx, offset)
	}
	return rows + min(skip, math.MaxInt64-rows), skip, err
}

// skipIter returns the rows after the first ones.
type skipIter struct {
	sql.RowIter
	skip    int64
	skipped *int64 // counts those that there are, if it is not nil
}

// Next implements sql.RowIter.
func (i *skipIter) Next(ctx *sql.Context) (sql.Row, error) {
	for ; i.skip > 0; i.skip-- {
		if _, err := i.RowIter.Next(ctx); err != nil {
			return nil, err
		}
		if i.skipped != nil {
			*i.skipped++
		}
	}
	return i.RowIter.Next(ctx)
}

// foundRowsIter returns the rows from skip on up to most, and counts all for FOUND_ROWS(). The planner's counts none that an OFFSET skips.
type foundRowsIter struct {
	sql.RowIter
	skip, most, n int64
}

// Next implements sql.RowIter.
func (i *foundRowsIter) Next(ctx *sql.Context) (sql.Row, error) {
	for {
		r, err := i.RowIter.Next(ctx)
		if err != nil {
			return nil, err
		}
		if i.n++; i.n > i.skip && i.n <= i.most {
			return r, nil
		}
	}
}

// Close implements sql.RowIter.
func (i *foundRowsIter) Close(ctx *sql.Context) error {
	ctx.GetLastQueryInfo().FoundRows.Store(i.n)
	return i.RowIter.Close(ctx)
}

// keepJoin builds a join. The hash tables below it are its own, and end with it: a
// subquery's join is another one each time that the subquery is evaluated.
func (b *builder) keepJoin(ctx *sql.Context, s *Session, n *plan.JoinNode, r sql.Row) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	j := &joinIter{RowIter: it, m: &s.memory}
	if !j.m.outermost(n) {
		return it, nil
	}
	transform.Inspect(n, func(x sql.Node) bool {
		switch x.(type) {
		case *plan.HashLookup, *plan.CachedResults:
			j.tables = append(j.tables, x)
		case *plan.JoinNode:
			j.joins = append(j.joins, x)
		}
		return true
	})
	if len(j.tables) == 0 {
		return it, nil
	}
	j.m.covers(j.joins)
	return j, nil
}

// joinIter is an outermost join's.
type joinIter struct {
	sql.RowIter
	m             *memory
	tables, joins []sql.Node
}

// Close implements sql.RowIter.
func (j *joinIter) Close(ctx *sql.Context) error {
	err := j.RowIter.Close(ctx)
	j.m.ends(j.tables, j.joins)
	return err
}

// outermost reports whether a join is no part of one that runs.
func (m *memory) outermost(n sql.Node) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.inner[n]
}

// covers notes the joins that are parts of one.
func (m *memory) covers(joins []sql.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inner == nil {
		m.inner = make(map[sql.Node]bool)
	}
	for _, n := range joins {
		m.inner[n] = true
	}
}

// ends releases the tables of a join.
func (m *memory) ends(tables, joins []sql.Node) {
	n, lists := int64(0), []*rowList(nil)
	m.mu.Lock()
	for _, t := range tables {
		n += m.tables[t]
		delete(m.tables, t)
		if l := m.lists[t]; l != nil {
			lists = append(lists, l)
			delete(m.lists, t)
		}
	}
	for _, j := range joins {
		delete(m.inner, j)
	}
	m.mu.Unlock()
	m.release(n)
	for _, l := range lists {
		l.close()
	}
}
