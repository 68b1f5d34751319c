package engine

import (
	"context"

	"sextant/engine/row"
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

// Session is one client's session. It keeps sawLSN, the highest LSN that anything
// shown in it relied on. Its methods are for one goroutine at a time.
type Session struct{}

// NewSession returns a session; id is what locks are listed under.
func (db *DB) NewSession(id uint64) *Session { panic("engine: being written") }

// Saw says that what the session will show relies on lsn.
func (s *Session) Saw(lsn redo.LSN) { panic("engine: being written") }

// Settle returns nil once everything the session saw is durable and, on the writer,
// the epoch is confirmed: call it before any byte of a statement's answer is sent.
// Returns ErrOutcomeUnknown or ErrClosed if that will not be known here, or the context's error.
func (s *Session) Settle(ctx context.Context) error { panic("engine: being written") }

// Close rolls back what is open and releases the session's locks.
func (s *Session) Close() { panic("engine: being written") }

// Begin starts a transaction. A session has at most one.
func (s *Session) Begin(ctx context.Context, o TxOptions) (*Tx, error) {
	panic("engine: being written")
}

// Tx is a transaction. Its methods are for one goroutine at a time.
type Tx struct{}

// StatementStart begins a statement: READ COMMITTED takes its new snapshot.
func (tx *Tx) StatementStart(ctx context.Context) error { panic("engine: being written") }

// Seq is a position in a transaction's own writes.
type Seq uint64

// PinReads makes the scans opened from now on see the transaction's writes up to
// the current sequence only, until the returned function is called (T-5).
func (tx *Tx) PinReads() (unpin func()) { panic("engine: being written") }

// Savepoint returns the current sequence.
func (tx *Tx) Savepoint() Seq { panic("engine: being written") }

// RollbackTo takes back everything that was written after s.
func (tx *Tx) RollbackTo(s Seq) { panic("engine: being written") }

// Commit makes the transaction durable and returns when it is. Once LSNs were given
// out it returns only nil or ErrOutcomeUnknown, whatever happens to ctx. Other
// errors mean that nothing was committed and the transaction has been rolled back:
// *TransactionTooLargeError, ErrMemory, ErrDefinitionChanged, the context's error.
func (tx *Tx) Commit(ctx context.Context) (CommitInfo, error) { panic("engine: being written") }

// Rollback ends the transaction without a trace. It may be called in any state.
func (tx *Tx) Rollback() { panic("engine: being written") }

// SetToken gives the commit a token and the outcome to keep under it.
func (tx *Tx) SetToken(t Token, o Outcome) { panic("engine: being written") }

// Catalog returns the schema that the next statement binds to: for a plain read the
// snapshot's, for DML and locking reads the newest (see NewestCatalog); with the
// transaction's own DDL in it.
func (tx *Tx) Catalog(ctx context.Context) (*Catalog, error) { panic("engine: being written") }

// NewestCatalog returns the newest committed schema with the transaction's own DDL in it (T-6).
func (tx *Tx) NewestCatalog() *Catalog { panic("engine: being written") }

// LockTable takes the metadata lock that a use of a table needs, until the end of
// the transaction, and returns the table's newest definition (T-6).
func (tx *Tx) LockTable(ctx context.Context, database, name string, write bool) (*TableDef, error) {
	panic("engine: being written")
}

// Insert adds a row. Returns *DuplicateError, txn's lock errors, ErrMemory,
// *TransactionTooLargeError, ErrDefinitionChanged, ErrNotWriter, ErrReadOnlyTx, ErrTxDone.
func (tx *Tx) Insert(ctx context.Context, t *TableDef, r row.Row) error {
	panic("engine: being written")
}

// Update replaces the row old, as a locking scan returned it, by r. Errors as Insert.
func (tx *Tx) Update(ctx context.Context, t *TableDef, old, r row.Row) error {
	panic("engine: being written")
}

// Delete deletes the row old, as a locking scan returned it. Errors as Insert.
func (tx *Tx) Delete(ctx context.Context, t *TableDef, old row.Row) error {
	panic("engine: being written")
}
