package replica

import (
	"context"

	"sextant/internal/redo"
)

// Stream is the writer as a reader sees it. The instance's driver implements it.
type Stream interface {
	// Subscribe asks the writer for its durable log from applied on. epoch is the
	// epoch of the last answer, 0 for a new reader. Returns the context's error or
	// the driver's; the reader tries again with another writer.
	Subscribe(ctx context.Context, epoch redo.VolumeEpoch, applied redo.LSN) (Subscription, error)
}

// Subscription is one connection to a writer.
type Subscription interface {
	// Answer returns what the writer said when it accepted the subscription.
	Answer() Answer
	// Recv returns the next message; what it refers to belongs to the caller.
	// After an error the subscription is dead.
	Recv(ctx context.Context) (Message, error)
	// Promise tells the writer that no snapshot below readPoint will be read here.
	// It does not block for long; an error shows up in Recv.
	Promise(readPoint redo.LSN)
	Close() error
}

// Answer is the writer's answer to a subscription.
//
// Frames that follow hold every record above VDL, and may repeat records at or below it.
type Answer struct {
	Epoch redo.VolumeEpoch
	VDL   redo.LSN
	// Annulled is the whole truncation list of Epoch.
	Annulled redo.Ranges
	// PGLast is each group's last LSN at or below VDL; a group without records is absent.
	PGLast map[redo.PGID]redo.LSN
	// PagesPerGroup is the volume's geometry.
	PagesPerGroup uint64
}

// Message is one message of the stream: a frame, or a VDL.
type Message struct {
	Frame    []byte   // an encoded redo.Batch; nil in a VDL message
	VDL      redo.LSN // of a VDL message
	SentAt   int64    // µs since 1970 at the writer, of a VDL message
	Snapshot redo.LSN // newest end of turn <= VDL at the writer; VDL if it does not say
}

// Log reads durable records back from storage.
type Log interface {
	// Records returns the whole records in (after, through] of all groups, in LSN
	// order, without annulled ones. Returns logstore.ErrGone if some of them are
	// not retained any more, ErrTooLong if they take more than max
	// bytes of memory.
	Records(ctx context.Context, epoch redo.VolumeEpoch, after, through redo.LSN, max int) ([]redo.Record, error)
}

// Pages reads pages from storage without being the writer.
type Pages interface {
	// ReadPages returns the pages as of at. need is an LSN of their group that a
	// segment must be complete to: the group's last one at or below at, or any later
	// durable one. All ids are of one group. Errors are those of logstore.PageReader.
	ReadPages(ctx context.Context, epoch redo.VolumeEpoch, ids []redo.PageID, at, need redo.LSN) ([][]byte, error)
}
