package gms

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
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
	b, err := g.NewBuffer(ctx)
	exprs := g.OutputExpressions()
	if err != nil || len(exprs) != 1 {
		return b, err
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
