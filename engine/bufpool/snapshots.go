package bufpool

import (
	"slices"
	"sync"
	"sync/atomic"

	"sextant/internal/redo"
)

// Snapshots knows which log positions are read at, now and possibly later: which versions of
// pages must be there. Its zero value is that of an empty volume. It is safe for concurrent use.
//
// On the writer a snapshot is the newest end of a turn at or below the VDL, so
// that everything acknowledged is in it and nothing in it can be undone. On a
// reader it is the applied VDL.
//
// Invariant: durable < ends[0] < ends[1] < …; the last of them is newest.
type Snapshots struct {
	newest atomic.Uint64 // newest published LSN: what locking reads and commits build on
	mu     sync.Mutex
	// durable is the newest end at or below the VDL, as far as it was looked.
	durable redo.LSN
	ends    []redo.LSN // published ends of turns above it
	live    map[redo.LSN]int
	scratch []redo.LSN
}

// Reset says that the pages as of at are in the cache, and nothing newer: a role begins,
// or a reader has applied the log up to there. What is read at stays readable.
func (s *Snapshots) Reset(at redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.Store(uint64(at))
	s.durable, s.ends = at, nil
}

// Newest returns the newest published LSN: on a reader what it shows.
func (s *Snapshots) Newest() redo.LSN { return redo.LSN(s.newest.Load()) }

// Publish says that the pages as of end are in the cache.
func (s *Snapshots) Publish(end redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, end)
	s.newest.Store(uint64(end))
}

// advance moves durable up to the newest end at or below vdl and returns it.
func (s *Snapshots) advance(vdl redo.LSN) redo.LSN {
	n := 0
	for n < len(s.ends) && s.ends[n] <= vdl {
		s.durable = s.ends[n]
		n++
	}
	if n > 0 {
		s.ends = slices.Delete(s.ends, 0, n)
	}
	return s.durable
}

// Acquire returns the newest snapshot, given the VDL, and keeps it readable until Release.
func (s *Snapshots) Acquire(vdl redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.advance(vdl)
	s.keep(at)
	return at
}

func (s *Snapshots) keep(at redo.LSN) {
	if s.live == nil {
		s.live = map[redo.LSN]int{}
	}
	s.live[at]++
}

// Peek is Acquire without keeping.
func (s *Snapshots) Peek(vdl redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.advance(vdl)
}

// AcquireNewest returns the newest published LSN, which may be above the VDL.
func (s *Snapshots) AcquireNewest() redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := redo.LSN(s.newest.Load())
	s.keep(at)
	return at
}

// Hold keeps a given LSN readable until Release.
func (s *Snapshots) Hold(at redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(at)
}

func (s *Snapshots) Release(at redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[at]--; s.live[at] <= 0 {
		delete(s.live, at)
	}
}

// Readable returns, sorted, every LSN that is read at or that a later snapshot may
// get: a version of a page that holds none of them is needed by nobody. The slice
// is valid until the next call; only the holder of the commit lock calls it.
func (s *Snapshots) Readable(vdl redo.LSN) []redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(vdl)
	out := append(s.scratch[:0], s.durable)
	out = append(out, s.ends...)
	for at := range s.live {
		out = append(out, at)
	}
	slices.Sort(out)
	s.scratch = slices.Compact(out)
	return s.scratch
}

// Oldest returns the lowest LSN that is read at.
func (s *Snapshots) Oldest(vdl redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	low := s.advance(vdl)
	for at := range s.live {
		low = min(low, at)
	}
	return low
}
