package gms

import "testing"

func TestSecretsAreNotShown(t *testing.T) {
	for query, want := range map[string]string{
		"CREATE USER u@'h' IDENTIFIED BY 'it''s', v IDENTIFIED WITH 'p' AS 'hash' COMMENT 'c'": "CREATE USER u@'h' IDENTIFIED BY '<secret>', v IDENTIFIED WITH 'p' AS '<secret>' COMMENT 'c'",
		"SET PASSWORD = 'x'":                                   "SET PASSWORD = '<secret>'",
		"set password for 'u'@'%' = 'x' replace \"y\"":         "set password for 'u'@'%' = '<secret>' replace '<secret>'",
		"SELECT 1; ALTER USER u IDENTIFIED BY 'x'; SELECT 'y'": "SELECT 1; ALTER USER u IDENTIFIED BY '<secret>'; SELECT 'y'",
		"SELECT * FROM t WHERE a = 'x'":                        "SELECT * FROM t WHERE a = 'x'",
		"ALTER USER u IDENTIFIED BY 'open":                     "ALTER USER u IDENTIFIED BY '<secret>'",
		"select password('x')":                                 "select password('x')",
	} {
		if got := withoutSecrets(query); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}
