package volume

import (
	"fmt"
	"slices"

	"sextant/internal/invariant"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/quorum"
)

// Tracker is the writer's view of an open volume: which LSNs are given out, what
// each node has, how far the volume is complete and durable. Recovery.Open makes it.
//
// It is not safe for concurrent use. No method's cost depends on the number of
// records above VDL, but for the records that it is given or that become durable.
//
// Invariant: VDL <= VCL < every record not yet covered. VDL and VCL never regress.
type Tracker struct {
	grant Grant
	geo   Geometry
	lim   Limits
	list  logstore.List

	base     redo.LSN // upper end of the range that this epoch's recovery annulled
	next     redo.LSN
	prev     redo.LSN // last record of the volume
	vcl, vdl redo.LSN

	// above holds the records above VDL; the first has LSN first, and the first
	// complete of them are at or below VCL.
	above    ring
	first    redo.LSN
	complete int
	bytes    int64 // payload in above

	groups []group // by PG
	ready  int     // groups[:ready] may be written to
	open   []int   // groups that have records in no batch yet
	nodes  []node
	frames frames

	minReadPoint redo.LSN
	fenced       redo.VolumeEpoch
	confirmed    Time
	sets         []int // one group of each distinct set of members and quorum
	stalling     patience
}

// group is what the Tracker knows of a protection group.
type group struct {
	Group
	write quorum.Expr
	start redo.LSN // of this epoch's list
	last  redo.LSN // last record
	pgcl  redo.LSN
	need  redo.LSN // last record at or below VDL
	// What is above barrier is stored by the write quorum of a change that is under way.
	barrier redo.LSN

	tails, scls []redo.LSN // by member
	hinted      []redo.LSN // by member: PGLast of the newest hint it was sent
	created     quorum.Set

	open      []redo.Record // in no batch yet
	openBytes int
}

// Next returns the LSN that the next record gets.
func (t *Tracker) Next() redo.LSN { return t.next }

// VCL returns the LSN up to which every record is on a write quorum of its group.
func (t *Tracker) VCL() redo.LSN { return t.vcl }

// VDL returns the highest CPL at or below VCL.
func (t *Tracker) VDL() redo.LSN { return t.vdl }

// Epoch returns the volume epoch.
func (t *Tracker) Epoch() redo.VolumeEpoch { return t.grant.Epoch }

// Fenced returns the volume epoch that a node refused this one for, 0 if none did.
func (t *Tracker) Fenced() redo.VolumeEpoch { return t.fenced }

// Confirmed returns the latest time c such that a write quorum of one group has
// answered requests sent at or after c: at c no higher epoch had fenced the volume.
func (t *Tracker) Confirmed() Time { return t.confirmed }

// Answered returns Confirmed as it is of the group that holds VCL back, if one does: it
// stands still when that group's quorum is lost, whatever others answer.
func (t *Tracker) Answered() Time {
	if t.complete == t.above.n {
		return t.confirmed
	}
	return t.confirmedBy(&t.groups[t.above.at(t.complete).pg])
}

// List returns the truncation list of this epoch.
func (t *Tracker) List() logstore.List { return t.list }

// PGCL returns the LSN up to which a write quorum of the group has every record.
func (t *Tracker) PGCL(pg redo.PGID) redo.LSN { return t.groups[pg].pgcl }

// Room reports whether a turn of that many records and payload bytes would be
// accepted now: its last LSN must be at most max(VDL, base) + LAL.
//
// Source: SIGMOD 2017 §4.2.1. Deviation: the paper has VDL + LAL.
func (t *Tracker) Room(records, bytes int) bool {
	if t.next+redo.LSN(records)-1 > max(t.vdl, t.base)+redo.LSN(t.grant.LAL) {
		return false
	}
	return t.bytes == 0 || t.bytes+int64(bytes) <= t.lim.WindowBytes
}

// Append admits a turn and numbers all of it. Returns Admit's error; then nothing was numbered.
func (t *Tracker) Append(turn []redo.MTR) error {
	if err := t.Admit(turn); err != nil {
		return err
	}
	for _, m := range turn {
		t.Number(m.Records, true)
	}
	return nil
}

// Admit returns nil if a turn may be numbered now, else logstore.ErrNoRoom, logstore.ErrFenced or
// ErrUnknownGroup. Other steps may come between it and Number and between two of these, but no other
// turn. If the Tracker is fenced in between the rest is not to be numbered: of an MTR without its CPL
// nothing is ever shown, and the recovery that fenced it annuls it; whether it keeps the MTRs before is not known.
func (t *Tracker) Admit(turn []redo.MTR) error {
	if t.fenced != 0 {
		return logstore.ErrFenced
	}
	records, bytes := 0, 0
	for _, m := range turn {
		records += len(m.Records)
		for i := range m.Records {
			bytes += len(m.Records[i].Payload)
			if pg := t.PGOf(m.Records[i].Page); int(pg) >= t.ready {
				return fmt.Errorf("append to page %d: %w", m.Records[i].Page, ErrUnknownGroup)
			}
		}
	}
	if !t.Room(records, bytes) {
		return logstore.ErrNoRoom
	}
	return nil
}

// Number numbers and links the next records of an MTR of the admitted turn, in place, marks the last of
// them as CPL if it is the last of the MTR, and keeps them for shipping. Their payloads must not change
// any more.
func (t *Tracker) Number(records []redo.Record, last bool) {
	for i := range records {
		t.number(&records[i], last && i == len(records)-1)
	}
}

func (t *Tracker) number(r *redo.Record, cpl bool) {
	r.PG = t.PGOf(r.Page)
	g := &t.groups[r.PG]
	r.LSN, r.PrevVolume, r.PrevPG, r.CPL = t.next, t.prev, g.last, cpl
	if len(g.open) == 0 {
		t.open = append(t.open, int(r.PG))
	}
	g.open = append(g.open, *r)
	g.openBytes += len(r.Payload)
	t.above.push(slot{uint32(r.PG), uint32(len(r.Payload)), cpl})
	t.bytes += int64(len(r.Payload))
	t.prev, g.last = r.LSN, r.LSN
	t.next++
}

// PGOf returns the group of a page. Page 0, which stands for no page, is in group 0.
func (t *Tracker) PGOf(p redo.PageID) redo.PGID {
	if p == 0 {
		return 0
	}
	return redo.PGID((uint64(p) - 1) / t.geo.PagesPerGroup)
}

// acked counts what a segment says of itself and reports whether its group's PGCL moved.
func (t *Tracker) acked(node int, a logstore.SegmentAck) bool {
	if int(a.PG) >= len(t.groups) {
		return false
	}
	g := &t.groups[a.PG]
	m := g.member(node)
	if !g.counts(m, a.Membership) || a.Tail > g.last {
		return false // no segment can have more than was given out
	}
	g.scls[m] = max(g.scls[m], a.SCL)
	if a.Tail <= g.tails[m] {
		return false
	}
	g.tails[m] = a.Tail
	return a.Tail > g.pgcl && t.recount(g)
}

// recount reports whether the group's PGCL moves by what is known of its tails.
func (t *Tracker) recount(g *group) bool {
	pgcl := quorum.Complete(g.write, g.tails)
	if pgcl <= g.pgcl {
		return false
	}
	g.pgcl = pgcl
	return true
}

// advance moves VCL over every record that its group's PGCL covers, and VDL to the
// last CPL. It reports whether VDL moved.
//
// VCL is not the lowest PGCL: a group with no record above its PGCL holds nobody
// back. In Figure 3 of SIGMOD 2018 the PGCLs are 103 and 104 and VCL is 104.
func (t *Tracker) advance() bool {
	durable := 0
	for t.complete < t.above.n {
		s, lsn := t.above.at(t.complete), t.first+redo.LSN(t.complete)
		if lsn > t.groups[s.pg].pgcl {
			break
		}
		t.complete++
		t.vcl = lsn
		if s.cpl {
			durable = t.complete
		}
	}
	if durable == 0 {
		return false
	}
	for i := range durable {
		s := t.above.at(i)
		t.groups[s.pg].need = t.first + redo.LSN(i)
		t.bytes -= int64(s.size)
	}
	t.above.drop(durable)
	t.first += redo.LSN(durable)
	t.complete -= durable
	t.vdl = t.first - 1
	invariant.Check(t.vdl <= t.vcl && t.bytes >= 0, "vdl %d, vcl %d, %d bytes above", t.vdl, t.vcl, t.bytes)
	return true
}

// Need returns an LSN such that a segment of pg with SCL >= it has every record of
// pg at or below at. It is the last such record if at is above VDL, else the
// last one at or below VDL.
func (t *Tracker) Need(pg redo.PGID, at redo.LSN) redo.LSN {
	for l := min(at, t.next-1); l >= t.first && t.above.n > 0; l-- {
		if t.above.at(int(l-t.first)).pg == uint32(pg) {
			return l
		}
	}
	return t.groups[pg].need
}

// Lasts returns each group's last LSN at or below VDL: what a reader gives as need
// for its page reads at this VDL or below.
func (t *Tracker) Lasts() []logstore.PGLSN {
	out := make([]logstore.PGLSN, len(t.groups))
	for i := range t.groups {
		out[i] = logstore.PGLSN{PG: t.groups[i].PG, LSN: t.groups[i].need}
	}
	return out
}

// Readable appends to dst the nodes that are connected and known to have SCL >=
// need. If there are none, any connected member may be asked: what it
// lacks, it will then ask its peers for first.
func (t *Tracker) Readable(pg redo.PGID, need redo.LSN, dst []int) []int {
	g := &t.groups[pg]
	for m, n := range g.Members {
		if t.nodes[n].connected && t.nodes[n].listed && g.scls[m] >= need && g.created.Has(m) {
			dst = append(dst, n)
		}
	}
	return dst
}

// SetMinReadPoint says that no read below l will come. It never goes back.
func (t *Tracker) SetMinReadPoint(l redo.LSN) { t.minReadPoint = max(t.minReadPoint, l) }

// AddGroup adds the next group, which the control plane has recorded: its segments
// are created, and once a write quorum has them, PageLimit includes it. A group
// that is known already is ignored. Returns ErrUnknownGroup if groups between are missing.
func (t *Tracker) AddGroup(g Group) error {
	if int(g.PG) < len(t.groups) {
		return nil
	}
	if int(g.PG) > len(t.groups) {
		return fmt.Errorf("add group %d after %d groups: %w", g.PG, len(t.groups), ErrUnknownGroup)
	}
	t.addGroup(g, 0, 0)
	for _, n := range g.Members {
		t.nodes[n].lacks(g.PG)
	}
	return nil
}

// addGroup adds a group whose recovered last record is prev.
func (t *Tracker) addGroup(g Group, start, prev redo.LSN) *group {
	n := len(g.Members)
	t.groups = append(t.groups, group{
		Group: g, write: g.Write(), start: start, last: prev, pgcl: prev, need: prev, barrier: prev,
		tails: make([]redo.LSN, n), scls: make([]redo.LSN, n), hinted: make([]redo.LSN, n),
	})
	t.addSet(len(t.groups) - 1)
	return &t.groups[len(t.groups)-1]
}

// addSet keeps a group as one to count confirmations for, unless another with the
// same members and quorum is there.
func (t *Tracker) addSet(i int) {
	g := &t.groups[i]
	for _, s := range t.sets {
		other := &t.groups[s]
		if slices.Equal(other.Members, g.Members) && other.write.String() == g.write.String() {
			return
		}
	}
	t.sets = append(t.sets, i)
}

// PageLimit returns the highest page of the groups that may be written to.
func (t *Tracker) PageLimit() redo.PageID {
	return redo.PageID(uint64(t.ready) * t.geo.PagesPerGroup)
}

// hasSegment notes that a member has its segment.
func (t *Tracker) hasSegment(pg redo.PGID, node int) {
	if int(pg) >= len(t.groups) {
		return
	}
	g := &t.groups[pg]
	if m := g.member(node); m >= 0 {
		g.created |= quorum.Of(m)
	}
	for t.ready < len(t.groups) && t.groups[t.ready].write.Met(t.groups[t.ready].created) {
		t.ready++
	}
}
