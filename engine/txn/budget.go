package txn

import "sync/atomic"

// Budget is the memory that write sets, locks and sorts of an instance share, in
// bytes. It is safe for concurrent use.
//
// Invariant: used <= the limit that held when it was taken; whoever takes gives back.
type Budget struct {
	limit atomic.Int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget {
	b := &Budget{}
	b.limit.Store(limit)
	return b
}

// Take takes n bytes and reports whether they were there; if not, nothing is taken.
func (b *Budget) Take(n int64) bool {
	if b.used.Add(n) > b.limit.Load() {
		b.used.Add(-n)
		return false
	}
	return true
}

// Give gives n bytes back.
func (b *Budget) Give(n int64) { b.used.Add(-n) }

// Used returns the bytes taken now.
func (b *Budget) Used() int64 { return b.used.Load() }

// SetLimit changes the limit. What is taken already stays taken.
func (b *Budget) SetLimit(n int64) { b.limit.Store(n) }
