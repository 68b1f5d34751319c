package gms_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"sextant/engine"
	"sextant/internal/redo"
	"sextant/logstore/memvolume"
)

// definitions are the statements that TestDDLIsAtomic is killed in, in this order.
var definitions = []string{
	"ALTER TABLE d.t MODIFY n BIGINT NOT NULL", // a rewrite
	"ALTER TABLE d.t MODIFY s VARCHAR(300), ADD COLUMN x INT FIRST, ADD KEY nx (n,x)",
	"CREATE INDEX s ON d.t (s)",
	"ALTER TABLE d.t DROP PRIMARY KEY, ADD PRIMARY KEY (n)",
	"DROP INDEX s ON d.t",
	"CREATE TABLE d.c SELECT * FROM d.t",
	"RENAME TABLE d.t TO d.r, d.u TO d.t",
	"TRUNCATE TABLE d.r",
	"DROP TABLE d.c, d.t",
	"ALTER TABLE e.a PARTITION BY HASH (id) PARTITIONS 3",
	"ALTER TABLE e.a ADD PARTITION PARTITIONS 1",
	"ALTER TABLE e.a COALESCE PARTITION 2",
	"ALTER TABLE e.a REMOVE PARTITIONING",
	"ALTER TABLE e.a PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (500), PARTITION p1 VALUES LESS THAN MAXVALUE)",
	"ALTER TABLE e.a REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN (1000), PARTITION p2 VALUES LESS THAN MAXVALUE)",
	"ALTER TABLE e.a ADD KEY s (s)",
	"ALTER TABLE e.a EXCHANGE PARTITION p2 WITH TABLE e.x",
	"ALTER TABLE e.a TRUNCATE PARTITION p0",
	"ALTER TABLE e.a DROP PARTITION p1",
	"DROP DATABASE e",
}

// A crash at any position of the log in the middle of DDL leaves the old or the new,
// and no page that belongs to nothing.
func TestDDLIsAtomic(t *testing.T) {
	store := memvolume.New(memvolume.Options{KeepAll: true})
	o := engine.Options{Background: engine.BackgroundOptions{Stats: -1, Free: -1, Horizon: -1}}
	i := startInstanceOn(t, store, o)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "CREATE DATABASE e", "USE d",
		"CREATE TABLE d.t (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(200), KEY(n))",
		"CREATE TABLE d.u (id INT PRIMARY KEY, s VARCHAR(200))", "INSERT INTO d.u VALUES (1,'u')", "CREATE TABLE e.x LIKE d.t", "ALTER TABLE e.x ADD KEY s (s)")
	for _, table := range []string{"d.t", "e.a", "e.b"} {
		must(t, c, "CREATE TABLE IF NOT EXISTS "+table+" LIKE d.t")
		var b strings.Builder
		for id := range 1500 {
			fmt.Fprintf(&b, ",(%d,%d,'%s')", id, id*7%1500, strings.Repeat(string(rune('a'+id%26)), 150))
		}
		must(t, c, "INSERT INTO "+table+" VALUES "+b.String()[1:])
	}
	type step struct {
		from, to redo.LSN
		old, new string
	}
	var steps []step
	for _, q := range definitions {
		s := step{from: store.VDL(), old: everything(t, c)}
		must(t, c, q)
		s.to, s.new = store.VDL(), everything(t, c)
		if s.old == s.new {
			t.Fatalf("%s changed nothing", q)
		}
		steps = append(steps, s)
	}
	inTheMiddle := 0
	for k, s := range steps {
		records, err := store.Records(s.from, s.to)
		if err != nil {
			t.Fatal(err)
		}
		states := map[string]int{}
		for _, r := range records {
			if !r.CPL {
				continue // recovery goes back to the last one that is
			}
			clone, err := store.CloneAt(r.LSN)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprintf("%s at %d", definitions[k], r.LSN), func(t *testing.T) {
				got := reopened(t, clone, o)
				switch got {
				case s.old:
					states["old"]++
				case s.new:
					states["new"]++
				default:
					t.Errorf("neither the old nor the new:\n%s\nold:\n%s\nnew:\n%s", got, s.old, s.new)
				}
			})
		}
		if states["new"] == 0 {
			t.Errorf("%s: no crash shows the new state: %v", definitions[k], states)
		}
		inTheMiddle += states["old"]
	}
	if inTheMiddle < 10 {
		t.Errorf("%d crashes were in the middle of DDL", inTheMiddle)
	}
}

// reopened returns everything in a volume after a crash. The volume must be sound: each
// page in use belongs to one tree, or is noted to be freed.
func reopened(t *testing.T, store *memvolume.Store, o engine.Options) string {
	i := startInstanceOn(t, store, o)
	if _, err := i.db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return everything(t, i.conn(i.open("")))
}

// everything returns the definition of every table of d and e and a digest of its rows.
func everything(t *testing.T, c *sql.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, table := range rowsOfOne(t, c, `SELECT CONCAT(table_schema,'.',table_name) FROM information_schema.tables
		WHERE table_schema IN ('d','e') ORDER BY 1`) {
		var name, create string
		if err := c.QueryRowContext(t.Context(), "SHOW CREATE TABLE "+table).Scan(&name, &create); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		fmt.Fprintf(&b, "%s: %s rows\n%s\n", table, one(t, c, "SELECT CONCAT(COUNT(*),' ',COALESCE(SUM(CRC32(s)),0)) FROM "+table), create)
	}
	return b.String() + strings.Join(rowsOfOne(t, c, "SHOW DATABASES"), " ")
}

// rowsOfOne returns the rows of a query of one column.
func rowsOfOne(t *testing.T, c *sql.Conn, query string) (out []string) {
	t.Helper()
	rows, err := c.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
