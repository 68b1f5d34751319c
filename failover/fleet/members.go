package fleet

import (
	"slices"

	"sextant/internal/redo"
)

// This file is the replacement of a storage node: another store takes the place of its
// store in every group that it is a member of, all at once, or in one group (a move). One is under
// way at a time, and a replacement takes back a move.
//
// While it is under way those groups have seven members; package volume says what a
// write quorum is then. The holder of the volume epoch ends it when the new store has
// everything; until then it can be taken back, and is if the old store was away and
// comes back.
//
// Source: SIGMOD 2018 §4.1.

// Replacement is the one that is under way; its zero value is none.
type Replacement struct {
	Old   string // storage node
	New   string // that takes its place: Old itself if another store answers there
	Store uint64 // of New: it counts in read quorums when it has everything
	Away  bool   // Old was away when it began
	Began uint64 // State.Version after it began: no two replacements share it
	Move  bool   // it is about the segment of group PG alone
	PG    redo.PGID
}

// AddStorage adds a storage node without a store; one registers when it reports.
type AddStorage struct {
	Node StorageNode
}

// Replace begins to replace Old by New, a registered store of the same zone that shares no group with
// Old; or, if New is Old, by Store, which answers in the place of the registered one. OK
// without change if that is under way; CodeInUse if another is.
type Replace struct {
	Old, New string
	Store    uint64 // only if New is Old
	Away     bool
}

// CancelReplace takes the replacement of Old by New back. OK if it is not under way.
type CancelReplace struct {
	Old, New string
}

// FinishReplace says that the holder of Epoch counts by the members of the replacement
// that began at Began, in every one of so many groups, and that the new store has everything that was
// stored without it. CodeStale unless all of that is what the state says. The old node,
// if it is another, leaves the cluster; after a move only if it drains and that was its last segment.
type FinishReplace struct {
	Epoch  redo.VolumeEpoch
	Began  uint64
	Groups uint64
}

// Leaving returns which member of the group is being replaced, -1 if none is.
// The store that joins is that of s.Replacing.
func (s *State) Leaving(g *Group) int {
	if r := &s.Replacing; r.Old == "" || r.Move && r.PG != g.ID {
		return -1
	}
	return slices.Index(g.Members, s.Replacing.Old)
}

func (m *AddStorage) apply(s *State) Result {
	n := m.Node
	at, found := find(s.Storage, n.ID, storageID)
	switch {
	case found && s.Storage[at].AZ == n.AZ && s.Storage[at].Address == n.Address:
		return ok(false)
	case found:
		return refuse(CodeExists, "storage node %q exists", n.ID)
	case !validName(n.ID) || !validName(n.AZ) || !validAddress(n.Address) || n.StoreID != 0:
		return refuse(CodeInvalid, "storage node %q: id, az or address is malformed", n.ID)
	case len(s.Storage) == storageNodesMax:
		return refuse(CodeLimit, "at most %d storage nodes", storageNodesMax)
	}
	for _, o := range s.Storage {
		if o.Address == n.Address {
			return refuse(CodeExists, "storage node %q has that address", o.ID)
		}
	}
	s.Storage = slices.Insert(s.Storage, at, n)
	return ok(true)
}

func (m *Replace) apply(s *State) Result {
	r := Replacement{Old: m.Old, New: m.New, Store: m.Store, Away: m.Away, Began: s.Version + 1}
	before, found := s.StorageNode(m.Old)
	after, known := s.StorageNode(m.New)
	switch {
	case !found || !known:
		return refuse(CodeNotFound, "no storage node %q, or no %q", m.Old, m.New)
	case before.StoreID == 0:
		return refuse(CodeNotReady, "storage node %q has no store yet", m.Old)
	case m.New == m.Old && m.Store == before.StoreID:
		return ok(false)
	case m.New == m.Old && m.Store == 0:
		return refuse(CodeInvalid, "%q cannot take its own place", m.Old)
	case m.New != m.Old:
		r.Store = after.StoreID
	}
	for _, n := range s.Storage {
		if m.New == m.Old && n.StoreID == m.Store {
			return refuse(CodeExists, "store %016x is that of %s", m.Store, n.ID)
		}
	}
	switch at := s.Replacing; {
	case !at.Move && at.Old == r.Old && at.New == r.New && at.Store == r.Store:
		return ok(false)
	case !at.Move && at.Old != "":
		return refuse(CodeInUse, "storage node %q is being replaced: one at a time", at.Old)
	case after.StoreID == 0:
		return refuse(CodeNotReady, "storage node %q has no store yet", m.New)
	case m.New != m.Old && s.IsDraining(m.New):
		return refuse(CodeNotReady, "storage node %q drains", m.New)
	case after.AZ != before.AZ:
		return refuse(CodeInvalid, "storage node %q is in %s, %q in %s", m.New, after.AZ, m.Old, before.AZ)
	case m.New != m.Old && s.shareGroup(m.Old, m.New):
		return refuse(CodeInUse, "storage nodes %q and %q have segments of one group", m.Old, m.New)
	}
	s.renew() // of a move that is taken back
	s.Replacing = r
	s.renew()
	return ok(true)
}

// shareGroup reports whether some group has both nodes as members.
func (s *State) shareGroup(a, b string) bool {
	return slices.ContainsFunc(s.Groups, func(g Group) bool {
		return slices.Contains(g.Members, a) && slices.Contains(g.Members, b)
	})
}

// renew gives every group that the replacement is about its next membership epoch.
func (s *State) renew() {
	for i := range s.Groups {
		if g := &s.Groups[i]; s.Leaving(g) >= 0 {
			g.Membership++
		}
	}
}

func (m *CancelReplace) apply(s *State) Result {
	if s.Replacing.Old == "" || s.Replacing.Old != m.Old || s.Replacing.New != m.New {
		return ok(false)
	}
	s.renew()
	s.Replacing = Replacement{}
	s.leave()
	return ok(true)
}

func (m *FinishReplace) apply(s *State) Result {
	r := s.Replacing
	switch {
	case m.Epoch == 0 || m.Epoch != s.Epoch || s.Writer() == "":
		return refuse(CodeStale, "the volume epoch is %d, not %d", s.Epoch, m.Epoch)
	case r.Old == "" || r.Began != m.Began || uint64(len(s.Groups)) != m.Groups:
		return refuse(CodeStale, "the replacement is another one now, or has more groups")
	}
	s.renew()
	for i := range s.Groups {
		if at := s.Leaving(&s.Groups[i]); at >= 0 {
			s.Groups[i].Members[at] = r.New
		}
	}
	s.Replacing = Replacement{}
	switch at, _ := find(s.Storage, r.Old, storageID); {
	case r.Move:
		s.leave()
	case r.New == r.Old:
		s.Storage[at].StoreID = r.Store
	default:
		s.removeStorage(r.Old)
	}
	return ok(true)
}

// Spare returns the node that could take the place of storage node id: registered,
// in the same zone, not stopped, not draining, in no group that id is in, and usable; of several the one with the fewest
// segments. "" if there is none.
func (s *State) Spare(id string, usable func(StorageNode) bool) string {
	return s.emptiest(id, usable, func(n StorageNode) bool { return !s.shareGroup(id, n.ID) })
}

// Segments returns how many segments each storage node has.
func (s *State) Segments() map[string]int {
	n := map[string]int{}
	for _, g := range s.Groups {
		for _, id := range g.Members {
			n[id]++
		}
	}
	return n
}

// Absence says for how long leaders have missed a storage node's registered store, one
// after the other; what the last of them saw since its last note is not in it.
type Absence struct {
	ID     string
	Millis uint32
}

// NoteAway sets that; 0: it is back.
type NoteAway struct {
	Node   string
	Millis uint32
}

func (m *NoteAway) apply(s *State) Result {
	if _, found := s.StorageNode(m.Node); !found {
		return refuse(CodeNotFound, "no storage node %q", m.Node)
	}
	at, found := find(s.Away, m.Node, absenceID)
	switch {
	case found && m.Millis == 0:
		s.Away = slices.Delete(s.Away, at, at+1)
	case found && s.Away[at].Millis != m.Millis:
		s.Away[at].Millis = m.Millis
	case !found && m.Millis != 0:
		s.Away = slices.Insert(s.Away, at, Absence{m.Node, m.Millis})
	default:
		return ok(false)
	}
	return ok(true)
}

func (m *NoteAway) kind() commandKind { return kindNoteAway }
func (m *NoteAway) code(c *codec)     { c.name(&m.Node); number(c, &m.Millis) }

func absenceID(a Absence) string { return a.ID }

// AwayFor returns the milliseconds that are noted for a storage node.
func (s *State) AwayFor(id string) uint32 {
	if at, found := find(s.Away, id, absenceID); found {
		return s.Away[at].Millis
	}
	return 0
}

// StoreSeen is what is known of a storage node's process.
type StoreSeen struct {
	StoreID uint64        // that it reports; 0: it does not report
	Volume  redo.VolumeID // that the store holds; 0: none
	Silent  bool          // the registered store was not heard of for so long that no segment is to wait for it
	Away    bool          // nor for so long that it is to be replaced
	// Whole reports whether the store has a segment of the group, with all that it ever acknowledged; nil: of no group.
	Whole func(redo.PGID) bool
}

// PlanReplacement returns what should be done now about storage nodes whose store is
// another than the registered one, or is away; nil if nothing, or nothing can. seen has
// every node that was heard of, and those that are away.
//
// A store that was away and is back needs no replacement. A store that answers in another's place
// gets its place. A node that is away is replaced if there is a spare one; if there is none, its segments
// move one after the other to whoever of its zone can take them. A replacement goes before a move that is not for
// a node that is away. A move to a node that is silent or stopped is taken back, and so is the replacement of a node that
// is away by one that is silent, and whatever waits for a store in whose place another answers.
func (s *State) PlanReplacement(seen map[string]StoreSeen) Command {
	r := s.Replacing
	if old, _ := s.StorageNode(r.Old); r.Old != "" && r.Away && seen[r.Old].StoreID == old.StoreID ||
		r.Move && s.IsStopped(r.New) || (r.Move || r.Away && r.New != r.Old) && seen[r.New].Silent ||
		r.Old != "" && seen[r.New].StoreID != 0 && seen[r.New].StoreID != r.Store {
		return &CancelReplace{Old: r.Old, New: r.New}
	}
	if r.Old != "" && !(r.Move && !r.Away) {
		return nil
	}
	for _, n := range s.Storage {
		if x := seen[n.ID]; n.StoreID != 0 && x.StoreID != 0 && x.StoreID != n.StoreID && (x.Volume == 0 || x.Volume == s.Volume) {
			return &Replace{Old: n.ID, New: n.ID, Store: x.StoreID, Away: true}
		}
	}
	for _, n := range s.Storage {
		if !seen[n.ID].Away || n.StoreID == 0 || s.IsStopped(n.ID) {
			continue
		}
		usable := func(n StorageNode) bool { return seen[n.ID].StoreID == n.StoreID }
		if spare := s.Spare(n.ID, usable); spare != "" && s.Segments()[n.ID] > 0 {
			return &Replace{Old: n.ID, New: spare, Away: true}
		}
		if m := s.moveFrom(n.ID, true, usable, always); m != nil && r.Move {
			return &CancelReplace{Old: r.Old, New: r.New} // then this one
		} else if m != nil {
			return m
		}
	}
	return nil
}

func (r *Replacement) code(c *codec) {
	c.name(&r.Old)
	c.name(&r.New)
	number(c, &r.Store)
	c.flag(&r.Away)
	number(c, &r.Began)
	if c.version > 2 {
		c.flag(&r.Move)
		number(c, &r.PG)
	}
}

func (m *AddStorage) code(c *codec) { m.Node.code(c) }
func (m *Replace) code(c *codec) {
	c.name(&m.Old)
	c.name(&m.New)
	number(c, &m.Store)
	c.flag(&m.Away)
}
func (m *CancelReplace) code(c *codec) { c.name(&m.Old); c.name(&m.New) }
func (m *FinishReplace) code(c *codec) {
	number(c, &m.Epoch)
	number(c, &m.Began)
	number(c, &m.Groups)
}

func (m *AddStorage) kind() commandKind    { return kindAddStorage }
func (m *Replace) kind() commandKind       { return kindReplace }
func (m *CancelReplace) kind() commandKind { return kindCancelReplace }
func (m *FinishReplace) kind() commandKind { return kindFinishReplace }
