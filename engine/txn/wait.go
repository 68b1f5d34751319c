package txn

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Waiter is a request that is not granted yet.
type Waiter struct {
	o    *Owner
	sp   *space
	req  Request
	done chan struct{} // closed when the wait has ended

	since time.Time

	// Guarded by the table until done is closed.
	ended bool
	err   error
}

// Done is closed when the wait has ended; Err says how.
func (w *Waiter) Done() <-chan struct{} { return w.done }

// Err returns nil if the lock was granted, else why not. Only after Done.
func (w *Waiter) Err() error { return w.err }

// Request asks for a lock. Returns nil, nil if the owner has it now; a Waiter if it must wait
// for others; ErrDeadlock if waiting would close a cycle and this owner is its
// victim; ErrLocksFull; ErrClosed.
func (o *Owner) Request(r Request) (*Waiter, error) { return o.request(r, true) }

// Try asks for a lock as Request does, but returns ErrNoWait where that would wait.
func (o *Owner) Try(r Request) error {
	_, err := o.request(r, false)
	return err
}

func (o *Owner) request(r Request, wait bool) (*Waiter, error) {
	t := o.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed != nil {
		return nil, t.closed
	}
	sp := t.space(r.Space)
	p := sp.points.Get(r.Key)
	if o.has(sp, p, &r) {
		return nil, nil
	}
	if o.free(sp, p, &r, p.queueOrNil()) {
		return nil, o.grant(sp, &r)
	}
	if !wait {
		return nil, ErrNoWait
	}
	r.Key = slices.Clone(r.Key)
	w := &Waiter{o: o, sp: sp, req: r, done: make(chan struct{}), since: time.Now()}
	_, p, _ = sp.points.Put(r.Key)
	if p.ext == nil {
		p.ext = &pointExt{}
	}
	p.ext.queue = append(p.ext.queue, w)
	sp.waiters = append(sp.waiters, w)
	o.waiting = w
	t.waits.Waits++
	if r.Space.Kind == SpaceIndex {
		t.waits.RowWaits++
	}
	t.breakCycles(w)
	if w.ended && w.err != nil {
		return nil, w.err
	}
	return w, nil
}

// Policy says how long Acquire may wait.
type Policy struct {
	NoWait  bool
	Timeout time.Duration // of one wait; 0 or less: none
}

// Acquire asks for a lock and waits for it. Returns nil when the owner has it;
// ErrNoWait, ErrLockWait, ErrDeadlock, ErrLocksFull, ErrClosed or the context's error if not.
func (o *Owner) Acquire(ctx context.Context, r Request, p Policy) error {
	if p.NoWait {
		return o.Try(r)
	}
	w, err := o.Request(r)
	if w == nil {
		return err
	}
	return w.Wait(ctx, p.Timeout)
}

// Wait waits until the lock is granted. Errors as Acquire's.
func (w *Waiter) Wait(ctx context.Context, timeout time.Duration) error {
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		w.Cancel(ctx.Err())
	case <-expired:
		w.Cancel(ErrLockWait)
	}
	return w.err
}

// Cancel ends the wait with err, unless it has ended already.
func (w *Waiter) Cancel(err error) {
	t := w.o.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if !w.ended && err == ErrLockWait {
		t.waits.Timeouts++
	}
	t.end(w, err)
}

// end ends a wait with an error and lets those behind it go on.
func (t *Table) end(w *Waiter, err error) {
	if w.ended {
		return
	}
	t.finish(w, err)
	t.wake(w.sp, string(w.req.Key))
}

// finish takes w out of its queue and tells it.
func (t *Table) finish(w *Waiter, err error) {
	p := w.sp.points.Get(w.req.Key)
	p.ext.queue = slices.DeleteFunc(p.ext.queue, func(x *Waiter) bool { return x == w })
	w.sp.waiters = slices.DeleteFunc(w.sp.waiters, func(x *Waiter) bool { return x == w })
	w.o.waiting = nil
	if w.req.Space.Kind == SpaceIndex {
		took := time.Since(w.since)
		t.waits.RowTime += took
		t.waits.RowLongest = max(t.waits.RowLongest, took)
	}
	w.ended, w.err = true, err
	close(w.done)
}

// wake grants, in the order of the queue, what nothing stands in the way of any more.
func (t *Table) wake(sp *space, key string) {
	p := sp.points.Get([]byte(key))
	if p == nil {
		return
	}
	queue := slices.Clone(p.queue())
	var ahead []*Waiter
	for _, w := range queue {
		if !w.o.free(sp, sp.points.Get([]byte(key)), &w.req, ahead) {
			ahead = topOnly(ahead, w)
			continue
		}
		err := w.o.grant(sp, &w.req)
		t.finish(w, err)
	}
	if p = sp.points.Get([]byte(key)); p != nil {
		t.sweep(sp, key, p)
	}
}

// topOnly appends w to the waiters that stand in the way of later ones. Behind one that
// conflicts with everything another adds nothing.
func topOnly(ahead []*Waiter, w *Waiter) []*Waiter {
	if len(ahead) > 0 && ahead[len(ahead)-1].req.Mode.top() && w.req.Mode.top() {
		return ahead
	}
	return append(ahead, w)
}

// blockers calls f for every owner that w waits for, directly. Of those only reached
// through a waiter ahead that conflicts with everything it may leave some out.
func (t *Table) blockers(w *Waiter, f func(*Owner)) {
	sp, key := w.sp, string(w.req.Key)
	for _, rs := range sp.ranges {
		if rs.o != w.o && rs.excludes(key, w.req.Mode, w.req.Insert) {
			f(rs.o)
		}
	}
	p := sp.points.Get(w.req.Key)
	if !w.o.passes(sp, p, key) {
		queue := p.queue()
		for i := slices.Index(queue, w) - 1; i >= 0; i-- {
			x := queue[i]
			if conflicts[w.req.Mode]&(1<<x.req.Mode) == 0 {
				continue
			}
			f(x.o)
			if x.req.Mode.top() && !x.o.passes(sp, p, key) {
				return // x waits for all that are ahead of it and for all holders
			}
		}
	}
	p.others(w.o, func(h *holder) bool {
		if h.all()&conflicts[w.req.Mode] != 0 {
			f(h.o)
		}
		return true
	})
}

// breakCycles ends waits until w is in no cycle of waiting owners.
func (t *Table) breakCycles(w *Waiter) {
	for !w.ended {
		t.mark++
		cycle := t.cycle(w.o, w.o, nil)
		if cycle == nil {
			return
		}
		t.waits.Deadlocks++
		loser := victim(cycle)
		t.report(cycle, loser)
		t.end(loser.waiting, ErrDeadlock)
	}
}

// report tells whoever asked for it of a deadlock.
func (t *Table) report(cycle []*Owner, victim *Owner) {
	if t.onDeadlock == nil {
		return
	}
	d := Deadlock{Victim: victim.ID}
	for _, o := range slices.Backward(cycle) {
		d.Waits = append(d.Waits, t.wish(o.waiting))
	}
	t.onDeadlock(d)
}

// cycle returns the owners on a path of waits from at to goal, at first; nil if there is none.
func (t *Table) cycle(at, goal *Owner, path []*Owner) (found []*Owner) {
	if at.mark == t.mark || at.waiting == nil {
		return nil
	}
	at.mark = t.mark
	path = append(path, at)
	t.blockers(at.waiting, func(b *Owner) {
		switch {
		case found != nil:
		case b == goal:
			found = slices.Clone(path)
		default:
			found = t.cycle(b, goal, path)
		}
	})
	return found
}

// victim chooses who gives way: a statement before DDL and GET_LOCK, then whoever has
// written and locked least, then whoever came last into the cycle (the first of the path).
func victim(cycle []*Owner) *Owner {
	return slices.MinFunc(cycle, func(a, b *Owner) int {
		return cmp.Or(cmp.Compare(a.class(), b.class()), cmp.Compare(a.weight(), b.weight()))
	})
}

func (o *Owner) class() int {
	if m := o.waiting.req.Mode; m == MetaExclusive || m == MetaNoWrite {
		return 1
	}
	return 0
}

// weight is what would be lost: writes count as in a rollback, locks once.
func (o *Owner) weight() int { return 2*len(o.writes) + len(o.held) }

// Close ends every wait with err, now and later. Locks can still be released.
func (t *Table) Close(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = err
	for o := range t.owners {
		if w := o.waiting; w != nil {
			t.finish(w, err)
		}
	}
}

// Open lets requests be granted again after Close: the instance has a new role.
func (t *Table) Open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = nil
}
