package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// undertows are the faults that may last while another is performed: each only slows, or
// removes what the cluster must do without.
var undertows = []fault{
	{"slow disk", false, false, ofStorage, slowDisk},
	{"slow links", true, false, ofStorage | ofLinks, slowLinks},
	{"slow clients", false, false, 0, slowClients},
	{"pause reader", false, false, ofReaders, suspend(reader)},
	{"kill reader", false, true, ofReaders, killAgain(reader)},
	{"pause storage", false, false, ofStorage, suspend(someStorage(1))},
	{"kill storage", false, true, ofStorage, killAgain(someStorage(1))},
}

// bears reports whether an undertow may last meanwhile: at the worst both together take a
// zone and one more away, and leave a reader that can be promoted.
func (f fault) bears(u fault) bool { return u.kind != f.kind && u.takes&f.takes == 0 }

// undertowEvery is how many events share one undertow, on average.
const undertowEvery = 3

// event is one step of a schedule.
type event struct {
	fault fault
	seed  uint64        // of what the fault chooses
	hold  time.Duration // how long it lasts, for those that last
	calm  time.Duration // before it

	undertow *fault        // that lasts meanwhile; nil: none
	lead     time.Duration // by which the undertow begins before the fault and ends after it
}

// kind names the fault, and its undertow.
func (e event) kind() string {
	if e.undertow == nil {
		return e.fault.kind
	}
	return e.fault.kind + " during " + e.undertow.kind
}

// schedule draws an endless sequence of the chosen faults from a seed, some with one of
// the chosen undertows. Every kind comes once before one comes again. The same seed gives
// the same sequence; what processes and networks make of it in between is their own.
type schedule struct {
	rng       *rand.Rand
	kinds     []fault
	undertows []fault
	left      []fault
}

func newSchedule(seed uint64, namespaces bool, chosen func(fault) bool) *schedule {
	some := func(from []fault) (out []fault) {
		for _, f := range from {
			if (!f.namespaces || namespaces) && chosen(f) {
				out = append(out, f)
			}
		}
		return out
	}
	return &schedule{rng: rand.New(rand.NewPCG(seed, 0)), kinds: some(faults), undertows: some(undertows)}
}

func (s *schedule) next() event {
	if len(s.left) == 0 {
		for _, i := range s.rng.Perm(len(s.kinds)) {
			s.left = append(s.left, s.kinds[i])
		}
	}
	f := s.left[0]
	s.left = s.left[1:]
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(s.rng.Int64N(int64(high-low))) }
	e := event{fault: f, seed: s.rng.Uint64(), hold: between(500*time.Millisecond, 4*time.Second), calm: between(200*time.Millisecond, 2*time.Second)}
	var beneath []fault
	for _, u := range s.undertows {
		if f.bears(u) {
			beneath = append(beneath, u)
		}
	}
	if len(beneath) > 0 && s.rng.IntN(undertowEvery) == 0 {
		u := pick(s.rng, beneath)
		e.undertow, e.lead = &u, between(100*time.Millisecond, time.Second)
	}
	return e
}

// perform lets clients work in peace for a while, then does one fault, with its undertow
// if it has one, and waits until the cluster has recovered by itself.
func (w *world) perform(ctx context.Context, e event) error {
	pause(ctx, e.calm)
	fault := func() error {
		w.does(e.kind())
		return e.fault.run(ctx, w, rand.New(rand.NewPCG(e.seed, 0)), e.hold)
	}
	during := fault
	if e.undertow != nil {
		during = func() error { return w.during(ctx, e, fault) }
	}
	if err := during(); err != nil {
		return fmt.Errorf("%s: %w", e.kind(), err)
	}
	if err := w.recovered(ctx); err != nil {
		return fmt.Errorf("after %s: %w", e.kind(), err)
	}
	return nil
}

// does notes the kind of what is injected from now on, and returns how much was before.
func (w *world) does(kind string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doing = kind
	return len(w.injected)
}

// during calls f while the undertow of an event lasts.
func (w *world) during(ctx context.Context, e event, f func() error) error {
	lasting, end := context.WithCancel(ctx)
	defer end()
	before := w.does(e.undertow.kind)
	done := make(chan error, 1)
	go func() { done <- e.undertow.run(lasting, w, rand.New(rand.NewPCG(e.seed, 1)), time.Hour) }() // until it is ended
	for w.does(e.undertow.kind) == before {
		select {
		case err := <-done:
			return errors.Join(err, errors.New("the undertow was not injected"))
		case <-time.After(5 * time.Millisecond):
		}
	}
	pause(ctx, e.lead)
	err := f()
	pause(ctx, e.lead)
	end()
	return errors.Join(err, <-done)
}
