package value

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// RowCodec turns rows into bytes and back into the same values of the same Go types. What it writes is for itself: it is not
// kept longer than it is. The zero one is ready.
type RowCodec struct {
	zones []*time.Location // of moments, by number; 0 is UTC
}

// errRowBytes is of bytes that AppendRow has not written.
var errRowBytes = errors.New("gms: damaged temporary row")

// The kinds of values. Integers follow as varints, what has a length after it.
const (
	kindNil = iota
	kindFalse
	kindTrue
	kindInt
	kindInt8
	kindInt16
	kindInt32
	kindInt64
	kindUint
	kindUint8
	kindUint16
	kindUint32
	kindUint64
	kindFloat32
	kindFloat64
	kindString
	kindNoBytes // a nil []byte
	kindBytes
	kindDecimal
	kindTime
	kindTimespan
	kindNoList // a nil []any
	kindList
	kindRow
	kindNoMap
	kindMap
	kindDocument
	kindDocumentPointer
	kindLazyDocument
	kindTypedDocument
	kindTypedScalar
	kindVector
	kindPoint
	kindLine
	kindPolygon
	kindPoints
	kindLines
	kindPolygons
	kindGeometries
)

// AppendRow appends a row. Returns an error if a value is of a type that rows are not known to have.
func (c *RowCodec) AppendRow(dst []byte, r sql.Row) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(len(r)))
	return c.appendAll(dst, r)
}

func (c *RowCodec) appendAll(dst []byte, values []any) ([]byte, error) {
	var err error
	for _, v := range values {
		if dst, err = c.append(dst, v); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (c *RowCodec) append(dst []byte, v any) ([]byte, error) {
	signed := func(kind byte, n int64) ([]byte, error) { return binary.AppendVarint(append(dst, kind), n), nil }
	unsigned := func(kind byte, n uint64) ([]byte, error) { return binary.AppendUvarint(append(dst, kind), n), nil }
	switch v := v.(type) {
	case nil:
		return append(dst, kindNil), nil
	case bool:
		if v {
			return append(dst, kindTrue), nil
		}
		return append(dst, kindFalse), nil
	case int:
		return signed(kindInt, int64(v))
	case int8:
		return signed(kindInt8, int64(v))
	case int16:
		return signed(kindInt16, int64(v))
	case int32:
		return signed(kindInt32, int64(v))
	case int64:
		return signed(kindInt64, v)
	case uint:
		return unsigned(kindUint, uint64(v))
	case uint8:
		return unsigned(kindUint8, uint64(v))
	case uint16:
		return unsigned(kindUint16, uint64(v))
	case uint32:
		return unsigned(kindUint32, uint64(v))
	case uint64:
		return unsigned(kindUint64, v)
	case float32:
		return binary.LittleEndian.AppendUint32(append(dst, kindFloat32), math.Float32bits(v)), nil
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, kindFloat64), math.Float64bits(v)), nil
	case string:
		return appendText(append(dst, kindString), v), nil
	case []byte:
		if v == nil {
			return append(dst, kindNoBytes), nil
		}
		return appendText(append(dst, kindBytes), v), nil
	case *apd.Decimal:
		if v != nil {
			return appendDecimal(append(dst, kindDecimal), v), nil
		}
	case time.Time:
		dst = binary.AppendVarint(append(dst, kindTime), v.Unix())
		dst = binary.AppendUvarint(dst, uint64(v.Nanosecond()))
		return binary.AppendUvarint(dst, c.zone(v.Location())), nil
	case types.Timespan:
		return signed(kindTimespan, int64(v))
	case []float32:
		dst, _ = unsigned(kindVector, uint64(len(v)))
		for _, f := range v {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(f))
		}
		return dst, nil
	case []any:
		if v == nil {
			return append(dst, kindNoList), nil
		}
		dst, _ = unsigned(kindList, uint64(len(v)))
		return c.appendAll(dst, v)
	case sql.Row:
		dst, _ = unsigned(kindRow, uint64(len(v)))
		return c.appendAll(dst, v)
	}
	if g, ok := v.(types.GeometryValue); ok {
		return c.appendGeometry(dst, g)
	}
	return c.appendDocument(dst, v)
}

// appendDocument appends a document or what documents are made of.
func (c *RowCodec) appendDocument(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case types.JSONDocument:
		return c.append(append(dst, kindDocument), v.Val)
	case *types.JSONDocument:
		if v != nil {
			return c.append(append(dst, kindDocumentPointer), v.Val)
		}
	case TypedDocument:
		return c.append(append(dst, kindTypedDocument), v.Val)
	case *types.LazyJSONDocument:
		if v != nil {
			return appendText(append(dst, kindLazyDocument), v.Bytes), nil
		}
	case TypedScalar:
		return appendText(appendText(append(dst, kindTypedScalar), v.Kind), v.Text), nil
	case map[string]any:
		if v == nil {
			return append(dst, kindNoMap), nil
		}
		dst = binary.AppendUvarint(append(dst, kindMap), uint64(len(v)))
		var err error
		for k, e := range v {
			if dst, err = c.append(appendText(dst, k), e); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return nil, fmt.Errorf("gms: a value of type %T cannot be written to a temporary file", v)
}

func (c *RowCodec) appendGeometry(dst []byte, g types.GeometryValue) ([]byte, error) {
	switch g := g.(type) {
	case types.Point:
		dst = binary.LittleEndian.AppendUint32(append(dst, kindPoint), g.SRID)
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(g.X))
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(g.Y)), nil
	case types.LineString:
		return appendParts(c, append(dst, kindLine), g.SRID, g.Points)
	case types.Polygon:
		return appendParts(c, append(dst, kindPolygon), g.SRID, g.Lines)
	case types.MultiPoint:
		return appendParts(c, append(dst, kindPoints), g.SRID, g.Points)
	case types.MultiLineString:
		return appendParts(c, append(dst, kindLines), g.SRID, g.Lines)
	case types.MultiPolygon:
		return appendParts(c, append(dst, kindPolygons), g.SRID, g.Polygons)
	case types.GeomColl:
		return appendParts(c, append(dst, kindGeometries), g.SRID, g.Geoms)
	}
	return nil, fmt.Errorf("gms: a value of type %T cannot be written to a temporary file", g)
}

// appendParts appends the parts of a geometry. A list that is nil is told from an empty one.
func appendParts[G types.GeometryValue](c *RowCodec, dst []byte, srid uint32, parts []G) ([]byte, error) {
	dst = binary.LittleEndian.AppendUint32(dst, srid)
	if parts == nil {
		return binary.AppendUvarint(dst, 0), nil
	}
	dst = binary.AppendUvarint(dst, uint64(len(parts))+1)
	var err error
	for _, p := range parts {
		if dst, err = c.appendGeometry(dst, p); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendText[T string | []byte](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// appendDecimal appends form and sign, exponent, and the coefficient's bytes.
func appendDecimal(dst []byte, d *apd.Decimal) []byte {
	form := byte(d.Form) << 1
	if d.Negative {
		form |= 1
	}
	dst = binary.AppendVarint(append(dst, form), int64(d.Exponent))
	if d.Coeff.IsUint64() {
		return binary.AppendUvarint(append(dst, 0), d.Coeff.Uint64())
	}
	return appendText(append(dst, 1), d.Coeff.Bytes())
}

// zone is the number of a time zone.
func (c *RowCodec) zone(loc *time.Location) uint64 {
	if c.zones == nil {
		c.zones = []*time.Location{time.UTC}
	}
	i := slices.Index(c.zones, loc)
	if i < 0 {
		i = len(c.zones)
		c.zones = append(c.zones, loc)
	}
	return uint64(i)
}

// ReadRow returns the row that AppendRow has written to b, which is not kept.
func (c *RowCodec) ReadRow(b []byte) (sql.Row, error) {
	r := rowReader{c: c, b: b}
	row := sql.Row(r.list(r.count()))
	if r.bad || r.at != len(b) {
		return nil, errRowBytes
	}
	return row, nil
}

// rowReader reads a row's bytes; bad is set when they end too early or are none that were written.
type rowReader struct {
	c    *RowCodec
	b    []byte
	text string // b, once a text was read
	at   int
	bad  bool
}

func (r *rowReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	r.bad = r.bad || n <= 0
	r.at += max(n, 0)
	return v
}

func (r *rowReader) varint() int64 {
	v, n := binary.Varint(r.b[r.at:])
	r.bad = r.bad || n <= 0
	r.at += max(n, 0)
	return v
}

// count is a number of things that take a byte each or more.
func (r *rowReader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.at) {
		r.bad = true
		return 0
	}
	return int(n)
}

// take returns the next n bytes, zeros if there are less.
func (r *rowReader) take(n int) []byte {
	if n > len(r.b)-r.at {
		r.bad = true
		return make([]byte, min(n, 8))
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

// string returns a text: those of a row share their memory.
func (r *rowReader) string() string {
	if r.text == "" {
		r.text = string(r.b)
	}
	n := r.count()
	r.at += n
	return r.text[r.at-n : r.at]
}

func (r *rowReader) list(n int) []any {
	out := make([]any, n)
	for i := range out {
		if r.bad {
			return nil
		}
		out[i] = r.value()
	}
	return out
}

func (r *rowReader) value() any {
	switch kind := r.take(1)[0]; kind {
	case kindNil:
		return nil
	case kindFalse, kindTrue:
		return kind == kindTrue
	case kindInt:
		return int(r.varint())
	case kindInt8:
		return int8(r.varint())
	case kindInt16:
		return int16(r.varint())
	case kindInt32:
		return int32(r.varint())
	case kindInt64:
		return r.varint()
	case kindUint:
		return uint(r.uvarint())
	case kindUint8:
		return uint8(r.uvarint())
	case kindUint16:
		return uint16(r.uvarint())
	case kindUint32:
		return uint32(r.uvarint())
	case kindUint64:
		return r.uvarint()
	case kindFloat32:
		return r.float32()
	case kindFloat64:
		return r.float64()
	case kindString:
		return r.string()
	case kindNoBytes:
		return []byte(nil)
	case kindBytes:
		return r.bytes()
	case kindDecimal:
		return r.decimal()
	case kindTime:
		sec, nsec, zone := r.varint(), r.uvarint(), r.uvarint()
		if r.bad || zone >= uint64(len(r.c.zones)) {
			r.bad = true
			return nil
		}
		return time.Unix(sec, int64(nsec)).In(r.c.zones[zone])
	case kindTimespan:
		return types.Timespan(r.varint())
	case kindVector:
		out := make([]float32, r.count())
		for i := range out {
			out[i] = r.float32()
		}
		return out
	case kindNoList:
		return []any(nil)
	case kindList:
		return r.list(r.count())
	case kindRow:
		return sql.Row(r.list(r.count()))
	default:
		return r.document(kind)
	}
}

func (r *rowReader) document(kind byte) any {
	switch kind {
	case kindNoMap:
		return map[string]any(nil)
	case kindMap:
		n := r.count()
		out := make(map[string]any, n)
		for range n {
			k := r.string()
			if out[k] = r.value(); r.bad {
				return nil
			}
		}
		return out
	case kindDocument:
		return types.JSONDocument{Val: r.value()}
	case kindDocumentPointer:
		return &types.JSONDocument{Val: r.value()}
	case kindTypedDocument:
		return TypedDocument{types.JSONDocument{Val: r.value()}}
	case kindLazyDocument:
		return types.NewLazyJSONDocument(r.bytes())
	case kindTypedScalar:
		kind := r.string()
		return TypedScalar{Kind: kind, Text: r.string()}
	default:
		return r.geometry(kind)
	}
}

func (r *rowReader) geometry(kind byte) types.GeometryValue {
	srid := binary.LittleEndian.Uint32(r.take(4))
	switch kind {
	case kindPoint:
		x := r.float64()
		return types.Point{SRID: srid, X: x, Y: r.float64()}
	case kindLine:
		return types.LineString{SRID: srid, Points: readParts[types.Point](r)}
	case kindPolygon:
		return types.Polygon{SRID: srid, Lines: readParts[types.LineString](r)}
	case kindPoints:
		return types.MultiPoint{SRID: srid, Points: readParts[types.Point](r)}
	case kindLines:
		return types.MultiLineString{SRID: srid, Lines: readParts[types.LineString](r)}
	case kindPolygons:
		return types.MultiPolygon{SRID: srid, Polygons: readParts[types.Polygon](r)}
	case kindGeometries:
		return types.GeomColl{SRID: srid, Geoms: readParts[types.GeometryValue](r)}
	default:
		r.bad = true
		return nil
	}
}

func readParts[G types.GeometryValue](r *rowReader) []G {
	n := r.uvarint()
	if n == 0 || n-1 > uint64(len(r.b)-r.at) {
		r.bad = r.bad || n > 0
		return nil
	}
	out := make([]G, n-1)
	for i := range out {
		g, ok := r.geometry(r.take(1)[0]).(G)
		if !ok || r.bad {
			r.bad = true
			return nil
		}
		out[i] = g
	}
	return out
}

func (r *rowReader) bytes() []byte {
	b := r.take(r.count())
	return append(make([]byte, 0, len(b)), b...)
}

func (r *rowReader) float32() float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(r.take(4)))
}

func (r *rowReader) float64() float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
}

func (r *rowReader) decimal() *apd.Decimal {
	form := r.take(1)[0]
	d := &apd.Decimal{Form: apd.Form(form >> 1), Negative: form&1 != 0, Exponent: int32(r.varint())}
	if r.take(1)[0] == 0 {
		d.Coeff.SetUint64(r.uvarint())
	} else {
		d.Coeff.SetBytes(r.take(r.count()))
	}
	return d
}
