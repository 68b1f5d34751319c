package gms_test

import (
	"testing"
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
