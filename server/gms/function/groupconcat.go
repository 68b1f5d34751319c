package function

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/sorters"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// concatSlack is how many bytes more than twice group_concat_max_len an ordered GROUP_CONCAT keeps
// before it drops the rows that are behind its end.
const concatSlack = 1 << 12

// ConcatBuffer is one group's GROUP_CONCAT, which keeps no more than it needs: the planner's keeps
// all rows. What is longer than group_concat_max_len is cut, with a warning.
type ConcatBuffer struct {
	value     sql.Expression
	shown     sql.Expression // the text of it
	schema    sql.Schema
	seen      map[uint64]struct{} // nil: not DISTINCT
	separator string
	keys      []sql.Expression   // of ORDER BY
	order     sql.SortConditions // of the rows
	rows      []sql.Row          // keys and text
	length    int64              // of the texts and separators of rows
	text      []byte             // without ORDER BY: the result
	some      int                // texts in it
	most      int64              // group_concat_max_len
	cut       int                // the number of the text that is cut, 0: none
	Size      int64              // bytes that are kept
}

var _ sql.AggregationBuffer = (*ConcatBuffer)(nil)

// NewConcatBuffer returns the buffer of a GROUP_CONCAT of one expression, and the planner's of one of several. Returns the error of a separator or an
// order that cannot be evaluated.
func NewConcatBuffer(ctx *sql.Context, g *aggregation.GroupConcat) (sql.AggregationBuffer, error) {
	exprs := g.OutputExpressions()
	if len(exprs) != 1 {
		return g.NewBuffer(ctx)
	}
	c := &ConcatBuffer{value: exprs[0], schema: sql.Schema{{Type: exprs[0].Type(ctx)}}}
	c.shown = expr.TextArgument(ctx, expr.AsMemberText(ctx, c.value), false)
	text := g.String()
	if strings.HasPrefix(text, "group_concat(distinct ") {
		c.seen = make(map[uint64]struct{})
	}
	if at := strings.LastIndex(text, " separator '"); at >= 0 {
		c.separator = text[at+len(" separator '") : len(text)-len("')")]
	}
	by := reflect.ValueOf(g).Elem().FieldByName("sortConditions") // of which the planner only shows the expressions
	for i, e := range g.Children()[:by.Len()] {
		e = expr.WeighedKey(ctx, e)
		c.keys = append(c.keys, e)
		c.order = append(c.order, sql.SortCondition{
			Expr: expression.NewGetField(i, e.Type(ctx), "", true), Order: sql.SortOrder(by.Index(i).FieldByName("Order").Uint()),
			NullOrdering: sql.NullOrdering(by.Index(i).FieldByName("NullOrdering").Uint()),
		})
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
func (c *ConcatBuffer) Update(ctx *sql.Context, r sql.Row) error {
	if c.keys == nil && c.cut > 0 {
		return nil
	}
	v, err := c.value.Eval(ctx, r)
	if err != nil || v == nil {
		return err
	}
	if c.seen != nil {
		h, err := expr.RowHash(ctx, c.schema, sql.Row{v})
		if err != nil {
			return err
		}
		if _, seen := c.seen[h]; seen {
			return nil
		}
		c.seen[h] = struct{}{}
		c.Size += HashBytes
	}
	if c.shown != c.value {
		if v, err = c.shown.Eval(ctx, r); err != nil {
			return err
		}
	}
	text, _, err := types.ConvertToCollatedString(ctx, v, c.shown.Type(ctx))
	if err != nil {
		return err
	}
	if c.keys == nil {
		c.Size -= int64(len(c.text))
		c.put(text)
		c.Size += int64(len(c.text))
		return nil
	}
	row := make(sql.Row, len(c.keys)+1)
	r = append(r[:len(r):len(r)], text) // as the planner's has it: subqueries count on its width
	for i, e := range c.keys {
		if row[i], err = e.Eval(ctx, r); err != nil {
			return err
		}
	}
	row[len(c.keys)] = text
	c.rows = append(c.rows, row)
	c.Size += RowSize(row)
	if c.length += int64(len(text) + len(c.separator)); c.length > 2*c.most+concatSlack {
		return c.shorten(ctx)
	}
	return nil
}

// put appends a text to the result, unless that is cut already.
func (c *ConcatBuffer) put(text string) {
	if c.cut > 0 {
		return
	}
	if c.some++; c.some > 1 {
		c.text = append(c.text, c.separator...)
	}
	c.text = append(c.text, text...)
	if int64(len(c.text)) > c.most {
		c.text, c.cut = c.text[:c.most], c.some
	}
}

// sort puts the rows in order.
func (c *ConcatBuffer) sort(ctx *sql.Context) error {
	s := sorters.NewRowSorterWithRows(ctx, c.order, c.rows)
	sort.Stable(s)
	return s.GetError()
}

// shorten drops the rows behind the one at which the result is cut, as it is now: more rows
// can only move them further away.
func (c *ConcatBuffer) shorten(ctx *sql.Context) error {
	if err := c.sort(ctx); err != nil {
		return err
	}
	c.length = -int64(len(c.separator))
	for i, row := range c.rows {
		if c.length += int64(len(row[len(c.keys)].(string)) + len(c.separator)); c.length > c.most {
			for _, r := range c.rows[i+1:] {
				c.Size -= RowSize(r)
			}
			clear(c.rows[i+1:])
			c.rows = c.rows[:i+1]
			break
		}
	}
	return nil
}

// Eval implements sql.AggregationBuffer.
func (c *ConcatBuffer) Eval(ctx *sql.Context) (any, error) {
	if err := c.sort(ctx); err != nil {
		return nil, err
	}
	for _, row := range c.rows {
		c.put(row[len(c.keys)].(string))
	}
	c.rows = nil
	if c.some == 0 {
		return nil, nil
	}
	if c.cut == 0 {
		return string(c.text), nil
	}
	value.Warn(ctx, 1260, fmt.Sprintf("Row %d was cut by GROUP_CONCAT()", c.cut))
	text := c.text
	for n := 0; n < utf8.UTFMax-1 && len(text) > 0 && !types.IsBinaryType(c.schema[0].Type); n++ { // half a character is none
		if last, size := utf8.DecodeLastRune(text); last != utf8.RuneError || size > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return string(text), nil
}

// Dispose implements sql.Disposable.
func (c *ConcatBuffer) Dispose(ctx *sql.Context) {
	expression.Dispose(ctx, c.value)
	for _, e := range c.keys {
		expression.Dispose(ctx, e)
	}
}

// Sizes that the accounting of statements adds up; Go's own, rounded.
const (
	MemoryStep   = 64 << 10 // bytes that a statement takes from the instance's budget at a time
	rowOverhead  = 48       // a row's slice header, and its place in a list
	cellBytes    = 16       // an interface
	HashBytes    = 48       // an entry of a hash table without a row
	BufferBytes  = 128      // an aggregate of one group
	decimalBytes = 80
)

// RowSize is the size of a row.
func RowSize(r sql.Row) int64 {
	n := int64(rowOverhead)
	for _, v := range r {
		n += valueSize(v)
	}
	return n
}

func valueSize(v any) int64 {
	n := int64(cellBytes)
	switch v := v.(type) {
	case nil, bool, int8, uint8:
	case string:
		n += cellBytes + int64(len(v))
	case []byte:
		n += 24 + int64(len(v))
	case *apd.Decimal:
		n += decimalBytes
	case time.Time:
		n += 24
	case types.JSONDocument:
		n += valueSize(v.Val)
	case value.TypedDocument:
		n += valueSize(v.Val)
	case value.TypedScalar:
		n += 2*cellBytes + int64(len(v.Text))
	case []any:
		for _, e := range v {
			n += valueSize(e)
		}
	case map[string]any:
		for k, e := range v {
			n += int64(len(k)) + HashBytes + valueSize(e)
		}
	case interface{ MaxByteLength() int64 }: // fetched when it is needed
		n += v.MaxByteLength()
	default:
		n += 8
	}
	return n
}
