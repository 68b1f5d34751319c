// Package bufpool is the page cache of one instance: versions of pages, each with
// the range of snapshots that it is the right answer for.
//
// It decides which version answers a snapshot, which snapshots there are (Snapshots), what
// a fetched page may be used for, which version nobody needs any more, and what is
// evicted. It does not change pages (the owner hands it finished ones) or fetch by itself: a
// Load says what it needs. Start with Pool.
//
// A version is (page, from, through): the right answer for from <= S <= through
// and for nothing else. from is its page LSN. A head is open: through has no end,
// because every later record of the page makes a new head by Publish, or is held
// while a fetch of the page is under way. Rules:
//
//   - A fetch at S gives [page LSN, S] and never an open head. An open head comes from
//     LoadHead only, which registers before it asks at which LSN to fetch; from then
//     on records of the page are held, and applied when the page is there. (Else:
//     fetch at 100 is sent, record 105 arrives and is dropped because the page is not
//     cached, the fetch returns and is taken for the newest: I-19.)
//   - Publish closes the old head just below the first LSN of its turn. Snapshots are
//     ends of turns, so none falls between that and the new head's page LSN.
//   - A version that is dropped leaves a miss; its neighbours' ranges do not grow.
//   - Only what is at or below the VDL is evicted: then a page that is not here has
//     no record above the VDL, and the storage can give it.
//   - A version is dropped early if it ends below the VDL and no live snapshot
//     selects it (T-19). Live snapshots are a list that the owner gives, not
//     counts on pages.
//
// Readers take no lock: they find an entry in a table behind an atomic pointer and
// its versions behind another, both copied on change. All changes are under one mutex.
//
// Source: SIGMOD 2017 §4.2.3, SIGMOD 2018 §3.1 (eviction).
// Deviation: the 2017 paper says that a page may be evicted only if its LSN is at
// or above the VDL; its reasons, and the 2018 paper, ask for at or below.
package bufpool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"sextant/internal/invariant"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// ErrFetch is returned when a fetched page is not the page as of the LSN it was
// fetched at: it is newer, or lacks a record that was held at or below that LSN.
var ErrFetch = errors.New("bufpool: fetched page is not of the LSN asked for")

// Limits.
const (
	PagesMin     = 8       // least pages of a budget
	heldBytesMax = 4 << 20 // payload bytes of records held for one page under way
	heatMax      = 3       // sweeps that a page in use survives
	sweepMax     = 256     // entries that the hand passes in one change, so that none takes long
	attemptsMax  = 16      // fetches and waits of one LoadHead
	goneMax      = 10      // fetches of one load that the minimum read point overtakes
)

// open is the through of a head.
const open = redo.LSN(math.MaxUint64)

// Fetch reads a page as of at from storage. The memory becomes the pool's.
type Fetch func(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error)

// FetchMany is Fetch for several pages in one request.
type FetchMany func(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error)

// Options of a pool.
type Options struct {
	Bytes    int64 // budget of page bytes; at least PagesMin pages
	PageSize int   // 0: page.Size
	// Apply changes a page by one record; nil: page.Apply.
	Apply func(p []byte, r *redo.Record) error
}

// Pool is the cache. It is safe for concurrent use. Pages it returns must not be
// changed; they stay what they are, also after their eviction.
type Pool struct {
	pageSize int64
	apply    func(p []byte, r *redo.Record) error
	table    atomic.Pointer[table]
	durable  atomic.Uint64 // VDL, as far as SetDurable said
	budget   atomic.Int64

	mu struct {
		sync.Mutex
		bytes   int64
		clock   []*entry // every entry, in the order that the hand goes round
		hand    int
		flights map[redo.PageID]*flight
		live    []redo.LSN // snapshots as of the last Publish, sorted
		dropped redo.LSN   // highest record that Hold did not keep
		cuts    uint64     // calls of Cut and Reset
		stats   Stats
	}
}

// Stats are counts since the pool was made, and its present size.
type Stats struct {
	Bytes     int64  // of all versions
	Pages     int    // with at least one version
	Versions  int    // heads included
	Heads     int    // open
	Fetches   uint64 // pages read from storage
	Waits     uint64 // loads that waited for another's fetch
	Evictions uint64 // versions dropped for want of room
	Pruned    uint64 // versions dropped because no snapshot selected them
	Held      uint64 // records kept for a page under way
}

// entry is one page's versions. pins, slot and what versions points to are
// changed under the pool's mutex.
type entry struct {
	id       redo.PageID
	versions atomic.Pointer[[]version] // newest first, ranges disjoint; nil: none
	heat     atomic.Uint32             // raised by hits, lowered by the hand
	pins     int
	slot     int // in the clock
}

type version struct {
	from, through redo.LSN
	page          []byte
}

// flight is one fetch under way.
type flight struct {
	done chan struct{}
	err  error // of the fetch; read after done
	head bool  // registered for an open head

	refused   redo.LSN      // highest record that Hold did not keep before it was registered
	held      []redo.Record // since it was registered, in order
	heldBytes int
	overflow  bool     // held lacks records: no head can come of this
	closed    redo.LSN // first LSN of the first Publish since; 0: none
}

// New returns an empty pool.
func New(o Options) *Pool {
	if o.PageSize == 0 {
		o.PageSize = page.Size
	}
	if o.Apply == nil {
		o.Apply = page.Apply
	}
	p := &Pool{pageSize: int64(o.PageSize), apply: o.Apply}
	p.table.Store(newTable(1024))
	p.mu.flights = map[redo.PageID]*flight{}
	p.SetBytes(o.Bytes)
	return p
}

// Apply changes a page by one record, as the pool itself does to a page under way.
func (p *Pool) Apply(b []byte, r *redo.Record) error { return p.apply(b, r) }

// At returns the page as of snapshot s, if it is here.
func (p *Pool) At(id redo.PageID, s redo.LSN) ([]byte, bool) { return p.at(id, s, false) }

// AtCold is At for a scan: the page gets no warmer by it.
func (p *Pool) AtCold(id redo.PageID, s redo.LSN) ([]byte, bool) { return p.at(id, s, true) }

func (p *Pool) at(id redo.PageID, s redo.LSN, cold bool) ([]byte, bool) {
	e := p.table.Load().get(id)
	if e == nil {
		return nil, false
	}
	vs := e.versions.Load()
	if vs == nil {
		return nil, false
	}
	for i := range *vs {
		v := &(*vs)[i]
		if v.from > s {
			continue
		}
		if s > v.through {
			return nil, false
		}
		if !cold {
			e.warm()
		}
		return v.page, true
	}
	return nil, false
}

// Head returns the open head, if it is here.
func (p *Pool) Head(id redo.PageID) ([]byte, bool) {
	e := p.table.Load().get(id)
	if e == nil {
		return nil, false
	}
	v, ok := e.head()
	if !ok {
		return nil, false
	}
	e.warm()
	return v.page, true
}

func (e *entry) head() (version, bool) {
	vs := e.versions.Load()
	if vs == nil || (*vs)[0].through != open {
		return version{}, false
	}
	return (*vs)[0], true
}

func (p *Pool) headOf(id redo.PageID) (version, bool) {
	e := p.table.Load().get(id)
	if e == nil {
		return version{}, false
	}
	return e.head()
}

// warm is not exact: two hits at once may count as one.
func (e *entry) warm() {
	if h := e.heat.Load(); h < heatMax {
		e.heat.Store(h + 1)
	}
}

// LoadMany makes open heads of those pages that have none and are not being
// fetched, by one call of fetch, for a scan: they come in cold. at is as for
// LoadHead. Returns nil also if a page got no head after all; whoever needs it
// loads it.
func (p *Pool) LoadMany(ctx context.Context, ids []redo.PageID, at func() redo.LSN, fetch FetchMany) error {
	want := make([]redo.PageID, 0, len(ids))
	flights := make([]*flight, 0, len(ids))
	var cuts uint64
	p.mu.Lock()
	for _, id := range ids {
		_, busy := p.mu.flights[id]
		if _, ok := p.headOf(id); ok || busy {
			continue
		}
		var f *flight
		f, cuts = p.register(id, true)
		want, flights = append(want, id), append(flights, f)
	}
	p.mu.Unlock()
	if len(want) == 0 {
		return nil
	}
	s := at()
	pages, err := fetch(ctx, want, s)
	if err == nil && len(pages) != len(want) {
		err = fmt.Errorf("%w: %d pages for %d", ErrFetch, len(pages), len(want))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, id := range want {
		err := err // each page's own
		if err == nil && p.mu.cuts == cuts {
			_, err = p.installHead(id, flights[i], s, pages[i], true)
		}
		p.landLocked(id, flights[i], err)
	}
	p.mu.stats.Fetches += uint64(len(want))
	return err
}

// installHead makes the open head of a page fetched at s and the records held
// since, and returns it. If a head was published meanwhile, the fetched page is what
// was before it, and that head is returned; nil if there is none.
func (p *Pool) installHead(id redo.PageID, f *flight, s redo.LSN, b []byte, cold bool) ([]byte, error) {
	base := page.LSN(b)
	if base > s {
		return nil, fmt.Errorf("%w: page %d at %d has LSN %d", ErrFetch, id, s, base)
	}
	if s < f.refused {
		return nil, fmt.Errorf("%w: page %d at %d, but record %d was dropped before", ErrFetch, id, s, f.refused)
	}
	held := f.held
	for len(held) > 0 && held[0].LSN <= s {
		if held[0].LSN > base {
			return nil, fmt.Errorf("%w: page %d at %d has LSN %d and lacks record %d", ErrFetch, id, s, base, held[0].LSN)
		}
		held = held[1:]
	}
	through := open // of the fetched page
	if len(held) > 0 {
		through = held[0].LSN - 1
	}
	if f.closed != 0 {
		through = min(through, f.closed-1)
	}
	switch {
	case f.closed != 0 || f.overflow:
		if through == open {
			through = s // every held record is in the page, but maybe not every dropped one
		}
		if through >= base {
			p.install(id, version{base, through, b}, cold)
		}
		v, _ := p.headOf(id)
		return v.page, nil
	case len(held) == 0:
		p.install(id, version{base, open, b}, cold)
		return b, nil
	}
	head := slices.Clone(b)
	for i := range held {
		if err := p.Apply(head, &held[i]); err != nil {
			return nil, fmt.Errorf("apply held records to page %d as of %d: %w", id, s, err)
		}
	}
	p.install(id, version{base, through, b}, cold)
	p.install(id, version{page.LSN(head), open, head}, cold)
	return head, nil
}

// Publish makes b the open head of the page. first is the first LSN of the turn
// that b belongs to: the head before it ends below. live are the snapshots in use,
// sorted; a version that ends below the VDL and that none of them selects is dropped.
// b is the pool's from then on. The page need not be here: a page that is formatted,
// freed or replaced by an image needs nothing older.
//
// No snapshot at or above first may be chosen before the last page of the turn is
// published.
func (p *Pool) Publish(id redo.PageID, b []byte, first redo.LSN, live []redo.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.live = append(p.mu.live[:0], live...)
	if f := p.mu.flights[id]; f != nil && f.closed == 0 {
		f.closed = first
	}
	e := p.entry(id, false)
	e.warm()
	from := page.LSN(b)
	if from < first {
		invariant.Check(false, "publish page %d at %d in the turn from %d", id, from, first)
	}
	vs := []version{{from, open, b}}
	if old := e.versions.Load(); old != nil {
		vs = slices.Grow(vs, len(*old))
		for _, v := range *old {
			if v.through = min(v.through, first-1); v.from < first && p.needed(v) {
				vs = append(vs, v)
			} else {
				// Also what a fetch at a VDL inside this turn has brought.
				p.mu.stats.Pruned++
			}
		}
	}
	p.replace(e, vs)
	p.evict()
}

// needed reports whether a snapshot in use, or one that can still be chosen, selects v.
func (p *Pool) needed(v version) bool {
	if v.through >= redo.LSN(p.durable.Load()) {
		return true
	}
	i, _ := slices.BinarySearch(p.mu.live, v.from)
	return i < len(p.mu.live) && p.mu.live[i] <= v.through
}

// Hold is how a reader brings records of one page, in order, once per turn. If the
// page has an open head it is returned: the caller applies the records to a copy
// and publishes it. If a head is being fetched the records are kept for it, and
// held is true. Otherwise nil, false: nobody needs the records, they are dropped.
// The payloads must not change. One caller at a time.
func (p *Pool) Hold(id redo.PageID, records []redo.Record) (head []byte, held bool) {
	if len(records) == 0 {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, ok := p.headOf(id); ok {
		return v.page, false
	}
	f := p.mu.flights[id]
	if f == nil || !f.head {
		p.mu.dropped = max(p.mu.dropped, records[len(records)-1].LSN)
		return nil, false
	}
	for i := range records {
		f.heldBytes += len(records[i].Payload)
	}
	if f.overflow = f.overflow || f.heldBytes > heldBytesMax; f.overflow {
		// The first one stays: it ends what the fetched page is right for.
		if len(f.held) == 0 {
			f.held = append(f.held, records[0])
		}
		p.mu.dropped = max(p.mu.dropped, records[len(records)-1].LSN)
		return nil, true
	}
	f.held = append(f.held, records...)
	p.mu.stats.Held += uint64(len(records))
	return nil, true
}

// Pin keeps the page's head from eviction until Unpin, whether it is here already
// or comes later. Pins are counted.
func (p *Pool) Pin(id redo.PageID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entry(id, true).pins++
}

// Unpin ends one Pin.
func (p *Pool) Unpin(id redo.PageID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.table.Load().get(id)
	if e == nil || e.pins == 0 {
		invariant.Check(false, "unpin page %d, which is not pinned", id)
	}
	e.pins--
	p.forget(e)
	p.evict()
}

// SetDurable says that the VDL has reached vdl. It never goes back, but for Cut and Reset.
func (p *Pool) SetDurable(vdl redo.LSN) {
	for {
		old := p.durable.Load()
		if uint64(vdl) <= old || p.durable.CompareAndSwap(old, uint64(vdl)) {
			return
		}
	}
}

// SetBytes changes the budget. A lower one takes effect at once, as far as what is
// here may be evicted.
func (p *Pool) SetBytes(n int64) {
	p.budget.Store(max(n, PagesMin*p.pageSize))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep((heatMax + 1) * len(p.mu.clock))
}

// Stats returns counts and size.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.mu.stats
	s.Bytes = p.mu.bytes
	for _, e := range p.mu.clock {
		vs := e.versions.Load()
		if vs == nil {
			continue
		}
		s.Pages++
		s.Versions += len(*vs)
		if (*vs)[0].through == open {
			s.Heads++
		}
	}
	return s
}

// Cut takes back what a recovery annulled: versions whose page LSN is in an annulled
// range or above vdl are dropped, the others end before. Heads that stay are
// open: the caller applies every record in (applied, vdl] before it serves from
// the pool. Fetches under way give nothing to the pool, records held for them are gone.
func (p *Pool) Cut(annulled redo.Ranges, vdl redo.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	p.durable.Store(min(p.durable.Load(), uint64(vdl)))
	p.mu.dropped = min(p.mu.dropped, vdl)
	for _, e := range slices.Clone(p.mu.clock) {
		vs := e.versions.Load()
		if vs == nil {
			continue
		}
		var keep []version
		for _, v := range *vs {
			if v.from > vdl || annulled.Contain(v.from) {
				continue
			}
			if v.through != open {
				v.through = lastValid(v.through, annulled, vdl)
			}
			keep = append(keep, v)
		}
		p.replace(e, keep)
		p.forget(e)
	}
}

// lastValid returns the highest LSN at or below l that is at or below vdl and in no range.
func lastValid(l redo.LSN, annulled redo.Ranges, vdl redo.LSN) redo.LSN {
	l = min(l, vdl)
	for _, r := range slices.Backward(annulled) {
		if r.Contains(l) {
			l = r.After
		}
	}
	return l
}

// Reset drops everything. Fetches under way give nothing to the pool; pins stay.
func (p *Pool) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	p.durable.Store(0)
	p.mu.dropped = 0
	p.mu.live = nil
	for _, e := range slices.Clone(p.mu.clock) {
		p.replace(e, nil)
		p.forget(e)
	}
}

// cancel makes fetches under way useless: their records are gone.
func (p *Pool) cancel() {
	p.mu.cuts++
	for _, f := range p.mu.flights {
		f.held, f.heldBytes, f.overflow, f.closed = nil, 0, false, 0
	}
}
