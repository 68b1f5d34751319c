package gms_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var joinTrees = flag.Int("join-trees", 400, "random trees of joins that TestTreesOfJoins asks")

var joinTreesSeed = flag.Uint64("join-trees-seed", 11, "what they are drawn from")

// joinRow is the rows of a join by their tables' aliases: id, a, b; nil for a NULL, and for all of
// a table that an outer join has no row of.
type joinRow map[string][3]*int

// condition is one in SQL and what it is of a row: nil for NULL.
type condition struct {
	text string
	eval func(joinRow) *bool
}

// joinTree is a tree of joins in SQL and its rows.
type joinTree struct {
	text    string
	aliases []string
	rows    []joinRow
}

type joinDraw struct {
	r      *rand.Rand
	tables map[string][][3]*int
	n      int // aliases
}

func (d *joinDraw) column(aliases []string) (string, func(joinRow) *int) {
	alias, at := aliases[d.r.IntN(len(aliases))], d.r.IntN(3)
	return alias + "." + []string{"id", "a", "b"}[at], func(r joinRow) *int { return r[alias][at] }
}

// condition draws one of columns of tables.
func (d *joinDraw) condition(aliases []string, depth int) condition {
	switch k := d.r.IntN(10); {
	case depth > 0 && k < 5:
		x, y := d.condition(aliases, depth-1), d.condition(aliases, depth-1)
		op, decides := "AND", false
		if d.r.IntN(2) == 0 {
			op, decides = "OR", true
		}
		return condition{"(" + x.text + " " + op + " " + y.text + ")", func(r joinRow) *bool {
			p, q := x.eval(r), y.eval(r)
			switch {
			case p != nil && *p == decides || q != nil && *q == decides:
				return &decides
			case p == nil || q == nil:
				return nil
			}
			out := !decides
			return &out
		}}
	case k < 7:
		c, get := d.column(aliases)
		not := d.r.IntN(3) == 0
		return condition{c + map[bool]string{true: " IS NOT NULL", false: " IS NULL"}[not], func(r joinRow) *bool {
			out := (get(r) == nil) != not
			return &out
		}}
	default:
		x, left := d.column(aliases)
		y, right := d.column(aliases)
		if d.r.IntN(4) == 0 {
			n := d.r.IntN(5)
			y, right = fmt.Sprint(n), func(joinRow) *int { return &n }
		}
		op := []string{"=", "=", "=", "<", ">=", "<>"}[d.r.IntN(6)]
		return condition{x + " " + op + " " + y, func(r joinRow) *bool {
			p, q := left(r), right(r)
			if p == nil || q == nil {
				return nil
			}
			out := map[string]bool{"=": *p == *q, "<": *p < *q, ">=": *p >= *q, "<>": *p != *q}[op]
			return &out
		}}
	}
}

func (d *joinDraw) table() joinTree {
	name := fmt.Sprintf("t%d", d.r.IntN(len(d.tables)))
	t := joinTree{aliases: []string{fmt.Sprintf("x%d", d.n)}}
	t.text = name + " " + t.aliases[0]
	d.n++
	for _, row := range d.tables[name] {
		t.rows = append(t.rows, joinRow{t.aliases[0]: row})
	}
	return t
}

// tree draws a tree of so many tables.
func (d *joinDraw) tree(tables int) joinTree {
	if tables == 1 {
		return d.table()
	}
	k := 1
	if d.r.IntN(4) == 0 {
		k = 1 + d.r.IntN(tables-1)
	}
	l, r := d.tree(tables-k), d.tree(k)
	out := joinTree{aliases: slices.Concat(l.aliases, r.aliases)}
	kind := []string{"JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "CROSS JOIN", "STRAIGHT_JOIN"}[d.r.IntN(7)]
	on := condition{"", func(joinRow) *bool { yes := true; return &yes }}
	if kind != "CROSS JOIN" && (d.r.IntN(3) > 0 || kind == "LEFT JOIN" || kind == "RIGHT JOIN") {
		on = d.condition(out.aliases, 1)
	}
	right := r.text
	if k > 1 {
		right = "(" + right + ")"
	}
	out.text = l.text + " " + kind + " " + right
	if on.text != "" {
		out.text += " ON " + on.text
	}
	joined := func(a, b joinRow) joinRow {
		row := joinRow{}
		for _, of := range []joinRow{a, b} {
			for alias, v := range of {
				row[alias] = v
			}
		}
		return row
	}
	used := map[int]bool{}
	for _, a := range l.rows {
		found := false
		for n, b := range r.rows {
			if yes := on.eval(joined(a, b)); yes != nil && *yes {
				found, used[n] = true, true
				out.rows = append(out.rows, joined(a, b))
			}
		}
		if !found && kind == "LEFT JOIN" {
			out.rows = append(out.rows, a)
		}
	}
	for n, b := range r.rows {
		if kind == "RIGHT JOIN" && !used[n] {
			out.rows = append(out.rows, b)
		}
	}
	return out
}

// TestTreesOfJoins asks random trees of inner and outer joins under random conditions, and has their rows
// from nested loops.
func TestTreesOfJoins(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d")
	d := &joinDraw{r: rand.New(rand.NewPCG(5, *joinTreesSeed)), tables: map[string][][3]*int{}}
	for n, keys := range []string{", PRIMARY KEY (id)", ", PRIMARY KEY (id), KEY (a)", ", UNIQUE KEY (id, a), KEY (b)", ""} {
		name := fmt.Sprintf("t%d", n)
		var values []string
		for id := range 2 + d.r.IntN(4) {
			row, text := [3]*int{&id, nil, nil}, fmt.Sprint(id)
			for k := 1; k < 3; k++ {
				if v := d.r.IntN(5); v < 4 {
					row[k] = &v
					text += fmt.Sprintf(", %d", v)
				} else {
					text += ", NULL"
				}
			}
			d.tables[name] = append(d.tables[name], row)
			values = append(values, "("+text+")")
		}
		must(t, c, "CREATE TABLE "+name+" (id INT NOT NULL, a INT, b INT"+keys+")", "INSERT INTO "+name+" VALUES "+strings.Join(values, ", "))
	}
	some := 0
	for range *joinTrees {
		d.n = 0
		tree := d.tree(2 + d.r.IntN(4))
		where := d.condition(tree.aliases, 2)
		if len(tree.rows) > 2000 {
			continue
		}
		var want []string
		var selected []string
		for _, alias := range tree.aliases {
			selected = append(selected, "COALESCE("+alias+".id, 'none')")
		}
		for _, r := range tree.rows {
			if yes := where.eval(r); yes == nil || !*yes {
				continue
			}
			var row []string
			for _, alias := range tree.aliases {
				if id := r[alias][0]; id != nil {
					row = append(row, fmt.Sprint(*id))
				} else {
					row = append(row, "none")
				}
			}
			want = append(want, strings.Join(row, " "))
		}
		query := "SELECT CONCAT_WS(' ', " + strings.Join(selected, ", ") + ") FROM " + tree.text + " WHERE " + where.text
		rows, err := c.QueryContext(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []string
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			got = append(got, row)
		}
		if err := rows.Err(); err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d rows %.100q, want %d %.100q", query, len(got), got, len(want), want)
		}
		if len(want) > 0 {
			some++
		}
	}
	if some < *joinTrees/3 {
		t.Errorf("only %d of %d statements have rows", some, *joinTrees)
	}
}
