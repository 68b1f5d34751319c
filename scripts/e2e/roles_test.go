package e2e

import (
	"context"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"sextant/scripts/cluster"
)

// quiet fails the test if clients of the load saw an error since the last call.
func quiet(t *testing.T, l *cluster.Load, what string) {
	t.Helper()
	if errs := l.Errors(); len(errs) > 0 {
		t.Errorf("%s: clients saw %v", what, errs)
	}
}

// check checks a load that goes on, through the cluster endpoint.
func check(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	t.Helper()
	db, err := c.DB(cluster.PortCluster, "pairs")
	must(t, err)
	defer db.Close()
	must(t, l.Check(deadline(t), db))
}

func writerOf(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	s, err := c.Await(deadline(t), "a writer", func(s *cluster.Status) bool { return s.Writer != "" })
	must(t, err)
	return s.Writer
}

// members are the members of an endpoint.
func members(s *cluster.Status, name string) []string {
	for _, e := range s.Endpoints {
		if e.Name == name {
			return e.Members
		}
	}
	return nil
}

func TestInstancesComeAndGoUnderLoad(t *testing.T) {
	c := start(t, cluster.Options{}, regexp.MustCompile(`msg="not a member of the cluster" node=db-4`),
		regexp.MustCompile(`msg="call refused" .*\\"db-4\\" is no process of this cluster`)) // its last ones, until it has heard of it
	l := load(t, c)
	_, err := c.Run("instance", "add", "db-4", "--az", "az-b", "--tier", "3")
	must(t, err)
	_, err = c.Await(deadline(t), "db-4 as a reader", func(s *cluster.Status) bool {
		return s.Role("db-4") == "reader" && slices.Contains(members(s, "reader"), "db-4") && slices.Equal(members(s, "db-4"), []string{"db-4"})
	})
	must(t, err)
	must(t, l.AwaitAcks(deadline(t), 100))
	await(t, c)
	for _, port := range []int{instancePort("db-4"), instancePort("db-4") + 20} {
		db := pool(t, c, port, "pairs")
		id, err := text(deadline(t), db, "SELECT @@aurora_server_id")
		must(t, err)
		if id != "db-4" {
			t.Errorf("port %d leads to %s", port, id)
		}
	}
	pid, err := c.PID("db-4")
	must(t, err)
	_, err = c.Run("instance", "remove", "db-4")
	must(t, err)
	_, err = c.Await(deadline(t), "db-4 to go", func(s *cluster.Status) bool {
		return s.Role("db-4") == "" && !slices.Contains(members(s, "reader"), "db-4") && syscall.Kill(pid, 0) != nil
	})
	must(t, err)
	if _, err := c.Run("instance", "remove", writerOf(t, c)); err == nil {
		t.Error("the writer can be removed")
	}
	must(t, l.AwaitAcks(deadline(t), 100))
	quiet(t, l, "an instance that comes and goes")
	settled(t, c, l)
}

func TestRaftLeaderKilledIsNotNoticed(t *testing.T) {
	c := start(t, cluster.Options{}, killed, controlAway)
	l := load(t, c)
	leader := func(s *cluster.Status) string {
		for _, n := range s.Control {
			if n.Leader {
				return n.ID
			}
		}
		return ""
	}
	s, err := c.Await(deadline(t), "a leader", func(s *cluster.Status) bool { return leader(s) != "" })
	must(t, err)
	old, epoch := leader(s), s.Volume.Epoch
	pid := s.PID(old)
	must(t, c.Signal(old, syscall.SIGKILL))
	// It is back so soon that it may be elected again.
	s, err = c.Await(deadline(t), "a leader, and the old one back", func(s *cluster.Status) bool {
		return s.Healthy() && leader(s) != "" && s.PID(old) != pid && s.PID(old) != 0
	})
	must(t, err)
	must(t, l.AwaitAcks(deadline(t), 300))
	quiet(t, l, "the leader of the control plane killed")
	s, err = c.Status()
	must(t, err)
	if s.Volume.Epoch != epoch {
		t.Errorf("the writer changed: epoch %d, then %d", epoch, s.Volume.Epoch)
	}
	settled(t, c, l)
}

func TestRouterKilledComesBack(t *testing.T) {
	c := start(t, cluster.Options{}, killed)
	l := load(t, c)
	epoch := func() uint64 {
		s, err := c.Status()
		must(t, err)
		return s.Volume.Epoch
	}
	before := epoch()
	must(t, c.Signal("router-1", syscall.SIGKILL))
	must(t, l.AwaitAcks(deadline(t), 300))
	if now := epoch(); now != before {
		t.Errorf("the writer changed: epoch %d, then %d", before, now)
	}
	if id, err := text(deadline(t), pool(t, c, cluster.PortReader, ""), "SELECT @@innodb_read_only"); err != nil || id != "1" {
		t.Errorf("the reader endpoint after the kill: %s, %v", id, err)
	}
	settled(t, c, l)
}

// The second writer dies as soon as it serves, without a commit of its own maybe;
// then the third, which is planned, comes at once too.
func TestFailoversInQuickSuccession(t *testing.T) {
	c := start(t, cluster.Options{}, killed, deposed)
	l := load(t, c)
	first := writerOf(t, c)
	must(t, c.Signal(first, syscall.SIGKILL))
	s, err := c.Await(deadline(t), "a second writer", func(s *cluster.Status) bool { return s.Writer != "" && s.Writer != first })
	must(t, err)
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	second := s.Writer
	s, err = c.Await(deadline(t), "a third writer", func(now *cluster.Status) bool {
		return now.Writer != "" && now.Volume.Epoch > s.Volume.Epoch && now.Role(first) == "reader" && (now.Writer == second || now.Role(second) == "reader")
	})
	must(t, err)
	for range 2 { // refused while no reader is well, as on a machine too busy for heartbeats
		eventually(t, "a switchover", func(context.Context) error {
			_, err := c.Run("failover")
			return err
		})
	}
	must(t, l.AwaitAcks(deadline(t), 200))
	settled(t, c, l)
}

func TestOnlyCandidateKilled(t *testing.T) {
	c := start(t, cluster.Options{}, killed)
	l := load(t, c)
	writer := writerOf(t, c)
	for _, id := range []string{"db-1", "db-2", "db-3"} {
		if id != writer {
			_, err := c.Run("stop", id)
			must(t, err)
		}
	}
	must(t, l.AwaitAcks(deadline(t), 100))
	s, err := c.Status()
	must(t, err)
	must(t, c.Signal(writer, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "the writer again", func(now *cluster.Status) bool { return now.Writer == writer && now.Volume.Epoch > s.Volume.Epoch })
	must(t, err)
	must(t, l.AwaitAcks(deadline(t), 200))
	// Without a reader the reader endpoint leads to the writer.
	id, err := text(deadline(t), pool(t, c, cluster.PortReader, ""), "SELECT @@aurora_server_id")
	if err != nil || id != writer {
		t.Errorf("the reader endpoint without readers: %s, %v", id, err)
	}
	settled(t, c, l)
}

func TestParentKilledTakesEveryChildWithIt(t *testing.T) {
	c := start(t, cluster.Options{})
	l := load(t, c)
	must(t, c.KillParent(deadline(t)))
	must(t, c.Up(deadline(t)))
	must(t, l.AwaitAcks(deadline(t), 100))
	check(t, c, l)
	settled(t, c, l)
}

func TestInterruptUnderLoadStopsCleanly(t *testing.T) {
	c := start(t, cluster.Options{}, controlAway)
	l := load(t, c)
	began := time.Now()
	must(t, c.Stop()) // with an error if the exit code is not 0; judge finds a child that had to be killed
	t.Logf("stopped in %v", time.Since(began).Round(time.Millisecond))
	must(t, c.Up(deadline(t)))
	must(t, l.AwaitAcks(deadline(t), 100))
	settled(t, c, l)
}
