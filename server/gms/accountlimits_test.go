package gms_test

import (
	"strings"
	"testing"
)

// An account has so many statements, changes and connections in an hour.
func TestHourlyLimits(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (id INT)",
		"CREATE USER q IDENTIFIED BY 'x' WITH MAX_QUERIES_PER_HOUR 2", "CREATE USER u IDENTIFIED BY 'x' WITH MAX_UPDATES_PER_HOUR 2 MAX_USER_CONNECTIONS 9",
		"CREATE USER l IDENTIFIED BY 'x' WITH MAX_CONNECTIONS_PER_HOUR 2", "GRANT ALL ON d.* TO u")

	q := i.conn(i.openAs("q:x", ""))
	must(t, q, "DO 1", "DO 1")
	wantMessage(t, q, "DO 1", 1226, "User 'q' has exceeded the 'max_questions' resource (current value: 2)")
	must(t, c, "FLUSH USER_RESOURCES")
	must(t, q, "DO 1", "DO 1")
	wantError(t, q, "DO 1", 1226, "42000")
	must(t, c, "ALTER USER q WITH MAX_QUERIES_PER_HOUR 3") // counts anew
	must(t, q, "DO 1", "DO 1", "DO 1")
	wantError(t, q, "DO 1", 1226, "42000")
	must(t, c, "ALTER USER q WITH MAX_QUERIES_PER_HOUR 0")
	must(t, q, "DO 1")

	u := i.conn(i.openAs("u:x", ""))
	must(t, u, "INSERT INTO d.t VALUES (1)", "SELECT * FROM d.t", "SET @a = 1", "TRUNCATE d.t", "SELECT * FROM d.t")
	wantMessage(t, u, "UPDATE d.t SET id = 2", 1226, "User 'u' has exceeded the 'max_updates' resource (current value: 2)")
	if _, err := u.ExecContext(t.Context(), "DELETE FROM d.t WHERE id = ?", 5); err == nil || !strings.Contains(err.Error(), "max_updates") {
		t.Errorf("prepared: %v", err)
	}
	must(t, u, "SELECT * FROM d.t")

	wantLogin(t, i, "l:x", 0)
	wantLogin(t, i, "l:x", 0)
	wantLogin(t, i, "l:x", 1226)
	must(t, c, "FLUSH PRIVILEGES")
	wantLogin(t, i, "l:x", 0)

	show := one(t, c, "SHOW CREATE USER u")
	if !strings.Contains(show, " REQUIRE NONE WITH MAX_UPDATES_PER_HOUR 2 MAX_USER_CONNECTIONS 9 PASSWORD EXPIRE") {
		t.Error(show)
	}
	if got := one(t, c, "SELECT CONCAT_WS(' ', max_questions, max_updates, max_connections, max_user_connections) FROM mysql.user WHERE user = 'u'"); got != "0 2 0 9" {
		t.Error(got)
	}
}
