package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sextant/scripts/cluster"
)

const (
	keptFor   = time.Second // storage.retention_time of the tests below
	phasesMax = 14          // phases in which disk use must come to level off
)

func keepsLittle() cluster.Options {
	return cluster.Options{Env: []string{
		"SEXTANT_STORAGE_RETENTION_TIME=" + keptFor.String(), "SEXTANT_STORAGE_DRAIN_INTERVAL=200ms",
		"SEXTANT_STORAGE_HOT_LOG_FILE=1MiB", "SEXTANT_STORAGE_HOT_LOG_FILES=4",
	}}
}

// diskUse returns the bytes of all files of each storage node.
func diskUse(t *testing.T, c *cluster.Cluster) (use [6]int64) {
	t.Helper()
	for n := range use {
		err := filepath.WalkDir(filepath.Join(c.Data, fmt.Sprintf("storage-%d", n+1)), func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // it was removed meanwhile
			}
			if fi, err := d.Info(); err == nil {
				use[n] += fi.Size()
			}
			return nil
		})
		must(t, err)
	}
	return use
}

// levelsOff runs phases until no node uses a tenth more than two phases ago. What grows
// steadily never does within phasesMax.
func levelsOff(t *testing.T, c *cluster.Cluster, phase func()) {
	t.Helper()
	var all [][6]int64
	for k := range phasesMax {
		phase()
		all = append(all, diskUse(t, c))
		if k < 3 {
			continue
		}
		level := true
		for n := range all[k] {
			level = level && float64(all[k][n]) <= 1.1*float64(all[k-2][n])
		}
		if level {
			t.Logf("bytes of each node after %d phases: %v, after the first %v", k+1, all[k], all[0])
			return
		}
	}
	t.Errorf("the files grow and grow: %v", all)
}

// A load that rewrites the same rows does not make the storage nodes' files grow: versions
// and log that nobody reads go, and their space is used again. Nor does a reader that looks
// at an old snapshot hold it for longer than it looks.
func TestDiskUseOfRewrittenRowsLevelsOff(t *testing.T) {
	c := start(t, keepsLittle())
	db := pool(t, c, cluster.PortCluster, "")
	run(t, db, "CREATE DATABASE g", "CREATE TABLE g.t (id INT PRIMARY KEY, v VARCHAR(200), n INT, KEY (n))")
	var rows []string
	for i := range 1000 {
		rows = append(rows, fmt.Sprintf("(%d, REPEAT('x', 150), %d)", i, i))
	}
	run(t, db, "INSERT INTO g.t VALUES "+strings.Join(rows, ","))
	levelsOff(t, c, func() {
		var updates atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for w := range 4 {
			wg.Go(func() { // some hundred updates, and what is kept has been replaced twice
				for i := w; updates.Load() < 400 || time.Since(began) < 2*keptFor; i += 4 {
					_, err := db.ExecContext(deadline(t), fmt.Sprintf("UPDATE g.t SET v = REPEAT('%c', 150), n = n + 1000 WHERE id = %d", 'a'+rune(i%26), i%1000))
					if err != nil {
						t.Error(err)
						return
					}
					updates.Add(1)
				}
			})
		}
		wg.Wait()
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
	levelsOff(t, c, func() {
		for began := time.Now(); time.Since(began) < 2*keptFor; {
			run(t, db, "CREATE TABLE g.t (id INT PRIMARY KEY, v VARCHAR(300))",
				"INSERT INTO g.t WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n+1 FROM s WHERE n < 999) SELECT n, REPEAT('x', 250) FROM s")
			for k := 1; k < 8; k *= 2 {
				run(t, db, fmt.Sprintf("INSERT INTO g.t SELECT id + %d, v FROM g.t", 1000*k))
			}
			comes("the table's pages", func(now uint64) bool { return now > empty+2<<20 })
			run(t, db, "DROP TABLE g.t")
			comes("free pages", func(now uint64) bool { return now < empty+1<<20 })
		}
	})
}
