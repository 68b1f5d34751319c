package gms

import (
	"math"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// memberFunction is the function that x MEMBER OF (j) is to the planner.
const memberFunction = "\x00member of"

// memberOf is MEMBER OF: whether a value is an element of a JSON array, or the document
// itself if that is none.
func memberOf(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	for i := range args {
		var err error
		if args[i], err = sql.UnwrapAny(ctx, args[i]); err != nil {
			return nil, err
		}
	}
	if _, text := args[1].(string); !text {
		if _, doc := args[1].(sql.JSONWrapper); !doc {
			return nil, mysql.NewSQLError(3146, "22032", "Invalid data type for JSON data in argument 2 to function member of; a JSON string or JSON type is required.")
		}
	}
	doc, err := jsonOf(ctx, args[1], 2, "member of")
	if err != nil {
		return nil, err
	}
	for _, x := range jsonArray(doc) {
		if c, err := compareJSON(ctx, args[0], x); err != nil || c == 0 {
			return c == 0, err
		}
	}
	return false, nil
}

// doubleMod is MOD of numbers of which one is a FLOAT or DOUBLE.
type doubleMod struct{ *expression.Mod }

// Type implements sql.Expression.
func (*doubleMod) Type(*sql.Context) sql.Type { return types.Float64 }

// WithChildren implements sql.Expression.
func (e *doubleMod) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Mod.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &doubleMod{x.(*expression.Mod)}, nil
}

// Eval implements sql.Expression.
func (e *doubleMod) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	var x [2]float64
	for i, c := range e.Children() {
		v, err := c.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if x[i], err = doubleOf(ctx, v); err != nil {
			return nil, err
		}
	}
	if x[1] == 0 {
		warn(ctx, divisionByZero, "Division by 0")
		return nil, nil
	}
	return math.Mod(x[0], x[1]), nil
}

// timesAsConditions returns an expression with those of its conditions that are TIMEs as numbers, nil if none is.
func timesAsConditions(ctx *sql.Context, e sql.Expression) sql.Expression {
	conditions, some := slices.Clone(e.Children()), false
	for i, c := range conditions {
		switch x := planned(e).(type) {
		case *builtin.If:
			if i > 0 {
				continue
			}
		case *expression.Case:
			if x.Expr != nil || i%2 == 1 || i/2 >= len(x.Branches) {
				continue
			}
		}
		if isMoment(c.Type(ctx)) {
			conditions[i], some = newDateNumber(ctx, c), true
		}
	}
	if !some {
		return nil
	}
	x, err := e.WithChildren(ctx, conditions...)
	if err != nil {
		return nil
	}
	return x
}
