package e2e

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sextant/scripts/cluster"
)

const (
	sysbenchRows    = "2500"
	sysbenchSeconds = "2"
)

var (
	transactions  = regexp.MustCompile(`transactions:\s+(\d+)`)
	ignoredErrors = regexp.MustCompile(`ignored errors:\s+(\d+)`)
	reconnects    = regexp.MustCompile(`reconnects:\s+(\d+)`)
)

// TestSysbench runs every OLTP workload from prepare to cleanup with eight threads:
// no error, no reconnect, and none ignored but for deadlocks, which only the
// workloads with several writes in a transaction may have.
func TestSysbench(t *testing.T) {
	if _, err := exec.LookPath("sysbench"); err != nil {
		t.Skip("tool missing: sysbench (Debian: apt-get install sysbench)")
	}
	c := start(t, cluster.Options{})
	writer := pool(t, c, cluster.PortCluster, "")
	run(t, writer, "CREATE DATABASE sbtest")
	for _, w := range []struct {
		name              string
		readOnly, several bool
		tables            string // select_random_* clean up one table only
	}{
		{"oltp_point_select", true, false, "4"}, {"oltp_read_only", true, false, "4"},
		{"select_random_points", true, false, "1"}, {"select_random_ranges", true, false, "1"},
		{"oltp_update_index", false, false, "4"}, {"oltp_update_non_index", false, false, "4"}, {"oltp_insert", false, false, "4"},
		{"oltp_write_only", false, true, "4"}, {"oltp_read_write", false, true, "4"}, {"oltp_delete", false, false, "4"},
	} {
		t.Run(w.name, func(t *testing.T) {
			sysbench(t, c, cluster.PortCluster, w.name, w.tables, "prepare")
			few := 0.0
			if w.several {
				few = 0.001
			}
			measured(t, sysbench(t, c, cluster.PortCluster, w.name, w.tables, "run"), few)
			if w.readOnly {
				await(t, c)
				measured(t, sysbench(t, c, cluster.PortReader, w.name, w.tables, "run"), 0)
			}
			sysbench(t, c, cluster.PortCluster, w.name, w.tables, "cleanup")
			left, err := text(deadline(t), writer, "SHOW TABLES IN sbtest")
			must(t, err)
			if left != "" {
				t.Errorf("cleanup leaves %s", left)
			}
		})
	}
}

// await returns when all readers have everything that was committed before.
func await(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	s, err := c.Status()
	must(t, err)
	_, err = c.Await(deadline(t), "the readers to have all commits", func(now *cluster.Status) bool {
		for _, i := range now.Instances {
			if i.AppliedLSN < s.Volume.VDL {
				return false
			}
		}
		return true
	})
	must(t, err)
}

func sysbench(t *testing.T, c *cluster.Cluster, offset int, workload, tables, command string) string {
	t.Helper()
	cmd := exec.CommandContext(deadline(t), "sysbench", workload, "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-user=root",
		"--mysql-port="+strconv.Itoa(c.Base+offset), "--mysql-db=sbtest", "--tables="+tables, "--table-size="+sysbenchRows, "--threads=8",
		"--time="+sysbenchSeconds, "--rand-type=uniform", command)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "FATAL") {
		t.Fatalf("sysbench %s %s: %v\n%s", workload, command, err, out)
	}
	return string(out)
}

// measured judges the output of a run: deadlocks is the share of transactions that may end in one.
func measured(t *testing.T, out string, deadlocks float64) {
	t.Helper()
	number := func(re *regexp.Regexp) float64 {
		m := re.FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("sysbench does not say %v:\n%s", re, out)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		must(t, err)
		return n
	}
	done, ignored, again := number(transactions), number(ignoredErrors), number(reconnects)
	if done == 0 || again != 0 || ignored > deadlocks*done {
		t.Errorf("%v transactions, %v ignored errors, %v reconnects\n%s", done, ignored, again, out)
	}
}
