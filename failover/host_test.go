package failover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHostIsAKernelAndANamespace: the same name on another kernel, after another boot or in
// another network namespace is another host, and where the kernel does not tell, every
// process is on one of its own.
func TestHostIsAKernelAndANamespace(t *testing.T) {
	proc := func(boot, ns string) string {
		dir := t.TempDir()
		for _, d := range []string{"sys/kernel/random", "self/ns"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if boot != "" {
			if err := os.WriteFile(filepath.Join(dir, "sys/kernel/random/boot_id"), []byte(boot+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if ns != "" {
			if err := os.Symlink(ns, filepath.Join(dir, "self/ns/net")); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	here := host(proc("b1", "net:[1]"))
	if again := host(proc("b1", "net:[1]")); again != here || !strings.HasSuffix(here, " b1 net:[1]") {
		t.Errorf("%q, then %q", here, again)
	}
	for _, other := range []string{proc("b2", "net:[1]"), proc("b1", "net:[2]"), proc("", "net:[1]"), proc("b1", ""), t.TempDir()} {
		if h := host(other); h == here || h == "" {
			t.Errorf("%q", h)
		}
	}
	unknown := t.TempDir()
	if a, b := host(unknown), host(unknown); a == b {
		t.Errorf("twice on the unknown host %q", a)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if a, b := host("/proc"), host("/proc"); a != b || !strings.HasPrefix(a, name+" ") || !strings.Contains(a, " net:[") {
		t.Errorf("%q, then %q", a, b)
	}
}
