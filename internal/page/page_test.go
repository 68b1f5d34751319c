package page_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// model is a page as a person would write it: a sorted map.
type model struct {
	kind  page.Kind
	cells map[string]cell
}

type cell struct {
	value string
	flag  bool
}

func (m *model) used() int {
	n := 0
	for k, c := range m.cells {
		n += len(k) + len(c.value) + page.CellHead
	}
	return n
}

func (m *model) room(size int) int { return size - page.HeaderSize - m.used() }

func (m *model) check(t *testing.T, p []byte) {
	t.Helper()
	if err := page.Check(p); err != nil {
		t.Fatalf("Check: %v", err)
	}
	if page.Len(p) != len(m.cells) || page.Used(p) != m.used() || page.Room(p) != m.room(len(p)) {
		t.Fatalf("len %d used %d room %d, want %d %d %d", page.Len(p), page.Used(p), page.Room(p),
			len(m.cells), m.used(), m.room(len(p)))
	}
	for i, k := range slices.Sorted(maps.Keys(m.cells)) {
		key, value, flag := page.Cell(p, i)
		if want := m.cells[k]; string(key) != k || string(value) != want.value || flag != want.flag {
			t.Fatalf("cell %d is %x %x %v, want %x %x %v", i, key, value, flag, k, want.value, want.flag)
		}
		if at, found := page.Search(p, key); at != i || !found {
			t.Fatalf("Search(%x) = %d %v, want %d", key, at, found, i)
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (m *model) pick(r *rand.Rand) (string, bool) {
	if len(m.cells) == 0 {
		return "", false
	}
	keys := slices.Sorted(maps.Keys(m.cells))
	return keys[r.IntN(len(keys))], true
}

// step draws one record that the page must take, or one that it must refuse with
// want, and changes the model.
func (m *model) step(r *rand.Rand, size int) (op redo.Op, payload []byte, want error) {
	limit := page.CellMax(size)
	key := randomBytes(r, 1+r.IntN(min(12, limit/3)))
	value := randomBytes(r, r.IntN(limit-len(key)+1))
	c := cell{string(value), r.IntN(4) == 0}
	old, any := m.pick(r)
	switch n := r.IntN(20); {
	case n < 9 || !any:
		_, dup := m.cells[string(key)]
		switch {
		case dup:
			want = page.ErrRecord
		case len(key)+len(value)+page.CellHead > m.room(size):
			want = page.ErrFull
		default:
			m.cells[string(key)] = c
		}
		return redo.OpInsert, page.AppendCell(nil, key, value, c.flag), want
	case n < 13:
		delete(m.cells, old)
		return redo.OpDelete, []byte(old), nil
	case n < 15:
		was := m.cells[old]
		if len(old)+len(value) > limit {
			value = value[:limit-len(old)]
		}
		if len(value)-len(was.value) > m.room(size) {
			want = page.ErrFull
		} else {
			m.cells[old] = cell{string(value), c.flag}
		}
		return redo.OpReplace, page.AppendCell(nil, []byte(old), value, c.flag), want
	case n < 18:
		return m.patch(r, old, size)
	case n < 19:
		for k := range m.cells {
			if k >= old {
				delete(m.cells, k)
			}
		}
		return redo.OpTruncateFrom, []byte(old), nil
	default:
		return m.raise(r, old, size)
	}
}

func (m *model) patch(r *rand.Rand, key string, size int) (redo.Op, []byte, error) {
	was := m.cells[key]
	after := []byte(was.value)
	for range r.IntN(4) {
		at := r.IntN(len(after) + 1)
		end := min(len(after), at+r.IntN(8))
		insert := randomBytes(r, r.IntN(8))
		if r.IntN(2) == 0 {
			insert = randomBytes(r, end-at)
		}
		after = slices.Concat(after[:at], insert, after[end:])
	}
	after = after[:min(len(after), page.CellMax(size)-len(key))]
	payload := page.AppendPatch(nil, []byte(key), []byte(was.value), after)
	if len(after)-len(was.value) > m.room(size) {
		return redo.OpPatch, payload, page.ErrFull
	}
	m.cells[key] = cell{string(after), was.flag}
	return redo.OpPatch, payload, nil
}

func (m *model) raise(r *rand.Rand, key string, size int) (redo.Op, []byte, error) {
	was := m.cells[key]
	to := r.Uint64() >> r.IntN(64)
	payload := page.AppendRaise(nil, []byte(key), to)
	if len(was.value) != 8 {
		return redo.OpRaise, payload, page.ErrRecord
	}
	v := binary.LittleEndian.AppendUint64(nil, max(to, binary.LittleEndian.Uint64([]byte(was.value))))
	m.cells[key] = cell{string(v), was.flag}
	return redo.OpRaise, payload, nil
}

func record(lsn redo.LSN, op redo.Op, payload []byte) *redo.Record {
	return &redo.Record{LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, Page: 7, Op: op, Payload: payload}
}

// TestApplyAgainstModel runs random records against a sorted map. It also keeps
// a page that is packed and unpacked, or sealed, between any two records, and one
// made at the end from the log through its encoding: all bytes must be the same.
func TestApplyAgainstModel(t *testing.T) {
	for _, size := range []int{256, 512, 4096, page.Size} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("size=%d/seed=%d", size, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(size)))
				testModel(t, r, size)
			})
		}
	}
}

func testModel(t *testing.T, r *rand.Rand, size int) {
	p, q := make([]byte, size), make([]byte, size)
	m := &model{kind: page.KindLeaf, cells: map[string]cell{}}
	log := []redo.Record{*record(1, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, 99))}
	for _, b := range [][]byte{p, q} {
		if err := page.Apply(b, &log[0]); err != nil {
			t.Fatal(err)
		}
	}
	a := page.Address{Volume: 1, Timeline: 2, PG: 3, Page: 7}
	for lsn := redo.LSN(2); lsn < 300; lsn++ {
		op, payload, want := m.step(r, size)
		rec := record(lsn, op, payload)
		trial := slices.Clone(p)
		if err := page.Apply(trial, rec); !errors.Is(err, want) {
			t.Fatalf("record %d op %d: %v, want %v", lsn, op, err, want)
		}
		if want != nil {
			continue
		}
		p = trial
		m.check(t, p)
		if page.LSN(p) != lsn || page.Tree(p) != 99 || page.KindOf(p) != page.KindLeaf {
			t.Fatalf("header: lsn %d tree %d kind %d", page.LSN(p), page.Tree(p), page.KindOf(p))
		}
		log = append(log, *rec)
		disturb(t, r, q, a)
		if err := page.Apply(q, rec); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(p, q) {
		t.Fatal("a page that was stored between its records has other bytes")
	}
	if !bytes.Equal(p, replay(t, r, log, size)) {
		t.Fatal("the page made from the encoded log has other bytes")
	}
}

// disturb does to a page what storing it does.
func disturb(t *testing.T, r *rand.Rand, p []byte, a page.Address) {
	t.Helper()
	switch r.IntN(3) {
	case 0:
		page.Seal(p, a)
		if err := page.Verify(p, a); err != nil {
			t.Fatal(err)
		}
	case 1:
		packed := page.Pack(nil, p)
		copy(p, randomBytes(r, len(p)))
		if err := page.Unpack(p, packed); err != nil {
			t.Fatal(err)
		}
	}
}

// replay makes the page from the log as nodes get it: encoded in batches of any size.
func replay(t *testing.T, r *rand.Rand, log []redo.Record, size int) []byte {
	t.Helper()
	p := make([]byte, size)
	for len(log) > 0 {
		n := 1 + r.IntN(len(log))
		b, err := redo.DecodeBatch(redo.AppendBatch(nil, &redo.Batch{Volume: 1, Records: log[:n]}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			if err := page.Apply(p, &b.Records[i]); err != nil {
				t.Fatal(err)
			}
		}
		log = log[n:]
	}
	return p
}

func formatted(t testing.TB, size int, kind page.Kind, level int, body []byte) []byte {
	t.Helper()
	p := make([]byte, size)
	payload := append(page.AppendFormat(nil, kind, level, 5), body...)
	if err := page.Apply(p, record(1, redo.OpFormat, payload)); err != nil {
		t.Fatal(err)
	}
	if err := page.Check(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFormatWithContent: a page can be born with its cells or its body, and the
// cells are those of as many single inserts.
func TestFormatWithContent(t *testing.T) {
	var cells []byte
	one := formatted(t, page.Size, page.KindLeaf, 0, nil)
	for i := range 100 {
		key := binary.BigEndian.AppendUint32(nil, uint32(i))
		cell := page.AppendCell(nil, key, []byte("value"), i%2 == 0)
		cells = append(cells, cell...)
		if err := page.Apply(one, record(redo.LSN(i+2), redo.OpInsert, cell)); err != nil {
			t.Fatal(err)
		}
	}
	all := formatted(t, page.Size, page.KindLeaf, 0, cells)
	if !bytes.Equal(one[48:], all[48:]) || page.Len(all) != 100 {
		t.Fatal("a page formatted with cells differs from one they were inserted into")
	}
	body := bytes.Repeat([]byte("x"), page.BodyMax)
	if p := formatted(t, page.Size, page.KindOverflow, 0, body); !bytes.Equal(page.Body(p), body) {
		t.Fatal("body of an overflow page")
	}
	child := page.ChildValue(42)
	p := formatted(t, page.Size, page.KindInternal, 3, page.AppendCell(nil, nil, child[:], false))
	if page.Child(p, 0) != 42 || page.Level(p) != 3 || page.SearchChild(p, []byte("k")) != 0 {
		t.Fatal("internal page")
	}
}

// TestImageAndFree: an image brings a whole page, a freed page holds nothing and
// can be formatted again.
func TestImageAndFree(t *testing.T) {
	p := formatted(t, page.Size, page.KindLeaf, 0, page.AppendCell(nil, []byte("k"), []byte("v"), false))
	q := make([]byte, page.Size)
	if err := page.Apply(q, record(9, redo.OpImage, page.Pack(nil, p))); err != nil {
		t.Fatal(err)
	}
	if page.LSN(q) != 9 || string(page.Value(q, 0)) != "v" {
		t.Fatalf("image: lsn %d value %q", page.LSN(q), page.Value(q, 0))
	}
	if err := page.Apply(q, record(10, redo.OpFree, nil)); err != nil {
		t.Fatal(err)
	}
	if page.KindOf(q) != page.KindFree || page.Len(q) != 0 || page.LSN(q) != 10 || page.Check(q) != nil {
		t.Fatal("freed page")
	}
	if err := page.Apply(q, record(11, redo.OpInsert, page.AppendCell(nil, []byte("k"), nil, false))); !errors.Is(err, page.ErrRecord) {
		t.Fatalf("insert into a freed page: %v", err)
	}
	if err := page.Apply(q, record(12, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, 1))); err != nil {
		t.Fatal(err)
	}
}

// TestRefused: records that cannot belong to the page are errors, by name.
func TestRefused(t *testing.T) {
	leaf := formatted(t, page.Size, page.KindLeaf, 0, page.AppendCell(nil, []byte("b"), []byte("12345678"), false))
	child := page.ChildValue(1)
	internal := formatted(t, page.Size, page.KindInternal, 1, page.AppendCell(nil, []byte("b"), child[:], false))
	zero := make([]byte, page.Size)
	damaged := bytes.Clone(leaf)
	damaged[0] ^= 1
	newer := bytes.Clone(leaf)
	newer[4]++
	long := make([]byte, page.MaxCell)
	for name, c := range map[string]struct {
		p    []byte
		op   redo.Op
		b    []byte
		want error
	}{
		"insert of a present key":      {leaf, redo.OpInsert, page.AppendCell(nil, []byte("b"), nil, false), page.ErrRecord},
		"insert of nothing":            {leaf, redo.OpInsert, nil, page.ErrRecord},
		"insert of half a cell":        {leaf, redo.OpInsert, []byte{5, 2, 'a'}, page.ErrRecord},
		"insert of too long a cell":    {leaf, redo.OpInsert, page.AppendCell(nil, []byte("a"), long, false), page.ErrRecord},
		"insert into zeros":            {zero, redo.OpInsert, page.AppendCell(nil, []byte("a"), nil, false), page.ErrRecord},
		"delete of an absent key":      {leaf, redo.OpDelete, []byte("a"), page.ErrRecord},
		"patch of an absent key":       {leaf, redo.OpPatch, page.AppendPatch(nil, []byte("a"), nil, []byte("x")), page.ErrRecord},
		"patch beyond the value":       {leaf, redo.OpPatch, page.AppendSplice(page.AppendKey(nil, []byte("b")), 9, 0, nil), page.ErrRecord},
		"replace of an absent key":     {leaf, redo.OpReplace, page.AppendCell(nil, []byte("a"), nil, false), page.ErrRecord},
		"raise without a number":       {leaf, redo.OpRaise, page.AppendKey(nil, []byte("b")), page.ErrRecord},
		"raise of an absent key":       {leaf, redo.OpRaise, page.AppendRaise(nil, []byte("a"), 1), page.ErrRecord},
		"unknown operation":            {leaf, redo.Op(200), nil, page.ErrRecord},
		"image of nothing":             {leaf, redo.OpImage, nil, page.ErrRecord},
		"format as an unknown kind":    {leaf, redo.OpFormat, []byte{77, 0, 0}, page.ErrRecord},
		"leaf with a level":            {leaf, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 1, 0), page.ErrRecord},
		"internal page without a cell": {leaf, redo.OpFormat, page.AppendFormat(nil, page.KindInternal, 1, 0), page.ErrRecord},
		"last child deleted":           {internal, redo.OpDelete, []byte("b"), page.ErrRecord},
		"child that is no page id":     {internal, redo.OpReplace, page.AppendCell(nil, []byte("b"), []byte("x"), false), page.ErrRecord},
		"damaged page":                 {damaged, redo.OpDelete, []byte("b"), page.ErrCorrupt},
		"page of a newer format":       {newer, redo.OpDelete, []byte("b"), page.ErrVersion},
		"newer version of Apply":       {leaf, redo.OpVersion, []byte{2}, page.ErrVersion},
		"wrong size":                   {leaf[:100], redo.OpDelete, []byte("b"), page.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			if err := page.Apply(bytes.Clone(c.p), record(2, c.op, c.b)); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
		})
	}
	if err := page.Apply(leaf, record(1, redo.OpDelete, []byte("b"))); !errors.Is(err, page.ErrOrder) {
		t.Fatalf("record as old as the page: %v", err)
	}
	before := bytes.Clone(leaf)
	for _, r := range []*redo.Record{record(3, redo.OpNone, []byte("x")), record(3, redo.OpVersion, []byte{1})} {
		if err := page.Apply(leaf, r); err != nil || !bytes.Equal(before, leaf) {
			t.Fatalf("op %d changed the page or failed: %v", r.Op, err)
		}
	}
}

// TestVerifyFindsEveryFlippedBit, and every other address: a misdirected page
// does not verify.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	p := formatted(t, 512, page.KindLeaf, 0, page.AppendCell(nil, []byte("k"), []byte("v"), false))
	a := page.Address{Volume: 1 << 40, Timeline: 1, PG: 2, Page: 3}
	page.Seal(p, a)
	if err := page.Verify(p, a); err != nil {
		t.Fatal(err)
	}
	for i := range len(p) * 8 {
		p[i/8] ^= 1 << (i % 8)
		if page.Verify(p, a) == nil {
			t.Fatalf("flipped bit %d verifies", i)
		}
		p[i/8] ^= 1 << (i % 8)
	}
	for _, b := range []page.Address{
		{Volume: 2, Timeline: 1, PG: 2, Page: 3}, {Volume: 1 << 40, Timeline: 2, PG: 2, Page: 3},
		{Volume: 1 << 40, Timeline: 1, PG: 1, Page: 3}, {Volume: 1 << 40, Timeline: 1, PG: 2, Page: 4},
	} {
		if !errors.Is(page.Verify(p, b), page.ErrCorrupt) {
			t.Fatalf("page of %v verifies as %v", a, b)
		}
	}
	if page.Verify(make([]byte, page.Size), page.Address{}) == nil {
		t.Fatal("zeros verify")
	}
	p[4]++
	page.Seal(p, a)
	if err := page.Verify(p, a); !errors.Is(err, page.ErrVersion) {
		t.Fatalf("newer format: %v", err)
	}
}

// TestDiffIsSmall: a patch carries what changed, not the value.
func TestDiffIsSmall(t *testing.T) {
	row := bytes.Repeat([]byte("abcdefgh"), 30)
	for name, c := range map[string]struct {
		after []byte
		limit int
	}{
		"nothing":       {row, 0},
		"one byte":      {slices.Concat(row[:100], []byte("X"), row[101:]), 4},
		"two places":    {slices.Concat([]byte("XXXXXX"), row[6:200], []byte("Y"), row[201:]), 14},
		"longer at end": {slices.Concat([]byte("X"), row[1:], []byte("tail")), 12},
		"insert inside": {slices.Concat(row[:50], []byte("in"), row[50:]), 8},
		"cut":           {row[:10], 5},
	} {
		splices := page.AppendDiff(nil, row, c.after)
		got, err := page.Splice(nil, row, splices)
		if err != nil || !bytes.Equal(got, c.after) {
			t.Errorf("%s: %v", name, err)
		}
		if len(splices) > c.limit {
			t.Errorf("%s: %d bytes, want at most %d", name, len(splices), c.limit)
		}
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	var cells []byte
	for i := range 200 {
		cells = page.AppendCell(cells, binary.BigEndian.AppendUint32(nil, uint32(i)), []byte("0123456789"), false)
	}
	p := formatted(t, page.Size, page.KindLeaf, 0, cells)
	key := binary.BigEndian.AppendUint32(nil, 77)
	rec := record(2, redo.OpPatch, page.AppendSplice(page.AppendKey(nil, key), 2, 2, []byte("xy")))
	if n := testing.AllocsPerRun(100, func() {
		i, _ := page.Search(p, key)
		if page.Value(p, i) == nil {
			t.Fatal("no value")
		}
		rec.LSN++
		if err := page.Apply(p, rec); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// FuzzApply: whatever a page and a record hold, nothing panics; and a page that
// Check takes is still one after every record that Apply takes.
func FuzzApply(f *testing.F) {
	leaf := formatted(f, 512, page.KindLeaf, 0, page.AppendCell(nil, []byte("key"), []byte("12345678"), false))
	for op := redo.OpFormat; op <= redo.OpNone; op++ {
		f.Add(leaf, byte(op), page.AppendCell(nil, []byte("l"), []byte("x"), true))
		f.Add(leaf, byte(op), page.AppendRaise(nil, []byte("key"), 1<<63))
		f.Add(leaf, byte(op), page.AppendFormat(nil, page.KindLeaf, 0, 3))
	}
	child := page.ChildValue(9)
	f.Add(formatted(f, 256, page.KindInternal, 2, page.AppendCell(nil, nil, child[:], false)), byte(redo.OpDelete), []byte{})
	f.Add(formatted(f, 256, page.KindOverflow, 0, []byte("body")), byte(redo.OpInsert), []byte{})
	f.Fuzz(func(t *testing.T, p []byte, op byte, payload []byte) {
		p = bytes.Clone(p)
		read(p)
		sound := page.Check(p) == nil
		q := bytes.Clone(p)
		r := record(page.LSN(p)+1, redo.Op(op), payload)
		err, again := page.Apply(p, r), page.Apply(q, r)
		if (err == nil) != (again == nil) || err == nil && !bytes.Equal(p, q) {
			t.Fatal("the same record gave other bytes")
		}
		read(p)
		if sound && err == nil && page.Check(p) != nil {
			t.Fatal("a record broke the page")
		}
	})
}

// read calls everything that reads a page.
func read(p []byte) {
	for i := -1; i < 70000; i += 1 + i/8 {
		page.Cell(p, i)
		page.Key(p, i)
		page.Value(p, i)
		page.Child(p, i)
	}
	page.Search(p, []byte("k"))
	page.SearchChild(p, []byte("k"))
	page.Body(p)
	page.Room(p)
	page.Used(p)
	page.Level(p)
	page.Tree(p)
	_ = page.Verify(p, page.Address{})
	if len(p) >= page.HeaderSize {
		b := page.Pack(nil, p)
		_ = page.Unpack(bytes.Clone(p), b)
	}
}

func BenchmarkSearch(b *testing.B) {
	var cells []byte
	for i := range 200 {
		cells = page.AppendCell(cells, binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, 60), false)
	}
	p := formatted(b, page.Size, page.KindLeaf, 0, cells)
	key := binary.BigEndian.AppendUint64(nil, 123)
	for b.Loop() {
		page.Search(p, key)
	}
}
