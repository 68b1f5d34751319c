package expr

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// TextCode is what a collation compares a text by.
type TextCode struct {
	expression.UnaryExpressionStub
	collation sql.CollationID
}

// NewTextCode returns what a text is compared by under its collation.
func NewTextCode(e sql.Expression, collation sql.CollationID) *TextCode {
	return &TextCode{expression.UnaryExpressionStub{Child: e}, collation}
}

// Type implements sql.Expression.
func (*TextCode) Type(*sql.Context) sql.Type { return types.LongBlob }

// String implements sql.Expression.
func (c *TextCode) String() string { return c.Child.String() }

// WithChildren implements sql.Expression.
func (c *TextCode) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	return NewTextCode(children[0], c.collation), nil
}

// Eval implements sql.Expression.
func (c *TextCode) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	text, err := types.ConvertToString(ctx, v, c.Child.Type(ctx).(sql.StringType), nil)
	if err != nil {
		return nil, err
	}
	return appendCode(nil, c.collation, text), nil
}
