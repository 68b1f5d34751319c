package gms_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// TestColumnOrigins: a result's columns say of which table and column they are, and
// whether those are keys, as MySQL does.
func TestColumnOrigins(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT UNSIGNED NOT NULL AUTO_INCREMENT, u INT UNIQUE, a INT NOT NULL, b INT, "+
		"ts TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP, e ENUM('x'), PRIMARY KEY (id), KEY ab (a, b))", "INSERT INTO d.t (u, a) VALUES (1, 2)")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct{ query, want string }{
		{"SELECT id AS x FROM t AS tt", "d.tt.x d.t.id 4223"},
		{"SELECT tT.id, X.b FROM t AS Tt JOIN t AS X", "d.Tt.id d.t.id 4223 d.X.b d.t.b 4000"},
		{"SELECT u, a FROM t ORDER BY b LIMIT 1", "d.t.u d.t.u 4004 d.t.a d.t.a 5009"},
		{"SELECT * FROM t AS tt WHERE id = 1", "d.tt.id d.t.id 4223 d.tt.u d.t.u 4004 d.tt.a d.t.a 5009 d.tt.b d.t.b 4000 d.tt.ts d.t.ts 2480 d.tt.e d.t.e 100"},
		{"SELECT tt.a, q.b FROM t AS tt JOIN (SELECT b FROM t) AS q", "d.tt.a d.t.a 5009 d.q.b d.q.b 0"},
		{"SELECT id + 1 AS y, 'c', COUNT(*) FROM t GROUP BY id", "..y .. a1 ..c .. 1 ..COUNT(*) .. 81"},
	} {
		r, err := c.Execute(x.query)
		if err != nil {
			t.Fatalf("%s: %v", x.query, err)
		}
		got := ""
		for _, f := range r.Fields {
			got += fmt.Sprintf("%s.%s.%s %s.%s.%s %x ", f.Schema, f.Table, f.Name, f.Schema, f.OrgTable, f.OrgName, f.Flag)
		}
		if got = strings.TrimSpace(got); got != x.want {
			t.Errorf("%s: got %s, want %s", x.query, got, x.want)
		}
	}
}

// TestColumnFlags: a result's columns have the flags and lengths of MySQL's types.
func TestColumnFlags(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", `CREATE TABLE d.t (dc DECIMAL(10,2), du DECIMAL(10,2) UNSIGNED, dn DECIMAL(10) UNSIGNED NOT NULL, dz DECIMAL(5,1) ZEROFILL,
		y YEAR, dt DATE, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, tn TIMESTAMP NULL, tx TEXT, tb TEXT COLLATE utf8mb4_bin, tt TINYTEXT NOT NULL,
		bl BLOB, v VARCHAR(5), vb VARCHAR(5) COLLATE utf8mb4_bin, bn BINARY(3), j JSON, g POINT, e ENUM('a') NOT NULL, s SET('a') DEFAULT 'a')`)
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct{ query, want string }{
		{"SELECT dc, du, dn, dz, y, dt, ts, tn FROM t", "0:12 32:11 4129:10 96:6 96:4 128:10 1153:19 128:19"},
		{"SELECT tx, tb, tt, bl, v, vb FROM t", "16:262140 144:262140 4113:1020 144:65535 0:20 128:20"},
		{"SELECT bn, e, s FROM t", "128:3 4353:4 2048:4"},
		{"SELECT tx, bl FROM (SELECT tx, bl FROM t GROUP BY tx, bl) AS q", "16:262140 144:65535"},
		{"SELECT j, g FROM t", "144:4294967295 144:4294967295"},
		{"SELECT CONCAT(tx, v), y + 0 FROM t", "0:4294967295 160:20"},
		{"SELECT tx, du FROM t UNION SELECT tx, du FROM t", "16:262140 32:11"},
		{"SELECT 1, -1, 'hello', NULL, 123456789012, COUNT(*), MAX(y), MIN(v) FROM t", "129:1 129:2 1:20 128:0 129:12 129:21 160:4 0:20"},
		{"EXPLAIN SELECT * FROM t", "160:3 1:76 0:256 0:16809984 0:40 0:16384 0:256 0:16384 0:4096 160:10 128:4 0:1020"},
		{"SHOW CREATE TABLE t", "1:65532 1:65532"},
		{"SHOW COLUMNS FROM t LIKE 'tx'", "1:100000 1:100000 1:100000 1:100000 0:100000 1:100000"},
	} {
		r, err := c.Execute(x.query)
		if err != nil {
			t.Fatalf("%s: %v", x.query, err)
		}
		got := ""
		for _, f := range r.Fields {
			got += fmt.Sprintf("%d:%d ", f.Flag, f.ColumnLength)
		}
		if got = strings.TrimSpace(got); got != x.want {
			t.Errorf("%s: got %s, want %s", x.query, got, x.want)
		}
	}
}

// TestColumnsOfExpressions: a result's columns have the types that MySQL gives to
// expressions, and numbers and dates no character set.
func TestColumnsOfExpressions(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.x (n TINYINT, s VARCHAR(5), tx TEXT)")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct {
		expression string
		kind       byte
		charset    uint16
	}{
		{"n", mysql.MYSQL_TYPE_TINY, 63},
		{"n + 1", mysql.MYSQL_TYPE_LONGLONG, 63},
		{"n = 1", mysql.MYSQL_TYPE_LONGLONG, 63},
		{"TRUE", mysql.MYSQL_TYPE_LONGLONG, 63},
		{"7 % 3", mysql.MYSQL_TYPE_LONGLONG, 63},
		{"1.5", mysql.MYSQL_TYPE_NEWDECIMAL, 63},
		{"'a'", mysql.MYSQL_TYPE_VAR_STRING, 255},
		{"UPPER(s)", mysql.MYSQL_TYPE_VAR_STRING, 255},
		{"CONCAT(tx, s)", mysql.MYSQL_TYPE_BLOB, 255},
		{"CURDATE()", mysql.MYSQL_TYPE_DATE, 63},
		{"DATE '2020-01-01' + INTERVAL 1 DAY", mysql.MYSQL_TYPE_DATE, 63},
		{"DATE '2020-01-01' + INTERVAL 1 HOUR", mysql.MYSQL_TYPE_DATETIME, 63},
	} {
		r, err := c.Execute("SELECT " + x.expression + " FROM x")
		if err != nil {
			t.Fatalf("%s: %v", x.expression, err)
		}
		if f := r.Fields[0]; f.Type != x.kind || f.Charset != x.charset {
			t.Errorf("%s: type %d, charset %d, want %d, %d", x.expression, f.Type, f.Charset, x.kind, x.charset)
		}
	}
}

// TestColumnsOfUnions: clients are told of the types that MySQL has for the columns of a UNION.
func TestColumnsOfUnions(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.x (n INT, s VARCHAR(5), d DECIMAL(5,2), dt DATE, tm TIME(3))")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct {
		query    string
		kind     byte
		decimals uint8
		length   uint32
	}{
		{"SELECT 1 UNION SELECT 2", mysql.MYSQL_TYPE_LONGLONG, 0, 20},
		{"SELECT n FROM x UNION SELECT s FROM x", mysql.MYSQL_TYPE_VAR_STRING, 0, 44},
		{"SELECT d FROM x UNION SELECT 1.125", mysql.MYSQL_TYPE_NEWDECIMAL, 3, 8},
		{"SELECT dt FROM x UNION SELECT NOW(2)", mysql.MYSQL_TYPE_DATETIME, 2, 22},
		{"SELECT tm FROM x UNION SELECT dt FROM x", mysql.MYSQL_TYPE_DATETIME, 3, 23},
		{"WITH RECURSIVE r AS (SELECT DATE '2020-01-01' AS a UNION ALL SELECT a + INTERVAL 1 DAY FROM r WHERE a < '2020-01-03') SELECT a FROM r", mysql.MYSQL_TYPE_DATE, 0, 10},
		{"SELECT MAKETIME(1, 2, 3.25)", mysql.MYSQL_TYPE_TIME, 2, 0},
	} {
		for _, prepared := range []bool{false, true} {
			var r *mysql.Result
			if prepared {
				st, err := c.Prepare(x.query)
				if err != nil {
					t.Fatalf("%s: %v", x.query, err)
				}
				if r, err = st.Execute(); err != nil {
					t.Fatalf("%s: %v", x.query, err)
				}
			} else if r, err = c.Execute(x.query); err != nil {
				t.Fatalf("%s: %v", x.query, err)
			}
			if f := r.Fields[0]; f.Type != x.kind || f.Decimal != x.decimals || x.length > 0 && f.ColumnLength != x.length {
				t.Errorf("%s (prepared: %v): type %d, %d decimals, length %d, want %d, %d, %d", x.query, prepared, f.Type, f.Decimal, f.ColumnLength, x.kind, x.decimals, x.length)
			}
		}
	}
}

// TestColumnsOfJSONTable: they may be NULL, through derived tables too.
func TestColumnsOfJSONTable(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.n (i INT NOT NULL)", "CREATE VIEW d.v AS SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$.x')) t")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for query, null := range map[string]bool{
		"SELECT a FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$.x')) t":                                     true,
		"SELECT * FROM (SELECT a FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$.x')) t) d":                   true,
		"WITH w AS (SELECT a FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$.x')) t) SELECT a FROM w LIMIT 1": true,
		"SELECT * FROM v": true, "SELECT * FROM (SELECT i FROM n) d": false,
	} {
		r, err := c.Execute(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Fields[0].Flag&mysql.NOT_NULL_FLAG == 0; got != null {
			t.Errorf("%s: may be NULL: %v", query, got)
		}
	}
}

// TestColumnFormats: the text of ZEROFILL and DOUBLE(M,D) has their zeros and digits, and clients are told of them.
func TestColumnFormats(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.z (n INT(5) ZEROFILL, x DOUBLE(8,2), f FLOAT(7,3))", "INSERT INTO d.z VALUES (42, 2.3, 1234.5678)")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Execute("SELECT n, x, f FROM z AS a")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.RowDatas[0]); got != "\x0500042\x042.30\x081234.568" {
		t.Errorf("row %q", got)
	}
	if f := r.Fields[0]; f.Flag&mysql.ZEROFILL_FLAG == 0 || f.Flag&mysql.UNSIGNED_FLAG == 0 || f.ColumnLength != 5 {
		t.Errorf("ZEROFILL: flags %x, length %d", f.Flag, f.ColumnLength)
	}
	if f := r.Fields[1]; f.Decimal != 2 || f.ColumnLength != 8 {
		t.Errorf("DOUBLE(8,2): %d decimals, length %d", f.Decimal, f.ColumnLength)
	}
}
