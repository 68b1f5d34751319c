package gms

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine/row"
)

// codec turns one column's values from the planner's Go values into datums and
// back. It is immutable.
//
// Invariant: get(datum(v)) equals v for every v that typ.Convert returns.
type codec struct {
	typ   sql.Type
	store row.Type
	// collation of TypeText, 0 otherwise
	collation row.CollationID
	get       func(d *row.Desc, r row.Row, i int) any
	datum     func(ctx context.Context, v any) (row.Datum, error)
	blanks    bool // CHAR: blanks at the end are not stored
}

// errValue is returned for a Go value that is not one of the type's.
func errValue(t sql.Type, v any) error {
	return fmt.Errorf("gms: value of type %T in a column of type %s", v, t)
}

// newCodec returns the codec of a column type. Returns an error for types that
// cannot be stored.
func newCodec(t sql.Type) (*codec, error) {
	c := &codec{typ: t}
	switch t.Type() { // interfaces of types are too small to tell them apart
	case sqltypes.Enum:
		c.store, c.get, c.datum = row.TypeEnum, getEnum, c.uintDatum
	case sqltypes.Set:
		c.store, c.get, c.datum = row.TypeSet, getUint64, c.uintDatum
	case sqltypes.Bit:
		c.store, c.get, c.datum = row.TypeBit, getUint64, c.uintDatum
	case sqltypes.Year:
		c.store, c.get, c.datum = row.TypeYear, getYear, c.uintDatum
	case sqltypes.Time:
		c.store, c.get, c.datum = row.TypeTime, getTimespan, c.intDatum
	case sqltypes.TypeJSON:
		c.store, c.get, c.datum = row.TypeJSON, getJSON, jsonDatum
	case sqltypes.Vector:
		c.store, c.get, c.datum = row.TypeBytes, getBytes, c.bytesDatum
	case sqltypes.Geometry:
		c.store, c.get, c.datum = row.TypeGeometry, getGeometry, geometryDatum
	case sqltypes.Decimal:
		d, ok := t.(sql.DecimalType)
		if !ok {
			return nil, fmt.Errorf("gms: columns of type %s cannot be stored", t)
		}
		c.store, c.get, c.datum = row.TypeDecimal, getDecimal, decimalDatum(d)
	case sqltypes.Date:
		c.store, c.get, c.datum = row.TypeDate, getDate, c.timeDatum
	case sqltypes.Timestamp:
		c.store, c.get, c.datum = row.TypeTimestamp, getTime, c.timeDatum
	case sqltypes.Datetime:
		c.store, c.get, c.datum = row.TypeDatetime, getTime, c.timeDatum
	case sqltypes.Binary, sqltypes.VarBinary, sqltypes.Blob:
		c.store, c.get, c.datum = row.TypeBytes, getBytes, c.bytesDatum
	case sqltypes.Char, sqltypes.VarChar, sqltypes.Text:
		s, ok := t.(sql.StringType)
		if !ok {
			return nil, fmt.Errorf("gms: columns of type %s cannot be stored", t)
		}
		c.store, c.get, c.datum = row.TypeText, getText, c.bytesDatum
		c.blanks = t.Type() == sqltypes.Char
		c.collation = row.CollationID(s.Collation())
		registerCollation(s.Collation())
	default:
		return c, c.numberType(t)
	}
	return c, nil
}

func (c *codec) numberType(t sql.Type) error {
	switch t.Type() {
	case sqltypes.Int8:
		c.store, c.get, c.datum = row.TypeInt8, getInt8, c.intDatum
	case sqltypes.Int16:
		c.store, c.get, c.datum = row.TypeInt16, getInt16, c.intDatum
	case sqltypes.Int24, sqltypes.Int32:
		c.store, c.get, c.datum = row.TypeInt32, getInt32, c.intDatum
	case sqltypes.Int64:
		c.store, c.get, c.datum = row.TypeInt64, getInt64, c.intDatum
	case sqltypes.Uint8:
		c.store, c.get, c.datum = row.TypeUint8, getUint8, c.uintDatum
	case sqltypes.Uint16:
		c.store, c.get, c.datum = row.TypeUint16, getUint16, c.uintDatum
	case sqltypes.Uint24, sqltypes.Uint32:
		c.store, c.get, c.datum = row.TypeUint32, getUint32, c.uintDatum
	case sqltypes.Uint64:
		c.store, c.get, c.datum = row.TypeUint64, getUint64, c.uintDatum
	case sqltypes.Float32:
		c.store, c.get, c.datum = row.TypeFloat32, getFloat32, c.floatDatum
	case sqltypes.Float64:
		c.store, c.get, c.datum = row.TypeFloat64, getFloat64, c.floatDatum
	default:
		return fmt.Errorf("gms: columns of type %s cannot be stored", t)
	}
	return nil
}

func getInt8(d *row.Desc, r row.Row, i int) any    { return int8(d.Int(r, i)) }
func getInt16(d *row.Desc, r row.Row, i int) any   { return int16(d.Int(r, i)) }
func getInt32(d *row.Desc, r row.Row, i int) any   { return int32(d.Int(r, i)) }
func getInt64(d *row.Desc, r row.Row, i int) any   { return d.Int(r, i) }
func getUint8(d *row.Desc, r row.Row, i int) any   { return uint8(d.Uint(r, i)) }
func getUint16(d *row.Desc, r row.Row, i int) any  { return uint16(d.Uint(r, i)) }
func getUint32(d *row.Desc, r row.Row, i int) any  { return uint32(d.Uint(r, i)) }
func getUint64(d *row.Desc, r row.Row, i int) any  { return d.Uint(r, i) }
func getEnum(d *row.Desc, r row.Row, i int) any    { return uint16(d.Uint(r, i)) }
func getYear(d *row.Desc, r row.Row, i int) any    { return int16(d.Uint(r, i)) }
func getFloat32(d *row.Desc, r row.Row, i int) any { return float32(d.Float(r, i)) }
func getFloat64(d *row.Desc, r row.Row, i int) any { return d.Float(r, i) }
func getText(d *row.Desc, r row.Row, i int) any    { return string(d.Bytes(r, i)) }

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
		return badValue{err}
	}
	return v
}

func getGeometry(d *row.Desc, r row.Row, i int) any {
	v, _, err := types.GeometryType{}.Convert(context.Background(), append([]byte(nil), d.Bytes(r, i)...))
	if err != nil {
		return badValue{err}
	}
	return v
}

// badValue is what a getter returns for stored bytes that are no value of the
// type; decode turns it into its error.
type badValue struct{ err error }

func (c *codec) intDatum(ctx context.Context, v any) (row.Datum, error) {
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
	return row.Datum{}, errValue(c.typ, v)
}

func (c *codec) uintDatum(ctx context.Context, v any) (row.Datum, error) {
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
			if c.store == row.TypeYear {
				return row.NewUint(uint64(v)), nil
			}
		}
		var err error
		if v, err = c.convert(ctx, v); err != nil {
			return row.Datum{}, err
		}
	}
	return row.Datum{}, errValue(c.typ, v)
}

func (c *codec) floatDatum(ctx context.Context, v any) (row.Datum, error) {
	for range 2 {
		switch v := v.(type) {
		case float64:
			if !finite(v) {
				return row.Datum{}, errValue(c.typ, v)
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
	return row.Datum{}, errValue(c.typ, v)
}

func (c *codec) bytesDatum(ctx context.Context, v any) (row.Datum, error) {
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
	return row.Datum{}, errValue(c.typ, v)
}

func (c *codec) timeDatum(ctx context.Context, v any) (row.Datum, error) {
	t, ok := v.(time.Time)
	if !ok {
		u, err := c.convert(ctx, v)
		if err != nil {
			return row.Datum{}, err
		}
		if t, ok = u.(time.Time); !ok {
			return row.Datum{}, errValue(c.typ, v)
		}
	}
	if c.store == row.TypeDate {
		s := t.Unix()
		days := s / secondsPerDay
		if s%secondsPerDay < 0 {
			days--
		}
		return row.NewInt(days), nil
	}
	if c.store == row.TypeTimestamp {
		t, _ = zoneOf(ctx).instant(t)
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
				return row.Datum{}, errValue(t, v)
			}
		}
		if d.Form != apd.Finite {
			return row.Datum{}, errValue(t, v)
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

func (c *codec) convert(ctx context.Context, v any) (any, error) {
	u, in, err := c.typ.Convert(ctx, v)
	if err != nil {
		return nil, err
	}
	if in != sql.InRange {
		return nil, sql.ErrValueOutOfRange.New(v, c.typ)
	}
	return u, nil
}
