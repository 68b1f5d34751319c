package function

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
)

// wholeCall is FLOOR or CEIL. The planner's rounds a DECIMAL in place, which is the row's own.
type wholeCall struct{ sql.FunctionExpression }

// wholeCalls are the functions that are wholeCalls.
var wholeCalls = map[string]func(*sql.Context, sql.Expression) sql.Expression{
	"floor": builtin.NewFloor, "ceil": builtin.NewCeil, "ceiling": builtin.NewCeil,
}

// Type implements sql.Expression: BIGINT, or a DECIMAL where that is too small for the argument's.
func (f wholeCall) Type(ctx *sql.Context) sql.Type {
	if expr.Approximate(f.Children()[0].Type(ctx)) {
		return types.Float64
	}
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
	if expr.Approximate(child.Type(ctx)) {
		x, err := expr.DoubleOf(ctx, v)
		if f.FunctionName() == "floor" {
			return math.Floor(x), err
		}
		return math.Ceil(x), err
	}
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
