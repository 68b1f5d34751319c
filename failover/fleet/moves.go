package fleet

import (
	"cmp"
	"fmt"
	"slices"

	"sextant/internal/redo"
)

// This file decides which segments move between storage nodes: off a node that drains, off
// one that is away and that no spare node can replace, and from the fullest node of a zone to
// the emptiest. A move is a Replacement of one group's member, so one is under way at a time.
//
// Source: SIGMOD 2018 §4.1.

// Move begins to move the segment that Old has of group PG to New, a registered store of the same zone
// that is no member of the group. OK without change if that is under way; CodeInUse if anything else is.
type Move struct {
	PG       redo.PGID
	Old, New string
	Away     bool
}

// DrainStorage marks a storage node to give away its segments, or takes the mark away
// (Cancel). One that drains gets no new segment, and leaves the cluster with its last. CodeInUse if its zone
// would have fewer than two nodes for segments, or it is taking another node's place.
type DrainStorage struct {
	Node   string
	Cancel bool
}

// IsDraining reports whether the storage node gives away its segments.
func (s *State) IsDraining(id string) bool {
	_, drains := slices.BinarySearch(s.Draining, id)
	return drains
}

func (m *Move) apply(s *State) Result {
	before, found := s.StorageNode(m.Old)
	after, known := s.StorageNode(m.New)
	r := Replacement{Old: m.Old, New: m.New, Store: after.StoreID, Away: m.Away, Move: true, PG: m.PG, Began: s.Version + 1}
	switch at := s.Replacing; {
	case !found || !known || int(m.PG) >= len(s.Groups) || !slices.Contains(s.Groups[m.PG].Members, m.Old):
		return refuse(CodeNotFound, "no segment of group %d on storage node %q, or no %q", m.PG, m.Old, m.New)
	case at.Move && at.PG == m.PG && at.Old == m.Old && at.New == m.New:
		return ok(false)
	case at.Old != "":
		return refuse(CodeInUse, "storage node %q is being replaced, or gives a segment away: one at a time", at.Old)
	case before.StoreID == 0 || after.StoreID == 0 || s.IsDraining(m.New):
		return refuse(CodeNotReady, "storage node %q or %q has no store yet, or the latter drains", m.Old, m.New)
	case after.AZ != before.AZ:
		return refuse(CodeInvalid, "storage node %q is in %s, %q in %s", m.New, after.AZ, m.Old, before.AZ)
	case slices.Contains(s.Groups[m.PG].Members, m.New):
		return refuse(CodeInUse, "storage node %q has a segment of group %d", m.New, m.PG)
	}
	s.Replacing = r
	s.renew()
	return ok(true)
}

func (m *DrainStorage) apply(s *State) Result {
	n, found := s.StorageNode(m.Node)
	at, drains := slices.BinarySearch(s.Draining, m.Node)
	others := 0 // of the zone that take segments
	for _, o := range s.Storage {
		if o.AZ == n.AZ && o.ID != n.ID && o.StoreID != 0 && !s.IsDraining(o.ID) {
			others++
		}
	}
	switch r := s.Replacing; {
	case m.Cancel && !drains || drains && !m.Cancel:
		return ok(false)
	case m.Cancel:
		s.Draining = slices.Delete(s.Draining, at, at+1)
		return ok(true)
	case !found:
		return refuse(CodeNotFound, "no storage node %q", m.Node)
	case others < groupMembersCount/azCount && n.StoreID != 0:
		return refuse(CodeInUse, "%s would have %d storage nodes for segments, every group needs %d: add one there first",
			n.AZ, others, groupMembersCount/azCount)
	case !r.Move && r.Old != "" && (r.New == m.Node || r.Old == m.Node):
		return refuse(CodeInUse, "storage node %q is being replaced by %q: wait for it, or take it back", r.Old, r.New)
	case r.New == m.Node:
		s.renew()
		s.Replacing = Replacement{}
	}
	s.Draining = slices.Insert(s.Draining, at, m.Node)
	s.leave()
	return ok(true)
}

// Left returns the membership epoch of a group of which a node is no member, nor about to be; 0 if
// it is one, or the group is not known.
func (s *State) Left(pg redo.PGID, node string) redo.MembershipEpoch {
	if int(pg) >= len(s.Groups) {
		return 0
	}
	g := &s.Groups[pg]
	if slices.Contains(g.Members, node) || s.Leaving(g) >= 0 && s.Replacing.New == node {
		return 0
	}
	return g.Membership
}

// leave lets nodes leave the cluster that have drained.
func (s *State) leave() {
	segments := s.Segments()
	for _, id := range slices.Clone(s.Draining) {
		if segments[id] == 0 && s.Replacing.Old != id && s.Replacing.New != id {
			s.removeStorage(id)
		}
	}
}

func (s *State) removeStorage(id string) {
	is := func(o string) bool { return o == id }
	s.Storage = slices.DeleteFunc(s.Storage, func(n StorageNode) bool { return n.ID == id })
	s.Stopped, s.Draining = slices.DeleteFunc(s.Stopped, is), slices.DeleteFunc(s.Draining, is)
	s.Away = slices.DeleteFunc(s.Away, func(a Absence) bool { return a.ID == id })
}

// taker returns the node that should take a segment that a node has of a group: of the same
// zone, no member of it, usable and not draining; of several the one with the fewest segments. "" if there is none.
func (s *State) taker(g *Group, id string, usable func(StorageNode) bool) string {
	return s.emptiest(id, usable, func(n StorageNode) bool { return !slices.Contains(g.Members, n.ID) })
}

// emptiest returns the registered node of id's zone, other than id, not stopped, not draining and
// for which both are true, with the fewest segments, then by id; "" if there is none.
func (s *State) emptiest(id string, usable, fits func(StorageNode) bool) string {
	old, _ := s.StorageNode(id)
	segments := s.Segments()
	fit := slices.DeleteFunc(slices.Clone(s.Storage), func(n StorageNode) bool {
		return n.ID == id || n.AZ != old.AZ || n.StoreID == 0 || s.IsStopped(n.ID) || s.IsDraining(n.ID) || !usable(n) || !fits(n)
	})
	if len(fit) == 0 {
		return ""
	}
	return slices.MinFunc(fit, func(a, b StorageNode) int {
		return cmp.Or(cmp.Compare(segments[a.ID], segments[b.ID]), cmp.Compare(a.ID, b.ID))
	}).ID
}

// moveFrom returns the move of the first segment of a node that may and that another node can take, nil if there is none.
func (s *State) moveFrom(id string, away bool, usable func(StorageNode) bool, may func(g *Group, old string) bool) *Move {
	for i := range s.Groups {
		if g := &s.Groups[i]; slices.Contains(g.Members, id) {
			if to := s.taker(g, id, usable); to != "" && may(g, id) {
				return &Move{PG: g.ID, Old: id, New: to, Away: away}
			}
		}
	}
	return nil
}

func always(*Group, string) bool { return true }

// PlanMove returns the next move of a segment off a node that drains, or from the fullest
// node of a zone to its emptiest if they differ by two or more; nil if none is due. None is
// while another move or a replacement is under way, the volume is not open, or a node with segments is stopped or
// does not answer with its store: whatever is lost may need the other segments of its groups. For the
// same reason none of a group of which another segment is damaged moves. seen is PlanReplacement's.
func (s *State) PlanMove(seen map[string]StoreSeen) Command {
	if s.movesWait(seen) != "" {
		return nil
	}
	usable, whole := answers(seen), allWhole(seen)
	for _, id := range s.Draining {
		if m := s.moveFrom(id, false, usable, whole); m != nil {
			return m
		}
	}
	segments := s.Segments()
	var best *Move
	most := 1
	for _, n := range s.Storage {
		if !usable(n) {
			continue
		}
		for i := range s.Groups {
			g := &s.Groups[i]
			if !slices.Contains(g.Members, n.ID) {
				continue
			}
			if to := s.taker(g, n.ID, usable); to != "" && segments[n.ID]-segments[to] > most && whole(g, n.ID) {
				best, most = &Move{PG: g.ID, Old: n.ID, New: to}, segments[n.ID]-segments[to]
			}
		}
	}
	if best == nil {
		return nil
	}
	return best
}

// answers returns whether a node answers with its registered store.
func answers(seen map[string]StoreSeen) func(StorageNode) bool {
	return func(n StorageNode) bool { return n.StoreID != 0 && seen[n.ID].StoreID == n.StoreID }
}

// allWhole returns whether every member of a group but for old has its segment: a node whose disk fails can be drained.
func allWhole(seen map[string]StoreSeen) func(g *Group, old string) bool {
	return func(g *Group, old string) bool {
		return !slices.ContainsFunc(g.Members, func(id string) bool {
			return id != old && (seen[id].Whole == nil || !seen[id].Whole(g.ID))
		})
	}
}

// movesWait returns what every move waits for that PlanMove could begin, "" if for nothing.
func (s *State) movesWait(seen map[string]StoreSeen) string {
	switch r := s.Replacing; {
	case r.Move:
		return fmt.Sprintf("the segment of group %d that moves off %s", r.PG, r.Old)
	case r.Old != "":
		return fmt.Sprintf("the replacement of %s", r.Old)
	case !s.Serves():
		return "a writer that serves"
	}
	segments, usable := s.Segments(), answers(seen)
	for _, n := range s.Storage {
		switch {
		case segments[n.ID] == 0:
		case usable(n): // also one that is noted as stopped and runs
		case s.IsStopped(n.ID):
			return n.ID + ", which is stopped: start or replace it"
		default:
			return n.ID + ", which does not answer"
		}
	}
	return ""
}

// DrainWaits returns what the drain of a storage node waits for, "" if for nothing: a segment moves off it or will at
// once, or it does not drain. seen is PlanReplacement's.
func (s *State) DrainWaits(id string, seen map[string]StoreSeen) string {
	n, _ := s.StorageNode(id)
	if !s.IsDraining(id) || s.Replacing.Old == id {
		return ""
	}
	why, usable := s.movesWait(seen), answers(seen)
	switch {
	case why != "" || s.moveFrom(id, false, usable, allWhole(seen)) != nil:
		return why
	case s.moveFrom(id, false, usable, always) != nil:
		return "the repair of damaged segments of its groups"
	}
	return fmt.Sprintf("a storage node of %s that can take its segments", n.AZ)
}

func (m *Move) code(c *codec) {
	number(c, &m.PG)
	c.name(&m.Old)
	c.name(&m.New)
	c.flag(&m.Away)
}

func (m *DrainStorage) code(c *codec) { c.name(&m.Node); c.flag(&m.Cancel) }

func (m *Move) kind() commandKind         { return kindMove }
func (m *DrainStorage) kind() commandKind { return kindDrainStorage }
