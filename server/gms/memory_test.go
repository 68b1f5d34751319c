package gms_test

import (
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
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
		"SELECT * FROM t ORDER BY s, id",
		"SELECT * FROM t ORDER BY s, id LIMIT 15000",
		"SELECT id, ROW_NUMBER() OVER (ORDER BY s, id) FROM t",
		"SELECT id, s FROM t UNION ALL SELECT id, s FROM t ORDER BY s",
	} {
		wantError(t, c, q, 1038, "HY001")
		if one(t, c, "SELECT 1") != "1" || i.db.MemoryUsed() != base {
			t.Errorf("%s: %d bytes are still taken", q, i.db.MemoryUsed()-base)
		}
	}
	for _, q := range []string{
		"SELECT id, COUNT(*) FROM t GROUP BY id",
		"SELECT COUNT(DISTINCT id, s) + 0 FROM t",
		"SELECT JSON_ARRAYAGG(s) FROM t",
		"SELECT DISTINCT id + 0, s FROM t",
		"SELECT id, s FROM t UNION SELECT id + 1, s FROM t",
		"SELECT id, s FROM t INTERSECT SELECT id, s FROM t",
		"SELECT COUNT(*) FROM u a JOIN u b ON a.id = b.id",
		"SELECT COUNT(*) FROM v WHERE id IN (SELECT id FROM u) OR g = 77",
		"SELECT COUNT(*) FROM v WHERE id < ALL (SELECT id + 300 FROM u)",
		"SELECT id IN (SELECT id + 1 FROM u) FROM v",
		"SELECT COUNT(*) FROM v x WHERE id IN (SELECT id + x.g FROM u) OR g = 77",
		"UPDATE v SET g = 0 WHERE id IN (SELECT id FROM u) OR g = 77",
		"SELECT * FROM t FOR UPDATE",
		"WITH RECURSIVE r (n, s) AS (SELECT 1, CAST('x' AS CHAR(100)) UNION SELECT n+1, s FROM r WHERE n < 20000) SELECT COUNT(*) FROM r",
		"WITH RECURSIVE r (n) AS (SELECT id FROM t UNION ALL SELECT n+1 FROM r WHERE n < 0) SELECT COUNT(*) FROM r",
	} {
		wantError(t, c, q, 1114, "HY000")
		if one(t, c, "SELECT 1") != "1" || i.db.MemoryUsed() != base {
			t.Errorf("%s: %d bytes are still taken", q, i.db.MemoryUsed()-base)
		}
	}
	for q, want := range map[string]string{
		"SELECT SUM(n) FROM (SELECT g, COUNT(*) n FROM t GROUP BY g) x":                                          "20000",
		"SELECT SUM(LENGTH(s)) FROM (SELECT g, GROUP_CONCAT(s) s FROM t GROUP BY g) x":                           "10240",
		"SELECT LENGTH(GROUP_CONCAT(s ORDER BY s DESC, id)) FROM t":                                              "1024",
		"SELECT LEFT(GROUP_CONCAT(id ORDER BY s DESC, id DESC), 12) FROM t":                                      "19993,19967,",
		"SELECT COUNT(DISTINCT g) FROM t":                                                                        "10",
		"SELECT COUNT(*) FROM (SELECT DISTINCT g FROM t) x":                                                      "10",
		"SELECT id FROM t ORDER BY s DESC, id DESC LIMIT 1":                                                      "19993",
		"SELECT COUNT(*) FROM (SELECT id FROM t ORDER BY s, id LIMIT 100) x":                                     "100",
		"SELECT COUNT(*) FROM v x WHERE (SELECT COUNT(*) FROM v a JOIN v b ON a.id = b.id WHERE a.g = x.g) = 20": "200",
		"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 20000) SELECT COUNT(*) FROM r":  "20000",
		"SELECT COUNT(*) FROM v x WHERE id IN (SELECT y.id FROM v y WHERE y.g <> x.g + 1) OR id = -1":            "200",
	} {
		if got := one(t, c, q); got != want {
			t.Errorf("%s: got %s, want %s", q, got, want)
		}
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
	wantError(t, c, "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 200000) SELECT s FROM (SELECT n, CONCAT(REPEAT('x', 100), n) s FROM r) x ORDER BY s", 1041, "HY000")
	if one(t, c, "SELECT 1") != "1" || i.db.MemoryUsed() != base {
		t.Errorf("%d bytes are still taken", i.db.MemoryUsed()-base)
	}
}
