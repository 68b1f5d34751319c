package client_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
)

// segmentOf returns what a node says of group 0; false if it does not have it.
func (c *cluster) segmentOf(i int) (logstore.SegmentState, bool) {
	for _, s := range c.node(i).Status().Segments {
		if s.PG == 0 {
			return s, true
		}
	}
	return logstore.SegmentState{}, false
}

// readFrom compares every page with the model, as the other nodes give it.
func (c *cluster) readFrom(ctx context.Context, m *model, down ...int) {
	c.t.Helper()
	for _, i := range down {
		c.kill(i)
	}
	v, _ := c.recover(ctx)
	m.check(c.t, v, 100)
	_ = v.Close()
	for _, i := range down {
		c.start(i)
	}
}

// TestDamagedSegmentIsCopied: files of two nodes are damaged, one after another, one
// of them while the node runs. Under load, both are whole again, by themselves; then
// both serve alone with a third.
func TestDamagedSegmentIsCopied(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 400, m)
	stop := w.load(ctx, 4, 400)
	eventually(t, "some commits", func() bool { return w.acked.Load() > 500 })
	file := func(i int) string {
		files, err := filepath.Glob(filepath.Join(c.dir, string(id(i)), "segments", "*.seg"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		return files[0]
	}
	whole := func(i int) func() bool {
		return func() bool {
			s, ok := c.segmentOf(i)
			return ok && !s.Damaged && s.SCL > 0
		}
	}
	c.kill(4)
	overwrite(t, file(4), 1)
	c.start(4)
	eventually(t, "damage at the start", func() bool { s, _ := c.segmentOf(4); return s.Damaged })
	eventually(t, "a copy", whole(4))
	overwrite(t, file(5), 1)
	eventually(t, "damage under load", func() bool { s, _ := c.segmentOf(5); return s.Damaged })
	eventually(t, "another copy", whole(5))
	from := w.acked.Load()
	eventually(t, "more commits", func() bool { return w.acked.Load() > from+200 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := v.VDL()
	eventually(t, "everybody complete", func() bool { return c.complete(want) })
	m.check(t, v, 100)
	_ = v.Close()
	c.readFrom(ctx, m, 0, 1)
}

// complete reports whether every node has all of group 0 through l.
func (c *cluster) complete(l redo.LSN) bool {
	for i := range 6 {
		if s, _ := c.segmentOf(i); s.Damaged || s.SCL < l {
			return false
		}
	}
	return true
}

// TestNodeBehindTheLogCopies: a node is away until its peers have no room to keep the log
// for it. When it is back, it copies the segment.
func TestNodeBehindTheLogCopies(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	for i := range 6 { // all again, with little room
		c.kill(i)
	}
	c.retain, c.retainBytes = 50*time.Millisecond, 1
	for i := range 6 {
		c.start(i)
	}
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 100, m)
	stop := w.load(ctx, 4, 100)
	eventually(t, "some commits", func() bool { return w.acked.Load() > 100 })
	for try := 0; c.copies.Load() == 0; try++ { // until it was away for long enough
		if try == 20 {
			t.Fatal("the log was never gone")
		}
		c.kill(3)
		from := w.acked.Load()
		eventually(t, "commits without it", func() bool {
			v.SetMinReadPoint(v.VDL())
			return w.acked.Load() > from+300
		})
		c.start(3)
		at := v.VDL()
		eventually(t, "the node to be whole again", func() bool {
			s, _ := c.segmentOf(3)
			return !s.Damaged && s.SCL > at
		})
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everybody complete", func() bool { return c.complete(v.VDL()) })
	m.check(t, v, 100)
	_ = v.Close()
	c.readFrom(ctx, m, 0, 1)
}

// overwrite puts garbage into every n-th page of a bbolt file, its meta pages excepted.
func overwrite(t *testing.T, path string, every int) {
	t.Helper()
	const size = 4096
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	garbage := make([]byte, size)
	for i := range garbage {
		garbage[i] = byte(0xa5 + i%7)
	}
	for p := 2; int64((p+1)*size) <= info.Size(); p += every {
		if _, err := f.WriteAt(garbage, int64(p*size)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStuckRecoveryMakesNoProgress: three nodes are up, and their segments are damaged. They
// say so again and again, which is no progress. When the others are back it is.
func TestStuckRecoveryMakesNoProgress(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 400, m)
	stop := w.load(ctx, 4, 400)
	eventually(t, "some commits", func() bool { return w.acked.Load() > 500 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := v.VDL()
	eventually(t, "everybody complete", func() bool { return c.complete(want) })
	_ = v.Close()
	for i := range 6 {
		c.kill(i)
	}
	for i := range 3 {
		files, err := filepath.Glob(filepath.Join(c.dir, string(id(i)), "segments", "*.seg"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		overwrite(t, files[0], 1)
		c.start(i)
		eventually(t, "damage at the start", func() bool { s, _ := c.segmentOf(i); return s.Damaged })
	}
	var answers atomic.Int64
	o := c.options()
	o.Answered = func() { answers.Add(1) }
	recovered := make(chan error, 1)
	go func() {
		v, _, err := client.Recover(ctx, c.grant(), o)
		if err == nil {
			err = v.Close()
		}
		recovered <- err
	}()
	eventually(t, "three answers", func() bool { return answers.Load() == 3 })
	time.Sleep(time.Second) // several repetitions
	if n := answers.Load(); n != 3 {
		t.Fatalf("%d answers count as progress", n)
	}
	for i := 3; i < 6; i++ {
		c.start(i)
	}
	if err := <-recovered; err != nil {
		t.Fatal(err)
	}
	if n := answers.Load(); n < 6+4 {
		t.Fatalf("%d answers counted as progress", n)
	}
}
