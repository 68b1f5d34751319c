package gms

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
)

// The planner's types have no FLOAT(M,D), DOUBLE(M,D) and ZEROFILL, and only integers are UNSIGNED. That is kept beside a
// column's type: values are rounded and bounded when they are written, and shown with their digits and zeros when a column
// of a table is sent.

// optFormat is the key of the note: M,D of a FLOAT or DOUBLE, and zero with the width of ZEROFILL or unsigned: "8,2",
// "zero5", "8,2unsigned".
const optFormat = "format"

// columnFormat is what is noted of a column.
type columnFormat struct {
	digits, scale int  // of FLOAT(M,D); digits is 0 of others
	zeros         int  // the width that ZEROFILL fills
	unsigned      bool // nothing below 0
}

// unsignedNote is the end of the note of a DECIMAL, FLOAT or DOUBLE that is UNSIGNED and not ZEROFILL.
const unsignedNote = "unsigned"

// formatOf returns the format of a stored column, false if it has none.
func formatOf(c *engine.ColumnDef) (f columnFormat, ok bool) {
	text, ok := c.Options[optFormat]
	if !ok {
		return f, false
	}
	text, f.unsigned = strings.CutSuffix(text, unsignedNote)
	digits, zeros, filled := strings.Cut(text, "zero")
	if m, d, ok := strings.Cut(digits, ","); ok {
		f.digits, _ = strconv.Atoi(m)
		f.scale, _ = strconv.Atoi(d)
	}
	if filled {
		f.unsigned = true
		f.zeros, _ = strconv.Atoi(zeros)
	}
	return f, true
}

// integerDigits are the widths of ZEROFILL without one.
var integerDigits = map[string]int{"tinyint": 3, "smallint": 5, "mediumint": 8, "int": 10, "integer": 10, "bigint": 20, "float": 12, "double": 22, "real": 22}

// definedFormat returns the note of a column that a statement defines, "" for none. What is ZEROFILL is UNSIGNED.
func definedFormat(t *ast.ColumnType) string {
	kind, note := strings.ToLower(t.Type), ""
	width, integer := number(t.Length), false
	switch kind {
	case "float", "double", "real":
		if t.Scale != nil {
			note = strconv.Itoa(width) + "," + strconv.Itoa(number(t.Scale))
		}
	case "decimal", "numeric", "dec", "fixed":
		if width < 0 {
			width = 10
		}
		if number(t.Scale) > 0 {
			width++
		}
	default:
		integer = true
	}
	if t.Zerofill {
		t.Unsigned = true
		if width < 0 {
			width = integerDigits[kind]
		}
		note += "zero" + strconv.Itoa(width)
	} else if bool(t.Unsigned) && !integer {
		note += unsignedNote
	}
	return note
}

// setFormat notes the format of a column of numbers: the one that the statement says, or else that of the column that it is
// made of.
func setFormat(ctx *sql.Context, c *engine.ColumnDef, old *engine.ColumnDef) {
	s, ok := ctx.Session.(*Session)
	if !ok || !s.b.mysql {
		return
	}
	note, ok := s.formats[strings.ToLower(c.Name)]
	if !ok && old != nil {
		note = old.Options[optFormat]
	}
	if delete(c.Options, optFormat); note != "" {
		c.Options[optFormat] = note
	}
}

// isNumeric reports whether columns of a type may have a format.
func isNumeric(t sql.Type) bool { return types.IsNumber(t) && !types.IsBit(t) && !types.IsYear(t) }

// inFormats returns a row with its numbers as the columns have them. Returns 1264 for one that is out of range.
func (s *shape) inFormats(ctx *sql.Context, a assigner, r sql.Row) (sql.Row, error) {
	copied := false
	for i, f := range s.formats {
		if f == (columnFormat{}) || i >= len(r) || r[i] == nil {
			continue
		}
		a.format = f
		v, err := a.bounded(ctx, s.schema[i].Name, s.schema[i].Type, r[i])
		if err != nil {
			return nil, err
		}
		if !copied {
			r, copied = r.Copy(), true
		}
		r[i] = v
	}
	return r, nil
}

// bounded returns a number as the format of its column has it.
func (a *assigner) bounded(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	f := a.format
	if f.unsigned && negative(v) {
		return a.keep(ctx, column, outOfRange, t.Zero())
	}
	if f.digits == 0 {
		return v, nil
	}
	c, _, err := types.Float64.Convert(ctx, v)
	x, ok := c.(float64)
	if err != nil || !ok {
		return v, nil
	}
	unit := math.Pow10(f.scale)
	x = f.rounded(x)
	most := f.rounded(math.Pow10(f.digits-f.scale) - 1/unit)
	over := math.Abs(x) > most
	if over {
		x = math.Copysign(most, x)
	}
	if v = x; t.Type() == sqltypes.Float32 {
		v = float32(x)
	}
	if over {
		return a.keep(ctx, column, outOfRange, v)
	}
	return v, nil
}

// rounded returns a DOUBLE with the digits of the format. Source: Field_real::truncate.
func (f columnFormat) rounded(x float64) float64 {
	unit := math.Pow10(f.scale)
	whole := math.Floor(x)
	if y := whole + math.RoundToEven((x-whole)*unit)/unit; !math.IsInf(y, 0) && !math.IsNaN(y) {
		return y
	}
	return x
}

// columnFormats returns the formats of the columns of the result of a plan, which may be nil; nil if none has one.
func columnFormats(ctx *sql.Context, n sql.Node, schema sql.Schema) (out map[int]columnFormat) {
	set := func(i int, f columnFormat, ok bool) {
		if ok && out == nil {
			out = make(map[int]columnFormat)
		}
		if ok {
			out[i] = f
		}
	}
	for i, c := range schema {
		if !isNumeric(c.Type) {
			continue
		}
		if d := sourceColumn(ctx, c); d != nil {
			f, ok := formatOf(d)
			set(i, f, ok)
		} else if types.IsFloat(c.Type) && n != nil && len(n.Schema(ctx)) == len(schema) {
			f, ok := doubleFormat(createdColumn(ctx, n, i).behind())
			set(i, f, ok)
		}
	}
	return out
}

// showFormats gives the cells of a row their digits and zeros.
func showFormats(r sql.Row, cells [][]byte, formats map[int]columnFormat) {
	for i, f := range formats {
		if cells[i] == nil {
			continue
		}
		if f.digits > 0 {
			v, _, err := types.Float64.Convert(noContext(), r[i])
			if x, ok := v.(float64); ok && err == nil {
				cells[i] = appendFixed(nil, x, f.scale)
			}
		}
		if n := f.zeros - len(cells[i]); n > 0 {
			cells[i] = append(bytes.Repeat([]byte("0"), n), cells[i]...)
		}
	}
}

// shownDefault returns the text of a value as a column that has a format shows it, text if it has none.
func shownDefault(c *engine.ColumnDef, v any, text string) string {
	if c == nil {
		return text
	}
	f, ok := formatOf(c)
	if !ok {
		return text
	}
	cells := [][]byte{[]byte(text)}
	showFormats(sql.Row{v}, cells, map[int]columnFormat{0: f})
	return string(cells[0])
}

// withFormats returns a table's definition with the formats of its columns.
func (s *shape) withFormats(text string) string {
	for i := range s.schema {
		c := &s.def.Columns[i]
		if f, ok := formatOf(c); ok {
			was := s.schema[i].Type.String()
			name := "\n  " + quoteName(c.Name) + " "
			text = strings.Replace(text, name+was, name+f.typeText(was), 1)
		}
	}
	return text
}

// typeText is the text of a type with the format.
func (f columnFormat) typeText(text string) string {
	kind, rest, _ := strings.Cut(text, " ")
	switch {
	case f.digits > 0:
		kind += "(" + strconv.Itoa(f.digits) + "," + strconv.Itoa(f.scale) + ")"
	case f.zeros > 0 && !strings.Contains(kind, "(") && kind != "float" && kind != "double":
		kind += "(" + strconv.Itoa(f.zeros) + ")"
	}
	if rest == "" && f.unsigned {
		rest = "unsigned"
	}
	if rest != "" {
		kind += " " + rest
	}
	if f.zeros > 0 {
		kind += " zerofill"
	}
	return kind
}

// yearDigits are the digits of a YEAR as a text.
const yearDigits = 4

// formatText is a number with a format as a text.
type formatText struct {
	expression.UnaryExpressionStub
	format columnFormat
}

// formattedText returns a number with a format, or a YEAR, as a text, nil for others.
func formattedText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if e.Resolved() && types.IsYear(e.Type(ctx)) {
		return &formatText{expression.UnaryExpressionStub{Child: e}, columnFormat{zeros: yearDigits}}
	}
	f, ok := e.(*expression.GetField)
	if !ok && e.Resolved() && types.IsFloat(e.Type(ctx)) {
		if format, ok := doubleFormat(deriver{ctx: ctx}.doubleDigits(e)); ok {
			return &formatText{expression.UnaryExpressionStub{Child: e}, format}
		}
	}
	if !ok {
		return nil
	}
	if format := fieldFormat(ctx, f); format.digits > 0 || format.zeros > 0 {
		return &formatText{expression.UnaryExpressionStub{Child: e}, format}
	}
	return nil
}

// fieldFormat returns the format of a column that an expression reads, none of what is no table's.
func fieldFormat(ctx *sql.Context, f *expression.GetField) (format columnFormat) {
	if !isNumeric(f.Type(ctx)) {
		return format
	}
	if d := sourceColumn(ctx, &sql.Column{Name: f.Name(), Source: f.Table(), DatabaseSource: f.Database()}); d != nil {
		format, _ = formatOf(d)
	}
	return format
}

// Type implements sql.Expression.
func (*formatText) Type(*sql.Context) sql.Type { return types.LongText }

// String implements sql.Expression.
func (t *formatText) String() string { return t.Child.String() }

// WithChildren implements sql.Expression.
func (t *formatText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	return &formatText{expression.UnaryExpressionStub{Child: children[0]}, t.format}, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (*formatText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return ctx.GetCollation(), 4
}

// Eval implements sql.Expression.
func (t *formatText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	text, err := shownText(ctx, v, t.Child.Type(ctx))
	s, ok := text.(string)
	if err != nil || !ok {
		return text, err
	}
	cells := [][]byte{[]byte(s)}
	showFormats(sql.Row{v}, cells, map[int]columnFormat{0: t.format})
	return string(cells[0]), nil
}
