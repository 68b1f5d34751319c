package gms

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// presentMoment is NOW and what is like it, with as many digits as are asked for: the planner's type has all or none.
type presentMoment struct{ *builtin.Now }

// Type implements sql.Expression.
func (m presentMoment) Type(ctx *sql.Context) sql.Type {
	return types.MustCreateDatetimeType(sqltypes.Datetime, secondDigits(ctx, m.Children()))
}

// WithChildren implements sql.Expression.
func (m presentMoment) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := m.Now.WithChildren(ctx, children...)
	if now, ok := e.(*builtin.Now); ok && err == nil {
		return presentMoment{now}, nil
	}
	return e, err
}

// presentTime is CURTIME.
var presentTime = &functionDef{name: "curtime", args: anyArgs, typ: types.Time, eval: func(ctx *sql.Context, args []any) (any, error) {
	if len(args) == 0 {
		args = []any{int64(0)}
	}
	now, err := builtin.NewNow(ctx, expression.NewLiteral(args[0], types.Int64))
	if err != nil {
		return nil, err
	}
	v, err := now.Eval(ctx, nil)
	at, ok := v.(time.Time)
	if err != nil || !ok {
		return nil, err
	}
	return types.Timespan(at.Sub(day(at)) / time.Microsecond), nil
}}
