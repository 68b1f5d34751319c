package value

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine/row"
)

// Codec turns one column's values from the planner's Go values into datums and
// back. It is immutable.
//
// Invariant: get(datum(v)) equals v for every v that typ.Convert returns.
type Codec struct {
	Typ   sql.Type
	Store row.Type
	// Collation of TypeText, 0 otherwise
	Collation row.CollationID
	Get       func(d *row.Desc, r row.Row, i int) any
	Datum     func(ctx context.Context, v any) (row.Datum, error)
	Blanks    bool // CHAR: blanks at the end are not stored
}

// Stored returns the datum of a value, which is not nil, as rows have it. Returns ErrValue.
func (c *Codec) Stored(ctx context.Context, v any) (row.Datum, error) {
	d, err := c.Datum(ctx, v)
	if err == nil && c.Blanks {
		d.B = bytes.TrimRight(d.B, " ")
	}
	return d, err
}

// ErrValue is returned for a Go value that is not one of the type's.
func ErrValue(t sql.Type, v any) error {
	return fmt.Errorf("gms: value of type %T in a column of type %s", v, t)
}

// NewCodec returns the codec of a column type. Returns an error for types that
// cannot be stored.
func NewCodec(t sql.Type) (*Codec, error) {
	c := &Codec{Typ: t}
	switch t.Type() { // interfaces of types are too small to tell them apart
	case sqltypes.Enum:
		c.Store, c.Get, c.Datum = row.TypeEnum, getEnum, c.uintDatum
	case sqltypes.Set:
		c.Store, c.Get, c.Datum = row.TypeSet, getUint64, c.uintDatum
	case sqltypes.Bit:
		c.Store, c.Get, c.Datum = row.TypeBit, getUint64, c.uintDatum
	case sqltypes.Year:
		c.Store, c.Get, c.Datum = row.TypeYear, getYear, c.uintDatum
	case sqltypes.Time:
		c.Store, c.Get, c.Datum = row.TypeTime, getTimespan, c.intDatum
	case sqltypes.TypeJSON:
		c.Store, c.Get, c.Datum = row.TypeJSON, getJSON, jsonDatum
	case sqltypes.Vector:
		c.Store, c.Get, c.Datum = row.TypeBytes, getBytes, c.bytesDatum
	case sqltypes.Geometry:
		c.Store, c.Get, c.Datum = row.TypeGeometry, getGeometry, geometryDatum
	case sqltypes.Decimal:
		d, ok := t.(sql.DecimalType)
		if !ok {
			return nil, fmt.Errorf("gms: columns of type %s cannot be stored", t)
		}
		c.Store, c.Get, c.Datum = row.TypeDecimal, getDecimal, decimalDatum(d)
	case sqltypes.Date:
		c.Store, c.Get, c.Datum = row.TypeDate, getDate, c.timeDatum
	case sqltypes.Timestamp:
		c.Store, c.Get, c.Datum = row.TypeTimestamp, getTime, c.timeDatum
	case sqltypes.Datetime:
		c.Store, c.Get, c.Datum = row.TypeDatetime, getTime, c.timeDatum
	case sqltypes.Binary, sqltypes.VarBinary, sqltypes.Blob:
		c.Store, c.Get, c.Datum = row.TypeBytes, getBytes, c.bytesDatum
	case sqltypes.Char, sqltypes.VarChar, sqltypes.Text:
		s, ok := t.(sql.StringType)
		if !ok {
			return nil, fmt.Errorf("gms: columns of type %s cannot be stored", t)
		}
		c.Store, c.Get, c.Datum = row.TypeText, getText, c.bytesDatum
		c.Blanks = t.Type() == sqltypes.Char
		c.Collation = row.CollationID(s.Collation())
		RegisterCollation(s.Collation())
	default:
		return c, c.numberType(t)
	}
	return c, nil
}

func (c *Codec) numberType(t sql.Type) error {
	switch t.Type() {
	case sqltypes.Int8:
		c.Store, c.Get, c.Datum = row.TypeInt8, getInt8, c.intDatum
	case sqltypes.Int16:
		c.Store, c.Get, c.Datum = row.TypeInt16, getInt16, c.intDatum
	case sqltypes.Int24, sqltypes.Int32:
		c.Store, c.Get, c.Datum = row.TypeInt32, getInt32, c.intDatum
	case sqltypes.Int64:
		c.Store, c.Get, c.Datum = row.TypeInt64, getInt64, c.intDatum
	case sqltypes.Uint8:
		c.Store, c.Get, c.Datum = row.TypeUint8, getUint8, c.uintDatum
	case sqltypes.Uint16:
		c.Store, c.Get, c.Datum = row.TypeUint16, getUint16, c.uintDatum
	case sqltypes.Uint24, sqltypes.Uint32:
		c.Store, c.Get, c.Datum = row.TypeUint32, getUint32, c.uintDatum
	case sqltypes.Uint64:
		c.Store, c.Get, c.Datum = row.TypeUint64, getUint64, c.uintDatum
	case sqltypes.Float32:
		c.Store, c.Get, c.Datum = row.TypeFloat32, getFloat32, c.floatDatum
	case sqltypes.Float64:
		c.Store, c.Get, c.Datum = row.TypeFloat64, getFloat64, c.floatDatum
	default:
		return fmt.Errorf("gms: columns of type %s cannot be stored", t)
	}
	return nil
}

func getInt8(d *row.Desc, r row.Row, i int) any { return int8(d.Int(r, i)) }

func getInt16(d *row.Desc, r row.Row, i int) any { return int16(d.Int(r, i)) }

func getInt32(d *row.Desc, r row.Row, i int) any { return int32(d.Int(r, i)) }

func getInt64(d *row.Desc, r row.Row, i int) any { return d.Int(r, i) }

func getUint8(d *row.Desc, r row.Row, i int) any { return uint8(d.Uint(r, i)) }

func getUint16(d *row.Desc, r row.Row, i int) any { return uint16(d.Uint(r, i)) }

func getUint32(d *row.Desc, r row.Row, i int) any { return uint32(d.Uint(r, i)) }

func getUint64(d *row.Desc, r row.Row, i int) any { return d.Uint(r, i) }

func getEnum(d *row.Desc, r row.Row, i int) any { return uint16(d.Uint(r, i)) }

func getYear(d *row.Desc, r row.Row, i int) any { return int16(d.Uint(r, i)) }

func getFloat32(d *row.Desc, r row.Row, i int) any { return float32(d.Float(r, i)) }

func getFloat64(d *row.Desc, r row.Row, i int) any { return d.Float(r, i) }

func getText(d *row.Desc, r row.Row, i int) any { return string(d.Bytes(r, i)) }

func getBytes(d *row.Desc, r row.Row, i int) any {
	return append(make([]byte, 0, len(d.Bytes(r, i))), d.Bytes(r, i)...)
}

func getTimespan(d *row.Desc, r row.Row, i int) any { return types.Timespan(d.Int(r, i)) }

const secondsPerDay = 24 * 60 * 60

func getDate(d *row.Desc, r row.Row, i int) any {
	return time.Unix(d.Int(r, i)*secondsPerDay, 0).UTC()
}

func getTime(d *row.Desc, r row.Row, i int) any { return time.UnixMicro(d.Int(r, i)).UTC() }

func getDecimal(d *row.Desc, r row.Row, i int) any {
	v, _, err := apd.NewFromString(string(d.Bytes(r, i)))
	if err != nil {
		return BadValue{err}
	}
	return v
}

func getGeometry(d *row.Desc, r row.Row, i int) any {
	v, _, err := types.GeometryType{}.Convert(context.Background(), append([]byte(nil), d.Bytes(r, i)...))
	if err != nil {
		return BadValue{err}
	}
	return v
}

// BadValue is what a getter returns for stored bytes that are no value of the
// type; decode turns it into its error.
type BadValue struct{ Err error }

func (c *Codec) intDatum(ctx context.Context, v any) (row.Datum, error) {
	for range 2 {
		switch v := v.(type) {
		case int64:
			return row.NewInt(v), nil
		case int32:
			return row.NewInt(int64(v)), nil
		case int16:
			return row.NewInt(int64(v)), nil
		case int8:
			return row.NewInt(int64(v)), nil
		case types.Timespan:
			return row.NewInt(int64(v)), nil
		}
		var err error
		if v, err = c.convert(ctx, v); err != nil {
			return row.Datum{}, err
		}
	}
	return row.Datum{}, ErrValue(c.Typ, v)
}

func (c *Codec) uintDatum(ctx context.Context, v any) (row.Datum, error) {
	for range 2 {
		switch v := v.(type) {
		case uint64:
			return row.NewUint(v), nil
		case uint32:
			return row.NewUint(uint64(v)), nil
		case uint16:
			return row.NewUint(uint64(v)), nil
		case uint8:
			return row.NewUint(uint64(v)), nil
		case int16:
			if c.Store == row.TypeYear {
				return row.NewUint(uint64(v)), nil
			}
		}
		var err error
		if v, err = c.convert(ctx, v); err != nil {
			return row.Datum{}, err
		}
	}
	return row.Datum{}, ErrValue(c.Typ, v)
}

func (c *Codec) floatDatum(ctx context.Context, v any) (row.Datum, error) {
	for range 2 {
		switch v := v.(type) {
		case float64:
			if !Finite(v) {
				return row.Datum{}, ErrValue(c.Typ, v)
			}
			return row.NewFloat(v), nil
		case float32:
			return row.NewFloat(float64(v)), nil
		}
		var err error
		if v, err = c.convert(ctx, v); err != nil {
			return row.Datum{}, err
		}
	}
	return row.Datum{}, ErrValue(c.Typ, v)
}

func (c *Codec) bytesDatum(ctx context.Context, v any) (row.Datum, error) {
	for range 2 {
		switch v := v.(type) {
		case string:
			return row.NewBytes([]byte(v)), nil
		case []byte:
			return row.NewBytes(v), nil
		}
		u, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return row.Datum{}, err
		}
		if v, err = c.convert(ctx, u); err != nil {
			return row.Datum{}, err
		}
	}
	return row.Datum{}, ErrValue(c.Typ, v)
}

func (c *Codec) timeDatum(ctx context.Context, v any) (row.Datum, error) {
	t, ok := v.(time.Time)
	if !ok {
		u, err := c.convert(ctx, v)
		if err != nil {
			return row.Datum{}, err
		}
		if t, ok = u.(time.Time); !ok {
			return row.Datum{}, ErrValue(c.Typ, v)
		}
	}
	if c.Store == row.TypeDate {
		s := t.Unix()
		days := s / secondsPerDay
		if s%secondsPerDay < 0 {
			days--
		}
		return row.NewInt(days), nil
	}
	if c.Store == row.TypeTimestamp {
		t, _ = ZoneOf(ctx).Instant(t)
	}
	return row.NewInt(t.UnixMicro()), nil
}

func decimalDatum(t sql.DecimalType) func(context.Context, any) (row.Datum, error) {
	return func(ctx context.Context, v any) (row.Datum, error) {
		d, ok := v.(*apd.Decimal)
		if !ok {
			u, _, err := t.Convert(ctx, v)
			if err != nil {
				return row.Datum{}, err
			}
			if d, ok = u.(*apd.Decimal); !ok {
				return row.Datum{}, ErrValue(t, v)
			}
		}
		if d.Form != apd.Finite {
			return row.Datum{}, ErrValue(t, v)
		}
		return row.NewBytes([]byte(d.Text('f'))), nil
	}
}

func geometryDatum(ctx context.Context, v any) (row.Datum, error) {
	g, err := types.UnwrapGeometry(ctx, v)
	if err != nil {
		u, _, cerr := types.GeometryType{}.Convert(ctx, v)
		if cerr != nil {
			return row.Datum{}, cerr
		}
		if g, err = types.UnwrapGeometry(ctx, u); err != nil {
			return row.Datum{}, err
		}
	}
	return row.NewBytes(g.Serialize()), nil
}

func (c *Codec) convert(ctx context.Context, v any) (any, error) {
	u, in, err := c.Typ.Convert(ctx, v)
	if err != nil {
		return nil, err
	}
	if in != sql.InRange {
		return nil, sql.ErrValueOutOfRange.New(v, c.Typ)
	}
	return u, nil
}

// Integer reports whether the column's values are integers of at most 64 bits,
// kept as such.
func (c *Codec) Integer() bool {
	switch c.Store {
	case row.TypeInt8, row.TypeInt16, row.TypeInt32, row.TypeInt64,
		row.TypeUint8, row.TypeUint16, row.TypeUint32, row.TypeUint64:
		return true
	}
	return false
}

// BoolInt returns 1 for true and 0 for false.
func BoolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
