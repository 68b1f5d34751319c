package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine"
	"sextant/server/gms/value"
)

// storedColumn is what a table's column is, or one of a node that is not looked into.
func storedColumn(ctx *sql.Context, c *sql.Column) ResultColumn {
	return definedColumn(ctx, c, SourceColumn(ctx, c))
}

// definedColumn is a column with its definition, nil: not known.
func definedColumn(ctx *sql.Context, c *sql.Column, d *engine.ColumnDef) ResultColumn {
	out := ResultColumn{Typ: c.Type, Nullable: c.Nullable, Field: c.Source != ""}
	if out.Field && d != nil {
		out.comment, out.auto, out.onUpdate, out.Format = d.Comment, d.AutoIncrement, d.OnUpdate, d.Options[OptFormat]
	}
	if types.IsTimespan(c.Type) {
		out.Digits = 6
		if d != nil && Precision(d) >= 0 {
			out.Digits = Precision(d)
		}
	}
	if types.IsFloat(c.Type) && d != nil {
		if f, ok := FormatOf(d); ok && f.Digits > 0 {
			out.shown = f.Scale + 1
		}
	}
	return out.sized(expression.NewGetField(0, c.Type, "", true), deriver{ctx: ctx})
}

// sized is the column of an expression with how much room its values take.
func (c ResultColumn) sized(e sql.Expression, d deriver) ResultColumn {
	c.collation, c.coercibility = CommonCollation(d.ctx, []sql.Expression{e})
	c.width = typeWidth(c.Typ)
	switch {
	case c.Field && c.Typ.Type() == sqltypes.Float64:
		c.width = 22
	case types.IsBinaryType(c.Typ) && !types.IsTextBlob(c.Typ) && !types.IsJSON(c.Typ):
		if s, ok := c.Typ.(sql.StringType); ok {
			c.width = s.MaxByteLength()
		}
	case types.IsTimespan(c.Typ):
		if c.width = 10; c.MomentDigits() > 0 {
			c.width += 1 + int64(c.MomentDigits())
		}
	case types.IsInteger(c.Typ), types.IsBoolean(c.Typ):
		if _, field := e.(*expression.GetField); !field {
			c.width = d.integerWidth(e, c.Typ)
		}
		c.whole = int(c.width)
		if _, literal := e.(*expression.Literal); !literal && types.IsSigned(c.Typ) {
			c.whole-- // the sign
		}
	case types.IsYear(c.Typ):
		c.whole = 4
	case types.IsBit(c.Typ):
		c.whole = 20
	}
	if t, ok := c.Typ.(sql.DecimalType); ok {
		c.whole, c.scale = int(t.Precision())-int(t.Scale()), int(t.Scale())
	}
	return c
}

// rank orders the integers by size, 0: none.
func (c ResultColumn) rank() int {
	if types.IsBit(c.Typ) {
		return len(integers) - 1
	}
	if !types.IsInteger(c.Typ) && !types.IsBoolean(c.Typ) && !types.IsYear(c.Typ) {
		return 0
	}
	if !c.Field && !c.united && !types.IsYear(c.Typ) {
		return len(integers) - 1 // of an expression
	}
	switch c.Typ.Type() {
	case sqltypes.Int8, sqltypes.Uint8:
		return 1
	case sqltypes.Int16, sqltypes.Uint16, sqltypes.Year:
		return 2
	case sqltypes.Int24, sqltypes.Uint24:
		return 3
	case sqltypes.Int32, sqltypes.Uint32:
		return 4
	}
	return len(integers) - 1
}

// integers are the types of the ranks, signed and not.
var integers = [...][2]sql.Type{
	{}, {types.Int8, types.Uint8}, {types.Int16, types.Uint16}, {types.Int24, types.Uint24}, {types.Int32, types.Uint32}, {types.Int64, types.Uint64},
}

// With is the column of a set operation with c and d on its sides: MySQL's field_type_merge,
// Item::aggregate_type and what it does of digits and lengths.
func (c ResultColumn) With(ctx *sql.Context, d ResultColumn) ResultColumn {
	out := c
	switch {
	case c.none():
		out = d
	case d.none():
	case c.rank() > 0 && d.rank() > 0:
		out.Typ = c.integerWith(d)
	case types.IsNumber(c.Typ) && types.IsNumber(d.Typ) || c.rank() > 0 && types.IsNumber(d.Typ) || types.IsNumber(c.Typ) && d.rank() > 0:
		out.Typ = c.numberWith(d)
	case c.moment() && d.moment():
		out.Typ = c.momentWith(d)
	case types.IsJSON(c.Typ) && types.IsJSON(d.Typ), types.IsGeometry(c.Typ) && types.IsGeometry(d.Typ):
	default:
		out.Typ = c.textWith(ctx, d)
	}
	if out.rank() > 0 && !out.Field && !out.united { // one side is NULL
		out.Typ = out.integerWith(out)
	}
	out.Nullable, out.united = c.Nullable || d.Nullable, true
	out.Field = c.Field && d.Field && c.Typ.Equals(d.Typ) && out.Typ.Equals(c.Typ) && !types.IsTimespan(c.Typ)
	out.Digits, out.width = max(c.Digits, d.Digits), max(c.width, d.width)
	if types.IsTimespan(c.Typ) && c.Digits < 0 || types.IsTimespan(d.Typ) && d.Digits < 0 {
		out.Digits = -1
	}
	out.onUpdate = ""
	out.shown = 0 // the values of both sides are shown whole
	out.whole, out.scale = max(c.whole, d.whole), max(c.scale, d.scale)
	if s, ok := out.Typ.(sql.TypeWithCollation); ok {
		out.collation, out.coercibility = s.Collation(), 2
	}
	return out
}

// none reports whether a column is NULL's.
func (c ResultColumn) none() bool {
	s, ok := c.Typ.(sql.StringType)
	return c.Typ == types.Null || ok && c.Typ.Type() == sqltypes.Binary && s.MaxByteLength() == 0
}

func (c ResultColumn) unsigned() bool {
	return types.IsUnsigned(c.Typ) || types.IsYear(c.Typ) || types.IsBit(c.Typ)
}

func (c ResultColumn) moment() bool { return IsMoment(c.Typ) }

func (c ResultColumn) integerWith(d ResultColumn) sql.Type {
	if c.Typ.Equals(d.Typ) && (types.IsYear(c.Typ) || types.IsBit(c.Typ)) {
		return c.Typ
	}
	rank := max(c.rank(), d.rank())
	if c.unsigned() == d.unsigned() {
		return integers[rank][value.BoolInt(c.unsigned())]
	}
	if c.unsigned() && c.rank() == rank || d.unsigned() && d.rank() == rank {
		if rank++; rank == len(integers) {
			return decimalOf(max(c.whole, d.whole), 0, types.Int64)
		}
	}
	return integers[rank][0]
}

func (c ResultColumn) numberWith(d ResultColumn) sql.Type {
	float := func(c ResultColumn) bool { return c.Typ.Type() == sqltypes.Float32 }
	small := func(c ResultColumn) bool { return float(c) || c.rank() > 0 && c.rank() <= 3 }
	big := func(c ResultColumn) bool { return c.rank() == len(integers)-1 && !types.IsBit(c.Typ) }
	switch {
	case small(c) && small(d), float(c) && big(d): // a FLOAT before a BIGINT, not behind one
		return types.Float32
	case types.IsFloat(c.Typ) || types.IsFloat(d.Typ):
		return types.Float64
	}
	scale := max(c.scale, d.scale)
	return decimalOf(max(c.whole, d.whole)+scale, scale, c.Typ)
}

// MomentDigits are the digits of a moment behind the second.
func (c ResultColumn) MomentDigits() int {
	if t, ok := c.Typ.(sql.DatetimeType); ok && !types.IsDateType(c.Typ) {
		return t.Precision()
	}
	if c.Digits < 0 {
		return 6
	}
	return c.Digits
}

func (c ResultColumn) momentWith(d ResultColumn) sql.Type {
	n := max(c.MomentDigits(), d.MomentDigits())
	switch {
	case types.IsTimespan(c.Typ) && types.IsTimespan(d.Typ), types.IsDateType(c.Typ) && types.IsDateType(d.Typ):
		return c.Typ
	case types.IsTimestampType(c.Typ) && types.IsTimestampType(d.Typ):
		return types.MustCreateDatetimeType(sqltypes.Timestamp, n)
	}
	return types.MustCreateDatetimeType(sqltypes.Datetime, n)
}

// textWith is the type of texts of what has no other type in common.
func (c ResultColumn) textWith(ctx *sql.Context, d ResultColumn) sql.Type {
	collation := unionCollation(ctx, c, d)
	blob := func(c ResultColumn) bool {
		return types.IsTextBlob(c.Typ) || types.IsJSON(c.Typ) || types.IsGeometry(c.Typ)
	}
	if blob(c) || blob(d) {
		return blobType(max(c.bytes(collation), d.bytes(collation)), collation)
	}
	width := max(c.width, d.width)
	if collation == sql.Collation_binary {
		width = max(c.bytes(collation), d.bytes(collation))
	}
	if c.width < 0 || d.width < 0 {
		width = -1
	}
	fixed := func(c ResultColumn) bool {
		return c.Typ.Type() == sqltypes.Char && (c.Field || c.united) || c.Typ.Type() == sqltypes.Binary
	}
	plain := func(c ResultColumn) bool {
		return fixed(c) || types.IsNumber(c.Typ) || c.moment()
	}
	if plain(c) && plain(d) && (fixed(c) || fixed(d)) && width > 0 && width <= 255 { // longer ones are VARCHAR
		if collation == sql.Collation_binary {
			return types.MustCreateBinary(sqltypes.Binary, width)
		}
		return types.MustCreateString(sqltypes.Char, width, collation)
	}
	return textType(width, collation)
}

// bytes is the length of a column's longest text in bytes of a collation, -1: of any length.
func (c ResultColumn) bytes(collation sql.CollationID) int64 {
	if s, ok := c.Typ.(sql.StringType); ok && (types.IsTextBlob(c.Typ) || collation == sql.Collation_binary) {
		return s.MaxByteLength()
	}
	if c.width < 0 {
		return 1<<32 - 1
	}
	if types.IsEnum(c.Typ) || types.IsSet(c.Typ) || types.IsText(c.Typ) {
		return c.width * c.collation.CharacterSet().MaxLength()
	}
	return c.width * collation.CharacterSet().MaxLength()
}

// blobType is the type of a BLOB or TEXT with n bytes.
func blobType(n int64, c sql.CollationID) sql.Type {
	if c == sql.Collation_binary {
		return types.MustCreateBinary(sqltypes.Blob, n)
	}
	switch {
	case n < 1<<8:
		return types.CreateTinyText(c)
	case n < 1<<16:
		return types.CreateText(c)
	case n < 1<<24:
		return types.CreateMediumText(c)
	}
	return types.CreateLongText(c)
}

// unionCollation is the collation of the texts of a set operation's column.
func unionCollation(ctx *sql.Context, c, d ResultColumn) sql.CollationID {
	text := func(c ResultColumn) bool { return types.IsText(c.Typ) || types.IsEnum(c.Typ) || types.IsSet(c.Typ) }
	binary := func(c ResultColumn) bool {
		return types.IsBinaryType(c.Typ) && !types.IsJSON(c.Typ) || types.IsGeometry(c.Typ)
	}
	switch {
	case binary(c) || binary(d):
		return sql.Collation_binary
	case types.IsJSON(c.Typ) || types.IsJSON(d.Typ):
		return sql.Collation_utf8mb4_bin
	case !text(c) && !text(d):
		return ctx.GetCollation()
	case !text(d):
		return c.collation
	case !text(c):
		return d.collation
	}
	l, r := c.collation, d.collation
	if l != r && c.coercibility == d.coercibility && l.CharacterSet() == r.CharacterSet() && l.CharacterSet() == sql.CharacterSet_utf8mb4 {
		return sql.Collation_utf8mb4_bin // of neither
	}
	out, _ := Resolved(l, c.coercibility, r, d.coercibility)
	return out
}
