package fleet

import (
	"cmp"
	"maps"
	"slices"

	"sextant/internal/redo"
)

// StoreReport is what a storage node says of its store before there is a fleet.
type StoreReport struct {
	Node    string
	StoreID uint64
	Volume  redo.VolumeID    // 0: the store is empty
	Epoch   redo.VolumeEpoch // highest stored
	// Groups of which it holds a segment, with the membership that this was told of last.
	Groups map[redo.PGID]redo.MembershipEpoch
	// State is the newest of the control plane that the node has kept, nil if none.
	State *State
}

// PlanBootstrap returns the command that begins the fleet that initial describes,
// given the reports so far. Over empty stores it is a Bootstrap of initial with volume
// as a new volume. Over stores that hold a volume already the control plane was lost:
//
//   - With a state that a storage node has kept it is a Restore of the newest: see planRestore.
//   - Without one it is a Bootstrap that takes the volume over: its id, its groups, and as
//     floor the highest volume epoch reported.
//
// It answers CodeNotReady until so many nodes have reported that every group's write
// quorum of four is among them: all but two of six; with more nodes and no state all,
// because then only the segments' holders tell the members. CodeInvalid if the stores hold
// different volumes, or segments that do not add up to whole groups of the first members.
// initial.LeaseFolded is the longest read lease that a lost grant can have had.
func PlanBootstrap(initial *State, volume redo.VolumeID, reports []StoreReport) (Command, Result) {
	var kept *State
	var old redo.VolumeID
	for _, r := range reports {
		switch {
		case r.Volume == 0:
		case old != 0 && old != r.Volume:
			return nil, refuse(CodeInvalid, "the stores hold two volumes, %016x and %016x (%s)",
				old, r.Volume, r.Node)
		default:
			old = r.Volume
		}
		if s := r.State; s != nil && s.Cluster == initial.Cluster && (kept == nil || s.Version > kept.Version) {
			kept = s
		}
	}
	if kept != nil && old != 0 && kept.Volume != old {
		return nil, refuse(CodeInvalid, "the stores hold volume %016x, the control plane's state that was kept is of %016x", old, kept.Volume)
	}
	if kept != nil {
		return planRestore(kept, initial.LeaseFolded, reports)
	}
	known := 0
	for _, r := range reports {
		if _, found := find(initial.Storage, r.Node, storageID); found {
			known++
		}
	}
	need := len(initial.Storage)
	if need == groupMembersCount {
		need -= faultsMax
	}
	if known < need {
		return nil, refuse(CodeNotReady, "%d of %d storage nodes have reported, %d are needed",
			known, len(initial.Storage), need)
	}
	b := &Bootstrap{Initial: *initial.Clone()}
	b.Initial.Volume, b.Initial.Timeline = volume, max(initial.Timeline, 1)
	if old == 0 {
		b.Initial.LeaseFolded = 0
		return b, ok(true)
	}
	b.Initial.Volume = old
	for _, r := range reports {
		b.Initial.Epoch = max(b.Initial.Epoch, r.Epoch)
	}
	return b, b.Initial.adoptGroups(reports)
}

// faultsMax is how many of a group's six members may be away.
const faultsMax = 2

// branch is how far above what is known a restored state's numbers begin: more than a
// control plane can have counted whose last states no storage node has kept.
const branch = 1 << 20

// planRestore returns the command that goes on with a state that was kept. It answers
// CodeNotReady until of each group's members four have reported, while it changes four
// of those before and four of those after; CodeInvalid if a segment was told of a
// membership that the state does not know: what was acknowledged since could be where
// the state does not look. The lost control plane may have gone on from that state: versions,
// volume epochs and memberships begin so far above that none of its numbers is given again (I-13).
// So there is no holder; the read lease of one that is not known is waited for.
func planRestore(kept *State, lease Micros, reports []StoreReport) (Command, Result) {
	s := kept.Clone()
	epoch := s.Epoch
	holds := map[redo.PGID]map[string]bool{} // nodes whose registered store has a segment
	joins := map[redo.PGID]bool{}            // the store that takes a place has one
	heard := 0
	for _, r := range reports {
		epoch = max(epoch, r.Epoch)
		if n, found := s.StorageNode(r.Node); found && (n.StoreID == r.StoreID || n.StoreID == 0) {
			heard++
		}
		for pg, at := range r.Groups {
			if int(pg) >= len(s.Groups) || at > s.Groups[pg].Membership {
				return nil, refuse(CodeInvalid, "%s knows members of group %d (membership %d) that no storage node's copy "+
					"of the control plane's state knows: start the storage nodes that are away", r.Node, pg, at)
			}
			if holds[pg] == nil {
				holds[pg] = map[string]bool{}
			}
			if n, found := s.StorageNode(r.Node); found && n.StoreID == r.StoreID {
				holds[pg][r.Node] = true
			}
			if s.Replacing.New == r.Node && s.Replacing.Store == r.StoreID {
				joins[pg] = true
			}
		}
	}
	if len(s.Groups) == 0 && heard < min(len(s.Storage), groupMembersCount)-faultsMax {
		return nil, refuse(CodeNotReady, "%d of %d storage nodes have reported", heard, len(s.Storage))
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		before, after := 0, 0
		for k, m := range g.Members {
			if holds[g.ID][m] {
				before++
				if k != s.Leaving(g) {
					after++
				}
			}
		}
		if s.Leaving(g) < 0 {
			after = before
		} else if joins[g.ID] {
			after++
		}
		if min(before, after) < groupMembersCount-faultsMax {
			return nil, refuse(CodeNotReady, "%d storage nodes with a segment of group %d have reported, %d are needed",
				min(before, after), g.ID, groupMembersCount-faultsMax)
		}
	}
	for i := range s.Groups {
		s.Groups[i].Membership += branch
	}
	s.Version, s.Epoch = s.Version+branch, epoch+branch
	s.Holder, s.Ended, s.Successor = Grant{}, false, ""
	s.LeaseFolded = max(s.LeaseFolded, lease)
	return &Restore{State: *s}, ok(true)
}

// Restore goes on with a state that storage nodes have kept: the control plane was lost.
// Repeated for the same cluster it changes nothing; for another: CodeBootstrap.
type Restore struct {
	State State
}

// Misses reports whether a storage node that is not stopped is not among the reports: it may have kept a newer state.
func (m *Restore) Misses(reports []StoreReport) bool {
	return slices.ContainsFunc(m.State.Storage, func(n StorageNode) bool {
		return !m.State.IsStopped(n.ID) && !slices.ContainsFunc(reports, func(r StoreReport) bool { return r.Node == n.ID })
	})
}

func (m *Restore) apply(s *State) Result {
	switch {
	case s.Cluster == m.State.Cluster && s.Cluster != "":
		return ok(false)
	case s.Cluster != "" || !validName(m.State.Cluster):
		return refuse(CodeBootstrap, "bootstrapped as cluster %q, not %q", s.Cluster, m.State.Cluster)
	}
	*s = *m.State.Clone()
	return ok(true)
}

func (m *Restore) kind() commandKind { return kindRestore }
func (m *Restore) code(c *codec) {
	command := c.version
	c.version = stateVersion
	m.State.code(c)
	c.version = command
}

// adoptGroups sets the groups that the reported segments belong to.
func (s *State) adoptGroups(reports []StoreReport) Result {
	holders := map[redo.PGID][]string{}
	for _, r := range reports {
		for g, at := range r.Groups {
			if _, known := s.StorageNode(r.Node); !known || at > 1 {
				return refuse(CodeInvalid, "%s has a segment of group %d, whose members have changed since the first start, "+
					"and no storage node has a copy of the control plane's state", r.Node, g)
			}
			holders[g] = append(holders[g], r.Node)
		}
	}
	ids := slices.Sorted(maps.Keys(holders))
	for i, id := range ids {
		members := holders[id]
		if len(s.Storage) == groupMembersCount {
			members = nil
			for _, n := range s.Storage {
				members = append(members, n.ID)
			}
		}
		slices.SortFunc(members, cmp.Compare)
		if redo.PGID(i) != id || len(members) != groupMembersCount {
			return refuse(CodeInvalid, "the stores hold group %d on %d nodes, of %d groups; groups must be whole",
				id, len(members), len(ids))
		}
		s.Groups = append(s.Groups, Group{ID: id, Membership: 1, Created: s.Epoch, Members: members})
	}
	return ok(true)
}
