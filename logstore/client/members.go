package client

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// Follow takes over the members of the groups that the control plane has recorded at this
// volume's epoch: the caller sees to that. Groups that this volume has not added are for Grow.
// Returns an error if geo names a node that it does not have.
func (v *Volume) Follow(geo Geometry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.t == nil || v.ctx.Err() != nil {
		return nil
	}
	for _, n := range v.nodes {
		if left := !slices.ContainsFunc(geo.Nodes, n.is); n.left.Swap(left) != left && left && n.conn != nil {
			_ = n.conn.Close()
		}
	}
	moved := false
	for pg, g := range geo.Groups[:min(len(geo.Groups), len(v.groups))] {
		if v.groups[pg].Membership >= g.Membership {
			continue
		}
		to, err := v.numbered(geo, g)
		if err != nil {
			return err
		}
		moved = v.t.Change(to) || moved
		v.groups[pg] = g
	}
	v.publish()
	if moved && v.opt.Tap != nil {
		v.opt.Tap.VDL(v.t.VDL())
	}
	v.ship(false)
	v.wake()
	return nil
}

// Joined reports whether this volume counts by the members that geo has of all groups, and
// what joins them has everything that was stored without it.
func (v *Volume) Joined(geo Geometry) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.t == nil || len(geo.Groups) != len(v.groups) {
		return false
	}
	for pg, g := range geo.Groups {
		if v.t.Membership(redo.PGID(pg)) != g.Membership || g.Joining != "" && !v.t.Joined(redo.PGID(pg)) {
			return false
		}
	}
	return true
}

// numbered returns a group as the Tracker numbers nodes, and connects to those that it did not
// know. mu is held.
func (v *Volume) numbered(geo Geometry, g Group) (volume.Group, error) {
	to, err := members(geo.Nodes, g)
	if err != nil {
		return to, err
	}
	for m, i := range to.Members {
		to.Members[m] = v.number(geo.Nodes[i])
	}
	return to, nil
}

// number returns a node's index in nodes, and connects to one that was not there. mu is held.
func (v *Volume) number(n Node) int {
	i := v.t.AddNode(volume.Node{ID: n.ID, Store: n.Store})
	if i == len(v.nodes) {
		l := &link{Node: n}
		v.nodes = append(v.nodes, l)
		if v.ctx.Err() == nil { // else Close may have waited already
			v.spawn(func() { v.linkLoop(i, l) })
		}
	}
	return i
}

// is reports whether n is the link's node with its store.
func (l *link) is(n Node) bool { return n.ID == l.ID && n.Store == l.Store }

// joins reports whether the store is another one's successor at a node, and known here.
func (v *Volume) joins(id logstore.NodeID, s logstore.StoreID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.nodes, func(l *link) bool { return l.is(Node{ID: id, Store: s}) })
}
