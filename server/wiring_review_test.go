package server

import (
	"testing"

	"sextant/failover"
	"sextant/failover/fleet"
)

// A reader asks for the geometry at every page read: what that costs must not depend
// on the number of groups, and a new state must be seen.
func TestGeometryIsMadeOncePerState(t *testing.T) {
	i := New(Options{ID: "db-1", MySQL: listenLoopback(t)})
	groups := func(n int) *fleet.State {
		s := &fleet.State{SegmentBytes: 10 << 30}
		for range n {
			s.Groups = append(s.Groups, fleet.Group{ID: 0, Membership: 1, Members: []string{"a", "b", "c", "d", "e", "f"}})
		}
		return s
	}
	i.setTopology(failover.Topology{State: groups(1000)})
	if n := len(i.geometryNow().Groups); n != 1000 {
		t.Fatalf("%d groups, want 1000", n)
	}
	if allocs := testing.AllocsPerRun(100, func() { i.geometryNow() }); allocs != 0 {
		t.Errorf("%v allocations for each call", allocs)
	}
	i.setTopology(failover.Topology{State: groups(1001)})
	if n := len(i.geometryNow().Groups); n != 1001 {
		t.Errorf("%d groups after the volume has grown, want 1001", n)
	}
}

// The writer is among the instances that are shown also while its commits wait for storage; a reader that is not well is not.
func TestReplicaStatusShowsTheWriter(t *testing.T) {
	i := New(Options{ID: "db-1", MySQL: listenLoopback(t)})
	s := &fleet.State{Cluster: "c", Epoch: 1, Opened: 1, Holder: fleet.Grant{Epoch: 1, Node: "db-1"}, Instances: []fleet.Instance{{ID: "db-1"}, {ID: "db-2"}, {ID: "db-3"}}}
	i.setTopology(failover.Topology{State: s, Live: map[string]failover.Live{"db-1": {}, "db-2": {Healthy: true}, "db-3": {}}})
	rows := i.replicaStatus()
	if len(rows) != 2 || rows[0].ID != "db-1" || !rows[0].Writer || rows[1].ID != "db-2" {
		t.Errorf("%+v", rows)
	}
}
