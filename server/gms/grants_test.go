package gms_test

import (
	"strings"
	"testing"
)

// columnStatements are what the columns that were granted allow, and how the others fail.
var columnStatements = []struct {
	query   string
	number  uint16
	message string
}{
	{"SELECT a FROM d.t", 0, ""},
	{"SELECT x.a FROM d.t AS x WHERE x.a = 1 ORDER BY a", 0, ""},
	{"SELECT COUNT(a) AS b FROM d.t GROUP BY a HAVING b > 0", 0, ""},
	{"SELECT * FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'"},
	{"SELECT b FROM d.t", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"SELECT a FROM d.t WHERE b = 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"SELECT a FROM d.t ORDER BY b", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"SELECT (SELECT MAX(b) FROM d.t) FROM d.t", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"EXPLAIN SELECT b FROM d.t", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"SELECT a FROM d.t JOIN d.s USING (a)", 1142, "SELECT command denied to user 'u'@'localhost' for table 's'"},
	{"UPDATE d.t SET b = 2 WHERE a = 1", 0, ""},
	{"UPDATE d.t SET a = 2", 1143, "UPDATE command denied to user 'u'@'localhost' for column 'a' in table 't'"},
	{"UPDATE d.t SET b = b + 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"INSERT INTO d.t (a, c) VALUES (7, 7)", 0, ""},
	{"INSERT INTO d.t (a, b) VALUES (8, 8)", 1143, "INSERT command denied to user 'u'@'localhost' for column 'b' in table 't'"},
	{"INSERT INTO d.t VALUES (8, 8, 8)", 1142, "INSERT command denied to user 'u'@'localhost' for table 't'"},
	{"DELETE FROM d.t", 1142, "DELETE command denied to user 'u'@'localhost' for table 't'"},
	{"CREATE TABLE d.k (x INT, FOREIGN KEY (x) REFERENCES d.t (a))", 0, ""},
	{"DROP TABLE d.k", 0, ""},
	{"SHOW COLUMNS FROM d.t", 0, ""},
}

// TestColumnPrivileges: grants of columns hold in text and prepared statements, after a
// restart too, and are shown.
func TestColumnPrivileges(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b INT, c INT)", "CREATE TABLE d.s (a INT)", "INSERT INTO d.t VALUES (1, 1, 1)",
		"CREATE USER u IDENTIFIED BY 'x'", "GRANT CREATE, DROP ON d.* TO u",
		"GRANT SELECT (a), UPDATE (b), INSERT (a, C), REFERENCES (a) ON d.t TO u")
	u := i.conn(i.openAs("u:x", ""))
	for _, x := range columnStatements {
		if x.number != 0 {
			wantMessage(t, u, x.query, x.number, x.message)
			if _, err := u.PrepareContext(t.Context(), x.query); err == nil || !strings.Contains(err.Error(), x.message) {
				t.Errorf("prepare %s: %v", x.query, err)
			}
		} else if _, err := u.ExecContext(t.Context(), x.query); err != nil {
			t.Errorf("%s: %v", x.query, err)
		}
	}
	wantColumn(t, u, "SELECT column_name FROM information_schema.columns WHERE table_name = 't'", "a", "b", "c")
	must(t, c, "REVOKE INSERT (C) ON d.t FROM u")
	wantColumn(t, u, "SELECT column_name FROM information_schema.columns WHERE table_name = 't'", "a", "b")
	wantColumn(t, u, "SHOW GRANTS", "GRANT CREATE, DROP ON `d`.* TO `u`@`%`",
		"GRANT SELECT (`a`), INSERT (`a`), UPDATE (`b`), REFERENCES (`a`) ON `d`.`t` TO `u`@`%`", "GRANT USAGE ON *.* TO `u`@`%`")
	wantColumn(t, u, "SELECT CONCAT_WS(' ', GRANTEE, TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, PRIVILEGE_TYPE, IS_GRANTABLE) FROM information_schema.COLUMN_PRIVILEGES",
		"'u'@'%' d t a INSERT NO", "'u'@'%' d t a REFERENCES NO", "'u'@'%' d t a SELECT NO", "'u'@'%' d t b UPDATE NO")
	must(t, c, "REVOKE SELECT (a), INSERT (a) ON d.t FROM u", "GRANT SELECT (b) ON d.t TO u", "REVOKE SELECT ON d.t FROM u")
	wantMessage(t, u, "SELECT b FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'")
	wantMessage(t, c, "REVOKE SELECT (b) ON d.t FROM u", 1147, "There is no such grant defined for user 'u' on host '%' on table 't'")
	wantMessage(t, c, "GRANT SELECT (nix) ON d.t TO u", 1054, "Unknown column 'nix' in 't'")
	wantMessage(t, c, "GRANT DELETE (a) ON d.t TO u", 1064, "near 'DELETE (a)")
	wantMessage(t, c, "GRANT SELECT (a) ON d.* TO u", 1144, "Illegal GRANT/REVOKE command")
}

// grantErrors are GRANT and REVOKE as root and how they fail; 0: they work.
var grantErrors = []struct {
	query   string
	number  uint16
	message string
}{
	{"GRANT SELECT ON d.nix TO u", 1146, "Table 'd.nix' doesn't exist"},
	{"GRANT CREATE, SELECT ON d.nix TO u", 0, ""},
	{"REVOKE CREATE, SELECT ON d.nix FROM u", 0, ""},
	{"REVOKE SELECT ON d.nix FROM u", 1147, "There is no such grant defined for user 'u' on host '%' on table 'nix'"},
	{"REVOKE IF EXISTS SELECT ON d.nix FROM u", 0, ""},
	{"REVOKE SELECT ON d.* FROM u", 1141, "There is no such grant defined for user 'u' on host '%'"},
	{"REVOKE IF EXISTS SELECT ON d.* FROM u", 0, ""},
	{"REVOKE EXECUTE ON PROCEDURE d.p FROM u", 1403, "There is no such grant defined for user 'u' on host '%' on routine 'p'"},
	{"REVOKE SELECT ON *.* FROM u", 0, ""},
	{"REVOKE SELECT ON d.* FROM nobody", 1141, "There is no such grant defined for user 'nobody' on host '%'"},
	{"REVOKE SELECT ON d.* FROM nobody IGNORE UNKNOWN USER", 0, ""},
	{"REVOKE ALL PRIVILEGES, GRANT OPTION FROM nobody", 1269, "Can't revoke all privileges for one or more of the requested users"},
	{"GRANT SELECT ON d.* TO nobody", 1410, "You are not allowed to create a user with GRANT"},
	{"GRANT EXECUTE ON PROCEDURE d.nix TO u", 1305, "FUNCTION or PROCEDURE nix does not exist"},
	{"GRANT FILE ON d.* TO u", 1221, "Incorrect usage of DB GRANT and GLOBAL PRIVILEGES"},
	{"GRANT LOCK TABLES ON d.t TO u", 1144, "Illegal GRANT/REVOKE command; please consult the manual to see which privileges can be used"},
	{"GRANT SELECT ON PROCEDURE d.p TO u", 1144, "Illegal GRANT/REVOKE command"},
	{"GRANT ROLE_ADMIN ON d.* TO u", 3619, "Illegal privilege level specified for ROLE_ADMIN"},
	{"GRANT NIX_ADMIN ON *.* TO u", 1149, "You have an error in your SQL syntax"},
	{"GRANT SELECT ON t TO u", 1046, "No database selected"},
	{"GRANT SELECT ON information_schema.* TO u", 1044, "Access denied for user 'root'@'localhost' to database 'information_schema'"},
	{"GRANT PROXY ON u TO u", 1235, "PROXY"},
	{"GRANT SELECT ON d.* FROM u", 1064, "near 'FROM u'"},
	{"GRANT USAGE ON *.* TO u", 0, ""},
	{"GRANT SHOW_ROUTINE, SELECT ON *.* TO u WITH GRANT OPTION", 0, ""},
	{"REVOKE GRANT OPTION, SELECT, SHOW_ROUTINE ON *.* FROM u", 0, ""},
}

func TestGrantAndRevokeFailAsInMySQL(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "CREATE PROCEDURE d.p() SELECT 1", "CREATE USER u IDENTIFIED BY 'x', v", "CREATE ROLE r, r2")
	for _, x := range grantErrors {
		if x.number != 0 {
			wantMessage(t, c, x.query, x.number, x.message)
		} else {
			must(t, c, x.query)
		}
	}
	wantColumn(t, c, "SHOW GRANTS FOR u", "GRANT USAGE ON *.* TO `u`@`%`")

	must(t, c, "GRANT SELECT, INSERT ON `d\\_%`.* TO u", "GRANT ALL ON d.* TO u WITH GRANT OPTION", "GRANT ALL ON d.t TO u", "GRANT EXECUTE ON PROCEDURE d.p TO u WITH GRANT OPTION",
		"GRANT r TO u WITH ADMIN OPTION", "GRANT r2 TO u", "GRANT PROCESS ON *.* TO r2", "GRANT ROLE_ADMIN ON *.* TO u")
	base := []string{"GRANT ALL PRIVILEGES ON `d`.* TO `u`@`%` WITH GRANT OPTION", "GRANT ALL PRIVILEGES ON `d`.`t` TO `u`@`%`",
		"GRANT EXECUTE ON PROCEDURE `d`.`p` TO `u`@`%` WITH GRANT OPTION", "GRANT ROLE_ADMIN ON *.* TO `u`@`%`",
		"GRANT SELECT, INSERT ON `d\\_%`.* TO `u`@`%`", "GRANT USAGE ON *.* TO `u`@`%`", "GRANT `r2`@`%` TO `u`@`%`", "GRANT `r`@`%` TO `u`@`%` WITH ADMIN OPTION"}
	wantColumn(t, c, "SHOW GRANTS FOR u", base...)
	wantMessage(t, c, "SHOW GRANTS FOR u USING nix", 3530, "`nix`@`%` is not granted to `u`@`%`")
	with := append([]string{}, base...)
	with[5] = "GRANT PROCESS ON *.* TO `u`@`%`"
	with[3], with[4], with[5] = with[5], with[3], with[4]
	wantColumn(t, c, "SHOW GRANTS FOR u USING r2", with...)
	wantMessage(t, c, "SHOW GRANTS FOR nobody", 1141, "There is no such grant defined for user 'nobody' on host '%'")

	u := i.conn(i.openAs("u:x", ""))
	must(t, u, "GRANT SELECT ON d.* TO v", "GRANT INSERT ON d.t TO v", "GRANT r2 TO v", "REVOKE SELECT ON d.* FROM v")
	for _, x := range []struct {
		query   string
		number  uint16
		message string
	}{
		{"GRANT SELECT ON *.* TO v", 1045, "Access denied for user 'u'@'%' (using password: YES)"},
		{"GRANT SELECT ON e.* TO v", 1044, "Access denied for user 'u'@'%' to database 'e'"},
		{"GRANT SELECT ON e.t TO v", 1142, "SELECT, GRANT command denied to user 'u'@'localhost' for table 't'"},
		{"GRANT EXECUTE ON PROCEDURE e.p TO v", 1370, "grant command denied to user 'u'@'%' for routine 'e.p'"},
		{"REVOKE ALL PRIVILEGES, GRANT OPTION FROM v", 1227, "CREATE USER"},
		{"SHOW GRANTS FOR v", 1044, "Access denied for user 'u'@'%' to database 'mysql'"},
	} {
		wantMessage(t, u, x.query, x.number, x.message)
	}
	// A database's grants go without those of its tables.
	must(t, c, "REVOKE ALL, GRANT OPTION FROM v", "GRANT SELECT ON d.* TO v", "GRANT INSERT ON d.t TO v", "REVOKE SELECT ON d.* FROM v")
	wantColumn(t, c, "SHOW GRANTS FOR v", "GRANT INSERT ON `d`.`t` TO `v`@`%`", "GRANT USAGE ON *.* TO `v`@`%`", "GRANT `r2`@`%` TO `v`@`%`")
	wantColumn(t, c, "SELECT CONCAT_WS(' ', GRANTEE, TABLE_NAME, PRIVILEGE_TYPE) FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE LIKE '%v%'", "'v'@'%' t INSERT")
	wantColumn(t, c, "SELECT CONCAT_WS(' ', TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE) FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = \"'u'@'%'\" AND PRIVILEGE_TYPE = 'SELECT'",
		"d SELECT YES", "d\\_% SELECT NO")
	wantColumn(t, c, "SELECT CONCAT_WS(' ', PRIVILEGE_TYPE, IS_GRANTABLE) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = \"'u'@'%'\"", "ROLE_ADMIN NO")
}
