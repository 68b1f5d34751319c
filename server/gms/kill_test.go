package gms_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/go-sql-driver/mysql"
)

// do runs one statement on a session of the lab and returns what it, and others, were answered.
func (l *sqlLab) do(session, query string) string {
	return strings.TrimSuffix(l.run(&datadriven.TestData{Pos: query, Cmd: session, Input: query}), "\n")
}

// KILL QUERY ends a wait and keeps what the transaction has; KILL, and a client that
// goes away while it waits or has locks, give them back at once.
func TestLocksOfKilledSessions(t *testing.T) {
	l := newLab(startInstance(t))
	want := func(session, query, answer string) {
		t.Helper()
		if got := l.do(session, query); got != answer {
			t.Fatalf("%s: %s: got %q, want %q", session, query, got, answer)
		}
	}
	want("a", "create table t (id int primary key, n int)", "ok")
	want("a", "insert into t values (1,0),(2,0)", "2 affected")
	want("a", "begin", "ok")
	want("a", "update t set n=1 where id=1", "1 affected")
	want("b", "begin", "ok")
	want("b", "update t set n=1 where id=2", "1 affected")
	want("b", "update t set n=2 where id=1", "waits")
	want("c", fmt.Sprintf("kill query %d", l.conn("b").id), "ok\nb: error 1317 (70100): Query execution was interrupted")
	want("c", "select id from t where id=2 for update nowait",
		"error 3572 (HY000): Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set.")
	want("b", "select n from t order by id", "(0) (1)")
	// The next statement of b waits again, and is let go by the death of a.
	want("b", "update t set n=2 where id=1", "waits")
	want("c", fmt.Sprintf("kill %d", l.conn("a").id), "ok\nb: 1 affected")
	want("b", "commit", "ok")
	want("c", "select n from t order by id", "(2) (1)")
	// GET_LOCK: a wait can be killed, and a client that goes away gives its locks back.
	want("b", "select get_lock('l',0), get_lock('m',0)", "(1,1)")
	want("d", "select get_lock('l',60)", "waits")
	want("c", fmt.Sprintf("kill query %d", l.conn("d").id), "ok\nd: error 1317 (70100): Query execution was interrupted")
	want("d", "select get_lock('m',0), is_used_lock('m') is null", "(0,0)")
	want("d", "select get_lock('l',60)", "waits")
	want("b", "begin", "ok")
	want("b", "update t set n=3 where id=2", "1 affected")
	if err := l.conns["b"].c.Raw(func(c any) error { return c.(interface{ Close() error }).Close() }); err != nil {
		t.Fatal(err)
	}
	if got, done := l.settle(l.conns["d"]); !done || got != "(1)" {
		t.Fatalf("d after b has gone: %q, %v", got, done)
	}
	want("c", "update t set n=4 where id=2", "1 affected")
}

// KILL QUERY wakes a SLEEP, which then is 1; a statement that reads a table is interrupted.
func TestKillWakesSleep(t *testing.T) {
	l := newLab(startInstance(t))
	l.do("a", "create table t (id int primary key)")
	l.do("a", "insert into t values (1)")
	b := l.conn("b")
	for _, x := range []struct{ query, answer string }{
		{"select release_lock('l'), sleep(60), 7", "(1,1,7)"},
		{"select release_lock('l'), sleep(60) from t", "error 1317 (70100): Query execution was interrupted"},
		{"select sleep(60) from (select release_lock('l') r union all select 1) x where r > 0", "error 1317 (70100): Query execution was interrupted"},
		{"select id from t where release_lock('l') and sleep(60)", "error 1317 (70100): Query execution was interrupted"},
	} {
		l.do("b", "select get_lock('l', 0)")
		go func() { b.out <- l.outcome(b.c, x.query) }()
		if l.do("a", "select get_lock('l', 60), release_lock('l')") == "waits" { // then it is about to sleep
			l.run(&datadriven.TestData{Cmd: "answer", CmdArgs: []datadriven.CmdArg{{Key: "a"}}})
		}
		l.do("a", fmt.Sprintf("kill query %d", b.id))
		if got := <-b.out; got != x.answer {
			t.Errorf("%s: %s, want %s", x.query, got, x.answer)
		}
		if got := l.do("b", "select 1"); got != "(1)" {
			t.Errorf("after %s: %s", x.query, got)
		}
	}
}

// max_execution_time wakes a SLEEP, which then is 1.
func TestExecutionTimeWakesSleep(t *testing.T) {
	l := newLab(startInstance(t))
	for _, x := range [][2]string{
		{"create table t (id int primary key)", "ok"},
		{"insert into t values (1)", "1 affected"},
		{"select /*+ MAX_EXECUTION_TIME(50) */ sleep(60), 7", "(1,7)"},
		{"set max_execution_time=50", "ok"},
		{"select sleep(60)", "(1)"},
		{"select sleep(60) from t", "error 3024 (HY000): Query execution was interrupted, maximum statement execution time exceeded"},
	} {
		if got := l.do("a", x[0]); got != x[1] {
			t.Errorf("%s: %s, want %s", x[0], got, x[1])
		}
	}
}

// RELEASE of COMMIT and ROLLBACK ends the connection behind the answer, and what follows in the text is not run.
func TestReleaseEndsTheConnection(t *testing.T) {
	i := startInstance(t)
	admin := i.conn(i.open(""))
	must(t, admin, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)")
	for n, q := range []string{"COMMIT RELEASE", "COMMIT WORK AND NO CHAIN RELEASE; DO 1", "SET completion_type = 'RELEASE'; COMMIT", "SET completion_type = 2; COMMIT AND CHAIN"} {
		c := i.conn(i.open("?multiStatements=true"))
		must(t, c, "BEGIN", "INSERT INTO d.t VALUES (1)")
		_, _ = c.ExecContext(t.Context(), q) // a text of several ends within
		if err := c.PingContext(t.Context()); err == nil {
			t.Errorf("%s: the connection is still open", q)
		}
		if got := one(t, admin, "SELECT COUNT(*) FROM d.t"); got != fmt.Sprint(n+1) {
			t.Errorf("%s: %s rows", q, got)
		}
	}
	c := i.conn(i.open(""))
	must(t, c, "BEGIN", "INSERT INTO d.t VALUES (1)", "ROLLBACK NO RELEASE", "SET completion_type = 2", "COMMIT AND NO CHAIN NO RELEASE")
	wantError(t, c, "ROLLBACK AND CHAIN RELEASE", 1064, "42000")
	must(t, c, "ROLLBACK RELEASE")
	if err := c.PingContext(t.Context()); err == nil {
		t.Error("the connection is still open")
	}
}

// max_execution_time ends window functions whose frames have nearly all rows anew for each, which sums of DOUBLEs add up again.
func TestTimeEndsWindows(t *testing.T) {
	l := newLab(startInstance(t))
	for _, q := range []string{
		"create table t (id int primary key)",
		"insert into t with recursive r as (select 0 n union all select n + 1 from r where n < 199) select a.n * 200 + b.n from r a, r b",
	} {
		if got := l.do("a", q); strings.HasPrefix(got, "error") {
			t.Fatal(got)
		}
	}
	got := l.do("a", "select /*+ MAX_EXECUTION_TIME(500) */ max(s) from (select sum(id + 0e0) over (order by id rows between current row and unbounded following) s from t) q")
	if want := "error 3024 (HY000): Query execution was interrupted, maximum statement execution time exceeded"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// KILL QUERY and max_execution_time end a comparison with a schema.
func TestKillEndsSchemaValidation(t *testing.T) {
	l := newLab(startInstance(t))
	b := l.conn("b")
	for _, q := range []string{
		`set @s = concat('{"items": {"allOf": [', repeat('{"type": "integer"},', 100000), '{}]}}')`,
		`set @d = concat('[', repeat('1,', 100000), '1]')`,
		"select get_lock('l', 0)",
	} {
		if got := l.do("b", q); strings.HasPrefix(got, "error") {
			t.Fatal(got)
		}
	}
	go func() { b.out <- l.outcome(b.c, "select release_lock('l'), json_schema_valid(@s, @d)") }()
	l.do("a", "select get_lock('l', 60)") // it is about to compare
	l.do("a", fmt.Sprintf("kill query %d", b.id))
	if got, want := <-b.out, "error 1317 (70100): Query execution was interrupted"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got := l.outcome(b.c, "select /*+ MAX_EXECUTION_TIME(300) */ json_schema_valid(@s, @d)")
	if want := "error 3024 (HY000): Query execution was interrupted, maximum statement execution time exceeded"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// GET_LOCK finds deadlocks of its own, and gives the victim 3058.
func TestGetLockDeadlock(t *testing.T) {
	l := newLab(startInstance(t))
	for _, q := range []struct{ session, query, answer string }{
		{"a", "select get_lock('x',0)", "(1)"},
		{"b", "select get_lock('y',0)", "(1)"},
		{"a", "select get_lock('y',60)", "waits"},
		{"b", "select get_lock('x',60)", "error 3058 (HY000): Deadlock found when trying to get user-level lock; " +
			"try rolling back transaction/releasing locks and restarting lock acquisition."},
		{"b", "select release_lock('y')", "(1)\na: (1)"},
	} {
		if got := l.do(q.session, q.query); got != q.answer {
			t.Fatalf("%s: %s: got %q, want %q", q.session, q.query, got, q.answer)
		}
	}
}

// TestMaxExecutionTimeHint: the hint ends a SELECT that waits, as the variable does.
func TestMaxExecutionTimeHint(t *testing.T) {
	l := newLab(startInstance(t))
	for _, q := range []string{"create table t (id int primary key)", "insert into t values (1)", "begin", "delete from t"} {
		l.do("b", q)
	}
	if got := l.do("a", "select /*+ NO_INDEX_MERGE(t) MAX_EXECUTION_TIME(200) */ * from t for update"); got != "waits" {
		t.Fatalf("got %q", got)
	}
	if got, want := <-l.conns["a"].out, "error 3024 (HY000): Query execution was interrupted, maximum statement execution time exceeded"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// max_execution_time ends a SELECT that waits, with 3024; the transaction goes on.
func TestMaxExecutionTime(t *testing.T) {
	l := newLab(startInstance(t))
	for _, q := range []struct{ session, query, answer string }{
		{"a", "create table t (id int primary key)", "ok"},
		{"a", "insert into t values (1)", "1 affected"},
		{"a", "begin", "ok"},
		{"a", "delete from t", "1 affected"},
		{"b", "set max_execution_time=200", "ok"},
		{"b", "begin", "ok"},
		{"b", "select * from t for update", "waits"},
	} {
		if got := l.do(q.session, q.query); got != q.answer {
			t.Fatalf("%s: %s: got %q, want %q", q.session, q.query, got, q.answer)
		}
	}
	b := l.conns["b"]
	b.busy = false
	if got, want := <-b.out, "error 3024 (HY000): Query execution was interrupted, maximum statement execution time exceeded"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if got := l.do("b", "delete from t"); got != "waits" {
		t.Fatalf("delete: %s", got)
	}
	if got := l.do("a", "rollback"); got != "ok\nb: 1 affected" {
		t.Fatalf("rollback: %s", got)
	}
}

// max_execution_time ends a query that does not begin with SELECT, and one that is executed.
func TestMaxExecutionTimeOfQueries(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	endless := "WITH RECURSIVE q (b) AS (SELECT 1 UNION ALL SELECT 1 + b FROM q) SELECT COUNT(*) FROM q"
	must(t, c, "SET cte_max_recursion_depth = 1000000000", "PREPARE s FROM '"+endless+"'", "SET max_execution_time = 100")
	for _, q := range []string{endless, "/* of an application */ " + endless, "EXECUTE s", "(" + endless + ")"} {
		_, err := c.ExecContext(t.Context(), q)
		var e *mysql.MySQLError
		if !errors.As(err, &e) || e.Number != 3024 {
			t.Errorf("%s: %v, want error 3024", q, err)
		}
	}
}

// KILL QUERY ends a loop of a procedure, whatever its handlers are for.
func TestKillProcedure(t *testing.T) {
	l := newLab(startInstance(t))
	for _, q := range []struct{ session, query, answer string }{
		{"a", "create table t (id int primary key)", "ok"},
		{"a", "create procedure endless() begin declare continue handler for sqlexception begin end; " +
			"loop insert into t values (1); end loop; end", "ok"},
		{"a", "create procedure sets() begin declare i int default 0; while true do set i = 1; end while; end", "ok"},
	} {
		if got := l.do(q.session, q.query); got != q.answer {
			t.Fatalf("%s: %s: got %q, want %q", q.session, q.query, got, q.answer)
		}
	}
	for _, name := range []string{"endless", "sets"} {
		x := l.conn("a")
		out := make(chan string, 1)
		go func() { out <- l.outcome(x.c, "call "+name+"()") }()
		running := fmt.Sprintf("select count(*) from information_schema.processlist where id = %d and info like 'call%%'", x.id)
		for l.do("b", running) != "(1)" {
		}
		l.do("b", fmt.Sprintf("kill query %d", x.id))
		if got := <-out; got != "error 1317 (70100): Query execution was interrupted" {
			t.Fatalf("%s: %s", name, got)
		}
	}
}

// A KILL of an expression, and one in a procedure, ends what it names; of its own statement it is 1317.
func TestKillOfExpressions(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	c := i.conn(pool)
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE PROCEDURE k (x INT) KILL QUERY x", "CREATE PROCEDURE kc (x INT) KILL x",
		"CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)")
	for _, kill := range []string{"KILL QUERY @x", "CALL k(@x)", "KILL CONNECTION @x + 0", "CALL kc(@x)"} {
		sleeper := i.conn(pool)
		must(t, c, "SET @x = "+one(t, sleeper, "SELECT CONNECTION_ID()"))
		slept := make(chan error, 1)
		go func() {
			_, err := sleeper.ExecContext(t.Context(), "SELECT SLEEP(60) FROM d.t")
			slept <- err
		}()
		for one(t, c, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE id = @x AND info LIKE 'SELECT SLEEP%'") != "1" {
			time.Sleep(time.Millisecond)
		}
		must(t, c, kill)
		if err := <-slept; err == nil {
			t.Errorf("%s: it went on", kill)
		}
	}
	wantError(t, c, "KILL QUERY CONNECTION_ID()", 1317, "70100")
	wantError(t, c, "KILL QUERY "+one(t, c, "SELECT CONNECTION_ID()"), 1317, "70100")
	must(t, c, "DO 1")
}
