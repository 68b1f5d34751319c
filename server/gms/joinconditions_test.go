package gms_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestJoinsAreTheirConditions joins random rows of every type by random conditions, equalities of mixed types
// among them, and counts with the rows of the tables' product for which the condition is true.
func TestJoinsAreTheirConditions(t *testing.T) {
	columns := []struct{ name, typ, values string }{
		{"i", "INT", "0 1 2 3 -1"}, {"b", "BIGINT UNSIGNED", "0 1 2 18446744073709551615"}, {"d", "DECIMAL(6,2)", "0 1 1.50 2"}, {"f", "DOUBLE", "0 1 1.5 -0.0"},
		{"g", "FLOAT", "0.1 1 1.5"}, {"s", "VARCHAR(10)", "'a' 'A' '1' '1.0' 'b' 'ß' 'ss' '2024-01-01'"}, {"c", "CHAR(6)", "'a' 'A' '1' 'ss'"},
		{"n", "VARCHAR(10) COLLATE utf8mb4_0900_bin", "'a' 'A' '1'"}, {"x", "VARBINARY(8)", "'a' 'A' '1'"}, {"dt", "DATE", "'2024-01-01' '2024-01-02'"},
		{"ts", "DATETIME", "'2024-01-01' '2024-01-01T10:00:00'"}, {"tm", "TIME(2)", "'10:00:00' '10:00:00.5'"}, {"y", "YEAR", "2001 2024"}, {"bt", "BIT(6)", "1 2 3"},
		{"e", "ENUM('a','b','1')", "'a' 'b' '1'"}, {"o", "ENUM('1','b','a')", "'a' 'b' '1'"}, {"m", "SET('a','b')", "'a' 'a,b' ''"}, {"k", "SET('b','a')", "'a' 'a,b'"},
		{"j", "JSON", "'1' '1.0' '1.5' '\"a\"' '[1]'"},
	}
	r := rand.New(rand.NewPCG(3, 7))
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d")
	for _, name := range []string{"p", "q"} {
		def, keys := "id INT PRIMARY KEY", ""
		for _, col := range columns {
			def += ", " + col.name + " " + col.typ
			if col.name != "j" && r.IntN(4) == 0 {
				keys += ", KEY (" + col.name + ")"
			}
		}
		var rows []string
		for n := range 40 {
			row := fmt.Sprint(n)
			for _, col := range columns {
				v := strings.Fields(col.values + " NULL")
				row += ", " + v[r.IntN(len(v))]
			}
			rows = append(rows, "("+row+")")
		}
		must(t, c, "CREATE TABLE "+name+" ("+def+keys+")", "INSERT INTO "+name+" VALUES "+strings.Join(rows, ", "))
	}
	column := func() string { return columns[r.IntN(len(columns))].name }
	rest := []func() string{
		func() string { return "p.id < q.id" },
		func() string { return fmt.Sprintf("p.id %% 3 = q.id %% %d", 1+r.IntN(3)) },
		func() string { return "(p.i > q.i OR p.d = q.d)" },
		func() string { return "p." + columns[r.IntN(5)].name + " <> q.i" },
	}
	found := 0
	for range 400 {
		a, b := column(), column()
		if r.IntN(2) == 0 {
			b = a
		}
		condition := fmt.Sprintf("p.%s = q.%s", a, b)
		if r.IntN(4) > 0 {
			condition += " AND " + rest[r.IntN(len(rest))]()
		}
		if r.IntN(3) == 0 {
			condition = fmt.Sprintf("p.%s = q.%[1]s AND ", column()) + condition
		}
		var rows, left, some int
		err := c.QueryRowContext(t.Context(), "SELECT SUM(n), COUNT(*) - SUM(n > 0) + SUM(n), SUM(n > 0) FROM (SELECT p.id, SUM(("+condition+") IS TRUE) n FROM p, q GROUP BY p.id) x").Scan(&rows, &left, &some)
		if err != nil {
			if _, refused := c.ExecContext(t.Context(), "SELECT COUNT(*) FROM p JOIN q ON "+condition); refused == nil {
				t.Errorf("%s: %v", condition, err)
			}
			continue // both are refused: 1267
		}
		for query, want := range map[string]int{
			"SELECT COUNT(*) FROM p JOIN q ON " + condition:                                          rows,
			"SELECT COUNT(*) FROM q JOIN p ON " + condition:                                          rows,
			"SELECT COUNT(*) FROM p LEFT JOIN q ON " + condition:                                     left,
			"SELECT COUNT(*) FROM p WHERE EXISTS (SELECT 1 FROM q WHERE " + condition + ")":          some,
			"SELECT 40 - COUNT(*) FROM p WHERE NOT EXISTS (SELECT 1 FROM q WHERE " + condition + ")": some,
		} {
			var got int
			if err := c.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %d, not %d, error %v", query, got, want, err)
			}
		}
		if rows > 0 {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d conditions are true of some rows", found)
	}
}
