package failover

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// host names where this process runs, below the file system proc: one kernel since it was
// booted, and one network namespace of it. Of two processes in the same place that listened
// on the same address the first has exited. Machines and containers may share a name, so
// that alone says nothing. Where the kernel tells less, each call returns another place.
func host(proc string) string {
	name, err := os.Hostname()
	if err != nil {
		return rand.Text()
	}
	boot, err := os.ReadFile(filepath.Join(proc, "sys/kernel/random/boot_id"))
	if err != nil || len(boot) == 0 {
		return rand.Text()
	}
	ns, err := os.Readlink(filepath.Join(proc, "self/ns/net")) // net:[its inode]
	if err != nil {
		return rand.Text()
	}
	return fmt.Sprintf("%s %s %s", name, strings.TrimSpace(string(boot)), ns)
}
