package gms_test

import (
	"fmt"
	"strings"
)

// query returns a query, and what MariaDB is asked instead: it has no LATERAL.
func (r *randomSQL) query() (ours, theirs string) {
	r.levels = 0
	switch n := r.IntN(28); {
	case n < 6:
		ours = r.selects(r.kinds())
	case n < 8: // an order by a unique key
		t := pick(r, r.tables...)
		ours = fmt.Sprintf("SELECT id, b0, %s FROM %s%s ORDER BY %s, id, b0 LIMIT %d, %d", r.column(scope{t}, r.kind()), t, r.where(scope{t}),
			r.column(scope{t}, r.kind())+pick(r, "", " DESC"), r.IntN(4), 1+r.IntN(8))
	case n < 12:
		ours = r.groups()
	case n < 14:
		from, sc := r.from(3)
		ours = fmt.Sprintf("SELECT %s FROM %s%s", r.aggregates(sc), from, r.where(sc))
	case n < 16:
		kinds := r.kinds()
		ours = r.selects(kinds) + pick(r, setOperators...) + r.selects(kinds)
	case n < 20:
		ours = r.common()
	case n < 22:
		ours = r.windows()
	case n < 26:
		ours = r.named()
	default:
		return r.lateral()
	}
	return ours, ours
}

// named returns a query of one table whose columns have names, which its order, its groups or the query around it know them by.
func (r *randomSQL) named() string {
	t := pick(r, r.tables...)
	sc, a := scope{t}, r.kind()
	x, y := r.scalar(sc, a, 1), r.scalar(sc, 'i', 1)
	bare := strings.ReplaceAll(y, t+".", "")
	from := t + r.where(sc)
	switch r.IntN(6) {
	case 0: // the rows of one value are equal to all
		return fmt.Sprintf("SELECT DISTINCT %s AS c0, %s AS c1 FROM %s ORDER BY %s LIMIT 50", y, x, from, pick(r, "1", "1 DESC", "c0 DESC, 2", "2, 1", y+", c1"))
	case 1:
		return fmt.Sprintf("SELECT MIN(c0), MAX(c1), COUNT(c0) FROM (SELECT c0, c1 FROM (SELECT %s AS c0, %s.id AS c1, %s.b0 AS c2 FROM %s ORDER BY %s) k ORDER BY c0, c1, c2 LIMIT %d) m",
			y, t, t, from, pick(r, "c1", "c1 DESC, c2", "c0 DESC", "c2, c1"), 1+r.IntN(5))
	case 2:
		f := pick(r, "COUNT", "SUM", "AVG", "MIN", "max", "avg", "COUNT")
		return fmt.Sprintf("SELECT %s(%s), %s(%s) AS c1, COUNT(*) AS c2, COUNT(1) FROM %s", f, y, f, bare, from)
	case 3:
		return fmt.Sprintf("SELECT %s AS c0, COUNT(*) AS c1 FROM %s GROUP BY %s HAVING %s ORDER BY c1, c0", x, from, pick(r, "c0", "1"), pick(r, "c1 > 1", "c0 IS NOT NULL AND c1 < 4", "MAX(n) <= 1.55", "MIN(d) > DATE '2024-01-15'"))
	case 4:
		v := scope{r.alias()}
		return fmt.Sprintf("SELECT %s.b, %s(%s.d), %s(%s.n) FROM %s JOIN %s %s ON %s.b = %s.a GROUP BY %s.b HAVING %s(%s.d) %s DATE '2024-02-11' OR MIN(%s.n) = %s", t,
			pick(r, "MAX", "MIN"), v[0], pick(r, "MAX", "MIN"), v[0], t, pick(r, r.tables...), v[0], t, v[0], t, pick(r, "MAX", "MIN"), v[0], pick(r, "<", ">=", "="), v[0], pick(r, "1.500", "7.1", "2.255"))
	}
	u := pick(r, r.tables...)
	return fmt.Sprintf("SELECT c0, COUNT(*) FROM (SELECT %s AS c0 FROM %s UNION ALL SELECT %s FROM %s) k GROUP BY c0", pick(r, y, y+" + 0.5", "COALESCE("+y+", 0)", "MOD("+y+", 3)"), from,
		pick(r, r.scalar(scope{u}, 'i', 1), u+".n", "COALESCE(MOD("+u+".b, 3), 1)"), u)
}

// groups returns a query with GROUP BY.
func (r *randomSQL) groups() string {
	shape := r.IntN(8)
	r.whole = shape == 3 // a column of a derived table that HAVING asks for in EXISTS has no value to MariaDB
	from, sc := r.from(3)
	r.whole = false
	kind := r.kind()
	key := r.column(sc, kind)
	keys := key
	having, list := "", ""
	switch shape {
	case 0, 1, 2:
		having = fmt.Sprintf(" HAVING %s %s %d", pick(r, "COUNT(*)", fmt.Sprintf("MAX(%s)", r.column(sc, 'i'))), pick(r, ">", "<=", "="), r.IntN(4))
	case 3:
		t := r.alias()
		r.levels++
		having = fmt.Sprintf(" HAVING %sEXISTS (SELECT * FROM %s %s WHERE %s.%s %s %s AND %s)", pick(r, "", "NOT "), r.source(), t, t, randomColumns[kind][0],
			pick(r, "=", ">="), key, r.condition(scope{t}, 2))
		r.levels--
	case 4:
		t := r.alias()
		r.levels++
		list = fmt.Sprintf(", (SELECT COUNT(*) FROM %s %s WHERE %s.%s = %s AND %s)", r.source(), t, t, randomColumns[kind][0], key, r.condition(scope{t}, 2))
		r.levels--
	case 5:
		if second := r.column(sc, r.kind()); second != key && r.chance(50) {
			keys += ", " + second
		}
		keys += " WITH ROLLUP"
	}
	aggregates := r.aggregates(sc)
	if strings.HasSuffix(keys, "ROLLUP") { // of which MariaDB does not sum up COUNT(DISTINCT …)
		aggregates = strings.ReplaceAll(aggregates, "DISTINCT ", "")
	}
	return fmt.Sprintf("SELECT %s, %s%s FROM %s%s GROUP BY %s%s", key, aggregates, list, from, r.where(sc), keys, having)
}

// common returns a query of a derived table or a common table expression, joined or not.
func (r *randomSQL) common() string {
	inner := r.derived(pick(r, r.tables...))
	t := r.alias()
	sc := scope{t}
	if r.chance(40) {
		return fmt.Sprintf("SELECT %s FROM (%s) %s WHERE %s", r.list(sc, r.kinds()), inner, t, r.condition(sc, 0))
	}
	name := "c" + t
	from := name + " " + t
	for range r.IntN(3) {
		other := r.alias()
		kind := r.kind()
		on := fmt.Sprintf("%s = %s", r.column(sc, kind), r.column(scope{other}, kind))
		from += fmt.Sprintf(" %s %s %s ON %s", pick(r, "JOIN", "LEFT JOIN"), pick(r, append([]string{name}, r.tables...)...), other, on)
		sc = append(sc, other)
	}
	tables := r.tables
	r.tables = append([]string{name}, tables...) // in subqueries
	defer func() { r.tables = tables }()
	return fmt.Sprintf("WITH %s AS (%s) SELECT %s FROM %s WHERE %s", name, inner, r.list(sc, r.kinds()), from, r.condition(sc, 0))
}

// windows returns a query with window functions. Rows are told apart by id and b0, which end each order but that of
// RANGE, whose rows with the same value have the same frame.
func (r *randomSQL) windows() string {
	t := pick(r, r.tables...)
	sc := scope{t}
	var list []string
	for range 1 + r.IntN(2) {
		partition := ""
		if r.chance(60) {
			partition = "PARTITION BY " + r.column(sc, r.kind()) + " "
		}
		column := r.column(sc, pick(r, byte('i'), 'i', 'n'))
		by := fmt.Sprintf("ORDER BY %s%s", r.column(sc, r.kind()), pick(r, "", " DESC"))
		ordered := by + ", id, b0"
		bound := func() string { return fmt.Sprintf("%d", r.IntN(3)) }
		switch r.IntN(6) {
		case 0:
			list = append(list, fmt.Sprintf("%s() OVER (%s%s)", pick(r, "RANK", "DENSE_RANK"), partition, by))
		case 1:
			list = append(list, fmt.Sprintf("%s OVER (%s%s)", pick(r, "ROW_NUMBER()", "NTILE(3)"), partition, ordered))
		case 2:
			list = append(list, fmt.Sprintf("%s(%s, %s) OVER (%s%s)", pick(r, "LAG", "LEAD"), r.column(sc, r.kind()), bound(), partition, ordered))
		case 3:
			list = append(list, fmt.Sprintf("%s(%s) OVER (%s%s)", pick(r, "SUM", "COUNT", "MIN", "MAX"), column, partition, pick(r, "", by)))
		case 4:
			list = append(list, fmt.Sprintf("%s(%s) OVER (%sORDER BY %s%s RANGE BETWEEN %s PRECEDING AND %s)", pick(r, "SUM", "COUNT"), column, partition,
				r.column(sc, 'i'), pick(r, "", " DESC"), bound(), pick(r, "CURRENT ROW", bound()+" FOLLOWING", "UNBOUNDED FOLLOWING")))
		default:
			list = append(list, fmt.Sprintf("%s(%s) OVER (%s%s ROWS BETWEEN %s AND %s)", pick(r, "SUM", "COUNT", "MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"), column, partition, ordered,
				pick(r, "UNBOUNDED PRECEDING", bound()+" PRECEDING", "CURRENT ROW"), pick(r, "CURRENT ROW", bound()+" FOLLOWING", "UNBOUNDED FOLLOWING")))
		}
	}
	return fmt.Sprintf("SELECT id, b0, %s FROM %s%s", strings.Join(list, ", "), t, r.where(sc))
}

// lateral returns a query with LATERAL and the same one without: a value of a subquery, or a join.
func (r *randomSQL) lateral() (ours, theirs string) {
	from, sc := r.from(2)
	t, l := r.alias(), r.alias()
	kind := r.kind()
	table := r.source()
	if r.chance(30) { // a join behind it
		behind := r.alias()
		rest := fmt.Sprintf(" %s %s %s ON %s = %s", pick(r, "JOIN", "LEFT JOIN"), r.source(), behind, r.column(sc, 'i'), r.column(scope{behind}, 'i'))
		defer func() {
			ours = strings.Replace(ours, " ON TRUE", " ON TRUE"+rest, 1)
			theirs = strings.Replace(theirs, "\n", rest, 1)
		}()
	}
	list := r.list(sc, r.kinds())
	where := r.where(sc)
	if r.chance(50) {
		value := fmt.Sprintf("SELECT %s(%s) v FROM %s %s WHERE %s", pick(r, "MAX", "MIN"), r.column(scope{t}, kind), table, t, r.condition(append(scope{t, t}, sc...), 1))
		return fmt.Sprintf("SELECT %s, %s.v FROM %s %s LATERAL (%s) %s %s", list, l, from, pick(r, "JOIN", "LEFT JOIN"), value, l, "ON TRUE"+where),
			fmt.Sprintf("SELECT %s, (%s) FROM %s\n%s", list, value, from, where)
	}
	on := fmt.Sprintf("%s = %s AND %s", r.column(scope{t}, kind), r.column(sc, kind), r.condition(append(scope{t, t}, sc...), 2))
	kind = r.kind()
	column, join := r.column(scope{t}, kind), pick(r, "JOIN", "LEFT JOIN")
	return fmt.Sprintf("SELECT %s, %s.v FROM %s %s LATERAL (SELECT %s v FROM %s %s WHERE %s) %s ON TRUE%s", list, l, from, join, column, table, t, on, l, where),
		fmt.Sprintf("SELECT %s, %s FROM %s %s %s %s ON %s\n%s", list, column, from, join, table, t, on, where)
}
