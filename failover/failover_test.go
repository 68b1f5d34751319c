package failover_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/locked"
	"sextant/internal/redo"
)

func TestFirstWriterIsTheLowestTierThenTheLowestID(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-3", "db-2", "db-1")
	if w := c.serving(""); w != "db-1" {
		t.Errorf("first writer is %s, want db-1", w)
	}
	s := c.state()
	if s.Epoch != 1 || s.Opened != 1 || s.LALMax != 1000 {
		t.Errorf("epoch %d, opened %d, LAL %d; want 1, 1, 1000", s.Epoch, s.Opened, s.LALMax)
	}
	eventually(t, "six stores registered", func() bool {
		return !slices.ContainsFunc(c.state().Storage, func(n fleet.StorageNode) bool { return n.StoreID == 0 })
	})
}

func TestCrashIsSeenWellUnderASecond(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	w := c.serving("")
	began := time.Now()
	c.inst[w].kill()
	next := c.serving(w)
	took := time.Since(began)
	t.Logf("kill of the writer to Opened: %v", took)
	if took > 700*time.Millisecond {
		t.Errorf("failover after a refused reconnect took %v", took)
	}
	if s := c.state(); s.Epoch != 2 || next == w {
		t.Errorf("epoch %d, writer %s; want 2 and another than %s", s.Epoch, next, w)
	}
	// A refused reconnect starts the failover but proves no exit.
	c.inst[next].set(func() {
		if c.inst[next].lastWait != 50*time.Millisecond {
			t.Errorf("lease wait %v, want the predecessor's 50ms", c.inst[next].lastWait)
		}
	})
	c.start(w)
	eventually(t, "the old writer is back as a reader", func() bool {
		st, err := c.client.Status(testContext(t))
		return err == nil && slices.ContainsFunc(st.Instances, func(i failover.InstanceStatus) bool {
			return i.ID == w && i.Role == "reader" && i.Healthy
		})
	})
	if s := c.state(); s.Epoch != 2 {
		t.Errorf("its return moved the epoch to %d", s.Epoch)
	}
}

func TestSilenceIsADeathAfterOneToTwoSeconds(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	w := c.serving("")
	began := time.Now()
	c.inst[w].set(func() { c.inst[w].mute = true })
	c.serving(w)
	took := time.Since(began)
	t.Logf("silence of the writer to Opened: %v", took)
	if took < time.Second || took > 2500*time.Millisecond {
		t.Errorf("failover after silence took %v, want 1 to 2 s", took)
	}
	c.inst[w].set(func() { c.inst[w].mute = false })
	eventually(t, "the deposed writer is told to demote", func() bool {
		c.inst[w].mu.Lock()
		defer c.inst[w].mu.Unlock()
		return c.inst[w].demoted > 0
	})
}

func TestParentsWordSparesTheLeaseWait(t *testing.T) {
	c := newCluster(t, 2)
	c.start("db-1", "db-2")
	w := c.serving("")
	other := map[string]string{"db-1": "db-2", "db-2": "db-1"}[w]
	// The process is still attached: only the parent's word can start this failover.
	must(t, c.client.ExitSeen(testContext(t), w, os.Getpid()))
	c.serving(w)
	c.inst[other].set(func() {
		if c.inst[other].lastWait != 0 {
			t.Errorf("lease wait %v after the exit was seen, want 0", c.inst[other].lastWait)
		}
	})
}

func TestOneControlNodeDownChangesNothing(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	w := c.serving("")
	for down := range 3 {
		c.closeNode(down)
		c.leader()
		_, err := c.client.Propose(testContext(t), &fleet.SetTier{ID: "db-3", Tier: uint8(down + 2)})
		must(t, err)
		eventually(t, "all instances healthy at the leader", func() bool {
			st, err := c.client.Status(testContext(t))
			return err == nil && !slices.ContainsFunc(st.Instances, func(i failover.InstanceStatus) bool { return !i.Healthy })
		})
		if s := c.state(); s.Epoch != 1 || s.Writer() != w {
			t.Fatalf("without %s: epoch %d, writer %s", c.peers[down].ID, s.Epoch, s.Writer())
		}
		c.reopen(down)
		eventually(t, "the node has caught up", func() bool {
			i, _ := c.nodes[down].State().Instance("db-3")
			return i.Tier == uint8(down+2)
		})
	}
}

func TestLeaderKilledInAGrantGrantsOneEpochOnce(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	for round := range 4 {
		w := c.serving("")
		epoch := c.state().Epoch
		l := c.leader()
		killed := make(chan struct{})
		go func() { c.inst[w].kill(); close(killed) }()
		if round%2 == 1 {
			// The leader goes right after the grant was applied somewhere, else while it
			// is on its way or before.
			eventually(t, "the next grant", func() bool { return c.state().Epoch > epoch })
		}
		c.closeNode(l)
		<-killed
		next := c.serving(w)
		if s := c.state(); s.Epoch != epoch+1 {
			t.Errorf("epoch went from %d to %d", epoch, s.Epoch)
		}
		t.Logf("%s to %s at epoch %d", w, next, epoch+1)
		c.reopen(l)
		c.start(w)
		eventually(t, "all agree", func() bool {
			for _, n := range c.nodes {
				if n.State().Version != c.state().Version {
					return false
				}
			}
			return true
		})
	}
}

func TestSwitchoverHandsOver(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	w := c.serving("")
	eventually(t, "a switchover can begin", func() bool {
		to, err := c.client.Failover(testContext(t), "db-3")
		if err != nil && !errors.Is(err, fleet.ErrNotReady) {
			t.Fatal(err)
		}
		return to == "db-3"
	})
	if next := c.serving(w); next != "db-3" {
		t.Errorf("switchover to db-3 ended at %s", next)
	}
	c.inst["db-3"].set(func() {
		if c.inst["db-3"].lastWait != 0 {
			t.Errorf("lease wait %v after a resignation, want 0", c.inst["db-3"].lastWait)
		}
	})
	for _, bad := range []struct {
		to   string
		want error
	}{{"db-3", fleet.ErrInvalid}, {"db-9", fleet.ErrNotFound}} {
		if _, err := c.client.Failover(testContext(t), bad.to); !errors.Is(err, bad.want) {
			t.Errorf("failover to %s: %v, want %v", bad.to, err, bad.want)
		}
	}
}

func TestSwitchoverThatDoesNotDrainIsGivenUp(t *testing.T) {
	c := newCluster(t, 2, func(c *cluster) { c.timing.Drain = 200 * time.Millisecond })
	c.inst["db-1"].noDrain = true
	c.start("db-1", "db-2")
	c.serving("")
	eventually(t, "a switchover can begin", func() bool {
		_, err := c.client.Failover(testContext(t), "db-2")
		return err == nil
	})
	eventually(t, "the writer serves on", func() bool {
		c.inst["db-1"].mu.Lock()
		defer c.inst["db-1"].mu.Unlock()
		return c.inst["db-1"].drained > 0 && c.inst["db-1"].resumed > 0
	})
	if s := c.state(); s.Epoch != 1 || s.Writer() != "db-1" {
		t.Errorf("epoch %d, writer %s", s.Epoch, s.Writer())
	}
}

func TestStoppedWriterHandsOverThenStops(t *testing.T) {
	c := newCluster(t, 2)
	c.start("db-1", "db-2")
	w := c.serving("")
	_, err := c.client.Propose(testContext(t), &fleet.Stop{ID: w})
	must(t, err)
	c.serving(w)
	eventually(t, "the stopped instance hears it", func() bool {
		c.inst[w].mu.Lock()
		defer c.inst[w].mu.Unlock()
		return c.inst[w].stopped > 0
	})
}

func TestRestartOfEverythingFromDisk(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	w := c.serving("")
	ctx := testContext(t)
	_, err := c.client.Propose(ctx, &fleet.CreateEndpoint{Endpoint: fleet.Endpoint{
		Name: "reports", Member: fleet.MemberAny, List: fleet.ListStatic, Listed: []string{"db-2"}}})
	must(t, err)
	for i := range 20 { // beyond a snapshot
		_, err := c.client.Propose(ctx, &fleet.SetTier{ID: "db-3", Tier: uint8(2 + i%2)})
		must(t, err)
	}
	before := c.state()
	for i := range c.nodes {
		c.closeNode(i)
	}
	for _, in := range c.inst {
		in.kill()
	}
	for i := range c.nodes {
		c.reopen(i)
	}
	c.start("db-1", "db-2", "db-3")
	eventually(t, "a writer serves in a new epoch", func() bool { s := c.state(); return s.Epoch > before.Epoch && s.Serves() })
	s := c.state()
	if s.Epoch != before.Epoch+1 || s.Writer() != w {
		t.Errorf("epoch %d, writer %s; want %d, %s", s.Epoch, s.Writer(), before.Epoch+1, w)
	}
	if _, found := s.Endpoint("reports"); !found || s.Volume != before.Volume || s.Version <= before.Version {
		t.Errorf("the state did not come back: %+v", s)
	}
}

func TestEndpointsAreFollowedByWatch(t *testing.T) {
	c := newCluster(t, 3)
	c.start("db-1", "db-2", "db-3")
	c.serving("")
	ctx := testContext(t)
	tops := make(chan failover.Topology, 1)
	go func() {
		_ = c.client.Watch(ctx, func(n failover.Topology) { // ends with the test
			select {
			case <-tops:
			default:
			}
			tops <- n
		})
	}()
	members := func(name string, want ...string) {
		t.Helper()
		eventually(t, "members of "+name, func() bool {
			n := <-tops
			e, found := n.State.Endpoint(name)
			return found && slices.Equal(n.Members(e), want)
		})
	}
	members("cluster", "db-1")
	members("reader", "db-2", "db-3")
	members("db-2", "db-2")
	s, err := c.client.Propose(ctx, &fleet.CreateEndpoint{Endpoint: fleet.Endpoint{
		Name: "reports", Member: fleet.MemberAny, List: fleet.ListExclusion, Listed: []string{"db-2"}}})
	must(t, err)
	if e, _ := s.Endpoint("reports"); !slices.Equal(e.Addresses, []string{"127.0.0.1:6351"}) {
		t.Errorf("addresses %v, want the first custom port", e.Addresses)
	}
	members("reports", "db-1", "db-3")
	_, err = c.client.Propose(ctx, &fleet.ModifyEndpoint{Name: "reports", Member: fleet.MemberReader})
	must(t, err)
	members("reports", "db-3")
	c.inst["db-3"].kill()
	members("reports")
	members("reader", "db-2")
	_, err = c.client.Propose(ctx, &fleet.DeleteEndpoint{Name: "reports"})
	must(t, err)
	eventually(t, "reports is gone", func() bool {
		n := <-tops
		_, found := n.State.Endpoint("reports")
		return !found
	})
	_, err = c.client.Propose(ctx, &fleet.DeleteEndpoint{Name: "cluster"})
	if !errors.Is(err, fleet.ErrInvalid) {
		t.Errorf("deleting the cluster endpoint: %v", err)
	}
}

func TestBootstrapOverExistingSegmentsSetsTheFloor(t *testing.T) {
	c := newCluster(t, 2, func(c *cluster) {
		c.volume, c.epoch = 77, 41
		c.segments = map[redo.PGID]redo.LSN{0: 900, 1: 12}
	})
	c.start("db-1", "db-2")
	c.serving("")
	s := c.state()
	if s.Epoch != 42 || s.Volume != 77 || len(s.Groups) != 2 {
		t.Errorf("epoch %d, volume %d, %d groups; want 42, 77, 2", s.Epoch, s.Volume, len(s.Groups))
	}
}

func TestAnotherStoreIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	c.start("db-1")
	c.serving("")
	eventually(t, "the store is registered", func() bool { n, _ := c.state().StorageNode("storage-1"); return n.StoreID == 100 })
	c.stores[0].Close()
	var log locked.Buffer
	r, err := failover.StartReporter(failover.ReporterOptions{ID: "storage-1", Kind: fleet.KindStorage,
		Cluster: "test", Incarnation: failover.NewIncarnation(), Client: c.client,
		Report: func() failover.Report { return failover.Report{Healthy: true, StoreID: 999, Volume: 12345} },
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	defer r.Close()
	eventually(t, "a store of another volume is refused", func() bool {
		return strings.Contains(log.String(), `level=ERROR msg="counts in no quorum: refused by the control plane" node=storage-1`)
	})
	eventually(t, "it does not count as healthy", func() bool {
		st, err := c.client.Status(testContext(t))
		return err == nil && !st.Storage[0].Healthy
	})
}

// A node comes back with an empty directory: its new store takes the old one's place. The
// old one comes back before the writer has said that the new one is complete: it has its
// place again.
func TestEmptiedStoreTakesItsPlace(t *testing.T) {
	c := newCluster(t, 1)
	c.start("db-1")
	c.serving("")
	node := func() fleet.StorageNode { n, _ := c.state().StorageNode("storage-1"); return n }
	eventually(t, "the store is registered", func() bool { return node().StoreID == 100 })
	begun := func(is uint64) func() bool { return func() bool { return c.state().Replacing.Store == is } }
	c.stores[0].Close()
	c.stores[0] = c.store(0, 999)
	eventually(t, "the new store is taking the place", begun(999))
	c.stores[0].Close()
	c.stores[0] = c.store(0, 100)
	eventually(t, "the old store has its place again", begun(0))
	c.stores[0].Close()
	c.stores[0] = c.store(0, 999)
	eventually(t, "the new store is taking the place again", begun(999))
	eventually(t, "the writer ends it", func() bool {
		s := c.state()
		_, err := c.client.Propose(testContext(t), &fleet.FinishReplace{Epoch: s.Epoch, Began: s.Replacing.Began, Groups: uint64(len(s.Groups))})
		return err == nil
	})
	eventually(t, "the new store is the registered one", func() bool { return node().StoreID == 999 })
	eventually(t, "it counts as healthy", func() bool {
		st, err := c.client.Status(testContext(t))
		return err == nil && st.Storage[0].Healthy && st.Storage[0].Replacing == nil
	})
}

// A node that was replaced is refused in the ordinary course of things: that is no error.
func TestReplacedNodeHasLeft(t *testing.T) {
	var log locked.Buffer
	c := newCluster(t, 1, func(c *cluster) { c.logger = slog.New(slog.NewTextHandler(&log, nil)) })
	c.start("db-1")
	c.serving("")
	registered := func() bool {
		return !slices.ContainsFunc(c.state().Storage, func(n fleet.StorageNode) bool { return n.StoreID == 0 })
	}
	eventually(t, "the stores are registered", registered)
	propose := func(cmd fleet.Command) {
		t.Helper()
		_, err := c.client.Propose(testContext(t), cmd)
		must(t, err)
	}
	propose(&fleet.AddStorage{Node: fleet.StorageNode{ID: "storage-7", AZ: "az-a", Address: "127.0.0.1:6407"}})
	c.initial.Storage = append(c.initial.Storage, c.state().Storage[6:]...)
	c.stores = append(c.stores, c.store(6, 106))
	eventually(t, "the spare store is registered", registered)
	propose(&fleet.Replace{Old: "storage-1", New: "storage-7"})
	s := c.state()
	propose(&fleet.FinishReplace{Epoch: s.Epoch, Began: s.Replacing.Began, Groups: uint64(len(s.Groups))})
	eventually(t, "storage-1 says it", func() bool {
		return strings.Contains(log.String(), `level=INFO msg="has left the cluster" node=storage-1`)
	})
	if strings.Contains(log.String(), "level=ERROR") {
		t.Error(log.String())
	}
}

// A node that is away for long is replaced by a spare one of its zone; a stopped one is not.
func TestAwayNodeIsReplaced(t *testing.T) {
	c := newCluster(t, 1, func(c *cluster) { c.timing.Replace = 500 * time.Millisecond })
	c.start("db-1")
	c.serving("")
	ctx := testContext(t)
	registered := func() bool {
		return !slices.ContainsFunc(c.state().Storage, func(n fleet.StorageNode) bool { return n.StoreID == 0 })
	}
	eventually(t, "the stores are registered", registered)
	for _, cmd := range []fleet.Command{
		&fleet.AddStorage{Node: fleet.StorageNode{ID: "storage-7", AZ: "az-a", Address: "127.0.0.1:6407"}},
		&fleet.AddStorage{Node: fleet.StorageNode{ID: "storage-8", AZ: "az-b", Address: "127.0.0.1:6408"}},
		&fleet.Stop{ID: "storage-2"}, &fleet.CreateGroup{Epoch: c.state().Epoch},
	} {
		_, err := c.client.Propose(ctx, cmd)
		must(t, err)
	}
	c.initial.Storage = append(c.initial.Storage, c.state().Storage[6:]...)
	c.stores = append(c.stores, c.store(6, 106), c.store(7, 107))
	eventually(t, "the spare stores are registered", registered)
	c.stores[1].Close() // stopped: az-b has a spare node that is not for it
	c.stores[0].Close()
	eventually(t, "storage-1 is being replaced", func() bool { return c.state().Replacing.Old != "" })
	if r := c.state().Replacing; r.Old != "storage-1" || r.New != "storage-7" || !r.Away {
		t.Errorf("replacing %+v, want storage-1 by storage-7", r)
	}
	st, err := c.client.Status(ctx)
	must(t, err)
	if r := st.Storage[0].Replacing; r == nil || r.By != "storage-7" {
		t.Errorf("status shows %+v", r)
	}
}

func TestAnotherClusterIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	c.leader()
	other, err := failover.NewClient(failover.ClientOptions{Addresses: []string{c.peers[0].Address}, Cluster: "other"})
	must(t, err)
	defer func() { must(t, other.Close()) }()
	if _, err := other.Status(testContext(t)); !errors.Is(err, failover.ErrWrongCluster) {
		t.Errorf("status: %v", err)
	}
	if err := other.Watch(testContext(t), func(failover.Topology) {}); !errors.Is(err, failover.ErrWrongCluster) {
		t.Errorf("watch: %v", err)
	}
	c.closeNode(0)
	_, err = failover.Open(failover.Options{ID: "control-1", Cluster: "other", Dir: c.dirs[0], Peers: c.peers, LAL: 1})
	if !errors.Is(err, failover.ErrWrongCluster) {
		t.Errorf("open the directory of another cluster: %v", err)
	}
}

// A control node that is down for good, and is asked first, costs a watcher one try.
func TestWatchGoesOnFromADeadNode(t *testing.T) {
	c := newCluster(t, 1)
	c.leader()
	dead := listen(t, "127.0.0.1:0")
	must(t, dead.Close())
	addresses := []string{dead.Addr().String()}
	for _, p := range c.peers {
		addresses = append(addresses, p.Address)
	}
	client, err := failover.NewClient(failover.ClientOptions{Addresses: addresses, Cluster: "test"})
	must(t, err)
	defer func() { must(t, client.Close()) }()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	seen := false
	err = client.Watch(ctx, func(failover.Topology) {
		seen = true
		cancel()
	})
	if !seen {
		t.Errorf("no topology: %v", err)
	}
}

func TestVerifyEpoch(t *testing.T) {
	c := newCluster(t, 1)
	c.start("db-1")
	c.serving("")
	h, err := c.client.VerifyEpoch(testContext(t))
	must(t, err)
	if h.Epoch != 1 || h.Node != "db-1" || h.Ended {
		t.Errorf("%+v", h)
	}
}

func TestFollowersAnswerWhileNobodyLeads(t *testing.T) {
	c := newCluster(t, 2)
	c.start("db-1", "db-2")
	w := c.serving("")
	eventually(t, "control-3 has applied it", func() bool { return c.nodes[2].State().Serves() })
	c.closeNode(0)
	c.closeNode(1)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	err := c.client.Watch(ctx, func(n failover.Topology) {
		if n.Writer() != w {
			t.Errorf("writer %q, want %s", n.Writer(), w)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
	eventually(t, "status without a leader", func() bool {
		st, err := c.client.Status(testContext(t))
		must(t, err)
		up := 0
		for _, n := range st.Control {
			if n.Healthy {
				up++
			}
			if n.Leader {
				return false // it has not noticed yet
			}
		}
		return st.Writer == w && up == 1 && len(st.Control) == 3
	})
	short, cancel2 := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel2()
	if _, err := c.client.Propose(short, &fleet.SetTier{ID: "db-1", Tier: 3}); !errors.Is(err, failover.ErrNoLeader) {
		t.Errorf("propose: %v, want ErrNoLeader", err)
	}
}

func TestSecondProcessOnOneDirectoryIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	_, err := failover.Open(failover.Options{ID: "control-1", Cluster: "test", Dir: c.dirs[0], LAL: 1,
		Peers: c.peers, Listener: listen(t, "127.0.0.1:0"), RaftListener: listen(t, "127.0.0.1:0")})
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
}

// TestStatusFieldNames: scripts rely on exactly these.
func TestStatusFieldNames(t *testing.T) {
	lag := 1.5
	b, err := json.Marshal(failover.Status{
		Instances: []failover.InstanceStatus{{LagMS: &lag}, {}}, Storage: []failover.StorageStatus{{SCL: map[string]redo.LSN{"0": 7}}},
		Control: []failover.ControlStatus{{}}, Routers: []failover.RouterStatus{{}}, Endpoints: []failover.EndpointStatus{{}}})
	must(t, err)
	want := `{"leaderless":false,"volume":{"epoch":0,"vcl":0,"vdl":0,"protection_groups":0,"bytes":0,"stored_bytes":0},"writer":"",` +
		`"instances":[{"id":"","az":"","role":"","address":"","pid":0,"healthy":false,"applied_lsn":0,"lag_ms":1.5,"tier":0},` +
		`{"id":"","az":"","role":"","address":"","pid":0,"healthy":false,"applied_lsn":0,"lag_ms":null,"tier":0}],` +
		`"storage":[{"id":"","az":"","address":"","pid":0,"healthy":false,"scl":{"0":7},"segments":0}],` +
		`"control":[{"id":"","az":"","address":"","pid":0,"healthy":false,"leader":false}],` +
		`"routers":[{"id":"","pid":0,"address":"","healthy":false}],` +
		`"endpoints":[{"name":"","type":"","addresses":null,"member_type":"","list_type":"","configured":null,"members":null}]}`
	if string(b) != want {
		t.Errorf("status is\n%s\nwant\n%s", b, want)
	}
}

// TestEmptiedControlNodeForgetsNoVote: a command was acknowledged by two of three nodes,
// one of them loses its directory, and the third, which lacks the command, cannot become
// the leader with the vote of the one that forgot, neither before that one has learnt what
// it may have promised nor before it has caught up. With all three it does, and counts again.
func TestEmptiedControlNodeForgetsNoVote(t *testing.T) {
	for _, learnt := range []bool{false, true} {
		t.Run(map[bool]string{false: "asks", true: "catches up"}[learnt], func(t *testing.T) { emptiedControlNode(t, learnt) })
	}
}

func emptiedControlNode(t *testing.T, learnt bool) {
	c := newCluster(t, 2)
	c.start("db-1", "db-2")
	c.serving("")
	lead := c.leader()
	lacks, forgets := (lead+1)%3, (lead+2)%3
	tier := func(i int) uint8 {
		in, _ := c.nodes[i].State().Instance("db-2")
		return in.Tier
	}
	c.closeNode(lacks)
	_, err := c.client.Propose(testContext(t), &fleet.SetTier{ID: "db-2", Tier: 7})
	must(t, err)
	c.closeNode(forgets)
	c.closeNode(lead)
	must(t, os.RemoveAll(c.dirs[forgets]))
	if learnt {
		must(t, os.MkdirAll(c.dirs[forgets], 0o700))
		must(t, failover.WritePast(c.dirs[forgets], 2, 8))
	}
	c.reopen(forgets)
	c.reopen(lacks)
	// The one that lacks the command asks for votes all the time. It gets none.
	ctx, cancel := context.WithTimeout(t.Context(), 10*c.timing.RaftElection)
	defer cancel()
	if _, err := c.client.Propose(ctx, &fleet.SetTier{ID: "db-1", Tier: 3}); !errors.Is(err, failover.ErrNoLeader) {
		t.Fatalf("a majority of one that lacks a command and one that forgot it answers %v; want no leader", err)
	}
	st, err := c.client.Status(testContext(t))
	must(t, err)
	if n := st.Control[forgets]; n.Healthy || n.Detail == "" || !st.Control[lacks].Healthy || st.Control[lead].Healthy {
		t.Errorf("status: %+v", st.Control)
	}
	c.reopen(lead)
	eventually(t, "all have the command", func() bool {
		return tier(lead) == 7 && tier(lacks) == 7 && tier(forgets) == 7
	})
	if c.leader() == forgets {
		c.closeNode(lacks)
	} else {
		c.closeNode(c.leader())
	}
	_, err = c.client.Propose(testContext(t), &fleet.SetTier{ID: "db-2", Tier: 8})
	must(t, err)
	eventually(t, "the emptied node has it, and is healthy", func() bool {
		st, err := c.client.Status(testContext(t))
		return tier(forgets) == 8 && err == nil && st.Control[forgets].Healthy
	})
}

// TestControlPlaneLosesAll: it goes on with what the storage nodes have kept, which lacks its last command. Who has
// seen that hears of what comes next; a writer is granted an epoch above all that it may have granted.
func TestControlPlaneLosesAll(t *testing.T) {
	c := newCluster(t, 2)
	c.start("db-1", "db-2")
	c.serving("")
	_, err := c.client.Propose(testContext(t), &fleet.CreateEndpoint{Endpoint: fleet.Endpoint{Name: "reports", List: fleet.ListStatic, Listed: []string{"db-2"}}})
	must(t, err)
	kept := c.state()
	_, err = c.client.Propose(testContext(t), &fleet.SetTier{ID: "db-2", Tier: 7})
	must(t, err)
	before := c.state()
	heard := make(chan failover.Topology, 64)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go c.client.Watch(ctx, func(topology failover.Topology) {
		select {
		case heard <- topology:
		default:
		}
	})
	eventually(t, "a watcher hears", func() bool { return (<-heard).State.Version == before.Version })
	for i := range c.nodes {
		c.closeNode(i)
		must(t, os.RemoveAll(c.dirs[i]))
	}
	c.kept.Store(kept)
	c.stores[3].Close() // and does not come back
	for i := range c.nodes {
		c.reopen(i)
	}
	eventually(t, "the control plane goes on", func() bool { return c.state().Serves() })
	s := c.state()
	if _, found := s.Endpoint("reports"); !found || s.Epoch < before.Epoch+1000 {
		t.Errorf("endpoint %v, epoch %d; want the endpoint, an epoch far above %d", found, s.Epoch, before.Epoch)
	}
	_, err = c.client.Propose(testContext(t), &fleet.DeleteEndpoint{Name: "reports"})
	must(t, err)
	eventually(t, "the watcher hears of it", func() bool {
		_, found := (<-heard).State.Endpoint("reports")
		return !found
	})
}
