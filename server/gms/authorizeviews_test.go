package gms_test

import "testing"

// leaks are statements of an account with what fails of them: they would read or write
// what was not granted.
var leaks = []struct {
	query   string
	number  uint16
	message string // "": it works
}{
	// A name of a WITH is one within its query only.
	{"WITH c AS (SELECT 1) SELECT y.* FROM (WITH t AS (SELECT 1) SELECT * FROM t) AS x, t AS y", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'"},
	{"SELECT 1 UNION SELECT 2 ORDER BY (SELECT secret FROM t LIMIT 1)", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'"},
	// The base table of a view that is written is none that may be read.
	{"UPDATE v SET b = (SELECT LENGTH(secret) FROM t LIMIT 1)", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'"},
	{"INSERT INTO v (a, b) SELECT a + 10, LENGTH(secret) FROM t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'"},
	{"DELETE FROM v WHERE a IN (SELECT a FROM (SELECT a FROM t WHERE secret = 'x') AS x)", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'"},
	// Nor are the columns that the view has not.
	{"UPDATE v SET b = b WHERE secret = 'x'", 1054, "Unknown column 'secret' in 'where clause'"},
	{"UPDATE v SET b = 1, secret = 'y'", 1054, "Unknown column 'secret' in 'field list'"},
	{"UPDATE v SET b = (SELECT MAX(secret) FROM own)", 1054, "Unknown column 'secret' in 'field list'"},
	{"UPDATE v SET b = b ORDER BY secret LIMIT 1", 1054, "Unknown column 'secret' in 'order clause'"},
	{"UPDATE own, v SET own.b = LENGTH(secret)", 1054, "Unknown column 'secret' in 'field list'"},
	{"DELETE FROM v WHERE secret = 'y'", 1054, "Unknown column 'secret' in 'where clause'"},
	{"DELETE FROM v WHERE t.secret = 'y'", 1054, "Unknown column 't.secret' in 'where clause'"},
	{"DELETE v FROM v JOIN own ON own.b = secret", 1054, "Unknown column 'secret' in 'on clause'"},
	{"INSERT INTO v (a, b) VALUES (1, 2) ON DUPLICATE KEY UPDATE b = LENGTH(secret)", 1054, "Unknown column 'secret' in 'field list'"},
	{"INSERT INTO v (a, b) VALUES (1, 2) ON DUPLICATE KEY UPDATE secret = 'y'", 1054, "Unknown column 'secret' in 'field list'"},
	{"UPDATE v SET b = (SELECT MAX(secret) FROM (SELECT 3 AS secret) AS x) WHERE a = 2", 0, ""},
	{"INSERT INTO v (a, b) VALUES (2, 1) ON DUPLICATE KEY UPDATE b = VALUES(b) + b", 0, ""},
	// What is read and written of a view is asked by column.
	{"SELECT * FROM w", 1142, "SELECT command denied to user 'u'@'localhost' for table 'w'"},
	{"SELECT 1 AS b FROM w GROUP BY b", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 'w'"},
	{"UPDATE w SET c = 'z' WHERE b = 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 'w'"},
	{"UPDATE w SET b = 1 WHERE a = 1", 1143, "UPDATE command denied to user 'u'@'localhost' for column 'b' in table 'w'"},
	{"UPDATE w SET c = 'z' WHERE a = 1", 0, ""},
	{"SELECT a AS p FROM w GROUP BY p HAVING p > 0 ORDER BY p", 0, ""},
	{"UPDATE o SET b = b WHERE b = 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 'o'"},
	{"UPDATE o SET b = 1 WHERE a = 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'a' in table 'o'"},
	{"DELETE FROM o WHERE a = 9", 1143, "SELECT command denied to user 'u'@'localhost' for column 'a' in table 'o'"},
	{"UPDATE o SET b = 1", 0, ""},
	// An alias hides no column of GROUP BY, of aggregates and of expressions.
	{"SELECT 1 AS hidden FROM r GROUP BY hidden", 1143, "SELECT command denied to user 'u'@'localhost' for column 'hidden' in table 'r'"},
	{"SELECT 1 AS hidden FROM r HAVING MAX(hidden) > 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'hidden' in table 'r'"},
	{"SELECT a, 1 AS hidden FROM r ORDER BY hidden + 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'hidden' in table 'r'"},
	{"SELECT a, 1 AS hidden FROM r HAVING hidden = 1 ORDER BY hidden", 0, ""},
	{"SHOW COLUMNS FROM own WHERE (SELECT COUNT(hidden) FROM r) > 0", 1143, "SELECT command denied to user 'u'@'localhost' for column 'hidden' in table 'r'"},
	// The definer of a view executes its functions, and nobody else.
	{"SELECT * FROM f", 0, ""},
	{"UPDATE fw SET a = f", 0, ""},
	{"SELECT * FROM fi", 1356, "View 'd.fi' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them"},
	{"UPDATE fw SET a = d.g()", 1370, "execute command denied to user 'u'@'%' for routine 'd.g'"},
	{"INSERT INTO own VALUES (1, 1) ON DUPLICATE KEY UPDATE b = g()", 1370, "execute command denied to user 'u'@'%' for routine 'd.g'"},
	{"SELECT 1 UNION SELECT 2 ORDER BY g()", 1370, "execute command denied to user 'u'@'%' for routine 'd.g'"},
	// Views under views are asked of the definer of the one above.
	{"UPDATE outerview SET b = 5", 1356, "View 'd.outerview' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them"},
}

// TestNothingElseIsReadOrWritten: what was not granted cannot be reached around a check.
func TestNothingElseIsReadOrWritten(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (a INT PRIMARY KEY, b INT, secret VARCHAR(9))", "INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y')",
		"CREATE TABLE own (a INT PRIMARY KEY, b INT)", "INSERT INTO own VALUES (1, 1)", "CREATE TABLE r (a INT, hidden INT)",
		"CREATE VIEW v AS SELECT a, b FROM t", "CREATE VIEW w AS SELECT a, b, secret AS c FROM t", "CREATE VIEW o AS SELECT a, b FROM t",
		"CREATE FUNCTION g() RETURNS INT DETERMINISTIC RETURN 7", "CREATE VIEW f AS SELECT g() AS f", "CREATE VIEW fw AS SELECT a, g() AS f FROM own",
		"CREATE SQL SECURITY INVOKER VIEW fi AS SELECT g() AS f", "CREATE USER u IDENTIFIED BY 'x'", "CREATE USER boss",
		"GRANT SELECT, UPDATE ON t TO boss", "GRANT SELECT ON v TO boss", "CREATE DEFINER=boss VIEW outerview AS SELECT a, b FROM v",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON v TO u", "GRANT SELECT (a), UPDATE (c) ON w TO u", "GRANT UPDATE, DELETE ON o TO u",
		"GRANT ALL ON own TO u", "GRANT SELECT (a) ON r TO u", "GRANT SELECT ON f TO u", "GRANT SELECT ON fi TO u", "GRANT SELECT, UPDATE ON fw TO u",
		"GRANT SELECT, UPDATE ON outerview TO u")
	u := i.conn(i.openAs("u:x", "d"))
	for _, x := range leaks {
		if x.number != 0 {
			wantMessage(t, u, x.query, x.number, x.message)
		} else if _, err := u.ExecContext(t.Context(), x.query); err != nil {
			t.Errorf("%s: %v", x.query, err)
		}
	}
	rows, err := u.QueryContext(t.Context(), "SHOW COLUMNS FROM r")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	shown := 0
	for ; rows.Next(); shown++ {
	}
	if shown != 1 || rows.Err() != nil {
		t.Errorf("SHOW COLUMNS shows %d columns of a table of which one is granted: %v", shown, rows.Err())
	}
	wantColumn(t, c, "SELECT CONCAT_WS(' ', a, b, secret) FROM t", "1 1 z", "2 1 y")
}
