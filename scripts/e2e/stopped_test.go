package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sextant/scripts/cluster"
)

// TestStoppedStaysStopped: what was stopped with `sextant stop` does not run again by itself when its directory, with
// whatever marks it, is removed: not while `sextant up` runs, nor by the next one. `sextant start` starts it.
func TestStoppedStaysStopped(t *testing.T) {
	emptied := regexp.MustCompile(`msg="another store answers; it counts in no quorum" .*node=storage-3 `) // before the writer hears why
	c := start(t, cluster.Options{}, controlAway, emptied)
	ids := []string{"storage-3", "db-3", "router-1"}
	each(t, c, "stop", ids)
	empty := func() {
		t.Helper()
		for _, id := range ids {
			must(t, os.RemoveAll(filepath.Join(c.Data, id)))
		}
	}
	before := len(c.Output())
	empty()
	stays := func(since int) { // this many bytes of output
		t.Helper()
		time.Sleep(time.Second) // in which it would start again
		s, err := c.Await(deadline(t), "the others to be up", func(s *cluster.Status) bool {
			up := s.Writer != ""
			for _, n := range s.Storage {
				up = up && n.Healthy == (n.ID != "storage-3")
			}
			return up
		})
		must(t, err)
		for _, id := range ids {
			if pid := s.PID(id); pid != 0 || strings.Contains(c.Output()[since:], fmt.Sprintf("%-9s | time=", id)) {
				t.Errorf("%s runs, its pid is %d", id, pid)
			}
		}
		if n, i := s.Storage[2], s.Instance("db-3"); !strings.HasPrefix(n.Detail, "stopped") || i.Role != "stopped" || n.Replacing != nil {
			t.Errorf("they are shown as %+v, %+v", n, i)
		}
	}
	stays(before)
	each(t, c, "start", ids[1:2])
	_, err := c.Await(deadline(t), "db-3 to be a reader", func(s *cluster.Status) bool { return s.Role("db-3") == "reader" })
	must(t, err)
	each(t, c, "stop", ids[1:2])
	must(t, c.Stop())
	empty()
	must(t, c.Up(deadline(t)))
	stays(0)
	each(t, c, "start", ids)
	_, err = c.Await(deadline(t), "all to be up", func(s *cluster.Status) bool {
		return s.Healthy() && s.CaughtUp("storage-3") && s.Role("db-3") == "reader" && len(s.Routers) == 1 && s.Routers[0].Healthy
	})
	must(t, err)
	w := pool(t, c, cluster.PortCluster, "")
	run(t, w, "CREATE DATABASE d")
}
