package expr

import (
	"bytes"
	"encoding/binary"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
)

// CharCall is CHAR, of the lowest 32 bits of numbers.
type CharCall struct{ *builtin.Char }

// WithChildren implements sql.Expression.
func (c CharCall) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Char.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return CharCall{e.(*builtin.Char)}, nil
}

// Eval implements sql.Expression.
func (c CharCall) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	out := []byte{}
	for _, e := range c.Children() {
		v, err := e.Eval(ctx, r)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		n, ok := v.(uint64)
		if !ok {
			i, err := WholeOf(ctx, v)
			if err != nil {
				return nil, err
			}
			n = uint64(i)
		}
		b := bytes.TrimLeft(binary.BigEndian.AppendUint32(nil, uint32(n)), "\x00")
		if len(b) == 0 {
			b = []byte{0}
		}
		out = append(out, b...)
	}
	v, _, err := c.Type(ctx).Convert(ctx, out)
	return v, err
}
