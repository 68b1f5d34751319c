package gms_test

import (
	"testing"
	"time"
)

// TestProgramsRunAsTheirDefiners: views, procedures, triggers and events do what their
// definer may, whoever uses them, and nothing once it is gone (1449).
func TestProgramsRunAsTheirDefiners(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE DATABASE s", "CREATE TABLE s.t (a INT)", "CREATE TABLE d.t (a INT)", "INSERT INTO s.t VALUES (7)",
		"CREATE USER boss, u IDENTIFIED BY 'x'", "GRANT ALL ON d.* TO boss", "GRANT ALL ON s.* TO boss",
		"CREATE DEFINER=boss VIEW d.v AS SELECT a FROM s.t", "CREATE DEFINER=boss VIEW d.vv AS SELECT a FROM d.v",
		"CREATE DEFINER=boss PROCEDURE d.p() SELECT a FROM s.t", "CREATE DEFINER=boss PROCEDURE d.ip() SQL SECURITY INVOKER SELECT a FROM s.t",
		"CREATE DEFINER=boss PROCEDURE d.who() SELECT CURRENT_USER()",
		"CREATE DEFINER=boss TRIGGER d.tr BEFORE INSERT ON d.t FOR EACH ROW SET NEW.a = (SELECT MAX(a) FROM s.t)",
		"GRANT SELECT ON d.v TO u", "GRANT SELECT ON d.vv TO u", "GRANT EXECUTE, INSERT ON d.* TO u")
	u := i.conn(i.openAs("u:x", ""))
	wantColumn(t, u, "SELECT * FROM d.v", "7")
	wantColumn(t, u, "SELECT * FROM d.vv", "7")
	wantColumn(t, u, "CALL d.p()", "7")
	wantColumn(t, u, "CALL d.who()", "boss@%")
	wantColumn(t, u, "SELECT CURRENT_USER()", "u@%")
	must(t, u, "INSERT INTO d.t VALUES (1)")
	wantColumn(t, c, "SELECT a FROM d.t", "7")
	st, err := u.PrepareContext(t.Context(), "SELECT * FROM d.vv")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	wantMessage(t, u, "SELECT * FROM s.t", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'")
	wantMessage(t, u, "CALL d.ip()", 1142, "SELECT command denied to user 'u'@'localhost' for table 't'")

	must(t, c, "REVOKE ALL ON s.* FROM boss")
	const view = "View 'd.v' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them"
	wantMessage(t, u, "SELECT * FROM d.v", 1356, view)
	wantMessage(t, c, "SELECT * FROM d.v", 1356, view)
	if _, err := st.QueryContext(t.Context()); err == nil {
		t.Error("a prepared statement reads what its view's definer must not")
	}
	wantMessage(t, u, "CALL d.p()", 1142, "SELECT command denied to user 'boss'@'%' for table 't'")
	wantMessage(t, u, "INSERT INTO d.t VALUES (1)", 1142, "SELECT command denied to user 'boss'@'%' for table 't'")
	must(t, c, "GRANT SELECT ON s.* TO boss", "REVOKE TRIGGER ON d.* FROM boss")
	wantMessage(t, u, "INSERT INTO d.t VALUES (1)", 1142, "TRIGGER command denied to user 'boss'@'%' for table 't'")

	must(t, c, "GRANT TRIGGER ON d.* TO boss", "REVOKE UPDATE ON d.* FROM boss")
	wantMessage(t, u, "INSERT INTO d.t VALUES (1)", 1143, "UPDATE command denied to user 'boss'@'%' for column 'a' in table 't'")
	must(t, c, "GRANT UPDATE (a) ON d.t TO boss", "CREATE TABLE d.b (a INT)", "GRANT TRIGGER, UPDATE ON d.b TO boss",
		"CREATE DEFINER=boss TRIGGER d.bt BEFORE INSERT ON d.b FOR EACH ROW SET NEW.a = NEW.a + 1", "REVOKE SELECT ON d.* FROM boss")
	must(t, u, "INSERT INTO d.t VALUES (1)")
	wantMessage(t, u, "INSERT INTO d.b VALUES (1)", 1143, "SELECT command denied to user 'boss'@'%' for column 'a' in table 'b'")
	must(t, c, "GRANT SELECT (a) ON d.b TO boss")
	must(t, u, "INSERT INTO d.b VALUES (1)")

	must(t, c, "DROP USER boss")
	const gone = "The user specified as a definer ('boss'@'%') does not exist"
	for _, q := range []string{"SELECT * FROM d.v", "CALL d.p()", "INSERT INTO d.t VALUES (1)"} {
		wantMessage(t, u, q, 1449, gone)
	}
	wantMessage(t, c, "SELECT * FROM d.v", 1449, gone)
}

func TestEventsRunAsTheirDefiners(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.may (a INT)", "CREATE TABLE d.may_not (a INT)", "CREATE USER boss", "GRANT EVENT ON d.* TO boss", "GRANT INSERT ON d.may TO boss",
		"CREATE DEFINER=boss EVENT d.e1 ON SCHEDULE AT CURRENT_TIMESTAMP DO INSERT INTO d.may_not VALUES (1)",
		"CREATE DEFINER=boss EVENT d.e2 ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN INSERT INTO d.may VALUES (1); INSERT INTO d.may_not VALUES (2); END",
		"CREATE DEFINER=boss EVENT d.e3 ON SCHEDULE AT CURRENT_TIMESTAMP DO INSERT INTO d.may VALUES (3)")
	for deadline := time.Now().Add(30 * time.Second); oneInt(t, c, "SELECT COUNT(*) FROM d.may WHERE a = 3") == 0; {
		if time.Now().After(deadline) {
			t.Fatal("an event does not do what its definer may")
		}
	}
	for deadline := time.Now().Add(30 * time.Second); oneInt(t, c, "SELECT COUNT(*) FROM information_schema.EVENTS") > 0; {
		if time.Now().After(deadline) {
			t.Fatal("events are not over")
		}
	}
	wantColumn(t, c, "SELECT a FROM d.may_not")
}

func TestMandatoryRoles(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (a INT)", "CREATE ROLE r, o", "GRANT SELECT ON d.* TO r", "CREATE USER u IDENTIFIED BY 'x'", "SET GLOBAL mandatory_roles = 'r,`nix`@`%`'")
	t.Cleanup(func() {
		if _, err := i.open("").Exec("SET GLOBAL mandatory_roles = ''"); err != nil {
			t.Log(err)
		}
	})
	defer must(t, c, "SET GLOBAL mandatory_roles = ''")
	u := i.conn(i.openAs("u:x", ""))
	wantError(t, u, "SELECT * FROM d.t", 1142, "42000")
	wantMessage(t, u, "SET ROLE o", 3530, "`o`@`%` is not granted to `u`@`%`")
	must(t, u, "SET ROLE r", "SELECT * FROM d.t")
	wantColumn(t, u, "SELECT CURRENT_ROLE()", "`r`@`%`")
	must(t, c, "CREATE USER tuner IDENTIFIED BY 'x'", "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO tuner")
	wantMessage(t, i.conn(i.openAs("tuner:x", "")), "SET GLOBAL mandatory_roles = 'root@localhost'", 1227, "ROLE_ADMIN")
	wantMessage(t, c, "DROP ROLE r", 3628, "The role `r`@`%` is a mandatory role and can't be revoked or dropped.")
	must(t, c, "GRANT r TO u")
	wantMessage(t, c, "REVOKE r FROM u", 3628, "The role `r`@`%` is a mandatory role")
	must(t, u, "SET ROLE NONE")
	wantError(t, u, "SELECT * FROM d.t", 1142, "42000")
}

// TestEventsAreEvaluatedForThoseWhoMay: the expressions of a schedule have no effect before the privilege is known.
func TestEventsAreEvaluatedForThoseWhoMay(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE USER u IDENTIFIED BY 'p'", "CREATE EVENT d.e ON SCHEDULE EVERY 1 YEAR DO SELECT 1")
	u := i.conn(i.openAs("u:p", ""))
	for _, q := range []string{
		"CREATE EVENT IF NOT EXISTS d.e1 ON SCHEDULE AT (@a := NOW()) DO SELECT 1", "ALTER EVENT d.e ON SCHEDULE EVERY (@a := 1) DAY",
	} {
		wantMessage(t, u, q, 1044, "Access denied for user 'u'@'%' to database 'd'")
	}
	if n := oneInt(t, u, "SELECT @a IS NULL"); n != 1 {
		t.Fatal("the expression was evaluated")
	}
}
