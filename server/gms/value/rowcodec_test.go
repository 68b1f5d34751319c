package value

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// codecValues are values of all types that rows have.
func codecValues(t testing.TB) []any {
	t.Helper()
	decimal := func(text string) *apd.Decimal {
		d, _, err := apd.NewFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	p := types.Point{SRID: 4326, X: 1.5, Y: math.Copysign(0, -1)}
	line := types.LineString{SRID: 4326, Points: []types.Point{p, {SRID: 4326, X: 2}}}
	polygon := types.Polygon{Lines: []types.LineString{line, {}}}
	zone := time.FixedZone("+02:00", 7200)
	return []any{
		nil, true, false, int(-5), int8(-128), int16(math.MinInt16), int32(math.MinInt32), int64(math.MinInt64), int64(math.MaxInt64),
		uint(7), uint8(255), uint16(65535), uint32(math.MaxUint32), uint64(math.MaxUint64), float32(1.1), float64(-0.1), math.Inf(1),
		math.Copysign(0, -1), "", "text", "\xff\x00é", []byte(nil), []byte{}, []byte{0, 1, 255},
		decimal("0"), decimal("-0.00"), decimal("1.10"), decimal("-123456789012345678901234567890.123456789"), decimal("1E+5"),
		decimal("18446744073709551616"), &apd.Decimal{Form: apd.NaN}, &apd.Decimal{Form: apd.Infinite, Negative: true},
		time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), time.Time{}, time.Date(1, 1, 1, 0, 0, 0, 0, zone), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
		types.Timespan(-3020399000000), types.Timespan(0), []float32{1, -2.5}, []any(nil), []any{}, []any{int64(1), "a", []any{nil}}, sql.Row{int32(1), "x"},
		types.JSONDocument{Val: nil}, types.JSONDocument{Val: map[string]any{"a": 1.5, "b": []any{true, nil, "c"}, "": map[string]any{}}},
		&types.JSONDocument{Val: "s"}, TypedDocument{types.JSONDocument{Val: []any{TypedScalar{"DATE", "2026-01-02"}, decimal("1.50"), int64(3), uint64(4)}}},
		TypedScalar{JSONDouble, "1e300"}, map[string]any(nil), map[string]any{"k": int64(1)},
		p, line, polygon, types.LineString{}, types.MultiPoint{SRID: 1, Points: []types.Point{p}}, types.MultiLineString{Lines: []types.LineString{line}},
		types.MultiPolygon{Polygons: []types.Polygon{polygon}}, types.GeomColl{SRID: 3, Geoms: []types.GeometryValue{p, polygon, types.GeomColl{Geoms: []types.GeometryValue{}}}},
	}
}

// sameValue compares with the Go types; of decimals there are several forms in memory.
func sameValue(a, b any) bool {
	x, ok := a.(*apd.Decimal)
	y, ok2 := b.(*apd.Decimal)
	if ok && ok2 {
		return x.CmpTotal(y) == 0
	}
	return reflect.DeepEqual(a, b)
}

// A row comes back with the same values of the same Go types, and shares no memory with what it was read from.
func TestRowsOnDiskAreTheSame(t *testing.T) {
	values := codecValues(t)
	var c RowCodec
	check := func(r sql.Row) {
		t.Helper()
		b, err := c.AppendRow(nil, r)
		if err != nil {
			t.Fatalf("%#v: %v", r, err)
		}
		got, err := c.ReadRow(b)
		clear(b)
		if err != nil || !slices.EqualFunc(got, r, sameValue) {
			t.Fatalf("%#v came back as %#v, error %v", r, got, err)
		}
	}
	for _, v := range values {
		check(sql.Row{v})
	}
	check(sql.Row(values))
	check(sql.Row{})
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		r := make(sql.Row, random.IntN(9))
		for i := range r {
			r[i] = values[random.IntN(len(values))]
		}
		check(r)
	}
	b, err := c.AppendRow(nil, sql.Row{types.NewLazyJSONDocument([]byte(`{"a": 1}`)), int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ReadRow(b)
	if doc, ok := got[0].(*types.LazyJSONDocument); err != nil || !ok || doc.String() != `{"a": 1}` {
		t.Errorf("a document came back as %#v, error %v", got, err)
	}
}

// A type that rows are not known to have is an error, within a document too.
func TestUnknownTypesAreNotWritten(t *testing.T) {
	var c RowCodec
	for _, v := range []any{struct{}{}, make(chan int), (*apd.Decimal)(nil), []any{time.Second}, types.JSONDocument{Val: map[string]any{"a": []string{"x"}}}} {
		if b, err := c.AppendRow(nil, sql.Row{v}); err == nil {
			t.Errorf("%#v was written as %x", v, b)
		}
	}
}

// FuzzReadRow reads bytes that nobody has written: an error, or a row that is written and read again as the same bytes' row.
func FuzzReadRow(f *testing.F) {
	var c RowCodec
	for _, v := range codecValues(f) {
		b, err := c.AppendRow(nil, sql.Row{v, "end"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := c.ReadRow(b)
		if err != nil {
			return
		}
		if _, err := c.AppendRow(nil, r); err != nil {
			t.Errorf("%#v was read and cannot be written: %v", r, err)
		}
	})
}
