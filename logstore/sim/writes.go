package sim

import (
	"context"
	"errors"
	"slices"

	"sextant/engine/replica"
	"sextant/internal/redo"
	"sextant/logstore"
)

// This file is what an open writer does with its page cache: turns of mini-transactions,
// reads, and the stream that readers follow.

// follower is a reader's subscription.
type follower struct {
	r   *reader
	sub int
}

// sealed is a batch that readers may still need.
type sealed struct {
	last  redo.LSN
	bytes []byte
}

func (h *holder) name() logstore.NodeID { return h.id }
func (h *holder) ended() bool           { return h.dead }
func (h *holder) readPoint() redo.LSN   { return h.t.VDL() }
func (h *holder) pages() int            { return int(h.t.PageLimit()) }
func (h *holder) visible() redo.LSN     { return h.t.VDL() }
func (h *holder) run(do func()) {
	switch {
	case h.dead:
	case h.w.now < h.pausedTo:
		h.w.counts.PausedHolders++
		h.later(h.pausedTo-h.w.now, do)
	default:
		do()
	}
}

// request implements source.
func (h *holder) request(id redo.PageID, at redo.LSN) (logstore.ReadPage, []int, bool) {
	pg := redo.PGID(uint64(id-1) / uint64(h.w.swarm.pages))
	need := h.t.Need(pg, at)
	nodes := h.t.Readable(pg, need, nil)
	if len(nodes) == 0 {
		nodes = h.w.oracle.members(pg)
	}
	return logstore.ReadPage{Header: h.header(), PG: pg, Pages: []redo.PageID{id}, At: at, Need: need}, nodes, true
}

// warm gives an open writer its cache: an empty one, or that of a reader, which is brought
// to the recovered VDL first.
func (h *holder) warm(ready func()) {
	w, vdl := h.w, h.t.VDL()
	r := w.readers[w.rng.IntN(len(w.readers))]
	s := r.applier.Status()
	if s.Applied == 0 || s.Epoch >= h.epoch || w.calm || w.now <= r.pausedTo || !w.chance(w.swarm.promoted) {
		h.cache = w.newCache(h)
		h.snaps.Reset(vdl)
		h.pool.SetDurable(vdl)
		ready()
		return
	}
	w.say("%s was %s, at %d", h.id, r.id, s.Applied)
	w.counts.Promoted++
	r.succeed()
	r.told, r.cache.src = vdl, h
	ans := replica.Answer{Epoch: h.epoch, VDL: vdl, Annulled: h.t.List().Ranges, PagesPerGroup: uint64(w.swarm.pages)}
	w.catchUp(h, r.applier, ans, func(records []redo.Record, err error) {
		if h.dead {
			return
		}
		if errors.Is(err, logstore.ErrUnavailable) || errors.Is(err, logstore.ErrFenced) {
			h.die("finds no log")
			return
		}
		if err := r.applier.Resume(context.Background(), ans, records, err); err != nil {
			w.fail("I-18", "%s is promoted: %v", h.id, err)
			return
		}
		h.cache = r.cache
		h.cache.check()
		ready()
	})
}

// change is one change of a page to be.
type change struct {
	page    redo.PageID
	op      redo.Op
	payload []byte
}

// commit is a turn to be: the changes of each mini-transaction.
type commit struct {
	mtrs   [][]change
	pinned []redo.PageID
	tries  int
}

// write draws a turn of a few MTRs.
func (h *holder) write() {
	if h.quiet || h.busy >= 3 {
		return
	}
	w := h.w
	pages := redo.PageID(w.swarm.pages)
	groups := int(h.t.PageLimit() / pages)
	if w.chance(.1) {
		h.hot = redo.PGID(w.rng.IntN(groups))
	}
	c := &commit{mtrs: make([][]change, 1+w.rng.IntN(2))}
	for i := range c.mtrs {
		for range 1 + w.rng.IntN(w.swarm.mtrMax) {
			pg := h.hot
			if !w.chance(w.swarm.bias) {
				pg = redo.PGID(w.rng.IntN(groups))
			}
			x := change{
				page: redo.PageID(pg)*pages + 1 + redo.PageID(w.rng.IntN(w.swarm.pages)), op: redo.OpInsert,
				payload: []byte{byte(h.epoch), byte(w.rng.Uint32()), byte(w.rng.Uint32()), byte(w.rng.Uint32())},
			}
			if w.chance(w.swarm.formats) {
				x.op = redo.OpFormat
			}
			c.mtrs[i] = append(c.mtrs[i], x)
		}
	}
	h.busy++
	h.attempt(c)
}

// attempt makes the turn if every page is here that it changes; else it reads those first.
func (h *holder) attempt(c *commit) {
	copies := map[redo.PageID][]byte{}
	var order, missed []redo.PageID
	for _, m := range c.mtrs {
		for _, x := range m {
			if copies[x.page] != nil {
				continue
			}
			b, ok := h.pool.Head(x.page)
			switch {
			case ok:
				copies[x.page] = slices.Clone(b)
			case x.op == redo.OpFormat:
				copies[x.page] = make([]byte, pageBytes)
			case !slices.Contains(missed, x.page):
				missed = append(missed, x.page)
			}
			order = append(order, x.page)
		}
	}
	if len(missed) == 0 {
		h.turn(c, copies, order)
	}
	if c.tries++; len(missed) == 0 || c.tries > 10 {
		for _, id := range c.pinned {
			h.pool.Unpin(id)
		}
		h.busy--
		return
	}
	left := len(missed)
	for _, id := range missed {
		h.pool.Pin(id)
		c.pinned = append(c.pinned, id)
		h.cache.load(h.pool.Newest(id, h.readPoint), id, func([]byte, error) {
			if left--; left == 0 {
				h.attempt(c)
			}
		})
	}
}

// turn numbers a turn, changes copies of the pages, and publishes them.
func (h *holder) turn(c *commit, copies map[redo.PageID][]byte, order []redo.PageID) {
	w, next := h.w, h.t.Next()
	mtrs := make([]redo.MTR, len(c.mtrs))
	for i, m := range c.mtrs {
		for _, x := range m {
			mtrs[i].Records = append(mtrs[i].Records, redo.Record{Page: x.page, Op: x.op, Payload: x.payload})
		}
		if w.chance(.05) {
			mtrs[i].Records[len(m)-1].Flags |= redo.FlagCatalog
		}
	}
	if err := h.t.Append(mtrs); err != nil {
		if !errors.Is(err, logstore.ErrNoRoom) {
			w.fail("append", "%s: %v", h.id, err)
		}
		if h.t.Next() != next {
			w.fail("append", "%s: LSNs were given out, then %v", h.id, err)
		}
		return
	}
	for _, m := range mtrs {
		for i := range m.Records {
			r := &m.Records[i]
			w.oracle.issue(h, r)
			if err := apply(copies[r.Page], r); err != nil {
				w.fail("I-19", "%s changes page %d by %d: %v", h.id, r.Page, r.LSN, err)
			}
		}
		h.last = m.Records[len(m.Records)-1].LSN
	}
	h.commits.Park(h.last, reply{at: h.last})
	vdl := h.t.VDL()
	h.pool.SetDurable(vdl)
	live := h.snaps.Readable(vdl)
	for _, id := range slices.Compact(slices.Sorted(slices.Values(order))) {
		w.oracle.cached(h.cache, id, h.last, copies[id], "its own change")
		h.pool.Publish(id, copies[id], next, live)
	}
	h.snaps.Publish(h.last)
	w.say("%s writes %d…%d", h.id, next, h.last)
	h.ship()
}

// query begins a statement, which perhaps reads what is not durable yet.
func (h *holder) query() {
	h.cache.statement(h.w.chance(.3))
	if h.w.chance(.1) {
		h.cache.check()
	}
}

// horizon tells the cache what is durable and storage what nobody reads any more.
func (h *holder) horizon() {
	vdl := h.t.VDL()
	h.pool.SetDurable(vdl)
	if !h.w.swarm.garbage {
		return
	}
	h.own = h.snaps.Oldest(vdl)
	if l := h.promises.Oldest(h.own); l > 0 {
		h.t.SetMinReadPoint(l)
	}
}

// join adds a reader's subscription: it gets every batch with a record above the VDL that
// it is answered.
func (h *holder) join(r *reader, sub int, applied redo.LSN) {
	h.run(func() {
		if h.cache == nil {
			return // not open yet, or being promoted
		}
		h.subs = slices.DeleteFunc(h.subs, func(f follower) bool { return f.r.ep == r.ep })
		f := follower{r, sub}
		h.subs = append(h.subs, f)
		ans := replica.Answer{
			Epoch: h.epoch, VDL: h.t.VDL(), Annulled: h.t.List().Ranges, PGLast: map[redo.PGID]redo.LSN{}, PagesPerGroup: uint64(h.w.swarm.pages),
		}
		for _, l := range h.t.Lasts() {
			ans.PGLast[l.PG] = l.LSN
		}
		if !h.promise[r.ep] {
			h.promises.Hold(string(r.id), min(applied, ans.VDL))
		}
		h.w.send(h.ep, r.ep, true, func() { r.answered(sub, ans) })
		for _, b := range h.inflight {
			h.frame(f, b.bytes)
		}
	})
}

// promised takes a reader's promise.
func (h *holder) promised(r *reader, sub int, l redo.LSN) {
	h.run(func() {
		if !slices.Contains(h.subs, follower{r, sub}) {
			return
		}
		h.promises.Hold(string(r.id), l)
		if h.promise[r.ep] = true; len(h.promise) == len(h.w.readers) {
			h.promises.Known()
		}
	})
}

func (h *holder) frame(f follower, b []byte) {
	h.w.send(h.ep, f.r.ep, true, func() {
		f.r.stream(f.sub, func() error { return f.r.applier.Frame(b) })
	})
}

// seal sends readers the new batches.
func (h *holder) seal() {
	for _, b := range h.t.Seal() {
		h.inflight = append(h.inflight, sealed{b.Last, b.Bytes})
		for _, f := range h.subs {
			h.frame(f, b.Bytes)
		}
	}
}

// tell sends readers the VDL.
func (h *holder) tell() {
	vdl := h.t.VDL()
	h.inflight = slices.DeleteFunc(h.inflight, func(s sealed) bool { return s.last <= vdl })
	for _, f := range h.subs {
		h.w.send(h.ep, f.r.ep, true, func() {
			f.r.stream(f.sub, func() error { return f.r.toldVDL(vdl) })
		})
	}
}
