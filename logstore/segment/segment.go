// Package segment is a storage node's side of the log: one state machine for all
// segments of one volume on one node.
//
// It decides what is stored and in which order, what is refused, how far each
// segment is (tail, SCL), which records a truncation list hides, what gossip asks
// for and offers, what is drained from memory to the node's store, which pages
// are due for an image, which versions are garbage, and whether a page can be
// read. It touches no disk, socket or clock: its driver (package node) appends and
// syncs frames, keeps older data in a Store, sends messages and calls Tick.
// Start with Host.
//
// The rules that keep data, each with a script in testdata:
//   - Fence and answer are one step: what a fence's answer says includes every
//     frame before it, and nothing older is stored after it.
//   - The epoch is judged when a frame is put in order for the hot log, not when
//     its message arrives: fences go ahead of the batches that wait.
//   - A node works at the epoch of its list. To anything stamped with a higher one
//     it answers Behind and stores nothing.
//   - Lists are replaced, never merged. Hidden records are kept until the list's
//     own epoch has opened.
//   - Nothing is drained, put into an image or collected above the segment's hint.
//
// A segment that is damaged, or was away for longer than its peers keep their log, is
// filled again from a peer (see repair).
//
// Not done: full and tail segments (SIGMOD 2018 §4.2).
//
// Sources: SIGMOD 2017 §3.3, §4.2; SIGMOD 2018 §2.3–2.4, §3.4.
package segment

import (
	"sextant/internal/redo"
	"sextant/logstore"
)

// FrameKind says what a frame of the hot log is. The numbers are part of the
// stored format and never reused.
type FrameKind uint8

// The kinds of frames.
const (
	FrameSnapshot FrameKind = 1 // Host.Snapshot: the first frame of every file
	FrameFence    FrameKind = 2
	FrameList     FrameKind = 3
	FrameBatch    FrameKind = 4 // the bytes of a redo.Batch as they arrived
	FrameFill     FrameKind = 5 // records filled by gossip, as a redo.Batch
	FrameCreate   FrameKind = 6
	FrameEmpty    FrameKind = 7  // nothing; an idle node appends it so that the last real frame is covered
	FrameCopied   FrameKind = 8  // the Store holds a whole copy of a damaged segment
	FrameAgain    FrameKind = 9  // records in memory once more, as a redo.Batch: see Host.Rewrite
	FrameDropped  FrameKind = 10 // the node is no member of the group any more: Dropped
)

// Frame is one entry of the hot log.
type Frame struct {
	Kind FrameKind
	// Body is what Replay must be given back.
	Body []byte
	// Index counts the frames of this volume since the Host was made, replayed ones
	// included. The driver keeps which file holds which index: see Host.OldestFrame.
	Index uint64
}

// Options are the fixed properties of a Host.
type Options struct {
	Node     logstore.NodeID
	Store    logstore.StoreID
	Volume   redo.VolumeID
	Timeline redo.TimelineID

	ImageRecords int // an image is due after that many records of a page; 0: 64
	ImageBytes   int // or that many payload bytes; 0: 16 KiB

	Apply     Apply // builds the pages of a copy
	CopyPages int   // in one answer to a CopySegment; 0: logstore.CopyPagesMax
	// DrainBytes of memory are about what one DrainPlan frees, unless its first page has more;
	// 0: all that can leave memory is in one.
	DrainBytes int64
}

// Input is a message that has arrived, Ready's counterpart.
type Input = logstore.Envelope

// Ready is what the driver must do now.
type Ready struct {
	// Persist: append these frames in this order and sync, then call Persisted.
	// Ready returns no further frames before that.
	Persist []Frame
	// Send: these may go out at once; none of them depends on Persist.
	Send []logstore.Envelope
	// Serve: answers that need the Store. Run each, on any goroutine.
	Serve []Serve
	// Install: put these pages into the Store, durably, then call Installed. It may
	// take as long as it takes, but no drain or collection of the segment meanwhile.
	Install []Install
}

// Install is a part of a segment's copy for the Store.
type Install struct {
	PG     redo.PGID
	Number uint64 // of this Host's Installs; they must be done in this order
	// Begin: delete everything of the segment first, and note that log through Gone is
	// not here.
	Begin bool
	Gone  redo.LSN
	Pages []logstore.PageImage // ascending; older versions of a page cannot be read
}

// Serve is an answer that needs data from the Store. Run reads it and returns the
// message to send to Peer, with ID. It does not touch the Host.
type Serve struct {
	Peer logstore.NodeID
	ID   uint64
	PG   redo.PGID
	Run  func(Store) (logstore.Message, error)
}

// Store is what a driver keeps of records that have left memory.
//
// All methods return an error only for damage or failed I/O; the driver calls
// Host.Quarantine then.
type Store interface {
	// Page returns the newest image of the page at or below at (nil if there is
	// none), its LSN, and the stored records of the page in (image LSN, at], in LSN
	// order. All of it is from one state of the store.
	Page(pg redo.PGID, page redo.PageID, at redo.LSN) (image []byte, lsn redo.LSN, records []redo.Record, err error)
	// Records returns the first of the stored records of pg with an LSN in r, in LSN order:
	// not more than bytesMax payload bytes, but at least one if there is one. Whether there are
	// further ones shows when they are asked for. gone reports that some records in r may have
	// been collected as garbage.
	Records(pg redo.PGID, r redo.Range, bytesMax int) (records []redo.Record, gone bool, err error)
	// Pages returns the ids of the pages above after that have anything at or below at,
	// ascending, at most limit. Those of which it was collected are among them, so that a copy
	// that is as of at does not leave them out; Page fails for them.
	Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) ([]redo.PageID, error)
}

// Apply changes the page p by r, or fails: page.Apply.
type Apply func(p []byte, r *redo.Record) error

// DrainPlan is what leaves memory for the Store: the records of one segment at or
// below its hint.
type DrainPlan struct {
	PG redo.PGID
	// Pages are ascending by page. Their records are in LSN order and were not
	// drained by this Host before; the Store may hold them from before a restart
	// (same page, same LSN: the same record).
	Pages []DrainPage
	// Through is the segment's hint: no record above it is in Pages.
	Through redo.LSN
	// ImageThrough is the LSN to which an image may be built now: the segment has no
	// hole at or below it, and no recovery can annul it.
	ImageThrough redo.LSN
	// Bytes is the payload bytes in Pages.
	Bytes int64
	// Next is the page that the next part begins with; 0: this is the last one.
	Next redo.PageID

	from   redo.PageID
	before uint64 // index of the first frame that it does not include
}

// DrainPage is one page's part of a DrainPlan. Records may be empty: the page has
// only become ready for an image.
type DrainPage struct {
	Page    redo.PageID
	Records []redo.Record
}

// GarbagePlan says what a Store may delete of one segment.
type GarbagePlan struct {
	PG redo.PGID
	// ReadFloor: no read below it will come. Of each page the newest image at or
	// below it, and everything newer, is kept.
	ReadFloor redo.LSN
	// LogFloor: no member lacks a record at or below it. A record may be deleted if
	// an image that is kept covers it and it is at or below LogFloor.
	LogFloor redo.LSN
}
