package gms_test

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A generated column has the value of its expression: when the table has just been made, when its definition was read again,
// in a table LIKE it, and in one that is made of what SHOW CREATE TABLE shows, which shows the same again.
func TestGeneratedColumns(t *testing.T) {
	text, err := os.ReadFile("testdata/generated_expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	i := startInstance(t)
	c := i.conn(i.open(""))
	const columns = `s VARCHAR(20), j JSON, d DATE, g VARCHAR(200)`
	const row = ` (s, j, d) VALUES ('abcdef', '{"a": "xyzuvw", "b": 1}', '2024-02-29')`
	must(t, c, "SET sql_mode = ''", "CREATE DATABASE d", "USE d", "CREATE TABLE plain ("+columns+")", "INSERT INTO plain"+row)
	for _, e := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		must(t, c, "DROP TABLE IF EXISTS made, copied", fmt.Sprintf("CREATE TABLE made (%s AS (%s) STORED)", columns, e), "INSERT INTO made"+row,
			"ALTER TABLE made ADD x INT, ALGORITHM = COPY", "INSERT INTO made"+row, "CREATE TABLE copied LIKE made", "INSERT INTO copied"+row,
			"INSERT INTO copied (s, j, d) SELECT s, j, d FROM copied", "UPDATE IGNORE plain SET g = ("+e+")")
		shown := showCreate(t, c, "TABLE made")
		must(t, c, "DROP TABLE made", shown, "INSERT INTO made"+row)
		if again := showCreate(t, c, "TABLE made"); again != shown {
			t.Errorf("%s: the table that is made of\n%s\nis\n%s", e, shown, again)
		}
		want := one(t, c, "SELECT IFNULL(HEX(g), 'NULL') FROM plain")
		got := one(t, c, "SELECT GROUP_CONCAT(DISTINCT IFNULL(HEX(g), 'NULL')) FROM (SELECT g FROM made UNION ALL SELECT g FROM copied) a")
		if got != want {
			t.Errorf("%s: %s, want %s", e, got, want)
		}
	}
}

// showCreate returns what SHOW CREATE shows.
func showCreate(t *testing.T, c *sql.Conn, what string) string {
	t.Helper()
	var name, text string
	rest := []any{&name, &text}
	if strings.HasPrefix(what, "VIEW") {
		rest = append(rest, new(string), new(string))
	}
	if err := c.QueryRowContext(t.Context(), "SHOW CREATE "+what).Scan(rest...); err != nil {
		t.Fatalf("SHOW CREATE %s: %v", what, err)
	}
	return text
}

// A view that is made of what SHOW CREATE VIEW shows has the rows of the first one, and is shown the same.
func TestShownViews(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20), c DATE, j JSON, KEY k (b), FULLTEXT (b))", "CREATE TABLE u (a INT, x INT)",
		`INSERT INTO t VALUES (1, 'one', '2024-02-29', '{"x": 1}'), (2, 'two', NULL, '{"x": 2, "y": "z"}'), (3, NULL, '2024-03-01', NULL), (7, 'one', '2020-01-01', '[1]')`,
		"INSERT INTO u VALUES (1, 10), (2, 20), (2, 3), (9, NULL)", "CREATE FUNCTION f1() RETURNS INT DETERMINISTIC RETURN 1")
	for n, q := range []string{
		"SELECT * FROM t WHERE a > 1 AND b IN ('one', 'two') AND NOT (a = 5 OR b LIKE 'q%') ORDER BY c DESC, 1 LIMIT 0, 4",
		"SELECT a, COUNT(*) FROM u GROUP BY a HAVING COUNT(*) > 1 ORDER BY 2",
		"SELECT t.a, u.x, UPPER(b) AS ub, t.a + u.x * 2 FROM t LEFT JOIN u ON t.a = u.a RIGHT JOIN u u2 ON u2.a = t.a WHERE t.b IS NOT NULL",
		"SELECT DISTINCT a, (SELECT MAX(x) FROM u WHERE u.a = t.a) mx FROM t WHERE EXISTS (SELECT * FROM u WHERE u.a = t.a) AND a IN (SELECT a FROM u) AND a NOT IN (5, 6)",
		"WITH RECURSIVE cte (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM cte WHERE n < 5) SELECT * FROM cte",
		"SELECT a, ROW_NUMBER() OVER (PARTITION BY b ORDER BY a DESC) rn, SUM(a) OVER w s FROM t WINDOW w AS (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
		"SELECT CASE WHEN a > 1 THEN 'x' ELSE CONCAT(b, '-', a) END k, IF(a, 1, 0) i, CAST(a AS CHAR(5)) ch, DATE_ADD(c, INTERVAL 1 MONTH) dm, c + INTERVAL 1 DAY d1, -a neg, MOD(a, 3) m, j->'$.x' jx, j->>'$.y' jy, a DIV 2 dv FROM t",
		"SELECT a FROM t UNION SELECT x FROM u UNION ALL SELECT 3 ORDER BY a LIMIT 3",
		"SELECT * FROM t NATURAL JOIN u", "SELECT * FROM t JOIN u USING (a) WHERE f1() = 1", "SELECT * FROM t RIGHT JOIN u USING (a)",
		"SELECT GROUP_CONCAT(DISTINCT b ORDER BY a DESC SEPARATOR ';') g, EXTRACT(YEAR FROM c) y, SUBSTRING(b, 2, 3) s, TRIM(b) t, MATCH(b) AGAINST ('one' IN BOOLEAN MODE) > 0 m FROM t GROUP BY a",
		"SELECT v0.a, d.x FROM v0, (SELECT x, 1 FROM u) d WHERE d.x = 1 OR v0.a BETWEEN 1 AND 5 XOR b IS TRUE",
		`SELECT 1, 'a\'b\\c', NULL, 1.5, 0xff, TRUE, _latin1'x', DATE'2020-01-01', TIMESTAMPDIFF(DAY, '2020-01-01', '2020-02-01'), 7 - (2 - 1), -(-1), NOT 1 = 2`,
		"SELECT a FROM t WHERE a > 1 WITH CHECK OPTION",
		"SELECT a FROM t WHERE a = ANY (SELECT x FROM u) OR a > ALL (SELECT a FROM u WHERE a < 3) GROUP BY a WITH ROLLUP",
		"SELECT b, COUNT(*) c FROM t WHERE b REGEXP '^o' AND b NOT LIKE 'x' GROUP BY b HAVING c > 1",
		"SELECT b AS k, LENGTH(b) FROM t GROUP BY k ORDER BY k, LENGTH(b)", "SELECT t.a FROM t FORCE INDEX (k) WHERE t.b = 'one'",
		"SELECT 1 + (a IN (SELECT a FROM u)) z FROM t WHERE (a, 2) IN ((1, 2), (2, 2))", "SELECT l.m FROM t, LATERAL (SELECT MAX(x) m FROM u WHERE u.a = t.a) l",
		"SELECT a FROM t WHERE NOT (a = ANY (SELECT a FROM u)) OR NOT (a > ALL (SELECT a FROM u WHERE a < 3))",
		"SELECT a FROM t WHERE NOT 3 MEMBER OF ('[1, 3]') AND NOT a IN (SELECT a FROM u)", "SELECT COUNT(*), 5 FROM t GROUP BY 2", "SELECT 2, a, b FROM t ORDER BY 1, b DESC",
		`SELECT JSON_VALUE('{"a": 1}', '$.a' RETURNING SIGNED DEFAULT 5 ON EMPTY ERROR ON ERROR) x, JSON_VALUE('{"a": 1}', '$.b' NULL ON EMPTY) y`,
		"SELECT a FROM t WHERE b LIKE 'o|%' ESCAPE '|' OR b NOT LIKE 'tw%' ESCAPE '!'",
		"(SELECT a FROM t ORDER BY a LIMIT 1) UNION (SELECT x FROM u ORDER BY x LIMIT 2)", "SELECT DISTINCT b FROM t", "SELECT COUNT(DISTINCT b), f1() FROM t",
	} {
		name := fmt.Sprintf("v%d", n)
		must(t, c, "CREATE VIEW "+name+" AS "+q)
		rows := everyRow(t, c, "SELECT * FROM "+name)
		shown := showCreate(t, c, "VIEW "+name)
		if !strings.Contains(shown, "AS select ") && !strings.Contains(shown, "AS (select ") && !strings.Contains(shown, "AS with ") {
			t.Errorf("%s is shown as it was written:\n%s", q, shown)
		}
		must(t, c, "DROP VIEW "+name, shown)
		if again := showCreate(t, c, "VIEW "+name); again != shown {
			t.Errorf("%s: the view that is made of\n%s\nis\n%s", q, shown, again)
		}
		if again := everyRow(t, c, "SELECT * FROM "+name); again != rows {
			t.Errorf("%s: %s\nhas the rows %s, want %s", q, shown, again, rows)
		}
	}
}

// everyRow returns the rows of a query as one text.
func everyRow(t *testing.T, c *sql.Conn, query string) string {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprint(names)
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprint(" ", values)
	}
	return out
}
