package gms_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// EXPLAIN ANALYZE runs the statement: it tells the rows and loops of every operation, which
// are exact, and times, which only have to be there.
func TestExplainAnalyze(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	for _, q := range []string{
		"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, a INT, KEY (a))", "CREATE TABLE d.u (id INT PRIMARY KEY, t INT)",
		"INSERT INTO d.t VALUES (1, 1), (2, 2), (3, 3), (4, 4)", "INSERT INTO d.u VALUES (1, 1), (2, 9), (3, 3)",
	} {
		must(t, pool, q)
	}
	times := regexp.MustCompile(`actual time=[0-9.e+-]+\.\.[0-9.e+-]+ `)
	estimates := regexp.MustCompile(`  \(cost=\S+ rows=\S+\)`)
	for _, c := range []struct{ query, want string }{
		{"SELECT * FROM d.t WHERE id > 1", "-> Index range scan on t using PRIMARY over (2 <= id) (rows=3 loops=1)\n"},
		{"SELECT * FROM d.t WHERE a + 1 < 4", "-> Filter: ((t.a + 1) < 4) (rows=2 loops=1)\n    -> Table scan on t (rows=4 loops=1)\n"},
		{"SELECT /*+ LOOKUP_JOIN(u, t) JOIN_ORDER(u, t) */ * FROM d.u JOIN d.t ON t.id = u.t",
			"-> Nested loop inner join (rows=2 loops=1)\n    -> Table scan on u (rows=3 loops=1)\n" +
				"    -> Single-row index lookup on t using PRIMARY (id=u.t) (rows=0.667 loops=3)\n"},
		{"SELECT a, COUNT(*) FROM d.t WHERE id = 7 GROUP BY a",
			"-> Group aggregate: COUNT(1) (rows=0 loops=1)\n    -> Single-row index lookup on t using PRIMARY (id=7) (rows=0 loops=1)\n"},
		{"SELECT a + 1, COUNT(*) FROM d.t WHERE id = 7 GROUP BY a + 1",
			"-> Table scan on <temporary> (rows=0 loops=1)\n    -> Aggregate using temporary table\n" +
				"        -> Single-row index lookup on t using PRIMARY (id=7) (rows=0 loops=1)\n"},
	} {
		var got string
		if err := pool.QueryRow("EXPLAIN ANALYZE " + c.query).Scan(&got); err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if n := len(times.FindAllString(got, -1)); n != strings.Count(c.want, "loops=") {
			t.Errorf("%s: %d times in\n%s", c.query, n, got)
		}
		if got = estimates.ReplaceAllString(times.ReplaceAllString(got, ""), ""); got != c.want {
			t.Errorf("%s:\n%s want\n%s", c.query, got, c.want)
		}
	}
}

// EXPLAIN FOR CONNECTION tells the plan of a statement that another connection runs.
func TestExplainForConnection(t *testing.T) {
	l := newLab(startInstance(t))
	run := func(name, input string) string {
		return strings.TrimSpace(l.run(&datadriven.TestData{Cmd: name, Input: input}))
	}
	run("a", "create table t (id int primary key, a int, key (a))\ninsert into t values (1, 1), (2, 2)\nbegin\nselect * from t where a = 1 for update")
	run("b", "select 1")
	b := l.conn("b").id
	idle := "error 3012 (HY000): EXPLAIN FOR CONNECTION command is supported only for SELECT/UPDATE/INSERT/DELETE/REPLACE"
	if got := run("a", fmt.Sprintf("explain for connection %d", b)); got != idle {
		t.Errorf("idle: %s", got)
	}
	if got := run("b", "update t set id = id + 10 where a = 1"); got != "waits" {
		t.Fatalf("update: %s", got)
	}
	for _, c := range []struct{ format, want string }{
		{"", "(1,UPDATE,t,NULL,range,a,a,5,const,1,100,Using where)"},
		{"format=tree ", "(-> Update t (immediate)\n    -> Index range scan on t using a over (a = 1)  (cost=0.35 rows=1)\n)"},
	} {
		if got := run("a", fmt.Sprintf("explain %sfor connection %d", c.format, b)); got != c.want {
			t.Errorf("%q: %s want %s", c.format, got, c.want)
		}
	}
	run("a", "commit")
	l.idle()
}
