package segment

import (
	"cmp"
	"slices"
	"sync/atomic"

	"sextant/internal/redo"
	"sextant/logstore"
)

// chain is one segment: what it holds of its group's log and what of that is in memory.
//
// Invariant: every record above the hint, hidden ones included, is in memory.
// Invariant: barrier > 0 only after damage; a segment that is damaged or has not
// reached its barrier counts in no quorum.
type chain struct {
	logstore.GroupStart // Start: the highest start point of the list's epoch
	hint                redo.Hint
	runs                runs
	damaged             bool         // nothing of it can be relied on
	barrier             redo.LSN     // it had stored records up to here when it was damaged; 0: has them all again
	readFrom            redo.LSN     // it was copied: older versions and log are elsewhere only
	sound               *atomic.Bool // false once it is damaged, for answers that are being read from the Store

	// log has the records that the Store does not hold, in the order in which they
	// were stored; bytes is their payload, last the highest LSN in it.
	log   []entry
	bytes int64
	last  redo.LSN

	byPage  map[redo.PageID][]int32 // indexes into log[:indexed]
	indexed int

	counted   int     // log[:counted] is in drainable, but for what is hidden, and
	waiting   []int32 // these indexes of records that were above the hint
	drainable int64   // bytes of memory

	gossip gossiping
	repair repair
}

// entry is a record in memory.
type entry struct {
	redo.Record
	frame uint64 // index of the frame that has it
}

// logKept is how many entries more than twice those in memory there is room for.
const logKept = 4096

func (c *chain) scl() redo.LSN {
	if c.damaged {
		return 0
	}
	return c.runs.scl()
}

// tail is the highest LSN contiguous from a start point of the list's epoch.
// Lower start points than the highest cannot reach further: they are on the same chain.
func (c *chain) tail() redo.LSN {
	if c.damaged {
		return 0
	}
	return c.runs.from(c.Start)
}

func (c *chain) ack() logstore.SegmentAck {
	return logstore.SegmentAck{PG: c.PG, Membership: c.Membership, Tail: c.tail(), SCL: c.scl()}
}

func (c *chain) state() logstore.SegmentState {
	return logstore.SegmentState{
		PG: c.PG, Membership: c.Membership, Hint: c.hint, Tail: c.tail(), Start: c.Start,
		SCL: c.scl(), Last: c.last, Damaged: !c.whole(),
	}
}

// insert stores a record unless it is there already or the list annuls it: a list
// never annuls what its own epoch's holder sends.
func (c *chain) insert(r *redo.Record, frame uint64, annulled redo.Ranges) {
	if hidden(annulled, r.LSN) {
		return
	}
	switch c.runs.add(r.PrevPG, r.LSN) {
	case addedKnown:
		return
	case addedFork:
		c.spoil()
		return
	}
	c.hold(r, frame)
}

// hold keeps a record in memory.
func (c *chain) hold(r *redo.Record, frame uint64) {
	c.log = append(c.log, entry{*r, frame})
	c.bytes += int64(len(r.Payload))
	c.last = max(c.last, r.LSN)
}

// hidden reports whether the list annuls l.
func hidden(annulled redo.Ranges, l redo.LSN) bool {
	return l <= annulled.End() && annulled.Contain(l)
}

// relist recomputes what is hidden under another list, and starts from start.
func (c *chain) relist(annulled redo.Ranges, start redo.LSN) {
	c.Start = start
	c.unindex()
	c.runs = c.runs.cut(c.hint)
	for i := range c.log {
		if r := &c.log[i]; r.LSN > c.hint.VDL && !hidden(annulled, r.LSN) {
			if c.runs.add(r.PrevPG, r.LSN) == addedFork {
				c.spoil()
			}
		}
	}
}

// keep keeps only the records in memory for which it is true.
func (c *chain) keep(stays func(e *entry) bool) {
	out := c.log[:0]
	c.bytes, c.last = 0, 0
	for i := range c.log {
		if e := &c.log[i]; stays(e) {
			c.bytes += int64(len(e.Payload))
			c.last = max(c.last, e.LSN)
			out = append(out, *e)
		}
	}
	clear(c.log[len(out):])
	if c.log = out; cap(out) > 2*len(out)+logKept { // the room of a large commit is given back
		c.log = slices.Clone(out)
	}
	c.unindex()
}

// unindex forgets what is known of places in log.
func (c *chain) unindex() {
	c.byPage, c.indexed = nil, 0
	c.counted, c.waiting, c.drainable = 0, nil, 0
}

// index brings byPage up to date. Storing a record costs no map work.
func (c *chain) index() {
	if c.byPage == nil {
		c.byPage = map[redo.PageID][]int32{}
	}
	for ; c.indexed < len(c.log); c.indexed++ {
		id := c.log[c.indexed].Page
		c.byPage[id] = append(c.byPage[id], int32(c.indexed))
	}
}

// ofPage returns the records of a page in memory at or below at, in LSN order.
func (c *chain) ofPage(p redo.PageID, at redo.LSN, annulled redo.Ranges) []redo.Record {
	c.index()
	var out []redo.Record
	for _, i := range c.byPage[p] {
		if r := &c.log[i].Record; r.LSN <= at && !hidden(annulled, r.LSN) {
			out = append(out, *r)
		}
	}
	sortByLSN(out)
	return out
}

// above returns every record in memory above after, hidden ones included, in LSN
// order, up to about bytesMax, and whether there are more.
func (c *chain) above(after redo.LSN, bytesMax int) (out []redo.Record, more bool) {
	for i := range c.log {
		if r := &c.log[i].Record; r.LSN > after {
			out = append(out, *r)
		}
	}
	return shorten(out, bytesMax)
}

// within returns the records in memory in a range, in LSN order, and whether they
// are all that the group has there.
func (c *chain) within(r redo.Range, annulled redo.Ranges) (out []redo.Record, all bool) {
	for i := range c.log {
		if x := &c.log[i].Record; r.Contains(x.LSN) && !hidden(annulled, x.LSN) {
			out = append(out, *x)
		}
	}
	sortByLSN(out)
	prev := r.After
	for i := range out {
		if out[i].PrevPG != prev {
			return out, false
		}
		prev = out[i].LSN
	}
	return out, prev == r.Through
}

// shorten sorts records and cuts them to bytesMax payload bytes, but at least one.
func shorten(records []redo.Record, bytesMax int) (out []redo.Record, more bool) {
	sortByLSN(records)
	bytes := 0
	for i := range records {
		if bytes += len(records[i].Payload); bytes > bytesMax && i > 0 {
			return records[:i:i], true
		}
	}
	return records, false
}

func sortByLSN(records []redo.Record) {
	slices.SortFunc(records, func(a, b redo.Record) int { return cmp.Compare(a.LSN, b.LSN) })
}

// merge returns the union of two sequences in LSN order; a record in both is one.
func merge(a, b []redo.Record) []redo.Record {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]redo.Record, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].LSN < b[0].LSN:
			out, a = append(out, a[0]), a[1:]
		case a[0].LSN > b[0].LSN:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
