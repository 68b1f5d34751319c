package server

import (
	"context"
	"testing"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore/client"
)

// A recovery counts by the members of its grant; it hears when those are not the members any more, and
// not when another epoch's are.
func TestRecoveryHearsOfOtherMembers(t *testing.T) {
	i := New(Options{ID: "db-1", MySQL: listenLoopback(t)})
	state := func(epoch redo.VolumeEpoch, membership redo.MembershipEpoch) failover.Topology {
		g := fleet.Group{ID: 0, Membership: membership, Members: []string{"a", "b", "c", "d", "e", "f"}}
		return failover.Topology{State: &fleet.State{Epoch: epoch, SegmentBytes: 10 << 30, Groups: []fleet.Group{g}}}
	}
	of := state(7, 3)
	grant := client.Grant{Epoch: 7, Geometry: geometry(of.State)}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan bool, 1)
	go func() { heard <- i.awaitOtherMembers(ctx, grant) }()
	for _, same := range []failover.Topology{{}, of, state(6, 2), state(8, 9)} {
		i.setTopology(same)
	}
	select {
	case <-heard:
		t.Fatal("other members, though nothing was recorded at its epoch")
	default:
	}
	i.setTopology(state(7, 4))
	if !<-heard {
		t.Error("it ended without")
	}
	i.setTopology(of)
	cancel()
	if i.awaitOtherMembers(ctx, grant) {
		t.Error("other members, though they are those of the grant")
	}
}
