package boltstore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
	"sextant/logstore/segment"
	"sextant/logstore/storetest"
)

func options(dir string) boltstore.Options {
	return boltstore.Options{Dir: dir, Cluster: "test", Store: 7, Volume: 8, Timeline: 1, NoSync: true}
}

func mustOpen(t *testing.T, o boltstore.Options) *boltstore.Store {
	t.Helper()
	s, err := boltstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	dirs := map[storetest.Store]string{}
	storetest.Run(t, func(t *testing.T) storetest.Store {
		dir := t.TempDir()
		s := mustOpen(t, options(dir))
		dirs[s] = dir
		return s
	}, func(t *testing.T, s storetest.Store) storetest.Store {
		b := s.(*boltstore.Store)
		for _, pg := range b.Groups() {
			if _, err := b.Compact(pg); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		n := mustOpen(t, options(dirs[s]))
		dirs[n] = dirs[s]
		return n
	})
}

// fill writes pages with images, so that the file has something to be damaged.
func fill(t *testing.T, s *boltstore.Store, pages int, image int) {
	t.Helper()
	var ws []boltstore.PageWrite
	lsn := redo.LSN(1)
	for p := range pages {
		w := boltstore.PageWrite{Page: redo.PageID(p + 1), Image: make([]byte, image), LSN: lsn}
		for i := range w.Image {
			w.Image[i] = byte(i*7 + p)
		}
		w.Records = []redo.Record{{LSN: lsn, Page: w.Page, Op: redo.OpImage, Payload: []byte(fmt.Sprint("payload ", p))}}
		lsn++
		w.Records[0].PrevVolume, w.Records[0].PrevPG = lsn-2, lsn-2
		ws = append(ws, w)
	}
	if err := s.Write(0, ws); err != nil {
		t.Fatal(err)
	}
}

// readAll reads everything and checks it; damage is an answer, another content is not.
func readAll(s *boltstore.Store, pages int) error {
	for p := range pages {
		img, lsn, _, err := s.Page(0, redo.PageID(p+1), redo.LSN(p+1))
		if err != nil {
			return err
		}
		if lsn != redo.LSN(p+1) || len(img) != 3000 || img[10] != byte(70+p) {
			return fmt.Errorf("WRONG: page %d: image of %d bytes at %d", p+1, len(img), lsn)
		}
	}
	rs, _, err := s.Records(0, redo.Range{Through: 1000}, 1<<20)
	if err != nil {
		return err
	}
	if len(rs) != pages {
		return fmt.Errorf("WRONG: %d records", len(rs))
	}
	for i, r := range rs {
		if string(r.Payload) != fmt.Sprint("payload ", i) {
			return fmt.Errorf("WRONG: record %d: %q", i, r.Payload)
		}
	}
	return nil
}

// Damage anywhere in the file is an answer of that segment, never a panic and never
// another content.
func TestDamageIsTheSegments(t *testing.T) {
	const pages = 20
	dir := t.TempDir()
	s := mustOpen(t, options(dir))
	fill(t, s, pages, 3000)
	if err := s.Write(1, []boltstore.PageWrite{{Page: 100, Image: []byte("unharmed"), LSN: 5}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var name string
	files, _ := filepath.Glob(filepath.Join(dir, "*-0.seg"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	name = filepath.Base(files[0])
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	other, _ := filepath.Glob(filepath.Join(dir, "*-1.seg"))
	otherBytes, err := os.ReadFile(other[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	try := func(what string, b []byte) {
		t.Helper()
		d := t.TempDir()
		if err := os.WriteFile(filepath.Join(d, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, filepath.Base(other[0])), otherBytes, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := boltstore.Open(options(d))
		if err != nil {
			if !errors.Is(err, boltstore.ErrVersion) && !errors.Is(err, boltstore.ErrForeign) {
				t.Fatalf("%s: %v", what, err)
			}
			return
		}
		defer s.Close()
		switch err := readAll(s, pages); {
		case errors.Is(err, boltstore.ErrDamaged):
			damaged++
			if s.Damaged()[0] == nil {
				t.Fatalf("%s: not remembered", what)
			}
		case err != nil:
			t.Fatalf("%s: %v", what, err)
		}
		if img, _, _, err := s.Page(1, 100, 9); err != nil || string(img) != "unharmed" {
			t.Fatalf("%s: the other segment: %q, %v", what, img, err)
		}
	}
	for at := 0; at < len(good); at += 61 {
		b := append([]byte(nil), good...)
		b[at] ^= 0x55
		try(fmt.Sprintf("byte %d", at), b)
	}
	for at := 0; at < len(good); at += 4096 {
		b := append([]byte(nil), good...)
		clear(b[at:min(at+4096, len(b))])
		try(fmt.Sprintf("page at %d zero", at), b)
		try(fmt.Sprintf("cut at %d", at), good[:at])
	}
	if damaged < 10 {
		t.Fatalf("only %d damages were seen", damaged)
	}
}

func TestAnothersFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, options(dir))
	fill(t, s, 1, 10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*boltstore.Options){
		func(o *boltstore.Options) { o.Cluster = "other" }, func(o *boltstore.Options) { o.Store = 9 },
	} {
		o := options(dir)
		change(&o)
		if _, err := boltstore.Open(o); !errors.Is(err, boltstore.ErrForeign) {
			t.Fatal(err)
		}
	}
}

func TestRemovedSegmentStartsEmpty(t *testing.T) {
	s := mustOpen(t, options(t.TempDir()))
	fill(t, s, 3, 3000)
	if err := s.Remove(0); err != nil {
		t.Fatal(err)
	}
	if img, _, rs, err := s.Page(0, 1, 100); img != nil || rs != nil || err != nil {
		t.Fatal(img, rs, err)
	}
	fill(t, s, 3, 3000)
	if err := readAll(s, 3); err != nil {
		t.Fatal(err)
	}
}

// A copy as of an LSN that garbage collection has passed since must not leave pages out: it
// hears of them, and that their version is gone.
func TestPagesNamesWhatWasCollected(t *testing.T) {
	s := mustOpen(t, options(t.TempDir()))
	for lsn := redo.LSN(1); lsn <= 9; lsn += 4 {
		w := boltstore.PageWrite{Page: 1, Image: make([]byte, 100), LSN: lsn}
		if err := s.Write(0, []boltstore.PageWrite{w, {Page: 2, Image: w.Image, LSN: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Collect(segment.GarbagePlan{PG: 0, ReadFloor: 9, LogFloor: 9}, 0, 1000); err != nil {
		t.Fatal(err)
	}
	if pages, err := s.Pages(0, 0, 4, 10); err != nil || !slices.Equal(pages, []redo.PageID{1, 2}) {
		t.Errorf("pages at 4: %d, %v", pages, err)
	}
	if _, _, _, err := s.Page(0, 1, 4); !errors.Is(err, boltstore.ErrCollected) {
		t.Error(err)
	}
	if c, err := s.Collect(segment.GarbagePlan{PG: 0, ReadFloor: 3, LogFloor: 3}, 0, 1000); err != nil || c.Runs+c.Images > 0 {
		t.Errorf("a floor below the last: %+v, %v", c, err)
	}
}

// wasteful makes a segment of which more than half is free.
func wasteful(t *testing.T) *boltstore.Store {
	t.Helper()
	s := mustOpen(t, options(t.TempDir()))
	for gen := range 4 {
		var ws []boltstore.PageWrite
		for p := range 600 {
			img := make([]byte, 16<<10)
			for i := range img {
				img[i] = byte(i + p + gen)
			}
			ws = append(ws, boltstore.PageWrite{Page: redo.PageID(p + 1), Image: img, LSN: redo.LSN(gen + 1)})
		}
		if err := s.Write(0, ws); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Collect(segment.GarbagePlan{PG: 0, ReadFloor: 10, LogFloor: 10}, 0, 1000); err != nil {
		t.Fatal(err)
	}
	return s
}

// Free space is given back, and a reader sees the same before and after.
func TestCompactShrinksTheFile(t *testing.T) {
	s := wasteful(t)
	before, free := s.Bytes(), s.FreeBytes()
	if done, err := s.Compact(0); err != nil || !done {
		t.Fatal(done, err)
	}
	if after := s.Bytes(); after > before/2 {
		t.Fatalf("%d bytes before, %d after", before, after)
	} else if left := s.FreeBytes(); before-free > after || left > after/2 {
		t.Fatalf("%d bytes before, %d of them free, %d after, %d of them free", before, free, after, left)
	}
	if _, _, _, err := s.Page(0, 600, 3); !errors.Is(err, boltstore.ErrCollected) {
		t.Fatalf("a version that is gone: %v", err)
	}
	if img, lsn, _, err := s.Page(0, 600, 9); err != nil || lsn != 4 || img[5] != byte((5+599+3)%256) {
		t.Fatal(lsn, err)
	}
}

// A file of whose tree a page is lost is not copied: the copy would look sound.
func TestDamagedFileIsNotCompacted(t *testing.T) {
	s := wasteful(t)
	f, err := os.OpenFile(s.FileOf(0), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, s.Bytes())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	for id := 2; (id+1)*size <= len(b); id++ {
		branch := b[id*size:]
		if binary.LittleEndian.Uint64(branch) == uint64(id) && branch[8] == 1 && branch[10] > 1 { // its second child is its first
			if _, err := f.WriteAt(branch[24:32], int64(id*size+40)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if done, err := s.Compact(0); done || !errors.Is(err, boltstore.ErrDamaged) {
		t.Fatal(done, err)
	}
}
