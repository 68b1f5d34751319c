package engine

import (
	"log/slog"
	"time"

	"sextant/engine/replica"
)

// Options are the settings of a DB. The zero value of a field means its default.
type Options struct {
	Logger *slog.Logger // default: slog.Default
	// CacheBytes is the byte budget of the page cache; default 256 MiB, least 64 pages.
	CacheBytes int64
	// BudgetBytes bounds write sets, locks and sorts of the instance together;
	// default 512 MiB.
	BudgetBytes int64
	// MaxTransactionBytes bounds one write set, and twice as much the log records and
	// copies of pages of its commit; default 256 MiB.
	MaxTransactionBytes int64
	// MaxTransactionPages bounds the pages one commit touches; default a quarter of the cache.
	MaxTransactionPages int
	// MaxMTRRecords bounds the records of one commit; default 4<<20. Twice as many must fit below
	// the volume's LAL, or commits could wait for room for ever.
	MaxMTRRecords int
	// Clock returns the wall clock; default time.Now. Only commit times come from it.
	Clock func() time.Time
	// Retention is how far back snapshots stay readable; default 10 min, negative: no
	// longer than somebody reads them.
	Retention time.Duration
	// NoReaders says that no reader instance will ever follow this writer, so that the
	// minimum read point moves without DB.ReadersKnown.
	NoReaders bool
	// LockWait is the default lock wait timeout; default 50 s.
	LockWait time.Duration
	// Background are the background jobs' intervals.
	Background BackgroundOptions
}

// BackgroundOptions says how often background work runs; negative: never (tests call it).
type BackgroundOptions struct {
	Stats   time.Duration // flush of row counts; default 5 s
	Analyze time.Duration // statistics of tables that changed; default 10 s, never if Stats is negative
	Free    time.Duration // look for dropped trees; default 1 s, and at once after DROP
	Horizon time.Duration // minimum read point to storage; default 100 ms
}

// Source is what a reader is fed from.
type Source struct {
	Pages  replica.Pages
	Stream replica.Stream
	Log    replica.Log
}

// Limits of the engine. Caps that users can set are in Options.
const (
	turnCommitsMax      = 256     // commits applied in one turn
	turnBytesMax        = 8 << 20 // payload bytes after which a turn takes no further commit
	turnRecordsMax      = 100_000 // records, alike, and MaxMTRRecords
	recordBytes         = 160     // of a record without its payload, with the room that lists of records grow by
	cachePagesMin       = 64
	transactionPagesMin = 128 // floor of the default of MaxTransactionPages
	catalogsKept        = 64  // catalog snapshots of past versions kept in memory
	freeStepPages       = 256 // pages freed by one background commit
	bulkStepPages       = 128 // pages written by one commit of a bulk load
)
