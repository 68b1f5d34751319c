package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"sextant/scripts/cluster"
)

// The writer is killed in the middle of DDL: the next one has the old definition with
// the old rows, or the new with the new, and every index agrees with its table.
func TestKilledAmidDDL(t *testing.T) {
	c := start(t, cluster.Options{}, killed)
	w := pool(t, c, cluster.PortCluster, "")
	run(t, w, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(40))",
		"INSERT INTO d.t (a,b) VALUES (1,'x'),(2,'y'),(3,'z'),(4,'w')")
	for range 12 {
		run(t, w, "INSERT INTO d.t (a,b) SELECT a+id, MD5(id) FROM d.t LIMIT 5000")
	}
	run(t, w, "CREATE TABLE d.small (id INT PRIMARY KEY)", "INSERT INTO d.small VALUES (1),(2)")
	rows := func(ctx context.Context) string {
		got, err := text(ctx, w, "SELECT CONCAT(COUNT(*),' ',SUM(a),' ',SUM(CRC32(b))) FROM d.t")
		must(t, err)
		return got
	}
	before := rows(deadline(t))
	for _, ddl := range []struct{ statement, state, old, new string }{
		{"CREATE INDEX ib ON d.t (b)", "SELECT COUNT(*) FROM information_schema.statistics WHERE table_name='t' AND index_name='ib'", "0", "1"},
		{"ALTER TABLE d.t MODIFY a BIGINT NOT NULL", "SELECT data_type FROM information_schema.columns WHERE table_name='t' AND column_name='a'", "int", "bigint"},
		{"CREATE TABLE d.copied SELECT * FROM d.t", "SELECT COUNT(*) FROM information_schema.tables WHERE table_name='copied'", "0", "1"},
		{"TRUNCATE TABLE d.small", "SELECT COUNT(*) FROM d.small", "2", "0"},
		{"ALTER TABLE d.t ADD COLUMN c INT DEFAULT 5, ADD UNIQUE KEY uc (id, c)", "SELECT COUNT(*) FROM information_schema.columns WHERE table_name='t' AND column_name='c'", "0", "1"},
		{"ALTER TABLE d.t PARTITION BY HASH (id) PARTITIONS 4", "SELECT COUNT(partition_name) FROM information_schema.partitions WHERE table_name='t'", "0", "4"},
		{"ALTER TABLE d.t COALESCE PARTITION 1", "SELECT COUNT(partition_name) FROM information_schema.partitions WHERE table_name='t'", "4", "3"},
	} {
		killAmid(t, c, w, ddl.statement)
		got, err := text(deadline(t), w, ddl.state)
		must(t, err)
		if got != ddl.old && got != ddl.new {
			t.Errorf("%s: %s is %s", ddl.statement, ddl.state, got)
		}
		if now := rows(deadline(t)); now != before {
			t.Errorf("%s: rows %s, were %s", ddl.statement, now, before)
		}
		for _, table := range []string{"t", "small"} {
			checkTable(t, w, "d."+table)
		}
		if got == ddl.old { // not done: it can be done now
			run(t, w, ddl.statement)
		}
		if now := rows(deadline(t)); now != before {
			t.Errorf("%s again: rows %s, were %s", ddl.statement, now, before)
		}
		checkTable(t, w, "d.t")
	}
	killAmid(t, c, w, "DROP DATABASE d")
	left, err := text(deadline(t), w, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='d'")
	must(t, err)
	if left != "0" && left != "3" {
		t.Errorf("DROP DATABASE left %s of 3 tables", left)
	}
	if left == "3" && rows(deadline(t)) != before {
		t.Error("DROP DATABASE took rows")
	}
}

// killAmid kills the writer while it runs a statement, or at once if that was too fast
// to be seen, and returns when there is a new one and the old one is a reader.
func killAmid(t *testing.T, c *cluster.Cluster, w *sql.DB, statement string) {
	t.Helper()
	s, err := c.Status()
	must(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := w.ExecContext(deadline(t), statement)
		ended <- err
	}()
	monitor := pool(t, c, instancePort(s.Writer), "")
	for seen := false; !seen; {
		running, err := text(deadline(t), monitor, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '"+
			strings.Fields(statement)[0]+" "+strings.Fields(statement)[1]+"%'")
		must(t, err)
		seen = running != "0" || len(ended) > 0
	}
	must(t, c.Signal(s.Writer, syscall.SIGKILL))
	_, err = c.Await(deadline(t), "a new writer, and the old one as a reader", func(now *cluster.Status) bool {
		return now.Writer != "" && now.Writer != s.Writer && now.Role(s.Writer) == "reader"
	})
	must(t, err)
	err = <-ended
	t.Logf("%s: %v", statement, err)
}

// checkTable runs CHECK TABLE.
func checkTable(t *testing.T, w *sql.DB, table string) {
	t.Helper()
	var name, op, kind, message string
	if err := w.QueryRowContext(deadline(t), "CHECK TABLE "+table).Scan(&name, &op, &kind, &message); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(kind, " ", message); got != "status OK" {
		t.Errorf("CHECK TABLE %s: %s", table, got)
	}
}
