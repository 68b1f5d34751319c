package gms

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
	"sextant/server/protocol"
)

// notFixed stands for the digits behind the point of what has no fixed number of them.
const notFixed = 31

// sentColumns returns the definitions of the columns of a statement's result as a client gets them.
func sentColumns(ctx *sql.Context, stmt ast.Statement, n sql.Node, schema sql.Schema) []protocol.Column {
	out := columns(ctx, n, schema)
	addOrigins(ctx, n, schema, out)
	writtenNames(stmt, out)
	describeLengths(schema, out)
	shownColumns(stmt, n, out)
	namesAsSent(stmt, out)
	return out
}

// columns returns the definitions of the columns of a plan's result.
func columns(ctx *sql.Context, n sql.Node, schema sql.Schema) []protocol.Column {
	times, formats := timeDigits(ctx, n, schema), columnFormats(ctx, n, schema)
	results := ctx.GetCharacterSetResults()
	out := make([]protocol.Column, len(schema))
	for i, c := range schema {
		charset := sql.Collation_Default.CharacterSet()
		if t, ok := c.Type.(sql.TypeWithCollation); ok {
			charset = t.Collation().CharacterSet()
		}
		col := protocol.Column{
			Name: encodedName(results, c.Name), OrgName: c.Name, Table: c.Source, OrgTable: c.Source, Database: c.DatabaseSource,
			Charset: uint16(charset), Length: c.Type.MaxTextResponseByteLength(ctx),
		}
		switch {
		case c.Type == types.Null, types.IsBinaryType(c.Type), types.IsNumber(c.Type), types.IsYear(c.Type), expr.IsMoment(c.Type), types.IsBit(c.Type): // drivers take a BIT that is not binary for text
			col.Charset = uint16(sql.Collation_binary)
		case results != sql.CharacterSet_Unspecified:
			col.Charset = uint16(results)
		}
		typ, flags := sqltypes.TypeToMySQL(c.Type.Type())
		col.Type, col.Flags = byte(typ), uint16(flags)
		if expr.IsMoment(c.Type) || types.IsJSON(c.Type) || types.IsGeometry(c.Type) {
			col.Flags |= gomysql.BINARY_FLAG
		}
		switch col.Type {
		case gomysql.MYSQL_TYPE_BLOB, gomysql.MYSQL_TYPE_JSON, gomysql.MYSQL_TYPE_GEOMETRY:
			col.Flags |= gomysql.BLOB_FLAG
		case gomysql.MYSQL_TYPE_YEAR:
			col.Flags |= gomysql.ZEROFILL_FLAG
		}
		if !c.Nullable {
			col.Flags |= gomysql.NOT_NULL_FLAG
		}
		if c.AutoIncrement {
			col.Flags |= gomysql.AUTO_INCREMENT_FLAG
		}
		if c.PrimaryKey {
			col.Flags |= gomysql.PRI_KEY_FLAG
		}
		if types.IsUnsigned(c.Type) {
			col.Flags |= gomysql.UNSIGNED_FLAG
		}
		switch t := c.Type.(type) {
		case sql.DecimalType:
			col.Decimals = t.Scale()
		case sql.DatetimeType:
			col.Decimals = byte(t.Precision())
		case types.TimeType:
			col.Decimals = 6 // drivers cut to the digits that are announced
			if n := times[i]; n >= 0 {
				col.Decimals = byte(n)
			}
		default:
			if types.IsFloat(c.Type) {
				col.Decimals = notFixed
			}
		}
		if f, ok := formats[i]; ok {
			if f.Unsigned {
				col.Flags |= gomysql.UNSIGNED_FLAG
				if types.IsDecimal(c.Type) {
					col.Length-- // no sign
				}
			}
			if f.Zeros > 0 {
				col.Flags |= gomysql.ZEROFILL_FLAG
				col.Length = uint32(f.Zeros)
			}
			if f.Digits > 0 {
				col.Decimals, col.Length = byte(f.Scale), uint32(f.Digits)
			}
		}
		out[i] = col
	}
	return out
}

// encode puts a row's values as text into cells, which are parts of the arena or of
// the row. It returns the arena, to be used again for the next row.
func encode(ctx *sql.Context, schema sql.Schema, row sql.Row, cells [][]byte, arena []byte) ([]byte, error) {
	for i, c := range schema {
		if row[i] == nil {
			cells[i] = nil
			continue
		}
		typ := c.Type
		if doc, ok := row[i].(sql.JSONWrapper); ok {
			if err := value.ShallowDocument(ctx, doc); err != nil {
				return arena, err
			}
		}
		if _, ok := row[i].(types.GeometryValue); ok { // a function announces points and returns any
			typ = types.GeometryType{}
		}
		if text, ok := value.AppendDouble(ctx, arena[len(arena):], typ, row[i]); ok {
			cells[i] = text
			arena = stored(arena, text)
			continue
		}
		if t, ok := typ.(sql.DatetimeType); ok && types.IsTimestampType(typ) { // what clocks show has a wider range
			typ = types.MustCreateDatetimeType(sqltypes.Datetime, t.Precision())
		}
		v, err := typ.SQL(ctx, arena[len(arena):], row[i])
		if sql.ErrCharSetFailedToEncode.Is(err) {
			v, err = encodable(ctx, typ, row[i])
		}
		if err != nil {
			return arena, err
		}
		if v.IsNull() {
			cells[i] = nil
			continue
		}
		if cells[i] = v.Raw(); cells[i] == nil {
			cells[i] = []byte{}
		}
		if v.Type() == sqltypes.Decimal && cells[i][0] == '-' && !bytes.ContainsAny(cells[i], "123456789") { // to MySQL 0 has no sign
			cells[i] = cells[i][1:]
		}
		if year := bytes.IndexByte(cells[i], '-'); types.IsTime(typ) && year > 0 && year < expr.YearDigits { // the planner's text has no zeros before
			cells[i] = append([]byte("0000"[year:]), cells[i]...)
		}
		if types.IsYear(typ) && len(cells[i]) < expr.YearDigits { // 0
			cells[i] = []byte("0000")
		}
		arena = stored(arena, cells[i])
	}
	return arena, nil
}

// encodable returns what the client's character set has of a text, a question mark for each character that it lacks.
func encodable(ctx *sql.Context, typ sql.Type, v any) (sqltypes.Value, error) {
	text, _, err := types.LongText.Convert(ctx, v)
	if err != nil {
		return sqltypes.Value{}, err
	}
	s, _ := text.(string)
	var out []byte
	encoder := ctx.GetCharacterSetResults().Encoder()
	for _, r := range s {
		b, ok := encoder.Encode([]byte(string(r)))
		if !ok {
			b = []byte{'?'}
		}
		out = append(out, b...)
	}
	return sqltypes.MakeTrusted(typ.Type(), out), nil
}

// stored returns the arena behind a cell. What fitted stands in it now; what did not has its own
// memory, and the arena is made larger for the next row.
func stored(arena, cell []byte) []byte {
	if n := len(arena) + len(cell); n <= cap(arena) {
		return arena[:n]
	}
	return make([]byte, 0, 2*(len(arena)+len(cell)))
}

// literal returns a parameter's value as the planner takes it.
func literal(p protocol.Param) ast.Expr {
	if p.Null {
		return &ast.NullVal{}
	}
	switch p.Type {
	case gomysql.MYSQL_TYPE_TINY, gomysql.MYSQL_TYPE_SHORT, gomysql.MYSQL_TYPE_INT24, gomysql.MYSQL_TYPE_LONG,
		gomysql.MYSQL_TYPE_LONGLONG, gomysql.MYSQL_TYPE_YEAR:
		return ast.NewIntVal(append([]byte(nil), p.Text...))
	case gomysql.MYSQL_TYPE_FLOAT, gomysql.MYSQL_TYPE_DOUBLE:
		if e, err := ast.ExprFromValue(sqltypes.MakeTrusted(sqltypes.Float64, p.Text)); err == nil {
			return e
		}
	case gomysql.MYSQL_TYPE_DECIMAL, gomysql.MYSQL_TYPE_NEWDECIMAL:
		return decimalLiteral(p.Text)
	case gomysql.MYSQL_TYPE_DATE, gomysql.MYSQL_TYPE_NEWDATE, gomysql.MYSQL_TYPE_DATETIME, gomysql.MYSQL_TYPE_TIMESTAMP,
		gomysql.MYSQL_TYPE_DATETIME2, gomysql.MYSQL_TYPE_TIMESTAMP2, gomysql.MYSQL_TYPE_TIME, gomysql.MYSQL_TYPE_TIME2:
		// One with a month or a day of 0 is a text, which columns may take. Without microseconds it has no digits.
		text := ast.NewStrVal(append([]byte(nil), bytes.TrimSuffix(p.Text, []byte(".000000"))...))
		if e := rewrite.Moment(momentWord(p.Type), text); e != nil {
			return e
		}
		return text
	case gomysql.MYSQL_TYPE_TINY_BLOB, gomysql.MYSQL_TYPE_BLOB, gomysql.MYSQL_TYPE_MEDIUM_BLOB, gomysql.MYSQL_TYPE_LONG_BLOB:
		return &ast.UnaryExpr{Operator: ast.UBinaryStr, Expr: ast.NewStrVal(append([]byte(nil), p.Text...))}
	}
	return ast.NewStrVal(append([]byte(nil), p.Text...))
}

// decimalLiteral returns the literal that the text of a DECIMAL is to the planner: a number with an exponent would be a DOUBLE,
// one without a point beyond the integers have digits behind one, and a zero keep its sign.
func decimalLiteral(text []byte) ast.Expr {
	d, _, err := apd.NewFromString(string(text))
	if err != nil || d.Form != apd.Finite || d.Exponent < -expr.DecimalDigits || expr.DecimalDigits < d.Exponent {
		return ast.NewFloatVal(append([]byte(nil), text...))
	}
	d.Negative = d.Negative && !d.IsZero()
	plain := d.Text('f')
	if _, err := strconv.ParseUint(strings.TrimPrefix(plain, "-"), 10, 63); err != nil && !strings.Contains(plain, ".") {
		plain += "."
	}
	return ast.NewFloatVal([]byte(plain))
}

// momentWord is the word before literals of a type of dates and times.
func momentWord(kind byte) string {
	switch kind {
	case gomysql.MYSQL_TYPE_DATE, gomysql.MYSQL_TYPE_NEWDATE:
		return "date"
	case gomysql.MYSQL_TYPE_TIME, gomysql.MYSQL_TYPE_TIME2:
		return "time"
	}
	return "timestamp"
}
