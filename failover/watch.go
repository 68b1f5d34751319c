package failover

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// Watch calls f with the topology, at once and whenever it changes, until ctx ends,
// and returns ctx's error. It prefers the leader and takes any control node while
// none leads. Topologies never go back: one that is older by (volume epoch, version)
// is not delivered. f is called from one goroutine and must not block for long.
// Returns ErrWrongCluster and ErrRefused at once.
func (c *Client) Watch(ctx context.Context, f func(Topology)) error {
	w := &watch{c: c, f: f}
	for misses := 0; ; {
		// Whoever answers is taken once a whole round found no leader.
		anybody := misses >= len(c.opt.Addresses)
		a, control := c.pick()
		err := w.stream(ctx, a, control, !anybody)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if refused(err) {
			return translate(err)
		}
		if status.Code(err) == codes.FailedPrecondition || !w.heard {
			misses++
		} else {
			misses = 0
		}
		c.opt.Logger.Debug("watch ended", "node", a, "err", err)
		if !pause(ctx, retryEvery) {
			return ctx.Err()
		}
	}
}

// watch is one call of Watch.
type watch struct {
	c     *Client
	f     func(Topology)
	last  Topology
	heard bool // the stream at hand has delivered something
}

// stream follows one control node. A follower's stream is left after
// followerWatchMax, to look for the leader again.
func (w *watch) stream(ctx context.Context, a string, n failoverpb.ControlClient, leaderOnly bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.heard = false
	first := time.AfterFunc(callTimeout, cancel) // a node that accepts and says nothing
	defer first.Stop()
	s, err := n.Watch(ctx, &failoverpb.WatchRequest{Cluster: w.c.opt.Cluster, LeaderOnly: leaderOnly})
	if err != nil { // no connection: without this the same dead node would be asked for ever
		w.c.missed(a, nil)
		return err
	}
	for {
		u, err := s.Recv()
		if err != nil {
			w.c.missed(a, s.Trailer())
			return err
		}
		w.heard = true
		switch {
		case u.Leader:
			// The leader says something every liveEvery; silence means that it hangs.
			w.c.led(a)
			first.Reset(leaderSilenceMax)
		case !leaderOnly:
			first.Reset(followerWatchMax)
			leaderOnly = true // set the limit once only
		}
		if err := w.take(u); err != nil {
			return err
		}
	}
}

// take delivers u unless it is older than what was delivered.
func (w *watch) take(u *failoverpb.TopologyUpdate) error {
	next := Topology{State: w.last.State, Live: w.last.Live}
	if len(u.State) > 0 {
		s, err := fleet.DecodeState(u.State)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		next.State = s
	}
	if next.State == nil || w.last.Newer(next) {
		return nil
	}
	if u.Leader {
		next.Live = liveFromPB(u.Live)
	}
	w.last = next
	w.f(next)
	return nil
}

func liveFromPB(list []*failoverpb.Live) map[string]Live {
	m := make(map[string]Live, len(list))
	for _, p := range list {
		l := Live{ID: p.Id, Kind: fleet.Kind(p.Kind), Incarnation: fleet.Incarnation(p.Incarnation),
			PID: int(p.Pid), Healthy: p.Healthy, Detail: p.Detail, Address: p.Address,
			StoredBytes: p.StoredBytes, DamageFound: p.DamageFound, DamageRepaired: p.DamageRepaired}
		if h := p.Heartbeat; h != nil {
			l.setHeartbeat(h)
		}
		if len(p.Scl) > 0 {
			l.SCL = make(map[redo.PGID]redo.LSN, len(p.Scl))
			for pg, scl := range p.Scl {
				l.SCL[redo.PGID(pg)] = redo.LSN(scl)
			}
		}
		m[p.Id] = l
	}
	return m
}

func (l *Live) setHeartbeat(h *failoverpb.Heartbeat) {
	l.Role, l.Epoch = fleet.Role(h.Role), redo.VolumeEpoch(h.VolumeEpoch)
	l.Applied, l.VDL, l.VCL = redo.LSN(h.AppliedLsn), redo.LSN(h.Vdl), redo.LSN(h.Vcl)
	l.Lag, l.LagKnown = time.Duration(h.LagMicros)*time.Microsecond, h.LagMicros >= 0
	l.Connections, l.Bytes = int(h.Connections), h.Bytes
}
