package expr

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// hashedRows is the longest list of rows that is compared row by row; in longer ones the planner's hash finds what has
// no NULL in it.
const hashedRows = 32

// rowIn is IN of a row and a list of rows. The planner's hash has NULL equal to NULL, and IN as a value goes by bytes.
type rowIn struct {
	sql.Expression                    // the planner's, or what compares texts as they want
	equal          [][]sql.Expression // of each row of the list, its columns compared
}

// newRowIn returns IN of a row in the place of the planner's, nil for others.
func newRowIn(ctx *sql.Context, in sql.Expression) sql.Expression {
	operands := in.Children()
	if len(operands) != 2 {
		return nil
	}
	row, isRow := operands[0].(expression.Tuple)
	list, isList := operands[1].(expression.Tuple)
	if !isRow || !isList || len(row) < 2 {
		return nil
	}
	e := &rowIn{Expression: in}
	for _, o := range list {
		other, ok := o.(expression.Tuple)
		if !ok || len(other) != len(row) {
			return nil
		}
		equal := make([]sql.Expression, len(row))
		for i := range row {
			if types.IsTuple(row[i].Type(ctx)) {
				return nil
			}
			equal[i] = checkedOr(ctx, expression.NewEquals(row[i], other[i]))
		}
		e.equal = append(e.equal, equal)
	}
	return e
}

// Children implements sql.Expression: the values of the rows, one row after the other. The planner takes no rows of an
// expression that it does not know.
func (e *rowIn) Children() []sql.Expression {
	operands := e.Expression.Children()
	out := slices.Clone([]sql.Expression(operands[0].(expression.Tuple)))
	for _, o := range operands[1].(expression.Tuple) {
		out = append(out, o.(expression.Tuple)...)
	}
	return out
}

// WithChildren implements sql.Expression.
func (e *rowIn) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	n := len(e.Expression.Children()[0].(expression.Tuple))
	if len(children) != n*(len(e.equal)+1) {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), n*(len(e.equal)+1))
	}
	var rows expression.Tuple
	for row := range slices.Chunk(children, n) {
		rows = append(rows, expression.Tuple(slices.Clone(row)))
	}
	in, err := e.Expression.WithChildren(ctx, rows[0], rows[1:])
	if err != nil {
		return nil, err
	}
	if c := newRowIn(ctx, in); c != nil {
		return c, nil
	}
	return in, nil
}

// Eval implements sql.Expression.
func (e *rowIn) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if _, hashed := e.Expression.(*expression.HashInTuple); hashed && len(e.equal) > hashedRows {
		if row, err := e.Expression.Children()[0].Eval(ctx, r); err != nil {
			return nil, err
		} else if values, ok := row.([]any); ok && !hasNull(values) {
			if in, err := e.Expression.Eval(ctx, r); err != nil || in == true {
				return in, err
			}
		}
	}
	unknown := false
	for _, row := range e.equal {
		equal, null := true, false
		for _, c := range row {
			v, err := c.Eval(ctx, r)
			if err != nil {
				return nil, err
			}
			null = null || v == nil
			if equal = v != false; !equal {
				break
			}
		}
		if equal && !null {
			return true, nil
		}
		unknown = unknown || equal && null
	}
	if unknown {
		return nil, nil
	}
	return false, nil
}

func hasNull(values []any) bool {
	for _, v := range values {
		if v == nil {
			return true
		}
	}
	return false
}
