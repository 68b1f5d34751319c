package e2e

import (
	"database/sql"
	"syscall"
	"testing"
	"time"

	"sextant/scripts/cluster"
)

// What waits in the sockets of a paused writer is read when it wakes up, after its successor
// has committed. It acknowledges no write then, in a transaction that was open, of its own or
// prepared, and none has an effect; and no new read lacks what the successor committed.
func TestPausedWriterAnswersNothingStale(t *testing.T) {
	c := start(t, cluster.Options{}, deposed)
	l := load(t, c)
	old := writerOf(t, c)
	ctx := deadline(t)
	direct := pool(t, c, instancePort(old), "pairs")
	session := func() *sql.Conn {
		conn, err := direct.Conn(ctx)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.PingContext(ctx))
		return conn
	}
	const seven = "SELECT COUNT(*) FROM a WHERE id = 7"
	plain, auto, other := session(), session(), session()
	open, err := session().BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	must(t, err)
	var n int
	must(t, open.QueryRowContext(ctx, seven).Scan(&n)) // its snapshot is from now on
	read, err := other.PrepareContext(ctx, seven)
	must(t, err)
	insert, err := session().PrepareContext(ctx, "INSERT INTO a VALUES (?, 7, 'prepared')")
	must(t, err)

	must(t, c.Signal(old, syscall.SIGSTOP))
	stopped := time.Now()
	_, err = c.Await(ctx, "a new writer", func(s *cluster.Status) bool { return s.Writer != "" && s.Writer != old })
	must(t, err)
	must(t, l.AwaitAcks(ctx, 200))
	db := pool(t, c, cluster.PortCluster, "pairs")
	run(t, db, "INSERT INTO a VALUES (7, 7, 'new writer')", "INSERT INTO b VALUES (7, -7)")

	answers := make(chan string, 5)
	reads := func(query func() *sql.Row) {
		for { // until the session ends
			var n int
			if err := query().Scan(&n); err != nil {
				answers <- ""
				return
			}
			if n == 0 {
				answers <- "a read gave what was there before the successor"
				return
			}
		}
	}
	writes := func(what string, write func() error) {
		if write() == nil {
			answers <- what + " was acknowledged"
			return
		}
		answers <- ""
	}
	ctx = deadline(t)
	go reads(func() *sql.Row { return plain.QueryRowContext(ctx, seven) })
	go reads(func() *sql.Row { return read.QueryRowContext(ctx) })
	go writes("a write of an open transaction", func() error {
		var n int
		if err := open.QueryRowContext(ctx, seven).Scan(&n); err != nil { // of its own snapshot
			return err
		}
		if _, err := open.ExecContext(ctx, "INSERT INTO a VALUES (8, 7, 'open')"); err != nil {
			return err
		}
		return open.Commit()
	})
	go writes("an autocommit write", func() error {
		_, err := auto.ExecContext(ctx, "INSERT INTO a VALUES (9, 7, 'autocommit')")
		return err
	})
	go writes("a prepared write", func() error {
		_, err := insert.ExecContext(ctx, 10)
		return err
	})
	time.Sleep(time.Until(stopped.Add(10 * time.Second))) // the length of the pause is the test
	must(t, c.Signal(old, syscall.SIGCONT))
	for range cap(answers) {
		if wrong := <-answers; wrong != "" {
			t.Errorf("the paused writer: %s", wrong)
		}
	}
	if ctx.Err() != nil {
		t.Error("the paused writer neither answered nor closed a connection")
	}
	_, err = c.Await(deadline(t), "the paused writer as a reader", func(s *cluster.Status) bool { return s.Role(old) == "reader" })
	must(t, err)
	if got, err := text(deadline(t), db, "SELECT id FROM a WHERE id IN (8, 9, 10)"); err != nil || got != "" {
		t.Errorf("rows of the paused writer: %s, %v", got, err)
	}
	settled(t, c, l)
}
