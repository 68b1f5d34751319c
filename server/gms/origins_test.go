package gms_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
)

// TestColumnOrigins: a result's columns say of which table and column they are, and
// whether those are keys, as MySQL does.
func TestColumnOrigins(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT UNSIGNED NOT NULL AUTO_INCREMENT, u INT UNIQUE, a INT NOT NULL, b INT, "+
		"ts TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP, e ENUM('x'), PRIMARY KEY (id), KEY ab (a, b))", "INSERT INTO d.t (u, a) VALUES (1, 2)")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct{ query, want string }{
		{"SELECT id AS x FROM t AS tt", "d.tt.x d.t.id 4223"},
		{"SELECT u, a FROM t ORDER BY b LIMIT 1", "d.t.u d.t.u 4004 d.t.a d.t.a 5009"},
		{"SELECT * FROM t AS tt WHERE id = 1", "d.tt.id d.t.id 4223 d.tt.u d.t.u 4004 d.tt.a d.t.a 5009 d.tt.b d.t.b 4000 d.tt.ts d.t.ts 2400 d.tt.e d.t.e 100"},
		{"SELECT tt.a, q.b FROM t AS tt JOIN (SELECT b FROM t) AS q", "d.tt.a d.t.a 5009 d.q.b d.q.b 0"},
		{"SELECT id + 1 AS y, 'c', COUNT(*) FROM t GROUP BY id", "..y .. 21 ..c .. 1 ..COUNT(*) .. 1"},
	} {
		r, err := c.Execute(x.query)
		if err != nil {
			t.Fatalf("%s: %v", x.query, err)
		}
		got := ""
		for _, f := range r.Fields {
			got += fmt.Sprintf("%s.%s.%s %s.%s.%s %x ", f.Schema, f.Table, f.Name, f.Schema, f.OrgTable, f.OrgName, f.Flag)
		}
		if got = strings.TrimSpace(got); got != x.want {
			t.Errorf("%s: got %s, want %s", x.query, got, x.want)
		}
	}
}
