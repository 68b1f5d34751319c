package gms

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// The planner converts what a column is compared with to the column's type, and so finds 1.3 where
// 1.25 is asked for.

// decimalLiteral is the function in the place of a constant with which a column is compared.
const decimalLiteral = "_decimal_literal"

// decimalLiterals marks the constants of a statement with a point that a column is compared with, in place.
func decimalLiterals(stmt ast.Statement) {
	mark := func(n ast.SQLNode) (bool, error) {
		if c, ok := n.(*ast.ComparisonExpr); ok {
			if _, ok := mirrored[c.Operator]; ok {
				c.Left, c.Right = decimalBeside(c.Right, c.Left), decimalBeside(c.Left, c.Right)
			}
		}
		return true, nil
	}
	switch s := stmt.(type) {
	case *ast.DDL:
		if s.TableSpec != nil {
			for _, c := range s.TableSpec.Constraints {
				if check, ok := c.Details.(*ast.CheckConstraintDefinition); ok {
					_ = ast.Walk(mark, check.Expr)
				}
			}
		}
	case *ast.AlterTable:
		for _, d := range s.Statements {
			decimalLiterals(d)
		}
	}
	if stmt = queryOf(stmt); stmt != nil {
		_ = ast.Walk(mark, stmt)
	}
}

func decimalBeside(other, e ast.Expr) ast.Expr {
	_, column := other.(*ast.ColName)
	value := e
	if u, ok := e.(*ast.UnaryExpr); ok && u.Operator == ast.UMinusStr {
		value = u.Expr
	}
	if v, ok := value.(*ast.SQLVal); ok && column && v.Type == ast.FloatVal || column && variable(value) && !variable(other) {
		return call(decimalLiteral, e)
	}
	return e
}

// newDecimalLiteral returns a DECIMAL constant of a type that no column's is as wide as, which the
// planner keeps as it is.
func newDecimalLiteral(ctx *sql.Context, e sql.Expression) sql.Expression {
	if lit, ok := e.(*expression.Literal); ok && types.IsDecimal(lit.Type(ctx)) {
		return expression.NewLiteral(lit.Value(), types.InternalDecimalType)
	}
	if v, ok := e.(*expression.UserVar); ok && types.IsDecimal(v.Type(ctx)) {
		return &wideDecimal{expression.UnaryExpressionStub{Child: e}}
	}
	return e
}

// nextDecimal returns the least number of a DECIMAL type that is not below a key, and whether it is the key. nil
// and true: all are below the key, nil and false: all are above.
func nextDecimal(ctx context.Context, t sql.DecimalType, key any) (*apd.Decimal, bool, error) {
	d, ok := key.(*apd.Decimal)
	if !ok {
		v, _, err := types.InternalDecimalType.Convert(ctx, key)
		if err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, false, err
		}
		if d, ok = v.(*apd.Decimal); !ok {
			return nil, false, errValue(t, key)
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
	if next.Cmp(limit.Neg(limit)) >= 0 {
		return nil, true, nil
	}
	return next, next.Cmp(d) == 0, nil
}

// exactLookup returns the read of an index for each row of a join whose keys are not rounded to the index's integers.
func exactLookup(ctx *sql.Context, n *plan.IndexedTableAccess) (sql.Node, transform.TreeIdentity, error) {
	columns, nulls := n.Index().ColumnExpressionTypes(ctx), n.NullMask()
	keys, some := n.Expressions(), false
	exact := make([]sql.Expression, len(keys))
	for i, e := range keys {
		exact[i] = e
		from := e.Type(ctx)
		if _, done := e.(*exactKey); done || i >= len(columns) || i < len(nulls) && nulls[i] {
			continue
		}
		to := columns[i].Type
		if moment := types.IsDateType(to) || types.IsDatetimeType(to); moment && types.IsTextOnly(from) {
			m := newTextMoment(ctx, e)
			if _, literal := literalIn(e); literal {
				m.refused = momentKind(to)
			}
			e = m
		} else if !types.IsInteger(to) || !types.IsFloat(from) && !types.IsDecimal(from) && !types.IsTextOnly(from) {
			continue
		}
		exact[i], some = &exactKey{expression.UnaryExpressionStub{Child: e}, to}, true
	}
	if !some {
		return n, transform.SameTree, nil
	}
	to, err := n.WithExpressions(ctx, exact...)
	return to, transform.NewTree, err
}

// exactKey is a number as a key of integers, or a moment as one of DATEs or DATETIMEs: NULL, which
// finds nothing, if the type does not have it.
type exactKey struct {
	expression.UnaryExpressionStub
	typ sql.Type
}

// Type implements sql.Expression.
func (k *exactKey) Type(*sql.Context) sql.Type { return k.typ }

// String implements sql.Expression.
func (k *exactKey) String() string { return k.Child.String() }

// WithChildren implements sql.Expression.
func (k *exactKey) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(k, len(children), 1)
	}
	return &exactKey{expression.UnaryExpressionStub{Child: children[0]}, k.typ}, nil
}

// Eval implements sql.Expression.
func (k *exactKey) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := k.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if at, ok := v.(time.Time); ok {
		if key, in, err := k.typ.Convert(ctx, at); err == nil && in == sql.InRange && at.Equal(key.(time.Time)) {
			return key, nil
		}
		return nil, nil
	}
	d, ok := v.(*apd.Decimal)
	if !ok {
		f, _, err := types.Float64.Convert(ctx, v)
		x, ok := f.(float64)
		if err != nil && !sql.ErrTruncatedIncorrect.Is(err) || !ok || x != math.Trunc(x) {
			return nil, nil
		}
		if d, err = new(apd.Decimal).SetFloat64(x); err != nil {
			return nil, nil
		}
	}
	var whole apd.Decimal
	if _, err := sql.DecimalCtx.Floor(&whole, d); err != nil || whole.Cmp(d) != 0 {
		return nil, nil
	}
	v, in, err := k.typ.Convert(ctx, &whole)
	if err != nil || in != sql.InRange {
		return nil, nil
	}
	return v, nil
}

// comparedDecimals returns a comparison of a DECIMAL with another type, or of a quotient, whose sides keep their digits,
// which the planner rounds to the column's; nil if none is a column's.
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
		if types.IsTuple(t) || !types.IsNumber(t) && !types.IsTextOnly(t) {
			return nil
		}
		differ = differ || !t.Equals(first)
	}
	operands = slices.Clone(operands)
	for i, o := range operands {
		if q := newUnrounded(ctx, o); q != nil {
			operands[i], differ = q, true
		}
	}
	if !differ {
		return nil
	}
	for i, o := range operands {
		if _, constant := o.(*expression.Literal); !constant && types.IsDecimal(o.Type(ctx)) && o.Type(ctx) != types.InternalDecimalType {
			operands[i], some = &wideDecimal{expression.UnaryExpressionStub{Child: o}}, true
		}
	}
	if !some {
		return nil
	}
	if isList {
		operands = []sql.Expression{operands[0], expression.NewTuple(operands[1:]...)}
	}
	return withOperands(ctx, e, operands)
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

// keyDecimal is the type of a DECIMAL column of an index: the planner does not round keys to it.
type keyDecimal struct{ sql.DecimalType }

// Convert implements sql.Type.
func (keyDecimal) Convert(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	return types.InternalDecimalType.Convert(ctx, v)
}

// Compare implements sql.Type.
func (keyDecimal) Compare(ctx context.Context, a, b any) (int, error) {
	return types.InternalDecimalType.Compare(ctx, a, b)
}

// Equals implements sql.Type.
func (k keyDecimal) Equals(other sql.Type) bool {
	if o, ok := other.(keyDecimal); ok {
		other = o.DecimalType
	}
	return k.DecimalType.Equals(other)
}
