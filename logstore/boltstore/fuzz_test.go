package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/internal/spent"
)

func fuzzedOptions(dir string) Options {
	return Options{Dir: dir, Volume: 7, Timeline: 1, Cluster: "c", Store: 9, NoSync: true}
}

// FuzzValues: no value of a segment's file makes a decoder panic or take more memory than
// a multiple of its size; a head that is taken is encoded as it was.
func FuzzValues(f *testing.F) {
	h := head{images: []redo.LSN{3, 9}, runs: []run{{4, 8, 1}, {10, 12, 2}}, floor: 3}
	f.Add(h.encode()[valueHeaderSize:])
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{2, 3, 2, 1, 2})
	rec := redo.Record{LSN: 4, PG: 3, Page: 5, Payload: []byte("x")}
	f.Add(appendRun(nil, []redo.Record{rec}))
	hole, _ := appendImage(nil, append(make([]byte, 500), "x"...))
	f.Add(hole)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1})
	g := &seg{opt: &Options{Volume: 7, Timeline: 1, Cluster: "c", Store: 9}, pg: 3}
	f.Add(g.format())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, codec := range []byte{codecNone, codecHole} {
			spent.Within(t, len(b)+imageBytesMax, func() { _, _ = readImage(b, codec) }) // any error will do
		}
		spent.Within(t, 256*len(b), func() {
			if h, err := decodeHead(b); err == nil {
				again, err := decodeHead(h.encode()[valueHeaderSize:])
				if err != nil || !reflect.DeepEqual(again, h) {
					t.Fatalf("%+v became %+v, %v", h, again, err)
				}
				for _, r := range h.runs {
					if r.first > r.last {
						t.Fatalf("a run from %d to %d", r.first, r.last)
					}
				}
			} else if !errors.Is(err, errValue) {
				t.Fatal(err)
			}
			n := 0
			_ = eachOfIndex(b, func(pair) bool { n++; return true }) // any error will do
			if n > len(b) {
				t.Fatalf("%d records in an index of %d bytes", n, len(b))
			}
			_ = eachOfRun(b, 3, 5, func(redo.Record) { n++ })
			if n > 2*len(b) {
				t.Fatalf("%d records in %d bytes", n, len(b))
			}
			key := headKey(5)
			if _, body, err := g.unseal(placeHead, key, b); err == nil && len(body) != len(b)-valueHeaderSize {
				t.Fatal("a body of another size")
			}
			if len(b) >= valueHeaderSize {
				sealed := g.seal(placeHead, key, bytes.Clone(b), codecHole)
				_, body, err := g.unseal(placeHead, key, sealed)
				clear(sealed) // as by whoever writes into the file
				if err != nil || !bytes.Equal(body, b[valueHeaderSize:]) {
					t.Fatalf("%x became %x, %v", b[valueHeaderSize:], body, err)
				}
				_ = g.compareFormat(g.seal(placeMeta, keyFormat, bytes.Clone(b), codecNone), g.format())
			}
		})
	})
}

// FuzzFile writes bytes over a segment's file: whatever is there then, opening and reading
// it end, with an answer that was written or an error.
func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(fuzzedOptions(dir))
	if err != nil {
		f.Fatal(err)
	}
	rec := page.FormatRecord(1, page.KindLeaf, 0, 1)
	rec.LSN, rec.PG, rec.CPL = 1, 0, true
	image := make([]byte, page.Size)
	if err := page.Apply(image, &rec); err != nil {
		f.Fatal(err)
	}
	if err := s.Write(0, []PageWrite{{Page: 1, Records: []redo.Record{rec}, Image: bytes.Clone(image), LSN: 1}}); err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	name := s.fileName(0)
	whole, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		f.Fatal(err)
	}
	const pageBytes = 4096
	f.Add(uint16(0), uint16(0), []byte("x"), uint16(0))
	f.Add(uint16(2), uint16(10), []byte{0xff, 0xff}, uint16(0))
	f.Add(uint16(3), uint16(16), bytes.Repeat([]byte{0xff}, 16), uint16(0))
	f.Add(uint16(4), uint16(12), []byte{0xff, 0xff, 0xff, 0x7f}, uint16(0))
	f.Add(uint16(1), uint16(64), make([]byte, 200), uint16(3))
	f.Fuzz(func(t *testing.T, at, off uint16, b []byte, cut uint16) {
		file := bytes.Clone(whole)
		if from := int(at)%(len(file)/pageBytes)*pageBytes + int(off)%pageBytes; len(b) > 0 {
			copy(file[from:], b)
		}
		if cut > 0 {
			file = file[:min(len(file), int(cut)*16)]
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = checkStructure(filepath.Join(dir, name)) // any error will do
		s, err := OpenReadOnly(fuzzedOptions(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Verify(0, func(d PageData) error {
			for _, v := range d.Images {
				if !bytes.Equal(v.Image, image) {
					t.Fatalf("an image that was not written, of page %d", d.Page)
				}
			}
			return nil
		})
	})
}
