package client_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sextant/internal/locked"
	"sextant/logstore/client"
)

// TestLostWriteQuorumIsSaid: commits that wait for a write quorum for two seconds are said once, with the group and
// who answers, and that they go on; not when two nodes are away, nor when nothing is written.
func TestLostWriteQuorumIsSaid(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := newCluster(t, false, 64)
	var log locked.Buffer
	o := c.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	var told atomic.Pointer[string]
	o.Stalled = func(why string) { told.Store(&why) }
	stalled := func() string {
		if s := told.Load(); s != nil {
			return *s
		}
		return ""
	}
	v, _, err := client.Recover(ctx, c.grant(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	w := newWriter(v, 100, nil)
	commit := func() error { return w.commit(ctx, 10) }
	c.kill(0)
	c.kill(1)
	if err := commit(); err != nil {
		t.Fatal(err)
	}
	c.kill(2)
	time.Sleep(2500 * time.Millisecond) // the silence is the test
	if stalled() != "" || strings.Contains(log.String(), "WARN") {
		t.Fatalf("nothing is written, and %q\n%s", stalled(), log.String())
	}
	done := make(chan error, 1)
	go func() { done <- commit() }()
	const text = "write quorum lost: commits wait for group 0, of whose storage nodes 3 answer (storage-4, storage-5, storage-6), 4 of 6 are needed"
	eventually(t, "it is said", func() bool { return stalled() == text })
	c.start(2)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	eventually(t, "commits go on", func() bool { return stalled() == "" && strings.Contains(log.String(), "write quorum is there again") })
	if n := strings.Count(log.String(), "WARN"); n != 1 || !strings.Contains(log.String(), `pg=0 answer=3 nodes="storage-4, storage-5, storage-6" needed="4 of 6"`) {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}

// TestRecoveryWithoutQuorumIsSaid: so is a recovery that waits for five seconds, and that it goes on.
func TestRecoveryWithoutQuorumIsSaid(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := newCluster(t, false, 64)
	for i := range 3 {
		c.kill(i)
	}
	var log locked.Buffer
	o := c.options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	told := make(chan string, 10)
	o.Stalled = func(why string) { told <- why }
	done := make(chan error, 1)
	go func() {
		v, _, err := client.Recover(ctx, c.grant(), o)
		if err == nil {
			defer v.Close()
			if why := <-told; why != "" {
				t.Errorf("the volume is open, and %q", why)
			}
		}
		done <- err
	}()
	const text = "write quorum lost: the recovery waits for group 0, of whose storage nodes 3 answer (storage-4, storage-5, storage-6), 4 of 6 are needed"
	select {
	case why := <-told:
		if why != text {
			t.Errorf("says %q", why)
		}
	case <-ctx.Done():
		t.Fatal("it is not said")
	}
	c.start(0)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "WARN"); n != 1 || !strings.Contains(log.String(), "write quorum is there again") {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}
