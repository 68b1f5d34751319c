package gms_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
)

// The globals are the process's: they are set to what they are.
func TestVariablesNeedPrivileges(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x'", "CREATE USER v IDENTIFIED BY 'x'", "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO v")
	u, v := i.conn(i.openAs("u:x", "")), i.conn(i.openAs("v:x", ""))
	for _, q := range []string{
		"SET GLOBAL sort_buffer_size = 262144", "SET @@global.sort_buffer_size = 262144", "SET PERSIST sort_buffer_size = 262144",
		"SET PERSIST_ONLY sort_buffer_size = 262144", "SET @x = 1, GLOBAL sort_buffer_size = 262144", "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ",
	} {
		wantMessage(t, u, q, 1227, "(at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s)")
		must(t, v, q)
		must(t, c, q)
	}
	must(t, u, "SET sort_buffer_size = 262144", "SET NAMES utf8mb4", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET autocommit = 1")
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
	wantError(t, c, "KILL CONNECTION_ID()", 1317, "70100")
	if err := c.PingContext(t.Context()); err == nil {
		t.Error("a connection that has killed itself lives")
	}
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

// A narrower account that appears, or a password that changes, while a client answers
// is not the account that the client has shown to be.
func TestLoginIsToTheAuthenticatedAccount(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x'")
	for _, change := range []string{"ALTER USER u IDENTIFIED BY 'y'", "CREATE USER u@'127.0.0.1' IDENTIFIED BY 'x'"} {
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return &interrupted{Conn: conn, f: func() { must(t, c, change) }}, err
		}
		l, err := client.ConnectWithDialer(t.Context(), "tcp", i.addr, "u", "x", "", dial)
		if err == nil {
			_ = l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "Access denied") {
			t.Errorf("%s: %v", change, err)
		}
		must(t, c, "ALTER USER u IDENTIFIED BY 'x'")
	}
}

// interrupted calls f when a client sends its second packet: the server has looked up
// the account.
type interrupted struct {
	net.Conn
	f     func()
	wrote int
}

func (c *interrupted) Write(b []byte) (int, error) {
	if c.wrote++; c.wrote == 2 {
		c.f()
	}
	return c.Conn.Write(b)
}

func TestInnoDBTablesNeedProcess(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x'", "CREATE USER p IDENTIFIED BY 'x'", "GRANT PROCESS ON *.* TO p", "GRANT SELECT ON sys.* TO u", "GRANT SELECT ON performance_schema.* TO u")
	u, p := i.conn(i.openAs("u:x", "")), i.conn(i.openAs("p:x", ""))
	for _, q := range []string{"SELECT COUNT(*) FROM information_schema.INNODB_TRX", "SELECT 1 FROM (SELECT * FROM information_schema.innodb_tables) x"} {
		wantMessage(t, u, q, 1227, "Access denied; you need (at least one of) the PROCESS privilege(s) for this operation")
		must(t, p, q)
	}
	must(t, u, "SELECT COUNT(*) FROM information_schema.TABLES", "SELECT COUNT(*) FROM sys.session")
}
