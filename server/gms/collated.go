package gms

import (
	"cmp"
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// matched builds INTERSECT and EXCEPT without their ORDER BY and LIMIT.
func (b *builder) matched(ctx *sql.Context, s *Session, n *plan.SetOp, r sql.Row) (sql.RowIter, error) {
	s.work.add(tmpTables, 1)
	left, err := b.base.Build(ctx, n.Left(), r)
	if err != nil {
		return nil, err
	}
	right, err := b.base.Build(ctx, n.Right(), r)
	if err != nil {
		return nil, err
	}
	schema := n.Schema(ctx)
	if n.Distinct {
		left, right = s.memory.distinct(left, schema), s.memory.distinct(right, schema)
	}
	return &matchedRows{left: left, right: right, m: &s.memory, schema: schema, intersect: n.SetOpType == plan.IntersectType}, nil
}

// matchedRows are the rows of the left side of INTERSECT that have a partner on the right one, or of EXCEPT those that have none: a row
// on the right is the partner of one on the left. They come in the order of the left side.
type matchedRows struct {
	left, right sql.RowIter
	m           *memory
	schema      sql.Schema
	intersect   bool
	counts      map[uint64]int64 // how many rows on the right have no partner yet, by their hashes
	bytes       int64
	// both are the rows of both sides, where there is no place for counts, and answers those that are left of them by their numbers.
	both, answers *keyedRows
}

// Next implements sql.RowIter.
func (i *matchedRows) Next(ctx *sql.Context) (sql.Row, error) {
	if i.counts == nil {
		if err := i.count(ctx); err != nil {
			return nil, err
		}
	}
	if i.answers != nil {
		_, _, r, err := i.answers.take(ctx)
		return r, err
	}
	for {
		r, err := i.left.Next(ctx)
		if err != nil {
			return nil, err
		}
		h, err := expr.RowHash(ctx, i.schema, r)
		if err != nil {
			return nil, err
		}
		n := i.counts[h]
		if n > 0 {
			i.counts[h]--
		}
		if n > 0 == i.intersect {
			return r, nil
		}
	}
}

// count reads the right side, and the left one, too, if there is no place for the hashes of the right one.
func (i *matchedRows) count(ctx *sql.Context) error {
	i.counts = make(map[uint64]int64)
	err := i.each(ctx, i.right, func(_ int64, h uint64, _ sql.Row) error {
		if _, known := i.counts[h]; !known && i.both == nil {
			ok, err := i.m.fits(ctx, function.HashBytes, i.bytes, 1)
			if err != nil {
				return err
			}
			if !ok {
				i.both = newKeyedRows(i.m)
			} else {
				i.bytes += function.HashBytes
			}
		}
		if i.both != nil {
			return i.both.put(ctx, h, -1, nil)
		}
		i.counts[h]++
		return nil
	})
	if err != nil || i.both == nil {
		return err
	}
	for h, n := range i.counts {
		if err := i.both.put(ctx, h, -n, nil); err != nil {
			return err
		}
	}
	clear(i.counts)
	i.m.release(i.bytes)
	i.bytes = 0
	if err := i.each(ctx, i.left, func(number int64, h uint64, r sql.Row) error { return i.both.put(ctx, h, number, r) }); err != nil {
		return err
	}
	return i.match(ctx)
}

// each calls f with the number, the hash and the row of each row of a side.
func (i *matchedRows) each(ctx *sql.Context, side sql.RowIter, f func(number int64, h uint64, r sql.Row) error) error {
	for number := int64(1); ; number++ {
		r, err := side.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		h, err := expr.RowHash(ctx, i.schema, r)
		if err == nil {
			err = f(number, h, r)
		}
		if err != nil {
			return err
		}
	}
}

// match finds the rows of the left side among those of both, which come by their hashes, those of the right side first.
func (i *matchedRows) match(ctx *sql.Context) error {
	i.answers = newKeyedRows(i.m)
	err := i.both.finish(ctx)
	for partners, last := int64(0), uint64(0); err == nil; {
		var h uint64
		var number int64
		var r sql.Row
		if h, number, r, err = i.both.take(ctx); err != nil {
			break
		}
		if h != last {
			partners, last = 0, h
		}
		if number < 0 {
			partners -= number
			continue
		}
		if partners > 0 == i.intersect {
			err = i.answers.put(ctx, uint64(number), 0, r)
		}
		partners = max(0, partners-1)
	}
	if err != io.EOF {
		return err
	}
	i.both.close()
	return i.answers.finish(ctx)
}

// Close implements sql.RowIter.
func (i *matchedRows) Close(ctx *sql.Context) error {
	i.m.release(i.bytes)
	i.bytes = 0
	i.both.close()
	i.answers.close()
	return cmp.Or(i.right.Close(ctx), i.left.Close(ctx))
}
