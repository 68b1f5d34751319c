package volume_test

import (
	"fmt"
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// TestStalled: log that is on no write quorum for a while is told, with the group and the members that have
// answered lately and store it; not while nothing waits, anything moves, or the process did not look.
func TestStalled(t *testing.T) {
	_, tr := openTracker(t, 2, 1000, volume.Limits{})
	const after = volume.Time(2 * time.Second)
	now, seq := volume.Time(time.Hour), map[int]uint64{}
	answer := func(pg redo.PGID, nodes ...int) { // what they have been sent, all of it
		t.Helper()
		for _, n := range nodes {
			tr.Tick()
			s, ok := tr.Ship(n, now)
			if !ok || s.Append == nil {
				t.Fatalf("nothing is sent to node %d", n)
			}
			seq[n] = s.Append.Seq
			a := ack(n, pg, tr.Next()-1)
			a.Seq = seq[n]
			tr.Step(n, a)
		}
	}
	passes := func(d time.Duration, nodes ...int) (s volume.Stall, stalled bool) {
		for end := now + volume.Time(d); now < end; {
			now += volume.Time(100 * time.Millisecond)
			answer(1, nodes...)
			s, stalled = tr.Stalled(now, after)
		}
		return s, stalled
	}
	for n := range 6 {
		tr.Connected(n)
	}
	answer(0, 0, 1, 2, 3, 4, 5)
	answer(1, 0, 1, 2, 3, 4, 5)
	if s, stalled := passes(time.Minute); stalled {
		t.Fatalf("nothing waits: %+v", s)
	}
	if err := tr.Append([]redo.MTR{mtr(1, 1)}); err != nil {
		t.Fatal(err)
	}
	if s, stalled := passes(1900*time.Millisecond, 0, 2, 3); stalled {
		t.Fatalf("at once: %+v", s)
	}
	is := func(what string, stall volume.Stall, stalled bool, want ...logstore.NodeID) {
		t.Helper()
		if !stalled || stall.PG != 1 || stall.Of != 6 || stall.Needed != 4 || fmt.Sprint(stall.Answer) != fmt.Sprint(want) {
			t.Fatalf("%s: %v, %+v", what, stalled, stall)
		}
	}
	id := func(n int) logstore.NodeID { return logstore.NodeID(string(rune('A' + n))) }
	s, stalled := passes(200*time.Millisecond, 0, 2, 3)
	is("three answer", s, stalled, id(0), id(2), id(3))
	s, stalled = passes(3*time.Second, 2) // A and D have stored it, and answer no more
	is("one answers", s, stalled, id(2))
	now += volume.Time(time.Minute)
	if s, stalled = tr.Stalled(now, after); stalled {
		t.Fatalf("the process was paused: %+v", s)
	}
	s, stalled = passes(3*time.Second, 2)
	is("it goes on", s, stalled, id(2))
	answer(1, 4)
	if s, stalled = tr.Stalled(now, after); stalled || tr.VDL() != tr.Next()-1 {
		t.Fatalf("four have it: %+v", s)
	}
	if err := tr.AddGroup(volume.Group{PG: 2, Membership: 1, Members: []int{0, 1, 2, 3, 4, 5}}); err != nil {
		t.Fatal(err)
	}
	if s, stalled = passes(3*time.Second, 2); !stalled || s.PG != 2 || len(s.Answer) != 0 {
		t.Fatalf("a group without segments: %v, %+v", stalled, s)
	}
}

// TestRecoveryStalled: a recovery tells the group whose members have not answered, in each of its phases.
func TestRecoveryStalled(t *testing.T) {
	w := newWorld(2)
	wr := &writer{name: "w", pending: map[int][]logstore.Message{}}
	wr.grant = volume.Grant{Volume: 1, Timeline: 1, Epoch: 1, Holder: 1, LAL: 1000}
	wr.r = volume.NewRecovery(wr.grant, w.geometry(), volume.Limits{})
	const after = volume.Time(2 * time.Second)
	now := volume.Time(time.Hour)
	stalls := func() (s volume.Stall, stalled bool) {
		for range 25 {
			now += volume.Time(100 * time.Millisecond)
			s, stalled = wr.r.Stalled(now, after)
		}
		return s, stalled
	}
	all, phases := []int{0, 1, 2, 3, 4, 5}, []string{}
	for phase := wr.r.Phase(); phase != "shipped"; phase = wr.r.Phase() {
		phases = append(phases, phase)
		if s, stalled := stalls(); !stalled || s.PG != 0 || s.Needed != 4 || len(s.Answer) >= s.Needed {
			t.Errorf("%s: %v, %+v", phase, stalled, s)
		}
		w.exchange(wr, all, func() bool { return wr.r.Phase() != phase })
	}
	if s, stalled := stalls(); stalled || len(phases) < 2 {
		t.Errorf("shipped after %v: %+v", phases, s)
	}
}
