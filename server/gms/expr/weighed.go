package expr

import (
	"context"
	"slices"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/encodings"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine/row"
	"sextant/server/gms/value"
)

// The planner compares texts character by character, by one weight of each. What is compared here, and what sorts, is
// weighed by row.Collation, as keys are.

// weighedText is the type of texts that are compared by a collation.
type weighedText struct {
	types.StringType
	by *row.Collation
}

// weighedTypes has the types of collations.
var weighedTypes sync.Map

// WeighedBy returns the type of texts that are compared by a collation.
func WeighedBy(id sql.CollationID) sql.Type {
	if t, made := weighedTypes.Load(id); made {
		return t.(sql.Type)
	}
	t := weighedText{types.CreateLongText(id).(types.StringType), value.CollationOf(id)}
	weighedTypes.Store(id, t)
	return t
}

// KeyType returns the type by which the planner orders the keys of an index of texts or bytes, and makes them of what it looks for.
func KeyType(t types.StringType) sql.Type {
	if !weighed(t.Collation()) || !types.IsTextOnly(t) {
		return keyText{t}
	}
	return keyText{weighedText{t, value.CollationOf(t.Collation())}}
}

// keyText is the type of a column of an index: what is longer than the column's texts may be is none of them, and no error.
type keyText struct{ sql.StringType }

// Convert implements sql.Type.
func (t keyText) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	out, in, err := t.StringType.Convert(ctx, v)
	switch {
	case !types.ErrLengthBeyondLimit.Is(err):
		return out, in, err
	case types.IsTextOnly(t.StringType):
		return types.CreateLongText(t.Collation()).Convert(ctx, v)
	}
	return types.LongBlob.Convert(ctx, v)
}

// Equals implements sql.Type.
func (t keyText) Equals(other sql.Type) bool {
	if o, ok := other.(keyText); ok {
		other = o.StringType
	}
	return t.StringType.Equals(other)
}

// Promote implements sql.Type.
func (t keyText) Promote() sql.Type { return keyText{t.StringType.Promote().(sql.StringType)} }

// Compare implements sql.Type.
func (t weighedText) Compare(ctx context.Context, a, b any) (int, error) {
	if null, n := types.CompareNulls(a, b); null {
		return n, nil
	}
	x, ok := a.(string)
	y, ok2 := b.(string)
	if !ok || !ok2 {
		var err error
		if x, err = t.text(ctx, a); err == nil {
			y, err = t.text(ctx, b)
		}
		if err != nil {
			return 0, err
		}
	}
	return t.by.Compare(encodings.StringToBytes(x), encodings.StringToBytes(y)), nil
}

// text returns a value as a text.
func (t weighedText) text(ctx context.Context, v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	v, _, err := t.Convert(ctx, v)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	s, _ := v.(string)
	return s, err
}

// Equals implements sql.Type.
func (t weighedText) Equals(other sql.Type) bool {
	o, ok := other.(weighedText)
	return ok && t.by == o.by && t.StringType.Equals(o.StringType)
}

// Promote implements sql.Type.
func (t weighedText) Promote() sql.Type {
	return weighedText{t.StringType.Promote().(types.StringType), t.by}
}

// CompareTexts compares two texts by a collation.
func CompareTexts(id sql.CollationID, a, b string) int {
	return value.CollationOf(id).Compare(encodings.StringToBytes(a), encodings.StringToBytes(b))
}

// weighed reports whether texts of a collation are not compared by their bytes.
func weighed(id sql.CollationID) bool {
	return id != sql.Collation_Unspecified && !value.CollationOf(id).Binary
}

// Weighed is a text that is compared by a collation.
type Weighed struct {
	expression.UnaryExpressionStub
	typ sql.Type
}

var (
	_ sql.Expression         = (*Weighed)(nil)
	_ sql.CollationCoercible = (*Weighed)(nil)
)

// NewWeighed returns a text that is compared by a collation.
func NewWeighed(e sql.Expression, collation sql.CollationID) *Weighed {
	if w, ok := e.(*Weighed); ok {
		e = w.Child
	}
	return &Weighed{expression.UnaryExpressionStub{Child: e}, WeighedBy(collation)}
}

// Type implements sql.Expression.
func (w *Weighed) Type(*sql.Context) sql.Type { return w.typ }

// String implements sql.Expression.
func (w *Weighed) String() string { return w.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (w *Weighed) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, w.Child)
}

// WithChildren implements sql.Expression.
func (w *Weighed) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(w, len(children), 1)
	}
	return &Weighed{expression.UnaryExpressionStub{Child: children[0]}, w.typ}, nil
}

// Eval implements sql.Expression.
func (w *Weighed) Eval(ctx *sql.Context, r sql.Row) (any, error) { return w.Child.Eval(ctx, r) }

// Plain returns what a weighed text is of, any other expression as it is.
func Plain(e sql.Expression) sql.Expression {
	if w, ok := e.(*Weighed); ok {
		return w.Child
	}
	return e
}

// isWeighed reports whether an expression is a text that is compared by a collation.
func isWeighed(e sql.Expression) bool { _, is := e.(*Weighed); return is }

// WeighedOperands returns texts that are compared with each other as their common collation
// weighs them, false if they are so or are compared by their bytes.
func WeighedOperands(ctx *sql.Context, operands ...sql.Expression) ([]sql.Expression, bool) {
	if !slices.ContainsFunc(operands, func(e sql.Expression) bool { return !isWeighed(e) }) {
		return operands, false
	}
	for _, e := range operands {
		if t := e.Type(ctx); !types.IsTextOnly(t) && t != types.Null {
			return operands, false
		}
	}
	collation, _ := CommonCollation(ctx, operands)
	if !weighed(collation) {
		return operands, false
	}
	operands = slices.Clone(operands)
	for i, e := range operands {
		if e.Type(ctx) != types.Null {
			operands[i] = NewWeighed(e, collation)
		}
	}
	return operands, true
}

// WeighedKey returns a key of a sort or the like as its collation weighs it, the key itself if it is no text.
func WeighedKey(ctx *sql.Context, e sql.Expression) sql.Expression {
	t, ok := e.Type(ctx).(sql.StringType)
	if !ok || isWeighed(e) || !types.IsTextOnly(t) || !weighed(t.Collation()) {
		return e
	}
	return NewWeighed(e, t.Collation())
}

// WeighedAggregate returns MIN or MAX of a text as its collation weighs it, other aggregates as they are.
func WeighedAggregate(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch e.(type) {
	case *aggregation.Min, *aggregation.Max:
		if key := WeighedKey(ctx, e.Children()[0]); !Unchanged(key, e.Children()[0]) {
			if x := WithOperands(ctx, e, append([]sql.Expression{key}, e.Children()[1:]...)); x != nil {
				return x
			}
		}
	}
	return e
}

// explicitTexts returns operands with the collation that one of them has by COLLATE, false if all have it or none; those of a list
// with the one that they are compared by, where their types have another.
func explicitTexts(ctx *sql.Context, operands []sql.Expression, isList bool) ([]sql.Expression, bool) {
	collation, n := CommonCollation(ctx, operands)
	if n != explicitCollation && !isList {
		return operands, false
	}
	changed := false
	operands = slices.Clone(operands)
	for i, e := range operands {
		c, _ := coercibilityOf(ctx, e)
		if t, ok := e.Type(ctx).(sql.StringType); ok && isList {
			c = t.Collation()
		}
		if types.IsTextOnly(e.Type(ctx)) && c != collation && c.CharacterSet() == collation.CharacterSet() {
			operands[i], changed = expression.NewCollatedExpression(e, collation), true
		}
	}
	return operands, changed
}

// ComparedTexts returns a comparison of texts with its operands as the collation and
// coercibility of subqueries, and PAD SPACE, have them; nil if it is right as it is.
func ComparedTexts(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := e.Children()
	if left, ok := operands[0].(expression.Tuple); ok && len(operands) == 2 {
		return comparedRows(ctx, e, left, operands[1])
	}
	if !types.IsTextOnly(operands[0].Type(ctx)) {
		return comparedDecimals(ctx, e)
	}
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		operands = append(operands[:1:1], list...)
	}
	operands, scalar := scalarTexts(ctx, operands)
	operands, changed := WeighedOperands(ctx, operands...)
	explicit := false
	if (len(operands) > 2 || isList) && !slices.ContainsFunc(operands, isWeighed) { // the planner compares one pair after the other, and in a list by their types
		operands, explicit = explicitTexts(ctx, operands, isList)
	}
	if !scalar && !changed && !explicit {
		return nil
	}
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	return WithOperands(ctx, e, operands)
}

// weighedCall returns a CASE of a text with its operand and those of its WHENs changed, and
// a function that compares its arguments with them changed; nil if it is right as it is.
func weighedCall(ctx *sql.Context, e sql.Expression) sql.Expression {
	k, ok := planned(e).(*expression.Case)
	if !ok || k.Expr == nil {
		return nil
	}
	operands := []sql.Expression{k.Expr}
	for _, b := range k.Branches {
		operands = append(operands, b.Cond)
	}
	operands, changed := WeighedOperands(ctx, operands...)
	if texts := textDoubles(ctx, operands); texts != nil {
		operands, changed = texts, true
	}
	if !changed {
		return nil
	}
	args := slices.Clone(e.Children()) // the operand, each WHEN and its value, ELSE
	args[0] = operands[0]
	for i, o := range operands[1:] {
		args[2*i+1] = o
	}
	return WithOperands(ctx, e, args)
}

// textDoubles returns the operand of a CASE and those of its WHENs with the texts among them as DOUBLEs if those that each is compared with
// are numbers, nil of others.
func textDoubles(ctx *sql.Context, operands []sql.Expression) []sql.Expression {
	number := func(e sql.Expression) bool { return NumericType(e.Type(ctx)) }
	out, some := slices.Clone(operands), false
	if NumericText(ctx, operands[0]) && !slices.ContainsFunc(operands[1:], func(e sql.Expression) bool { return !number(e) }) {
		out[0], some = &TextDouble{expression.UnaryExpressionStub{Child: operands[0]}}, true
	}
	for i, o := range operands[1:] {
		if number(operands[0]) && NumericText(ctx, o) {
			out[i+1], some = &TextDouble{expression.UnaryExpressionStub{Child: o}}, true
		}
	}
	if !some {
		return nil
	}
	return out
}

// comparedRows returns a comparison of a row with another, or IN with a list of rows, with
// the texts of each column changed; nil if it is right as it is.
func comparedRows(ctx *sql.Context, e sql.Expression, left expression.Tuple, right sql.Expression) sql.Expression {
	list, ok := right.(expression.Tuple)
	if !ok {
		return newSubqueryRow(ctx, e)
	}
	rows := []expression.Tuple{left, list}
	_, hashed := e.(*expression.HashInTuple)
	_, in := e.(*expression.InTuple)
	if hashed || in {
		rows = rows[:1]
		for _, r := range list {
			r, ok := r.(expression.Tuple)
			if !ok {
				return nil
			}
			rows = append(rows, r)
		}
	}
	rows, changed := weighedRows(ctx, rows)
	if !changed {
		return nil
	}
	right = rows[1]
	if hashed || in {
		list := make(expression.Tuple, len(rows)-1)
		for i, r := range rows[1:] {
			list[i] = r
		}
		right = list
	}
	if !hashed {
		return WithOperands(ctx, e, []sql.Expression{rows[0], right})
	}
	out, err := expression.NewHashInTuple(ctx, rows[0], right) // whose hashes are those of the list
	if err != nil {
		return nil
	}
	return out
}

// weighedRows returns rows that are compared with the first with the texts of each column
// changed, false if they are seen as they are.
func weighedRows(ctx *sql.Context, rows []expression.Tuple) ([]expression.Tuple, bool) {
	changed := false
	for c := range rows[0] {
		column := make([]sql.Expression, 0, len(rows))
		for _, r := range rows {
			if len(r) == len(rows[0]) { // or there will be an error
				column = append(column, r[c])
			}
		}
		fit, some := WeighedOperands(ctx, column...)
		if !some || len(fit) < len(rows) {
			continue
		}
		if !changed {
			changed = true
			rows = slices.Clone(rows)
			for i, r := range rows {
				rows[i] = slices.Clone(r)
			}
		}
		for i, r := range rows {
			r[c] = fit[i]
		}
	}
	return rows, changed
}

// WithOperands returns e with other children, nil if it cannot have them.
func WithOperands(ctx *sql.Context, e sql.Expression, children []sql.Expression) sql.Expression {
	out, err := e.WithChildren(ctx, children...)
	if err != nil {
		return nil
	}
	return out
}
