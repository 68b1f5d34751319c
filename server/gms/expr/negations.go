package expr

import (
	"cmp"
	"hash/maphash"
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
	by   atomic.Pointer[rowTypes]
	read KeyReader // nil: the subquery keeps its rows
}

// rowTypes are the types by which IN compares its two sides. plain: as the planner does.
type rowTypes struct {
	left, right sql.Type
	plain       bool
	values      atomic.Pointer[valueSet] // of a subquery whose rows stay the same, where there are keys
}

// valueSet is the keys of the rows that a subquery has.
type valueSet struct {
	key        func(*sql.Context, any) (uint64, error) // the same of values that are equal
	has        func(uint64) bool
	some, null bool // whether there are rows without NULL, and with one
}

// KeyReader reads the rows of a subquery, and keeps the keys that key returns, false: none. It returns whether a key is among them.
type KeyReader func(ctx *sql.Context, query sql.Node, outer sql.Row, key func(sql.Row) (uint64, bool, error)) (has func(uint64) bool, err error)

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

// keySeed is of the hashes of keys.
var keySeed = maphash.MakeSeed()

// integerKey is the key of an integer, with a sign or without.
func integerKey(ctx *sql.Context, v any) (uint64, error) {
	if u, ok := v.(uint64); ok && u > math.MaxInt64 {
		return maphash.Comparable(keySeed, [2]uint64{1, u}), nil
	}
	v, _, err := types.Int64.Convert(ctx, v)
	if err != nil {
		return 0, err
	}
	return maphash.Comparable(keySeed, v.(int64)), nil
}

// typeKey returns the key of values of a type.
func typeKey(t sql.Type) func(*sql.Context, any) (uint64, error) {
	schema := sql.Schema{{Type: t}}
	return func(ctx *sql.Context, v any) (uint64, error) {
		v, _, err := t.Convert(ctx, v)
		if err != nil {
			return 0, err
		}
		return RowHash(ctx, schema, sql.Row{v})
	}
}

// columnKey returns the key by which values of a type are looked for among those of another one, nil if they are compared with one after the other.
func columnKey(ctx *sql.Context, l, r sql.Type) func(*sql.Context, any) (uint64, error) {
	switch {
	case asDoubles(l, r):
		return doubleKey
	case types.IsInteger(l) && types.IsInteger(r):
		return integerKey
	case types.IsTextOnly(l) && types.IsTextOnly(r):
		collation, _ := CommonCollation(ctx, []sql.Expression{expression.NewGetField(0, l, "", true), expression.NewGetField(1, r, "", true)})
		if collation == sql.Collation_Unspecified {
			return nil
		}
		return typeKey(types.CreateLongText(collation))
	case types.NumColumns(l) == 1 && types.NumColumns(r) == 1 && l.Equals(r):
		return typeKey(r)
	}
	return nil
}

// key returns columnKey of values, or of rows of them.
func (by *rowTypes) key(ctx *sql.Context) func(*sql.Context, any) (uint64, error) {
	ls, lok := by.left.(types.TupleType)
	rs, rok := by.right.(types.TupleType)
	if !lok && !rok {
		return columnKey(ctx, by.left, by.right)
	}
	if len(ls) != len(rs) {
		return nil
	}
	keys := make([]func(*sql.Context, any) (uint64, error), len(ls))
	for i := range ls {
		if keys[i] = columnKey(ctx, ls[i], rs[i]); keys[i] == nil || asDoubles(ls[i], rs[i]) { // a text is no DOUBLE, with a warning, where the values before it differ
			return nil
		}
	}
	return func(ctx *sql.Context, v any) (uint64, error) {
		h := uint64(0)
		for i, v := range v.([]any) {
			v, err := sql.UnwrapAny(ctx, v)
			if err != nil {
				return 0, err
			}
			k, err := keys[i](ctx, v)
			if err != nil {
				return 0, err
			}
			h = maphash.Comparable(keySeed, [2]uint64{h, k})
		}
		return h, nil
	}
}

// anyNull reports whether a value is NULL, or one of a row.
func anyNull(v any) bool {
	row, ok := v.([]any)
	return v == nil || ok && hasNull(row)
}

// valuesOf reads the rows of a subquery.
func valuesOf(ctx *sql.Context, read KeyReader, query sql.Node, outer sql.Row, key func(*sql.Context, any) (uint64, error)) (*valueSet, error) {
	set, columns := &valueSet{key: key}, len(query.Schema(ctx))
	has, err := read(ctx, query, outer, func(r sql.Row) (uint64, bool, error) {
		var v any = []any(r)
		if columns == 1 {
			v = r[0]
		}
		if anyNull(v) {
			set.null = true
			return 0, false, nil
		}
		v, err := sql.UnwrapAny(ctx, v)
		if err != nil {
			return 0, false, err
		}
		set.some = true
		k, err := key(ctx, v)
		return k, true, err
	})
	set.has = has
	return set, err
}

// find is IN of a value.
func (s *valueSet) find(ctx *sql.Context, v any) (any, error) {
	if v == nil {
		if !s.some && !s.null {
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
	case s.has(k):
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

// WithReader returns it with what reads its subquery.
func (e *InRows) WithReader(read KeyReader) *InRows {
	return &InRows{UnaryExpressionStub: e.UnaryExpressionStub, read: read}
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
			return NewInRows(in).WithReader(e.read), nil
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
	set := by.values.Load()
	if set == nil && e.read != nil && sub.CanCacheResults() {
		if key := by.key(ctx); key != nil {
			var err error
			if set, err = valuesOf(ctx, e.read, sub.Query, row, key); err != nil {
				return nil, err
			}
			by.values.Store(set)
		}
	}
	if set == nil && by.plain {
		return in.Eval(ctx, row)
	}
	left, err := in.Left().Eval(ctx, row)
	if err != nil {
		return nil, err
	}
	if _, tuple := left.([]any); set != nil && (!tuple || !set.null && !anyNull(left)) {
		return set.find(ctx, left)
	}
	rows, err := sub.EvalMultiple(ctx, row)
	if err != nil {
		return nil, err
	}
	return inList(ctx, by, left, rows)
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
