package expr

import (
	"cmp"
	"math"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// InRows is IN of a subquery that is evaluated as it stands. The planner compares hashes of
// one type, has none of rows, and does not know that nothing is outside of a set with NULL
// in it when it makes an anti-join of NOT IN.
type InRows struct {
	expression.UnaryExpressionStub
	by atomic.Pointer[rowTypes]
}

// rowTypes are the types by which IN compares its two sides. plain: as the planner does.
type rowTypes struct {
	left, right sql.Type
	plain       bool
	values      atomic.Pointer[valueSet] // of a subquery whose rows stay the same, of numbers beside texts or of texts
}

// valueSet is the values that a subquery has.
type valueSet struct {
	key  func(*sql.Context, any) (uint64, error) // the same of values that are equal
	has  map[uint64]bool
	null bool
}

// asDoubles reports whether a number is looked for among texts, or a text among numbers: both are DOUBLEs then.
func asDoubles(l, r sql.Type) bool {
	number := func(t sql.Type) bool { return types.IsNumber(t) && !types.IsYear(t) && !types.IsBit(t) }
	return number(l) && types.IsTextOnly(r) || types.IsTextOnly(l) && number(r)
}

// doubleKey is the key of a DOUBLE.
func doubleKey(ctx *sql.Context, v any) (uint64, error) {
	f, err := DoubleOf(ctx, v)
	return math.Float64bits(f + 0), err
}

// textKey returns the key of texts that are compared by their collation.
func textKey(collation sql.CollationID) func(*sql.Context, any) (uint64, error) {
	schema := sql.Schema{{Type: types.CreateLongText(collation)}}
	return func(ctx *sql.Context, v any) (uint64, error) { return RowHash(ctx, schema, sql.Row{v}) }
}

// keyOf returns the key by which a value is looked for among those of a subquery, nil if it is compared with one after the other.
func (by *rowTypes) keyOf(ctx *sql.Context, l, r sql.Type) func(*sql.Context, any) (uint64, error) {
	if asDoubles(l, r) {
		return doubleKey
	}
	if !types.IsTextOnly(l) || !types.IsTextOnly(r) {
		return nil
	}
	collation, _ := CommonCollation(ctx, []sql.Expression{expression.NewGetField(0, by.left, "", true), expression.NewGetField(1, by.right, "", true)})
	if collation == sql.Collation_Unspecified {
		return nil
	}
	return textKey(collation)
}

// valuesOf returns the rows of a subquery.
func valuesOf(ctx *sql.Context, rows []any, key func(*sql.Context, any) (uint64, error)) (*valueSet, error) {
	set := &valueSet{key: key, has: make(map[uint64]bool, len(rows))}
	for _, v := range rows {
		if v == nil {
			set.null = true
			continue
		}
		v, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return nil, err
		}
		k, err := key(ctx, v)
		if err != nil {
			return nil, err
		}
		set.has[k] = true
	}
	return set, nil
}

// find is IN of a value.
func (s *valueSet) find(ctx *sql.Context, v any) (any, error) {
	if v == nil {
		if len(s.has) == 0 && !s.null {
			return false, nil
		}
		return nil, nil
	}
	v, err := sql.UnwrapAny(ctx, v)
	if err != nil {
		return nil, err
	}
	k, err := s.key(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case s.has[k]:
		return true, nil
	case s.null:
		return nil, nil
	}
	return false, nil
}

var (
	_ sql.Expression         = (*InRows)(nil)
	_ sql.CollationCoercible = (*InRows)(nil)
)

// NewInRows returns IN of a list or a subquery in place of the planner's.
func NewInRows(in *plan.InSubquery) *InRows {
	return &InRows{UnaryExpressionStub: expression.UnaryExpressionStub{Child: in}}
}

// Type implements sql.Expression.
func (e *InRows) Type(*sql.Context) sql.Type { return types.Boolean }

// String implements sql.Expression.
func (e *InRows) String() string { return e.Child.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (e *InRows) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// WithChildren implements sql.Expression.
func (e *InRows) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) == 1 {
		if in, ok := children[0].(*plan.InSubquery); ok {
			return NewInRows(in), nil
		}
	}
	return nil, sql.ErrInvalidChildrenNumber.New(e, len(children), 1)
}

// Eval implements sql.Expression.
func (e *InRows) Eval(ctx *sql.Context, row sql.Row) (any, error) {
	in := e.Child.(*plan.InSubquery)
	sub := in.Right().(*plan.Subquery)
	by := e.by.Load()
	if by == nil {
		by = &rowTypes{}
		by.left, by.right = comparedTypes(ctx, in.Left(), sub)
		by.plain = types.NumColumns(by.left) == 1 && by.left.Equals(by.right) && !types.IsTextOnly(by.right) &&
			by.left.Equals(in.Left().Type(ctx)) && by.right.Equals(sub.Type(ctx))
		e.by.Store(by)
	}
	if by.plain {
		return in.Eval(ctx, row)
	}
	left, err := in.Left().Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	set := by.values.Load()
	if set == nil {
		rows, err := sub.EvalMultiple(ctx, row)
		if err != nil {
			return nil, err
		}
		key := by.keyOf(ctx, in.Left().Type(ctx), sub.Type(ctx))
		if !sub.CanCacheResults() || key == nil {
			return inList(ctx, by, left, rows)
		}
		if set, err = valuesOf(ctx, rows, key); err != nil {
			return nil, err
		}
		by.values.Store(set)
	}
	return set.find(ctx, left)
}

// inList is IN of rows, one after the other.
func inList(ctx *sql.Context, by *rowTypes, left any, rows []any) (any, error) {
	var out any = false
	for _, right := range rows {
		same, err := equalRows(ctx, by.left, by.right, left, right)
		if err != nil || same == true {
			return same, err
		}
		if same == nil {
			out = nil
		}
	}
	return out, nil
}

// equalRows compares two values, or rows of values, which are unequal if any two values
// are, and else NULL if one is.
func equalRows(ctx *sql.Context, lt, rt sql.Type, left, right any) (any, error) {
	ls, ok := lt.(types.TupleType)
	if !ok {
		both, _ := WeighedOperands(ctx, expression.NewLiteral(left, lt), expression.NewLiteral(right, rt))
		for i := range both { // no literals to what goes by their values
			both[i] = &HiddenColumn{expression.UnaryExpressionStub{Child: both[i]}}
		}
		var equal sql.Expression = expression.NewEquals(both[0], both[1])
		if c := cmp.Or(WithComparedTypes(ctx, equal), comparedDecimals(ctx, equal)); c != nil {
			equal = c
		}
		return equal.Eval(ctx, nil)
	}
	rs, ok := rt.(types.TupleType)
	if ok && len(ls) == len(rs) && (left == nil || right == nil) { // a subquery without a row
		return nil, nil
	}
	l, ok1 := left.([]any)
	r, ok2 := right.([]any)
	if !ok || !ok1 || !ok2 || len(l) != len(ls) || len(r) != len(rs) || len(l) != len(r) {
		return nil, sql.ErrInvalidOperandColumns.New(types.NumColumns(lt), types.NumColumns(rt))
	}
	var out any = true
	for i := range l {
		same, err := equalRows(ctx, ls[i], rs[i], l[i], r[i])
		if err != nil || same == false {
			return same, err
		}
		if same == nil {
			out = nil
		}
	}
	return out, nil
}

// JoinedMax is how many tables a SELECT may join.
const JoinedMax = 61
