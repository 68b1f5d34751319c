package gms_test

import "testing"

// TestUpdatedRanges: an UPDATE of a range locks that range, of a table with an alias and
// of a view too.
func TestUpdatedRanges(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, k INT, v INT, KEY (k))", "INSERT INTO t VALUES (1, 10, 1), (2, 20, 1), (3, 30, 1), (4, 40, 1)",
		"CREATE VIEW w AS SELECT id, k, v FROM t")
	for _, of := range []string{"t", "t AS x", "w"} {
		must(t, c, "BEGIN", "UPDATE "+of+" SET v = 2 WHERE k BETWEEN 15 AND 35")
		if n := oneInt(t, c, "SELECT COUNT(*) FROM performance_schema.data_locks WHERE OBJECT_NAME = 't' AND LOCK_DATA LIKE '%supremum%'"); n != 0 {
			t.Errorf("UPDATE %s locks all of the table", of)
		}
		wantColumn(t, c, "SELECT id FROM t WHERE v = 2", "2", "3")
		must(t, c, "ROLLBACK")
	}
}
