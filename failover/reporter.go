package failover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// ReporterOptions says what the reporter of a storage node or a router needs.
type ReporterOptions struct {
	ID          string
	Kind        fleet.Kind // KindStorage or KindRouter
	Cluster     string
	Incarnation fleet.Incarnation
	Address     string
	Client      *Client
	Logger      *slog.Logger
	// Report is called every ReportEvery (default 500 ms) from one goroutine.
	Report      func() Report
	ReportEvery time.Duration
	// Kept returns the encoding of the newest state of the control plane that the node has
	// kept, nil if none; called when the control plane has lost its own. nil: none is kept.
	Kept func() []byte
}

// Report is what a storage node or a router says of itself.
type Report struct {
	Healthy bool
	Detail  string
	// Of storage nodes:
	StoreID     uint64                             // never 0
	Volume      redo.VolumeID                      // 0: the store is empty
	Epoch       redo.VolumeEpoch                   // highest stored
	SCL         map[redo.PGID]redo.LSN             // of every segment it holds, 0 for an empty one
	Membership  map[redo.PGID]redo.MembershipEpoch // that each was told of last
	StoredBytes uint64
	// DamageFound counts what was found damaged in its files since it began, DamageRepaired
	// what of that is whole again.
	DamageFound, DamageRepaired uint64
}

// Reporter keeps a storage node or router known to whichever control node leads.
type Reporter struct {
	opt    ReporterOptions
	cancel context.CancelFunc
	done   sync.WaitGroup

	refused  bool // and said so; the run goroutine's alone, like accepted
	accepted bool // a leader knew the store
}

// StartReporter reports in the background until Close.
func StartReporter(opt ReporterOptions) (*Reporter, error) {
	if opt.ID == "" || opt.Incarnation == 0 || opt.Client == nil || opt.Report == nil ||
		opt.Kind != fleet.KindStorage && opt.Kind != fleet.KindRouter {
		return nil, errors.New("failover: a reporter needs ID, Kind, Incarnation, Client and Report")
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.ReportEvery == 0 {
		opt.ReportEvery = reportEvery
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Reporter{opt: opt, cancel: cancel}
	r.done.Go(func() { r.run(ctx) })
	return r, nil
}

// Close stops reporting and returns when no callback runs any more.
func (r *Reporter) Close() {
	r.cancel()
	r.done.Wait()
}

func (r *Reporter) run(ctx context.Context) {
	for ctx.Err() == nil {
		addr, control := r.opt.Client.pick()
		err := r.attach(ctx, addr, control)
		r.opt.Logger.Debug("report stream ended", "node", r.opt.ID, "control", addr, "err", err)
		pause(ctx, retryEvery)
	}
}

// attach runs one stream until it breaks, and returns why.
func (r *Reporter) attach(ctx context.Context, addr string, control failoverpb.ControlClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(callTimeout, cancel)
	defer watchdog.Stop()
	s, err := control.AttachRole(ctx)
	if err != nil {
		r.opt.Client.missed(addr, nil)
		return err
	}
	asked := false
	for {
		m := r.message()
		if m.HasLooked = asked; asked && r.opt.Kept != nil {
			m.State = r.opt.Kept()
		}
		// A failed Send is explained by Recv.
		_ = s.Send(m)
		ack, err := s.Recv()
		if err != nil {
			r.opt.Client.missed(addr, s.Trailer())
			return err
		}
		r.opt.Client.led(addr)
		switch {
		case !ack.Refused:
			r.accepted = r.accepted || !ack.WantsState
		case r.refused:
		case ack.Unknown && r.accepted:
			r.refused = true
			r.opt.Logger.Info("has left the cluster", "node", r.opt.ID)
		default:
			r.refused = true
			r.opt.Logger.Error("counts in no quorum: refused by the control plane", "node", r.opt.ID, "err", ack.Detail)
		}
		watchdog.Reset(callTimeout + r.opt.ReportEvery)
		first := ack.WantsState && !asked
		if asked = ack.WantsState; first {
			continue
		}
		if !pause(ctx, r.opt.ReportEvery) {
			return ctx.Err()
		}
	}
}

func (r *Reporter) message() *failoverpb.RoleReport {
	rep := r.opt.Report()
	m := &failoverpb.RoleReport{Protocol: protocolVersion, Cluster: r.opt.Cluster, Id: r.opt.ID,
		Incarnation: uint64(r.opt.Incarnation), Kind: uint32(r.opt.Kind), Pid: uint32(os.Getpid()),
		Address: r.opt.Address, Healthy: rep.Healthy, Detail: rep.Detail, StoreId: rep.StoreID,
		Volume: uint64(rep.Volume), VolumeEpoch: uint64(rep.Epoch), StoredBytes: rep.StoredBytes,
		DamageFound: rep.DamageFound, DamageRepaired: rep.DamageRepaired}
	if len(rep.SCL) > 0 {
		m.Scl = make(map[uint32]uint64, len(rep.SCL))
		for pg, scl := range rep.SCL {
			m.Scl[uint32(pg)] = uint64(scl)
		}
		m.Membership = make(map[uint32]uint64, len(rep.Membership))
		for pg, at := range rep.Membership {
			m.Membership[uint32(pg)] = uint64(at)
		}
	}
	return m
}

func refusedStore(registered, reported uint64) string {
	return fmt.Sprintf("store %016x is registered for this node, not %016x", registered, reported)
}
