package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sextant/engine/replica"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// Waits of a reader between two attempts to subscribe.
const (
	subscribeWaitMin = 20 * time.Millisecond
	subscribeWaitMax = time.Second
)

// reader is what a DB has that follows a writer's stream: the driver round an
// Applier, which decides.
type reader struct {
	*DB
	src     Source
	applier *replica.Applier
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	// vol is set while the reader is promoted: pages come from it.
	vol atomic.Pointer[logstore.Volume]

	loaded  bool    // the system trees are known; of the applying goroutine
	decoded decoded // of the newest catalog; of the applying goroutine
	serving chan struct{}
}

// OpenReader opens a reader and returns once it has subscribed and serves. It
// follows the stream, subscribing again when it breaks, until Close or Promote.
// Returns the context's error, joined with the last failure to subscribe.
func OpenReader(ctx context.Context, src Source, o Options) (*DB, error) {
	db := newDB(o)
	if err := db.becomeReader(ctx, src); err != nil {
		return nil, err
	}
	return db, nil
}

// becomeReader makes a DB without a role a reader, with an empty cache.
func (db *DB) becomeReader(ctx context.Context, src Source) error {
	r := &reader{DB: db, src: src, serving: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.applier = replica.NewApplier(db.pool, r, src.Log)
	var last atomic.Pointer[error]
	r.running.Go(func() { r.run(&last) })
	select {
	case <-r.serving:
		db.locks.Open() // GET_LOCK works on readers too
		db.state.Store(&state{r: r})
		return nil
	case <-ctx.Done():
		r.stop()
		err := ctx.Err()
		if e := last.Load(); e != nil {
			err = errors.Join(err, *e)
		}
		return fmt.Errorf("open reader: %w", err)
	}
}

// run follows the stream until the reader stops.
func (r *reader) run(last *atomic.Pointer[error]) {
	wait := subscribeWaitMin
	for {
		started := time.Now()
		err := r.follow()
		if r.ctx.Err() != nil {
			return
		}
		last.Store(&err)
		r.log.Info("redo stream ended", "applied", r.applier.Status().Applied, "err", err)
		if time.Since(started) > subscribeWaitMax {
			wait = subscribeWaitMin
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, subscribeWaitMax)
		case <-r.ctx.Done():
			return
		}
	}
}

// follow takes one subscription to its end, which is always an error.
func (r *reader) follow() error {
	st := r.applier.Status()
	sub, err := r.src.Stream.Subscribe(r.ctx, st.Epoch, st.Applied)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer func() {
		if err := sub.Close(); err != nil {
			r.log.Debug("close subscription", "err", err)
		}
	}()
	sub.Promise(r.oldest())
	if err := r.applier.Accept(r.ctx, sub.Answer()); err != nil {
		return fmt.Errorf("accept subscription: %w", err)
	}
	promised := time.Now()
	for {
		m, err := sub.Recv(r.ctx)
		if err != nil {
			return err
		}
		if m.Frame != nil {
			err = r.applier.Frame(m.Frame)
		} else {
			err = r.applier.VDL(r.ctx, m.VDL, m.SentAt)
		}
		if err != nil {
			return err
		}
		if d := r.opts.Background.Horizon; time.Since(promised) >= d {
			promised = time.Now()
			sub.Promise(r.oldest())
		}
	}
}

func (r *reader) oldest() redo.LSN { return r.snaps.Oldest(r.published()) }

// stop ends the stream.
func (r *reader) stop() {
	r.cancel()
	r.running.Wait()
}

// Live implements replica.Host.
func (r *reader) Live() []redo.LSN { return r.snaps.Readable(r.published()) }

// Applied implements replica.Host.
func (r *reader) Applied(ctx context.Context, vdl redo.LSN, catalog bool) error {
	if vdl == 0 {
		return nil // an empty volume: nothing to serve yet
	}
	p := &pager{db: r.DB, src: r, at: vdl}
	if !r.loaded {
		meta, err := p.Page(ctx, metaPage)
		if err != nil {
			return err
		}
		if page.KindOf(meta) == page.KindNone {
			return fmt.Errorf("%w: no meta page at %d", ErrCorrupt, vdl)
		}
		s, err := decodeMeta(meta)
		if err != nil {
			return err
		}
		r.system = *s
	}
	if catalog || !r.loaded {
		c, entries, err := r.loadCatalogAfter(ctx, p, r.decoded)
		if err != nil {
			return err
		}
		r.decoded = entries
		if head := r.catalogs.newest(); r.loaded && head != nil && head.from < c.from {
			r.catalogs.add(c)
		} else {
			r.catalogs.reset(c)
		}
	}
	r.snaps.Reset(vdl)
	if !r.loaded {
		r.loaded = true
		close(r.serving)
	}
	return nil
}

// readPoint implements source. Loads that were begun before a promotion go on after it:
// at the VDL that the reader was promoted at they would miss what the writer has published
// since and the cache has evicted.
func (r *reader) readPoint() redo.LSN {
	if v := r.vol.Load(); v != nil {
		return (*v).VDL()
	}
	return r.applier.ReadPoint()
}

// readPage implements source.
func (r *reader) readPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	pages, err := r.readPages(ctx, []redo.PageID{id}, at)
	if err != nil {
		return nil, err
	}
	return pages[0], nil
}

// readPages implements source, with one request for each group.
func (r *reader) readPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error) {
	if v := r.vol.Load(); v != nil {
		return (*v).ReadPages(ctx, ids, at)
	}
	out := make([][]byte, len(ids))
	groups := map[redo.PGID][]int{}
	for i, id := range ids {
		pg := r.applier.Group(id)
		groups[pg] = append(groups[pg], i)
	}
	for _, at2 := range groups {
		if err := r.readGroup(ctx, ids, at2, at, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readGroup reads the pages of one group, whose places in ids are given, into out.
func (r *reader) readGroup(ctx context.Context, ids []redo.PageID, places []int, at redo.LSN, out [][]byte) error {
	epoch, need, ok := r.applier.Need(ids[places[0]], at)
	if !ok {
		return fmt.Errorf("%w: %d was annulled", ErrSnapshotGone, at)
	}
	want := make([]redo.PageID, len(places))
	for i, k := range places {
		want[i] = ids[k]
	}
	pages, err := r.src.Pages.ReadPages(ctx, epoch, want, at, need)
	if err != nil {
		return err
	}
	if len(pages) != len(want) {
		return fmt.Errorf("read %d pages at %d: got %d", len(want), at, len(pages))
	}
	for i, k := range places {
		out[k] = pages[i]
	}
	return nil
}

// Promote makes an open reader the writer of vol, with its warm cache. list is the
// truncation list that the recovery adopted: what it annuls leaves the cache, and
// everything in (applied, recovered VDL] is applied before the writer opens.
// Sessions and their snapshots go on. On an error the DB is closed.
func (db *DB) Promote(ctx context.Context, vol logstore.Volume, list redo.Ranges) error {
	db.change.Lock()
	defer db.change.Unlock()
	r := db.state.Load().r
	if r == nil {
		return fmt.Errorf("promote: %w", ErrClosed)
	}
	r.stop()
	r.vol.Store(&vol)
	err := r.applier.Promote(ctx, vol.Epoch(), vol.VDL(), list)
	if err == nil {
		db.locks.Open()
		err = db.becomeWriter(ctx, vol)
	}
	if err != nil {
		db.state.Store(&state{})
		return fmt.Errorf("promote: %w", err)
	}
	return nil
}

// Demote makes a fenced or resigned writer a reader that follows src, in place.
// Waits for locks end with ErrClosed, commits without an answer with
// ErrOutcomeUnknown, transactions that wrote fail at commit with ErrNotWriter; the
// page cache is dropped. It returns once the reader serves, or with the context's
// error, the DB then being closed.
func (db *DB) Demote(ctx context.Context, src Source) error {
	db.change.Lock()
	defer db.change.Unlock()
	w := db.state.Load().w
	if w == nil {
		return fmt.Errorf("demote: %w", ErrClosed)
	}
	db.state.Store(&state{})
	w.stop()
	db.locks.Close(ErrClosed)
	db.pool.Reset()
	db.counters.reset()
	db.stats.reset()
	return db.becomeReader(ctx, src)
}

// ReaderStatus is how far a reader is.
type ReaderStatus struct {
	Epoch     redo.VolumeEpoch
	Applied   redo.LSN
	Resets    uint64 // times the cache was dropped for a gap
	LagMicros int64  // now minus the writer's send time of the newest VDL applied
	LagKnown  bool
}

// ReaderStatus returns it, zero on another role.
func (db *DB) ReaderStatus() ReaderStatus {
	r := db.state.Load().r
	if r == nil {
		return ReaderStatus{}
	}
	s := r.applier.Status()
	out := ReaderStatus{Epoch: s.Epoch, Applied: s.Applied, Resets: s.Resets}
	if s.SentAt > 0 {
		out.LagMicros, out.LagKnown = max(db.opts.Clock().UnixMicro()-s.SentAt, 0), true
	}
	return out
}
