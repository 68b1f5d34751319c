package segment

import (
	"errors"
	"math"
	"slices"
	"sync/atomic"

	"sextant/internal/redo"
	"sextant/logstore"
)

// This file fills a damaged segment again, with pages of its peers.
//
// A peer gives its pages as of its newest hint, a part at a time; since that hint moves
// on meanwhile, later pages are newer than earlier ones. So the copy is complete to
// the lowest hint of its parts, is given the log above that by gossip like any segment
// that is behind, and cannot be read below the highest.
//
// A copy counts in no quorum before it has everything that the damaged segment had
// stored (barrier). Its acknowledgements were counted: with three members that never
// had a record, a copy that lacks it would be a read quorum that does not know of a
// commit. See testdata/copy_counts_behind_its_barrier.txt.
//
// Source: SIGMOD 2017 §2.3 ("segments are the unit of failure and repair").

// copyAskTicks is after how many ticks without an answer another peer is asked; twice as
// many after each, up to copyAskTicksMax, since an answer may take that long.
const (
	copyAskTicks    = 20
	copyAskTicksMax = 8 * copyAskTicks
)

// repair is how far the filling of a damaged segment is.
type repair struct {
	logGone       bool // no peer has the log any more that it lacks
	quarantined   bool // the driver knows
	noting, noted bool // a snapshot says so; it is synced

	from       int         // peer asked, counted from 1; 0: none yet
	asked      uint64      // tick of the unanswered request; 0: none
	patience   uint64      // ticks that it is given
	begun      bool        // pages have been put into the Store, or are on their way
	installing uint64      // number of the part on its way; 0: none
	last       bool        // those were the last
	done       bool        // the Store has all of them
	after      redo.PageID // the highest asked for
	pages      int         // in the Store
	first      redo.Hint   // the lowest of all answers
	floor      redo.LSN    // the highest of all answers
}

// copied is what FrameCopied says: the Store has every page of the segment, none older
// than Hint, none newer than Floor.
type copied struct {
	logstore.Header
	PG    redo.PGID
	Hint  redo.Hint
	Floor redo.LSN
}

func encodeCopied(m copied) []byte {
	e := newEncoder()
	e.put(uint64(m.Volume), uint64(m.Timeline), uint64(m.Epoch), uint64(m.PG), uint64(m.Hint.VDL), uint64(m.Hint.PGLast), uint64(m.Floor))
	return e.b
}

func decodeCopied(body []byte) (m copied, err error) {
	d, err := open(body)
	if err != nil {
		return m, err
	}
	m = copied{Header: d.header(), PG: redo.PGID(d.get()), Hint: redo.Hint{VDL: d.lsn(), PGLast: d.lsn()}, Floor: d.lsn()}
	return m, d.done()
}

// sound returns a true one.
func sound() *atomic.Bool {
	b := new(atomic.Bool)
	b.Store(true)
	return b
}

// spoil notes that nothing of the segment can be relied on any more.
func (c *chain) spoil() {
	if !c.damaged {
		c.barrier = max(c.barrier, c.runs.last())
	}
	c.damaged = true
	c.sound.Store(false)
}

// ErrSpoiled is returned by an answer's Run if the segment was damaged meanwhile: the
// Store may have been emptied under it.
var ErrSpoiled = errors.New("segment: damaged while it was read")

// guard returns run, to fail with ErrSpoiled unless the segment is sound when it is done.
func (c *chain) guard(run func(Store) (logstore.Message, error)) func(Store) (logstore.Message, error) {
	sound := c.sound
	return func(s Store) (logstore.Message, error) {
		m, err := run(s)
		if !sound.Load() {
			return nil, ErrSpoiled
		}
		return m, err
	}
}

// whole reports whether the segment has everything that it ever acknowledged.
func (c *chain) whole() bool { return !c.damaged && c.barrier == 0 }

// settle lets a segment count again that has come to its barrier.
func (h *Host) settle(c *chain) {
	if c.barrier > 0 && !c.damaged && c.scl() >= c.barrier {
		c.barrier = 0
		h.tell(c)
	}
}

// Noted says that the last Snapshot is synced at the beginning of a file, and no frame was
// since: what it says is damaged may be filled again, and no replay needs to come
// through the newest list.
func (h *Host) Noted() {
	h.relisting = none
	for _, c := range h.order {
		c.repair.noted = c.repair.noted || c.repair.noting
	}
}

// Copying returns the segment that is being filled again, from whom, and how many of
// its pages are here; false if there is none.
func (h *Host) Copying() (pg redo.PGID, from logstore.NodeID, pages int, ok bool) {
	c := h.copying()
	if c == nil || c.repair.from == 0 {
		return 0, "", 0, false
	}
	return c.PG, h.peers[c.repair.from-1].id, c.repair.pages, true
}

// copying returns the segment whose turn it is to be filled: one at a time, one that moves
// here at a pace after those that are damaged.
func (h *Host) copying() (next *chain) {
	for _, c := range h.order {
		if c.damaged && c.repair.noted && (next == nil || h.paced(next)) {
			next = c
		}
	}
	return next
}

// tickCopy asks for the next part: one for each tick, which bounds the rate.
func (h *Host) tickCopy() {
	c := h.copying()
	if c == nil || h.list.Epoch == 0 {
		return
	}
	r := &c.repair
	if r.installing != 0 || r.done || r.asked != 0 && h.ticks-r.asked < r.patience || h.waits(c) {
		return
	}
	if r.asked != 0 {
		r.patience = min(2*r.patience, copyAskTicksMax)
	}
	r.patience = max(r.patience, copyAskTicks)
	if r.asked != 0 || r.from == 0 {
		h.nextPeer(c)
	}
	if r.asked = 0; r.from == 0 {
		return
	}
	r.asked = h.ticks
	h.send(Input{Peer: h.peers[r.from-1].id}, logstore.CopySegment{
		Header: h.head(), ListEpoch: h.list.Epoch, PG: c.PG, After: r.after,
	})
}

// nextPeer chooses the next member to ask: first the one that is furthest, since one that is
// being filled itself gives little.
func (h *Host) nextPeer(c *chain) {
	r := &c.repair
	if r.from == 0 {
		var furthest redo.LSN
		for i := range h.peers {
			if t := c.with(h.peers, i); t != nil && t.theirs > furthest {
				furthest, r.from = t.theirs, i+1
			}
		}
		if r.from > 0 {
			return
		}
	}
	for range h.peers {
		r.from = r.from%len(h.peers) + 1
		if c.with(h.peers, r.from-1) != nil {
			return
		}
	}
	r.from = 0
}

// copyAsked gives a part of a segment, as of its hint: what is above can be annulled.
func (h *Host) copyAsked(in Input, m logstore.CopySegment) {
	c := h.chain(m.PG)
	switch {
	case m.ListEpoch != h.list.Epoch: // said, so that the next is asked at once
		h.refuseSegment(in, logstore.Behind, m.PG, "another list of annulled records")
		return
	case c == nil:
		h.refuseSegment(in, logstore.Behind, m.PG, "no such segment")
		return
	case c.damaged:
		h.refuseSegment(in, logstore.Corrupt, m.PG, "the segment is damaged")
		return
	case c.scl() < c.hint.PGLast || c.hint.VDL < c.readFrom:
		h.hurry(c)
		h.refuseSegment(in, logstore.Retry, m.PG, "the segment is not complete to its hint")
		return
	}
	c.index()
	memory := map[redo.PageID][]redo.Record{}
	for id := range c.byPage {
		if id > m.After {
			if rs := c.ofPage(id, c.hint.VDL, h.list.Ranges); len(rs) > 0 {
				memory[id] = rs
			}
		}
	}
	a := logstore.CopyAnswer{Header: h.head(), ListEpoch: h.list.Epoch, PG: m.PG, After: m.After, Hint: c.hint}
	h.out.Serve = append(h.out.Serve, Serve{Peer: in.Peer, ID: in.ID, PG: m.PG, Run: c.guard(func(s Store) (logstore.Message, error) {
		return copyFrom(s, a, memory, &h.o)
	})})
}

// copyFrom adds pages to a, from the Store and the records in memory.
func copyFrom(s Store, a logstore.CopyAnswer, memory map[redo.PageID][]redo.Record, o *Options) (logstore.Message, error) {
	ids, err := s.Pages(a.PG, a.After, a.Hint.VDL, o.CopyPages)
	if err != nil {
		return nil, err
	}
	last := redo.PageID(math.MaxUint64) // the Store has no page between those and this
	if a.More = len(ids) == o.CopyPages; a.More {
		last = ids[len(ids)-1]
	}
	for id := range memory {
		if id <= last {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	bytes := 0
	for _, id := range ids {
		if bytes >= logstore.CopyBytesMax || len(a.Pages) == o.CopyPages {
			a.More = true
			break
		}
		b, lsn, err := build(s, a.PG, id, a.Hint.VDL, memory[id], o.Apply)
		if err != nil {
			return nil, err
		}
		if b != nil {
			bytes += len(b)
			a.Pages = append(a.Pages, logstore.PageImage{Page: id, LSN: lsn, Data: b})
		}
	}
	return a, nil
}

// asks reports whether the segment waits for an answer. One that comes late, when another
// peer has been asked, is as good.
func (c *chain) asks() bool {
	return c.damaged && c.repair.asked != 0 && c.repair.installing == 0
}

func (h *Host) copyRefused(in Input, m logstore.Refused) {
	if c := h.chain(m.PG); m.Segment && c != nil && c.asks() && h.peers[c.repair.from-1].id == in.Peer {
		c.repair.asked = 0
		h.nextPeer(c)
	}
}

// copyArrived hands a part of a copy to the driver.
func (h *Host) copyArrived(m logstore.CopyAnswer) {
	c := h.chain(m.PG)
	if m.ListEpoch != h.list.Epoch || c == nil || !c.asks() || m.After != c.repair.after || m.More && len(m.Pages) == 0 {
		return
	}
	r := &c.repair
	after := r.after
	for i := range m.Pages {
		if m.Pages[i].Page <= after || m.Pages[i].LSN > m.Hint.VDL {
			return
		}
		after = m.Pages[i].Page
		h.spend(m.PG, len(m.Pages[i].Data))
	}
	r.after, r.floor = after, max(r.floor, m.Hint.VDL)
	if !r.begun || m.Hint.VDL < r.first.VDL {
		r.first = m.Hint
	}
	h.installs++
	h.out.Install = append(h.out.Install, Install{PG: m.PG, Number: h.installs, Begin: !r.begun, Gone: m.Hint.VDL, Pages: m.Pages})
	r.asked, r.begun, r.installing, r.last = 0, true, h.installs, !m.More
	r.pages += len(m.Pages)
}

// Installing reports whether i is still wanted: the segment may have been dropped, or damaged again.
func (h *Host) Installing(i Install) bool {
	c := h.chain(i.PG)
	return c != nil && c.repair.installing == i.Number
}

// Installed says that the Store holds i durably. That is no news if the segment was
// damaged again meanwhile.
func (h *Host) Installed(i Install) {
	if h.Installing(i) {
		c := h.chain(i.PG)
		c.repair.installing, c.repair.done = 0, c.repair.last
	}
}

// finishCopies puts in order the frames of copies that the Store holds.
func (h *Host) finishCopies() {
	for _, c := range h.order {
		if r := &c.repair; r.done {
			m := copied{Header: h.head(), PG: c.PG, Hint: r.first, Floor: r.floor}
			h.persist(Input{Msg: m}, FrameCopied, encodeCopied(m), nil)
		}
	}
}

// applyCopied puts a filled segment back to work. Log above the copy comes by gossip.
func (h *Host) applyCopied(m copied) {
	c := h.chain(m.PG)
	c.keep(func(*entry) bool { return false })
	c.runs, c.repair, c.gossip = nil, repair{}, gossiping{}
	if m.Hint.PGLast > 0 {
		c.runs = runs{{0, m.Hint.PGLast}}
	}
	if m.Hint.VDL > c.hint.VDL {
		c.hint = m.Hint
	}
	c.damaged, c.readFrom, c.sound = false, m.Floor, sound()
	h.settle(c)
	if c.whole() { // the writer may have heard nothing of it yet
		h.tell(c)
	}
}

// goneAt notes that a peer has collected what the segment lacks. When all who are
// further have, or most, only a copy can help.
//
// What the segment has above its hole goes with it, and so the members do not do this together: somebody must be
// complete to this hint, from whom to copy, and unless most are, who is furthest of the others goes first, and
// one that was further and does not answer is waited for. A member that waits goes on telling its records to those
// that lack them.
func (h *Host) goneAt(in Input, m logstore.GossipFill) {
	c, i := h.chain(m.PG), h.peerIndex(in.Peer)
	if c == nil || i < 0 || c.damaged {
		return
	}
	t := c.with(h.peers, i)
	if t == nil {
		return
	}
	t.gone = 0
	if !m.Gone || t.theirs <= c.scl() {
		return
	}
	t.gone = c.scl() + 1
	complete, further := 0, false
	for i := range h.peers {
		switch t := c.with(h.peers, i); {
		case t == nil || t.theirs <= c.scl():
		case t.gone == c.scl()+1 && t.theirs >= c.hint.PGLast:
			complete++
		default:
			further = true
		}
	}
	if complete == 0 || further && complete < completeMost {
		return
	}
	c.spoil()
	c.repair.logGone = true
}

// completeMost is how many other members that are complete are enough, whatever the rest does.
const completeMost = 4
