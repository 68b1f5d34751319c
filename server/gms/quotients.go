package gms

import (
	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

const (
	divPrecision = "div_precision_increment"
	divIncrement = 4 // its default
)

// divisionDigits is div_precision_increment: the digits that a quotient has more than its left side.
func divisionDigits(ctx *sql.Context) int {
	v, err := ctx.GetSessionVariable(ctx, divPrecision)
	if n, ok := v.(int64); ok && err == nil {
		return int(n)
	}
	return divIncrement
}

// quotient is / of exact numbers with other digits than the planner's. Deviation: one of a quotient
// has the digits of that, where MySQL goes on with a few more.
type quotient struct {
	*expression.Div
	typ sql.DecimalType
}

// newQuotient returns nil if the planner's digits are those, or the numbers are not exact.
func newQuotient(ctx *sql.Context, div *expression.Div) sql.Expression {
	digits := divisionDigits(ctx)
	if _, exact := div.Type(ctx).(sql.DecimalType); !exact || digits == divIncrement {
		return nil
	}
	scale := digits
	if l, ok := div.LeftChild.Type(ctx).(sql.DecimalType); ok {
		scale += int(l.Scale())
	}
	typ, err := types.CreateDecimalType(types.DecimalTypeMaxPrecision, uint8(min(scale, types.DecimalTypeMaxScale)))
	if err != nil {
		return nil
	}
	return &quotient{div, typ.(sql.DecimalType)}
}

// exactDiv returns the division that an expression is.
func exactDiv(e sql.Expression) (*expression.Div, bool) {
	if q, ok := e.(*quotient); ok {
		return q.Div, true
	}
	div, ok := e.(*expression.Div)
	return div, ok
}

// Type implements sql.Expression.
func (q *quotient) Type(*sql.Context) sql.Type { return q.typ }

// WithChildren implements sql.Expression.
func (q *quotient) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := q.Div.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (q *quotient) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	var sides [2]*apd.Decimal
	for i, e := range q.Children() {
		v, err := e.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if v, _, err = types.InternalDecimalType.Convert(ctx, v); err != nil {
			return nil, err
		}
		if sides[i], _ = v.(*apd.Decimal); sides[i] == nil {
			return nil, errValue(q.typ, v)
		}
	}
	if sides[1].IsZero() {
		warn(ctx, divisionByZero, "Division by 0")
		return nil, nil
	}
	// MySQL computes nine digits at a time, and rounds those.
	digits := int32(divisionDigits(ctx)) - sides[0].Exponent - sides[1].Exponent
	return scaled(types.DecimalDiv(sides[0], sides[1], (max(digits, 0)+8)/9*9, true), q.typ)
}
