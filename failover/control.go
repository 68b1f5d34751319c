package failover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/mtls"
)

// Peer is one control node.
type Peer struct {
	ID          string
	AZ          string
	Address     string // gRPC
	RaftAddress string
}

// Timing is the control plane's patience. Zero fields get the default.
type Timing struct {
	Tick     time.Duration // 50 ms: the detector's unit
	Suspect  time.Duration // 400 ms without a heartbeat: unhealthy
	Silence  time.Duration // 1.5 s without a heartbeat: a writer is dead
	Reattach time.Duration // 1.5 s: a new leader waits for streams
	Stuck    time.Duration // 10 s without any progress of a writer
	Recover  time.Duration // 10 s without any progress of a recovery
	Drain    time.Duration // 5 s: a planned switchover
	Probe    time.Duration // 100 ms between reconnects to a writer
	Hold     time.Duration // 3 s after a grant only a death replaces the holder
	Penalty  time.Duration // 30 s a failed holder is the last choice
	Replace  time.Duration // a storage node that is away for so long is replaced by a spare one; 0: never

	RaftElection    time.Duration // 600 ms: heartbeat and election timeout; the lease is 2/3 of it
	SnapshotEvery   time.Duration // 60 s between checks
	SnapshotEntries uint64        // 1024 log entries between snapshots
}

// Options says what a control node needs.
type Options struct {
	ID      string
	Cluster string // a name; a directory or a client of another one is refused
	Dir     string
	// Listener serves gRPC, RaftListener Raft; nil: the addresses of the peer ID.
	Listener, RaftListener net.Listener
	Peers                  []Peer // all control nodes, this one included
	// Initial describes the fleet at its first start: see fleet.Bootstrap. Volume and
	// Epoch are found out. Afterwards the replicated state counts alone.
	Initial   fleet.State
	Moves     bool          // segments move between storage nodes, for balance and off one that drains
	LAL       uint64        // LSNs; goes into every grant
	ReadLease time.Duration // goes into every grant; default 200 ms
	Timing    Timing
	Logger    *slog.Logger
	// Fatal is called when going on would be wrong, at most once in effect: the
	// process should exit. Default: panic.
	Fatal func(error)
	// Identity holds peers to their certificates; the listeners are its. nil: plain.
	Identity *mtls.Identity
}

// Control is a control node.
type Control struct {
	opt    Options
	fsm    *fsm
	raft   *raftNode
	server *grpc.Server
	leader atomic.Pointer[leader] // nil while this node does not lead
	cancel context.CancelFunc
	done   sync.WaitGroup
	close  sync.Once
}

var everyRole = []mtls.Role{mtls.Storage, mtls.Control, mtls.Instance, mtls.Router, mtls.Admin}

// callers are the roles that may make each call.
var callers = mtls.Rules{
	failoverpb.Control_Attach_FullMethodName:      {mtls.Instance},
	failoverpb.Control_AttachRole_FullMethodName:  {mtls.Storage, mtls.Router},
	failoverpb.Control_Watch_FullMethodName:       everyRole,
	failoverpb.Control_Propose_FullMethodName:     {mtls.Instance, mtls.Admin},
	failoverpb.Control_ExitSeen_FullMethodName:    {mtls.Admin},
	failoverpb.Control_Failover_FullMethodName:    {mtls.Admin},
	failoverpb.Control_VerifyEpoch_FullMethodName: {mtls.Instance},
	failoverpb.Control_Status_FullMethodName:      everyRole,
	failoverpb.Control_RaftLog_FullMethodName:     {mtls.Control},
}

// Open starts a control node and returns when it listens. The node serves until
// Close. With an empty Raft directory it takes no part in Raft before all other control
// nodes have answered: see enter. Returns ErrWrongCluster if the directory is another
// cluster's or node's, or the listen or file error.
func Open(opt Options) (*Control, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	if err := claim(opt.Dir, opt.Cluster, opt.ID); err != nil {
		return nil, err
	}
	if err := opt.listen(); err != nil {
		return nil, err
	}
	c := &Control{opt: opt, fsm: newFSM(opt.Fatal)}
	var err error
	if c.raft, err = openRaft(&c.opt); err != nil {
		return nil, errors.Join(err, opt.Listener.Close())
	}
	c.server = grpc.NewServer(append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(messageBytesMax), grpc.MaxSendMsgSize(messageBytesMax),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: keepaliveTime / 2, PermitWithoutStream: true}),
	}, opt.Identity.ServerOptions(opt.Logger, callers)...)...)
	failoverpb.RegisterControlServer(c.server, &service{c: c})
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.takePart(ctx) })
	c.done.Go(func() {
		if err := c.server.Serve(opt.Listener); err != nil && ctx.Err() == nil {
			opt.Fatal(fmt.Errorf("serve %s: %w", opt.Listener.Addr(), err))
		}
	})
	return c, nil
}

// complete checks the options and fills in defaults.
func (o *Options) complete() error {
	self := o.self()
	switch {
	case self == nil:
		return fmt.Errorf("failover: %q is not among the control nodes", o.ID)
	case o.Cluster == "":
		return errors.New("failover: no cluster id")
	case o.LAL == 0:
		return errors.New("failover: LAL is 0")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	o.Initial.Cluster = o.Cluster
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	const ms = time.Millisecond
	t := &o.Timing
	def(&o.ReadLease, 200*ms)
	def(&t.Tick, 50*ms)
	def(&t.Suspect, 400*ms)
	def(&t.Silence, 1500*ms)
	def(&t.Reattach, 1500*ms)
	def(&t.Stuck, 10*time.Second)
	def(&t.Recover, 10*time.Second)
	def(&t.Drain, drainTimeout)
	def(&t.Probe, 100*ms)
	def(&t.Hold, 3*time.Second)
	def(&t.Penalty, 30*time.Second)
	def(&t.RaftElection, 600*ms)
	def(&t.SnapshotEvery, time.Minute)
	if t.SnapshotEntries == 0 {
		t.SnapshotEntries = 1024
	}
	return nil
}

func (o *Options) self() *Peer {
	for i := range o.Peers {
		if o.Peers[i].ID == o.ID {
			return &o.Peers[i]
		}
	}
	return nil
}

// detector returns the detector's configuration in ticks.
func (o *Options) detector() fleet.DetectorConfig {
	t := o.Timing
	ticks := func(d time.Duration) fleet.Ticks { return fleet.Ticks(max(1, d/t.Tick)) }
	return fleet.DetectorConfig{
		Suspect: ticks(t.Suspect), Silence: ticks(t.Silence), Reattach: ticks(t.Reattach),
		Stuck: ticks(t.Stuck), Recover: ticks(t.Recover), Drain: ticks(t.Drain),
		Probe: ticks(t.Probe), Hold: ticks(t.Hold), Penalty: ticks(t.Penalty),
		LAL: o.LAL, ReadLease: fleet.Micros(o.ReadLease.Microseconds()),
	}
}

func (o *Options) listen() error {
	self := o.self()
	var err error
	if o.Listener == nil {
		if o.Listener, err = net.Listen("tcp", self.Address); err != nil {
			return fmt.Errorf("control node %s: %w", o.ID, err)
		}
	}
	if o.RaftListener == nil {
		if o.RaftListener, err = net.Listen("tcp", self.RaftAddress); err != nil {
			return errors.Join(fmt.Errorf("control node %s, raft: %w", o.ID, err), o.Listener.Close())
		}
	}
	return nil
}

// Address returns the gRPC address that the node listens on.
func (c *Control) Address() string { return c.opt.Listener.Addr().String() }

// Leads reports whether the node believes to be the Raft leader.
func (c *Control) Leads() bool { return c.leader.Load() != nil }

// State returns the state as applied on this node. Nobody may change it.
func (c *Control) State() *fleet.State {
	s, _ := c.fsm.get()
	return s
}

// HandOver makes another node lead, if this one does: to be called before Close, so
// that the others need not miss the leader first. It takes an election timeout at
// most. Returns why nobody took over.
func (c *Control) HandOver() error {
	if !c.Leads() {
		return nil
	}
	return c.raft.running.Load().LeadershipTransfer().Error()
}

// Close stops the node. The others notice a lost leader after an election timeout.
func (c *Control) Close() error {
	err := ErrClosed
	c.close.Do(func() {
		c.cancel()
		c.server.Stop()
		err = c.raft.stop() // ends what waits for it
		c.done.Wait()
		err = errors.Join(err, c.raft.close())
	})
	return err
}

// takePart runs Raft and what follows from it until ctx ends.
func (c *Control) takePart(ctx context.Context) {
	var err error
	if !c.raft.inUse {
		err = c.begin(ctx)
	}
	if err == nil {
		err = c.raft.start(c.fsm)
	}
	if err != nil {
		if ctx.Err() == nil {
			c.opt.Fatal(fmt.Errorf("control node %s: %w", c.opt.ID, err))
		}
		return
	}
	c.done.Go(func() { c.watchPeers(ctx) })
	c.done.Go(func() {
		for !c.raft.caughtUp() && pause(ctx, heartbeatEvery) { // which says when it has
		}
	})
	c.followLeadership(ctx)
}

// followLeadership runs a leader while Raft says that this node leads.
func (c *Control) followLeadership(ctx context.Context) {
	end := func() {}
	defer func() { end() }()
	for {
		select {
		case <-ctx.Done():
			return
		case leads := <-c.raft.notify:
			end()
			end = func() {}
			if leads {
				end = c.startLeading(ctx)
			}
		}
	}
}

// startLeading runs a leader until the returned function is called.
func (c *Control) startLeading(ctx context.Context) (end func()) {
	c.opt.Logger.Info("control node leads", "node", c.opt.ID)
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { c.lead(ctx) })
	return func() {
		stop()
		running.Wait()
		c.opt.Logger.Info("control node does not lead any more", "node", c.opt.ID)
	}
}

// watchPeers logs when the leader loses or finds a peer.
func (c *Control) watchPeers(ctx context.Context) {
	seen := make(chan hraft.Observation, eventsMax)
	o := hraft.NewObserver(seen, false, func(o *hraft.Observation) bool {
		switch o.Data.(type) {
		case hraft.FailedHeartbeatObservation, hraft.ResumedHeartbeatObservation:
			return true
		}
		return false
	})
	r := c.raft.running.Load()
	r.RegisterObserver(o)
	defer r.DeregisterObserver(o)
	lost := map[hraft.ServerID]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case ob := <-seen:
			switch p := ob.Data.(type) {
			case hraft.FailedHeartbeatObservation:
				if !lost[p.PeerID] {
					c.opt.Logger.Warn("control node does not answer", "node", c.opt.ID, "peer", p.PeerID)
				}
				lost[p.PeerID] = true
			case hraft.ResumedHeartbeatObservation:
				if lost[p.PeerID] {
					c.opt.Logger.Info("control node answers again", "node", c.opt.ID, "peer", p.PeerID)
				}
				delete(lost, p.PeerID)
			}
		}
	}
}

// propose puts a command through Raft. An error means that the outcome is unknown
// or that this node does not lead; a refusal is in the result.
func (c *Control) propose(cmd fleet.Command) (applied, error) {
	b, err := fleet.EncodeCommand(cmd)
	if err != nil {
		return applied{}, err
	}
	f := c.raft.running.Load().Apply(b, raftApplyTimeout)
	if err := f.Error(); err != nil {
		return applied{}, fmt.Errorf("propose %T: %w", cmd, err)
	}
	a, isApplied := f.Response().(applied)
	if !isApplied {
		return applied{}, fmt.Errorf("propose %T: %v", cmd, f.Response())
	}
	return a, nil
}
