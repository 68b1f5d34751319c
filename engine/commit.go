package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sextant/engine/btree"
	"sextant/internal/redo"
	"sextant/logstore"
)

// commitRequest is one mini-transaction to be: a SQL transaction's, or one of the
// engine's own.
type commitRequest struct {
	// prepare reads every page that apply will certainly need, without the commit
	// lock; nil: nothing to read.
	prepare func(ctx context.Context, p *pager) error
	// apply makes the changes. It runs with the commit lock held, perhaps several
	// times, and must not wait: btree.ErrMiss and errNoPages from t go through.
	apply func(t *turn) error
	// numbered is called once LSNs were given out, without the commit lock, before
	// the commit is durable: row locks are released there. Nil: nothing.
	numbered func(lsn redo.LSN)

	pinned []redo.PageID
	done   chan verdict
}

// CommitInfo is what a commit returns.
type CommitInfo struct {
	LSN redo.LSN // commit LSN; 0 if nothing was written
}

// verdict is what the leader of a turn tells the others.
type verdict struct {
	lsn, end redo.LSN // commit LSN, end of the turn; 0: nothing was changed
	err      error
	missed   []redo.PageID // with btree.ErrMiss
	pages    int           // with errNoPages: pages that the attempt had taken
	lead     bool          // not a verdict: the receiver leads the next turn
}

// queue is the commits that wait for the commit lock. Who leads holds the lock.
type queue struct {
	mu      sync.Mutex
	waiting []*commitRequest
	led     bool
	stopped bool          // no further turns
	idle    chan struct{} // closed when stopped and nobody leads
}

// commitRetriesMax bounds the attempts of one commit. Each attempt pins what the
// one before missed, so a commit needs as many as its tree paths change under it.
const commitRetriesMax = 1000

// commit makes the request one mini-transaction and returns when it is durable.
// Returns ErrOutcomeUnknown if LSNs were given out and the volume ended before the
// VDL reached them; otherwise an error means that nothing was committed.
//
// Source: SIGMOD 2017 §4.2.2. The steps are numbered as in ARCHITECTURE.md.
func (db *writer) commit(ctx context.Context, q *commitRequest) (CommitInfo, error) {
	v, err := db.apply(ctx, q) // 1-3
	if err != nil || v.lsn == 0 {
		return CommitInfo{}, err
	}
	if q.numbered != nil {
		q.numbered(v.lsn) // 4
	}
	// 5. From here on neither a KILL nor a timeout may turn the commit into an
	// error, so ctx does not count.
	if err := db.vol.WaitVDL(db.ctx, v.end); err != nil { // 6
		return CommitInfo{}, errors.Join(ErrOutcomeUnknown, err)
	}
	return CommitInfo{LSN: v.lsn}, nil
}

// apply gets the request into a turn, reading what it needs until it goes through.
func (db *writer) apply(ctx context.Context, q *commitRequest) (verdict, error) {
	q.done = make(chan verdict, 1)
	defer db.unpin(q)
	for range commitRetriesMax {
		if err := db.prefault(ctx, q); err != nil {
			return verdict{}, err
		}
		v, err := db.enqueue(ctx, q)
		if err != nil {
			return verdict{}, err
		}
		switch {
		case errors.Is(v.err, btree.ErrMiss):
			if err := db.fetch(ctx, q, v.missed); err != nil {
				return verdict{}, err
			}
		case errors.Is(v.err, errNoPages):
			if err := db.refill(ctx, 2*v.pages+stockFill); err != nil {
				return verdict{}, err
			}
		default:
			return v, v.err
		}
	}
	return verdict{}, fmt.Errorf("engine: commit found its pages missing %d times", commitRetriesMax)
}

// prefault reads and reserves what the commit will need (step 1).
func (db *writer) prefault(ctx context.Context, q *commitRequest) error {
	if db.space.room() < stockLow {
		if err := db.refill(ctx, stockFill); err != nil {
			return err
		}
	}
	if q.prepare == nil {
		return nil
	}
	p, _, done := db.newest()
	defer done()
	return q.prepare(ctx, p)
}

// fetch reads and pins the pages that an attempt missed.
func (db *writer) fetch(ctx context.Context, q *commitRequest, missed []redo.PageID) error {
	for _, id := range missed {
		db.pool.Pin(id)
		q.pinned = append(q.pinned, id)
		if _, err := db.loadHead(ctx, db, id); err != nil {
			return err
		}
	}
	return nil
}

func (db *writer) unpin(q *commitRequest) {
	for _, id := range q.pinned {
		db.pool.Unpin(id)
	}
	q.pinned = nil
}

// enqueue waits for a turn that takes the request, or leads one.
func (db *writer) enqueue(ctx context.Context, q *commitRequest) (verdict, error) {
	db.queue.mu.Lock()
	if db.queue.stopped {
		db.queue.mu.Unlock()
		return verdict{}, ErrClosed
	}
	db.queue.waiting = append(db.queue.waiting, q)
	lead := !db.queue.led
	db.queue.led = true
	db.queue.mu.Unlock()
	if lead {
		db.lead()
	}
	for {
		select {
		case v := <-q.done:
			if !v.lead {
				return v, nil
			}
			db.lead()
		case <-ctx.Done():
			if db.withdraw(q) {
				return verdict{}, ctx.Err()
			}
			ctx = context.Background() // a turn has it: its verdict comes
		}
	}
}

// withdraw takes a request that no turn has taken yet back. A leader's is taken.
func (db *writer) withdraw(q *commitRequest) bool {
	db.queue.mu.Lock()
	defer db.queue.mu.Unlock()
	for i, w := range db.queue.waiting {
		if w == q {
			select {
			case v := <-q.done: // told to lead, which somebody must do
				q.done <- v
				return false
			default:
			}
			db.queue.waiting = append(db.queue.waiting[:i:i], db.queue.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// lead runs one turn with what waits, and hands the commit lock on.
func (db *writer) lead() {
	db.queue.mu.Lock()
	n := min(len(db.queue.waiting), turnCommitsMax)
	batch := db.queue.waiting[:n:n]
	db.queue.waiting = db.queue.waiting[n:]
	stopped := db.queue.stopped
	db.queue.mu.Unlock()

	verdicts := make([]verdict, len(batch))
	if stopped {
		for i := range verdicts {
			verdicts[i].err = ErrClosed
		}
	} else {
		verdicts = db.run(batch)
	}
	for i, v := range verdicts {
		batch[i].done <- v
	}

	db.queue.mu.Lock()
	defer db.queue.mu.Unlock()
	if rest := batch[len(verdicts):]; len(rest) > 0 { // the turn was full
		db.queue.waiting = append(rest, db.queue.waiting...)
	}
	if len(db.queue.waiting) == 0 {
		db.queue.waiting, db.queue.led = nil, false
		if db.queue.idle != nil {
			close(db.queue.idle)
			db.queue.idle = nil
		}
		return
	}
	db.queue.waiting[0].done <- verdict{lead: true}
}

// stopTurns returns when no turn runs and none will: what waits gets ErrClosed.
// After it nothing is published any more, so that the cache may change hands.
func (db *writer) stopTurns() {
	db.queue.mu.Lock()
	db.queue.stopped = true
	if !db.queue.led {
		db.queue.mu.Unlock()
		return
	}
	if db.queue.idle == nil {
		db.queue.idle = make(chan struct{})
	}
	idle := db.queue.idle
	db.queue.mu.Unlock()
	<-idle
}

// run applies the batch as one turn (steps 2 and 3). A commit that cannot be
// applied now (a page is missing) or at all leaves the turn, which starts again
// without it, since its changes are in copies that others share. It returns the
// verdicts of as many commits as fitted into the turn.
func (db *writer) run(batch []*commitRequest) []verdict {
	verdicts := make([]verdict, len(batch))
	out := make([]bool, len(batch))
	for {
		t := db.newTurn()
		n, bad := t.applyAll(batch, out, verdicts)
		if bad < 0 {
			verdicts = verdicts[:n]
			db.append(t, verdicts, out)
			return verdicts
		}
		out[bad] = true
		t.abandon()
	}
}

// applyAll applies the commits that are not out, until the turn is full. It returns
// how many of the batch were looked at, and the ordinal of one that failed, its
// verdict set, or -1.
func (t *turn) applyAll(batch []*commitRequest, out []bool, verdicts []verdict) (n, bad int) {
	for i, q := range batch {
		if out[i] {
			continue
		}
		if t.bytes > turnBytesMax || t.next-t.first > redo.LSN(min(turnRecordsMax, t.db.opts.MaxMTRRecords)) {
			return i, -1
		}
		t.begin()
		err := q.apply(t)
		var lsn redo.LSN
		if err == nil {
			lsn, err = t.end()
		}
		if err != nil {
			verdicts[i] = verdict{err: err, pages: len(t.taken)}
			if errors.Is(err, btree.ErrMiss) {
				verdicts[i].missed = append([]redo.PageID(nil), t.missed...)
			}
			return i, i
		}
		verdicts[i] = verdict{lsn: lsn}
	}
	return len(batch), -1
}

// append hands the turn to the volume, waiting for room in the log window if need
// be, and publishes it. While it waits nobody else could append either.
func (db *writer) append(t *turn, verdicts []verdict, out []bool) {
	err := db.appendTurn(t)
	for i := range verdicts {
		switch {
		case out[i] || verdicts[i].lsn == 0:
		case err != nil:
			verdicts[i] = verdict{err: err}
		default:
			verdicts[i].end = t.next - 1
		}
	}
}

func (db *writer) appendTurn(t *turn) error {
	if len(t.mtrs) == 0 {
		t.abandon()
		return nil
	}
	for {
		err := db.vol.Append(t.mtrs)
		switch {
		case err == nil:
			if err := t.check(); err != nil {
				db.fail(err)
				return errors.Join(ErrOutcomeUnknown, err)
			}
			db.turns.Add(1)
			db.records.Add(uint64(t.next - t.first))
			t.publish()
			return nil
		case db.vol.Next() != t.first: // the volume ended amid the turn, of which a part may become durable
			db.fail(err)
			return errors.Join(ErrOutcomeUnknown, err)
		case !errors.Is(err, logstore.ErrNoRoom):
			t.abandon()
			return errors.Join(ErrClosed, err)
		}
		if err := db.vol.WaitRoom(db.ctx, int(t.next-t.first), t.bytes); err != nil {
			t.abandon()
			return errors.Join(ErrClosed, err)
		}
	}
}
