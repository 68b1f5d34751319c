// Package engine is the database below SQL: a catalog, tables and indexes as
// B+trees on pages, snapshots, write sets, row locks, and the commit pipeline, over
// a logstore.Volume on the writer and over package replica on readers.
//
// It decides what a transaction sees, what it may change, in which order commits
// happen and what is shown when. It leaves to others: SQL and MySQL's errors
// (server/gms), LSNs, durability and recovery (logstore), the bytes of rows, keys,
// pages and records (engine/row, internal/page, internal/redo), lock rules
// (engine/txn), trees (engine/btree), which version answers a read (engine/bufpool).
//
// Two ideas carry everything. A transaction is one mini-transaction of the log:
// its changes stay in a private write set until commit and are then applied to the
// newest pages in one step, so storage never holds an uncommitted change and a
// recovery has nothing to undo. A snapshot is an LSN: the pages as of it, schema
// included, are one consistent database.
//
// Start with DB, Session and Tx; the commit pipeline is writer.commit, and turn is
// what it applies.
//
// Sources: SIGMOD 2017 §4, SIGMOD 2018 §3.
package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sextant/engine/bufpool"
	"sextant/engine/replica"
	"sextant/engine/txn"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// PageSize is the bytes of a page.
const PageSize = page.Size

// Role is what an instance may do.
type Role uint8

// The roles.
const (
	RoleReader Role = iota
	RoleWriter
	RoleClosed
)

// DB is one instance's view of a volume: the writer's, or a reader's.
// It is safe for concurrent use.
type DB struct {
	opts   Options
	log    *slog.Logger
	pool   *bufpool.Pool
	budget *txn.Budget
	locks  *txn.Table

	snaps    bufpool.Snapshots
	catalogs catalogs
	system   system // set before the first state
	state    atomic.Pointer[state]
	change   sync.Mutex // held by changes of the role

	promises replica.Promises // of the readers, on a writer
	counters counters
	stats    statistics
	sessions sessions
	nextTemp atomic.Uint64 // last id of a temporary table
	begun    atomic.Uint64 // transactions
}

// state is the role and what belongs to it. Exactly one field is set unless closed.
type state struct {
	w *writer
	r *reader
}

func newDB(o Options) *DB {
	o = o.withDefaults()
	db := &DB{opts: o, log: o.Logger, budget: txn.NewBudget(o.BudgetBytes)}
	db.pool = bufpool.New(bufpool.Options{Bytes: o.CacheBytes, PageSize: page.Size})
	db.locks = txn.NewTable(db.budget)
	db.counters.byKey = map[counterID]*counter{}
	db.stats.byTable = map[TableID]*tableRows{}
	db.stats.changed = map[TableID]uint64{}
	db.stats.sizes = map[TableID]tableSize{}
	db.snaps.Reset(0)
	db.state.Store(&state{})
	return db
}

// writer returns the writer's part, or ErrNotWriter, ErrClosed.
func (db *DB) writer() (*writer, error) {
	switch s := db.state.Load(); {
	case s.w != nil:
		return s.w, nil
	case s.r != nil:
		return nil, ErrNotWriter
	}
	return nil, ErrClosed
}

// source returns where pages come from.
func (db *DB) source() source {
	switch s := db.state.Load(); {
	case s.w != nil:
		return s.w
	case s.r != nil:
		return s.r
	}
	return closedSource{}
}

// closedSource has no pages.
type closedSource struct{}

func (closedSource) readPoint() redo.LSN { return 0 }
func (closedSource) readPage(context.Context, redo.PageID, redo.LSN) ([]byte, error) {
	return nil, ErrClosed
}
func (closedSource) readPages(context.Context, []redo.PageID, redo.LSN) ([][]byte, error) {
	return nil, ErrClosed
}

// Role returns the current role.
func (db *DB) Role() Role {
	switch s := db.state.Load(); {
	case s.w != nil:
		return RoleWriter
	case s.r != nil:
		return RoleReader
	}
	return RoleClosed
}

// Epoch returns the volume epoch of the writer, or the one a reader follows.
func (db *DB) Epoch() redo.VolumeEpoch {
	switch s := db.state.Load(); {
	case s.w != nil:
		return s.w.vol.Epoch()
	case s.r != nil:
		return s.r.applier.Status().Epoch
	}
	return 0
}

// visible returns the LSN up to which published turns may be shown.
func (db *DB) visible() redo.LSN {
	if w := db.state.Load().w; w != nil {
		return w.vol.VDL()
	}
	return db.snaps.Newest()
}

// SnapshotLSN returns the newest snapshot that can be taken without waiting: on
// the writer the newest end of a turn at or below the VDL, on a reader the applied VDL.
func (db *DB) SnapshotLSN() redo.LSN { return db.snaps.Peek(db.visible()) }

// acquire takes the newest snapshot; snaps.release gives it back.
func (db *DB) acquire() redo.LSN { return db.snaps.Acquire(db.visible()) }

// published returns the newest published LSN.
func (db *DB) published() redo.LSN { return db.snaps.Newest() }

// settle returns nil once everything up to saw is durable and, on the writer, the
// epoch is confirmed. Returns ErrOutcomeUnknown or ErrClosed if that will not be
// known here any more, or the context's error.
//
// What a reader shows is durable as it is; only a change of role matters to it.
func (db *DB) settle(ctx context.Context, saw redo.LSN) error {
	s := db.state.Load()
	switch {
	case s.w != nil:
		return s.w.settle(ctx, saw)
	case s.r != nil && saw <= db.published():
		return nil
	case s.r != nil:
		return ErrOutcomeUnknown // it saw something as the writer that it was
	}
	return ErrClosed
}

// Close ends all transactions and background work. It does not close the volume.
func (db *DB) Close() error {
	db.change.Lock()
	defer db.change.Unlock()
	s := db.state.Swap(&state{})
	db.locks.Close(ErrClosed)
	switch {
	case s.w != nil:
		s.w.stop()
	case s.r != nil:
		s.r.stop()
	}
	return nil
}

// LogStatus is how far the writer's log is.
type LogStatus struct {
	Epoch   redo.VolumeEpoch
	Written redo.LSN // last LSN of the newest commit
	VDL     redo.LSN
	VCL     redo.LSN // the VDL, if the volume has no other
	Turns   uint64   // appended to the log since the instance is the writer
	Records uint64   // of them
}

// LogStatus returns it, zero on another role.
func (db *DB) LogStatus() LogStatus {
	w := db.state.Load().w
	if w == nil {
		return LogStatus{}
	}
	vdl := w.vol.VDL()
	out := LogStatus{Epoch: w.vol.Epoch(), Written: max(db.published(), vdl), VDL: vdl, VCL: vdl, Turns: w.turns.Load(), Records: w.records.Load()}
	if v, ok := w.vol.(interface{ VCL() redo.LSN }); ok {
		out.VCL = max(v.VCL(), vdl)
	}
	return out
}

// SetCacheBytes changes the budget of the page cache.
func (db *DB) SetCacheBytes(n int64) { db.pool.SetBytes(max(n, cachePagesMin*page.Size)) }

// TakeMemory takes n bytes of the budget of the instance's sessions for what a statement
// keeps outside the engine, and reports whether they were there (T-14).
func (db *DB) TakeMemory(n int64) bool { return db.budget.Take(n) }

// GiveMemory gives n bytes back.
func (db *DB) GiveMemory(n int64) { db.budget.Give(n) }

// MemoryUsed returns the bytes of the budget that are taken.
func (db *DB) MemoryUsed() int64 { return db.budget.Used() }

// CacheStats returns the page cache's counts.
func (db *DB) CacheStats() bufpool.Stats { return db.pool.Stats() }

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 256 << 20
	}
	o.CacheBytes = max(o.CacheBytes, cachePagesMin*page.Size)
	if o.BudgetBytes == 0 {
		o.BudgetBytes = 512 << 20
	}
	if o.MaxTransactionBytes == 0 {
		o.MaxTransactionBytes = 256 << 20
	}
	if o.MaxTransactionPages == 0 {
		o.MaxTransactionPages = max(int(o.CacheBytes/page.Size/4), transactionPagesMin)
	}
	if o.MaxMTRRecords == 0 {
		o.MaxMTRRecords = 4 << 20
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Retention = orDefault(o.Retention, 10*time.Minute)
	if o.Background.Analyze == 0 && o.Background.Stats < 0 {
		o.Background.Analyze = -1
	}
	o.Background.Analyze = orDefault(o.Background.Analyze, 10*time.Second)
	o.Background.Stats = orDefault(o.Background.Stats, 5*time.Second)
	o.Background.Free = orDefault(o.Background.Free, time.Second)
	o.Background.Horizon = orDefault(o.Background.Horizon, 100*time.Millisecond)
	return o
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(d, 0)
}
