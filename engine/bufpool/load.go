package bufpool

import (
	"context"
	"errors"
	"fmt"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// Load is one way to a page, in steps, for a driver that waits in its own way: Next
// says what to do, and Fetched takes what the storage gave. It is for one goroutine.
type Load struct {
	pool      *Pool
	id        redo.PageID
	s         redo.LSN        // snapshot asked for; open: the head
	byHead    bool            // the head may do, and is worth having
	readPoint func() redo.LSN // what the storage can be asked at

	flight  *flight // that this load leads
	waiting *flight // that another leads
	cuts    uint64
	at      redo.LSN // what is fetched, or would be
	tries   int
	gone    int

	page []byte
	err  error
}

// Step is what a Load needs next. If all are zero: a fetch of the page as of At,
// whose outcome goes to Fetched.
type Step struct {
	Page []byte          // the page: the load is over
	Err  error           // the load has failed
	Wait <-chan struct{} // another load's fetch: call Next when it is closed
	At   redo.LSN
}

// Version is a load of the page as of snapshot s. What it fetches answers no later
// snapshot: for one that is near the newest Newest is better.
func (p *Pool) Version(id redo.PageID, s redo.LSN) *Load {
	return &Load{pool: p, id: id, s: s, readPoint: func() redo.LSN { return s }}
}

// Newest is a load of the page's open head. readPoint is called after the page is
// registered, so that every later record of it is held or published; it must return
// an LSN that the storage can serve and that is at or above every record which the
// caller has seen Hold refuse, and every record of the page that was published before: on
// a writer the VDL, on a reader the end of what it has begun to apply.
func (p *Pool) Newest(id redo.PageID, readPoint func() redo.LSN) *Load {
	return &Load{pool: p, id: id, s: open, byHead: true, readPoint: readPoint}
}

// AsOf is a load of the page as of snapshot s by way of the head, if that is old
// enough; readPoint is as for Newest.
//
// s may be above the VDL, if a writer has published it. A page that has no version
// for it in the cache has then no record in (VDL, s]: a version above the VDL is not
// evicted, and one that a readable LSN selects is not pruned. So the page as of the
// VDL, read after the miss, is the page as of s.
func (p *Pool) AsOf(id redo.PageID, s redo.LSN, readPoint func() redo.LSN) *Load {
	return &Load{pool: p, id: id, s: s, byHead: true, readPoint: readPoint}
}

// Next returns what the load needs. Its error is the fetch's, or ErrFetch; an
// error of logstore.ErrGone is one of this load's own fetch at its own snapshot, or comes
// after goneMax reads that the minimum read point has overtaken.
func (l *Load) Next() Step {
	if f := l.waiting; f != nil {
		l.waiting = nil
		if !f.ownFailure() {
			l.err = f.err
		}
	}
	if l.err != nil || l.page != nil {
		return Step{Page: l.page, Err: l.err}
	}
	if b, ok := l.look(); ok {
		return Step{Page: b}
	}
	if l.tries++; l.byHead && l.tries > attemptsMax {
		return Step{Err: fmt.Errorf("%w: no head of page %d in %d fetches", ErrFetch, l.id, attemptsMax)}
	}
	f, cuts, leader := l.pool.join(l.id, l.byHead)
	if !leader {
		l.waiting = f
		return Step{Wait: f.done}
	}
	// Once more: what was installed between the look and the registration.
	head := l.byHead
	if b, ok := l.look(); ok || l.byHead != head {
		l.pool.land(l.id, f, nil)
		if !ok {
			return l.Next()
		}
		return Step{Page: b}
	}
	l.flight, l.cuts = f, cuts
	if l.byHead {
		l.at = l.readPoint()
	}
	return Step{At: l.at}
}

// look looks into the cache. A head that is newer than the snapshot ends the way by it.
func (l *Load) look() ([]byte, bool) {
	if l.s != open {
		if b, ok := l.pool.At(l.id, l.s); ok {
			return b, true
		}
	}
	if l.byHead {
		b, ok := l.pool.Head(l.id)
		if !ok || page.LSN(b) <= l.s {
			return b, ok
		}
		l.byHead = false
		if b, ok := l.pool.At(l.id, l.s); ok {
			return b, true
		}
	}
	if l.at = min(l.s, l.readPoint()); l.at == l.s {
		return nil, false
	}
	return l.pool.At(l.id, l.at)
}

// Fetched takes the page as of the step's At, or the error that there was. The memory
// becomes the pool's.
func (l *Load) Fetched(b []byte, err error) {
	p, f := l.pool, l.flight
	p.mu.Lock()
	defer p.mu.Unlock()
	l.flight = nil
	p.mu.stats.Fetches++
	switch valid := p.mu.cuts == l.cuts; {
	case err != nil:
	case l.byHead:
		var head []byte
		if valid {
			head, err = p.installHead(l.id, f, l.at, b, false)
		}
		// Without a head (a Cut, or too many held records) once more.
		if head != nil && page.LSN(head) <= l.s {
			l.page = head
		}
	case page.LSN(b) > l.at:
		err = fmt.Errorf("%w: page %d at %d has LSN %d", ErrFetch, l.id, l.at, page.LSN(b))
	default:
		if valid {
			p.install(l.id, version{page.LSN(b), l.at, b}, false)
		}
		l.page = b
	}
	p.landLocked(l.id, f, err)
	// Below the snapshot nobody keeps the VDL of a moment ago readable.
	overtaken := errors.Is(err, logstore.ErrGone) && l.at != l.s && l.gone < goneMax
	if overtaken {
		l.gone++
	} else {
		l.err = err
	}
}

// LoadAt takes a load of Version to its end. Returns the fetch's error, ErrFetch, or the
// context's.
func (p *Pool) LoadAt(ctx context.Context, id redo.PageID, s redo.LSN, fetch Fetch) ([]byte, error) {
	return p.Version(id, s).Run(ctx, fetch)
}

// LoadHead takes a load of Newest to its end. Returns the fetch's error, ErrFetch, or the
// context's.
func (p *Pool) LoadHead(ctx context.Context, id redo.PageID, readPoint func() redo.LSN, fetch Fetch) ([]byte, error) {
	return p.Newest(id, readPoint).Run(ctx, fetch)
}

// Run takes the load to its end, waiting as it must. Returns the page, or Next's error or
// the context's.
func (l *Load) Run(ctx context.Context, fetch Fetch) ([]byte, error) {
	for {
		switch st := l.Next(); {
		case st.Page != nil || st.Err != nil:
			return st.Page, st.Err
		case st.Wait != nil:
			select {
			case <-st.Wait:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		default:
			l.Fetched(fetch(ctx, l.id, st.At))
		}
	}
}

// join registers a fetch of the page, or returns the one that is under way.
func (p *Pool) join(id redo.PageID, head bool) (f *flight, cuts uint64, leader bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f, ok := p.mu.flights[id]; ok {
		p.mu.stats.Waits++
		return f, 0, false
	}
	f, cuts = p.register(id, head)
	return f, cuts, true
}

func (p *Pool) register(id redo.PageID, head bool) (*flight, uint64) {
	f := &flight{done: make(chan struct{}), head: head, refused: p.mu.dropped}
	p.mu.flights[id] = f
	return f, p.mu.cuts
}

// ownFailure reports whether the fetch, which is over, has failed for what concerns its
// leader alone, or not at all: who has waited tries for itself.
func (f *flight) ownFailure() bool {
	return f.err == nil || errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded) ||
		errors.Is(f.err, logstore.ErrGone) // at its leader's snapshot
}

func (p *Pool) land(id redo.PageID, f *flight, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.landLocked(id, f, err)
}

func (p *Pool) landLocked(id redo.PageID, f *flight, err error) {
	f.err = err
	delete(p.mu.flights, id)
	close(f.done)
	p.evict()
}
