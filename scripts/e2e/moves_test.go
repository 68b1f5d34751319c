package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sextant/scripts/cluster"
)

// balanced reports whether the nodes of each zone differ by one segment at most, nothing moves, and each
// node has exactly the segments that are its.
func balanced(s *cluster.Status) bool {
	low, high := map[string]int{}, map[string]int{}
	for _, n := range s.Storage {
		if n.Replacing != nil || !n.Healthy || len(n.SCL) != n.Segments {
			return false
		}
		if at, seen := low[n.AZ]; !seen || n.Segments < at {
			low[n.AZ] = n.Segments
		}
		high[n.AZ] = max(high[n.AZ], n.Segments)
	}
	for az := range low {
		if low[az] == 0 || high[az]-low[az] > 1 {
			return false
		}
	}
	return len(s.Storage) > 0
}

// TestSegmentsMoveWhileWriting grows a volume on six storage nodes, adds one in each zone, and has
// segments move to them until all are even; then one node drains and leaves. The writer is
// killed amid both. No row is lost, and what has moved takes no place where it was.
func TestSegmentsMoveWhileWriting(t *testing.T) {
	c := start(t, cluster.Options{Env: []string{"SEXTANT_CLUSTER_SEGMENT_SIZE=256KiB", "SEXTANT_STORAGE_DRAIN_INTERVAL=300ms"}}, killed, deposed)
	l := load(t, c)
	_, err := c.Await(deadline(t), "6 groups", func(s *cluster.Status) bool { return s.Volume.ProtectionGroups >= 6 })
	must(t, err)
	for id, az := range map[string]string{"storage-7": "az-a", "storage-8": "az-b", "storage-9": "az-c"} {
		_, err := c.Run("storage", "add", id, "--az", az)
		must(t, err)
	}
	_, err = c.Await(deadline(t), "a segment on storage-7", func(s *cluster.Status) bool {
		return slices.ContainsFunc(s.Storage, func(n cluster.Storage) bool { return n.ID == "storage-7" && n.Segments > 0 })
	})
	must(t, err)
	must(t, l.AwaitAcks(deadline(t), 200))
	quiet(t, l, "segments move")
	newWriter(t, c)
	l.Stop() // new groups would go on changing the counts
	s, err := c.Await(deadline(t), "the segments to be even", balanced)
	must(t, err)
	check(t, c, l)
	for _, n := range s.Storage {
		files, err := filepath.Glob(filepath.Join(c.Data, n.ID, "segments", "*.seg"))
		if err != nil || len(files) > n.Segments {
			t.Errorf("%s has %d segments and %d files, %v", n.ID, n.Segments, len(files), err)
		}
	}

	more, err := cluster.StartLoad(deadline(t), c, "more", 4)
	must(t, err)
	t.Cleanup(more.Stop)
	out, err := c.Run("storage", "drain", "storage-1")
	must(t, err)
	if !strings.Contains(out, "storage-1 drains: ") {
		t.Errorf("it says %q", out)
	}
	if out, err := c.Run("storage", "drain", "storage-2"); err == nil {
		t.Errorf("a zone is left with one node: %q", out)
	}
	_, err = c.Await(deadline(t), "a segment to move off storage-1", func(s *cluster.Status) bool {
		return slices.ContainsFunc(s.Storage, func(n cluster.Storage) bool { return n.ID == "storage-1" && n.Draining && n.Replacing != nil })
	})
	must(t, err)
	w := writerOf(t, c)
	must(t, c.Signal(w, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "storage-1 to leave", func(s *cluster.Status) bool { return !slices.Contains(storageIDs(s), "storage-1") })
	must(t, err)
	must(t, more.AwaitAcks(deadline(t), 100))
	more.Stop()
	db, err := c.DB(cluster.PortCluster, "more")
	must(t, err)
	defer db.Close()
	must(t, more.Check(deadline(t), db))
	check(t, c, l)

	c.KillAll()
	must(t, c.Up(deadline(t)))
	check(t, c, l)
}
