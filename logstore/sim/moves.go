package sim

import (
	"maps"
	"slices"

	"sextant/failover/fleet"
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
	old := w.nodes[g.Members[w.rng.IntN(6)]]
	was, _ := c.fleet.StorageNode(old.fleetID())
	var to []string
	for _, n := range c.fleet.Storage {
		if i := int(n.StoreID) - 1; n.AZ == was.AZ && !slices.Contains(g.Members, i) && !w.nodes[i].dead {
			to = append(to, n.ID)
		}
	}
	if len(to) > 0 {
		w.begin(&fleet.Move{PG: g.PG, Old: old.fleetID(), New: pick(w, to...)})
	}
}

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
			n.known = c.groups
		}
		if g := pg; len(n.known) > int(g) && !mine(&n.known[g]) {
			n.h.Leave(g, n.known[g].Membership)
		}
	}
}

// sweep deletes the shelves of segments that were dropped, when nothing is being put there. Until
// their directory is synced a crash may bring them back.
func (n *node) sweep() {
	if len(n.unlinked) > 0 {
		return // one after the other
	}
	mine := n.h.PGs()
	for pg, sh := range n.store.shelves {
		if !slices.Contains(mine, pg) {
			if delete(n.store.shelves, pg); !sh.empty() {
				n.unlinked[pg] = sh
			}
		}
	}
	if len(n.unlinked) == 0 || !n.up { // a start goes on when that is synced
		n.swept(mine)
		return
	}
	d := n.w.between(1, 100)
	n.later(d, func() { n.swept(mine) })
	if !n.w.calm && n.w.chance(.3) {
		n.later(n.w.between(0, int(d)), func() { n.crash(); n.startSoon() })
	}
}

// swept syncs the directory of the segments' files.
func (n *node) swept(mine []redo.PGID) {
	clear(n.unlinked)
	n.h.Emptied(mine)
}

// undelete brings back files whose deletion a crash loses.
func (n *node) undelete() {
	for _, pg := range slices.Sorted(maps.Keys(n.unlinked)) {
		if n.store.shelf(pg).empty() && n.w.chance(.5) {
			n.store.shelves[pg] = n.unlinked[pg]
			n.w.counts.Undeleted++
		}
	}
	clear(n.unlinked)
}

func (sh *shelf) empty() bool { return len(sh.log) == 0 && len(sh.pages) == 0 && !sh.bad }

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
		o.made(n, m.GroupStart)
	case logstore.PutList:
		for _, g := range m.Groups {
			o.made(n, g)
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

// made notes the membership of a segment, and that a new one does not find the file of one that was dropped, nor may
// a crash bring that back.
func (o *oracle) made(n *node, g logstore.GroupStart) {
	at := n.member(g.PG)
	if at == 0 && (!n.store.shelf(g.PG).empty() || n.unlinked[g.PG] != nil) {
		o.w.fail("drop", "%s makes a segment of group %d, and the file of the one that it has dropped may be there", n.id, g.PG)
	}
	n.flying[g.PG] = max(g.Membership, at)
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
