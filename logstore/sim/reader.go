package sim

import (
	"fmt"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// reader follows a writer: it gets what is written and each VDL, shows whole MTRs
// up to the newest VDL that it has been told, fills gaps from the log that the nodes
// keep, and reads pages at snapshots. It may go on following a writer that was
// deposed, or miss epochs. When it comes to a new one, it drops what the
// whole truncation list annuls and what is above the VDL it is told.
type reader struct {
	w     *world
	ep    int
	id    logstore.NodeID
	epoch redo.VolumeEpoch

	holder  *holder // whom it follows
	now     snapshot
	target  snapshot
	buffer  map[redo.LSN]redo.Record // not yet shown, by PrevVolume
	held    []snapshot               // older ones, still read from
	promise redo.LSN                 // it reads nothing below
	gone    map[lack]bool            // copies that said they lack what it needs
}

// lack is a node's segment.
type lack struct {
	pg redo.PGID
	on logstore.NodeID
}

// snapshot is a VDL with each group's last LSN at or below it.
type snapshot struct {
	at    redo.LSN
	lasts []logstore.PGLSN
}

// need is what a segment must be complete to.
func (s *snapshot) need(pg redo.PGID) redo.LSN {
	if int(pg) < len(s.lasts) {
		return s.lasts[pg].LSN
	}
	return 0
}

func (w *world) addReader(i int) {
	r := &reader{w: w, ep: w.newLink(), id: logstore.NodeID(fmt.Sprintf("r%d", i)), buffer: map[redo.LSN]redo.Record{}, gone: map[lack]bool{}}
	w.readers = append(w.readers, r)
	w.peers[r.id] = r
	w.every(func() tick { return w.between(5, 30) }, r.step)
	w.every(func() tick { return w.between(5, 40) }, r.readPage)
}

func (r *reader) number() int { return r.ep }

// step looks for a writer, renews the promise, and asks for what is missing.
func (r *reader) step() {
	newest := r.w.control.holder[r.w.control.opened]
	if newest != nil && (r.holder == nil || r.w.chance(.1) || r.w.calm) {
		r.holder = newest
	}
	if r.w.chance(.3) {
		r.held = append(r.held, r.now)
	}
	if len(r.held) > 0 && r.w.chance(.3) {
		r.held = r.held[1:]
	}
	r.promise = max(r.promise, r.now.at)
	for _, s := range r.held {
		r.promise = min(r.promise, s.at)
	}
	if h, p := r.holder, r.promise; h != nil {
		r.w.send(r.ep, h.ep, true, func() { h.subscribe(r, p) })
	}
	r.advance(true)
}

// frame takes a batch of the stream.
func (r *reader) frame(e redo.VolumeEpoch, bytes []byte) {
	if e == r.epoch {
		r.keep(r.w.oracle.decode(bytes).Records)
	}
}

func (r *reader) keep(rs []redo.Record) {
	for _, rec := range rs {
		if rec.LSN > r.now.at {
			r.buffer[rec.PrevVolume] = rec
		}
	}
}

// told takes a VDL.
func (r *reader) told(h *holder, vdl redo.LSN, lasts []logstore.PGLSN, list logstore.List) {
	if h.epoch < r.epoch {
		return
	}
	if h.epoch > r.epoch {
		r.epoch, r.holder = h.epoch, h
		if list.Ranges.Contain(r.now.at) || r.now.at > vdl {
			r.w.fail("b", "%s has shown %d, epoch %d annuls %v above VDL %d", r.id, r.now.at, h.epoch, list.Ranges, vdl)
		}
		for prev, rec := range r.buffer {
			if rec.LSN > vdl || list.Ranges.Contain(rec.LSN) {
				delete(r.buffer, prev)
			}
		}
	}
	if vdl > r.target.at || r.target.lasts == nil {
		r.target = snapshot{vdl, lasts}
	}
	r.advance(false)
}

// advance shows everything up to the newest VDL told, if it is all there; if not
// and ask, it asks for the gap.
func (r *reader) advance(ask bool) {
	if r.target.at <= r.now.at {
		return
	}
	var path []redo.Record
	for at := r.now.at; at < r.target.at; {
		rec, ok := r.buffer[at]
		if !ok || rec.LSN > r.target.at {
			if ask {
				r.askGap()
			}
			return
		}
		path, at = append(path, rec), rec.LSN
	}
	r.w.oracle.read(r, path)
	r.show()
}

// show makes the newest VDL told the reader's position.
func (r *reader) show() {
	r.now = r.target
	clear(r.gone)
	for prev := range r.buffer {
		if prev < r.now.at {
			delete(r.buffer, prev)
		}
	}
}

// refused begins anew at the newest VDL told when all copies of a segment lack what the
// reader needs.
func (r *reader) refused(from logstore.NodeID, m logstore.Refused) {
	if m.Kind != logstore.Gone || !m.Segment || r.target.at <= r.now.at && len(r.held) == 0 {
		return
	}
	r.gone[lack{m.PG, from}] = true
	for _, i := range r.w.oracle.members(m.PG) {
		if !r.w.nodes[i].dead && !r.gone[lack{m.PG, r.w.nodes[i].id}] {
			return
		}
	}
	r.held = nil
	r.show()
}

func (r *reader) askGap() {
	for _, g := range r.target.lasts {
		if g.LSN > r.now.at {
			r.ask(g.PG, logstore.ReadLog{
				Header: r.header(), PG: g.PG, Range: redo.Range{After: r.now.at, Through: r.target.at}, Need: g.LSN, Reader: true,
			})
		}
	}
}

// ask sends a request to one of a group's nodes.
func (r *reader) ask(pg redo.PGID, m logstore.Message) {
	if groups := r.w.control.groups; int(pg) < len(groups) {
		r.w.letter(r.id, r.ep, r.w.nodes[pick(r.w, groups[pg].Members...)], m)
	}
}

func (r *reader) header() logstore.Header {
	return logstore.Header{Volume: theVolume, Timeline: 1, Epoch: r.epoch}
}

// readPage reads a page at a snapshot.
func (r *reader) readPage() {
	at := pick(r.w, append(slices.Clone(r.held), r.now)...)
	if at.at < r.promise || at.lasts == nil {
		return
	}
	w := r.w
	pg := redo.PGID(w.rng.IntN(len(w.control.groups)))
	page := redo.PageID(pg)*redo.PageID(w.swarm.pages) + 1 + redo.PageID(w.rng.IntN(w.swarm.pages))
	r.ask(pg, logstore.ReadPage{
		Header: r.header(), PG: pg, Pages: []redo.PageID{page}, At: at.at, Need: at.need(pg), Reader: true,
	})
}

// receive takes a node's answer. The oracle has looked at pages when they were read.
func (r *reader) receive(from logstore.NodeID, m logstore.Message) {
	switch m := m.(type) {
	case logstore.LogAnswer:
		r.keep(m.Records)
		r.advance(false)
	case logstore.Refused:
		r.refused(from, m)
	}
}
