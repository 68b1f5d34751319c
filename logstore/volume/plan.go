package volume

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sextant/internal/redo"
	"sextant/logstore"
)

// compute decides, once a read quorum of every group has sent what it holds: the
// union of that, filtered by the adopted list, gives VDL; nothing is changed yet.
func (r *Recovery) compute() {
	if r.phase != fetching || r.err != nil ||
		!r.quorum(read, func(p *peer, pg redo.PGID) bool { return p.fetched && !p.damaged[pg] }) {
		return
	}
	adopted := r.adopted()
	p := &RecoveryPlan{Epoch: r.grant.Epoch}
	for i := range r.groups {
		h := r.groups[i].hint
		p.Groups = append(p.Groups, GroupPlan{PG: redo.PGID(i), Hint: h, Prev: h.PGLast})
		p.VDL = max(p.VDL, h.VDL)
	}
	kept := r.kept(p, adopted)
	p.VDL = durable(kept, p.VDL)
	p.Base = max(p.VDL, adopted.End()) + redo.LSN(r.lal())
	p.List = logstore.List{
		Epoch:  r.grant.Epoch,
		Ranges: redo.Join(append(slices.Clone(adopted), redo.Range{After: p.VDL, Through: p.Base})...),
	}
	for _, rec := range kept {
		if rec.LSN <= p.VDL {
			g := &p.Groups[rec.PG]
			g.Keep = append(g.Keep, rec)
			g.Prev = max(g.Prev, rec.LSN)
		}
	}
	for i := range r.groups {
		r.groups[i].union = nil
	}
	r.plan = p
	r.encode()
	r.phase = listing
	r.ask()
}

// adopted returns the list of the highest epoch among the answers. The others are
// ignored: an abandoned recovery's list may annul what a later epoch acknowledged.
func (r *Recovery) adopted() redo.Ranges {
	var list logstore.List
	for i := range r.peers {
		if a := r.peers[i].answer; a != nil && a.List.Epoch > list.Epoch {
			list = a.List
		}
	}
	return list.Ranges
}

// kept returns the union in volume order: what the adopted list does not annul and
// the group's hint does not cover.
func (r *Recovery) kept(p *RecoveryPlan, adopted redo.Ranges) []redo.Record {
	var out []redo.Record
	for i := range r.groups {
		union := r.groups[i].union
		for _, l := range slices.Sorted(maps.Keys(union)) {
			if l > p.Groups[i].Hint.VDL && !adopted.Contain(l) {
				out = append(out, union[l])
			}
		}
	}
	slices.SortFunc(out, func(a, b redo.Record) int { return cmp.Compare(a.LSN, b.LSN) })
	return out
}

// durable follows the volume's links from the hint on and returns the last CPL
// that they lead to, the hint if to none. A record whose predecessor is nowhere
// ends the chain: something of another group is missing.
//
// Source: SIGMOD 2017 §4.1, with the volume link of SIGMOD 2018 §2.2.
func durable(records []redo.Record, hint redo.LSN) redo.LSN {
	vcl, vdl := hint, hint
	for i := range records {
		if rec := &records[i]; rec.PrevVolume == vcl && rec.LSN > vcl {
			if vcl = rec.LSN; rec.CPL {
				vdl = vcl
			}
		}
	}
	return vdl
}

// lal returns the largest LSN allocation limit of any epoch since the last that
// opened. Epochs before that may be included: a larger range annuls nothing that exists.
func (r *Recovery) lal() uint64 {
	most := r.grant.LAL
	for _, e := range r.grant.LALs {
		most = max(most, e.LAL)
	}
	for i := range r.peers {
		if a := r.peers[i].answer; a != nil {
			for _, e := range a.LALs {
				most = max(most, e.LAL)
			}
		}
	}
	return most
}

// encode makes the batches that are shipped. They carry the hint that the recovery
// started from: its VDL is nobody's hint until (hint, VDL] is on a write quorum.
func (r *Recovery) encode() {
	for i := range r.plan.Groups {
		g := &r.plan.Groups[i]
		for rest := g.Keep; len(rest) > 0; {
			n := batchLen(rest, r.lim.BatchBytes)
			b := redo.Batch{
				Volume: r.grant.Volume, Timeline: r.grant.Timeline, PG: g.PG,
				Epoch: r.grant.Epoch, Membership: r.geo.Groups[i].Membership,
				Start: g.Hint.PGLast, Hint: g.Hint, Recovery: true, Records: rest[:n],
			}
			r.plan.frames = append(r.plan.frames, frame{pg: g.PG, through: rest[n-1].LSN, batch: encode(&b)})
			rest = rest[n:]
		}
	}
}

// String returns the plan, a line for the volume and one for each group.
func (p *RecoveryPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "epoch=%d vdl=%d base=%d list=%v", p.Epoch, p.VDL, p.Base, p.List.Ranges)
	for _, g := range p.Groups {
		fmt.Fprintf(&b, "\npg=%d hint=%d/%d prev=%d keep=%v", g.PG, g.Hint.VDL, g.Hint.PGLast, g.Prev, lsns(g.Keep))
	}
	return b.String()
}

func lsns(records []redo.Record) []redo.LSN {
	out := make([]redo.LSN, len(records))
	for i := range records {
		out[i] = records[i].LSN
	}
	return out
}
