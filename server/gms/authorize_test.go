package gms_test

import (
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// leastPrivileges are statements with the privileges without the last of which they fail,
// and how. Undo is what root does afterwards.
var leastPrivileges = []struct {
	grants  []string
	query   string
	number  uint16
	message string
	undo    string
}{
	{[]string{"SELECT ON d.t"}, "SELECT a FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t"}, "SELECT COUNT(*) FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t", "SELECT ON d.*"}, "SELECT * FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t", "SELECT ON d.p"}, "SELECT t.a FROM d.t JOIN d.p ON p.id = t.a", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.t", "SELECT ON d.p"}, "SELECT a FROM d.t WHERE a IN (SELECT id FROM d.p)", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.t", "SELECT ON d.p"}, "SELECT (SELECT MAX(id) FROM d.p) FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.t", "SELECT ON d.p"}, "SELECT a FROM d.t UNION SELECT id FROM d.p", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.p"}, "WITH c AS (SELECT id FROM d.p) SELECT * FROM c", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.p"}, "SELECT * FROM (SELECT id FROM d.p) AS x", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.p"}, "DO (SELECT MAX(id) FROM d.p)", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.p"}, "SET @x = (SELECT MAX(id) FROM d.p)", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"SELECT ON d.v"}, "SELECT * FROM d.v", 1142, "SELECT command denied to user 'u'@'localhost' for table 'v'", ""},
	{[]string{"SELECT ON d.iv", "SELECT ON d.t"}, "SELECT * FROM d.iv", 1356, "View 'd.iv' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them", ""},
	{[]string{"SELECT ON d.t", "UPDATE ON d.t"}, "SELECT a FROM d.t FOR UPDATE", 1142, "SELECT with locking clause command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t", "DELETE ON d.t"}, "SELECT a FROM d.t FOR UPDATE", 1142, "SELECT with locking clause command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t", "LOCK TABLES ON d.*"}, "SELECT a FROM d.t FOR UPDATE", 1142, "SELECT with locking clause command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t"}, "SELECT a FROM d.t FOR SHARE", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},

	{[]string{"INSERT ON d.t"}, "INSERT INTO d.t VALUES (7, 7)", 1142, "INSERT command denied to user 'u'@'localhost' for table 't'", "DELETE FROM d.t WHERE a = 7"},
	{[]string{"INSERT ON d.t", "SELECT ON d.p"}, "INSERT INTO d.t SELECT id + 10, id FROM d.p", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", "DELETE FROM d.t WHERE a > 1"},
	{[]string{"INSERT ON d.t", "UPDATE ON d.t"}, "INSERT INTO d.t VALUES (1, 7) ON DUPLICATE KEY UPDATE b = VALUES(b)", 1142, "UPDATE command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t", "DELETE ON d.t"}, "REPLACE INTO d.t VALUES (1, 8)", 1142, "DELETE command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.c"}, "INSERT INTO d.c VALUES (1)", 1142, "INSERT command denied to user 'u'@'localhost' for table 'c'", "DELETE FROM d.c"},
	{[]string{"UPDATE ON d.t"}, "UPDATE d.t SET b = 1", 1142, "UPDATE command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"UPDATE ON d.t", "SELECT ON d.t"}, "UPDATE d.t SET b = 1 WHERE a = 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'a' in table 't'", ""},
	{[]string{"UPDATE ON d.t", "SELECT ON d.t"}, "UPDATE d.t SET b = a + 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'a' in table 't'", ""},
	{[]string{"SELECT ON d.*", "UPDATE ON d.t"}, "UPDATE d.t JOIN d.p ON p.id = t.a SET t.b = p.id", 1142, "UPDATE command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t", "UPDATE ON d.t", "SELECT ON d.p"}, "UPDATE d.t JOIN d.p ON p.id = t.a SET t.b = p.id", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", ""},
	{[]string{"DELETE ON d.e"}, "DELETE FROM d.e", 1142, "DELETE command denied to user 'u'@'localhost' for table 'e'", ""},
	{[]string{"DELETE ON d.e", "SELECT ON d.e"}, "DELETE FROM d.e WHERE id = 1", 1143, "SELECT command denied to user 'u'@'localhost' for column 'id' in table 'e'", ""},
	{[]string{"SELECT ON d.*", "DELETE ON d.e"}, "DELETE e FROM d.e JOIN d.p ON p.id = e.id", 1142, "DELETE command denied to user 'u'@'localhost' for table 'e'", ""},

	{[]string{"CREATE ON d.n"}, "CREATE TABLE d.n (id INT)", 1142, "CREATE command denied to user 'u'@'localhost' for table 'n'", "DROP TABLE d.n"},
	{[]string{"CREATE ON d.*", "INSERT ON d.*", "SELECT ON d.p"}, "CREATE TABLE d.n SELECT * FROM d.p", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", "DROP TABLE d.n"},
	{[]string{"CREATE ON d.*", "SELECT ON d.p", "CREATE, INSERT ON d.n"}, "CREATE TABLE d.n SELECT * FROM d.p", 1142, "INSERT command denied to user 'u'@'localhost' for table 'n'", "DROP TABLE d.n"},
	{[]string{"CREATE ON d.*", "SELECT ON d.p"}, "CREATE TABLE d.n LIKE d.p", 1142, "SELECT command denied to user 'u'@'localhost' for table 'p'", "DROP TABLE d.n"},
	{[]string{"CREATE ON d.*", "REFERENCES ON d.p"}, "CREATE TABLE d.n (id INT, FOREIGN KEY (id) REFERENCES d.p (id))", 1142, "REFERENCES command denied to user 'u'@'localhost' for table 'p'", "DROP TABLE d.n"},
	{[]string{"CREATE TEMPORARY TABLES ON d.*"}, "CREATE TEMPORARY TABLE d.tmp (id INT)", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"DROP ON d.e"}, "DROP TABLE d.e", 1142, "DROP command denied to user 'u'@'localhost' for table 'e'", "CREATE TABLE d.e (id INT PRIMARY KEY)"},
	{[]string{"DROP ON d.e"}, "TRUNCATE d.e", 1142, "DROP command denied to user 'u'@'localhost' for table 'e'", ""},
	{[]string{"ALTER ON d.e"}, "ALTER TABLE d.e ADD x INT", 1142, "ALTER command denied to user 'u'@'localhost' for table 'e'", "ALTER TABLE d.e DROP x"},
	{[]string{"ALTER ON d.e"}, "ALTER TABLE d.e ADD INDEX ix (id)", 1142, "ALTER command denied to user 'u'@'localhost' for table 'e'", "DROP INDEX ix ON d.e"},
	{[]string{"INDEX ON d.e"}, "CREATE INDEX ix ON d.e (id)", 1142, "INDEX command denied to user 'u'@'localhost' for table 'e'", ""},
	{[]string{"INDEX ON d.e"}, "DROP INDEX ix ON d.e", 1142, "INDEX command denied to user 'u'@'localhost' for table 'e'", ""},
	{[]string{"ALTER ON d.c", "REFERENCES ON d.e"}, "ALTER TABLE d.c ADD CONSTRAINT fe FOREIGN KEY (id) REFERENCES d.e (id)", 1142, "REFERENCES command denied to user 'u'@'localhost' for table 'e'", "ALTER TABLE d.c DROP FOREIGN KEY fe"},
	{[]string{"ALTER ON d.e", "DROP ON d.e", "CREATE ON d.n", "CREATE, INSERT ON d.n"}, "RENAME TABLE d.e TO d.n", 1142, "INSERT command denied to user 'u'@'localhost' for table 'n'", "RENAME TABLE d.n TO d.e"},
	{[]string{"CREATE ON d.*", "INSERT ON d.*", "ALTER ON d.e", "DROP ON d.e"}, "ALTER TABLE d.e RENAME TO d.n", 1142, "DROP command denied to user 'u'@'localhost' for table 'e'", "RENAME TABLE d.n TO d.e"},
	{[]string{"SELECT ON d.t", "CREATE, CREATE VIEW ON d.w"}, "CREATE VIEW d.w AS SELECT a FROM d.t", 1142, "CREATE VIEW command denied to user 'u'@'localhost' for table 'w'", "DROP VIEW d.w"},
	{[]string{"CREATE VIEW ON d.*", "SELECT ON d.t"}, "CREATE VIEW d.w AS SELECT a FROM d.t", 1142, "ANY command denied to user 'u'@'localhost' for table 't'", "DROP VIEW d.w"},
	{[]string{"DROP ON d.v"}, "DROP VIEW d.v", 1142, "DROP command denied to user 'u'@'localhost' for table 'v'", "CREATE VIEW d.v AS SELECT a FROM d.t"},
	{[]string{"CREATE ON nd.*"}, "CREATE DATABASE nd", 1044, "Access denied for user 'u'@'%' to database 'nd'", ""},
	{[]string{"ALTER ON nd.*"}, "ALTER DATABASE nd CHARACTER SET utf8mb4", 1044, "Access denied for user 'u'@'%' to database 'nd'", ""},
	{[]string{"DROP ON nd.*"}, "DROP DATABASE nd", 1044, "Access denied for user 'u'@'%' to database 'nd'", ""},
	{[]string{"TRIGGER ON d.e"}, "CREATE TRIGGER d.tr BEFORE INSERT ON d.e FOR EACH ROW SET @z = 1", 1142, "TRIGGER command denied to user 'u'@'localhost' for table 'e'", ""},
	{[]string{"TRIGGER ON d.e"}, "SHOW CREATE TRIGGER d.tr", 1227, "Access denied; you need (at least one of) the TRIGGER privilege(s) for this operation", ""},
	{[]string{"TRIGGER ON d.e"}, "DROP TRIGGER d.tr", 1142, "TRIGGER command denied to user 'u'@'localhost' for table 'e'", ""},
	{[]string{"EVENT ON d.*"}, "CREATE EVENT d.ev ON SCHEDULE EVERY 1 YEAR STARTS '2040-01-01' DO SET @z = 1", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"EVENT ON d.*"}, "SHOW CREATE EVENT d.ev", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"SELECT ON d.*", "EVENT ON d.*"}, "SHOW EVENTS FROM d", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"EVENT ON d.*"}, "DROP EVENT d.ev", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"CREATE ROUTINE ON d.*"}, "CREATE PROCEDURE d.np() SELECT 1", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"ALTER ROUTINE ON PROCEDURE d.np"}, "DROP PROCEDURE d.np", 1370, "alter routine command denied to user 'u'@'%' for routine 'd.np'", "CREATE PROCEDURE d.np() SELECT 1"},
	{[]string{"EXECUTE ON PROCEDURE d.sp"}, "CALL d.sp()", 1370, "execute command denied to user 'u'@'%' for routine 'd.sp'", ""},
	{[]string{"EXECUTE ON d.*", "SELECT ON d.t"}, "CALL d.isp()", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"EXECUTE ON d.*"}, "CALL d.sp()", 1370, "execute command denied to user 'u'@'%' for routine 'd.sp'", ""},
	{[]string{"EXECUTE ON PROCEDURE d.sp"}, "SHOW CREATE PROCEDURE d.sp", 1305, "PROCEDURE sp does not exist", ""},

	{[]string{"SELECT ON d.t", "LOCK TABLES ON d.*"}, "LOCK TABLES d.t READ", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"LOCK TABLES ON d.*", "SELECT ON d.t"}, "LOCK TABLES d.t WRITE", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW CREATE TABLE d.t", 1142, "SHOW command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.v", "SHOW VIEW ON d.v"}, "SHOW CREATE VIEW d.v", 1142, "SHOW VIEW command denied to user 'u'@'localhost' for table 'v'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW COLUMNS FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t"}, "DESCRIBE d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW INDEX FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW TABLES FROM d", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW TABLE STATUS FROM d", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW TRIGGERS FROM d", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"INSERT ON d.t"}, "SHOW CREATE DATABASE d", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"INSERT ON d.t"}, "USE d", 1044, "Access denied for user 'u'@'%' to database 'd'", ""},
	{[]string{"SELECT ON d.t"}, "EXPLAIN SELECT * FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t"}, "CHECK TABLE d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t"}, "CHECKSUM TABLE d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON d.t", "INSERT ON d.t"}, "ANALYZE TABLE d.t", 1142, "INSERT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"INSERT ON d.t", "SELECT ON d.t"}, "OPTIMIZE TABLE d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON mysql.func"}, "SELECT name FROM mysql.func", 1142, "SELECT command denied to user 'u'@'localhost' for table 'func'", ""},
	{[]string{"SELECT ON mysql.user"}, "SELECT user FROM mysql.user", 1142, "SELECT command denied to user 'u'@'localhost' for table 'user'", ""},
	{[]string{"SELECT ON performance_schema.threads"}, "SELECT * FROM performance_schema.threads", 1142, "SELECT command denied to user 'u'@'localhost' for table 'threads'", ""},
	{[]string{"SELECT ON mysql.*"}, "SHOW GRANTS FOR root@localhost", 1044, "Access denied for user 'u'@'%' to database 'mysql'", ""},
	{[]string{"PROCESS ON *.*"}, "SHOW ENGINE INNODB STATUS", 1227, "Access denied; you need (at least one of) the PROCESS privilege(s) for this operation", ""},
	{[]string{"REPLICATION CLIENT ON *.*"}, "SHOW MASTER STATUS", 1227, "Access denied; you need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for this operation", ""},
	{[]string{"REPLICATION CLIENT ON *.*"}, "SHOW SLAVE STATUS", 1227, "Access denied; you need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for this operation", ""},
	{[]string{"REPLICATION SLAVE ON *.*"}, "SHOW BINLOG EVENTS", 1227, "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation", ""},
	{[]string{"REPLICATION SLAVE ON *.*"}, "SHOW REPLICAS", 1227, "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation", ""},
	{[]string{"DROP ON performance_schema.*"}, "TRUNCATE performance_schema.events_statements_summary_by_digest", 1142, "DROP command denied to user 'u'@'localhost' for table 'events_statements_summary_by_digest'", ""},
	{[]string{"RELOAD ON *.*"}, "FLUSH PRIVILEGES", 1227, "Access denied; you need (at least one of) the RELOAD privilege(s) for this operation", ""},
	{[]string{"RELOAD ON *.*"}, "FLUSH STATUS", 1227, "Access denied; you need (at least one of) the RELOAD privilege(s) for this operation", ""},
	{[]string{"SYSTEM_VARIABLES_ADMIN ON *.*"}, "SET GLOBAL sort_buffer_size = 262144", 1227, "Access denied; you need (at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s) for this operation", ""},
	{[]string{"CREATE USER ON *.*"}, "CREATE USER nu", 1227, "Access denied; you need (at least one of) the CREATE USER privilege(s) for this operation", ""},
	{[]string{"CREATE USER ON *.*"}, "DROP USER nu", 1227, "Access denied; you need (at least one of) the CREATE USER privilege(s) for this operation", ""},
	{[]string{"CREATE ROLE ON *.*"}, "CREATE ROLE nr", 1227, "Access denied; you need (at least one of) the CREATE USER, CREATE ROLE privilege(s) for this operation", ""},
	{[]string{"DROP ROLE ON *.*"}, "DROP ROLE nr", 1227, "Access denied; you need (at least one of) the CREATE USER, DROP ROLE privilege(s) for this operation", ""},
	{[]string{"SELECT ON `d%`.*"}, "SELECT * FROM d.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
	{[]string{"SELECT ON `d\\_x`.*"}, "SELECT * FROM d_x.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'", ""},
}

// Every kind of statement works with the least privileges that it has in MySQL, and fails
// without one of them as there.
func TestLeastPrivileges(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY, b INT)", "CREATE TABLE d.p (id INT PRIMARY KEY)", "CREATE TABLE d.e (id INT PRIMARY KEY)",
		"CREATE TABLE d.c (id INT, FOREIGN KEY (id) REFERENCES d.p (id))", "INSERT INTO d.t VALUES (1, 1)", "INSERT INTO d.p VALUES (1)",
		"CREATE VIEW d.v AS SELECT a FROM d.t", "CREATE SQL SECURITY INVOKER VIEW d.iv AS SELECT a FROM d.t", "CREATE PROCEDURE d.sp() SELECT a FROM d.t",
		"CREATE PROCEDURE d.isp() SQL SECURITY INVOKER SELECT a FROM d.t", "CREATE DATABASE d_x", "CREATE TABLE d_x.t (a INT)", "CREATE USER u IDENTIFIED BY 'x'")
	u := i.conn(i.openAs("u:x", ""))
	for _, x := range leastPrivileges {
		must(t, c, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM u")
		for n, g := range x.grants {
			if n == len(x.grants)-1 {
				_, err := u.ExecContext(t.Context(), x.query)
				var e *mysql.MySQLError
				if !errors.As(err, &e) || e.Number != x.number || e.Message != x.message {
					t.Errorf("%s without %s: %v, want %d %s", x.query, g, err, x.number, x.message)
				}
			}
			must(t, c, "GRANT "+g+" TO u")
		}
		if _, err := u.ExecContext(t.Context(), x.query); err != nil {
			t.Errorf("%s with %v: %v", x.query, x.grants, err)
		}
		if _, err := u.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Error(err)
		}
		if x.undo != "" {
			if _, err := c.ExecContext(t.Context(), x.undo); err != nil {
				t.Errorf("%s: %v", x.undo, err)
			}
		}
	}
}
