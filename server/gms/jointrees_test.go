package gms_test

import (
	"cmp"
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
	n      int               // aliases
	of     map[string]string // tables by alias
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
	case k < 6 && depth >= 0:
		return d.subquery(aliases)
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

// subquery draws EXISTS, IN, NOT IN or an equality with a maximum, of a table's rows for which a column
// is in a relation to one of the row outside, or of all.
func (d *joinDraw) subquery(aliases []string) condition {
	table := fmt.Sprintf("t%d", d.r.IntN(len(d.tables)))
	of, left := d.column([]string{"s"})
	op, with, right := "=", "", func(joinRow) *int { return nil }
	all := d.r.IntN(3) == 0
	if !all {
		op = []string{"=", "=", "<", ">="}[d.r.IntN(4)]
		with, right = d.column(aliases)
	}
	got, value := d.column([]string{"s"})
	compared, outer := d.column(aliases)
	// rows are the values of got for the row outside.
	rows := func(r joinRow) (out []*int) {
		for _, row := range d.tables[table] {
			inner := joinRow{"s": row}
			a, b := left(inner), right(r)
			if all || a != nil && b != nil && map[string]bool{"=": *a == *b, "<": *a < *b, ">=": *a >= *b}[op] {
				out = append(out, value(inner))
			}
		}
		return out
	}
	from := " FROM " + table + " s"
	if !all {
		from += " WHERE " + of + " " + op + " " + with
	}
	truth := func(b bool) *bool { return &b }
	switch d.r.IntN(4) {
	case 0:
		not := d.r.IntN(2) == 0
		return condition{map[bool]string{true: "NOT ", false: ""}[not] + "EXISTS (SELECT 1" + from + ")", func(r joinRow) *bool { return truth((len(rows(r)) > 0) != not) }}
	case 1:
		return condition{compared + " = (SELECT MAX(" + got + ")" + from + ")", func(r joinRow) *bool {
			var most *int
			for _, v := range rows(r) {
				if v != nil && (most == nil || *v > *most) {
					most = v
				}
			}
			if v := outer(r); v != nil && most != nil {
				return truth(*v == *most)
			}
			return nil
		}}
	}
	not := d.r.IntN(2) == 0
	return condition{compared + map[bool]string{true: " NOT", false: ""}[not] + " IN (SELECT " + got + from + ")", func(r joinRow) *bool {
		v, list := outer(r), rows(r)
		unknown := v == nil && len(list) > 0
		for _, x := range list {
			switch {
			case x == nil:
				unknown = true
			case v != nil && *x == *v:
				return truth(!not)
			}
		}
		if unknown {
			return nil
		}
		return truth(not)
	}}
}

// derived draws a derived table of a join: three of its columns for which a condition is true, or of the
// groups by one of them the maximum of another and the number of values of a third.
func (d *joinDraw) derived() joinTree {
	sub := d.tree(2)
	where := d.condition(sub.aliases, 1)
	alias := fmt.Sprintf("x%d", d.n)
	d.n++
	out := joinTree{aliases: []string{alias}}
	var names [3]string
	var gets [3]func(joinRow) *int
	for k := range names {
		names[k], gets[k] = d.column(sub.aliases)
	}
	var kept []joinRow
	for _, r := range sub.rows {
		if yes := where.eval(r); yes != nil && *yes {
			kept = append(kept, r)
		}
	}
	from := " FROM " + sub.text + " WHERE " + where.text
	switch d.r.IntN(3) {
	case 0:
		out.text = "(SELECT " + names[0] + " AS id, MAX(" + names[1] + ") AS a, COUNT(" + names[2] + ") AS b" + from + " GROUP BY " + names[0] + ") " + alias
		groups := map[int]*[3]*int{}
		for _, r := range kept {
			key := -1
			if v := gets[0](r); v != nil {
				key = *v
			}
			g := groups[key]
			if g == nil {
				g = &[3]*int{gets[0](r), nil, new(int)}
				groups[key] = g
			}
			if v := gets[1](r); v != nil && (g[1] == nil || *v > *g[1]) {
				g[1] = v
			}
			if gets[2](r) != nil {
				*g[2]++
			}
		}
		for _, g := range groups {
			out.rows = append(out.rows, joinRow{alias: *g})
		}
	default:
		out.text = "(SELECT " + names[0] + " AS id, " + names[1] + " AS a, " + names[2] + " AS b" + from + ") " + alias
		for _, r := range kept {
			out.rows = append(out.rows, joinRow{alias: {gets[0](r), gets[1](r), gets[2](r)}})
		}
	}
	return out
}

func (d *joinDraw) table() joinTree {
	if d.r.IntN(12) == 0 && d.n < 6 {
		return d.derived()
	}
	name := fmt.Sprintf("t%d", d.r.IntN(len(d.tables)))
	t := joinTree{aliases: []string{fmt.Sprintf("x%d", d.n)}}
	t.text = name + " " + t.aliases[0]
	d.of[t.aliases[0]] = name
	if d.r.IntN(6) == 0 {
		t.text = "(SELECT * FROM " + name + []string{"", " WHERE id < 100", " LIMIT 100"}[d.r.IntN(3)] + ") " + t.aliases[0]
		delete(d.of, t.aliases[0])
	}
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

// selected draws a join with the rows for which a condition is true.
func (d *joinDraw) selected(tables int) joinTree {
	t := d.tree(tables)
	where := d.condition(t.aliases, 2)
	t.text += lastWhere + where.text
	t.rows = slices.DeleteFunc(t.rows, func(r joinRow) bool { yes := where.eval(r); return yes == nil || !*yes })
	return t
}

// lastWhere stands before the condition of a join, in no other place.
const lastWhere = "  WHERE "

// shown is a value as a client has it.
func shown(v *int) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprint(*v)
}

// values returns columns of rows as clients have them.
func (t joinTree) values(gets ...func(joinRow) *int) (out []string) {
	for _, r := range t.rows {
		var row []string
		for _, get := range gets {
			row = append(row, shown(get(r)))
		}
		out = append(out, strings.Join(row, ","))
	}
	return out
}

// pair draws two columns of a join.
func (d *joinDraw) pair(t joinTree) (string, []func(joinRow) *int) {
	a, getA := d.column(t.aliases)
	b, getB := d.column(t.aliases)
	return a + ", " + b, []func(joinRow) *int{getA, getB}
}

// statement draws a SELECT and its rows, in any order.
func (d *joinDraw) statement() (query string, want []string) {
	t := d.selected(2 + d.r.IntN(4))
	switch d.r.IntN(8) {
	case 0: // groups
		g, key := d.column(t.aliases)
		c, get := d.column(t.aliases)
		more := d.r.IntN(3)
		type group struct {
			key           string
			n, count, sum int
			least, most   *int
			different     map[int]bool
		}
		groups := map[string]*group{}
		for _, r := range t.rows {
			k := shown(key(r))
			of := groups[k]
			if of == nil {
				of = &group{key: k, different: map[int]bool{}}
				groups[k] = of
			}
			of.n++
			v := get(r)
			if v == nil {
				continue
			}
			of.count, of.sum, of.different[*v] = of.count+1, of.sum+*v, true
			if of.least == nil || *v < *of.least {
				of.least = v
			}
			if of.most == nil || *v > *of.most {
				of.most = v
			}
		}
		for _, of := range groups {
			if of.n <= more {
				continue
			}
			sum := "NULL"
			if of.count > 0 {
				sum = fmt.Sprint(of.sum)
			}
			want = append(want, fmt.Sprint(of.key, ",", of.n, ",", of.count, ",", sum, ",", shown(of.least), ",", shown(of.most), ",", len(of.different)))
		}
		return fmt.Sprintf("SELECT %s, COUNT(*), COUNT(%[2]s), SUM(%[2]s), MIN(%[2]s), MAX(%[2]s), COUNT(DISTINCT %[2]s) FROM %[3]s GROUP BY %[1]s HAVING COUNT(*) > %[4]d",
			g, c, t.text, more), want
	case 1: // rows that differ
		columns, gets := d.pair(t)
		want = t.values(gets...)
		slices.Sort(want)
		return "SELECT DISTINCT " + columns + " FROM " + t.text, slices.Compact(want)
	case 2: // of two selects
		columns, gets := d.pair(t)
		d.n = 0
		u := d.selected(1 + d.r.IntN(3))
		others, otherGets := d.pair(u)
		left, right := t.values(gets...), u.values(otherGets...)
		op := []string{"UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"}[d.r.IntN(6)]
		n := map[string]int{}
		for _, r := range right {
			n[r]++
		}
		switch {
		case strings.HasPrefix(op, "UNION"):
			want = append(left, right...)
		default:
			for _, l := range left {
				in := n[l] > 0
				if strings.HasSuffix(op, "ALL") && in {
					n[l]--
				}
				if in == strings.HasPrefix(op, "INTERSECT") {
					want = append(want, l)
				}
			}
		}
		if !strings.HasSuffix(op, "ALL") {
			slices.Sort(want)
			want = slices.Compact(want)
		}
		return "SELECT " + columns + " FROM " + t.text + " " + op + " SELECT " + others + " FROM " + u.text, want
	case 3: // windows
		columns, gets := d.pair(t)
		c, get := d.column(t.aliases)
		n, sum := map[string]int{}, map[string]int{}
		for _, r := range t.rows {
			k := shown(gets[0](r))
			n[k]++
			if v := get(r); v != nil {
				sum[k] += *v
			}
		}
		for i, row := range t.values(gets...) {
			k := shown(gets[0](t.rows[i]))
			want = append(want, fmt.Sprint(row, ",", n[k], ",", sum[k]))
		}
		return fmt.Sprintf("SELECT %s, COUNT(*) OVER w, COALESCE(SUM(%s) OVER w, 0) FROM %s WINDOW w AS (PARTITION BY %s)", columns, c, t.text, strings.Split(columns, ",")[0]), want
	}
	var names []string
	var gets []func(joinRow) *int
	for _, alias := range t.aliases {
		names = append(names, alias+".id")
		gets = append(gets, func(r joinRow) *int { return r[alias][0] })
	}
	query = "SELECT " + strings.Join(names, ", ") + " FROM " + t.text
	if d.r.IntN(4) > 0 {
		return query, t.values(gets...)
	}
	// some of the rows in an order
	c, get := d.column(t.aliases)
	descending := d.r.IntN(2) == 0
	order := func(a, b *int) int {
		switch {
		case a == nil && b == nil:
			return 0
		case a == nil:
			return -1
		case b == nil:
			return 1
		}
		return *a - *b
	}
	slices.SortFunc(t.rows, func(a, b joinRow) int {
		n := order(get(a), get(b))
		if descending {
			n = -n
		}
		for _, get := range gets {
			if n == 0 {
				n = order(get(a), get(b))
			}
		}
		return n
	})
	skip := min(d.r.IntN(3), len(t.rows))
	t.rows = t.rows[skip:min(skip+5, len(t.rows))]
	return fmt.Sprintf("%s ORDER BY %s%s, %s LIMIT %d, 5", query, c, map[bool]string{true: " DESC", false: ""}[descending], strings.Join(names, ", "), skip), t.values(gets...)
}

// write draws a DELETE or UPDATE of a table of a join that no subquery reads, "" if there is none, and the
// table with what are its rows then.
func (d *joinDraw) write() (statement, table string, want []string) {
	t := d.selected(2 + d.r.IntN(3))
	alias := t.aliases[d.r.IntN(len(t.aliases))]
	if table = d.of[alias]; table == "" || strings.Contains(t.text, "FROM "+table+" ") {
		return "", "", nil
	}
	changed := map[int]bool{}
	for _, r := range t.rows {
		if id := r[alias][0]; id != nil {
			changed[*id] = true
		}
	}
	remove := d.r.IntN(2) == 0
	for _, row := range d.tables[table] {
		b := row[2]
		if changed[*row[0]] {
			if remove {
				continue
			}
			if b != nil {
				more := *b + 10
				b = &more
			}
		}
		want = append(want, shown(row[0])+","+shown(row[1])+","+shown(b))
	}
	if remove {
		return "DELETE " + alias + " FROM " + t.text, table, want
	}
	from, where, _ := strings.Cut(t.text, lastWhere)
	return "UPDATE " + from + " SET " + alias + ".b = " + alias + ".b + 10 WHERE " + where, table, want
}

// TestTreesOfJoins asks random trees of inner and outer joins under random conditions: their rows, groups, windows,
// sets and orders of them, and has all of it from nested loops.
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
		d.n, d.of = 0, map[string]string{}
		var query string
		var want []string
		write := ""
		if d.r.IntN(6) == 0 {
			var table string
			if write, table, want = d.write(); write == "" {
				continue
			}
			query = "SELECT * FROM " + table
			must(t, c, "BEGIN", write)
		} else {
			query, want = d.statement()
		}
		rows, err := c.QueryContext(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got, err := rowTexts(rows)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if write != "" {
			must(t, c, "ROLLBACK")
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d rows %.200q, want %d %.200q", cmp.Or(write, query), len(got), got, len(want), want)
		}
		if len(want) > 0 {
			some++
		}
	}
	if some < *joinTrees/4 {
		t.Errorf("only %d of %d statements have rows", some, *joinTrees)
	}
}
