package gms_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestLookupsAgreeWithScans compares conditions that become a lookup by key with
// the same conditions on expressions, which no index serves.
func TestLookupsAgreeWithScans(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "create database d", "use d",
		`create table t (id int primary key, k int, s tinyint not null, u bigint unsigned not null, v varchar(10),
			key k (k), key s (s), key both_1 (v, u), unique key su (s, u))`)
	r := rand.New(rand.NewPCG(1, 2))
	for id := range 200 {
		k := fmt.Sprint(r.IntN(40) - 20)
		if r.IntN(8) == 0 {
			k = "null"
		}
		must(t, c, fmt.Sprintf("insert into t values (%d, %s, %d, %d, 'v%d')", id, k, r.IntN(40)-20, id, r.IntN(5)))
	}
	must(t, c, "insert into t values (-1, 2147483647, 127, 18446744073709551615, 'x')",
		"insert into t values (-2, -2147483648, -128, 0, 'y')")
	number := func() string {
		edge := []string{"2147483647", "-2147483648", "127", "128", "-129", "9223372036854775807",
			"-9223372036854775808", "18446744073709551615", "'5'", "null", "true"}
		if r.IntN(6) == 0 {
			return edge[r.IntN(len(edge))]
		}
		return fmt.Sprint(r.IntN(60) - 30)
	}
	leaf := func(col string) string {
		switch r.IntN(4) {
		case 0:
			return fmt.Sprintf("%s between %s and %s", col, number(), number())
		case 1:
			return fmt.Sprintf("%s in (%s, %s, %s)", col, number(), number(), number())
		default:
			op := []string{"=", "<", "<=", ">", ">=", "=", "<=>", "<>"}[r.IntN(8)]
			return fmt.Sprintf("%s %s %s", col, op, number())
		}
	}
	for n := range 1500 {
		col := []string{"id", "k", "s", "u"}[r.IntN(4)]
		cond := leaf("@" + col)
		for range r.IntN(4) {
			if r.IntN(4) == 0 {
				col = []string{"id", "k", "s", "u"}[r.IntN(4)]
			}
			cond = fmt.Sprintf("(%s %s %s)", cond, []string{"or", "and"}[r.IntN(2)], leaf("@"+col))
		}
		if r.IntN(5) == 0 {
			cond += " and v <> 'v1'"
		}
		masked := cond
		for _, col := range []string{"id", "k", "s", "u"} {
			cond = strings.ReplaceAll(cond, "@"+col+" ", col+" ")
			masked = strings.ReplaceAll(masked, "@"+col+" ", "coalesce("+col+") ")
		}
		for _, list := range []string{"count(k), sum(k)", "count(*), sum(id)"} {
			got := row2(t, c, "select "+list+" from t"+[]string{"", " a"}[n%2]+" where "+cond)
			want := row2(t, c, "select "+list+" from t where "+masked)
			if got != want {
				t.Fatalf("%d: %s: %s by key, %s by scan", n, cond, got, want)
			}
		}
	}
}

// row2 returns the two values of a query's one row.
func row2(t *testing.T, c execer, query string) string {
	t.Helper()
	var a, b any
	if err := c.QueryRowContext(t.Context(), query).Scan(&a, &b); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return fmt.Sprintf("%s %s", a, b)
}
