package e2e

import (
	"slices"
	"strings"
	"testing"

	"sextant/scripts/cluster"
)

// replacing returns the storage node that is being replaced, "" if none is.
func replacing(s *cluster.Status) string {
	for _, n := range s.Storage {
		if n.Replacing != nil {
			return n.ID
		}
	}
	return ""
}

// storageIDs returns the ids of the storage nodes.
func storageIDs(s *cluster.Status) (ids []string) {
	for _, n := range s.Storage {
		ids = append(ids, n.ID)
	}
	return ids
}

// TestStorageNodeIsReplaced loses a storage node for good, has another take its place
// under load, and then relies on that one: a zone goes away, the writer dies, all stops and
// starts again, without what the control plane had. Then a replacement is begun for a node that
// comes back in time. No client sees an error, and no row is lost.
func TestStorageNodeIsReplaced(t *testing.T) {
	c := start(t, cluster.Options{Env: []string{"SEXTANT_CLUSTER_SEGMENT_SIZE=1MiB", "SEXTANT_STORAGE_DRAIN_INTERVAL=300ms", "SEXTANT_STORAGE_MOVE_RATE=0"}}, killed, deposed, controlAway, controlLost)
	l := load(t, c)
	stop(t, c, "storage-3")
	must(t, c.EmptyStorage("storage-3"))
	out, err := c.Run("storage", "replace", "storage-3")
	must(t, err)
	if !strings.Contains(out, "storage-3 is being replaced by storage-7") {
		t.Errorf("it says %q", out)
	}
	s, err := c.Await(deadline(t), "storage-7 to be in the place of storage-3", func(s *cluster.Status) bool {
		return !slices.Contains(storageIDs(s), "storage-3") && s.CaughtUp("storage-7")
	})
	must(t, err)
	if got := storageIDs(s); len(got) != 6 || replacing(s) != "" {
		t.Errorf("storage nodes %v, being replaced %q", got, replacing(s))
	}
	must(t, l.AwaitAcks(deadline(t), 200))
	quiet(t, l, "a storage node that was lost and replaced")
	check(t, c, l)

	// Four nodes are left, and the new one is one of them.
	stop(t, c, "storage-1")
	stop(t, c, "storage-2")
	must(t, l.AwaitAcks(deadline(t), 200))
	quiet(t, l, "a zone away, with a node that has joined")
	newWriter(t, c)
	must(t, l.AwaitAcks(deadline(t), 200))
	check(t, c, l)
	for _, id := range []string{"storage-1", "storage-2"} {
		_, err := c.Run("start", id)
		must(t, err)
	}
	l.Errors() // of the sessions that the writer took along

	t.Run("ItComesBackInTime", func(t *testing.T) { comesBackInTime(t, c, l) })
	settled(t, c, l)

	_, err = c.Run("endpoint", "create", "reports", "--member-type", "ANY", "--static", "db-2")
	must(t, err)
	must(t, c.Stop())
	for _, id := range []string{"control-1", "control-2", "control-3"} {
		must(t, c.EmptyControl(id))
	}
	must(t, c.Up(deadline(t)))
	s, err = c.Await(deadline(t), "storage-7 to run again", func(s *cluster.Status) bool { return s.PID("storage-7") != 0 })
	must(t, err)
	if got := storageIDs(s); slices.Contains(got, "storage-3") {
		t.Errorf("after a start without what the control plane had: storage nodes %v", got)
	}
	if out, err = c.Run("endpoint", "list"); err != nil || !strings.Contains(out, "reports") {
		t.Errorf("endpoints after it: %v\n%s", err, out)
	}
	settled(t, c, l)
}

// comesBackInTime begins to replace a node by one that does not run: writes need four of
// the old members and four of the new. Then the old one comes back.
func comesBackInTime(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	_, err := c.Run("storage", "add", "storage-8", "--az", "az-b")
	must(t, err)
	_, err = c.Await(deadline(t), "the spare node", func(s *cluster.Status) bool {
		return slices.ContainsFunc(storageIDs(s), func(id string) bool { return id == "storage-8" }) && s.PID("storage-8") != 0
	})
	must(t, err)
	healthy := func(id string, want bool) func(*cluster.Status) bool {
		return func(s *cluster.Status) bool {
			for _, n := range s.Storage {
				if n.ID == id {
					return n.Healthy == want
				}
			}
			return false
		}
	}
	_, err = c.Await(deadline(t), "the spare node to report", healthy("storage-8", true))
	must(t, err)
	stop(t, c, "storage-8")
	stop(t, c, "storage-4")
	_, err = c.Await(deadline(t), "storage-4 to be missed", healthy("storage-4", false))
	must(t, err)
	_, err = c.Run("storage", "replace", "storage-4", "--with", "storage-8")
	must(t, err)
	if out, err := c.Run("storage", "replace", "storage-5"); err == nil {
		t.Errorf("two replacements at once: %q", out)
	}
	must(t, l.AwaitAcks(deadline(t), 200))
	s, err := c.Status()
	must(t, err)
	if id := replacing(s); id != "storage-4" {
		t.Errorf("being replaced is %q", id)
	}
	if out, err := c.Run("status"); err != nil || !strings.Contains(out, "being replaced by storage-8: 0 of ") {
		t.Errorf("status says %v\n%s", err, out)
	}
	newWriter(t, c) // which recovers in the middle of it
	must(t, l.AwaitAcks(deadline(t), 200))
	l.Errors()
	_, err = c.Run("start", "storage-4")
	must(t, err)
	_, err = c.Await(deadline(t), "storage-4 to have its place again", func(s *cluster.Status) bool { return replacing(s) == "" && s.CaughtUp("storage-4") })
	must(t, err)
	says(t, c, `msg="replacement of a storage node is taken back" node=storage-4 by=storage-8`)
	must(t, l.AwaitAcks(deadline(t), 200))
	quiet(t, l, "a replacement that was taken back")
	check(t, c, l)
}
