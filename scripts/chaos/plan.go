package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// event is one step of a schedule.
type event struct {
	fault fault
	seed  uint64        // of what the fault chooses
	hold  time.Duration // how long it lasts, for those that last
	calm  time.Duration // before it
}

// schedule draws an endless sequence of the chosen faults from a seed. Every kind comes once before
// one comes again. The same seed gives the same sequence; what processes and networks
// make of it in between is their own.
type schedule struct {
	rng   *rand.Rand
	kinds []fault
	left  []fault
}

func newSchedule(seed uint64, namespaces bool, chosen func(fault) bool) *schedule {
	s := &schedule{rng: rand.New(rand.NewPCG(seed, 0))}
	for _, f := range faults {
		if (!f.namespaces || namespaces) && chosen(f) {
			s.kinds = append(s.kinds, f)
		}
	}
	return s
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
	return event{fault: f, seed: s.rng.Uint64(), hold: between(500*time.Millisecond, 4*time.Second), calm: between(200*time.Millisecond, 2*time.Second)}
}

// perform lets clients work in peace for a while, then does one fault, and waits until
// the cluster has recovered by itself.
func (w *world) perform(ctx context.Context, e event) error {
	pause(ctx, e.calm)
	w.mu.Lock()
	w.kind = e.fault.kind
	w.mu.Unlock()
	if err := e.fault.run(ctx, w, rand.New(rand.NewPCG(e.seed, 0)), e.hold); err != nil {
		return fmt.Errorf("%s: %w", e.fault.kind, err)
	}
	if err := w.recovered(ctx); err != nil {
		return fmt.Errorf("after %s: %w", e.fault.kind, err)
	}
	return nil
}
