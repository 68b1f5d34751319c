package expr

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/encodings"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/hash"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// DISTINCT, set operations, COUNT(DISTINCT …) and IN take texts for equal that their
// collation does. The planner's take those that have the same bytes.

// RowHash is the planner's hash of a row, with texts by the codes of keys: the planner
// looks each rune up in a map. What a longer row has before its columns is the row around a subquery, the same in all.
func RowHash(ctx *sql.Context, schema sql.Schema, r sql.Row) (uint64, error) {
	r = r[max(0, len(r)-len(schema)):]
	weighed := r
	var codes []byte
	for i := range min(len(r), len(schema)) {
		t, ok := schema[i].Type.(sql.StringType)
		doc, json := r[i].(sql.JSONWrapper)
		if !json && (!ok || r[i] == nil || t.Collation() == sql.Collation_binary) {
			continue
		}
		if codes == nil {
			weighed, codes = slices.Clone(r), make([]byte, 0, 64)
		}
		from := len(codes)
		if json {
			v, err := value.RawJSON(ctx, doc)
			if err == nil {
				codes, err = value.AppendDocument(codes, v)
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

// DistinctCount counts the different values of COUNT(DISTINCT …), those with a NULL in
// them not.
type DistinctCount struct {
	exprs  []sql.Expression
	schema sql.Schema
	seen   map[uint64]struct{}
}

var _ sql.AggregationBuffer = (*DistinctCount)(nil)

// NewDistinctCount returns nil for a COUNT(DISTINCT *).
func NewDistinctCount(ctx *sql.Context, a *aggregation.CountDistinct) (*DistinctCount, error) {
	d := &DistinctCount{seen: make(map[uint64]struct{})}
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
func (d *DistinctCount) Update(ctx *sql.Context, r sql.Row) error {
	values := make(sql.Row, len(d.exprs))
	for i, e := range d.exprs {
		var err error
		if values[i], err = e.Eval(ctx, r); err != nil || values[i] == nil {
			return err
		}
	}
	h, err := RowHash(ctx, d.schema, values)
	d.seen[h] = struct{}{}
	return err
}

// Len is how many hashes of values it keeps.
func (d *DistinctCount) Len() int { return len(d.seen) }

// Take calls f with the hash of each value that it keeps, and keeps none of them.
func (d *DistinctCount) Take(f func(uint64) error) error {
	for h := range d.seen {
		if err := f(h); err != nil {
			return err
		}
	}
	d.seen = make(map[uint64]struct{})
	return nil
}

// Eval implements sql.AggregationBuffer.
func (d *DistinctCount) Eval(*sql.Context) (any, error) { return int64(len(d.seen)), nil }

// Dispose implements sql.Disposable.
func (d *DistinctCount) Dispose(ctx *sql.Context) {
	for _, e := range d.exprs {
		expression.Dispose(ctx, e)
	}
}

// TextIn is IN with a list of texts.
type TextIn struct {
	*expression.InTuple
	schema  sql.Schema
	List    map[uint64]struct{}
	hasNull bool
}

// comparedList returns an IN whose values are compared as MySQL compares them: hashed if they are of one kind then, as '1' and
// '2' beside integers are, else with each. A text beside integers that is none is a DOUBLE: the
// planner has warned of it when it made the hashes.
func comparedList(ctx *sql.Context, e *expression.HashInTuple) sql.Expression {
	right := e.Right()
	list, ok := right.(expression.Tuple)
	if ok {
		if texts, members := ComparedMembers(ctx, append([]sql.Expression{e.Left()}, list...)...); members {
			if h, err := expression.NewHashInTuple(ctx, texts[0], expression.NewTuple(texts[1:]...)); err == nil {
				return collatedIn(ctx, h)
			}
		}
	}
	if ok && types.IsInteger(e.Left().Type(ctx)) {
		list = slices.Clone(list)
		for i, o := range list {
			lit, ok := o.(*expression.Literal)
			if !ok || !types.IsTextOnly(lit.Type(ctx)) {
				continue
			}
			text, _ := lit.Value().(string)
			digits, more := value.NumericPrefix(text)
			if f, _, err := types.Float64.Convert(ctx, value.Numeric(digits)); err == nil && (more || digits == "" || strings.ContainsAny(digits, ".eE")) {
				list[i] = expression.NewLiteral(f, types.Float64)
			}
		}
		right = list
	}
	out := checkedOr(ctx, expression.NewInTuple(e.Left(), right))
	if in, ok := out.(*expression.InTuple); ok {
		if h, err := expression.NewHashInTuple(ctx, in.Left(), in.Right()); err == nil && !hashedOtherwise(ctx, h) {
			return h
		}
	}
	return out
}

// hashedOtherwise reports whether IN hashes values that are compared otherwise: it converts all to the type of the column and the list's
// first value, 1.5 to 2 where that is an integer.
func hashedOtherwise(ctx *sql.Context, in *expression.HashInTuple) bool {
	kind := func(t sql.Type) byte {
		switch {
		case types.IsYear(t), types.IsBit(t):
			return 0
		case types.IsInteger(t):
			return 'i'
		case types.IsTime(t):
			return 'd'
		case types.IsTextOnly(t):
			return 's'
		}
		return 0
	}
	left := kind(in.Left().Type(ctx))
	list, ok := in.Right().(expression.Tuple)
	return ok && (left == 0 || slices.ContainsFunc(list, func(e sql.Expression) bool {
		t := e.Type(ctx)
		return t != types.Null && kind(t) != left
	}))
}

// collatedIn returns what stands in the place of the planner's IN, nil if it is right as it is:
// of texts TextIn, or what compares one by one where a collation is to be found out.
func collatedIn(ctx *sql.Context, in *expression.HashInTuple) sql.Expression {
	typ := in.Left().Type(ctx)
	if !types.IsTextOnly(typ) {
		return ComparedTexts(ctx, in)
	}
	plain := expression.NewInTuple(in.Left(), in.Right())
	list, ok := in.Right().(expression.Tuple)
	if !ok {
		return plain
	}
	collation, _ := CommonCollation(ctx, append([]sql.Expression{in.Left()}, list...))
	typ = types.CreateLongText(collation)
	t := &TextIn{InTuple: plain, schema: sql.Schema{{Type: typ}}, List: make(map[uint64]struct{}, len(list))}
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
		h, err := RowHash(ctx, t.schema, sql.Row{v})
		if err != nil {
			return plain
		}
		t.List[h] = struct{}{}
	}
	return t
}

// Eval implements sql.Expression.
func (t *TextIn) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Left().Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	h, err := RowHash(ctx, t.schema, sql.Row{v})
	if err != nil {
		return nil, err
	}
	if _, ok := t.List[h]; ok {
		return true, nil
	}
	if t.hasNull {
		return nil, nil
	}
	return false, nil
}

// Children implements sql.Expression: a tuple may stand in the planner's IN only.
func (t *TextIn) Children() []sql.Expression { return []sql.Expression{t.Left()} }

// WithChildren implements sql.Expression.
func (t *TextIn) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	c := *t
	c.InTuple = expression.NewInTuple(children[0], t.Right())
	return &c, nil
}

// appendCode appends what a text is compared by: texts that the collation takes for equal
// have the same.
func appendCode(dst []byte, id sql.CollationID, text string) []byte {
	c := value.CollationOf(id)
	if c.Binary {
		return append(append(dst, text...), 0)
	}
	return c.AppendWeights(dst, encodings.StringToBytes(text))
}
