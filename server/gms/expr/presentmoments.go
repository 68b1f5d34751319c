package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// presentMoment is NOW and what is like it, with as many digits as are asked for: the planner's type has all or none.
type presentMoment struct{ *builtin.Now }

// Type implements sql.Expression.
func (m presentMoment) Type(ctx *sql.Context) sql.Type {
	return types.MustCreateDatetimeType(sqltypes.Datetime, SecondDigits(ctx, m.Children()))
}

// WithChildren implements sql.Expression.
func (m presentMoment) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := m.Now.WithChildren(ctx, children...)
	if now, ok := e.(*builtin.Now); ok && err == nil {
		return presentMoment{now}, nil
	}
	return e, err
}

// SecondDigits returns the digits behind the second that the only argument of a function says.
func SecondDigits(ctx *sql.Context, args []sql.Expression) int {
	if len(args) == 0 {
		return 0
	}
	v, err := args[0].Eval(ctx, nil)
	n, ok := value.Numbers(ctx, []any{v})
	if err != nil || !ok {
		return 0
	}
	return int(min(max(n[0], 0), 6))
}

// IsPresentMoment reports whether an expression is NOW with a number of digits, which the planner takes for one with six.
func IsPresentMoment(e sql.Expression) bool {
	now, ok := e.(*builtin.Now)
	return ok && len(now.Children()) > 0
}
