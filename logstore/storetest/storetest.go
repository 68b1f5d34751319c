// Package storetest is the conformance suite of a storage node's stores: what
// segment.Store promises, and how writes and garbage collection change it. Run
// executes it; Memory is the simplest store that passes.
package storetest

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
	"sextant/logstore/segment"
)

// Store is what the suite tests.
type Store interface {
	segment.Store
	Pages(pg redo.PGID, after redo.PageID, at redo.LSN, limit int) ([]redo.PageID, error)
	Write(pg redo.PGID, pages []boltstore.PageWrite) error
	Collect(p segment.GarbagePlan, after redo.PageID, limit int) (boltstore.Collected, error)
}

// Run tests a store. open returns an empty one; reopen closes it and opens it again.
func Run(t *testing.T, open func(t *testing.T) Store, reopen func(t *testing.T, s Store) Store) {
	t.Run("empty", func(t *testing.T) { testEmpty(t, open(t)) })
	t.Run("page", func(t *testing.T) { testPage(t, open(t), reopen) })
	t.Run("twice", func(t *testing.T) { testTwice(t, open(t)) })
	t.Run("records", func(t *testing.T) { testRecords(t, open(t)) })
	t.Run("pages", func(t *testing.T) { testPages(t, open(t)) })
	t.Run("garbage", func(t *testing.T) { testGarbage(t, open(t)) })
	t.Run("random", func(t *testing.T) { testRandom(t, open(t), reopen) })
}

func rec(l redo.LSN, page redo.PageID) redo.Record {
	r := redo.Record{
		LSN: l, PrevVolume: l - 1, PrevPG: l - 1, PG: 3, Page: page, Op: redo.OpInsert,
		Payload: bytes.Repeat([]byte{byte(l)}, int(l%7)+1),
	}
	if l%3 == 0 {
		r.CPL, r.Wall, r.Flags = true, int64(l)*1000, redo.FlagCatalog
	}
	return r
}

func recs(page redo.PageID, ls ...redo.LSN) []redo.Record {
	out := make([]redo.Record, 0, len(ls))
	for _, l := range ls {
		out = append(out, rec(l, page))
	}
	return out
}

func image(seed byte) []byte {
	p := make([]byte, 4096)
	copy(p, bytes.Repeat([]byte{seed}, 100))
	copy(p[4000:], bytes.Repeat([]byte{seed}, 96))
	return p
}

func write(t *testing.T, s Store, pages ...boltstore.PageWrite) {
	t.Helper()
	if err := s.Write(3, pages); err != nil {
		t.Fatal(err)
	}
}

func wantPage(t *testing.T, s Store, page redo.PageID, at redo.LSN, img []byte, lsn redo.LSN, want ...redo.LSN) {
	t.Helper()
	i, l, rs, err := s.Page(3, page, at)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(i, img) || l != lsn || !sameRecords(rs, recs(page, want...)) {
		t.Fatalf("page %d at %d: image of %d bytes at %d, records %v; want %d bytes at %d, %v",
			page, at, len(i), l, lsns(rs), len(img), lsn, want)
	}
}

func sameRecords(a, b []redo.Record) bool {
	return slices.EqualFunc(a, b, func(x, y redo.Record) bool { return reflect.DeepEqual(x, y) })
}

func lsns(rs []redo.Record) (out []redo.LSN) {
	for _, r := range rs {
		out = append(out, r.LSN)
	}
	return out
}

func testEmpty(t *testing.T, s Store) {
	wantPage(t, s, 1, 100, nil, 0)
	rs, gone, err := s.Records(3, redo.Range{Through: 100}, 1<<20)
	if len(rs) != 0 || gone || err != nil {
		t.Fatal(rs, gone, err)
	}
	if ps, err := s.Pages(3, 0, 100, 10); len(ps) != 0 || err != nil {
		t.Fatal(ps, err)
	}
	if c, err := s.Collect(segment.GarbagePlan{PG: 3, ReadFloor: 10, LogFloor: 10}, 0, 10); c != (boltstore.Collected{}) || err != nil {
		t.Fatal(c, err)
	}
}

func testPage(t *testing.T, s Store, reopen func(*testing.T, Store) Store) {
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 2, 5)}, boltstore.PageWrite{Page: 2, Records: recs(2, 3)})
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 4, 8), Image: image(1), LSN: 5})
	write(t, s, boltstore.PageWrite{Page: 2, Image: image(2), LSN: 3})
	for range 2 {
		wantPage(t, s, 1, 1, nil, 0)
		wantPage(t, s, 1, 4, nil, 0, 2, 4)
		wantPage(t, s, 1, 5, image(1), 5)
		wantPage(t, s, 1, 100, image(1), 5, 8)
		wantPage(t, s, 2, 2, nil, 0)
		wantPage(t, s, 2, 9, image(2), 3)
		wantPage(t, s, 3, 9, nil, 0)
		s = reopen(t, s)
	}
}

// A node that replays its hot log drains again what the store has, in other runs.
func testTwice(t *testing.T, s Store) {
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 5, 7, 9)})
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 5, 9)})
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 9)})
	wantPage(t, s, 1, 9, nil, 0, 5, 7, 9)
	rs, _, err := s.Records(3, redo.Range{Through: 9}, 1<<20)
	if err != nil || !sameRecords(rs, recs(1, 5, 7, 9)) {
		t.Fatal(lsns(rs), err)
	}
}

func testRecords(t *testing.T, s Store) {
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 1, 4, 7)}, boltstore.PageWrite{Page: 9, Records: recs(9, 2, 3, 8)})
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 5, 10)}, boltstore.PageWrite{Page: 9, Records: recs(9, 9)})
	get := func(after, through redo.LSN, bytesMax int) []redo.LSN {
		t.Helper()
		rs, gone, err := s.Records(3, redo.Range{After: after, Through: through}, bytesMax)
		if err != nil || gone {
			t.Fatal(gone, err)
		}
		for _, r := range rs {
			if !reflect.DeepEqual(r, rec(r.LSN, r.Page)) {
				t.Fatalf("record %+v", r)
			}
		}
		return lsns(rs)
	}
	for _, c := range []struct {
		after, through redo.LSN
		bytesMax       int
		want           []redo.LSN
	}{
		{0, 100, 1 << 20, []redo.LSN{1, 2, 3, 4, 5, 7, 8, 9, 10}},
		{2, 8, 1 << 20, []redo.LSN{3, 4, 5, 7, 8}},
		{5, 6, 1 << 20, nil},
		{0, 100, 0, []redo.LSN{1}},
		{0, 100, 6, []redo.LSN{1, 2}}, // 2 + 3 bytes, then 4
	} {
		if got := get(c.after, c.through, c.bytesMax); !slices.Equal(got, c.want) {
			t.Fatalf("(%d,%d] up to %d bytes: %v, want %v", c.after, c.through, c.bytesMax, got, c.want)
		}
	}
}

func testPages(t *testing.T, s Store) {
	write(t, s,
		boltstore.PageWrite{Page: 2, Records: recs(2, 5, 9)}, boltstore.PageWrite{Page: 4, Image: image(1), LSN: 7},
		boltstore.PageWrite{Page: 5, Records: recs(5, 8), Image: image(1), LSN: 8}, boltstore.PageWrite{Page: 9, Records: recs(9, 6)})
	for _, c := range []struct {
		after redo.PageID
		at    redo.LSN
		limit int
		want  []redo.PageID
	}{
		{0, 100, 10, []redo.PageID{2, 4, 5, 9}},
		{0, 100, 2, []redo.PageID{2, 4}},
		{4, 100, 10, []redo.PageID{5, 9}},
		{0, 6, 10, []redo.PageID{2, 9}},
		{0, 4, 10, nil},
		{9, 100, 10, nil},
	} {
		if got, err := s.Pages(3, c.after, c.at, c.limit); err != nil || !slices.Equal(got, c.want) {
			t.Fatalf("above %d at %d: %v, %v; want %v", c.after, c.at, got, err, c.want)
		}
	}
}

func testGarbage(t *testing.T, s Store) {
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 1, 2), Image: image(2), LSN: 2})
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 3, 4), Image: image(4), LSN: 4})
	write(t, s, boltstore.PageWrite{Page: 1, Records: recs(1, 5, 6), Image: image(6), LSN: 6}, boltstore.PageWrite{Page: 2, Records: recs(2, 7)})
	collect := func(read, log redo.LSN, runs, images int) {
		t.Helper()
		c, err := s.Collect(segment.GarbagePlan{PG: 3, ReadFloor: read, LogFloor: log}, 0, 10)
		if err != nil || c.Runs != runs || c.Images != images || c.Next != 0 {
			t.Fatalf("%+v, %v; want %d runs, %d images", c, err, runs, images)
		}
	}
	collect(1, 100, 0, 0)
	collect(3, 1, 0, 0) // a peer may need records above 1
	collect(5, 3, 1, 1) // image 4 is kept, image 2 goes, and run 1–2
	wantPage(t, s, 1, 5, image(4), 4, 5)
	wantPage(t, s, 1, 6, image(6), 6)
	wantPage(t, s, 2, 9, nil, 0, 7)
	if _, gone, err := s.Records(3, redo.Range{After: 1, Through: 9}, 1<<20); !gone || err != nil {
		t.Fatal(gone, err)
	}
	if rs, gone, err := s.Records(3, redo.Range{After: 2, Through: 9}, 1<<20); gone || err != nil ||
		!slices.Equal(lsns(rs), []redo.LSN{3, 4, 5, 6, 7}) {
		t.Fatal(lsns(rs), gone, err)
	}
	collect(100, 100, 2, 1)
	wantPage(t, s, 1, 100, image(6), 6)
	wantPage(t, s, 2, 100, nil, 0, 7) // never without an image
	if c, err := s.Collect(segment.GarbagePlan{PG: 3, ReadFloor: 100, LogFloor: 100}, 0, 1); err != nil || c.Next != 1 {
		t.Fatal(c, err)
	}
}

// testRandom compares a store with Memory after random writes and collections.
func testRandom(t *testing.T, s Store, reopen func(*testing.T, Store) Store) {
	r := rand.New(rand.NewPCG(1, 2))
	m := NewMemory()
	next := redo.LSN(1)
	var floor redo.LSN
	for range 60 {
		byPage := map[redo.PageID][]redo.Record{}
		for range r.IntN(40) {
			p := redo.PageID(r.IntN(12) + 1)
			byPage[p] = append(byPage[p], rec(next, p))
			next++
		}
		var ws []boltstore.PageWrite
		for p := redo.PageID(1); p <= 12; p++ {
			w := boltstore.PageWrite{Page: p, Records: byPage[p]}
			if n := len(w.Records); n > 0 && r.IntN(3) == 0 {
				w.Image, w.LSN = image(byte(next)), w.Records[r.IntN(n)].LSN
			}
			if len(w.Records) > 0 {
				ws = append(ws, w)
			}
		}
		write(t, s, ws...)
		if err := m.Write(3, ws); err != nil {
			t.Fatal(err)
		}
		if r.IntN(4) == 0 {
			floor += redo.LSN(r.IntN(int(next-floor) + 1))
			plan := segment.GarbagePlan{PG: 3, ReadFloor: floor, LogFloor: redo.LSN(r.IntN(int(next) + 1))}
			a, err := s.Collect(plan, 0, 100)
			b, _ := m.Collect(plan, 0, 100)
			if err != nil || a != b {
				t.Fatalf("collect %+v: %+v, %v; want %+v", plan, a, err, b)
			}
		}
		if r.IntN(10) == 0 {
			s = reopen(t, s)
		}
		compare(t, r, s, m, floor, next)
	}
}

func compare(t *testing.T, r *rand.Rand, s Store, m *Memory, floor, next redo.LSN) {
	t.Helper()
	for range 20 {
		page, at := redo.PageID(r.IntN(13)+1), floor+redo.LSN(r.IntN(int(next-floor)+2))
		i1, l1, r1, err := s.Page(3, page, at)
		i2, l2, r2, _ := m.Page(3, page, at)
		if err != nil || !bytes.Equal(i1, i2) || l1 != l2 || !sameRecords(r1, r2) {
			t.Fatalf("page %d at %d: %d %v %v, want %d %v", page, at, l1, lsns(r1), err, l2, lsns(r2))
		}
		rg := redo.Range{After: redo.LSN(r.IntN(int(next))), Through: next}
		q1, g1, err := s.Records(3, rg, 100)
		q2, g2, _ := m.Records(3, rg, 100)
		if err != nil || g1 != g2 || !g1 && !sameRecords(q1, q2) {
			t.Fatalf("records %v: %v %v %v, want %v %v", rg, lsns(q1), g1, err, lsns(q2), g2)
		}
	}
}
