package gms_test

import (
	"strings"
	"testing"
)

// While profiling is on, the last statements are kept with their times, those of SHOW PROFILE not.
func TestProfiles(t *testing.T) {
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "SELECT 1", "SET profiling = 1", "SET profiling_history_size = 2", "DO 2", "DO 3")
	show := func(query string) (rows [][]string) {
		list, err := c.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		columns, err := list.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for list.Next() {
			row, to := make([]string, len(columns)), make([]any, len(columns))
			for i := range row {
				to[i] = &row[i]
			}
			if err := list.Scan(to...); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		return rows
	}
	for range 2 {
		got := show("SHOW PROFILES")
		if len(got) != 2 || got[0][0] != "2" || got[0][2] != "DO 2" || got[1][0] != "3" || got[1][2] != "DO 3" || strings.HasPrefix(got[1][1], "-") {
			t.Fatalf("SHOW PROFILES: %q", got)
		}
	}
	for query, want := range map[string]int{
		"SHOW PROFILE": 2, "SHOW PROFILE CPU, BLOCK IO FOR QUERY 2 LIMIT 1": 1, "SHOW PROFILE FOR QUERY 1": 0, "SHOW PROFILE FOR QUERY 3 LIMIT 2 OFFSET 1": 1,
	} {
		if got := show(query); len(got) != want {
			t.Errorf("%s: %q", query, got)
		}
	}
	if got := show("SHOW PROFILE FOR QUERY 3"); len(got) != 2 || got[0][0] != "starting" || got[1][0] != "executing" || got[0][1] == "0.000000" {
		t.Errorf("SHOW PROFILE: %q", got)
	}
	must(t, c, "SET profiling = 0", "DO 4")
	if got := show("SHOW PROFILES"); len(got) != 2 || got[1][2] != "DO 3" {
		t.Errorf("behind SET profiling = 0: %q", got)
	}
}
