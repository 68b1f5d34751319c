package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// HiddenColumn is a column of a join's condition that no index serves; a hash may. Or it is a number that the
// planner does not take for a bound of an index as it stands.
type HiddenColumn struct{ expression.UnaryExpressionStub }

var _ sql.CollationCoercible = (*HiddenColumn)(nil)

// Type implements sql.Expression.
func (h *HiddenColumn) Type(ctx *sql.Context) sql.Type { return h.Child.Type(ctx) }

// String implements sql.Expression.
func (h *HiddenColumn) String() string { return h.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (h *HiddenColumn) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, h.Child)
}

// Eval implements sql.Expression.
func (h *HiddenColumn) Eval(ctx *sql.Context, r sql.Row) (any, error) { return h.Child.Eval(ctx, r) }

// WithChildren implements sql.Expression.
func (h *HiddenColumn) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(h, len(children), 1)
	}
	return &HiddenColumn{expression.UnaryExpressionStub{Child: children[0]}}, nil
}
