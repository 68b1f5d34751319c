package node

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
	"sextant/logstore/hotlog"
)

// scrubbing is how far the verification of the node's files is. In a round the live files
// of the hot log are read, then the file of one segment after another.
type scrubbing struct {
	last      time.Time
	credit    int64 // bytes that may be read now
	hot       hotlog.ScrubAt
	groups    []redo.PGID // that this round has yet to look at; nil: it is in the hot log
	at        boltstore.ScrubAt
	rewriting bool // a damaged part of the hot log is being written again: see Node.rewrite

	bytes, rounds atomic.Int64
}

// scrub reads as much of the node's files as ScrubRate allows since the last time, but no
// more than a second's worth, and no more than what is left of a round.
func (n *Node) scrub(now time.Time) error {
	n.mu.Lock()
	idle := n.host == nil
	bad := n.hotBad
	n.mu.Unlock()
	if idle {
		return nil
	}
	if bad != nil {
		return n.rewriteLog()
	}
	s := &n.bg.scrub
	s.credit = min(s.credit+int64(float64(n.opt.ScrubRate)*now.Sub(s.last).Seconds()), n.opt.ScrubRate)
	s.last = now
	for rounds := s.rounds.Load(); s.credit > 0 && s.rounds.Load() == rounds && n.ctx.Err() == nil; {
		read, err := n.scrubNext()
		s.credit -= int64(read)
		s.bytes.Add(int64(read))
		if err != nil {
			return err
		}
	}
	return nil
}

// scrubNext reads the next part and returns how much that was.
func (n *Node) scrubNext() (read int, err error) {
	s := &n.bg.scrub
	if s.groups == nil {
		s.hot, read, err = n.hot.Scrub(s.hot, int(s.credit))
		var damage *hotlog.DamageError
		if errors.As(err, &damage) {
			n.logDamaged(damage)
			err = n.rewriteLog()
		}
		if s.hot == (hotlog.ScrubAt{}) {
			s.groups = append([]redo.PGID{}, n.store.Groups()...)
		}
		return read, err
	}
	if len(s.groups) == 0 {
		s.groups = nil
		s.rounds.Add(1)
		return 0, nil
	}
	s.at, read, err = n.store.Scrub(s.groups[0], s.at, int(s.credit))
	if err != nil {
		err = n.scrubFailed(s.groups[0], err)
	}
	if s.at.IsZero() {
		s.groups = s.groups[1:]
	}
	return read, err
}

// scrubFailed takes a damaged segment out of service. A file that cannot be read now is
// read in the next round.
func (n *Node) scrubFailed(pg redo.PGID, err error) error {
	n.mu.Lock()
	known := n.harmed[pg]
	n.mu.Unlock()
	switch {
	case known || errors.Is(err, boltstore.ErrClosed): // it is being filled again
		return nil
	case errors.Is(err, boltstore.ErrDamaged):
		return n.storeFailed(pg, err)
	default:
		n.opt.Logger.Warn("a segment's file is not verified", "node", n.opt.ID, "pg", pg, "error", err)
		return nil
	}
}

// harm counts a damaged segment. mu is held while serving.
func (n *Node) harm(pg redo.PGID) {
	n.harmed[pg] = true
	n.found++
}

func (n *Node) logDamaged(err *hotlog.DamageError) {
	n.opt.Logger.Warn("hot log is damaged and is written again", "node", n.opt.ID, "file", err.File, "offset", err.Offset, "error", err)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hotBad = err
	n.found++
}

// rewriteLog does away with a damaged part of the hot log. Whatever its frames held is in
// the store, in memory, or in what the Host knows: the first is moved there, the
// second is written again, the third is in the snapshot that a file begins with.
// What cannot be done yet is done by a later call: whoever appends may wait for this
// goroutine to drain, so it waits for nobody. The file is begun by whoever drives next.
func (n *Node) rewriteLog() error {
	s := &n.bg.scrub
	n.mu.Lock()
	pgs := n.host.PGs()
	n.mu.Unlock()
	if !s.rewriting {
		for _, pg := range pgs {
			if err := n.drain(pg); err != nil {
				return err
			}
		}
		s.rewriting = true
		n.mu.Lock()
		n.rewrite.due = true
		n.mu.Unlock()
		return nil
	}
	n.release()
	n.mu.Lock()
	done := !n.rewrite.due && n.host.OldestFrame() >= n.rewrite.through
	n.mu.Unlock()
	if !done || !n.persist.TryLock() {
		return nil
	}
	err := n.hot.Cover() // says durably that the files before are released
	n.persist.Unlock()
	if err != nil {
		return err
	}
	s.rewriting, s.hot = false, hotlog.ScrubAt{}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hotBad = nil
	n.repaired++
	n.opt.Logger.Info("hot log is whole again", "node", n.opt.ID)
	return nil
}

// beginRewrite begins a file if a rewrite is due and the log has room for one. persist is
// held, and no frame is in flight.
func (n *Node) beginRewrite() error {
	n.mu.Lock()
	due := n.rewrite.due
	n.mu.Unlock()
	if !due {
		return nil
	}
	if err := n.rotateNow(0); err != nil {
		if errors.Is(err, hotlog.ErrFull) {
			return nil
		}
		return fmt.Errorf("write the hot log again: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rewrite.due, n.rewrite.through = false, n.host.Rewrite()
	return nil
}
