package router

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"time"
)

// holds is the places of the clients that wait for an instance. Who waits has shown no
// password yet: so that the clients of one network cannot take all places, those of the
// network that has the most give way to others. Router.mu guards it.
type holds struct {
	n  int
	of map[netip.Prefix][]*waiter // by the client's network, in the order in which they came
}

// enter gives w one of at most most places. If all are taken, the last that came from the
// network with the most loses its own to w; it reports false if w's network has as
// many, or would have then.
func (h *holds) enter(w *waiter, most int) bool {
	mine := network(addrPort(w.s.client.RemoteAddr()).Addr())
	if h.n >= most {
		widest := mine
		for p, ws := range h.of {
			if len(ws) > len(h.of[widest]) {
				widest = p
			}
		}
		theirs := h.of[widest]
		if len(theirs) <= len(h.of[mine])+1 {
			return false
		}
		last := theirs[len(theirs)-1]
		h.leave(last)
		close(last.gaveWay)
	}
	if h.of == nil {
		h.of = map[netip.Prefix][]*waiter{}
	}
	w.network, w.gaveWay = mine, make(chan struct{})
	h.of[mine] = append(h.of[mine], w)
	h.n++
	return true
}

// leave gives w's place back; nothing if it has none any more.
func (h *holds) leave(w *waiter) {
	i := slices.Index(h.of[w.network], w)
	if i < 0 {
		return
	}
	h.n--
	if h.of[w.network] = slices.Delete(h.of[w.network], i, i+1); len(h.of[w.network]) == 0 {
		delete(h.of, w.network)
	}
}

// network is what one client has of addresses: one of IPv4, holdNetworkBits of IPv6.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	p, _ := a.WithZone("").Prefix(min(a.BitLen(), holdNetworkBits)) // never fails
	return p
}

// waiter is one connection's place among those that wait for a backend.
type waiter struct {
	s        *session
	deadline time.Time
	since    time.Time // zero: it has not waited yet
	pause    time.Duration
	outcome  string
	network  netip.Prefix  // of the client
	gaveWay  chan struct{} // closed when another got its place
}

// wait returns when the topology changed, or after a pause if again. It returns
// os.ErrDeadlineExceeded after the deadline, errGone if the client went away, a
// *refusal if there is no place for it, or no more, or the router closes.
func (w *waiter) wait(changed <-chan struct{}, again bool) error {
	if w.since.IsZero() {
		if !w.begin() {
			return tooManyWait
		}
		w.pause = attachPauseMin
	}
	gone, stop := w.s.watchClient()
	defer stop()
	left := time.NewTimer(time.Until(w.deadline))
	defer left.Stop()
	var pause <-chan time.Time
	if again {
		t := time.NewTimer(w.pause)
		defer t.Stop()
		pause = t.C
		w.pause = min(2*w.pause, attachPauseMax)
	}
	select {
	case <-changed:
		w.pause = attachPauseMin
		return nil
	case <-pause:
		return nil
	case <-left.C:
		w.outcome = outcomeTimeout
		return os.ErrDeadlineExceeded
	case <-gone:
		w.outcome = outcomeGone
		return errGone
	case <-w.gaveWay:
		w.outcome = outcomeGaveWay
		return tooManyWait
	case <-w.s.r.ctx.Done():
		w.outcome = outcomeClosed
		return shutdown
	}
}

// begin gives it a place; false if there is none for it.
func (w *waiter) begin() bool {
	r := w.s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mu.held.enter(w, r.o.HoldMax) {
		return false
	}
	w.s.known() // not the client is waited for now, and HoldMax bounds how many wait
	w.since, w.outcome = time.Now(), outcomeAttached
	return true
}

func (w *waiter) end() {
	if w.since.IsZero() {
		return
	}
	r := w.s.r
	r.mu.Lock()
	r.mu.held.leave(w)
	r.mu.Unlock()
	w.s.known = r.halfOpen.Enter(w.s.client)
	r.metrics.held.WithLabelValues(w.outcome).Observe(time.Since(w.since).Seconds())
}

// watchClient tells when the client closes its connection. Until stop has
// returned nobody else reads from it.
func (s *session) watchClient() (gone <-chan struct{}, stop func()) {
	if s.up.unread() > 0 {
		return nil, func() {} // it sent what it should not have sent yet
	}
	closed, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := s.up.moreIdle(&s.idle)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			close(closed)
		}
	}()
	return closed, func() {
		_ = s.client.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
		<-done
		_ = s.client.SetReadDeadline(time.Time{})
	}
}
