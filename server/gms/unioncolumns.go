package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// storedColumn is what a table's column is, or one of a node that is not looked into.
func storedColumn(ctx *sql.Context, c *sql.Column) resultColumn {
	out := resultColumn{typ: c.Type, nullable: c.Nullable, field: c.Source != ""}
	if out.field {
		if d := sourceColumn(ctx, c); d != nil {
			out.comment = d.Comment
		}
	}
	if types.IsTimespan(c.Type) {
		out.digits = 6
		if d := sourceColumn(ctx, c); d != nil && precision(d) >= 0 {
			out.digits = precision(d)
		}
	}
	if types.IsFloat(c.Type) {
		if d := sourceColumn(ctx, c); d != nil {
			if f, ok := formatOf(d); ok && f.digits > 0 {
				out.shown = f.scale + 1
			}
		}
	}
	return out.sized(expression.NewGetField(0, c.Type, "", true), deriver{ctx: ctx})
}

// sized is the column of an expression with how much room its values take.
func (c resultColumn) sized(e sql.Expression, d deriver) resultColumn {
	c.collation, c.coercibility = commonCollation(d.ctx, []sql.Expression{e})
	c.width = typeWidth(c.typ)
	switch {
	case c.field && c.typ.Type() == sqltypes.Float64:
		c.width = 22
	case types.IsBinaryType(c.typ) && !types.IsTextBlob(c.typ) && !types.IsJSON(c.typ):
		if s, ok := c.typ.(sql.StringType); ok {
			c.width = s.MaxByteLength()
		}
	case types.IsTimespan(c.typ):
		if c.width = 10; c.momentDigits() > 0 {
			c.width += 1 + int64(c.momentDigits())
		}
	case types.IsInteger(c.typ), types.IsBoolean(c.typ):
		if _, field := e.(*expression.GetField); !field {
			c.width = d.integerWidth(e, c.typ)
		}
		c.whole = int(c.width)
		if _, literal := e.(*expression.Literal); !literal && types.IsSigned(c.typ) {
			c.whole-- // the sign
		}
	case types.IsYear(c.typ):
		c.whole = 4
	case types.IsBit(c.typ):
		c.whole = 20
	}
	if t, ok := c.typ.(sql.DecimalType); ok {
		c.whole, c.scale = int(t.Precision())-int(t.Scale()), int(t.Scale())
	}
	return c
}

// rank orders the integers by size, 0: none.
func (c resultColumn) rank() int {
	if types.IsBit(c.typ) {
		return len(integers) - 1
	}
	if !types.IsInteger(c.typ) && !types.IsBoolean(c.typ) && !types.IsYear(c.typ) {
		return 0
	}
	if !c.field && !c.united && !types.IsYear(c.typ) {
		return len(integers) - 1 // of an expression
	}
	switch c.typ.Type() {
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

// with is the column of a set operation with c and d on its sides: MySQL's field_type_merge,
// Item::aggregate_type and what it does of digits and lengths.
func (c resultColumn) with(ctx *sql.Context, d resultColumn) resultColumn {
	out := c
	switch {
	case c.none():
		out = d
	case d.none():
	case c.rank() > 0 && d.rank() > 0:
		out.typ = c.integerWith(d)
	case types.IsNumber(c.typ) && types.IsNumber(d.typ) || c.rank() > 0 && types.IsNumber(d.typ) || types.IsNumber(c.typ) && d.rank() > 0:
		out.typ = c.numberWith(d)
	case c.moment() && d.moment():
		out.typ = c.momentWith(d)
	case types.IsJSON(c.typ) && types.IsJSON(d.typ), types.IsGeometry(c.typ) && types.IsGeometry(d.typ):
	default:
		out.typ = c.textWith(ctx, d)
	}
	if out.rank() > 0 && !out.field && !out.united { // one side is NULL
		out.typ = out.integerWith(out)
	}
	out.nullable, out.united = c.nullable || d.nullable, true
	out.field = c.field && d.field && c.typ.Equals(d.typ) && out.typ.Equals(c.typ) && !types.IsTimespan(c.typ)
	out.digits, out.width = max(c.digits, d.digits), max(c.width, d.width)
	if types.IsTimespan(c.typ) && c.digits < 0 || types.IsTimespan(d.typ) && d.digits < 0 {
		out.digits = -1
	}
	out.shown = 0 // the values of both sides are shown whole
	out.whole, out.scale = max(c.whole, d.whole), max(c.scale, d.scale)
	if s, ok := out.typ.(sql.TypeWithCollation); ok {
		out.collation, out.coercibility = s.Collation(), 2
	}
	return out
}

// none reports whether a column is NULL's.
func (c resultColumn) none() bool {
	s, ok := c.typ.(sql.StringType)
	return c.typ == types.Null || ok && c.typ.Type() == sqltypes.Binary && s.MaxByteLength() == 0
}

func (c resultColumn) unsigned() bool {
	return types.IsUnsigned(c.typ) || types.IsYear(c.typ) || types.IsBit(c.typ)
}

func (c resultColumn) moment() bool { return isMoment(c.typ) }

func (c resultColumn) integerWith(d resultColumn) sql.Type {
	if c.typ.Equals(d.typ) && (types.IsYear(c.typ) || types.IsBit(c.typ)) {
		return c.typ
	}
	rank := max(c.rank(), d.rank())
	if c.unsigned() == d.unsigned() {
		return integers[rank][b2i(c.unsigned())]
	}
	if c.unsigned() && c.rank() == rank || d.unsigned() && d.rank() == rank {
		if rank++; rank == len(integers) {
			return decimalOf(max(c.whole, d.whole), 0, types.Int64)
		}
	}
	return integers[rank][0]
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c resultColumn) numberWith(d resultColumn) sql.Type {
	small := func(c resultColumn) bool { return c.typ.Type() == sqltypes.Float32 || c.rank() > 0 && c.rank() <= 3 }
	switch {
	case small(c) && small(d):
		return types.Float32
	case types.IsFloat(c.typ) || types.IsFloat(d.typ):
		return types.Float64
	}
	scale := max(c.scale, d.scale)
	return decimalOf(max(c.whole, d.whole)+scale, scale, c.typ)
}

// momentDigits are the digits of a moment behind the second.
func (c resultColumn) momentDigits() int {
	if t, ok := c.typ.(sql.DatetimeType); ok && !types.IsDateType(c.typ) {
		return t.Precision()
	}
	if c.digits < 0 {
		return 6
	}
	return c.digits
}

func (c resultColumn) momentWith(d resultColumn) sql.Type {
	n := max(c.momentDigits(), d.momentDigits())
	switch {
	case types.IsTimespan(c.typ) && types.IsTimespan(d.typ), types.IsDateType(c.typ) && types.IsDateType(d.typ):
		return c.typ
	case types.IsTimestampType(c.typ) && types.IsTimestampType(d.typ):
		return types.MustCreateDatetimeType(sqltypes.Timestamp, n)
	}
	return types.MustCreateDatetimeType(sqltypes.Datetime, n)
}

// textWith is the type of texts of what has no other type in common.
func (c resultColumn) textWith(ctx *sql.Context, d resultColumn) sql.Type {
	collation := unionCollation(ctx, c, d)
	blob := func(c resultColumn) bool {
		return types.IsTextBlob(c.typ) || types.IsJSON(c.typ) || types.IsGeometry(c.typ)
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
	fixed := func(c resultColumn) bool {
		return c.typ.Type() == sqltypes.Char && (c.field || c.united) || c.typ.Type() == sqltypes.Binary
	}
	plain := func(c resultColumn) bool {
		return fixed(c) || types.IsNumber(c.typ) || c.moment()
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
func (c resultColumn) bytes(collation sql.CollationID) int64 {
	if s, ok := c.typ.(sql.StringType); ok && (types.IsTextBlob(c.typ) || collation == sql.Collation_binary) {
		return s.MaxByteLength()
	}
	if c.width < 0 {
		return 1<<32 - 1
	}
	if types.IsEnum(c.typ) || types.IsSet(c.typ) || types.IsText(c.typ) {
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
func unionCollation(ctx *sql.Context, c, d resultColumn) sql.CollationID {
	text := func(c resultColumn) bool { return types.IsText(c.typ) || types.IsEnum(c.typ) || types.IsSet(c.typ) }
	binary := func(c resultColumn) bool {
		return types.IsBinaryType(c.typ) && !types.IsJSON(c.typ) || types.IsGeometry(c.typ)
	}
	switch {
	case binary(c) || binary(d):
		return sql.Collation_binary
	case types.IsJSON(c.typ) || types.IsJSON(d.typ):
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
	out, _ := sql.ResolveCoercibility(l, c.coercibility, r, d.coercibility)
	return out
}
