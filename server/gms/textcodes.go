package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// textCode is what a collation compares a text by.
type textCode struct {
	expression.UnaryExpressionStub
	collation sql.CollationID
}

func newTextCode(e sql.Expression, collation sql.CollationID) *textCode {
	return &textCode{expression.UnaryExpressionStub{Child: e}, collation}
}

// Type implements sql.Expression.
func (*textCode) Type(*sql.Context) sql.Type { return types.LongBlob }

// String implements sql.Expression.
func (c *textCode) String() string { return c.Child.String() }

// WithChildren implements sql.Expression.
func (c *textCode) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	return newTextCode(children[0], c.collation), nil
}

// Eval implements sql.Expression.
func (c *textCode) Eval(ctx *sql.Context, r sql.Row) (any, error) {
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
