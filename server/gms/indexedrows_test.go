package gms_test

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// indexedColumns are the columns of the tables of TestIndexesDoNotChangeAnswers, with values.
var indexedColumns = []struct{ name, typ, values string }{
	{"ti", "TINYINT", "0 1 2 -1 127 -128"}, {"tu", "TINYINT UNSIGNED", "0 1 2 255"}, {"i", "INT", "0 1 2 3 -1 2147483647 -2147483648"},
	{"iu", "INT UNSIGNED", "0 1 2 4294967295"}, {"b", "BIGINT", "0 1 2 9223372036854775807 -9223372036854775808 9007199254740993"},
	{"bu", "BIGINT UNSIGNED", "0 1 2 18446744073709551615 10000000000000000000"}, {"d", "DECIMAL(6,2)", "0 1 1.50 2 -0.01 9999.99 -9999.99"},
	{"dl", "DECIMAL(30,10)", "0 1 1.5 0.1 12345678901234567890.0123456789 9007199254740993"}, {"du", "DECIMAL(5,0) UNSIGNED", "0 1 2 99999"},
	{"f", "FLOAT", "0 0.1 1 1.5 -1 16777217 1e30"}, {"g", "DOUBLE", "0 0.1 1 1.5 -0.0 -1 1e300 9007199254740993"},
	{"da", "DATE", "'2024-01-01' '2024-01-02' '1999-12-31' '2024-02-29'"}, {"dt", "DATETIME", "'2024-01-01' '2024-01-01T10:00:00' '2024-01-02' '1999-12-31T23:59:59'"},
	{"d3", "DATETIME(3)", "'2024-01-01' '2024-01-01T10:00:00.123' '2024-01-01T10:00:00' '2024-01-01T09:59:59.999'"},
	{"ts", "TIMESTAMP(2) NULL", "'2024-01-01' '2024-01-01T10:00:00.12' '2024-01-01T10:00:00' '2024-01-02'"},
	{"tm", "TIME", "'10:00:00' '00:00:00' '-01:00:00' '838:59:59' '00:00:01'"}, {"t3", "TIME(3)", "'10:00:00' '10:00:00.5' '-00:00:00.001' '00:00:00'"},
	{"y", "YEAR", "2001 2024 0 1999 1901 2155"}, {"bt", "BIT(8)", "0 1 2 3 49 255"}, {"bw", "BIT(64)", "0 1 18446744073709551615"},
	{"e", "ENUM('b','a','1','')", "'a' 'b' '1' ''"}, {"m", "SET('b','a','1')", "'a' 'a,b' '' '1'"},
	{"c", "CHAR(6)", "'a' 'A' '1' 'ss' '' 'ab'"}, {"s", "VARCHAR(10)", "'a' 'A' '1' '1.0' 'b' 'ß' 'ss' '2024-01-01' '' 'ab' 'abc' '01' 'a%' '10:00:00'"},
	{"sb", "VARCHAR(10) COLLATE utf8mb4_0900_bin", "'a' 'A' '1' 'ab' 'é' ''"}, {"su", "VARCHAR(10) COLLATE utf8mb4_unicode_ci", "'a' 'A' '1' 'ab' 'é' 'ß' 'ss'"},
	{"sp", "VARCHAR(10) COLLATE utf8mb4_general_ci", "'a' 'A' '1' 'ab' 'é' 'ß' 's' 'b'"}, {"sl", "VARCHAR(10) CHARACTER SET latin1", "'a' 'A' '1' 'é' 'ß' '2024'"},
	{"tx", "TEXT", "'a' 'A' '1' 'abcdef' 'abcdeg' 'abc' ''"}, {"x", "VARBINARY(8)", "'a' 'A' '1' 0x00 0xFF ''"}, {"xf", "BINARY(3)", "'a' 'A' '1' 0x00 'abc'"},
	{"bl", "BLOB", "'a' 'abcdef' 'abc' 0xFF"}, {"j", "JSON", "'1' '1.0' '1.5' '\"a\"' '[1]' '{\"a\":1}' 'null' 'true'"},
}

// generated are columns that are made of others.
const indexedGenerated = "gi INT AS (i + 0) VIRTUAL, gd DECIMAL(8,1) AS (d) STORED, gs VARCHAR(20) AS (CONCAT(s, 'x')) VIRTUAL, ga DATE AS (dt) STORED"

// conditionSQL makes random conditions on indexedColumns. § stands before the columns, ¤ is a table with such columns.
type conditionSQL struct {
	*rand.Rand
	columns []string
	levels  int
	marked  bool // constants stand between \x01 and \x02
}

func (r *conditionSQL) pick(list ...string) string { return list[r.IntN(len(list))] }

func (r *conditionSQL) column() string { return "§" + r.pick(r.columns...) }

// randomConstants are what columns are compared with, by kind.
var randomConstants = map[byte][]string{
	'i': {"0", "1", "2", "-1", "3", "127", "128", "-128", "-129", "255", "256", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
		"18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "9007199254740993", "2024", "24", "TRUE", "CAST(1 AS UNSIGNED)"},
	'd': {"0.0", "1.0", "1.5", "1.50", "-0.01", "1.499", "1.501", "0.1", "0.10", "-0.0", "9999.99", "10000.00", "9999.994", "0.5", "-0.5", "2147483647.5", "1e0", "1.5e0", "0.1e0", "1e20", "-1e20",
		"9007199254740993e0", "18446744073709551615.5", "12345678901234567890.0123456789", "12345678901234567890.01234567891", "255.5", "99999.5", "CAST(1.5 AS DOUBLE)", "CAST('1' AS DECIMAL(5,2))"},
	'n': {"'0'", "'1'", "'1.0'", "'01'", "' 1'", "'1 '", "'1a'", "'-1'", "'1.5'", "'1e0'", "'255'", "'256'", "'-129'", "'1e30'", "'0.1'", "'2024'"},
	's': {"'a'", "'A'", "'b'", "'ab'", "'abc'", "'a '", "''", "' '", "'ß'", "'ss'", "'é'", "'e'", "'a,b'", "'b,a'", "'abcdef'", "'abcdeg'", "'zz'", "'x'", "'ax'", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "'😀'",
		"CONCAT('a','')", "CAST('a' AS CHAR(5))"},
	't': {"'2024-01-01'", "'2024-1-1'", "'20240101'", "'2024-01-01 10:00:00'", "'2024-01-01 00:00:00'", "'2024-01-01 10:00:00.123'", "'2024-01-01 10:00:00.125'", "'2024-01-02'", "'24-01-01'", "DATE'2024-01-01'", "TIMESTAMP'2024-01-01 10:00:00'",
		"TIMESTAMP'2024-01-01 10:00:00.123'", "TIMESTAMP'2024-01-01 00:00:00'", "DATE'1999-12-31'", "TIMESTAMP'2024-01-01 10:00:00.1234'", "TIMESTAMP'2024-01-01 10:00:00.12'", "CAST('2024-01-01' AS DATE)",
		"20240101", "240101", "20240101100000", "20240101100000.123"},
	'h': {"'10:00:00'", "'10:00:00.5'", "'10:00'", "'-01:00:00'", "'838:59:59'", "'839:00:00'", "TIME'10:00:00'", "TIME'10:00:00.5'", "TIME'00:00:00'", "TIME'-00:00:00.001'", "100000", "'100000'", "TIME'10:00:00.0001'"},
	'y': {"0", "1", "2", "24", "70", "99", "1999", "2001", "2024", "1901", "2155", "255", "'2024'"},
	'x': {"'a'", "'A'", "0x61", "0x31", "0x00", "X'41'", "_binary'a'", "'abcdef'"},
}

// comparedKinds are the kinds of constants that columns are compared with, more often than other ones.
var comparedKinds = map[string]string{
	"d": "idn", "dl": "idn", "du": "idn", "f": "idn", "g": "idn", "gd": "idn", "da": "t", "dt": "t", "d3": "t", "ts": "t", "ga": "t", "tm": "h", "t3": "h", "y": "y", "bt": "i", "bw": "i", "e": "s", "m": "s",
	"c": "sn", "s": "snt", "sb": "s", "su": "s", "sp": "s", "sl": "s", "tx": "s", "gs": "s", "x": "x", "xf": "x", "bl": "x", "j": "id",
}

// constant returns a literal to compare a column with.
func (r *conditionSQL) constant(column string) string {
	kinds := cmp.Or(comparedKinds[strings.TrimPrefix(column, "§")], "iiiidn")
	switch {
	case strings.Contains(column, "DATE"):
		kinds = "t"
	case strings.HasPrefix(column, "TIME("):
		kinds = "h"
	}
	switch n := r.IntN(20); {
	case n == 0 && r.marked:
		return "\x01NULL\x02"
	case n == 0:
		return "NULL"
	case n < 4 && len(kinds) > 1:
		kinds = "idnns"
	case n < 3 && strings.Contains("ts", kinds):
		kinds = "id"
	}
	c := r.pick(randomConstants[kinds[r.IntN(len(kinds))]]...)
	if r.marked {
		return "\x01" + c + "\x02"
	}
	return c
}

// value returns a column, a function of columns or a constant.
func (r *conditionSQL) value() string {
	c := r.column()
	switch r.IntN(14) {
	case 0:
		return r.pick("(§i + 1)", "(§i * 2)", "(-§i)", "(§b DIV 2)", "(§d / 2)", "(§d + 0.5)", "(§iu + 1)", "ABS(§ti)", "(§i % 2)", "ROUND(§d)", "(§g + 0.1)", "(§f * 1)", "(§bt + 0)", "(§e + 0)", "(§y + 0)")
	case 1:
		return r.pick("LOWER(§s)", "UPPER(§sb)", "CONCAT(§s, '')", "CONCAT(§s, 'x')", "LENGTH(§s)", "HEX(§x)", "LEFT(§s, 1)", "TRIM(§c)", "REVERSE(§s)", "SUBSTRING(§tx, 1, 3)", "CHAR_LENGTH(§c)")
	case 2:
		return r.pick("YEAR(§da)", "DATE(§dt)", "MONTH(§d3)", "DATE(§ts)", "TIME(§dt)", "UNIX_TIMESTAMP(§ts)", "DATE_ADD(§da, INTERVAL 1 DAY)", "TO_DAYS(§da)", "HOUR(§tm)", "DATE_FORMAT(§dt, '%Y-%m-%d')", "CAST(§d3 AS DATE)", "CAST(§da AS DATETIME)", "TIME_TO_SEC(§t3)", "DAYOFWEEK(§da)")
	case 3:
		return r.pick("COALESCE("+c+", "+r.constant(c)+")", "IFNULL("+c+", "+r.constant(c)+")", "IF(§i > 0, "+c+", NULL)", "NULLIF("+c+", "+r.constant(c)+")", "CASE WHEN §id % 2 THEN "+c+" END",
			"CAST("+c+" AS CHAR)", "CAST("+c+" AS SIGNED)", "CAST("+c+" AS DECIMAL(10,2))", "GREATEST(§i, §d)", "LEAST(§s, §c)", "JSON_EXTRACT(§j, '$.a')", "§j->>'$.a'", "CAST(§j AS CHAR)")
	}
	return c
}

// like returns a column of values of a kind with another's.
func (r *conditionSQL) like(column string) string {
	column = strings.TrimPrefix(column, "§")
	for range 100 {
		if c := r.pick(r.columns...); cmp.Or(comparedKinds[c], "i")[0] == cmp.Or(comparedKinds[column], "i")[0] {
			return "§" + c
		}
	}
	return "§" + column
}

func (r *conditionSQL) not() string { return r.pick("", "", "NOT ") }

// atom returns a condition without AND and OR.
func (r *conditionSQL) atom() string {
	c := r.column()
	if r.IntN(4) == 0 {
		c = r.value()
	}
	switch r.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		v := r.constant(c)
		if strings.Contains(v, "2024") && strings.Contains(v, ":") { // no DATE; a join looks its day up by <=>
			return fmt.Sprintf("%s %s %s", c, r.pick("=", "<", ">", "<=", ">=", "<>"), v)
		}
		return fmt.Sprintf("%s %s %s", c, r.pick("=", "=", "<", ">", "<=", ">=", "<>", "<=>"), v)
	case 6:
		return fmt.Sprintf("%s %s %s", r.constant(c), r.pick("=", "<", ">", "<=", ">=", "<>"), c)
	case 7:
		return fmt.Sprintf("%s %s %s", c, r.pick("=", "<", ">=", "<>", "<=>"), r.like(c))
	case 8, 9:
		if c == "§j" {
			c = "§i"
		}
		return fmt.Sprintf("%s %sBETWEEN %s AND %s", c, r.not(), r.constant(c), r.constant(c))
	case 10, 11, 12:
		list := []string{r.constant(c)}
		for range r.IntN(4) {
			list = append(list, r.constant(c))
		}
		return fmt.Sprintf("%s %sIN (%s)", c, r.not(), strings.Join(list, ", "))
	case 13:
		return fmt.Sprintf("%s %sLIKE %s", c, r.not(), r.pick("'a%'", "'A%'", "'%a'", "'a'", "'a_'", "'ab%'", "'1%'", "'%'", "''", "'a\\\\%'", "'2024%'", "'2024-01-01%'", "'ß%'", "'é%'", "'abcde_'", "'abcdef%'", "'_'", "'10:%'", "1", "'a%%'", "'s%'", "NULL", "0x6125"))
	case 14:
		return fmt.Sprintf("%s IS %s%s", c, r.not(), r.pick("NULL", "NULL", "TRUE", "FALSE", "UNKNOWN"))
	case 15:
		c, d := r.like("§"+r.pick("i", "s", "g")), r.like("§"+r.pick("i", "s", "e"))
		if r.IntN(2) == 0 {
			return fmt.Sprintf("(%s, %s) %s (%s, %s)", c, d, r.pick("=", "<", ">", "<=", ">=", "<>", "<=>"), r.constant(c), r.constant(d))
		}
		return fmt.Sprintf("(%s, %s) %sIN ((%s, %s), (%s, %s))", c, d, r.not(), r.constant(c), r.constant(d), r.constant(c), r.constant(d))
	case 16:
		return c
	}
	if r.levels > 0 {
		return fmt.Sprintf("%s = %s", c, r.constant(c))
	}
	return r.subquery(c)
}

// subquery returns a condition with a subquery on ¤, alone or of the rows around it.
func (r *conditionSQL) subquery(c string) string {
	r.levels++
	defer func() { r.levels-- }()
	where := strings.ReplaceAll(r.condition(2), "§", "k.")
	if r.IntN(3) == 0 {
		outer := r.column()
		where = fmt.Sprintf("%s = %s AND %s", strings.ReplaceAll(r.like(outer), "§", "k."), outer, where)
	}
	k := strings.ReplaceAll(r.like(c), "§", "k.")
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("%sEXISTS (SELECT 1 FROM ¤ k WHERE %s)", r.not(), where)
	case 1, 2:
		return fmt.Sprintf("%s %sIN (SELECT %s FROM ¤ k WHERE %s)", c, r.not(), k, where)
	case 3:
		return fmt.Sprintf("%s %s (SELECT %s(%s) FROM ¤ k WHERE %s)", c, r.pick("=", "<", ">=", "<>", "<=>"), r.pick("MIN", "MAX"), k, where)
	case 4:
		return fmt.Sprintf("%s %s %s (SELECT %s FROM ¤ k WHERE %s)", c, r.pick("=", "<", ">=", "<>"), r.pick("ANY", "ALL"), k, where)
	}
	c = r.like("§" + r.pick("i", "s", "da"))
	return fmt.Sprintf("%s %s (SELECT %s)", c, r.pick("=", "<", ">=", "<>", "<=>"), r.constant(c))
}

// condition returns a condition.
func (r *conditionSQL) condition(depth int) string {
	switch n := r.IntN(20); {
	case depth > 2 || n < 11:
		return r.atom()
	case n < 14:
		return fmt.Sprintf("(%s AND %s)", r.condition(depth+1), r.condition(depth+1))
	case n < 17:
		return fmt.Sprintf("(%s OR %s)", r.condition(depth+1), r.condition(depth+1))
	case n < 18: // of one column
		c := r.column()
		return fmt.Sprintf("(%s %s %s %s %s %s %s)", c, r.pick("=", "<", ">", "<=", ">=", "<>", "<=>"), r.constant(c), r.pick("AND", "OR", "XOR"), c, r.pick("=", "<", ">", "<=", ">=", "<>"), r.constant(c))
	}
	return fmt.Sprintf("NOT (%s)", r.condition(depth+1))
}

// keys returns definitions of keys.
func (r *conditionSQL) keys() string {
	out := ""
	lengths := map[string]string{"tx": "(3)", "bl": "(2)"}
	part := func(c string) string {
		length := lengths[c]
		if slices.Contains([]string{"s", "c", "x", "sp"}, c) && r.IntN(3) == 0 {
			length = "(1)"
		}
		return c + length + r.pick("", "", " DESC")
	}
	indexable := slices.DeleteFunc(slices.Clone(r.columns), func(c string) bool { return c == "j" || c == "id" })
	for _, c := range indexable {
		if r.IntN(3) > 0 {
			continue
		}
		key := part(c)
		for range r.IntN(3) {
			if d := r.pick(indexable...); !strings.Contains(", "+key, ", "+d) {
				key += ", " + part(d)
			}
		}
		out += ", KEY (" + key + ")"
	}
	for _, f := range []string{"(i + 1)", "(LOWER(s))", "(CAST(j AS CHAR(20)) COLLATE utf8mb4_bin)", "(d / 2)", "(YEAR(da))", "(DATE(dt))", "(ABS(ti))"} {
		if r.IntN(4) == 0 {
			out += ", KEY (" + f + ")"
		}
	}
	return out
}

// indexedRows compares the answers of a table with indexes with those of a copy without.
type indexedRows struct {
	t            *testing.T
	c            *sql.Conn
	r            *conditionSQL
	ran, refused int
}

// rows returns the rows of a query, or its error's number.
func (x *indexedRows) rows(query string, args ...any) (out []string) {
	x.ran++
	rows, err := x.c.QueryContext(x.t.Context(), query, args...)
	if err == nil {
		defer rows.Close()
		out, err = rowTexts(rows)
	}
	if e := new(mysql.MySQLError); errors.As(err, &e) {
		x.refused++
		if e.Number == 1105 {
			x.t.Errorf("%s: %v", query, err)
		}
		return []string{fmt.Sprintf("error %d %s", e.Number, e.Message)}
	} else if err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func failedRows(rows []string) bool { return len(rows) == 1 && strings.HasPrefix(rows[0], "error ") }

// same reports two answers that differ. Where one of them is an error both may be, since a plan decides what is evaluated.
func (x *indexedRows) same(query string, got, want []string, sorted bool) {
	if !sorted {
		slices.Sort(got)
		slices.Sort(want)
	}
	mixed := slices.ContainsFunc(slices.Concat(got, want), func(row string) bool { return strings.HasPrefix(row, "error 1267 ") })
	if !slices.Equal(got, want) && !(failedRows(got) && failedRows(want)) && !mixed {
		x.t.Errorf("%s;\n     has %.300v\n    want %.300v", query, strings.Join(got, " "), strings.Join(want, " "))
	}
}

func (x *indexedRows) text(p, prefix, k string) string {
	return strings.NewReplacer("§", prefix, "¤", k).Replace(p)
}

func (x *indexedRows) condition() {
	r := x.r
	p := r.condition(0)
	plain := x.text(p, "u.", "u")
	var yes, no, null []string
	values := x.rows("SELECT id, (" + plain + ") IS TRUE, (" + plain + ") IS NULL FROM u")
	if failedRows(values) {
		no, null, yes = values, values, values
	} else {
		for _, v := range values {
			f := strings.Split(v, ",")
			switch {
			case f[1] == "1":
				yes = append(yes, f[0])
			case f[2] == "1":
				null = append(null, f[0])
			default:
				no = append(no, f[0])
			}
		}
	}
	for _, t := range []string{"u", "v", "w"} {
		q := x.text(p, t+".", t)
		x.same("SELECT id FROM "+t+" WHERE "+q, x.rows("SELECT id FROM "+t+" WHERE "+q), yes, false)
		if t == "u" {
			continue
		}
		if r.IntN(2) == 0 {
			x.same("SELECT id FROM "+t+" WHERE NOT ("+q+")", x.rows("SELECT id FROM "+t+" WHERE NOT ("+q+")"), no, false)
			x.same("SELECT id FROM "+t+" WHERE ("+q+") IS NULL", x.rows("SELECT id FROM "+t+" WHERE ("+q+") IS NULL"), null, false)
		}
		var query string
		want := yes
		switch r.IntN(9) {
		case 0:
			query = "SELECT id FROM (SELECT * FROM " + t + ") x WHERE " + x.text(p, "x.", t)
		case 1:
			query = "WITH x AS (SELECT * FROM " + t + ") SELECT id FROM x WHERE " + x.text(p, "x.", t)
		case 2:
			query = "SELECT id FROM v" + t + " WHERE " + x.text(p, "v"+t+".", t)
		case 3:
			query = "SELECT id FROM u WHERE id IN (SELECT id FROM " + t + " WHERE " + q + ")"
		case 4:
			query = "SELECT a.id FROM u a WHERE EXISTS (SELECT 1 FROM " + t + " z WHERE z.id = a.id AND " + x.text(p, "z.", t) + ")"
		case 5:
			query = "SELECT a.id FROM u a LEFT JOIN " + t + " z ON z.id = a.id AND (" + x.text(p, "z.", t) + ") WHERE z.id IS NULL"
			want = slices.Concat(no, null)
			if failedRows(yes) {
				want = yes
			}
		case 6:
			query = "SELECT z.id FROM u a LEFT JOIN " + t + " z ON z.id = a.id WHERE " + x.text(p, "z.", t)
		case 7:
			query = "SELECT a.id FROM u a JOIN " + t + " z ON " + x.text(p, "z.", t) + " AND z.id = a.id"
		case 8:
			query = "SELECT z.id FROM " + t + " z RIGHT JOIN u a ON z.id = a.id AND " + x.text(p, "z.", t) + " WHERE z.id >= 0"
		}
		x.same(query, x.rows(query), want, false)
	}
	x.ordered(p)
	x.changed(p)
}

// ordered compares queries of the rows of a condition that sort and group.
func (x *indexedRows) ordered(p string) {
	r := x.r
	columns := slices.DeleteFunc(slices.Clone(r.columns), func(c string) bool { return c == "j" })
	a, b, c := r.pick(columns...), r.pick(columns...), r.pick(columns...)
	if r.IntN(2) == 0 {
		p = "1"
	}
	var query string
	sorted := false
	switch r.IntN(9) {
	case 0, 1:
		query = fmt.Sprintf("SELECT id FROM T WHERE P ORDER BY %s%s, %s%s, id%s LIMIT %d", a, r.pick("", " DESC"), b, r.pick("", " DESC"), r.pick("", " DESC"), 1+r.IntN(20))
		if r.IntN(2) == 0 {
			query += fmt.Sprintf(" OFFSET %d", r.IntN(20))
		}
		sorted = true
	case 2:
		query = fmt.Sprintf("SELECT id FROM T WHERE P ORDER BY %s%s, id LIMIT %d", a, r.pick("", " DESC"), 1+r.IntN(20))
		sorted = true
	case 3:
		query = fmt.Sprintf("SELECT COUNT(*), SUM(id), MIN(id), COUNT(DISTINCT %s) FROM T WHERE P GROUP BY %s", c, r.pick(a, a+", "+b))
	case 4:
		query = fmt.Sprintf("SELECT COUNT(DISTINCT %s), COUNT(DISTINCT %s, %s) FROM T WHERE P", a, a, b)
	case 5:
		query = fmt.Sprintf("SELECT id FROM T WHERE %s = (SELECT %s(%s) FROM T WHERE P)", a, r.pick("MIN", "MAX"), a)
	case 6:
		query = fmt.Sprintf("SELECT COUNT(*) FROM (SELECT DISTINCT %s, %s FROM T WHERE P) x", a, b)
	case 7:
		query = fmt.Sprintf("SELECT id, ROW_NUMBER() OVER (PARTITION BY %s ORDER BY %s%s, id), SUM(id) OVER (ORDER BY %s%s), LAG(id) OVER (ORDER BY %[3]s, id) FROM T WHERE P", a, b, r.pick("", " DESC"), c, r.pick("", " DESC"))
	case 8:
		query = fmt.Sprintf("SELECT %s(%s), %s(HEX(%s)) FROM T WHERE P GROUP BY %s HAVING COUNT(*) > %d", r.pick("MIN", "MAX"), r.pick("id", "i", "d", "dt", "g", "tm", "bu"), r.pick("MIN", "MAX"), b, a, r.IntN(4))
	}
	with := func(t string) string {
		return strings.NewReplacer(" T ", " "+t+" ", " P", " "+x.text(p, t+".", t)).Replace(query)
	}
	want := x.rows(with("u"))
	for _, t := range []string{"v", "w"} {
		x.same(with(t), x.rows(with(t)), slices.Clone(want), sorted)
	}
}

// changed compares what changes of the rows of a condition leave.
func (x *indexedRows) changed(p string) {
	r := x.r
	if r.IntN(3) > 0 || strings.Contains(p, "¤") {
		return
	}
	limit := ""
	if r.IntN(2) == 0 {
		limit = fmt.Sprintf(" ORDER BY %s%s, id LIMIT %d", r.pick(r.columns[1:20]...), r.pick("", " DESC"), 1+r.IntN(10))
	}
	col := indexedColumns[r.IntN(len(indexedColumns))]
	v := strings.Fields(col.values + " NULL")
	query := r.pick("DELETE FROM T WHERE P", "UPDATE T SET "+col.name+" = "+v[r.IntN(len(v))]+" WHERE P") + limit
	change := func(t string) []string {
		must(x.t, x.c, "BEGIN")
		defer must(x.t, x.c, "ROLLBACK")
		if out := x.rows(strings.NewReplacer(" T ", " "+t+" ", "UPDATE T", "UPDATE "+t, " P", " "+x.text(p, t+".", t)).Replace(query)); failedRows(out) {
			return out
		}
		return x.rows("SELECT id, HEX(CONCAT(" + col.name + ")), gi, gd, gs, ga FROM " + t)
	}
	want := change("u")
	for _, t := range []string{"v", "w"} {
		x.same(strings.NewReplacer(" T ", " "+t+" ", "UPDATE T", "UPDATE "+t, " P", " "+x.text(p, t+".", t)).Replace(query), change(t), slices.Clone(want), false)
	}
}

// TestIndexesDoNotChangeAnswers asks for the rows of random conditions in many ways, of a table without indexes, of one
// with and of one that is partitioned, and holds them against the conditions' values in the first.
func TestIndexesDoNotChangeAnswers(t *testing.T) {
	i := startInstance(t)
	seeds := []int{304, 305}
	for n := range *indexedSeeds {
		if n == 0 {
			seeds = nil
		}
		seeds = append(seeds, *randomSeed+n)
	}
	for _, seed := range seeds {
		x := &indexedRows{t: t, c: i.conn(i.open("")), r: &conditionSQL{Rand: rand.New(rand.NewPCG(uint64(seed), 11)), columns: []string{"id"}}}
		x.tables()
		for range 150 {
			x.condition()
		}
		if t.Logf("seed %d: %d statements, %d refused", seed, x.ran, x.refused); x.refused*2 > x.ran {
			t.Errorf("most statements of seed %d are refused", seed)
		}
	}
}

// tables makes the tables u, v and w, and views of them.
func (x *indexedRows) tables() {
	r := x.r
	must(x.t, x.c, "DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "USE d", "SET sql_mode = '"+r.pick("", "STRICT_TRANS_TABLES", "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY")+"'", "SET tmp_table_size = "+r.pick("1024", "16777216"))
	def := "id INT NOT NULL"
	for _, col := range indexedColumns {
		typ := col.typ
		if col.name != "j" && r.IntN(6) == 0 && !strings.Contains(typ, "NULL") {
			typ += " NOT NULL"
		}
		def += ", " + col.name + " " + typ
		r.columns = append(r.columns, col.name)
	}
	def += ", " + indexedGenerated
	r.columns = append(r.columns, "gi", "gd", "gs", "ga")
	var rows []string
	for n := range 50 {
		row := fmt.Sprint(n)
		for _, col := range indexedColumns {
			v := strings.Fields(col.values)
			if !strings.Contains(def, " "+col.name+" "+col.typ+" NOT NULL") {
				v = append(v, "NULL")
			}
			row += ", " + v[r.IntN(len(v))]
		}
		rows = append(rows, "("+row+", DEFAULT, DEFAULT, DEFAULT, DEFAULT)")
	}
	partitions := r.pick("HASH (id) PARTITIONS 3", "RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (30), PARTITION c VALUES LESS THAN MAXVALUE)",
		"KEY (s) PARTITIONS 3", "RANGE COLUMNS (da) (PARTITION a VALUES LESS THAN ('2000-01-01'), PARTITION b VALUES LESS THAN ('2024-01-02'), PARTITION c VALUES LESS THAN (MAXVALUE))",
		"RANGE (YEAR(dt)) (PARTITION a VALUES LESS THAN (2000), PARTITION b VALUES LESS THAN MAXVALUE)", "HASH (i) PARTITIONS 4", "LIST (i % 3) (PARTITION a VALUES IN (0,1), PARTITION b VALUES IN (2, -1, -2, NULL))",
		"RANGE COLUMNS (i, s) (PARTITION a VALUES LESS THAN (0, 'b'), PARTITION b VALUES LESS THAN (2, 'a'), PARTITION c VALUES LESS THAN (MAXVALUE, MAXVALUE))", "KEY (id, tu) PARTITIONS 2", "RANGE (TO_DAYS(da)) (PARTITION a VALUES LESS THAN (TO_DAYS('2024-01-02')), PARTITION b VALUES LESS THAN MAXVALUE)")
	for _, q := range []string{"CREATE TABLE u (" + def + ")", "CREATE TABLE v (" + def + ", PRIMARY KEY (id)" + r.keys() + ")", "CREATE TABLE w (" + def + r.keys() + ") PARTITION BY " + partitions} {
		x.t.Log(q)
		must(x.t, x.c, q)
	}
	for _, t := range []string{"u", "v", "w"} {
		must(x.t, x.c, "INSERT INTO "+t+" VALUES "+strings.Join(rows, ", "), "CREATE VIEW v"+t+" AS SELECT * FROM "+t)
		if r.IntN(2) == 0 {
			must(x.t, x.c, "ANALYZE TABLE "+t)
		}
	}
}
