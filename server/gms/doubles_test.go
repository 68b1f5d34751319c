package gms_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// What a client binds or loads is no infinity and no NaN in a table.
func TestDoublesStayFinite(t *testing.T) {
	dir := t.TempDir()
	rows := filepath.Join(dir, "rows")
	if err := os.WriteFile(rows, []byte("1e400\n-1e400\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	i := secured(t, dir)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (d DOUBLE)")
	for _, v := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		if _, err := c.ExecContext(t.Context(), "INSERT INTO t VALUES (?)", v); err == nil {
			t.Errorf("%v is stored", v)
		}
	}
	load := fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE t", rows)
	wantError(t, c, load, 1264, "22003")
	must(t, c, "SET sql_mode = ''", load)
	if got := rowsOf(t.Context(), c, "SELECT d FROM t"); got != "(1.7976931348623157e+308) (-1.7976931348623157e+308)" {
		t.Errorf("loaded %s", got)
	}
}
