package volume_test

import (
	"testing"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// changing is group 0 while F is being replaced by node 6, G; changed is it afterwards.
var (
	changing = volume.Group{Membership: 2, Members: []int{0, 1, 2, 3, 4, 5, 6}, Leaving: 5}
	changed  = volume.Group{Membership: 3, Members: []int{0, 1, 2, 3, 4, 6}}
)

const indexG = 6

var nodeG = volume.Node{ID: "G", Store: indexG + 1}

// While a member is being replaced a record is durable when four of the old and four of
// the new members have it. The replacement may end when the joining member is complete to
// what was stored without it, and then the old one counts no more (I-25).
func TestChangeOfMembers(t *testing.T) {
	_, tr := openTracker(t, 1, 50, volume.Limits{})
	one := func() redo.LSN {
		t.Helper()
		if err := tr.Append([]redo.MTR{mtr(1, 0)}); err != nil {
			t.Fatal(err)
		}
		return tr.Next() - 1
	}
	acks := func(l redo.LSN, nodes ...int) {
		for _, n := range nodes {
			tr.Step(n, ack(n, 0, l))
		}
	}
	want := func(l redo.LSN, why string) {
		t.Helper()
		if tr.VDL() != l {
			t.Errorf("%s: VDL %d, want %d", why, tr.VDL(), l)
		}
	}
	first := one()
	acks(first, 0, 1, 2, 5)
	want(first, "A B C F")

	if i := tr.AddNode(nodeG); i != indexG || tr.AddNode(nodeG) != indexG {
		t.Fatalf("G is node %d", i)
	}
	tr.Change(changing)
	tr.Change(volume.Group{Membership: 1, Members: []int{0, 1, 2, 3, 4, 5}}) // late: changes nothing
	want(first, "begun")
	second := one()
	acks(second, 0, 1, 2, 5)
	want(first, "A B C F, of which the new set has three")
	g := ack(indexG, 0, second)
	g.Segments[0].SCL = 0
	tr.Step(indexG, g)
	want(first, "what G says of a membership that it had before")
	g.Segments[0].Membership = 2
	tr.Step(indexG, g)
	want(second, "A B C F G")
	if tr.Joined(0) {
		t.Error("G has joined without what was stored before it came")
	}
	g.Segments[0].SCL = first
	tr.Step(indexG, g)
	if !tr.Joined(0) {
		t.Error("G has everything that was stored without it, and has not joined")
	}

	tr.Change(changed)
	third := one()
	acks(third, 0, 1, 2, 5)
	want(second, "A B C, and F which has left")
	g = ack(indexG, 0, third)
	g.Segments[0].Membership = 2
	tr.Step(indexG, g)
	want(third, "A B C G")
	if tr.Joined(0) {
		t.Error("nobody joins")
	}
}

// A change that is taken back: the old members count alone, and had everything.
func TestChangeTakenBack(t *testing.T) {
	_, tr := openTracker(t, 1, 50, volume.Limits{})
	tr.AddNode(nodeG)
	tr.Change(changing)
	if err := tr.Append([]redo.MTR{mtr(1, 0)}); err != nil {
		t.Fatal(err)
	}
	l := tr.Next() - 1
	for _, n := range []int{0, 1, 2, 5} {
		tr.Step(n, ack(n, 0, l))
	}
	if tr.VDL() == l {
		t.Fatal("durable without the new set")
	}
	if moved := tr.Change(volume.Group{Membership: 3, Members: []int{0, 1, 2, 3, 4, 5}}); !moved || tr.VDL() != l {
		t.Errorf("taken back: VDL %d, want %d", tr.VDL(), l)
	}
}

// A record on A, B, C and F was acknowledged before F began to be replaced by G. D, E and
// G, which the paper takes for a read quorum, know nothing of it: a recovery waits for
// four of the old members (E-6).
func TestChangeMissesNoOldRecord(t *testing.T) {
	w, tr := openTracker(t, 1, 50, volume.Limits{})
	if err := tr.Append([]redo.MTR{mtr(1, 0)}); err != nil {
		t.Fatal(err)
	}
	l := tr.Next() - 1
	for _, n := range []int{0, 1, 2, 5} {
		tr.Connected(n)
		s, _ := tr.Ship(n, 1)
		for _, m := range append(s.Control, *s.Append) {
			for _, a := range w.deliver(n, "w", m) {
				tr.Step(n, a)
			}
		}
	}
	if tr.VDL() != l {
		t.Fatalf("VDL %d, want %d", tr.VDL(), l)
	}
	h := &host{id: nodeG.ID}
	h.start(nodeG.Store)
	w.hosts = append(w.hosts, h)
	geo := w.geometry()
	geo.Groups[0] = changing
	wr := &writer{name: "w2", pending: map[int][]logstore.Message{}}
	wr.grant = volume.Grant{Volume: 1, Timeline: 1, Epoch: 2, Holder: 2, LAL: 50}
	wr.r = volume.NewRecovery(wr.grant, geo, volume.Limits{})
	w.exchange(wr, []int{3, 4, indexG, 1}, func() bool { return false })
	if wr.r.FenceQuorum() || wr.r.Plan() != nil {
		t.Fatal("B, D, E and G are enough: three of the old members")
	}
	w.exchange(wr, []int{0, 1, 3, 4, indexG}, func() bool { return false })
	if p := wr.r.Plan(); p == nil || p.VDL != l {
		t.Fatalf("the recovery plans %v, the record is %d", p, l)
	}
	if !wr.r.Shipped() {
		t.Errorf("with A, B, D, E and G it waits %s", wr.r.Phase())
	}
}

// A member that has joined counts by what it has said since, not by what it had said as a
// member before, of a segment that it has dropped. It may come late.
func TestChangeBackToAFormerMember(t *testing.T) {
	_, tr := openTracker(t, 1, 50, volume.Limits{})
	tr.AddNode(nodeG)
	of := func(node int, l redo.LSN, at redo.MembershipEpoch) logstore.Ack {
		a := ack(node, 0, l)
		a.Segments[0].Membership = at
		return a
	}
	away := volume.Group{Membership: 3, Members: []int{0, 1, 2, 3, 4, 6}}
	tr.Change(changing)
	tr.Change(away)
	back := volume.Group{Membership: 4, Members: []int{0, 1, 2, 3, 4, 6, 5}, Leaving: 5}
	tr.Change(back)
	tr.Change(volume.Group{Membership: 5, Members: []int{0, 1, 2, 3, 4, 5}})
	if err := tr.Append([]redo.MTR{mtr(1, 0)}); err != nil {
		t.Fatal(err)
	}
	was, l := tr.VDL(), tr.Next()-1
	for _, n := range []int{0, 1, 2} {
		tr.Step(n, of(n, l, 1))
	}
	tr.Step(5, of(5, l, 2))
	if tr.VDL() != was {
		t.Errorf("VDL %d by what F said before it left", tr.VDL())
	}
	tr.Step(5, of(5, l, 4))
	if tr.VDL() != l {
		t.Errorf("VDL %d by A B C F, want %d", tr.VDL(), l)
	}
}

// A node that may not make a segment yet, or by a later membership than the writer knows, is told again when its
// time is up, also while its batches are answered, and not with each of them.
func TestRefusedSegmentIsToldAgain(t *testing.T) {
	const retry = 5
	_, tr := openTracker(t, 1, 50, volume.Limits{RetryTicks: retry})
	head := logstore.Header{Volume: 1, Timeline: 1, Epoch: 1}
	store := logstore.StoreID(6)
	refused := logstore.Refused{Header: head, Kind: logstore.Retry, Of: 1, Segment: true, PG: 0}
	tr.Connected(5)
	told := 0
	for range 2*retry + 1 {
		tr.Tick()
		s, _ := tr.Ship(5, 1)
		for _, m := range s.Control {
			if _, ok := m.(logstore.CreateSegment); !ok {
				t.Fatalf("it is sent %T", m)
			}
			told++
			tr.Step(5, refused)
		}
		if s.Append != nil {
			tr.Step(5, refused)
			tr.Step(5, logstore.Ack{Header: head, Store: store, Seq: s.Append.Seq})
		}
	}
	if told != 2 {
		t.Errorf("told %d times in %d ticks, want twice", told, 2*retry+1)
	}
	tr.Step(5, logstore.SegmentCreated{Header: head, Store: store, Ack: logstore.SegmentAck{Membership: 1}})
	for range 2 * retry {
		tr.Tick()
		if s, _ := tr.Ship(5, 1); len(s.Control) > 0 {
			t.Fatal("told once more, though it has it")
		}
	}
}
