package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Load writes pairs of rows, one to each of two tables in one transaction, and
// remembers which commits were acknowledged. Check then says whether all of those
// are there and no half of a pair is.
type Load struct {
	db      *sql.DB
	stop    context.CancelFunc
	wg      sync.WaitGroup
	acked   atomic.Int64
	lastAck atomic.Int64 // unix nanoseconds

	mu     sync.Mutex
	ids    map[int64]bool
	errors []error
	gap    time.Duration // longest time between two acknowledgements since ResetGap
}

const errorsKept = 100

// StartLoad makes the tables in a database of its own and starts workers that
// write until Stop. A worker that gets an error goes on with the next pair.
func StartLoad(ctx context.Context, c *Cluster, database string, workers int) (*Load, error) {
	root, err := c.DB(PortCluster, "")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, q := range []string{
		"CREATE DATABASE IF NOT EXISTS " + database,
		"CREATE TABLE IF NOT EXISTS " + database + ".a (id BIGINT PRIMARY KEY, worker INT NOT NULL, note VARCHAR(100), KEY (worker))",
		"CREATE TABLE IF NOT EXISTS " + database + ".b (id BIGINT PRIMARY KEY, other BIGINT NOT NULL, UNIQUE KEY (other))",
	} {
		if _, err := root.ExecContext(ctx, q); err != nil {
			return nil, fmt.Errorf("%s: %w", q, err)
		}
	}
	db, err := c.DB(PortCluster, database)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(workers)
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{db: db, stop: stop, ids: map[int64]bool{}}
	l.lastAck.Store(time.Now().UnixNano())
	first := time.Now().UnixMicro()
	for w := range workers {
		l.wg.Go(func() { l.work(ctx, w, first) })
	}
	return l, nil
}

func (l *Load) work(ctx context.Context, worker int, first int64) {
	for n := int64(0); ctx.Err() == nil; n++ {
		id := (first+n)*64 + int64(worker)
		err := l.pair(ctx, worker, id)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			l.mu.Lock()
			if len(l.errors) < errorsKept {
				l.errors = append(l.errors, err)
			}
			l.mu.Unlock()
			select { // a client that retries, not one that spins
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		l.ack(id)
	}
}

func (l *Load) ack(id int64) {
	now := time.Now().UnixNano()
	before := l.lastAck.Swap(now)
	l.acked.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[id] = true
	l.gap = max(l.gap, time.Duration(now-before))
}

func (l *Load) pair(ctx context.Context, worker int, id int64) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT INTO a VALUES (?, ?, ?)", id, worker, fmt.Sprintf("pair %d of worker %d", id, worker)); err != nil {
		return fmt.Errorf("insert a: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO b VALUES (?, ?)", id, -id); err != nil {
		return fmt.Errorf("insert b: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Acked returns how many pairs were acknowledged.
func (l *Load) Acked() int64 { return l.acked.Load() }

// AwaitAcks returns when n more pairs have been acknowledged than at the call.
func (l *Load) AwaitAcks(ctx context.Context, n int64) error {
	want := l.Acked() + n
	for l.Acked() < want {
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d more commits were acknowledged: %w; errors: %v", n-(want-l.Acked()), n, ctx.Err(), l.Errors())
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// Errors returns the first errors since the last call.
func (l *Load) Errors() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.errors
	l.errors = nil
	return out
}

// ResetGap starts to measure the longest time between two acknowledgements anew
// and returns the last measurement.
func (l *Load) ResetGap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gap
	l.gap = 0
	return g
}

// Stop ends the workers.
func (l *Load) Stop() {
	l.stop()
	l.wg.Wait()
	l.db.Close()
}

// Check reads both tables through a pool and returns an error that says which
// acknowledged pairs are missing and which pairs are halves. The load may go on: what
// counts is what was acknowledged before the call.
func (l *Load) Check(ctx context.Context, db *sql.DB) error {
	l.mu.Lock()
	acked := maps.Clone(l.ids)
	l.mu.Unlock()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	a, err := ids(ctx, tx, "SELECT id FROM a")
	if err != nil {
		return err
	}
	b, err := ids(ctx, tx, "SELECT id FROM b")
	if err != nil {
		return err
	}
	byIndex, err := ids(ctx, tx, "SELECT id FROM a FORCE INDEX (worker) WHERE worker >= 0")
	if err != nil {
		return err
	}
	lost, half := 0, 0
	for id := range acked {
		if !a[id] || !b[id] {
			lost++
		}
	}
	for id := range a {
		if !b[id] || !byIndex[id] {
			half++
		}
	}
	for id := range b {
		if !a[id] {
			half++
		}
	}
	if lost+half > 0 || len(byIndex) != len(a) {
		return fmt.Errorf("%d acknowledged pairs: %d lost; %d rows in a, %d by its index, %d in b: %d halves", len(acked), lost, len(a), len(byIndex), len(b), half)
	}
	return nil
}

func ids(ctx context.Context, tx *sql.Tx, q string) (map[int64]bool, error) {
	rows, err := tx.QueryContext(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	defer rows.Close()
	out := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, rows.Err()
}
