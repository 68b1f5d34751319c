package expr

import (
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// Nth is an expression and the number of the row of the frame that it is wanted of.
type Nth struct {
	expression.BinaryExpressionStub
}

// NewNth returns the nth of a window's values.
func NewNth(_ *sql.Context, value, n sql.Expression) sql.Expression {
	return &Nth{expression.BinaryExpressionStub{LeftChild: value, RightChild: n}}
}

// Type implements sql.Expression.
func (n *Nth) Type(ctx *sql.Context) sql.Type { return n.LeftChild.Type(ctx) }

// String implements sql.Expression.
func (n *Nth) String() string { return fmt.Sprintf("%s, %s", n.LeftChild, n.RightChild) }

// Eval implements sql.Expression.
func (n *Nth) Eval(ctx *sql.Context, r sql.Row) (any, error) { return n.LeftChild.Eval(ctx, r) }

// WithChildren implements sql.Expression.
func (n *Nth) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 2)
	}
	return NewNth(ctx, children[0], children[1]), nil
}
