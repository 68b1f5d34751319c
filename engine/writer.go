package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sextant/engine/btree"
	"sextant/internal/redo"
	"sextant/logstore"
)

// writer is what a DB has beyond a reader: the volume, the commit lock and what it guards.
type writer struct {
	*DB
	vol    logstore.Volume
	ctx    context.Context // ends with the role
	cancel context.CancelFunc
	queue  queue
	space  *space

	growing    atomic.Bool
	background sync.WaitGroup
	history    history       // of the horizon's goroutine
	freeNow    chan struct{} // a tree was dropped
	analyzeNow chan struct{} // a table was defined or filled anew
	intents    intents
	turns      atomic.Uint64 // appended to the log, since it is the writer
	records    atomic.Uint64 // of them

	// Guarded by the commit lock.
	lastEnd    redo.LSN // last LSN of the last mini-transaction
	lastWall   int64    // its wall time, µs
	lastSecond int64    // newest row of the seconds tree
	lastSpan   uint64   // highest span that a page was taken from
	tokens     tokenHand
}

// OpenWriter opens a volume for writing. On an empty volume it first writes the
// system pages, as the first mini-transaction. Returns ErrFormat, ErrCorrupt, an
// error of the volume or the context's.
func OpenWriter(ctx context.Context, vol logstore.Volume, o Options) (*DB, error) {
	db := newDB(o)
	if err := db.becomeWriter(ctx, vol); err != nil {
		return nil, err
	}
	return db, nil
}

// becomeWriter makes a DB without a role the writer of vol. The cache may hold pages
// as of the volume's VDL.
func (db *DB) becomeWriter(ctx context.Context, vol logstore.Volume) error {
	w := &writer{DB: db, vol: vol, space: newSpace(), freeNow: make(chan struct{}, 1),
		analyzeNow: make(chan struct{}, 1)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	db.promises.Reset(db.opts.NoReaders)
	vdl := vol.VDL()
	db.snaps.Reset(vdl)
	db.pool.SetDurable(vdl)
	w.lastEnd = vdl
	db.counters.reset()
	db.stats.reset()
	if err := w.load(ctx); err != nil {
		w.cancel()
		return fmt.Errorf("open volume at %d: %w", vdl, err)
	}
	db.state.Store(&state{w: w})
	w.start()
	return nil
}

// load reads what the writer keeps in memory, creating it on an empty volume.
func (db *writer) load(ctx context.Context) error {
	if db.vol.VDL() == 0 {
		if err := db.create(ctx); err != nil {
			return err
		}
	}
	at := db.snaps.AcquireNewest()
	defer db.snaps.Release(at)
	p := &pager{db: db.DB, src: db, at: at}
	meta, err := p.Page(ctx, metaPage)
	if err != nil {
		return err
	}
	s, err := decodeMeta(meta)
	if err != nil {
		return err
	}
	db.system = *s
	c, err := db.loadCatalog(ctx, p)
	if err != nil {
		return err
	}
	db.catalogs.reset(c)
	if db.lastSecond, err = s.lastSecond(ctx, p); err != nil {
		return err
	}
	// Every commit of a later second would have left a row, so the last wall time
	// given out lies within that second.
	db.lastWall = max(db.lastWall, (db.lastSecond+1)*1e6-1)
	if db.lastSpan, err = s.counter(ctx, p, []byte{counterSpan}); err != nil {
		return err
	}
	db.space.start(db.lastSpan)
	return nil
}

// create writes the first mini-transaction.
func (db *writer) create(ctx context.Context) error {
	db.catalogs.reset(emptyCatalog())
	if db.vol.PageLimit() < stockFill {
		if err := db.vol.Grow(ctx, stockFill); err != nil {
			return fmt.Errorf("grow the volume: %w", err)
		}
	}
	sp := &span{}
	db.space.spans[0] = sp
	db.space.limit = db.vol.PageLimit()
	// Nothing is in use but the meta page and the map page, which are never free.
	for id := redo.PageID(1); id <= min(db.space.limit, spanPages); id++ {
		if id != metaPage && id != mapPage(id) {
			sp.put(id)
		}
	}
	for _, id := range []redo.PageID{metaPage, mapPage(1)} {
		if _, err := db.loadHead(ctx, db, id); err != nil {
			return err
		}
	}
	_, err := db.commit(ctx, &commitRequest{apply: (*turn).bootstrap})
	return err
}

// readPoint implements source.
func (db *writer) readPoint() redo.LSN { return db.vol.VDL() }

// readPage implements source.
func (db *writer) readPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	return db.vol.ReadPage(ctx, id, at)
}

// readPages implements source.
func (db *writer) readPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error) {
	return db.vol.ReadPages(ctx, ids, at)
}

// settle is DB.settle on the writer.
func (db *writer) settle(ctx context.Context, saw redo.LSN) error {
	if db.vol.VDL() < saw {
		if err := db.vol.WaitVDL(ctx, saw); err != nil {
			return notKnown(err)
		}
	}
	if err := db.vol.WaitConfirmed(ctx); err != nil {
		return notKnown(err)
	}
	return nil
}

// notKnown turns the end of a volume into ErrOutcomeUnknown.
func notKnown(err error) error {
	if errors.Is(err, logstore.ErrFenced) || errors.Is(err, logstore.ErrClosed) {
		return errors.Join(ErrOutcomeUnknown, err)
	}
	return err
}

// fail ends the writer after something that cannot be.
func (db *writer) fail(err error) {
	db.log.Error("writer stops", "err", err)
	db.cancel()
}

// start begins the background work. Free pages are looked for at once, so that the
// first commits find them, and VolumeBytes a count.
func (db *writer) start() {
	db.background.Go(func() {
		if err := db.refill(db.ctx, stockFill); err != nil && db.ctx.Err() == nil && db.vol.Err() == nil {
			db.log.Warn("background work", "err", err)
		}
	})
	db.every(db.opts.Background.Horizon, nil, db.moveHorizon)
	db.every(db.opts.Background.Stats, nil, db.flushStats)
	db.every(db.opts.Background.Analyze, db.analyzeNow, db.analyzeTables)
	db.every(db.opts.Background.Free, db.freeNow, db.freeTrees)
}

// every calls f now and then, and when asked to, until the writer stops.
func (db *writer) every(d time.Duration, now <-chan struct{}, f func(context.Context) error) {
	if d <= 0 {
		return
	}
	db.background.Go(func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-db.ctx.Done():
				return
			case <-db.vol.Done():
				return
			case <-t.C:
			case <-now:
			}
			if err := f(db.ctx); err != nil && db.ctx.Err() == nil && db.vol.Err() == nil {
				db.log.Warn("background work", "err", err)
			}
		}
	})
}

// stop ends the writer's work: commits that wait get ErrOutcomeUnknown.
func (db *writer) stop() {
	db.cancel()
	db.stopTurns()
	db.background.Wait()
}

// history is the snapshots of the retention.
type history struct {
	seconds []pastSnapshot // one of each second
	past    redo.LSN       // newest snapshot older than the retention
}

type pastSnapshot struct {
	at  time.Time
	lsn redo.LSN
}

// HoldReadPoint registers the promise of reader id that it takes no snapshot below
// l, or renews it.
func (db *DB) HoldReadPoint(id string, l redo.LSN) { db.promises.Hold(id, l) }

// ReleaseReadPoint forgets a reader that has left for good.
func (db *DB) ReleaseReadPoint(id string) { db.promises.Release(id) }

// ReadersKnown says that every reader has registered with this writer, or is given
// up: until then the minimum read point does not move.
func (db *DB) ReadersKnown() { db.promises.Known() }

// moveHorizon tells the cache what is durable and the storage what nobody reads any more.
func (db *writer) moveHorizon(context.Context) error {
	vdl := db.vol.VDL()
	db.pool.SetDurable(vdl)
	oldest := db.promises.Oldest(db.snaps.Oldest(vdl))
	if r := db.opts.Retention; r > 0 {
		oldest = min(oldest, db.history.retained(db.opts.Clock(), r, db.snaps.Peek(vdl)))
	}
	if oldest > 0 {
		db.vol.SetMinReadPoint(oldest)
	}
	return nil
}

// retained returns the newest snapshot that is at least r old, 0 if that is not known.
func (h *history) retained(now time.Time, r time.Duration, snapshot redo.LSN) redo.LSN {
	if n := len(h.seconds); n == 0 || now.Sub(h.seconds[n-1].at) >= time.Second {
		h.seconds = append(h.seconds, pastSnapshot{now, snapshot})
	}
	for len(h.seconds) > 0 && now.Sub(h.seconds[0].at) >= r {
		h.past = h.seconds[0].lsn
		h.seconds = h.seconds[1:]
	}
	return h.past
}

// prepareSystem reads the system pages that a commit will need.
func (db *writer) prepareSystem(ctx context.Context, c *txCommit, p btree.Pager) error {
	now := db.opts.Clock().Unix()
	key := binary.BigEndian.AppendUint64(nil, uint64(now))
	if err := db.system.tree(treeSeconds).Prepare(ctx, p, key); err != nil {
		return err
	}
	for _, r := range c.raises {
		if err := db.system.tree(treeCounters).Prepare(ctx, p, r.key); err != nil {
			return err
		}
	}
	if c.token != nil {
		return db.system.tree(treeTokens).Prepare(ctx, p, tokenKey(c.token.Session))
	}
	return nil
}
