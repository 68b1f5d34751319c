package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sextant/scripts/cluster"
)

// TestCommandsOfARunningCluster: what is not there, or there already, is refused, named
// with what there is. The cluster is on another address than 127.0.0.1, and so are its
// endpoints.
func TestCommandsOfARunningCluster(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.WriteFile(config, []byte("cluster: {bind: 127.0.0.2}\n"), 0o600))
	c := start(t, cluster.Options{Config: config})
	endpointsAreAt(t, c, "127.0.0.2")
	for line, want := range map[string]string{
		"instance add db-2":                     "db-2 is in the cluster already",
		"instance add db-9 --az zz":             "there are az-a, az-b, az-c",
		"instance remove db-9":                  `no instance "db-9"; there are db-1, db-2, db-3`,
		"storage add storage-2":                 "storage-2 is in the cluster already",
		"storage add storage-2 --az az-b":       "storage-2 is in the cluster already",
		"storage add storage-9 --az zz":         "there are az-a, az-b, az-c",
		"storage replace storage-9":             `no storage node "storage-9"; there are storage-1, `,
		"storage replace storage-1 --cancel":    "storage-1 is not being replaced; no storage node is",
		"failover --to db-9":                    `no instance "db-9"; there are db-1, db-2, db-3`,
		"failover --to db-1":                    "db-1 is the writer already",
		"endpoint modify reports --static db-1": `no endpoint "reports"; there are cluster, db-1, db-2, db-3, reader`,
		"endpoint delete reports":               `no endpoint "reports"; there are cluster, db-1, db-2, db-3, reader`,
		"endpoint create reports":               "needs one of --static and --exclude",
		"endpoint create reports --static db-9": `no instance "db-9"; there are db-1, db-2, db-3`,
		"stop db-9":                             "there are control-1, control-2, control-3, db-1, ",
		"start db-9":                            "there are control-1, control-2, control-3, db-1, ",
		"cert issue storage-9":                  `no process "storage-9" in the cluster; there are admin, control-1, `,
	} {
		if out, err := c.Run(strings.Fields(line)...); err == nil || !strings.HasPrefix(out, "sextant: ") || !strings.Contains(out, want) {
			t.Errorf("%s: %v instead of %q\n%s", line, err, want, out)
		}
	}
	_, err := c.Run("storage", "replace", "storage-5")
	must(t, err)
	_, err = c.Await(deadline(t), "storage-5 to be gone", func(s *cluster.Status) bool { return !slices.Contains(storageIDs(s), "storage-5") })
	must(t, err)
	eventually(t, "storage-5 to have left", func(context.Context) error {
		_, err := os.Stat(filepath.Join(c.Data, "storage-5", "left"))
		return err
	})
	for line, want := range map[string]string{
		"storage replace storage-5": "storage-5 has left the cluster already",
		"start storage-5":           "storage-5 has left the cluster",
		"stop storage-5":            "storage-5 has left the cluster",
		"cert issue storage-5":      `no process "storage-5" in the cluster`,
	} {
		if out, err := c.Run(strings.Fields(line)...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v instead of %q\n%s", line, err, want, out)
		}
	}
	out, err := c.Run("cert", "issue", "storage-7") // which has come in its place
	if err != nil || !strings.Contains(out, "valid until") {
		t.Errorf("%v\n%s", err, out)
	}
}

// endpointsAreAt: every endpoint is shown at a host, answers there, and nowhere else.
func endpointsAreAt(t *testing.T, c *cluster.Cluster, host string) {
	t.Helper()
	s, err := c.Status()
	must(t, err)
	for _, e := range s.Endpoints {
		if len(e.Addresses) != 1 {
			t.Fatalf("endpoint %s is at %v", e.Name, e.Addresses)
		}
		h, port, err := net.SplitHostPort(e.Addresses[0])
		must(t, err)
		if h != host {
			t.Errorf("endpoint %s is at %s", e.Name, h)
		}
		db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(%s)/", e.Addresses[0]))
		must(t, err)
		must(t, db.PingContext(deadline(t)))
		must(t, db.Close())
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			_ = conn.Close()
			t.Errorf("endpoint %s listens on 127.0.0.1", e.Name)
		}
	}
}
