package gms_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// TestColumnLengths: the types and lengths by which drivers know booleans and moments.
func TestColumnLengths(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d", "CREATE TABLE d.t (b TINYINT(1), ti TINYINT, bi BIT(1), d DATE, dt DATETIME, d6 DATETIME(6), ts TIMESTAMP(3) NULL, t TIME, t2 TIME(2), u BIGINT UNSIGNED)")
	c, err := client.Connect(i.addr, "root", "", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct{ query, want string }{
		{"SELECT b, ti, bi, d, dt, d6, ts, t, t2 FROM t", "1:1 1:4 16:1 10:10 12:19 12:26 7:23 11:10 11:13"},
		{"SELECT b AS x, b = 1, NOT b, TRUE, EXISTS (SELECT 1) FROM t AS tt ORDER BY ti", "1:1 8:1 8:1 8:1 8:1"},
		{"SELECT b FROM (SELECT b FROM t) AS q", "1:1"},
		{"SELECT IF(b, u, 1), CASE WHEN b THEN u ELSE 1 END, IFNULL(u, -1) FROM t", "246:21 246:21 246:21"},
	} {
		r, err := c.Execute(x.query)
		if err != nil {
			t.Fatalf("%s: %v", x.query, err)
		}
		if got := typesAndLengths(r.Fields); got != x.want {
			t.Errorf("%s: got %s, want %s", x.query, got, x.want)
		}
	}
	fields, err := c.FieldList("t", "t%")
	if err != nil {
		t.Fatal(err)
	}
	if got := typesAndLengths(fields); got != "1:4 7:23 11:10 11:13" {
		t.Errorf("COM_FIELD_LIST: %s", got)
	}
}

func typesAndLengths(fields []*mysql.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, fmt.Sprintf("%d:%d", f.Type, f.ColumnLength))
	}
	return strings.Join(out, " ")
}
