package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sextant/logstore/node"
)

// run executes a command line and returns what it printed.
func run(args ...string) (string, error) {
	var b bytes.Buffer
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(&b)
	err := cmd.Execute()
	return b.String(), err
}

// TestOfflineCommands: the tools find a stopped node's directory by its id, and say
// why they read another's not.
func TestOfflineCommands(t *testing.T) {
	data := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if out, err := run(append(args, "--data", data)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v instead of %q\n%s", args, err, want, out)
		}
	}
	refused("has no cluster yet", "check", "storage-3")
	write("cluster.json", `{"format": 1, "cluster": "demo-1", "bind": "127.0.0.1", "port_base": 6000}`)
	refused(`no process "storage-3"`, "check", "storage-3")
	refused("not a storage node", "check", "db-1")
	if err := os.Mkdir(filepath.Join(data, "storage-3"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused("holds no storage node", "check", "storage-3")

	n, err := node.Open(node.Options{ID: "storage-3", Cluster: "demo-1", Dir: filepath.Join(data, "storage-3"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	refused("storage-3 runs", "log", "storage-3")
	write("storage-3/pid", "4711")
	refused("storage-3 (pid 4711) runs", "page", "storage-3", "1")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}

	t.Setenv("SEXTANT_CLUSTER_MUTUAL_TLS", "false")
	refused("there are storage-3", "stop", "storage-4")
	refused("there are storage-3", "start", "../storage-3")
	write("storage-3/left", "")
	refused("storage-3 has left the cluster", "start", "storage-3")
	refused("storage-3 has left the cluster", "stop", "storage-3")

	for _, tool := range []string{"check", "log"} {
		if out, err := run(tool, "storage-3", "--data", data); err != nil || tool == "check" && !strings.Contains(out, "storage-3: sound") {
			t.Errorf("%s: %v\n%s", tool, err, out)
		}
	}
	refused("storage-3 has set no store aside", "check", "storage-3", "--aside")
	aside := filepath.Join(data, "storage-3", "damaged-0000000000000007")
	if err := os.CopyFS(filepath.Join(aside, "hot"), os.DirFS(filepath.Join(data, "storage-3", "hot"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(data, "storage-3", "STORE"), filepath.Join(aside, "STORE")); err != nil {
		t.Fatal(err)
	}
	if out, err := run("check", "storage-3", "--data", data); err != nil || !strings.Contains(out, "note: a damaged store is set aside in "+aside) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run("check", "storage-3", "--aside", "--data", data); err != nil || strings.Contains(out, "note:") || !strings.Contains(out, "storage-3: sound") {
		t.Errorf("%v\n%s", err, out)
	}
	refused("has nothing of page 1", "page", "storage-3", "1")
	refused(`"one" is not the number of a page`, "page", "storage-3", "one")
	refused("--pg -1", "log", "storage-3", "--pg", "-1")
	refused("--page 0", "log", "storage-3", "--page", "0")
	refused("--to 4 is below --from 5", "log", "storage-3", "--from", "5", "--to", "4")
	write("cluster.json", `{"format": 1, "cluster": "other-2", "bind": "127.0.0.1", "port_base": 6000}`)
	refused(`is of cluster "demo-1", not "other-2"`, "check", "storage-3")
	write("cluster.json", `{"format": 2, "cluster": "demo-1", "bind": "127.0.0.1", "port_base": 6000}`)
	refused("has format 2, this program knows 1", "check", "storage-3")
}
