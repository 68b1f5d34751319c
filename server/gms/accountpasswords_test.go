package gms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// wantLogin logs in and compares the error number, 0 for none, and a part of the text.
func (i *instance) wantLogin(user string, number uint16, text string) {
	i.t.Helper()
	err := i.openAs(user, "").PingContext(i.t.Context())
	var e *mysql.MySQLError
	switch {
	case number == 0 && err != nil, number != 0 && (!errors.As(err, &e) || e.Number != number || !strings.Contains(e.Message, text)):
		i.t.Errorf("login %s: %v, want %d %s", user, err, number, text)
	}
}

func TestFailedLoginsLockAnAccount(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x' FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 3", "CREATE USER n IDENTIFIED WITH mysql_native_password BY 'x' FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED")
	const locked = "Access denied for user 'u'@'127.0.0.1'. Account is blocked for 3 day(s) (3 day(s) remaining) due to 2 consecutive failed logins."
	i.wantLogin("u:no", 1045, "")
	i.wantLogin("u:x", 0, "") // counts anew
	i.wantLogin("u:no", 1045, "")
	i.wantLogin("u:no", 3955, locked)
	i.wantLogin("u:x", 3955, locked)
	must(t, c, "ALTER USER u ACCOUNT UNLOCK")
	i.wantLogin("u:x", 0, "")
	i.wantLogin("n:no", 3955, "Account is blocked for unlimited day(s) (unlimited day(s) remaining) due to 1 consecutive failed logins.")
	must(t, c, "FLUSH PRIVILEGES")
	i.wantLogin("n:x", 0, "")
	if got := one(t, c, "SHOW CREATE USER n"); !strings.HasSuffix(got, "PASSWORD REQUIRE CURRENT DEFAULT FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME UNBOUNDED") {
		t.Error(got)
	}
}

func TestPasswordsAreNotUsedAgain(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'a' PASSWORD HISTORY 2", "CREATE USER v IDENTIFIED BY 'a' PASSWORD REUSE INTERVAL 30 DAY")
	const text = "Cannot use these credentials for 'u@%' because they contradict the password history policy"
	wantMessage(t, c, "ALTER USER u IDENTIFIED BY 'a'", 3638, text)
	must(t, c, "ALTER USER u IDENTIFIED BY 'b'")
	wantMessage(t, c, "SET PASSWORD FOR u = 'a'", 3638, text)
	must(t, c, "ALTER USER u IDENTIFIED BY 'c'", "ALTER USER u IDENTIFIED BY 'a'")
	must(t, c, "ALTER USER v IDENTIFIED BY 'b'", "ALTER USER v IDENTIFIED BY 'c'")
	wantMessage(t, c, "ALTER USER v IDENTIFIED BY 'a'", 3638, "'v@%'")
	if got := one(t, c, "SHOW CREATE USER v"); !strings.HasSuffix(got, "PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL 30 DAY PASSWORD REQUIRE CURRENT DEFAULT") {
		t.Error(got)
	}
}

func TestTheCurrentPasswordIsAskedFor(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'x', v IDENTIFIED BY 'x' PASSWORD REQUIRE CURRENT")
	u := i.conn(i.openAs("u:x", ""))
	wantMessage(t, u, "ALTER USER USER() IDENTIFIED BY 'y'", 3892, "Current password needs to be specified in the REPLACE clause in order to change it.")
	wantMessage(t, u, "SET PASSWORD = 'y'", 3892, "Current password needs")
	wantMessage(t, u, "SET PASSWORD = 'y' REPLACE 'z'", 3891, "Incorrect current password")
	must(t, u, "SET PASSWORD = 'y' REPLACE 'x'")
	wantMessage(t, c, "ALTER USER u IDENTIFIED BY 'z' REPLACE 'y'", 3893, "Do not specify the current password while changing it for other users.")
	must(t, c, "ALTER USER u IDENTIFIED BY 'z'")
	i.wantLogin("u:z", 0, "")
}

func TestTwoPasswords(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE USER u IDENTIFIED BY 'a', n IDENTIFIED WITH mysql_native_password BY 'a'")
	for user, by := range map[string]string{"u": " IDENTIFIED BY ", "n": " IDENTIFIED WITH mysql_native_password BY "} {
		must(t, c, "ALTER USER "+user+by+"'b' RETAIN CURRENT PASSWORD")
		for range 2 { // the second is remembered, too
			i.wantLogin(user+":a", 0, "")
			i.wantLogin(user+":b", 0, "")
		}
		i.wantLogin(user+":c", 1045, "")
		must(t, c, "ALTER USER "+user+by+"'c'")
		i.wantLogin(user+":b", 1045, "")
		i.wantLogin(user+":a", 0, "")
		must(t, c, "ALTER USER "+user+" DISCARD OLD PASSWORD")
		i.wantLogin(user+":a", 1045, "")
		i.wantLogin(user+":c", 0, "")
	}
	wantMessage(t, c, "ALTER USER u IDENTIFIED BY '' RETAIN CURRENT PASSWORD", 3895, "Current password can not be retained for user 'u'@'%' because new password is empty.")
	wantMessage(t, c, "ALTER USER u IDENTIFIED WITH mysql_native_password BY 'z' RETAIN CURRENT PASSWORD", 3894, "because authentication plugin is being changed.")
	must(t, c, "CREATE USER e")
	wantMessage(t, c, "ALTER USER e IDENTIFIED BY 'z' RETAIN CURRENT PASSWORD", 3878, "Empty password can not be retained as second password for user 'e'@'%'.")
	u := i.conn(i.openAs("u:c", ""))
	wantError(t, u, "SET PASSWORD = 'd' RETAIN CURRENT PASSWORD", 1227, "42000")
	must(t, c, "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO u")
	must(t, u, "SET PASSWORD = 'd' RETAIN CURRENT PASSWORD")
	i.wantLogin("u:c", 0, "")
}

func TestRandomPasswords(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	for _, q := range []string{"CREATE USER u IDENTIFIED BY RANDOM PASSWORD", "ALTER USER u IDENTIFIED WITH mysql_native_password BY RANDOM PASSWORD", "SET PASSWORD FOR u TO RANDOM"} {
		var user, host, password, factor string
		if err := c.QueryRowContext(t.Context(), q).Scan(&user, &host, &password, &factor); err != nil || user != "u" || host != "%" || len(password) != 20 || factor != "1" {
			t.Fatal(q, user, host, password, factor, err)
		}
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "u", password, "tcp", i.addr
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := connector.Connect(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}
