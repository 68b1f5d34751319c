package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/scripts/chaos/check"
)

const (
	thinkTime = 15 * time.Millisecond // of a client between two transactions, on average
	retryTime = 5 * time.Millisecond  // of a client without a connection
)

// session is one client: one connection at a time, a new name with each.
type session struct {
	w      *world
	db     *sql.DB
	reader bool
	label  string
	setup  []string // statements of a new connection
	rng    *rand.Rand

	conn *sql.Conn
	n    int
}

func (s *session) name() string { return fmt.Sprintf("%s.%d", s.label, s.n) }

// open makes sure that there is a connection.
func (s *session) open(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	s.conn = conn
	s.n++
	for _, q := range s.setup {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			s.drop()
			return err
		}
	}
	return nil
}

func (s *session) drop() {
	if s.conn != nil {
		s.conn.Close() // the pool keeps none
		s.conn = nil
	}
}

// run calls f with an open connection again and again until ctx ends.
func (s *session) run(ctx context.Context, f func(context.Context)) {
	defer s.drop()
	for ctx.Err() == nil {
		if err := s.open(ctx); err != nil {
			pause(ctx, retryTime)
			continue
		}
		f(ctx)
		if s.conn != nil {
			pause(ctx, time.Duration(s.rng.Int64N(int64(2*s.w.think))))
		}
	}
}

// definite are the errors after which a statement, or a transaction, has had no effect.
// No other error of a COMMIT is proof of that.
var definite = []uint16{1062, 1205, 1213, 1290, 1412}

// outcome says what the answer to a COMMIT, or to a statement with autocommit, means.
// Without a connection left the session drops its own.
func (s *session) outcome(err error) check.Outcome {
	var e *mysql.MySQLError
	switch {
	case err == nil:
		return check.Committed
	case errors.As(err, &e) && slices.Contains(definite, e.Number):
		return check.Aborted
	}
	s.drop()
	return check.Unknown
}

// txn runs body in a transaction. It returns Aborted if body returned an error: then no
// COMMIT was sent.
func (s *session) txn(ctx context.Context, body func(context.Context) error) check.Outcome {
	begin := "START TRANSACTION"
	if s.reader {
		begin += " READ ONLY"
	}
	if _, err := s.conn.ExecContext(ctx, begin); err != nil {
		s.drop()
		return check.Aborted
	}
	if err := body(ctx); err != nil {
		var e *mysql.MySQLError
		if !errors.As(err, &e) {
			s.drop()
		} else if _, err := s.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			s.drop()
		}
		return check.Aborted
	}
	_, err := s.conn.ExecContext(ctx, "COMMIT")
	return s.outcome(err)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
