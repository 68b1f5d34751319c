package sim

import (
	"context"
	"errors"
	"fmt"

	"sextant/engine/replica"
	"sextant/internal/redo"
	"sextant/logstore"
)

// reader is an instance that follows a writer: the driver of a replica.Applier and of the
// page cache that it brings up to date. It may go on following a writer that was
// deposed, miss epochs, lose its connection, pause, or crash and begin with an empty cache.
type reader struct {
	w        *world
	i, ep    int
	id       logstore.NodeID
	pausedTo tick

	*cache
	applier *replica.Applier
	holder  *holder  // whom it follows
	told    redo.LSN // the highest VDL that it was told
	flagged redo.LSN // up to which it was told of changes of the catalog
	promise redo.LSN // it reads nothing below

	sub    int  // number of its subscription: what comes of another is of a dead connection
	joined bool // the answer was taken
	heard  tick // when something came of it
	queue  []func() error
}

var (
	_ source       = (*reader)(nil)
	_ replica.Host = (*reader)(nil)
)

func (w *world) addReader(i int) {
	w.readers = append(w.readers, nil)
	w.beginReader(i, w.newLink(), 0)
	w.every(func() tick { return w.between(5, 30) }, func() { r := w.readers[i]; r.run(r.step) })
	w.every(func() tick { return w.between(5, 40) }, func() { r := w.readers[i]; r.run(r.query) })
}

// beginReader starts the process of reader i with an empty cache. promise is what the
// one before has promised.
func (w *world) beginReader(i, ep int, promise redo.LSN) {
	r := &reader{w: w, i: i, ep: ep, id: logstore.NodeID(fmt.Sprintf("r%d", i)), promise: promise}
	r.cache = w.newCache(r)
	r.applier = replica.NewApplier(r.pool, r, nil)
	w.readers[i] = r
	w.peers[r.id] = r
}

// succeed ends the process as a reader; another begins in its place.
func (r *reader) succeed() {
	r.leave()
	r.w.beginReader(r.i, r.ep, r.promise)
}

// crash ends the process.
func (r *reader) crash() {
	r.w.say("%s crashes", r.id)
	r.w.counts.Restarted++
	r.cache.dead = true
	r.succeed()
}

func (r *reader) name() logstore.NodeID { return r.id }
func (r *reader) number() int           { return r.ep }
func (r *reader) ended() bool           { return r.cache.dead }
func (r *reader) readPoint() redo.LSN   { return r.applier.ReadPoint() }
func (r *reader) pages() int            { return r.w.swarm.pages * len(r.w.control.groups) }
func (r *reader) visible() redo.LSN     { return r.snaps.Newest() }

func (r *reader) run(do func()) {
	switch {
	case r.ended():
	case r.w.now < r.pausedTo:
		r.w.counts.PausedReaders++
		r.w.after(r.pausedTo-r.w.now, func() { r.run(do) })
	default:
		do()
	}
}

// receive takes a node's answer; all of them go to calls.
func (r *reader) receive(logstore.NodeID, logstore.Message) {}

// leave ends the subscription.
func (r *reader) leave() {
	r.sub++
	r.joined, r.queue, r.heard = false, nil, r.w.now
}

// step looks for a writer, renews the promise, and subscribes if it has to.
func (r *reader) step() {
	w := r.w
	if newest := w.control.holder[w.control.opened]; newest != nil && newest != r.holder && (r.holder == nil || w.chance(.1) || w.calm) {
		r.holder = newest
		r.leave()
	}
	h := r.holder
	switch {
	case h == nil:
		return
	case w.now > r.heard+300 || r.joined && !w.calm && w.chance(.01): // the connection is lost
		r.leave()
	}
	r.promise = max(r.promise, r.snaps.Oldest(r.visible()))
	if s := r.applier.Status(); !r.joined && r.queue == nil {
		r.queue = []func() error{} // until the answer comes
		sub := r.sub
		w.send(r.ep, h.ep, true, func() { h.join(r, sub, s.Applied) })
	}
	if p, sub := r.promise, r.sub; p > 0 {
		w.send(r.ep, h.ep, true, func() { h.promised(r, sub, p) })
	}
}

// stream takes a message of a subscription: an answer, a batch or a VDL.
func (r *reader) stream(sub int, take func() error) {
	r.run(func() {
		switch {
		case sub != r.sub:
		case !r.joined:
			r.queue = append(r.queue, take)
		default:
			r.heard = r.w.now
			r.result(take())
		}
	})
}

// result ends the subscription after an error.
func (r *reader) result(err error) {
	switch {
	case err == nil:
		return
	case !errors.Is(err, replica.ErrGap) && !errors.Is(err, replica.ErrStale) && !errors.Is(err, logstore.ErrUnavailable) && !errors.Is(err, logstore.ErrFenced):
		r.w.fail("I-18", "%s: %v", r.id, err)
	}
	r.w.say("%s leaves: %v", r.id, err)
	r.leave()
}

// answered takes the answer to a subscription: what is missing is read from storage.
func (r *reader) answered(sub int, ans replica.Answer) {
	r.run(func() {
		if sub != r.sub || r.joined {
			return
		}
		r.heard = r.w.now
		if s := r.applier.Status(); ans.Epoch >= s.Epoch && (ans.Annulled.Contain(s.Applied) || s.Applied > ans.VDL) {
			r.w.fail("b", "%s has shown %d, epoch %d annuls %v above VDL %d", r.id, s.Applied, ans.Epoch, ans.Annulled, ans.VDL)
		}
		r.w.catchUp(r, r.applier, ans, func(records []redo.Record, err error) {
			if sub != r.sub || r.joined {
				return
			}
			r.told = max(r.told, ans.VDL)
			if err := r.applier.Resume(context.Background(), ans, records, err); err != nil {
				r.result(err)
				return
			}
			r.joined = true
			r.cache.check()
			for _, take := range r.queue {
				r.stream(sub, take)
			}
			r.queue = nil
		})
	})
}

// toldVDL takes a VDL of the stream.
func (r *reader) toldVDL(vdl redo.LSN) error {
	r.told = max(r.told, vdl)
	return r.applier.VDL(context.Background(), vdl, 1)
}

// Live implements replica.Host.
func (r *reader) Live() []redo.LSN { return r.snaps.Readable(r.visible()) }

// Applied implements replica.Host: the cache is as of vdl, which statements now see.
func (r *reader) Applied(_ context.Context, vdl redo.LSN, catalog bool) error {
	r.w.oracle.shows(r, vdl, catalog)
	r.snaps.Reset(vdl)
	if r.w.chance(.2) {
		r.cache.check()
	}
	return nil
}

// shows takes an LSN that a reader shows from now on.
func (o *oracle) shows(r *reader, vdl redo.LSN, catalog bool) {
	x := o.issued[vdl]
	switch {
	case vdl > r.told:
		o.w.fail("I-18", "%s shows %d, it was told VDL %d", r.id, vdl, r.told)
	case vdl > 0 && (x == nil || x.at == 0 || !x.CPL):
		o.w.fail("I-18", "%s shows %d, which is not the end of a durable mini-transaction", r.id, vdl)
	case vdl < r.snaps.Newest():
		o.w.fail("I-20", "%s goes back from %d to %d", r.id, r.snaps.Newest(), vdl)
	case !catalog && o.catalogIn(r.flagged, vdl):
		o.w.fail("I-32", "%s shows %d and is not told that the catalog has changed since %d", r.id, vdl, r.flagged)
	}
	r.flagged = vdl
}

// catalogIn reports whether the durable log changes the catalog in (after, through].
func (o *oracle) catalogIn(after, through redo.LSN) bool {
	for l := through; l > after; l = o.issued[l].PrevVolume {
		if o.issued[l].Flags&redo.FlagCatalog != 0 {
			return true
		}
	}
	return false
}

// request implements source.
func (r *reader) request(id redo.PageID, at redo.LSN) (logstore.ReadPage, []int, bool) {
	epoch, need, ok := r.applier.Need(id, at)
	pg := r.applier.Group(id)
	return logstore.ReadPage{
		Header: header(epoch), PG: pg, Pages: []redo.PageID{id}, At: at, Need: need, Reader: true,
	}, r.w.oracle.members(pg), ok
}

// query begins a statement.
func (r *reader) query() {
	if r.visible() > 0 {
		r.cache.statement(false)
	}
}

// catchUp reads from storage what an applier misses for an answer: every group's records
// until they make a whole.
func (w *world) catchUp(by source, a *replica.Applier, ans replica.Answer, done func([]redo.Record, error)) {
	missing := a.Missing(ans)
	if missing == (redo.Range{}) {
		done(nil, nil)
		return
	}
	have, asked, rounds := map[redo.LSN]redo.Record{}, 0, 0
	ended := false
	end := func(rs []redo.Record, err error) {
		if !ended {
			ended = true
			done(rs, err)
		}
	}
	var round func()
	var read func(pg redo.PGID, from redo.Range)
	read = func(pg redo.PGID, from redo.Range) {
		asked++
		w.call(by, logstore.ReadLog{Header: header(ans.Epoch), PG: pg, Range: from, Reader: true}, w.oracle.members(pg),
			func(m logstore.Message, err error) {
				if err != nil {
					end(nil, err)
					return
				}
				log := m.(logstore.LogAnswer)
				for _, rec := range log.Records {
					have[rec.LSN] = rec
				}
				if n := len(log.Records); log.More && n > 0 {
					read(pg, redo.Range{After: log.Records[n-1].LSN, Through: from.Through})
				}
				if asked--; asked > 0 || ended {
					return
				}
				if rs, whole := whole(have, missing); whole {
					end(rs, nil)
					return
				}
				w.after(w.between(1, 20), round)
			})
	}
	round = func() {
		if rounds++; rounds > 20 {
			end(nil, errAway)
			return
		}
		for pg := range w.control.groups {
			read(redo.PGID(pg), missing)
		}
	}
	round()
}

// whole returns the records of a range in volume order, false if one is missing.
func whole(have map[redo.LSN]redo.Record, r redo.Range) ([]redo.Record, bool) {
	var out []redo.Record
	for l := r.Through; l > r.After; {
		rec, ok := have[l]
		if !ok {
			return nil, false
		}
		out = append([]redo.Record{rec}, out...)
		l = rec.PrevVolume
	}
	return out, true
}

func header(e redo.VolumeEpoch) logstore.Header {
	return logstore.Header{Volume: theVolume, Timeline: 1, Epoch: e}
}
