package boltstore_test

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore/boltstore"
)

const diesIn = "SEXTANT_TEST_DIES_IN"

// TestDeathAtTheFirstDrain: the process ends at the first byte it writes to a new
// segment's file; the segment is not damaged by that and takes the drain again.
func TestDeathAtTheFirstDrain(t *testing.T) {
	r := page.FormatRecord(1, page.KindLeaf, 0, 1)
	r.LSN, r.CPL = 1, true
	writes := []boltstore.PageWrite{{Page: 1, Records: []redo.Record{r}}}
	if dir := os.Getenv(diesIn); dir != "" {
		s, err := boltstore.Open(options(dir))
		if err == nil {
			err = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{})
		}
		if err == nil {
			err = s.Write(3, writes)
		}
		t.Logf("write: %v", err)
		os.Exit(7)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDeathAtTheFirstDrain$", "-test.v")
	cmd.Env = append(os.Environ(), diesIn+"="+dir)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("the process did not die: %s", out)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) == 0 {
		t.Fatalf("the process died before it made a file: %v", err)
	}
	s := mustOpen(t, options(dir))
	if d := s.Damaged(); len(d) > 0 {
		t.Fatalf("damaged: %v", d)
	}
	if err := s.Write(3, writes); err != nil {
		t.Fatal(err)
	}
}
