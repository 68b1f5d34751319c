package gms_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// preparedRows compares the answers of prepared statements with those of the same statements with their parameters' values
// written as literals.
type preparedRows struct {
	t            *testing.T
	c            *client.Conn
	r            *conditionSQL
	ran, refused int
}

// markedConstant is a literal that conditionSQL has marked.
var markedConstant = regexp.MustCompile("\x01[^\x02]*\x02")

// shortFraction is a fraction of a second: parameters have six digits.
var shortFraction = regexp.MustCompile(`(:\d\d\.)(\d+)('\x02)`)

var momentConstant = regexp.MustCompile(`^(DATE|TIMESTAMP|TIME)'(-?)(?:(\d+)-(\d+)-(\d+))? ?(?:(\d+):(\d+):(\d+)(?:\.(\d+))?)?'$`)

// parameter returns a value for a parameter in the place of a literal, false if it has none.
func (x *preparedRows) parameter(literal string) (any, bool) {
	text := func(s string) any {
		switch x.r.IntN(3) {
		case 0:
			return []byte(s)
		case 1:
			return mysql.TypedBytes{Type: mysql.MYSQL_TYPE_VAR_STRING, Bytes: []byte(s)}
		}
		return s
	}
	if literal == "NULL" {
		return nil, true
	}
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		switch k := x.r.IntN(6); {
		case k == 0 && int64(int8(n)) == n:
			return int8(n), true
		case k == 1 && int64(int16(n)) == n:
			return int16(n), true
		case k < 4 && int64(int32(n)) == n:
			return int32(n), true
		}
		return n, true
	}
	if n, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return n, true
	}
	if f, err := strconv.ParseFloat(literal, 64); err == nil {
		if strings.Contains(literal, "e") {
			return f, true
		}
		return mysql.TypedBytes{Type: mysql.MYSQL_TYPE_NEWDECIMAL, Bytes: []byte(literal)}, true
	}
	if m := momentConstant.FindStringSubmatch(literal); m != nil {
		n := func(i int) byte { v, _ := strconv.Atoi(m[i]); return byte(v) }
		year, _ := strconv.Atoi(m[3])
		micros, _ := strconv.Atoi((m[9] + "000000")[:6])
		day := append(binary.LittleEndian.AppendUint16(nil, uint16(year)), n(4), n(5))
		clock := []byte{n(6), n(7), n(8)}
		fraction := binary.LittleEndian.AppendUint32(nil, uint32(micros))
		switch m[1] {
		case "DATE":
			return mysql.TypedBytes{Type: mysql.MYSQL_TYPE_DATE, Bytes: day}, true
		case "TIME":
			hours, _ := strconv.Atoi(m[6])
			b := append([]byte{byte(len(m[2]))}, binary.LittleEndian.AppendUint32(nil, uint32(hours/24))...)
			b = append(b, byte(hours%24), n(7), n(8))
			return mysql.TypedBytes{Type: mysql.MYSQL_TYPE_TIME, Bytes: append(b, fraction...)}, true
		}
		return mysql.TypedBytes{Type: mysql.MYSQL_TYPE_DATETIME, Bytes: append(append(day, clock...), fraction...)}, true
	}
	if s, ok := strings.CutPrefix(literal, "_binary"); ok {
		return mysql.TypedBytes{Type: mysql.MYSQL_TYPE_BLOB, Bytes: []byte(strings.Trim(s, "'"))}, true
	}
	if strings.HasPrefix(literal, "'") && !strings.Contains(literal, `\`) {
		return text(strings.Trim(literal, "'")), true
	}
	return nil, false
}

// answer returns what a statement answers, and the warnings behind it.
func (x *preparedRows) answer(query string, args []any, warnings bool) (out []string) {
	x.ran++
	res, err := func() (*mysql.Result, error) {
		if args == nil {
			return x.c.Execute(query)
		}
		st, err := x.c.Prepare(query)
		if err != nil {
			return nil, err
		}
		defer st.Close()
		return st.Execute(args...)
	}()
	if e := new(mysql.MyError); errors.As(err, &e) {
		x.refused++
		return []string{fmt.Sprintf("error %d %s", e.Code, e.Message)}
	} else if err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
	texts := func(res *mysql.Result) {
		for _, row := range res.Values {
			out = append(out, "")
			for i := range row {
				v := row[i].Value()
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				out[len(out)-1] += fmt.Sprintf("%v,", v)
			}
		}
	}
	if res.Resultset != nil {
		texts(res)
		slices.Sort(out)
	}
	if !warnings {
		return out
	}
	if res, err = x.c.Execute("SHOW WARNINGS"); err != nil {
		x.t.Fatal(err)
	}
	texts(res)
	return out
}

// same compares a statement's answers, and those of after.
func (x *preparedRows) same(marked string, after ...string) {
	marked = shortFraction.ReplaceAllStringFunc(marked, func(s string) string {
		m := shortFraction.FindStringSubmatch(s)
		return m[1] + (m[2] + "000000")[:6] + m[3]
	})
	var args []any
	prepared := markedConstant.ReplaceAllStringFunc(marked, func(m string) string {
		m = strings.Trim(m, "\x01\x02")
		if v, ok := x.parameter(m); ok && x.r.IntN(8) > 0 {
			args = append(args, v)
			return "?"
		}
		return m
	})
	if args == nil {
		return
	}
	literal := strings.NewReplacer("\x01", "", "\x02", "").Replace(marked)
	all := func(query string, args []any) (out []string) {
		if after != nil {
			x.must("BEGIN")
			defer x.must("ROLLBACK")
		}
		out = x.answer(query, args, after != nil)
		for _, q := range after {
			out = append(out, x.answer(q, nil, false)...)
		}
		return out
	}
	got, want := all(prepared, args), all(literal, nil)
	if !slices.Equal(got, want) && !(failedRows(got) && failedRows(want)) {
		x.t.Errorf("%s;\n         %s %v\n     has %.300v\n    want %.300v", literal, prepared, args, strings.Join(got, " "), strings.Join(want, " "))
	}
}

func (x *preparedRows) must(query string) {
	if _, err := x.c.Execute(query); err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
}

// value returns an expression of a parameter.
func (x *preparedRows) value() string {
	r := x.r
	c := r.column()
	v := r.constant(c)
	if r.IntN(3) == 0 {
		v = r.constant(r.column())
	}
	w := r.constant(c)
	f := r.pick("V", "C + V", "V - C", "V * C", "V / C", "C DIV V", "C % V", "V + W", "-V", "V & C", "V | W", "~V", "V << 1", "COALESCE(C, V)", "COALESCE(V, C)", "IFNULL(V, W)", "IF(§id % 2, V, C)", "IF(V, C, W)", "CASE WHEN §id % 2 THEN V ELSE W END",
		"CASE V WHEN W THEN 1 WHEN C THEN 2 END", "CASE C WHEN V THEN W END", "NULLIF(C, V)", "NULLIF(V, C)", "NULLIF(V, W)", "GREATEST(C, V)", "LEAST(V, W)", "GREATEST(V, W, C)", "CONCAT(V, C)", "CONCAT_WS(V, C, W)", "LENGTH(V)", "CHAR_LENGTH(V)", "HEX(V)", "LEFT(C, V)", "LPAD(V, 20, 'x')",
		"REPLACE(C, V, W)", "INSTR(C, V)", "LOCATE(V, C)", "FIELD(C, V, W)", "ELT(V, C, W)", "STRCMP(C, V)", "CAST(V AS CHAR)", "CAST(V AS SIGNED)", "CAST(V AS UNSIGNED)", "CAST(V AS DECIMAL(20,3))", "CAST(V AS DOUBLE)", "CAST(V AS DATE)", "CAST(V AS DATETIME(3))", "CAST(V AS TIME)", "CAST(V AS JSON)", "CAST(V AS BINARY)", "CAST(V AS YEAR)", "CAST(V AS FLOAT)",
		"ROUND(V, 1)", "ROUND(V)", "TRUNCATE(V, 1)", "ABS(V)", "FLOOR(V)", "CEIL(V)", "SIGN(V)", "MOD(V, 3)", "POW(V, 2)", "SQRT(V)", "FORMAT(V, 2)", "CRC32(V)", "MD5(V)", "BIN(V)", "DATE_ADD(V, INTERVAL 1 DAY)", "DATE_SUB(C, INTERVAL V DAY)", "C + INTERVAL V SECOND", "V + INTERVAL 1 HOUR", "DATEDIFF(C, V)", "TIMESTAMPDIFF(SECOND, V, C)", "TIMEDIFF(V, C)", "ADDTIME(V, W)", "DATE(V)", "TIME(V)", "YEAR(V)", "MONTH(V)", "DAYOFWEEK(V)", "HOUR(V)", "MICROSECOND(V)", "UNIX_TIMESTAMP(V)",
		"FROM_UNIXTIME(V)", "TO_DAYS(V)", "TIME_TO_SEC(V)", "SEC_TO_TIME(V)", "DATE_FORMAT(V, '%Y-%m-%d %H:%i:%s.%f')", "LAST_DAY(V)", "EXTRACT(DAY_SECOND FROM V)", "MAKEDATE(2024, V)", "STR_TO_DATE(V, '%Y-%m-%d')", "TIMESTAMP(V)", "TIMESTAMP(V, W)",
		"JSON_ARRAY(V, W)", "JSON_OBJECT('a', V)", "JSON_SET('{}', '$.a', V)", "JSON_QUOTE(V)", "JSON_TYPE(JSON_ARRAY(V))", "V IS NULL", "V IS TRUE", "NOT V", "V AND C", "V XOR W", "V = W", "V < W", "V <=> C", "V IN (W, C)", "V BETWEEN W AND C", "C LIKE V", "V LIKE W", "INTERVAL(V, 0, 1, 2)",
		"(SELECT V)", "(SELECT MAX(V))", "(SELECT SUM(V))", "(SELECT AVG(V))", "(SELECT GROUP_CONCAT(V))", "(SELECT MIN(a) FROM (SELECT V a UNION ALL SELECT W) q)", "(SELECT a FROM (SELECT V a) q)", "(SELECT a FROM (VALUES ROW(V)) q(a))")
	return regexp.MustCompile(`\b[VWC]\b`).ReplaceAllStringFunc(f, func(l string) string {
		return map[string]string{"V": v, "W": w, "C": c}[l]
	})
}

// statement compares a statement.
func (x *preparedRows) statement() {
	r := x.r
	t := r.pick("u", "v")
	text := func(p string) string { return strings.NewReplacer("§", t+".", "¤", t).Replace(p) }
	switch r.IntN(8) {
	case 0, 1:
		x.same("SELECT id FROM " + t + " WHERE " + text(r.condition(0)))
	case 2, 3, 4:
		x.same("SELECT id, CONCAT(" + text(x.value()) + ") FROM " + t + " WHERE id < 10")
	case 5:
		x.same("SELECT COUNT(*), " + r.pick("SUM", "MIN", "MAX", "COUNT", "AVG") + "(LENGTH(" + text(x.value()) + ")) FROM " + t + " GROUP BY CONCAT(" + text(x.value()) + ")")
	case 6:
		col := indexedColumns[r.IntN(len(indexedColumns))]
		v := r.constant(col.name)
		switch r.IntN(3) {
		case 0:
			v = r.constant(r.column())
		case 1:
			v = text(x.value())
		}
		query := "UPDATE u SET " + col.name + " = " + v + " WHERE id = 3"
		x.same(query, "SELECT HEX(CONCAT("+col.name+")), gi, gd, gs, ga FROM u WHERE id = 3")
	case 7:
		a, b := indexedColumns[r.IntN(len(indexedColumns))], indexedColumns[r.IntN(len(indexedColumns))]
		if a.name == b.name {
			return
		}
		one := func(c string) string {
			if r.IntN(4) == 0 {
				c = r.column()
			}
			return r.constant(c)
		}
		query := fmt.Sprintf("INSERT INTO n (id, %s, %s) VALUES (1000, %s, %s)", a.name, b.name, one(a.name), one(b.name))
		if r.IntN(3) == 0 {
			query += ", (1001, " + one(a.name) + ", " + one(b.name) + ")"
		}
		if r.IntN(4) == 0 {
			query += " ON DUPLICATE KEY UPDATE " + a.name + " = " + one(a.name)
		}
		x.same(query, fmt.Sprintf("SELECT id, HEX(CONCAT(%s)), HEX(CONCAT(%s)), gi, gd, gs, ga FROM n WHERE id >= 1000", a.name, b.name))
	}
}

// TestPreparedRows: a prepared statement's answer is that of the statement with literals, whatever types its parameters have.
func TestPreparedRows(t *testing.T) {
	i := startInstance(t)
	seeds := []int{1, 2}
	for n := range *indexedSeeds {
		if n == 0 {
			seeds = nil
		}
		seeds = append(seeds, *randomSeed+n)
	}
	for _, seed := range seeds {
		r := &conditionSQL{Rand: rand.New(rand.NewPCG(uint64(seed), 12)), columns: []string{"id"}}
		(&indexedRows{t: t, c: i.conn(i.open("")), r: r}).tables()
		c, err := client.Connect(i.addr, "root", "", "d")
		if err != nil {
			t.Fatal(err)
		}
		x := &preparedRows{t: t, c: c, r: r}
		x.must("SET NAMES utf8mb4 COLLATE utf8mb4_0900_ai_ci")
		x.must("SET sql_mode = '" + r.pick("", "STRICT_TRANS_TABLES") + "'")
		x.must("CREATE TABLE n LIKE v")
		r.marked = true
		for range 400 {
			x.statement()
		}
		if t.Logf("seed %d: %d statements, %d refused", seed, x.ran, x.refused); x.refused*2 > x.ran {
			t.Errorf("most statements of seed %d are refused", seed)
		}
		c.Close()
	}
}

// TestParametersAreNoPositions: an integer bound to a member of ORDER BY or GROUP BY is a constant.
func TestParametersAreNoPositions(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	c := i.conn(i.open("d"))
	must(t, c, "CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1), (2, 3), (3, 2)")
	for query, want := range map[string]string{
		"SELECT a FROM t ORDER BY ? DESC, id LIMIT 1": "1", "SELECT COUNT(*) FROM t GROUP BY ?": "3", "SELECT MAX(a) FROM t GROUP BY ? ORDER BY ?": "3",
	} {
		var got string
		if err := c.QueryRowContext(t.Context(), query, slices.Repeat([]any{1}, strings.Count(query, "?"))...).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", query, got, err, want)
		}
	}
	if _, err := c.ExecContext(t.Context(), "DELETE FROM t ORDER BY ? DESC, id LIMIT 1", 2); err != nil || one(t, c, "SELECT MIN(id) FROM t") != "2" {
		t.Errorf("a DELETE: %v", err)
	}
}
