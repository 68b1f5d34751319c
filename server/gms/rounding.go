package gms

import (
	"math"

	"github.com/dolthub/go-mysql-server/sql"
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

// WithChildren implements sql.Expression.
func (f round) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return newRound(ctx, children...)
}

// Eval implements sql.Expression.
func (f round) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if t := f.Num.Type(ctx); !types.IsFloat(t) && !types.IsTextOnly(t) {
		return f.Round.Eval(ctx, r)
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
