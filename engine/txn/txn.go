// Package txn decides who may do what to which key, and holds what a transaction
// has written until it commits.
//
// Table is the lock table: for every index an ordered set of keys with point locks,
// intervals ("gaps", or records and gaps), and the queue of those who wait. It holds
// keys that are in no tree yet: a key written by an open transaction is a lock, and
// scans see it. Metadata locks, LOCK TABLES and GET_LOCK are locks in spaces of
// their own, so that there is one graph of who waits for whom; a cycle is found in the
// moment it closes. WriteSet is the transaction's changes, keyed by (table, primary
// key), each row with a chain of versions by sequence.
//
// Deciding and waiting are apart: Owner.Request never blocks, it grants, refuses or
// queues; Owner.Acquire waits for what Request queued. Locks never escalate: adjacent
// next-key locks of one owner become one interval, and above the budget the requester
// fails with ErrLocksFull.
//
// The package knows nothing of pages, rows' bytes or SQL. Start with Owner.
//
// Not done: a lock that is granted to many owners at once is a list, searched from its
// front; priorities among waiters (the queue of a key is first come, first served,
// except that an owner who holds a lock on the key passes those who do not).
package txn

import "errors"

// Errors of waiting for a lock, matched with errors.Is. A wait may also end with
// the context's error.
var (
	// ErrLockWait is returned when the timeout passed (MySQL 1205). The statement fails.
	ErrLockWait = errors.New("txn: lock wait timeout exceeded")
	// ErrDeadlock is returned to the owner that was chosen as a deadlock's victim
	// (MySQL 1213). It must release all its locks: the transaction is rolled back.
	ErrDeadlock = errors.New("txn: deadlock found when trying to get lock")
	// ErrNoWait is returned at once when a lock is not free and the policy is not to
	// wait (MySQL 3572, or the key is skipped).
	ErrNoWait = errors.New("txn: lock is not free and NOWAIT is set")
	// ErrLocksFull is returned when the budget has no room for another lock (MySQL 1206).
	ErrLocksFull = errors.New("txn: the number of locks exceeds the memory budget")
	// ErrClosed is returned to all who wait when the table is closed.
	ErrClosed = errors.New("txn: lock table closed")
	// ErrMemory is returned when the budget has no room for a row (MySQL 1038 or the like).
	ErrMemory = errors.New("txn: memory budget exceeded")
	// ErrTooLarge is returned when the write set would pass its own limit (MySQL 1197).
	ErrTooLarge = errors.New("txn: transaction is larger than its limit")
)

// Seq numbers the writes of one transaction, from 1; 0 means before all of them.
type Seq uint64

// SpaceKind says what the keys of a space are.
type SpaceKind uint8

// The kinds of space.
const (
	SpaceIndex SpaceKind = iota // keys of an index's tree
	SpaceMeta                   // names of tables and other objects
	SpaceUser                   // names of GET_LOCK
)

// Space names a set of keys that are ordered among themselves and locked apart
// from all others.
type Space struct {
	Kind  SpaceKind
	Index uint32 // SpaceIndex: of the index in its table, 0 the clustered one
	Table uint64 // SpaceIndex: of the table
}

// Mode is a lock's mode.
type Mode uint8

// The modes. Shared and Exclusive are for keys of an index; the others are for metadata.
const (
	Shared        Mode = iota // read for others to read
	Exclusive                 // write
	MetaRead                  // a statement reads the table
	MetaWrite                 // a statement writes the table or reads it with locks
	MetaNoWrite               // LOCK TABLES … READ; building an index
	MetaExclusive             // DDL; LOCK TABLES … WRITE; GET_LOCK
	modes
)

// modeSet is a set of modes.
type modeSet uint8

const (
	rowModes  modeSet = 1<<Shared | 1<<Exclusive
	metaModes modeSet = 1<<MetaRead | 1<<MetaWrite | 1<<MetaNoWrite | 1<<MetaExclusive
)

// conflicts holds, for each mode, the modes of another owner that exclude it.
var conflicts = [modes]modeSet{
	Shared:        1 << Exclusive,
	Exclusive:     rowModes,
	MetaRead:      1 << MetaExclusive,
	MetaWrite:     1<<MetaNoWrite | 1<<MetaExclusive,
	MetaNoWrite:   1<<MetaWrite | 1<<MetaExclusive,
	MetaExclusive: metaModes,
}

// covered holds, for each mode, the held modes that make asking for it needless.
var covered = [modes]modeSet{
	Shared:        rowModes,
	Exclusive:     1 << Exclusive,
	MetaRead:      metaModes,
	MetaWrite:     1<<MetaWrite | 1<<MetaExclusive,
	MetaNoWrite:   1<<MetaNoWrite | 1<<MetaExclusive,
	MetaExclusive: 1 << MetaExclusive,
}

func (m Mode) top() bool { return m == Exclusive || m == MetaExclusive }

var modeNames = [modes]string{"S", "X", "META_READ", "META_WRITE", "META_NO_WRITE", "META_EXCLUSIVE"}

// String returns the mode's short name.
func (m Mode) String() string { return modeNames[m] }
