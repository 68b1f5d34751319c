package boltstore_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sextant/logstore/boltstore"
)

// scrub reads a segment's file in parts of limit bytes and returns how many there were,
// what they have read, and the damage.
func scrub(t *testing.T, dir string, limit int) (parts, read int, err error) {
	t.Helper()
	s, err := boltstore.Open(inspectOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var at boltstore.ScrubAt
	for {
		next, n, err := s.Scrub(0, at, limit)
		if parts, read = parts+1, read+n; err != nil {
			if s.Damaged()[0] == nil {
				t.Fatalf("%v, and the segment is in service", err)
			}
			return parts, read, err
		}
		if next.IsZero() {
			return parts, read, nil
		}
		if at = next; parts > 100_000 {
			t.Fatalf("no end: %+v", at)
		}
	}
}

func TestScrubSoundFile(t *testing.T) {
	dir := t.TempDir()
	path := harmable(t, dir)
	f, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	all, most, err := scrub(t, dir, 1<<30)
	if err != nil || all != 4 {
		t.Fatal(all, most, err)
	}
	parts, read, err := scrub(t, dir, 1)
	if err != nil || parts < 130 {
		t.Fatal(parts, read, err)
	}
	if most < int(f.Size())/3 || read < most {
		t.Fatalf("%d bytes in one part, %d in %d, of a file of %d", most, read, parts, f.Size())
	}
}

// Whatever a look at the whole file finds, the scrub finds, however small its parts; but
// for a page that is both free and in use, or neither.
func TestScrubFindsDamage(t *testing.T) {
	dir := t.TempDir()
	path := harmable(t, dir)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	rng := rand.New(rand.NewPCG(1, 2))
	found := 0
	for i := range len(good)/page + 150 {
		bad := bytes.Clone(good)
		if at := i * page; at < len(good) {
			for j := range page {
				bad[at+j] ^= byte(j*7 + 1)
			}
		} else {
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		}
		harmed := t.TempDir()
		if err := os.WriteFile(filepath.Join(harmed, filepath.Base(path)), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, want := verify(t, harmed)
		_, _, got := scrub(t, harmed, 1+rng.IntN(20_000))
		switch {
		case got != nil && !errors.Is(got, boltstore.ErrDamaged):
			t.Fatal(got)
		case got == nil && want != nil && !strings.Contains(want.Error(), "free"):
			t.Errorf("change %d is not found: %v", i, want)
		case got != nil && want == nil:
			t.Errorf("change %d: %v, and a look at the whole file finds nothing", i, got)
		case got != nil:
			found++
		}
	}
	if found < 40 {
		t.Errorf("%d changes were found", found)
	}
}
