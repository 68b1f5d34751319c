package expr

import (
	"math"
	"math/bits"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// round is ROUND. Of a DOUBLE's two neighbours that are equally near it takes the even one, as
// the C library does; the planner's goes by the decimal digits.
type round struct{ *builtin.Round }

var _ sql.FunctionExpression = round{}

// NewRound returns ROUND. Returns the planner's error of a wrong number of arguments.
func NewRound(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewRound(ctx, args...)
	if err != nil {
		return nil, err
	}
	return round{e.(*builtin.Round)}, nil
}

// roundedWhole reports whether what is rounded is an integer.
func roundedWhole(t sql.Type) bool { return types.IsInteger(t) || types.IsYear(t) }

// roundWhole is ROUND or TRUNCATE of an integer, see Item_func_round::int_op.
func roundWhole(ctx *sql.Context, r sql.Row, number, digits sql.Expression, t sql.Type, truncate bool) (any, error) {
	v, err := number.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, _, err = t.Convert(ctx, v); err != nil {
		return nil, err
	}
	n := int64(0)
	if digits != nil {
		d, err := digits.Eval(ctx, r)
		if err != nil || d == nil {
			return nil, err
		}
		if d, _, err = types.Int64.Convert(ctx, d); err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, err
		}
		n, _ = d.(int64)
	}
	w, err := widen(ctx, v)
	switch {
	case err != nil || n >= 0:
		return v, err
	case n < -19:
		w.size = 0
	default:
		unit := uint64(1)
		for range -n {
			unit *= 10
		}
		rest := w.size % unit
		w.size -= rest
		if !truncate && rest >= unit/2 {
			sum, carry := bits.Add64(w.size, unit, 0)
			if w.size = sum; carry != 0 {
				return nil, mysql.NewSQLError(1690, "22003", "BIGINT UNSIGNED value is out of range in 'round(%s)'", value.Shown(v))
			}
		}
	}
	out, in := w.value(t)
	if !in {
		return nil, mysql.NewSQLError(1690, "22003", "BIGINT value is out of range in 'round(%s)'", value.Shown(v))
	}
	return out, nil
}

// wholeType is the type of an integer rounded.
func wholeType(ctx *sql.Context, number sql.Expression) sql.Type {
	if Unsigned(ctx, number) || types.IsYear(number.Type(ctx)) {
		return types.Uint64
	}
	return types.Int64
}

// Type implements sql.Expression.
func (f round) Type(ctx *sql.Context) sql.Type {
	if roundedWhole(f.Num.Type(ctx)) {
		return wholeType(ctx, f.Num)
	}
	if t := roundedType(ctx, f.Num, f.Dec, 1); t != nil {
		return t
	}
	return f.Round.Type(ctx)
}

// WithChildren implements sql.Expression.
func (f round) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return NewRound(ctx, children...)
}

// Eval implements sql.Expression.
func (f round) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	t := f.Num.Type(ctx)
	if roundedWhole(t) {
		return roundWhole(ctx, r, f.Num, f.Dec, f.Type(ctx), false)
	}
	if !types.IsFloat(t) && !types.IsTextOnly(t) {
		v, err := f.Round.Eval(ctx, r)
		return roundedTo(ctx, f, f.Num, f.Dec, r, v, err)
	}
	v, err := f.Num.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = DoubleOf(ctx, v); err != nil {
		return nil, err
	}
	digits := any(int64(0))
	if f.Dec != nil {
		if digits, err = f.Dec.Eval(ctx, r); err != nil || digits == nil {
			return nil, err
		}
		if digits, _, err = types.Int64.Convert(ctx, digits); err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, err
		}
	}
	return RoundDouble(v.(float64), digits.(int64)), nil
}

// RoundDouble rounds to digits behind the point, or before it if they are negative.
func RoundDouble(v float64, digits int64) float64 { return cutDouble(v, digits, math.RoundToEven) }

// cutDouble is RoundDouble with another way to a whole number.
func cutDouble(v float64, digits int64, whole func(float64) float64) float64 {
	power := math.Pow(10, math.Abs(float64(digits)))
	switch {
	case digits < 0 && math.IsInf(power, 0):
		return 0
	case digits < 0:
		return whole(v/power) * power
	case math.IsInf(power, 0) || math.IsInf(v*power, 0):
		return v
	}
	return whole(v*power) / power
}

// Approximate reports whether a number of a type is a DOUBLE.
func Approximate(t sql.Type) bool { return types.IsFloat(t) || types.IsTextOnly(t) }

// roundedType returns the type of a number rounded to some digits, nil for the planner's: of a
// DECIMAL it has as many behind the point as are asked for.
func roundedType(ctx *sql.Context, number, digits sql.Expression, more uint8) sql.Type {
	t, ok := number.Type(ctx).(sql.DecimalType)
	if !ok {
		return nil
	}
	scale := int64(0)
	if digits != nil {
		n, constant := constantDigits(ctx, digits)
		if !constant {
			return nil
		}
		scale = min(n, types.DecimalTypeMaxScale)
	}
	if scale >= int64(t.Scale()) {
		more = 0
	}
	whole := int64(t.Precision()-t.Scale()) + int64(more)
	typ, err := types.CreateDecimalType(uint8(min(max(whole+scale, 1), types.DecimalTypeMaxPrecision)), uint8(scale))
	if err != nil {
		return nil
	}
	return typ
}

// constantDigits returns how many digits behind the point a number is rounded to, 0 if they are before it; false if it
// is not the same for all rows.
func constantDigits(ctx *sql.Context, digits sql.Expression) (int64, bool) {
	if !digits.Resolved() || transform.InspectExpr(ctx, digits, func(_ *sql.Context, e sql.Expression) bool {
		switch e := bare(e).(type) {
		case *expression.GetField, *plan.Subquery, *expression.ProcedureParam, *expression.BindVar:
			return true
		case sql.NonDeterministicExpression:
			return e.IsNonDeterministic()
		}
		return false
	}) {
		return 0, false
	}
	v, err := bare(digits).Eval(ctx, nil)
	if err != nil || v == nil {
		return 0, false
	}
	v, _, err = types.Int64.Convert(ctx, v)
	n, _ := v.(int64)
	return max(n, 0), err == nil
}

// roundedTo returns a DECIMAL with the digits that its type has behind the point, or no more than it is
// rounded to where that differs from row to row.
func roundedTo(ctx *sql.Context, e sql.Expression, number, digits sql.Expression, r sql.Row, v any, err error) (any, error) {
	d, ok := v.(*apd.Decimal)
	t, is := e.Type(ctx).(sql.DecimalType)
	if !ok || !is || err != nil {
		return v, err
	}
	if roundedType(ctx, number, digits, 0) == nil {
		n, err := digits.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		if n, _, err = types.Int64.Convert(ctx, n); err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, err
		}
		if n, ok := n.(int64); ok && n < int64(t.Scale()) {
			t = types.MustCreateDecimalType(t.Precision(), uint8(max(n, 0)))
		}
	}
	return scaled(d, t)
}

// truncation is TRUNCATE.
type truncation struct{ *builtin.Truncate }

var _ sql.FunctionExpression = truncation{}

// NewTruncation returns TRUNCATE(number, digits).
func NewTruncation(ctx *sql.Context, number, digits sql.Expression) sql.Expression {
	return truncation{builtin.NewTruncate(ctx, number, digits).(*builtin.Truncate)}
}

// Type implements sql.Expression.
func (f truncation) Type(ctx *sql.Context) sql.Type {
	if roundedWhole(f.LeftChild.Type(ctx)) {
		return wholeType(ctx, f.LeftChild)
	}
	if t := roundedType(ctx, f.LeftChild, f.RightChild, 0); t != nil {
		return t
	}
	return f.Truncate.Type(ctx)
}

// WithChildren implements sql.Expression.
func (f truncation) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(f, len(children), 2)
	}
	return NewTruncation(ctx, children[0], children[1]), nil
}

// Eval implements sql.Expression.
func (f truncation) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if roundedWhole(f.LeftChild.Type(ctx)) {
		return roundWhole(ctx, r, f.LeftChild, f.RightChild, f.Type(ctx), true)
	}
	if Approximate(f.LeftChild.Type(ctx)) {
		v, err := f.LeftChild.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		digits, err := f.RightChild.Eval(ctx, r)
		if err != nil || digits == nil {
			return nil, err
		}
		n, err := WholeOf(ctx, digits)
		if err != nil {
			return nil, err
		}
		x, err := DoubleOf(ctx, v)
		return cutDouble(x, n, math.Trunc), err
	}
	v, err := f.LeftChild.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if d, ok := v.(*apd.Decimal); ok { // of which the planner takes no large ones
		digits, err := f.RightChild.Eval(ctx, r)
		if err != nil || digits == nil {
			return nil, err
		}
		n, err := WholeOf(ctx, digits)
		if err != nil {
			return nil, err
		}
		cut, err := value.CutOff(d, int32(max(min(n, types.DecimalTypeMaxScale), -types.DecimalTypeMaxPrecision)))
		return roundedTo(ctx, f, f.LeftChild, f.RightChild, r, cut, err)
	}
	v, err = f.Truncate.Eval(ctx, r)
	return roundedTo(ctx, f, f.LeftChild, f.RightChild, r, v, err)
}
