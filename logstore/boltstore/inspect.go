package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"

	"sextant/internal/redo"
)

// FileName is the name of a segment's file.
type FileName struct {
	Name     string
	Volume   redo.VolumeID
	Timeline redo.TimelineID
	PG       redo.PGID
}

// Files returns the segments' files in a directory, of any volume, and the names of
// all other files there. A directory that does not exist has none.
func Files(dir string) (files []FileName, others []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("list the segments: %w", err)
	}
	for _, e := range entries {
		f := FileName{Name: e.Name()}
		var v uint64
		n, err := fmt.Sscanf(e.Name(), "%016x-%d-%d"+fileSuffix, &v, &f.Timeline, &f.PG)
		f.Volume = redo.VolumeID(v)
		s := Store{opt: Options{Volume: f.Volume, Timeline: f.Timeline}}
		if err != nil || n != 3 || e.Name() != s.fileName(f.PG) {
			others = append(others, e.Name())
			continue
		}
		files = append(files, f)
	}
	return files, others, nil
}

// OpenReadOnly opens the files of all segments of a volume and changes nothing, then
// or later: Write, Collect and Compact fail. A file that cannot be read does not make
// it fail: Damaged says why, which may be ErrForeign or ErrVersion too. Every file's
// tree is checked first, so opening reads it whole.
func OpenReadOnly(opt Options) (*Store, error) {
	files, _, err := Files(opt.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{opt: opt, segs: map[redo.PGID]*seg{}}
	for _, f := range files {
		if f.Volume != opt.Volume || f.Timeline != opt.Timeline {
			continue
		}
		g := s.newSeg(f.PG)
		s.segs[f.PG] = g
		if err := g.openReadOnly(); err != nil && g.damage() == nil {
			g.broken = err
		}
	}
	return s, nil
}

func (g *seg) openReadOnly() error {
	return g.guard(func() error {
		if err := checkStructure(g.path); err != nil {
			return err
		}
		db, err := bolt.Open(g.path, 0, &bolt.Options{Timeout: lockTimeout, ReadOnly: true})
		if err != nil {
			return fmt.Errorf("open segment %d: %w", g.pg, err)
		}
		g.db = db
		err = db.View(func(tx *bolt.Tx) error {
			for _, b := range [][]byte{bucketMeta, bucketHead, bucketRun, bucketImage, bucketIndex} {
				if tx.Bucket(b) == nil {
					return fmt.Errorf("%w: no bucket %s", errValue, b)
				}
			}
			return g.compareFormat(tx.Bucket(bucketMeta).Get(keyFormat), g.format())
		})
		if err != nil {
			_ = db.Close()
		}
		return err
	})
}

// EachRecord calls f for the records of a group in r, in LSN order, each once: those
// of one page, or all if page is 0. It looks up 16 bytes for each record in r first.
// Records at or below gone may have been collected, or may no longer be found
// without their page.
func (s *Store) EachRecord(pg redo.PGID, r redo.Range, page redo.PageID, f func(*redo.Record) error) (gone redo.LSN, err error) {
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		return 0, err
	}
	var ps []pair
	err = g.view(func(tx *bolt.Tx) error {
		if gone, err = g.goneThrough(tx); err != nil {
			return err
		}
		ps, err = g.pairs(tx, r, page)
		return err
	})
	for len(ps) > 0 && err == nil {
		n := min(len(ps), collectChunk)
		var rs []redo.Record
		err = g.view(func(tx *bolt.Tx) error {
			rs, err = g.collect(tx, ps[:n], int(^uint(0)>>1))
			return err
		})
		ps = ps[n:]
		for i := range rs {
			if err == nil {
				err = f(&rs[i])
			}
		}
	}
	return gone, err
}

// pairs returns where the records in r are, by LSN.
func (g *seg) pairs(tx *bolt.Tx, r redo.Range, page redo.PageID) ([]pair, error) {
	var out []pair
	if page != 0 {
		h, err := g.head(tx, page)
		if err != nil {
			return nil, err
		}
		rs, err := g.records(tx, page, h, r)
		for i := range rs {
			out = append(out, pair{rs[i].LSN, page})
		}
		return out, err
	}
	c := tx.Bucket(bucketIndex).Cursor()
	for k, v := c.Seek(indexKey(r.After+1, 0)); k != nil; k, v = c.Next() {
		_, body, err := g.unseal(placeIndex, k, v)
		if err == nil {
			err = eachOfIndex(body, func(p pair) bool {
				if r.Contains(p.lsn) {
					out = append(out, p)
				}
				return p.lsn < r.Through
			})
		}
		if err != nil {
			return nil, fmt.Errorf("%w: index %x", err, k)
		}
	}
	return sortPairs(out), nil
}

// Version is one image of a page.
type Version struct {
	LSN   redo.LSN
	Image []byte
}

// PageData is all that is stored of one page.
type PageData struct {
	Page    redo.PageID
	Floor   redo.LSN // versions below it were collected
	Images  []Version
	Records []redo.Record // by LSN, each once
}

// Verified is what Verify has read of a segment's file.
type Verified struct {
	File     string
	Pages    int
	Images   int
	Records  int      // each once
	Gone     redo.LSN // highest LSN of a record that was collected
	Problems []error  // at most ProblemsMax
}

// ProblemsMax is how many problems of one file are listed.
const ProblemsMax = 20

func (v *Verified) add(err error) {
	if err != nil && len(v.Problems) < ProblemsMax {
		v.Problems = append(v.Problems, fmt.Errorf("%s: %w", v.File, err))
	}
}

// Verify reads a segment's file whole: its tree, every value's checksum, place and
// content, that heads, runs, images and indexes name each other exactly. It calls
// visit for every page whose values verify; what visit returns is one more problem.
func (s *Store) Verify(pg redo.PGID, visit func(PageData) error) Verified {
	v := Verified{File: s.fileName(pg)}
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		v.add(err)
		return v
	}
	err = g.view(func(tx *bolt.Tx) error {
		g.verify(tx, &v, visit)
		return nil
	})
	v.add(err)
	return v
}

func (g *seg) verify(tx *bolt.Tx, v *Verified, visit func(PageData) error) {
	var err error
	if v.Gone, err = g.goneThrough(tx); err != nil {
		v.add(err)
	}
	var stored []pair // of records above gone
	_ = tx.Bucket(bucketHead).ForEach(func(k, _ []byte) error {
		if len(k) != 8 {
			v.add(fmt.Errorf("%w: bucket head, key %x", errValue, k))
			return nil
		}
		d, err := g.pageData(tx, keyPage(k))
		if err != nil {
			v.add(err)
			return nil
		}
		v.Pages, v.Images, v.Records = v.Pages+1, v.Images+len(d.Images), v.Records+len(d.Records)
		for i := range d.Records {
			if l := d.Records[i].LSN; l > v.Gone {
				stored = append(stored, pair{l, d.Page})
			}
		}
		v.add(visit(d))
		return nil
	})
	g.verifyNamed(tx, v)
	g.verifyIndex(tx, v, stored)
}

// pageData reads everything of a page that its head names.
func (g *seg) pageData(tx *bolt.Tx, page redo.PageID) (PageData, error) {
	d := PageData{Page: page}
	h, err := g.head(tx, page)
	if err != nil {
		return d, err
	}
	d.Floor = h.floor
	for _, l := range h.images {
		b, _, err := g.image(tx, page, h, l)
		if err != nil {
			return d, fmt.Errorf("image of page %d at %d: %w", page, l, err)
		}
		d.Images = append(d.Images, Version{l, b})
	}
	d.Records, err = g.records(tx, page, h, redo.Range{Through: ^redo.LSN(0)})
	return d, err
}

// verifyNamed looks for runs and images that no head names.
func (g *seg) verifyNamed(tx *bolt.Tx, v *Verified) {
	for _, b := range []struct {
		name []byte
		size int
		has  func(h head, k []byte) bool
	}{
		{bucketRun, 24, func(h head, k []byte) bool {
			return slices.ContainsFunc(h.runs, func(r run) bool { return r.last == keyLSN(k) && r.drain == be.Uint64(k[16:]) })
		}},
		{bucketImage, 16, func(h head, k []byte) bool { return slices.Contains(h.images, keyLSN(k)) }},
	} {
		page, h := noPage, head{}
		_ = tx.Bucket(b.name).ForEach(func(k, _ []byte) error {
			var err error
			if len(k) == b.size && keyPage(k) != page {
				page = keyPage(k)
				h, err = g.head(tx, page) // its damage was noted before
			}
			if err == nil && (len(k) != b.size || !b.has(h, k)) {
				v.add(fmt.Errorf("%w: bucket %s, key %x: no head names it", errValue, b.name, k))
			}
			return nil
		})
	}
}

// verifyIndex compares the index above gone with the records stored there.
func (g *seg) verifyIndex(tx *bolt.Tx, v *Verified, stored []pair) {
	indexed, err := g.pairs(tx, redo.Range{After: v.Gone, Through: ^redo.LSN(0)}, 0)
	if err != nil {
		v.add(err)
		return
	}
	stored = sortPairs(stored)
	for i := range max(len(stored), len(indexed)) {
		switch {
		case i >= len(indexed) || i < len(stored) && stored[i].lsn < indexed[i].lsn:
			v.add(fmt.Errorf("%w: record %d of page %d is in no index", errValue, stored[i].lsn, stored[i].page))
		case i >= len(stored) || stored[i] != indexed[i]:
			v.add(fmt.Errorf("%w: the index has record %d of page %d, which is not stored", errValue, indexed[i].lsn, indexed[i].page))
		default:
			continue
		}
		return // the rest would be out of step
	}
}

// FileOf returns the path of a segment's file.
func (s *Store) FileOf(pg redo.PGID) string { return filepath.Join(s.opt.Dir, s.fileName(pg)) }
