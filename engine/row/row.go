// Package row defines how a row and a key are written as bytes.
//
// A Row is one byte string that holds every stored column of a table's row in a
// form that needs no decoding on its way to a client: fixed-width columns are
// little-endian at the width of MySQL's binary protocol, text is UTF-8, decimals
// and JSON are their final text. A Key turns columns into bytes whose order is the
// order of the values, so that a B+tree needs to know nothing of types.
//
// The package decides bytes only. It does no I/O, knows nothing of trees,
// transactions or SQL; whoever makes a value has already checked and converted it
// to the column's type. Start with Desc (a row's layout) and Key (an index's keys).
//
// A row:
//
//	1       format: 1, plus 0x80 if the end offsets have four bytes
//	6       row LSN, little-endian: an LSN of the commit that wrote the row, 0 before
//	n       schema version, varint
//	(c+7)/8 null bitmap, column i is bit i%8 of byte i/8
//	...     fixed-width columns in column order, zero if NULL
//	2v, 4v  end of each variable column, counted from the first variable byte
//	...     variable bytes in column order
//
// Deviation: rows hold the columns of their primary key too, although the key
// could be decoded: a row read from a page is then the bytes in the page.
package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"sextant/internal/redo"
)

// ErrCorrupt is returned when bytes are not a row of the descriptor's layout or
// not a key of the key's layout.
var ErrCorrupt = errors.New("row: corrupt bytes")

// ErrTooLarge is returned by Builder.Row for a row above SizeMax.
var ErrTooLarge = errors.New("row: row too large")

// SizeMax is the largest row, in bytes.
const SizeMax = 1 << 30

// Type is a storage type. Numbers are stored and never reused.
type Type uint8

// The storage types. Width is that of MySQL's binary protocol (MEDIUMINT is
// Int32, YEAR is Uint16).
const (
	TypeInt8      Type = 1
	TypeInt16     Type = 2
	TypeInt32     Type = 3
	TypeInt64     Type = 4
	TypeUint8     Type = 5
	TypeUint16    Type = 6
	TypeUint32    Type = 7
	TypeUint64    Type = 8
	TypeFloat32   Type = 9
	TypeFloat64   Type = 10
	TypeDate      Type = 11 // int32, days since 1970-01-01
	TypeDatetime  Type = 12 // int64, µs since 1970-01-01 00:00:00 of the written time
	TypeTimestamp Type = 13 // int64, µs since 1970 UTC
	TypeTime      Type = 14 // int64, µs, negative before 00:00:00
	TypeYear      Type = 15 // uint16
	TypeEnum      Type = 16 // uint16, ordinal from 1; 0 is the error value ''
	TypeSet       Type = 17 // uint64, member bits
	TypeBit       Type = 18 // uint64
	TypeDecimal   Type = 19 // variable: the final text, [-]digits[.digits]
	TypeBytes     Type = 20 // variable: BINARY, VARBINARY, BLOB
	TypeText      Type = 21 // variable: CHAR, VARCHAR, TEXT, in UTF-8
	TypeJSON      Type = 22 // variable: the final text; in no key
	TypeGeometry  Type = 23 // variable: SRID and WKB; in no key
)

// width holds the bytes of a fixed-width type, 0 for variable ones.
var width = [...]uint8{
	TypeInt8: 1, TypeInt16: 2, TypeInt32: 4, TypeInt64: 8,
	TypeUint8: 1, TypeUint16: 2, TypeUint32: 4, TypeUint64: 8,
	TypeFloat32: 4, TypeFloat64: 8,
	TypeDate: 4, TypeDatetime: 8, TypeTimestamp: 8, TypeTime: 8, TypeYear: 2,
	TypeEnum: 2, TypeSet: 8, TypeBit: 8,
	TypeDecimal: 0, TypeBytes: 0, TypeText: 0, TypeJSON: 0, TypeGeometry: 0,
}

// Valid reports whether t is one of the storage types.
func (t Type) Valid() bool { return t >= TypeInt8 && int(t) < len(width) }

// Width returns the bytes of a fixed-width type, 0 for a variable one.
func (t Type) Width() int { return int(width[t]) }

// Kind returns the kind of Datum that holds a value of the type.
func (t Type) Kind() Kind {
	switch t {
	case TypeInt8, TypeInt16, TypeInt32, TypeInt64, TypeDate, TypeDatetime, TypeTimestamp, TypeTime:
		return KindInt
	case TypeUint8, TypeUint16, TypeUint32, TypeUint64, TypeYear, TypeEnum, TypeSet, TypeBit:
		return KindUint
	case TypeFloat32, TypeFloat64:
		return KindFloat
	}
	return KindBytes
}

// Column is what the codecs need to know of a column. It is stored in the catalog.
type Column struct {
	ID        uint32      // of the column in its table, for ever, also after DROP COLUMN
	Name      string      // for messages only
	Type      Type        // storage type
	Nullable  bool        // in a key: a byte for NULL precedes the value
	Collation CollationID // of TypeText; 0 otherwise
}

// Kind says which field of a Datum holds its value.
type Kind uint8

// The kinds.
const (
	KindNull Kind = iota
	KindInt
	KindUint
	KindFloat
	KindBytes
)

// Datum is one value outside a row: a bound of a range, a default. The zero Datum is NULL.
type Datum struct {
	Kind Kind
	N    uint64 // KindInt: two's complement; KindUint; KindFloat: IEEE bits
	B    []byte // KindBytes
}

// NewInt returns a KindInt datum.
func NewInt(v int64) Datum { return Datum{Kind: KindInt, N: uint64(v)} }

// NewUint returns a KindUint datum.
func NewUint(v uint64) Datum { return Datum{Kind: KindUint, N: v} }

// NewFloat returns a KindFloat datum.
func NewFloat(v float64) Datum { return Datum{Kind: KindFloat, N: math.Float64bits(v)} }

// NewBytes returns a KindBytes datum that shares memory with b.
func NewBytes(b []byte) Datum { return Datum{Kind: KindBytes, B: b} }

// Null reports whether the datum is NULL.
func (d Datum) Null() bool { return d.Kind == KindNull }

// Int returns the value of a KindInt datum.
func (d Datum) Int() int64 { return int64(d.N) }

// Float returns the value of a KindFloat datum.
func (d Datum) Float() float64 { return math.Float64frombits(d.N) }

// Row is one row in the format of the package comment.
type Row []byte

const (
	formatRow   = 1
	formatWide  = 0x80 // end offsets have four bytes
	lsnAt       = 1
	versionAt   = 7
	narrowBytes = math.MaxUint16 // variable bytes that two-byte end offsets reach
)

// LSN returns the row LSN: an LSN of the commit that wrote the row, above every
// snapshot that does not have it and at or below every one that has. 0: not committed.
func (r Row) LSN() redo.LSN {
	return redo.LSN(binary.LittleEndian.Uint32(r[lsnAt:])) | redo.LSN(binary.LittleEndian.Uint16(r[lsnAt+4:]))<<32
}

// SetLSN stores the low 48 bits of l in place.
func (r Row) SetLSN(l redo.LSN) {
	binary.LittleEndian.PutUint32(r[lsnAt:], uint32(l))
	binary.LittleEndian.PutUint16(r[lsnAt+4:], uint16(l>>32))
}

// Version returns the schema version that the row was written with, or
// ErrCorrupt if r does not begin like a row.
func (r Row) Version() (uint32, error) {
	if len(r) <= versionAt || r[0]&^formatWide != formatRow {
		return 0, ErrCorrupt
	}
	if v := r[versionAt]; v < 0x80 {
		return uint32(v), nil
	}
	v, n := binary.Uvarint(r[versionAt:])
	if n <= 0 || v > math.MaxUint32 {
		return 0, ErrCorrupt
	}
	return uint32(v), nil
}

// Desc is the layout of the rows of one schema version. It is immutable and safe
// for concurrent use.
type Desc struct {
	Version uint32
	Columns []Column

	slots    []uint32 // fixed: offset in the row; variable: ordinal among the variable ones
	bitmapAt int
	endsAt   int // the first end offset
	variable int // number of variable columns
}

// NewDesc returns the layout of rows with these columns, in this order. It panics
// on an invalid type: a catalog with one must not be used.
func NewDesc(version uint32, columns []Column) *Desc {
	d := &Desc{Version: version, Columns: columns, slots: make([]uint32, len(columns))}
	d.bitmapAt = versionAt + len(binary.AppendUvarint(nil, uint64(version)))
	at := d.bitmapAt + (len(columns)+7)/8
	for i, c := range columns {
		if !c.Type.Valid() {
			panic(fmt.Sprintf("row: column %q has type %d", c.Name, c.Type))
		}
		if w := c.Type.Width(); w > 0 {
			d.slots[i] = uint32(at)
			at += w
		} else {
			d.slots[i] = uint32(d.variable)
			d.variable++
		}
	}
	d.endsAt = at
	return d
}

// Check returns nil if r is a row of this layout: then no getter goes out of
// bounds. Otherwise ErrCorrupt, wrapped.
func (d *Desc) Check(r Row) error {
	v, err := r.Version()
	if err != nil {
		return err
	}
	if v != d.Version {
		return fmt.Errorf("%w: row of schema version %d read as %d", ErrCorrupt, v, d.Version)
	}
	if r[d.bitmapAt-1] >= 0x80 {
		return fmt.Errorf("%w: schema version %d is longer than it must be", ErrCorrupt, v)
	}
	ends := d.endWidth(r)
	first := d.endsAt + d.variable*ends
	if len(r) < first {
		return fmt.Errorf("%w: row of %d bytes", ErrCorrupt, len(r))
	}
	last := 0
	for i := range d.variable {
		e := d.end(r, ends, i)
		if e < last {
			return fmt.Errorf("%w: end offset %d after %d", ErrCorrupt, e, last)
		}
		last = e
	}
	if ends == 4 && last <= narrowBytes {
		return fmt.Errorf("%w: wide end offsets for %d bytes", ErrCorrupt, last)
	}
	if first+last != len(r) {
		return fmt.Errorf("%w: row of %d bytes, %d expected", ErrCorrupt, len(r), first+last)
	}
	return nil
}

func (d *Desc) endWidth(r Row) int {
	if r[0]&formatWide != 0 {
		return 4
	}
	return 2
}

func (d *Desc) end(r Row, ends, i int) int {
	if ends == 2 {
		return int(binary.LittleEndian.Uint16(r[d.endsAt+2*i:]))
	}
	return int(binary.LittleEndian.Uint32(r[d.endsAt+4*i:]))
}

// IsNull reports whether column i of r is NULL.
func (d *Desc) IsNull(r Row, i int) bool { return r[d.bitmapAt+i/8]&(1<<(i%8)) != 0 }

// Int returns column i, of a KindInt type; 0 if it is NULL.
func (d *Desc) Int(r Row, i int) int64 {
	at := d.slots[i]
	switch d.Columns[i].Type.Width() {
	case 1:
		return int64(int8(r[at]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(r[at:])))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(r[at:])))
	}
	return int64(binary.LittleEndian.Uint64(r[at:]))
}

// Uint returns column i, of a KindUint type; 0 if it is NULL.
func (d *Desc) Uint(r Row, i int) uint64 {
	at := d.slots[i]
	switch d.Columns[i].Type.Width() {
	case 1:
		return uint64(r[at])
	case 2:
		return uint64(binary.LittleEndian.Uint16(r[at:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(r[at:]))
	}
	return binary.LittleEndian.Uint64(r[at:])
}

// Float returns column i, of a KindFloat type; 0 if it is NULL.
func (d *Desc) Float(r Row, i int) float64 {
	at := d.slots[i]
	if d.Columns[i].Type == TypeFloat32 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(r[at:])))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(r[at:]))
}

// Bytes returns column i, of a KindBytes type, in r's memory; empty if it is NULL.
func (d *Desc) Bytes(r Row, i int) []byte {
	ends := d.endWidth(r)
	first := d.endsAt + d.variable*ends
	slot, from := int(d.slots[i]), 0
	if slot > 0 {
		from = d.end(r, ends, slot-1)
	}
	to := first + d.end(r, ends, slot)
	return r[first+from : to : to]
}

// Fixed returns the little-endian bytes of a fixed-width column as the binary
// protocol has them (but for dates and times), in r's memory.
func (d *Desc) Fixed(r Row, i int) []byte {
	at := int(d.slots[i])
	to := at + d.Columns[i].Type.Width()
	return r[at:to:to]
}

// SetUint overwrites a fixed-width column of r in place; the value must fit its width.
func (d *Desc) SetUint(r Row, i int, v uint64) {
	b := d.Fixed(r, i)
	for j := range b {
		b[j] = byte(v >> (8 * j))
	}
	r[d.bitmapAt+i/8] &^= 1 << (i % 8)
}

// Datum returns column i; bytes are in r's memory.
func (d *Desc) Datum(r Row, i int) Datum {
	if d.IsNull(r, i) {
		return Datum{}
	}
	switch d.Columns[i].Type.Kind() {
	case KindInt:
		return NewInt(d.Int(r, i))
	case KindUint:
		return NewUint(d.Uint(r, i))
	case KindFloat:
		return NewFloat(d.Float(r, i))
	}
	return NewBytes(d.Bytes(r, i))
}

// Equal reports whether two rows of this layout hold the same bytes in every
// column; the row LSN is not compared.
func (d *Desc) Equal(a, b Row) bool {
	return a[0] == b[0] && len(a) == len(b) && string(a[versionAt:]) == string(b[versionAt:])
}

// Convert returns r, a row of layout from, as a row of layout d: a column is found
// by its ID, one that from does not have is added(i), i its ordinal in d; a nil
// added means NULL. Types of a column are the same in both: changing one
// rewrites the table. The row LSN is kept. The result is in b's memory.
func (d *Desc) Convert(b *Builder, from *Desc, r Row, added func(i int) Datum) (Row, error) {
	b.Reset(d)
	for i := range d.Columns {
		at := i
		if at >= len(from.Columns) || from.Columns[at].ID != d.Columns[i].ID {
			at = from.ordinal(d.Columns[i].ID)
		}
		switch {
		case at >= 0 && from.Columns[at].Type != d.Columns[i].Type:
			return nil, fmt.Errorf("%w: column %q has type %d in version %d and %d in version %d", ErrCorrupt,
				d.Columns[i].Name, from.Columns[at].Type, from.Version, d.Columns[i].Type, d.Version)
		case at >= 0:
			b.Set(i, from.Datum(r, at))
		case added != nil:
			b.Set(i, added(i))
		}
	}
	out, err := b.Row()
	if err != nil {
		return nil, err
	}
	out.SetLSN(r.LSN())
	return out, nil
}

func (d *Desc) ordinal(id uint32) int {
	for i := range d.Columns {
		if d.Columns[i].ID == id {
			return i
		}
	}
	return -1
}

// Builder makes rows of one layout. Every column not set is NULL. It is reused
// with Reset and not safe for concurrent use.
type Builder struct {
	d     *Desc
	fixed []byte // the row up to the end offsets
	vars  [][]byte
}

// NewBuilder returns a Builder for rows of d.
func NewBuilder(d *Desc) *Builder {
	b := &Builder{}
	b.Reset(d)
	return b
}

// Reset forgets the columns set and starts a row of d.
func (b *Builder) Reset(d *Desc) {
	if b.d != d {
		b.d = d
		b.fixed = make([]byte, d.endsAt)
		b.vars = make([][]byte, d.variable)
		binary.PutUvarint(b.fixed[versionAt:], uint64(d.Version))
	}
	clear(b.fixed[d.bitmapAt:])
	clear(b.vars)
	for i := range d.Columns {
		b.fixed[d.bitmapAt+i/8] |= 1 << (i % 8)
	}
}

func (b *Builder) notNull(i int) { b.fixed[b.d.bitmapAt+i/8] &^= 1 << (i % 8) }

// SetNull makes column i NULL.
func (b *Builder) SetNull(i int) {
	b.fixed[b.d.bitmapAt+i/8] |= 1 << (i % 8)
	if w := b.d.Columns[i].Type.Width(); w > 0 {
		clear(b.fixed[b.d.slots[i]:][:w])
	} else {
		b.vars[b.d.slots[i]] = nil
	}
}

// SetInt sets column i, of a KindInt type; the value must fit its width.
func (b *Builder) SetInt(i int, v int64) { b.SetUint(i, uint64(v)) }

// SetUint sets column i, of a KindUint type; the value must fit its width.
func (b *Builder) SetUint(i int, v uint64) {
	b.notNull(i)
	at := b.fixed[b.d.slots[i]:]
	switch b.d.Columns[i].Type.Width() {
	case 1:
		at[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(at, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(at, uint32(v))
	default:
		binary.LittleEndian.PutUint64(at, v)
	}
}

// SetFloat sets column i, of a KindFloat type.
func (b *Builder) SetFloat(i int, v float64) {
	if b.d.Columns[i].Type == TypeFloat32 {
		b.SetUint(i, uint64(math.Float32bits(float32(v))))
		return
	}
	b.SetUint(i, math.Float64bits(v))
}

// SetBytes sets column i, of a KindBytes type. v is read when Row is called.
func (b *Builder) SetBytes(i int, v []byte) {
	b.notNull(i)
	b.vars[b.d.slots[i]] = v
}

// Set sets column i to a datum of the type's kind, or to NULL.
func (b *Builder) Set(i int, v Datum) {
	switch {
	case v.Kind == KindNull:
		b.SetNull(i)
	case v.Kind == KindBytes:
		b.SetBytes(i, v.B)
	case v.Kind == KindFloat:
		b.SetFloat(i, v.Float())
	default:
		b.SetUint(i, v.N)
	}
}

// Row returns the row in new memory. Returns ErrTooLarge.
func (b *Builder) Row() (Row, error) { return b.AppendRow(nil) }

// AppendRow appends the row to dst and returns the row alone if dst is empty,
// otherwise dst with the row behind it. Returns ErrTooLarge.
func (b *Builder) AppendRow(dst []byte) (Row, error) {
	total := 0
	for _, v := range b.vars {
		total += len(v)
	}
	ends := 2
	if total > narrowBytes {
		ends = 4
	}
	size := len(b.fixed) + ends*len(b.vars) + total
	if size > SizeMax {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	if dst == nil {
		dst = make([]byte, 0, size)
	}
	at := len(dst)
	dst = append(dst, b.fixed...)
	dst[at] = formatRow
	if ends == 4 {
		dst[at] |= formatWide
	}
	end := 0
	for _, v := range b.vars {
		end += len(v)
		if ends == 2 {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(end))
		} else {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(end))
		}
	}
	for _, v := range b.vars {
		dst = append(dst, v...)
	}
	return dst, nil
}
