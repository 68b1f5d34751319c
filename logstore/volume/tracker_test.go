package volume_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// openTracker recovers an empty volume whose nodes answer at once.
func openTracker(t testing.TB, groups int, lal uint64, lim volume.Limits) (*world, *volume.Tracker) {
	t.Helper()
	w := newWorld(groups)
	wr := &writer{name: "w", pending: map[int][]logstore.Message{}}
	wr.grant = volume.Grant{Volume: 1, Timeline: 1, Epoch: 1, Holder: 1, LAL: lal}
	wr.r = volume.NewRecovery(wr.grant, w.geometry(), lim)
	w.exchange(wr, []int{0, 1, 2, 3, 4, 5}, func() bool { return false })
	tr, err := wr.r.Open()
	if err != nil {
		t.Fatal(err)
	}
	return w, tr
}

func mtr(size int, groups ...int) redo.MTR {
	var m redo.MTR
	for _, g := range groups {
		m.Records = append(m.Records, redo.Record{Page: page(redo.PGID(g)), Op: redo.OpInsert, Payload: make([]byte, size)})
	}
	return m
}

// ack says that node n is complete to tail in a group.
func ack(n int, pg redo.PGID, tail redo.LSN) logstore.Ack {
	return logstore.Ack{
		Header: logstore.Header{Volume: 1, Timeline: 1, Epoch: 1}, Store: logstore.StoreID(n + 1),
		Segments: []logstore.SegmentAck{{PG: pg, Membership: 1, Tail: tail, SCL: tail}},
	}
}

// Random turns over some groups, some of them idle, and acknowledgements in any
// order: after each, VCL, VDL, need and room are those computed from scratch.
func TestTrackerAgainstOracle(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		groups := 1 + r.IntN(4)
		_, tr := openTracker(t, groups, 50, volume.Limits{})
		base := tr.Next() - 1
		var log []redo.Record
		tails := make([][6]redo.LSN, groups)
		for range 120 {
			if r.IntN(3) == 0 {
				var turn []redo.MTR
				for range 1 + r.IntN(3) {
					gs := make([]int, 1+r.IntN(4))
					for i := range gs {
						gs[i] = r.IntN(groups)
					}
					turn = append(turn, mtr(1, gs...))
				}
				appendTurn(t, tr, base, &log, turn)
			} else if pg := redo.PGID(r.IntN(groups)); len(log) > 0 {
				of := lastOf(log, pg, log[r.IntN(len(log))].LSN)
				n := r.IntN(6)
				tails[pg][n] = max(tails[pg][n], of)
				tr.Step(n, ack(n, pg, of))
			}
			checkTracker(t, seed, tr, log, tails, base)
		}
	}
}

func appendTurn(t *testing.T, tr *volume.Tracker, base redo.LSN, log *[]redo.Record, turn []redo.MTR) {
	t.Helper()
	next, n := tr.Next(), 0
	for _, m := range turn {
		n += len(m.Records)
	}
	fits := next+redo.LSN(n)-1 <= max(tr.VDL(), base)+50
	err := tr.Append(turn)
	if fits != (err == nil) || err != nil && !errors.Is(err, logstore.ErrNoRoom) {
		t.Fatalf("append of %d at %d: %v, fits %v", n, next, err, fits)
	}
	if err != nil {
		return
	}
	for _, m := range turn {
		for i, rec := range m.Records {
			if rec.LSN != next || rec.CPL != (i == len(m.Records)-1) || rec.PrevPG != lastOf(*log, rec.PG, rec.LSN-1) {
				t.Fatalf("record %+v, expected LSN %d", rec, next)
			}
			*log = append(*log, rec)
			next++
		}
	}
}

// lastOf returns the last record of a group at or below at.
func lastOf(log []redo.Record, pg redo.PGID, at redo.LSN) redo.LSN {
	var last redo.LSN
	for i := range log {
		if log[i].PG == pg && log[i].LSN <= at {
			last = log[i].LSN
		}
	}
	return last
}

func checkTracker(t *testing.T, seed uint64, tr *volume.Tracker, log []redo.Record, tails [][6]redo.LSN, base redo.LSN) {
	t.Helper()
	var vcl, vdl redo.LSN
	for i := range log {
		s := slices.Clone(tails[log[i].PG][:])
		slices.Sort(s)
		if log[i].LSN > s[2] {
			break
		}
		if vcl = log[i].LSN; log[i].CPL {
			vdl = vcl
		}
	}
	if tr.VCL() != vcl || tr.VDL() != vdl {
		t.Fatalf("seed %d: VCL %d VDL %d, want %d %d", seed, tr.VCL(), tr.VDL(), vcl, vdl)
	}
	for pg := range tails {
		for at := vdl; at < tr.Next(); at++ {
			if got, want := tr.Need(redo.PGID(pg), at), lastOf(log, redo.PGID(pg), at); got != want {
				t.Fatalf("seed %d: need of group %d at %d is %d, want %d", seed, pg, at, got, want)
			}
		}
	}
	if room := max(vdl, base) + 50 - (tr.Next() - 1); !tr.Room(int(room), 0) || tr.Room(int(room)+1, 0) {
		t.Fatalf("seed %d: room is not %d", seed, room)
	}
}

// The window in bytes: a turn waits unless it fits, but one that is larger than the
// whole window goes when nothing else is above VDL.
func TestWindowBytes(t *testing.T) {
	_, tr := openTracker(t, 1, 1000, volume.Limits{WindowBytes: 100})
	if err := tr.Append([]redo.MTR{mtr(500, 0)}); err != nil {
		t.Fatal("a large turn in an empty window:", err)
	}
	if err := tr.Append([]redo.MTR{mtr(1, 0)}); !errors.Is(err, logstore.ErrNoRoom) {
		t.Fatal("a turn beyond the window:", err)
	}
	for n := range 4 {
		tr.Step(n, ack(n, 0, tr.Next()-1))
	}
	if err := tr.Append([]redo.MTR{mtr(60, 0), mtr(40, 0)}); err != nil {
		t.Fatal("a turn that fills the window:", err)
	}
}

// All nodes are sent the same bytes, which were encoded once, whenever they
// are sent them.
func TestOneEncodingForAllNodes(t *testing.T) {
	_, tr := openTracker(t, 1, 1000, volume.Limits{})
	for n := range 6 {
		tr.Connected(n)
		if s, ok := tr.Ship(n, 1); ok {
			tr.Step(n, logstore.Ack{Header: s.Append.Head(), Store: logstore.StoreID(n + 1), Seq: s.Append.Seq})
		}
	}
	if err := tr.Append([]redo.MTR{mtr(10, 0)}); err != nil {
		t.Fatal(err)
	}
	tapped := tr.Seal()
	if len(tapped) != 1 {
		t.Fatalf("%d batches for readers, want 1", len(tapped))
	}
	for n := range 6 {
		s, ok := tr.Ship(n, 1)
		if !ok || len(s.Append.Batches) != 1 || &s.Append.Batches[0].Bytes[0] != &tapped[0].Bytes[0] {
			t.Fatalf("node %d is sent %+v", n, s)
		}
	}
	if tr.Seal() != nil {
		t.Error("readers are sent a batch twice")
	}
}

// What is on a write quorum is not kept for nodes that are away, and only up to
// LaggardBytes for one that is slow.
func TestMemoryIsBoundedWithNodesAway(t *testing.T) {
	_, tr := openTracker(t, 1, 1<<40, volume.Limits{LaggardBytes: 1 << 16})
	for n := range 5 { // F is away, E connected but silent
		tr.Connected(n)
	}
	tr.Ship(4, 1)
	held := 0
	for range 2000 {
		if err := tr.Append([]redo.MTR{mtr(100, 0)}); err != nil {
			t.Fatal(err)
		}
		held += len(tr.Seal())
		for n := range 4 {
			tr.Step(n, ack(n, 0, tr.Next()-1))
		}
	}
	tr.Connected(4)
	bytes := 0
	for s, ok := tr.Ship(4, 2); ok; s, ok = tr.Ship(4, 2) {
		for _, b := range s.Append.Batches {
			bytes += len(b.Bytes)
		}
		tr.Step(4, logstore.Ack{Header: s.Append.Head(), Store: 5, Seq: s.Append.Seq})
	}
	if held != 2000 || bytes > 1<<16+1000 || bytes < 1<<15 {
		t.Errorf("%d batches made, %d bytes still kept for the slow node", held, bytes)
	}
}

// A shipment is bounded in bytes; the rest comes with the next.
func TestShipmentBytes(t *testing.T) {
	_, tr := openTracker(t, 1, 1<<40, volume.Limits{})
	tr.Connected(0)
	for range 20 {
		if err := tr.Append([]redo.MTR{mtr(1<<20, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	records := 0
	for s, ok := tr.Ship(0, 1); ok; s, ok = tr.Ship(0, 1) {
		bytes := 0
		for _, b := range s.Append.Batches {
			d, err := redo.DecodeBatch(b.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			bytes += len(b.Bytes)
			records += len(d.Records)
		}
		if bytes > logstore.AppendBytesMax {
			t.Fatalf("%d bytes in one Append", bytes)
		}
		tr.Step(0, logstore.Ack{Header: s.Append.Head(), Store: 1, Seq: s.Append.Seq})
	}
	if records != 20 {
		t.Errorf("%d records sent, want 20", records)
	}
}

func TestCommitQueue(t *testing.T) {
	var q volume.CommitQueue[string]
	r := rand.New(rand.NewPCG(7, 7))
	for _, l := range r.Perm(50) {
		q.Park(redo.LSN(l+1), fmt.Sprint(l+1))
	}
	var got []string
	for _, vdl := range []redo.LSN{0, 3, 3, 20, 19, 49} {
		got = q.Release(vdl, got)
		if len(got) != int(max(vdl, redo.LSN(len(got)))) {
			t.Fatalf("VDL %d: %d released", vdl, len(got))
		}
	}
	got = q.Drain(got)
	for i, s := range got {
		if s != fmt.Sprint(i+1) {
			t.Fatalf("commit %s is answered as number %d", s, i+1)
		}
	}
	if q.Len() != 0 || len(got) != 50 {
		t.Errorf("%d left, %d released", q.Len(), len(got))
	}
}

// What nobody waits for any more is gone, and the others keep their order.
func TestCommitQueueForgets(t *testing.T) {
	var q volume.CommitQueue[int]
	for _, l := range rand.New(rand.NewPCG(7, 8)).Perm(50) {
		q.Park(redo.LSN(l), l)
	}
	q.Forget(func(l int) bool { return l%3 != 0 })
	if q.Len() != 17 {
		t.Fatalf("%d are left", q.Len())
	}
	q.Park(10, 10)
	for i, l := range q.Drain(nil) {
		if want := []int{0, 3, 6, 9, 10, 12}; i < len(want) && l != want[i] || l%3 != 0 && l != 10 {
			t.Fatalf("%d comes as number %d", l, i)
		}
	}
}

// One commit of eight records: append, seal, ship to six, four acknowledgements.
func BenchmarkCommit(b *testing.B) {
	_, tr := openTracker(b, 4, 1<<40, volume.Limits{})
	for n := range 6 {
		tr.Connected(n)
		if s, ok := tr.Ship(n, 1); ok {
			tr.Step(n, logstore.Ack{Header: s.Append.Head(), Store: logstore.StoreID(n + 1), Seq: s.Append.Seq})
		}
	}
	m := mtr(60, 0, 0, 0, 0, 1, 1, 2, 2)
	turn := []redo.MTR{m}
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.Append(turn); err != nil {
			b.Fatal(err)
		}
		tr.Seal()
		for n := range 6 {
			s, _ := tr.Ship(n, 1)
			tr.Step(n, logstore.Ack{
				Header: s.Append.Head(), Store: logstore.StoreID(n + 1), Seq: s.Append.Seq,
				Segments: []logstore.SegmentAck{
					{PG: 0, Membership: 1, Tail: m.Records[3].LSN}, {PG: 1, Membership: 1, Tail: m.Records[5].LSN},
					{PG: 2, Membership: 1, Tail: m.Records[7].LSN},
				},
			})
		}
		if tr.VDL() != tr.Next()-1 {
			b.Fatal("not durable")
		}
	}
}

// A node whose answer is among the first is ahead until four have answered; those
// that answer later, and those that must be sent everything again, are not.
func TestAhead(t *testing.T) {
	_, tr := openTracker(t, 2, 50, volume.Limits{})
	for i := range 6 {
		tr.Connected(i)
	}
	seqs := map[int]uint64{}
	ship := func(i int) {
		if s, ok := tr.Ship(i, 2); ok && s.Append != nil {
			seqs[i] = s.Append.Seq
		}
	}
	answer := func(i int, last redo.LSN) {
		a := ack(i, 1, last)
		if a.Seq = seqs[i]; last > 0 {
			a.Segments = append(a.Segments, ack(i, 0, last-1).Segments...)
		}
		tr.Step(i, a)
	}
	for i := range 6 { // whatever was due after connecting
		ship(i)
		answer(i, 0)
	}
	if err := tr.Append([]redo.MTR{mtr(1, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	last := tr.Next() - 1
	for i := range 6 {
		ship(i)
	}
	for i := range 6 {
		if tr.Ahead(i) {
			t.Errorf("node %d is ahead before it has answered", i)
		}
		answer(i, last)
		if got, want := tr.Ahead(i), i < 3; got != want {
			t.Errorf("ahead is %v when node %d has answered", got, i)
		}
		if i == 2 {
			tr.Connected(0)
			if tr.Ahead(0) {
				t.Error("a node that must be sent everything again is ahead")
			}
		}
	}
	for i := range 6 {
		if tr.Ahead(i) {
			t.Errorf("node %d is ahead of a write quorum", i)
		}
	}
}

// TestAnsweredOfTheGroupThatIsWaitedFor: a group that has lost its quorum shows, however
// well another one, of other nodes, is.
func TestAnsweredOfTheGroupThatIsWaitedFor(t *testing.T) {
	_, tr := openTracker(t, 1, 50, volume.Limits{})
	other := volume.Group{PG: 1, Membership: 1}
	for i := range 6 {
		n := 6 + i
		other.Members = append(other.Members, tr.AddNode(volume.Node{ID: logstore.NodeID(rune('A' + n)), Store: logstore.StoreID(n + 1)}))
	}
	if err := tr.AddGroup(other); err != nil {
		t.Fatal(err)
	}
	now := volume.Time(0)
	// answer has nodes answer what they are sent next, the list first.
	answer := func(nodes ...int) {
		now++
		tr.Tick()
		for _, n := range nodes {
			for a := ack(n, 0, 0); ; {
				s, ok := tr.Ship(n, now)
				if !ok {
					t.Fatalf("node %d is sent nothing", n)
				}
				if s.Control != nil { // the list
					tr.Step(n, logstore.ListAnswer{Header: a.Header, Store: a.Store, Segments: ack(n, 1, 0).Segments})
				}
				if s.Append != nil {
					tr.Step(n, logstore.Ack{Header: a.Header, Store: a.Store, Seq: s.Append.Seq})
					break
				}
			}
		}
	}
	want := func(confirmed, answered volume.Time, why string) {
		t.Helper()
		if tr.Confirmed() != confirmed || tr.Answered() != answered {
			t.Errorf("%s: confirmed at %d, answered at %d, want %d and %d", why, tr.Confirmed(), tr.Answered(), confirmed, answered)
		}
	}
	for n := range 12 {
		tr.Connected(n)
	}
	answer(0, 1, 2, 3, 6, 7, 8, 9)
	want(1, 1, "all is well")
	answer(0, 1, 2, 3)
	want(2, 2, "nothing waits for the other group")
	if err := tr.Append([]redo.MTR{mtr(1, 1)}); err != nil {
		t.Fatal(err)
	}
	answer(0, 1, 2, 3, 6, 7, 8)
	want(3, 1, "the other group has three nodes, and a record waits for it")
	answer(9)
	want(3, 3, "it has four again")
	for _, n := range other.Members[:4] {
		tr.Step(n, ack(n, 1, tr.Next()-1))
	}
	answer(0, 1, 2, 3)
	want(5, 5, "nothing waits any more")
}
