// Package e2e runs a whole cluster of real processes and breaks it: kill -9,
// SIGSTOP, stopped nodes and zones. Every test that writes checks that all that
// was acknowledged is there, and nothing by half.
package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sextant/scripts/cluster"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sextant-e2e")
	if err == nil {
		binary, err = cluster.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const patience = 90 * time.Second // for anything that must happen; a machine may be slow

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// start starts a cluster that ends with the test. What it printed is judged then:
// only the warnings of allowed, and those that every cluster may print, are fine.
func start(t *testing.T, o cluster.Options, allowed ...noise) *cluster.Cluster {
	t.Helper()
	o.Binary, o.Data = binary, t.TempDir()
	c, err := cluster.Start(deadline(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.KillAll()
		judge(t, c.History(), allowed)
		if t.Failed() {
			t.Logf("output of sextant up:\n%s", c.History())
		}
	})
	return c
}

func load(t *testing.T, c *cluster.Cluster) *cluster.Load {
	t.Helper()
	l, err := cluster.StartLoad(deadline(t), c, "pairs", 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	must(t, l.AwaitAcks(deadline(t), 200))
	return l
}

// each runs `sextant stop` or `start` for each of the ids.
func each(t *testing.T, c *cluster.Cluster, command string, ids []string) {
	t.Helper()
	for _, id := range ids {
		_, err := c.Run(command, id)
		must(t, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settled stops the load and checks it through the cluster endpoint.
func settled(t *testing.T, c *cluster.Cluster, l *cluster.Load) {
	t.Helper()
	l.Stop()
	db, err := c.DB(cluster.PortCluster, "pairs")
	must(t, err)
	defer db.Close()
	must(t, l.Check(deadline(t), db))
}

func TestKilledWriterIsFollowedAndComesBackAsReader(t *testing.T) {
	c := start(t, cluster.Options{}, killed)
	l := load(t, c)
	for range 2 {
		s, err := c.Status()
		must(t, err)
		old := s.Writer
		must(t, c.Signal(old, syscall.SIGKILL))
		s, err = c.Await(deadline(t), "a new writer", func(s *cluster.Status) bool { return s.Writer != "" && s.Writer != old })
		must(t, err)
		must(t, l.AwaitAcks(deadline(t), 200))
		_, err = c.Await(deadline(t), "the old writer as a reader", func(s *cluster.Status) bool { return s.Role(old) == "reader" })
		must(t, err)
	}
	settled(t, c, l)
}

func TestStoppedStorageAndZonesAreNotNoticed(t *testing.T) {
	c := start(t, cluster.Options{}, controlAway)
	l := load(t, c)
	unnoticed := func(what string, ids ...string) {
		t.Helper()
		l.Errors()
		each(t, c, "stop", ids)
		must(t, l.AwaitAcks(deadline(t), 300))
		each(t, c, "start", ids)
		must(t, l.AwaitAcks(deadline(t), 300))
		if errs := l.Errors(); len(errs) > 0 {
			t.Errorf("%s: clients saw %v", what, errs)
		}
		_, err := c.Await(deadline(t), what+" to be healthy again", (*cluster.Status).Healthy)
		must(t, err)
	}
	for n := range 6 {
		unnoticed("one storage node", fmt.Sprintf("storage-%d", n+1))
	}
	for n := range 3 {
		unnoticed("one control node", fmt.Sprintf("control-%d", n+1))
	}
	for z := range 3 {
		unnoticed("a zone", fmt.Sprintf("storage-%d", 2*z+1), fmt.Sprintf("storage-%d", 2*z+2), fmt.Sprintf("control-%d", z+1))
	}
	settled(t, c, l)
}

// Three of six segments are no write quorum: what was not acknowledged before waits,
// and goes on by itself; the writer says so in its log, and in the status. Reads go on, at the writer too; and if
// the writer dies in that state, at the readers.
func TestZonePlusOneStopsWritesNotReads(t *testing.T) {
	c := start(t, cluster.Options{}, controlAway, killed, quorumLost)
	l := load(t, c)
	w, r := pool(t, c, cluster.PortCluster, "pairs"), pool(t, c, cluster.PortReader, "pairs")
	run(t, w, "CREATE TABLE probe (id INT PRIMARY KEY)")
	await(t, c)
	l.Errors()
	down := []string{"storage-1", "storage-2", "control-1", "storage-3"}
	each(t, c, "stop", down)
	reads := func(from ...*sql.DB) {
		t.Helper()
		for range 20 {
			for _, db := range from {
				n, err := text(deadline(t), db, "SELECT COUNT(*) > 0 FROM a")
				must(t, err)
				if n != "1" {
					t.Errorf("no row is seen: %s", n)
				}
			}
		}
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := pool(t, c, cluster.PortCluster, "pairs").ExecContext(deadline(t), "INSERT INTO probe VALUES (1)")
		wrote <- err
	}()
	reads(w, r)
	acked := l.Acked() // what was on its way has been answered by now
	s, err := c.Await(deadline(t), "the lost write quorum to be said", func(s *cluster.Status) bool {
		i := s.Instance(s.Writer)
		return i.Role == "writer" && !i.Healthy && strings.HasPrefix(i.Detail, "write quorum lost: commits wait for group 0, of whose storage nodes 3 answer (storage-4, storage-5, storage-6)")
	})
	must(t, err)
	for _, n := range s.Storage[:3] {
		if n.Healthy || n.PID != 0 || !strings.HasPrefix(n.Detail, "stopped by an operator") {
			t.Errorf("%s is stopped: %+v", n.ID, n)
		}
	}
	out, err := c.Run("status")
	must(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "write quorum lost:") || !quorumLost.MatchString(c.Output()) {
		t.Errorf("the last line of the status is %q, and it is logged: %v", last, quorumLost.MatchString(c.Output()))
	}
	reads(w, r)
	select {
	case err := <-wrote:
		t.Errorf("the commit ended (%v) with three of six segments", err)
	default:
	}
	if now := l.Acked(); now != acked {
		t.Errorf("%d commits were acknowledged with three of six segments", now-acked)
	}
	each(t, c, "start", down)
	must(t, l.AwaitAcks(deadline(t), 200))
	must(t, <-wrote)
	quiet(t, l, "a zone and one node away for a while")
	epoch := s.Volume.Epoch
	s, err = c.Await(deadline(t), "the writer to be well", func(s *cluster.Status) bool { return s.Instance(s.Writer).Healthy })
	must(t, err)
	if s.Volume.Epoch != epoch {
		t.Errorf("another writer was granted: epoch %d, not %d", s.Volume.Epoch, epoch)
	}

	each(t, c, "stop", down)
	s, err = c.Status()
	must(t, err)
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "a recovery", func(now *cluster.Status) bool { return now.Volume.Epoch > s.Volume.Epoch })
	must(t, err)
	for began := time.Now(); time.Since(began) < 12*time.Second; { // longer than a recovery without progress is left alone
		reads(r)
	}
	now, err := c.Await(deadline(t), "the recovery to say what it waits for", func(s *cluster.Status) bool {
		return slices.ContainsFunc(s.Instances, func(i cluster.Instance) bool {
			return i.Role == "joining" && strings.HasPrefix(i.Detail, "write quorum lost: the recovery waits for group 0, of whose storage nodes 3 answer")
		})
	})
	must(t, err)
	if now.Volume.Epoch != s.Volume.Epoch+1 {
		t.Errorf("%d epochs were granted while no recovery could be done", now.Volume.Epoch-s.Volume.Epoch)
	}
	each(t, c, "start", down)
	must(t, l.AwaitAcks(deadline(t), 200))
	settled(t, c, l)
}

func TestAllKilledAtOnceLoseNothing(t *testing.T) {
	c := start(t, cluster.Options{})
	l := load(t, c)
	c.KillAll()
	l.Stop()
	must(t, c.Up(deadline(t)))
	db, err := c.DB(cluster.PortCluster, "pairs")
	must(t, err)
	defer db.Close()
	must(t, l.Check(deadline(t), db))
	_, err = db.ExecContext(deadline(t), "INSERT INTO a VALUES (1, 1, 'after')")
	must(t, err)
}

func TestReadersFollowAndRefuseWrites(t *testing.T) {
	c := start(t, cluster.Options{})
	w, err := c.DB(cluster.PortCluster, "")
	must(t, err)
	defer w.Close()
	for _, q := range []string{"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO shop.t VALUES (1, 'one')"} {
		_, err := w.ExecContext(deadline(t), q)
		must(t, err)
	}
	r, err := c.DB(cluster.PortReader, "")
	must(t, err)
	defer r.Close()
	ctx := deadline(t)
	for {
		var v string
		err := r.QueryRowContext(ctx, "SELECT v FROM shop.t WHERE id = 1").Scan(&v)
		if err == nil && v == "one" {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the row does not become visible on a reader: %v", err)
		}
	}
	_, err = r.ExecContext(ctx, "INSERT INTO shop.t VALUES (2, 'two')")
	if err == nil || !strings.Contains(err.Error(), "1290") {
		t.Errorf("a write on a reader gives %v, not 1290", err)
	}
	var readOnly int
	must(t, r.QueryRowContext(ctx, "SELECT @@innodb_read_only").Scan(&readOnly))
	if readOnly != 1 {
		var id string
		must(t, r.QueryRowContext(ctx, "SELECT @@aurora_server_id").Scan(&id))
		s, err := c.Status()
		t.Errorf("@@innodb_read_only is %d on %s: %+v %v", readOnly, id, s, err)
	}
}

func TestEndpointsAndSwitchover(t *testing.T) {
	c := start(t, cluster.Options{})
	s, err := c.Await(deadline(t), "a writer", func(s *cluster.Status) bool { return s.Writer != "" })
	must(t, err)
	member := "db-3"
	if s.Writer == member { // the first that is up is the writer
		member = "db-1"
	}
	_, err = c.Run("endpoint", "create", "reports", "--member-type", "READER", "--static", member)
	must(t, err)
	_, err = c.Await(deadline(t), "the endpoint", func(s *cluster.Status) bool {
		for _, e := range s.Endpoints {
			if e.Name == "reports" && len(e.Members) == 1 && len(e.Addresses) == 1 {
				return true
			}
		}
		return false
	})
	must(t, err)
	db, err := c.DB(351, "")
	must(t, err)
	defer db.Close()
	var id string
	must(t, db.QueryRowContext(deadline(t), "SELECT @@aurora_server_id").Scan(&id))
	if id != member {
		t.Errorf("the endpoint of %s leads to %s", member, id)
	}
	l := load(t, c)
	_, err = c.Run("failover", "--to", member)
	must(t, err)
	_, err = c.Await(deadline(t), member+" to be the writer", func(s *cluster.Status) bool { return s.Writer == member })
	must(t, err)
	must(t, l.AwaitAcks(deadline(t), 100))
	settled(t, c, l)
	_, err = c.Run("endpoint", "delete", "reports")
	must(t, err)
}

// The volume grows from one group to dozens while it is written to; its writer is
// killed on the way, and everything at the end.
func TestManyProtectionGroupsWhileWriting(t *testing.T) {
	c := start(t, cluster.Options{Env: []string{"SEXTANT_CLUSTER_SEGMENT_SIZE=256KiB"}}, killed)
	l := load(t, c)
	for _, groups := range []int{6, 14, 24} {
		s, err := c.Await(deadline(t), fmt.Sprintf("%d groups", groups), func(s *cluster.Status) bool { return s.Writer != "" && s.Volume.ProtectionGroups >= groups })
		must(t, err)
		if groups < 24 {
			must(t, c.Signal(s.Writer, syscall.SIGKILL))
			_, err = c.Await(deadline(t), "a new writer", func(now *cluster.Status) bool { return now.Writer != "" && now.Volume.Epoch > s.Volume.Epoch })
			must(t, err)
		}
	}
	c.KillAll()
	l.Stop()
	must(t, c.Up(deadline(t)))
	db, err := c.DB(cluster.PortCluster, "pairs")
	must(t, err)
	defer db.Close()
	must(t, l.Check(deadline(t), db))
}

func TestCleanStopAndStart(t *testing.T) {
	c := start(t, cluster.Options{}, controlAway, killed)
	l := load(t, c)
	l.Stop()
	w := pool(t, c, cluster.PortCluster, "")
	run(t, w, "CREATE DATABASE shop", "CREATE TABLE shop.t (name VARCHAR(40) PRIMARY KEY, email VARCHAR(40), UNIQUE (email))",
		"INSERT INTO shop.t VALUES ('ann','a@x.io'),('Bob','b@x.io')")
	// Text keys need the collations' weights as soon as the catalog is read.
	textKeys := func(when string) {
		t.Helper()
		run(t, w, "INSERT INTO shop.t VALUES ('"+when+"','"+when+"@x.io')", "UPDATE shop.t SET email=CONCAT('x',email) WHERE name='"+when+"'")
		for at, port := range map[string]int{"writer": cluster.PortCluster, "reader": cluster.PortReader} {
			eventually(t, "text keys on the "+at, func(ctx context.Context) error {
				got, err := text(ctx, pool(t, c, port, ""), "SELECT CONCAT(name,email) FROM shop.t WHERE name IN ('BOB','"+when+"') AND email LIKE '%@x.io' ORDER BY name LIMIT 1,1")
				if want := when + "x" + when + "@x.io"; err != nil || got != want {
					return fmt.Errorf("got %q, %v, want %q", got, err, want)
				}
				return nil
			})
		}
	}
	must(t, c.Stop())
	must(t, c.Up(deadline(t)))
	db, err := c.DB(cluster.PortCluster, "pairs")
	must(t, err)
	defer db.Close()
	must(t, l.Check(deadline(t), db))
	textKeys("cleanly")
	s, err := c.Status()
	must(t, err)
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "a new writer, and the old one as a reader", func(now *cluster.Status) bool {
		return now.Writer != "" && now.Writer != s.Writer && now.Role(s.Writer) == "reader"
	})
	must(t, err)
	textKeys("killed")
}

func TestTakenPortIsNamed(t *testing.T) {
	c := start(t, cluster.Options{})
	other := &cluster.Cluster{Options: cluster.Options{Binary: binary, Data: t.TempDir()}, Base: c.Base}
	err := other.Up(deadline(t))
	if err == nil {
		other.KillAll()
		t.Fatal("a second cluster started on the same ports")
	}
	for _, want := range []string{fmt.Sprint(c.Base), "port_base"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
