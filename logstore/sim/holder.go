package sim

import (
	"errors"
	"fmt"
	"slices"

	"sextant/engine/replica"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// holder is a process that was granted a volume epoch: the driver of a
// volume.Recovery and then of its volume.Tracker. Nobody tells it that a later
// epoch was granted: it goes on until storage refuses it, or it crashes.
type holder struct {
	w     *world
	ep    int
	id    logstore.NodeID
	epoch redo.VolumeEpoch
	grant volume.Grant
	geo   volume.Geometry

	r        *volume.Recovery
	t        *volume.Tracker // nil until open
	planned  bool
	fenced   bool // a write quorum of every group is
	asking   bool // the control plane, whether the epoch has opened
	dead     bool
	pausedTo tick
	aloneTo  tick // it is cut off from storage
	quiet    bool // writes nothing any more

	clock    clock
	lease    tick        // how old its confirmation may be when it answers
	wait     tick        // the longest lease of an earlier one, 0 when all have ended
	opens    volume.Time // not before, unless wait is 0
	held     bool        // it has waited for a lease
	verified volume.Time // when the control plane was last asked with success
	replies  []reply     // that clients wait for

	last    redo.LSN // of what it has written, at first the recovered VDL
	checked redo.LSN // VCL up to which the oracle has looked
	commits volume.CommitQueue[reply]
	hot     redo.PGID
	own     redo.LSN // its own oldest snapshot

	*cache       // nil until it is as of the recovered VDL
	busy     int // turns that wait for pages
	subs     []follower
	inflight []sealed
	promise  map[int]bool // readers that have made one, by their number
	promises replica.Promises

	known   int                    // nodes that it knows of
	groups  []volume.Group         // as it has them
	barrier map[redo.PGID]redo.LSN // PGCL when it took over the members; nothing before it is open
}

func (w *world) addHolder(g volume.Grant, geo volume.Geometry, lease, wait tick) *holder {
	h := &holder{w: w, ep: w.newLink(), epoch: g.Epoch, grant: g, geo: geo, promise: map[int]bool{}}
	h.clock, h.lease, h.wait = w.newClock(), lease, wait
	h.known, h.groups, h.barrier = len(geo.Nodes), slices.Clone(geo.Groups), map[redo.PGID]redo.LSN{}
	h.id = logstore.NodeID(fmt.Sprintf("w%d.%d", g.Epoch, h.ep))
	w.holders = append(w.holders, h)
	w.peers[h.id] = h
	w.say("epoch %d is granted to %s, LAL %d", g.Epoch, h.id, g.LAL)
	limits := w.swarm.limits
	limits.RetryTicks = w.swarm.retry
	h.r = volume.NewRecovery(g, geo, limits)
	w.reach(h, "begun")
	h.recover()
	h.every(func() tick { return 10 }, h.tick)
	return h
}

func (h *holder) number() int { return h.ep }

// every calls do again and again while the holder runs.
func (h *holder) every(d func() tick, do func()) {
	h.later(d(), func() {
		do()
		h.every(d, do)
	})
}

// later calls do d ticks from now, or when the holder's pause ends, unless it is dead.
func (h *holder) later(d tick, do func()) {
	h.w.after(d, func() { h.run(do) })
}

// phase names how far it is.
func (h *holder) phase() string {
	if h.t != nil {
		return "open"
	}
	return h.r.Phase()
}

// die ends it.
func (h *holder) die(why string) {
	if h.dead {
		return
	}
	h.dead = true
	if h.cache != nil {
		h.cache.dead = true
	}
	h.w.say("%s %s while %s", h.id, why, h.phase())
	if h.t == nil && h.fenced {
		h.w.counts.Interrupted++
	}
	h.exited()
	delete(h.w.peers, h.id)
	for i, o := range h.w.holders {
		if o == h {
			h.w.holders = append(h.w.holders[:i:i], h.w.holders[i+1:]...)
			break
		}
	}
}

func (h *holder) tick() {
	h.w.reach(h, "")
	if w := h.w; !w.calm && w.chance(w.swarm.pause/5) {
		h.pausedTo = w.now + w.between(20, 1000)
		return
	}
	if h.t == nil {
		h.asking = false
		h.hear()
		h.r.Tick()
		h.recover()
		return
	}
	h.t.Tick()
	h.verify()
	h.settle()
	h.tell()
	h.follow()
	h.ship()
}

// receive takes a node's answer.
func (h *holder) receive(from logstore.NodeID, m logstore.Message) {
	if h.dead {
		return
	}
	if h.w.now < h.pausedTo {
		h.run(func() { h.receive(from, m) })
		return
	}
	i := h.node(from, m)
	if h.t == nil {
		h.r.Step(i, m)
		h.recover()
		return
	}
	if h.t.Step(i, m) {
		h.shown()
	}
	h.w.oracle.counted(h)
	if e := h.t.Fenced(); e != 0 {
		if e < h.epoch || e == h.epoch && !h.twins() || e > h.w.control.epoch {
			h.w.fail("I-13", "%s was refused for epoch %d", h.id, e)
		}
		h.die("is refused")
		return
	}
	h.settle()
	h.ship()
}

// node returns which node has sent it an answer: of two with one name, the one whose store it names, or the one that
// was asked. Refusals name none: they are of the one that is there, to which the other's link does not connect.
func (h *holder) node(id logstore.NodeID, m logstore.Message) int {
	asked := -1
	for i := range h.known {
		switch n := h.w.storageNode(i); {
		case n.ID != id:
		case storeOf(m) == n.Store, storeOf(m) == 0 && h.w.at(i) == h.w.nodes[i]:
			return i
		default:
			asked = i
		}
	}
	if asked < 0 {
		panic("sim: an answer of a node that was not asked")
	}
	return asked
}

// connect says that a node has come or gone, which an open writer learns soon.
func (h *holder) connect(i int, up bool) {
	h.later(h.w.between(0, 10), func() {
		if h.t == nil || i >= h.known || h.w.nodes[i].up != up {
			return
		}
		if up {
			h.t.Connected(i)
			h.ship()
		} else {
			h.t.Disconnected(i)
		}
	})
}

// recover sends what the recovery wants sent, and opens the volume in the end.
func (h *holder) recover() {
	if p := h.r.Plan(); p != nil && !h.planned {
		h.planned = true
		h.w.reach(h, "planned")
		h.w.say("%s plans %v", h.id, p)
		h.w.oracle.plan(h, p)
	}
	for _, o := range h.r.Ready() {
		h.w.letter(h.id, h.ep, h.w.at(o.Node), o.Msg)
	}
	if err := h.r.Err(); err != nil {
		if !errors.Is(err, logstore.ErrFenced) || h.epoch == h.w.control.epoch && !h.twins() {
			h.w.fail("recovery", "%s: %v", h.id, err)
		}
		if h.epoch == h.w.control.epoch {
			h.w.counts.Twins++
		}
		h.die("is refused")
		return
	}
	if h.r.FenceQuorum() && !h.fenced {
		h.hasFenced()
	}
	if h.r.Shipped() && !h.asking && h.leasesOver() {
		h.asking = true
		h.askOpened()
	}
}

// twins reports whether another process may run with the same grant.
func (h *holder) twins() bool { return h.w.swarm.twin > 0 }

// askOpened asks the control plane to record that the epoch has opened. It asks
// again at each tick until it is answered.
func (h *holder) askOpened() {
	h.later(h.w.delay(), func() {
		ok := h.w.hasOpened(h)
		h.later(h.w.delay(), func() {
			switch {
			case h.t != nil:
			case ok:
				h.open()
			default:
				h.die("is not the newest")
			}
		})
	})
}

func (h *holder) open() {
	t, err := h.r.Open()
	if err != nil {
		h.w.fail("open", "%s: %v", h.id, err)
		return
	}
	h.t, h.last, h.own, h.checked = t, t.VDL(), t.VDL(), t.VDL()
	h.w.say("%s is open: VDL %d, next %d", h.id, t.VDL(), t.Next())
	h.w.oracle.start(h)
	for i := range h.known {
		h.connect(i, h.w.nodes[i].up)
	}
	for _, g := range h.groups {
		h.barrier[g.PG] = t.PGCL(g.PG)
	}
	h.shown()
	h.warm(h.work)
}

// work begins when the cache is there.
func (h *holder) work() {
	s := h.w.swarm
	h.every(func() tick { return h.w.between(1, 2*s.writeEvery) }, h.write)
	h.every(func() tick { return h.w.between(5, 40) }, h.readPage)
	h.every(func() tick { return h.w.between(5, 40) }, h.query)
	h.every(func() tick { return h.w.between(20, 100) }, h.horizon)
	h.every(func() tick { return h.w.between(1, 60) }, func() { h.w.oracle.look(h) })
	if s.growth > 0 {
		h.every(func() tick { return h.w.between(5, 2*int(float64(s.writeEvery)/s.growth)) }, h.grow)
	}
}

// shown is what happens when VDL has moved: clients hear OK, readers are told.
func (h *holder) shown() {
	vdl := h.t.VDL()
	h.w.say("%s shows VDL %d", h.id, vdl)
	h.w.oracle.show(h, vdl)
	h.replies = h.commits.Release(vdl, h.replies)
	h.tell()
}

// ship sends every node what it is to be sent now, and readers the new batches.
func (h *holder) ship() {
	for i, n := range h.w.nodes[:h.known] {
		s, ok := h.t.Ship(i, h.now())
		if !ok {
			continue
		}
		for _, m := range s.Control {
			h.w.letter(h.id, h.ep, n, m)
		}
		if s.Append != nil {
			h.w.letter(h.id, h.ep, n, *s.Append)
		}
	}
	h.seal()
}

// readPage reads a page at a snapshot of this process.
func (h *holder) readPage() {
	w, at := h.w, h.t.VDL()
	if w.chance(.3) {
		at = max(h.own, w.oracle.cplBelow(at))
	}
	pg := redo.PGID(w.rng.IntN(int(h.t.PageLimit()) / w.swarm.pages))
	need := h.t.Need(pg, at)
	nodes := h.t.Readable(pg, need, nil)
	if len(nodes) == 0 || w.chance(.1) {
		nodes = h.geo.Groups[0].Members
	}
	m := logstore.ReadPage{Header: h.header(), PG: pg, At: at, Need: need}
	for range 1 + w.rng.IntN(2) {
		m.Pages = append(m.Pages, redo.PageID(pg)*redo.PageID(w.swarm.pages)+1+redo.PageID(w.rng.IntN(w.swarm.pages)))
	}
	w.letter(h.id, h.ep, w.nodes[pick(w, nodes...)], m)
}

func (h *holder) header() logstore.Header { return header(h.epoch) }

// grow asks the control plane for another group and then writes to it.
func (h *holder) grow() {
	w, pg := h.w, int(h.t.PageLimit())/h.w.swarm.pages
	if pg >= 6 || h.quiet {
		return
	}
	h.later(w.delay(), func() {
		if !w.createGroup(h, pg) {
			return
		}
		g, known := w.control.groups[pg], len(w.nodes)
		h.later(w.delay(), func() {
			h.learn(nil, known)
			if pg == len(h.groups) {
				h.groups, h.barrier[g.PG] = append(h.groups, g), 0
			}
			if err := h.t.AddGroup(g); err != nil {
				w.fail("growth", "%s: %v", h.id, err)
			}
			if w.chance(.5) {
				h.hot = redo.PGID(w.rng.IntN(int(h.t.PageLimit()) / w.swarm.pages))
			}
			h.ship()
		})
	})
}
