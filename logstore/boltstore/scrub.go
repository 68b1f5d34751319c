package boltstore

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	bolt "go.etcd.io/bbolt"

	"sextant/internal/redo"
)

// ScrubAt is where the scrub of a segment's file goes on. The zero value is the beginning.
type ScrubAt struct {
	stage scrubStage
	tree  [2][]byte   // in scrubTree
	page  redo.PageID // in scrubPages: the lowest not seen
	index []byte      // in scrubIndex: alike
}

// IsZero reports whether it is the beginning.
func (a ScrubAt) IsZero() bool {
	return a.stage == 0 && a.tree[0] == nil && a.page == 0 && a.index == nil
}

// scrubStage says what of a file is looked at.
type scrubStage uint8

// The stages, in their order.
const (
	scrubFixed scrubStage = iota // meta pages, list of free pages, format
	scrubTree                    // every page of the tree
	scrubPages                   // every head, run and image
	scrubIndex                   // every index
	scrubStages
)

// Scrub verifies the next part of a segment's file, about limit bytes of it, and returns
// where it goes on, the zero value behind the end, and how many bytes it has read. After a
// whole round every page of the file that was not written since has been where its
// parent says, every value has verified, heads, runs and images have named each other, and
// every run was in an index. The list of free pages is not compared with the tree. Nothing
// may write the segment meanwhile. Damage is a *DamageError, and puts the segment out of
// service like any that is found.
func (s *Store) Scrub(pg redo.PGID, at ScrubAt, limit int) (next ScrubAt, read int, err error) {
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		return ScrubAt{}, 0, err
	}
	r := scrubRun{seg: g, at: at, left: limit}
	err = g.view(func(tx *bolt.Tx) error {
		done, err := r.step(tx)
		if done && err == nil {
			r.at = ScrubAt{stage: (at.stage + 1) % scrubStages}
		}
		return err
	})
	if err != nil {
		return ScrubAt{}, limit - r.left, err
	}
	return r.at, limit - r.left, nil
}

// scrubRun is one call of Scrub.
type scrubRun struct {
	*seg
	at   ScrubAt
	left int // bytes
}

// step looks at a part of the stage and reports whether that was its last.
func (r *scrubRun) step(tx *bolt.Tx) (done bool, err error) {
	switch r.at.stage {
	case scrubFixed:
		return true, r.fixed(tx)
	case scrubTree:
		return r.tree(tx)
	case scrubPages:
		return r.pages(tx)
	default:
		return r.indexes(tx)
	}
}

// raw calls f for the file's pages as they are in the file.
func (r *scrubRun) raw(f func(s structure, meta []byte) error) error {
	file, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("open the file: %w", err)
	}
	defer file.Close()
	meta, err := newestMeta(file)
	if err != nil {
		return err
	}
	return f(structureOf(file, meta), meta)
}

func (r *scrubRun) fixed(tx *bolt.Tx) error {
	if err := checkMetas(r.path); err != nil {
		return err
	}
	if err := r.compareFormat(tx.Bucket(bucketMeta).Get(keyFormat), r.format()); err != nil {
		return err
	}
	if _, err := r.goneThrough(tx); err != nil {
		return err
	}
	return r.raw(func(s structure, meta []byte) error {
		s.part = &part{left: r.left}
		defer func() { r.left = s.part.left }()
		return s.freelist(le.Uint64(meta[48:]))
	})
}

func (r *scrubRun) tree(*bolt.Tx) (done bool, err error) {
	err = r.raw(func(s structure, meta []byte) error {
		s.part = &part{from: r.at.tree, left: r.left}
		defer func() { r.left, r.at.tree, done = s.part.left, s.part.to, !s.part.ended }()
		return s.tree(le.Uint64(meta[32:]), nil, nil, 0)
	})
	return done, err
}

func (r *scrubRun) pages(tx *bolt.Tx) (done bool, err error) {
	c := newPageCursor(tx)
	for r.left > 0 {
		page, err := c.next(r.at.page - 1)
		if err != nil || page == noPage {
			return true, err
		}
		if err := r.page(tx, page); err != nil {
			return false, err
		}
		r.at.page = page + 1
	}
	return false, nil
}

// page looks at everything of one page.
func (r *scrubRun) page(tx *bolt.Tx, page redo.PageID) error {
	h, err := r.head(tx, page)
	if err != nil {
		return err
	}
	gone, err := r.goneThrough(tx)
	if err != nil {
		return err
	}
	want := map[string]bool{}
	for _, l := range h.images {
		want[string(pageKey(page, l))] = true
	}
	if err := r.named(tx, bucketImage, placeImage, page, want); err != nil {
		return err
	}
	clear(want)
	for _, x := range h.runs {
		want[string(runKey(page, x.last, x.drain))] = true
		if x.last > gone && !r.hasIndex(tx, x) {
			return fmt.Errorf("%w: the run of page %d to %d is in no index", errValue, page, x.last)
		}
	}
	return r.named(tx, bucketRun, placeRun, page, want)
}

// named verifies a page's values in a bucket, which must be those with the keys given.
func (r *scrubRun) named(tx *bolt.Tx, bucket []byte, place byte, page redo.PageID, want map[string]bool) error {
	n := 0
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Seek(headKey(page)); k != nil && keyPage(k) == page; k, v = c.Next() {
		if !want[string(k)] {
			return fmt.Errorf("%w: bucket %s, key %x: no head names it", errValue, bucket, k)
		}
		if _, _, err := r.unseal(place, k, v); err != nil {
			return err
		}
		n++
		r.left -= len(v)
	}
	if n != len(want) {
		return fmt.Errorf("%w: bucket %s, page %d: the head names %d values, %d are there", errValue, bucket, page, len(want), n)
	}
	return nil
}

// hasIndex reports whether there is the index of a run's drain. It lies at the drain's
// last LSN, which is the run's or soon behind.
func (*scrubRun) hasIndex(tx *bolt.Tx, x run) bool {
	c := tx.Bucket(bucketIndex).Cursor()
	for k, _ := c.Seek(indexKey(x.last, 0)); k != nil; k, _ = c.Next() {
		if uint64(keyLSN(k)) == x.drain {
			return true
		}
	}
	return false
}

func (r *scrubRun) indexes(tx *bolt.Tx) (done bool, err error) {
	c := tx.Bucket(bucketIndex).Cursor()
	k, v := c.Seek(r.at.index)
	for ; k != nil && r.left > 0; k, v = c.Next() {
		_, body, err := r.unseal(placeIndex, k, v)
		if err == nil {
			err = eachOfIndex(body, func(pair) bool { return true })
		}
		if err != nil {
			return false, fmt.Errorf("%w: index %x", err, k)
		}
		r.left -= len(v)
		r.at.index = append(slices.Clip(bytes.Clone(k)), 0)
	}
	return k == nil, nil
}
