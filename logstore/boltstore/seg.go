package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	bolt "go.etcd.io/bbolt"

	"sextant/internal/durable"
	"sextant/internal/redo"
)

const (
	fileMagic   = "SXSEGMNT"
	fileVersion = 1
)

var (
	bucketMeta  = []byte("meta")
	bucketRun   = []byte("run")
	bucketImage = []byte("image")
	bucketIndex = []byte("index")
	bucketHead  = []byte("head")
	keyFormat   = []byte("format")
	keyGone     = []byte("gone")
)

const placeRun, placeImage, placeIndex, placeMeta, placeHead = 'r', 'i', 'x', 'm', 'h'

// seg is one segment's file.
type seg struct {
	opt  *Options
	pg   redo.PGID
	path string

	write sync.Mutex   // one writer at a time; held over a whole compaction
	swap  sync.RWMutex // db is replaced under its write lock

	mu     sync.Mutex // of the fields below
	db     *bolt.DB
	broken error
}

func (g *seg) damage() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.broken
}

// guard runs f and turns a panic, a fault in the mapped file, or an error that means
// damage into the segment's *DamageError, for good. It is the only place that enters bbolt.
func (g *seg) guard(f func() error) (err error) {
	if err := g.damage(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil { // bbolt's, over a damaged page
			err = fmt.Errorf("%w: %s", errValue, strings.TrimPrefix(fmt.Sprint(p), "runtime error: "))
		}
		if isDamage(err) {
			err = g.quarantine(err.Error())
		}
	}()
	return f()
}

func isDamage(err error) bool {
	for _, e := range []error{
		errValue, bolt.ErrInvalid, bolt.ErrChecksum, bolt.ErrVersionMismatch, bolt.ErrBucketNotFound,
		bolt.ErrIncompatibleValue, fs.ErrNotExist, redo.ErrCorrupt,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (g *seg) quarantine(what string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken == nil {
		g.broken = &DamageError{g.pg, filepath.Base(g.path), what}
	}
	return g.broken
}

// open opens the file, or makes it. It leaves a damaged segment closed.
func (g *seg) open(create bool) error {
	return g.guard(func() error {
		fi, err := os.Stat(g.path)
		if errors.Is(err, fs.ErrNotExist) && create {
			if err := g.make(); err != nil {
				return fmt.Errorf("make segment %d: %v", g.pg, err)
			}
			fi, err = os.Stat(g.path)
		}
		switch {
		case err != nil:
			return fmt.Errorf("open segment %d: %w", g.pg, err)
		case fi.Size() == 0:
			return fmt.Errorf("%w: the file is empty", errValue)
		}
		if err := checkMetas(g.path); err != nil {
			return err
		}
		db, err := openBolt(g.path, g.opt.NoSync)
		if err != nil {
			if isDamage(err) || !errors.Is(err, bolt.ErrTimeout) && !errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("%w: %w", errValue, err)
			}
			return fmt.Errorf("open segment %d: %w", g.pg, err)
		}
		g.db = db
		return g.checkFormat()
	})
}

// make makes the file with its buckets under another name and puts it in place when
// it is durable: an end of the process at any point leaves a whole file or none.
func (g *seg) make() error {
	tmp := g.path + tmpSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(tmp, g.opt.NoSync)
	if err != nil {
		return err
	}
	err = writeFormat(db, g.format())
	if e := db.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp, g.path)
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(g.path))
	}
	return err
}

// checkMetas returns errValue unless both of bbolt's meta pages verify. bbolt itself
// is content with one, and goes back to the transaction before the last if that is
// the older one: what was drained since has left the hot log already.
func checkMetas(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the meta pages: %w", err)
	}
	defer f.Close()
	const sumAt, size = 72, 80 // a page header of 16 bytes, then the meta with its FNV-1a
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return fmt.Errorf("%w: meta page 0: %v", errValue, err)
	}
	second := make([]byte, size)
	if _, err := f.ReadAt(second, int64(le.Uint32(b[24:]))); err != nil {
		return fmt.Errorf("%w: meta page 1: %v", errValue, err)
	}
	for i, m := range [][]byte{b, second} {
		h := fnv.New64a()
		_, _ = h.Write(m[16:sumAt])
		if h.Sum64() != le.Uint64(m[sumAt:]) {
			return fmt.Errorf("%w: meta page %d", errValue, i)
		}
	}
	return nil
}

func openBolt(path string, noSync bool) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o640, &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, NoSync: noSync, NoGrowSync: false,
		InitialMmapSize: mapBytesMin,
	})
	if err != nil {
		return nil, err
	}
	db.AllocSize = growBytes
	return db, nil
}

// checkFormat compares the file's format with this segment's.
func (g *seg) checkFormat() error {
	err := g.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return fmt.Errorf("%w: no bucket %s", errValue, bucketMeta)
		}
		return g.compareFormat(meta.Get(keyFormat), g.format())
	})
	if err != nil && !isDamage(err) {
		_ = g.db.Close()
	}
	return err
}

// writeFormat makes a new file's buckets.
func writeFormat(db *bolt.DB, want []byte) error {
	return db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{bucketMeta, bucketHead, bucketRun, bucketImage, bucketIndex} {
			if _, err := tx.CreateBucket(b); err != nil {
				return fmt.Errorf("make bucket %s: %w", b, err)
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, want)
	})
}

// format is magic, version and features, volume, timeline, group, store, cluster,
// sealed like every value.
func (g *seg) format() []byte {
	v := append(make([]byte, valueHeaderSize), fileMagic...)
	v = le.AppendUint32(v, fileVersion)
	v = le.AppendUint32(v, 0)
	v = le.AppendUint64(v, uint64(g.opt.Volume))
	v = le.AppendUint32(v, uint32(g.opt.Timeline))
	v = le.AppendUint32(v, uint32(g.pg))
	v = le.AppendUint64(v, uint64(g.opt.Store))
	v = append(v, g.opt.Cluster...)
	return g.seal(placeMeta, keyFormat, v, codecNone)
}

func (g *seg) compareFormat(have, want []byte) error {
	const ids = valueHeaderSize + 16 // after magic, version and features
	switch {
	case bytes.Equal(have, want):
		return nil
	case len(have) < ids+24 || string(have[valueHeaderSize:valueHeaderSize+8]) != fileMagic:
		return fmt.Errorf("%w: format", errValue)
	}
	if _, _, err := g.unseal(placeMeta, keyFormat, have); err != nil {
		return err
	}
	if v, f := le.Uint32(have[16:]), le.Uint32(have[20:]); v != fileVersion || f != 0 {
		return fmt.Errorf("%w: %s: version %d, features %#x", ErrVersion, g.path, v, f)
	}
	return fmt.Errorf("%w: %s is of store %016x of cluster %q, not of %016x of %q", ErrForeign, g.path,
		le.Uint64(have[ids+16:]), have[ids+24:], uint64(g.opt.Store), g.opt.Cluster)
}

func (g *seg) close() error {
	if err := g.damage(); err != nil {
		// bbolt may have panicked with its locks held: what it holds stays open.
		return err
	}
	g.write.Lock()
	defer g.write.Unlock()
	g.swap.Lock()
	defer g.swap.Unlock()
	if g.db == nil {
		return nil
	}
	return g.db.Close()
}

// view runs f in a read transaction. f must copy what it keeps and do no other I/O.
func (g *seg) view(f func(*bolt.Tx) error) error {
	g.swap.RLock()
	defer g.swap.RUnlock()
	err := g.guard(func() error { return g.db.View(f) })
	if errors.Is(err, bolt.ErrDatabaseNotOpen) { // removed meanwhile, to be filled again
		return ErrClosed
	}
	return err
}

// update runs f in a write transaction.
func (g *seg) update(f func(*bolt.Tx) error) error {
	g.write.Lock()
	defer g.write.Unlock()
	return g.guard(func() error { return g.db.Update(f) })
}

// Compact copies a segment into a new file if at least half of its file, and
// CompactBytesMin, is free, and reports whether it did. Reads go on meanwhile.
func (s *Store) Compact(pg redo.PGID) (bool, error) {
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		return false, err
	}
	g.write.Lock()
	defer g.write.Unlock()
	var done bool
	err = g.guard(func() error {
		free, total, err := g.freeBytes()
		if err != nil || free < CompactBytesMin || free < total/2 {
			return err
		}
		done = true
		return g.compact()
	})
	return done && err == nil, err
}

func (g *seg) freeBytes() (free, total int64, err error) {
	err = g.db.View(func(tx *bolt.Tx) error { total = tx.Size(); return nil })
	return int64(g.db.Stats().FreeAlloc), total, err
}

// compact copies the file and puts the copy in its place. A tree that is damaged is not
// copied: the copy would be a sound tree with something missing.
func (g *seg) compact() error {
	if err := checkStructure(g.path); err != nil {
		return err
	}
	tmp := g.path + tmpSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("compact segment %d: %v", g.pg, err)
	}
	dst, err := openBolt(tmp, true)
	if err != nil {
		return fmt.Errorf("compact segment %d: %v", g.pg, err)
	}
	if err = bolt.Compact(dst, g.db, compactTxBytes); err == nil {
		err = g.copySequence(dst)
	}
	if err == nil {
		err = dst.Sync()
	}
	if e := dst.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("compact segment %d: %w", g.pg, err)
	}
	g.swap.Lock()
	defer g.swap.Unlock()
	if err := g.db.Close(); err != nil {
		return fmt.Errorf("compact segment %d: %w", g.pg, err)
	}
	if err := os.Rename(tmp, g.path); err != nil {
		return fmt.Errorf("%w: put the compacted file in place: %v", errValue, err)
	}
	if err := durable.SyncDir(filepath.Dir(g.path)); err != nil {
		return fmt.Errorf("%w: put the compacted file in place: %v", errValue, err)
	}
	if g.db, err = openBolt(g.path, g.opt.NoSync); err != nil {
		return fmt.Errorf("%w: open the compacted file: %v", errValue, err)
	}
	return nil
}

// copySequence takes over the number of the last drain.
func (g *seg) copySequence(dst *bolt.DB) error {
	var seq uint64
	err := g.db.View(func(tx *bolt.Tx) error { seq = tx.Bucket(bucketRun).Sequence(); return nil })
	if err != nil {
		return err
	}
	return dst.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketRun).SetSequence(seq) })
}
