//go:build faults

package node

import (
	"os"
	"path/filepath"
	"time"
)

// slowDisk waits as long as the file "slow" in the node's directory says, in the form of
// a time.Duration, before a sync of a file of its hot log. It is for programs built to
// be broken.
func slowDisk(file string) {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(file)), "slow"))
	if err != nil {
		return
	}
	if d, err := time.ParseDuration(string(b)); err == nil {
		time.Sleep(d)
	}
}
