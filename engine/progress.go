package engine

import (
	"context"
	"sync/atomic"
)

// progress is how far a session's bulk work is. It may be read by others meanwhile.
type progress struct {
	running     atomic.Bool
	done, total atomic.Uint64
}

// Progress returns how many rows the session's CREATE INDEX or rewriting ALTER has read
// and an estimate of how many there are; false if none runs. It may be called at any time.
func (s *Session) Progress() (done, total uint64, running bool) {
	p := &s.progress
	if !p.running.Load() {
		return 0, 0, false
	}
	done = p.done.Load()
	return done, max(done, p.total.Load()), true
}

// begin starts bulk work on the rows of t.
func (p *progress) begin(ctx context.Context, db *DB, t *TableDef) {
	pages, _, done := db.newest()
	defer done()
	rows, err := db.rowCount(ctx, pages, t)
	if err != nil {
		rows = 0 // monitors then see what is done, as the total
	}
	p.done.Store(0)
	p.total.Store(rows)
	p.running.Store(true)
}

func (p *progress) end() { p.running.Store(false) }
