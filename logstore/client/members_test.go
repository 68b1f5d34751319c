package client_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
)

// A node is lost and another takes its place, then one comes back with another store and
// takes its own: the writer goes on all the time, and afterwards the new ones count.
func TestMembersAreReplacedWhileWriting(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	t.Cleanup(func() { c.kill(6) })
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 100, m)
	stop := w.load(ctx, 4, 100)
	commits := func(what string) {
		from := w.acked.Load()
		eventually(t, what, func() bool { return w.acked.Load() > from+100 })
	}
	commits("some commits")

	c.kill(5)
	c.start(6)
	old := c.geometry()
	geo := c.replace(old, 5, client.Node{ID: id(6), Addr: c.peers()[id(6)], Store: c.stores[id(6)]})
	c.change(v, geo)
	commits("commits with storage-7")

	c.kill(3)
	if err := os.RemoveAll(filepath.Join(c.dir, string(id(3)))); err != nil {
		t.Fatal(err)
	}
	delete(c.stores, id(3))
	c.start(3)
	geo = c.replace(geo, 3, client.Node{ID: id(3), Addr: c.peers()[id(3)], Store: c.stores[id(3)]})
	c.change(v, geo)
	commits("commits with the new store of storage-4")

	c.kill(0) // four are left, two of them new
	c.kill(1)
	commits("commits with four")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	m.check(t, v, 100)
	_ = v.Close()
}

// replace returns geo with a member being replaced.
func (c *cluster) replace(geo client.Geometry, member int, by client.Node) client.Geometry {
	geo.Nodes = append(append([]client.Node(nil), geo.Nodes...), by)
	geo.Groups = append([]client.Group(nil), geo.Groups...)
	for i := range geo.Groups {
		g := &geo.Groups[i]
		g.Membership++
		g.Members = append([]logstore.NodeID(nil), g.Members...)
		g.Leaving, g.Joining = id(member), by.ID
	}
	return geo
}

// change lets a volume follow geo until what joins has joined, and then what geo becomes.
func (c *cluster) change(v *client.Volume, geo client.Geometry) {
	c.t.Helper()
	if err := v.Follow(geo); err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, "the node to have joined", func() bool { return v.Joined(geo) })
	left := geo.Groups[0].Leaving
	for i := range geo.Groups {
		g := &geo.Groups[i]
		for m := range g.Members {
			if g.Members[m] == left {
				g.Members[m] = g.Joining
			}
		}
		g.Membership++
		g.Leaving, g.Joining = "", ""
	}
	n := 0 // of two stores with one id the first is the old one
	for geo.Nodes[n].ID != left {
		n++
	}
	geo.Nodes = append(geo.Nodes[:n:n], geo.Nodes[n+1:]...)
	if err := v.Follow(geo); err != nil {
		c.t.Fatal(err)
	}
}

// A group is placed on a node that was registered after the volume was opened: the node
// counts at once.
func TestGroupOnANodeThatCameLater(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 16)
	t.Cleanup(func() { c.kill(6) })
	opt := c.options()
	create := opt.CreateGroup
	opt.CreateGroup = func(ctx context.Context, e redo.VolumeEpoch, pg redo.PGID) (client.Geometry, error) {
		geo, err := create(ctx, e, pg)
		geo.Nodes = append(geo.Nodes, client.Node{ID: id(6), Addr: c.peers()[id(6)], Store: c.stores[id(6)]})
		geo.Groups[pg].Members[5] = id(6)
		return geo, err
	}
	v, _, err := client.Recover(ctx, c.grant(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	m := &model{}
	w := newWriter(v, 30, m)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.commit(ctx, 100))
	c.start(6)
	must(v.Grow(ctx, 30))
	c.kill(0)
	c.kill(1)
	for range 60 {
		must(w.commit(ctx, 100))
	}
	m.check(t, v, 60)
}
