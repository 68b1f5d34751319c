package volume

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore/quorum"
)

// This file is the replacement of a member of a group.
//
// While it is under way the group has seven members: the six that it had and the one
// that joins. Writes and fences need four of the six and four of the six that will be;
// a recovery looks at four of the six that were, so that it misses no record that was
// acknowledged before the change began. The change ends, by the holder of the volume
// epoch alone, when the joining member has everything up to where the group was
// complete when the holder began to count so; or it is taken back, at any time.
//
// A writer may learn of a change late, and of some not at all. That is safe: whatever
// it counts by has a write quorum of the six that were, and those change only when it
// says so itself.
//
// Source: SIGMOD 2018 §4.1. Deviation: the paper reads from three of the old or three of
// the new set. A record that A, B, C and F had acknowledged would be missed by D, E and G.

// groupMembers is how many members a group has, and groupWrites how many of them are a
// write quorum.
const (
	groupMembers = 6
	groupWrites  = 4
)

// Changing reports whether a member of the group is being replaced: by Members[6].
func (g *Group) Changing() bool { return len(g.Members) > groupMembers }

// Write returns what suffices to store a record, a fence or a list.
func (g *Group) Write() quorum.Expr {
	was := quorum.KOf(groupWrites, quorum.Of(0, 1, 2, 3, 4, 5))
	if !g.Changing() {
		return was
	}
	next := quorum.Of(0, 1, 2, 3, 4, 5, groupMembers) &^ quorum.Of(g.Leaving)
	return quorum.And(was, quorum.KOf(groupWrites, next))
}

// Read returns what suffices for a recovery to know every record that may have been
// acknowledged. The joining member is no part of it.
func (g *Group) Read() quorum.Expr { return quorum.KOf(groupWrites, quorum.Of(0, 1, 2, 3, 4, 5)) }

// counts reports whether what member m says of itself at a membership epoch is about the
// segment that it has now: one that joins, or has joined, may have been a member before, and has dropped
// what it had then.
func (g *Group) counts(m int, at redo.MembershipEpoch) bool {
	return m >= 0 && (at == g.Membership || at < g.Membership && m < groupMembers && (g.since == nil || at >= g.since[m]))
}

// AddNode makes a storage node known and returns its index; one that is known, by id and
// store, keeps the index that it has.
func (t *Tracker) AddNode(n Node) int {
	if i := slices.Index(t.geo.Nodes, n); i >= 0 {
		return i
	}
	t.geo.Nodes = append(slices.Clip(t.geo.Nodes), n)
	t.nodes = append(t.nodes, node{next: t.frames.base, restart: true})
	return len(t.nodes) - 1
}

// Change makes the members of a group those of a later membership epoch: of the
// control plane's state at this volume epoch. An earlier one, or an unknown group, changes nothing.
// It reports whether VDL has moved.
func (t *Tracker) Change(to Group) (vdlMoved bool) {
	if int(to.PG) >= len(t.groups) || to.Membership <= t.groups[to.PG].Membership {
		return false
	}
	g := &t.groups[to.PG]
	was := *g
	n := len(to.Members)
	g.Group, g.write, g.barrier = to, to.Write(), g.pgcl
	g.since = make([]redo.MembershipEpoch, n)
	g.tails, g.scls, g.hinted, g.created = make([]redo.LSN, n), make([]redo.LSN, n), make([]redo.LSN, n), 0
	for _, node := range was.Members { // who is none any more is not told of this membership
		t.nodes[node].missing = slices.DeleteFunc(t.nodes[node].missing, func(pg redo.PGID) bool { return pg == to.PG })
	}
	for m, node := range to.Members {
		old := was.member(node)
		if old >= 0 && m < groupMembers {
			g.tails[m], g.scls[m], g.hinted[m] = was.tails[old], was.scls[old], was.hinted[old]
			if old >= groupMembers {
				g.since[m] = was.Membership
			} else if was.since != nil {
				g.since[m] = was.since[old]
			}
			if was.created.Has(old) {
				g.created |= quorum.Of(m)
			}
		}
		t.nodes[node].lacks(to.PG)
		if m >= groupMembers {
			t.rewind(node) // it was sent none of what is not on a write quorum yet
		}
	}
	t.sets = t.sets[:0]
	for i := range t.groups {
		t.addSet(i)
	}
	return t.recount(g) && t.advance()
}

// Joined reports whether the member that joins a group has everything that was stored
// without it, so that the one it replaces is needed no more. False if none joins.
func (t *Tracker) Joined(pg redo.PGID) bool {
	g := &t.groups[pg]
	return g.Changing() && g.created.Has(groupMembers) && g.scls[groupMembers] >= g.barrier
}

// Membership returns the membership epoch of a group; 0 if it is not known.
func (t *Tracker) Membership(pg redo.PGID) redo.MembershipEpoch {
	if int(pg) >= len(t.groups) {
		return 0
	}
	return t.groups[pg].Membership
}
