package failover_test

import (
	"strings"
	"testing"

	"sextant/failover"
	"sextant/failover/fleet"
)

// TestWhoDoesNotReport: a storage node that an operator stopped, one that has gone and one that hangs are told apart,
// also by a leader that has never heard of them; only one that is there has a process id.
func TestWhoDoesNotReport(t *testing.T) {
	var hangs string
	c := newCluster(t, 1, func(c *cluster) { c.addresses = map[int]string{0: freePort(t), 1: freePort(t), 2: freePort(t)} })
	hangs = c.addresses[1]
	c.start("db-1")
	c.serving("")
	_, err := c.client.Propose(testContext(t), &fleet.Stop{ID: "storage-3"})
	must(t, err)
	l := listen(t, hangs)
	defer l.Close()
	for i := range 3 {
		c.stores[i].Close()
	}
	told := func(pids bool) {
		t.Helper()
		eventually(t, "they are told apart", func() bool {
			s, err := c.client.Status(testContext(t))
			if err != nil || s.Leaderless {
				return false
			}
			is := func(n failover.StorageStatus, begin string, pid bool) bool {
				return !n.Healthy && strings.HasPrefix(n.Detail, begin) && (n.PID != 0) == pid
			}
			return is(s.Storage[0], "dead: nobody listens at "+c.addresses[0], false) && is(s.Storage[1], "hung: it takes connections at "+hangs, pids) &&
				is(s.Storage[2], "stopped by an operator", false) && s.Storage[3].Healthy && s.Storage[3].Detail == ""
		})
	}
	told(true)
	in := c.inst["db-1"]
	in.set(func() { in.mute = true })
	eventually(t, "an instance that hangs", func() bool {
		s, err := c.client.Status(testContext(t))
		return err == nil && !s.Leaderless && s.Instances[0].PID != 0 && s.Instances[0].Detail == "hung, or cut off: it sends no heartbeat"
	})
	in.set(func() { in.mute = false })
	old := c.leader()
	c.closeNode(old)
	told(false) // the next leader has never heard of the process
	_, err = c.client.Propose(testContext(t), &fleet.Stop{ID: c.peers[old].ID})
	must(t, err)
	st, err := c.client.Status(testContext(t))
	must(t, err)
	if n := st.Control[old]; n.PID != 0 || !strings.HasPrefix(n.Detail, "stopped by an operator") {
		t.Errorf("a control node that was stopped: %+v", n)
	}
	in.kill()
	eventually(t, "an instance that has gone", func() bool {
		s, err := c.client.Status(testContext(t))
		return err == nil && !s.Leaderless && s.Instances[0].PID == 0 && strings.HasPrefix(s.Instances[0].Detail, "dead, or cut off")
	})
	_, err = c.client.Propose(testContext(t), &fleet.Stop{ID: "db-1"})
	must(t, err)
	s, err := c.client.Status(testContext(t))
	must(t, err)
	if s.Instances[0].Detail != "stopped by an operator: `sextant start db-1` starts it" {
		t.Errorf("%+v", s.Instances[0])
	}
}

// freePort returns an address of which the port was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	return l.Addr().String()
}
