package value

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// today is CURDATE() as a DATE; the planner's is a text.
type today struct{ builtin.CurrDate }

var _ sql.FunctionExpression = today{}

// NewToday returns CURDATE() as a DATE.
func NewToday(ctx *sql.Context) sql.Expression {
	return today{builtin.NewCurrDate(ctx).(builtin.CurrDate)}
}

// Type implements sql.Expression.
func (today) Type(*sql.Context) sql.Type { return types.Date }

// Eval implements sql.Expression.
func (d today) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	now, err := builtin.NewNow(ctx)
	if err != nil {
		return nil, err
	}
	v, err := now.Eval(ctx, r)
	if at, ok := v.(time.Time); ok { // in the session's time zone
		return Day(at), err
	}
	return v, err
}

// WithChildren implements sql.Expression.
func (d today) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 0)
	}
	return d, nil
}

// SpanToday returns a TIME as a DATETIME: of this day.
func SpanToday(ctx *sql.Context, x any) (any, error) {
	span, ok := x.(types.Timespan)
	if !ok {
		return x, nil
	}
	day, err := NewToday(ctx).Eval(ctx, nil)
	if err != nil {
		return nil, err
	}
	t, _ := day.(time.Time)
	return t.Add(span.AsTimeDuration()), nil
}
