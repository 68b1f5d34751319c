package sim

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// This file replaces members: nodes that die for good, whose directory is emptied, that
// are away and come back, or that are well and shall go. One replacement at a time is
// under way. The writer learns of each step late, and of some not at all.

// replacement is the control plane's record of one that is under way.
type replacement struct {
	seat     int // of control.seats
	old, new int // nodes
	away     bool
	move     bool // of group pg alone; seat is not used
	pg       redo.PGID
}

// nodesMax bounds the nodes of a run: the oracle has a bit for each.
const nodesMax = 14

// change replaces the members of every group that has the old node, by what to makes of it.
func (w *world) change(to func(*volume.Group)) {
	for i := range w.control.groups {
		g := &w.control.groups[i]
		if r := w.control.replacing; r.about(g.PG) && slices.Contains(g.Members[:6], r.old) {
			old := g.Members
			g.Members = slices.Clone(old)
			to(g)
			g.Membership++
			for _, m := range old {
				if !slices.Contains(g.Members, m) {
					w.oracle.left[seat{g.PG, m}] = g.Membership
				}
			}
		}
	}
}

// join makes g a group in which the replacement is under way, if it has the old node.
func (r *replacement) join(g *volume.Group) {
	if r == nil || !r.about(g.PG) {
		return
	}
	if m := slices.Index(g.Members, r.old); m >= 0 {
		g.Members, g.Leaving = append(g.Members, r.new), m
	}
}

func (w *world) begin(r *replacement) {
	w.say("%s is being replaced by %s", w.nodes[r.old].name(), w.nodes[r.new].name())
	w.control.replacing = r
	if r.move {
		w.say("of group %d alone", r.pg)
	}
	for pg := range redo.PGID(6) {
		if !r.about(pg) {
			continue
		}
		w.nodes[r.new].hurt[pg] = true // it need not have the log from the beginning
	}
	w.change(r.join)
}

// revert takes the replacement back.
func (w *world) revert() {
	r := w.control.replacing
	w.say("%s is not being replaced any more", w.nodes[r.old].name())
	w.change(func(g *volume.Group) { g.Members = g.Members[:6] })
	w.control.replacing = nil
	w.counts.Reverted++
}

// finish ends the replacement, if the holder of the newest epoch says so of exactly the
// membership epochs that are recorded.
func (w *world) finish(h *holder, r *replacement, of map[redo.PGID]redo.MembershipEpoch) {
	c := &w.control
	if h.epoch != c.epoch || c.opened != h.epoch || c.replacing != r {
		return
	}
	for _, g := range c.groups {
		if g.Changing() && of[g.PG] != g.Membership {
			return
		}
	}
	w.change(func(g *volume.Group) { g.Members[g.Leaving] = r.new; g.Members = g.Members[:6] })
	w.say("%s is replaced by %s", w.nodes[r.old].name(), w.nodes[r.new].name())
	c.replacing = nil
	if r.move {
		w.counts.Moved++
		w.oracle.replaced(r)
		return
	}
	c.seats[r.seat] = r.new
	w.counts.Replaced++
	w.oracle.replaced(r)
	if old := w.nodes[r.old]; w.chance(.5) {
		old.crash()
		old.dead = true
	}
}

// move is one step of what happens to members.
func (w *world) move() {
	c := &w.control
	r := c.replacing
	switch {
	case r != nil && w.nodes[r.new].dead: // its store was lost too
		if w.calm || w.chance(.1) {
			w.revert()
		}
	case r != nil && r.away && w.nodes[r.old].up:
		if w.chance(.5) {
			w.revert()
		}
	case r != nil:
		same := w.nodes[r.old].id == w.nodes[r.new].id // the control plane would begin again at once
		if !w.calm && !same && w.chance(.05) {
			w.revert()
		}
	default:
		for seat, i := range c.seats {
			switch n := w.nodes[i]; {
			case n.dead && w.at(i) != n:
				w.begin(&replacement{seat: seat, old: i, new: w.at(i).i})
				return
			case n.dead:
				w.replace(seat, false)
				return
			}
		}
		if !w.calm && len(c.seats) > 6 && w.chance(3*w.swarm.replace) {
			w.shift()
			return
		}
		if !w.calm && w.chance(w.swarm.replace) {
			w.strike(w.rng.IntN(len(c.seats)))
		}
	}
}

// strike lets a member be lost, or go.
func (w *world) strike(seat int) {
	n := w.nodes[w.control.seats[seat]]
	kind := pick(w, "lost", "emptied", "away", "well")
	switch loses := kind == "lost" || kind == "emptied"; {
	case len(w.nodes) == nodesMax || n.dead || loses && !w.spares(n):
	case loses:
		w.lose(n, kind)
	case kind == "away":
		n.crash()
		w.replace(seat, true)
	default:
		w.replace(seat, false)
	}
}

// lose ends a node for good; one that is emptied comes up with another store.
func (w *world) lose(n *node, kind string) {
	w.say("%s is %s", n.name(), kind)
	if n.crash(); n.dead {
		return // its store was set aside
	}
	if n.dead = true; kind == "emptied" {
		w.empty(n)
	}
}

// emptyAmid empties a member now and then while a recovery that was just granted goes on: it took that for one that
// has what it acknowledged.
func (w *world) emptyAmid() {
	if !w.chance(w.swarm.amid) {
		return
	}
	w.after(w.between(1, 40), func() {
		if n := w.nodes[w.control.seats[w.rng.IntN(len(w.control.seats))]]; !n.dead && w.spares(n) {
			w.lose(n, "emptied")
		}
	})
}

// spares reports whether the store of a node may be lost: it is the node's that a member has, and what it has is on
// enough others.
func (w *world) spares(n *node) bool {
	for pg := range w.control.groups {
		if w.ill(redo.PGID(pg), n.i) > 0 {
			return false
		}
	}
	return !w.calm && w.swarm.replaces() && len(w.nodes) < nodesMax && w.at(n.i) == n && slices.Contains(w.control.seats, n.i)
}

// empty ends a node for good; where it was an empty store comes up under its name.
func (w *world) empty(n *node) {
	n.dead = true
	w.addNode(len(w.nodes))
	is := w.nodes[len(w.nodes)-1]
	delete(w.peers, is.id)
	is.id = n.id
	w.peers[n.id] = is
	is.replay() // under its name
	// Before the control plane hears of it, a recovery may ask this store as the old one, and give it empty segments.
	for pg := range redo.PGID(6) {
		is.hurt[pg] = true
	}
}

// replace begins to replace a member: by a node that was one before, or by a new one.
func (w *world) replace(seat int, away bool) {
	r := &replacement{seat: seat, old: w.control.seats[seat], new: -1, away: away}
	for _, n := range w.nodes {
		if !n.dead && w.peers[n.id] == n && !slices.Contains(w.control.seats, n.i) && w.chance(.7) {
			r.new = n.i
		}
	}
	if r.new < 0 && (len(w.nodes) < nodesMax || w.calm) {
		r.new = len(w.nodes)
		w.addNode(r.new)
	}
	if r.new >= 0 {
		w.begin(r)
	}
}

// ill returns how many members of a group, but for one, are lost or have a damaged segment.
func (w *world) ill(pg redo.PGID, but int) (n int) {
	for _, m := range w.oracle.members(pg) {
		if m != but && (w.nodes[m].dead || w.nodes[m].store.shelf(pg).bad || w.oracle.state(m, pg).Damaged) {
			n++
		}
	}
	return n
}

// follow lets a writer learn what the members are, later, and say when the one that
// joins has everything.
func (h *holder) follow() {
	c := &h.w.control
	if h.t == nil || h.epoch != c.epoch {
		return
	}
	groups, r, known := slices.Clone(c.groups), c.replacing, len(h.w.nodes)
	h.later(h.w.delay(), func() {
		h.learn(groups, known)
		of := map[redo.PGID]redo.MembershipEpoch{}
		for _, g := range groups {
			if !g.Changing() {
				continue
			}
			if h.t.Membership(g.PG) != g.Membership || !h.t.Joined(g.PG) {
				return
			}
			of[g.PG] = g.Membership
		}
		if r != nil {
			h.later(h.w.delay(), func() { h.w.finish(h, r, of) })
		}
	})
}

// learn takes over what the control plane said.
func (h *holder) learn(groups []volume.Group, nodes int) {
	for ; h.known < nodes; h.known++ {
		h.t.AddNode(h.w.storageNode(h.known))
		h.connect(h.known, h.w.nodes[h.known].up)
	}
	moved := false
	for _, g := range groups {
		if m := h.t.Membership(g.PG); m == 0 || m >= g.Membership {
			continue
		}
		h.groups[g.PG], h.barrier[g.PG] = g, h.t.PGCL(g.PG)
		moved = h.t.Change(g) || moved
	}
	if moved {
		h.shown()
	}
	h.w.oracle.counted(h)
	h.ship()
}

// at returns what is where the node was: itself, or what came up there when it was emptied.
func (w *world) at(i int) *node {
	if n, ok := w.peers[w.nodes[i].id].(*node); ok {
		return n
	}
	return w.nodes[i]
}

// storageNode is a node as the control plane has it.
func (w *world) storageNode(i int) volume.Node {
	return volume.Node{ID: w.nodes[i].id, Store: logstore.StoreID(i + 1)}
}

// enough reports whether a record is stored as widely as the holder must have it to
// count it: on four members, and while one is being replaced on four of those that
// will be, unless it was counted before that began. When that has ended and the holder has not heard
// of it, the node that left may have dropped what it acknowledged: four of those that stay are enough.
func (o *oracle) enough(h *holder, x *issue) bool {
	g := &h.groups[x.PG]
	if g.Changing() && !o.w.control.groups[x.PG].Changing() && o.copies(x) >= 4 {
		return true
	}
	on := func(ms ...int) (n int) {
		for _, m := range ms {
			n += int(x.on >> m & 1)
		}
		return n
	}
	is := on(g.Members[:6]...)
	barrier, open := h.barrier[x.PG]
	if is >= 4 && g.Changing() && open && x.LSN > barrier {
		is += on(g.Members[6]) - on(g.Members[g.Leaving])
	}
	return is >= 4
}

// replaced looks at the durable log when a replacement has ended: without the old node it must be
// on four members (I-25).
func (o *oracle) replaced(r *replacement) {
	for _, l := range o.chain {
		if x := o.issued[l]; o.copies(x) < 4 {
			o.w.fail("I-25", "%s is replaced, record %d of group %d is on %d members", o.w.nodes[r.old].id, l, x.PG, o.copies(x))
			return
		}
	}
}

// storeOf returns the store that an answer names, 0 if it names none.
func storeOf(m logstore.Message) logstore.StoreID {
	switch m := m.(type) {
	case logstore.FenceAnswer:
		return m.Store
	case logstore.FetchAnswer:
		return m.Store
	case logstore.ListAnswer:
		return m.Store
	case logstore.Ack:
		return m.Store
	case logstore.SegmentCreated:
		return m.Store
	}
	return 0
}
