// Package memvolume is a logstore.Volume in the memory of one process, for tests
// and for SQL suites that need an engine but no storage nodes.
//
// A Store is the storage service: it keeps records and pages, outlives writers,
// and fences the old one when the next opens. A Volume is one writer's grant.
// Start with New and Store.Open. Pages are folded by page.Apply from records, as
// storage nodes do, so the engine meets the same rules: reads only at or below
// the VDL and not below the minimum read point, epochs, room in the log window.
// By default the VDL moves at once; with Options.Manual a test moves it.
//
// Not done: loss of single records, quorums, gossip. These are logstore/sim's.
package memvolume

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// Options say how a Store behaves. The zero value of a field means its default.
type Options struct {
	Volume        redo.VolumeID // default 1
	PageSize      int           // default page.Size
	PagesPerGroup uint64        // default 655360, 10 GiB of 16 KiB pages
	Groups        int           // groups that exist at first; default 1
	LAL           uint64        // LSNs; default 10 million
	WindowBytes   int           // payload bytes above the VDL; default 256 MiB
	// Manual leaves the VDL where it is until Store.Advance.
	Manual bool
	// Behind moves the VDL a moment after Append, from another goroutine, so that
	// commits meet pages above the VDL as they do with real storage.
	Behind bool
	// KeepAll keeps every record, whatever minimum read point the engine sets.
	KeepAll bool
}

// Limits.
const (
	foldRecordsMax = 128     // records of a page before it is folded up to the minimum read point
	foldBytesMax   = 8 << 10 // their payload bytes
)

// Store is a storage service in memory. It is safe for concurrent use.
type Store struct {
	o  Options
	mu struct {
		sync.Mutex
		pages    map[redo.PageID]*history
		log      []redo.Record // above forgot, in LSN order
		forgot   redo.LSN      // records at or below it are only in pages
		last     redo.LSN      // last record appended in this epoch, or VDL
		vdl      redo.LSN
		base     redo.LSN // upper end of what this epoch's recovery annulled
		annulled redo.Ranges
		pgLast   map[redo.PGID]redo.LSN // of the last appended record
		pgStart  map[redo.PGID]redo.LSN // at the VDL
		epoch    redo.VolumeEpoch
		writer   *Volume
		minRead  redo.LSN
		groups   int
		window   int // payload bytes above the VDL
		moved    chan struct{}
		taps     []logstore.Tap
		faults   Faults
		behind   bool
		blocked  chan struct{} // open while epochs cannot be confirmed; nil: they can
	}
}

// Faults are functions that a test puts between the engine and the store; nil ones
// do nothing. They are called without locks held and may block.
type Faults struct {
	Read   func(id redo.PageID, at redo.LSN) error
	Append func() error
}

// history is what is known of one page: an image and the records after it.
type history struct {
	image   []byte   // nil: no record up to at
	at      redo.LSN // the image holds every record up to it
	records []redo.Record
	bytes   int
	// newest remembers the last fold, so that a hot page is not folded again and again.
	newest   []byte
	newestAt redo.LSN // LSN up to which it is folded
}

// New returns an empty store.
func New(o Options) *Store {
	if o.Volume == 0 {
		o.Volume = 1
	}
	if o.PageSize == 0 {
		o.PageSize = page.Size
	}
	if o.PagesPerGroup == 0 {
		o.PagesPerGroup = 655360
	}
	if o.Groups == 0 {
		o.Groups = 1
	}
	if o.LAL == 0 {
		o.LAL = 10_000_000
	}
	if o.WindowBytes == 0 {
		o.WindowBytes = 256 << 20
	}
	s := &Store{o: o}
	s.mu.pages = map[redo.PageID]*history{}
	s.mu.pgLast, s.mu.pgStart = map[redo.PGID]redo.LSN{}, map[redo.PGID]redo.LSN{}
	s.mu.groups = o.Groups
	s.mu.moved = make(chan struct{})
	return s
}

// Open grants the next volume epoch: the writer before is fenced, what was above
// the VDL is annulled.
func (s *Store) Open() *Volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.mu.writer; old != nil {
		old.end(logstore.ErrFenced)
	}
	s.mu.epoch++
	if s.mu.epoch > 1 {
		s.annul()
	}
	v := &Volume{s: s, epoch: s.mu.epoch, done: make(chan struct{})}
	v.vdl.Store(uint64(s.mu.vdl))
	s.mu.writer = v
	s.wake()
	return v
}

// annul removes the records above the VDL and every LSN that the last epoch could
// have given out from the LSNs to come.
func (s *Store) annul() {
	vdl := s.mu.vdl
	base := max(vdl, s.mu.annulled.End()) + redo.LSN(s.o.LAL)
	s.mu.annulled = redo.Join(append(slices.Clone(s.mu.annulled), redo.Range{After: vdl, Through: base})...)
	i, _ := slices.BinarySearchFunc(s.mu.log, vdl+1, compareLSN)
	for _, r := range s.mu.log[i:] {
		if h := s.mu.pages[r.Page]; h != nil {
			h.cut(vdl)
		}
	}
	s.mu.log = s.mu.log[:i:i]
	s.mu.pgLast = maps.Clone(s.mu.pgStart)
	s.mu.last, s.mu.base, s.mu.window = vdl, base, 0
}

func compareLSN(r redo.Record, l redo.LSN) int {
	switch {
	case r.LSN < l:
		return -1
	case r.LSN > l:
		return 1
	}
	return 0
}

// cut forgets the records above vdl.
func (h *history) cut(vdl redo.LSN) {
	i, _ := slices.BinarySearchFunc(h.records, vdl+1, compareLSN)
	h.records = h.records[:i:i]
	if page.LSN(h.newest) > vdl {
		h.newest, h.newestAt = nil, 0
	}
	h.newestAt = min(h.newestAt, vdl)
}

// Annulled returns the truncation list.
func (s *Store) Annulled() redo.Ranges {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.annulled)
}

// VDL returns the volume durable LSN.
func (s *Store) VDL() redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.vdl
}

// Epoch returns the current volume epoch.
func (s *Store) Epoch() redo.VolumeEpoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.epoch
}

// SetFaults replaces the faults.
func (s *Store) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.faults = f
}

// Confirm says whether epochs can be confirmed, as when a write quorum answers.
func (s *Store) Confirm(possible bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case possible && s.mu.blocked != nil:
		close(s.mu.blocked)
		s.mu.blocked = nil
	case !possible && s.mu.blocked == nil:
		s.mu.blocked = make(chan struct{})
	}
}

// AddTap gives t all frames and VDLs from now on.
func (s *Store) AddTap(t logstore.Tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.taps = append(s.mu.taps, t)
}

// Advance moves the VDL of a Manual store to the highest CPL at or below l, and
// returns where it is then.
func (s *Store) Advance(l redo.LSN) redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(l)
	return s.mu.vdl
}

// SetManual changes Options.Manual. Turned off, the VDL moves with the next Append.
func (s *Store) SetManual(manual bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Manual = manual
}

// AdvanceAll moves the VDL to the last CPL.
func (s *Store) AdvanceAll() redo.LSN { return s.Advance(1<<63 - 1) }

func (s *Store) advance(l redo.LSN) {
	i, _ := slices.BinarySearchFunc(s.mu.log, s.mu.vdl+1, compareLSN)
	vdl := s.mu.vdl
	durable := i
	for j := i; j < len(s.mu.log) && s.mu.log[j].LSN <= l; j++ {
		if s.mu.log[j].CPL {
			vdl, durable = s.mu.log[j].LSN, j+1
		}
	}
	if vdl == s.mu.vdl {
		return
	}
	for _, r := range s.mu.log[i:durable] {
		s.mu.pgStart[r.PG] = r.LSN
		s.mu.window -= len(r.Payload)
	}
	s.mu.vdl = vdl
	if s.mu.writer != nil {
		s.mu.writer.vdl.Store(uint64(vdl))
	}
	s.wake()
	for _, t := range s.mu.taps {
		t.VDL(vdl)
	}
	s.forget()
}

func (s *Store) wake() {
	close(s.mu.moved)
	s.mu.moved = make(chan struct{})
}

// forget drops log records below the minimum read point, in large steps.
func (s *Store) forget() {
	if s.o.KeepAll {
		return
	}
	i, _ := slices.BinarySearchFunc(s.mu.log, min(s.mu.minRead, s.mu.vdl)+1, compareLSN)
	if i < 1024 || i < len(s.mu.log)/2 {
		return
	}
	s.mu.forgot = s.mu.log[i-1].LSN
	s.mu.log = slices.Clone(s.mu.log[i:])
}

// Records returns the records in (after, through], in LSN order. Returns
// logstore.ErrGone if some are not kept any more.
func (s *Store) Records(after, through redo.LSN) ([]redo.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after < s.mu.forgot {
		return nil, logstore.ErrGone
	}
	i, _ := slices.BinarySearchFunc(s.mu.log, after+1, compareLSN)
	j, _ := slices.BinarySearchFunc(s.mu.log, through+1, compareLSN)
	return slices.Clone(s.mu.log[i:j]), nil
}

// PGLast returns each group's last LSN at or below the VDL.
func (s *Store) PGLast() map[redo.PGID]redo.LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.mu.pgStart)
}

// PagesPerGroup returns the geometry.
func (s *Store) PagesPerGroup() uint64 { return s.o.PagesPerGroup }

// Bytes returns about how much memory the store's pages and records take.
func (s *Store) Bytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.mu.log) * 80
	for _, h := range s.mu.pages {
		n += len(h.image) + len(h.newest) + h.bytes + 80*len(h.records)
	}
	return n
}

// CloneAt returns a store that holds the pages as of at, a CPL at or below the
// VDL, as its VDL, with the epoch and the truncation list of this one: what a
// recovery finds that started after a crash at that moment.
func (s *Store) CloneAt(at redo.LSN) (*Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New(s.o)
	for id, h := range s.mu.pages {
		p, err := s.fold(h, id, at)
		if err != nil {
			return nil, err
		}
		c.mu.pages[id] = &history{image: p, at: at}
	}
	for _, r := range s.mu.log {
		if r.LSN <= at {
			c.mu.pgStart[r.PG] = r.LSN
		}
	}
	c.mu.pgLast = maps.Clone(c.mu.pgStart)
	c.mu.forgot, c.mu.last, c.mu.vdl, c.mu.base = at, at, at, s.mu.base
	c.mu.epoch, c.mu.annulled, c.mu.groups = s.mu.epoch, slices.Clone(s.mu.annulled), s.mu.groups
	return c, nil
}

// ReadPage reads a page at any LSN between the minimum read point and the VDL, at
// any epoch: for readers. Errors are those of logstore.PageReader.
func (s *Store) ReadPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	fault := s.mu.faults.Read
	s.mu.Unlock()
	if fault != nil {
		if err := fault(id, at); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readLocked(id, at)
}

func (s *Store) readLocked(id redo.PageID, at redo.LSN) ([]byte, error) {
	if at > s.mu.vdl {
		return nil, fmt.Errorf("memvolume: read page %d at %d above the VDL %d", id, at, s.mu.vdl)
	}
	if at < s.mu.minRead && !s.o.KeepAll {
		return nil, fmt.Errorf("%w: page %d at %d, minimum %d", logstore.ErrGone, id, at, s.mu.minRead)
	}
	h := s.mu.pages[id]
	if h == nil {
		return make([]byte, s.o.PageSize), nil
	}
	return s.fold(h, id, at)
}

// fold returns the page as of at, in memory that nobody changes any more.
func (s *Store) fold(h *history, id redo.PageID, at redo.LSN) ([]byte, error) {
	from, img := h.at, h.image
	if h.newest != nil && h.newestAt <= at {
		from, img = h.newestAt, h.newest
	} else if h.at > at {
		return nil, fmt.Errorf("%w: page %d at %d, kept from %d", logstore.ErrGone, id, at, h.at)
	}
	i, _ := slices.BinarySearchFunc(h.records, from+1, compareLSN)
	j, _ := slices.BinarySearchFunc(h.records, at+1, compareLSN)
	if i >= j && img != nil {
		return img, nil
	}
	p := make([]byte, s.o.PageSize)
	copy(p, img)
	for k := i; k < j; k++ {
		if err := page.Apply(p, &h.records[k]); err != nil {
			return nil, err
		}
	}
	if at >= h.newestAt {
		h.newest, h.newestAt = p, at
	}
	return p, nil
}

// keep adds a record to its page, whose records up to the minimum read point are
// folded when there are many.
func (s *Store) keep(r redo.Record) error {
	h := s.mu.pages[r.Page]
	if h == nil {
		h = &history{}
		s.mu.pages[r.Page] = h
	}
	h.records = append(h.records, r)
	h.bytes += len(r.Payload)
	if s.o.KeepAll || (len(h.records) < foldRecordsMax && h.bytes < foldBytesMax) {
		return nil
	}
	to := min(s.mu.minRead, s.mu.vdl)
	if to <= h.records[0].LSN {
		return nil
	}
	p, err := s.fold(h, r.Page, to)
	if err != nil {
		return err
	}
	i, _ := slices.BinarySearchFunc(h.records, to+1, compareLSN)
	h.image, h.at, h.records, h.bytes = p, to, slices.Clone(h.records[i:]), 0
	for k := range h.records {
		h.bytes += len(h.records[k].Payload)
	}
	return nil
}
