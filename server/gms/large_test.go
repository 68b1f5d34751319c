package gms_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

// largeRows is the size of the tables of these tests; SEXTANT_LARGE=1, which make large sets, makes them a million rows.
func largeRows() int {
	if os.Getenv("SEXTANT_LARGE") != "" {
		return 1_000_000
	}
	return 100_000
}

// liveHeap is the bytes that are reachable.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// engineHeap returns about how many bytes of the live heap are not the volume's, which is in memory here: by the
// profile, whose samples are scaled as pprof does.
func engineHeap() int64 {
	runtime.GC()
	n, _ := runtime.MemProfile(nil, false)
	records := make([]runtime.MemProfileRecord, n+1000)
	n, _ = runtime.MemProfile(records, false)
	sum := 0.0
	for _, r := range records[:n] {
		if r.InUseObjects() == 0 {
			continue
		}
		volume := false
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more && !volume; {
			var f runtime.Frame
			f, more = frames.Next()
			volume = strings.Contains(f.Function, "/memvolume.")
		}
		if size := float64(r.InUseBytes()); !volume {
			sum += size / (1 - math.Exp(-size/float64(r.InUseObjects())/float64(runtime.MemProfileRate)))
		}
	}
	return int64(sum)
}

// peakHeap calls f and returns by how much the live heap grew meanwhile at most, as seen
// at the calls of look that f makes.
func peakHeap(f func(look func())) int64 {
	before, peak := liveHeap(), int64(0)
	f(func() { peak = max(peak, liveHeap()-before) })
	return peak
}

// largeTable makes d.t with n narrow rows.
func largeTable(t *testing.T, c execer, n int) {
	t.Helper()
	must(t, c, "CREATE DATABASE IF NOT EXISTS d", "CREATE TABLE d.t (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(20) NOT NULL)",
		"SET cte_max_recursion_depth = 100000000")
	for from := 0; from < n; from += 50_000 {
		to := min(from+50_000, n)
		must(t, c, fmt.Sprintf("INSERT INTO d.t WITH RECURSIVE r (i) AS (SELECT %d UNION ALL SELECT i+1 FROM r WHERE i < %d) SELECT i, (i*7919) %% 1000003, CONCAT('row ', i) FROM r", from, to-1))
	}
}

// A result of any size is sent as it is read: a client that stops reading stops the scan,
// and the server keeps nothing but what stands in its buffers.
func TestLargeResultsStream(t *testing.T) {
	const bound = 16 << 20
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{CacheBytes: 4 << 20})
	c := i.conn(i.open(""))
	rows := largeRows()
	largeTable(t, c, rows)
	one(t, c, "SELECT COUNT(*) FROM d.t")
	text := func(q string) (*sql.Rows, error) { return c.QueryContext(t.Context(), q) }
	prepared := func(q string) (*sql.Rows, error) { return c.QueryContext(t.Context(), q+" WHERE id >= ?", 0) }
	for name, query := range map[string]func(string) (*sql.Rows, error){"text": text, "prepared": prepared} {
		n := 0
		peak := peakHeap(func(look func()) {
			r, err := query("SELECT * FROM d.t")
			if err != nil {
				t.Fatal(err)
			}
			for ; r.Next(); n++ {
				if n%(rows/5) == 0 { // as long as this takes the client reads nothing
					look()
				}
			}
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %d rows, %d KiB more than before at most", name, n, peak>>10)
		if n != rows || peak > bound {
			t.Errorf("%s: %d rows of %d, %d bytes kept, at most %d expected", name, n, rows, peak, bound)
		}
	}
}

// A BLOB of max_allowed_packet's order goes in as text, as a parameter and as long data,
// and comes back; beyond max_allowed_packet there is error 1153.
func TestLargeBlobs(t *testing.T) {
	size := 8 << 20
	if os.Getenv("SEXTANT_LARGE") != "" {
		size = 64 << 20
	}
	i := startInstance(t)
	admin := i.conn(i.open(""))
	must(t, admin, "CREATE DATABASE d", "CREATE TABLE d.b (id INT PRIMARY KEY, b LONGBLOB NOT NULL)",
		fmt.Sprintf("SET GLOBAL max_allowed_packet = %d", 4*size))
	defer must(t, admin, "SET GLOBAL max_allowed_packet = 67108864")
	blob := make([]byte, size)
	_, _ = rand.Read(blob)
	for id, params := range []string{"d?maxAllowedPacket=1073741824&interpolateParams=true", "d?maxAllowedPacket=1073741824", "d?maxAllowedPacket=65536"} {
		c := i.conn(i.open(params)) // the last sends long data
		if _, err := c.ExecContext(t.Context(), "INSERT INTO b VALUES (?, ?)", id, blob); err != nil {
			t.Fatalf("%s: %v", params, err)
		}
		var got []byte
		if err := i.conn(i.open("d?maxAllowedPacket=1073741824")).QueryRowContext(t.Context(), "SELECT b FROM b WHERE id = ?", id).Scan(&got); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("%s: %d bytes came back, %v", params, len(got), err)
		}
	}
	if got := one(t, admin, "SELECT COUNT(*) FROM d.b WHERE LENGTH(b) = "+fmt.Sprint(size)); got != "3" {
		t.Errorf("%s rows of the length", got)
	}
	must(t, admin, fmt.Sprintf("SET GLOBAL max_allowed_packet = %d", size/2))
	c := i.conn(i.open("d?maxAllowedPacket=1073741824&interpolateParams=true"))
	if _, err := c.ExecContext(context.Background(), "INSERT INTO b VALUES (9, ?)", blob); err == nil {
		t.Error("a packet that is too large was taken")
	}
	if one(t, admin, "SELECT COUNT(*) FROM d.b") != "3" {
		t.Error("the row is there")
	}
}

// CREATE INDEX and a rewriting ALTER keep a chunk of what they sort for each index, however
// many rows there are, and say in SHOW PROCESSLIST how far they are. The heap is
// counted net of the volume, which is in memory here.
func TestLargeTablesAreAltered(t *testing.T) {
	const bound = 96 << 20 // two chunks of 32 MiB with what they are made of, and the log on its way
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{CacheBytes: 4 << 20})
	c, other := i.conn(i.open("")), i.conn(i.open(""))
	rows := largeRows()
	largeTable(t, c, rows)
	for _, q := range []string{"CREATE INDEX n ON d.t (n, s)", "ALTER TABLE d.t MODIFY n BIGINT NOT NULL"} {
		before, states := engineHeap(), map[string]bool{}
		done := make(chan error, 1)
		go func() {
			_, err := c.ExecContext(t.Context(), q)
			done <- err
		}()
		peak := before
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			default:
				peak = max(peak, engineHeap())
				var state sql.NullString
				err := other.QueryRowContext(t.Context(), "SELECT state FROM information_schema.processlist WHERE info = ?", q).Scan(&state)
				if err == nil {
					states[state.String] = true
				}
			}
		}
		kept := peak - max(before, engineHeap())
		t.Logf("%s: %d rows, %d MiB kept meanwhile at most; %d states shown", q, rows, kept>>20, len(states))
		if kept > bound {
			t.Errorf("%s: %d bytes kept, at most %d expected", q, kept, bound)
		}
	}
	if got := one(t, other, "SELECT COUNT(*) FROM d.t FORCE INDEX (n)"); got != fmt.Sprint(rows) {
		t.Errorf("%s rows", got)
	}
	if _, err := i.db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A million row changes are one transaction while they fit server.max_transaction_bytes;
// beyond it there is error 1197 at once, the transaction's memory is given back, and the
// session goes on.
func TestLargeTransactions(t *testing.T) {
	const limit = 24 << 20
	i := startInstanceOn(t, memvolume.New(memvolume.Options{}), engine.Options{MaxTransactionBytes: limit})
	c := i.conn(i.open(""))
	rows := largeRows()
	largeTable(t, c, rows)
	base := i.db.MemoryUsed()
	must(t, c, "CREATE TABLE d.big (id INT PRIMARY KEY, s VARCHAR(250))")
	wantError(t, c, "INSERT INTO d.big SELECT id, REPEAT('x', 200) FROM d.t", 1197, "HY000")
	if got := one(t, c, "SELECT COUNT(*) FROM d.big"); got != "0" || i.db.MemoryUsed() > base+1<<20 {
		t.Errorf("%s rows, %d bytes taken", got, i.db.MemoryUsed()-base)
	}
	if rows > 100_000 {
		wantError(t, c, "DELETE FROM d.t", 1197, "HY000") // TRUNCATE, or DELETE … LIMIT in turns
		if got := one(t, c, "SELECT COUNT(*) FROM d.t"); got != fmt.Sprint(rows) {
			t.Errorf("%s rows", got)
		}
		return
	}
	must(t, c, "UPDATE d.t SET n = n + 1", "DELETE FROM d.t")
	if got := one(t, c, "SELECT COUNT(*) FROM d.t"); got != "0" || i.db.MemoryUsed() > base+1<<20 {
		t.Errorf("%s rows, %d bytes taken", got, i.db.MemoryUsed()-base)
	}
}

// A commit of more records or pages than a mini-transaction has is refused by what it
// has too many of, at COMMIT, and the session goes on.
func TestCommitsOfTooManyRecords(t *testing.T) {
	for want, o := range map[string]engine.Options{
		"Multi-statement transaction required more than 1000 log records; use several transactions": {MaxMTRRecords: 1000},
		"Multi-statement transaction required more than 20 pages; use several transactions":         {MaxTransactionPages: 20},
	} {
		i := startInstanceOn(t, memvolume.New(memvolume.Options{}), o)
		c := i.conn(i.open(""))
		must(t, c, "CREATE DATABASE d", "USE d", "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(250), KEY (s))", "BEGIN",
			"INSERT INTO t WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 900) SELECT n, REPEAT(CHAR(97 + n % 26), 200) FROM r")
		_, err := c.ExecContext(t.Context(), "COMMIT")
		if e, ok := errors.AsType[*mysql.MySQLError](err); !ok || e.Number != 1197 || e.Message != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if got := one(t, c, "SELECT COUNT(*) FROM t"); got != "0" {
			t.Errorf("%s rows", got)
		}
	}
}

// With the default limits a million rows are inserted, changed and deleted by a statement each.
func TestAMillionRowChanges(t *testing.T) {
	if os.Getenv("SEXTANT_LARGE") == "" {
		t.Skip("run by make large")
	}
	i := startInstance(t)
	c := i.conn(i.open(""))
	rows := largeRows()
	largeTable(t, c, rows)
	must(t, c, "CREATE TABLE d.u LIKE d.t")
	for _, q := range []string{"INSERT INTO d.u SELECT * FROM d.t", "UPDATE d.u SET n = n + 1", "DELETE FROM d.u"} {
		base, heap, budget, before := i.db.MemoryUsed(), int64(0), int64(0), liveHeap()
		done := make(chan error, 1)
		go func() {
			_, err := c.ExecContext(t.Context(), q)
			done <- err
		}()
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("%s: %v", q, err)
				}
				running = false
			default:
				budget = max(budget, i.db.MemoryUsed()-base)
				heap = max(heap, liveHeap())
			}
		}
		kept, left := heap-max(before, liveHeap()), i.db.MemoryUsed()-base
		t.Logf("%s: %d rows, %d MiB of the budget, %d MiB of heap kept meanwhile at most, %d bytes of the budget left", q, rows, budget>>20, kept>>20, left)
		if kept > budget+512*int64(rows) || left > 1<<20 { // a commit's log records are not in the budget
			t.Errorf("%s: %d bytes kept, %d of the budget; %d left", q, kept, budget, left)
		}
	}
}

// A thousand tables are made, listed, described and dropped; a reader's catalog is not
// slower with each.
func TestAThousandTables(t *testing.T) {
	tables := 200
	if os.Getenv("SEXTANT_LARGE") != "" {
		tables = 1000
	}
	i := startInstance(t)
	c := i.conn(i.open(""))
	must(t, c, "CREATE DATABASE d", "USE d")
	before := liveHeap()
	for n := range tables {
		must(t, c, fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(50) NOT NULL, b INT, KEY b (b))", n))
	}
	t.Logf("%d KiB for each table, in the volume too", (liveHeap()-before)>>10/int64(tables))
	for q, want := range map[string]int{
		"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd'":                      tables,
		"SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'd'":                     3 * tables,
		"SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = 'd'":                  2 * tables,
		"SELECT COUNT(*) FROM information_schema.key_column_usage WHERE table_schema = 'd'":            tables,
		"SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'd' AND table_name='t7'": 3,
	} {
		if got := one(t, c, q); got != fmt.Sprint(want) {
			t.Errorf("%s: %s, want %d", q, got, want)
		}
	}
	for n := range tables {
		must(t, c, fmt.Sprintf("INSERT INTO t%d (a, b) VALUES ('x', %d)", n, n), fmt.Sprintf("DESCRIBE t%d", n))
	}
	for n := range tables {
		must(t, c, fmt.Sprintf("DROP TABLE t%d", n))
	}
	if got := one(t, c, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd'"); got != "0" {
		t.Errorf("%s tables are left", got)
	}
	if _, err := i.db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// Five hundred connections are open at once, and each runs a transaction.
func TestFiveHundredConnections(t *testing.T) {
	const connections, bound = 500, 128 << 10
	i := startInstance(t)
	pool := i.open("")
	must(t, i.conn(pool), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, n INT NOT NULL)")
	before := liveHeap()
	conns := make([]*sql.Conn, connections)
	for n := range conns {
		conns[n] = i.conn(pool)
		one(t, conns[n], "SELECT 1")
	}
	each := (liveHeap() - before) / connections
	t.Logf("%d KiB for each idle connection, its client's side included", each>>10)
	if each > bound {
		t.Errorf("%d bytes for each idle connection, at most %d expected", each, bound)
	}
	done := make(chan error, connections)
	for n, c := range conns {
		go func() {
			for _, q := range []string{"BEGIN", fmt.Sprintf("INSERT INTO d.t VALUES (%d, 0)", n), fmt.Sprintf("UPDATE d.t SET n = n + 1 WHERE id = %d", n), "COMMIT"} {
				if _, err := c.ExecContext(t.Context(), q); err != nil {
					done <- fmt.Errorf("%s: %w", q, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range conns {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := one(t, conns[0], "SELECT SUM(n) FROM d.t"); got != fmt.Sprint(connections) {
		t.Errorf("sum %s", got)
	}
}
