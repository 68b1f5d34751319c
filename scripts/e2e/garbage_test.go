package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sextant/scripts/cluster"
)

const (
	keptFor = time.Second // storage.retention_time of the tests below
)

func keepsLittle() cluster.Options {
	return cluster.Options{Env: []string{
		"SEXTANT_STORAGE_RETENTION_TIME=" + keptFor.String(), "SEXTANT_STORAGE_DRAIN_INTERVAL=200ms",
		"SEXTANT_STORAGE_HOT_LOG_FILE=1MiB", "SEXTANT_STORAGE_HOT_LOG_FILES=4",
	}}
}

// diskUse returns the bytes of all files below each directory of the cluster's.
func diskUse(t *testing.T, c *cluster.Cluster) map[string]int64 {
	t.Helper()
	use := map[string]int64{}
	must(t, filepath.WalkDir(c.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // it was removed meanwhile
		}
		if fi, err := d.Info(); err == nil {
			rel, _ := filepath.Rel(c.Data, path)
			use[strings.Split(rel, string(filepath.Separator))[0]] += fi.Size()
		}
		return nil
	}))
	return use
}

// levelsOff writes times as many bytes as there are data, by write, for the files to level
// off, and then twice as many. It fails the test if any directory has grown by more than
// three quarters of those meanwhile: if nothing went, it would grow by twice as much as is
// written, as each node gets the log of it and makes versions of pages.
func levelsOff(t *testing.T, c *cluster.Cluster, data, times int64, write func() (bytes int64)) {
	t.Helper()
	rewrite := func(bytes int64) (written int64) {
		for written < bytes && !t.Failed() {
			written += write()
		}
		return written
	}
	rewrite(times * data)
	before := diskUse(t, c)
	written := rewrite(2 * times * data)
	after := diskUse(t, c)
	t.Logf("%d bytes written over %d: from %v to %v", written, data, before, after)
	for dir, n := range after {
		if grown := n - before[dir]; grown > written*3/4 {
			t.Errorf("%s has grown by %d bytes, from %d, while %d bytes were written over %d", dir, grown, before[dir], written, data)
		}
	}
}

// A load that rewrites the same rows does not make the storage nodes' files grow: versions
// and log that nobody reads go, and their space is used again. Nor does a reader that looks
// at an old snapshot hold it for longer than it looks.
func TestDiskUseOfRewrittenRowsLevelsOff(t *testing.T) {
	c := start(t, keepsLittle())
	db := pool(t, c, cluster.PortCluster, "")
	run(t, db, "CREATE DATABASE g", "CREATE TABLE g.t (id INT PRIMARY KEY, v VARCHAR(200), n INT, KEY (n))")
	const workers, rows, length = 4, 250, 150
	for w := range workers {
		var values []string
		for i := w * rows; i < (w+1)*rows; i++ {
			values = append(values, fmt.Sprintf("(%d, REPEAT('x', %d), %d)", i, length, i))
		}
		run(t, db, "INSERT INTO g.t VALUES "+strings.Join(values, ","))
	}
	n := 0
	levelsOff(t, c, workers*rows*length, 60, func() int64 {
		n++
		var wg sync.WaitGroup
		for w := range workers { // all rows at once, and some one by one
			wg.Go(func() {
				update := fmt.Sprintf("UPDATE g.t SET v = REPEAT('%c', %d), n = n + 1000 WHERE id >= %d AND id < %d", 'a'+rune(n%26), length, w*rows, (w+1)*rows)
				for i := range 4 {
					if _, err := db.ExecContext(deadline(t), update); err != nil {
						t.Error(err)
						return
					}
					update = fmt.Sprintf("UPDATE g.t SET v = REPEAT('%c', %d), n = n + 1000 WHERE id = %d", 'A'+rune(n%26), length, w*rows+(n*4+i)%rows)
				}
			})
		}
		wg.Wait()
		return workers * (rows + 3) * length
	})
}

// Tables that are filled and dropped use the same space again.
func TestDroppedTablesGiveSpaceBack(t *testing.T) {
	c := start(t, keepsLittle())
	db := pool(t, c, cluster.PortCluster, "")
	run(t, db, "CREATE DATABASE g")
	pages := func() (bytes uint64) {
		s, err := c.Status()
		must(t, err)
		return s.Volume.Bytes
	}
	empty := pages()
	comes := func(what string, is func(now uint64) bool) { // the status is some milliseconds old
		eventually(t, what, func(context.Context) error {
			if now := pages(); !is(now) {
				return fmt.Errorf("%d bytes of pages at first, now %d", empty, now)
			}
			return nil
		})
	}
	const rows, length = 4000, 250
	levelsOff(t, c, rows*length, 20, func() int64 {
		run(t, db, "CREATE TABLE g.t (id INT PRIMARY KEY, v VARCHAR(300))",
			fmt.Sprintf("INSERT INTO g.t WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n+1 FROM s WHERE n < 999) SELECT n, REPEAT('x', %d) FROM s", length))
		for k := 1; k < rows/1000; k *= 2 {
			run(t, db, fmt.Sprintf("INSERT INTO g.t SELECT id + %d, v FROM g.t", 1000*k))
		}
		comes("the table's pages", func(now uint64) bool { return now > empty+1<<20 })
		run(t, db, "DROP TABLE g.t")
		comes("free pages", func(now uint64) bool { return now < empty+1<<19 })
		return rows * length
	})
}
