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
	Groups  []redo.PGID      // of which it holds a segment
}

// PlanBootstrap returns the command that begins the fleet that initial describes,
// given the reports so far. Over empty stores it is initial with volume as a new
// volume. Over stores that hold a volume already (the control plane was lost) it
// takes that volume over: its id, its groups, and as floor the highest volume epoch
// reported.
//
// It answers CodeNotReady until so many nodes have reported that every group's write
// quorum of four is among them: all but two of six; with more nodes all, because then
// only the segments' holders tell the members. CodeInvalid if the stores hold
// different volumes, or segments that do not add up to whole groups.
func PlanBootstrap(initial *State, volume redo.VolumeID, reports []StoreReport) (*Bootstrap, Result) {
	reports = slices.DeleteFunc(slices.Clone(reports), func(r StoreReport) bool {
		_, known := find(initial.Storage, r.Node, storageID)
		return !known
	})
	const faultsMax = 2
	need := len(initial.Storage)
	if need == groupMembersCount {
		need -= faultsMax
	}
	if len(reports) < need {
		return nil, refuse(CodeNotReady, "%d of %d storage nodes have reported, %d are needed",
			len(reports), len(initial.Storage), need)
	}
	b := &Bootstrap{Initial: *initial.Clone()}
	b.Initial.Volume, b.Initial.Timeline = volume, max(initial.Timeline, 1)
	var old redo.VolumeID
	for _, r := range reports {
		switch {
		case r.Volume == 0:
			continue
		case old != 0 && old != r.Volume:
			return nil, refuse(CodeInvalid, "the stores hold two volumes, %016x and %016x (%s)",
				old, r.Volume, r.Node)
		}
		old = r.Volume
		b.Initial.Epoch = max(b.Initial.Epoch, r.Epoch)
	}
	if old == 0 {
		return b, ok(true)
	}
	b.Initial.Volume = old
	return b, b.Initial.adoptGroups(reports)
}

// adoptGroups sets the groups that the reported segments belong to.
func (s *State) adoptGroups(reports []StoreReport) Result {
	holders := map[redo.PGID][]string{}
	for _, r := range reports {
		for _, g := range r.Groups {
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
