package client_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"sextant/logstore"
	"sextant/logstore/client"
)

// kill -9 of each storage process in turn under load: commits go on, and nothing that
// was acknowledged is lost.
func TestKillEachNode(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, true, 64)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 200, m)
	stop := w.load(ctx, 8, 200)
	for i := range 6 {
		c.kill(i)
		from := w.acked.Load()
		eventually(t, "commits with a node down", func() bool { return w.acked.Load() > from+200 })
		c.start(i)
		from = w.acked.Load()
		eventually(t, "commits with it back", func() bool { return w.acked.Load() > from+200 })
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	m.check(t, v, 200)
}

// kill -9 of all six at once under load, again and again, each time with a new writer
// afterwards. The old writer is still there: it must not get anything acknowledged.
func TestKillAllNodes(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, true, 64)
	m := &model{}
	last := uint64(0)
	for range 4 {
		v, _ := c.recover(ctx)
		last = max(last, m.check(t, v, 100))
		w := newWriter(v, 200, m)
		w.n = last
		stop := w.load(ctx, 8, 200)
		eventually(t, "commits", func() bool { return w.acked.Load() > 300 })
		for i := range 6 {
			c.kill(i)
		}
		for i := range 6 {
			c.start(i)
		}
		next, _ := c.recover(ctx)
		eventually(t, "the old writer to be fenced", func() bool { return v.Err() != nil })
		if err := stop(); !errors.Is(err, logstore.ErrFenced) {
			t.Fatalf("the old writer's commits end with %v", err)
		}
		last = max(last, m.check(t, next, 100))
		_ = next.Close()
	}
}

// The same writer goes on when all nodes are back: an outage of storage is a pause.
func TestKillAllNodesIsAPause(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, true, 64)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 200, m)
	stop := w.load(ctx, 8, 200)
	for range 2 {
		from := w.acked.Load()
		eventually(t, "commits", func() bool { return w.acked.Load() > from+200 })
		for i := range 6 {
			c.kill(i)
		}
		for i := range 6 {
			c.start(i)
		}
	}
	from := w.acked.Load()
	eventually(t, "commits", func() bool { return w.acked.Load() > from+200 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	m.check(t, v, 200)
}

// Two nodes that hang, and take nothing, cost the writer a bounded amount of memory
// and nobody else anything. When they go on they catch up.
func TestHangingNodesCostBoundedMemory(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, true, 64)
	m := &model{}
	o := c.options()
	o.LaggardBytes, o.WindowBytes = 1<<20, 4<<20
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	w := newWriter(v, 50, m)
	for range 100 {
		if err := w.commit(ctx, 3000); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{4, 5} {
		c.signal(i, syscall.SIGSTOP)
	}
	stop := w.load(ctx, 8, 3000)
	from := w.acked.Load()
	const commits = 16_000                                // about 50 MB
	for done := from; done < from+commits; done += 1000 { // patience is for each thousand: the race detector is slow
		eventually(t, "commits", func() bool { return w.acked.Load() > done+1000 })
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	if s.HeapAlloc > 40<<20 {
		t.Fatalf("%d MiB of heap after 50 MB that two nodes have not taken", s.HeapAlloc>>20)
	}
	for _, i := range []int{4, 5} {
		c.signal(i, syscall.SIGCONT)
	}
	c.kill(0)
	c.kill(1) // now the two are needed
	if err := w.commit(ctx, 10); err != nil {
		t.Fatal(err)
	}
	m.check(t, v, 20)
}

// A node whose directory was emptied is another store: it counts in nothing.
func TestEmptiedDirectoryDoesNotCount(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, true, 64)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 50, m)
	for range 20 {
		if err := w.commit(ctx, 10); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{0, 1} {
		c.kill(i)
		if err := os.RemoveAll(filepath.Join(c.dir, string(id(i)))); err != nil {
			t.Fatal(err)
		}
		was := c.stores[id(i)]
		delete(c.stores, id(i))
		c.start(i)
		if c.stores[id(i)] == was {
			t.Fatal("an emptied directory has its old store id")
		}
		c.stores[id(i)] = was // what the control plane goes on saying
	}
	if err := w.commit(ctx, 10); err != nil {
		t.Fatal(err)
	}
	c.kill(2) // three of six are left, although five processes answer
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if err := w.commit(short, 10); err == nil {
		t.Fatal("a commit with three registered stores")
	}
	if _, _, err := client.Recover(short, c.grant(), c.options()); err == nil {
		t.Fatal("a recovery with three registered stores")
	}
}
