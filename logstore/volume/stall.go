package volume

import (
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/quorum"
)

// Stall is a protection group that a volume waits for.
type Stall struct {
	PG redo.PGID
	// Of is how many members the group has, Needed how many of them must answer. While Leaving is
	// replaced by Joining so many must of those before as of those after; else both are "".
	Of, Needed       int
	Leaving, Joining logstore.NodeID
	Answer           []logstore.NodeID // the members that do what is waited for
}

// patience is what has been seen of something that should come further.
type patience struct {
	at     [2]uint64 // how far it is
	since  Time      // when it was less far, or nothing was waited for
	looked Time      // last
}

// over reports whether what is waited for has stayed where it is for as long as after. It has to be asked more often: time
// in which it was not, for half of after, does not count, since the process did not run.
func (p *patience) over(waits bool, at [2]uint64, now, after Time) bool {
	if !waits || p.at != at || now-p.looked >= after/2 {
		*p = patience{at: at, since: now}
	}
	p.looked = now
	return now-p.since >= after
}

// stall returns the group with the members of a set.
func (geo *Geometry) stall(g *Group, answer quorum.Set) Stall {
	s := Stall{PG: g.PG, Of: groupMembers, Needed: groupWrites}
	if g.Changing() {
		s.Leaving, s.Joining = geo.Nodes[g.Members[g.Leaving]].ID, geo.Nodes[g.Members[groupMembers]].ID
	}
	for m, n := range g.Members {
		if answer.Has(m) {
			s.Answer = append(s.Answer, geo.Nodes[n].ID)
		}
	}
	return s
}

// Stalled returns the group of the first record that is on no write quorum, or else the first whose segments are
// being made; false unless neither has come further for as long as after. Members answer that have done so
// lately and have the record, or the segment. It has to be asked several times within after.
func (t *Tracker) Stalled(now, after Time) (Stall, bool) {
	waits := t.complete < t.above.n
	if !t.stalling.over(waits || t.ready < len(t.groups), [2]uint64{uint64(t.vcl), uint64(t.ready)}, now, after) {
		return Stall{}, false
	}
	g, lsn := &t.groups[min(t.ready, len(t.groups)-1)], redo.LSN(0)
	if waits {
		g, lsn = &t.groups[t.above.at(t.complete).pg], t.first+redo.LSN(t.complete)
	}
	var answer quorum.Set
	for m, n := range g.Members {
		if g.created.Has(m) && g.tails[m] >= lsn && now-t.nodes[n].confirmed < after {
			answer |= quorum.Of(m)
		}
	}
	return t.geo.stall(&g.Group, answer), true
}

// Stalled returns the first group whose members have not given the recovery what it needs now; false unless no
// answer has brought it further for as long as after. It has to be asked several times within after.
func (r *Recovery) Stalled(now, after Time) (Stall, bool) {
	if !r.stalling.over(r.phase < shipped, [2]uint64{r.progress}, now, after) {
		return Stall{}, false
	}
	for i := range r.groups {
		g, s := &r.geo.Groups[i], &r.groups[i]
		needed := s.write
		var answer quorum.Set
		for m, n := range g.Members {
			p, has := &r.peers[n], false
			switch r.phase {
			case fencing:
				needed = quorum.And(s.write, s.read)
				has = p.answer != nil && !p.damaged[g.PG]
			case fetching:
				needed = s.read
				has = p.fetched && !p.damaged[g.PG]
			case listing:
				has = p.listed
			default:
				has = p.listed && s.tails[m] >= r.plan.Groups[i].Prev
			}
			if has {
				answer |= quorum.Of(m)
			}
		}
		if !needed.Met(answer) {
			return r.geo.stall(g, answer), true
		}
	}
	return Stall{}, false
}
