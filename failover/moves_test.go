package failover

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// TestSilenceIsNotAbsence: no segment moves to a node that was silent for a minute, also where none is
// ever replaced for being away; what a node does not report as whole is not.
func TestSilenceIsNotAbsence(t *testing.T) {
	state := &fleet.State{}
	for _, id := range []string{"storage-1", "storage-2", "storage-3"} {
		state.Storage = append(state.Storage, fleet.StorageNode{ID: id, StoreID: 1})
	}
	now := time.Now()
	l := &leader{c: &Control{}, roles: map[string]*role{
		"storage-1": {current: new(int), heard: now, report: &failoverpb.RoleReport{Kind: uint32(fleet.KindStorage), Healthy: true, StoreId: 1, Scl: map[uint32]uint64{3: 0}}},
	}, stored: map[string]missed{"storage-1": {since: now.Add(-time.Hour)}, "storage-2": {since: now.Add(-2 * time.Minute)}, "storage-3": {since: now.Add(-30 * time.Second)}},
		stopped: map[string]bool{}, proposals: make(chan proposal, 1)}
	for _, after := range []time.Duration{0, 90 * time.Second, 10 * time.Second} {
		l.c.opt.Timing.Replace = after
		seen := l.seen(state)
		if l.noting && after == 0 {
			t.Error("it is noted how long a node is away that is never replaced")
		}
		if one := seen["storage-1"]; one.Silent || one.Away || !one.Whole(3) || one.Whole(4) {
			t.Errorf("%v: one that reports: %+v", after, one)
		}
		if two := seen["storage-2"]; !two.Silent || two.Away != (after > 0) || two.Whole != nil {
			t.Errorf("%v: one that was silent for two minutes: %+v", after, two)
		}
		if three := seen["storage-3"]; three.Silent != (after == 10*time.Second) || three.Away != three.Silent {
			t.Errorf("%v: one that was silent for half a minute: %+v", after, three)
		}
	}
}

// TestStopIsNotAbsence: a storage node that was stopped for long is not away as soon as it is started again.
func TestStopIsNotAbsence(t *testing.T) {
	state := &fleet.State{Cluster: "test", Storage: []fleet.StorageNode{{ID: "storage-1", StoreID: 1}}, Stopped: []string{"storage-1"}}
	l := &leader{c: &Control{}, roles: map[string]*role{}, stored: map[string]missed{"storage-1": {since: time.Now().Add(-time.Hour)}},
		stopped: map[string]bool{}, proposals: make(chan proposal, 1)}
	l.c.opt.Timing.Replace = time.Minute
	if one := l.seen(state)["storage-1"]; !one.Away || l.noting {
		t.Errorf("stopped: %+v; it is noted: %v", one, l.noting)
	}
	state.Away = []fleet.Absence{{ID: "storage-1", Millis: 50_000}} // from before it was stopped
	if r := state.Apply(&fleet.Start{ID: "storage-1"}); r.Code != fleet.CodeOK || state.AwayFor("storage-1") != 0 {
		t.Errorf("%+v; it is away for %d ms", r, state.AwayFor("storage-1"))
	}
	if one := l.seen(state)["storage-1"]; one.Away || one.Silent {
		t.Errorf("started: %+v", one)
	}
	l.stored["storage-1"] = missed{since: time.Now().Add(-2 * time.Minute)}
	if !l.seen(state)["storage-1"].Away {
		t.Error("it has not come for two minutes")
	}
}

// TestAbsenceOutlivesLeaders: for how long a storage node is away is noted, and the next leader goes on
// from there; it begins anew when the node is back.
func TestAbsenceOutlivesLeaders(t *testing.T) {
	state := &fleet.State{Cluster: "test", Storage: []fleet.StorageNode{{ID: "storage-1", StoreID: 1}}}
	leads := func() *leader {
		c := &Control{}
		c.opt.Timing.Replace = 90 * time.Second
		return &leader{c: c, roles: map[string]*role{}, stored: map[string]missed{}, stopped: map[string]bool{}, proposals: make(chan proposal, 1)}
	}
	noted := func(l *leader) (n *fleet.NoteAway) {
		select {
		case p := <-l.proposals:
			n = p.cmd.(*fleet.NoteAway)
			if r := state.Apply(n); r.Code != fleet.CodeOK {
				t.Fatal(r.Detail)
			}
			p.then(applied{}, nil)
		default:
		}
		return n
	}
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	l := leads()
	l.stored["storage-1"] = missed{since: ago(10 * time.Second)}
	l.seen(state)
	if n := noted(l); n != nil {
		t.Errorf("after 10 s of 90 there is a note: %+v", n)
	}
	l.stored["storage-1"] = missed{since: ago(50 * time.Second)}
	l.seen(state)
	l.seen(state)
	if n := noted(l); n == nil || n.Millis < 50_000 || n.Millis > 80_000 {
		t.Errorf("after 50 s: %+v", n)
	}
	if l.seen(state); noted(l) != nil {
		t.Error("it is noted again at once")
	}
	l = leads() // another
	if l.seen(state)["storage-1"].Away {
		t.Error("the next leader finds it away at once")
	}
	x := l.stored["storage-1"]
	x.since = ago(45 * time.Second)
	l.stored["storage-1"] = x
	if !l.seen(state)["storage-1"].Away {
		t.Error("after 50 s of one leader and 45 of the next it is not away")
	}
	noted(l)
	l.roles["storage-1"] = &role{current: new(int), heard: time.Now(), report: &failoverpb.RoleReport{Kind: uint32(fleet.KindStorage), Healthy: true, StoreId: 1}}
	l.seen(state)
	if n := noted(l); n == nil || n.Millis != 0 || state.AwayFor("storage-1") != 0 {
		t.Errorf("when it is back: %+v", n)
	}
	if l.seen(state); noted(l) != nil {
		t.Error("it is noted twice that it is back")
	}
}

// TestStatusSaysWhatADrainWaitsFor: with what the leader hears; not while none is known.
func TestStatusSaysWhatADrainWaitsFor(t *testing.T) {
	state := &fleet.State{Draining: []string{"storage-3"}, Stopped: []string{"storage-3"}, Holder: fleet.Grant{Epoch: 1}}
	state.Epoch, state.Opened, state.Holder.Node = 1, 1, "db-1"
	live := map[string]Live{}
	for _, id := range []string{"storage-1", "storage-2", "storage-3", "storage-4"} {
		state.Storage = append(state.Storage, fleet.StorageNode{ID: id, AZ: "az-a", StoreID: 1})
		live[id] = Live{ID: id, Kind: fleet.KindStorage, Healthy: id != "storage-3", SCL: map[redo.PGID]redo.LSN{0: 0}}
	}
	state.Groups = []fleet.Group{{Members: []string{"storage-1", "storage-2", "storage-3"}}}
	waits := func() string { return NewStatus(Topology{State: state, Live: live}).Storage[2].WaitsFor }
	if got := waits(); got != "storage-3, which is stopped: start or replace it" {
		t.Errorf("it waits for %q", got)
	}
	state.Stopped = nil
	if got := waits(); got != "storage-3, which does not answer" {
		t.Errorf("it waits for %q", got)
	}
	l := live["storage-3"]
	l.Healthy = true
	live["storage-3"] = l
	if got := waits(); got != "" {
		t.Errorf("it waits for %q", got)
	}
	if live = nil; waits() != "" {
		t.Error("it waits for what nobody knows")
	}
}

// TestStatusSaysHowFarAMoveIs: by LSN, or what the node that the segment moves to copies.
func TestStatusSaysHowFarAMoveIs(t *testing.T) {
	state := &fleet.State{Replacing: fleet.Replacement{Old: "storage-1", New: "storage-3", Move: true, PG: 1}}
	for _, id := range []string{"storage-1", "storage-2", "storage-3"} {
		state.Storage = append(state.Storage, fleet.StorageNode{ID: id})
	}
	for pg := range redo.PGID(2) {
		state.Groups = append(state.Groups, fleet.Group{ID: pg, Members: []string{"storage-1", "storage-2"}})
	}
	live := map[string]Live{
		"storage-1": {Healthy: true, SCL: map[redo.PGID]redo.LSN{1: 950}}, "storage-2": {Healthy: true, SCL: map[redo.PGID]redo.LSN{1: 900}},
		"storage-3": {Healthy: true, SCL: map[redo.PGID]redo.LSN{1: 300}},
	}
	is := func() ReplacingStatus { return *NewStatus(Topology{State: state, Live: live}).Storage[0].Replacing }
	if r := is(); r.By != "storage-3" || *r.Group != 1 || r.Segments != 1 || r.Complete != 0 || r.Detail != "complete to LSN 300 of 900" {
		t.Errorf("%+v", r)
	}
	live["storage-3"] = Live{Healthy: true, Detail: "12 pages copied from storage-2"}
	if r := is(); r.Complete != 0 || r.Detail != "12 pages copied from storage-2" {
		t.Errorf("%+v", r)
	}
	live["storage-3"] = Live{Healthy: true, SCL: map[redo.PGID]redo.LSN{1: 900}}
	if r := is(); r.Complete != 1 {
		t.Errorf("%+v", r)
	}
}

// TestFoundTellsThemApart: what a connection to a process that does not report shows.
func TestFoundTellsThemApart(t *testing.T) {
	for begin, err := range map[string]error{
		"dead: ": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "hung: ": nil,
		"unreachable: ": context.DeadlineExceeded,
	} {
		if dead, what := found("10.1.2.3:6401", err); !strings.HasPrefix(what, begin) || !strings.Contains(what, "10.1.2.3:6401") || dead != (begin == "dead: ") {
			t.Errorf("%v: %v, %q", err, dead, what)
		}
	}
}
