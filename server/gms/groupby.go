package gms

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// groupBy builds GROUP BY. The planner's own reads its child in a goroutine that
// waits for ever when an aggregate fails, and bounds nothing.
func (b *builder) groupBy(ctx *sql.Context, s *Session, n *plan.GroupBy, r sql.Row) (sql.RowIter, error) {
	if len(n.GroupByExprs) == 0 && !keeps(n.SelectDeps) {
		return nil, nil // a few numbers
	}
	child, err := b.base.Build(ctx, n.Child, r)
	if err != nil {
		return nil, err
	}
	g := &groupIter{n: n, child: child, m: &s.memory, rows: keepsRows(n.SelectDeps), key: make(sql.Row, len(n.GroupByExprs))}
	for _, e := range n.GroupByExprs {
		g.types = append(g.types, &sql.Column{Type: e.Type(ctx)})
	}
	return g, nil
}

// keeps reports whether the aggregates' memory grows with the rows of a group.
func keeps(exprs []sql.Expression) bool {
	for _, e := range exprs {
		switch e.(type) {
		case *aggregation.CountDistinct, *aggregation.GroupConcat:
			return true
		}
	}
	return keepsRows(exprs)
}

// keepsRows reports whether an aggregate keeps all rows of its group.
func keepsRows(exprs []sql.Expression) bool {
	for _, e := range exprs {
		switch e := e.(type) {
		case *aggregation.GroupConcat:
			if len(e.OutputExpressions()) != 1 {
				return true
			}
		case *aggregation.JsonArray, *aggregation.JSONObjectAgg:
			return true
		}
	}
	return false
}

// groupIter sums rows up by groups, and returns the groups in the order in which they came.
type groupIter struct {
	n      *plan.GroupBy
	child  sql.RowIter
	m      *memory
	rows   bool                            // every row is kept
	seen   map[sql.AggregationBuffer]int64 // bytes that each one keeps, of those that do
	types  sql.Schema
	key    sql.Row
	index  map[uint64]int
	groups [][]sql.AggregationBuffer
	next   int
	bytes  int64
}

// Next implements sql.RowIter.
func (g *groupIter) Next(ctx *sql.Context) (sql.Row, error) {
	if g.index == nil {
		g.index = make(map[uint64]int)
		for {
			r, err := g.child.Next(ctx)
			if err == io.EOF {
				break
			}
			if err == nil {
				err = g.add(ctx, r)
			}
			if err != nil {
				return nil, err
			}
		}
		if len(g.key) == 0 && len(g.groups) == 0 {
			if _, err := g.group(ctx); err != nil {
				return nil, err
			}
		}
	}
	if g.next == len(g.groups) {
		return nil, io.EOF
	}
	buffers := g.groups[g.next]
	g.next++
	out := make(sql.Row, len(buffers))
	for i, b := range buffers {
		var err error
		if out[i], err = b.Eval(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// add puts a row into its group.
func (g *groupIter) add(ctx *sql.Context, r sql.Row) error {
	for i, e := range g.n.GroupByExprs {
		var err error
		if g.key[i], err = e.Eval(ctx, r); err != nil {
			return err
		}
	}
	key, err := expr.RowHash(ctx, g.types, g.key)
	if err != nil {
		return err
	}
	at, known := g.index[key]
	if !known || g.rows {
		n := function.RowSize(r)
		if !known {
			n += function.HashBytes + function.BufferBytes*int64(len(g.n.SelectDeps))
		}
		if err := g.charge(ctx, n); err != nil {
			return err
		}
	}
	if !known {
		if at, err = g.group(ctx); err != nil {
			return err
		}
		g.index[key] = at
	}
	for i, b := range g.groups[at] {
		if err := b.Update(ctx, r); err != nil {
			return err
		}
		if _, ok := g.n.SelectDeps[i].(*aggregation.CountDistinct); ok {
			v, err := b.Eval(ctx)
			if err != nil {
				return err
			}
			n, _ := v.(int64)
			if err := g.grown(ctx, b, n*function.HashBytes); err != nil {
				return err
			}
		} else if c, ok := b.(*function.ConcatBuffer); ok {
			if err := g.grown(ctx, b, c.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

// group begins a group and returns its number.
func (g *groupIter) group(ctx *sql.Context) (int, error) {
	buffers := make([]sql.AggregationBuffer, len(g.n.SelectDeps))
	g.groups = append(g.groups, buffers)
	for i, e := range g.n.SelectDeps {
		a, ok := e.(sql.Aggregation)
		if !ok {
			a = aggregation.NewFirst(e)
		}
		if c, ok := e.(*aggregation.CountDistinct); ok {
			d, err := expr.NewDistinctCount(ctx, c)
			if err != nil {
				return 0, err
			}
			if d != nil {
				buffers[i] = d
				continue
			}
		}
		if c, ok := e.(*aggregation.GroupConcat); ok {
			var err error
			if buffers[i], err = function.NewConcatBuffer(ctx, c); err != nil {
				return 0, err
			}
			continue
		}
		var err error
		if array, ok := a.(*aggregation.JsonArray); ok {
			if buffers[i], err = newArrayBuffer(ctx, array); err != nil {
				return 0, err
			}
			continue
		}
		if buffers[i], err = a.NewBuffer(ctx); err != nil {
			return 0, err
		}
	}
	return len(g.groups) - 1, nil
}

// grown charges what an aggregate keeps more than when it was last asked, or gives back what it
// keeps less.
func (g *groupIter) grown(ctx *sql.Context, b sql.AggregationBuffer, size int64) error {
	more := size - g.seen[b]
	if more == 0 {
		return nil
	}
	if g.seen == nil {
		g.seen = make(map[sql.AggregationBuffer]int64)
	}
	g.seen[b] = size
	if more < 0 {
		g.m.release(-more)
		g.bytes += more
		return nil
	}
	return g.charge(ctx, more)
}

func (g *groupIter) charge(ctx *sql.Context, n int64) error {
	if err := g.m.charge(ctx, n, tableOverflow); err != nil {
		return err
	}
	g.bytes += n
	return nil
}

// Close implements sql.RowIter.
func (g *groupIter) Close(ctx *sql.Context) error {
	for _, buffers := range g.groups {
		for _, b := range buffers {
			if b != nil {
				b.Dispose(ctx)
			}
		}
	}
	g.groups, g.seen, g.next = nil, nil, 0
	g.m.release(g.bytes)
	g.bytes = 0
	return g.child.Close(ctx)
}

// arrayBuffer is JSON_ARRAYAGG, which is NULL without rows.
type arrayBuffer struct {
	sql.AggregationBuffer
	some bool
}

func newArrayBuffer(ctx *sql.Context, a *aggregation.JsonArray) (sql.AggregationBuffer, error) {
	b, err := a.NewBuffer(ctx)
	return &arrayBuffer{AggregationBuffer: b}, err
}

// Update implements sql.AggregationBuffer.
func (b *arrayBuffer) Update(ctx *sql.Context, r sql.Row) error {
	b.some = true
	return b.AggregationBuffer.Update(ctx, r)
}

// Eval implements sql.AggregationBuffer.
func (b *arrayBuffer) Eval(ctx *sql.Context) (any, error) {
	if !b.some {
		return nil, nil
	}
	return b.AggregationBuffer.Eval(ctx)
}
