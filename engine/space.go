package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// Which pages are in use is written in bitmaps: the pages of the volume are cut
// into spans of 65,536 (1 GiB), and the second page of each is its map page, with a
// cell per chunk of 1,024 pages, added with the chunk's first page in use. A bit is
// set and cleared by the mini-transaction that takes or frees the page, so the
// maps are right as of every LSN. Map pages have fixed places, so the maps need no
// maps.
//
// A freed page may be taken again as soon as the turn that freed it is in the
// cache. Nobody can need its old content by its number alone: every reader reads
// (page, LSN), cached versions have [from, through], storage keeps every version
// down to the minimum read point, and a recovery that annuls the freeing commit
// annuls the taking one, which has the higher LSN, too. A tree walk over the newest
// pages is a walk at one LSN like any other.
const (
	spanPages  = 1 << 16
	chunkPages = 1 << 10
	chunkBytes = chunkPages / 8
	spanChunks = spanPages / chunkPages

	metaPage redo.PageID = 1 // the volume's root page
)

// Limits of the stock of pages that commits draw from under the commit lock.
const (
	stockLow  = 128  // below it a commit refills before it goes on
	stockFill = 512  // pages in the stock after a refill
	growAhead = 4096 // free pages below the end of the volume at which it grows
)

// VolumeBytes returns about how many bytes of pages are in use; 0 on a reader.
func (db *DB) VolumeBytes() uint64 {
	w := db.state.Load().w
	if w == nil {
		return 0
	}
	s := w.space
	s.mu.Lock()
	defer s.mu.Unlock()
	// Spans below the one in use that were not looked at count as full.
	used := int64(s.at)*spanPages - int64(len(s.stock))
	for k, sp := range s.spans {
		if k < s.at {
			used -= int64(sp.count)
		} else {
			used += int64(min(uint64(s.limit), (k+1)*spanPages)-k*spanPages) - int64(sp.count)
		}
	}
	return uint64(max(used, 0)) * page.Size
}

// mapPage returns the map page of the span of id.
func mapPage(id redo.PageID) redo.PageID {
	return (id-1)/spanPages*spanPages + 2
}

// chunkOf returns the key of id's cell in its map page, and id's bit there.
func chunkOf(id redo.PageID) (key byte, bit uint) {
	at := uint64(id-1) % spanPages
	return byte(at / chunkPages), uint(at % chunkPages)
}

// space is the writer's knowledge of free pages. Pages in the stock are neither in
// use nor in a span's free bits: they belong to whoever takes them next.
//
// Invariant: every page is in at most one of: in use, stock, a span's free bits.
type space struct {
	mu    sync.Mutex
	spans map[uint64]*span // spans whose map page was read
	at    uint64           // span that refills come from
	limit redo.PageID      // highest page that exists
	stock []redo.PageID    // taken from the end
	freed map[redo.PageID]bool
}

// span holds a set bit for each free page.
type span struct {
	free  [spanPages / 64]uint64
	count int
}

func newSpace() *space { return &space{spans: map[uint64]*span{}} }

// start makes refills begin with the span that was in use last, so that opening
// a large volume does not look through all its maps.
func (s *space) start(span uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = span
}

// take hands out a page of the stock. It is called with the commit lock held.
func (s *space) take() (redo.PageID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stock) == 0 {
		return 0, false
	}
	id := s.stock[len(s.stock)-1]
	s.stock = s.stock[:len(s.stock)-1]
	return id, true
}

// giveBack returns pages that a turn took and did not use.
func (s *space) giveBack(ids []redo.PageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stock = append(s.stock, ids...)
}

// release makes pages that a published turn freed free again. Pages of spans whose
// map was never read show up when it is.
func (s *space) release(ids []redo.PageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if sp := s.spans[uint64(id-1)/spanPages]; sp != nil {
			sp.put(id)
		}
	}
}

func (sp *span) put(id redo.PageID) {
	at := uint64(id-1) % spanPages
	if sp.free[at/64]&(1<<(at%64)) == 0 {
		sp.free[at/64] |= 1 << (at % 64)
		sp.count++
	}
}

// room returns the pages in the stock.
func (s *space) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stock)
}

// refill brings the stock to at least n pages. It reads map pages and may wait for
// the volume to grow. It must not be called with the commit lock held.
func (db *writer) refill(ctx context.Context, n int) error {
	for {
		next, grow, done := db.space.fill(max(n, stockFill), db.vol.PageLimit())
		switch {
		case done:
			db.growAhead()
			return nil
		case grow:
			limit := db.vol.PageLimit()
			if err := db.vol.Grow(ctx, limit+1); err != nil {
				return fmt.Errorf("grow the volume: %w", err)
			}
		default:
			if err := db.loadSpan(ctx, next); err != nil {
				return err
			}
		}
	}
}

// fill moves free pages into the stock until it has n. If that needs another span's
// map, it returns which; if there is none, grow is true.
func (s *space) fill(n int, limit redo.PageID) (next uint64, grow, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > s.limit {
		s.extend(limit)
	}
	spans := (uint64(s.limit) + spanPages - 1) / spanPages
	s.at = min(s.at, spans-1)
	for range spans + 1 {
		sp := s.spans[s.at]
		if sp == nil {
			return s.at, false, false
		}
		s.draw(sp, n)
		if len(s.stock) >= n {
			return 0, false, true
		}
		s.at = (s.at + 1) % spans
	}
	return 0, true, false
}

// draw moves the span's lowest free pages into the stock, to be taken in ascending order.
func (s *space) draw(sp *span, n int) {
	var got []redo.PageID
	for w := range sp.free {
		for sp.free[w] != 0 && len(s.stock)+len(got) < n {
			b := bits.TrailingZeros64(sp.free[w])
			sp.free[w] &^= 1 << b
			sp.count--
			got = append(got, redo.PageID(s.at*spanPages+uint64(w*64+b)+1))
		}
	}
	for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
		got[i], got[j] = got[j], got[i]
	}
	s.stock = append(got, s.stock...)
}

// extend adds the pages that the volume grew by to the spans that are known.
func (s *space) extend(limit redo.PageID) {
	for k, sp := range s.spans {
		from, to := max(uint64(s.limit), k*spanPages), min(uint64(limit), (k+1)*spanPages)
		for id := from + 1; id <= to; id++ {
			if redo.PageID(id) != mapPage(redo.PageID(id)) {
				sp.put(redo.PageID(id))
			}
		}
	}
	s.limit = limit
}

// growAhead asks for further groups in the background when free pages get few.
func (db *writer) growAhead() {
	db.space.mu.Lock()
	limit, free := db.space.limit, len(db.space.stock)
	spans := (uint64(limit) + spanPages - 1) / spanPages
	for _, sp := range db.space.spans {
		free += sp.count
	}
	short := free < growAhead && uint64(len(db.space.spans)) == spans
	db.space.mu.Unlock()
	if !short || !db.growing.CompareAndSwap(false, true) {
		return
	}
	db.background.Add(1)
	go func() {
		defer db.background.Done()
		defer db.growing.Store(false)
		if err := db.vol.Grow(db.ctx, limit+1); err != nil && db.ctx.Err() == nil {
			db.log.Warn("grow the volume ahead of need", "err", err)
		}
	}()
}

// loadSpan reads a span's map as of the newest commit.
func (db *writer) loadSpan(ctx context.Context, k uint64) error {
	for {
		p, lsn, done := db.newest()
		b, err := p.Page(ctx, redo.PageID(k*spanPages)+2)
		done()
		if err != nil {
			return err
		}
		if db.adoptSpan(k, b, lsn) {
			return nil
		}
	}
}

// adoptSpan makes the map page b, read as of lsn, a span's free bits. It returns false
// if a turn was published since: read again.
func (db *writer) adoptSpan(k uint64, b []byte, lsn redo.LSN) bool {
	db.space.mu.Lock()
	defer db.space.mu.Unlock()
	if db.published() != lsn {
		return false
	}
	if db.space.spans[k] == nil {
		db.space.spans[k] = db.space.decode(k, b)
	}
	return true
}

// decode makes a span of its map page. The stock has no pages of it.
func (s *space) decode(k uint64, b []byte) *span {
	sp := &span{}
	last := min(uint64(s.limit), (k+1)*spanPages)
	for id := redo.PageID(k*spanPages + 1); uint64(id) <= last; id++ {
		if !inUse(b, id) && id != mapPage(id) && id != metaPage {
			sp.put(id)
		}
	}
	return sp
}

// inUse reports whether the map page b says that id is in use, also where it says nothing:
// a page that is damaged hands nothing out.
func inUse(b []byte, id redo.PageID) bool {
	key, bit := chunkOf(id)
	i, found := page.Search(b, []byte{key})
	if !found {
		return false
	}
	v := page.Value(b, i)
	return len(v) <= int(bit)/8 || v[bit/8]&(1<<(bit%8)) != 0
}

// marks collects what one mini-transaction takes and frees, for its map records.
type marks struct {
	used  []redo.PageID
	freed []redo.PageID
}

// mapRecords writes the marks of the mini-transaction into the map pages.
//
// That a page of a further span is in use is noted in a counter, whose tree may need
// a page itself: which span that one is in can be noted the next time.
func (t *turn) mapRecords() error {
	if n := len(t.marks.used); n > 0 && t.span < uint64(t.marks.used[n-1]-1)/spanPages {
		t.span = uint64(t.marks.used[n-1]-1) / spanPages
		err := t.db.system.tree(treeCounters).Raise(context.Background(), t, []byte{counterSpan}, t.span)
		if err != nil {
			return err
		}
	}
	m := t.marks
	if len(m.used)+len(m.freed) == 0 {
		return nil
	}
	type chunk struct {
		page redo.PageID
		key  byte
	}
	after := map[chunk][]byte{}
	var order []chunk
	set := func(id redo.PageID, used bool) error {
		key, bit := chunkOf(id)
		c := chunk{mapPage(id), key}
		v := after[c]
		if v == nil {
			b, err := t.Page(context.Background(), c.page)
			if err != nil {
				return err
			}
			v = make([]byte, chunkBytes)
			if i, found := page.Search(b, []byte{key}); found {
				copy(v, page.Value(b, i))
			}
			after[c] = v
			order = append(order, c)
		}
		if was := v[bit/8]&(1<<(bit%8)) != 0; was == used {
			return fmt.Errorf("%w: page %d is marked in use: %v", ErrCorrupt, id, was)
		}
		v[bit/8] ^= 1 << (bit % 8)
		return nil
	}
	for _, id := range m.used {
		if err := set(id, true); err != nil {
			return err
		}
	}
	for _, id := range m.freed {
		if err := set(id, false); err != nil {
			return err
		}
	}
	for _, c := range order {
		if err := t.writeChunk(c.page, c.key, after[c]); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) writeChunk(id redo.PageID, key byte, v []byte) error {
	b, err := t.Page(context.Background(), id)
	if err != nil {
		return err
	}
	if page.KindOf(b) == page.KindNone {
		p := page.AppendFormat(nil, page.KindMeta, 0, 0)
		return t.Change(id, redo.OpFormat, page.AppendCell(p, []byte{key}, v, false))
	}
	i, found := page.Search(b, []byte{key})
	if !found {
		return t.Change(id, redo.OpInsert, page.AppendCell(nil, []byte{key}, v, false))
	}
	return t.Change(id, redo.OpPatch, page.AppendPatch(nil, []byte{key}, page.Value(b, i), v))
}

// Cells of the meta page.
var (
	metaFormat = []byte("format")
	metaTrees  = []byte("trees") // root page ids, 8 bytes each, in the order of systemTrees
)

const volumeFormat = 1

// encodeIDs and decodeIDs are the value of metaTrees.
func encodeIDs(ids []redo.PageID) []byte {
	var b []byte
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return b
}
