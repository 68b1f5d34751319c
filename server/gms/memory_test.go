package gms_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/server/gms"
)

// What sorts, groups, joins and temporary tables keep is bounded by tmp_table_size: more
// is an error at once, the session goes on, and the memory is given back. What keeps
// little of many rows is no error.
func TestStatementMemory(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, g INT NOT NULL, s VARCHAR(100) NOT NULL)",
		"SET cte_max_recursion_depth = 20000",
		"INSERT INTO t WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 20000) SELECT n, n % 10, REPEAT(CHAR(97 + n % 26), 90) FROM r")
	must(t, c, "CREATE TABLE u (id INT NOT NULL, g INT NOT NULL, s VARCHAR(100) NOT NULL)", "INSERT INTO u SELECT * FROM t",
		"CREATE TABLE v (id INT NOT NULL, g INT NOT NULL)", "INSERT INTO v SELECT id, g FROM t WHERE id <= 200")
	base := i.db.MemoryUsed()
	must(t, c, "SET tmp_table_size = 900000")
	for _, q := range []string{
		"SELECT JSON_ARRAYAGG(s) FROM t",
		"SELECT COUNT(*) FROM v WHERE id < ALL (SELECT id + 300 FROM u)",
		"SELECT COUNT(*) FROM v x WHERE id IN (SELECT id + x.g FROM u) OR g = 77",
		"WITH RECURSIVE r (n) AS (SELECT id FROM t UNION SELECT n + 20000 FROM r WHERE n < 400000) SELECT COUNT(*) FROM r",
	} {
		wantError(t, c, q, 1114, "HY000")
		if one(t, c, "SELECT 1") != "1" || i.db.MemoryUsed() != base {
			t.Errorf("%s: %d bytes are still taken", q, i.db.MemoryUsed()-base)
		}
	}
	for q, want := range map[string]string{ // the first ones write files
		"SELECT COUNT(*) FROM v WHERE id IN (SELECT id FROM u) OR g = 77":                                                                                        "200",
		"SELECT SUM(id IN (SELECT id + 1 FROM u)) FROM v":                                                                                                        "199",
		"SELECT SUM((id, g) IN (SELECT id + 1, (id + 1) % 10 FROM u)) FROM v":                                                                                    "199",
		"SELECT COUNT(*) FROM v WHERE id + 19900 NOT IN (SELECT IF(id < 0, NULL, id) FROM u)":                                                                    "100",
		"SELECT COUNT(*) FROM (SELECT id, COUNT(*) FROM t GROUP BY id HAVING COUNT(*) = 1) x":                                                                    "20000",
		"SELECT COUNT(*) FROM u a JOIN u b ON a.id = b.id":                                                                                                       "20000",
		"SELECT COUNT(*) FROM u a LEFT JOIN (SELECT id + 5 id, s FROM u) b ON a.id = b.id WHERE b.id IS NULL":                                                    "5",
		"SELECT SUM(n) FROM (SELECT s, ROW_NUMBER() OVER (ORDER BY s, id) n FROM t) x":                                                                           "200010000",
		"SELECT SUM(n) + SUM(m) FROM (SELECT s, LEAD(id, 9000, 0) OVER (ORDER BY id) n, COUNT(*) OVER (PARTITION BY g) m FROM t) x":                              "199505500",
		"SELECT COUNT(DISTINCT id, s) + 0 FROM t":                                                                                                                "20000",
		"SELECT SUM(n) FROM (SELECT COUNT(DISTINCT id) n FROM t GROUP BY g) x":                                                                                   "20000",
		"SELECT COUNT(*) FROM (SELECT DISTINCT id + 0 FROM t) x":                                                                                                 "20000",
		"SELECT COUNT(*) FROM (SELECT id FROM t UNION SELECT id + 1 FROM t) x":                                                                                   "20001",
		"SELECT COUNT(*) FROM (SELECT id, s FROM t INTERSECT SELECT id, s FROM u) x":                                                                             "20000",
		"SELECT COUNT(*) FROM (SELECT id, s FROM t EXCEPT SELECT id + 7, s FROM u) x":                                                                            "20000",
		"SELECT COUNT(*) FROM (SELECT id FROM t EXCEPT ALL SELECT id + 7 FROM u) x":                                                                              "7",
		"WITH RECURSIVE r (n) AS (SELECT id FROM t UNION ALL SELECT n+1 FROM r WHERE n < 0) SELECT COUNT(*) FROM r":                                              "20000",
		"WITH RECURSIVE r (n, s) AS (SELECT id, s FROM t UNION ALL SELECT n + 20000, s FROM r WHERE n < 40000) SELECT COUNT(*) FROM r":                           "59999",
		"WITH RECURSIVE r (n, s) AS (SELECT id, s FROM t UNION SELECT IF(n < 40000, n + 20000, n % 7 + 1), IF(n < 40000, s, 'x') FROM r) SELECT COUNT(*) FROM r": "60020",
		"SELECT id FROM t ORDER BY s, id LIMIT 15000, 1":                                                                                                         "9977",
		"SELECT SUM(n) FROM (SELECT g, COUNT(*) n FROM t GROUP BY g) x":                                                                                          "20000",
		"SELECT SUM(LENGTH(s)) FROM (SELECT g, GROUP_CONCAT(s) s FROM t GROUP BY g) x":                                                                           "10240",
		"SELECT LENGTH(GROUP_CONCAT(s ORDER BY s DESC, id)) FROM t":                                                                                              "1024",
		"SELECT LEFT(GROUP_CONCAT(id ORDER BY s DESC, id DESC), 12) FROM t":                                                                                      "19993,19967,",
		"SELECT COUNT(DISTINCT g) FROM t":                                                                                                                        "10",
		"SELECT COUNT(*) FROM (SELECT DISTINCT g FROM t) x":                                                                                                      "10",
		"SELECT id FROM t ORDER BY s DESC, id DESC LIMIT 1":                                                                                                      "19993",
		"SELECT COUNT(*) FROM (SELECT id FROM t ORDER BY s, id LIMIT 100) x":                                                                                     "100",
		"SELECT COUNT(*) FROM v x WHERE (SELECT COUNT(*) FROM v a JOIN v b ON a.id = b.id WHERE a.g = x.g) = 20":                                                 "200",
		"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 20000) SELECT COUNT(*) FROM r":                                                  "20000",
		"SELECT COUNT(*) FROM v x WHERE id IN (SELECT y.id FROM v y WHERE y.g <> x.g + 1) OR id = -1":                                                            "200",
	} {
		if got := one(t, c, q); got != want {
			t.Errorf("%s: got %s, want %s", q, got, want)
		}
	}
	rows, err := c.QueryContext(t.Context(), "SELECT * FROM t FOR UPDATE")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; rows.Next(); n++ {
	}
	if err := rows.Err(); err != nil || n != 20000 {
		t.Errorf("%d rows are locked, %v", n, err)
	}
	if rows.Close(); i.db.MemoryUsed() != base {
		t.Errorf("%d bytes are still taken", i.db.MemoryUsed()-base)
	}
	must(t, c, "SET cte_max_recursion_depth = 5")
	wantError(t, c, "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 6) SELECT * FROM r", 3636, "HY000")
	if got := one(t, c, "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 5) SELECT COUNT(*) FROM r"); got != "5" {
		t.Errorf("%s rows", got)
	}
}

// An aggregate that fails ends the statement, however many rows are to come.
func TestFailingAggregateEnds(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, j VARCHAR(10))", "SET cte_max_recursion_depth = 5000",
		"INSERT INTO t WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 5000) SELECT n, '{' FROM r")
	if _, err := c.ExecContext(t.Context(), "SELECT id % 7, MAX(JSON_EXTRACT(j, '$.a')) FROM t GROUP BY id % 7"); err == nil {
		t.Error("no error of an invalid document")
	}
	if one(t, c, "SELECT 1") != "1" {
		t.Error("the session is gone")
	}
}

// The statements of all sessions together take no more than the instance's budget.
func TestStatementsShareTheBudget(t *testing.T) {
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{BudgetBytes: 16 << 20})
	c := i.conn(i.open(""))
	base := i.db.MemoryUsed()
	must(t, c, "SET tmp_table_size = 1000000000", "SET cte_max_recursion_depth = 200000")
	rows := "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 200000) SELECT "
	wantError(t, c, rows+"JSON_ARRAYAGG(s) FROM (SELECT n, CONCAT(REPEAT('x', 100), n) s FROM r) x", 1041, "HY000")
	if got := one(t, c, rows+"s FROM (SELECT n, CONCAT(REPEAT('x', 100), n) s FROM r) x ORDER BY s DESC"); got != strings.Repeat("x", 100)+"99999" {
		t.Errorf("the last row is %s", got)
	}
	if one(t, c, "SELECT 1") != "1" || i.db.MemoryUsed() != base {
		t.Errorf("%d bytes are still taken", i.db.MemoryUsed()-base)
	}
}

// So do their locks.
func TestLocksShareTheBudget(t *testing.T) {
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{BudgetBytes: 768 << 10})
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY)")
	must(t, c, "INSERT INTO t WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 1000) SELECT n FROM r")
	for range 29 {
		must(t, c, "INSERT INTO t SELECT id + (SELECT MAX(id) FROM t) FROM t WHERE id <= 1000")
	}
	must(t, c, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN")
	wantError(t, c, "SELECT COUNT(*) FROM t WHERE id % 2 = 0 FOR UPDATE", 1041, "HY000")
	must(t, c, "ROLLBACK")
	if one(t, c, "SELECT COUNT(*) FROM t WHERE id < 100 FOR UPDATE") != "99" {
		t.Error("few locks are too many")
	}
}

// What a statement keeps in memory while it sorts and groups many rows is bounded, the rest is in files, which are gone when the
// statement is: at its end, and when it is killed or its client goes away. Beyond server.temp_space it fails.
func TestStatementsWriteFiles(t *testing.T) {
	dir := t.TempDir()
	i := startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) { o.TempDir, o.TempSpace = dir, 64<<20 })
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(300))", "SET cte_max_recursion_depth = 20000",
		"INSERT INTO t WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 20000) SELECT n, REPEAT(CHAR(97 + n * 7 % 26), 200) FROM r")
	must(t, c, "SET tmp_table_size = 262144")
	base := i.db.MemoryUsed()
	most, stop, done := int64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for every := time.Tick(time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-every:
				most = max(most, i.db.MemoryUsed()-base)
			}
		}
	}()
	for _, q := range []string{"SELECT * FROM t ORDER BY s DESC", "SELECT id, COUNT(*), MAX(s) FROM t GROUP BY id", "SELECT DISTINCT s, id + 0 FROM t",
		"SELECT s, LAG(id, 7) OVER (ORDER BY s), SUM(id) OVER (PARTITION BY id % 3 ORDER BY id), NTILE(9) OVER (ORDER BY id DESC) FROM t"} {
		if got := one(t, c, "SELECT COUNT(*) FROM ("+q+") x"); got != "20000" {
			t.Errorf("%s: %s rows", q, got)
		}
		noTempFiles(t, i)
	}
	close(stop)
	if <-done; most == 0 || most > 1<<20 {
		t.Errorf("%d bytes were kept in memory", most)
	}
	wantError(t, c, "SELECT a.s FROM t a, t b WHERE b.id < 40 ORDER BY a.s", 3, "HY000")
	wantError(t, c, "SELECT DISTINCT a.id * 100 + b.id, a.s FROM t a, t b WHERE b.id < 40", 1114, "HY000")
	noTempFiles(t, i)
	if one(t, c, "SELECT 1") != "1" || i.db.MemoryUsed() != base {
		t.Errorf("%d bytes are still taken", i.db.MemoryUsed()-base)
	}
	must(t, c, "SET max_execution_time = 50")
	wantError(t, c, "SELECT a.id FROM t a, t b ORDER BY a.id * b.id", 3024, "HY000")
	noTempFiles(t, i)
	must(t, c, "SET max_execution_time = 0")
	const endless = "SELECT a.id FROM t a, t b ORDER BY a.id * b.id"
	ended := make(chan error)
	k := i.conn(i.open(""))
	begun := func(ctx context.Context) { // returns when the statement has written files
		t.Helper()
		must(t, k, "USE d", "SET tmp_table_size = 262144")
		go func() {
			_, err := k.ExecContext(ctx, endless)
			ended <- err
		}()
		for i.srv.TempSpaceUsed() == 0 {
			select {
			case err := <-ended:
				t.Fatalf("%s: %v before there were files", endless, err)
			case <-time.After(time.Millisecond):
			}
		}
	}
	id := one(t, k, "SELECT CONNECTION_ID()")
	begun(t.Context())
	must(t, c, "KILL QUERY "+id)
	var killed *mysql.MySQLError
	if err := <-ended; !errors.As(err, &killed) || killed.Number != 1317 {
		t.Errorf("a statement that was killed: %v, want error 1317", err)
	}
	noTempFiles(t, i)
	ctx, leave := context.WithCancel(t.Context())
	begun(ctx)
	leave() // which closes the connection
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away: %v", err)
	}
	noTempFiles(t, i)
	rows, err := c.QueryContext(t.Context(), "SELECT id, s FROM t ORDER BY s")
	if err != nil || !rows.Next() || rows.Close() != nil {
		t.Errorf("rows that are not read: %v", err)
	}
	noTempFiles(t, i)
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("files %v, error %v", names, err)
	}
}
