package gms_test

import "testing"

// TestNoIdentifierHasANUL: the tables of FULLTEXT indexes have names that begin with one.
func TestNoIdentifierHasANUL(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	must(t, pool, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, x TEXT, FULLTEXT (x))")
	for _, q := range []string{
		"SELECT * FROM d.`\x00fts_1_config`", "DROP TABLE d.`\x00fts_1_config`", "RENAME TABLE d.t TO d.`\x00t`",
	} {
		wantError(t, pool, q, 1064, "42000")
	}
	c := i.conn(pool)
	must(t, c, "SET sql_mode = 'ANSI_QUOTES'")
	wantError(t, c, "SELECT * FROM d.\"\x00fts_1_config\"", 1064, "42000")
	var n int
	if err := pool.QueryRow("SELECT LENGTH('\x00a\x00')").Scan(&n); err != nil || n != 3 {
		t.Errorf("a text with NULs: %d, %v", n, err)
	}
}
