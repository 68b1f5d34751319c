package volume

import (
	"bytes"
	"fmt"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/quorum"
)

// Recovery takes over a volume at a new volume epoch: fence, fetch, compute, put
// the list, ship. Afterwards the control plane records Opened(epoch), and Open
// makes the Tracker.
//
// Any number of messages may be lost, doubled or late; Tick sends again what has
// not been answered. A process that has lost its Recovery must not start another
// at the same epoch: two recoveries would write two lists with one stamp.
//
// Source: SIGMOD 2018 §2.4, SIGMOD 2017 §4.3.
type Recovery struct {
	grant Grant
	geo   Geometry
	lim   Limits

	phase  phase
	ticks  int
	peers  []peer
	groups []recovering // by PG
	plan   *RecoveryPlan
	out    []Outgoing
	err    error

	progress uint64
	stalling patience
}

type phase int

// The phases, in order.
const (
	fencing  phase = iota // until a write quorum of every group has answered
	fetching              // until a read quorum of every group has sent what it holds
	listing               // until a write quorum of every group has the list
	shipping              // until every group has a write quorum of tails >= Prev
	shipped
)

// String returns the phase's name.
func (p phase) String() string {
	return [...]string{"fencing", "fetching", "listing", "shipping", "shipped"}[p]
}

// peer is what a Recovery knows of a node.
type peer struct {
	answer  *logstore.FenceAnswer
	damaged map[redo.PGID]bool // its segments that count in no quorum
	fetch   []logstore.PGLSN   // still to be fetched
	fetched bool
	listed  bool
	lists   bool // it had the list at some time

	seq      uint64 // of the last Append
	inFlight bool
	age      int // ticks since that was sent
	retries  int // how often it was sent again without an answer
	next     int // the first of the group's frames that it has not been sent
}

// recovering is what a Recovery knows of a group.
type recovering struct {
	write, read quorum.Expr
	hint        redo.Hint // the highest among the answers
	union       map[redo.LSN]redo.Record
	tails, scls []redo.LSN // by member, of nodes that have the list
}

// RecoveryPlan is what a recovery has decided. It is complete before anything but
// the fence has been changed.
type RecoveryPlan struct {
	Epoch  redo.VolumeEpoch
	VDL    redo.LSN      // the volume's durable end; 0: empty
	Base   redo.LSN      // upper end of this recovery's annulled range; the next LSN is Base+1
	List   logstore.List // the adopted list and (VDL, Base]
	Groups []GroupPlan

	frames []frame // what is shipped, in order of groups
}

// GroupPlan is a RecoveryPlan's part for one group.
type GroupPlan struct {
	PG   redo.PGID
	Hint redo.Hint     // the highest among the answers; its PGLast is the start point
	Prev redo.LSN      // the group's last LSN at or below VDL
	Keep []redo.Record // above Hint and at or below VDL, in LSN order: shipped
}

// Outgoing is a message for one node of the geometry.
type Outgoing struct {
	Node int
	Msg  logstore.Message
}

// NewRecovery returns a recovery whose Ready asks every node.
func NewRecovery(g Grant, geo Geometry, lim Limits) *Recovery {
	r := &Recovery{grant: g, geo: geo, lim: lim.withDefaults()}
	r.peers = make([]peer, len(geo.Nodes))
	r.groups = make([]recovering, len(geo.Groups))
	for i := range r.groups {
		g := &geo.Groups[i]
		r.groups[i] = recovering{
			write: g.Write(), read: g.Read(), union: map[redo.LSN]redo.Record{},
			tails: make([]redo.LSN, len(g.Members)), scls: make([]redo.LSN, len(g.Members)),
		}
	}
	r.ask()
	return r
}

// Ready returns, and forgets, what is to be sent.
func (r *Recovery) Ready() []Outgoing {
	out := r.out
	r.out = nil
	return out
}

// Plan returns what was decided, nil before that.
func (r *Recovery) Plan() *RecoveryPlan { return r.plan }

// FenceQuorum reports whether the new epoch is durable on a write quorum of every
// group: from then on no older writer can get a commit acknowledged, and the wait
// for older read leases counts from here.
func (r *Recovery) FenceQuorum() bool { return r.phase > fencing }

// Shipped reports whether the volume can be opened.
func (r *Recovery) Shipped() bool { return r.phase == shipped }

// Phase names what the recovery waits for.
func (r *Recovery) Phase() string { return r.phase.String() }

// Progress grows with every answer that brought the recovery further: the first of a node,
// one by which a damaged segment counts again, more of what is fetched, the first with the
// list, a higher tail. Repeated ones do not count: a recovery that hears nothing else is stuck.
func (r *Recovery) Progress() uint64 { return r.progress }

// Err returns an error wrapping logstore.ErrFenced once a node has refused this
// epoch, or redo.ErrCorrupt if two nodes hold different records under one LSN;
// nil otherwise. A recovery with an error gets no further.
func (r *Recovery) Err() error { return r.err }

// retriesMax bounds the patience with an Append: RetryTicks << retriesMax ticks.
const retriesMax = 3

// Tick lets time pass: after RetryTicks everything unanswered is sent again. An
// Append is given longer each time, from its own sending on: a large ragged edge
// takes a slow disk longer than a retry, and must not begin anew before it has arrived.
func (r *Recovery) Tick() {
	for i := range r.peers {
		p := &r.peers[i]
		if p.age++; p.inFlight && p.age >= r.lim.RetryTicks<<p.retries {
			p.inFlight, p.next = false, 0
			p.retries = min(p.retries+1, retriesMax)
		}
	}
	r.ticks++
	if r.ticks < r.lim.RetryTicks {
		return
	}
	r.ticks = 0
	for i := range r.peers {
		if p := &r.peers[i]; !p.inFlight {
			p.next = 0 // what was answered and is not there yet: a segment refused it
		}
	}
	r.ask()
}

// ask sends every node what it has not answered.
func (r *Recovery) ask() {
	if r.err != nil {
		return
	}
	for i := range r.peers {
		p := &r.peers[i]
		switch {
		case r.phase <= fetching && (p.answer == nil || p.ill()):
			r.send(i, logstore.Fence{Header: r.head(), Holder: r.grant.Holder, LAL: r.grant.LAL})
		case r.phase == fetching && !p.fetched:
			r.send(i, logstore.Fetch{Header: r.head(), Ranges: slices.Clone(p.fetch)})
		case r.phase >= listing && !p.listed:
			r.send(i, r.putList(i))
		case r.phase >= shipping:
			if r.ship(i); r.phase == shipping && !p.inFlight && r.short(i) {
				r.send(i, r.putList(i)) // a segment that is whole by now says so in the answer
			}
		}
	}
}

// short reports whether a segment of the node has not said that it reaches what is shipped.
func (r *Recovery) short(node int) bool {
	for i := range r.groups {
		if m := r.geo.Groups[i].member(node); m >= 0 && r.groups[i].tails[m] < r.plan.Groups[i].Prev {
			return true
		}
	}
	return false
}

func (r *Recovery) send(node int, m logstore.Message) {
	r.out = append(r.out, Outgoing{node, m})
}

func (r *Recovery) head() logstore.Header {
	return logstore.Header{Volume: r.grant.Volume, Timeline: r.grant.Timeline, Epoch: r.grant.Epoch}
}

// Step takes an answer of a node: FenceAnswer, FetchAnswer, ListAnswer, Ack or
// Refused. Answers that did not come with this epoch, timeline and the registered
// store change nothing.
func (r *Recovery) Step(node int, m logstore.Message) {
	h := m.Head()
	if r.err != nil || h.Volume != r.grant.Volume || h.Timeline != r.grant.Timeline {
		return
	}
	if f, ok := m.(logstore.Refused); ok {
		r.refused(node, f)
		return
	}
	if h.Epoch != r.grant.Epoch {
		return
	}
	switch m := m.(type) {
	case logstore.FenceAnswer:
		if r.geo.registered(node, m.Store) {
			r.fenced(node, m)
		}
	case logstore.FetchAnswer:
		if r.geo.registered(node, m.Store) {
			r.got(node, m)
		}
	case logstore.ListAnswer:
		if r.geo.registered(node, m.Store) && r.phase >= listing {
			p := &r.peers[node]
			if p.listed = true; !p.lists {
				p.lists = true
				r.progress++
			}
			r.count(node, m.Segments)
		}
	case logstore.Ack:
		if p := &r.peers[node]; r.geo.registered(node, m.Store) && p.listed {
			if m.Seq == p.seq {
				p.inFlight, p.retries = false, 0
			}
			r.count(node, m.Segments)
		}
	}
}

func (r *Recovery) refused(node int, f logstore.Refused) {
	switch {
	case f.Of != r.grant.Epoch:
	case f.Kind == logstore.Fenced:
		r.err = fmt.Errorf("recover at volume epoch %d, node %s is at %d: %w",
			r.grant.Epoch, r.geo.Nodes[node].ID, f.Epoch, logstore.ErrFenced)
	case f.Kind == logstore.Corrupt && f.Segment && r.phase == fetching:
		if p := &r.peers[node]; p.answer != nil { // damaged since it was fenced
			p.damaged[f.PG] = true
		}
	case f.Kind == logstore.Behind && r.phase >= listing:
		p := &r.peers[node]
		p.listed, p.inFlight, p.next = false, false, 0 // it lost the list or a segment; PutList gives it both
	}
}

// ill reports whether some segment that the node told of is damaged: it may be whole by now.
func (p *peer) ill() bool {
	for _, d := range p.damaged {
		if d {
			return true
		}
	}
	return false
}

// fenced takes what a node holds, as of its fence. Nodes that answer while others
// are being fetched from are asked too. A node with damaged segments is asked again
// until they are filled: what it says then counts in place of what it said.
func (r *Recovery) fenced(node int, a logstore.FenceAnswer) {
	p := &r.peers[node]
	better := p.answer == nil || slices.ContainsFunc(a.Segments, func(s logstore.SegmentState) bool { return p.damaged[s.PG] && !s.Damaged })
	if !better || r.phase > fetching {
		return
	}
	r.progress++
	p.answer, p.fetch, p.fetched = &a, nil, false
	p.damaged = map[redo.PGID]bool{}
	for _, s := range a.Segments {
		p.damaged[s.PG] = s.Damaged
		if int(s.PG) < len(r.groups) && !s.Damaged && s.Hint.VDL > r.groups[s.PG].hint.VDL {
			r.groups[s.PG].hint = s.Hint
		}
	}
	if r.phase == fetching {
		r.fetch(node)
		return
	}
	if r.quorum(write, func(p *peer, _ redo.PGID) bool { return p.answer != nil }) &&
		r.quorum(read, func(p *peer, pg redo.PGID) bool { return p.answer != nil && !p.damaged[pg] }) {
		r.phase = fetching
		for i := range r.peers {
			if r.peers[i].answer != nil && r.phase == fetching {
				r.fetch(i)
			}
		}
	}
}

func write(g *recovering) quorum.Expr { return g.write }
func read(g *recovering) quorum.Expr  { return g.read }

// quorum reports whether in every group the members that count meet its quorum.
func (r *Recovery) quorum(of func(*recovering) quorum.Expr, counts func(*peer, redo.PGID) bool) bool {
	for i := range r.groups {
		g := &r.geo.Groups[i]
		var s quorum.Set
		for m, n := range g.Members {
			if counts(&r.peers[n], g.PG) {
				s |= quorum.Of(m)
			}
		}
		if !of(&r.groups[i]).Met(s) {
			return false
		}
	}
	return true
}

// fetch asks a node for what it holds above the hint of each group.
func (r *Recovery) fetch(node int) {
	p := &r.peers[node]
	for _, s := range p.answer.Segments {
		if int(s.PG) < len(r.groups) && !s.Damaged {
			if hint := r.groups[s.PG].hint; s.Last > hint.VDL {
				p.fetch = append(p.fetch, logstore.PGLSN{PG: s.PG, LSN: hint.VDL})
			}
		}
	}
	if p.fetched = len(p.fetch) == 0; !p.fetched {
		r.send(node, logstore.Fetch{Header: r.head(), Ranges: slices.Clone(p.fetch)})
		return
	}
	r.compute()
}

// got takes records, and asks for the rest if there are more.
func (r *Recovery) got(node int, a logstore.FetchAnswer) {
	p := &r.peers[node]
	if r.phase != fetching || p.answer == nil || p.fetched {
		return
	}
	further := false
	for _, f := range a.Groups {
		i := fetchIndex(p.fetch, f.PG)
		if i < 0 || len(f.Records) > 0 && f.Records[0].LSN <= p.fetch[i].LSN {
			continue // an answer to an earlier request, or a repeated one
		}
		for _, rec := range f.Records {
			if r.err = r.add(f.PG, rec); r.err != nil {
				return
			}
			p.fetch[i].LSN = rec.LSN
		}
		further = further || len(f.Records) > 0 || !f.More
		if !f.More {
			p.fetch = append(p.fetch[:i:i], p.fetch[i+1:]...)
		}
	}
	if further {
		r.progress++
	}
	if p.fetched = len(p.fetch) == 0; p.fetched {
		r.compute()
		return
	}
	if further { // a repeated answer would otherwise keep a second sequence of requests going
		r.send(node, logstore.Fetch{Header: r.head(), Ranges: slices.Clone(p.fetch)})
	}
}

func fetchIndex(fetch []logstore.PGLSN, pg redo.PGID) int {
	for i := range fetch {
		if fetch[i].PG == pg {
			return i
		}
	}
	return -1
}

// add puts a record into its group's union. An LSN has one content for ever.
func (r *Recovery) add(pg redo.PGID, rec redo.Record) error {
	rec.PG = pg
	if old, ok := r.groups[pg].union[rec.LSN]; ok && !same(&old, &rec) {
		return fmt.Errorf("recover group %d: two records with LSN %d: %w", pg, rec.LSN, redo.ErrCorrupt)
	}
	r.groups[pg].union[rec.LSN] = rec
	return nil
}

func same(a, b *redo.Record) bool {
	return a.LSN == b.LSN && a.PrevVolume == b.PrevVolume && a.PrevPG == b.PrevPG && a.PG == b.PG &&
		a.Page == b.Page && a.Op == b.Op && a.CPL == b.CPL && a.Flags == b.Flags && a.Wall == b.Wall &&
		bytes.Equal(a.Payload, b.Payload)
}

// count takes how far segments are under this epoch's list.
func (r *Recovery) count(node int, segments []logstore.SegmentAck) {
	for _, a := range segments {
		if int(a.PG) >= len(r.groups) {
			continue
		}
		g := &r.geo.Groups[a.PG]
		m := g.member(node)
		if !g.counts(m, a.Membership) {
			continue
		}
		s := &r.groups[a.PG]
		if a.Tail > s.tails[m] {
			r.progress++
		}
		s.tails[m], s.scls[m] = max(s.tails[m], a.Tail), max(s.scls[m], a.SCL)
	}
	if r.phase == listing && r.quorum(write, func(p *peer, _ redo.PGID) bool { return p.listed }) {
		r.phase = shipping
		for i := range r.peers {
			r.ship(i)
		}
	} else if r.phase >= shipping {
		r.ship(node)
	}
	r.settle()
}

// settle ends shipping once every group has a write quorum of tails >= Prev on
// nodes that have the list.
func (r *Recovery) settle() {
	if r.phase != shipping {
		return
	}
	for i := range r.groups {
		g, s := &r.geo.Groups[i], &r.groups[i]
		var reached quorum.Set
		for m, n := range g.Members {
			if r.peers[n].listed && s.tails[m] >= r.plan.Groups[i].Prev {
				reached |= quorum.Of(m)
			}
		}
		if !s.write.Met(reached) {
			return
		}
	}
	r.phase = shipped
}

// ship sends a node the next of the frames that it lacks, if it has answered the last.
func (r *Recovery) ship(node int) {
	p := &r.peers[node]
	if !p.listed || p.inFlight {
		return
	}
	a := logstore.Append{Header: r.head()}
	for size := 0; p.next < len(r.plan.frames) && len(a.Batches) < logstore.AppendBatchMax; p.next++ {
		f := &r.plan.frames[p.next]
		g := &r.geo.Groups[f.pg]
		if m := g.member(node); m >= 0 && r.groups[f.pg].tails[m] < f.through {
			if size += len(f.batch.Bytes); size > logstore.AppendBytesMax && len(a.Batches) > 0 {
				break
			}
			a.Batches = append(a.Batches, f.batch)
		}
	}
	if len(a.Batches) == 0 {
		return
	}
	p.seq++
	p.inFlight, p.age = true, 0
	a.Seq = p.seq
	r.send(node, a)
}

func (r *Recovery) putList(node int) logstore.PutList {
	p := logstore.PutList{Header: r.head(), Holder: r.grant.Holder, LAL: r.grant.LAL, List: r.plan.List}
	for i := range r.geo.Groups {
		if g := &r.geo.Groups[i]; g.member(node) >= 0 {
			p.Groups = append(p.Groups, r.geo.start(g, r.plan.Groups[i].Hint.PGLast, r.plan.Groups[i].Prev))
		}
	}
	return p
}

// Open returns the Tracker of the recovered volume. The control plane must have
// recorded that the epoch has opened. Returns ErrState before Shipped.
//
// VCL and VDL start at the recovered VDL, a real CPL; Base enters only the counter
// of LSNs and the test against LAL.
func (r *Recovery) Open() (*Tracker, error) {
	if r.phase != shipped {
		return nil, fmt.Errorf("open at volume epoch %d while %v: %w", r.grant.Epoch, r.phase, ErrState)
	}
	p := r.plan
	t := &Tracker{
		grant: r.grant, geo: r.geo, lim: r.lim, list: p.List,
		base: p.Base, next: p.Base + 1, first: p.Base + 1, prev: p.VDL, vcl: p.VDL, vdl: p.VDL,
		nodes: make([]node, len(r.geo.Nodes)),
	}
	for i := range r.geo.Groups {
		g := t.addGroup(r.geo.Groups[i], p.Groups[i].Hint.PGLast, p.Groups[i].Prev)
		copy(g.tails, r.groups[i].tails)
		copy(g.scls, r.groups[i].scls)
	}
	for i := range r.peers {
		t.nodes[i].listed = r.peers[i].listed
		t.nodes[i].seq = r.peers[i].seq
		for pg := range r.geo.Groups {
			if t.nodes[i].listed {
				t.hasSegment(redo.PGID(pg), i)
			}
		}
	}
	return t, nil
}
