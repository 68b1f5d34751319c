package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// Whole is an expression whose values have another type to MySQL than to the planner: integers
// that it has as decimals, dates that it has with a time, relevances that it has as FLOAT.
type Whole struct {
	expression.UnaryExpressionStub
	Typ sql.Type
}

var (
	_ sql.Expression         = (*Whole)(nil)
	_ sql.CollationCoercible = (*Whole)(nil)
)

// Type implements sql.Expression.
func (w *Whole) Type(*sql.Context) sql.Type { return w.Typ }

// String implements sql.Expression.
func (w *Whole) String() string { return w.Child.String() }

// IsNullable implements sql.Expression.
func (w *Whole) IsNullable(ctx *sql.Context) bool { return w.Child.IsNullable(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (w *Whole) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (w *Whole) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(w, len(children), 1)
	}
	return &Whole{expression.UnaryExpressionStub{Child: children[0]}, w.Typ}, nil
}

// Eval implements sql.Expression.
func (w *Whole) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := w.Child.Eval(ctx, r)
	if v == nil || err != nil {
		return nil, err
	}
	v, _, err = w.Typ.Convert(ctx, v)
	return v, err
}

// dates returns a DATE for the one among several that a function picks, nil for others.
func dates(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch planned(e).(type) {
	case *builtin.Coalesce, *builtin.Greatest, *builtin.Least:
	default:
		return nil
	}
	some := false
	for _, a := range e.Children() {
		t := a.Type(ctx)
		if t != types.Null && !types.IsDateType(t) {
			return nil
		}
		some = some || t != types.Null
	}
	if !some || types.IsDateType(e.Type(ctx)) {
		return nil
	}
	return &Whole{expression.UnaryExpressionStub{Child: e}, types.Date}
}
