package gms_test

import (
	"strings"
	"testing"
)

// shownQuestions are what a user is shown of database d and of all databases, in words.
var shownQuestions = map[string]string{
	"databases":   "SELECT GROUP_CONCAT(SCHEMA_NAME ORDER BY 1) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('information_schema', 'performance_schema')",
	"tables":      "SELECT GROUP_CONCAT(TABLE_NAME ORDER BY 1) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'd'",
	"views":       "SELECT GROUP_CONCAT(TABLE_NAME, IF(VIEW_DEFINITION = '', '', '+') ORDER BY 1) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'd'",
	"used":        "SELECT GROUP_CONCAT(VIEW_NAME ORDER BY 1) FROM information_schema.VIEW_TABLE_USAGE WHERE VIEW_SCHEMA = 'd'",
	"columns":     "SELECT GROUP_CONCAT(TABLE_NAME, '.', COLUMN_NAME ORDER BY TABLE_NAME, COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'd'",
	"keys":        "SELECT GROUP_CONCAT(TABLE_NAME, '.', COLUMN_NAME ORDER BY TABLE_NAME, COLUMN_NAME) FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = 'd'",
	"indexes":     "SELECT GROUP_CONCAT(DISTINCT TABLE_NAME ORDER BY 1) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'd'",
	"constraints": "SELECT GROUP_CONCAT(CONSTRAINT_NAME ORDER BY 1) FROM information_schema.TABLE_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'd'",
	"checks":      "SELECT GROUP_CONCAT(CONSTRAINT_NAME ORDER BY 1) FROM information_schema.CHECK_CONSTRAINTS",
	"routines":    "SELECT GROUP_CONCAT(ROUTINE_NAME, IF(ROUTINE_DEFINITION IS NULL, '', '+') ORDER BY 1) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'd'",
	"parameters":  "SELECT GROUP_CONCAT(DISTINCT SPECIFIC_NAME ORDER BY 1) FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = 'd'",
	"triggers":    "SELECT GROUP_CONCAT(TRIGGER_NAME ORDER BY 1) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'd'",
	"events":      "SELECT GROUP_CONCAT(EVENT_NAME ORDER BY 1) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'd'",
	"SHOW TABLES": "SHOW TABLES FROM d", "SHOW DATABASES": "SHOW DATABASES WHERE `Database` NOT LIKE '%\\_schema'",
	"SHOW CREATE PROCEDURE": "SHOW CREATE PROCEDURE d.p", "SHOW CREATE TABLE": "SHOW CREATE TABLE d.s", "SHOW CREATE VIEW": "SHOW CREATE VIEW d.v",
}

// shownBy is what is shown with privileges, of questions that are not of nothing.
var shownBy = map[string]string{
	"":                                  "",
	"SELECT (id) ON d.t":                "databases d; tables t; columns t.id; keys t.id; indexes t; constraints ck,PRIMARY; checks ck; SHOW TABLES (t); SHOW DATABASES (d)",
	"INSERT (a) ON d.t":                 "databases d; tables t; columns t.a; indexes t; constraints ck,PRIMARY; checks ck; SHOW TABLES (t); SHOW DATABASES (d)",
	"TRIGGER ON d.t":                    "databases d; tables t; indexes t; constraints ck,PRIMARY; checks ck; triggers tr; SHOW TABLES (t); SHOW DATABASES (d)",
	"SELECT ON d.v":                     "databases d; tables v; views v; used v; columns v.id; SHOW TABLES (v); SHOW DATABASES (d)",
	"SHOW VIEW, SELECT ON d.v":          "databases d; tables v; views v+; used v; columns v.id; SHOW TABLES (v); SHOW DATABASES (d); SHOW CREATE VIEW *",
	"INSERT ON d.s":                     "databases d; tables s; columns s.id; keys s.id; indexes s; constraints PRIMARY; SHOW TABLES (s); SHOW DATABASES (d); SHOW CREATE TABLE *",
	"EXECUTE ON PROCEDURE d.p":          "databases d; routines p; parameters p; SHOW TABLES no rows; SHOW DATABASES (d); SHOW CREATE PROCEDURE NULL",
	"ALTER ROUTINE ON d.*":              "databases d; routines f,p; parameters f,p; SHOW TABLES no rows; SHOW DATABASES (d); SHOW CREATE PROCEDURE NULL",
	"EVENT ON d.*":                      "databases d; events e; SHOW TABLES no rows; SHOW DATABASES (d)",
	"LOCK TABLES ON d.*":                "databases d; SHOW TABLES no rows; SHOW DATABASES (d)",
	"SHOW DATABASES ON *.*":             "databases d,mysql,other,sys; SHOW TABLES no rows; SHOW DATABASES (d) (mysql) (other) (sys)",
	"SHOW_ROUTINE ON *.*":               "routines f+,p+; parameters f,p; SHOW CREATE PROCEDURE *",
	"CREATE ON other.*":                 "databases other; SHOW DATABASES (other)",
	"r":                                 "databases d; tables s; columns s.id; keys s.id; indexes s; constraints PRIMARY; SHOW TABLES (s); SHOW DATABASES (d); SHOW CREATE TABLE *",
	"SELECT ON d.*":                     "databases d; tables s,t,v; views v; used v; columns s.id,t.a,t.id,v.id; keys s.id,t.id; indexes s,t; constraints ck,PRIMARY,PRIMARY; checks ck; SHOW TABLES (s) (t) (v); SHOW DATABASES (d); SHOW CREATE TABLE *",
	"SELECT, EVENT ON *.*":              "databases d,mysql,other,sys; tables s,t,v; views v; used v; columns s.id,t.a,t.id,v.id; keys s.id,t.id; indexes s,t; constraints ck,PRIMARY,PRIMARY; checks ck; routines f+,p+; parameters f,p; events e; SHOW TABLES (s) (t) (v); SHOW DATABASES (d) (mysql) (other) (sys); SHOW CREATE PROCEDURE *; SHOW CREATE TABLE *",
	"CREATE TEMPORARY TABLES ON `d%`.*": "databases d; SHOW TABLES no rows; SHOW DATABASES (d)",
}

// TestShownByPrivileges: information_schema and SHOW have what MySQL shows to a user with some privilege, on the writer and on a reader.
func TestShownByPrivileges(t *testing.T) {
	x := newTwins(t)
	root := x.w.conn(x.w.open(""))
	must(t, root, "CREATE DATABASE d", "CREATE DATABASE other", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT ck CHECK (a > 0))", "CREATE TABLE s (id INT PRIMARY KEY)",
		"CREATE VIEW v AS SELECT id FROM t", "CREATE PROCEDURE p (x INT) SELECT 1", "CREATE FUNCTION f (x INT) RETURNS INT DETERMINISTIC RETURN x",
		"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", "CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2040-01-01' DO DO 1",
		"CREATE USER u", "CREATE ROLE r", "GRANT SELECT ON d.s TO r", "SET DEFAULT ROLE NONE TO u")
	for _, grants := range sortedKeys(shownBy) {
		must(t, root, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM u", "REVOKE IF EXISTS r FROM u IGNORE UNKNOWN USER")
		if grants == "r" {
			must(t, root, "GRANT r TO u", "SET DEFAULT ROLE r TO u")
		} else if grants != "" {
			must(t, root, "GRANT "+grants+" TO u")
		}
		x.follow()
		for i, on := range []*instance{x.w, x.r} {
			c := on.conn(on.openAs("u", ""))
			shown := map[string]bool{}
			for _, name := range sortedKeys(shownQuestions) {
				out := x.lab[0].outcome(c, shownQuestions[name])
				switch word, _, _ := strings.Cut(name, " "); {
				case out == "(NULL)" || strings.HasPrefix(out, "error 1044") || strings.HasPrefix(out, "error 1142") || strings.HasPrefix(out, "error 1305") || name == "SHOW DATABASES" && out == "no rows":
					continue
				case strings.HasPrefix(name, "SHOW CREATE"):
					if out = "*"; strings.Contains(x.lab[0].outcome(c, shownQuestions[name]), ",NULL,") {
						out = "NULL"
					}
				case word != "SHOW":
					out = strings.Trim(out, "()")
				}
				shown[name+" "+out] = true
			}
			for _, want := range strings.Split(shownBy[grants], "; ") {
				if want != "" && !shown[want] {
					t.Errorf("%q on %s: not %s", grants, []string{"the writer", "the reader"}[i], want)
				}
				delete(shown, want)
			}
			for _, more := range sortedKeys(shown) {
				t.Errorf("%q on %s: %s", grants, []string{"the writer", "the reader"}[i], more)
			}
			_ = c.Close()
		}
	}
}
