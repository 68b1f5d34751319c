package failover

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
)

// lost is what is known of a storage node or router that does not report.
type lost struct {
	asked time.Time
	dead  bool   // nobody listens at its address
	what  string // "" before the first answer
}

// reports reports whether the role's stream is up and it was heard of lately.
func (r *role) reports() bool { return r.current != nil && time.Since(r.heard) <= reportSilenceMax }

// lookForLost connects to who does not report, now and then: that tells a process that has gone from one that
// hangs, and from a machine that is away.
func (l *leader) lookForLost(state *fleet.State) {
	look := func(id, addr string) {
		if r := l.roles[id]; r != nil && r.reports() {
			delete(l.lost, id)
			return
		}
		x := l.lost[id]
		if time.Since(x.asked) < lookEvery {
			return
		}
		x.asked = time.Now()
		l.lost[id] = x
		l.helpers.Go(func() {
			err := l.connect(addr)
			l.post(func() {
				if x, still := l.lost[id]; still {
					x.dead, x.what = found(addr, err)
					l.lost[id] = x
				}
			})
		})
	}
	for id := range l.lost {
		if l.roles[id] == nil && !state.Has(id) {
			delete(l.lost, id)
		}
	}
	for _, n := range state.Storage {
		look(n.ID, n.Address)
	}
	for id, r := range l.roles {
		if fleet.Kind(r.report.Kind) == fleet.KindRouter {
			look(id, r.report.Address)
		}
	}
}

// connect connects to an address, once.
func (l *leader) connect(addr string) error {
	ctx, cancel := context.WithTimeout(l.ctx, probeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// found says what an attempt to connect to a process that does not report has shown.
func found(addr string, err error) (dead bool, what string) {
	switch {
	case err == nil:
		return false, "hung: it takes connections at " + addr + ", and reports nothing"
	case errors.Is(err, syscall.ECONNREFUSED):
		return true, "dead: nobody listens at " + addr
	}
	return false, "unreachable: " + addr + " does not answer"
}

// say puts what is known of who does not report into p.
func (x lost) say(p *failoverpb.Live) {
	p.Detail = "no report"
	if x.what != "" {
		p.Detail = x.what
	}
	if x.dead {
		p.Pid = 0
	}
}
