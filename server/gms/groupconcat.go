package gms

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// concatBuffer is one group's GROUP_CONCAT: the planner's below, which gets of equal texts the
// first if DISTINCT, and cuts what is longer than group_concat_max_len without a word.
type concatBuffer struct {
	sql.AggregationBuffer
	value     sql.Expression
	schema    sql.Schema
	seen      map[uint64]struct{} // nil: not DISTINCT
	separator int                 // its length
	rows      int
	length    int64 // bytes of the result as far as the row that is cut
	most      int64 // group_concat_max_len
	cut       int   // the number of the row that is cut, 0: none
}

func newConcatBuffer(ctx *sql.Context, g *aggregation.GroupConcat) (sql.AggregationBuffer, error) {
	exprs := g.OutputExpressions()
	if len(exprs) != 1 {
		return g.NewBuffer(ctx)
	}
	args := slices.Clone(g.Children()) // the expression is the last
	args[len(args)-1] = &emptyText{expression.UnaryExpressionStub{Child: textArgument(ctx, asMemberText(ctx, exprs[0]), false)}}
	whole, err := g.WithChildren(ctx, args...)
	if err != nil {
		return nil, err
	}
	b, err := whole.(*aggregation.GroupConcat).NewBuffer(ctx)
	if err != nil {
		return nil, err
	}
	c := &concatBuffer{AggregationBuffer: b, value: exprs[0], schema: sql.Schema{{Type: exprs[0].Type(ctx)}}}
	text := g.String()
	if strings.HasPrefix(text, "group_concat(distinct ") {
		c.seen = make(map[uint64]struct{})
	}
	if at := strings.LastIndex(text, " separator '"); at >= 0 {
		c.separator = len(text) - at - len(" separator '')")
	}
	v, err := ctx.GetSessionVariable(ctx, "group_concat_max_len")
	if err != nil {
		return nil, err
	}
	most, _, err := types.Int64.Convert(ctx, v)
	if err != nil {
		return nil, err
	}
	c.most = most.(int64)
	return c, nil
}

// emptyMark stands for an empty text, which the planner leaves out.
const emptyMark = "\x00\x01\x00"

// emptyText is a text, or emptyMark.
type emptyText struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (e *emptyText) Type(ctx *sql.Context) sql.Type { return e.Child.Type(ctx) }

// String implements sql.Expression.
func (e *emptyText) String() string { return e.Child.String() }

// WithChildren implements sql.Expression.
func (e *emptyText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
	}
	return &emptyText{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (e *emptyText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	switch x := v.(type) {
	case string:
		if x == "" {
			return emptyMark, err
		}
	case []byte:
		if len(x) == 0 {
			return []byte(emptyMark), err
		}
	}
	return v, err
}

// Update implements sql.AggregationBuffer.
func (c *concatBuffer) Update(ctx *sql.Context, r sql.Row) error {
	if c.seen == nil && c.cut > 0 {
		return c.AggregationBuffer.Update(ctx, r)
	}
	v, err := c.value.Eval(ctx, r)
	if err != nil || v == nil {
		return err
	}
	if c.seen != nil {
		h, err := rowHash(ctx, c.schema, sql.Row{v})
		if err != nil {
			return err
		}
		if _, seen := c.seen[h]; seen {
			return nil
		}
		c.seen[h] = struct{}{}
	}
	if c.cut == 0 {
		text, _, err := types.ConvertToCollatedString(ctx, v, c.schema[0].Type)
		if err != nil {
			return err
		}
		if c.rows++; c.rows > 1 {
			c.length += int64(c.separator)
		}
		if c.length += int64(len(text)); c.length > c.most {
			c.cut = c.rows
		}
	}
	return c.AggregationBuffer.Update(ctx, r)
}

// Eval implements sql.AggregationBuffer.
func (c *concatBuffer) Eval(ctx *sql.Context) (any, error) {
	v, err := c.AggregationBuffer.Eval(ctx)
	switch x := v.(type) {
	case string:
		v = strings.ReplaceAll(x, emptyMark, "")
	case []byte:
		v = bytes.ReplaceAll(x, []byte(emptyMark), nil)
	}
	if err != nil || c.cut == 0 {
		return v, err
	}
	warn(ctx, 1260, fmt.Sprintf("Row %d was cut by GROUP_CONCAT()", c.cut))
	text, ok := v.(string)
	if !ok || types.IsBinaryType(c.schema[0].Type) {
		return v, nil
	}
	for n := 0; n < utf8.UTFMax-1 && text != ""; n++ { // half a character is none
		if last, size := utf8.DecodeLastRuneInString(text); last != utf8.RuneError || size > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text, nil
}
