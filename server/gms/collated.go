package gms

import (
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/hash"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// DISTINCT, set operations, COUNT(DISTINCT …) and IN take texts for equal that their
// collation does. The planner's take those that have the same bytes.

// rowHash is the planner's hash of a row, with texts by the codes of keys: the planner
// looks each rune up in a map.
func rowHash(ctx *sql.Context, schema sql.Schema, r sql.Row) (uint64, error) {
	weighed := r
	var codes []byte
	for i := range min(len(r), len(schema)) {
		t, ok := schema[i].Type.(types.StringType)
		doc, json := r[i].(sql.JSONWrapper)
		if !json && (!ok || r[i] == nil || t.Collation() == sql.Collation_binary) {
			continue
		}
		if codes == nil {
			weighed, codes = slices.Clone(r), make([]byte, 0, 64)
		}
		from := len(codes)
		if json {
			v, err := rawJSON(ctx, doc)
			if err == nil {
				codes, err = appendDocument(codes, v)
			}
			if err != nil {
				return 0, err
			}
			weighed[i] = codes[from:len(codes):len(codes)]
			continue
		}
		v, err := sql.UnwrapAny(ctx, r[i])
		if err != nil {
			return 0, err
		}
		text, err := types.ConvertToString(ctx, v, t, nil)
		if err != nil {
			return 0, err
		}
		codes = appendCode(codes, t.Collation(), text)
		weighed[i] = codes[from:len(codes):len(codes)]
	}
	return hash.HashOf(ctx, nil, weighed)
}

// distinctRows returns a child's rows, of equal ones the first.
type distinctRows struct {
	sql.RowIter
	schema sql.Schema
	seen   map[uint64]struct{}
}

func newDistinctRows(child sql.RowIter, schema sql.Schema) *distinctRows {
	return &distinctRows{child, schema, make(map[uint64]struct{})}
}

// Next implements sql.RowIter.
func (d *distinctRows) Next(ctx *sql.Context) (sql.Row, error) {
	for {
		r, err := d.RowIter.Next(ctx)
		if err != nil {
			return nil, err
		}
		h, err := rowHash(ctx, d.schema, r)
		if err != nil {
			return nil, err
		}
		if _, seen := d.seen[h]; !seen {
			d.seen[h] = struct{}{}
			return r, nil
		}
	}
}

// matchedRows returns the rows of INTERSECT ALL or EXCEPT ALL: each row of the right side
// keeps, or takes away, one of the left side.
type matchedRows struct {
	sql.RowIter // of the left side
	right       sql.RowIter
	schema      sql.Schema
	intersect   bool
	left        map[uint64]int // how many rows of the right side have no partner yet
}

// Next implements sql.RowIter.
func (m *matchedRows) Next(ctx *sql.Context) (sql.Row, error) {
	if m.left == nil {
		m.left = make(map[uint64]int)
		for {
			r, err := m.right.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			h, err := rowHash(ctx, m.schema, r)
			if err != nil {
				return nil, err
			}
			m.left[h]++
		}
	}
	for {
		r, err := m.RowIter.Next(ctx)
		if err != nil {
			return nil, err
		}
		h, err := rowHash(ctx, m.schema, r)
		if err != nil {
			return nil, err
		}
		n := m.left[h]
		if n > 0 {
			m.left[h]--
		}
		if n > 0 == m.intersect {
			return r, nil
		}
	}
}

// Close implements sql.RowIter.
func (m *matchedRows) Close(ctx *sql.Context) error {
	err := m.right.Close(ctx)
	if lerr := m.RowIter.Close(ctx); lerr != nil {
		return lerr
	}
	return err
}

// matched builds INTERSECT and EXCEPT without their ORDER BY and LIMIT.
func (b *builder) matched(ctx *sql.Context, n *plan.SetOp, l, rt sql.Node, r sql.Row) (sql.RowIter, error) {
	left, err := b.base.Build(ctx, l, r)
	if err != nil {
		return nil, err
	}
	right, err := b.base.Build(ctx, rt, r)
	if err != nil {
		return nil, err
	}
	schema := n.Schema(ctx)
	if n.Distinct {
		left, right = newDistinctRows(left, schema), newDistinctRows(right, schema)
	}
	return &matchedRows{RowIter: left, right: right, schema: schema, intersect: n.SetOpType == plan.IntersectType}, nil
}

// distinctCount counts the different values of COUNT(DISTINCT …), those with a NULL in
// them not.
type distinctCount struct {
	exprs  []sql.Expression
	schema sql.Schema
	seen   map[uint64]struct{}
}

var _ sql.AggregationBuffer = (*distinctCount)(nil)

// newDistinctCount returns nil for a COUNT(DISTINCT *).
func newDistinctCount(ctx *sql.Context, a *aggregation.CountDistinct) (*distinctCount, error) {
	d := &distinctCount{seen: make(map[uint64]struct{})}
	for _, e := range a.Children() {
		if _, star := e.(*expression.Star); star {
			return nil, nil
		}
		c, err := transform.Clone(ctx, e)
		if err != nil {
			return nil, err
		}
		d.exprs = append(d.exprs, c)
		d.schema = append(d.schema, &sql.Column{Type: e.Type(ctx)})
	}
	return d, nil
}

// Update implements sql.AggregationBuffer.
func (d *distinctCount) Update(ctx *sql.Context, r sql.Row) error {
	values := make(sql.Row, len(d.exprs))
	for i, e := range d.exprs {
		var err error
		if values[i], err = e.Eval(ctx, r); err != nil || values[i] == nil {
			return err
		}
	}
	h, err := rowHash(ctx, d.schema, values)
	d.seen[h] = struct{}{}
	return err
}

// Eval implements sql.AggregationBuffer.
func (d *distinctCount) Eval(*sql.Context) (any, error) { return int64(len(d.seen)), nil }

// Dispose implements sql.Disposable.
func (d *distinctCount) Dispose(ctx *sql.Context) {
	for _, e := range d.exprs {
		expression.Dispose(ctx, e)
	}
}

// textIn is IN with a list of texts.
type textIn struct {
	*expression.InTuple
	schema  sql.Schema
	list    map[uint64]struct{}
	hasNull bool
}

// collatedIn returns what stands in the place of the planner's IN, nil if it is right as it is:
// of texts textIn, or what compares one by one where a collation is to be found out.
func collatedIn(ctx *sql.Context, in *expression.HashInTuple) sql.Expression {
	typ := in.Left().Type(ctx)
	if !types.IsTextOnly(typ) {
		return comparedTexts(ctx, in)
	}
	plain := expression.NewInTuple(in.Left(), in.Right())
	list, ok := in.Right().(expression.Tuple)
	if !ok {
		return plain
	}
	collation, _ := commonCollation(ctx, append([]sql.Expression{in.Left()}, list...))
	typ = types.CreateLongText(collation)
	t := &textIn{InTuple: plain, schema: sql.Schema{{Type: typ}}, list: make(map[uint64]struct{}, len(list))}
	for _, e := range list {
		if e.Type(ctx) != types.Null && !types.IsTextOnly(e.Type(ctx)) {
			return plain
		}
		v, err := e.Eval(ctx, nil)
		if err != nil {
			return plain
		}
		if v == nil {
			t.hasNull = true
			continue
		}
		h, err := rowHash(ctx, t.schema, sql.Row{v})
		if err != nil {
			return plain
		}
		t.list[h] = struct{}{}
	}
	return t
}

// Eval implements sql.Expression.
func (t *textIn) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Left().Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	h, err := rowHash(ctx, t.schema, sql.Row{v})
	if err != nil {
		return nil, err
	}
	if _, ok := t.list[h]; ok {
		return true, nil
	}
	if t.hasNull {
		return nil, nil
	}
	return false, nil
}

// Children implements sql.Expression: a tuple may stand in the planner's IN only.
func (t *textIn) Children() []sql.Expression { return []sql.Expression{t.Left()} }

// WithChildren implements sql.Expression.
func (t *textIn) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	c := *t
	c.InTuple = expression.NewInTuple(children[0], t.Right())
	return &c, nil
}
