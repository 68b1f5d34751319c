package function

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// AggregateFunction is the function in the place of an aggregate in HAVING. The planner knows
// the columns of those by their names alone: of COUNT(b.id) beside another aggregate it does
// not find b.id, if an a before b has an id too. The argument is the aggregate's text; the
// aggregate itself stands where the planner collects it and does not resolve it again.
// ArgumentFunction is around each argument of the aggregate and gives it a text that is known
// before the planner makes its own.
const (
	AggregateFunction = "\x00aggregate"
	ArgumentFunction  = "\x00argument"
)

// NamedArgument is an argument of an aggregate in HAVING.
type NamedArgument struct {
	expression.UnaryExpressionStub
	Text string
}

var (
	_ sql.Expression         = (*NamedArgument)(nil)
	_ sql.CollationCoercible = (*NamedArgument)(nil)
)

func newNamedArgument(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 2 {
		if text, ok := args[0].(*expression.Literal); ok {
			if name, ok := text.Value().(string); ok {
				return &NamedArgument{expression.UnaryExpressionStub{Child: args[1]}, name}, nil
			}
		}
	}
	return nil, sql.ErrFunctionNotFound.New("argument")
}

// Type implements sql.Expression.
func (e *NamedArgument) Type(ctx *sql.Context) sql.Type { return e.Child.Type(ctx) }

// String implements sql.Expression.
func (e *NamedArgument) String() string { return e.Text }

// CollationCoercibility implements sql.CollationCoercible.
func (e *NamedArgument) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, e.Child)
}

// Eval implements sql.Expression.
func (e *NamedArgument) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	return e.Child.Eval(ctx, row)
}

// WithChildren implements sql.Expression.
func (e *NamedArgument) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &NamedArgument{expression.UnaryExpressionStub{Child: children[0]}, e.Text}, nil
}

// aggregateReference returns what AggregateFunction is: a column of the GROUP BY below.
func aggregateReference(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 1 {
		if text, ok := args[0].(*expression.Literal); ok {
			if name, ok := text.Value().(string); ok {
				return expression.NewGetFieldWithTable(0, 0, types.Int64, "", "", name, true), nil
			}
		}
	}
	return nil, sql.ErrFunctionNotFound.New("aggregate")
}
