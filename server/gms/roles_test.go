package gms_test

import (
	"testing"
	"time"
)

// TestRolesFlip: a demotion closes the writer's sessions and stops events, a promotion
// brings users, variables and events back.
func TestRolesFlip(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT)",
		"CREATE EVENT d.e ON SCHEDULE EVERY 1 SECOND DO INSERT INTO d.t VALUES ()",
		"CREATE USER u@'127.0.0.1'", "GRANT SELECT ON d.* TO u@'127.0.0.1'", "BEGIN", "INSERT INTO d.t VALUES (-1)")
	pool := i.open("")
	count := func() int64 { return oneInt(t, pool, "SELECT COUNT(*) FROM d.t WHERE id>0") }
	grows := func(from int64) bool {
		deadline := time.Now().Add(15 * time.Second)
		for time.Now().Before(deadline) {
			if count() > from {
				return true
			}
		}
		return false
	}
	if !grows(0) {
		t.Fatal("the event does not run on the writer")
	}
	i.srv.SetReader()
	if err := c.PingContext(t.Context()); err == nil {
		t.Error("the writer's session is open after its demotion")
	}
	r := i.conn(i.open(""))
	for _, v := range []string{"read_only", "super_read_only", "innodb_read_only"} {
		if got := one(t, r, "SELECT @@"+v); got != "1" {
			t.Errorf("reader: @@%s is %s", v, got)
		}
	}
	wantError(t, r, "INSERT INTO d.t VALUES (-2)", 1290, "HY000")
	wantError(t, r, "SET GLOBAL read_only=0", 1238, "HY000")
	if got := oneInt(t, r, "SELECT COUNT(*) FROM d.t WHERE id=-1"); got != 0 {
		t.Error("an open transaction outlived the writer's role")
	}
	before := count()
	if err := i.srv.SetWriter(); err != nil {
		t.Fatal(err)
	}
	if got := one(t, r, "SELECT @@read_only"); got != "0" {
		t.Errorf("writer: @@read_only is %s in a session of its time as a reader", got)
	}
	must(t, r, "INSERT INTO d.t VALUES (-2)")
	if !grows(before) {
		t.Error("the event does not run after the promotion")
	}
	u := i.openAs("u", "")
	if got := one(t, u, "SELECT COUNT(*) FROM d.t WHERE id=-2"); got != "1" {
		t.Errorf("user u sees %s rows", got)
	}
}
