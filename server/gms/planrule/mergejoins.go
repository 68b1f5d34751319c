package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/expr"
)

// mergeOrder is the comparison of two rows by which a merge join goes on, by the order of
// the indexes that it reads. The planner's takes a row with a NULL in it for one of the
// right side, and one with a NULL at the end of an index for a match of the row before it.
type mergeOrder struct {
	*expression.Equals
	columns  []*expression.Equals
	reversed bool // the indexes are read backwards
}

// newMergeOrder returns the condition of a merge join with a mergeOrder in front, nil if it
// is no merge join, or one of a column each that reads them forwards.
func newMergeOrder(ctx *sql.Context, j *plan.JoinNode) sql.Expression {
	if !j.Op.IsMerge() {
		return nil
	}
	all := slices.Clone(expression.SplitConjunction(ctx, j.Filter))
	rows, ok := all[0].(*expression.Equals)
	if !ok {
		return nil
	}
	left, lok := rows.Left().(expression.Tuple)
	right, rok := rows.Right().(expression.Tuple)
	if j.IsReversed && !lok && !rok {
		left, right, lok, rok = expression.Tuple{rows.Left()}, expression.Tuple{rows.Right()}, true, true
	}
	if !lok || !rok || len(left) != len(right) {
		return nil
	}
	m := &mergeOrder{Equals: rows, reversed: j.IsReversed}
	for i := range left {
		both, _ := expr.WeighedOperands(ctx, left[i], right[i])
		m.columns = append(m.columns, expression.NewEquals(both[0], both[1]))
	}
	all[0] = m
	return expression.JoinAnd(all...)
}

// Compare implements expression.Comparer. Of a row with a NULL, which has no other, the side
// that it is on goes on.
func (m *mergeOrder) Compare(ctx *sql.Context, r sql.Row) (int, error) {
	for _, c := range m.columns {
		n, err := c.Compare(ctx, r)
		if expression.ErrNilOperand.Is(err) {
			left, err := c.Left().Eval(ctx, r)
			if n = 1; left == nil {
				n = -1
			}
			if m.reversed {
				n = -n
			}
			return n, err
		}
		if n != 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// Eval implements sql.Expression.
func (m *mergeOrder) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	n, err := m.Compare(ctx, r)
	return n == 0, err
}

// Children implements sql.Expression: the columns of the left and the right row, by turns. A row is none that an
// expression may have.
func (m *mergeOrder) Children() []sql.Expression {
	var out []sql.Expression
	for _, c := range m.columns {
		out = append(out, c.Left(), c.Right())
	}
	return out
}

// WithChildren implements sql.Expression.
func (m *mergeOrder) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2*len(m.columns) {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 2*len(m.columns))
	}
	c := &mergeOrder{reversed: m.reversed}
	var left, right expression.Tuple
	for i := 0; i < len(children); i += 2 {
		left, right = append(left, children[i]), append(right, children[i+1])
		c.columns = append(c.columns, expression.NewEquals(children[i], children[i+1]))
	}
	c.Equals = expression.NewEquals(left, right)
	return c, nil
}
