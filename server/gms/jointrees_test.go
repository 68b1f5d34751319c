package gms_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

var joinTrees = flag.Int("join-trees", 600, "random trees of joins that TestTreesOfJoins asks")

var joinTreesSeed = flag.Uint64("join-trees-seed", 11, "what they are drawn from")

// joinRow is a row of a join by the numbers of its tables' aliases: id, a, b; nil for a NULL, and for all of
// a table that an outer join has no row of.
type joinRow [32]*[3]*int

func (r joinRow) with(other joinRow) joinRow {
	for alias, v := range other {
		if v != nil {
			r[alias] = v
		}
	}
	return r
}

// joinKind is a kind of columns, whose values stand for small numbers.
type joinKind struct {
	types    []string
	literals []func(n int) string
}

var joinKinds = []joinKind{
	{[]string{"INT", "INT", "DECIMAL(10,2)", "BIGINT UNSIGNED", "DOUBLE", "SMALLINT"}, []func(int) string{strconv.Itoa, strconv.Itoa, func(n int) string { return fmt.Sprintf("%d.0", n) }}},
	{[]string{"VARCHAR(5)", "CHAR(5)", "VARCHAR(300)", "ENUM('a','b','c','d','e')"}, []func(int) string{func(n int) string { return "'" + "abcde"[n:n+1] + "'" }, func(n int) string { return "'" + "ABCDE"[n:n+1] + "'" }}},
	{[]string{"DATE", "DATETIME", "TIMESTAMP", "DATETIME(3)"}, []func(int) string{func(n int) string { return fmt.Sprintf("DATE'2024-01-0%d'", n+1) }, func(n int) string { return fmt.Sprintf("TIMESTAMP'2024-01-0%d 00:00:00'", n+1) }}},
}

// joinNumber returns the number that a value stands for.
func joinNumber(cell string) string {
	switch v, err := strconv.ParseFloat(cell, 64); {
	case err == nil:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case strings.HasPrefix(cell, "2024-01-0"):
		return strconv.Itoa(int(cell[9] - '1'))
	case len(cell) == 1:
		return strconv.Itoa(int(cell[0]|0x20) - 'a')
	}
	return cell
}

// joinTable is a table, common table expression or view, and the kinds of its columns.
type joinTable struct {
	rows  [][3]*int
	kinds [3]int
}

// joinValue is a value of rows in SQL, and condition one that is true, false or, nil, NULL.
type joinValue struct {
	text string
	kind int
	get  func(joinRow) *int
}

type condition struct {
	text string
	eval func(joinRow) *bool
}

func truth(b bool) *bool { return &b }

func is(b *bool) bool { return b != nil && *b }

// joinTree is a tree of joins in SQL and its rows. The columns of its `*` are star, and named the aliases whose column a
// name without table may be.
type joinTree struct {
	text    string
	aliases []int
	named   [3][]int
	star    [][2]int // alias, column
	rows    []joinRow
}

// qualified returns the columns of trees, that are named with their tables.
func qualified(trees ...joinTree) (out joinTree) {
	for _, t := range trees {
		out.aliases = append(out.aliases, t.aliases...)
	}
	return out
}

type joinDraw struct {
	*rand.Rand
	tables map[string]*joinTable
	names  []string // of tables, views and common table expressions
	n      int      // aliases
	kinds  [32][3]int
	of     map[int]string  // tables by alias
	inner  map[string]bool // tables that subqueries read
	level  int             // of subqueries
	ctes   []string
	views  []string
}

func (d *joinDraw) pick(list ...string) string { return list[d.IntN(len(list))] }

var joinColumns = [3]string{"id", "a", "b"}

func (d *joinDraw) columnOf(alias, at int) joinValue {
	return joinValue{fmt.Sprintf("x%d.%s", alias, joinColumns[at]), d.kinds[alias][at], func(r joinRow) *int {
		if r[alias] == nil {
			return nil
		}
		return r[alias][at]
	}}
}

func (d *joinDraw) column(of joinTree) joinValue {
	at := d.IntN(3)
	if len(of.named[at]) == 1 && d.IntN(3) == 0 {
		c := d.columnOf(of.named[at][0], at)
		c.text = joinColumns[at]
		return c
	}
	return d.columnOf(of.aliases[d.IntN(len(of.aliases))], at)
}

// columnLike draws a column of a kind, a constant where it finds none.
func (d *joinDraw) columnLike(of joinTree, kind int) joinValue {
	for range 30 {
		if c := d.column(of); c.kind == kind {
			return c
		}
	}
	return d.constant(kind)
}

// constant draws a constant; marks are around those that may be parameters.
func (d *joinDraw) constant(kind int) joinValue {
	n, literals := d.IntN(5), joinKinds[kind].literals
	text := literals[d.IntN(len(literals))](n)
	if kind < 2 {
		text = "\x01" + text + "\x02"
	}
	return joinValue{text, kind, func(joinRow) *int { return &n }}
}

// beside draws a constant that is compared with columns: moments may be texts there.
func (d *joinDraw) beside(kind int) joinValue {
	c := d.constant(kind)
	if kind == 2 && d.IntN(2) == 0 {
		c.text = "\x01" + strings.TrimLeft(c.text, "ADEIMPST") + "\x02"
	}
	return c
}

// value draws a column or something of columns.
func (d *joinDraw) value(of joinTree, kind int) joinValue {
	switch d.IntN(16) {
	case 0:
		x, y := d.columnLike(of, kind), d.columnLike(of, kind)
		return joinValue{"COALESCE(" + x.text + ", " + y.text + ")", kind, func(r joinRow) *int { return cmp.Or(x.get(r), y.get(r)) }}
	case 1:
		x, y, c := d.columnLike(of, kind), d.columnLike(of, kind), d.condition(of, -1)
		return joinValue{"CASE WHEN " + c.text + " THEN " + x.text + " ELSE " + y.text + " END", kind, func(r joinRow) *int {
			if is(c.eval(r)) {
				return x.get(r)
			}
			return y.get(r)
		}}
	case 2:
		if kind != 0 {
			break
		}
		x := d.columnLike(of, kind)
		return joinValue{"(" + x.text + " + 1)", kind, func(r joinRow) *int {
			v := x.get(r)
			if v != nil {
				n := *v + 1
				v = &n
			}
			return v
		}}
	}
	return d.columnLike(of, kind)
}

func (d *joinDraw) anyValue(of joinTree) joinValue { return d.value(of, d.column(of).kind) }

// compared is what an operator says of two values.
func compared(op string, a, b *int) *bool {
	switch {
	case op == "<=>":
		return truth(a == nil && b == nil || a != nil && b != nil && *a == *b)
	case a == nil || b == nil:
		return nil
	}
	return truth(map[string]bool{"=": *a == *b, "<": *a < *b, "<=": *a <= *b, ">=": *a >= *b, ">": *a > *b, "<>": *a != *b}[op])
}

// decided returns AND (decides is false) or OR of truths.
func decided(decides bool, all ...*bool) *bool {
	out := truth(!decides)
	for _, p := range all {
		switch {
		case p == nil:
			out = nil
		case *p == decides:
			return p
		}
	}
	return out
}

func negation(not bool, p *bool) *bool {
	if not && p != nil {
		return truth(!*p)
	}
	return p
}

// condition draws one of the columns of a join.
func (d *joinDraw) condition(of joinTree, depth int) condition {
	k := d.IntN(13)
	switch not := d.IntN(3) == 0; {
	case depth > 0 && k < 5:
		x, y := d.condition(of, depth-1), d.condition(of, depth-1)
		or := d.IntN(2) == 0
		return condition{"(" + x.text + map[bool]string{true: " OR ", false: " AND "}[or] + y.text + ")", func(r joinRow) *bool { return decided(or, x.eval(r), y.eval(r)) }}
	case depth > 0 && k == 5:
		x := d.condition(of, depth-1)
		if test := d.pick("TRUE", "FALSE", ""); test != "" {
			return condition{"(" + x.text + ") IS " + map[bool]string{true: "NOT ", false: ""}[not] + test, func(r joinRow) *bool {
				p := x.eval(r)
				return truth((p != nil && *p == (test == "TRUE")) != not)
			}}
		}
		return condition{"NOT (" + x.text + ")", func(r joinRow) *bool { return negation(true, x.eval(r)) }}
	case k < 7 && depth >= 0 && d.level < 2 && d.n < 20:
		return d.subquery(of)
	case k == 7:
		c := d.anyValue(of)
		return condition{c.text + map[bool]string{true: " IS NOT NULL", false: " IS NULL"}[not], func(r joinRow) *bool { return truth((c.get(r) == nil) != not) }}
	case k == 8:
		c := d.anyValue(of)
		x, y := d.beside(c.kind), d.beside(c.kind)
		if d.IntN(2) == 0 {
			x = d.columnLike(of, c.kind)
		}
		op := d.pick(" BETWEEN ", " IN ")
		return condition{c.text + map[bool]string{true: " NOT", false: ""}[not] + op + map[string]string{" BETWEEN ": x.text + " AND " + y.text, " IN ": "(" + x.text + ", " + y.text + ")"}[op], func(r joinRow) *bool {
			v := c.get(r)
			if op == " IN " {
				return negation(not, decided(true, compared("=", v, x.get(r)), compared("=", v, y.get(r))))
			}
			return negation(not, decided(false, compared(">=", v, x.get(r)), compared("<=", v, y.get(r))))
		}}
	default:
		x := d.anyValue(of)
		y := d.value(of, x.kind)
		if d.IntN(4) == 0 {
			y = d.beside(x.kind)
		}
		op := d.pick("=", "=", "=", "<", ">=", "<>", "<=>")
		return condition{x.text + " " + op + " " + y.text, func(r joinRow) *bool { return compared(op, x.get(r), y.get(r)) }}
	}
}

// within draws a part of a FROM and a condition of its rows and those around it; rows are those for one around it.
func (d *joinDraw) within(of joinTree) (from string, sub joinTree, rows func(joinRow) []joinRow) {
	d.level++
	defer func() { d.level-- }()
	sub = d.tree(1 + d.IntN(4)/3)
	from = " FROM " + sub.text
	if d.IntN(3) == 0 {
		return from, sub, func(joinRow) []joinRow { return sub.rows }
	}
	inner := qualified(sub)
	x := d.column(inner)
	y := d.columnLike(qualified(of), x.kind)
	op := d.pick("=", "=", "<", ">=")
	where := condition{x.text + " " + op + " " + y.text, func(r joinRow) *bool { return compared(op, x.get(r), y.get(r)) }}
	if d.IntN(3) == 0 {
		first, more := where, d.condition(qualified(sub, of), 0)
		where = condition{first.text + " AND " + more.text, func(r joinRow) *bool { return decided(false, first.eval(r), more.eval(r)) }}
	}
	return from + " WHERE " + where.text, sub, func(r joinRow) (out []joinRow) {
		for _, row := range sub.rows {
			if is(where.eval(r.with(row))) {
				out = append(out, row)
			}
		}
		return out
	}
}

// aggregated draws the least, the largest or the number of a column of rows in SQL.
func (d *joinDraw) aggregated(sub joinTree) (text string, kind int, of func([]joinRow) *int) {
	c := d.column(qualified(sub))
	f := d.pick("MIN(", "MAX(", "MAX(", "COUNT(", "COUNT(DISTINCT ")
	if strings.HasPrefix(f, "COUNT") {
		return f + c.text + ")", 0, func(rows []joinRow) *int {
			seen, n := map[int]bool{}, 0
			for _, r := range rows {
				if v := c.get(r); v != nil {
					n, seen[*v] = n+1, true
				}
			}
			if f != "COUNT(" {
				n = len(seen)
			}
			return &n
		}
	}
	return f + c.text + ")", c.kind, func(rows []joinRow) (out *int) {
		for _, r := range rows {
			if v := c.get(r); v != nil && (out == nil || (*v > *out) == (f == "MAX(")) {
				out = v
			}
		}
		return out
	}
}

// subquery draws EXISTS, IN, NOT IN, ANY, ALL or a comparison with an aggregate.
func (d *joinDraw) subquery(of joinTree) condition {
	from, sub, rows := d.within(of)
	not := d.IntN(2) == 0
	no := map[bool]string{true: "NOT ", false: ""}[not]
	switch d.IntN(6) {
	case 0, 1:
		return condition{no + "EXISTS (SELECT 1" + from + ")", func(r joinRow) *bool { return truth((len(rows(r)) > 0) != not) }}
	case 2:
		text, kind, most := d.aggregated(sub)
		x, op := d.columnLike(of, kind), d.pick("=", "=", "<", "<>", ">=")
		return condition{x.text + " " + op + " (SELECT " + text + from + ")", func(r joinRow) *bool { return compared(op, x.get(r), most(rows(r))) }}
	case 3:
		x := d.column(of)
		got, op, all := d.columnLike(qualified(sub), x.kind), d.pick("=", "<", ">=", "<>"), d.IntN(2) == 0
		return condition{x.text + " " + op + map[bool]string{true: " ALL", false: " ANY"}[all] + " (SELECT " + got.text + from + ")", func(r joinRow) *bool {
			list := []*bool{}
			for _, row := range rows(r) {
				list = append(list, compared(op, x.get(r), got.get(row)))
			}
			return decided(!all, list...)
		}}
	}
	x, y := []joinValue{d.column(of)}, []joinValue{}
	if d.IntN(4) == 0 {
		x = append(x, d.column(of))
	}
	var texts [2][]string
	for _, v := range x {
		y = append(y, d.columnLike(qualified(sub), v.kind))
		texts[0], texts[1] = append(texts[0], v.text), append(texts[1], y[len(y)-1].text)
	}
	left := strings.Join(texts[0], ", ")
	if len(x) > 1 {
		left = "(" + left + ")"
	}
	return condition{left + " " + no + "IN (SELECT " + strings.Join(texts[1], ", ") + from + ")", func(r joinRow) *bool {
		found := truth(false)
		for _, row := range rows(r) {
			same := truth(true)
			for k, v := range x {
				same = decided(false, same, compared("=", v.get(r), y[k].get(row)))
			}
			found = decided(true, found, same)
		}
		return negation(not, found)
	}}
}

// derived draws a query of a join: three of its columns for which a condition is true, or of the groups by one of
// them an aggregate of another and the number of values of a third; as a derived table, a common table
// expression or a view.
func (d *joinDraw) derived() joinTree {
	d.level++
	sub := d.tree(1 + d.IntN(2))
	plain := qualified(sub)
	where := d.condition(plain, 1)
	d.level--
	made := &joinTable{}
	var columns [3]joinValue
	for k := range columns {
		columns[k] = d.anyValue(plain)
		made.kinds[k] = columns[k].kind
	}
	var kept []joinRow
	for _, r := range sub.rows {
		if is(where.eval(r)) {
			kept = append(kept, r)
		}
	}
	text := "SELECT " + columns[0].text + " AS id, "
	from := " FROM " + sub.text + " WHERE " + where.text
	switch d.IntN(4) {
	case 0:
		most, kind, largest := d.aggregated(sub)
		text += most + " AS a, COUNT(" + columns[2].text + ") AS b" + from + " GROUP BY " + columns[0].text
		made.kinds[1], made.kinds[2] = kind, 0
		groups := map[string][]joinRow{}
		for _, r := range kept {
			key := shown(columns[0].get(r))
			groups[key] = append(groups[key], r)
		}
		for _, g := range groups {
			n := 0
			for _, r := range g {
				if columns[2].get(r) != nil {
					n++
				}
			}
			made.rows = append(made.rows, [3]*int{columns[0].get(g[0]), largest(g), &n})
		}
	default:
		for _, r := range kept {
			made.rows = append(made.rows, [3]*int{columns[0].get(r), columns[1].get(r), columns[2].get(r)})
		}
		if d.IntN(5) == 0 {
			text = strings.Replace(text, "SELECT", "SELECT DISTINCT", 1)
			made.rows = differentRows(made.rows)
		}
		text += columns[1].text + " AS a, " + columns[2].text + " AS b" + from
		if d.IntN(8) == 0 {
			return d.named("("+text+" LIMIT 1000)", made)
		}
	}
	switch d.IntN(4) {
	case 0:
		name := d.declared(&d.ctes, "c", made)
		d.ctes[len(d.ctes)-1] = name + " AS (" + text + ")"
		return d.named(name, made)
	case 1:
		if strings.Contains(text, " c") && strings.ContainsAny(text[strings.Index(text, " c")+2:][:1], "0123456789") {
			break // a view has no common table expression of the statement
		}
		name := d.declared(&d.views, "v", made)
		d.views[len(d.views)-1] = "CREATE OR REPLACE VIEW " + name + " AS " + text
		return d.named(name, made)
	case 2:
		if made.kinds == d.tables["t0"].kinds && d.level == 0 {
			return d.recursive(text, made)
		}
	}
	return d.named("("+text+")", made)
}

func differentRows(rows [][3]*int) (out [][3]*int) {
	seen := map[string]bool{}
	for _, r := range rows {
		if key := shown(r[0]) + "," + shown(r[1]) + "," + shown(r[2]); !seen[key] {
			seen[key], out = true, append(out, r)
		}
	}
	return out
}

// recursive draws a recursive common table expression that begins with the rows of a query of the kinds of
// tables: those of a table that a column joins with it are more.
func (d *joinDraw) recursive(text string, first *joinTable) joinTree {
	name := d.declared(&d.ctes, "c", first)
	table := d.pick("t0", "t1", "t2", "t3")
	d.inner[table] = true
	x := d.n
	d.n += 2
	d.kinds[x], d.kinds[x+1] = d.tables[table].kinds, first.kinds
	at := d.IntN(3)
	left, op, right := d.columnOf(x, at), d.pick("=", "<", ">"), d.columnOf(x+1, at)
	d.ctes[len(d.ctes)-1] = fmt.Sprintf("%s AS (%s UNION SELECT x%d.id, x%[3]d.a, x%[3]d.b FROM %[4]s x%[3]d JOIN %[1]s x%[5]d ON %s %s %s)", name, text, x, table, x+1, left.text, op, right.text)
	first.rows = differentRows(first.rows)
	for k := 0; k < len(first.rows); k++ {
		for _, row := range d.tables[table].rows {
			if is(compared(op, row[at], first.rows[k][at])) {
				first.rows = differentRows(append(first.rows, row))
			}
		}
	}
	return d.named(name, first)
}

// declared gives a name to a view or common table expression.
func (d *joinDraw) declared(list *[]string, prefix string, t *joinTable) string {
	name := prefix + fmt.Sprint(len(*list))
	*list, d.names = append(*list, ""), append(d.names, name)
	d.tables[name] = t
	return name
}

// named returns a table under a new alias.
func (d *joinDraw) named(text string, t *joinTable) joinTree {
	x := d.n
	d.n++
	d.kinds[x] = t.kinds
	out := joinTree{text: fmt.Sprintf("%s x%d", text, x), aliases: []int{x}, named: [3][]int{{x}, {x}, {x}}, star: [][2]int{{x, 0}, {x, 1}, {x, 2}}}
	for i := range t.rows {
		r := joinRow{}
		r[x] = &t.rows[i]
		out.rows = append(out.rows, r)
	}
	return out
}

func (d *joinDraw) table() joinTree {
	if d.IntN(10) == 0 && d.n < 12 {
		return d.derived()
	}
	name := d.names[d.IntN(len(d.names))]
	t := d.tables[name]
	if d.level > 0 {
		d.inner[name] = true
	}
	switch {
	case name[0] == 't' && d.IntN(8) == 0:
		return d.named("(SELECT * FROM "+name+d.pick("", " WHERE id < 100", " LIMIT 100")+")", t)
	case name[0] == 't':
		d.of[d.n] = name
	}
	return d.named(name, t)
}

// lateral draws a LATERAL derived table of a join, whose rows are made for one of it.
func (d *joinDraw) lateral(of joinTree) (out joinTree, rows func(joinRow) []joinRow) {
	from, sub, within := d.within(of)
	made := &joinTable{}
	var text []string
	var columns [3]joinValue
	for k := range columns {
		columns[k] = d.anyValue(qualified(sub))
		made.kinds[k] = columns[k].kind
		text = append(text, columns[k].text+" AS "+joinColumns[k])
	}
	aggregate := d.IntN(3) == 0
	var most func([]joinRow) *int
	if aggregate {
		var f string
		f, made.kinds[0], most = d.aggregated(sub)
		text = []string{f + " AS id", "COUNT(*) AS a", "COUNT(*) AS b"}
		made.kinds[1], made.kinds[2] = 0, 0
	}
	limit := -1
	if !aggregate && d.IntN(3) == 0 {
		limit = d.IntN(2) + 1
		from += fmt.Sprintf(" ORDER BY 1, 2, 3 LIMIT %d", limit)
	}
	out = d.named("LATERAL (SELECT "+strings.Join(text, ", ")+from+")", made)
	return out, func(r joinRow) (rows []joinRow) {
		list := within(r)
		if aggregate {
			n := len(list)
			r := joinRow{}
			r[out.aliases[0]] = &[3]*int{most(list), &n, &n}
			return []joinRow{r}
		}
		for _, row := range list {
			r := joinRow{}
			r[out.aliases[0]] = &[3]*int{columns[0].get(row), columns[1].get(row), columns[2].get(row)}
			rows = append(rows, r)
		}
		if limit > 0 {
			slices.SortFunc(rows, byValues(d.columnOf(out.aliases[0], 0), d.columnOf(out.aliases[0], 1), d.columnOf(out.aliases[0], 2)))
			rows = rows[:min(limit, len(rows))]
		}
		return rows
	}
}

// byValues returns an order of rows.
func byValues(values ...joinValue) func(a, b joinRow) int {
	return func(a, b joinRow) int {
		for _, v := range values {
			p, q := v.get(a), v.get(b)
			switch {
			case p == nil && q == nil:
			case p == nil:
				return -1
			case q == nil:
				return 1
			case *p != *q:
				return *p - *q
			}
		}
		return 0
	}
}

// tree draws a tree of so many tables.
func (d *joinDraw) tree(tables int) joinTree {
	if tables == 1 {
		return d.table()
	}
	k := 1
	if d.IntN(4) == 0 {
		k = 1 + d.IntN(tables-1)
	}
	l := d.tree(tables - k)
	var r joinTree
	var lateral func(joinRow) []joinRow
	kind := d.pick("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "CROSS JOIN", "STRAIGHT_JOIN")
	if k == 1 && kind != "RIGHT JOIN" && d.n < 20 && d.level == 0 && d.IntN(12) == 0 {
		r, lateral = d.lateral(l)
	} else {
		r = d.tree(k)
	}
	out := joinTree{aliases: slices.Concat(l.aliases, r.aliases), star: slices.Concat(l.star, r.star)}
	for at := range out.named {
		out.named[at] = slices.Concat(l.named[at], r.named[at])
	}
	on := condition{"", func(joinRow) *bool { return truth(true) }}
	right := r.text
	if k > 1 {
		right = "(" + right + ")"
	}
	outer := kind == "LEFT JOIN" || kind == "RIGHT JOIN"
	if merged := d.merged(l, r); merged != nil && kind != "CROSS JOIN" && kind != "STRAIGHT_JOIN" {
		out.text, on = d.merge(l, r, &out, kind, right, merged)
	} else {
		if kind != "CROSS JOIN" && (d.IntN(3) > 0 || outer) {
			on = d.condition(out, 1)
		}
		out.text = l.text + " " + kind + " " + right
		if on.text != "" {
			out.text += " ON " + on.text
		}
	}
	used := map[int]bool{}
	for _, a := range l.rows {
		found, rows := false, r.rows
		if lateral != nil {
			rows = lateral(a)
		}
		for n, b := range rows {
			if row := a.with(b); is(on.eval(row)) {
				found, used[n] = true, true
				out.rows = append(out.rows, row)
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

// merged draws the columns that USING or NATURAL, which has all of both sides, joins by; nil for none.
func (d *joinDraw) merged(l, r joinTree) (out []int) {
	if d.IntN(5) > 0 {
		return nil
	}
	natural := d.IntN(3) == 0
	for at := range 3 {
		one := len(l.named[at]) == 1 && len(r.named[at]) == 1 && d.kinds[l.named[at][0]][at] == d.kinds[r.named[at][0]][at]
		switch {
		case natural && !one:
			return nil
		case natural || one && d.IntN(2) == 0:
			out = append(out, at)
		}
	}
	return out
}

// merge gives a tree the columns that its sides have in common once, and returns its text and condition.
func (d *joinDraw) merge(l, r joinTree, out *joinTree, kind, right string, merged []int) (string, condition) {
	first, second := l, r
	if kind == "RIGHT JOIN" {
		first, second = r, l
	}
	out.star = nil
	var rest [][2]int
	for _, c := range first.star {
		if slices.Contains(merged, c[1]) {
			out.star = append(out.star, c)
		} else {
			rest = append(rest, c)
		}
	}
	for _, c := range second.star {
		if !slices.Contains(merged, c[1]) {
			rest = append(rest, c)
		}
	}
	out.star = append(out.star, rest...)
	var names []string
	var pairs [][2]joinValue
	for _, at := range merged {
		out.named[at] = first.named[at]
		names = append(names, joinColumns[at])
		pairs = append(pairs, [2]joinValue{d.columnOf(l.named[at][0], at), d.columnOf(r.named[at][0], at)})
	}
	on := condition{"", func(row joinRow) *bool {
		all := truth(true)
		for _, p := range pairs {
			all = decided(false, all, compared("=", p[0].get(row), p[1].get(row)))
		}
		return all
	}}
	if len(merged) == 3 {
		return l.text + " NATURAL " + kind + " " + right, on
	}
	return l.text + " " + kind + " " + right + " USING (" + strings.Join(names, ", ") + ")", on
}

// selected draws a join with the rows for which a condition is true.
func (d *joinDraw) selected(tables int) joinTree {
	t := d.tree(tables)
	where := d.condition(t, 2)
	t.text += lastWhere + where.text
	t.rows = slices.DeleteFunc(t.rows, func(r joinRow) bool { return !is(where.eval(r)) })
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

func shownRow(r joinRow, values ...joinValue) string {
	var row []string
	for _, v := range values {
		row = append(row, shown(v.get(r)))
	}
	return strings.Join(row, ",")
}

// values returns values of rows as clients have them.
func (t joinTree) values(values ...joinValue) (out []string) {
	for _, r := range t.rows {
		out = append(out, shownRow(r, values...))
	}
	return out
}

func texts(values ...joinValue) string {
	var out []string
	for _, v := range values {
		out = append(out, v.text)
	}
	return strings.Join(out, ", ")
}

// groups draws a grouped query.
func (d *joinDraw) groups(t joinTree) (query string, want []string) {
	keys, c := []joinValue{d.column(t)}, d.columnLike(t, 0)
	if d.IntN(3) == 0 {
		keys = []joinValue{d.column(qualified(t))}
		if other := d.column(qualified(t)); other.text != keys[0].text {
			keys = append(keys, other)
		}
	}
	rollup := d.IntN(3) == 0
	more := d.IntN(3)
	type group struct {
		n, count, sum, once int
		least, most         *int
		different           map[int]bool
	}
	groups := map[string]*group{}
	for _, r := range t.rows {
		values := strings.Split(shownRow(r, keys...), ",")
		for k := len(values); k >= 0 && (rollup || k == len(values)); k-- {
			if k < len(values) {
				values[k] = "all"
			}
			key := strings.Join(values, ",")
			of := groups[key]
			if of == nil {
				of = &group{different: map[int]bool{}}
				groups[key] = of
			}
			of.n++
			v := c.get(r)
			if v == nil {
				continue
			}
			of.count, of.sum = of.count+1, of.sum+*v
			if !of.different[*v] {
				of.different[*v], of.once = true, of.once+*v
			}
			if of.least == nil || *v < *of.least {
				of.least = v
			}
			if of.most == nil || *v > *of.most {
				of.most = v
			}
		}
	}
	for key, of := range groups {
		if of.n <= more {
			continue
		}
		sum, once := "NULL", "NULL"
		if of.count > 0 {
			sum, once = fmt.Sprint(of.sum), fmt.Sprint(of.once)
		}
		want = append(want, strings.Join([]string{strings.ReplaceAll(key, "all", "NULL"), fmt.Sprint(of.n), fmt.Sprint(of.count), sum, once, shown(of.least), shown(of.most), fmt.Sprint(len(of.different))}, ","))
	}
	by := texts(keys...)
	if rollup {
		by += " WITH ROLLUP"
	}
	return fmt.Sprintf("SELECT %s, COUNT(*), COUNT(%[2]s), SUM(%[2]s), SUM(DISTINCT %[2]s), MIN(%[2]s), MAX(%[2]s), COUNT(DISTINCT %[2]s) FROM %[3]s GROUP BY %[4]s HAVING COUNT(*) > %[5]d",
		texts(keys...), c.text, t.text, by, more), want
}

// windows draws a query of windows whose frames have equal rows together.
func (d *joinDraw) windows(t joinTree) (query string, want []string) {
	by, order, c, at := d.column(t), d.columnLike(t, 0), d.columnLike(t, 0), d.column(t)
	frame, low, high := "", -1000, 0
	switch d.IntN(4) {
	case 0:
		frame, low, high = " RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING", -1, 1
	case 1:
		frame, low, high = " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", 0, 1000
	}
	descending := d.IntN(2) == 0
	for _, r := range t.rows {
		n, count, sum, rank, ranks := 0, 0, "NULL", 1, map[string]bool{}
		total := 0
		for _, other := range t.rows {
			if shown(by.get(other)) != shown(by.get(r)) {
				continue
			}
			n++
			p, q := order.get(r), order.get(other)
			distance := 0 // of other behind r
			switch {
			case p == nil && q == nil:
			case p == nil:
				distance = 500
			case q == nil:
				distance = -500
			default:
				distance = *q - *p
			}
			if descending {
				distance = -distance
			}
			if distance < 0 {
				rank++
				ranks[shown(q)] = true
			}
			if v := c.get(other); distance >= low && distance <= high && v != nil {
				count, total = count+1, total+*v
				sum = fmt.Sprint(total)
			}
		}
		want = append(want, fmt.Sprint(shownRow(r, at), ",", n, ",", count, ",", sum, ",", rank, ",", len(ranks)+1))
	}
	return fmt.Sprintf("SELECT %s, COUNT(*) OVER (PARTITION BY %s), COUNT(%[3]s) OVER w, SUM(%[3]s) OVER w, RANK() OVER w, DENSE_RANK() OVER w FROM %[4]s WINDOW w AS (PARTITION BY %[2]s ORDER BY %[5]s%[6]s%[7]s)",
		at.text, by.text, c.text, t.text, order.text, map[bool]string{true: " DESC", false: ""}[descending], frame), want
}

// sets draws a query of two or three others.
func (d *joinDraw) sets(t joinTree) (query string, want []string) {
	a, b := d.column(t), d.column(t)
	query, want = "SELECT "+texts(a, b)+" FROM "+t.text, t.values(a, b)
	for range 1 + d.IntN(4)/3 {
		u := d.selected(1 + d.IntN(2))
		c, e := d.columnLike(u, a.kind), d.columnLike(u, b.kind)
		other := u.values(c, e)
		op := d.pick("UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL")
		n := map[string]int{}
		for _, r := range other {
			n[r]++
		}
		var out []string
		if strings.HasPrefix(op, "UNION") {
			out = slices.Concat(want, other)
		} else {
			for _, l := range want {
				in := n[l] > 0
				if strings.HasSuffix(op, "ALL") && in {
					n[l]--
				}
				if in == strings.HasPrefix(op, "INTERSECT") {
					out = append(out, l)
				}
			}
		}
		if !strings.HasSuffix(op, "ALL") {
			slices.Sort(out)
			out = slices.Compact(out)
		}
		query, want = "("+query+") "+op+" (SELECT "+texts(c, e)+" FROM "+u.text+")", out
	}
	if d.IntN(3) > 0 {
		return query, want
	}
	slices.SortFunc(want, func(a, b string) int {
		left, right := strings.ReplaceAll(a, "NULL", ""), strings.ReplaceAll(b, "NULL", "")
		return slices.CompareFunc(strings.Split(left, ","), strings.Split(right, ","), func(x, y string) int { // a count may have two digits
			return cmp.Or(len(x)-len(y), cmp.Compare(x, y))
		})
	})
	skip := min(d.IntN(3), len(want))
	return fmt.Sprintf("%s ORDER BY 1, 2 LIMIT 5 OFFSET %d", query, skip), want[skip:min(skip+5, len(want))]
}

// statement draws a SELECT and its rows, in any order.
func (d *joinDraw) statement() (query string, want []string) {
	t := d.selected(1 + d.IntN(4))
	switch d.IntN(9) {
	case 0:
		return d.groups(t)
	case 1: // rows that differ
		a, b := d.anyValue(t), d.column(t)
		want = t.values(a, b)
		slices.Sort(want)
		return "SELECT DISTINCT " + texts(a, b) + " FROM " + t.text, slices.Compact(want)
	case 2:
		return d.sets(t)
	case 3:
		return d.windows(t)
	case 4:
		var all []joinValue
		for _, c := range t.star {
			all = append(all, d.columnOf(c[0], c[1]))
		}
		return "SELECT * FROM " + t.text, t.values(all...)
	}
	var got []joinValue
	for _, alias := range t.aliases {
		got = append(got, d.columnOf(alias, 0))
	}
	query = "SELECT " + texts(got...)
	if d.IntN(4) == 0 && d.n < 20 {
		from, sub, rows := d.within(t)
		text, _, of := d.aggregated(sub)
		query += ", (SELECT " + text + from + ") AS y"
		got = append(got, joinValue{"y", 0, func(r joinRow) *int { return of(rows(r)) }})
	}
	query += " FROM " + t.text
	if d.IntN(4) > 0 {
		return query, t.values(got...)
	}
	// some of the rows in an order
	by := append([]joinValue{d.column(qualified(t))}, got...)
	order := byValues(by...)
	text := texts(by...)
	if d.IntN(2) == 0 {
		text = strings.Replace(text+",", ",", " DESC,", 1)
		text = text[:len(text)-1]
		first := byValues(by[0])
		order = func(a, b joinRow) int { return cmp.Or(-first(a, b), byValues(got...)(a, b)) }
	}
	slices.SortFunc(t.rows, order)
	skip := min(d.IntN(3), len(t.rows))
	t.rows = t.rows[skip:min(skip+5, len(t.rows))]
	return fmt.Sprintf("%s ORDER BY %s LIMIT %d, 5", query, text, skip), t.values(got...)
}

// write draws a DELETE or UPDATE of a table of a join that no subquery reads, "" if there is none, and the
// table with what are its rows then.
func (d *joinDraw) write() (statement, table string, want []string) {
	t := d.selected(2 + d.IntN(3))
	alias := t.aliases[d.IntN(len(t.aliases))]
	if table = d.of[alias]; table == "" || d.inner[table] {
		return "", "", nil
	}
	changed := map[int]bool{}
	for _, r := range t.rows {
		if r[alias] != nil {
			changed[*r[alias][0]] = true
		}
	}
	kind := d.kinds[alias][2]
	v := d.constant(kind)
	if kind == 0 && d.IntN(2) == 0 {
		v.text = fmt.Sprintf("x%d.b + 10", alias)
		v.get = func(r joinRow) *int {
			b := r[alias][2]
			if b != nil {
				more := *b + 10
				b = &more
			}
			return b
		}
	}
	remove := d.IntN(2) == 0
	for _, row := range d.tables[table].rows {
		if changed[*row[0]] {
			if remove {
				continue
			}
			r := joinRow{}
			r[alias] = &row
			row[2] = v.get(r)
		}
		want = append(want, shown(row[0])+","+shown(row[1])+","+shown(row[2]))
	}
	if remove {
		return fmt.Sprintf("DELETE x%d FROM %s", alias, t.text), table, want
	}
	from, where, _ := strings.Cut(t.text, lastWhere)
	return fmt.Sprintf("UPDATE %s SET x%d.b = %s WHERE %s", from, alias, v.text, where), table, want
}

// made makes tables with columns of drawn kinds.
func (d *joinDraw) made(t *testing.T, c execer) {
	d.tables = map[string]*joinTable{}
	collation := d.pick("utf8mb4_0900_ai_ci", "utf8mb4_general_ci", "latin1_swedish_ci")
	must(t, c, "SET NAMES "+strings.Split(collation, "_")[0]+" COLLATE "+collation)
	kinds := [3]int{0, d.IntN(len(joinKinds)), d.IntN(len(joinKinds))}
	for n, keys := range []string{", PRIMARY KEY (id)", ", PRIMARY KEY (id), KEY (a)", ", UNIQUE KEY (id, a), KEY (b)", ""} {
		name := fmt.Sprintf("t%d", n)
		table := &joinTable{kinds: kinds}
		columns := ""
		for k, column := range joinColumns {
			columns += column + " " + d.pick(joinKinds[kinds[k]].types...)
			if k == 0 {
				columns += " NOT NULL"
			} else {
				columns += " NULL"
			}
			columns += ", "
		}
		var values []string
		for id := range 2 + d.IntN(4) {
			row, text := [3]*int{&id, nil, nil}, fmt.Sprint(id)
			for k := 1; k < 3; k++ {
				if v := d.IntN(5); v < 4 {
					row[k] = &v
					literals := joinKinds[kinds[k]].literals
					text += ", " + literals[d.IntN(len(literals))](v)
				} else {
					text += ", NULL"
				}
			}
			table.rows = append(table.rows, row)
			values = append(values, "("+text+")")
		}
		d.tables[name] = table
		create := "CREATE TABLE " + name + " (" + strings.TrimSuffix(columns, ", ") + keys + ") COLLATE " + collation
		insert := "INSERT INTO " + name + " VALUES " + strings.Join(values, ", ")
		must(t, c, "DROP TABLE IF EXISTS "+name, create, insert)
		t.Log(create + "; " + insert)
	}
}

// parameters returns a statement with its constants, or with parameters in place of them.
func parameters(query string, prepared bool) (string, []any) {
	if !prepared {
		return strings.NewReplacer("\x01", "", "\x02", "").Replace(query), nil
	}
	var args []any
	out := ""
	for {
		before, rest, ok := strings.Cut(query, "\x01")
		if out += before; !ok {
			return out, args
		}
		literal, after, _ := strings.Cut(rest, "\x02")
		var arg any = strings.Trim(literal, "'")
		if n, err := strconv.Atoi(literal); err == nil {
			arg = n
		} else if f, err := strconv.ParseFloat(literal, 64); err == nil {
			arg = f
		}
		out, args, query = out+"?", append(args, arg), after
	}
}

// TestTreesOfJoins asks random trees of inner and outer joins under random conditions, of tables, views, common
// table expressions and derived tables: their rows, groups, windows, sets and orders of them, and has all of it from
// nested loops.
func TestTreesOfJoins(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d")
	d := &joinDraw{Rand: rand.New(rand.NewPCG(5, *joinTreesSeed))}
	some := 0
	for n := range *joinTrees {
		if n%100 == 0 {
			d.made(t, c)
		}
		d.n, d.level, d.of, d.inner, d.names, d.ctes, d.views = 0, 0, map[int]string{}, map[string]bool{}, []string{"t0", "t1", "t2", "t3"}, nil, nil
		table := ""
		query, want := "", []string(nil)
		if d.IntN(6) == 0 {
			if query, table, want = d.write(); query == "" {
				continue
			}
		} else {
			query, want = d.statement()
		}
		if len(d.ctes) > 0 {
			with := "WITH "
			if slices.ContainsFunc(d.ctes, func(cte string) bool {
				name, text, _ := strings.Cut(cte, " ")
				return strings.Contains(text, "JOIN "+name+" ")
			}) {
				with += "RECURSIVE "
			}
			query = with + strings.Join(d.ctes, ", ") + " " + query
		}
		var made error
		for _, v := range d.views {
			v, _ = parameters(v, false)
			if _, err := c.ExecContext(t.Context(), v); err != nil {
				made = fmt.Errorf("%s: %w", v, err)
			}
		}
		if made != nil {
			t.Error(made)
			continue
		}
		unserved := func(err error) bool { // a LATERAL on the right side of an outer join
			e := new(mysql.MySQLError)
			return errors.As(err, &e) && e.Number == 1235 && strings.Contains(e.Message, "LATERAL on the right side")
		}
		all, _ := parameters(strings.Join(append(d.views, query), "; "), false)
		query, args := parameters(query, d.IntN(3) == 0)
		if table != "" {
			must(t, c, "BEGIN")
			if _, err := c.ExecContext(t.Context(), query, args...); err != nil {
				if !unserved(err) {
					t.Errorf("%s: %v", all, err)
				}
				must(t, c, "ROLLBACK")
				continue
			}
			query, args = "SELECT * FROM "+table, nil
		}
		rows, err := c.QueryContext(t.Context(), query, args...)
		if err != nil {
			if !unserved(err) {
				t.Errorf("%s (%d parameters): %v", all, len(args), err)
			}
			continue
		}
		got, err := rowTexts(rows)
		if err != nil {
			t.Errorf("%s: %v", all, err)
			continue
		}
		if table != "" {
			must(t, c, "ROLLBACK")
		}
		for i, row := range got {
			cells := strings.Split(row, ",")
			for k, cell := range cells {
				cells[k] = joinNumber(cell)
			}
			got[i] = strings.Join(cells, ",")
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s (%d parameters): %d rows %.200q, want %d %.200q", all, len(args), len(got), got, len(want), want)
		}
		if len(want) > 0 {
			some++
		}
	}
	if some < *joinTrees/4 {
		t.Errorf("only %d of %d statements have rows", some, *joinTrees)
	}
}
