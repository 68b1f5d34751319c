package sim

import (
	"encoding/binary"
	"errors"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
)

// node is a storage node: the driver of one segment.Host.
//
// Between a Ready and the end of its sync messages go on arriving, pages are read
// from what was synced before, and the node may crash.
type node struct {
	w  *world
	i  int // also its bit in the oracle's copies
	ep int
	id logstore.NodeID

	h     *segment.Host // when the node is down: what it will be after replay
	disk  hotLog
	store store

	up       bool
	life     int // counts starts and crashes: events of an earlier life are void
	awake    bool
	syncing  bool
	slow     bool
	pausedTo tick
	draining *drain
}

// drain is one on its way into the store.
type drain struct {
	plan  *segment.DrainPlan
	pages []pageWrite
}

func (w *world) addNode(i int) {
	n := &node{w: w, i: i, ep: w.newLink(), id: logstore.NodeID('A' + rune(i))}
	n.store.shelves = map[redo.PGID]*shelf{}
	w.nodes = append(w.nodes, n)
	w.peers[n.id] = n
	n.replay()
	n.start()
	w.every(func() tick { return 20 }, func() {
		if n.running() {
			n.h.Tick()
			n.wake()
		}
	})
	if w.swarm.drain > 0 {
		w.every(func() tick { return w.between(w.swarm.drain/2, w.swarm.drain) }, func() { n.drainFrom(0) })
	}
}

func (n *node) number() int   { return n.ep }
func (n *node) running() bool { return n.up && n.w.now >= n.pausedTo }

// start brings the node up. Replay has synced what the crash left.
func (n *node) start() {
	if n.up {
		return
	}
	n.up = true
	n.life++
	n.w.say("%s starts", n.id)
	for _, h := range n.w.holders {
		h.connect(n.i, true)
	}
}

// startSoon brings it up after a while, unless something else does.
func (n *node) startSoon() {
	life := n.life
	n.w.after(n.w.between(1, 60), func() {
		if n.life == life {
			n.start()
		}
	})
}

// crash ends the node in the middle of whatever it was doing. A drain on its way
// may have reached the store.
func (n *node) crash() {
	if !n.up {
		return
	}
	n.up, n.awake, n.syncing = false, false, false
	n.life++
	n.w.counts.Crashes++
	keep := 0
	if u := n.disk.unsynced(); u > 0 {
		keep = pick(n.w, 0, n.w.rng.IntN(u+1), u)
	}
	n.w.say("%s crashes, keeps %d of %d unsynced frames", n.id, keep, n.disk.unsynced())
	n.disk.crash(keep)
	if d := n.draining; d != nil && n.w.chance(.5) {
		n.store.write(d.plan.PG, d.pages)
	}
	n.draining = nil
	before := n.h.Health()
	n.replay()
	n.w.oracle.restarted(n, before)
	for _, h := range n.w.holders {
		h.connect(n.i, false)
	}
}

// replay makes a Host of what is on the disk.
func (n *node) replay() {
	n.h = segment.New(segment.Options{
		Node: n.id, Store: logstore.StoreID(n.i + 1), Volume: theVolume, Timeline: 1, ImageRecords: n.w.swarm.image,
	})
	for _, f := range n.disk.files {
		for i, x := range f.frames {
			if err := n.h.Replay(x.Kind, x.Body); err != nil {
				n.w.fail("replay", "%s: %v", n.id, err)
			}
			if i >= f.synced {
				n.w.oracle.stored(n, x)
			}
		}
		f.synced, f.end = len(f.frames), n.h.NextFrame()
	}
}

// later calls do d ticks from now unless the node has crashed by then.
func (n *node) later(d tick, do func()) {
	life := n.life
	n.w.after(d, func() {
		if n.life != life {
			return
		}
		if n.w.now < n.pausedTo {
			n.later(n.pausedTo-n.w.now, do)
			return
		}
		do()
	})
}

// receive takes a message.
func (n *node) receive(from logstore.NodeID, m logstore.Message) {
	if !n.up {
		return
	}
	if !n.running() {
		n.later(n.pausedTo-n.w.now, func() { n.receive(from, m) })
		return
	}
	switch m := m.(type) {
	case logstore.ReadPage:
		n.readPage(from, m)
	case logstore.ReadLog:
		run, no := n.h.ReadLog(m)
		n.read(from, m, run, no)
	default:
		if f, ok := m.(logstore.GossipFill); ok {
			n.w.oracle.filled(n, f)
		}
		n.h.Step(logstore.Envelope{Peer: from, Msg: m})
	}
	n.wake()
}

// readPage answers at once or, if the pages come from the store, a little later.
func (n *node) readPage(from logstore.NodeID, m logstore.ReadPage) {
	run, no := n.h.ReadPage(m, apply)
	if run != nil && !m.Reader && m.Epoch < n.h.Health().Epoch {
		n.w.fail("I-12", "%s answers a page read of epoch %d at fence %d", n.id, m.Epoch, n.h.Health().Epoch)
	}
	n.read(from, m, run, no)
}

func (n *node) read(from logstore.NodeID, m logstore.Message, run func(segment.Store) (logstore.Message, error), no *logstore.Refused) {
	if no != nil {
		n.w.oracle.refused(n, from, m, no.Kind)
		n.reply(from, *no)
		return
	}
	n.later(n.w.between(0, 3), func() {
		a, err := run(&n.store)
		switch p, isPage := m.(logstore.ReadPage); {
		case errors.Is(err, errCollected):
			n.w.oracle.refused(n, from, m, logstore.Gone)
			a = logstore.Refused{Header: m.Head(), Kind: logstore.Gone, Of: m.Head().Epoch, Text: err.Error()}
		case err != nil:
			n.w.fail("I-15", "%s: %v", n.id, err)
			return
		case isPage:
			n.w.oracle.pagesRead(n, p, a.(logstore.PageAnswer))
		}
		n.reply(from, a)
	})
}

// wake lets the node look at what has arrived, soon.
func (n *node) wake() {
	if !n.awake {
		n.awake = true
		n.later(n.w.between(0, 2), func() { n.awake = false; n.turn() })
	}
}

// turn is one round of the node's loop: judge, answer, append, sync.
func (n *node) turn() {
	rd := n.h.Ready()
	for _, e := range rd.Send {
		n.reply(e.Peer, e.Msg)
	}
	for _, s := range rd.Serve {
		n.later(n.w.between(0, 5), func() {
			if m, err := s.Run(&n.store); err != nil {
				n.w.fail("serve", "%s: %v", n.id, err)
			} else {
				n.reply(s.Peer, m)
			}
		})
	}
	if len(rd.Persist) == 0 {
		if n.h.Queued() > 0 && !n.syncing {
			n.wake()
		}
		return
	}
	n.disk.append(rd.Persist, n.w.swarm.roll, n.h.Snapshot)
	n.syncing = true
	d := n.w.between(1, 4)
	if n.slow && !n.w.calm {
		d = n.w.between(5, n.w.swarm.slow)
	}
	n.later(d, func() {
		frames := n.disk.sync()
		for _, f := range frames {
			n.w.oracle.stored(n, f)
		}
		n.h.Persisted()
		n.syncing = false
		n.w.oracle.persisted(n, rd.Persist)
		n.turn()
	})
}

// reply sends a message of the node's.
func (n *node) reply(to logstore.NodeID, m logstore.Message) {
	if r, ok := m.(logstore.Refused); ok && r.Kind == logstore.Fenced && r.Seq > 0 && r.Of < n.w.control.epoch {
		n.w.counts.RefusedOld++
	}
	if p := n.w.peers[to]; p != nil {
		n.w.letter(n.id, n.ep, p, m)
	}
}

// drainFrom moves what it can of a segment into the store, lets go of files that are not
// needed any more, and goes on with the next segment.
func (n *node) drainFrom(first redo.PGID) {
	if !n.running() || n.draining != nil {
		return
	}
	for _, pg := range n.h.PGs() {
		p := n.h.Drain(pg)
		if p == nil || pg < first {
			continue
		}
		n.w.oracle.drained(n, p)
		d := &drain{plan: p}
		for _, x := range p.Pages {
			d.pages = append(d.pages, n.pageWrite(p, x))
		}
		n.draining = d
		n.later(n.w.between(1, 10), func() {
			n.store.write(p.PG, d.pages)
			n.draining = nil
			n.h.Drained(p)
			n.disk.release(n.h.OldestFrame())
			if n.w.swarm.garbage {
				g := n.h.Garbage(p.PG)
				n.w.oracle.collected(n, g)
				n.store.collect(g)
			}
			n.drainFrom(pg + 1)
		})
		return
	}
}

func (n *node) pageWrite(p *segment.DrainPlan, x segment.DrainPage) pageWrite {
	out := pageWrite{page: x.Page, records: x.Records}
	if len(x.Records) == 0 {
		return out
	}
	last := x.Records[len(x.Records)-1].LSN
	since := n.store.shelf(p.PG).page(x.Page).since + len(x.Records)
	if last > p.ImageThrough || !n.h.ImageDue(since, 0) {
		return out
	}
	b, err := segment.Build(&n.store, p.PG, x.Page, last, x.Records, apply)
	if errors.Is(err, errCollected) {
		return out // drained before a crash and then collected: the store has a newer image
	}
	if err != nil {
		n.w.fail("I-17", "%s builds an image: %v", n.id, err)
		return out
	}
	n.w.oracle.page(n, p.PG, x.Page, last, b, "image")
	out.image = &image{last, slices.Clone(b[:pageBytes])}
	return out
}

// theVolume is the only volume.
const theVolume redo.VolumeID = 7

// content reads a simulated page.
func content(b []byte) (lsn redo.LSN, sum uint64) {
	if b == nil {
		return 0, 0
	}
	return redo.LSN(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
}
