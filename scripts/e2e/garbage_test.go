package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sextant/scripts/cluster"
)

// keepsNothing are options of a cluster whose storage nodes collect what nobody reads as
// soon as it is in their files. On a busy machine their small hot logs may stop writes for a
// while: that is no matter here.
func keepsNothing() cluster.Options {
	return cluster.Options{Env: []string{
		"SEXTANT_STORAGE_RETENTION_TIME=0", "SEXTANT_STORAGE_DRAIN_INTERVAL=100ms",
		"SEXTANT_SERVER_MAX_TRANSACTION_BYTES=64MiB", "SEXTANT_STORAGE_HOT_LOG_FILE=1MiB", fmt.Sprint("SEXTANT_STORAGE_HOT_LOG_FILES=", hotFiles),
	}}
}

const hotFiles = 4

// levels are bytes by storage node.
type levels map[string]int64

// raise makes each at least that of o.
func (l levels) raise(o levels) {
	for node, n := range o {
		l[node] = max(l[node], n)
	}
}

// files returns the bytes of the segments' files of each storage node. The hot log has a
// bound of its own, which is checked.
func files(t *testing.T, c *cluster.Cluster) levels {
	t.Helper()
	use := levels{}
	must(t, filepath.WalkDir(c.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // it was removed meanwhile
		}
		rel, _ := filepath.Rel(c.Data, path)
		node, file, _ := strings.Cut(rel, string(filepath.Separator))
		if fi, err := d.Info(); err == nil && strings.HasPrefix(file, "segments") {
			use[node] += fi.Size()
		}
		return nil
	}))
	for node := range use {
		if hot, _ := filepath.Glob(filepath.Join(c.Data, node, "hot", "*")); len(hot) > 2*hotFiles {
			t.Errorf("%s has %q", node, hot)
		}
	}
	return use
}

var metricLine = regexp.MustCompile(`^sextant_(\w+)\{node="[^"]+"\} (\S+)$`)

// even returns the highest level for every node: which of them has free pages in its files first is chance.
func (l levels) even() levels {
	out := levels{}
	for node := range l {
		out[node] = slices.Max(slices.Collect(maps.Values(l)))
	}
	return out
}

// collected waits until each storage node has everything in its files, and in them not more
// than most, if that is not nil. It returns the bytes in use.
func collected(t *testing.T, c *cluster.Cluster, most levels) levels {
	t.Helper()
	used := levels{}
	for i := range 6 {
		node := fmt.Sprint("storage-", i+1)
		eventually(t, node+" collects garbage", func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Addr(561+i)+"/metrics", nil)
			if err != nil {
				return err
			}
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer a.Body.Close()
			m := map[string]float64{}
			for s := bufio.NewScanner(a.Body); s.Scan(); {
				if f := metricLine.FindStringSubmatch(s.Text()); f != nil {
					m[f[1]], _ = strconv.ParseFloat(f[2], 64) // 0 is none
				}
			}
			n := int64(m["stored_bytes"] - m["free_bytes"])
			if n == 0 || m["records_bytes"] > 0 || most != nil && n > most[node] {
				return fmt.Errorf("%d bytes in use, want at most %d; %v bytes of records in memory", n, most[node], m["records_bytes"])
			}
			used[node] = n
			return nil
		})
	}
	return used
}

// levelsOff calls write, which writes so many bytes, for a window of so many calls to warm up,
// and for two that are compared. After each call it waits until garbage is collected, so that neither the
// machine's speed nor its other work matters. It fails the test if a node has more than in
// the window before, in its files as they are on disk or of them in use: by more than
// a tenth, or by more than one call leaves for a while, its log and versions of its pages.
func levelsOff(t *testing.T, c *cluster.Cluster, calls int, bytes int64, write func()) {
	t.Helper()
	limit := func(before levels) levels {
		l := levels{}
		for node, n := range before {
			l[node] = n + max(n/10, 2*bytes)
		}
		return l
	}
	var used, disk levels // at most
	for window := range 3 {
		most := levels{}
		for range calls {
			write()
			if t.Failed() {
				return
			}
			most.raise(collected(t, c, used))
		}
		now := files(t, c)
		t.Logf("%d bytes written: at most %v bytes in use, of files of %v", int64(calls)*bytes, most, now)
		for node, n := range now {
			if disk != nil && n > disk[node] {
				t.Errorf("%s has files of %d bytes, want at most %d", node, n, disk[node])
			}
		}
		if window > 0 {
			used, disk = limit(most), limit(now.even())
		}
	}
	if len(disk) != 6 {
		t.Errorf("files of %d nodes", len(disk))
	}
}

// A load that rewrites the same rows does not make the storage nodes' files grow: versions
// and log that nobody reads go, and their space is used again.
func TestDiskUseOfRewrittenRowsLevelsOff(t *testing.T) {
	c := start(t, keepsNothing(), quorumLost)
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
	rewrite := func() {
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
	}
	const times = 6
	levelsOff(t, c, 6, times*workers*rows*length, func() {
		for range times {
			rewrite()
		}
	})
}

// Tables that are filled and dropped use the same space again. Before that they fill the
// 512 pages (8 MiB) that the writer puts aside at a time, and a second time with the log that
// a page has beside its image: the first window writes twice as much.
func TestDroppedTablesGiveSpaceBack(t *testing.T) {
	c := start(t, keepsNothing(), quorumLost)
	db := pool(t, c, cluster.PortCluster, "")
	run(t, db, "CREATE DATABASE g")
	empty := uint64(0)
	comes := func(what string, is func(now uint64) bool) (now uint64) { // the status is some milliseconds old
		eventually(t, what, func(context.Context) error {
			s, err := c.Status()
			if err != nil { // no control node leads for a moment
				return err
			}
			if now = s.Volume.Bytes; !is(now) {
				return fmt.Errorf("%d bytes of pages at first, now %d", empty, now)
			}
			return nil
		})
		return now
	}
	empty = comes("a status", func(uint64) bool { return true })
	const rows, length = 8000, 250
	levelsOff(t, c, 9, rows*length, func() {
		run(t, db, "CREATE TABLE g.t (id INT PRIMARY KEY, v VARCHAR(300))",
			fmt.Sprintf("INSERT INTO g.t WITH RECURSIVE s AS (SELECT 0 AS n UNION ALL SELECT n+1 FROM s WHERE n < 999) SELECT n, REPEAT('x', %d) FROM s", length))
		for k := 1; k < rows/1000; k *= 2 {
			run(t, db, fmt.Sprintf("INSERT INTO g.t SELECT id + %d, v FROM g.t", 1000*k))
		}
		comes("the table's pages", func(now uint64) bool { return now > empty+1<<20 })
		run(t, db, "DROP TABLE g.t")
		comes("free pages", func(now uint64) bool { return now < empty+1<<19 })
	})
}
