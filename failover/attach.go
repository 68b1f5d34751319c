package failover

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// Agent keeps an instance attached to whichever control node leads: it sends
// heartbeats and delivers orders.
type Agent struct {
	opt    AgentOptions
	host   string
	cancel context.CancelFunc
	done   sync.WaitGroup
	poke   chan struct{}
	orders chan Order

	// granted is the BecomeWriter that was delivered last; the receiver's alone.
	granted BecomeWriter
}

// StartAgent attaches, and attaches again, in the background until Close.
func StartAgent(opt AgentOptions) (*Agent, error) {
	if opt.ID == "" || opt.Incarnation == 0 || opt.Client == nil || opt.Heartbeat == nil || opt.Handle == nil {
		return nil, fmt.Errorf("failover: an agent needs ID, Incarnation, Client, Heartbeat and Handle")
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.HeartbeatEvery == 0 {
		opt.HeartbeatEvery = heartbeatEvery
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &Agent{opt: opt, host: host("/proc"), cancel: cancel,
		poke: make(chan struct{}, 1), orders: make(chan Order, ordersMax)}
	a.done.Go(func() { a.deliver(ctx) })
	a.done.Go(func() { a.run(ctx) })
	return a, nil
}

// Close detaches and returns when no Handle or Heartbeat call runs any more.
func (a *Agent) Close() {
	a.cancel()
	a.done.Wait()
}

// Poke has a heartbeat sent at once: a role has changed.
func (a *Agent) Poke() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// Opened says that this process holds epoch, has recovered the volume and has waited
// the leases out. Serve only after it returned nil. Returns fleet.ErrStale if the
// epoch is not current any more, or ErrNoLeader.
func (a *Agent) Opened(ctx context.Context, epoch redo.VolumeEpoch) error {
	_, err := a.opt.Client.Propose(ctx, &fleet.Opened{Epoch: epoch})
	return err
}

// Resign says that this process, the holder of epoch, will never again write in it
// or answer anything from it. successor is whom to grant next, "" for the best
// candidate. It is also right for a deposed writer that has stopped: its successor
// need not wait for its lease then.
func (a *Agent) Resign(ctx context.Context, epoch redo.VolumeEpoch, successor string) error {
	_, err := a.opt.Client.Propose(ctx, &fleet.Resign{Epoch: epoch, Successor: successor})
	return err
}

func (a *Agent) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-a.orders:
			a.opt.Handle(o)
		}
	}
}

func (a *Agent) run(ctx context.Context) {
	c := a.opt.Client
	removed := false
	for ctx.Err() == nil {
		addr, control := c.pick()
		err := a.attach(ctx, addr, control)
		if gone := status.Code(err) == codes.NotFound; gone != removed && ctx.Err() == nil {
			removed = gone
			if gone {
				a.opt.Logger.Warn("not a member of the cluster", "node", a.opt.ID)
			}
		}
		a.opt.Logger.Debug("detached", "node", a.opt.ID, "control", addr, "err", err)
		pause(ctx, retryEvery)
	}
}

// attach runs one stream until it breaks, and returns why.
func (a *Agent) attach(ctx context.Context, addr string, control failoverpb.ControlClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A leader that says nothing for so long hangs; its stream is as good as broken.
	watchdog := time.AfterFunc(leaderSilenceMax, cancel)
	defer watchdog.Stop()
	s, err := control.Attach(ctx)
	if err == nil {
		err = s.Send(&failoverpb.InstanceMessage{Hello: &failoverpb.InstanceHello{
			Protocol: protocolVersion, Cluster: a.opt.Cluster, Id: a.opt.ID,
			Incarnation: uint64(a.opt.Incarnation), Host: a.host, Pid: uint32(os.Getpid())}})
	}
	if err != nil {
		a.opt.Client.missed(addr, nil)
		return err
	}
	var sender sync.WaitGroup
	sender.Go(func() { a.beat(ctx, s) })
	defer sender.Wait()
	defer cancel()
	for {
		o, err := s.Recv()
		if err != nil {
			a.opt.Client.missed(addr, s.Trailer())
			return err
		}
		watchdog.Reset(leaderSilenceMax)
		a.opt.Client.led(addr)
		if err := a.take(ctx, o); err != nil {
			return err
		}
	}
}

// beat sends heartbeats until ctx ends or the stream breaks.
func (a *Agent) beat(ctx context.Context, s failoverpb.Control_AttachClient) {
	t := time.NewTicker(a.opt.HeartbeatEvery)
	defer t.Stop()
	for seq := uint64(1); ; seq++ {
		b := a.opt.Heartbeat().pb()
		b.Seq = seq
		if err := s.Send(&failoverpb.InstanceMessage{Heartbeat: b}); err != nil {
			return // the receiver learns why
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-a.poke:
		}
	}
}

func (h Heartbeat) pb() *failoverpb.Heartbeat {
	b := &failoverpb.Heartbeat{Role: uint32(h.Role), VolumeEpoch: uint64(h.Epoch),
		AppliedLsn: uint64(h.Applied), Vdl: uint64(h.VDL), Vcl: uint64(h.VCL),
		Progress: h.Progress, LagMicros: h.Lag.Microseconds(), Connections: uint32(h.Connections),
		Bytes: h.Bytes, Healthy: h.Healthy, Detail: h.Detail}
	if !h.LagKnown {
		b.LagMicros = -1
	}
	return b
}

// take hands one order to the deliverer.
func (a *Agent) take(ctx context.Context, p *failoverpb.Order) error {
	o, err := a.order(p)
	if err != nil || o == nil {
		return err
	}
	select {
	case a.orders <- o:
		if g, ok := o.(*BecomeWriter); ok {
			a.granted = *g
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// order translates p; nil if there is nothing to deliver.
func (a *Agent) order(p *failoverpb.Order) (Order, error) {
	epoch := redo.VolumeEpoch(p.VolumeEpoch)
	switch p.Kind {
	case failoverpb.Order_NONE:
		return nil, nil
	case failoverpb.Order_BECOME_WRITER:
		s, err := fleet.DecodeState(p.State)
		if err != nil {
			return nil, fmt.Errorf("order to become writer: %w", err)
		}
		g := BecomeWriter{Epoch: epoch, LAL: s.Holder.LAL, LALMax: s.LALMax,
			ReadLease: time.Duration(s.Holder.ReadLease) * time.Microsecond,
			LeaseWait: time.Duration(p.LeaseWaitMicros) * time.Microsecond, State: s}
		if g.Epoch < a.granted.Epoch || g.Epoch == a.granted.Epoch && g.LeaseWait >= a.granted.LeaseWait {
			return nil, nil
		}
		return &g, nil
	case failoverpb.Order_DEMOTE:
		return &Demote{Epoch: epoch}, nil
	case failoverpb.Order_DRAIN:
		return &Drain{Epoch: epoch, Successor: p.Successor,
			Within: time.Duration(p.DrainMillis) * time.Millisecond}, nil
	case failoverpb.Order_RESUME:
		return &Resume{Epoch: epoch}, nil
	case failoverpb.Order_STOP:
		return &StopRole{}, nil
	}
	return nil, fmt.Errorf("failover: unknown order %d", p.Kind)
}
