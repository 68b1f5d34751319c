package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// source is where pages come from that are not in the cache.
type source interface {
	// readPoint returns the LSN that the newest version of an uncached page can be
	// read at: the VDL on the writer, the applied VDL on a reader.
	readPoint() redo.LSN
	readPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error)
	readPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error)
}

// pager shows the volume's pages as of one LSN. The LSN must be kept readable
// (Snapshots.Acquire and the like) while it is in use. It is safe for concurrent use.
type pager struct {
	db  *DB
	src source // nil: that of the role, also after a change of it
	at  redo.LSN
	// old is set for a snapshot far back: its misses say nothing about the heads.
	old bool
	// seen is the highest LSN of the pages handed out: what was read of them relies on
	// nothing newer, whatever else is published.
	seen atomic.Uint64
}

var (
	_ btree.Pager      = (*pager)(nil)
	_ btree.Prefetcher = (*pager)(nil)
)

// pagerAt returns the pages as of at.
func (db *DB) pagerAt(at redo.LSN) *pager {
	return &pager{db: db, at: at}
}

func (p *pager) source() source {
	if p.src != nil {
		return p.src
	}
	return p.db.source()
}

// newest returns the newest published pages, and their LSN; a session that shows
// anything of them has seen the LSN that sawLSN then returns. They stay readable
// until done is called.
func (db *DB) newest() (p *pager, at redo.LSN, done func()) {
	at = db.snaps.AcquireNewest()
	return db.pagerAt(at), at, func() { db.snaps.Release(at) }
}

// Page implements btree.Pager. The snapshot may be above the VDL (newest): see bufpool's
// AsOf.
func (p *pager) Page(ctx context.Context, id redo.PageID) ([]byte, error) {
	b, err := p.page(ctx, id)
	if err == nil {
		if lsn := uint64(page.LSN(b)); lsn > p.seen.Load() {
			p.seen.Store(lsn)
		}
	}
	return b, err
}

// sawLSN returns the highest LSN that what was read so far relies on: that of the
// newest page on a way down a tree. It is at or below at. What the structure of a tree
// owes to a change is in the pages that the change touched.
func (p *pager) sawLSN() redo.LSN { return redo.LSN(p.seen.Load()) }

func (p *pager) page(ctx context.Context, id redo.PageID) ([]byte, error) {
	if b, ok := p.db.pool.At(id, p.at); ok {
		return b, nil
	}
	src := p.source()
	load := p.db.pool.AsOf(id, p.at, src.readPoint)
	if p.old {
		load = p.db.pool.Version(id, p.at)
	}
	b, err := load.Run(ctx, src.readPage)
	if errors.Is(err, logstore.ErrGone) {
		return nil, errors.Join(ErrSnapshotGone, err)
	}
	return b, err
}

// loadHead returns the newest version of a page, reading it if it is not cached.
func (db *DB) loadHead(ctx context.Context, src source, id redo.PageID) ([]byte, error) {
	return db.pool.LoadHead(ctx, id, src.readPoint, src.readPage)
}

// Prefetch implements btree.Prefetcher.
func (p *pager) Prefetch(ctx context.Context, ids []redo.PageID) error {
	missing := make([]redo.PageID, 0, len(ids))
	for _, id := range ids {
		if _, ok := p.db.pool.AtCold(id, p.at); !ok {
			missing = append(missing, id)
		}
	}
	if len(missing) < 2 || p.old {
		return nil // Page reads it; heads do not help an old snapshot
	}
	src := p.source()
	err := p.db.pool.LoadMany(ctx, missing, src.readPoint, src.readPages)
	if errors.Is(err, logstore.ErrGone) {
		return nil // the minimum read point overtook the read: Page tries again
	}
	return err
}
