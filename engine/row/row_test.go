package row_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"sextant/engine/row"
)

// The collations of the tests: ids no real collation has.
const (
	collBin  row.CollationID = 60001
	collFold row.CollationID = 60002 // equal without case; ranks up to 2^31-1
)

func foldWeight(r rune) int32 {
	switch {
	case r == '∞':
		return math.MaxInt32
	case r > 0x10000:
		return int32(r)*4 + 1000 // needs the codes of 3 and 5 bytes
	}
	return int32(unicode.ToLower(r))
}

func register() {
	row.RegisterCollation(&row.Collation{ID: collBin, Name: "test_bin", Binary: true})
	row.RegisterCollation(&row.Collation{ID: collFold, Name: "test_ci", Weight: foldWeight})
}

type generator struct {
	typ       row.Type
	collation row.CollationID
	draw      func(*rand.Rand) row.Datum
	compare   func(a, b row.Datum) int
}

func ints(typ row.Type, bits int) generator {
	return generator{typ: typ,
		draw: func(r *rand.Rand) row.Datum {
			v := int64(r.Uint64()) >> (64 - bits)
			switch r.IntN(4) {
			case 0:
				v = int64(r.IntN(5) - 2)
			case 1:
				v = []int64{math.MinInt64, math.MaxInt64}[r.IntN(2)] >> (64 - bits)
			}
			return row.NewInt(v)
		},
		compare: func(a, b row.Datum) int { return cmp.Compare(a.Int(), b.Int()) }}
}

func uints(typ row.Type, bits int) generator {
	return generator{typ: typ,
		draw: func(r *rand.Rand) row.Datum {
			v := r.Uint64() >> (64 - bits)
			if r.IntN(3) == 0 {
				v = []uint64{0, 1, math.MaxUint64 >> (64 - bits), 1 << (bits - 1)}[r.IntN(4)]
			}
			return row.NewUint(v)
		},
		compare: func(a, b row.Datum) int { return cmp.Compare(a.N, b.N) }}
}

func floats(typ row.Type) generator {
	return generator{typ: typ,
		draw: func(r *rand.Rand) row.Datum {
			f := math.Float64frombits(r.Uint64())
			if r.IntN(2) == 0 {
				f = []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1, -1, math.SmallestNonzeroFloat32}[r.IntN(8)]
			}
			if typ == row.TypeFloat32 {
				f = float64(float32(f))
			}
			return row.NewFloat(f)
		},
		compare: func(a, b row.Datum) int { // NaN above everything
			x, y := a.Float(), b.Float()
			if math.IsNaN(x) || math.IsNaN(y) {
				return cmp.Compare(b2i(math.IsNaN(x)), b2i(math.IsNaN(y)))
			}
			return cmp.Compare(x, y)
		}}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func drawDecimal(r *rand.Rand) row.Datum {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0001234567899"[r.IntN(13)]
		}
		return string(b)
	}
	s := []string{"", "-", "", "-"}[r.IntN(4)] + []string{"0", "7", digits(1 + r.IntN(4)), digits(1 + r.IntN(40))}[r.IntN(4)]
	if r.IntN(2) == 0 {
		s += "." + digits(1+r.IntN(6))
	}
	return row.NewBytes([]byte(s))
}

func compareDecimal(a, b row.Datum) int {
	x, okx := new(big.Rat).SetString(string(a.B))
	y, oky := new(big.Rat).SetString(string(b.B))
	if !okx || !oky {
		panic(fmt.Sprintf("%q %q", a.B, b.B))
	}
	return x.Cmp(y)
}

func drawText(alphabet string) func(*rand.Rand) row.Datum {
	runes := []rune(alphabet)
	return func(r *rand.Rand) row.Datum {
		var b strings.Builder
		for range r.IntN(6) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		return row.NewBytes([]byte(b.String()))
	}
}

func compareFold(a, b row.Datum) int {
	x, y := []rune(string(a.B)), []rune(string(b.B))
	for i := range min(len(x), len(y)) {
		if c := cmp.Compare(foldWeight(x[i]), foldWeight(y[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func compareBytes(a, b row.Datum) int { return bytes.Compare(a.B, b.B) }

func drawBytes(r *rand.Rand) row.Datum {
	b := make([]byte, r.IntN(6))
	for i := range b {
		b[i] = []byte{0, 0, 1, 0xFE, 0xFF, byte(r.Uint32())}[r.IntN(6)]
	}
	return row.NewBytes(b)
}

func generators() []generator {
	return []generator{
		ints(row.TypeInt8, 8), ints(row.TypeInt16, 16), ints(row.TypeInt32, 32), ints(row.TypeInt64, 64),
		uints(row.TypeUint8, 8), uints(row.TypeUint16, 16), uints(row.TypeUint32, 32), uints(row.TypeUint64, 64),
		floats(row.TypeFloat32), floats(row.TypeFloat64),
		ints(row.TypeDate, 32), ints(row.TypeDatetime, 64), ints(row.TypeTimestamp, 64), ints(row.TypeTime, 64),
		uints(row.TypeYear, 16), uints(row.TypeEnum, 16), uints(row.TypeSet, 64), uints(row.TypeBit, 64),
		{typ: row.TypeDecimal, draw: drawDecimal, compare: compareDecimal},
		{typ: row.TypeBytes, draw: drawBytes, compare: compareBytes},
		{typ: row.TypeText, collation: collBin, draw: drawText("ab\x00\x01éß日😀"), compare: compareBytes},
		{typ: row.TypeText, collation: collFold, draw: drawText("aAbB\x00\x01éÉ日😀∞\U0010FFFFǅ"), compare: compareFold},
	}
}

// with NULL below everything, and inverted for a descending column.
func compareColumn(g generator, desc bool, a, b row.Datum) int {
	var c int
	switch {
	case a.Null() || b.Null():
		c = cmp.Compare(b2i(b.Null()), b2i(a.Null()))
	default:
		c = g.compare(a, b)
	}
	if desc {
		return -c
	}
	return c
}

// TestOrderOfKeysIsOrderOfValues draws pairs of rows of one to three columns of any
// type, nullable or not, ascending or descending, and compares both ways.
func TestOrderOfKeysIsOrderOfValues(t *testing.T) {
	register()
	r := rand.New(rand.NewPCG(1, 2))
	gens := generators()
	for round := range 4000 {
		n := 1 + r.IntN(3)
		if round < 8*len(gens) {
			n = 1
		}
		var cols []row.Column
		var parts []row.KeyPart
		var gs []generator
		for i := range n {
			g := gens[r.IntN(len(gens))]
			if round < 8*len(gens) {
				g = gens[round/8]
			}
			gs = append(gs, g)
			cols = append(cols, row.Column{ID: uint32(i + 1), Type: g.typ, Collation: g.collation, Nullable: r.IntN(2) == 0})
			parts = append(parts, row.KeyPart{Column: i, Desc: r.IntN(2) == 0})
		}
		d := row.NewDesc(1, cols)
		k, err := row.NewKey(d, parts)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			a, b := make([]row.Datum, n), make([]row.Datum, n)
			for i := range n {
				a[i], b[i] = drawNullable(r, gs[i], cols[i]), drawNullable(r, gs[i], cols[i])
				if r.IntN(3) == 0 {
					b[i] = a[i]
				}
			}
			want := 0
			for i := range n {
				if want = compareColumn(gs[i], parts[i].Desc, a[i], b[i]); want != 0 {
					break
				}
			}
			ka, kb := keyOf(t, k, d, a), keyOf(t, k, d, b)
			if got := bytes.Compare(ka, kb); got != want {
				t.Fatalf("columns %v parts %v\n%v\n%v\nkeys compare %d, values %d\n%x\n%x", cols, parts, a, b, got, want, ka, kb)
			}
			if want != 0 && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
				t.Fatalf("one key is a prefix of the other: %x %x", ka, kb)
			}
			checkDecode(t, k, ka, a)
		}
	}
}

func drawNullable(r *rand.Rand, g generator, c row.Column) row.Datum {
	if c.Nullable && r.IntN(5) == 0 {
		return row.Datum{}
	}
	return g.draw(r)
}

// keyOf builds the key through a row and by datum; both must agree.
func keyOf(t *testing.T, k *row.Key, d *row.Desc, vs []row.Datum) []byte {
	t.Helper()
	b := row.NewBuilder(d)
	var byDatum []byte
	for i, v := range vs {
		b.Set(i, v)
		byDatum = k.Append(byDatum, i, v)
	}
	r, err := b.Row()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(r); err != nil {
		t.Fatal(err)
	}
	key, _, err := k.AppendRow(nil, d, r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key, byDatum) {
		t.Fatalf("key of the row %x, of the values %x", key, byDatum)
	}
	return key
}

func checkDecode(t *testing.T, k *row.Key, key []byte, vs []row.Datum) {
	t.Helper()
	for i, v := range vs {
		n, err := k.Skip(key, i)
		if err != nil {
			t.Fatal(err)
		}
		if k.PartDecodable(i) {
			got, m, err := k.Decode(key, i)
			if err != nil || m != n || got.Kind != v.Kind || got.N != v.N || !bytes.Equal(got.B, v.B) {
				t.Fatalf("decoded %v (%d bytes, %v), want %v (%d bytes)", got, m, err, v, n)
			}
		}
		key = key[n:]
	}
	if len(key) != 0 {
		t.Fatalf("%d bytes left of the key", len(key))
	}
}

func TestPrefixPartsCutCharactersNotBytes(t *testing.T) {
	register()
	d := row.NewDesc(1, []row.Column{{ID: 1, Type: row.TypeText, Collation: collFold}, {ID: 2, Type: row.TypeText, Collation: collBin}, {ID: 3, Type: row.TypeBytes}})
	for i, want := range map[int]string{0: "éé", 1: "éé", 2: "\xc3\xa9"} {
		p, err := row.NewKey(d, []row.KeyPart{{Column: i, Prefix: 2}})
		if err != nil {
			t.Fatal(err)
		}
		whole, err := row.NewKey(d, []row.KeyPart{{Column: i}})
		if err != nil {
			t.Fatal(err)
		}
		got := p.Append(nil, 0, row.NewBytes([]byte("éééé")))
		if !bytes.Equal(got, whole.Append(nil, 0, row.NewBytes([]byte(want)))) {
			t.Errorf("column %d: prefix is not %q", i, want)
		}
		if p.Decodable() {
			t.Errorf("column %d: a prefix must not be decodable", i)
		}
	}
	if _, err := row.NewKey(row.NewDesc(1, []row.Column{{Type: row.TypeInt32}}), []row.KeyPart{{Prefix: 3}}); err == nil {
		t.Error("prefix of an integer was accepted")
	}
	if _, err := row.NewKey(row.NewDesc(1, []row.Column{{Type: row.TypeJSON}}), []row.KeyPart{{}}); err == nil {
		t.Error("JSON was accepted in a key")
	}
	if _, err := row.NewKey(row.NewDesc(1, []row.Column{{Type: row.TypeText, Collation: 59999}}), []row.KeyPart{{}}); err == nil {
		t.Error("an unknown collation was accepted")
	}
}

func TestPrefixEndIsTheLowestKeyAboveAll(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"a", "b"}, {"a\xff", "b"}, {"a\xff\xffb", "a\xff\xffc"}} {
		if got := string(row.PrefixEnd([]byte(c.in))); got != c.want {
			t.Errorf("PrefixEnd(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	if row.PrefixEnd([]byte("\xff\xff")) != nil || row.PrefixEnd(nil) != nil {
		t.Error("a prefix without an end must give nil")
	}
}

func TestKeyAboveTheLimitIsRefused(t *testing.T) {
	d := row.NewDesc(1, []row.Column{{ID: 1, Type: row.TypeBytes}})
	k, err := row.NewKey(d, []row.KeyPart{{}})
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]error{row.KeyMax - 2: nil, row.KeyMax - 1: row.ErrKeyTooLong} {
		b := row.NewBuilder(d)
		b.SetBytes(0, bytes.Repeat([]byte("x"), size))
		r, err := b.Row()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = k.AppendRow(nil, d, r); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
	}
}

func TestRowsGiveBackWhatWasSet(t *testing.T) {
	register()
	r := rand.New(rand.NewPCG(3, 4))
	gens := append(generators(), generator{typ: row.TypeJSON, draw: drawBytes}, generator{typ: row.TypeGeometry, draw: drawBytes},
		generator{typ: row.TypeBytes, draw: func(r *rand.Rand) row.Datum { return row.NewBytes(make([]byte, r.IntN(100_000))) }})
	for range 2000 {
		n := r.IntN(20)
		cols, vals := make([]row.Column, n), make([]row.Datum, n)
		for i := range n {
			g := gens[r.IntN(len(gens))]
			cols[i] = row.Column{ID: uint32(i), Type: g.typ, Collation: g.collation, Nullable: true}
			vals[i] = drawNullable(r, g, cols[i])
		}
		d := row.NewDesc(uint32(r.Uint64()>>(32+r.IntN(32))), cols)
		b := row.NewBuilder(d)
		for range 2 { // a reused builder remembers nothing
			b.Reset(d)
			for i, v := range vals {
				b.Set(i, v)
			}
		}
		got, err := b.Row()
		if err != nil {
			t.Fatal(err)
		}
		got.SetLSN(0x0000_F1E2_D3C4_B5A6)
		if err := d.Check(got); err != nil {
			t.Fatal(err)
		}
		if got.LSN() != 0x0000_F1E2_D3C4_B5A6 {
			t.Fatalf("row LSN %x", got.LSN())
		}
		for i, v := range vals {
			g := d.Datum(got, i)
			if g.Kind != v.Kind || g.N != v.N || !bytes.Equal(g.B, v.B) || d.IsNull(got, i) != v.Null() {
				t.Fatalf("column %d (%v): got %v, want %v", i, cols[i], g, v)
			}
		}
		for cut := range min(len(got), 40) {
			if d.Check(got[:cut]) == nil {
				t.Fatalf("a row cut at %d of %d passes", cut, len(got))
			}
		}
	}
}

func TestConvertFindsColumnsByIDAndFillsAddedOnes(t *testing.T) {
	old := row.NewDesc(1, []row.Column{{ID: 1, Type: row.TypeInt64}, {ID: 2, Type: row.TypeBytes}, {ID: 3, Type: row.TypeInt8, Nullable: true}})
	// Column 2 was dropped, 3 moved to the front, 4 and 5 added.
	now := row.NewDesc(300, []row.Column{{ID: 3, Type: row.TypeInt8}, {ID: 1, Type: row.TypeInt64}, {ID: 4, Type: row.TypeBytes}, {ID: 5, Type: row.TypeInt32, Nullable: true}})
	b := row.NewBuilder(old)
	b.SetInt(0, -7)
	b.SetBytes(1, []byte("gone"))
	b.SetInt(2, 5)
	r, err := b.Row()
	if err != nil {
		t.Fatal(err)
	}
	r.SetLSN(99)
	got, err := now.Convert(new(row.Builder), old, r, func(i int) row.Datum {
		if i == 2 {
			return row.NewBytes([]byte("default"))
		}
		return row.Datum{}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := now.Check(got); err != nil {
		t.Fatal(err)
	}
	if now.Int(got, 0) != 5 || now.Int(got, 1) != -7 || string(now.Bytes(got, 2)) != "default" || !now.IsNull(got, 3) || got.LSN() != 99 {
		t.Fatalf("converted to %x", got)
	}
	if old.Check(got) == nil {
		t.Error("a row of version 300 passes as version 1")
	}
	other := row.NewDesc(2, []row.Column{{ID: 1, Type: row.TypeInt32}})
	if _, err := other.Convert(new(row.Builder), old, r, nil); !errors.Is(err, row.ErrCorrupt) {
		t.Errorf("conversion to another type: %v", err)
	}
}

func TestCollationCompareIsKeyOrder(t *testing.T) {
	register()
	r := rand.New(rand.NewPCG(5, 6))
	c := row.CollationByID(collFold)
	draw := drawText("aAbBéÉ日😀∞")
	for range 5000 {
		a, b := draw(r), draw(r)
		if got, want := c.Compare(a.B, b.B), compareFold(a, b); got != want {
			t.Fatalf("%q %q: %d, want %d", a.B, b.B, got, want)
		}
	}
	if c.Hash() == 0 || c.Hash() == (&row.Collation{ID: 9, Weight: func(r rune) int32 { return int32(r) }}).Hash() {
		t.Error("the checksum does not tell weights apart")
	}
}

// Of a PAD SPACE collation, texts that differ in blanks at their end have one key, and the
// order is that of the texts without them.
func TestPaddedTextsAreEqual(t *testing.T) {
	register()
	r := rand.New(rand.NewPCG(7, 8))
	c := &row.Collation{ID: 10, Weight: foldWeight, Pad: true}
	draw := drawText("aAb  é∞")
	for range 5000 {
		a, b := draw(r), draw(r)
		trimmedA, trimmedB := row.NewBytes(bytes.TrimRight(a.B, " ")), row.NewBytes(bytes.TrimRight(b.B, " "))
		want := compareFold(trimmedA, trimmedB)
		if got := c.Compare(a.B, b.B); got != want {
			t.Fatalf("%q %q: %d, want %d", a.B, b.B, got, want)
		}
		if got := bytes.Compare(c.AppendWeights(nil, a.B), c.AppendWeights(nil, b.B)); got != want {
			t.Fatalf("keys of %q %q: %d, want %d", a.B, b.B, got, want)
		}
	}
	if c.Hash() == (&row.Collation{ID: 11, Weight: foldWeight}).Hash() {
		t.Error("the checksum does not tell padding")
	}
}

func FuzzKeyDecodeNeverPanics(f *testing.F) {
	register()
	d := row.NewDesc(1, []row.Column{{Type: row.TypeBytes, Nullable: true}, {Type: row.TypeText, Collation: collFold}, {Type: row.TypeDecimal}, {Type: row.TypeInt32}})
	k, err := row.NewKey(d, []row.KeyPart{{Column: 0}, {Column: 1, Desc: true}, {Column: 2}, {Column: 3, Desc: true}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{1, 'a', 0, 1, 0xff, 3, 0x40, 1, 2, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := k.Len(b, 4); err == nil && n > len(b) {
			t.Fatalf("key of %d bytes in %d", n, len(b))
		}
		for i := range 4 {
			if _, n, err := k.Decode(b, i); err == nil && n > len(b) {
				t.Fatalf("part %d of %d bytes in %d", i, n, len(b))
			}
		}
	})
}

func BenchmarkAppendRowKey(b *testing.B) {
	d := row.NewDesc(1, []row.Column{{ID: 1, Type: row.TypeInt32}, {ID: 2, Type: row.TypeInt32}})
	k, err := row.NewKey(d, []row.KeyPart{{Column: 1}, {Column: 0}})
	if err != nil {
		b.Fatal(err)
	}
	bl := row.NewBuilder(d)
	bl.SetInt(0, 77)
	bl.SetInt(1, -5)
	r, err := bl.Row()
	if err != nil {
		b.Fatal(err)
	}
	var key []byte
	b.ReportAllocs()
	for b.Loop() {
		if key, _, err = k.AppendRow(key[:0], d, r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCompleteKeysAreToldFromPrefixes(t *testing.T) {
	d := row.NewDesc(1, []row.Column{{ID: 1, Type: row.TypeInt32, Nullable: true}, {ID: 2, Type: row.TypeBytes, Nullable: true}})
	k, err := row.NewKey(d, []row.KeyPart{{Column: 0, Desc: true}, {Column: 1}})
	if err != nil {
		t.Fatal(err)
	}
	one, null := row.NewInt(1), row.Datum{}
	for _, c := range []struct {
		vs             []row.Datum
		complete, null bool
	}{
		{[]row.Datum{one, row.NewBytes(nil)}, true, false},
		{[]row.Datum{null, row.NewBytes([]byte("x"))}, true, true},
		{[]row.Datum{one, null}, true, true},
		{[]row.Datum{one}, false, false},
		{nil, false, false},
	} {
		var key []byte
		for i, v := range c.vs {
			key = k.Append(key, i, v)
		}
		if complete, null := k.Complete(key, 2); complete != c.complete || complete && null != c.null {
			t.Errorf("%v: complete %v, null %v", c.vs, complete, null)
		}
		if complete, _ := k.Complete(append(key, 0), 2); c.complete && complete {
			t.Errorf("%v with a byte more is complete", c.vs)
		}
	}
	b := row.NewBuilder(d)
	r, err := b.Row()
	if err != nil {
		t.Fatal(err)
	}
	if d.SetUint(r, 0, 0xFFFFFFFE); d.Int(r, 0) != -2 || d.IsNull(r, 0) {
		t.Errorf("SetUint: %x", r)
	}
}
