package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// dayAsNumber returns DAYNAME as the number that it is in arithmetic.
func dayAsNumber(e sql.Expression) (sql.Expression, bool) {
	f, ok := e.(*Function)
	if !ok || f.Def.Name != "dayname" {
		return e, false
	}
	return &Function{Def: dayNumber, Args: f.Args}, true
}

// dayNumber is the day of the week from Monday.
var dayNumber = &FunctionDef{Name: "weekday", Args: 1, Pure: true, Typ: types.Int32, Eval: func(ctx *sql.Context, args []any) (any, error) {
	t, ok := value.DayOf(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return int32(value.FieldsIn(t).Weekday()), nil
}}
