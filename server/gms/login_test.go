package gms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
)

// loginError returns why a user cannot log in, 0 if it can.
func (i *instance) loginError(user string) uint16 {
	i.t.Helper()
	db := i.openAs(user, "")
	defer db.Close()
	err := db.PingContext(i.t.Context())
	var e *mysql.MySQLError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Number
	}
	i.t.Fatalf("%s: %v", user, err)
	return 0
}

func wantLogin(t *testing.T, i *instance, user string, number uint16) {
	t.Helper()
	if got := i.loginError(user); got != number {
		t.Errorf("login of %s: error %d, want %d", user, got, number)
	}
}

func TestAccounts(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER a IDENTIFIED BY 'secret'", "CREATE USER b@localhost IDENTIFIED WITH mysql_native_password BY 'x' ACCOUNT LOCK",
		"CREATE USER IF NOT EXISTS a IDENTIFIED BY 'other'", "CREATE USER n@'10.%' IDENTIFIED BY 'x'")
	wantLogin(t, i, "a:secret", 0)
	wantLogin(t, i, "a:secret", 0) // from the cache of passwords
	wantLogin(t, i, "a:other", 1045)
	wantLogin(t, i, "a", 1045)
	wantLogin(t, i, "nobody:x", 1045)
	wantLogin(t, i, "n:x", 1045)
	wantLogin(t, i, "b:x", 3118)
	must(t, c, "ALTER USER b@localhost ACCOUNT UNLOCK")
	wantLogin(t, i, "b:x", 0)
	must(t, c, "ALTER USER a IDENTIFIED BY 'new'")
	wantLogin(t, i, "a:secret", 1045)
	wantLogin(t, i, "a:new", 0)
	must(t, c, "RENAME USER a TO a2@'127.0.0.1'", "SET PASSWORD FOR a2@'127.0.0.1' = 'newer'")
	wantLogin(t, i, "a:new", 1045)
	wantLogin(t, i, "a2:newer", 0)
	must(t, c, "ALTER USER a2@'127.0.0.1' REQUIRE SSL")
	wantLogin(t, i, "a2:newer", 1045)
	must(t, c, "ALTER USER a2@'127.0.0.1' REQUIRE NONE WITH MAX_USER_CONNECTIONS 1 COMMENT 'hello'")
	show := one(t, c, "SHOW CREATE USER a2@'127.0.0.1'")
	for _, part := range []string{"CREATE USER `a2`@`127.0.0.1` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$", "REQUIRE NONE WITH MAX_USER_CONNECTIONS 1", `ATTRIBUTE '{\"comment\":\"hello\"}'`[:11]} {
		if !strings.Contains(show, part) {
			t.Errorf("SHOW CREATE USER lacks %s: %s", part, show)
		}
	}
	for one(t, c, "SELECT COUNT(*) FROM information_schema.processlist WHERE user='a2'") != "0" {
		continue // the connections of before are being closed
	}
	first := i.conn(i.openAs("a2:newer", ""))
	wantLogin(t, i, "a2:newer", 1226)
	if got := one(t, first, "SELECT CONCAT(USER(),' ',CURRENT_USER())"); got != "a2@localhost a2@127.0.0.1" {
		t.Error(got)
	}
	wantError(t, first, "CREATE USER z", 1227, "42000")
	wantError(t, first, "ALTER USER root@localhost IDENTIFIED BY 'mine'", 1227, "42000")
	wantError(t, first, "SHOW CREATE USER root@localhost", 1142, "42000")
	must(t, first, "ALTER USER USER() IDENTIFIED BY 'own'", "SHOW GRANTS")
	must(t, c, "SHOW GRANTS FOR a2@'127.0.0.1'")
	wantError(t, c, "SHOW GRANTS FOR a2@'10.0.0.1'", 1141, "42000")
	wantError(t, c, "CREATE USER a2@'127.0.0.1'", 1396, "HY000")
	wantError(t, c, "ALTER USER nobody ACCOUNT LOCK", 1396, "HY000")
	wantError(t, c, "CREATE USER x IDENTIFIED WITH nosuch BY 'y'", 1524, "HY000")
	wantError(t, c, "CREATE USER x IDENTIFIED", 1064, "42000")
	wantError(t, first, "ALTER USER USER() IDENTIFIED BY 'z' REPLACE 'wrong'", 3891, "HY000")
	wantError(t, c, "ALTER USER a2@'127.0.0.1' IDENTIFIED BY 'z' REPLACE 'own'", 3893, "HY000")
}

func TestExpiredPasswords(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER a IDENTIFIED BY 'old' PASSWORD EXPIRE", "CREATE USER b IDENTIFIED BY 'x' PASSWORD EXPIRE INTERVAL 90 DAY")
	wantLogin(t, i, "b:x", 0)
	wantLogin(t, i, "a:old", 1862) // the driver cannot handle expired passwords
	must(t, c, "ALTER USER a PASSWORD EXPIRE NEVER")
	wantLogin(t, i, "a:old", 0)
	must(t, c, "ALTER USER a PASSWORD EXPIRE", "ALTER USER a IDENTIFIED BY 'new'")
	wantLogin(t, i, "a:new", 0)
}

func TestRolesAreActivated(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (id INT)", "INSERT INTO d.t VALUES (1)",
		"CREATE ROLE reader, writer, boss", "GRANT SELECT ON d.* TO reader", "GRANT INSERT ON d.* TO writer",
		"GRANT reader, writer TO boss", "CREATE USER u IDENTIFIED BY 'x'", "GRANT boss TO u")
	u := i.conn(i.openAs("u:x", ""))
	wantError(t, u, "SELECT * FROM d.t", 1142, "42000")
	if got := one(t, u, "SELECT CURRENT_ROLE()"); got != "NONE" {
		t.Error(got)
	}
	must(t, u, "SET ROLE boss")
	if got := one(t, u, "SELECT CURRENT_ROLE()"); got != "`boss`@`%`" {
		t.Error(got)
	}
	must(t, u, "INSERT INTO d.t VALUES (2)", "SELECT * FROM d.t")
	must(t, c, "REVOKE writer FROM boss")
	wantError(t, u, "INSERT INTO d.t VALUES (3)", 1142, "42000")
	must(t, u, "SELECT * FROM d.t", "SET ROLE NONE")
	wantError(t, u, "SELECT * FROM d.t", 1142, "42000")
	must(t, u, "SET ROLE ALL", "SELECT * FROM d.t", "SET ROLE ALL EXCEPT boss")
	wantError(t, u, "SELECT * FROM d.t", 1142, "42000")
	wantError(t, u, "SET ROLE writer", 3530, "HY000")
	must(t, c, "SET DEFAULT ROLE boss TO u")
	if got := one(t, i.conn(i.openAs("u:x", "")), "SELECT id FROM d.t WHERE id=1"); got != "1" {
		t.Error(got)
	}
	wantLogin(t, i, "boss", 3118)
}

// The session_track_ variables choose what an OK says of the session, CLIENT_IGNORE_SPACE is a
// sql_mode, and a COMMIT ends what SET TRANSACTION has said even if none was open.
func TestSessionIsTracked(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "", func(c *client.Conn) error {
		return errors.Join(c.SetCapability(gomysql.CLIENT_SESSION_TRACK), c.SetCapability(gomysql.CLIENT_IGNORE_SPACE))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Execute("SELECT @@sql_mode")
	if err != nil {
		t.Fatal(err)
	}
	if mode, _ := r.GetString(0, 0); !strings.Contains(mode, "IGNORE_SPACE") {
		t.Errorf("sql_mode is %q", mode)
	}
	for _, x := range []struct {
		query string
		state bool
	}{
		{"SET time_zone = '+01:00'", true}, {"SET lock_wait_timeout = 7", false}, {"SET @a = 1", false},
		{"SET session_track_system_variables = '*'", true}, {"SET lock_wait_timeout = 7", true},
		{"SET session_track_system_variables = 'sql_mode, nix'", false}, {"SET sql_mode = ''", true}, {"SET time_zone = '+02:00'", false},
		{"SET session_track_state_change = ON", true}, {"SET @a = 1", true}, {"DO 1", false}, {"PREPARE s FROM 'SELECT 1'", true},
		{"CREATE DATABASE d", false}, {"CREATE TEMPORARY TABLE d.t (a INT)", true}, {"DROP TEMPORARY TABLE d.t", true},
		{"SET session_track_state_change = OFF", false}, {"USE d", true}, {"SET session_track_schema = OFF", false}, {"USE mysql", false},
		{"SET TRANSACTION READ ONLY", false}, {"COMMIT", false}, {"CREATE TABLE d.t (a INT)", false}, {"INSERT INTO d.t VALUES (1)", false},
	} {
		r, err := c.Execute(x.query)
		if err != nil {
			t.Fatalf("%s: %v", x.query, err)
		}
		if got := r.Status&gomysql.SERVER_SESSION_STATE_CHANGED != 0; got != x.state {
			t.Errorf("%s: the OK says of a change: %v", x.query, got)
		}
	}
}
