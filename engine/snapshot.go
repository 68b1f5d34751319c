package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"sextant/internal/redo"
)

// snapshots knows which log positions are read at, now and possibly later.
//
// On the writer a snapshot is the newest end of a turn at or below the VDL, so
// that everything acknowledged is in it and nothing in it can be undone. On a
// reader it is the applied VDL.
//
// Invariant: durable < ends[0] < ends[1] < …; the last of them is newest.
type snapshots struct {
	newest atomic.Uint64 // newest published LSN: what locking reads and commits build on
	mu     sync.Mutex
	// durable is the newest end at or below the VDL, as far as it was looked.
	durable redo.LSN
	ends    []redo.LSN // published ends of turns above it
	live    map[redo.LSN]int
	scratch []redo.LSN
}

func (s *snapshots) reset(at redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.Store(uint64(at))
	s.durable, s.ends = at, nil
	if s.live == nil {
		s.live = map[redo.LSN]int{}
	}
}

// show says on a reader that the pages as of applied are in the cache.
func (s *snapshots) show(applied redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.Store(uint64(applied))
	s.durable, s.ends = applied, nil
	if s.live == nil {
		s.live = map[redo.LSN]int{}
	}
}

// publish says that the pages as of end are in the cache.
func (s *snapshots) publish(end redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, end)
	s.newest.Store(uint64(end))
}

// advance moves durable up to the newest end at or below vdl and returns it.
func (s *snapshots) advance(vdl redo.LSN) redo.LSN {
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

// acquire returns the newest snapshot, given the VDL, and keeps it readable until release.
func (s *snapshots) acquire(vdl redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.advance(vdl)
	s.live[at]++
	return at
}

// peek is acquire without keeping.
func (s *snapshots) peek(vdl redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.advance(vdl)
}

// acquireNewest returns the newest published LSN, which may be above the VDL.
func (s *snapshots) acquireNewest() redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := redo.LSN(s.newest.Load())
	s.live[at]++
	return at
}

// hold keeps a given LSN readable until release.
func (s *snapshots) hold(at redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[at]++
}

func (s *snapshots) release(at redo.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[at]--; s.live[at] <= 0 {
		delete(s.live, at)
	}
}

// readable returns, sorted, every LSN that is read at or that a later snapshot may
// get: a version of a page that holds none of them is needed by nobody. The slice
// is valid until the next call; only the holder of the commit lock calls it.
func (s *snapshots) readable(vdl redo.LSN) []redo.LSN {
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

// oldest returns the lowest LSN that is read at.
func (s *snapshots) oldest(vdl redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	low := s.advance(vdl)
	for at := range s.live {
		low = min(low, at)
	}
	return low
}
