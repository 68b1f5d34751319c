package gms_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyDisjuncts: the plan of an OR takes time with its parts, not with their square or cube: with it a statement as ORMs make
// would not come to its end. Up to some thousand parts are ranges of an index.
func TestManyDisjuncts(t *testing.T) {
	i := startInstance(t)
	must(t, i.open(""), "CREATE DATABASE d")
	db := i.open("d")
	must(t, db, "CREATE TABLE c (id INT, b INT, PRIMARY KEY (id, b))")
	must(t, db, "INSERT INTO c VALUES (1, 1), (2, 4), (3, 8), (299, 89401), (8999, 80982001)")
	for parts, want := range map[int]int{100: 2, 300: 3, 2000: 3, 9000: 4} {
		var or []string
		for i := range parts {
			or = append(or, fmt.Sprintf("c.id = %d AND c.b = %d", i, i*i))
		}
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM c WHERE " + strings.Join(or, " OR ")).Scan(&n); err != nil || n != want {
			t.Errorf("%d parts: %d rows, want %d (%v)", parts, n, want, err)
		}
	}
}
