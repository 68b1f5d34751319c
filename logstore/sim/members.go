package sim

import (
	"fmt"
	"slices"
	"strings"

	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// This file replaces members: nodes that die for good, whose directory is emptied, that
// are away and come back, or that are well and shall go. What the fleet refuses does not happen; one replacement
// at a time is under way. The writer learns of each step late, and of some not at all.

// replacement is the one that the fleet has under way, also a move.
type replacement struct {
	fleet.Replacement
	old, new int // nodes
}

// about reports whether the replacement is about a group.
func (r *replacement) about(pg redo.PGID) bool { return !r.Move || r.PG == pg }

// nodesMax bounds the nodes of a run: the oracle has a bit for each.
const nodesMax = 14

// record gives the fleet a command about members, and reports whether it takes it.
func (w *world) record(m fleet.Command) bool {
	if !w.command(m) {
		return false
	}
	w.recorded()
	return true
}

// recorded takes over which nodes and groups the fleet has, and who their members are.
func (w *world) recorded() {
	c, s := &w.control, &w.control.fleet
	was := c.groups
	c.seats, c.groups, c.replacing = nil, nil, nil
	for _, n := range s.Storage {
		c.seats = append(c.seats, int(n.StoreID)-1)
	}
	registered := func(id string) int {
		n, _ := s.StorageNode(id)
		return int(n.StoreID) - 1
	}
	if r := s.Replacing; r.Old != "" {
		c.replacing = &replacement{r, registered(r.Old), int(r.Store) - 1}
	}
	for i := range s.Groups {
		f := &s.Groups[i]
		g := volume.Group{PG: f.ID, Membership: f.Membership}
		for _, id := range f.Members {
			g.Members = append(g.Members, registered(id))
		}
		if at := s.Leaving(f); at >= 0 {
			g.Members, g.Leaving = append(g.Members, c.replacing.new), at
		}
		c.groups = append(c.groups, g)
		if i >= len(was) {
			continue
		}
		for _, m := range slices.Concat(was[i].Members, g.Members) {
			if slices.Contains(was[i].Members, m) != slices.Contains(g.Members, m) {
				w.oracle.left[seat{g.PG, m}] = g.Membership
			}
		}
	}
}

// begin lets a replacement begin.
func (w *world) begin(m fleet.Command) {
	if !w.record(m) {
		return
	}
	r := w.control.replacing
	w.say("%s is being replaced by %s", w.nodes[r.old].name(), w.nodes[r.new].name())
	if r.Move {
		w.say("of group %d alone", r.PG)
	}
	for pg := range redo.PGID(6) {
		if r.about(pg) {
			w.nodes[r.new].hurt[pg] = true // it need not have the log from the beginning
		}
	}
}

// revert takes the replacement back.
func (w *world) revert() {
	r := w.control.replacing
	if w.record(&fleet.CancelReplace{Old: r.Old, New: r.New}) {
		w.say("%s is not being replaced any more", w.nodes[r.old].name())
		w.counts.Reverted++
	}
}

// finish ends the replacement that began at a version, if the holder of the newest epoch says so of all groups that there are.
func (w *world) finish(h *holder, began uint64, groups int) {
	r := w.control.replacing
	if r == nil || !w.record(&fleet.FinishReplace{Epoch: h.epoch, Began: began, Groups: uint64(groups)}) {
		return
	}
	w.oracle.current("I-25", h.epoch, "the end of a replacement")
	w.say("%s is replaced by %s", w.nodes[r.old].name(), w.nodes[r.new].name())
	w.oracle.replaced(r)
	if r.Move {
		w.counts.Moved++
		return
	}
	w.counts.Replaced++
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
	case r != nil && r.Away && w.nodes[r.old].up:
		if w.chance(.5) {
			w.revert()
		}
	case r != nil:
		if !w.calm && r.Old != r.New && w.chance(.05) { // else the control plane would begin again at once
			w.revert()
		}
	default:
		for _, i := range c.seats {
			switch n := w.nodes[i]; {
			case n.dead && w.at(i) != n:
				w.begin(&fleet.Replace{Old: n.fleetID(), New: n.fleetID(), Store: w.at(i).storeID(), Away: true})
				return
			case n.dead && c.fleet.Segments()[n.fleetID()] > 0:
				w.replace(n, true)
				return
			}
		}
		if !w.calm && len(c.seats) > 6 && w.chance(3*w.swarm.replace) {
			w.shift()
			return
		}
		if !w.calm && w.chance(w.swarm.replace) {
			w.strike(w.nodes[pick(w, c.seats...)])
		}
	}
}

// strike lets a member be lost, or go.
func (w *world) strike(n *node) {
	kind := pick(w, "lost", "emptied", "away", "well")
	switch loses := kind == "lost" || kind == "emptied"; {
	case len(w.nodes) == nodesMax || n.dead || loses && !w.spares(n):
	case loses:
		w.lose(n, kind)
	case kind == "away":
		n.crash()
		w.replace(n, true)
	default:
		w.replace(n, false)
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
		if n := w.nodes[pick(w, w.control.seats...)]; !n.dead && w.spares(n) {
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

// replace begins to replace a member: by a node that has no segment of its groups, or by one that is added.
func (w *world) replace(n *node, away bool) {
	s := &w.control.fleet
	var to *node
	for _, x := range w.nodes {
		if !x.dead && w.at(x.i) == x && w.chance(.7) && w.takes(x, n) {
			to = x
		}
	}
	if to == nil && (len(w.nodes) < nodesMax || w.calm) {
		w.addNode(len(w.nodes))
		to = w.nodes[len(w.nodes)-1]
	}
	if to == nil {
		return
	}
	if _, found := s.StorageNode(to.fleetID()); !found {
		old, _ := s.StorageNode(n.fleetID())
		if !w.command(&fleet.AddStorage{Node: fleet.StorageNode{ID: to.fleetID(), AZ: old.AZ, Address: to.address()}}) ||
			!w.command(&fleet.RegisterStore{Node: to.fleetID(), StoreID: to.storeID()}) {
			return
		}
	}
	w.begin(&fleet.Replace{Old: n.fleetID(), New: to.fleetID(), Away: away})
}

// takes reports whether a node can take another's place: it is none of the fleet's, or one of the zone that shares no group.
func (w *world) takes(x, n *node) bool {
	s := &w.control.fleet
	is, found := s.StorageNode(x.fleetID())
	old, _ := s.StorageNode(n.fleetID())
	return !found || is.StoreID == x.storeID() && is.AZ == old.AZ && x != n && !slices.ContainsFunc(w.control.groups, func(g volume.Group) bool {
		return slices.Contains(g.Members, x.i) && slices.Contains(g.Members, n.i)
	})
}

// The node's name, its store and its address, as the fleet has them.
func (n *node) fleetID() string { return "storage-" + strings.ToLower(string(n.id)) }
func (n *node) storeID() uint64 { return uint64(n.i + 1) }
func (n *node) address() string { return fmt.Sprintf("storage:%d", n.i+1) }

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
	groups, r, known := c.groups, c.replacing, len(h.w.nodes)
	h.later(h.w.delay(), func() {
		h.learn(groups, known)
		for _, g := range groups {
			if g.Changing() && (h.t.Membership(g.PG) != g.Membership || !h.t.Joined(g.PG)) {
				return
			}
		}
		if r == nil {
			return
		}
		d := h.w.delay()
		if !h.w.calm && h.w.chance(.2) { // what it says comes when another may be under way
			d = h.w.between(20, 400)
		}
		h.later(d, func() { h.w.finish(h, r.Began, len(groups)) })
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
	g, now := &h.groups[x.PG], &o.w.control.groups[x.PG]
	under := now.Changing() && now.Leaving == g.Leaving && now.Members[6] == g.Members[len(g.Members)-1]
	if g.Changing() && !under && o.copies(x) >= 4 {
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
