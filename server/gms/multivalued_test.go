package gms_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
)

// While others write and roll back, a snapshot has the same rows for conditions of members with and without their multi-valued indexes, and
// a locking read what a table scan of its transaction has; at the end every index has what its rows have.
func TestMultivaluedIndexesDoNotChangeAnswers(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	must(t, i.open("d"), "CREATE TABLE t (id INT PRIMARY KEY, a INT, j JSON, g JSON AS (j->'$.s'), KEY u ((CAST(j->'$.n' AS UNSIGNED ARRAY))), "+
		"KEY s (a, (CAST(g AS CHAR(5) ARRAY))), KEY d ((CAST(j->'$.d' AS DECIMAL(6,2) ARRAY)), a))")
	value := func(r *rand.Rand) string {
		list := func(of ...string) string {
			out := ""
			for n := r.IntN(4); n > 0; n-- {
				out += ", " + of[r.IntN(len(of))]
			}
			return "JSON_ARRAY(" + out[min(2, len(out)):] + ")"
		}
		out := ""
		if r.IntN(4) > 0 {
			out += ", 'n', " + list("1", "2", "3.0", "4e0", "5")
		}
		if r.IntN(4) > 0 {
			out += ", 's', " + list("'a'", "'A'", "'a '", "'b'", "'é'")
		}
		if r.IntN(4) > 0 {
			out += ", 'd', " + list("1", "1.5", "1.50", "2e0", "-1")
		}
		return "JSON_OBJECT(" + out[min(2, len(out)):] + ")"
	}
	condition := func(r *rand.Rand) string {
		array, of := "j->'$.n'", []string{"1", "2", "3", "4.0", "5", "2.5", "null"}
		switch r.IntN(3) {
		case 0:
			array, of = "g", []string{`"a"`, `"A"`, `"b"`, `"é"`, "1"}
		case 1:
			array, of = "j->'$.d'", []string{"1", "1.5", "2", "-1", "1.501"}
		}
		one := func() string { return of[r.IntN(len(of))] }
		c := fmt.Sprintf("CAST('%s' AS JSON) MEMBER OF (%s)", one(), array)
		switch r.IntN(4) {
		case 0:
			c = fmt.Sprintf("JSON_OVERLAPS(%s, '[%s, %s, %s]')", array, one(), one(), one())
		case 1:
			c = fmt.Sprintf("JSON_CONTAINS(%s, '[%s, %s]')", array, one(), one())
		case 2:
			c = fmt.Sprintf("JSON_OVERLAPS('%s', %s)", one(), array)
		}
		if r.IntN(2) == 0 {
			c += fmt.Sprintf(" AND a = %d", r.IntN(3))
		}
		return c
	}
	ids := func(c *sql.Conn, q string) (out []int, err error) {
		rows, err := c.QueryContext(t.Context(), q)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				return nil, err
			}
			out = append(out, id)
		}
		return out, rows.Err()
	}
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for n := range 2 {
		c, r := i.conn(i.open("d")), rand.New(rand.NewPCG(uint64(n), 23))
		writers.Add(1)
		go func() {
			defer writers.Done()
			run := func(q string) { _, _ = c.ExecContext(t.Context(), q) } // some wait in a circle
			run("SET innodb_lock_wait_timeout = 1")
			for ctx.Err() == nil {
				run("BEGIN")
				for range 1 + r.IntN(3) {
					switch r.IntN(5) {
					case 0:
						run(fmt.Sprintf("DELETE FROM t WHERE id = %d", r.IntN(60)))
					case 1:
						run(fmt.Sprintf("UPDATE t SET j = %s WHERE %s LIMIT 3", value(r), condition(r)))
					case 2:
						run(fmt.Sprintf("INSERT INTO t (id, a, j) VALUES (%d, %d, %s) ON DUPLICATE KEY UPDATE j = %s", r.IntN(60), r.IntN(3), value(r), value(r)))
					default:
						run(fmt.Sprintf("REPLACE INTO t (id, a, j) VALUES (%d, %d, %s)", r.IntN(60), r.IntN(3), value(r)))
					}
				}
				run([]string{"COMMIT", "COMMIT", "ROLLBACK"}[r.IntN(3)])
			}
		}()
	}
	c, r := i.conn(i.open("d")), rand.New(rand.NewPCG(7, 23))
	must(t, c, "SET innodb_lock_wait_timeout = 1")
	found := 0
	for n := range 120 {
		must(t, c, "BEGIN")
		if r.IntN(2) == 0 {
			_, _ = c.ExecContext(t.Context(), fmt.Sprintf("REPLACE INTO t (id, a, j) VALUES (%d, %d, %s)", 60+r.IntN(5), r.IntN(3), value(r)))
		}
		where, lock := condition(r), ""
		if n%3 == 0 {
			lock = " FOR UPDATE"
		}
		with, err := ids(c, "SELECT id FROM t FORCE INDEX (u, s, d) WHERE "+where+" ORDER BY id"+lock)
		if err == nil {
			var without []int
			if without, err = ids(c, "SELECT id FROM t IGNORE INDEX (u, s, d) WHERE "+where+" ORDER BY id"+lock); err == nil && !reflect.DeepEqual(with, without) {
				t.Errorf("%s%s: %v with the indexes, %v without", where, lock, with, without)
			}
			found += len(with)
		}
		if err != nil && lock == "" {
			t.Errorf("%s: %v", where, err)
		}
		must(t, c, []string{"COMMIT", "ROLLBACK"}[r.IntN(2)])
	}
	stop()
	writers.Wait()
	if found < 50 {
		t.Errorf("the conditions found %d rows", found)
	}
	var table, op, kind, text string
	if err := c.QueryRowContext(t.Context(), "CHECK TABLE t").Scan(&table, &op, &kind, &text); err != nil || text != "OK" {
		t.Errorf("CHECK TABLE: %s, %v", text, err)
	}
}
