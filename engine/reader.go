package engine

import (
	"context"

	"sextant/engine/replica"
	"sextant/internal/redo"
	"sextant/logstore"
)

// reader is what a DB has that follows a writer's stream.
type reader struct {
	*DB
	applier *replica.Applier
	cancel  context.CancelFunc
	ended   chan struct{}
}

func (r *reader) readPoint() redo.LSN { panic("engine: being written") }
func (r *reader) readPage(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	panic("engine: being written")
}
func (r *reader) readPages(ctx context.Context, ids []redo.PageID, at redo.LSN) ([][]byte, error) {
	panic("engine: being written")
}
func (r *reader) stop() {}

// OpenReader opens a reader and returns once it has subscribed and serves. It
// follows the stream, subscribing again when it breaks, until Close, Promote or
// the context's end before that.
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
