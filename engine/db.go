package engine

import (
	"context"

	"sextant/internal/redo"
	"sextant/logstore"
)

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
	opts Options
}

// OpenWriter opens a volume for writing. On an empty volume it first writes the
// system pages, as the first mini-transaction. Returns ErrFormat, ErrCorrupt, an
// error of the volume or the context's.
func OpenWriter(ctx context.Context, vol logstore.Volume, o Options) (*DB, error) {
	panic("engine: being written")
}

// OpenReader opens a reader and returns once it has subscribed and serves. It
// follows the stream, subscribing again when it breaks, until Close, Promote or
// the stream's refusal.
func OpenReader(ctx context.Context, src Source, o Options) (*DB, error) {
	panic("engine: being written")
}

// Promote makes an open reader the writer of vol, with its warm cache. list is the
// truncation list that the recovery adopted. Sessions and their read-only
// transactions go on. On an error the reader is closed.
func (db *DB) Promote(ctx context.Context, vol logstore.Volume, list redo.Ranges) error {
	panic("engine: being written")
}

// Demote makes a fenced or resigned writer a reader that follows src, in place.
// Transactions that wrote are rolled back, commits without an answer get
// ErrOutcomeUnknown, the page cache is dropped.
func (db *DB) Demote(ctx context.Context, src Source) error { panic("engine: being written") }

// Close ends all transactions and background work. It does not close the volume.
func (db *DB) Close() error { panic("engine: being written") }

// Role returns the current role.
func (db *DB) Role() Role { panic("engine: being written") }

// SnapshotLSN returns the newest snapshot that can be taken without waiting: on
// the writer the newest end of a turn at or below the VDL, on a reader the applied VDL.
func (db *DB) SnapshotLSN() redo.LSN { panic("engine: being written") }

// CatalogAt returns the schema as of lsn, which must be a snapshot; 0: the newest.
func (db *DB) CatalogAt(ctx context.Context, lsn redo.LSN) (*Catalog, error) {
	panic("engine: being written")
}

// LSNAt returns the newest snapshot whose commits all happened before or at the
// wall time t (µs since 1970 UTC). Returns ErrSnapshotGone if t is older than what is known.
func (db *DB) LSNAt(ctx context.Context, t int64) (redo.LSN, error) { panic("engine: being written") }

// ReserveAutoIncrement returns the first of n consecutive values of the table's
// counter that nobody else gets. Gaps are allowed, reuse is not (T-22).
func (db *DB) ReserveAutoIncrement(ctx context.Context, t *TableDef, n uint64) (uint64, error) {
	panic("engine: being written")
}

// PeekAutoIncrement returns the next value that Reserve would give.
func (db *DB) PeekAutoIncrement(ctx context.Context, t *TableDef) (uint64, error) {
	panic("engine: being written")
}

// RaiseAutoIncrement makes the counter at least v+1: v was inserted explicitly.
func (db *DB) RaiseAutoIncrement(ctx context.Context, t *TableDef, v uint64) error {
	panic("engine: being written")
}

// SetAutoIncrement sets the counter's next value to v, also downwards but never
// to or below a value that a committed row has: the caller looked. It is DDL.
func (tx *Tx) SetAutoIncrement(ctx context.Context, t *TableDef, v uint64) error {
	panic("engine: being written")
}

// TableStats is an estimate of a table's size. It is never exact (T-25).
type TableStats struct {
	Rows      uint64
	DataBytes uint64 // clustered index, pages × page size
	IndexSize uint64 // secondary indexes, the same
}

// TableStats returns the estimate for a table.
func (db *DB) TableStats(ctx context.Context, t *TableDef) (TableStats, error) {
	panic("engine: being written")
}

// Token names one commit of one command of one session (the router counts alike).
type Token struct {
	Session uint64 // attach number
	Command uint32 // ordinal of the command in the session
	Ordinal uint32 // ordinal of the commit in the command
}

// Outcome is what the client would have been told.
type Outcome struct {
	LSN          redo.LSN // commit LSN, filled in by the engine
	AffectedRows uint64
	InsertID     uint64
	Warnings     uint16
}

// TokenState is what is known of a token.
type TokenState uint8

// The states of a token.
const (
	TokenUnknown      TokenState = iota // forgotten: nothing can be said
	TokenNotCommitted                   // it did not commit and never will
	TokenCommitted                      // it committed with the outcome returned
)

// LookupToken says what became of a commit. The session must have ended.
func (db *DB) LookupToken(ctx context.Context, t Token) (TokenState, Outcome, error) {
	panic("engine: being written")
}

// CommitInfo is what a commit returns.
type CommitInfo struct {
	LSN redo.LSN // commit LSN; 0 if the transaction wrote nothing
}
