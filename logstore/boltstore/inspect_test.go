package boltstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
	"sextant/logstore/segment"
)

func inspectOptions(dir string) boltstore.Options {
	return boltstore.Options{Dir: dir, Cluster: "c", Store: 7, Volume: 9, Timeline: 1, NoSync: true}
}

// harmable makes a segment's file of several levels, with free pages and garbage collected.
func harmable(t *testing.T, dir string) (path string) {
	t.Helper()
	s, err := boltstore.Open(inspectOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	lsn := redo.LSN(0)
	for drain := range 6 {
		var ws []boltstore.PageWrite
		for p := redo.PageID(1); p <= 120; p++ {
			w := boltstore.PageWrite{Page: p}
			for range 3 {
				lsn++
				w.Records = append(w.Records, redo.Record{
					LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, Page: p, Op: redo.OpNone, CPL: true, Payload: make([]byte, 20),
				})
			}
			if drain%2 == 1 {
				w.Image, w.LSN = make([]byte, 1024), lsn
				w.Image[0], w.Image[1000] = 1, byte(p)
			}
			ws = append(ws, w)
		}
		if err := s.Write(0, ws); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Collect(segment.GarbagePlan{ReadFloor: 1500, LogFloor: 1500}, 0, 1000)
	if err != nil || c.Runs == 0 || c.Images == 0 {
		t.Fatal(c, err)
	}
	path = s.FileOf(0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// verify returns what a read-only look at the file finds.
func verify(t *testing.T, dir string) (boltstore.Verified, error) {
	t.Helper()
	s, err := boltstore.OpenReadOnly(inspectOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Damaged()[0]; err != nil {
		return boltstore.Verified{}, err
	}
	v := s.Verify(0, func(boltstore.PageData) error { return nil })
	return v, errors.Join(v.Problems...)
}

func TestVerifySoundFile(t *testing.T) {
	dir := t.TempDir()
	path := harmable(t, dir)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify(t, dir)
	if err != nil || v.Pages != 120 || v.Records < 360 || v.Images < 120 || v.Gone == 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	s, err := boltstore.OpenReadOnly(inspectOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last, n := redo.LSN(0), 0
	_, err = s.EachRecord(0, redo.Range{Through: ^redo.LSN(0)}, 0, func(r *redo.Record) error {
		if r.LSN <= last {
			return fmt.Errorf("record %d after %d", r.LSN, last)
		}
		last, n = r.LSN, n+1
		return nil
	})
	if err != nil || last != 6*360 || n < 360 {
		t.Fatal(last, n, err)
	}
	if err := s.Write(0, []boltstore.PageWrite{{Page: 1, Image: make([]byte, 64), LSN: 9999}}); err == nil {
		t.Error("a store that is open to be read was written to")
	}
	if after, err := os.Stat(path); err != nil || after.ModTime() != before.ModTime() || after.Size() != before.Size() {
		t.Error("the file was changed", err)
	}
}

// TestVerifyHarmedFile: whatever lies in the file, nothing panics, and a file that
// passes has everything that the sound one has.
func TestVerifyHarmedFile(t *testing.T) {
	dir := t.TempDir()
	path := harmable(t, dir)
	want, err := verify(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pageSize := os.Getpagesize()
	var used []int // places that are not zero
	for i, c := range sound {
		if c != 0 {
			used = append(used, i)
		}
	}
	other := t.TempDir()
	path = filepath.Join(other, filepath.Base(path))
	r := rand.New(rand.NewPCG(3, 1))
	found := 0
	for round := range 120 {
		b := append([]byte(nil), sound...)
		for range 1 + r.IntN(3) {
			at := used[r.IntN(len(used))]
			if round%2 == 0 { // the heads of bbolt's pages and their first elements
				at = at/pageSize*pageSize + r.IntN(64)
			}
			switch r.IntN(3) {
			case 0:
				b[at] ^= 1 << r.IntN(8)
			case 1:
				b[at] = byte(r.Uint32())
			default:
				from := r.IntN(len(b))
				copy(b[at:], b[from:min(len(b), from+r.IntN(8192))])
			}
		}
		if round%10 == 9 {
			b = b[:r.IntN(len(b))]
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := verify(t, other)
		switch {
		case err != nil:
			found++
		case v.Pages != want.Pages || v.Records != want.Records || v.Images != want.Images || v.Gone != want.Gone:
			t.Fatalf("round %d: passes as %+v, the sound file has %+v", round, v, want)
		}
	}
	if found < 40 {
		t.Errorf("only %d of 120 harmed files were found", found)
	}
}
