package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/internal/redo"
)

// Isolation is a transaction's isolation level. READ UNCOMMITTED is ReadCommitted.
type Isolation uint8

// The isolation levels.
const (
	RepeatableRead Isolation = iota
	ReadCommitted
	Serializable
)

// TxOptions say what a transaction is.
type TxOptions struct {
	Isolation Isolation
	ReadOnly  bool
	// ConsistentSnapshot takes the snapshot at Begin, not at the first plain read (T-8).
	ConsistentSnapshot bool
	// AsOf is a fixed snapshot for all plain reads; 0: none. It implies ReadOnly.
	AsOf redo.LSN
	// Strict makes a write to a row that changed since the snapshot fail with
	// ErrStrictSnapshot (T-13).
	Strict bool
}

// metaTimeoutDefault is MySQL's default of lock_wait_timeout.
const metaTimeoutDefault = 365 * 24 * time.Hour

// Session is one client's session. It keeps sawLSN, the highest LSN that anything
// shown in it relied on. Its methods are for one goroutine at a time.
type Session struct {
	db    *DB
	id    uint64
	owner *txn.Owner
	saw   redo.LSN
	tx    *Tx // nil: none is open
	// listed is tx for monitors, which read only what Begin set.
	listed atomic.Pointer[Tx]
	temps  temporaries
	// progress is of the bulk work that runs.
	progress progress

	rowTimeout  time.Duration
	metaTimeout time.Duration
}

// NewSession returns a session; id is what locks are listed under. It must be closed.
func (db *DB) NewSession(id uint64) *Session {
	s := &Session{db: db, id: id, owner: db.locks.NewOwner(id), rowTimeout: db.opts.LockWait,
		metaTimeout: metaTimeoutDefault}
	db.sessions.add(s)
	return s
}

// SetTimeouts sets how long a wait for a row lock and for a metadata lock may take.
func (s *Session) SetTimeouts(rows, metadata time.Duration) {
	s.rowTimeout, s.metaTimeout = rows, metadata
}

// Saw says that what the session will show relies on lsn.
func (s *Session) Saw(lsn redo.LSN) { s.saw = max(s.saw, lsn) }

// Settle returns nil once everything the session saw is durable and, on the writer,
// the epoch is confirmed: call it before any byte of a statement's answer is sent.
// Returns ErrOutcomeUnknown or ErrClosed if that will not be known here, or the context's error.
func (s *Session) Settle(ctx context.Context) error { return s.db.settle(ctx, s.saw) }

// Close rolls back what is open and releases the session's locks.
func (s *Session) Close() {
	if s.tx != nil {
		s.tx.Rollback()
	}
	s.owner.Close()
	s.temps.dropAll()
	s.db.sessions.remove(s)
}

// Tx is a transaction. Its methods are for one goroutine at a time.
//
// Plain reads see one snapshot (of the transaction, or of the statement under READ
// COMMITTED) with the transaction's own writes over it. Locking reads and writes
// see the newest committed rows. What is written stays in the write set until
// Commit.
type Tx struct {
	db *DB
	s  *Session
	id uint64
	// modified counts the rows written, for monitors; what a savepoint took back included.
	modified atomic.Uint64
	o        TxOptions
	start    time.Time
	done     bool
	role     *writer // that it first wrote or locked under; nil: it did neither

	writes *txn.WriteSet
	ddl    *txDDL    // nil: none
	pins   []readPin // of PinReads, the innermost last
	pinned int       // PinReads so far

	snapshot redo.LSN // of plain reads, held readable; 0: not taken
	pages    *pager   // as of snapshot
	cat      *Catalog // as of snapshot

	uses    []use
	usesBuf [2]use // of uses, for small transactions
	lastUse int    // the table used last, an ordinal in uses

	cursors []*Cursor // open ones

	token   *Token
	outcome Outcome

	key, key2 []byte // scratch of writes
}

// Begin starts a transaction. A session has at most one: another that is open is an
// error of the caller's.
func (s *Session) Begin(ctx context.Context, o TxOptions) (*Tx, error) {
	if s.tx != nil {
		return nil, fmt.Errorf("engine: session %d has a transaction", s.id)
	}
	o.ReadOnly = o.ReadOnly || o.AsOf != 0
	tx := &Tx{db: s.db, s: s, id: s.db.begun.Add(1), o: o, start: s.db.opts.Clock()}
	tx.writes = txn.NewWriteSet(s.db.budget, s.db.opts.MaxTransactionBytes)
	tx.uses = tx.usesBuf[:0]
	s.tx = tx
	s.listed.Store(tx)
	if o.ConsistentSnapshot || o.AsOf != 0 {
		if _, err := tx.view(ctx); err != nil {
			tx.Rollback()
			return nil, err
		}
	}
	return tx, nil
}

// StatementStart begins a statement: READ COMMITTED takes its new snapshot, with
// the statement's first plain read.
func (tx *Tx) StatementStart(context.Context) error {
	if tx.done {
		return ErrTxDone
	}
	if tx.o.Isolation == ReadCommitted && tx.o.AsOf == 0 {
		tx.dropSnapshot()
	}
	return nil
}

// view returns the pages that plain reads see, taking the snapshot if there is none.
// It is never below what the session saw (T-8).
func (tx *Tx) view(ctx context.Context) (*pager, error) {
	if tx.snapshot != 0 {
		return tx.pages, nil
	}
	at := tx.o.AsOf
	if at != 0 {
		tx.db.snaps.Hold(at)
	} else {
		at = tx.db.acquire()
		if at < tx.s.saw {
			// What it saw may lie within a turn: snapshots are ends of turns.
			tx.db.snaps.Release(at)
			tx.s.Saw(tx.db.published())
			if err := tx.s.Settle(ctx); err != nil {
				return nil, err
			}
			at = tx.db.acquire()
		}
	}
	cat, err := tx.db.CatalogAt(ctx, at)
	if err == nil && at < tx.s.saw && tx.o.AsOf == 0 {
		err = fmt.Errorf("%w: session saw %d, snapshot is %d", ErrClosed, tx.s.saw, at)
	}
	if err != nil {
		tx.db.snaps.Release(at)
		return nil, err
	}
	tx.snapshot, tx.cat, tx.pages = at, cat, tx.db.pagerAt(at)
	tx.pages.old = tx.o.AsOf != 0
	tx.s.Saw(at)
	return tx.pages, nil
}

func (tx *Tx) dropSnapshot() {
	if tx.snapshot != 0 {
		tx.db.snaps.Release(tx.snapshot)
		tx.snapshot, tx.pages, tx.cat = 0, nil, nil
	}
}

// Snapshot returns the LSN of the plain reads' snapshot, 0 if none is taken.
func (tx *Tx) Snapshot() redo.LSN { return tx.snapshot }

// Seq is a position in a transaction's own writes.
type Seq uint64

// now is a sequence above all writes.
const now = ^txn.Seq(0)

// readSeq returns the sequence that a scan opened now reads the own writes at.
func (tx *Tx) readSeq() txn.Seq {
	if n := len(tx.pins); n > 0 {
		return tx.pins[n-1].seq
	}
	return tx.writes.Seq()
}

// PinReads makes the scans opened from now on see the transaction's writes up to
// the current sequence only, until the returned function is called (T-5). Pins nest;
// they may be undone in any order, and twice.
func (tx *Tx) PinReads() (unpin func()) {
	p := readPin{seq: tx.writes.Seq(), id: tx.pinned}
	tx.pinned++
	tx.pins = append(tx.pins, p)
	tx.writes.Pin(p.seq)
	return func() {
		if i := slices.Index(tx.pins, p); i >= 0 {
			tx.pins = slices.Delete(tx.pins, i, i+1)
			tx.writes.Unpin(p.seq)
		}
	}
}

// readPin is one PinReads that was not undone.
type readPin struct {
	seq txn.Seq
	id  int
}

// Savepoint returns the current sequence. It can be rolled back to until Release.
func (tx *Tx) Savepoint() Seq {
	seq := tx.writes.Seq()
	tx.writes.Pin(seq)
	return Seq(seq)
}

// Release says that a savepoint will not be rolled back to any more. Forgetting it costs
// memory until the end of the transaction: a version of each row written since.
func (tx *Tx) Release(s Seq) { tx.writes.Unpin(txn.Seq(s)) }

// RollbackTo takes back everything that was written after s, with the locks of
// the keys that only those writes made (T-21). s stays.
func (tx *Tx) RollbackTo(s Seq) {
	if tx.done {
		return
	}
	tx.writes.RollbackTo(txn.Seq(s))
	tx.s.owner.ReleaseAfter(txn.Seq(s))
}

// SetToken gives the commit a token and the outcome to keep under it.
func (tx *Tx) SetToken(t Token, o Outcome) { tx.token, tx.outcome = &t, o }

// Commit makes the transaction durable and returns when it is. Once LSNs were given
// out it returns only nil or ErrOutcomeUnknown, whatever happens to ctx. Other
// errors mean that nothing was committed and the transaction has been rolled back:
// *TransactionTooLargeError, ErrMemory, ErrDefinitionChanged, the context's error.
func (tx *Tx) Commit(ctx context.Context) (CommitInfo, error) {
	if tx.done {
		return CommitInfo{}, ErrTxDone
	}
	defer tx.end()
	if tx.writes.Len() == 0 && (tx.ddl == nil || tx.ddl.empty()) {
		return CommitInfo{}, nil
	}
	if tx.role != nil {
		if err := tx.begin(true); err != nil {
			return CommitInfo{}, err
		}
	}
	versions := make(map[TableID]uint64, len(tx.uses))
	for _, u := range tx.uses {
		if u.b == bindWrite {
			versions[u.t.ID] = u.t.Version
		}
	}
	info, err := tx.db.commitTx(ctx, &txCommit{
		writes: tx.writes, ddl: tx.ddl, versions: versions, token: tx.token, outcome: tx.outcome,
		temporary: tx.s.temps.byID, role: tx.role,
		numbered: func(redo.LSN) { tx.s.owner.Release() },
	})
	tx.s.Saw(info.LSN)
	return info, err
}

// Rollback ends the transaction without a trace. It may be called in any state.
func (tx *Tx) Rollback() {
	if tx.done {
		return
	}
	if tx.ddl != nil {
		tx.ddl.discard()
	}
	tx.end()
}

// end gives back what the transaction holds.
func (tx *Tx) end() {
	tx.done, tx.pins = true, nil
	for len(tx.cursors) > 0 {
		tx.cursors[len(tx.cursors)-1].Close()
	}
	tx.s.owner.Release()
	tx.writes.Close()
	tx.dropSnapshot()
	tx.s.tx = nil
	tx.s.listed.Store(nil)
}

// fail turns an error of locks and budgets into the engine's. The victim of a
// deadlock is rolled back here: others wait for its locks.
func (tx *Tx) fail(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, txn.ErrDeadlock):
		tx.Rollback()
	case errors.Is(err, txn.ErrMemory):
		return fmt.Errorf("%w: write set", ErrMemory)
	case errors.Is(err, txn.ErrTooLarge):
		return &TransactionTooLargeError{Cap: "max_transaction_bytes", Limit: tx.db.opts.MaxTransactionBytes}
	}
	return err
}

// indexSpace is the lock space of an index; 0 is the clustered one's.
func indexSpace(t *TableDef, ix *IndexDef) txn.Space {
	if ix == nil || ix == t.Primary {
		return txn.Space{Table: uint64(t.ID)}
	}
	return txn.Space{Table: uint64(t.ID), Index: uint32(ix.ID)}
}

// policy returns how long a wait for a row lock may take.
func (tx *Tx) policy() txn.Policy { return txn.Policy{Timeout: tx.s.rowTimeout} }

// newestRow returns the newest state of the row of pk for this transaction: its own
// image, or the newest committed row. own tells which. It is nil if there is no row.
func (tx *Tx) newestRow(ctx context.Context, t *TableDef, p *pager, pk []byte) (r row.Row, own bool, err error) {
	if img, found := tx.writes.Get(uint64(t.ID), pk, now); found {
		return img, true, nil
	}
	r, err = t.committedRow(ctx, t.pager(p), pk)
	return r, false, err
}

// committedRow returns the row of pk in the pages p, nil if there is none.
func (t *TableDef) committedRow(ctx context.Context, p btree.Pager, pk []byte) (row.Row, error) {
	stored, found, err := t.Primary.tree().Get(ctx, p, pk)
	if err != nil || !found {
		return nil, err
	}
	return t.Upgrade(stored)
}
