package sim

import (
	"slices"

	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore/volume"
)

// This file is clocks, and what depends on them: a writer answers a client only while its epoch was
// confirmed within its read lease, by its own clock, and a successor opens after the lease wait, by
// its own. Source: volume.go of package client, of which this is the simulated form.

// clock is a process's. It may be wrong by much, and runs too fast or too slow. It goes on while the
// process is paused.
type clock struct {
	ahead tick
	rate  uint64 // its units in a tick
}

const (
	clockUnits = 1000 // in a tick, of a clock that is right
	// clockDrift is how much too fast or too slow a clock can be, in thousandths: of two, one is
	// faster than the other by less than the lease wait is longer than the lease.
	clockDrift  = 24
	leaseDrift  = 20 // the lease wait is longer than the lease by 1/leaseDrift, as in package server
	verifyEvery = 5  // one in so many confirmations that are missing is asked of the control plane at each tick
)

func (w *world) newClock() clock {
	c := clock{ahead: tick(w.rng.IntN(w.swarm.skew + 1)), rate: clockUnits}
	if d := w.swarm.drift; d > 0 {
		c.rate += uint64(w.rng.IntN(2*d+1)) - uint64(d)
	}
	return c
}

// at returns what the clock shows at a time, above 0.
func (c clock) at(t tick) volume.Time {
	return volume.Time(uint64(c.ahead)*clockUnits+uint64(t)*c.rate) + 1
}

// span returns how long a time is by a right clock.
func span(t tick) volume.Time { return volume.Time(t) * clockUnits }

// now is what its clock shows.
func (h *holder) now() volume.Time { return h.clock.at(h.w.now) }

// hasFenced takes the fence quorum, from which on no earlier epoch is confirmed. The lease wait begins.
func (h *holder) hasFenced() {
	h.fenced = true
	h.opens = h.now() + span(h.wait) + span(h.wait)/leaseDrift
	h.w.oracle.fence(h)
	if h.wait > 0 {
		h.later(tick(uint64(h.opens-h.now())/h.clock.rate)+1, func() {
			if h.t == nil {
				h.recover()
			}
		})
	}
}

// leasesOver reports whether no earlier writer can still answer by a lease.
func (h *holder) leasesOver() bool {
	if h.wait == 0 || h.now() >= h.opens {
		return true
	}
	if !h.held {
		h.held = true
		h.w.counts.LeaseWaits++
	}
	return false
}

// hear lets it hear whether all earlier writers have ended: then there is nothing to wait for.
func (h *holder) hear() {
	if h.wait == 0 {
		return
	}
	h.later(h.w.delay(), func() {
		if h.epoch != h.w.control.epoch || h.w.control.fleet.LeaseWait() > 0 {
			return
		}
		h.later(h.w.delay(), func() {
			if h.wait > 0 && h.held && h.now() < h.opens {
				h.w.counts.LeasesEnded++
			}
			h.wait = 0
		})
	})
}

// exited lets the control plane see, perhaps, that the process has.
func (h *holder) exited() {
	w := h.w
	if !w.chance(w.swarm.exits) {
		return
	}
	w.after(w.delay(), func() {
		if !slices.ContainsFunc(w.holders, func(o *holder) bool { return o.epoch == h.epoch }) {
			w.command(&fleet.ExitSeen{Node: "db", Incarnation: fleet.Incarnation(h.epoch)})
		}
	})
}

// reply is what a client waits for: the end of a statement or of a commit.
type reply struct {
	at   redo.LSN // what it has seen or made, which must be durable
	told redo.LSN // what clients had been told before it began
}

// confirmed is when, by its clock, no higher epoch had fenced the volume.
func (h *holder) confirmed() volume.Time { return max(h.t.Confirmed(), h.verified) }

// valid reports whether its epoch was confirmed within the read lease.
func (h *holder) valid() bool { return h.confirmed() > h.now()-span(h.lease) }

// settle answers the clients that may be.
func (h *holder) settle() {
	if len(h.replies) == 0 {
		return
	}
	if !h.valid() {
		h.w.counts.Unconfirmed++
		return
	}
	vdl := h.t.VDL()
	h.replies = slices.DeleteFunc(h.replies, func(r reply) bool {
		if r.at <= vdl {
			h.w.oracle.answered(h, r)
		}
		return r.at <= vdl
	})
}

// verify asks the control plane, now and then, whether the epoch is the newest, if storage does not
// confirm it. What it answers was true when it was asked.
func (h *holder) verify() {
	if len(h.replies) == 0 || h.valid() || h.w.rng.IntN(verifyEvery) > 0 {
		return
	}
	asked := h.now()
	h.later(h.w.delay(), func() {
		is := h.epoch == h.w.control.epoch
		h.later(h.w.delay(), func() {
			if !is {
				h.die("is not the newest")
				return
			}
			h.verified = max(h.verified, asked)
			h.w.counts.Verified++
			h.settle()
		})
	})
}

// answered takes an answer to a client: it must not lack what any client, of any writer, had been told
// before the statement began.
func (o *oracle) answered(h *holder, r reply) {
	if x := o.issued[r.at]; r.at > 0 && (x == nil || x.at == 0) {
		o.w.fail("a", "%s answers with %d, which is not durable", h.id, r.at)
	}
	if r.at < r.told {
		o.w.fail("I-14", "%s answers with what was at %d, a client had been told %d before", h.id, r.at, r.told)
	}
	o.told = max(o.told, r.at)
	o.w.counts.Answered++
}
