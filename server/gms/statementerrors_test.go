package gms_test

import "testing"

// What is denied is named.
func TestDeniedStatements(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT)", "CREATE DATABASE own", "CREATE TABLE own.r (id INT)",
		"CREATE USER u IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1", "GRANT SELECT ON own.* TO u")
	u := i.conn(i.openAs("u:x", ""))
	wantMessage(t, u, "USE shop", 1044, "Access denied for user 'u'@'%' to database 'shop'")
	for command, q := range map[string]string{
		"SELECT": "SELECT * FROM shop.t", "INSERT": "INSERT INTO shop.t VALUES (1)", "CREATE": "CREATE TABLE shop.t (id INT)",
		"DELETE": "DELETE FROM shop.t", "DROP": "DROP TABLE shop.t", "ALTER": "ALTER TABLE shop.t ADD COLUMN n INT",
	} {
		wantMessage(t, u, q, 1142, command+" command denied to user 'u'@'localhost' for table 't'")
	}
	wantMessage(t, u, "CREATE TABLE own.n (id INT)", 1142, "CREATE command denied to user 'u'@'localhost' for table 'n'")
	wantMessage(t, u, "UPDATE own.r SET id = 2", 1142, "UPDATE command denied to user 'u'@'localhost' for table 'r'")
	err := i.openAs("u:x", "").Ping()
	if err == nil || err.Error() != "Error 1226 (42000): User 'u' has exceeded the 'max_user_connections' resource (current value: 1)" {
		t.Error(err)
	}
}
