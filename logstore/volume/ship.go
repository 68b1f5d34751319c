package volume

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/quorum"
)

// node is what the Tracker knows of a storage node.
type node struct {
	connected bool
	listed    bool // it works at this epoch: it has this epoch's list

	listSent bool        // a PutList is unanswered
	missing  []redo.PGID // segments to be created there
	creating []redo.PGID // of those, the unanswered

	seq      uint64 // of the last Append
	inFlight bool   // it is unanswered
	sentAt   Time   // when
	age      int    // ticks since the last thing sent, but for an Append while segments are being created
	due      bool   // a tick has passed: send even if there is nothing

	// next is the first frame that it has not been sent. If restart, frames before
	// next that it lacks are not there any more, so it needs start points first.
	next      uint64
	restart   bool
	restartAt int      // the first group that has not been sent its start point
	minSent   redo.LSN // minimum read point
	confirmed Time
}

func (n *node) lacks(pg redo.PGID) {
	if !slices.Contains(n.missing, pg) {
		n.missing = append(n.missing, pg)
	}
}

// frame is a closed batch.
type frame struct {
	pg      redo.PGID
	through redo.LSN
	hinted  redo.LSN // PGLast of its hint
	batch   logstore.Batch
}

// frames is the queue of closed batches that some node may still be sent.
type frames struct {
	queue  []frame
	base   uint64 // number of queue[0]
	tapped uint64 // number of the first that Seal has not returned
	stored uint64 // number of the first that is not known to be on a write quorum
	bytes  int64
}

func (f *frames) end() uint64 { return f.base + uint64(len(f.queue)) }

// Seal closes what has been appended into batches, encodes them, and returns those
// not returned before, in order: they are what readers are sent. Ship seals too.
// Batches are kept until Seal has returned them, so it must be called.
func (t *Tracker) Seal() []logstore.Batch {
	t.seal()
	f := &t.frames
	if f.tapped == f.end() {
		return nil
	}
	var out []logstore.Batch
	for i := f.tapped; i < f.end(); i++ {
		out = append(out, f.queue[i-f.base].batch)
	}
	f.tapped = f.end()
	return out
}

// seal makes one batch of each group's open records, or several if they exceed
// the limits of a batch. All nodes are sent the same bytes.
func (t *Tracker) seal() {
	for _, pg := range t.open {
		g := &t.groups[pg]
		for rest := g.open; len(rest) > 0; {
			n := batchLen(rest, t.lim.BatchBytes)
			b := t.header(g)
			b.Records = rest[:n]
			t.frames.push(frame{g.PG, rest[n-1].LSN, g.need, encode(&b)})
			rest = rest[n:]
		}
		clear(g.open)
		g.open, g.openBytes = g.open[:0], 0
	}
	t.open = t.open[:0]
}

// batchLen returns how many of the records go into one batch.
func batchLen(records []redo.Record, bytesMax int) int {
	bytes := 0
	for i := range records {
		bytes += len(records[i].Payload)
		if i > 0 && bytes > bytesMax || i == redo.BatchRecordsMax {
			return i
		}
	}
	return len(records)
}

// header returns a batch of g without records: start point, hint, minimum read point.
func (t *Tracker) header(g *group) redo.Batch {
	return redo.Batch{
		Volume: t.grant.Volume, Timeline: t.grant.Timeline, PG: g.PG,
		Epoch: t.grant.Epoch, Membership: g.Membership,
		Start: g.pgcl, Hint: redo.Hint{VDL: t.vdl, PGLast: g.need},
		MinReadPoint: t.minReadPoint, Opened: true,
	}
}

func (f *frames) push(x frame) {
	f.queue = append(f.queue, x)
	f.bytes += int64(len(x.batch.Bytes))
}

// drop forgets frames from the head on that are on a write quorum, unless a
// connected node has not been sent them and there is room to wait for it.
func (t *Tracker) drop() {
	f := &t.frames
	oldest := f.tapped
	for i := range t.nodes {
		if n := &t.nodes[i]; n.connected && n.listed {
			oldest = min(oldest, n.next)
		}
	}
	i := 0
	for ; i < len(f.queue); i++ {
		x := &f.queue[i]
		number := f.base + uint64(i)
		if x.through > t.groups[x.pg].pgcl || number >= f.tapped {
			break
		}
		if number >= oldest && f.bytes <= t.lim.LaggardBytes {
			break
		}
		f.bytes -= int64(len(x.batch.Bytes))
		*x = frame{}
	}
	f.queue = f.queue[i:]
	f.base += uint64(i)
}

// Ship returns what a node is to be sent now; false if nothing, or if its last
// Append is unanswered. now is counted for Confirmed.
func (t *Tracker) Ship(i int, now Time) (Shipment, bool) {
	n := &t.nodes[i]
	if !n.connected || t.fenced != 0 {
		return Shipment{}, false
	}
	if !n.listed {
		if n.listSent {
			return Shipment{}, false
		}
		n.listSent, n.age = true, 0
		return Shipment{Control: []logstore.Message{t.putList(i)}}, true
	}
	var s Shipment
	for _, pg := range n.missing {
		if !slices.Contains(n.creating, pg) {
			g := &t.groups[pg]
			s.Control = append(s.Control, logstore.CreateSegment{Header: t.head(), GroupStart: t.geo.start(&g.Group, g.start, g.start)})
			n.creating, n.age = append(n.creating, pg), 0
		}
	}
	if !n.inFlight {
		s.Append = t.fill(i, now)
	}
	return s, s.Append != nil || s.Control != nil
}

// Ahead reports that a node has answered for a batch that is not on a write quorum
// yet. What it is sent before the others have caught up makes nothing durable sooner,
// since its answer to the next batch will be among the first again; sent later, the
// next batch holds more, and one sync is saved.
func (t *Tracker) Ahead(i int) bool {
	n, f := &t.nodes[i], &t.frames
	f.stored = max(f.stored, f.base)
	for f.stored < f.end() {
		if x := &f.queue[f.stored-f.base]; x.through > t.groups[x.pg].pgcl {
			break
		}
		f.stored++
	}
	return n.connected && n.listed && !n.inFlight && !n.restart && n.next > f.stored
}

// fill makes a node's next Append, nil if there is nothing to say.
func (t *Tracker) fill(i int, now Time) *logstore.Append {
	t.seal()
	n := &t.nodes[i]
	a := &logstore.Append{Header: t.head()}
	if n.next < t.frames.base {
		t.rewind(i)
	}
	if n.restart || n.due || n.minSent < t.minReadPoint {
		t.hints(i, a)
	}
	for bytes := 0; n.next < t.frames.end() && len(a.Batches) < logstore.AppendBatchMax; n.next++ {
		x := &t.frames.queue[n.next-t.frames.base]
		g := &t.groups[x.pg]
		if m := g.member(i); m >= 0 && x.through > g.tails[m] {
			if bytes += len(x.batch.Bytes); bytes > logstore.AppendBytesMax && len(a.Batches) > 0 {
				break
			}
			a.Batches = append(a.Batches, x.batch)
			g.hinted[m] = max(g.hinted[m], x.hinted)
		}
	}
	if len(a.Batches) == 0 && !n.due {
		return nil
	}
	n.seq++
	n.inFlight, n.due, n.sentAt = true, false, now
	if len(n.creating) == 0 { // else the age is theirs: those may be unanswered while batches are answered
		n.age = 0
	}
	a.Seq = n.seq
	return a
}

// hints adds empty batches: to a node that missed something one for each of its
// groups, since it counts again at once only with a new start point; to the others
// for each group that has become durable further than the node was told, and the
// minimum read point.
func (t *Tracker) hints(i int, a *logstore.Append) {
	n := &t.nodes[i]
	for pg := n.restartAt; pg < len(t.groups); pg++ {
		g := &t.groups[pg]
		m := g.member(i)
		if m < 0 || !n.restart && g.hinted[m] >= g.need && n.minSent >= t.minReadPoint {
			continue
		}
		if len(a.Batches) == logstore.AppendBatchMax {
			n.restartAt = pg
			return
		}
		b := t.header(g)
		a.Batches = append(a.Batches, encode(&b))
		g.hinted[m], n.minSent = g.need, t.minReadPoint
	}
	n.restart, n.restartAt = false, 0
}

func (t *Tracker) head() logstore.Header {
	return logstore.Header{Volume: t.grant.Volume, Timeline: t.grant.Timeline, Epoch: t.grant.Epoch}
}

func (t *Tracker) putList(i int) logstore.PutList {
	p := logstore.PutList{Header: t.head(), Holder: t.grant.Holder, LAL: t.grant.LAL, List: t.list}
	for pg := range t.groups {
		if g := &t.groups[pg]; g.member(i) >= 0 {
			// What the recovery kept above start is on a write quorum: no copy's barrier is needed for it.
			p.Groups = append(p.Groups, t.geo.start(&g.Group, g.start, g.start))
		}
	}
	return p
}

// Step takes an answer of a node: Ack, ListAnswer, SegmentCreated or Refused, and
// reports whether VDL has moved. Answers of another epoch, timeline or store
// change nothing.
func (t *Tracker) Step(i int, m logstore.Message) (vdlMoved bool) {
	if h := m.Head(); h.Volume != t.grant.Volume || h.Timeline != t.grant.Timeline {
		return false
	}
	switch m := m.(type) {
	case logstore.Refused:
		t.refused(i, m)
		return false
	case logstore.Ack:
		return t.answered(i, m.Header, m.Store) && t.ack(i, m)
	case logstore.ListAnswer:
		if !t.answered(i, m.Header, m.Store) {
			return false
		}
		t.nodes[i].listSent = false
		if !t.nodes[i].listed {
			t.nodes[i].listed = true
			t.nodes[i].missing, t.nodes[i].creating = nil, nil
			t.resend(i)
		}
		return t.count(i, m.Segments)
	case logstore.SegmentCreated:
		if !t.answered(i, m.Header, m.Store) {
			return false
		}
		n := &t.nodes[i]
		same := func(pg redo.PGID) bool { return pg == m.Ack.PG && m.Ack.Membership >= t.Membership(pg) }
		n.missing, n.creating = slices.DeleteFunc(n.missing, same), slices.DeleteFunc(n.creating, same)
		return t.count(i, []logstore.SegmentAck{m.Ack})
	default:
		return false
	}
}

// answered reports whether an answer counts: it is of this epoch and of the
// registered store.
func (t *Tracker) answered(i int, h logstore.Header, s logstore.StoreID) bool {
	return h.Epoch == t.grant.Epoch && t.geo.registered(i, s)
}

func (t *Tracker) ack(i int, a logstore.Ack) bool {
	n := &t.nodes[i]
	if n.inFlight && a.Seq == n.seq {
		n.inFlight = false
		if n.sentAt > n.confirmed {
			n.confirmed = n.sentAt
			t.confirm()
		}
	}
	return t.count(i, a.Segments)
}

// count takes what segments of a node say of themselves; all of them exist.
func (t *Tracker) count(i int, segments []logstore.SegmentAck) bool {
	moved := false
	for _, s := range segments {
		t.hasSegment(s.PG, i)
		moved = t.acked(i, s) || moved
	}
	moved = moved && t.advance()
	t.drop()
	return moved
}

// confirm recomputes up to when the epoch is known to have been unfenced.
func (t *Tracker) confirm() {
	for _, s := range t.sets {
		t.confirmed = max(t.confirmed, t.confirmedBy(&t.groups[s]))
	}
}

// confirmedBy returns the latest time c such that a write quorum of the group has answered
// requests sent at or after c.
func (t *Tracker) confirmedBy(g *group) Time {
	var at [quorum.MembersMax]Time
	for m, n := range g.Members {
		at[m] = t.nodes[n].confirmed
	}
	return quorum.Complete(g.write, at[:len(g.Members)])
}

func (t *Tracker) refused(i int, r logstore.Refused) {
	n := &t.nodes[i]
	switch {
	case r.Of != t.grant.Epoch:
	case r.Kind == logstore.Fenced:
		t.fenced = max(t.fenced, r.Epoch)
	case r.Kind == logstore.Behind && r.Segment:
		if int(r.PG) < len(t.groups) && t.groups[r.PG].member(i) >= 0 {
			n.lacks(r.PG)
			n.creating = slices.DeleteFunc(n.creating, func(pg redo.PGID) bool { return pg == r.PG })
			t.rewind(i)
		}
	case r.Kind == logstore.Retry && r.Segment:
		if int(r.PG) < len(t.groups) && t.groups[r.PG].member(i) >= 0 {
			n.lacks(r.PG) // it may not be created yet, or not until this knows of later members
		}
	case r.Kind == logstore.Behind && n.listed:
		n.listed, n.listSent = false, false
		t.resend(i)
	case r.Kind == logstore.Corrupt && r.Segment && int(r.PG) < len(t.groups):
		if m := t.groups[r.PG].member(i); m >= 0 {
			t.groups[r.PG].scls[m] = 0 // its pages are not asked for; its tail was true when it was given
		}
	}
	// Retry, Invalid, and a list that is refused itself: what was refused is sent
	// again when its time is up.
}

// resend makes everything above PGCL due again, at once.
func (t *Tracker) resend(i int) {
	t.nodes[i].inFlight = false
	t.rewind(i)
}

// rewind makes everything above PGCL due again with the next Append.
func (t *Tracker) rewind(i int) {
	n := &t.nodes[i]
	n.next, n.restart, n.restartAt = t.frames.base, true, 0
}

// Connected says that there is a new connection to a node: what was sent on an
// earlier one may be lost, so everything above PGCL is sent again.
func (t *Tracker) Connected(i int) {
	n := &t.nodes[i]
	n.connected, n.listSent, n.creating = true, false, nil
	t.resend(i)
}

// Disconnected says that nothing can be sent to a node.
func (t *Tracker) Disconnected(i int) { t.nodes[i].connected = false }

// Tick lets time pass: what has been unanswered for RetryTicks is sent again, and
// an idle node is due a message that carries the newest hints and confirms the epoch.
func (t *Tracker) Tick() {
	for i := range t.nodes {
		n := &t.nodes[i]
		n.due = true
		n.age++
		if n.age >= t.lim.RetryTicks && (n.inFlight || n.listSent || len(n.creating) > 0) {
			n.listSent, n.creating, n.age = false, nil, 0
			t.resend(i)
		}
	}
	t.drop()
}
