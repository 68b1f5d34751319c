package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// nullComparison is a comparison of columns that may be NULL in a condition that is asked of rows. The planner's makes
// an error with a stack of each NULL.
type nullComparison struct {
	expression.Comparer
	columns []int // of the row
}

// CompareNulls returns a condition with nullComparisons in it, the condition itself where no column may be NULL.
func CompareNulls(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch x := e.(type) {
	case *expression.And, *expression.Or, *expression.Not:
		children := slices.Clone(e.Children())
		for i, c := range children {
			children[i] = CompareNulls(ctx, c)
		}
		if slices.Equal(children, e.Children()) {
			return e
		}
		if to := WithOperands(ctx, e, children); to != nil {
			return to
		}
	case *expression.Equals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan, *expression.GreaterThanOrEqual:
		c := &nullComparison{Comparer: x.(expression.Comparer)}
		for _, side := range e.Children() {
			if f, ok := side.(*expression.GetField); ok && f.IsNullable(ctx) {
				c.columns = append(c.columns, f.Index())
			}
		}
		if len(c.columns) > 0 {
			return c
		}
	}
	return e
}

// Eval implements sql.Expression.
func (c *nullComparison) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	for _, i := range c.columns {
		if r[i] == nil {
			return nil, nil
		}
	}
	return c.Comparer.Eval(ctx, r)
}
