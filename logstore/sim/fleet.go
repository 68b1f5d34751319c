package sim

import (
	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore/volume"
)

// This file is the control plane's state machine: every grant, opening, new group and change of members is
// a command that it takes or refuses.

// boot makes the fleet, with the groups that the volume has from the beginning.
func (w *world) boot(groups []volume.Group) {
	s := fleet.State{
		Cluster: "sim", Volume: theVolume, Timeline: 1, SegmentBytes: 1, PortBase: 6000,
		Instances: []fleet.Instance{{ID: "db", AZ: "a", Address: "db:1", Control: "db:2"}},
	}
	for _, n := range w.nodes {
		s.Storage = append(s.Storage, fleet.StorageNode{ID: n.fleetID(), AZ: string(rune('a' + n.i%3)), Address: n.address(), StoreID: n.storeID()})
	}
	for _, g := range groups {
		f := fleet.Group{ID: g.PG, Membership: 1}
		for _, m := range g.Members {
			f.Members = append(f.Members, w.nodes[m].fleetID())
		}
		s.Groups = append(s.Groups, f)
	}
	if !w.record(&fleet.Bootstrap{Initial: s}) {
		w.fail("fleet", "is not bootstrapped")
	}
}

// command reports whether the fleet takes a command.
func (w *world) command(m fleet.Command) bool {
	r := w.control.fleet.Apply(m)
	if r.Code != fleet.CodeOK {
		w.say("the fleet refuses: %s", r.Detail)
	}
	return r.Code == fleet.CodeOK
}

// current checks that the fleet has taken a command of the newest epoch.
func (o *oracle) current(check string, e redo.VolumeEpoch, what string) {
	if e != o.w.control.epoch {
		o.w.fail(check, "%s is recorded for epoch %d, epoch %d was granted", what, e, o.w.control.epoch)
	}
}
