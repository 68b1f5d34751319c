package expr

import (
	"math"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// MemberFunction is the function that x MEMBER OF (j) is to the planner.
const MemberFunction = "\x00member of"

// ArrayFunction is the function that CAST(… AS … ARRAY) of a multi-valued index is to the planner, of the document and the text of the type.
// Where the index has a name it is the third argument.
const ArrayFunction = "_members"

// ArrayCall returns the arguments of a call of ArrayFunction, false of what is none.
func ArrayCall(e sql.Expression) ([]sql.Expression, bool) {
	f, ok := e.(*Function)
	if !ok || f.Def.Name != ArrayFunction || len(f.Args) < 2 {
		return nil, false
	}
	return f.Args, true
}

// NamedArray gives a call of ArrayFunction within an expression the name of its index.
func NamedArray(ctx *sql.Context, e sql.Expression, index string) (sql.Expression, error) {
	out, _, err := transform.Expr(ctx, e, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		args, ok := ArrayCall(e)
		if !ok {
			return e, transform.SameTree, nil
		}
		return &Function{Def: e.(*Function).Def, Args: append(slices.Clone(args[:2]), expression.NewLiteral(index, types.LongText))}, transform.NewTree, nil
	})
	return out, err
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
		if x[i], err = DoubleOf(ctx, v); err != nil {
			return nil, err
		}
	}
	if x[1] == 0 {
		value.Warn(ctx, value.DivisionByZero, "Division by 0")
		return nil, nil
	}
	return math.Mod(x[0], x[1]), nil
}

// AsCondition returns a date or a time as the number that it is to a condition, a document as whether it is not 0, and what else there is as it is.
func AsCondition(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch t := e.Type(ctx); {
	case IsMoment(t):
		return NewDateNumber(ctx, e)
	case types.IsJSON(t):
		return expression.NewNot(checkedOr(ctx, expression.NewEquals(e, expression.NewLiteral(int64(0), types.Int64))))
	case NumericText(ctx, e):
		return &TextDouble{expression.UnaryExpressionStub{Child: e}}
	}
	return e
}

// TimesAsConditions returns an expression with those of its conditions that are times or documents as what they are to conditions, nil if
// none is.
func TimesAsConditions(ctx *sql.Context, e sql.Expression) sql.Expression {
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
		if x := AsCondition(ctx, c); !Unchanged(x, c) {
			conditions[i], some = x, true
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
