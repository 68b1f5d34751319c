// Package boltstore keeps a storage node's older data: the records and page images
// of its segments, one bbolt file per segment.
//
// It decides how runs of records and images lie in a file and how damage is found;
// which records come here, which pages get an image and what is garbage is package
// segment's business. It is written only from the hot log, in large sorted
// transactions. Start with Store.
//
// # Layout
//
// A segment's file is named after its volume, timeline and group and has five buckets:
//
//	meta  "format" → magic, version, features, cluster, store, volume, timeline, group
//	      "gone"   → highest LSN of a record that was collected
//	head  page → the LSNs of all its images and runs
//	run   page, last LSN, drain → the page's records of one drain
//	image page, LSN → the page's content
//	index last LSN, drain → the (LSN, page) pairs of one drain, for reads in LSN order
//
// Numbers in keys are big endian. Every value begins with version, codec and a
// CRC32C that covers volume, timeline, group and key besides the value: what lies in
// the wrong place does not verify. bbolt sums only its meta pages and may panic on a
// damaged tree: it is touched inside guard alone, which turns any of that into a
// *DamageError of the one segment.
package boltstore

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sextant/internal/durable"
	"sextant/internal/redo"
	"sextant/logstore"
)

// Errors of a store, matched with errors.Is.
var (
	// ErrDamaged is returned when a segment's file is not what was written. The
	// error is a *DamageError. The segment stays damaged until it is removed.
	ErrDamaged = errors.New("boltstore: segment is damaged")
	// ErrForeign is returned by Open for the file of another cluster or store.
	ErrForeign = errors.New("boltstore: file belongs to another store")
	// ErrVersion is returned by Open for a newer format.
	ErrVersion = errors.New("boltstore: unknown format version or feature")
	// ErrCollected is returned by Page for a version that was collected as garbage.
	ErrCollected = errors.New("boltstore: version was collected as garbage")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("boltstore: closed")
)

// DamageError says which segment is damaged, and where it was seen.
type DamageError struct {
	PG   redo.PGID
	File string
	What string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("boltstore: segment %d is damaged: file %s: %s", e.PG, e.File, e.What)
}

// Is reports that a DamageError is ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Limits.
const (
	lockTimeout     = time.Second // for the file lock of a segment
	compactTxBytes  = 4 << 20     // per transaction of a compaction copy
	CompactBytesMin = 16 << 20    // a file is not compacted for less free space

	// mapBytesMin of address space are mapped for a segment's file. When a file outgrows
	// its mapping, bbolt copies everything the transaction has put to the heap.
	mapBytesMin = 1 << 30
	growBytes   = 64 << 10 // more than a transaction needs that a file grows by
)

// Options name the one volume whose segments a Store keeps.
type Options struct {
	Dir      string // made if it does not exist
	Cluster  string
	Store    logstore.StoreID
	Volume   redo.VolumeID
	Timeline redo.TimelineID
	// NoSync leaves syncing to the operating system: for tests of speed alone.
	NoSync bool
}

// Store is the older data of one volume's segments on one node. It implements
// segment.Store. All methods may be called from any goroutine; Write, Collect and
// Compact of one segment wait for each other.
type Store struct {
	opt Options

	mu     sync.Mutex
	segs   map[redo.PGID]*seg
	closed bool
}

// Open opens the files of all segments. A damaged one does not make it fail:
// Damaged names it, and its methods return its *DamageError. Returns ErrForeign and
// ErrVersion.
func Open(opt Options) (*Store, error) {
	if err := os.MkdirAll(opt.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the segments' directory: %w", err)
	}
	entries, err := os.ReadDir(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the segments: %w", err)
	}
	s := &Store{opt: opt, segs: map[redo.PGID]*seg{}}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tmpSuffix) {
			if err := os.Remove(filepath.Join(opt.Dir, e.Name())); err != nil {
				return nil, fmt.Errorf("remove an unfinished file: %w", err)
			}
			continue
		}
		pg, ok := s.groupOf(e.Name())
		if !ok {
			continue
		}
		g := s.newSeg(pg)
		s.segs[pg] = g
		if err := g.open(false); err != nil && !errors.Is(err, ErrDamaged) {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

const (
	fileSuffix = ".seg"
	tmpSuffix  = ".compact"
)

func (s *Store) fileName(pg redo.PGID) string {
	return fmt.Sprintf("%016x-%d-%d%s", uint64(s.opt.Volume), s.opt.Timeline, pg, fileSuffix)
}

// groupOf returns the group of a file name of this volume.
func (s *Store) groupOf(name string) (redo.PGID, bool) {
	var v uint64
	var tl redo.TimelineID
	var pg redo.PGID
	if n, err := fmt.Sscanf(name, "%016x-%d-%d"+fileSuffix, &v, &tl, &pg); err != nil || n != 3 {
		return 0, false
	}
	return pg, name == s.fileName(pg)
}

func (s *Store) newSeg(pg redo.PGID) *seg {
	return &seg{opt: &s.opt, pg: pg, path: filepath.Join(s.opt.Dir, s.fileName(pg))}
}

// seg returns the segment, nil if nothing was ever written to it and create is false.
func (s *Store) seg(pg redo.PGID, create bool) (*seg, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	g := s.segs[pg]
	if g == nil && create {
		g = s.newSeg(pg)
		if err := g.open(true); err != nil {
			return nil, err
		}
		s.segs[pg] = g
	}
	return g, nil
}

// Groups returns the segments that have a file, ascending.
func (s *Store) Groups() []redo.PGID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.segs))
}

// Damaged returns what is wrong with each damaged segment.
func (s *Store) Damaged() map[redo.PGID]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[redo.PGID]error{}
	for pg, g := range s.segs {
		if err := g.damage(); err != nil {
			out[pg] = err
		}
	}
	return out
}

// Bytes returns the size of all files.
func (s *Store) Bytes() int64 {
	var n int64
	for _, pg := range s.Groups() {
		if fi, err := os.Stat(filepath.Join(s.opt.Dir, s.fileName(pg))); err == nil {
			n += fi.Size()
		}
	}
	return n
}

// FreeBytes is how much of Bytes is free, to be used again before a file grows. A segment
// that is damaged, or was not opened yet, has none.
func (s *Store) FreeBytes() (n int64) {
	s.mu.Lock()
	segs := slices.Collect(maps.Values(s.segs))
	s.mu.Unlock()
	for _, g := range segs {
		g.swap.RLock()
		_ = g.guard(func() error { // what is damaged is said elsewhere
			free, _, err := g.freeBytes()
			n += free
			return err
		})
		g.swap.RUnlock()
	}
	return n
}

// Remove closes and deletes a segment, a damaged one too, durably: the group may be taken anew.
func (s *Store) Remove(pg redo.PGID) error {
	s.mu.Lock()
	g := s.segs[pg]
	delete(s.segs, pg)
	s.mu.Unlock()
	if g == nil {
		return nil
	}
	err := g.close()
	if e := os.Remove(g.path); e != nil {
		return fmt.Errorf("remove segment %d: %w", pg, e)
	}
	if e := durable.SyncDir(s.opt.Dir); e != nil {
		return fmt.Errorf("remove segment %d: %w", pg, e)
	}
	if errors.Is(err, ErrDamaged) {
		return nil
	}
	return err
}

// Close closes all files.
func (s *Store) Close() error {
	s.mu.Lock()
	segs := slices.Collect(maps.Values(s.segs))
	s.closed = true
	s.mu.Unlock()
	var first error
	for _, g := range segs {
		if err := g.close(); err != nil && !errors.Is(err, ErrDamaged) && first == nil {
			first = err
		}
	}
	return first
}
