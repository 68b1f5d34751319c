// Package logstore defines what the storage service offers to the layer above it:
// an open volume for its writer, a readable volume for readers, and the errors
// that cross the wire. Only types and interfaces live here; package client
// implements Volume over six nodes, memvolume in memory for tests.
//
// Sources: SIGMOD 2017 §3–4, SIGMOD 2018 §2–3.
package logstore

import (
	"context"
	"errors"

	"sextant/internal/redo"
)

// Errors of a volume. They are matched with errors.Is.
var (
	// ErrFenced is returned when storage has stored a higher volume epoch: this
	// process is not the writer any more and must stop serving.
	ErrFenced = errors.New("logstore: fenced by a newer volume epoch")
	// ErrNoRoom is returned by Append when the LAL or the byte budget does not
	// allow the turn. Nothing was numbered; wait with WaitRoom and try again.
	ErrNoRoom = errors.New("logstore: no room in the log window")
	// ErrGone is returned when a page is asked for below the minimum read point.
	ErrGone = errors.New("logstore: read point is below the minimum read point")
	// ErrUnavailable is returned when no segment could answer in time.
	ErrUnavailable = errors.New("logstore: no segment could answer")
	// ErrTooLong is returned when a read of the log would return more than the caller takes.
	ErrTooLong = errors.New("logstore: more log than asked for")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("logstore: closed")
)

// PageReader reads pages at a log position.
type PageReader interface {
	// ReadPage returns the page as of at, in memory that the caller may keep but
	// not change. A page that no record up to at touched is returned as an
	// all-zero page. at must be a CPL at or below the VDL, or an LSN that VDL
	// will not pass by a torn MTR (any CPL). Returns ErrGone, ErrUnavailable, ErrFenced,
	// ErrClosed, or the context's error.
	ReadPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error)
	// ReadPages is ReadPage for several pages, one request per group.
	ReadPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error)
}

// Volume is a volume that is open for writing at one volume epoch.
//
// Only one goroutine at a time may call Next and Append (the holder of the
// engine's commit lock); everything else is safe for concurrent use.
type Volume interface {
	PageReader

	// Epoch returns the volume epoch this volume was opened at.
	Epoch() redo.VolumeEpoch
	// Next returns the LSN that the first record of the next Append gets.
	Next() redo.LSN
	// Append gives the records of the turn their final LSNs (Next, Next+1, …),
	// links and CPL marks, in place, and hands them to the shipper. It does no
	// I/O wait. Wall and Flags of each MTR's last record are the caller's.
	// Returns ErrNoRoom (nothing done), ErrFenced, ErrClosed; of the latter two a part of
	// the turn may have been numbered, and shipped, before: Next says so.
	Append(turn []redo.MTR) error
	// WaitRoom returns when a turn of that many records and payload bytes would
	// find room, or with ErrFenced, ErrClosed or the context's error.
	WaitRoom(ctx context.Context, records, bytes int) error

	// VDL returns the volume durable LSN.
	VDL() redo.LSN
	// WaitVDL returns nil once VDL >= l; ErrFenced or ErrClosed if that will not
	// be known here any more; or the context's error.
	WaitVDL(ctx context.Context, l redo.LSN) error

	// WaitConfirmed returns nil once a write quorum of one group is known to have
	// confirmed the epoch by an answer to a request that was sent after
	// now - read_lease (CLOCK_BOOTTIME). The common case returns at once.
	// Returns ErrFenced, ErrClosed, or the context's error.
	WaitConfirmed(ctx context.Context) error

	// SetMinReadPoint says that no read below l will come from this instance or a
	// registered reader. It never goes back.
	SetMinReadPoint(l redo.LSN)

	// PageLimit returns the highest page id that exists in created groups. Pages
	// above it must not be written; groups are created ahead of need.
	PageLimit() redo.PageID
	// Grow asks for groups so that PageLimit >= upTo and returns when they exist.
	Grow(ctx context.Context, upTo redo.PageID) error

	// Done is closed when the volume is fenced or closed; Err says why, nil before.
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Tap receives what a writer ships, for its readers. Both methods are called in
// order, the frames of a record before the first VDL that covers it, and must not block.
type Tap interface {
	// Frame is called with the bytes of each batch (redo.Batch) before it is sent,
	// and with the batch's last LSN. Nobody changes b afterwards: it may be kept.
	Frame(b []byte, last redo.LSN)
	// VDL is called when the VDL has moved.
	VDL(vdl redo.LSN)
}
