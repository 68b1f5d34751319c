package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer/analyzererrors"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// ValidateSchema implements sql.SchemaValidator: MySQL's limit of a row (1118), in which a TEXT, BLOB, JSON or geometry has
// only its length and place, and a bit for each column that may be NULL.
func (d *Database) ValidateSchema(schema sql.Schema) error {
	var size, bits int64 = 0, 1
	for _, c := range schema {
		size += rowBytes(c.Type)
		if c.Nullable {
			bits++
		}
	}
	for _, c := range schema {
		if t, ok := c.Type.(sql.StringType); ok && (types.IsTextBlob(t) || t.Type() == sqltypes.VarChar || t.Type() == sqltypes.VarBinary) {
			bits-- // the first one marks rows of a fixed length
			break
		}
	}
	if size += (bits + 7) / 8; size > types.MaxRowLength {
		return analyzererrors.ErrInvalidRowLength.New(types.MaxRowLength, size)
	}
	return nil
}

// rowBytes is what a column takes of the limit of a row.
func rowBytes(t sql.Type) int64 {
	switch t := t.(type) {
	case sql.StringType:
		n := t.MaxByteLength()
		lengths := int64(1)
		for n>>(8*lengths) > 0 {
			lengths++
		}
		switch {
		case types.IsTextBlob(t):
			return 8 + lengths
		case t.Type() == sqltypes.VarChar || t.Type() == sqltypes.VarBinary:
			return n + lengths
		}
		return n
	case sql.DecimalType:
		digits := func(n int64) int64 { return n/9*4 + (n%9+1)/2 }
		return digits(int64(t.Precision())-int64(t.Scale())) + digits(int64(t.Scale()))
	case sql.EnumType:
		if t.NumberOfElements() > 255 {
			return 2
		}
		return 1
	case sql.SetType:
		if n := (int64(t.NumberOfElements()) + 7) / 8; n <= 4 {
			return n
		}
		return 8
	case types.BitType:
		return (int64(t.NumberOfBits()) + 7) / 8
	case sql.DatetimeType:
		fraction := int64(t.Precision()+1) / 2
		switch {
		case types.IsDateType(t):
			return 3
		case types.IsTimestampType(t):
			return 4 + fraction
		}
		return 5 + fraction
	}
	switch t.Type() {
	case sqltypes.Int8, sqltypes.Uint8, sqltypes.Year:
		return 1
	case sqltypes.Int16, sqltypes.Uint16:
		return 2
	case sqltypes.Int24, sqltypes.Uint24, sqltypes.Time:
		return 3
	case sqltypes.Int32, sqltypes.Uint32, sqltypes.Float32:
		return 4
	case sqltypes.Int64, sqltypes.Uint64, sqltypes.Float64:
		return 8
	}
	return 12
}
