package expr

import (
	"context"
	"slices"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// The planner converts what a column is compared with to the column's type, and so finds 1.3 where
// 1.25 is asked for.

// DecimalLiteral is the function in the place of a constant with which a column is compared.
const DecimalLiteral = "_decimal_literal"

// NewDecimalLiteral returns a DECIMAL constant of a type that no column's is as wide as, which the
// planner keeps as it is.
func NewDecimalLiteral(ctx *sql.Context, e sql.Expression) sql.Expression {
	if lit, ok := e.(*expression.Literal); ok && types.IsDecimal(lit.Type(ctx)) {
		return expression.NewLiteral(lit.Value(), types.InternalDecimalType)
	}
	if v, ok := e.(*expression.UserVar); ok && types.IsDecimal(v.Type(ctx)) {
		return &wideDecimal{expression.UnaryExpressionStub{Child: e}}
	}
	return e
}

// NextDecimal returns the least number of a DECIMAL type that is not below a key, and whether it is the key. nil
// and true: all are below the key, nil and false: all are above.
func NextDecimal(ctx context.Context, t sql.DecimalType, key any) (*apd.Decimal, bool, error) {
	d, ok := key.(*apd.Decimal)
	if !ok {
		v, _, err := value.ToDecimal(ctx, key)
		if err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, false, err
		}
		if d, ok = v.(*apd.Decimal); !ok {
			return nil, false, value.ErrValue(t, key)
		}
	}
	limit := apd.New(1, int32(t.Precision()-t.Scale()))
	if d.Cmp(limit) >= 0 {
		return nil, true, nil
	}
	if d.Cmp(limit.Neg(limit)) <= 0 {
		return nil, false, nil
	}
	up := sql.DecimalCtx.WithPrecision(2 * types.DecimalTypeMaxPrecision)
	up.Rounding = apd.RoundCeiling
	next := new(apd.Decimal)
	if _, err := up.Quantize(next, d, -int32(t.Scale())); err != nil {
		return nil, false, err
	}
	if next.Cmp(d) < 0 { // a key that is less than a tenth of the last digit is rounded to 0, whatever the rounding
		if _, err := up.Add(next, next, apd.New(1, -int32(t.Scale()))); err != nil {
			return nil, false, err
		}
	}
	if next.Cmp(limit.Neg(limit)) >= 0 {
		return nil, true, nil
	}
	return next, next.Cmp(d) == 0, nil
}

// comparedDecimals returns a comparison of a DECIMAL with another type, or of a quotient, whose sides keep their digits,
// which the planner rounds to the column's, or of BIGINTs of which some are UNSIGNED, which it compares as DOUBLEs; nil if none
// is a column's.
func comparedDecimals(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := e.Children()
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		if _, hashed := e.(*expression.HashInTuple); hashed {
			return nil // its hashes are made
		}
		operands = append(operands[:1:1], list...)
	}
	first, differ, some := operands[0].Type(ctx), false, false
	for _, o := range operands[1:] {
		t := o.Type(ctx)
		if t == types.Null {
			continue
		}
		if types.IsTuple(t) || !types.IsNumber(t) && !types.IsTextOnly(t) {
			return nil
		}
		differ = differ || !t.Equals(first)
	}
	operands = slices.Clone(operands)
	for i, o := range operands {
		if q := NewUnrounded(ctx, o); q != nil {
			operands[i], differ = q, true
		}
	}
	if !differ {
		return nil
	}
	bigint := func(t sql.Type) func(sql.Expression) bool {
		return func(o sql.Expression) bool {
			_, constant := o.(*expression.Literal)
			return !constant && o.Type(ctx) == t
		}
	}
	mixed := slices.ContainsFunc(operands, bigint(types.Int64)) && slices.ContainsFunc(operands, bigint(types.Uint64))
	for i, o := range operands {
		_, constant := o.(*expression.Literal)
		if t := o.Type(ctx); !constant && (types.IsDecimal(t) && t != types.InternalDecimalType || mixed && types.IsInteger(t)) {
			operands[i], some = &wideDecimal{expression.UnaryExpressionStub{Child: o}}, true
		}
	}
	if !some {
		return nil
	}
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	return WithOperands(ctx, e, operands)
}

// wideDecimal is a DECIMAL of a type that what it is compared with is not rounded to.
type wideDecimal struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*wideDecimal) Type(*sql.Context) sql.Type { return types.InternalDecimalType }

// String implements sql.Expression.
func (d *wideDecimal) String() string { return d.Child.String() }

// WithChildren implements sql.Expression.
func (d *wideDecimal) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	return &wideDecimal{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (d *wideDecimal) Eval(ctx *sql.Context, r sql.Row) (any, error) { return d.Child.Eval(ctx, r) }

// KeyDecimal is the type of a DECIMAL column of an index: the planner does not round keys to it.
type KeyDecimal struct{ sql.DecimalType }

// Convert implements sql.Type.
func (KeyDecimal) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	return value.ToDecimal(ctx, v)
}

// Compare implements sql.Type.
func (KeyDecimal) Compare(ctx context.Context, a, b any) (int, error) {
	return types.InternalDecimalType.Compare(ctx, a, b)
}

// Equals implements sql.Type.
func (k KeyDecimal) Equals(other sql.Type) bool {
	if o, ok := other.(KeyDecimal); ok {
		other = o.DecimalType
	}
	return k.DecimalType.Equals(other)
}
