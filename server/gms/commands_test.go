package gms_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/server/gms"
)

// A statement is planned again when a definition changed under it, but what has committed
// something, or only says 1412, runs once.
func TestProcedureRunsOnce(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (n INT)",
		"CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); COMMIT; SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO=1412, MESSAGE_TEXT='again'; END")
	wantError(t, c, "CALL p()", 1412, "HY000")
	if got := one(t, c, "SELECT COUNT(*) FROM t"); got != "1" {
		t.Fatalf("%s rows after one CALL", got)
	}
}

// KILL QUERY that reaches a statement when it has committed, and only waits for its commit
// to be durable, has no effect: an error would make the client run it again.
func TestKillQueryAfterCommit(t *testing.T) {
	store := memvolume.New(memvolume.Options{})
	i := startInstanceOn(t, store, engine.Options{})
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (n INT)")
	const query = "INSERT INTO d.t VALUES (1)"
	for n := range 10 {
		c := i.conn(pool)
		id := uint32(oneInt(t, c, "SELECT CONNECTION_ID()"))
		must(t, c, "INSERT INTO d.t VALUES (0)")
		token, ok := i.srv.LastToken(id)
		if !ok {
			t.Fatal("no token")
		}
		token.Command++
		store.Confirm(false)
		answer := make(chan error, 1)
		go func() {
			_, err := c.ExecContext(context.Background(), query)
			answer <- err
		}()
		for committed := false; !committed; runtime.Gosched() {
			state, _, err := i.db.LookupToken(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			committed = state == engine.TokenCommitted
		}
		if !i.srv.Kill(id, true) {
			t.Fatal("no such connection")
		}
		store.Confirm(true)
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", query, err)
		}
		if got := oneInt(t, c, "SELECT COUNT(*) FROM d.t"); got != int64(2*n+2) {
			t.Errorf("%s: %d rows", query, got)
		}
	}
}

// A drain waits for who is inside. Who holds locks that those inside wait for gets in, and
// who waits to get in can be killed.
func TestDrainWithLocks(t *testing.T) {
	i := startInstance(t)
	l := newLab(i)
	want := func(session, query, answer string) {
		t.Helper()
		if got := l.do(session, query); got != answer {
			t.Fatalf("%s: %s: got %q, want %q", session, query, got, answer)
		}
	}
	want("a", "create table t (id int primary key)", "ok")
	for _, lock := range []struct{ take, wait, give, taken, answer string }{
		{"lock tables t write", "delete from t", "unlock tables", "ok", "ok\nb: ok"},
		{"flush tables with read lock", "delete from t", "unlock tables", "ok", "ok\nb: ok"},
		{"select get_lock('l', 0)", "select get_lock('l', 60)", "select release_lock('l')", "(1)", "(1)\nb: (1)"},
	} {
		want("a", lock.take, lock.taken)
		want("b", lock.wait, "waits")
		late, killer := l.conn("late"), l.conn("killer")
		drained := make(chan error, 1)
		go func() { drained <- i.srv.Drain(context.Background()) }()
		for !i.srv.Draining() {
			runtime.Gosched()
		}
		waiting := make(chan error, 1)
		go func() {
			_, err := late.c.ExecContext(context.Background(), "DO 17")
			waiting <- err
		}()
		for !slices.ContainsFunc(i.srv.SessionList(), func(s gms.SessionInfo) bool {
			return uint64(s.ID) == late.id && s.Query == "DO 17"
		}) {
			runtime.Gosched()
		}
		must(t, killer.c, fmt.Sprintf("KILL QUERY %d", late.id))
		var e *mysql.MySQLError
		if err := <-waiting; !errors.As(err, &e) || e.Number != 1317 {
			t.Fatalf("%s: a killed statement at the gate: %v", lock.take, err)
		}
		want("a", lock.give, lock.answer)
		if err := <-drained; err != nil {
			t.Fatalf("%s: %v", lock.take, err)
		}
		i.srv.Resume()
	}
}

func TestMaxPreparedStatements(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "SET GLOBAL max_prepared_stmt_count=1")
	defer must(t, c, "SET GLOBAL max_prepared_stmt_count=16382") // it is the process's
	st, err := c.PrepareContext(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	var e *mysql.MySQLError
	if _, err := c.PrepareContext(t.Context(), "SELECT 2"); !errors.As(err, &e) || e.Number != 1461 {
		t.Fatalf("a statement too many: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PrepareContext(t.Context(), "SELECT 2"); err != nil {
		t.Fatal(err)
	}
}

// A prepared statement belongs to the database and the sql_mode of its PREPARE.
func TestPreparedStatementsKeepTheirDatabase(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE a", "CREATE DATABASE b", "CREATE TABLE a.t (n INT)", "CREATE TABLE b.t (n INT)",
		"INSERT INTO a.t VALUES (1)", "INSERT INTO b.t VALUES (2)", "USE a",
		"PREPARE named FROM 'SELECT n FROM t'")
	prepare := func(query string) *sql.Stmt {
		t.Helper()
		st, err := c.PrepareContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		return st
	}
	want := func(st *sql.Stmt, want string) {
		t.Helper()
		var got string
		if err := st.QueryRowContext(t.Context()).Scan(&got); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	const query = "SELECT CONCAT(DATABASE(), n) FROM t"
	inA, quoted := prepare(query), prepare(`SELECT "n" FROM t`)
	must(t, c, "USE b", "SET sql_mode='ANSI_QUOTES'")
	inB, name := prepare(query), prepare(`SELECT "n" FROM t`)
	for range 2 {
		want(inA, "a1")
		want(inB, "b2")
		want(quoted, "n")
		want(name, "2")
		if got := one(t, c, "EXECUTE named") + one(t, c, query); got != "1b2" {
			t.Errorf("%s", got)
		}
	}
	use := prepare("USE a")
	if _, err := use.ExecContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, c, "SELECT DATABASE()"); got != "a" {
		t.Errorf("USE: %s", got)
	}
}

// A CALL is answered, and so is what follows it in the text.
func TestStatementsBehindCall(t *testing.T) {
	i := startInstance(t)
	setup := i.open("")
	must(t, setup, "CREATE DATABASE d", "CREATE PROCEDURE d.p (OUT x INT) BEGIN SELECT 1; SELECT 2; SET x = 3; END")
	rows, err := i.conn(i.open("d?multiStatements=true")).QueryContext(t.Context(), "CALL p(@x); SELECT @x; CALL p(@y)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []int
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
	}
	if want := []int{1, 2, 3, 1, 2}; !slices.Equal(got, want) || rows.Err() != nil {
		t.Fatalf("got %v, want %v (%v)", got, want, rows.Err())
	}
}

// A text that is prepared has one statement, and one that is not prepared has no parameters: MySQL's grammar ends there.
func TestOnePreparedStatement(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open("?multiStatements=true"))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY)")
	near := func(text, where string) {
		t.Helper()
		if _, err := c.PrepareContext(t.Context(), text); err == nil || !strings.Contains(err.Error(), "Error 1064 (42000)") || !strings.HasSuffix(err.Error(), where) {
			t.Errorf("%s: %v", text, err)
		}
	}
	near("INSERT INTO t VALUES (?); INSERT INTO t VALUES (2)", "near 'INSERT INTO t VALUES (2)' at line 1")
	near("SELECT ';' ;\nSELECT 2;", "near 'SELECT 2' at line 2")
	for _, text := range []string{"SELECT ?;", "SELECT ';', ? ; -- behind", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END"} {
		st, err := c.PrepareContext(t.Context(), text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		_ = st.Close()
	}
	for _, text := range []string{"SELECT * FROM t WHERE id = ?", "SELECT 1; SELECT ?", "CREATE VIEW v AS SELECT '?', ?", "CREATE PROCEDURE q() SELECT ?",
		"CREATE TABLE u (a INT DEFAULT ?)", "EXPLAIN SELECT ?"} {
		wantError(t, c, text, 1064, "42000")
	}
	must(t, c, "SELECT '?' /* ? */, `id` AS `?` FROM t -- ?")
	wantError(t, c, "LOAD DATA INFILE '?' INTO TABLE t /* really? */", 1290, "HY000")
}

// What a statement that is refused before it runs leaves is its own.
func TestRefusalsClearWarnings(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	for range 2 {
		wantError(t, c, "LOAD DATA LOCAL INFILE 'x' INTO TABLE d.nix", 3948, "42000")
	}
	if got := one(t, c, "SHOW COUNT(*) WARNINGS"); got != "1" {
		t.Errorf("%s warnings, want 1", got)
	}
}

// TestModesWithinATextOfSeveralStatements: each statement is read by the sql_mode that the one before it left.
func TestModesWithinATextOfSeveralStatements(t *testing.T) {
	i := startInstance(t)
	rows, err := i.conn(i.open("?multiStatements=true")).QueryContext(t.Context(),
		`SELECT 'a\\'; SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT 'b\'; SELECT CONCAT('c\', '\n'); SET sql_mode = ''; SELECT CONCAT('d\\', '\t')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := ""
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			got += text + ";"
		}
	}
	if want := `a\;b\;c\\n;d\` + "\t;"; got != want || rows.Err() != nil {
		t.Errorf("%q, %v, want %q", got, rows.Err(), want)
	}
}

// TestPlainBackslashesStayQuoted: under NO_BACKSLASH_ESCAPES a text that is quoted as the mode asks is a value, whatever
// comments, names and quotes stand before it.
func TestPlainBackslashesStayQuoted(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.u (n VARCHAR(20))", "INSERT INTO d.u VALUES ('alice'), ('bob')", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
	const user = `'\'' or 1=1 -- '`
	for _, q := range []string{
		"SELECT COUNT(*) FROM d.u WHERE n = " + user, "SELECT COUNT(*) FROM d.u --\tdon't\nWHERE n = " + user,
		"SELECT COUNT(*) FROM d.u -- don't \\\nWHERE n = " + user, "SELECT COUNT(*) FROM d.u # don't\nWHERE n = " + user,
		"SELECT COUNT(*) FROM d.u /*!99999 don't */ WHERE n = " + user, "SELECT COUNT(*) /*!40101 FROM d.u */ WHERE n = " + user,
		"SELECT COUNT(*) FROM (SELECT 'x\\' AS a) x JOIN d.u WHERE n = " + user,
	} {
		if got := one(t, c, q); got != "0" {
			t.Errorf("%s: %s", q, got)
		}
	}
	must(t, c, "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
	if got := one(t, c, `SELECT COUNT(*) AS "x\" FROM d.u WHERE n = `+user); got != "0" {
		t.Error(got)
	}
}
