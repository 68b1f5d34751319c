package gms_test

import (
	"testing"
)

func TestVariablesNeedPrivileges(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x'", "CREATE USER v IDENTIFIED BY 'x'", "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO v")
	u, v := i.conn(i.openAs("u:x", "")), i.conn(i.openAs("v:x", ""))
	for _, q := range []string{
		"SET GLOBAL sort_buffer_size = 300000", "SET @@global.sort_buffer_size = 300000", "SET PERSIST sort_buffer_size = 300000",
		"SET PERSIST_ONLY sort_buffer_size = 300000", "SET @x = 1, GLOBAL sort_buffer_size = 300000", "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED",
	} {
		wantMessage(t, u, q, 1227, "(at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s)")
		must(t, v, q)
		must(t, c, q)
	}
	must(t, u, "SET sort_buffer_size = 300000", "SET NAMES utf8mb4", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET autocommit = 1")
	wantError(t, u, "SET sql_log_bin = 0", 1227, "42000")
	must(t, v, "SET sql_log_bin = 0")
	wantMessage(t, c, "SET max_allowed_packet = 1048576", 1621, "SESSION variable 'max_allowed_packet' is read-only. Use SET GLOBAL to assign the value")
	wantError(t, c, "SET SESSION net_buffer_length = 4096", 1621, "HY000")
}

func TestKillNeedsNoPrivilegeForOneself(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x'", "CREATE USER v IDENTIFIED BY 'x'", "CREATE USER k IDENTIFIED BY 'x'", "GRANT CONNECTION_ADMIN ON *.* TO k")
	u, other, v, k := i.conn(i.openAs("u:x", "")), i.conn(i.openAs("u:x", "")), i.conn(i.openAs("v:x", "")), i.conn(i.openAs("k:x", ""))
	id := one(t, other, "SELECT CONNECTION_ID()")
	wantMessage(t, v, "KILL "+id, 1095, "You are not owner of thread "+id)
	wantError(t, v, "KILL QUERY "+id, 1095, "HY000")
	wantError(t, v, "KILL 4000000", 1094, "HY000")
	wantError(t, k, "KILL "+one(t, c, "SELECT CONNECTION_ID()"), 1095, "HY000")
	must(t, u, "KILL QUERY "+id, "KILL "+id)
	if err := other.PingContext(t.Context()); err == nil {
		t.Error("a killed connection lives")
	}
	must(t, k, "KILL "+one(t, u, "SELECT CONNECTION_ID()"))
	must(t, c, "KILL "+one(t, v, "SELECT CONNECTION_ID()"))
}

func TestSystemTablesAreNotWritten(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x'", "GRANT ALL ON mysql.* TO u", "CREATE DATABASE d", "CREATE TABLE d.t (n INT)", "GRANT ALL ON d.* TO u")
	u := i.conn(i.openAs("u:x", ""))
	for _, q := range []string{
		"INSERT INTO mysql.role_edges VALUES ('%', 'a', '%', 'b', 'N')", "REPLACE INTO mysql.db (host, db, user) VALUES ('%', 'd', 'u')",
		"INSERT INTO mysql.user (host, user) VALUES ('%', 'w')", "UPDATE mysql.user SET Super_priv = 'Y' WHERE user = 'u'",
		"UPDATE mysql.user SET Super_priv = 'Y'", "DELETE FROM mysql.user WHERE user = 'u'", "DELETE FROM mysql.db",
		"DELETE FROM mysql.role_edges WHERE to_user = 'u'",
	} {
		wantError(t, u, q, 1142, "42000")
		wantError(t, c, q, 1142, "42000")
	}
	must(t, u, "INSERT INTO d.t SELECT COUNT(*) FROM mysql.user", "SELECT * FROM mysql.user")
}
