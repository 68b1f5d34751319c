package gms_test

import (
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// An UPDATE of several tables answers with the rows that it has found, each once, to a client
// that wants to know them, and with those that it has changed to others.
func TestFoundRowsOfJoinedUpdates(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.k (id INT PRIMARY KEY, n INT)", "CREATE TABLE d.l (id INT, n INT)",
		"INSERT INTO d.k VALUES (1, 0), (2, 1), (3, 0)", "INSERT INTO d.l VALUES (1, 1), (1, 1), (1, 0), (2, 0), (NULL, 0)")
	for _, found := range []bool{false, true} {
		c, err := client.Connect(i.addr, "root", "", "d", func(c *client.Conn) error {
			if found {
				if err := c.SetCapability(mysql.CLIENT_FOUND_ROWS); err != nil {
					return err
				}
			}
			return c.SetCapability(mysql.CLIENT_SESSION_TRACK) // without it there is no info
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, s := range []struct {
			query, info      string
			changed, matched uint64
		}{
			{"UPDATE k JOIN l ON k.id = l.id SET k.n = 1, l.n = 1", "Rows matched: 6  Changed: 3  Warnings: 0", 3, 6},
			{"UPDATE l LEFT JOIN k ON k.id = l.id AND k.id > 1 SET k.n = 1, l.n = 0", "Rows matched: 6  Changed: 2  Warnings: 0", 2, 6},
			{"UPDATE l LEFT JOIN k ON k.id = l.id LEFT JOIN k o ON o.id <=> l.id SET o.n = 1 WHERE o.id IS NULL", "Rows matched: 0  Changed: 0  Warnings: 0", 0, 0},
		} {
			if _, err := c.Execute("BEGIN"); err != nil {
				t.Fatal(err)
			}
			r, err := c.Execute(s.query)
			if err != nil {
				t.Fatalf("%s: %v", s.query, err)
			}
			want := s.changed
			if found {
				want = s.matched
			}
			if r.StatusMessage != s.info || r.AffectedRows != want {
				t.Errorf("%s: %d rows, %q; want %d, %q", s.query, r.AffectedRows, r.StatusMessage, want, s.info)
			}
			if _, err := c.Execute("ROLLBACK"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
