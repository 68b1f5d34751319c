package gms

import (
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// groupBy builds GROUP BY. The planner's own reads its child in a goroutine that
// waits for ever when an aggregate fails, and bounds nothing.
func (b *builder) groupBy(ctx *sql.Context, s *Session, n *plan.GroupBy, r sql.Row) (sql.RowIter, error) {
	weighed, some := slices.Clone(n.SelectDeps), false
	for i, e := range weighed {
		weighed[i] = expr.WeighedAggregate(ctx, e)
		some = some || !expr.Unchanged(weighed[i], e)
	}
	if some {
		c := *n
		c.SelectDeps, n = weighed, &c
	}
	if len(n.GroupByExprs) == 0 && !keeps(n.SelectDeps) { // a few numbers
		if some {
			return b.plain(ctx, s, n, r)
		}
		return nil, nil
	}
	child, err := b.base.Build(ctx, n.Child, r)
	if err != nil {
		return nil, err
	}
	g := &groupIter{n: n, child: child, m: &s.memory, rows: keepsRows(n.SelectDeps), parts: 1, key: make(sql.Row, len(n.GroupByExprs))}
	if keeps(n.SelectDeps) {
		g.grows, g.parts = true, 2
	}
	for _, e := range n.GroupByExprs {
		g.types = append(g.types, &sql.Column{Type: e.Type(ctx)})
	}
	if g.together = groupsTogether(ctx, n); g.together {
		g.parts = 1
	} else if len(n.GroupByExprs) > 0 {
		s.work.add(tmpTables, 1)
	}
	return g, nil
}

// groupsTogether reports whether the rows of each group of a GROUP BY follow one another, by the index that they are read by.
func groupsTogether(ctx *sql.Context, n *plan.GroupBy) bool {
	leaf, id := orderedLeaf(n.Child)
	access, ok := leaf.(*plan.IndexedTableAccess)
	if !ok || len(n.GroupByExprs) == 0 {
		return false
	}
	scan, err := inGroups(ctx, access, id, n.GroupByExprs)
	return scan != nil && err == nil
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
		case *aggregation.JsonArray, expr.ObjectAggregate:
			return true
		}
	}
	return false
}

// groupIter sums rows up by groups, and returns the groups in the order in which they came. The rows of groups for which there is
// no place are kept in files, and summed up group by group when there are no more.
type groupIter struct {
	n        *plan.GroupBy
	child    sql.RowIter
	m        *memory
	rows     bool                                 // every row is kept
	grows    bool                                 // groups grow with their rows
	together bool                                 // the rows of a group follow one another: one is summed up at a time
	last     uint64                               // of them: the hash of the key of the row before
	ended    bool                                 // and there are no more rows
	parts    int64                                // of what the statement may keep, one is for the groups that are summed up at once; the others are for one that grows
	values   map[sql.AggregationBuffer]*keyedRows // those of COUNT(DISTINCT …) that are not in memory
	types    sql.Schema
	key      sql.Row
	index    map[uint64]int
	groups   []group
	next     int
	bytes    int64
	read     int64
	// later are the rows of groups that have no place or grow no more. answers are all groups by their first rows' numbers,
	// nil: groups are.
	later, answers *keyedRows
}

// group is a group of rows.
type group struct {
	buffers []sql.AggregationBuffer
	first   int64 // the number of its first row
	later   bool  // if there are more rows of it, they are among the later ones
	base    int64 // bytes that it took at its beginning
	rows    int64 // bytes of the rows that are kept
	bytes   int64 // all that it takes
}

// Next implements sql.RowIter.
func (g *groupIter) Next(ctx *sql.Context) (sql.Row, error) {
	if g.together {
		return g.nextTogether(ctx)
	}
	if g.index == nil {
		if err := g.sum(ctx); err != nil {
			return nil, err
		}
	}
	if g.answers != nil {
		_, _, r, err := g.answers.take(ctx)
		return r, err
	}
	if g.next == len(g.groups) {
		return nil, io.EOF
	}
	g.next++
	return g.eval(ctx, g.groups[g.next-1])
}

// sum reads all rows.
func (g *groupIter) sum(ctx *sql.Context) error {
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
			return err
		}
	}
	if len(g.key) == 0 && len(g.groups) == 0 {
		if _, err := g.group(ctx); err != nil {
			return err
		}
	}
	if g.later == nil {
		return nil
	}
	return g.sumLater(ctx)
}

// sumLater sums the later rows up, one group after another.
func (g *groupIter) sumLater(ctx *sql.Context) error {
	g.parts = 1
	g.answers = newKeyedRows(g.m)
	for i, group := range g.groups {
		if !group.later {
			if err := g.answer(ctx, i); err != nil {
				return err
			}
		}
	}
	err := g.later.finish(ctx)
	for at, last := -1, uint64(0); err == nil; {
		var h uint64
		var number int64
		var r sql.Row
		h, number, r, err = g.later.take(ctx)
		if at >= 0 && (err == io.EOF || err == nil && h != last) {
			if err := g.answer(ctx, at); err != nil {
				return err
			}
			at = -1
		}
		if err != nil {
			break
		}
		if at < 0 {
			var known bool
			if at, known = g.index[h]; !known {
				if at, err = g.group(ctx); err != nil {
					return err
				}
				g.groups[at].first = number
			}
			last = h
		}
		if err = g.update(ctx, at, r); err == nil {
			err = g.grow(ctx, &g.groups[at])
		}
	}
	if err != io.EOF {
		return err
	}
	g.later.close()
	for at := range g.groups {
		if g.groups[at].buffers != nil { // it was to grow no more, and had no more rows
			if err := g.answer(ctx, at); err != nil {
				return err
			}
		}
	}
	return g.answers.finish(ctx)
}

// answer puts a group's answer among the answers, and forgets the group.
func (g *groupIter) answer(ctx *sql.Context, at int) error {
	group := &g.groups[at]
	r, err := g.end(ctx, group)
	if err != nil {
		return err
	}
	first := group.first
	if at == len(g.groups)-1 && !group.later {
		g.groups = g.groups[:at]
	}
	return g.answers.put(ctx, uint64(first), 0, r)
}

// end returns a group's answer, and forgets what it keeps.
func (g *groupIter) end(ctx *sql.Context, group *group) (sql.Row, error) {
	r, err := g.eval(ctx, *group)
	if err != nil {
		return nil, err
	}
	for _, b := range group.buffers {
		if values := g.values[b]; values != nil {
			values.close()
			delete(g.values, b)
		}
		b.Dispose(ctx)
	}
	group.buffers = nil
	g.m.release(group.bytes)
	g.bytes -= group.bytes
	return r, nil
}

// nextTogether returns the next group of those whose rows follow one another.
func (g *groupIter) nextTogether(ctx *sql.Context) (sql.Row, error) {
	for !g.ended {
		r, err := g.child.Next(ctx)
		if err == io.EOF {
			g.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		key, err := g.hash(ctx, r)
		if err != nil {
			return nil, err
		}
		var before sql.Row
		if len(g.groups) > 0 && key != g.last {
			if before, err = g.end(ctx, &g.groups[0]); err != nil {
				return nil, err
			}
			g.groups = g.groups[:0]
		}
		g.last = key
		if len(g.groups) == 0 {
			if _, err := g.group(ctx); err != nil {
				return nil, err
			}
			g.groups[0].base = function.RowSize(r) + function.BufferBytes*int64(len(g.n.SelectDeps))
		}
		if err := g.update(ctx, 0, r); err != nil {
			return nil, err
		}
		if err := g.grow(ctx, &g.groups[0]); err != nil {
			return nil, err
		}
		if before != nil {
			return before, nil
		}
	}
	if len(g.groups) == 0 {
		return nil, io.EOF
	}
	r, err := g.end(ctx, &g.groups[0])
	g.groups = g.groups[:0]
	return r, err
}

// eval returns a group's answer.
func (g *groupIter) eval(ctx *sql.Context, group group) (sql.Row, error) {
	out := make(sql.Row, len(group.buffers))
	for i, b := range group.buffers {
		var err error
		if values := g.values[b]; values != nil {
			out[i], err = values.count(ctx, b)
		} else {
			out[i], err = b.Eval(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hash returns the hash of a row's key.
func (g *groupIter) hash(ctx *sql.Context, r sql.Row) (uint64, error) {
	for i, e := range g.n.GroupByExprs {
		var err error
		if g.key[i], err = e.Eval(ctx, r); err != nil {
			return 0, err
		}
	}
	return expr.RowHash(ctx, g.types, g.key)
}

// add puts a row into its group.
func (g *groupIter) add(ctx *sql.Context, r sql.Row) error {
	key, err := g.hash(ctx, r)
	if err != nil {
		return err
	}
	g.read++
	at, known := g.index[key]
	if !known && g.later == nil {
		n := function.RowSize(r) + function.HashBytes + function.BufferBytes*int64(len(g.n.SelectDeps))
		ok, err := g.m.fits(ctx, n, g.bytes, g.parts)
		if err != nil {
			return err
		}
		if ok {
			g.bytes += n
			if at, err = g.group(ctx); err != nil {
				return err
			}
			g.index[key], known = at, true
			g.groups[at].first, g.groups[at].base, g.groups[at].bytes = g.read, n, n
		}
	}
	if known && !g.groups[at].later {
		if err := g.update(ctx, at, r); err != nil {
			return err
		}
		group := &g.groups[at]
		more := g.size(*group) - group.bytes
		if more <= 0 {
			g.shrink(group, -more)
			return nil
		}
		ok, err := g.m.fits(ctx, more, g.bytes, g.parts)
		if ok {
			g.bytes += more
			group.bytes += more
		}
		group.later = !ok
		return err
	}
	if g.later == nil {
		g.later = newKeyedRows(g.m)
	}
	return g.later.put(ctx, key, g.read, r)
}

// update adds a row to a group.
func (g *groupIter) update(ctx *sql.Context, at int, r sql.Row) error {
	group := &g.groups[at]
	for _, b := range group.buffers {
		if err := b.Update(ctx, r); err != nil {
			return err
		}
	}
	if g.rows {
		group.rows += function.RowSize(r)
	}
	return nil
}

// size is what a group takes.
func (g *groupIter) size(of group) int64 {
	if !g.grows {
		return of.bytes
	}
	n := of.base + of.rows
	for _, b := range of.buffers {
		switch b := b.(type) {
		case *expr.DistinctCount:
			n += int64(b.Len()) * function.HashBytes
		case *function.ConcatBuffer:
			n += b.Size
		}
	}
	return n
}

// shrink gives back what a group takes no more.
func (g *groupIter) shrink(group *group, n int64) {
	g.m.release(n)
	g.bytes -= n
	group.bytes -= n
}

// group begins a group and returns its number.
func (g *groupIter) group(ctx *sql.Context) (int, error) {
	buffers := make([]sql.AggregationBuffer, len(g.n.SelectDeps))
	g.groups = append(g.groups, group{buffers: buffers})
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
			s, ok := ctx.Session.(*Session)
			if ok {
				s.reads = g.n.Child
			}
			buffers[i], err = function.NewConcatBuffer(ctx, c)
			if ok {
				s.reads = nil
			}
			if err != nil {
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

// grow charges what a group takes more, when it is the only one that grows. The values of its COUNT(DISTINCT …) are written to
// a file if there is no place for them.
func (g *groupIter) grow(ctx *sql.Context, group *group) error {
	more := g.size(*group) - group.bytes
	if more <= 0 {
		g.shrink(group, -more)
		return nil
	}
	if err := g.m.charge(ctx, more, tableOverflow); err != nil {
		written, werr := g.writeValues(ctx, group)
		if werr != nil {
			return werr
		}
		if !written {
			return err
		}
		return g.grow(ctx, group)
	}
	g.bytes += more
	group.bytes += more
	return nil
}

// writeValues writes the values that a group's COUNT(DISTINCT …) keep. Returns false if there are none.
func (g *groupIter) writeValues(ctx *sql.Context, group *group) (bool, error) {
	some := false
	for _, b := range group.buffers {
		d, ok := b.(*expr.DistinctCount)
		if !ok || d.Len() == 0 {
			continue
		}
		some = true
		if g.values[b] == nil {
			if g.values == nil {
				g.values = make(map[sql.AggregationBuffer]*keyedRows)
			}
			g.values[b] = newKeyedRows(g.m)
		}
		if err := g.values[b].takeValues(ctx, d); err != nil {
			return false, err
		}
	}
	return some, nil
}

// takeValues adds the values of a COUNT(DISTINCT …), which has them no more.
func (k *keyedRows) takeValues(ctx *sql.Context, d *expr.DistinctCount) error {
	if err := d.Take(func(h uint64) error { return k.put(ctx, h, 0, nil) }); err != nil {
		return err
	}
	return k.spill(ctx)
}

// count returns how many different values there are, those that the COUNT(DISTINCT …) still has included.
func (k *keyedRows) count(ctx *sql.Context, b sql.AggregationBuffer) (int64, error) {
	if d, ok := b.(*expr.DistinctCount); ok {
		if err := k.takeValues(ctx, d); err != nil {
			return 0, err
		}
	}
	if err := k.finish(ctx); err != nil {
		return 0, err
	}
	n, last := int64(0), uint64(0)
	for {
		h, _, _, err := k.take(ctx)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if n == 0 || h != last {
			n, last = n+1, h
		}
	}
}

// Close implements sql.RowIter.
func (g *groupIter) Close(ctx *sql.Context) error {
	for _, group := range g.groups {
		for _, b := range group.buffers {
			if b != nil {
				b.Dispose(ctx)
			}
		}
	}
	for _, k := range g.values {
		k.close()
	}
	g.later.close()
	g.answers.close()
	g.groups, g.values, g.next = nil, nil, 0
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
