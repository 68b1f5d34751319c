package gms_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// TestColumnNames: a column that is a system variable is named as it was sent, one that is a view's has its name also if it is a quotient.
func TestColumnNames(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, q := range []string{"CREATE DATABASE d", "CREATE VIEW d.v AS SELECT 1/3 AS q, 1/3*3 AS r", "CREATE VIEW d.w AS SELECT * FROM d.v"} {
		if _, err := c.Execute(q); err != nil {
			t.Fatal(q, err)
		}
	}
	r, err := c.Execute("SELECT @@VERSION, @@GLOBAL.Read_Only AS x, @@session.Autocommit, (SELECT @@Port), 1 + @@Port, w.q, r, z.* FROM d.w, (SELECT r AS s, q + 1 FROM d.v) z")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, string(f.Name))
	}
	if want := []string{"@@VERSION", "x", "@@session.Autocommit", "(SELECT @@Port)", "1 + @@Port", "q", "r", "s", "q + 1"}; !slices.Equal(names, want) {
		t.Errorf("names are %q, want %q", names, want)
	}
}

// TestColumnNamesOfShow: the pattern of SHOW TABLES LIKE is in the heading.
func TestColumnNamesOfShow(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for q, want := range map[string]string{
		"SHOW TABLES FROM mysql LIKE 'us%'": "Tables_in_mysql (us%)", "SHOW FULL TABLES FROM mysql": "Tables_in_mysql",
		"SHOW TABLES FROM mysql WHERE Tables_in_mysql = 'user'": "Tables_in_mysql",
	} {
		r, err := c.Execute(q)
		if err != nil {
			t.Fatal(q, err)
		}
		if got := string(r.Fields[0].Name); got != want {
			t.Errorf("%s has the heading %q, want %q", q, got, want)
		}
	}
}

// TestColumnNamesOfPrograms: a column of a procedure's result is named as the body has it, and is what it is in a SELECT of its own.
func TestColumnNamesOfPrograms(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "", func(c *client.Conn) error { return c.SetCapability(gomysql.CLIENT_MULTI_RESULTS) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, q := range []string{
		"CREATE DATABASE d", "USE d", "CREATE TABLE nn (a INT)",
		"CREATE PROCEDURE p() BEGIN SELECT COUNT(*), MAX( a ), a+1, a, 'x', a AS b FROM nn GROUP BY a; END", "INSERT INTO nn VALUES (1)",
	} {
		if _, err := c.Execute(q); err != nil {
			t.Fatal(q, err)
		}
	}
	r, err := c.Execute("CALL p()")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, string(f.Name))
	}
	if want := []string{"COUNT(*)", "MAX( a )", "a+1", "a", "x", "b"}; !slices.Equal(names, want) {
		t.Errorf("names are %q, want %q", names, want)
	}
}

// TestColumnsOfPrograms: the columns of a procedure's result are told as those of the same SELECT outside, also if functions
// that read tables run while it is planned or built, in it and in the procedure's other statements.
func TestColumnsOfPrograms(t *testing.T) {
	i := startInstance(t)
	c, err := client.Connect(i.addr, "root", "", "", func(c *client.Conn) error { return c.SetCapability(gomysql.CLIENT_MULTI_RESULTS) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	run := func(q string) *gomysql.Result {
		t.Helper()
		r, err := c.Execute(q)
		if err != nil {
			t.Fatal(q, err)
		}
		return r
	}
	for _, q := range []string{
		"CREATE DATABASE d", "USE d", "CREATE TABLE nn (a INT PRIMARY KEY, `B b` VARCHAR(7) NOT NULL, c DECIMAL(9,2), j JSON)",
		"INSERT INTO nn VALUES (1, 'x', 1.5, '{}'), (2, 'y', 2.5, '[]')",
		"CREATE FUNCTION f(n INT) RETURNS INT READS SQL DATA BEGIN DECLARE x TEXT; SELECT MAX(`B b`) INTO x FROM nn; RETURN n + LENGTH(x) - 1; END",
		"CREATE FUNCTION g(n INT) RETURNS VARCHAR(20) READS SQL DATA RETURN (SELECT CONCAT(`B b`, f(n)) FROM nn WHERE a = n)",
	} {
		run(q)
	}
	told := func(r *gomysql.Result) (out []string) {
		for _, f := range r.Fields {
			out = append(out, fmt.Sprintf("%s.%s.%s.%s.%s type %d flags %x length %d charset %d decimals %d", f.Schema, f.Table, f.OrgTable, f.OrgName, f.Name,
				f.Type, f.Flag, f.ColumnLength, f.Charset, f.Decimal))
		}
		return out
	}
	call := func(q string) (first []string) {
		t.Helper()
		r, err := c.ExecuteMultiple(q, func(r *gomysql.Result, err error) {
			if err != nil {
				t.Fatal(q, err)
			}
			if first == nil {
				first = told(r)
			}
		})
		if err != nil {
			t.Fatal(q, err)
		}
		r.Close()
		return first
	}
	for _, q := range []string{
		"SELECT 1, 'x', NULL, 1.5, COUNT(*), MAX(a), SUM(c) FROM nn",
		"SELECT n.*, n.a AS z, a + 1 FROM nn AS n",
		"SELECT a, f(a) AS f, g(a), `B b` FROM nn WHERE a = f(1)",
		"SELECT (SELECT g(1)) AS s, a FROM nn WHERE a <= (SELECT f(2)) AND g(2) IS NOT NULL ORDER BY f(a) LIMIT 1",
		"SELECT g(1), `B b` FROM nn AS Q GROUP BY a, `B b` HAVING f(a) > 0",
		"SELECT x.`B b`, x.f FROM (SELECT `B b`, f(a) AS f FROM nn) AS x",
		"SELECT @@version, @@SQL_mode, NOW(6)",
		"SHOW COLUMNS FROM nn",
	} {
		want := run(q)
		run("CREATE PROCEDURE p() BEGIN DECLARE v VARCHAR(20) DEFAULT g(1); IF f(1) = 1 THEN SET v = g(2); " + q + "; END IF; SELECT v; END")
		if got := call("CALL p()"); !slices.Equal(got, told(want)) {
			t.Errorf("%s in a procedure is\n%q, outside\n%q", q, got, told(want))
		}
		run("CREATE PROCEDURE o() CALL p()")
		if got := call("CALL o()"); !slices.Equal(got, told(want)) {
			t.Errorf("%s in a procedure that another calls is\n%q, outside\n%q", q, got, told(want))
		}
		run("DROP PROCEDURE o")
		run("DROP PROCEDURE p")
	}
}
