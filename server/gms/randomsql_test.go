package gms_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomSQL makes tables and statements of which MySQL and MariaDB are told to have the same
// outcome. What they differ in is not made: texts have one binary collation, only values of
// one kind are compared, LIMIT follows an order by a unique key, a row that a statement
// changes does not depend on the order of rows, no statement reads the table that it changes
// in a subquery, and rows are compared by = in queries of one table only, not in subqueries: MariaDB takes a
// comparison with a NULL in it for one that no row of an outer join without a match meets, and
// leaves out rows of NOT IN beside one.
type randomSQL struct {
	*rand.Rand
	tables  []string
	aliases int
	levels  int  // of subqueries around what is made
	whole   bool // no derived tables
}

// levelsMax is how many levels of subqueries a statement has.
const levelsMax = 3

// randomColumns are the columns of every table, by the kind of their values. id is the
// primary key, u is unique.
var randomColumns = map[byte][]string{'i': {"id", "a", "b", "u"}, 's': {"s"}, 'd': {"d"}, 'n': {"n"}}

const randomKinds = "iiiiisssdn"

func pick[T any](r *randomSQL, list ...T) T { return list[r.IntN(len(list))] }

func (r *randomSQL) chance(percent int) bool { return r.IntN(100) < percent }

func (r *randomSQL) kind() byte { return randomKinds[r.IntN(len(randomKinds))] }

// literal returns a value of a kind.
func (r *randomSQL) literal(kind byte) string {
	switch kind {
	case 'i':
		return fmt.Sprint(r.IntN(9) - 1)
	case 's':
		return pick(r, "'a'", "'b'", "'B'", "'ab'", "'abc'", "''", "'zz'")
	case 'd':
		return fmt.Sprintf("DATE '2024-0%d-1%d'", 1+r.IntN(3), r.IntN(3))
	}
	return pick(r, "0.00", "1.50", "-2.25", "3.00", "7.10")
}

// value is a literal for a column, now and then NULL.
func (r *randomSQL) value(kind byte) string {
	if r.chance(20) {
		return "NULL"
	}
	return r.literal(kind)
}

// schema returns the statements that make the tables and fill them.
func (r *randomSQL) schema() []string {
	var out []string
	for i := range 2 + r.IntN(3) {
		name := fmt.Sprintf("t%d", i)
		r.tables = append(r.tables, name)
		keys := []string{pick(r, "PRIMARY KEY (id)", "PRIMARY KEY (id)", "PRIMARY KEY (id, b0)", "PRIMARY KEY (b0, id)"), "UNIQUE KEY (u)"}
		for _, k := range []string{"KEY (a)", "KEY (b)", "KEY (b, a)", "KEY (a, s)", "KEY (s)", "KEY (s(1))", "KEY (s(2), a)", "KEY (d)", "KEY (n, d)"} {
			if r.chance(25) {
				keys = append(keys, k)
			}
		}
		out = append(out, fmt.Sprintf("CREATE TABLE %s (id INT NOT NULL, b0 INT NOT NULL, a INT%s, b INT, u INT, s VARCHAR(10), d DATE, n DECIMAL(6,2), %s) "+
			"CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", name, pick(r, "", "", " NOT NULL DEFAULT 0"), strings.Join(keys, ", ")))
		var rows []string
		notNull := strings.Contains(out[len(out)-1], "a INT NOT")
		for id := range r.IntN(25) {
			a := r.value('i')
			if notNull {
				a = r.literal('i')
			}
			u := fmt.Sprint(id * 3 % 41)
			if r.chance(20) {
				u = "NULL"
			}
			rows = append(rows, fmt.Sprintf("(%d,%d,%s,%s,%s,%s,%s,%s)", id, r.IntN(4), a, r.value('i'), u, r.value('s'), r.value('d'), r.value('n')))
		}
		if len(rows) > 0 {
			out = append(out, fmt.Sprintf("INSERT INTO %s VALUES %s", name, strings.Join(rows, ",")))
		}
		if r.chance(40) {
			out = append(out, "ANALYZE TABLE "+name)
		}
	}
	return out
}

// scope is the aliases that a statement's names can be of.
type scope []string

// column returns a column of a kind.
func (r *randomSQL) column(sc scope, kind byte) string {
	return pick(r, sc...) + "." + pick(r, randomColumns[kind]...)
}

// other returns a column of a kind that is not c, or a literal.
func (r *randomSQL) other(sc scope, kind byte, c string) string {
	if to := r.column(sc, kind); to != c {
		return to
	}
	return r.literal(kind)
}

func (r *randomSQL) alias() string {
	r.aliases++
	return fmt.Sprintf("x%d", r.aliases)
}

// scalar returns an expression of a kind.
func (r *randomSQL) scalar(sc scope, kind byte, depth int) string {
	c := r.column(sc, kind)
	switch n := r.IntN(10); {
	case depth > 1 || n < 6:
		return c
	case n == 6:
		return fmt.Sprintf("COALESCE(%s, %s)", c, r.literal(kind))
	case n == 7:
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", r.condition(sc, depth+1), c, r.column(sc, kind))
	case kind == 'i' && n == 8:
		return fmt.Sprintf("(%s %s %s)", c, pick(r, "+", "-", "*"), r.column(sc, kind))
	case kind == 's' && n == 8:
		return fmt.Sprintf("CONCAT(%s, 'x')", c)
	case r.levels < levelsMax:
		return r.subvalue(sc, kind)
	}
	return c
}

// subvalue returns a subquery with one value of a kind.
func (r *randomSQL) subvalue(sc scope, kind byte) string {
	r.levels++
	defer func() { r.levels-- }()
	t := r.alias()
	f := pick(r, "MAX", "MIN")
	if kind == 'i' && r.chance(30) {
		f = "COUNT"
	}
	return fmt.Sprintf("(SELECT %s(%s) FROM %s %s WHERE %s)", f, r.column(scope{t}, kind), r.source(), t, r.condition(append(scope{t, t}, sc...), 1))
}

// atom returns a condition without AND and OR.
func (r *randomSQL) atom(sc scope, depth int) string {
	kind := r.kind()
	c := r.column(sc, kind)
	switch r.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("%s %s %s", c, pick(r, "=", "<", ">", "<=", ">=", "<>", "<=>"), r.literal(kind))
	case 2, 3:
		return fmt.Sprintf("%s %s %s", c, pick(r, "=", "=", "<", ">=", "<>", "<=>"), r.other(sc, kind, c))
	case 4:
		return fmt.Sprintf("%s %s(%s, %s)", c, pick(r, "IN ", "NOT IN "), r.literal(kind), r.value(kind))
	case 5:
		low, high := r.literal(kind), r.literal(kind)
		if strings.EqualFold(low, high) { // two are equal to MariaDB, whatever the column's collation
			high = low
		}
		return fmt.Sprintf("%s %sBETWEEN %s AND %s", c, pick(r, "", "NOT "), low, high)
	case 6:
		return fmt.Sprintf("%s IS %sNULL", c, pick(r, "", "NOT "))
	case 7:
		return fmt.Sprintf("%s LIKE '%s'", r.column(sc, 's'), pick(r, "a%", "%b", "_", "a_%", "%"))
	case 8:
		if len(sc) > 1 || depth > 0 {
			return fmt.Sprintf("%s = %s", c, r.literal(kind))
		}
		return fmt.Sprintf("(%s, %s) = (%s, %s)", r.column(sc, 'i'), c, r.literal('i'), r.literal(kind))
	}
	if depth > 1 && r.chance(80) || r.levels >= levelsMax {
		return fmt.Sprintf("%s = %s", c, r.literal(kind))
	}
	return r.subcondition(sc, kind)
}

// subcondition returns a condition with a subquery, which depends on the query around it or not.
func (r *randomSQL) subcondition(sc scope, kind byte) string {
	r.levels++
	defer func() { r.levels-- }()
	from, inner := r.inner(sc)
	switch r.IntN(7) {
	case 0, 1:
		return fmt.Sprintf("%sEXISTS (SELECT * FROM %s)", pick(r, "", "NOT "), from)
	case 2, 3, 4:
		not := pick(r, "", "NOT ")
		if len(sc) > 1 { // beside an outer join MariaDB leaves out rows
			not = ""
		}
		in := fmt.Sprintf("SELECT %s FROM %s", r.column(inner, kind), from)
		switch n := r.IntN(8); {
		case n == 0:
			from, inner = r.inner(sc)
			in += fmt.Sprintf("%sSELECT %s FROM %s", pick(r, " UNION ", " UNION ALL "), r.column(inner, kind), from)
		case n == 1: // MariaDB looks each side of an INTERSECT for what is compared, and for NULL
			first, second := scope{r.alias()}, scope{r.alias()}
			in = fmt.Sprintf("SELECT * FROM (SELECT %s FROM %s %s WHERE %s%sSELECT %s FROM %s %s WHERE %s) z", r.column(first, kind), r.source(), first[0],
				r.condition(first, 2), pick(r, setOperators...), r.column(second, kind), r.source(), second[0], r.condition(second, 2))
		}
		return fmt.Sprintf("%s %sIN (%s)", r.column(sc, kind), not, in)
	case 5:
		return fmt.Sprintf("%s %s (SELECT %s(%s) FROM %s)", r.column(sc, kind), pick(r, "=", "<", ">="), pick(r, "MAX", "MIN"), r.column(inner, kind), from)
	}
	// NOT (NOT (a > ALL (…))) is NOT (a > ALL (…)) to MariaDB.
	return fmt.Sprintf("%s %s (SELECT %s FROM %s)", r.column(sc, kind), pick(r, "= ANY", "< ANY", ">= ANY", "<> ALL"), r.column(inner, kind), from)
}

// setOperators stand between two queries.
var setOperators = []string{" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "}

// inner returns the FROM and WHERE of a subquery and the aliases in it. sc are those around it.
func (r *randomSQL) inner(sc scope) (string, scope) {
	t := r.alias()
	own := scope{t}
	where := ""
	if r.chance(80) {
		switch {
		case r.chance(40):
			where = " WHERE " + r.condition(own, 1)
		case r.chance(50):
			where = " WHERE " + r.condition(append(scope{t, t}, sc...), 1)
		default:
			k := r.kind()
			where = fmt.Sprintf(" WHERE %s %s %s AND %s", r.column(own, k), pick(r, "=", "=", "<", ">="), r.column(sc, k), r.condition(own, 2))
		}
	}
	from := r.source() + " " + t
	if r.chance(25) {
		t2 := r.alias()
		from += fmt.Sprintf(" %s %s %s ON %s.a = %s.a", pick(r, "JOIN", "LEFT JOIN"), pick(r, r.tables...), t2, t, t2)
		own = append(own, t2)
	}
	return from + where, own
}

// source returns a table or a derived table with the columns of one.
func (r *randomSQL) source() string {
	table := pick(r, r.tables...)
	if r.whole || r.chance(85) {
		return table
	}
	return "(" + r.derived(table) + ")"
}

// derived returns a query with the columns of a table.
func (r *randomSQL) derived(table string) string {
	where := ""
	if r.chance(50) {
		where = " WHERE " + r.condition(scope{table}, 2)
	}
	switch r.IntN(6) {
	case 5: // some columns, in another order, of a derived table within it; MariaDB has constants in rows without others of outer joins
		some, all := []string{"id", "s", "d", "n"}, "k.id, k.s, k.d, k.n"
		for _, c := range []string{"b0", "a", "b", "u"} {
			if r.chance(60) {
				some = append(some, c)
				all += ", k." + c
			} else {
				all += fmt.Sprintf(", k.id + %d %s", r.IntN(3), c)
			}
		}
		r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s%s) k", all, strings.Join(some, ", "), table, where)
	case 0:
		return fmt.Sprintf("SELECT MAX(id) id, MIN(b0) b0, MIN(a) a, b, COUNT(*) u, MAX(s) s, MIN(d) d, MAX(n) n FROM %s%s GROUP BY b", table, where)
	case 1:
		return fmt.Sprintf("SELECT * FROM %s%s ORDER BY id, b0 LIMIT %d", table, where, 1+r.IntN(6))
	case 2:
		return fmt.Sprintf("SELECT * FROM %s%s UNION ALL SELECT * FROM %s", table, where, pick(r, r.tables...))
	}
	return fmt.Sprintf("SELECT * FROM %s%s", table, where)
}

// condition returns a condition.
func (r *randomSQL) condition(sc scope, depth int) string {
	switch n := r.IntN(10); {
	case depth > 2 || n < 4:
		return r.atom(sc, depth)
	case n < 7:
		return fmt.Sprintf("(%s AND %s)", r.condition(sc, depth+1), r.condition(sc, depth+1))
	case n < 9:
		return fmt.Sprintf("(%s OR %s)", r.condition(sc, depth+1), r.condition(sc, depth+1))
	}
	return fmt.Sprintf("NOT (%s)", r.condition(sc, depth+1))
}

// from returns a FROM of up to most tables and their aliases.
func (r *randomSQL) from(most int) (string, scope) {
	first := r.alias()
	sc := scope{first}
	out := pick(r, r.tables...) + " " + first
	for range r.IntN(most) {
		t := r.alias()
		right, own := r.source()+" "+t, scope{t}
		if most > 2 && r.chance(20) {
			right, own = r.from(most - 1)
			right = "(" + right + ")"
		}
		out += fmt.Sprintf(" %s %s ON %s", pick(r, "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN"), right, r.on(sc, own))
		sc = append(sc, own...)
	}
	if len(sc) < most && r.chance(10) {
		t := r.alias()
		out += fmt.Sprintf(" CROSS JOIN %s %s", pick(r, r.tables...), t)
		sc = append(sc, t)
	}
	return out, sc
}

// on returns the condition of a join of two sides.
func (r *randomSQL) on(left, right scope) string {
	kind := r.kind()
	on := fmt.Sprintf("%s = %s", r.column(left, kind), r.column(right, kind))
	if r.chance(60) {
		return on
	}
	more := strings.ReplaceAll(r.condition(append(append(scope{}, left...), right...), 1), "<=>", "=") // beside = to MariaDB that is <=>, too
	return fmt.Sprintf("(%s %s %s)", on, pick(r, "AND", "AND", "OR"), more)
}

// list returns a list of expressions of the kinds.
func (r *randomSQL) list(sc scope, kinds string) string {
	var out []string
	for i := range len(kinds) {
		out = append(out, r.scalar(sc, kinds[i], 0))
	}
	return strings.Join(out, ", ")
}

func (r *randomSQL) where(sc scope) string {
	if r.chance(15) {
		return ""
	}
	return " WHERE " + r.condition(sc, 0)
}

// selects returns a SELECT of a list of the kinds.
func (r *randomSQL) selects(kinds string) string {
	from, sc := r.from(pick(r, 2, 3, 3, 4))
	return fmt.Sprintf("SELECT %s%s FROM %s%s", pick(r, "", "", "DISTINCT "), r.list(sc, kinds), from, r.where(sc))
}

func (r *randomSQL) kinds() string {
	out := make([]byte, 1+r.IntN(3))
	for i := range out {
		out[i] = r.kind()
	}
	return string(out)
}

// aggregate returns a call of an aggregate function.
func (r *randomSQL) aggregate(sc scope) string {
	switch r.IntN(6) {
	case 0:
		return "COUNT(*)"
	case 1:
		return fmt.Sprintf("COUNT(DISTINCT %s)", r.column(sc, r.kind()))
	case 2:
		return fmt.Sprintf("SUM(%s)", r.column(sc, pick(r, byte('i'), 'n')))
	case 3:
		return fmt.Sprintf("AVG(%s)", r.column(sc, 'i'))
	}
	return fmt.Sprintf("%s(%s)", pick(r, "MIN", "MAX"), r.column(sc, r.kind()))
}

// aggregates returns two aggregates.
func (r *randomSQL) aggregates(sc scope) string { return r.aggregate(sc) + ", " + r.aggregate(sc) }

// change returns a statement that changes a table, and the table.
func (r *randomSQL) change() (statement, table string) {
	i := r.IntN(len(r.tables))
	table = r.tables[i]
	others := append(append([]string{}, r.tables[:i]...), r.tables[i+1:]...)
	reads := &randomSQL{Rand: r.Rand, tables: others, aliases: r.aliases}
	defer func() { r.aliases = reads.aliases }()
	kind := pick(r, byte('s'), 'd', 'n')
	set := fmt.Sprintf("%s.%s = %s", table, randomColumns[kind][0], r.value(kind))
	if r.chance(30) {
		set = fmt.Sprintf("%s.b = %s.a + 1", table, table)
	}
	other, t := pick(r, others...), reads.alias()
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("UPDATE %s SET %s WHERE %s", table, set, reads.condition(scope{table}, 0)), table
	case 1:
		return fmt.Sprintf("UPDATE %s %s %s %s ON %s.a = %s.b SET %s WHERE %s", table, pick(r, "JOIN", "LEFT JOIN"), other, t, table, t, set,
			reads.condition(scope{table, t}, 1)), table
	case 2:
		return fmt.Sprintf("DELETE FROM %s WHERE %s AND %s", table, reads.condition(scope{table}, 1), reads.condition(scope{table}, 1)), table
	case 3:
		return fmt.Sprintf("DELETE %s FROM %s JOIN %s %s ON %s.b = %s.a WHERE %s", table, table, other, t, table, t, reads.condition(scope{table, t}, 1)), table
	}
	return fmt.Sprintf("INSERT IGNORE INTO %s SELECT %s.id + 100, %s.b0, COALESCE(%s.a, 0), %s.b, NULL, %s.s, %s.d, %s.n FROM %s %s WHERE %s ORDER BY %s.id, %s.b0",
		table, t, t, t, t, t, t, t, other, t, reads.condition(scope{t}, 1), t, t), table
}
