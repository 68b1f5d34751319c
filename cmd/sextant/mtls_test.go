package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sextant/internal/mtls"
)

// TestCertIssue: without a cluster that answers, the configuration says whose certificates
// there may be; what was made, and what is to be done, is said.
func TestCertIssue(t *testing.T) {
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	certs := filepath.Join(data, "peer-certs")
	if err := os.WriteFile(filepath.Join(data, "cluster.json"), []byte(`{"format": 1, "cluster": "demo-1", "bind": "127.0.0.1", "port_base": 1024}`), 0o600); err != nil {
		t.Fatal(err)
	}
	says := func(ok bool, want []string, args ...string) {
		t.Helper()
		text, err := run(append(append([]string{"cert"}, args...), "--data", data, "--port-base", "1024")...)
		if err != nil {
			text += err.Error()
		}
		for _, w := range want {
			if (err == nil) != ok || !strings.Contains(text, w) {
				t.Errorf("%v: %v instead of %q\n%s", args, err, w, text)
			}
		}
	}
	says(false, []string{"the host of the first `sextant up`"}, "issue", "storage-3")
	says(false, []string{data, "mutual_tls"}, "list")
	if err := mtls.MakeAuthority(certs, "demo-1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"storage-7", "storage", "../x", "db-9", "alice"} {
		says(false, []string{"no process \"" + id + "\"", "admin, control-1", "storage-6", "db-3", "sextant storage add"}, "issue", id)
	}
	says(true, []string{"storage storage-3", "valid until", filepath.Join(certs, "storage-3-key.pem"), "nothing else to do"}, "issue", "storage-3")
	says(true, []string{"instance db-1", filepath.Join(out, "db-1.pem"), "Copy what is in " + out, "db-1's host"}, "issue", "db-1", "--out", out)
	for _, id := range []string{"storage-8", "storage-9"} { // were added at run time, one has left
		if err := os.Mkdir(filepath.Join(data, id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "storage-9", markLeft), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says(true, []string{"storage storage-8"}, "issue", "storage-8")
	says(false, []string{"no process \"storage-9\""}, "issue", "storage-9")
	if err := mtls.Issue(certs, certs, mtls.Peer{Cluster: "demo-1", Role: mtls.Storage, ID: "storage-9"}); err != nil {
		t.Fatal(err)
	}
	text, err := run("cert", "list", "--data", data, "--port-base", "1024")
	for line := range strings.Lines(text) {
		if gone := strings.Contains(line, "of no process of the cluster"); gone != strings.HasPrefix(line, "storage-9 ") {
			t.Errorf("the list says %s", line)
		}
	}
	if err != nil || !strings.Contains(text, "storage-9 ") {
		t.Errorf("%v\n%s", err, text)
	}
	for dir, p := range map[string]mtls.Peer{certs: {Cluster: "demo-1", Role: mtls.Storage, ID: "storage-3"}, out: {Cluster: "demo-1", Role: mtls.Instance, ID: "db-1"}} {
		if _, err := mtls.Open(dir, p); err != nil {
			t.Error(err)
		}
	}
}
