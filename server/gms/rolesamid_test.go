package gms_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
)

// flip makes the reader the writer and the writer a reader.
func (x *twins) flip() {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), 20*time.Second)
	defer cancel()
	vol := x.store.Open() // the writer is fenced
	x.t.Cleanup(func() { _ = vol.Close() })
	x.w.srv.SetReader()
	if err := x.r.db.Promote(ctx, vol, x.store.Annulled()); err != nil {
		x.t.Fatal(err)
	}
	if err := x.r.srv.SetWriter(); err != nil {
		x.t.Fatal(err)
	}
	if err := x.w.db.Demote(ctx, engine.Source{Pages: x.feed, Stream: x.feed, Log: x.feed}); err != nil {
		x.t.Fatal(err)
	}
	x.w, x.r = x.r, x.w
}

// flipError reports whether an error is one that a change of roles may end a statement with.
func flipError(err error) bool {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		switch e.Number {
		case 1053, 1290, 1317, 1836, 3168:
			return true
		}
		return false
	}
	var n net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.As(err, &n)
}

// TestRolesFlipAmidTransactions: a change of roles ends the writer's sessions, whatever they hold or wait for; a reader's go on,
// with their snapshot, and write afterwards. No acknowledged commit is lost, nothing uncommitted is there, and the new reader answers as the new writer.
func TestRolesFlipAmidTransactions(t *testing.T) {
	x := newTwins(t)
	must(t, x.w.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, n INT NOT NULL)", "CREATE TABLE d.l (id INT PRIMARY KEY)", "CREATE TABLE d.acked (id INT PRIMARY KEY)",
		"INSERT INTO d.t VALUES (1, 0), (2, 0)")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var acked sync.Map
	var workers sync.WaitGroup
	stop := make(chan struct{})
	pools := []*sql.DB{x.w.open("d"), x.r.open("d")}
	for w := range 4 {
		workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := w*1_000_000 + n
				switch _, err := pools[n%2].ExecContext(ctx, "INSERT INTO acked VALUES (?)", id); {
				case err == nil:
					acked.Store(id, true)
				case !flipError(err):
					t.Errorf("insert: %v", err)
				}
			}
		})
	}
	for round := range 6 {
		x.follow()
		held := map[string]*sql.Conn{}
		for name, statements := range map[string][]string{
			"transaction": {"BEGIN", "UPDATE t SET n = n + 1000 WHERE id = 1"}, "lock": {"DO GET_LOCK('l', 0)"}, "tables": {"LOCK TABLES l WRITE"},
			"temporary": {"CREATE TEMPORARY TABLE l (x INT)", "INSERT INTO l VALUES (1)"}, "snapshot": {"START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT * FROM t"},
			"prepared": {"PREPARE p FROM 'UPDATE t SET n = 9 WHERE id = 1'"},
		} {
			held[name] = x.w.conn(x.w.open("d"))
			must(t, held[name], statements...)
		}
		waits := make(chan error, 3)
		for _, q := range []string{"UPDATE t SET n = n + 1 WHERE id = 1", "SELECT GET_LOCK('l', 100)", "INSERT INTO l VALUES (1)"} {
			c := x.w.conn(x.w.open("d"))
			var id uint64
			if err := c.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := c.ExecContext(ctx, q)
				waits <- err
			}()
		}
		reading := x.r.conn(x.r.open("d"))
		before := one(t, x.w.open("d"), "SELECT GROUP_CONCAT(id, n) FROM t")
		must(t, reading, "PREPARE w FROM 'UPDATE t SET n = n + 1 WHERE id = 2'", "DO GET_LOCK('r', 0)", "START TRANSACTION WITH CONSISTENT SNAPSHOT")
		wantError(t, reading, "EXECUTE w", 1290, "HY000")
		x.flip()
		for range 3 {
			select {
			case err := <-waits:
				if err == nil || !flipError(err) {
					t.Errorf("round %d: who waited was told %v", round, err)
				}
			case <-ctx.Done():
				t.Fatal("a statement of the old writer hangs")
			}
		}
		for name, c := range held {
			if _, err := c.ExecContext(ctx, "DO 1"); err == nil || !flipError(err) {
				t.Errorf("round %d: the session with %s goes on: %v", round, name, err)
			}
		}
		if got := one(t, reading, "SELECT GROUP_CONCAT(id, n) FROM t"); got != before {
			t.Errorf("round %d: the snapshot has %s, want %s", round, got, before)
		}
		must(t, reading, "COMMIT", "EXECUTE w", "DO RELEASE_LOCK('r')", "LOCK TABLES l WRITE", "UNLOCK TABLES")
		for _, q := range []string{"SELECT n FROM t WHERE id = 1", "SELECT n FROM t WHERE id = 2"} {
			if got, want := one(t, reading, q), map[bool]string{true: fmt.Sprint(round + 1), false: "0"}[strings.HasSuffix(q, "2")]; got != want {
				t.Errorf("round %d: %s is %s, want %s", round, q, got, want)
			}
		}
		x.follow()
		if got := one(t, x.r.open("d"), "SELECT n FROM t WHERE id = 2"); got != fmt.Sprint(round+1) {
			t.Errorf("round %d: the new reader has %s", round, got)
		}
		wantError(t, x.r.conn(x.r.open("d")), "UPDATE t SET n = 0", 1290, "HY000")
	}
	close(stop)
	workers.Wait()
	x.follow()
	rows := map[*instance]map[int]bool{}
	for _, i := range []*instance{x.w, x.r} {
		rows[i] = map[int]bool{}
		list, err := i.open("d").QueryContext(ctx, "SELECT id FROM acked")
		if err != nil {
			t.Fatal(err)
		}
		for list.Next() {
			var id int
			if err := list.Scan(&id); err != nil {
				t.Fatal(err)
			}
			rows[i][id] = true
		}
		if err := list.Close(); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	acked.Range(func(id, _ any) bool {
		n++
		if !rows[x.w][id.(int)] {
			t.Errorf("commit %d was acknowledged and is lost", id)
		}
		return true
	})
	if n == 0 || len(rows[x.w]) != len(rows[x.r]) {
		t.Errorf("%d acknowledged, %d rows on the writer, %d on the reader", n, len(rows[x.w]), len(rows[x.r]))
	}
	t.Logf("%d acknowledged commits, %d rows", n, len(rows[x.w]))
}
