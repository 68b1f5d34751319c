package gms_test

import (
	"strings"
	"testing"
)

// TestDeepStatements: a statement that would use up the stack of the process is refused,
// and the next one runs. Chains of AND may be long.
func TestDeepStatements(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	for _, q := range []string{
		"SELECT " + strings.Repeat("1+", 20_000) + "1",
		"SELECT " + strings.Repeat("NOT ", 20_000) + "1",
		"SELECT " + strings.Repeat("CASE WHEN 1 THEN ", 8_000) + "1" + strings.Repeat(" END", 8_000),
		"SELECT 1 WHERE 1" + strings.Repeat(" AND 1=1", 60_000),
		"SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 8_000),
		"DO " + strings.Repeat("1+", 20_000) + "1",
		"SET @x = " + strings.Repeat("1+", 20_000) + "1",
		"CREATE PROCEDURE mysql.p() SELECT " + strings.Repeat("1+", 20_000) + "1",
		"PREPARE s FROM 'SELECT " + strings.Repeat("1+", 20_000) + "1'",
	} {
		wantMessage(t, c, q, 1436, "Thread stack overrun")
	}
	if _, err := c.PrepareContext(t.Context(), "SELECT "+strings.Repeat("1+", 20_000)+"1"); err == nil {
		t.Error("a deep statement is prepared")
	}
	wantColumn(t, c, "SELECT 1 WHERE 1"+strings.Repeat(" AND 1=1", 10_000), "1")
	wantColumn(t, c, "SELECT "+strings.Repeat("1+", 300)+"1", "301")
}

// TestViewsOfEachOther: views that a RENAME has made of each other are an error wherever
// they are read, and so are those that grow with every one on top.
func TestViewsOfEachOther(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (x INT)", "CREATE VIEW v AS SELECT * FROM t", "CREATE VIEW w AS SELECT * FROM v",
		"DROP TABLE t", "RENAME TABLE w TO t")
	for _, q := range []string{"SELECT * FROM v", "SELECT * FROM t", "UPDATE v SET x = 1", "DELETE FROM v", "INSERT INTO v VALUES (1)", "SHOW COLUMNS FROM v",
		"EXPLAIN SELECT * FROM v", "CREATE VIEW n AS SELECT * FROM v", "CREATE TABLE n AS SELECT * FROM v", "LOCK TABLES v READ"} {
		wantMessage(t, c, q, 1462, "contains view recursion")
	}
	must(t, c, "DROP VIEW IF EXISTS n", "SHOW CREATE VIEW v", "SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'd'")
	wantColumn(t, c, "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'd'", "t", "v")
	must(t, c, "DROP VIEW v", "CREATE TABLE v (x INT)")
	wantColumn(t, c, "SELECT COUNT(*) FROM t", "0")

	must(t, c, "CREATE TABLE b (x BIGINT, y INT)", "CREATE VIEW g0 AS SELECT x + x AS x, y FROM b")
	for n := range 25 {
		must(t, c, "CREATE VIEW g"+string(rune('a'+n))+" AS SELECT x + x AS x, y FROM g"+map[bool]string{true: "0", false: string(rune('a' + n - 1))}[n == 0])
	}
	wantMessage(t, c, "UPDATE g"+string(rune('a'+24))+" SET y = 1", 1288, "not updatable")
	must(t, c, "UPDATE gc SET y = 1")
}
