package gms_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sextant/engine/txn"
)

// awaitWait waits until a connection waits for a lock.
func (i *instance) awaitWait(id string) {
	i.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		if slices.ContainsFunc(i.db.LockWaits(), func(l txn.LockInfo) bool { return itoa(l.Owner) == id }) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			i.t.Fatalf("connection %s does not wait for a lock", id)
		}
	}
}

func itoa(n uint64) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// TestLockWaitsAreShown has one connection wait for another and looks at every place
// that says who waits for whom.
func TestLockWaitsAreShown(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b INT)", "INSERT INTO d.t VALUES (1,1),(2,2)")
	holder, waiter, monitor := i.conn(pool), i.conn(pool), i.conn(pool)
	must(t, holder, "BEGIN", "UPDATE d.t SET b = 5 WHERE a = 1")
	must(t, waiter, "BEGIN")
	h, w := one(t, holder, "SELECT CONNECTION_ID()"), one(t, waiter, "SELECT CONNECTION_ID()")
	done := make(chan error, 1)
	go func() {
		_, err := waiter.ExecContext(context.Background(), "UPDATE d.t SET b = 6 WHERE a = 1")
		done <- err
	}()
	i.awaitWait(w)
	for _, c := range []struct{ query, want string }{
		{"SELECT CONCAT_WS('|', REQUESTING_THREAD_ID, BLOCKING_THREAD_ID) FROM performance_schema.data_lock_waits", w + "|" + h},
		{"SELECT CONCAT_WS('|', ENGINE, OBJECT_SCHEMA, OBJECT_NAME, INDEX_NAME, LOCK_TYPE, LOCK_MODE, LOCK_DATA) " +
			"FROM performance_schema.data_locks WHERE LOCK_STATUS = 'WAITING'", "INNODB|d|t|PRIMARY|RECORD|X,REC_NOT_GAP|1"},
		{"SELECT COUNT(*) FROM performance_schema.data_locks WHERE LOCK_STATUS = 'GRANTED' AND LOCK_DATA = '1' AND THREAD_ID = " + h, "1"},
		{"SELECT CONCAT_WS('|', trx_state, trx_query, trx_rows_modified, trx_isolation_level) FROM information_schema.innodb_trx " +
			"WHERE trx_mysql_thread_id = " + w, "LOCK WAIT|UPDATE d.t SET b = 6 WHERE a = 1|0|REPEATABLE READ"},
		{"SELECT CONCAT_WS('|', trx_state, trx_rows_locked, trx_rows_modified) FROM information_schema.innodb_trx " +
			"WHERE trx_mysql_thread_id = " + h, "RUNNING|1|1"},
		{"SELECT COUNT(*) FROM information_schema.innodb_trx x JOIN performance_schema.data_locks l " +
			"ON x.trx_requested_lock_id = l.ENGINE_LOCK_ID", "1"},
		{"SELECT CONCAT_WS('|', COMMAND, STATE, INFO) FROM information_schema.processlist WHERE ID = " + w,
			"Query|updating|UPDATE d.t SET b = 6 WHERE a = 1"},
		{"SELECT CONCAT_WS('|', COMMAND, STATE, IFNULL(INFO, 'none')) FROM performance_schema.processlist WHERE ID = " + h, "Sleep||none"},
		{"SELECT CONCAT_WS('|', locked_table, locked_index, waiting_pid, waiting_query, blocking_pid, sql_kill_blocking_connection) " +
			"FROM sys.innodb_lock_waits", "`d`.`t`|PRIMARY|" + w + "|UPDATE d.t SET b = 6 WHERE a = 1|" + h + "|KILL " + h},
		{"SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Innodb_row_lock_current_waits'", "1"},
		{"SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE OBJECT_SCHEMA = 'd' AND OBJECT_NAME = 't' " +
			"AND LOCK_TYPE = 'SHARED_WRITE' AND LOCK_STATUS = 'GRANTED'", "2"},
		{"SELECT current_statement FROM sys.session WHERE conn_id = " + w, "UPDATE d.t SET b = 6 WHERE a = 1"},
	} {
		if got := one(t, monitor, c.query); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
	status := engineStatus(t, monitor)
	for _, part := range []string{"Volume complete LSN (VCL)", "Volume durable LSN (VDL)", "LOCK WAIT", "MySQL thread id " + w, "UPDATE d.t SET b = 6 WHERE a = 1",
		"index PRIMARY of table `d`.`t` lock_mode X locks rec but not gap waiting", "MySQL thread id " + h + ": RECORD LOCKS"} {
		if !strings.Contains(status, part) {
			t.Errorf("SHOW ENGINE INNODB STATUS lacks %q:\n%s", part, status)
		}
	}
	must(t, holder, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	must(t, waiter, "ROLLBACK")
	if got := one(t, monitor, "SELECT COUNT(*) FROM performance_schema.data_locks"); got != "0" {
		t.Errorf("%s locks are left", got)
	}
}

// TestMetadataWaitsAreShown has DDL wait for a transaction.
func TestMetadataWaitsAreShown(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)")
	holder, waiter, monitor := i.conn(pool), i.conn(pool), i.conn(pool)
	must(t, holder, "BEGIN", "INSERT INTO d.t VALUES (1)")
	w := one(t, waiter, "SELECT CONNECTION_ID()")
	done := make(chan error, 1)
	go func() {
		_, err := waiter.ExecContext(context.Background(), "ALTER TABLE d.t ADD COLUMN b INT")
		done <- err
	}()
	i.awaitWait(w)
	if got := one(t, monitor, "SELECT STATE FROM information_schema.processlist WHERE ID = "+w); got != "Waiting for table metadata lock" {
		t.Errorf("state %q", got)
	}
	if got := one(t, monitor, "SELECT CONCAT_WS('|', OBJECT_SCHEMA, OBJECT_NAME, LOCK_TYPE, LOCK_STATUS) FROM performance_schema.metadata_locks "+
		"WHERE OWNER_THREAD_ID = "+w+" AND LOCK_STATUS = 'PENDING'"); got != "d|t|EXCLUSIVE|PENDING" {
		t.Errorf("metadata_locks: %s", got)
	}
	must(t, holder, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestLastDeadlockIsShown makes a deadlock and reads of it.
func TestLastDeadlockIsShown(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b INT)", "INSERT INTO d.t VALUES (1,1),(2,2),(3,3)")
	x, y := i.conn(pool), i.conn(pool)
	idX, idY := one(t, x, "SELECT CONNECTION_ID()"), one(t, y, "SELECT CONNECTION_ID()")
	if s := engineStatus(t, pool); strings.Contains(s, "LATEST DETECTED DEADLOCK") {
		t.Errorf("a deadlock before there was one:\n%s", s)
	}
	must(t, x, "BEGIN", "UPDATE d.t SET b = 1 WHERE a IN (1, 3)") // more than y: y is the victim
	must(t, y, "BEGIN", "UPDATE d.t SET b = 2 WHERE a = 2")
	done := make(chan error, 1)
	go func() {
		_, err := x.ExecContext(context.Background(), "UPDATE d.t SET b = 7 WHERE a = 2")
		done <- err
	}()
	i.awaitWait(idX)
	wantError(t, y, "UPDATE d.t SET b = 8 WHERE a = 1", 1213, "40001")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	must(t, x, "ROLLBACK")
	status := engineStatus(t, pool)
	for _, part := range []string{"LATEST DETECTED DEADLOCK",
		"*** (1) TRANSACTION:\nMySQL thread id " + idX + " ", "UPDATE d.t SET b = 7 WHERE a = 2", "*** (1) BLOCKED BY MySQL THREAD ID: " + idY,
		"*** (2) TRANSACTION:\nMySQL thread id " + idY + " ", "UPDATE d.t SET b = 8 WHERE a = 1", "*** (2) BLOCKED BY MySQL THREAD ID: " + idX,
		"*** WE ROLL BACK TRANSACTION (2)"} {
		if !strings.Contains(status, part) {
			t.Errorf("SHOW ENGINE INNODB STATUS lacks %q:\n%s", part, status)
		}
	}
}

// TestDigestsAreSummedUp counts statements by digest.
func TestDigestsAreSummedUp(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b INT)")
	c := i.conn(i.open("d"))
	must(t, c, "INSERT INTO t VALUES (1,1),(2,2),(3,3)", "INSERT INTO t VALUES (4,4),(5,5)", "INSERT INTO t VALUES (6,6),(7,7)")
	for range 3 {
		rows, err := c.QueryContext(t.Context(), "SELECT b FROM t WHERE a IN (?, ?)", 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, c, "INSERT INTO t VALUES (1,1),(9,9)", 1062, "23000")
	for _, x := range []struct{ text, want string }{
		{"INSERT INTO `t` VALUES (...) /* , ... */", "d|4|1|7|0"},
		{"SELECT `b` FROM `t` WHERE `a` IN (...)", "d|3|0|0|6"},
		{"CREATE DATABASE `d`", "none|1|0|1|0"},
	} {
		got := one(t, pool, "SELECT CONCAT_WS('|', IFNULL(SCHEMA_NAME, 'none'), COUNT_STAR, SUM_ERRORS, SUM_ROWS_AFFECTED, SUM_ROWS_SENT) "+
			"FROM performance_schema.events_statements_summary_by_digest WHERE DIGEST_TEXT = '"+x.text+"'")
		if got != x.want {
			t.Errorf("%s: got %s, want %s", x.text, got, x.want)
		}
	}
	for _, x := range []string{
		"MIN_TIMER_WAIT > 0 AND MIN_TIMER_WAIT <= AVG_TIMER_WAIT AND AVG_TIMER_WAIT <= MAX_TIMER_WAIT AND SUM_TIMER_WAIT >= MAX_TIMER_WAIT",
		"LENGTH(DIGEST) = 64", "FIRST_SEEN <= LAST_SEEN", "QUANTILE_95 <= QUANTILE_99 AND QUANTILE_999 <= MAX_TIMER_WAIT",
	} {
		if got := one(t, pool, "SELECT COUNT(*) FROM performance_schema.events_statements_summary_by_digest WHERE NOT ("+x+")"); got != "0" {
			t.Errorf("%s digests are not so: %s", got, x)
		}
	}
	if got := one(t, pool, "SELECT query FROM sys.statements_with_errors_or_warnings WHERE errors = 1"); got != "INSERT INTO `t` VALUES (...) /* , ... */" {
		t.Errorf("statements with errors: %s", got)
	}
	if got := one(t, pool, "SELECT exec_count FROM sys.statement_analysis WHERE query LIKE 'SELECT `b`%'"); got != "3" {
		t.Errorf("statement_analysis: %s", got)
	}
}

// TestEverySystemTableCanBeRead reads each table and view of the system databases, with and
// without a current database.
func TestEverySystemTableCanBeRead(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.p (a INT PRIMARY KEY AUTO_INCREMENT, s VARCHAR(20), g INT AS (LENGTH(s)) VIRTUAL, KEY k (s(5)))",
		"CREATE TABLE d.c (a INT, CONSTRAINT fk FOREIGN KEY (a) REFERENCES d.p (a), CHECK (a > 0))", "INSERT INTO d.p (s) VALUES ('x')")
	must(t, i.open("d"), "CREATE VIEW v AS SELECT 1", "CREATE PROCEDURE q() SELECT 1",
		"CREATE TRIGGER r BEFORE INSERT ON c FOR EACH ROW SET NEW.a = NEW.a")
	seen := 0
	for _, params := range []string{"", "d"} {
		c := i.conn(i.open(params))
		rows, err := pool.QueryContext(t.Context(), "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.tables "+
			"WHERE TABLE_SCHEMA IN ('performance_schema', 'sys', 'information_schema')")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for rows.Next() {
			var schema, name string
			if err := rows.Scan(&schema, &name); err != nil {
				t.Fatal(err)
			}
			names = append(names, schema+".`"+name+"`")
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			seen++
			if rows, err := c.QueryContext(t.Context(), "SELECT * FROM "+name); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if err := drain(rows); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if seen < 200 {
		t.Errorf("only %d tables were read", seen)
	}
}

func drain(rows *sql.Rows) error {
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

func engineStatus(t *testing.T, c execer) string {
	t.Helper()
	var typ, name, status string
	if err := c.QueryRowContext(t.Context(), "SHOW ENGINE INNODB STATUS").Scan(&typ, &name, &status); err != nil {
		t.Fatal(err)
	}
	return status
}
