package expr

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// withYears returns a comparison of a YEAR column with constants, with those as the column would keep them: 5, '5', 5.0
// and x'05' are 2005, what it could not keep stays as it is. Nil for other comparisons, and if nothing changes.
func withYears(ctx *sql.Context, e sql.Expression, operands []sql.Expression, isList bool) sql.Expression {
	column := func(o sql.Expression) bool {
		f, ok := o.(*expression.GetField)
		return ok && f.Table() != "" && types.IsYear(o.Type(ctx)) // an aggregate has none, and is a number
	}
	if !column(operands[0]) && (len(operands) != 2 || isList || !column(operands[1])) {
		return nil
	}
	changed := false
	out := slices.Clone(operands)
	for i, o := range operands {
		if y, ok := yearOf(ctx, o); ok {
			out[i], changed = expression.NewLiteral(y, types.Int64), true
		}
	}
	if !changed {
		return nil
	}
	return comparisonOf(ctx, e, out, isList)
}

// yearCast is CAST(… AS YEAR): NULL with a warning of what is none.
type yearCast struct{ *expression.Convert }

// WithChildren implements sql.Expression.
func (c *yearCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &yearCast{e.(*expression.Convert)}, nil
}

// IsNullable implements sql.Expression.
func (*yearCast) IsNullable(*sql.Context) bool { return true }

// Eval implements sql.Expression.
func (c *yearCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if span, ok := v.(types.Timespan); ok {
		if v, err = value.SpanToday(ctx, span); err != nil {
			return nil, err
		}
	}
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch x := v.(type) {
	case time.Time:
		if x.Equal(types.ZeroTime) {
			return int16(0), nil
		}
		return int16(x.Year()), nil
	case string:
		if types.IsText(c.Child.Type(ctx)) {
			return yearOfText(ctx, x), nil
		}
	}
	whole := expression.NewConvert(expression.NewLiteral(v, c.Child.Type(ctx)), expression.ConvertToSigned)
	if v, err = checkedOr(ctx, whole).Eval(ctx, nil); err != nil || v == nil {
		return nil, err
	}
	n, ok := v.(int64)
	if !ok {
		return nil, value.ErrValue(types.Year, v)
	}
	if y, ok := fullYear(n, 0); ok {
		return y, nil
	}
	ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect YEAR value: '%d'", n)
	return nil, nil
}

// yearOfText returns the year that a text begins with, nil with a warning if there is none.
func yearOfText(ctx *sql.Context, text string) any {
	trimmed := strings.Trim(text, value.Blanks)
	digits := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "0123456789"))]
	if digits == "" {
		ctx.Warn(1525, "Incorrect YEAR value: '%s'", text)
		return nil
	}
	zero := int16(2000)
	if len(digits) == 4 {
		zero = 0
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	y, ok := fullYear(n, zero)
	if ok = ok && err == nil; !ok || digits != trimmed {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect YEAR value: '%s'", text)
	}
	if !ok {
		return nil
	}
	return y
}

// fullYear returns the year that a number is, zero for 0; false of none.
func fullYear(n int64, zero int16) (int16, bool) {
	switch {
	case n == 0:
		return zero, true
	case n >= 1 && n < 70:
		return int16(n + 2000), true
	case n >= 70 && n < 100:
		return int16(n + 1900), true
	}
	return int16(n), n > 1900 && n <= 2155
}

// yearOf returns the year that a YEAR column keeps of a constant; false if it keeps none, or the constant is that.
func yearOf(ctx *sql.Context, e sql.Expression) (int64, bool) {
	if h, ok := e.(HexLiteral); ok {
		e = h.Integer()
	}
	lit, ok := e.(*expression.Literal)
	if !ok || !types.IsNumber(lit.Type(ctx)) && !types.IsTextOnly(lit.Type(ctx)) {
		return 0, false
	}
	v := lit.Value()
	text, isText := v.(string)
	if isText {
		v = strings.Trim(text, value.Blanks)
	}
	f, _, err := types.Float64.Convert(ctx, v)
	n, ok := f.(float64)
	if err != nil || !ok {
		return 0, false
	}
	if types.IsFloat(lit.Type(ctx)) { // that of a DOUBLE is cut (Field_year::store), of others rounded
		n = math.Trunc(n)
	}
	switch n = math.Round(n); {
	case n == 0 && isText && len(text) != 4:
		return 2000, true
	case n >= 1 && n < 70:
		return int64(n) + 2000, true
	case n >= 70 && n < 100:
		return int64(n) + 1900, true
	case n != 0 && (n <= 1900 || n > 2155):
		return 0, false
	}
	was, same := v.(int64)
	return int64(n), !same || was != int64(n)
}

// yearNumber is a YEAR in arithmetic: an integer without a sign.
type yearNumber struct{ expression.UnaryExpressionStub }

// NewYearNumber returns the expression of a YEAR.
func NewYearNumber(e sql.Expression) sql.Expression {
	return &yearNumber{expression.UnaryExpressionStub{Child: e}}
}

// Type implements sql.Expression.
func (*yearNumber) Type(*sql.Context) sql.Type { return types.Uint64 }

// String implements sql.Expression.
func (y *yearNumber) String() string { return y.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (*yearNumber) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// Eval implements sql.Expression.
func (y *yearNumber) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := y.Child.Eval(ctx, r)
	if v == nil || err != nil {
		return nil, err
	}
	v, _, err = types.Uint64.Convert(ctx, v)
	return v, err
}

// WithChildren implements sql.Expression.
func (y *yearNumber) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(y, len(children), 1)
	}
	return NewYearNumber(children[0]), nil
}
