package failover_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/mtls"
	"sextant/internal/redo"
)

// cluster is three control nodes, six fake storage nodes and fake instances.
type cluster struct {
	t         *testing.T
	peers     []failover.Peer
	dirs      []string
	nodes     []*failover.Control // nil: down
	client    *failover.Client
	stores    []*failover.Reporter
	inst      map[string]*instance
	initial   fleet.State
	timing    failover.Timing
	logger    *slog.Logger
	identity  func(mtls.Role, string) *mtls.Identity // nil: plain connections
	segments  map[redo.PGID]redo.LSN                 // that the stores report
	epoch     redo.VolumeEpoch                       // that the stores report
	volume    redo.VolumeID
	addresses map[int]string              // of storage nodes, by index else one where nobody listens
	kept      atomic.Pointer[fleet.State] // that the stores have kept

	mu     sync.Mutex
	grants map[redo.VolumeEpoch]string // who was ordered to become the writer of an epoch
}

// testWriter passes log lines to the test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	eventually(t, "listen on "+address, func() bool {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	return l
}

// newCluster starts control nodes and storage nodes; instances are added by start.
func newCluster(t *testing.T, instances int, change ...func(*cluster)) *cluster {
	t.Helper()
	c := &cluster{t: t, identity: func(mtls.Role, string) *mtls.Identity { return nil }, inst: map[string]*instance{}, grants: map[redo.VolumeEpoch]string{},
		logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
		timing: failover.Timing{RaftElection: 300 * time.Millisecond, SnapshotEvery: 50 * time.Millisecond,
			SnapshotEntries: 8, Drain: 2 * time.Second},
	}
	for _, f := range change {
		f(c)
	}
	c.initial = fleet.State{SegmentBytes: 1 << 20, PortBase: 6000}
	zones := []string{"az-a", "az-b", "az-c"}
	for i := range instances {
		id := fmt.Sprintf("db-%d", i+1)
		in := &instance{c: c, id: id, listener: listen(t, "127.0.0.1:0")}
		c.inst[id] = in
		in.control = in.listener.Addr().String()
		c.initial.Instances = append(c.initial.Instances, fleet.Instance{ID: id, AZ: zones[i%3], Tier: 1,
			Address: fmt.Sprintf("127.0.0.1:%d", 6311+i), Control: in.control})
	}
	for i := range 6 {
		c.initial.Storage = append(c.initial.Storage, fleet.StorageNode{ID: fmt.Sprintf("storage-%d", i+1),
			AZ: zones[i%3], Address: fmt.Sprintf("127.0.0.1:%d", 6401+i)})
	}
	for i, a := range c.addresses {
		c.initial.Storage[i].Address = a
	}
	c.startControl(zones)
	t.Cleanup(c.close)
	return c
}

func (c *cluster) startControl(zones []string) {
	var grpc, raft []net.Listener
	var addresses []string
	for i := range 3 {
		grpc, raft = append(grpc, listen(c.t, "127.0.0.1:0")), append(raft, listen(c.t, "127.0.0.1:0"))
		c.dirs = append(c.dirs, c.t.TempDir())
		addresses = append(addresses, grpc[i].Addr().String())
		c.peers = append(c.peers, failover.Peer{ID: fmt.Sprintf("control-%d", i+1), AZ: zones[i],
			Address: addresses[i], RaftAddress: raft[i].Addr().String()})
	}
	c.client = c.clientAs(mtls.Admin, "admin")
	c.nodes = make([]*failover.Control, 3)
	for i := range 3 {
		c.open(i, grpc[i], raft[i])
	}
	for i := range 6 {
		c.stores = append(c.stores, c.store(i, uint64(100+i)))
	}
}

// clientAs returns a client that shows the certificate of a process, if there are any. It
// is closed with the test, or before.
func (c *cluster) clientAs(r mtls.Role, id string) *failover.Client {
	c.t.Helper()
	var addresses []string
	for _, p := range c.peers {
		addresses = append(addresses, p.Address)
	}
	client, err := failover.NewClient(failover.ClientOptions{Addresses: addresses, Cluster: "test", Identity: c.identity(r, id)})
	must(c.t, err)
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (c *cluster) open(i int, grpc, raft net.Listener) {
	c.t.Helper()
	self := c.identity(mtls.Control, c.peers[i].ID)
	n, err := failover.Open(failover.Options{ID: c.peers[i].ID, Cluster: "test", Dir: c.dirs[i], Identity: self,
		Listener:     self.Listen(grpc, c.logger, mtls.Storage, mtls.Control, mtls.Instance, mtls.Router, mtls.Admin),
		RaftListener: self.Listen(raft, c.logger, mtls.Control), Peers: c.peers, Initial: c.initial, LAL: 1000,
		ReadLease: 50 * time.Millisecond, Timing: c.timing, Logger: c.logger,
		Fatal: func(err error) { c.t.Error("fatal:", err) }})
	must(c.t, err)
	c.nodes[i] = n
}

func (c *cluster) reopen(i int) {
	c.t.Helper()
	c.open(i, listen(c.t, c.peers[i].Address), listen(c.t, c.peers[i].RaftAddress))
}

func (c *cluster) closeNode(i int) {
	c.t.Helper()
	if n := c.nodes[i]; n != nil {
		c.nodes[i] = nil
		must(c.t, n.Close())
	}
}

func (c *cluster) store(i int, id uint64) *failover.Reporter {
	c.t.Helper()
	r, err := failover.StartReporter(failover.ReporterOptions{ID: c.initial.Storage[i].ID,
		Kind: fleet.KindStorage, Cluster: "test", Incarnation: failover.NewIncarnation(),
		Address: c.initial.Storage[i].Address, Client: c.clientAs(mtls.Storage, c.initial.Storage[i].ID), Logger: c.logger, ReportEvery: 50 * time.Millisecond,
		Kept: func() []byte {
			if s := c.kept.Load(); s != nil {
				return fleet.EncodeState(s)
			}
			return nil
		},
		Report: func() failover.Report {
			return failover.Report{Healthy: true, StoreID: id, Volume: c.volume, Epoch: c.epoch, SCL: c.segments}
		}})
	must(c.t, err)
	return r
}

func (c *cluster) close() {
	for _, in := range c.inst {
		in.kill()
	}
	for _, s := range c.stores {
		s.Close()
	}
	for i := range c.nodes {
		c.closeNode(i)
	}
	must(c.t, c.client.Close())
}

// leader returns the index of the node that leads.
func (c *cluster) leader() int {
	c.t.Helper()
	found := -1
	eventually(c.t, "a control node leads", func() bool {
		for i, n := range c.nodes {
			if n != nil && n.Leads() {
				found = i
			}
		}
		return found >= 0
	})
	return found
}

// state returns the newest state that a running node has applied.
func (c *cluster) state() *fleet.State {
	best := &fleet.State{}
	for _, n := range c.nodes {
		if n != nil && n.State().Version >= best.Version {
			best = n.State()
		}
	}
	return best
}

func (c *cluster) serving(not string) string {
	c.t.Helper()
	var w string
	eventually(c.t, "a writer serves", func() bool {
		s := c.state()
		w = s.Writer()
		return s.Serves() && w != not
	})
	return w
}

// instance is a fake SQL instance: it opens what it is granted and follows orders.
type instance struct {
	c        *cluster
	id       string
	control  string
	listener net.Listener
	agent    *failover.Agent
	client   *failover.Client

	mu       sync.Mutex
	beat     failover.Heartbeat
	mute     bool // sends no heartbeat
	slow     bool // never opens
	noDrain  bool // ignores Drain
	resumed  int
	drained  int
	demoted  int
	stopped  int
	lastWait time.Duration
}

// start begins a new process of the instance.
func (c *cluster) start(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		in := c.inst[id]
		if in.listener == nil {
			in.listener = listen(c.t, in.control)
		}
		var err error
		in.client = c.clientAs(mtls.Instance, id)
		in.set(func() { // callbacks wait until agent is set
			in.beat = failover.Heartbeat{Role: fleet.RoleReader, Healthy: true}
			in.agent, err = failover.StartAgent(failover.AgentOptions{ID: id, Cluster: "test",
				Incarnation: failover.NewIncarnation(), Client: in.client, Logger: c.logger,
				HeartbeatEvery: 20 * time.Millisecond, Heartbeat: in.heartbeat, Handle: in.handle})
		})
		must(c.t, err)
	}
}

// kill ends the process: the stream breaks and a reconnect is refused.
func (in *instance) kill() {
	if in.agent == nil {
		return
	}
	if in.listener != nil {
		_ = in.listener.Close()
		in.listener = nil
	}
	in.agent.Close()
	_ = in.client.Close()
	in.agent = nil
}

func (in *instance) heartbeat() failover.Heartbeat {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.mute {
		in.mu.Unlock()
		<-time.After(5 * time.Millisecond)
		in.mu.Lock()
	}
	in.beat.Progress++
	return in.beat
}

func (in *instance) set(f func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f()
}

func (in *instance) handle(o failover.Order) {
	in.mu.Lock()
	defer in.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	switch o := o.(type) {
	case *failover.BecomeWriter:
		in.c.mu.Lock()
		if old, granted := in.c.grants[o.Epoch]; granted && old != in.id {
			in.c.t.Errorf("epoch %d was ordered to %s and to %s", o.Epoch, old, in.id)
		}
		in.c.grants[o.Epoch] = in.id
		in.c.mu.Unlock()
		in.beat.Role, in.beat.Epoch, in.lastWait = fleet.RoleRecovering, o.Epoch, o.LeaseWait
		slow := in.slow
		agent := in.agent
		go func() {
			defer cancel()
			if slow || agent == nil {
				return
			}
			// It fails when the epoch is not current any more or this process is killed.
			if err := agent.Opened(ctx, o.Epoch); err == nil {
				in.set(func() { in.beat.Role = fleet.RoleWriter })
			}
		}()
		return
	case *failover.Drain:
		in.drained++
		if in.noDrain {
			break
		}
		in.beat.Role = fleet.RoleReader
		if err := in.agent.Resign(ctx, o.Epoch, o.Successor); err != nil {
			in.c.t.Errorf("%s: resign: %v", in.id, err)
		}
	case *failover.Resume:
		in.resumed++
	case *failover.Demote:
		in.demoted++
		in.beat.Role, in.beat.Epoch = fleet.RoleReader, o.Epoch
	case *failover.StopRole:
		in.stopped++
	}
	cancel()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventuallyWithin(t, 15*time.Second, what, ok)
}

func eventuallyWithin(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(d)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, d)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
