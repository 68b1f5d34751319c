package engine

import (
	"bytes"

	"sextant/engine/row"
	"sextant/engine/txn"
)

// A multi-valued index has an entry for each member of a row's list. A scan returns a row once, where it meets the first of them.

// metRowBytes is what the bookkeeping of a row that was met takes beside its key, rounded up.
const metRowBytes = 64

// metRows are the primary keys of the rows that a scan has returned.
type metRows struct {
	keys  map[string]struct{}
	bytes int64 // taken from the budget
}

// meetsAgain reports whether the scan may come to several entries of a row: that it cannot, if its only range is of one member.
func (c *Cursor) meetsAgain() bool {
	k := c.ix.key
	if !k.Multi() {
		return false
	}
	if len(c.o.Ranges) != 1 {
		return true
	}
	in := c.o.Ranges[0].bounds()
	return !k.FixesMember(in.lo) || !bytes.Equal(in.hi, row.PrefixEnd(in.lo))
}

// firstMet returns r, or nil if the scan has returned the row before. Returns ErrMemory.
func (c *Cursor) firstMet(r row.Row) (row.Row, error) {
	pk, err := c.t.AppendPrimaryKey(nil, r)
	if err != nil {
		return nil, err
	}
	if _, met := c.met.keys[string(pk)]; met {
		return nil, nil
	}
	n := int64(metRowBytes + len(pk))
	if !c.tx.db.budget.Take(n) {
		return nil, ErrMemory
	}
	c.met.bytes += n
	if c.met.keys == nil {
		c.met.keys = map[string]struct{}{}
	}
	c.met.keys[string(pk)] = struct{}{}
	return r, nil
}

// close gives the memory back. m may be nil.
func (m *metRows) close(b *txn.Budget) {
	if m != nil {
		b.Give(m.bytes)
		*m = metRows{}
	}
}
