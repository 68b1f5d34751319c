package expr

import (
	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// UnionValue is a value of a side's column as the set operation's column has it.
type UnionValue struct {
	expression.UnaryExpressionStub
	FromEnd int // where a column is, counted from the end of the row, that has the name of another: the planner may find that
	Column  ResultColumn
	Checked bool // texts that are too long are refused
	Digits  int  // behind the second, of a TIME
}

var (
	_ sql.Expression         = (*UnionValue)(nil)
	_ sql.CollationCoercible = (*UnionValue)(nil)
)

// Type implements sql.Expression.
func (v *UnionValue) Type(*sql.Context) sql.Type { return v.Column.Typ }

// String implements sql.Expression.
func (v *UnionValue) String() string { return v.Child.String() }

// IsNullable implements sql.Expression.
func (v *UnionValue) IsNullable(ctx *sql.Context) bool { return v.Child.IsNullable(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (v *UnionValue) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	if t, ok := v.Column.Typ.(sql.TypeWithCollation); ok {
		return t.Collation(), 2
	}
	return sql.GetCoercibility(ctx, v.Child)
}

// WithChildren implements sql.Expression.
func (v *UnionValue) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(v, len(children), 1)
	}
	c := *v
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression.
func (v *UnionValue) Eval(ctx *sql.Context, r sql.Row) (x any, err error) {
	if v.FromEnd > 0 {
		x = r[len(r)-v.FromEnd]
	} else if x, err = v.Child.Eval(ctx, r); err != nil {
		return nil, err
	}
	if x, err = sql.UnwrapAny(ctx, x); err != nil || x == nil {
		return nil, err
	}
	if span, ok := x.(types.Timespan); ok && types.IsText(v.Column.Typ) && v.Digits >= 0 {
		x = value.SpanWith(span, v.Digits)
	}
	if x, err = asType(ctx, x, v.Child.Type(ctx), v.Column); err != nil || !v.Checked {
		return x, err
	}
	if t, ok := v.Column.Typ.(sql.StringType); ok && !types.IsTextBlob(t) {
		return (&value.Assigner{Row: 1}).Text(ctx, v.Column.Name, t, x)
	}
	return x, nil
}

// asType returns a value of a type as a result's column has it.
func asType(ctx *sql.Context, x any, from sql.Type, to ResultColumn) (any, error) {
	t := to.Typ
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
		text, err := ShownText(ctx, x, from)
		if err == nil && types.IsBinaryType(t) {
			text, _, err = types.LongBlob.Convert(ctx, text)
		}
		return text, err
	case types.IsTimespan(from) && !types.IsTimespan(t) && types.IsTime(t):
		return value.SpanToday(ctx, x)
	case IsMoment(t):
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

// ShownText returns a value of a type as the text that MySQL makes of it.
func ShownText(ctx *sql.Context, x any, t sql.Type) (any, error) {
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
	if IsMoment(t) {
		return MomentOf(x, t), nil
	}
	if text, ok := value.AppendDouble(ctx, nil, t, x); ok {
		return string(text), nil
	}
	x, _, err := types.TypeAwareConversion(ctx, x, t, types.LongText)
	return x, err
}
