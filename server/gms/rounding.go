package gms

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// round is ROUND. Of a DOUBLE's two neighbours that are equally near it takes the even one, as
// the C library does; the planner's goes by the decimal digits.
type round struct{ *builtin.Round }

var _ sql.FunctionExpression = round{}

func newRound(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewRound(ctx, args...)
	if err != nil {
		return nil, err
	}
	return round{e.(*builtin.Round)}, nil
}

// Type implements sql.Expression.
func (f round) Type(ctx *sql.Context) sql.Type {
	if t := roundedType(ctx, f.Num, f.Dec, 1); t != nil {
		return t
	}
	return f.Round.Type(ctx)
}

// WithChildren implements sql.Expression.
func (f round) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return newRound(ctx, children...)
}

// Eval implements sql.Expression.
func (f round) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if t := f.Num.Type(ctx); !types.IsFloat(t) && !types.IsTextOnly(t) {
		v, err := f.Round.Eval(ctx, r)
		return roundedTo(ctx, f, v, err)
	}
	v, err := f.Num.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	v, _, err = types.Float64.Convert(ctx, v)
	if sql.ErrTruncatedIncorrect.Is(err) {
		ctx.Warn(mysql.ERTruncatedWrongValue, "%s", err.Error())
	} else if err != nil {
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
	return roundDouble(v.(float64), digits.(int64)), nil
}

// roundDouble rounds to digits behind the point, or before it if they are negative.
func roundDouble(v float64, digits int64) float64 {
	power := math.Pow(10, math.Abs(float64(digits)))
	switch {
	case digits < 0 && math.IsInf(power, 0):
		return 0
	case digits < 0:
		return math.RoundToEven(v/power) * power
	case math.IsInf(power, 0) || math.IsInf(v*power, 0):
		return v
	}
	return math.RoundToEven(v*power) / power
}

// wholeCall is FLOOR or CEIL. The planner's rounds a DECIMAL in place, which is the row's own.
type wholeCall struct{ sql.FunctionExpression }

// wholeCalls are the functions that are wholeCalls.
var wholeCalls = map[string]func(*sql.Context, sql.Expression) sql.Expression{
	"floor": builtin.NewFloor, "ceil": builtin.NewCeil, "ceiling": builtin.NewCeil,
}

// Type implements sql.Expression: BIGINT, or a DECIMAL where that is too small for the argument's.
func (f wholeCall) Type(ctx *sql.Context) sql.Type {
	if t, ok := f.Children()[0].Type(ctx).(sql.DecimalType); ok {
		if digits := t.Precision() - t.Scale() + min(t.Scale(), 1); digits > 18 {
			return types.MustCreateDecimalType(min(digits, types.DecimalTypeMaxPrecision), 0)
		}
	}
	return f.FunctionExpression.Type(ctx)
}

// WithChildren implements sql.Expression.
func (f wholeCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := f.FunctionExpression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return wholeCall{e.(sql.FunctionExpression)}, nil
}

// Eval implements sql.Expression.
func (f wholeCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	child := f.Children()[0]
	v, err := child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	n, ok := v.(*apd.Decimal)
	if !ok {
		e, err := f.FunctionExpression.WithChildren(ctx, expression.NewLiteral(v, child.Type(ctx)))
		if err != nil {
			return nil, err
		}
		return e.Eval(ctx, r)
	}
	to := sql.DecimalCtx.Floor
	if f.FunctionName() != "floor" {
		to = sql.DecimalCtx.Ceil
	}
	out := new(apd.Decimal)
	if _, err := to(out, n); err != nil {
		return nil, err
	}
	v, _, err = f.Type(ctx).Convert(ctx, out)
	return v, err
}

// roundedType returns the type of a number rounded to some digits, nil for the planner's: of a
// DECIMAL it has as many behind the point as are asked for.
func roundedType(ctx *sql.Context, number, digits sql.Expression, more uint8) sql.Type {
	t, ok := number.Type(ctx).(sql.DecimalType)
	if !ok {
		return nil
	}
	scale := int64(0)
	switch d := digits.(type) {
	case nil:
	case *expression.Literal:
		n, _, err := types.Int64.Convert(ctx, d.Value())
		if n == nil || err != nil {
			return nil
		}
		scale = min(max(n.(int64), 0), types.DecimalTypeMaxScale)
	case *expression.UnaryMinus:
		if _, constant := d.Child.(*expression.Literal); !constant {
			return nil
		}
	default:
		return nil
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

// roundedTo returns a DECIMAL with the digits that its type has behind the point.
func roundedTo(ctx *sql.Context, e sql.Expression, v any, err error) (any, error) {
	d, ok := v.(*apd.Decimal)
	if t, is := e.Type(ctx).(sql.DecimalType); ok && is && err == nil {
		return scaled(d, t)
	}
	return v, err
}

// truncation is TRUNCATE.
type truncation struct{ *builtin.Truncate }

var _ sql.FunctionExpression = truncation{}

func newTruncation(ctx *sql.Context, number, digits sql.Expression) sql.Expression {
	return truncation{builtin.NewTruncate(ctx, number, digits).(*builtin.Truncate)}
}

// Type implements sql.Expression.
func (f truncation) Type(ctx *sql.Context) sql.Type {
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
	return newTruncation(ctx, children[0], children[1]), nil
}

// Eval implements sql.Expression.
func (f truncation) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := f.Truncate.Eval(ctx, r)
	return roundedTo(ctx, f, v, err)
}
