package gms

import (
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// unionValue is a value of a side's column as the set operation's column has it.
type unionValue struct {
	expression.UnaryExpressionStub
	fromEnd int // where a column is, counted from the end of the row, that has the name of another: the planner may find that
	column  resultColumn
	checked bool // texts that are too long are refused
	digits  int  // behind the second, of a TIME
}

var (
	_ sql.Expression         = (*unionValue)(nil)
	_ sql.CollationCoercible = (*unionValue)(nil)
)

// Type implements sql.Expression.
func (v *unionValue) Type(*sql.Context) sql.Type { return v.column.typ }

// String implements sql.Expression.
func (v *unionValue) String() string { return v.Child.String() }

// IsNullable implements sql.Expression.
func (v *unionValue) IsNullable(ctx *sql.Context) bool { return v.Child.IsNullable(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (v *unionValue) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	if t, ok := v.column.typ.(sql.TypeWithCollation); ok {
		return t.Collation(), 2
	}
	return sql.GetCoercibility(ctx, v.Child)
}

// WithChildren implements sql.Expression.
func (v *unionValue) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(v, len(children), 1)
	}
	c := *v
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression.
func (v *unionValue) Eval(ctx *sql.Context, r sql.Row) (x any, err error) {
	if v.fromEnd > 0 {
		x = r[len(r)-v.fromEnd]
	} else if x, err = v.Child.Eval(ctx, r); err != nil {
		return nil, err
	}
	if x, err = sql.UnwrapAny(ctx, x); err != nil || x == nil {
		return nil, err
	}
	if span, ok := x.(types.Timespan); ok && types.IsText(v.column.typ) && v.digits >= 0 {
		x = spanWith(span, v.digits)
	}
	if x, err = asType(ctx, x, v.Child.Type(ctx), v.column); err != nil || !v.checked {
		return x, err
	}
	if t, ok := v.column.typ.(sql.StringType); ok && !types.IsTextBlob(t) {
		return (&assigner{row: 1}).text(ctx, v.column.name, t, x)
	}
	return x, nil
}

// asType returns a value of a type as a result's column has it.
func asType(ctx *sql.Context, x any, from sql.Type, to resultColumn) (any, error) {
	t := to.typ
	switch {
	case t.Equals(from):
		return x, nil
	case types.IsDecimal(t):
		x, _, err := types.InternalDecimalType.Convert(ctx, x)
		if d, ok := x.(*apd.Decimal); ok && err == nil {
			return scaled(d, t)
		}
		return x, err
	case types.IsTextOnly(t) && !types.IsEnum(t) && !types.IsSet(t), types.IsBinaryType(t):
		text, err := shownText(ctx, x, from)
		if err == nil && types.IsBinaryType(t) {
			text, _, err = types.LongBlob.Convert(ctx, text)
		}
		return text, err
	case types.IsTimespan(from) && !types.IsTimespan(t) && types.IsTime(t):
		return spanToday(ctx, x)
	case isMoment(t):
		return x, nil
	}
	x, _, err := types.TypeAwareConversion(ctx, x, from, t)
	return x, err
}

// scaled returns a number with the digits behind its point that a DECIMAL has.
func scaled(d *apd.Decimal, t sql.Type) (*apd.Decimal, error) {
	out := new(apd.Decimal)
	_, err := sql.DecimalCtx.WithPrecision(2*types.DecimalTypeMaxPrecision).Quantize(out, d, -int32(t.(sql.DecimalType).Scale()))
	out.Negative = out.Negative && !out.IsZero()
	return out, err
}

// shownText returns a value of a type as the text that MySQL makes of it.
func shownText(ctx *sql.Context, x any, t sql.Type) (any, error) {
	switch v := x.(type) {
	case string, []byte:
		if !types.IsEnum(t) && !types.IsSet(t) {
			return x, nil
		}
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	}
	if isMoment(t) {
		return momentOf(x, t), nil
	}
	if text, ok := appendDouble(ctx, nil, t, x); ok {
		return string(text), nil
	}
	x, _, err := types.TypeAwareConversion(ctx, x, t, types.LongText)
	return x, err
}

// spanToday returns a TIME as a DATETIME: of this day.
func spanToday(ctx *sql.Context, x any) (any, error) {
	span, ok := x.(types.Timespan)
	if !ok {
		return x, nil
	}
	day, err := newToday(ctx).Eval(ctx, nil)
	if err != nil {
		return nil, err
	}
	t, _ := day.(time.Time)
	return t.Add(span.AsTimeDuration()), nil
}
