package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
)

func TestEmptyVolumeOpensAndReadsZeroes(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	v, r := c.recover(ctx)
	if r.VDL != 0 || r.Next != v.Next() || v.Epoch() != 1 || v.PageLimit() != 1024 {
		t.Fatalf("%+v, next %d, page limit %d", r, v.Next(), v.PageLimit())
	}
	b, err := v.ReadPage(ctx, 5, v.VDL())
	if err != nil || len(b) != 16<<10 || b[0] != 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if err := v.WaitConfirmed(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestCommitsSurviveReopening(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	m := &model{}
	for range 3 {
		v, _ := c.recover(ctx)
		last := m.check(t, v, 50)
		w := newWriter(v, 40, m)
		w.n = last
		for range 50 {
			if err := w.commit(ctx, 100); err != nil {
				t.Fatal(err)
			}
		}
		m.check(t, v, 50)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if err := v.WaitVDL(ctx, v.VDL()+1); !errors.Is(err, logstore.ErrClosed) {
			t.Fatal(err)
		}
	}
}

func TestOldWriterIsFenced(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	m := &model{}
	var old *client.Volume
	var told []error // the volume's when it says that it is fenced: what asks it then learns why
	o := c.options()
	o.Logger = slog.New(hearing{c.logger().Handler(), func(r slog.Record) {
		if r.Message == "fenced by a newer writer" {
			told = append(told, old.Err())
		}
	}})
	old, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(old, 40, m)
	stop := w.load(ctx, 4, 50)
	eventually(t, "some commits", func() bool { return w.acked.Load() > 50 })
	v, _ := c.recover(ctx)
	select {
	case <-old.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the old writer was not fenced")
	}
	if err := stop(); !errors.Is(err, logstore.ErrFenced) {
		t.Fatalf("the old writer's commits end with %v", err)
	}
	if err := old.WaitConfirmed(ctx); !errors.Is(err, logstore.ErrFenced) {
		t.Fatal(err)
	}
	if _, err := old.ReadPage(ctx, 1, old.VDL()); !errors.Is(err, logstore.ErrFenced) {
		t.Fatal(err)
	}
	if err := old.Append([]redo.MTR{{Records: records(1, 1, 0)}}); !errors.Is(err, logstore.ErrFenced) {
		t.Fatal(err)
	}
	m.check(t, v, 50)
	_ = old.Close() // and the connections' readers
	if len(told) != 1 || !errors.Is(told[0], logstore.ErrFenced) {
		t.Fatalf("told that it is fenced, with errors %v; want one, %v", told, logstore.ErrFenced)
	}
	// A recovery at an epoch that was fenced is refused.
	g := c.grant()
	g.Epoch = 1
	if _, _, err := client.Recover(ctx, g, c.options()); !errors.Is(err, logstore.ErrFenced) {
		t.Fatal(err)
	}
}

// One and two nodes down: writes go on. Three: they wait, reads go on. One back: they
// go on by themselves.
func TestNodesDown(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, 40, m)
	stop := w.load(ctx, 4, 50)
	more := func(what string) {
		t.Helper()
		from := w.acked.Load()
		eventually(t, what, func() bool { return w.acked.Load() > from+100 })
	}
	more("all up")
	c.kill(0)
	more("one down")
	c.kill(1)
	more("two down")
	c.kill(2)
	var stuck uint64
	eventually(t, "writes to stop", func() bool {
		before := stuck
		stuck = w.acked.Load()
		return stuck == before && v.Err() == nil && errTimeout(v, ctx)
	})
	at := v.VDL()
	if n, err := number(ctx, v, 1, at); err != nil || n == 0 {
		t.Fatalf("read with three nodes down: %d, %v", n, err)
	}
	c.start(1)
	more("three down, one back")
	c.start(0)
	c.start(2)
	more("all back")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	m.check(t, v, 100)
	// The nodes that were away fill their holes by gossip.
	want := v.VDL()
	eventually(t, "everybody complete", func() bool {
		for i := range 6 {
			for _, s := range c.node(i).Status().Segments {
				if s.SCL < want {
					return false
				}
			}
		}
		return true
	})
}

// A reader finds storage reachable as long as four nodes answer, and a writer's Answered
// tells of progress as long.
func TestReachableIsAWriteQuorum(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	var answers atomic.Int64
	o := c.options()
	o.Answered = func() { answers.Add(1) }
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	r, err := client.NewReader(77, 1, c.options(), c.geometry)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reachable := func() bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return r.Reachable(ctx) == nil
	}
	moves := func() bool {
		before := answers.Load()
		time.Sleep(2 * testLease) // an idle writer asks several times meanwhile
		return answers.Load() > before
	}
	for down := range 4 {
		want := down < 3
		eventually(t, fmt.Sprintf("with %d nodes down a reader to find storage reachable: %v", down, want), func() bool { return reachable() == want })
		eventually(t, fmt.Sprintf("with %d nodes down a writer to make progress: %v", down, want), func() bool { return moves() == want })
		c.kill(down)
	}
	c.start(0)
	c.start(1)
	eventually(t, "storage to be reachable again", reachable)
	eventually(t, "the writer to make progress again", moves)
}

// errTimeout reports whether the epoch cannot be confirmed within a lease.
func errTimeout(v *client.Volume, ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*testLease)
	defer cancel()
	return errors.Is(v.WaitConfirmed(ctx), context.DeadlineExceeded)
}

// With three nodes alive the control plane's word confirms the epoch instead.
func TestEpochConfirmedByTheControlPlane(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	o := c.options()
	verdict := make(chan error, 1)
	o.VerifyEpoch = func(context.Context, redo.VolumeEpoch) error { return <-verdict }
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for i := range 3 {
		c.kill(i)
	}
	eventually(t, "storage cannot confirm", func() bool {
		select {
		case verdict <- nil:
		default:
		}
		return len(verdict) == 1 && v.WaitConfirmed(ctx) == nil && len(verdict) == 0
	})
	verdict <- logstore.ErrFenced
	eventually(t, "fenced by the control plane", func() bool { return errors.Is(v.WaitConfirmed(ctx), logstore.ErrFenced) })
}

func TestWaitForAConfirmationEndsWithItsContext(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	o := c.options()
	o.VerifyEpoch = func(ctx context.Context, _ redo.VolumeEpoch) error { // nobody leads
		<-ctx.Done()
		return ctx.Err()
	}
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for i := range 3 {
		c.kill(i)
	}
	eventually(t, "storage cannot confirm", func() bool {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return errors.Is(v.WaitConfirmed(short), context.DeadlineExceeded)
	})
	var all sync.WaitGroup
	for range 16 { // each ends by itself, not one after the other
		all.Go(func() {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			if err := v.WaitConfirmed(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after its time: %v", err)
			}
		})
	}
	all.Wait()
}

func TestNodeThatMissedTheFenceJoins(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	c.kill(5)
	v, _, err := client.Recover(ctx, c.grant(), c.options())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	c.start(5)
	eventually(t, "the node to have its segment", func() bool { return len(c.node(5).Status().Segments) > 0 })
}

func TestGrowsWhileWriting(t *testing.T) {
	ctx := context.Background()
	const pagesPerGroup, groups = 8, 30
	c := newCluster(t, false, pagesPerGroup)
	m := &model{}
	v, _ := c.recover(ctx)
	w := newWriter(v, pagesPerGroup*groups, m)
	for w.n < 2*pagesPerGroup*groups {
		stop := w.load(ctx, 4, 20)
		from := w.acked.Load()
		eventually(t, "commits", func() bool { return w.acked.Load() > from+100 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if v.PageLimit() < pagesPerGroup*groups {
		t.Fatalf("page limit %d", v.PageLimit())
	}
	m.check(t, v, 100)
	_, lasts := v.PGLasts()
	if len(lasts) != groups {
		t.Fatalf("%d groups", len(lasts))
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v, _ = c.recover(ctx)
	m.check(t, v, 100)
	testReader(t, c, v)
}

// testReader reads pages and log without being the writer.
func testReader(t *testing.T, c *cluster, v *client.Volume) {
	t.Helper()
	ctx := context.Background()
	r, err := client.NewReader(77, 1, c.options(), c.geometry)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	vdl, lasts := v.PGLasts()
	for pg, last := range lasts {
		ids := []redo.PageID{redo.PageID(uint64(pg)*c.pagesPerGroup + 1), redo.PageID(uint64(pg)*c.pagesPerGroup + 2)}
		got, err := r.ReadPages(ctx, v.Epoch(), ids, vdl, last)
		if err != nil {
			t.Fatal(err)
		}
		want, err := v.ReadPages(ctx, ids, vdl)
		if err != nil {
			t.Fatal(err)
		}
		for i := range ids {
			if string(got[i]) != string(want[i]) {
				t.Fatalf("page %d differs", ids[i])
			}
		}
	}
	rs, err := r.Records(ctx, v.Epoch(), 0, vdl, 256<<20)
	if err != nil {
		t.Fatal(err)
	}
	prev := redo.LSN(0)
	for _, rec := range rs {
		if rec.PrevVolume != prev {
			t.Fatalf("record %d follows %d, not %d", rec.LSN, rec.PrevVolume, prev)
		}
		prev = rec.LSN
	}
	if prev != vdl {
		t.Fatalf("the log ends at %d, VDL is %d", prev, vdl)
	}
	if _, err := r.Records(ctx, v.Epoch(), 0, vdl, 64<<10); !errors.Is(err, logstore.ErrTooLong) {
		t.Fatal(err)
	}
}

// Below the minimum read point there is no answer, rather than a nearby one.
func TestReadBelowTheMinimum(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	v, _ := c.recover(ctx)
	w := newWriter(v, 10, &model{})
	for range 20 {
		if err := w.commit(ctx, 10); err != nil {
			t.Fatal(err)
		}
	}
	early := w.model.commits[5].lsn
	v.SetMinReadPoint(w.model.commits[10].lsn)
	eventually(t, "the minimum read point to arrive", func() bool {
		_, err := v.ReadPage(ctx, 1, early)
		return errors.Is(err, logstore.ErrGone)
	})
	if n, err := number(ctx, v, 1, w.model.commits[15].lsn); err != nil || n != 16 {
		t.Fatal(n, err)
	}
}

// The window is bounded in bytes; waiting for room ends when there is some.
func TestWindowIsBounded(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, false, 1024)
	o := c.options()
	o.WindowBytes = 10_000
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for i := range 3 {
		c.kill(i)
	}
	appended := 0
	for ; ; appended++ {
		err := v.Append([]redo.MTR{{Records: records(1, 1, 1000)}})
		if errors.Is(err, logstore.ErrNoRoom) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if appended < 5 || appended > 10 {
		t.Fatalf("%d turns of about 1000 bytes fit into 10000", appended)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := v.WaitRoom(short, 2, 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	c.start(0)
	if err := v.WaitRoom(ctx, 2, 1000); err != nil {
		t.Fatal(err)
	}
}
