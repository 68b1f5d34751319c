package engine

import (
	"errors"
	"fmt"

	"sextant/engine/row"
)

// Errors of the engine, matched with errors.Is. Errors of waiting for locks are
// package txn's: ErrLockWait, ErrDeadlock, ErrNoWait.
var (
	// ErrOutcomeUnknown is returned by Commit when LSNs were given out and this
	// process will not learn whether they became durable: close the connection.
	ErrOutcomeUnknown = errors.New("engine: the outcome of the commit is not known here")
	// ErrNotWriter is returned by a write on an instance that is a reader.
	ErrNotWriter = errors.New("engine: this instance is a reader")
	// ErrReadOnlyTx is returned by a write in a read-only transaction.
	ErrReadOnlyTx = errors.New("engine: read-only transaction")
	// ErrTxDone is returned by a use of a transaction that was committed or rolled back.
	ErrTxDone = errors.New("engine: transaction has ended")
	// ErrClosed is returned after Close, and by everything that a change of role cut off.
	ErrClosed = errors.New("engine: closed")
	// ErrExists is returned by DDL that would make a second thing of one name.
	ErrExists = errors.New("engine: exists already")
	// ErrNotFound is returned by DDL and DML on something that is not there.
	ErrNotFound = errors.New("engine: not found")
	// ErrCounterUsedUp is returned for a counter with no value left.
	ErrCounterUsedUp = errors.New("engine: the counter has no value left")
	// ErrDefinitionChanged is returned when the table's definition is not the one
	// that the statement was planned with (plan again), or not the one of the
	// transaction's snapshot (MySQL 1412).
	ErrDefinitionChanged = errors.New("engine: table definition has changed")
	// ErrMemory is returned when the instance's budget for write sets, locks and
	// sorts is used up.
	ErrMemory = errors.New("engine: memory budget exceeded")
	// ErrSnapshotGone is returned when a snapshot is older than what is retained.
	ErrSnapshotGone = errors.New("engine: snapshot too old")
	// ErrKeyTooLong is returned by DDL and DML whose key exceeds row.KeyMax (MySQL 1071).
	ErrKeyTooLong = row.ErrKeyTooLong
	// ErrFormat is returned by OpenWriter and OpenReader for a volume whose format
	// this program does not know.
	ErrFormat = errors.New("engine: unknown volume format")
	// ErrCorrupt is returned when system pages contradict each other.
	ErrCorrupt = errors.New("engine: corrupt system pages")
	// ErrStrictSnapshot is returned under TxOptions.Strict by a write to a row that
	// changed since the snapshot (MySQL 1213).
	ErrStrictSnapshot = errors.New("engine: row changed since the snapshot")
)

// TransactionTooLargeError says which cap a transaction went over (MySQL 1197).
type TransactionTooLargeError struct {
	Cap   string // the configuration key, such as "max_transaction_bytes"
	Limit int64
}

func (e *TransactionTooLargeError) Error() string {
	return fmt.Sprintf("engine: transaction exceeds %s (%d)", e.Cap, e.Limit)
}

// DuplicateError is returned by Insert and Update when a unique key is taken.
// Existing is the row that has it, locked (shared, or exclusive if the insert
// asked for it) and newest (T-20); it may be used until the next call on the transaction.
type DuplicateError struct {
	Table    *TableDef
	Index    *IndexDef
	Existing row.Row
	Key      []byte // of the columns of a secondary index: of a multi-valued one the entry that is taken
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("engine: duplicate entry for key %s.%s", e.Table.Name, e.Index.Name)
}
