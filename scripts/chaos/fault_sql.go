package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sextant/scripts/chaos/check"
)

// mark sets the marked row through the cluster endpoint, however often that must be tried.
func (w *world) mark(ctx context.Context, v int64) error {
	return w.retry(ctx, fmt.Sprintf("UPDATE marks SET v = %d WHERE id = 1", v))
}

// retry runs an idempotent statement through the cluster endpoint until it is acknowledged.
func (w *world) retry(ctx context.Context, q string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := w.db.ExecContext(ctx, q)
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// lateClients are connections to one instance itself, open before it is paused.
type lateClients struct {
	db          *sql.DB
	read, write *sql.Conn
	answered    []chan string
}

func (w *world) lateClients(ctx context.Context, id string) (*lateClients, error) {
	addr, err := w.instanceAddr(ctx, id)
	if err != nil {
		return nil, err
	}
	l := &lateClients{}
	if l.db, err = pool("chaos-"+id, addr); err != nil {
		return nil, err
	}
	for _, c := range []**sql.Conn{&l.read, &l.write} {
		if *c, err = l.db.Conn(ctx); err != nil {
			l.close()
			return nil, fmt.Errorf("connect to %s: %w", id, err)
		}
	}
	return l, nil
}

func (l *lateClients) close() {
	for _, c := range []*sql.Conn{l.read, l.write} {
		if c != nil {
			c.Close()
		}
	}
	l.db.Close()
}

// send sends a read and a write that wait in the paused process's sockets. The mark was
// set by its successor. answered gets what was wrong with each answer, or "".
func (l *lateClients) send(ctx context.Context, w *world, mark int64) {
	late := func(f func() string) {
		c := make(chan string, 1)
		l.answered = append(l.answered, c)
		go func() { c <- f() }()
	}
	late(func() string {
		var v int64
		if err := l.read.QueryRowContext(ctx, "SELECT v FROM marks WHERE id = 1").Scan(&v); err == nil && v != mark {
			return fmt.Sprintf("a read was answered with %d; its successor had acknowledged %d", v, mark)
		}
		return ""
	})
	late(func() string {
		id := 1<<50 + int(mark)
		_, err := l.write.ExecContext(ctx, fmt.Sprintf("INSERT INTO uniq VALUES (%d, %d, 'late')", id, id))
		// Whatever it says must be true in the end; acknowledged it cannot be by this process.
		s := &session{w: w}
		w.inserted(s, id, id, err)
		if err == nil {
			return "a write was acknowledged after its successor served"
		}
		return ""
	})
	pause(ctx, 200*time.Millisecond)
}

func (l *lateClients) answers(w *world, id string) {
	for _, c := range l.answered {
		if wrong := <-c; wrong != "" { // the connections have deadlines
			w.h.anomaly(check.Stale, "%s, paused: %s", id, wrong)
		}
	}
}

// ask reads one row through the cluster endpoint, however often that must be tried.
func (w *world) ask(ctx context.Context, q string, to ...any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := w.db.QueryRowContext(ctx, q).Scan(to...)
		if err == nil || ctx.Err() != nil {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// failoverInCommit kills the writer while a transaction of some thousand rows commits:
// all of it is there or nothing.
func failoverInCommit(ctx context.Context, w *world, rng *rand.Rand, _ time.Duration) error {
	const rows, part = 8000, 1000
	batch := rng.Int64N(1 << 40)
	s := &session{w: w, db: w.db, label: "large", rng: rng}
	defer s.drop()
	if err := s.open(ctx); err != nil {
		return err
	}
	old, err := w.writer(ctx)
	if err != nil {
		return err
	}
	killed := make(chan error, 1)
	o := s.txn(ctx, func(ctx context.Context) error {
		for i := 0; i < rows; i += part {
			var values []string
			for k := range part {
				values = append(values, fmt.Sprintf("(%d,%d,'%s')", batch*rows+int64(i+k), batch, strings.Repeat("x", 150)))
			}
			if _, err := s.conn.ExecContext(ctx, "INSERT INTO wide VALUES "+strings.Join(values, ",")); err != nil {
				return err
			}
		}
		go func() {
			pause(ctx, time.Duration(rng.Int64N(int64(60*time.Millisecond))))
			w.inject(old, true)
			killed <- w.signal(unix.SIGKILL, old)
		}()
		return nil
	})
	if o == check.Aborted {
		return nil // something else came between; nothing was injected
	}
	if err := <-killed; err != nil {
		return err
	}
	if _, err := w.another(ctx, old); err != nil {
		return err
	}
	var n int
	if err := w.ask(ctx, fmt.Sprintf("SELECT COUNT(*) FROM wide WHERE batch = %d", batch), &n); err != nil {
		return err
	}
	switch {
	case n != 0 && n != rows:
		w.h.anomaly(check.Torn, "a transaction of %d rows left %d", rows, n)
	case n == 0 && o == check.Committed:
		w.h.anomaly(check.Lost, "a transaction of %d rows was acknowledged", rows)
	}
	return w.retry(ctx, fmt.Sprintf("DELETE FROM wide WHERE batch = %d", batch))
}
