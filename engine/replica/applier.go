// Package replica is a reader's side of the log: it takes the writer's stream of
// batches and VDLs, applies whole mini-transactions at or below the VDL to the pages
// in the cache, and decides what stays valid when the writer changes.
//
// It decides which records are applied and when, what is dropped, cut or read again
// from storage after a new subscription, and when the cache is worth nothing. It
// leaves the connection to whoever implements Stream, the pages to the Cache,
// snapshots and the catalog to its owner (Host). Start with Applier.
//
// Not done: applying to pages that are not cached. Their records are dropped, and a
// read fetches them.
//
// Source: SIGMOD 2017 §4.2.4, SIGMOD 2018 §3.2–3.4.
// Deviation: 2018 §3.3 has a replica apply records "above the VDL"; 2017 is right,
// at or below.
package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// Errors of an Applier. After any of them the subscription is to be closed and
// another one made.
var (
	// ErrStale is returned for an answer or a frame of an older epoch than one
	// accepted before.
	ErrStale = errors.New("replica: older volume epoch")
	// ErrGap is returned when the VDL passes records that did not come.
	ErrGap = errors.New("replica: records are missing")
	// ErrOverflow is returned when more is buffered above the VDL than pendingBytesMax, or
	// more records than pendingMax.
	ErrOverflow = errors.New("replica: too much buffered above the VDL")
)

// Limits.
const (
	pendingBytesMax = 256 << 20 // payload bytes buffered above the applied VDL
	pendingMax      = 4 << 20   // records buffered: a hundred bytes each besides the payload
	gapBytesMax     = 256 << 20 // of memory for records read from storage to fill a gap; more: RESET
)

// Cache is the page cache, which bufpool.Pool is.
type Cache interface {
	// Apply changes a page by one record.
	Apply(b []byte, r *redo.Record) error
	Hold(id redo.PageID, records []redo.Record) (head []byte, held bool)
	Publish(id redo.PageID, b []byte, first redo.LSN, live []redo.LSN)
	SetDurable(vdl redo.LSN)
	Cut(annulled redo.Ranges, vdl redo.LSN)
	Reset()
}

// Host is the owner of the snapshots.
type Host interface {
	// Live returns the snapshots in use, sorted, the applied one among them.
	Live() []redo.LSN
	// Applied is called when every page in the cache is as of vdl, before Status says
	// so; catalog tells that the schema has changed since the call before. It may read
	// pages. An error of it is returned by what led to the call.
	Applied(ctx context.Context, vdl redo.LSN, catalog bool) error
}

// Applier is the state of a reader's log. Accept, Resume, Frame, VDL and Promote are for one
// goroutine at a time; the other methods are safe for concurrent use.
//
// Invariant: pending holds only records above applied, of the accepted epoch's
// subscription, none of them annulled.
// Invariant: applied is a CPL at or below the VDL of an accepted epoch.
type Applier struct {
	cache Cache
	host  Host
	log   Log

	pending map[redo.LSN]redo.Record
	bytes   int
	catalog bool // an Applied that told of a catalog change has failed

	mu struct {
		sync.Mutex
		status   Status
		annulled redo.Ranges
		pgLast   map[redo.PGID]redo.LSN // last LSN at or below readPoint
		perGroup uint64
		// readPoint is the end of what is being applied, or applied: fetches are at it.
		readPoint redo.LSN
	}
}

// Status is how far a reader is.
type Status struct {
	Epoch   redo.VolumeEpoch
	Applied redo.LSN
	SentAt  int64  // µs since 1970 at the writer, of the newest VDL applied; 0: none
	Resets  uint64 // times the cache was dropped
}

// NewApplier returns an Applier that has accepted nothing.
func NewApplier(cache Cache, host Host, log Log) *Applier {
	a := &Applier{cache: cache, host: host, log: log, pending: map[redo.LSN]redo.Record{}}
	a.mu.pgLast = map[redo.PGID]redo.LSN{}
	return a
}

// Status returns how far the reader is.
func (a *Applier) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.status
}

// ReadPoint returns the LSN that an open head may be fetched at.
func (a *Applier) ReadPoint() redo.LSN {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.readPoint
}

// Need returns the epoch to read with, and what a segment must be complete to for
// a read of the page as of at: the last LSN of the page's group that is known to be
// durable. ok is false if at was annulled: nothing may be read there.
func (a *Applier) Need(id redo.PageID, at redo.LSN) (epoch redo.VolumeEpoch, need redo.LSN, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.perGroup == 0 || a.mu.annulled.Contain(at) {
		return 0, 0, false
	}
	return a.mu.status.Epoch, a.mu.pgLast[redo.PGID(uint64(id-1)/a.mu.perGroup)], true
}

// Group returns the group of a page.
func (a *Applier) Group(id redo.PageID) redo.PGID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return redo.PGID(uint64(id-1) / max(a.mu.perGroup, 1))
}

// Accept takes the answer to a new subscription, with what Missing says read from
// storage: see Resume. Returns its errors.
func (a *Applier) Accept(ctx context.Context, ans Answer) error {
	var records []redo.Record
	var err error
	if r := a.Missing(ans); r != (redo.Range{}) {
		records, err = a.log.Records(ctx, ans.Epoch, r.After, r.Through, gapBytesMax)
	}
	return a.Resume(ctx, ans, records, err)
}

// Missing returns what Resume needs of the log: the range between what was applied and
// the writer's VDL. It is the zero range if there is nothing between, or if nothing of the
// cache can be kept.
func (a *Applier) Missing(ans Answer) redo.Range {
	if old := a.Status(); ans.Epoch >= old.Epoch && !dead(old, ans) && old.Applied < ans.VDL {
		return redo.Range{After: old.Applied, Through: ans.VDL}
	}
	return redo.Range{}
}

// dead reports whether what was applied is no part of the answer's log.
func dead(old Status, ans Answer) bool {
	return old.Applied == 0 || ans.Annulled.Contain(old.Applied) || old.Applied > ans.VDL
}

// Resume takes the answer to a new subscription: it drops what was buffered, cuts
// what was annulled or lies above the writer's VDL out of the cache, and applies
// what is in between: records, which are what storage gave for Missing, or err. It
// drops the cache if that cannot be (RESET): the applied LSN itself is annulled, or the
// gap is too long or not kept any more. Returns ErrStale for an older epoch, ErrGap if
// records are missing, other errors of the log (the reader is as it was), and those of the host.
func (a *Applier) Resume(ctx context.Context, ans Answer, records []redo.Record, err error) error {
	old := a.Status()
	if ans.Epoch < old.Epoch {
		return fmt.Errorf("%w: %d after %d", ErrStale, ans.Epoch, old.Epoch)
	}
	reset := dead(old, ans) || errors.Is(err, logstore.ErrGone) || errors.Is(err, logstore.ErrTooLong)
	if !reset {
		if err != nil {
			return fmt.Errorf("read log (%d,%d]: %w", old.Applied, ans.VDL, err)
		}
		if err := chained(records, old.Applied, ans.VDL); err != nil {
			return err
		}
	}
	clear(a.pending)
	a.bytes = 0
	a.mu.Lock()
	a.mu.status.Epoch = ans.Epoch
	a.mu.annulled = slices.Clone(ans.Annulled)
	a.mu.perGroup = ans.PagesPerGroup
	a.mu.pgLast = maps.Clone(ans.PGLast)
	if a.mu.pgLast == nil {
		a.mu.pgLast = map[redo.PGID]redo.LSN{}
	}
	a.mu.readPoint = ans.VDL
	if reset {
		a.mu.status.Applied = ans.VDL
		a.mu.status.Resets++
	}
	a.mu.Unlock()
	if reset {
		a.cache.Reset()
		a.cache.SetDurable(ans.VDL)
		return a.applied(ctx, ans.VDL, true)
	}
	a.cache.Cut(ans.Annulled, ans.VDL)
	return a.apply(ctx, records, ans.VDL)
}

// Promote is Accept for a reader that becomes the writer: vdl is what the recovery
// found, list the truncation list it adopted. What it brings up to vdl is for the
// writer to read on, so the groups' last LSNs do not matter any more.
func (a *Applier) Promote(ctx context.Context, epoch redo.VolumeEpoch, vdl redo.LSN, list redo.Ranges) error {
	a.mu.Lock()
	perGroup, pgLast := a.mu.perGroup, a.mu.pgLast
	a.mu.Unlock()
	return a.Accept(ctx, Answer{Epoch: epoch, VDL: vdl, Annulled: list, PGLast: pgLast, PagesPerGroup: perGroup})
}

// chained checks that records are everything in (after, through].
func chained(records []redo.Record, after, through redo.LSN) error {
	for i := range records {
		if records[i].PrevVolume != after {
			return fmt.Errorf("%w: %d follows %d, not %d", ErrGap, records[i].LSN, records[i].PrevVolume, after)
		}
		after = records[i].LSN
	}
	if after != through {
		return fmt.Errorf("%w: the last one is %d, VDL is %d", ErrGap, after, through)
	}
	return nil
}

// Frame takes a batch; it keeps b. Records that were applied, annulled or had before
// are ignored. Returns ErrStale for a batch of another epoch than the accepted one, ErrOverflow,
// or redo's errors.
func (a *Applier) Frame(b []byte) error {
	batch, err := redo.DecodeBatch(b)
	if err != nil {
		return err
	}
	a.mu.Lock()
	epoch, applied, annulled := a.mu.status.Epoch, a.mu.status.Applied, a.mu.annulled
	a.mu.Unlock()
	if batch.Epoch != epoch {
		return fmt.Errorf("%w: batch of %d, subscribed to %d", ErrStale, batch.Epoch, epoch)
	}
	for _, r := range batch.Records {
		if r.LSN <= applied || annulled.Contain(r.LSN) {
			continue
		}
		if _, had := a.pending[r.LSN]; had {
			continue
		}
		a.pending[r.LSN] = r
		a.bytes += len(r.Payload)
	}
	if a.bytes > pendingBytesMax || len(a.pending) > pendingMax {
		return ErrOverflow
	}
	return nil
}

// VDL takes a VDL of the writer and applies everything up to it. sentAt is the
// writer's clock. Returns ErrGap if records are missing, errors of the host, or
// page's errors.
func (a *Applier) VDL(ctx context.Context, vdl redo.LSN, sentAt int64) error {
	applied := a.Status().Applied
	if vdl > applied {
		records := make([]redo.Record, 0, len(a.pending))
		for lsn, r := range a.pending {
			if lsn <= vdl {
				records = append(records, r)
			}
		}
		slices.SortFunc(records, func(x, y redo.Record) int { return cmp.Compare(x.LSN, y.LSN) })
		if err := chained(records, applied, vdl); err != nil {
			return err
		}
		if err := a.apply(ctx, records, vdl); err != nil {
			return err
		}
		for i := range records {
			a.bytes -= len(records[i].Payload)
			delete(a.pending, records[i].LSN)
		}
	}
	a.mu.Lock()
	a.mu.status.SentAt = max(a.mu.status.SentAt, sentAt)
	a.mu.Unlock()
	return nil
}

// apply applies whole mini-transactions, everything in (applied, vdl], as one turn:
// no snapshot lies inside.
func (a *Applier) apply(ctx context.Context, records []redo.Record, vdl redo.LSN) error {
	catalog := false
	a.mu.Lock()
	// From here on a fetch must bring what Hold refuses below.
	a.mu.readPoint = max(a.mu.readPoint, vdl)
	for i := range records {
		r := &records[i]
		catalog = catalog || r.CPL && r.Flags&redo.FlagCatalog != 0
		a.mu.pgLast[r.PG] = max(a.mu.pgLast[r.PG], r.LSN)
	}
	a.mu.Unlock()
	a.cache.SetDurable(vdl)
	if len(records) > 0 {
		if err := a.pages(records); err != nil {
			return err
		}
	}
	return a.applied(ctx, vdl, catalog)
}

// pages brings the records to the cached pages, page by page.
func (a *Applier) pages(records []redo.Record) error {
	first := records[0].LSN
	order := make([]redo.PageID, 0, 16)
	by := map[redo.PageID][]redo.Record{}
	for _, r := range records {
		if r.Page == 0 {
			continue
		}
		if by[r.Page] == nil {
			order = append(order, r.Page)
		}
		by[r.Page] = append(by[r.Page], r)
	}
	live := a.host.Live()
	for _, id := range order {
		head, _ := a.cache.Hold(id, by[id])
		if head == nil {
			continue
		}
		b := append([]byte(nil), head...)
		changed := false
		for i := range by[id] {
			// A head may have been fetched at the end of this turn already.
			if r := &by[id][i]; r.LSN > page.LSN(b) {
				if err := a.cache.Apply(b, r); err != nil {
					return fmt.Errorf("apply %d to page %d: %w", r.LSN, id, err)
				}
				changed = changed || page.LSN(b) == r.LSN // there are records that change nothing
			}
		}
		if changed {
			a.cache.Publish(id, b, first, live)
		}
	}
	return nil
}

// applied tells the host and then everybody.
func (a *Applier) applied(ctx context.Context, vdl redo.LSN, catalog bool) error {
	a.catalog = a.catalog || catalog
	if err := a.host.Applied(ctx, vdl, a.catalog); err != nil {
		return err
	}
	a.catalog = false
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.status.Applied = vdl
	return nil
}
