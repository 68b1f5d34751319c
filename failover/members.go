package failover

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// replace proposes what the fleet decides about storage nodes that are away or come
// with another store, one command at a time.
func (l *leader) replace(state *fleet.State) {
	if l.replacing || state.Cluster == "" {
		return
	}
	seen := l.seen(state)
	cmd := state.PlanReplacement(seen)
	if cmd == nil && l.c.opt.Moves {
		cmd = state.PlanMove(seen)
	}
	if cmd == nil {
		return
	}
	l.replacing = true
	l.propose(proposal{cmd: cmd, reason: "replacement of a storage node", then: func(applied, error) { l.replacing = false }})
}

// seen returns what the reports say of the storage nodes' stores.
func (l *leader) seen(state *fleet.State) map[string]fleet.StoreSeen {
	seen := map[string]fleet.StoreSeen{}
	for id, r := range l.roles {
		if fleet.Kind(r.report.Kind) == fleet.KindStorage && r.reports() && r.report.Healthy {
			seen[id] = fleet.StoreSeen{StoreID: r.report.StoreId, Volume: redo.VolumeID(r.report.Volume), Whole: func(pg redo.PGID) bool {
				_, has := r.report.Scl[uint32(pg)]
				return has
			}}
		}
	}
	after := l.c.opt.Timing.Replace
	for _, n := range state.Storage {
		x := seen[n.ID]
		last, known := l.stored[n.ID]
		stopped := state.IsStopped(n.ID)
		started := l.stopped[n.ID] && !stopped
		l.stopped[n.ID] = stopped
		switch here := x.StoreID == n.StoreID; {
		case here:
			l.stored[n.ID] = missed{since: time.Now()}
			l.note(state, n.ID, 0)
			continue
		case started: // its absence begins
			l.stored[n.ID] = missed{since: time.Now()}
			continue
		case !known: // an earlier leader may have missed it
			l.stored[n.ID] = missed{since: time.Now(), before: time.Duration(state.AwayFor(n.ID)) * time.Millisecond}
			continue
		}
		silent := time.Since(last.since)
		away := last.before + silent
		if after > 0 && silent > after/awayNotes && !stopped {
			l.note(state, n.ID, away)
		}
		x.Away = after > 0 && away > after
		x.Silent = x.Away || silent > moveSilenceMax
		seen[n.ID] = x
	}
	return seen
}

// missed says since when this leader has not heard of a storage node's registered store,
// and for how long earlier ones had not.
type missed struct {
	since  time.Time
	before time.Duration
}

// note has it replicated for how long a storage node is away, if that has changed by
// enough, so that the next leader goes on from there; 0: it is not.
func (l *leader) note(state *fleet.State, id string, away time.Duration) {
	noted := time.Duration(state.AwayFor(id)) * time.Millisecond
	changed := noted > 0
	if away > 0 {
		changed = away-noted >= l.c.opt.Timing.Replace/awayNotes
	}
	if l.noting || !changed {
		return
	}
	l.noting = true
	l.propose(proposal{cmd: &fleet.NoteAway{Node: id, Millis: uint32(min(away.Milliseconds(), math.MaxUint32))}, reason: "a storage node is away, or back",
		then: func(applied, error) { l.noting = false }})
}

// logMembers says what has become of a replacement since the last state.
func (l *leader) logMembers(was, is *fleet.State) {
	a, b, log := was.Replacing, is.Replacing, l.c.opt.Logger
	if a == b {
		return
	}
	switch old, found := is.StorageNode(a.Old); {
	case a.Move && slices.Contains(is.Groups[a.PG].Members, a.New):
		log.Info("segment has moved", "pg", a.PG, "from", a.Old, "to", a.New)
	case a.Move:
		log.Info("move of a segment is taken back", "pg", a.PG, "from", a.Old, "to", a.New)
	case a.Old != "" && found && old.StoreID != a.Store:
		log.Info("replacement of a storage node is taken back", "node", a.Old, "by", a.New)
	case a.Old != "":
		log.Info("storage node is replaced", "node", a.Old, "by", a.New)
	}
	switch {
	case b.Move:
		log.Info("segment moves", "pg", b.PG, "from", b.Old, "to", b.New, "away", b.Away)
	case b.Old != "":
		log.Info("storage node is being replaced", "node", b.Old, "by", b.New, "away", b.Away)
	}
}

// admitted returns why a store that is not the registered one of its node counts in no
// quorum, and whether it can come to count by taking that one's place.
func admitted(state *fleet.State, n fleet.StorageNode, store uint64, volume redo.VolumeID) (why string, may bool) {
	switch r := state.Replacing; {
	case r.Old == n.ID && r.New == n.ID && r.Store == store:
		return "", true
	case volume != 0 && volume != state.Volume:
		return refusedStore(n.StoreID, store), false
	}
	return refusedStore(n.StoreID, store) + "; it takes that one's place when no other node is being replaced", true
}

// replacing returns how far the replacement of a storage node is.
func (t Topology) replacing(id string) *ReplacingStatus {
	r := t.State.Replacing
	if r.Old == "" || r.Old != id {
		return nil
	}
	x := &ReplacingStatus{By: r.New, Detail: t.Live[r.New].Detail}
	if r.Move {
		x.Group = &r.PG
	}
	for i := range t.State.Groups {
		g := &t.State.Groups[i]
		if t.State.Leaving(g) < 0 {
			continue
		}
		x.Segments++
		scl, has := t.Live[r.New].SCL[g.ID]
		most := redo.LSN(0)
		for _, m := range g.Members {
			if l := t.Live[m]; m != r.Old && l.Healthy {
				most = max(most, l.SCL[g.ID])
			}
		}
		if has && scl >= most {
			x.Complete++
		}
		if r.Move && has && x.Detail == "" {
			x.Detail = fmt.Sprintf("complete to LSN %d of %d", scl, most)
		}
	}
	return x
}

// drainWaits returns what the drain of a storage node waits for, "" if for nothing or that is not known.
func (t Topology) drainWaits(id string) string {
	if t.Live == nil {
		return ""
	}
	seen := map[string]fleet.StoreSeen{}
	for _, n := range t.State.Storage {
		if l := t.Live[n.ID]; l.Healthy {
			seen[n.ID] = fleet.StoreSeen{StoreID: n.StoreID, Whole: func(pg redo.PGID) bool { _, has := l.SCL[pg]; return has }}
		}
	}
	return t.State.DrainWaits(id, seen)
}
