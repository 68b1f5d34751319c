package row_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"sextant/engine/row"
	"sextant/internal/spent"
)

// FuzzRow: whatever bytes a page gives for a row, Check refuses them with ErrCorrupt, or
// each column can be read, and a row made of the columns is the same again, byte for byte
// if nothing is NULL and no float is NaN. A row of another layout made of it holds the same values.
func FuzzRow(f *testing.F) {
	var columns []row.Column
	for typ := row.TypeInt8; typ.Valid(); typ++ {
		columns = append(columns, row.Column{ID: uint32(typ), Type: typ, Nullable: true})
	}
	const version = 300 // two bytes
	d := row.NewDesc(version, columns)
	added := row.Column{ID: 100, Type: row.TypeBytes}
	newer := row.NewDesc(version+1, append([]row.Column{added}, columns[5:]...))

	seed := row.NewBuilder(d)
	add := func() row.Row {
		r, err := seed.Row()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(r))
		return r
	}
	add()
	for i, c := range columns {
		switch c.Type.Kind() {
		case row.KindFloat:
			seed.SetFloat(i, -1.5)
		case row.KindBytes:
			seed.SetBytes(i, []byte("12.5"))
		default:
			seed.SetUint(i, uint64(i)<<3)
		}
	}
	r := add()
	ends := len(r) - 5*(2+len("12.5"))
	wide := append(row.Row{r[0] | 0x80}, r[1:ends]...)
	for i := range 5 {
		wide = append(wide, r[ends+2*i], r[ends+2*i+1], 0, 0)
	}
	f.Add([]byte(append(wide, r[ends+10:]...)))
	r[8] |= 0x80 // three bytes of a version, the last of which the bitmap takes for its first
	f.Add([]byte(r))
	seed.SetBytes(len(columns)-1, make([]byte, 1<<16))
	add()

	f.Fuzz(func(t *testing.T, b []byte) {
		spent.Within(t, 8*len(b), func() {
			r := row.Row(b)
			if err := d.Check(r); err != nil {
				if !errors.Is(err, row.ErrCorrupt) {
					t.Fatal(err)
				}
				return
			}
			again := row.NewBuilder(d)
			whole := r[9+len(columns)/8]>>(len(columns)%8) == 0 // no bit of no column
			for i := range columns {
				v := d.Datum(r, i)
				whole = whole && !v.Null() && (v.Kind != row.KindFloat || !math.IsNaN(v.Float()))
				again.Set(i, v)
			}
			same, err := again.Row()
			if err != nil {
				t.Fatal(err)
			}
			same.SetLSN(r.LSN())
			if err := d.Check(same); err != nil || whole && !bytes.Equal(same, r) {
				t.Fatalf("%x became %x: %v", r, same, err)
			}
			other, err := newer.Convert(again, d, r, func(int) row.Datum { return row.NewBytes([]byte("new")) })
			if err != nil {
				t.Fatal(err)
			}
			if err := newer.Check(other); err != nil || other.LSN() != r.LSN() || string(newer.Bytes(other, 0)) != "new" {
				t.Fatalf("%x became %x: %v", r, other, err)
			}
			for i := range columns[5:] {
				a, b := d.Datum(r, i+5), newer.Datum(other, i+1)
				if a.Kind != b.Kind || a.N != b.N && a.Kind != row.KindFloat || !bytes.Equal(a.B, b.B) {
					t.Fatalf("column %d: %v became %v", i+5, a, b)
				}
			}
		})
	})
}
