package gms_test

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	randomStatements = 120 // of a seed
	randomFailures   = 5   // of a run, before it ends
)

var (
	randomSeeds  = flag.Int("seeds", 60, "how many seeds TestRandomQueriesOnMariaDB runs")
	randomSeed   = flag.Int("seed", 0, "the first seed that TestRandomQueriesOnMariaDB and TestIndexesDoNotChangeAnswers run")
	indexedSeeds = flag.Int("indexed", 0, "how many seeds TestIndexesDoNotChangeAnswers runs, 0: its own")
)

// Random statements have the outcome that MariaDB gives them.
func TestRandomQueriesOnMariaDB(t *testing.T) {
	randomSeedsOf(t, "", *randomSeeds, (*randomRun).seed)
}

// randomSeedsOf runs seeds on an instance and on MariaDB, whose sessions have further variables set, until too many differ.
func randomSeedsOf(t *testing.T, variables string, seeds int, run func(*randomRun, uint64)) {
	theirs, err := sql.Open("mysql", startMariaDB(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	i := startInstance(t)
	r := &randomRun{t: t, ours: i.conn(i.open("")), theirs: i.conn(theirs)}
	for _, c := range []*sql.Conn{r.ours, r.theirs} {
		must(t, c, "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"+variables)
	}
	for n := range seeds {
		if r.failed < randomFailures {
			run(r, uint64(*randomSeed+n))
		}
	}
	t.Logf("%d statements", r.ran)
}

// A random query has the same rows in a derived table, a common table expression and a view, and a table can be made of it.
func TestRandomQueriesElsewhere(t *testing.T) {
	i := startInstance(t)
	c, lab, compared := i.conn(i.open("")), &sqlLab{t: t}, 0
	must(t, c, "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'")
	outcome := func(query string) string {
		rows := strings.Split(strings.TrimSuffix(strings.TrimPrefix(lab.outcome(c, query), "("), ")"), ") (")
		slices.Sort(rows)
		return strings.Join(rows, ") (")
	}
	columns := func(query string) { // a condition on a column is one on that of a table made of the query
		rows, err := c.QueryContext(t.Context(), "SELECT * FROM made LIMIT 0")
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err = errors.Join(err, rows.Close()); err != nil {
			t.Fatal(err)
		}
		for i := range names {
			names[i] = fmt.Sprintf("e%d", i)
		}
		list := " z(" + strings.Join(names, ", ") + ") WHERE "
		for _, name := range names {
			for _, condition := range []string{" IS NULL", " > 1"} {
				q := "SELECT COUNT(*) FROM (" + query + ")" + list + name + condition
				if got, want := outcome(q), outcome("SELECT COUNT(*) FROM (SELECT * FROM made)"+list+name+condition); got != want {
					t.Errorf("%s\nhas %s\nwant %s", q, got, want)
				}
			}
		}
	}
	for seed := range 8 {
		must(t, c, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "USE d")
		g := &randomSQL{Rand: rand.New(rand.NewPCG(uint64(*randomSeed+seed), 1))}
		for _, q := range g.schema() {
			must(t, c, q)
		}
		for range 60 {
			g.aliases = 0
			query, _ := g.query()
			want := outcome(query)
			if strings.HasPrefix(want, "error ") {
				continue
			}
			if made := outcome("CREATE OR REPLACE VIEW elsewhere AS " + query); made != "ok" {
				if number := strings.Fields(made)[1]; !slices.Contains([]string{"1060", "1235", "1349"}, number) {
					t.Errorf("seed %d: %s; in a view: %s", seed, query, made)
				}
				continue
			}
			compared++
			for _, q := range []string{"SELECT * FROM elsewhere", "SELECT * FROM (" + query + ") elsewhere", "WITH elsewhere AS (" + query + ") SELECT * FROM elsewhere"} {
				if got := outcome(q); got != want && !strings.HasPrefix(got, "error 1060 ") { // a view names two expressions apart
					t.Errorf("seed %d: %s\nhas %s\nwant %s", seed, q, got, want)
				}
			}
			made := outcome("CREATE TABLE made AS SELECT * FROM elsewhere")
			if strings.HasPrefix(made, "error 1048") {
				t.Errorf("seed %d: a table of %s: %s", seed, query, made)
			}
			if !strings.HasPrefix(made, "error ") && g.chance(20) {
				columns(query)
			}
			must(t, c, "DROP TABLE IF EXISTS made")
		}
	}
	t.Logf("%d queries", compared)
}

// randomRun compares two servers.
type randomRun struct {
	t            *testing.T
	ours, theirs *sql.Conn
	script       []string // what has changed the tables
	ran, failed  int
}

// seed runs the statements of a seed on new tables.
func (r *randomRun) seed(seed uint64) {
	r.script = nil
	for _, c := range []*sql.Conn{r.ours, r.theirs} {
		must(r.t, c, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "USE d")
	}
	g := &randomSQL{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, q := range g.schema() {
		must(r.t, r.ours, q)
		must(r.t, r.theirs, q)
		r.script = append(r.script, q)
	}
	for range randomStatements {
		g.aliases = 0
		var query, theirs string
		if g.chance(80) {
			query, theirs = g.query()
		} else {
			change, table := g.change()
			same := r.same(seed, change, change)
			r.script = append(r.script, change)
			if !same {
				return
			}
			query = "SELECT * FROM " + table
			theirs = query
		}
		if !r.same(seed, query, theirs) {
			return
		}
	}
}

// same reports whether a statement has the outcome that MariaDB has of theirs.
func (r *randomRun) same(seed uint64, query, theirs string) bool {
	r.ran++
	lab := &sqlLab{t: r.t}
	var full, outcomes [2]string
	for i, c := range []*sql.Conn{r.ours, r.theirs} {
		full[i] = lab.outcome(c, []string{query, theirs}[i])
		rows := strings.Split(strings.TrimSuffix(strings.TrimPrefix(full[i], "("), ")"), ") (")
		slices.Sort(rows)
		outcomes[i] = strings.Join(rows, ") (")
		if code, _, failed := strings.Cut(full[i], ": "); failed && strings.HasPrefix(code, "error ") {
			outcomes[i] = code // the words differ
		}
	}
	if outcomes[0] == outcomes[1] || !strings.HasPrefix(query, "SELECT") && !strings.HasPrefix(query, "WITH") && !strings.HasPrefix(outcomes[0]+outcomes[1], "error") {
		return true
	}
	r.failed++
	r.t.Errorf("seed %d:\n%s;\n%s;\nhas %s\nwant %s", seed, strings.Join(r.script, ";\n"), query, full[0], full[1])
	return false
}
