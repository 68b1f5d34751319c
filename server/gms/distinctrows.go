package gms

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/expr"
	"sextant/server/gms/function"
)

// keyedRows are rows for which there was no place in memory, beside the hash of what they are grouped by. They come back by
// their hashes, those with the same in the order in which they were added.
type keyedRows struct{ *rowSorter }

// newKeyedRows returns an empty list.
func newKeyedRows(m *memory) *keyedRows {
	compare := func(a, b sql.Row) int {
		x, _ := a[0].(uint64)
		y, _ := b[0].(uint64)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return &keyedRows{&rowSorter{m: m, compare: compare, failed: func() error { return nil }, full: tableOverflow, most: -1}}
}

// close releases the rows; there need be none.
func (k *keyedRows) close() {
	if k != nil {
		k.rowSorter.close()
	}
}

// put adds a row with its hash, as the first, second, … row.
func (k *keyedRows) put(ctx *sql.Context, hash uint64, number int64, r sql.Row) error {
	out := make(sql.Row, 0, len(r)+2)
	return k.add(ctx, append(append(out, hash, number), r...))
}

// take returns the next row.
func (k *keyedRows) take(ctx *sql.Context) (hash uint64, number int64, r sql.Row, err error) {
	if r, err = k.next(ctx); err != nil {
		return 0, 0, nil, err
	}
	hash, _ = r[0].(uint64)
	number, _ = r[1].(int64)
	return hash, number, r[2:], nil
}

// distinctRows returns a child's rows, of equal ones the first, in their order.
type distinctRows struct {
	child  sql.RowIter
	m      *memory
	schema sql.Schema
	seen   map[uint64]struct{}
	bytes  int64
	read   int64
	// later are the rows that are not in seen, once that is full, and then, by their numbers, the first of each.
	later, first *keyedRows
}

// distinct returns the rows of child, which have the schema, without those that are equal to an earlier one.
func (m *memory) distinct(child sql.RowIter, schema sql.Schema) sql.RowIter {
	m.s.work.add(tmpTables, 1)
	return &distinctRows{child: child, m: m, schema: schema, seen: make(map[uint64]struct{})}
}

// Next implements sql.RowIter.
func (d *distinctRows) Next(ctx *sql.Context) (sql.Row, error) {
	for d.first == nil {
		r, err := d.child.Next(ctx)
		if err == io.EOF && d.later != nil {
			if err := d.order(ctx); err != nil {
				return nil, err
			}
			break
		}
		if err != nil {
			return nil, err
		}
		h, err := expr.RowHash(ctx, d.schema, r)
		if err != nil {
			return nil, err
		}
		if _, seen := d.seen[h]; seen {
			continue
		}
		if d.later == nil {
			ok, err := d.m.fits(ctx, function.HashBytes, d.bytes, 1)
			if err != nil {
				return nil, err
			}
			if ok {
				d.bytes += function.HashBytes
				d.seen[h] = struct{}{}
				return r, nil
			}
			d.later = newKeyedRows(d.m)
		}
		d.read++
		if err := d.later.put(ctx, h, d.read, r); err != nil {
			return nil, err
		}
	}
	_, _, r, err := d.first.take(ctx)
	return r, err
}

// order finds the first of the later rows that are equal.
func (d *distinctRows) order(ctx *sql.Context) error {
	d.m.release(d.bytes)
	d.bytes, d.seen = 0, nil
	d.first = newKeyedRows(d.m)
	err := d.later.finish(ctx)
	for last, some := uint64(0), false; err == nil; {
		var h uint64
		var number int64
		var r sql.Row
		if h, number, r, err = d.later.take(ctx); err == nil && (!some || h != last) {
			last, some = h, true
			err = d.first.put(ctx, uint64(number), 0, r)
		}
	}
	if err != io.EOF {
		return err
	}
	d.later.close()
	return d.first.finish(ctx)
}

// Close implements sql.RowIter.
func (d *distinctRows) Close(ctx *sql.Context) error {
	d.m.release(d.bytes)
	d.bytes = 0
	d.later.close()
	d.first.close()
	return d.child.Close(ctx)
}
