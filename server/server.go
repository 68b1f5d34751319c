// Package server is the life of one SQL instance: it joins as a reader, follows the
// writer's redo stream, becomes the writer when the control plane grants it a volume
// epoch, and a reader again when it is fenced or hands over.
//
// It decides nothing about the protocol: who writes is package failover/fleet, what a
// recovery keeps is logstore/volume, what a reader shows is engine/replica, what a
// client is told is server/gms. Here orders become transitions, one at a time.
// Start with Instance.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"sextant/engine"
	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/certs"
	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/logstore/client"
	"sextant/server/gms"
	"sextant/server/gms/value"
	"sextant/server/serverpb"
)

const (
	streamProtocol   = 1
	retryPause       = 100 * time.Millisecond // after a transition that failed
	readersGrace     = 30 * time.Second       // for readers to renew their read points with a new writer, or to come back
	resignPatience   = 5 * time.Second
	closePatience    = 5 * time.Second        // for sessions when the process ends
	leaseDriftFactor = 20                     // the lease wait is longer by 1/20 of itself: clocks that drift by 5 %
	tickLeast        = time.Millisecond       // between two ticks of the redo stream
	storageProbe     = 200 * time.Millisecond // between two looks of a reader whether storage answers
	storageProbeMax  = time.Second            // of one look
	membersGrace     = 3 * time.Second        // that a recovery has to come to its end when the members have changed since its grant
	membersEvery     = 200 * time.Millisecond // between two looks whether a replacement of a storage node is done
	openPatience     = time.Second            // of a reader's stream with a writer whose epoch serves and that is about to
	deadPeer         = 2 * time.Second        // without an answer to a keepalive ends a stream
)

// MySQLVersion is the version of MySQL that clients are told.
const MySQLVersion = gms.ServerVersion

// Options say what an instance is made of.
type Options struct {
	ID          string
	Cluster     string
	Incarnation fleet.Incarnation
	Client      *failover.Client // not closed by the instance
	MySQL       net.Listener     // bound; closed by the instance
	Stream      net.Listener     // redo stream and control, bound; closed by the instance
	Identity    *mtls.Identity   // holds peers to their certificates; Stream is its. nil: plain
	Logger      *slog.Logger

	Engine          engine.Options
	WindowBytes     int // shipped to storage and not yet durable
	MaxConnections  int
	StatementMemory int64        // bytes of rows that one statement may keep in memory
	TempDir         string       // where rows beyond it are written
	TempSpace       int64        // bytes that may be written there at once
	TrustedProxies  []netip.Addr // routers' source addresses
	HeartbeatEvery  time.Duration
	TickEvery       time.Duration // of the redo stream while nothing is written

	SecureFilePriv string // the directory whose files statements may read and write

	TLS                    *certs.Source // offered to clients; nil: none
	RequireSecureTransport bool
}

// Instance is one SQL instance.
type Instance struct {
	o     Options
	agent *failover.Agent
	grpc  *grpc.Server
	sql   *gms.Server
	gate  *gate
	shape atomic.Pointer[shape]

	answers atomic.Uint64          // of storage, to a reader's probes or to this instance's volumes
	stalled atomic.Pointer[string] // what this instance's volume waits for; nil, or "": nothing

	mu       sync.Mutex
	topology failover.Topology
	changed  chan struct{} // closed and replaced when topology changes
	turned   chan struct{} // closed and replaced when role changes
	order    *order
	taken    redo.VolumeEpoch        // highest epoch whose order was taken: one epoch, one recovery
	cancel   context.CancelCauseFunc // of the transition or role in force
	drain    chan *failover.Drain
	role     fleet.Role
	epoch    redo.VolumeEpoch // that the role is about
	detail   string
	db       *engine.DB
	volume   *client.Volume
	hub      *hub
	reader   *client.Reader
}

// order is a grant that is to be carried out. leases is closed when the predecessors'
// leases need no wait.
type order struct {
	*failover.BecomeWriter
	leases chan struct{}
}

// Causes of a role's end.
var (
	errNewOrder = errors.New("server: the control plane has another order")
	errStop     = errors.New("server: an operator stopped this instance")
	errResigned = errors.New("server: handed over")
)

// fatalError ends the process: its state cannot be mended in place.
type fatalError struct{ error }

// New returns an instance that does nothing until Run.
func New(o Options) *Instance {
	value.RegisterCollations() // before the first catalog is read
	return &Instance{o: o, changed: make(chan struct{}), turned: make(chan struct{}), gate: newGate(o.MySQL), drain: make(chan *failover.Drain, 1)}
}

// callers are the roles that may make each call of an instance.
var callers = mtls.Rules{
	serverpb.Instance_Follow_FullMethodName: {mtls.Instance},
	serverpb.Instance_Kill_FullMethodName:   {mtls.Router},
}

// Run joins the cluster and serves until ctx ends or an operator stops the role
// (nil), or something fails that a restart may mend (an error).
func (i *Instance) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := i.o.Client.Watch(ctx, i.setTopology); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("watch the control plane: %w", err))
		}
	}()
	i.grpc = grpc.NewServer(append(i.o.Identity.ServerOptions(i.o.Logger, callers), grpc.MaxRecvMsgSize(streamBytesMax), grpc.MaxSendMsgSize(streamBytesMax),
		grpc.InitialWindowSize(8<<20), grpc.InitialConnWindowSize(8<<20),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: deadPeer, Timeout: deadPeer}))...)
	serverpb.RegisterInstanceServer(i.grpc, &streamServer{i: i})
	go i.grpc.Serve(i.o.Stream)
	agent, err := failover.StartAgent(failover.AgentOptions{
		ID: i.o.ID, Cluster: i.o.Cluster, Incarnation: i.o.Incarnation, Client: i.o.Client, Logger: i.o.Logger,
		Heartbeat: i.Heartbeat, HeartbeatEvery: i.o.HeartbeatEvery,
		Handle: func(o failover.Order) { i.handle(o, cancel) },
	})
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.agent = agent
	i.mu.Unlock()
	err = i.live(ctx)
	cause := context.Cause(ctx)
	i.close()
	agent.Close()
	cancel(err)
	<-watched
	if errors.Is(cause, errStop) || errors.Is(cause, context.Canceled) {
		return nil
	} else if err == nil {
		err = cause
	}
	return err
}

// live takes one role after the other until ctx ends.
func (i *Instance) live(ctx context.Context) error {
	for ctx.Err() == nil {
		role, cancel := context.WithCancelCause(ctx)
		i.mu.Lock()
		order := i.order
		i.cancel = cancel
		i.mu.Unlock()
		var err error
		if order != nil {
			err = i.write(role, order)
			i.forget(order)
		} else {
			err = i.read(role)
		}
		cancel(nil)
		if fatal := (*fatalError)(nil); errors.As(err, &fatal) {
			return err
		}
		if ctx.Err() == nil && err != nil && !errors.Is(err, errNewOrder) && !errors.Is(err, errResigned) {
			i.o.Logger.Warn("role ended", "role", i.roleNow().String(), "error", err)
			i.setRole(fleet.RoleJoining, 0, err.Error())
			pause(ctx, retryPause)
		}
	}
	return nil
}

// forget drops an order that has ended, so that the next role is a reader's unless
// a newer order has come.
func (i *Instance) forget(o *order) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.order != nil && i.order.Epoch == o.Epoch {
		i.order = nil
	}
}

// handle takes an order of the control plane. A role that has to end is cancelled;
// live then takes the next one.
func (i *Instance) handle(o failover.Order, stop context.CancelCauseFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch o := o.(type) {
	case *failover.BecomeWriter:
		if i.order != nil && i.order.Epoch == o.Epoch {
			if o.LeaseWait == 0 && i.order.LeaseWait != 0 {
				close(i.order.leases)
				i.order = &order{o, i.order.leases}
			}
			return
		}
		if o.Epoch <= i.taken { // it comes again when the lease wait shrinks, also after it has failed
			return
		}
		i.order, i.taken = &order{o, make(chan struct{})}, o.Epoch
		if o.LeaseWait == 0 {
			close(i.order.leases)
		}
		i.end(errNewOrder)
	case *failover.Demote:
		if i.order != nil && i.order.Epoch < o.Epoch {
			i.order = nil
			i.end(errNewOrder)
		}
	case *failover.Drain:
		if i.role == fleet.RoleWriter && i.epoch == o.Epoch {
			select {
			case i.drain <- o:
			default: // one is under way
			}
		}
	case *failover.Resume:
		// A drain under way ends by itself after Drain.Within; one that waits is given up.
		i.forgetDrain()
	case *failover.StopRole:
		stop(errStop)
	}
}

func (i *Instance) forgetDrain() {
	select {
	case <-i.drain:
	default:
	}
}

func (i *Instance) end(cause error) {
	if i.cancel != nil {
		i.cancel(cause)
	}
}

func (i *Instance) setTopology(t failover.Topology) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.topology = t
	close(i.changed)
	i.changed = make(chan struct{})
}

// topologyNow returns the newest topology and a channel that is closed when it changes.
func (i *Instance) topologyNow() (failover.Topology, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.topology, i.changed
}

func (i *Instance) roleNow() fleet.Role {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.role
}

func (i *Instance) setRole(r fleet.Role, e redo.VolumeEpoch, detail string) {
	i.mu.Lock()
	i.role, i.epoch, i.detail = r, e, detail
	close(i.turned)
	i.turned = make(chan struct{})
	agent := i.agent
	i.mu.Unlock()
	if agent != nil {
		agent.Poke()
	}
}

// close ends all sessions and everything else of this process.
func (i *Instance) close() {
	i.gate.shut("the server is shutting down")
	if i.sql != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		if err := i.sql.Close(ctx); err != nil {
			i.o.Logger.Warn("sessions closed", "error", err)
		}
	}
	i.grpc.Stop()
	if i.db != nil {
		if err := i.db.Close(); err != nil {
			i.o.Logger.Warn("engine closed", "error", err)
		}
	}
	i.closeVolume()
	if i.reader != nil {
		i.reader.Close()
	}
	i.gate.Close()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
