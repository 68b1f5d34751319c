package sim

import (
	"bytes"
	"errors"
	"slices"
	"sort"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
	"sextant/logstore/volume"
)

// oracle remembers everything that was issued, stored and shown, and checks each
// event against it:
//
//	a     what was acknowledged or shown is in every later log, and is on four members
//	      of its group, synced, at that moment (I-3, I-4, I-7, I-8, I-9, I-10)
//	b     what a reader has shown is in the log of every later writer (I-7)
//	c     no LSN is given out twice (I-1)
//	d     a recovered VDL is a CPL, and so is every VDL that is shown (I-7)
//	e     a recovery knows the true last record of each group (I-6)
//	f     after healing: an epoch opens, what it writes becomes durable, every
//	      segment becomes complete and equal to the log
//	I-1   no node stores anything but what was issued under an LSN
//	I-4   what a node has said is true after a crash too
//	I-5   VCL covers nothing that is not on four members, and misses nothing that
//	      every PGCL covers
//	I-8   no frame of a batch is behind a frame of a higher epoch's fence; none
//	      is stored before its epoch's list
//	I-11  every LSN of an older epoch is at or below the end of the range annulled
//	I-12  an old writer's page read is not answered
//	I-13  one epoch for one process
//	I-14  a writer's confirmation is never later than a higher epoch's fence quorum; no statement is
//	      answered with a state that lacks what a client was told, by any writer, before it began
//	I-15  a page read is exactly the page at that LSN
//	I-16  no read at or above a promise is refused as garbage
//	I-17  nothing but the durable log is drained, and images are exact
//	I-18  a reader shows ends of durable mini-transactions, none above the VDL it was told;
//	      in order (I-20)
//	I-19  each page that a statement reads, and each in a cache, is the page at that LSN
//	I-21  a statement's snapshot is durable
//	I-24  gossip carries nothing that the common list annuls
//	I-25  when a member has been replaced, the durable log is on four members without it
//	I-27  a damaged file is found while its node works, and not served, copied or gossiped
//	I-29  log is collected only when no member lacks it
//	I-31  a group's first record is issued when four members have its segment
//	I-32  a reader is told of each change of the catalog with the LSN that has it
type oracle struct {
	w      *world
	issued map[redo.LSN]*issue
	chain  []redo.LSN // the durable log: everything that was ever shown
	ends   []redo.LSN // the CPLs in it
	pages  map[redo.PageID][]version
	groups map[redo.PGID][]redo.LSN // the durable log, by group

	newest  opening  // of the epoch that opened last
	told    redo.LSN // the highest LSN that a client has been answered with
	plans   []planned
	fences  []fenced
	batches map[*byte]*redo.Batch
	left    map[seat]redo.MembershipEpoch // since which a node is no member of a group, or is one again: a segment of before may go
}

// seat is a node's place in a group.
type seat struct {
	pg   redo.PGID
	node int
}

// issue is a record that a writer gave an LSN.
type issue struct {
	redo.Record
	epoch redo.VolumeEpoch
	on    uint16 // nodes that have synced it
	at    int    // 1 + its index in the chain; 0: not durable
}

// version is a page after a record.
type version struct {
	lsn redo.LSN
	sum uint64
}

type opening struct {
	epoch redo.VolumeEpoch
	vdl   redo.LSN
}

type planned struct {
	epoch redo.VolumeEpoch
	base  redo.LSN
}

type fenced struct {
	epoch redo.VolumeEpoch
	at    tick
}

func (o *oracle) init(w *world) {
	*o = oracle{
		w: w, issued: map[redo.LSN]*issue{}, pages: map[redo.PageID][]version{}, groups: map[redo.PGID][]redo.LSN{},
		batches: map[*byte]*redo.Batch{}, left: map[seat]redo.MembershipEpoch{},
	}
}

// end is the highest VDL that was shown.
func (o *oracle) end() redo.LSN {
	if len(o.chain) == 0 {
		return 0
	}
	return o.chain[len(o.chain)-1]
}

// decode decodes a batch, once for all who have it.
func (o *oracle) decode(b []byte) *redo.Batch {
	if d := o.batches[&b[0]]; d != nil {
		return d
	}
	d, err := redo.DecodeBatch(b)
	if err != nil {
		o.w.fail("I-1", "a batch does not decode: %v", err)
		d = &redo.Batch{}
	}
	o.batches[&b[0]] = d
	return d
}

// issue takes a record that was just numbered.
func (o *oracle) issue(h *holder, r *redo.Record) {
	if old := o.issued[r.LSN]; old != nil {
		o.w.fail("c", "LSN %d of epoch %d is given out again by epoch %d", r.LSN, old.epoch, h.epoch)
	}
	for _, p := range o.plans {
		if p.epoch > h.epoch && r.LSN > p.base {
			o.w.fail("I-11", "epoch %d issues %d, epoch %d has annulled to %d only", h.epoch, r.LSN, p.epoch, p.base)
		}
	}
	if len(o.groups[r.PG]) == 0 {
		o.begin(h, r)
	}
	c := *r
	c.Payload = slices.Clone(r.Payload)
	o.issued[r.LSN] = &issue{Record: c, epoch: h.epoch}
	o.w.counts.Records++
}

// begin checks that a group's segments exist before it is written to.
func (o *oracle) begin(h *holder, r *redo.Record) {
	n := 0
	for _, m := range h.groups[r.PG].Members[:6] { // one that joins may have come since they were made
		if slices.Contains(o.w.nodes[m].h.PGs(), r.PG) {
			n++
		}
	}
	if n < 4 {
		o.w.fail("I-31", "epoch %d writes %d to group %d, which has %d segments", h.epoch, r.LSN, r.PG, n)
	}
}

func (o *oracle) members(pg redo.PGID) []int {
	if int(pg) >= len(o.w.control.groups) {
		return nil
	}
	return o.w.control.groups[pg].Members[:6]
}

// copies returns how many members of its group have synced a record.
func (o *oracle) copies(x *issue) int {
	n := 0
	for _, m := range o.members(x.PG) {
		n += int(x.on >> m & 1)
	}
	return n
}

// stored takes a frame that is on a node's disk for good.
func (o *oracle) stored(n *node, f segment.Frame) {
	o.track(n, f)
	if f.Kind == segment.FrameCopied {
		s, _ := segment.Decode(f.Kind, f.Body)
		of := s.(logstore.SegmentState)
		for _, l := range o.groups[of.PG] {
			if l <= of.SCL {
				o.issued[l].on |= 1 << n.i
			}
		}
		o.w.counts.Copied++
		return
	}
	if f.Kind != segment.FrameBatch && f.Kind != segment.FrameFill {
		return
	}
	b := o.decode(f.Body)
	for i := range b.Records {
		if n.flying[b.PG] == gone {
			break // the segment was dropped by a frame before
		}
		r := &b.Records[i]
		x := o.issued[r.LSN]
		if x == nil || !same(&x.Record, r) {
			o.w.fail("I-1", "%s stores %+v, issued was %+v", n.id, *r, x)
			return
		}
		if f.Kind == segment.FrameFill && x.on>>n.i&1 == 0 {
			o.w.counts.Filled++
		}
		x.on |= 1 << n.i
	}
}

func same(a, b *redo.Record) bool {
	return a.LSN == b.LSN && a.PrevVolume == b.PrevVolume && a.PrevPG == b.PrevPG && a.PG == b.PG &&
		a.Page == b.Page && a.Op == b.Op && a.CPL == b.CPL && bytes.Equal(a.Payload, b.Payload)
}

// persisted takes the frames of one Ready, in their order, after they took effect.
func (o *oracle) persisted(n *node, frames []segment.Frame) {
	after := 0 // frames behind the last that may have changed the epoch
	for i, f := range frames {
		if f.Kind == segment.FrameFence || f.Kind == segment.FrameList {
			after = i + 1
		}
	}
	hl := n.h.Health()
	for _, f := range frames[after:] {
		if f.Kind != segment.FrameBatch {
			continue
		}
		if e := o.decode(f.Body).Epoch; e < hl.Epoch || e > hl.List.Epoch {
			o.w.fail("I-8", "%s at fence %d and list %d appends a batch of epoch %d", n.id, hl.Epoch, hl.List.Epoch, e)
		}
	}
}

// restarted compares what a node was, as far as it was synced, with what it is after
// a crash, which may have left more.
func (o *oracle) restarted(n *node, was logstore.Health) {
	is := n.h.Health()
	if is.Epoch < was.Epoch || is.List.Epoch < was.List.Epoch || is.MinReadPoint < was.MinReadPoint {
		o.w.fail("I-4", "%s was at fence %d and list %d, after a crash it is at %d and %d", n.id, was.Epoch, was.List.Epoch, is.Epoch, is.List.Epoch)
	}
	if is.List.Epoch != was.List.Epoch {
		return // SCL and tail mean something else
	}
	for _, s := range was.Segments {
		if !slices.Contains(n.h.PGs(), s.PG) && s.Membership < o.leaves(s.PG, n.i) {
			continue // it was about to drop it
		}
		if t := o.state(n.i, s.PG); !s.Damaged && !t.Damaged && (t.SCL < s.SCL || t.Tail < s.Tail || t.Hint.VDL < s.Hint.VDL || t.Start < s.Start) {
			o.w.fail("I-4", "%s was %+v, after a crash it is %+v", n.id, s, t)
		}
	}
}

// leaves returns the membership below which a node's segment of a group is one of before, which it drops; of one that
// never was a member, and was given a segment as an emptied store, the newest.
func (o *oracle) leaves(pg redo.PGID, node int) redo.MembershipEpoch {
	at, was := o.left[seat{pg, node}]
	if g := &o.w.control.groups[pg]; !was && !slices.Contains(g.Members, node) {
		return g.Membership
	}
	return at
}

// walk returns what the log that ends at v has above the durable log, from its
// beginning; false if it does not contain all of the durable log.
func (o *oracle) walk(v redo.LSN) ([]*issue, bool) {
	var out []*issue
	for v > o.end() {
		x := o.issued[v]
		if x == nil {
			return nil, false
		}
		out, v = append(out, x), x.PrevVolume
	}
	slices.Reverse(out)
	return out, v == o.end()
}

// show takes a VDL that a holder has come to.
func (o *oracle) show(h *holder, vdl redo.LSN) {
	if h.epoch < o.newest.epoch && vdl > o.newest.vdl {
		o.w.fail("a", "%s shows %d, epoch %d has opened at %d", h.id, vdl, o.newest.epoch, o.newest.vdl)
		return
	}
	if vdl == 0 {
		return
	}
	if x := o.issued[vdl]; x == nil || !x.CPL {
		o.w.fail("d", "%s shows %d, which is no CPL", h.id, vdl)
		return
	}
	if vdl <= o.end() {
		if o.issued[vdl].at == 0 {
			o.w.fail("a", "%s shows %d, which is not in the log that ends at %d", h.id, vdl, o.end())
		}
		return
	}
	path, ok := o.walk(vdl)
	if !ok {
		o.w.fail("a", "%s shows %d, whose log does not contain %d, which was shown", h.id, vdl, o.end())
		return
	}
	for _, x := range path {
		if !o.enough(h, x) {
			o.w.fail("a", "%s shows %d, record %d is on nodes %b", h.id, vdl, x.LSN, x.on)
		}
		o.extend(x)
	}
}

// extend makes a record the last of the durable log.
func (o *oracle) extend(x *issue) {
	o.chain = append(o.chain, x.LSN)
	x.at = len(o.chain)
	if x.CPL {
		o.ends = append(o.ends, x.LSN)
	}
	var sum uint64
	if vs := o.pages[x.Page]; len(vs) > 0 {
		sum = vs[len(vs)-1].sum
	}
	o.pages[x.Page] = append(o.pages[x.Page], version{x.LSN, fold(sum, &x.Record)})
	if len(o.groups[x.PG]) == 0 && int(x.PG) >= o.w.swarm.groups {
		o.w.counts.Grown++
	}
	o.groups[x.PG] = append(o.groups[x.PG], x.LSN)
	o.w.counts.Shown++
}

// start takes a writer that has just opened.
func (o *oracle) start(h *holder) {
	if p := h.r.Plan(); h.t.VCL() != p.VDL || h.t.VDL() != p.VDL || h.t.Next() != p.Base+1 {
		o.w.fail("I-11", "%s opens with VCL %d, VDL %d, next %d after %v", h.id, h.t.VCL(), h.t.VDL(), h.t.Next(), p)
	}
}

// counted looks at a writer's counting after each answer.
func (o *oracle) counted(h *holder) {
	vcl, base := h.t.VCL(), h.r.Plan().Base
	for l := max(h.checked, base) + 1; l <= vcl; l++ {
		x := o.issued[l]
		if x == nil || !o.enough(h, x) {
			o.w.fail("I-5", "%s has VCL %d, record %d is %+v", h.id, vcl, l, x)
			return
		}
	}
	h.checked = max(h.checked, vcl)
	if next := max(vcl, base) + 1; next < h.t.Next() {
		if x := o.issued[next]; x != nil && next <= h.t.PGCL(x.PG) {
			o.w.fail("I-5", "%s has VCL %d, PGCL of group %d is %d", h.id, vcl, x.PG, h.t.PGCL(x.PG))
		}
	}
	for _, f := range o.fences {
		if at := h.clock.at(f.at); f.epoch > h.epoch && h.confirmed() > at {
			o.w.fail("I-14", "%s is confirmed at %d of its clock, epoch %d fenced at %d", h.id, h.confirmed(), f.epoch, at)
		}
	}
}

// fence takes a recovery that has fenced a write quorum of every group.
func (o *oracle) fence(h *holder) {
	o.fences = append(o.fences, fenced{h.epoch, o.w.now})
	o.w.counts.Fences++
	switch others := len(o.w.holders) - 1; {
	case others == 1:
		o.w.counts.TwoWriters++
	case others > 1:
		o.w.counts.ThreeWriters++
	}
}

// plan takes what a recovery has decided.
func (o *oracle) plan(h *holder, p *volume.RecoveryPlan) {
	o.plans = append(o.plans, planned{h.epoch, p.Base})
	annulled := false
	for l, x := range o.issued { // in any order: nothing but sums leaves the loop
		if x.epoch < h.epoch && l > p.Base {
			o.w.fail("I-11", "epoch %d issued a record above %d, to which epoch %d annuls", x.epoch, p.Base, h.epoch)
		}
		annulled = annulled || l > p.VDL && l <= p.Base
	}
	if annulled {
		o.w.counts.Annulled++
	}
	if o.newest.epoch > h.epoch {
		return // overtaken: it will never open
	}
	if x := o.issued[p.VDL]; p.VDL > 0 && (x == nil || !x.CPL) {
		o.w.fail("d", "%s recovers VDL %d, which is no CPL", h.id, p.VDL)
		return
	}
	path, ok := o.walk(p.VDL)
	if !ok {
		o.w.fail("a", "%s recovers VDL %d without %d, which was shown", h.id, p.VDL, o.end())
		return
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		var last redo.LSN
		if d := o.groups[g.PG]; len(d) > 0 {
			last = d[len(d)-1]
		}
		for _, x := range path {
			if x.PG == g.PG {
				last = x.LSN
			}
		}
		if g.Prev != last {
			o.w.fail("e", "%s recovers %d as the last record of group %d, it is %d", h.id, g.Prev, g.PG, last)
		}
	}
}

// opened takes a recovery whose epoch the control plane records as open.
func (o *oracle) opened(h *holder) {
	p := h.r.Plan()
	o.w.say("epoch %d has opened at %d", h.epoch, p.VDL)
	if o.newest.epoch > 0 && o.end() == o.newest.vdl {
		o.w.counts.NoCommitBetween++
	}
	for i := range p.Groups {
		o.w.counts.Reshipped += len(p.Groups[i].Keep)
	}
	for _, other := range o.w.holders {
		d := max(h.now(), other.now()) - min(h.now(), other.now())
		if other.t != nil && d > span(h.lease) {
			o.w.counts.ClocksApart++
		}
		if other.t != nil && h.held && h.clock.rate > other.clock.rate {
			o.w.counts.ClocksDrift++
		}
	}
	o.show(h, p.VDL)
	if o.end() != p.VDL {
		o.w.fail("a", "epoch %d opens at %d without %d, which was shown", h.epoch, p.VDL, o.end())
	}
	o.newest = opening{h.epoch, p.VDL}
}

// cplBelow draws a CPL at or below l.
func (o *oracle) cplBelow(l redo.LSN) redo.LSN {
	n := sort.Search(len(o.ends), func(i int) bool { return o.ends[i] > l })
	if n == 0 {
		return 0
	}
	return o.ends[max(0, n-1-o.w.rng.IntN(20))]
}

// page compares a page with what it was at an LSN.
func (o *oracle) page(n *node, pg redo.PGID, p redo.PageID, at redo.LSN, b []byte, what string) {
	vs := o.pages[p]
	i := sort.Search(len(vs), func(i int) bool { return vs[i].lsn > at })
	var want version
	if i > 0 {
		want = vs[i-1]
	}
	if lsn, sum := content(b); lsn != want.lsn || sum != want.sum {
		o.w.fail("I-15", "%s: %s of page %d of group %d at %d has LSN %d, want %d", n.id, what, p, pg, at, lsn, want.lsn)
	}
	o.w.counts.Reads++
}

// pagesRead looks at an answer to a page read.
func (o *oracle) pagesRead(n *node, m logstore.ReadPage, a logstore.PageAnswer) {
	for i, p := range m.Pages {
		o.page(n, m.PG, p, m.At, a.Pages[i], "read")
	}
}

// refused looks at a read that was refused.
func (o *oracle) refused(n *node, from logstore.NodeID, m logstore.Message, kind logstore.Kind) {
	var at redo.LSN
	by := o.w.peers[from]
	if c, ok := by.(*call); ok {
		if c.by.ended() {
			return
		}
		by = c.by.(endpoint)
	}
	if r, ok := by.(*reader); ok { // perhaps promoted meanwhile
		by = r.cache.src.(endpoint)
	}
	reader, isReader := by.(*reader)
	switch m := m.(type) {
	case logstore.ReadPage:
		at = m.At
	case logstore.ReadLog:
		at = m.Range.After + 1
	}
	switch h, isHolder := by.(*holder); {
	case kind == logstore.Gone && isReader && at >= reader.promise:
		o.w.fail("I-16", "%s refuses %s a read at %d as garbage, it promised %d", n.id, from, at, reader.promise)
	case kind == logstore.Gone && isHolder && h.epoch == o.w.control.epoch && at >= h.own:
		o.w.fail("I-16", "%s refuses %s a read at %d as garbage, its own snapshot is %d", n.id, from, at, h.own)
	case kind == logstore.Fenced && isReader:
		o.w.fail("a", "%s annuls %d, which %s was shown", n.id, at, from)
	}
}

// filled looks at a fill by gossip when it arrives.
func (o *oracle) filled(n *node, m logstore.GossipFill) {
	if m.Gone && !o.w.swarm.forget { // true of what it asked for, perhaps long ago; it must not lack it now
		scl := o.state(n.i, m.PG).SCL
		for _, i := range o.members(m.PG) {
			if gone := o.lastAt(m.PG, o.w.nodes[i].store.shelf(m.PG).gone); scl < gone && !n.hurt[m.PG] && !o.w.nodes[i].hurt[m.PG] {
				o.w.fail("I-29", "%s has SCL %d of group %d, %s has collected to %d", n.id, scl, m.PG, o.w.nodes[i].id, gone)
			}
		}
	}
	list := n.h.Health().List
	for i := range m.Records {
		if m.ListEpoch == list.Epoch && list.Ranges.Contain(m.Records[i].LSN) {
			o.w.fail("I-24", "%s is given %d by gossip, which the list of epoch %d annuls", n.id, m.Records[i].LSN, list.Epoch)
		}
	}
}

// drained looks at what leaves a node's memory.
func (o *oracle) drained(n *node, p *segment.DrainPlan) {
	for _, x := range p.Pages {
		for i := range x.Records {
			if l := x.Records[i].LSN; o.issued[l].at == 0 || l > p.Through {
				o.w.fail("I-17", "%s drains %d of group %d, which is not durable", n.id, l, p.PG)
			}
		}
	}
}

// collected looks at what a node may delete.
func (o *oracle) collected(n *node, p segment.GarbagePlan) {
	for _, r := range o.w.readers {
		if p.ReadFloor > r.promise {
			o.w.fail("I-16", "%s collects to %d, %s reads at %d", n.id, p.ReadFloor, r.id, r.promise)
		}
	}
	for _, m := range o.members(p.PG) {
		if scl := o.state(m, p.PG).SCL; !o.w.swarm.forget && !o.w.nodes[m].dead && !o.w.nodes[m].hurt[p.PG] && p.LogFloor > 0 && scl < o.lastAt(p.PG, p.LogFloor) {
			o.w.fail("I-29", "%s collects log to %d, %s has SCL %d", n.id, p.LogFloor, o.w.nodes[m].id, scl)
		}
	}
}

// state returns what a node has of a group.
func (o *oracle) state(node int, pg redo.PGID) logstore.SegmentState {
	for _, s := range o.w.nodes[node].h.Health().Segments {
		if s.PG == pg {
			return s
		}
	}
	return logstore.SegmentState{}
}

// lastAt returns a group's last durable LSN at or below l.
func (o *oracle) lastAt(pg redo.PGID, l redo.LSN) redo.LSN {
	d := o.groups[pg]
	if n := sort.Search(len(d), func(i int) bool { return d[i] > l }); n > 0 {
		return d[n-1]
	}
	return 0
}

// healed says what is not yet well, "" if all is.
func (o *oracle) healed(h *holder) string {
	if r := o.w.control.replacing; r != nil {
		return o.w.nodes[r.old].name() + " is being replaced by " + o.w.nodes[r.new].name()
	}
	for i, n := range o.w.nodes {
		if !slices.Contains(o.w.control.seats, i) || n.dead && o.w.control.fleet.Segments()[n.fleetID()] == 0 {
			continue
		}
		hl := n.h.Health()
		if hl.List.Epoch != h.epoch {
			return n.name() + " lacks the list"
		}
		if n.disk.rotten() {
			return string(n.id) + " has a damaged log"
		}
		for pg, g := range o.w.control.groups {
			s, want := o.state(i, redo.PGID(pg)), o.lastAt(redo.PGID(pg), o.end())
			if !slices.Contains(g.Members, i) {
				if slices.Contains(n.h.PGs(), g.PG) {
					return n.name() + " keeps a segment of a group that it is no member of"
				}
				continue
			}
			if n.store.shelf(redo.PGID(pg)).bad {
				return n.name() + " has a damaged file"
			}
			if !slices.Contains(n.h.PGs(), redo.PGID(pg)) {
				return n.name() + " lacks a segment"
			}
			if s.SCL != want || s.Tail != want || s.Damaged {
				return n.name() + " is not complete"
			}
		}
	}
	for _, r := range o.w.readers {
		if r.visible() != o.end() {
			return string(r.id) + " has not shown everything"
		}
	}
	return ""
}

// look reads every page from every node at the newest VDL, as the writer that has
// come to it and as a reader would: whoever answers must be right.
func (o *oracle) look(h *holder) {
	head := h.header()
	for pg := range int(h.t.PageLimit()) / o.w.swarm.pages {
		m := logstore.ReadPage{Header: head, PG: redo.PGID(pg), At: h.t.VDL(), Need: h.t.Need(redo.PGID(pg), h.t.VDL())}
		for p := range o.w.swarm.pages {
			m.Pages = append(m.Pages, redo.PageID(pg*o.w.swarm.pages+p+1))
		}
		m.Reader = o.w.chance(.5)
		for _, n := range o.w.nodes {
			if run, _ := n.h.ReadPage(m, apply); run != nil {
				if a, err := run(&n.store); err == nil {
					o.pagesRead(n, m, a.(logstore.PageAnswer))
				} else if !errors.Is(err, errDamaged) {
					o.w.fail("I-15", "%s: %v", n.id, err)
				}
			}
		}
	}
}

// audit reads every page from every node, and every record that is not collected.
func (o *oracle) audit() {
	end := o.end()
	for _, n := range o.w.nodes {
		head := logstore.Header{Volume: theVolume, Timeline: 1, Epoch: n.h.Health().Epoch}
		for _, pg := range n.h.PGs() {
			if !slices.Contains(o.members(pg), n.i) {
				continue
			}
			m := logstore.ReadPage{Header: head, PG: pg, At: end, Need: o.lastAt(pg, end), Reader: true}
			for p := range o.w.swarm.pages {
				m.Pages = append(m.Pages, redo.PageID(int(pg)*o.w.swarm.pages+p+1))
			}
			run, no := n.h.ReadPage(m, apply)
			if no != nil {
				o.w.fail("f", "%s refuses a read at the end: %v", n.id, no)
				return
			}
			a, err := run(&n.store)
			if err != nil {
				o.w.fail("f", "%s fails a read at the end: %v", n.id, err)
				return
			}
			o.pagesRead(n, m, a.(logstore.PageAnswer))
			o.auditLog(n, head, pg)
		}
	}
	for _, x := range o.issued {
		if x.at > 0 && o.copies(x) < len(o.members(x.PG)) {
			o.w.fail("f", "a durable record is on %d members at the end", o.copies(x))
		}
	}
}

// auditLog compares a node's log, which it reads piece by piece, with the durable one.
func (o *oracle) auditLog(n *node, head logstore.Header, pg redo.PGID) {
	after, want := n.store.shelf(pg).gone, o.groups[pg]
	want = want[sort.Search(len(want), func(i int) bool { return want[i] > after }):]
	var got []redo.LSN
	for more := true; more; {
		run, no := n.h.ReadLog(logstore.ReadLog{
			Header: head, PG: pg, Range: redo.Range{After: after, Through: o.end()}, Need: o.lastAt(pg, o.end()), Reader: true,
		})
		if no != nil && n.hurt[pg] {
			return // a copy has no log of its own below where it was made
		}
		if no != nil {
			o.w.fail("f", "%s refuses to read its log at the end: %v", n.id, no)
			return
		}
		a, err := run(&n.store)
		if err != nil {
			o.w.fail("f", "%s fails to read its log at the end: %v", n.id, err)
			return
		}
		answer := a.(logstore.LogAnswer)
		for _, r := range answer.Records {
			after = r.LSN
			got = append(got, r.LSN)
			if x := o.issued[r.LSN]; x == nil || !same(&x.Record, &r) {
				o.w.fail("f", "%s has %+v at the end", n.id, r)
			}
		}
		more = answer.More && len(answer.Records) > 0
	}
	if !slices.Equal(got, want) {
		o.w.fail("f", "%s has %v of group %d at the end, the log is %v", n.id, got, pg, want)
	}
}
