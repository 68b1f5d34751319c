package expr

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/server/gms/value"
)

// The planner's types have no FLOAT(M,D), DOUBLE(M,D) and ZEROFILL, and only integers are UNSIGNED. That is kept beside a
// column's type: values are rounded and bounded when they are written, and shown with their digits and zeros when a column
// of a table is sent.

// OptFormat is the key of the note: M,D of a FLOAT or DOUBLE, and zero with the width of ZEROFILL or unsigned: "8,2",
// "zero5", "8,2unsigned".
const OptFormat = "format"

// UnsignedNote is the end of the note of a DECIMAL, FLOAT or DOUBLE that is UNSIGNED and not ZEROFILL.
const UnsignedNote = "unsigned"

// FormatOf returns the format of a stored column, false if it has none.
func FormatOf(c *engine.ColumnDef) (f value.ColumnFormat, ok bool) {
	text, ok := c.Options[OptFormat]
	if !ok {
		return f, false
	}
	text, f.Unsigned = strings.CutSuffix(text, UnsignedNote)
	digits, zeros, filled := strings.Cut(text, "zero")
	if m, d, ok := strings.Cut(digits, ","); ok {
		f.Digits, _ = strconv.Atoi(m)
		f.Scale, _ = strconv.Atoi(d)
	}
	if filled {
		f.Unsigned = true
		f.Zeros, _ = strconv.Atoi(zeros)
	}
	return f, true
}

// IsNumeric reports whether columns of a type may have a format.
func IsNumeric(t sql.Type) bool { return types.IsNumber(t) && !types.IsBit(t) && !types.IsYear(t) }

// ShowFormats gives the cells of a row their digits and zeros.
func ShowFormats(r sql.Row, cells [][]byte, formats map[int]value.ColumnFormat) {
	for i, f := range formats {
		if cells[i] == nil {
			continue
		}
		if f.Digits > 0 {
			v, _, err := types.Float64.Convert(value.NoContext(), r[i])
			if x, ok := v.(float64); ok && err == nil {
				cells[i] = value.AppendFixed(nil, x, f.Scale)
			}
		}
		if n := f.Zeros - len(cells[i]); n > 0 {
			cells[i] = append(bytes.Repeat([]byte("0"), n), cells[i]...)
		}
	}
}

// ShownDefault returns the text of a number as its column shows it: of a FLOAT or DOUBLE MySQL's digits, of others text, and
// what a format makes of it.
func ShownDefault(c *engine.ColumnDef, v any, text string) string {
	switch v.(type) {
	case float32:
		number, _ := value.AppendDouble(value.NoContext(), nil, types.Float32, v)
		text = string(number)
	case float64:
		text = value.Shown(v)
	}
	if c == nil {
		return text
	}
	f, ok := FormatOf(c)
	if !ok {
		return text
	}
	cells := [][]byte{[]byte(text)}
	ShowFormats(sql.Row{v}, cells, map[int]value.ColumnFormat{0: f})
	return string(cells[0])
}

// YearDigits are the digits of a YEAR as a text.
const YearDigits = 4

// FormatText is a number with a format as a text.
type FormatText struct {
	expression.UnaryExpressionStub
	Format value.ColumnFormat
}

// FormattedText returns a number with a format, or a YEAR, as a text, nil for others.
func FormattedText(ctx *sql.Context, e sql.Expression) sql.Expression {
	if e.Resolved() && types.IsYear(e.Type(ctx)) {
		return &FormatText{expression.UnaryExpressionStub{Child: e}, value.ColumnFormat{Zeros: YearDigits}}
	}
	_, field := e.(*expression.GetField)
	if _, defined := e.(Defined); !field && !defined {
		if e.Resolved() && types.IsFloat(e.Type(ctx)) {
			if format, ok := DoubleFormat(deriver{ctx, reads(ctx)}.doubleDigits(e)); ok {
				return &FormatText{expression.UnaryExpressionStub{Child: e}, format}
			}
		}
		return nil
	}
	format := FieldFormat(ctx, e)
	if from := reads(ctx); field && from != nil && types.IsFloat(e.Type(ctx)) && format == (value.ColumnFormat{}) {
		if f, ok := DoubleFormat(CreatedExpr(ctx, e, from).Behind()); ok {
			format = f
		}
	}
	if format.Digits > 0 || format.Zeros > 0 {
		return &FormatText{expression.UnaryExpressionStub{Child: e}, format}
	}
	return nil
}

// FieldFormat returns the format that the values of an expression are defined with, see DefinitionOf.
func FieldFormat(ctx *sql.Context, e sql.Expression) (format value.ColumnFormat) {
	if !IsNumeric(e.Type(ctx)) {
		return format
	}
	if d := DefinitionOf(ctx, e); d != nil {
		format, _ = FormatOf(d)
	}
	return format
}

// Type implements sql.Expression.
func (*FormatText) Type(*sql.Context) sql.Type { return types.LongText }

// String implements sql.Expression.
func (t *FormatText) String() string { return t.Child.String() }

// WithChildren implements sql.Expression.
func (t *FormatText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	return &FormatText{expression.UnaryExpressionStub{Child: children[0]}, t.Format}, nil
}

// CollationCoercibility implements sql.CollationCoercible.
func (*FormatText) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return ctx.GetCollation(), 4
}

// Eval implements sql.Expression.
func (t *FormatText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	text, err := ShownText(ctx, v, t.Child.Type(ctx))
	s, ok := text.(string)
	if err != nil || !ok {
		return text, err
	}
	cells := [][]byte{[]byte(s)}
	ShowFormats(sql.Row{v}, cells, map[int]value.ColumnFormat{0: t.Format})
	return string(cells[0]), nil
}
