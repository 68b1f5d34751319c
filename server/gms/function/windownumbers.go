package function

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation/window"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// windowNumbers are the window functions whose numbers are BIGINT UNSIGNED, where the planner has another type.
var windowNumbers = map[string]sql.Function{
	"row_number": sql.Function0{Name: "row_number", Fn: func(ctx *sql.Context) sql.Expression {
		return &windowNumber{window.NewRowNumber(ctx).(sql.WindowAdaptableExpression), "row_number", nil}
	}},
	"ntile": sql.FunctionN{Name: "ntile", Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if len(args) != 1 {
			return nil, sql.ErrInvalidArgumentNumber.New("NTILE", 1, len(args))
		}
		n, err := windowNumberOf(ctx, "ntile", args[0])
		return &windowNumber{window.NewNTile(ctx, n).(sql.WindowAdaptableExpression), "ntile", n}, err
	}},
}

// windowOffsets are LEAD and LAG with an offset that is no literal: a parameter or a variable. The planner's is a literal.
var windowOffsets = map[string]sql.Function{
	"lead": windowOffset("lead", func(args ...sql.Expression) (sql.Expression, error) { return window.NewLead(args...) }),
	"lag":  windowOffset("lag", func(args ...sql.Expression) (sql.Expression, error) { return window.NewLag(args...) }),
}

func windowOffset(name string, planners func(...sql.Expression) (sql.Expression, error)) sql.Function {
	return sql.FunctionN{Name: name, Fn: func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if len(args) > 1 {
			number, err := windowNumberOf(ctx, name, args[1])
			if err != nil {
				f, _ := planners(args[0])
				return f, err // the planner looks at the function first
			}
			args = append([]sql.Expression{args[0], number}, args[2:]...)
		}
		return planners(args...)
	}}
}

// windowNumberOf returns the literal that a number of a window function is: a parameter has one when the statement is
// executed, a variable the one that it has now. Returns the planner's error of others.
func windowNumberOf(ctx *sql.Context, name string, e sql.Expression) (sql.Expression, error) {
	switch e.(type) {
	case *expression.BindVar:
		return expression.NewLiteral(int64(1), types.Int64), nil
	case *expression.Literal, *expression.UserVar, *expression.ProcedureParam:
	default:
		_, err := expression.LiteralToInt(e)
		return nil, err
	}
	v, err := e.Eval(ctx, nil)
	if err != nil {
		return nil, err
	}
	if _, literal := e.(*expression.Literal); literal && v != nil {
		return e, nil
	}
	if i, _, err := types.Int64.Convert(ctx, v); err == nil && i != nil && i.(int64) >= 0 {
		return expression.NewLiteral(i, types.Int64), nil
	}
	return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to %s", name)
}

// windowNumber is a window function whose value is a whole number without a sign.
type windowNumber struct {
	sql.WindowAdaptableExpression
	name string
	arg  sql.Expression // what is no child of the planner's function
}

var (
	_ sql.FunctionExpression        = (*windowNumber)(nil)
	_ sql.WindowAdaptableExpression = (*windowNumber)(nil)
	_ sql.CollationCoercible        = (*windowNumber)(nil)
)

// FunctionName implements sql.FunctionExpression.
func (w *windowNumber) FunctionName() string { return w.name }

// Description implements sql.FunctionExpression.
func (w *windowNumber) Description() string { return w.name }

// String implements sql.Expression: the planner tells window functions apart by their texts.
func (w *windowNumber) String() string {
	s := w.WindowAdaptableExpression.String()
	if w.arg != nil {
		s = strings.Replace(s, "()", "("+w.arg.String()+")", 1)
	}
	return s
}

// Type implements sql.Expression.
func (w *windowNumber) Type(*sql.Context) sql.Type { return types.Uint64 }

// CollationCoercibility implements sql.CollationCoercible.
func (w *windowNumber) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (w *windowNumber) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := w.WindowAdaptableExpression.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return w.of(e.(sql.WindowAdaptableExpression)), nil
}

// WithId implements sql.IdExpression.
func (w *windowNumber) WithId(id sql.ColumnId) sql.IdExpression {
	return w.of(w.WindowAdaptableExpression.WithId(id).(sql.WindowAdaptableExpression))
}

// WithWindow implements sql.WindowAdaptableExpression.
func (w *windowNumber) WithWindow(ctx *sql.Context, def *sql.WindowDefinition) sql.WindowAdaptableExpression {
	return w.of(w.WindowAdaptableExpression.WithWindow(ctx, def))
}

func (w *windowNumber) of(e sql.WindowAdaptableExpression) *windowNumber {
	return &windowNumber{e, w.name, w.arg}
}

// Number returns what NTILE is of.
func (w *windowNumber) Number() sql.Expression { return w.arg }

// NthFunction marks the argument of the first_value that an nth_value is, see nthFrame.
const NthFunction = "\x00nth_value"
