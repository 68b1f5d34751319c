package gms_test

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// TestStatusFlags: an answer says whether a statement read a table without an index, whether its transaction is read only, and whether
// backslashes are escapes.
func TestStatusFlags(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, a INT, b INT, KEY a (a))", "INSERT INTO d.t VALUES (1, 1, 1), (2, 2, 2)")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const whole, readOnly = mysql.SERVER_STATUS_NO_INDEX_USED, mysql.SERVER_STATUS_IN_TRANS | mysql.SERVER_STATUS_IN_TRANS_READONLY
	for _, x := range []struct {
		query string
		want  uint16
	}{
		{"SELECT 1", 0},
		{"SELECT * FROM t", whole},
		{"SELECT * FROM t WHERE b = 1", whole},
		{"SELECT a FROM t FORCE INDEX (a) ORDER BY a", whole},
		{"SELECT * FROM t AS x WHERE id = 1", 0},
		{"SELECT * FROM t WHERE a IN (1, 2)", 0},
		{"SELECT * FROM t AS x JOIN t AS y ON y.id = x.id", whole},
		{"SELECT * FROM (SELECT b FROM t) AS q", whole},
		{"UPDATE t SET b = 3", whole},
		{"UPDATE t SET b = 3 WHERE id = 1", 0},
		{"DELETE FROM t WHERE b = 9", whole},
		{"INSERT INTO t VALUES (7, 7, 7)", 0},
		{"INSERT INTO t SELECT id + 10, a, b FROM t", whole},
		{"SHOW COLUMNS FROM t", 0},
		{"EXPLAIN SELECT * FROM t", 0},
		{"SET @x = 1", 0},
		{"START TRANSACTION READ ONLY", readOnly},
		{"SELECT * FROM t", whole | readOnly},
		{"COMMIT", 0},
		{"SET sql_mode = 'NO_BACKSLASH_ESCAPES'", mysql.SERVER_STATUS_NO_BACKSLASH_ESCAPED},
		{"SELECT '\\'", mysql.SERVER_STATUS_NO_BACKSLASH_ESCAPED},
		{"SET sql_mode = ''", 0},
	} {
		r, err := c.Execute(x.query)
		if err != nil {
			t.Fatalf("%s: %v", x.query, err)
		}
		if got := r.Status &^ mysql.SERVER_STATUS_AUTOCOMMIT; got != x.want {
			t.Errorf("%s: status is %x, want %x", x.query, got, x.want)
		}
	}
	for query, want := range map[string]uint16{"SELECT * FROM t WHERE b = ?": whole, "SELECT * FROM t WHERE a = ?": 0} {
		if r, err := c.Execute(query, 1); err != nil || r.Status&^mysql.SERVER_STATUS_AUTOCOMMIT != want {
			t.Errorf("%s: %v, status is %x, want %x", query, err, r.Status, want)
		}
	}
	r, err := c.Execute("SELECT no_index_used_count, exec_count FROM sys.statements_with_full_table_scans WHERE query = 'SELECT * FROM `t`'")
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := r.GetInt(0, 0); r.RowNumber() != 1 || n != 2 {
		t.Errorf("%d rows, %d scans, want 1 and 2", r.RowNumber(), n)
	}
}
