package boltstore

import (
	"bytes"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"sextant/internal/redo"
	"sextant/logstore/segment"
)

// PageWrite is what one drain stores of one page.
type PageWrite struct {
	Page    redo.PageID
	Records []redo.Record // ascending by LSN; may be stored already
	Image   []byte        // nil: none
	LSN     redo.LSN      // of the last record in Image
}

// Write stores one drain of a segment, in one transaction: all of it is durable
// when it returns nil. pages are ascending. The segment's file is made if need be.
func (s *Store) Write(pg redo.PGID, pages []PageWrite) error {
	g, err := s.seg(pg, true)
	if err != nil {
		return err
	}
	return g.update(func(tx *bolt.Tx) error {
		drain, err := tx.Bucket(bucketRun).NextSequence()
		if err != nil {
			return err
		}
		var index []pair
		for i := range pages {
			if err := g.putPage(tx, &pages[i], drain); err != nil {
				return err
			}
			for j := range pages[i].Records {
				index = append(index, pair{pages[i].Records[j].LSN, pages[i].Page})
			}
		}
		return g.putIndex(tx, index, drain)
	})
}

// Install begins, or goes on with, filling a segment with pages of a peer; all of it is
// durable when it returns nil. What was there before is deleted, a damaged file too.
func (s *Store) Install(i segment.Install) error {
	if i.Begin {
		if err := s.Remove(i.PG); err != nil {
			return err
		}
	}
	g, err := s.seg(i.PG, true)
	if err != nil {
		return err
	}
	return g.update(func(tx *bolt.Tx) error {
		if i.Begin {
			if err := g.setGone(tx, i.Gone); err != nil {
				return err
			}
		}
		for _, p := range i.Pages {
			h := head{floor: p.LSN}
			if err := g.putImage(tx, p.Page, p.LSN, p.Data, &h); err != nil {
				return err
			}
			if err := g.putHead(tx, p.Page, h); err != nil {
				return err
			}
		}
		return nil
	})
}

// putImage stores an image of a page and enters it in the page's head.
func (g *seg) putImage(tx *bolt.Tx, page redo.PageID, lsn redo.LSN, image []byte, h *head) error {
	k := pageKey(page, lsn)
	v, codec := appendImage(make([]byte, valueHeaderSize, len(image)+16), image)
	if err := tx.Bucket(bucketImage).Put(k, g.seal(placeImage, k, v, codec)); err != nil {
		return err
	}
	h.images = append(h.images, lsn)
	return nil
}

// putPage stores one page's part of a drain.
func (g *seg) putPage(tx *bolt.Tx, p *PageWrite, drain uint64) error {
	h, err := g.head(tx, p.Page)
	if err != nil {
		return err
	}
	if n := len(p.Records); n > 0 {
		r := run{p.Records[0].LSN, p.Records[n-1].LSN, drain}
		k := runKey(p.Page, r.last, drain)
		v := appendRun(make([]byte, valueHeaderSize, runBytes(p.Records)), p.Records)
		if err := tx.Bucket(bucketRun).Put(k, g.seal(placeRun, k, v, codecNone)); err != nil {
			return err
		}
		h.runs = append(h.runs, r)
	}
	if p.Image != nil {
		if err := g.putImage(tx, p.Page, p.LSN, p.Image, &h); err != nil {
			return err
		}
	}
	return g.putHead(tx, p.Page, h)
}

func (g *seg) putIndex(tx *bolt.Tx, index []pair, drain uint64) error {
	if len(index) == 0 {
		return nil
	}
	slices.SortFunc(index, func(a, b pair) int { return int(int64(a.lsn) - int64(b.lsn)) })
	k := indexKey(index[len(index)-1].lsn, drain)
	v := appendIndex(make([]byte, valueHeaderSize, 16+4*len(index)), index)
	return tx.Bucket(bucketIndex).Put(k, g.seal(placeIndex, k, v, codecNone))
}

// Page implements segment.Store. Returns ErrCollected if the version was garbage:
// the minimum read point has passed it since the read was decided.
func (s *Store) Page(pg redo.PGID, page redo.PageID, at redo.LSN) (
	image []byte, lsn redo.LSN, records []redo.Record, err error,
) {
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		return nil, 0, nil, err
	}
	err = g.view(func(tx *bolt.Tx) error {
		h, err := g.head(tx, page)
		if err != nil {
			return err
		}
		if at < h.floor {
			return fmt.Errorf("%w: page %d at %d, the oldest version kept is at %d", ErrCollected, page, at, h.floor)
		}
		if image, lsn, err = g.image(tx, page, h, at); err != nil {
			return err
		}
		records, err = g.records(tx, page, h, redo.Range{After: lsn, Through: at})
		return err
	})
	if err != nil {
		return nil, 0, nil, err
	}
	return image, lsn, records, nil
}

// image returns the newest image of the page at or below at, nil if there is none.
func (g *seg) image(tx *bolt.Tx, page redo.PageID, h head, at redo.LSN) ([]byte, redo.LSN, error) {
	i, found := slices.BinarySearch(h.images, at)
	if !found {
		i--
	}
	if i < 0 {
		return nil, 0, nil
	}
	codec, body, err := g.value(tx, bucketImage, placeImage, pageKey(page, h.images[i]))
	if err != nil {
		return nil, 0, err
	}
	p, err := readImage(body, codec)
	return p, h.images[i], err
}

// records returns the page's records in r, each once, in memory of their own.
func (g *seg) records(tx *bolt.Tx, page redo.PageID, h head, r redo.Range) ([]redo.Record, error) {
	var out []redo.Record
	for _, run := range h.runs {
		if run.last <= r.After || run.first > r.Through {
			continue
		}
		_, body, err := g.value(tx, bucketRun, placeRun, runKey(page, run.last, run.drain))
		if err != nil {
			return nil, err
		}
		err = eachOfRun(body, g.pg, page, func(rec redo.Record) {
			if r.Contains(rec.LSN) {
				out = append(out, rec)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("%w: run of page %d to %d", err, page, run.last)
		}
	}
	return sortRecords(out), nil
}

// sortRecords sorts by LSN and drops what is there twice.
func sortRecords(rs []redo.Record) []redo.Record {
	slices.SortStableFunc(rs, func(a, b redo.Record) int { return int(int64(a.LSN) - int64(b.LSN)) })
	return slices.CompactFunc(rs, func(a, b redo.Record) bool { return a.LSN == b.LSN })
}

// Records implements segment.Store.
func (s *Store) Records(pg redo.PGID, r redo.Range, bytesMax int) (records []redo.Record, gone bool, err error) {
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		return nil, false, err
	}
	err = g.view(func(tx *bolt.Tx) error {
		through, err := g.goneThrough(tx)
		if err != nil {
			return err
		}
		gone = r.After < through
		wanted, err := g.indexed(tx, r)
		if err != nil {
			return err
		}
		records, err = g.collect(tx, wanted, bytesMax)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return records, gone, nil
}

// indexed returns where the stored records in r are, by LSN, each once. What it
// holds is 16 bytes per record in r, and no more than indexPairsMax of them.
func (g *seg) indexed(tx *bolt.Tx, r redo.Range) ([]pair, error) {
	var out []pair
	c := tx.Bucket(bucketIndex).Cursor()
	for k, v := c.Seek(indexKey(r.After+1, 0)); k != nil; k, v = c.Next() {
		_, body, err := g.unseal(placeIndex, k, v)
		if err != nil {
			return nil, err
		}
		err = eachOfIndex(body, func(p pair) bool {
			if r.Contains(p.lsn) {
				out = append(out, p)
			}
			return p.lsn < r.Through
		})
		if err != nil {
			return nil, fmt.Errorf("%w: index %x", err, k)
		}
		if len(out) > 2*indexPairsMax {
			out = sortPairs(out)[:min(len(out), indexPairsMax)]
			if len(out) == indexPairsMax {
				r.Through = out[len(out)-1].lsn
			}
		}
	}
	return sortPairs(out), nil
}

// indexPairsMax bounds the records that one call of Records looks up.
const indexPairsMax = 1 << 16

func sortPairs(ps []pair) []pair {
	slices.SortFunc(ps, func(a, b pair) int { return int(int64(a.lsn) - int64(b.lsn)) })
	return slices.CompactFunc(ps, func(a, b pair) bool { return a.lsn == b.lsn })
}

// collect reads the records of the pairs up to bytesMax payload bytes, page by page
// in chunks, so that a page with many of them is decoded once per chunk.
func (g *seg) collect(tx *bolt.Tx, ps []pair, bytesMax int) ([]redo.Record, error) {
	var out []redo.Record
	size := 0
	for len(ps) > 0 && (size < bytesMax || len(out) == 0) {
		chunk := ps[:min(len(ps), collectChunk)]
		ps = ps[len(chunk):]
		got := map[redo.LSN]redo.Record{}
		pages := map[redo.PageID]bool{}
		span := redo.Range{After: chunk[0].lsn - 1, Through: chunk[len(chunk)-1].lsn}
		for _, p := range chunk {
			if pages[p.page] {
				continue
			}
			pages[p.page] = true
			h, err := g.head(tx, p.page)
			if err != nil {
				return nil, err
			}
			rs, err := g.records(tx, p.page, h, span)
			if err != nil {
				return nil, err
			}
			for _, r := range rs {
				got[r.LSN] = r
			}
		}
		for _, p := range chunk {
			r, ok := got[p.lsn]
			if !ok {
				continue // collected as garbage; the caller is told
			}
			if len(out) > 0 && size+len(r.Payload) > bytesMax {
				return out, nil
			}
			size += len(r.Payload)
			out = append(out, r)
		}
	}
	return out, nil
}

const collectChunk = 1024

// Pages implements segment.Store.
func (s *Store) Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) ([]redo.PageID, error) {
	g, err := s.seg(pg, false)
	if g == nil || err != nil {
		return nil, err
	}
	var out []redo.PageID
	err = g.view(func(tx *bolt.Tx) error {
		c := newPageCursor(tx)
		for page := after; len(out) < limit; {
			var err error
			if page, err = c.next(page); err != nil || page == noPage {
				return err
			}
			has, err := g.hasAt(tx, page, at)
			if err != nil {
				return err
			}
			if has {
				out = append(out, page)
			}
		}
		return nil
	})
	return out, err
}

// pageCursor visits the pages of which something is stored.
type pageCursor struct{ heads, runs, images *bolt.Cursor }

func newPageCursor(tx *bolt.Tx) pageCursor {
	return pageCursor{tx.Bucket(bucketHead).Cursor(), tx.Bucket(bucketRun).Cursor(), tx.Bucket(bucketImage).Cursor()}
}

// next returns the first page above after, noPage if there is none. Returns errValue if
// heads and data do not agree on which it is.
func (c pageCursor) next(after redo.PageID) (redo.PageID, error) {
	hk, _ := c.heads.Seek(headKey(after + 1))
	rk, _ := c.runs.Seek(headKey(after + 1))
	ik, _ := c.images.Seek(headKey(after + 1))
	next := min(pageOr(rk), pageOr(ik))
	if next != pageOr(hk) {
		return 0, fmt.Errorf("%w: the next page after %d is %d by its head, %d by its data", errValue, after, pageOr(hk), next)
	}
	return next, nil
}

const noPage = ^redo.PageID(0)

func pageOr(k []byte) redo.PageID {
	if k == nil {
		return noPage
	}
	return keyPage(k)
}

// hasAt reports whether anything of the page at or below at is stored, or was and may have been collected.
func (g *seg) hasAt(tx *bolt.Tx, page redo.PageID, at redo.LSN) (bool, error) {
	h, err := g.head(tx, page)
	if err != nil {
		return false, err
	}
	return h.floor > at || len(h.images) > 0 && h.images[0] <= at ||
		slices.ContainsFunc(h.runs, func(r run) bool { return r.first <= at }), nil
}

// Collected says what one step of garbage collection did.
type Collected struct {
	Next         redo.PageID // the next step begins above it; 0: the whole segment was seen
	Runs, Images int         // deleted
}

// Collect deletes garbage of at most limit pages above after, in one transaction.
func (s *Store) Collect(p segment.GarbagePlan, after redo.PageID, limit int) (Collected, error) {
	g, err := s.seg(p.PG, false)
	if g == nil || err != nil {
		return Collected{}, err
	}
	var pages []redo.PageID
	var c Collected
	if pages, err = s.Pages(p.PG, after, p.ReadFloor, limit); err != nil {
		return c, err
	}
	if len(pages) == limit {
		c.Next = pages[limit-1]
	}
	work := false
	err = g.view(func(tx *bolt.Tx) error {
		for _, page := range pages {
			h, err := g.head(tx, page)
			if err != nil {
				return err
			}
			w, _ := h.split(p)
			work = work || len(w.runs)+len(w.images) > 0
		}
		return nil
	})
	if err != nil || !work {
		return c, err
	}
	return c, g.update(func(tx *bolt.Tx) error {
		before, err := g.goneThrough(tx)
		if err != nil {
			return err
		}
		gone := before
		for _, page := range pages {
			w, err := g.deleteGarbage(tx, page, p)
			if err != nil {
				return err
			}
			for _, r := range w.runs {
				gone = max(gone, r.last)
			}
			c.Runs, c.Images = c.Runs+len(w.runs), c.Images+len(w.images)
		}
		if gone == before {
			return nil
		}
		return g.setGone(tx, gone)
	})
}

// deleteGarbage deletes what p allows to of a page, and returns it.
func (g *seg) deleteGarbage(tx *bolt.Tx, page redo.PageID, p segment.GarbagePlan) (head, error) {
	h, err := g.head(tx, page)
	if err != nil {
		return head{}, err
	}
	waste, keep := h.split(p)
	if len(waste.runs)+len(waste.images) == 0 {
		return waste, nil
	}
	for _, r := range waste.runs {
		if err := tx.Bucket(bucketRun).Delete(runKey(page, r.last, r.drain)); err != nil {
			return head{}, err
		}
	}
	for _, l := range waste.images {
		if err := tx.Bucket(bucketImage).Delete(pageKey(page, l)); err != nil {
			return head{}, err
		}
	}
	return waste, g.putHead(tx, page, keep)
}

// split parts a page's head into what p allows to delete and what is kept: waste are
// the images below the newest one at or below the read floor, and the runs that that
// image and the log floor cover whole.
func (h head) split(p segment.GarbagePlan) (waste, keep head) {
	i, found := slices.BinarySearch(h.images, p.ReadFloor)
	if !found {
		i--
	}
	if i < 0 {
		return head{}, h
	}
	waste.images, keep.images = h.images[:i], h.images[i:]
	for _, r := range h.runs {
		if r.last <= min(h.images[i], p.LogFloor) {
			waste.runs = append(waste.runs, r)
		} else {
			keep.runs = append(keep.runs, r)
		}
	}
	keep.floor = h.floor
	if len(waste.images)+len(waste.runs) > 0 {
		keep.floor = h.images[i]
	}
	return waste, keep
}

// goneThrough returns the highest LSN of a record that was collected.
func (g *seg) goneThrough(tx *bolt.Tx) (redo.LSN, error) {
	v := tx.Bucket(bucketMeta).Get(keyGone)
	if v == nil {
		return 0, nil
	}
	_, body, err := g.unseal(placeMeta, keyGone, v)
	if err == nil && len(body) != 8 {
		err = errValue
	}
	if err != nil {
		return 0, err
	}
	return redo.LSN(le.Uint64(body)), nil
}

// setGone notes it and drops the index of drains that lie below it whole.
func (g *seg) setGone(tx *bolt.Tx, gone redo.LSN) error {
	c := tx.Bucket(bucketIndex).Cursor()
	var old [][]byte
	for k, _ := c.First(); k != nil && redo.LSN(keyPage(k)) <= gone; k, _ = c.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := tx.Bucket(bucketIndex).Delete(k); err != nil {
			return err
		}
	}
	v := le.AppendUint64(make([]byte, valueHeaderSize), uint64(gone))
	return tx.Bucket(bucketMeta).Put(keyGone, g.seal(placeMeta, keyGone, v, codecNone))
}

var _ segment.Store = (*Store)(nil)
