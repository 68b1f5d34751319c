package gms_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// CREATE INDEX and an ALTER that rewrites the table do not stop others from reading and
// writing another table.
// SEXTANT_DDL_ROWS=1000000 runs it on as many rows, and tells the heap that it took.
func TestDDLDoesNotStopOthers(t *testing.T) {
	rows := 1 << 14
	if v := os.Getenv("SEXTANT_DDL_ROWS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rows = n
	}
	i := startInstance(t)
	pool := i.open("")
	a, b := i.conn(pool), i.conn(pool)
	must(t, a, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, n INT NOT NULL)", "CREATE TABLE d.u (id INT PRIMARY KEY, n INT)",
		"INSERT INTO d.u VALUES (1,0)", "INSERT INTO d.t VALUES (0,0)")
	for n := 1; n < rows; n *= 2 {
		step := min(n, 1<<16, rows-n)
		for from := 0; from < n && n+from < rows; from += step {
			must(t, a, fmt.Sprintf("INSERT INTO d.t SELECT id+%d, (id*7)%%1000 FROM d.t WHERE id BETWEEN %d AND %d", n, from, min(from+step, n, rows-n)-1))
		}
	}
	for _, q := range []string{"CREATE INDEX n ON d.t (n)", "ALTER TABLE d.t MODIFY n BIGINT NOT NULL"} {
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		done, peak, writes, began := make(chan error, 1), uint64(0), 0, time.Now()
		go func() {
			_, err := a.ExecContext(t.Context(), q)
			done <- err
		}()
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			default:
				must(t, b, "UPDATE d.u SET n=n+1 WHERE id=1")
				one(t, b, "SELECT n FROM d.u WHERE id=1")
				writes++
				if writes%8 == 0 {
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapInuse)
				}
			}
		}
		took := time.Since(began)
		runtime.GC()
		runtime.ReadMemStats(&now)
		t.Logf("%s: %d rows, %v, %d writes and reads of another table meanwhile; heap %d MiB before, %d at most, %d after",
			q, rows, took.Round(time.Millisecond), writes, before.HeapInuse>>20, peak>>20, now.HeapInuse>>20)
		if writes < 2 {
			t.Errorf("%s: another table was written %d times meanwhile", q, writes)
		}
	}
	if _, err := i.db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if got := one(t, b, "SELECT COUNT(*) FROM d.t"); got != fmt.Sprint(rows) {
		t.Errorf("%s rows, want %d", got, rows)
	}
}

// What reads information_schema finds each table that it lists, while others are created and dropped.
func TestInformationSchemaBesideDDL(t *testing.T) {
	i := startInstance(t)
	pool := i.open("")
	a, b := i.conn(pool), i.conn(pool)
	must(t, a, "CREATE DATABASE d")
	done, stop := make(chan error, 1), make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			for _, q := range []string{"CREATE TABLE d.t%d (id INT PRIMARY KEY, n INT, KEY (n))", "DROP TABLE d.t%d"} {
				if _, err := a.ExecContext(t.Context(), fmt.Sprintf(q, n)); err != nil {
					done <- err
					return
				}
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	for range 4 {
		for _, q := range []string{"TABLES", "COLUMNS", "STATISTICS", "TABLE_CONSTRAINTS"} {
			one(t, b, "SELECT COUNT(*) FROM information_schema."+q)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
