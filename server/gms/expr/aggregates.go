package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/value"
)

// digits says which of a quotient's an aggregate's result has.
type digits uint8

const (
	asShown   digits = iota
	asDecimal        // those that decimals go on with
	asDouble         // all that a DOUBLE can have
)

// Aggregate is SUM, AVG or a variance. The planner's sums are of floats, whatever
// they add up: integers and decimals lose digits. These are DECIMAL where MySQL's are.
type Aggregate struct {
	Kind   *AggregateKind
	Child  sql.Expression
	window *sql.WindowDefinition
	id     sql.ColumnId
	whole  digits // of AVG and SUM
}

// AggregateKind is a function's name and what it makes of an accumulator.
type AggregateKind struct {
	name    string
	mean    bool  // of AVG, which adds decimals
	digits  uint8 // digits that the result has more than the argument, but for those
	exact   bool  // DECIMAL for exact arguments
	inexact func(a *accumulator) any
	Op      string // of BIT_AND, BIT_OR and BIT_XOR
	neutral uint64 // what they are of nothing
}

var (
	_ sql.Aggregation        = (*Aggregate)(nil)
	_ sql.FunctionExpression = (*Aggregate)(nil)
	_ sql.CollationCoercible = (*Aggregate)(nil)
)

func variance(name string, sample, root bool) *AggregateKind {
	return &AggregateKind{name: name, inexact: func(a *accumulator) any {
		n := float64(a.n)
		if sample {
			n--
		}
		switch {
		case n <= 0:
			return nil
		case root:
			return math.Sqrt(a.m2 / n)
		}
		return a.m2 / n
	}}
}

// Aggregates are the aggregate functions that take the place of the planner's, by their names.
var Aggregates = map[string]*AggregateKind{
	"sum": {name: "sum", digits: 22, exact: true, inexact: func(a *accumulator) any { return a.total }},
	"avg": {name: "avg", mean: true, exact: true,
		inexact: func(a *accumulator) any { return a.total / float64(a.n) }},
	"std": variance("std", false, true), "stddev": variance("stddev", false, true),
	"stddev_pop": variance("stddev_pop", false, true), "stddev_samp": variance("stddev_samp", true, true),
	"variance": variance("variance", false, false), "var_pop": variance("var_pop", false, false),
	"var_samp": variance("var_samp", true, false),
	"bit_and":  {name: "bit_and", Op: ast.BitAndStr, neutral: math.MaxUint64},
	"bit_or":   {name: "bit_or", Op: ast.BitOrStr},
	"bit_xor":  {name: "bit_xor", Op: ast.BitXorStr},
}

// FunctionName implements sql.FunctionExpression.
func (a *Aggregate) FunctionName() string { return a.Kind.name }

// Description implements sql.FunctionExpression.
func (a *Aggregate) Description() string { return a.Kind.name }

// Resolved implements sql.Expression.
func (a *Aggregate) Resolved() bool {
	for _, c := range a.Children() {
		if !c.Resolved() {
			return false
		}
	}
	return true
}

// String implements sql.Expression.
func (a *Aggregate) String() string {
	s := a.Kind.name + "(" + a.Child.String() + ")"
	if a.window != nil {
		s += " " + a.window.String()
	}
	return s
}

// DebugString implements sql.DebugStringer.
func (a *Aggregate) DebugString(ctx *sql.Context) string {
	s := a.Kind.name + "(" + sql.DebugString(ctx, a.Child) + ")"
	if a.window != nil {
		s += " " + sql.DebugString(ctx, a.window)
	}
	return s
}

// Type implements sql.Expression: DECIMAL of exact arguments, DOUBLE of others.
func (a *Aggregate) Type(ctx *sql.Context) sql.Type {
	if t := a.decimal(ctx); t != nil {
		return t
	}
	switch {
	case a.Kind.Op == "":
		return types.Float64
	case a.strings(ctx):
		return types.LongBlob
	}
	return types.Uint64
}

// strings reports whether BIT_AND or its kin are of binary strings.
func (a *Aggregate) strings(ctx *sql.Context) bool {
	return a.Kind.Op != "" && BinaryString(ctx, a.Child)
}

// decimal returns the type of an exact result, nil if the result is a float.
func (a *Aggregate) decimal(ctx *sql.Context) sql.DecimalType {
	if !a.Kind.exact {
		return nil
	}
	digits, scale := uint8(0), uint8(0)
	switch t := a.Child.Type(ctx).(type) {
	case sql.DecimalType:
		digits, scale = t.Precision(), t.Scale()
	default:
		switch {
		case types.IsInteger(t) || types.IsYear(t) || types.IsBit(t):
			digits = uint8(min(t.MaxTextResponseByteLength(ctx), 20))
			if types.IsSigned(t) {
				digits-- // the sign
			}
		case types.IsNull(ctx, a.Child):
			digits = 1
		default:
			return nil
		}
	}
	if digits += a.Kind.digits; a.Kind.mean {
		extra := uint8(divisionDigits(ctx))
		digits, scale = digits+extra, min(scale+extra, types.DecimalTypeMaxScale)
	}
	d, err := types.CreateDecimalType(min(digits, types.DecimalTypeMaxPrecision), scale)
	if err != nil {
		return nil
	}
	return d
}

// IsNullable implements sql.Expression.
func (a *Aggregate) IsNullable(*sql.Context) bool { return a.Kind.Op == "" }

// CollationCoercibility implements sql.CollationCoercible.
func (a *Aggregate) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	return sql.Collation_binary, 5
}

// Eval implements sql.Expression; a buffer is evaluated instead.
func (a *Aggregate) Eval(*sql.Context, sql.Row) (any, error) {
	return nil, aggregation.ErrEvalUnsupportedOnAggregation.New(a.Kind.name)
}

// Children implements sql.Expression.
func (a *Aggregate) Children() []sql.Expression {
	c := []sql.Expression{a.Child}
	if a.window != nil {
		c = append(c, a.window.ToExpressions()...)
	}
	return c
}

// WithChildren implements sql.Expression.
func (a *Aggregate) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) < 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(a, len(children), 1)
	}
	c := *a
	c.Child = children[0]
	if len(children) > 1 && a.window != nil {
		w, err := a.window.FromExpressions(ctx, children[1:])
		if err != nil {
			return nil, err
		}
		c.window = w
	}
	return &c, nil
}

// Id implements sql.IdExpression.
func (a *Aggregate) Id() sql.ColumnId { return a.id }

// WithId implements sql.IdExpression.
func (a *Aggregate) WithId(id sql.ColumnId) sql.IdExpression {
	c := *a
	c.id = id
	return &c
}

// Window implements sql.WindowAdaptableExpression.
func (a *Aggregate) Window() *sql.WindowDefinition { return a.window }

// WithWindow implements sql.WindowAdaptableExpression.
func (a *Aggregate) WithWindow(_ *sql.Context, w *sql.WindowDefinition) sql.WindowAdaptableExpression {
	c := *a
	c.window = w
	return &c
}

// NewBuffer implements sql.Aggregation.
func (a *Aggregate) NewBuffer(ctx *sql.Context) (sql.AggregationBuffer, error) {
	child, err := transform.Clone(ctx, a.Child)
	if err != nil {
		return nil, err
	}
	return &accumulator{kind: a.Kind, child: child, exact: a.decimal(ctx), strings: a.strings(ctx), whole: a.whole}, nil
}

// NewWindowFunction implements sql.WindowAdaptableExpression: its buffers are asked instead.
func (a *Aggregate) NewWindowFunction(*sql.Context) (sql.WindowFunction, error) {
	return nil, sql.ErrWindowUnsupported.New(a.Kind.name)
}

// accumulator is the running state of one group.
type accumulator struct {
	kind  *AggregateKind
	child sql.Expression
	exact sql.DecimalType // nil: floats
	n     int64
	sum   apd.Decimal // exact
	// of floats: sum, mean and the sum of squared distances from it (Welford's)
	total, mean, m2 float64
	bits            bitwise
	strings         bool // bits of binary strings
	whole           digits
}

var _ sql.AggregationBuffer = (*accumulator)(nil)

// Slides reports whether its buffers are Sliding: an exact sum is the same whatever was added and taken back.
func (a *Aggregate) Slides(ctx *sql.Context) bool { return a.decimal(ctx) != nil && a.whole == asShown }

// Sliding is a buffer that can take back what was added.
type Sliding interface {
	sql.AggregationBuffer
	Remove(ctx *sql.Context, r sql.Row) error
}

// Update implements sql.AggregationBuffer.
func (a *accumulator) Update(ctx *sql.Context, r sql.Row) error { return a.add(ctx, r, 1) }

// Remove implements Sliding, of an Aggregate that does.
func (a *accumulator) Remove(ctx *sql.Context, r sql.Row) error { return a.add(ctx, r, -1) }

// add adds a row, or takes it back with a sign of -1.
func (a *accumulator) add(ctx *sql.Context, r sql.Row, sign int64) error {
	v, err := a.child.Eval(ctx, r)
	if err != nil || v == nil {
		return err
	}
	if a.kind.Op != "" {
		return a.updateBits(ctx, v)
	}
	if a.exact == nil {
		x, err := DoubleOf(ctx, v)
		if err != nil {
			return err
		}
		a.n++
		a.total += x
		d := x - a.mean
		a.mean += d / float64(a.n)
		a.m2 += d * (x - a.mean)
		return nil
	}
	d, ok := v.(*apd.Decimal)
	if !ok {
		c, _, err := types.InternalDecimalType.Convert(ctx, v)
		if err != nil {
			return err
		}
		if d, ok = c.(*apd.Decimal); !ok {
			return nil
		}
	}
	if a.n += sign; sign < 0 {
		_, err = sql.DecimalCtx.Sub(&a.sum, &a.sum, d)
	} else {
		_, err = sql.DecimalCtx.Add(&a.sum, &a.sum, d)
	}
	return err
}

// Eval implements sql.AggregationBuffer.
func (a *accumulator) Eval(ctx *sql.Context) (any, error) {
	if a.kind.Op != "" {
		return a.evalBits(ctx), nil
	}
	if a.n == 0 {
		return nil, nil
	}
	if a.exact == nil {
		v := a.kind.inexact(a)
		if !value.Finite(v) {
			return nil, ErrDouble(callText(a.kind.name, []sql.Expression{a.child}))
		}
		return v, nil
	}
	out := new(apd.Decimal).Set(&a.sum)
	switch {
	case a.whole == asShown:
	case !a.kind.mean:
		return out, nil
	case a.whole == asDecimal:
		return divided(ctx, out, types.DecimalFromInt64(a.n)), nil
	default:
		return types.DecimalDiv(out, types.DecimalFromInt64(a.n), 2*types.DecimalTypeMaxScale, true), nil
	}
	if a.kind.mean {
		out = types.DecimalDiv(out, types.DecimalFromInt64(a.n), int32(a.exact.Scale())+1, true) // rounded once, below
	}
	v, _, err := a.exact.Convert(ctx, out)
	if d, ok := v.(*apd.Decimal); ok && err == nil {
		return scaled(d, a.exact)
	}
	return v, err
}

// Dispose implements sql.Disposable.
func (a *accumulator) Dispose(ctx *sql.Context) { expression.Dispose(ctx, a.child) }

// Reset forgets what was added.
func (a *accumulator) Reset() {
	*a = accumulator{kind: a.kind, child: a.child, exact: a.exact, strings: a.strings, whole: a.whole}
}
