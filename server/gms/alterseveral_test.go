package gms_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// alteredColumn is a column of the model of a table: its name, and its values by row.
type alteredColumn struct {
	name   string
	values []string
}

// TestAltersOfSeveralClauses: whatever clauses an ALTER TABLE has, the columns are in the places
// that they name, with their own values.
func TestAltersOfSeveralClauses(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "SET SESSION group_concat_max_len = 100000")
	r := rand.New(rand.NewPCG(5, 6))
	const rows = 3
	for table := range 8 {
		must(t, c, fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), c VARCHAR(20))", table))
		model := []alteredColumn{{name: "id"}, {name: "a"}, {name: "b"}, {name: "c"}}
		for row := range rows {
			must(t, c, fmt.Sprintf("INSERT INTO t%d VALUES (%d, 'a%[2]d', 'b%[2]d', 'c%[2]d')", table, row))
			for k := range model {
				model[k].values = append(model[k].values, strings.TrimPrefix(fmt.Sprintf("%s%d", model[k].name, row), "id"))
			}
		}
		for range 6 {
			query := fmt.Sprintf("ALTER TABLE t%d ", table)
			model = alterSeveral(r, model, &query)
			must(t, c, query)
			var names, want []string
			for _, x := range model {
				names = append(names, x.name)
			}
			got := one(t, c, fmt.Sprintf("SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_NAME = 't%d'", table))
			if got != strings.Join(names, ",") {
				t.Fatalf("%s: columns %s, want %s", query, got, strings.Join(names, ","))
			}
			for row := range rows {
				for _, x := range model {
					want = append(want, x.values[row])
				}
			}
			got = one(t, c, fmt.Sprintf("SELECT GROUP_CONCAT(CONCAT_WS(',', %s) ORDER BY id) FROM t%d", strings.Join(names, ", "), table))
			if got != strings.Join(want, ",") {
				t.Fatalf("%s: rows %s, want %s", query, got, strings.Join(want, ","))
			}
		}
	}
}

// alterSeveral adds clauses to an ALTER TABLE and returns what it makes of the columns. No
// clause names a column that another one changes, but as what it is to be behind.
func alterSeveral(r *rand.Rand, model []alteredColumn, query *string) []alteredColumn {
	var clauses []string
	var free []string // columns that no clause has changed
	for _, c := range model {
		free = append(free, c.name)
	}
	take := func() string {
		k := r.IntN(len(free))
		name := free[k]
		free = slices.Delete(free, k, k+1)
		return name
	}
	for n := 2 + r.IntN(3); n > 0 && len(free) > 2 || len(clauses) == 0; n-- {
		typ := []string{"VARCHAR(20)", "VARCHAR(30) NOT NULL", "TEXT", "CHAR(20)"}[r.IntN(4)]
		var c alteredColumn
		var clause string
		at, kind := -1, r.IntN(4)
		if kind != 0 { // of a column that there is
			name := take()
			at = slices.IndexFunc(model, func(c alteredColumn) bool { return c.name == name })
			c = model[at]
			if name == "id" {
				typ = "INT"
				kind = max(kind, 2)
			}
			if len(model) < 5 && kind == 1 {
				kind = 2
			}
		}
		switch kind {
		case 0:
			c.name = fmt.Sprintf("n%d", r.IntN(1000000))
			for range model[0].values {
				c.values = append(c.values, c.name)
			}
			clause = fmt.Sprintf("ADD %s VARCHAR(20) NOT NULL DEFAULT '%[1]s'", c.name)
		case 1:
			clauses = append(clauses, "DROP "+c.name)
			model = slices.Delete(slices.Clone(model), at, at+1)
			continue
		case 2:
			clause = fmt.Sprintf("MODIFY %s %s", c.name, typ)
		case 3:
			if c.name == "id" {
				clause = "MODIFY id BIGINT"
				break
			}
			to := fmt.Sprintf("m%d", r.IntN(1000000))
			clause = fmt.Sprintf("CHANGE %s %s %s", c.name, to, typ)
			c.name = to
		}
		model = slices.Clone(model)
		place := r.IntN(3)
		if at < 0 {
			model = append(model, c)
			at = len(model) - 1
		}
		model[at] = c
		if place > 0 {
			model = slices.Delete(model, at, at+1)
			at = 0
			if place == 1 {
				clause += " FIRST"
			} else {
				behind := take() // no later clause drops it
				clause += " AFTER " + behind
				at = slices.IndexFunc(model, func(c alteredColumn) bool { return c.name == behind }) + 1
			}
			model = slices.Insert(model, at, c)
		}
		clauses = append(clauses, clause)
	}
	*query += strings.Join(clauses, ", ")
	return model
}
