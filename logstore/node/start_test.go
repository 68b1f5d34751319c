package node_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore/node"
)

// TestStartsDoNotFillTheHotLog: a process that ends after each start, before it has
// drained anything, neither fills the hot log nor waits for a drain that nobody runs.
func TestStartsDoNotFillTheHotLog(t *testing.T) {
	o := options(t.TempDir())
	o.HotFiles = 3
	s := serve(t, o)
	s.open(3)
	for l := redo.LSN(1); l <= 20; l++ {
		s.write(3, 0, l, l-1, l)
	}
	s.close()
	for i := range 8 {
		began := time.Now()
		n, err := node.Open(o)
		if err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
		st := n.Status()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if st.HotFiles > o.HotFiles+1 || time.Since(began) > 1500*time.Millisecond {
			t.Fatalf("start %d: %d files are live, after %v", i, st.HotFiles, time.Since(began))
		}
	}
	s = serve(t, o)
	if s.scl(0) != 20 {
		t.Fatalf("SCL %d", s.scl(0))
	}
}

// TestQuarantineIsDurable: the records that a quarantine dropped from memory are given
// back by the hot log; a process that ends then must not come back whole.
func TestQuarantineIsDurable(t *testing.T) {
	o := options(t.TempDir())
	o.DrainEvery = 20 * time.Millisecond
	s := serve(t, o)
	s.open(3)
	s.write(3, 0, 1, 0, 1)
	path := filepath.Join(o.Dir, "segments", "0000000000000005-1-0.seg")
	until(t, func() bool { _, err := os.Stat(path); return err == nil })
	until(t, func() bool { return s.n.Status().Undrained == 0 })
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), good...)
	for i := 2 * os.Getpagesize(); i < len(bad); i++ {
		bad[i] ^= 0x55
	}
	if err := os.WriteFile(path, bad, 0o640); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return damaged(s.n, 0) }) // the scrub finds it
	// A process that ends now leaves this; the file is sound again, as after a fault of
	// the cable, so that only the log knows.
	until(t, func() bool {
		left := o
		left.Dir = filepath.Join(t.TempDir(), "left")
		if err := os.CopyFS(left.Dir, os.DirFS(o.Dir)); err != nil {
			return false // a file was renamed meanwhile
		}
		if err := os.WriteFile(filepath.Join(left.Dir, "segments", filepath.Base(path)), good, 0o640); err != nil {
			t.Fatal(err)
		}
		n, err := node.Open(left)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		return damaged(n, 0)
	})
}

func damaged(n *node.Node, pg redo.PGID) bool {
	for _, g := range n.Status().Segments {
		if g.PG == pg {
			return g.Damaged
		}
	}
	return false
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("not within 5 s")
		}
	}
}
