package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/segment"
	"sextant/logstore/volume"
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
	dead     bool // for good
	life     int  // counts starts and crashes: events of an earlier life are void
	awake    bool
	syncing  bool
	doomed   bool // it will crash in the middle of its next sync
	slow     bool
	pausedTo tick
	fullTo   tick // its disk is
	draining *drain
	installs []segment.Install  // on their way into the store
	noting   bool               // a file that says what is damaged is being synced
	unnoted  bool               // a damaged segment that no file of the hot log says
	hurt     map[redo.PGID]bool // segments that were ever damaged

	known     []volume.Group       // what it has last heard of the control plane
	unlinked  map[redo.PGID]*shelf // files that were deleted, in a directory that is not synced
	flying    flying
	since     tick // when it was started
	rewriting bool // a damaged part of the hot log is to be written again
}

// drain is one on its way into the store.
type drain struct {
	plan  *segment.DrainPlan
	pages []pageWrite
}

func (w *world) addNode(i int) {
	n := &node{w: w, i: i, ep: w.newLink(), id: logstore.NodeID('A' + rune(i))}
	n.store.shelves, n.unlinked, n.hurt = map[redo.PGID]*shelf{}, map[redo.PGID]*shelf{}, map[redo.PGID]bool{}
	w.nodes = append(w.nodes, n)
	w.peers[n.id] = n
	n.disk.crash(w, n) // an empty disk
	n.replay()
	n.start()
	w.every(func() tick { return tick(w.swarm.gossip) }, func() {
		if n.running() {
			n.h.Tick()
			n.leave()
			n.wake()
		}
	})
	if w.swarm.rot > 0 {
		w.every(func() tick { return w.between(50, 300) }, n.scrub)
		w.every(func() tick { return 500 }, func() { w.oracle.latent(n) })
	}
	if w.swarm.drain > 0 {
		w.every(func() tick { return w.between(w.swarm.drain/2, w.swarm.drain) }, func() { n.drainFrom(0, 0) })
	}
}

func (n *node) number() int { return n.ep }

// name tells nodes of one id apart.
func (n *node) name() string { return fmt.Sprintf("%s(%d)", n.id, n.i+1) }

func (n *node) running() bool { return n.up && n.w.now >= n.pausedTo }

// full reports whether its disk is: never while its log is damaged, since it would not
// come back from its end.
func (n *node) full() bool { return n.w.now < n.fullTo && !n.w.calm && !n.disk.rotten() }

// start brings the node up. Replay has synced what the crash left.
func (n *node) start() {
	if n.up || n.dead {
		return
	}
	n.up, n.since = true, n.w.now
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
// may have reached the store. If its log is damaged, it sets its store aside when it starts, and is an
// emptied one; unless too much would be lost with that: then it does not crash.
func (n *node) crash() {
	if !n.up {
		return
	}
	damaged := !n.mend()
	if damaged && !n.w.spares(n) {
		return
	}
	n.up, n.awake, n.syncing, n.noting, n.rewriting = false, false, false, false, false
	n.life++
	n.w.counts.Crashes++
	u := n.disk.unsynced()
	kept := n.disk.crash(n.w, n)
	n.w.say("%s crashes, keeps %d of %d unsynced frames", n.id, kept, u)
	if d := n.draining; d != nil && n.w.chance(.5) {
		n.store.write(d.plan.PG, d.pages)
	}
	for _, i := range n.installs {
		if n.w.chance(.5) {
			break
		}
		n.store.install(i)
	}
	n.draining, n.installs = nil, nil
	n.undelete()
	before := n.h.Health()
	n.replay()
	n.w.oracle.restarted(n, before)
	for _, h := range n.w.holders {
		h.connect(n.i, false)
	}
	if damaged {
		n.w.say("%s sets its store aside", n.name())
		n.w.counts.SetAside++
		n.w.empty(n)
	}
}

// replay makes a Host of what is on the disk.
func (n *node) replay() {
	n.h = segment.New(segment.Options{
		Node: n.id, Store: logstore.StoreID(n.i + 1), Volume: theVolume, Timeline: 1, ImageRecords: n.w.swarm.image,
		Apply: apply, CopyPages: 2, DrainBytes: n.w.swarm.part,
	})
	n.unnoted, n.flying = false, flying{}
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
	n.flying = flying{}
	n.sweep()
}

// rot damages the file of a segment, which nobody knows until it is read, unless too many of its group are: what the log says
// it has must be on a member that has it.
func (n *node) rot() {
	pgs := n.h.PGs()
	if len(pgs) == 0 {
		return
	}
	pg := pgs[n.w.rng.IntN(len(pgs))]
	if n.w.ill(pg, -1) >= 2 {
		return
	}
	n.rotten(pg)
}

// rotten damages the file of a segment.
func (n *node) rotten(pg redo.PGID) {
	n.w.say("%s: the file of group %d is damaged", n.id, pg)
	n.w.counts.Rotted++
	n.store.shelf(pg).rot(n.w)
	n.hurt[pg] = true
}

// quarantine takes a segment out of service.
func (n *node) quarantine(pg redo.PGID) {
	n.h.Quarantine(pg)
	n.unnoted, n.hurt[pg] = true, true
	if n.draining != nil && n.draining.plan.PG == pg {
		n.draining.pages = nil
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
			n.w.counts.PausedNodes++
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
		n.w.counts.PausedNodes++
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
		if !no.Segment {
			n.w.oracle.refused(n, from, m, no.Kind)
		}
		n.reply(from, *no)
		return
	}
	n.later(n.storeTime(), func() {
		a, err := run(&n.store)
		switch p, isPage := m.(logstore.ReadPage); {
		case errors.Is(err, errDamaged):
			n.found(m)
			a = logstore.Refused{Header: m.Head(), Kind: logstore.Corrupt, Of: m.Head().Epoch, Text: err.Error()}
		case errors.Is(err, segment.ErrSpoiled):
			a = logstore.Refused{Header: m.Head(), Kind: logstore.Retry, Of: m.Head().Epoch, Text: err.Error()}
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

// installNext puts the next part of a copy into the store.
func (n *node) installNext() {
	i := n.installs[0]
	n.installs = n.installs[1:]
	if !n.h.Installing(i) {
		return
	}
	if n.store.install(i) {
		n.h.Installed(i)
	} else {
		n.quarantine(i.PG)
	}
	n.wake()
}

// wake lets the node look at what has arrived, soon.
func (n *node) wake() {
	if n.up && !n.awake {
		n.awake = true
		n.later(n.w.between(0, 2), func() { n.awake = false; n.turn() })
	}
}

// turn is one round of the node's loop: judge, answer, append, sync.
func (n *node) turn() {
	if n.noting {
		return // it goes on when that is synced
	}
	rd := n.h.Ready()
	for _, e := range rd.Send {
		n.reply(e.Peer, e.Msg)
	}
	for _, s := range n.h.Spoiled() { // by what was just judged
		n.quarantine(s.PG)
	}
	for _, s := range rd.Serve {
		n.later(n.storeTime(), func() {
			m, err := s.Run(&n.store)
			switch {
			case errors.Is(err, errDamaged):
				n.quarantine(s.PG)
				n.wake()
			case errors.Is(err, segment.ErrSpoiled) || errors.Is(err, errCollected):
			case err != nil:
				n.w.fail("serve", "%s: %v", n.id, err)
			default:
				n.reply(s.Peer, m)
			}
		})
	}
	for _, i := range rd.Install {
		n.installs = append(n.installs, i)
		n.later(n.w.between(1, 10), n.installNext)
	}
	note := (n.unnoted || n.rewriting) && (n.w.calm || len(n.disk.files) > 50 || n.w.chance(n.w.swarm.noting)) // in a file that begins with what is damaged
	begun := true
	switch {
	case n.syncing:
		return
	case len(rd.Persist) == 0 && note:
		n.disk.note(n.h.Snapshot())
		n.noting = true
	case len(rd.Persist) == 0:
		if n.h.Queued() > 0 {
			n.wake()
		}
		return
	default:
		n.disk.fresh = n.disk.fresh && !note
		begun = n.disk.append(rd.Persist, n.w.swarm.roll, n.h.Snapshot)
		if len(n.disk.files) > hotlog.FilesMaxMax/2 { // also where nothing else drains
			n.drainFrom(0, 0)
		}
	}
	n.syncing, n.unnoted = true, n.unnoted && !note
	if n.doomed {
		n.doomed = false
		n.later(0, func() { n.crash(); n.startSoon() })
	}
	d := n.w.between(1, 4)
	if n.slow && !n.w.calm {
		d = n.w.between(5, n.w.swarm.slow)
		n.w.counts.SlowSyncs++
	}
	var sync func()
	sync = func() {
		frames, err := n.disk.sync()
		if errors.Is(err, hotlog.ErrFull) { // until something is drained
			if !note && !n.unnoted {
				n.disk.release(n.h.OldestFrame())
			}
			n.later(20, sync)
			return
		}
		if errors.Is(err, errFull) {
			n.w.counts.Full++
			n.crash()
			n.startSoon()
			return
		}
		if err != nil {
			n.w.fail("I-4", "%s: %v", n.id, err)
		}
		for _, f := range frames {
			n.w.oracle.stored(n, f)
		}
		if begun {
			n.h.Noted()
		}
		if len(rd.Persist) > 0 {
			n.h.Persisted()
		}
		n.flying = flying{}
		n.rewrite(note)
		n.syncing, n.noting = false, false
		for _, s := range n.h.Spoiled() {
			n.quarantine(s.PG)
		}
		n.w.oracle.persisted(n, rd.Persist)
		if again(rd.Persist) && n.disk.rotten() && n.w.chance(.5) { // does it start from that alone?
			if n.crash(); !n.up {
				n.w.counts.Rewritten++
				n.startSoon()
				return
			}
		}
		n.turn()
	}
	n.later(d, sync)
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

// drainFrom moves a part of a segment, from a page on, into the store, lets go of files that
// are not needed any more, and goes on with the next part or segment.
func (n *node) drainFrom(first redo.PGID, from redo.PageID) {
	if !n.running() || n.draining != nil || n.full() {
		return
	}
	n.sweep()
	for _, pg := range n.h.PGs() {
		if pg > first {
			from = 0
		}
		p := n.h.Drain(pg, from)
		if p == nil || pg < first {
			continue
		}
		n.w.oracle.drained(n, p)
		d := &drain{plan: p}
		n.draining = d
		for _, x := range p.Pages {
			w, err := n.pageWrite(p, x)
			if errors.Is(err, errDamaged) {
				n.quarantine(pg)
				n.wake()
				break
			}
			d.pages = append(d.pages, w)
		}
		n.later(n.w.between(1, 10), func() {
			if d.pages != nil {
				n.store.write(p.PG, d.pages)
			}
			n.draining = nil
			n.h.Drained(p)
			files := len(n.disk.files)
			n.release()
			if len(n.disk.files) < files && n.w.swarm.replace == 0 && n.w.chance(n.w.swarm.crash) { // a file is begun next, and torn; not while members are replaced, which is deep enough
				n.disk.fresh, n.doomed = false, !n.w.calm
			}
			if n.w.swarm.garbage && !n.store.shelf(p.PG).bad {
				g := n.h.Garbage(p.PG)
				if n.w.swarm.forget {
					g.LogFloor = g.ReadFloor
				}
				n.w.oracle.collected(n, g)
				n.store.collect(g)
			}
			if p.Next > 0 {
				n.drainFrom(pg, p.Next)
			} else {
				n.drainFrom(pg+1, 0)
			}
		})
		return
	}
}

// pageWrite returns what a drain stores of a page, and errDamaged if an image cannot be built.
func (n *node) pageWrite(p *segment.DrainPlan, x segment.DrainPage) (pageWrite, error) {
	out := pageWrite{page: x.Page, records: x.Records}
	if len(x.Records) == 0 {
		return out, nil
	}
	last := x.Records[len(x.Records)-1].LSN
	since := n.store.shelf(p.PG).page(x.Page).since + len(x.Records)
	if last > p.ImageThrough || !n.h.ImageDue(since, 0) {
		return out, nil
	}
	b, err := segment.Build(&n.store, p.PG, x.Page, last, x.Records, apply)
	if errors.Is(err, errDamaged) {
		return out, err
	}
	if errors.Is(err, errCollected) {
		return out, nil // drained before a crash and then collected: the store has a newer image
	}
	if err != nil {
		n.w.fail("I-17", "%s builds an image: %v", n.id, err)
		return out, nil
	}
	n.w.oracle.page(n, p.PG, x.Page, last, b, "image")
	out.image = &image{last, slices.Clone(b[:pageBytes])}
	return out, nil
}

// theVolume is the only volume.
const theVolume redo.VolumeID = 7

// content reads a simulated page.
func content(b []byte) (lsn redo.LSN, sum uint64) {
	if b == nil {
		return 0, 0
	}
	return page.LSN(b), binary.LittleEndian.Uint64(b[sumAt:])
}
