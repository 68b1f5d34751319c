package function

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// presentTime is CURTIME.
var presentTime = &expr.FunctionDef{Name: "curtime", Args: expr.AnyArgs, Typ: types.Time, Eval: func(ctx *sql.Context, args []any) (any, error) {
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
	return types.Timespan(at.Sub(value.Day(at)) / time.Microsecond), nil
}}
