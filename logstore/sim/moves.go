package sim

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
	"sextant/logstore/volume"
)

// This file moves single segments between the nodes that groups are spread over, if those are more
// than six, and lets nodes drop the segments of groups that they are no members of, by what they
// know of the control plane's record: it may be old.

// shift begins to move a segment.
func (w *world) shift() {
	c := &w.control
	g := &c.groups[w.rng.IntN(len(c.groups))]
	old := g.Members[w.rng.IntN(6)]
	var to []int
	for _, i := range c.seats {
		if !slices.Contains(g.Members, i) && !w.nodes[i].dead {
			to = append(to, i)
		}
	}
	if len(to) > 0 {
		w.begin(&replacement{old: old, new: to[w.rng.IntN(len(to))], move: true, pg: g.PG})
	}
}

// about reports whether the replacement is about a group.
func (r *replacement) about(pg redo.PGID) bool { return !r.move || r.pg == pg }

// leave lets the node hear, now and then, who the members are, and drop what is not its.
func (n *node) leave() {
	c := &n.w.control
	if n.draining == nil {
		n.sweep()
	}
	mine := func(g *volume.Group) bool { return slices.Contains(g.Members, n.i) }
	for _, pg := range n.h.PGs() {
		if int(pg) >= len(c.groups) || len(n.known) > int(pg) && mine(&c.groups[pg]) == mine(&n.known[pg]) && mine(&c.groups[pg]) {
			continue
		}
		if n.w.calm || n.w.chance(.2) {
			n.known = slices.Clone(c.groups)
		}
		if g := pg; len(n.known) > int(g) && !mine(&n.known[g]) {
			n.h.Leave(g, n.known[g].Membership)
		}
	}
}

// sweep empties the shelves of segments that were dropped, when nothing is being put there.
func (n *node) sweep() {
	for pg := range n.store.shelves {
		if !slices.Contains(n.h.PGs(), pg) {
			delete(n.store.shelves, pg)
		}
	}
	n.h.Emptied(n.h.PGs())
}

// flying follows what frames that are stored together do to the segments that a node has.
type flying map[redo.PGID]redo.MembershipEpoch

// gone is the membership of a segment that was dropped.
const gone = ^redo.MembershipEpoch(0)

// track notes what a frame of a node, about to take effect or replayed, does to its segments, and
// clears what it has of one that it drops.
func (o *oracle) track(n *node, f segment.Frame) {
	m, err := segment.Decode(f.Kind, f.Body)
	if err != nil {
		return
	}
	switch m := m.(type) {
	case logstore.CreateSegment:
		n.flying[m.PG] = max(m.Membership, n.member(m.PG))
	case logstore.PutList:
		for _, g := range m.Groups {
			n.flying[g.PG] = max(g.Membership, n.member(g.PG))
		}
	case segment.Dropped:
		if n.member(m.PG) >= m.Membership {
			return
		}
		n.flying[m.PG] = gone
		o.w.counts.Dropped++
		for _, x := range o.issued {
			if x.PG == m.PG {
				x.on &^= 1 << n.i
			}
		}
	}
}

// member returns the membership of the node's segment of a group, as of the frames so far; 0 if it has none.
func (n *node) member(pg redo.PGID) redo.MembershipEpoch {
	if at, flies := n.flying[pg]; flies {
		if at == gone {
			return 0
		}
		return at
	}
	return n.w.oracle.state(n.i, pg).Membership
}
