package gms_test

import (
	"strings"
	"testing"
)

// TestClientsCharacterSet: what a client sends is of its character_set_client, in statements and parameters, and what it is
// sent is of its character_set_results.
func TestClientsCharacterSet(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	c := i.conn(i.open("d"))
	must(t, c, "SET NAMES latin1", "CREATE TABLE t (a VARCHAR(10), b VARCHAR(10) CHARACTER SET latin1)", "INSERT INTO t VALUES ('\xe9', '\xe9')")
	for query, want := range map[string]string{
		"SELECT HEX(a) FROM t WHERE a = '\xe9'": "C3A9", "SELECT HEX(b) FROM t": "E9", "SELECT a FROM t": "\xe9", "SELECT CONCAT('\xe9', b) FROM t": "\xe9\xe9",
		"SELECT HEX(_latin1'\xe9')": "E9", "SELECT LENGTH('\xe9')": "1", "SELECT '\xe4' = '\xc4'": "1",
	} {
		if got := one(t, c, query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	var got string
	if err := c.QueryRowContext(t.Context(), "SELECT HEX(a) FROM t WHERE a = ? AND b = ?", "\xe9", "\xe9").Scan(&got); err != nil || got != "C3A9" {
		t.Errorf("a parameter: got %q, %v", got, err)
	}
	must(t, c, "SET NAMES utf8mb4")
	if got := one(t, c, "SELECT CONCAT(a, b) FROM t WHERE b = 'é'"); got != "éé" {
		t.Errorf("got %q", got)
	}
}

// TestBytesOfUTF8Clients: a literal that is no text of a client's utf8mb3 is compared with bytes, and no value of a column of text.
func TestBytesOfUTF8Clients(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	c := i.conn(i.open("d"))
	must(t, c, "SET NAMES utf8mb3", "CREATE TABLE t (b BLOB, v VARBINARY(9), a VARCHAR(9))", "INSERT INTO t (b, v) VALUES ('\xff\x01', '\xfe\x00'), ('\xfd', 'é')")
	for query, want := range map[string]string{
		"SELECT COUNT(*) FROM t WHERE b='\xff\x01'": "1", "SELECT COUNT(*) FROM t WHERE b IN ('\xff\x01', '\xfd', 'a')": "2", "SELECT COUNT(*) FROM t WHERE v = 'é'": "1",
		"SELECT COUNT(*) FROM t WHERE v <> \"\xfe\x00\" AND v > '\xc3'": "1", "SELECT HEX('\xff')": "FF", "SELECT HEX(_latin1'\xe9')": "E9", "SELECT COUNT(*) FROM t WHERE a = '\xff'": "0",
	} {
		if got := one(t, c, query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
	var got string
	if err := c.QueryRowContext(t.Context(), "SELECT HEX(b) FROM t WHERE b = ? OR v IN (?, ?)", []byte("\xff\x01"), "\xff", "a").Scan(&got); err != nil || got != "FF01" {
		t.Errorf("a parameter: got %q, %v", got, err)
	}
	must(t, c, "UPDATE t SET v = CONCAT(v, '\xff') WHERE b = '\xfd'", "DELETE FROM t WHERE v = '\xfe\x00'")
	if got := one(t, c, "SELECT HEX(v) FROM t"); got != "C3A9FF" {
		t.Errorf("got %q", got)
	}
	if _, err := c.ExecContext(t.Context(), "INSERT INTO t (a) VALUES ('a\xff')"); err == nil || !strings.Contains(err.Error(), "1366") {
		t.Errorf("a text that is none: %v", err)
	}
	must(t, c, "SET NAMES utf8mb4")
	rows, err := c.QueryContext(t.Context(), "SELECT CONCAT(v, '\xff\xfe'), 'é' FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if names, err := rows.Columns(); err != nil || names[0] != "CONCAT(v, '??')" || names[1] != "é" {
		t.Errorf("names: %q, %v", names, err)
	}
}

// TestGreetingsCollation: the collation that a client greets with is that of its connection, with the character set.
func TestGreetingsCollation(t *testing.T) {
	i := startInstance(t)
	for _, collation := range []string{"utf8mb4_0900_ai_ci", "utf8mb4_unicode_ci", "latin1_general_ci", "cp1257_bin", "binary"} {
		set, _, _ := strings.Cut(collation, "_")
		want := strings.Join([]string{collation, collation, set, set, set}, " ")
		c := i.conn(i.open("?collation=" + collation))
		if got := one(t, c, "SELECT CONCAT_WS(' ', @@collation_connection, COLLATION('a'), @@character_set_client, @@character_set_results, @@character_set_connection)"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
