package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// subqueryRow is `=` or `<=>` of a row with that of a subquery, column by column, texts by their collations. The planner
// compares rows as their types do.
type subqueryRow struct{ expression.UnaryExpressionStub }

var (
	_ sql.Expression         = (*subqueryRow)(nil)
	_ sql.CollationCoercible = (*subqueryRow)(nil)
)

// newSubqueryRow returns a comparison in place of the planner's, nil if it compares no row with a subquery, or no texts.
func newSubqueryRow(ctx *sql.Context, e sql.Expression) sql.Expression {
	left, right, ok := rowAndSubquery(e)
	if !ok {
		return nil
	}
	for _, l := range left {
		if types.IsTextOnly(l.Type(ctx)) && types.NumColumns(right.Type(ctx)) == len(left) {
			return &subqueryRow{expression.UnaryExpressionStub{Child: e}}
		}
	}
	return nil
}

// rowAndSubquery returns the sides of a comparison, false if they are others.
func rowAndSubquery(e sql.Expression) (expression.Tuple, *plan.Subquery, bool) {
	switch e.(type) {
	case *expression.Equals, *expression.NullSafeEquals:
		sides := e.Children()
		left, ok := sides[0].(expression.Tuple)
		right, ok2 := sides[1].(*plan.Subquery)
		return left, right, ok && ok2
	}
	return nil, nil, false
}

// Type implements sql.Expression.
func (e *subqueryRow) Type(*sql.Context) sql.Type { return types.Boolean }

// String implements sql.Expression.
func (e *subqueryRow) String() string { return e.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (e *subqueryRow) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (e *subqueryRow) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) == 1 {
		if again, ok := children[0].(*subqueryRow); ok {
			return again, nil
		}
		if _, _, ok := rowAndSubquery(children[0]); ok {
			return &subqueryRow{expression.UnaryExpressionStub{Child: children[0]}}, nil
		}
	}
	return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
}

// Eval implements sql.Expression.
func (e *subqueryRow) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	left, sub, _ := rowAndSubquery(e.Child)
	l, err := left.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	r, err := sub.Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	lt, rt := comparedTypes(ctx, left, sub)
	if _, safe := e.Child.(*expression.NullSafeEquals); !safe {
		return equalRows(ctx, lt, rt, l, r)
	}
	ls, lok := l.([]any)
	rs, rok := r.([]any)
	if !lok || !rok || len(ls) != len(rs) { // no row: all NULL
		rs = make([]any, len(ls))
	}
	for i := range ls {
		if ls[i] == nil || rs[i] == nil {
			if ls[i] != nil || rs[i] != nil {
				return false, nil
			}
			continue
		}
		same, err := equalRows(ctx, lt.(types.TupleType)[i], rt.(types.TupleType)[i], ls[i], rs[i])
		if err != nil || same != true {
			return false, err
		}
	}
	return true, nil
}
