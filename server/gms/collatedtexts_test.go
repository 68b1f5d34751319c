package gms_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/value"
)

// TestCollatedTexts: indexes (of first characters, too), ranges, sorts, groups, joins and sets of texts find what
// comparing row by row finds, in collations of all kinds.
func TestCollatedTexts(t *testing.T) {
	alphabet := []rune("aAbcChHsSßztüÄåæø\u0301\u00AD\t  -一ーカかァ가ﬁdžǆlL")
	rnd := rand.New(rand.NewPCG(3, 4))
	text := func() string {
		var b strings.Builder
		for range rnd.IntN(4) {
			b.WriteRune(alphabet[rnd.IntN(len(alphabet))])
		}
		return b.String()
	}
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	c := i.conn(i.open("d"))
	ids := func(query string) string {
		t.Helper()
		rows, err := c.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		var out []string
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			out = append(out, id)
		}
		return strings.Join(out, " ")
	}
	for _, name := range []string{
		"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci", "utf8mb4_0900_as_cs", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_general_ci", "utf8mb4_bin",
		"utf8mb4_cs_0900_ai_ci", "utf8mb4_da_0900_as_cs", "utf8mb4_hu_0900_as_cs", "utf8mb4_ja_0900_as_cs_ks", "utf8mb4_zh_0900_as_cs", "utf8mb4_czech_ci", "utf8mb4_german2_ci", "utf8mb4_croatian_ci",
	} {
		id, err := sql.ParseCollation("", name, false)
		if err != nil {
			t.Fatal(err)
		}
		by := value.CollationOf(id)
		compare := func(a, b string) int { return by.Compare([]byte(a), []byte(b)) }
		texts := make([]string, 40)
		var rows []string
		for n := range texts {
			if texts[n] = text(); n > 0 && rnd.IntN(3) == 0 {
				texts[n] = texts[rnd.IntN(n)] + texts[n]
			}
			rows = append(rows, fmt.Sprintf("(%d, '%s', '%[2]s', '%[2]s')", n, texts[n]))
		}
		must(t, c, "DROP TABLE IF EXISTS t", "CREATE TABLE t (id INT PRIMARY KEY, k VARCHAR(20), p VARCHAR(20), v VARCHAR(20), KEY k (k), KEY p (p(2), v)) COLLATE "+name,
			"INSERT INTO t VALUES "+strings.Join(rows, ", "), "SET NAMES utf8mb4 COLLATE "+name)
		// the numbers of the texts that a condition holds for
		these := func(holds func(string) bool) string {
			var out []string
			for n, x := range texts {
				if holds(x) {
					out = append(out, fmt.Sprint(n))
				}
			}
			return strings.Join(out, " ")
		}
		check := func(query, want string) {
			t.Helper()
			if got := ids(query); got != want {
				t.Errorf("%s of %q: got %s, want %s", query, texts, got, want)
			}
		}
		for range 6 {
			x, y := texts[rnd.IntN(len(texts))], text()
			for _, col := range []string{"k", "p", "v"} {
				check(fmt.Sprintf("SELECT id FROM t WHERE %s = '%s' ORDER BY id", col, x), these(func(s string) bool { return compare(s, x) == 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s > '%s' ORDER BY id", col, x), these(func(s string) bool { return compare(s, x) > 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s <= '%s' ORDER BY id", col, y), these(func(s string) bool { return compare(s, y) <= 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s BETWEEN '%s' AND '%s' ORDER BY id", col, y, x), these(func(s string) bool { return compare(s, y) >= 0 && compare(s, x) <= 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s IN ('%s', '%s') ORDER BY id", col, x, y), these(func(s string) bool { return compare(s, x) == 0 || compare(s, y) == 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s = '%s' OR %[1]s = '%[3]s' ORDER BY id", col, x, y), these(func(s string) bool { return compare(s, x) == 0 || compare(s, y) == 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s IN (SELECT v FROM t WHERE id < 3) ORDER BY id", col), these(func(s string) bool {
					return slices.ContainsFunc(texts[:3], func(x string) bool { return compare(s, x) == 0 })
				}))
				check(fmt.Sprintf("SELECT y.id FROM t x JOIN t y ON y.%s = x.v WHERE x.id = 0 ORDER BY y.id", col), these(func(s string) bool { return compare(s, texts[0]) == 0 }))
				check(fmt.Sprintf("SELECT id FROM t WHERE %s LIKE '%s%%' ORDER BY id", col, x), ids(fmt.Sprintf("SELECT id FROM t WHERE CONCAT(v, '') LIKE '%s%%' ORDER BY id", x)))
			}
		}
		order := make([]int, len(texts))
		for n := range order {
			order[n] = n
		}
		slices.SortFunc(order, func(a, b int) int {
			if n := compare(texts[a], texts[b]); n != 0 {
				return n
			}
			return a - b
		})
		sorted, groups, group := make([]string, len(order)), []string{}, map[int]int{}
		for n, o := range order {
			sorted[n] = fmt.Sprint(o)
			if n == 0 || compare(texts[order[n-1]], texts[o]) != 0 {
				groups = append(groups, "0")
			}
			group[len(groups)]++
			groups[len(groups)-1] = fmt.Sprint(group[len(groups)])
		}
		for _, col := range []string{"k", "p", "v"} {
			check(fmt.Sprintf("SELECT id FROM t ORDER BY %s, id", col), strings.Join(sorted, " "))
			check(fmt.Sprintf("SELECT COUNT(*) FROM t GROUP BY %s ORDER BY %[1]s", col), strings.Join(groups, " "))
			check(fmt.Sprintf("SELECT COUNT(*) FROM (SELECT DISTINCT %s FROM t) x UNION ALL SELECT COUNT(DISTINCT %[1]s) FROM t", col), fmt.Sprintf("%d %[1]d", len(groups)))
			check(fmt.Sprintf("SELECT id FROM (SELECT id, RANK() OVER (ORDER BY %s) n FROM t) x WHERE n = 1 ORDER BY id", col), these(func(s string) bool { return compare(s, texts[order[0]]) == 0 }))
			check(fmt.Sprintf("SELECT id FROM t WHERE %s = (SELECT MIN(%[1]s) FROM t) ORDER BY id", col), these(func(s string) bool { return compare(s, texts[order[0]]) == 0 }))
			check(fmt.Sprintf("SELECT id FROM t WHERE v = (SELECT MAX(%s) FROM t) ORDER BY id", col), these(func(s string) bool { return compare(s, texts[order[len(order)-1]]) == 0 }))
		}
	}
}
