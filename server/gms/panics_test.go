package gms_test

import (
	"log/slog"
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/server/gms"
)

// A statement that panics is an error, and its connection goes on. So does a transaction of which
// it only read; one that it may have written in is rolled back, all of it, as the error says.
func TestPanicInStatement(t *testing.T) {
	gms.AddPanic()
	const internal = "error 1105 (HY000): Internal error: the server's log has it"
	i := startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (n INT)",
		"CREATE FUNCTION d.f() RETURNS INT DETERMINISTIC BEGIN INSERT INTO d.t VALUES (7); RETURN sextant_panic(1); END",
		"CREATE PROCEDURE d.p() BEGIN INSERT INTO d.t VALUES (8); SELECT sextant_panic(1); END")
	for _, begin := range []string{"BEGIN", "SET autocommit = 0"} {
		c := i.conn(i.open("d"))
		id := one(t, c, "SELECT CONNECTION_ID()")
		for _, q := range []string{"SELECT sextant_panic(n) FROM t", "SELECT n FROM t WHERE sextant_panic(n) FOR UPDATE"} {
			must(t, c, begin, "INSERT INTO t VALUES (1), (2)")
			if _, err := c.ExecContext(t.Context(), q); err == nil || errorText(err) != internal {
				t.Errorf("%s: %v", q, err)
			}
			if n := one(t, c, "SELECT COUNT(*) FROM t"); n != "2" {
				t.Errorf("%s; %s: %s rows", begin, q, n)
			}
			must(t, c, "ROLLBACK")
		}
		for _, q := range []string{
			"INSERT INTO t SELECT n+sextant_panic(IF(n=2,1,NULL)) FROM t", "UPDATE t SET n=IF(n=1,5,sextant_panic(1))", "DELETE FROM t WHERE n=1 OR sextant_panic(1)",
			"SELECT f()", "CALL p()",
		} {
			must(t, c, begin, "INSERT INTO t VALUES (1), (2)")
			if _, err := c.ExecContext(t.Context(), q); err == nil || errorText(err) != internal+"; the transaction is rolled back" {
				t.Errorf("%s: %v", q, err)
			}
			if n := one(t, c, "SELECT COUNT(*) FROM t"); n != "0" {
				t.Errorf("%s; %s: %s rows", begin, q, n)
			}
			must(t, c, "INSERT INTO t VALUES (3)", "ROLLBACK", "SET autocommit = 1", "DELETE FROM t")
		}
		if got := one(t, c, "SELECT CONNECTION_ID()"); got != id {
			t.Errorf("connection %s, was %s", got, id)
		}
	}
}
