package gms_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// column returns the first column of a query's rows, in order.
func column(t *testing.T, c *sql.Conn, query string) []string {
	t.Helper()
	rows, err := c.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func wantColumn(t *testing.T, c *sql.Conn, query string, want ...string) {
	t.Helper()
	if got := column(t, c, query); !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", query, got, want)
	}
}

// wantMessage is wantError that looks at the text too.
func wantMessage(t *testing.T, c *sql.Conn, query string, number uint16, text string) {
	t.Helper()
	_, err := c.ExecContext(t.Context(), query)
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != number || !strings.Contains(e.Message, text) {
		t.Fatalf("%s: got %v, want error %d with %q", query, err, number, text)
	}
}

func TestGrantsAreOfOneAccount(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (id INT)", "CREATE USER app@'%' IDENTIFIED BY 'x'", "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'x'",
		"CREATE USER bob@'%' IDENTIFIED BY 'x'", "CREATE USER ''@'%' IDENTIFIED BY 'x'", "CREATE ROLE r, other")

	must(t, c, "GRANT ALL ON d.* TO app@'127.0.0.1'")
	const grants = "SELECT CONCAT(user, '@', host) FROM mysql.db WHERE db = 'd'"
	wantColumn(t, c, grants, "app@127.0.0.1")
	app := i.conn(i.openAs("app:x", ""))
	must(t, app, "SELECT * FROM d.t")
	must(t, c, "REVOKE ALL ON d.* FROM app@'127.0.0.1'")
	wantError(t, app, "SELECT * FROM d.t", 1142, "42000")

	must(t, c, "GRANT SELECT ON d.* TO bob@'%'")
	wantMessage(t, c, "GRANT INSERT ON d.* TO bob@'10.1.1.1'", 1410, "You are not allowed to create a user with GRANT")
	wantMessage(t, c, "GRANT INSERT ON d.* TO app@'%', nobody@localhost", 1410, "You are not allowed")
	wantMessage(t, c, "REVOKE SELECT ON d.* FROM bob@'10.1.1.1'", 1141, "There is no such grant defined for user 'bob' on host '10.1.1.1'")
	must(t, c, "REVOKE SELECT ON d.* FROM bob@'10.1.1.1' IGNORE UNKNOWN USER")
	if got := one(t, c, "SHOW COUNT(*) WARNINGS"); got != "1" {
		t.Errorf("%s warnings", got)
	}
	wantColumn(t, c, grants, "bob@%")

	wantMessage(t, c, "GRANT r TO bob@'10.1.1.1'", 3523, "Unknown authorization ID `bob`@`10.1.1.1`")
	wantMessage(t, c, "GRANT nix TO bob@'%'", 3523, "Unknown authorization ID `nix`@`%`")
	wantMessage(t, c, "GRANT r, nix TO app@'%'", 3523, "Unknown authorization ID `nix`@`%`")
	const edges = "SELECT CONCAT(FROM_USER, ' ', TO_USER, '@', TO_HOST) FROM mysql.role_edges"
	wantColumn(t, c, edges)
	must(t, c, "GRANT r TO app@'127.0.0.1', bob@'%'", "GRANT other TO r")
	wantColumn(t, c, edges, "other r@%", "r app@127.0.0.1", "r bob@%")
	wantMessage(t, c, "REVOKE r FROM bob@'10.1.1.1'", 3523, "`bob`@`10.1.1.1`")
	must(t, c, "REVOKE r FROM bob@'10.1.1.1' IGNORE UNKNOWN USER", "REVOKE IF EXISTS nix FROM bob@'%'", "REVOKE r FROM bob@'%'")
	wantColumn(t, c, edges, "other r@%", "r app@127.0.0.1")

	must(t, c, "SET DEFAULT ROLE r TO app@'127.0.0.1'")
	const names = "SELECT CONCAT(user, '@', host) FROM mysql.user WHERE user IN ('app','bob','','r')"
	wantMessage(t, c, "DROP USER bob@'%', bob@'10.1.1.1', app@localhost", 1396, "Operation DROP USER failed for 'bob'@'10.1.1.1','app'@'localhost'")
	wantMessage(t, c, "CREATE ROLE r2, r", 1396, "Operation CREATE ROLE failed for 'r'@'%'")
	wantColumn(t, c, names, "@%", "app@%", "app@127.0.0.1", "bob@%", "r@%")
	must(t, c, "DROP USER IF EXISTS bob@'10.1.1.1'")
	if got := one(t, c, "SHOW COUNT(*) WARNINGS"); got != "1" {
		t.Errorf("%s warnings", got)
	}
	must(t, c, "DROP ROLE r")
	wantColumn(t, c, edges)
	if got := one(t, c, "SHOW CREATE USER app@'127.0.0.1'"); strings.Contains(got, "DEFAULT ROLE") {
		t.Error(got)
	}

	must(t, c, "GRANT ALL ON d.* TO app@'%'", "GRANT SELECT ON d.* TO app@'127.0.0.1'", "GRANT ALL ON d.* TO ''@'%'")
	must(t, app, "SELECT * FROM d.t")
	must(t, c, "DROP USER app@'127.0.0.1'")
	wantColumn(t, c, names, "@%", "app@%", "bob@%")
	if _, err := app.ExecContext(t.Context(), "SELECT * FROM d.t"); err == nil {
		t.Error("a dropped account has privileges")
	}
	must(t, c, "GRANT PROCESS ON *.* TO app@'%'", "REVOKE ALL PRIVILEGES, GRANT OPTION FROM app@'%'")
	wantColumn(t, c, grants, "@%", "bob@%")
}

func TestRolesAreGrantedByTheirAdministrators(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE ROLE r", "CREATE USER u@'%' IDENTIFIED BY 'x'", "CREATE USER u@'127.0.0.1' IDENTIFIED BY 'x'", "CREATE USER v",
		"GRANT r TO u@'%' WITH ADMIN OPTION")
	u := i.conn(i.openAs("u:x", "")) // u@127.0.0.1
	if _, err := u.ExecContext(t.Context(), "GRANT r TO v"); err == nil {
		t.Error("another account's ADMIN OPTION was used")
	}
	must(t, c, "GRANT r TO u@'127.0.0.1' WITH ADMIN OPTION", "GRANT r TO u@'127.0.0.1'")
	wantColumn(t, c, "SELECT TO_HOST FROM mysql.role_edges WHERE WITH_ADMIN_OPTION = 'Y'", "%", "127.0.0.1")
}

func TestPasswordsAndHashes(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	long := strings.Repeat("p", 300<<10)
	must(t, c, "CREATE USER a IDENTIFIED BY '"+long[:256]+"'", "CREATE USER n IDENTIFIED WITH mysql_native_password BY 'x'")
	for _, q := range []string{"CREATE USER z IDENTIFIED BY '%'", "ALTER USER a IDENTIFIED BY '%'", "SET PASSWORD FOR n = '%'"} {
		wantError(t, c, strings.Replace(q, "%", long[:257], 1), 1470, "HY000")
	}
	must(t, c, "ALTER USER a IDENTIFIED BY 'x'")
	a := i.conn(i.openAs("a:x", ""))
	wantError(t, a, "ALTER USER USER() IDENTIFIED BY 'p' REPLACE '"+long+"'", 3891, "HY000")
	wantError(t, a, "CREATE USER z IDENTIFIED BY '"+long+"'", 1227, "42000")

	sha2 := "$A$005$" + strings.Repeat("s", 20) + strings.Repeat("h", 43)
	native := "*" + strings.Repeat("0F", 20)
	for _, x := range []struct{ plugin, hash string }{
		{"caching_sha2_password", "x"}, {"caching_sha2_password", native}, {"caching_sha2_password", sha2 + "h"},
		{"caching_sha2_password", "$A$000$" + sha2[7:]}, {"caching_sha2_password", "$A$0x5$" + sha2[7:]}, {"caching_sha2_password", "$A$0055" + sha2[7:]},
		{"mysql_native_password", "x"}, {"mysql_native_password", native[1:]}, {"mysql_native_password", native + "00"},
		{"mysql_native_password", "*" + strings.Repeat("G", 40)}, {"mysql_native_password", sha2},
	} {
		wantError(t, c, "CREATE USER z IDENTIFIED WITH "+x.plugin+" AS '"+x.hash+"'", 1827, "HY000")
		wantError(t, c, "ALTER USER a IDENTIFIED WITH "+x.plugin+" AS '"+x.hash+"'", 1827, "HY000")
	}
	must(t, c, "CREATE USER h1 IDENTIFIED WITH caching_sha2_password AS '"+sha2+"'", "CREATE USER h2 IDENTIFIED WITH mysql_native_password AS '"+native+"'",
		"CREATE USER h3 IDENTIFIED WITH mysql_native_password AS ''")
}

func TestSystemAccountsAreOutOfReach(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER admin IDENTIFIED BY 'x'", "GRANT CREATE USER, SELECT ON *.* TO admin WITH GRANT OPTION", "CREATE USER plain", "CREATE USER boss",
		"CREATE ROLE supers", "GRANT SUPER ON *.* TO supers", "GRANT supers TO boss")
	admin := i.conn(i.openAs("admin:x", ""))
	for _, who := range []string{"root@localhost", "boss", "supers"} {
		for _, q := range []string{
			"ALTER USER % IDENTIFIED BY 'mine'", "ALTER USER % ACCOUNT LOCK", "SET PASSWORD FOR % = 'mine'", "RENAME USER % TO mine",
			"DROP USER %", "DROP ROLE %", "SET DEFAULT ROLE NONE TO %", "GRANT SELECT ON *.* TO %", "REVOKE SELECT ON *.* FROM %",
		} {
			wantMessage(t, admin, strings.Replace(q, "%", who, 1), 1227, "SYSTEM_USER")
		}
	}
	wantMessage(t, admin, "GRANT CONNECTION_ADMIN ON *.* TO admin", 1227, "GRANT OPTION")
	must(t, admin, "ALTER USER plain IDENTIFIED BY 'y'", "GRANT SELECT ON *.* TO plain", "RENAME USER plain TO plainer", "DROP USER plainer",
		"ALTER USER admin COMMENT 'own'")
	must(t, c, "GRANT CONNECTION_ADMIN ON *.* TO admin WITH GRANT OPTION")
	must(t, admin, "CREATE USER other", "GRANT CONNECTION_ADMIN ON *.* TO other", "REVOKE CONNECTION_ADMIN ON *.* FROM other")
	must(t, c, "ALTER USER boss ACCOUNT LOCK", "DROP USER boss", "DROP ROLE supers")
}

// Roles that a role administers, names of hosts without quotes, CURRENT_USER, and what may be
// granted on patterns of databases.
func TestRolesOfRoles(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (a INT, b INT)", "CREATE VIEW d.v AS SELECT a FROM d.t", "CREATE ROLE lead, member, outer_role@a.example.org", "CREATE USER u, w",
		"GRANT member TO lead WITH ADMIN OPTION", "GRANT lead TO u", "GRANT outer_role@a.example.org TO CURRENT_USER()",
		"GRANT ALL ON `d\\_%`.* TO w WITH GRANT OPTION", "GRANT UPDATE, UPDATE (b) ON d.t TO w", "GRANT SELECT ON d.v TO w", "GRANT DROP ROLE ON *.* TO w")
	u := i.conn(i.openAs("u", ""))
	wantError(t, u, "GRANT member TO w", 1227, "42000")
	must(t, u, "SET ROLE lead", "GRANT member TO w")
	wantColumn(t, u, "SHOW GRANTS FOR CURRENT_USER() USING lead", "GRANT USAGE ON *.* TO `u`@`%`", "GRANT `lead`@`%` TO `u`@`%`",
		"GRANT `member`@`%` TO `u`@`%` WITH ADMIN OPTION")
	wantColumn(t, c, "SELECT CONCAT_WS(' ', from_user, to_user, with_admin_option) FROM mysql.role_edges WHERE from_user = 'member'",
		"member lead Y", "member w N")
	wantColumn(t, c, "SELECT CONCAT_WS('|', table_name, table_priv, column_priv) FROM mysql.tables_priv WHERE user = 'w'", "t|Update|Update", "v|Select|")
	wantColumn(t, c, "SELECT CONCAT_WS('|', column_name, column_priv) FROM mysql.columns_priv WHERE user = 'w'", "b|Update")
	w := i.conn(i.openAs("w", ""))
	wantColumn(t, w, "SHOW GRANTS", "GRANT ALL PRIVILEGES ON `d\\_%`.* TO `w`@`%` WITH GRANT OPTION", "GRANT DROP ROLE ON *.* TO `w`@`%`",
		"GRANT SELECT ON `d`.`v` TO `w`@`%`", "GRANT UPDATE, UPDATE (`b`) ON `d`.`t` TO `w`@`%`", "GRANT `member`@`%` TO `w`@`%`")
	must(t, w, "GRANT SELECT ON `d\\_1`.* TO u", "GRANT SELECT ON `d\\_1%`.* TO u")
	for _, pattern := range []string{"d_%", "d%", "%", "d__", "d"} {
		wantMessage(t, w, "GRANT SELECT ON `"+pattern+"`.* TO u", 1044, "Access denied for user 'w'@'%' to database '"+pattern+"'")
	}
	wantMessage(t, w, "EXPLAIN SELECT * FROM d.v", 1345, "EXPLAIN/SHOW can not be issued; lacking privileges for underlying table")
	must(t, c, "REVOKE UPDATE ON d.t FROM w", "GRANT UPDATE (b) ON d.t TO w")
	wantMessage(t, w, "SHOW CREATE TABLE d.t", 1142, "SHOW command denied to user 'w'@'localhost' for table 't'")
	must(t, w, "CHECK TABLE d.t", "DROP ROLE lead")
	wantMessage(t, w, "DROP ROLE u", 1227, "Access denied; you need (at least one of) the CREATE USER privilege(s) for this operation")
	wantMessage(t, c, "ALTER USER u DEFAULT ROLE member", 3530, "`member`@`%` is not granted to `u`@`%`")
	must(t, w, "ALTER USER w DEFAULT ROLE member")
	must(t, c, "REVOKE no_such_privilege ON *.* FROM w")
	wantColumn(t, c, "SHOW COUNT(*) WARNINGS", "1")
	wantError(t, c, "CREATE USER x\xe4", 1064, "42000")
}

// A role is not granted to what it was granted, and partial revokes are not taken for such.
func TestGrantsOfRolesAreNoLoop(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE ROLE a, b, c", "CREATE USER u", "GRANT a TO b", "GRANT b TO c", "GRANT c TO u")
	wantMessage(t, c, "GRANT c TO a", 4027, "User account `a`@`%` is directly or indirectly granted to the role `c`@`%`. The GRANT would create a loop")
	wantMessage(t, c, "GRANT u TO a", 4027, "User account `a`@`%` is directly or indirectly granted to the role `u`@`%`. The GRANT would create a loop")
	wantMessage(t, c, "GRANT a TO a", 4027, "loop")
	must(t, c, "GRANT a TO u")
	wantError(t, c, "SET GLOBAL partial_revokes = ON", 1238, "HY000")
}

// What accounts have is as it was when they are read again, as by another instance.
func TestGrantsAreReadAsTheyWere(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE D1", "USE D1", "CREATE TABLE T (A INT, b INT)", "CREATE PROCEDURE P () SELECT 1", "CREATE FUNCTION F () RETURNS INT NO SQL RETURN 1",
		"CREATE ROLE r, q", "CREATE USER u REQUIRE SSL WITH MAX_USER_CONNECTIONS 3 COMMENT 'c'",
		"GRANT r TO u WITH ADMIN OPTION", "GRANT q TO u", "GRANT SELECT (A), UPDATE (A, b) ON T TO u", "GRANT INSERT ON T TO u WITH GRANT OPTION",
		"GRANT EXECUTE ON PROCEDURE P TO u", "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION F TO u", "GRANT ALL ON D1.* TO u",
		"GRANT BACKUP_ADMIN ON *.* TO u WITH GRANT OPTION", "GRANT ROLE_ADMIN, RELOAD ON *.* TO u", "SET DEFAULT ROLE r TO u")
	shown := func(c *sql.Conn) string {
		return fmt.Sprint(column(t, c, "SHOW GRANTS FOR u"), column(t, c, "SHOW CREATE USER u"))
	}
	before := shown(c)
	wantError(t, c, "REVOKE SELECT ON mysql.* FROM u", 1141, "42000") // reads them again
	if after := shown(c); after != before {
		t.Errorf("after a statement that failed:\n%s\nbefore:\n%s", after, before)
	}
}
