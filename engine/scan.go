package engine

import (
	"context"

	"sextant/engine/row"
)

// Lock is what a scan does to the rows it returns.
type Lock uint8

// The lock modes of a scan.
const (
	LockNone Lock = iota // plain read of the snapshot
	LockShared
	LockExclusive
)

// WaitMode is what a scan does at a lock it cannot have.
type WaitMode uint8

// The wait modes.
const (
	Wait WaitMode = iota
	NoWait
	SkipLocked
)

// Range is the keys from Lo to Hi; nil: no bound.
type Range struct {
	Lo, Hi         []byte
	LoOpen, HiOpen bool // the bound itself is not in the range
}

// ScanOptions say what a scan reads.
type ScanOptions struct {
	Index   *IndexDef // nil: the primary
	Ranges  []Range   // in order of the index, not overlapping; nil: everything
	Reverse bool
	Lock    Lock
	Wait    WaitMode
	// Filter is asked before a row is returned, and with locking scans before it is
	// locked where the isolation level allows (T-11).
	Filter func(row.Row) (bool, error)
	// ReadNow reads the newest committed rows and all own writes: foreign key and
	// unique checks.
	ReadNow bool
	// Covering lets the scan return rows in which only the columns of the index and
	// of the primary key are set.
	Covering bool
}

// Scan returns a cursor over the rows of an index. Errors as Insert.
func (tx *Tx) Scan(ctx context.Context, t *TableDef, o ScanOptions) (*Cursor, error) {
	panic("engine: being written")
}

// Get returns the row whose key in ix (the primary if nil, or a unique index) is key.
func (tx *Tx) Get(ctx context.Context, t *TableDef, ix *IndexDef, key []byte) (row.Row, bool, error) {
	panic("engine: being written")
}

// Cursor returns the rows of a scan.
type Cursor struct{}

// Next returns the next row, which stays valid until the next call, or io.EOF.
func (c *Cursor) Next(ctx context.Context) (row.Row, error) { panic("engine: being written") }

// Close releases what the cursor holds.
func (c *Cursor) Close() { panic("engine: being written") }
