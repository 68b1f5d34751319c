package gms_test

import (
	"fmt"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms"
	"sextant/server/protocol"
)

// TestDecimalParameters: a DECIMAL that a driver sends with an exponent stays exact.
func TestDecimalParameters(t *testing.T) {
	for text, want := range map[string]string{
		"0.1234567890123456789e15": "123456789012345.6789", "1E3": "1000", "-1.5e-3": "-0.0015", "12.50": "12.50", "1e999": "1e999",
	} {
		if got := gms.Literal(protocol.Param{Type: gomysql.MYSQL_TYPE_NEWDECIMAL, Text: []byte(text)}); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestParametersBesideColumns: a parameter keeps its digits beside a column of fewer, and a number is a date beside one, in
// both forms of a prepared statement.
func TestParametersBesideColumns(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	c := i.conn(i.open("d"))
	must(t, c, "CREATE TABLE p (id INT PRIMARY KEY, n DECIMAL(10,2), d DATE, dt DATETIME, i INT, KEY (n), KEY (d))",
		"INSERT INTO p VALUES (1, 1.25, '2024-02-29', '2024-02-29', 1), (2, 1.26, '2024-03-01', '2024-03-01 10:11:12', 2)")
	for _, test := range []struct {
		condition string
		values    []any // nil: a DECIMAL
		want      string
	}{
		{"n > ?", nil, "2"}, {"n = ?", nil, ""}, {"n < ?", nil, "1"}, {"i = ?", nil, ""}, {"i > ?", nil, "2"}, {"n = ?", []any{1.25}, "1"},
		{"d = ?", []any{20240229}, "1"}, {"d = ?", []any{"2024-02-29"}, "1"}, {"dt = ?", []any{20240301101112}, "2"},
		{"d IN (?, ?)", []any{20240229, "2024-03-01"}, "1,2"}, {"d BETWEEN ? AND ?", []any{20240229, 20240301101112}, "1,2"}, {"d >= ?", []any{20240301}, "2"},
	} {
		query := "SELECT IFNULL(GROUP_CONCAT(id ORDER BY id), '') FROM p WHERE " + test.condition
		using := "@v0"
		if must(t, c, "SET @v0 = 1.255"); test.values != nil {
			using = ""
			for n, v := range test.values {
				if must(t, c, fmt.Sprintf("SET @v%d = %#v", n, v)); n > 0 {
					using += ", "
				}
				using += fmt.Sprintf("@v%d", n)
			}
			var got string
			if err := c.QueryRowContext(t.Context(), query, test.values...).Scan(&got); err != nil || got != test.want {
				t.Errorf("%s with %v: got %q, %v, want %q", test.condition, test.values, got, err, test.want)
			}
		}
		must(t, c, fmt.Sprintf("PREPARE s FROM %q", query))
		if got := one(t, c, "EXECUTE s USING "+using); got != test.want {
			t.Errorf("%s using %v: got %q, want %q", test.condition, test.values, got, test.want)
		}
	}
}
