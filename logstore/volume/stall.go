package volume

import (
	"sextant/internal/redo"
	"sextant/logstore"
)

// Stall is what log waits for that is on no write quorum.
type Stall struct {
	PG redo.PGID
	// Of is how many members the group has, Needed how many of them must store a record. While Leaving is
	// replaced by Joining so many must of those before as of those after; else both are "".
	Of, Needed       int
	Leaving, Joining logstore.NodeID
	// Answer are the members that store what waits, or have the segment that is made, and have answered lately.
	Answer []logstore.NodeID
}

// stalling is what Stalled has seen of the Tracker.
type stalling struct {
	vcl    redo.LSN
	ready  int
	since  Time // when these were other ones, or nothing waited
	looked Time // last
}

// Stalled returns what the first record that is on no write quorum waits for, or else the first group
// whose segments are being made; false unless neither has come further for as long as after. It has to
// be asked more often: time in which it was not, for half of after, does not count, since the process did not run.
func (t *Tracker) Stalled(now, after Time) (Stall, bool) {
	s := &t.stalling
	waits := t.complete < t.above.n || t.ready < len(t.groups)
	if !waits || s.vcl != t.vcl || s.ready != t.ready || now-s.looked >= after/2 {
		*s = stalling{vcl: t.vcl, ready: t.ready, since: now}
	}
	s.looked = now
	if now-s.since < after {
		return Stall{}, false
	}
	g, lsn := &t.groups[min(t.ready, len(t.groups)-1)], redo.LSN(0)
	if t.complete < t.above.n {
		g, lsn = &t.groups[t.above.at(t.complete).pg], t.first+redo.LSN(t.complete)
	}
	out := Stall{PG: g.PG, Of: groupMembers, Needed: groupWrites}
	if g.Changing() {
		out.Leaving, out.Joining = t.geo.Nodes[g.Members[g.Leaving]].ID, t.geo.Nodes[g.Members[groupMembers]].ID
	}
	for m, n := range g.Members {
		if g.created.Has(m) && g.tails[m] >= lsn && now-t.nodes[n].confirmed < after {
			out.Answer = append(out.Answer, t.geo.Nodes[n].ID)
		}
	}
	return out, true
}
