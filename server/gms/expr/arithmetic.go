package expr

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// The planner's integers wrap round. These are an error where they leave BIGINT (MySQL 1690),
// and BIGINT UNSIGNED if a side is.

// CheckedRule is the analyzer's rule that puts checked expressions in place of the planner's.
const CheckedRule analyzer.RuleId = 1 << 20

// Check returns what takes the place of an expression of a plan, and whether that is another one: an operation whose operands or result MySQL has
// otherwise.
func Check(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
	e, changed := withMembers(ctx, e)
	if q := ofAllDigits(ctx, e); q != nil {
		e, changed = q, true
	}
	if c := checked(ctx, e); c != nil {
		return c, transform.NewTree, nil
	}
	return e, transform.TreeIdentity(!changed), nil
}

// checkedOr returns the expression in place of e, e itself if there is none.
func checkedOr(ctx *sql.Context, e sql.Expression) sql.Expression {
	if c := checked(ctx, e); c != nil {
		return c
	}
	return e
}

// checked returns the expression in place of e, nil for none.
func checked(ctx *sql.Context, e sql.Expression) sql.Expression {
	switch e := e.(type) {
	case *builtin.UUIDFunc:
		return timedUUID{e}
	case *listedValue:
		return e.LeftChild
	case *besideColumn:
		return e.constant
	case *MomentText, *FormatText:
		return derivedText(ctx, e)
	case *expression.CollatedExpression:
		return collatedMember(ctx, e)
	case *expression.HashInTuple:
		if x := newRowIn(ctx, e); x != nil {
			return x
		}
		if x := greatIn(ctx, e); x != nil {
			return x
		}
		if hashedOtherwise(ctx, e) {
			return comparedList(ctx, e)
		}
		return collatedIn(ctx, e)
	case *expression.NullSafeEquals:
		if x := WithComparedTypes(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		if x := ComparedMoments(ctx, e); x != nil {
			return x
		}
		if x := ComparedAsTexts(ctx, e); x != nil {
			return x
		}
		return collatedNullSafe(ctx, e)
	case *expression.MatchAgainst:
		if m := naturalMatch(ctx, e); m != nil {
			return m
		}
		return &Whole{expression.UnaryExpressionStub{Child: e}, types.Float64}
	case *expression.Equals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan, *expression.GreaterThanOrEqual,
		*expression.Between, *expression.InTuple:
		if _, in := e.(*expression.InTuple); in {
			if x := newRowIn(ctx, e); x != nil {
				return x
			}
		}
		if x := documentFirst(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		if x := WithComparedTypes(ctx, e); x != nil {
			return checkedOr(ctx, x)
		}
		if x := ComparedMoments(ctx, e); x != nil {
			return x
		}
		if x := ComparedAsTexts(ctx, e); x != nil {
			return x
		}
		return ComparedTexts(ctx, e)
	case *expression.Like:
		if closed := closedPattern(e); closed != nil {
			return checkedOr(ctx, closed)
		}
		if collated := collatedLike(ctx, e); collated != nil {
			return collated
		}
	case *expression.Arithmetic:
		if _, ok := e.LeftChild.(expression.TimeDeltaExpression); ok {
			return nil
		}
		if _, ok := e.RightChild.(expression.TimeDeltaExpression); ok {
			return nil
		}
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewArithmetic(l, r, e.Op))
		}
		l, r := e.LeftChild.Type(ctx), e.RightChild.Type(ctx)
		if !types.IsInteger(l) || !types.IsInteger(r) {
			if c := newChosenOp(ctx, e); c != nil {
				return c
			}
			return newDoubleOp(ctx, e)
		}
		c := &integerOp{Arithmetic: e, typ: types.Int64}
		if (Unsigned(ctx, e.LeftChild) || Unsigned(ctx, e.RightChild)) &&
			!(e.Op == ast.MinusStr && sql.LoadSqlMode(ctx).ModeEnabled(sql.NoUnsignedSubtraction)) {
			c.typ = types.Uint64
		}
		return c
	case *expression.BitOp:
		return newBitOp(ctx, e)
	case *expression.Not, *expression.And, *expression.Or, *expression.Xor, *expression.IsTrue:
		return TimesAsConditions(ctx, e)
	case *expression.Div:
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewDiv(l, r))
		}
		if q := newQuotient(ctx, e); q != nil {
			return q
		}
		return newDoubleOp(ctx, e)
	case *expression.IntDiv:
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewIntDiv(l, r))
		}
		c := &integerDiv{IntDiv: e, typ: types.Int64}
		if Unsigned(ctx, e.LeftChild) || Unsigned(ctx, e.RightChild) {
			c.typ = types.Uint64
		}
		return c
	case *expression.Convert:
		if _, done := e.Child.(*ExactDocument); IsMoment(e.Type(ctx)) && types.IsJSON(e.Child.Type(ctx)) && !done {
			if x, err := e.WithChildren(ctx, &ExactDocument{e.Child, value.CastMoment}); err == nil {
				return checkedOr(ctx, x)
			}
		}
		if types.IsJSON(e.Child.Type(ctx)) && (types.IsInteger(e.Type(ctx)) || types.IsDecimal(e.Type(ctx))) {
			return &jsonCast{e}
		}
		if types.IsTimespan(e.Type(ctx)) {
			return newTimeCast(e)
		}
		if types.IsYear(e.Type(ctx)) {
			return &yearCast{e}
		}
		if n := NewDateNumber(ctx, e.Child); !Unchanged(n, e.Child) && types.IsNumber(e.Type(ctx)) && !types.IsYear(e.Type(ctx)) {
			if d, ok := n.(*DateNumber); ok && types.IsInteger(e.Type(ctx)) {
				d.Typ, d.Seconds = types.Int64, true
			}
			x, err := e.WithChildren(ctx, n)
			if err != nil {
				return nil
			}
			return checkedOr(ctx, x)
		}
		if c := newIntegerCast(ctx, e); c != nil {
			return c
		}
		if BinaryString(ctx, e) {
			var x sql.Expression = e
			if text := BinaryArgument(ctx, e.Child); !Unchanged(text, e.Child) {
				var err error
				if x, err = e.WithChildren(ctx, text); err != nil {
					return nil
				}
			}
			if n := writtenLength(e); n > packetMin {
				return &longBinary{x.(*expression.Convert), n}
			}
			if x != e {
				return x
			}
		}
		if t, ok := e.Type(ctx).(sql.DecimalType); ok {
			return &decimalCast{e, t}
		}
		if e.Type(ctx) == types.Float32 {
			return &floatCast{e}
		}
		if types.IsFloat(e.Type(ctx)) && types.IsText(e.Child.Type(ctx)) {
			return &doubleCast{e}
		}
		if _, done := e.Child.(*ExactDocument); types.IsJSON(e.Type(ctx)) && !done {
			x, err := e.WithChildren(ctx, &ExactDocument{e.Child, value.CastIn})
			if err == nil {
				return x
			}
		}
	case *expression.Mod:
		if l, r, dates := datesAsNumbers(ctx, e.LeftChild, e.RightChild); dates {
			return checkedOr(ctx, expression.NewMod(l, r))
		}
		l := e.LeftChild.Type(ctx)
		if r := e.RightChild.Type(ctx); types.IsFloat(l) || types.IsFloat(r) || types.IsText(l) || types.IsText(r) {
			return &doubleMod{e}
		}
		if !types.IsInteger(l) || !types.IsInteger(e.RightChild.Type(ctx)) {
			return &exactMod{e}
		}
		if Unsigned(ctx, e.LeftChild) {
			return &Whole{expression.UnaryExpressionStub{Child: e}, types.Uint64}
		}
		return &Whole{expression.UnaryExpressionStub{Child: e}, types.Int64}
	case *builtin.Now:
		return presentMoment{e}
	case *builtin.Charset, *builtin.Collation, *builtin.Coercibility:
		child := e.Children()[0]
		if _, done := child.(*someValue); done || child.Type(ctx) == types.Null {
			return nil
		}
		x, err := e.WithChildren(ctx, &someValue{expression.UnaryExpressionStub{Child: child}})
		if err != nil {
			return nil
		}
		return x
	case *expression.ConvertUsing:
		return NewConvertUsing(ctx, e.Child, e.TargetCharSet)
	case *expression.Binary:
		if text := BinaryArgument(ctx, e.Child); !Unchanged(text, e.Child) {
			return expression.NewBinary(text)
		}
	case *expression.UnaryMinus:
		if n := numberOperand(ctx, e.Child); !Unchanged(n, e.Child) {
			return checkedOr(ctx, expression.NewUnaryMinus(n))
		}
		if e.Child.Type(ctx) == types.Float32 { // it is a DOUBLE
			return expression.NewUnaryMinus(&Whole{expression.UnaryExpressionStub{Child: e.Child}, types.Float64})
		}
		if lit, ok := e.Child.(*expression.Literal); ok && lit.Value() == int64(math.MinInt64) || !types.IsInteger(e.Child.Type(ctx)) {
			return nil
		}
		return &integerMinus{UnaryMinus: e}
	}
	switch planned(e).(type) {
	case *builtin.If, *expression.Case:
		if c := TimesAsConditions(ctx, e); c != nil {
			return c
		}
	}
	if c := weighedCall(ctx, e); c != nil {
		return c
	}
	if c := dates(ctx, e); c != nil {
		return c
	}
	if c := withDates(ctx, e); c != nil {
		return c
	}
	return withTexts(ctx, e)
}

// Unsigned reports whether an integer is unsigned to MySQL: literals are if they are no BIGINT.
func Unsigned(ctx *sql.Context, e sql.Expression) bool {
	if lit, ok := e.(*expression.Literal); ok {
		v, ok := lit.Value().(uint64)
		return ok && v > math.MaxInt64
	}
	return types.IsUnsigned(e.Type(ctx))
}

// wide is an integer of 64 bits and a sign.
type wide struct {
	negative bool
	size     uint64
}

func widen(ctx *sql.Context, v any) (wide, error) {
	switch v := v.(type) {
	case uint64:
		return wide{size: v}, nil
	case int64:
		if v < 0 {
			return wide{negative: true, size: -uint64(v)}, nil
		}
		return wide{size: uint64(v)}, nil
	}
	u, _, err := types.Int64.Convert(ctx, v)
	if err != nil {
		return wide{}, err
	}
	i, _ := u.(int64)
	return widen(ctx, i)
}

// value returns w as a BIGINT, or BIGINT UNSIGNED; false if it is none.
func (w wide) value(t sql.Type) (any, bool) {
	switch {
	case t == types.Uint64:
		return w.size, !w.negative || w.size == 0
	case w.negative:
		return int64(-w.size), w.size <= 1<<63
	}
	return int64(w.size), w.size <= math.MaxInt64
}

func (w wide) plus(v wide) (wide, bool) {
	if w.negative == v.negative {
		sum, carry := bits.Add64(w.size, v.size, 0)
		return wide{w.negative, sum}, carry == 0
	}
	if w.size < v.size {
		w, v = v, w
	}
	return wide{w.negative, w.size - v.size}, true
}

func (w wide) times(v wide) (wide, bool) {
	high, low := bits.Mul64(w.size, v.size)
	return wide{w.negative != v.negative, low}, high == 0
}

// integerOp is + - or * of integers.
type integerOp struct {
	*expression.Arithmetic
	typ sql.Type
}

var _ expression.ArithmeticOp = (*integerOp)(nil)

// Type implements sql.Expression.
func (e *integerOp) Type(*sql.Context) sql.Type { return e.typ }

// WithChildren implements sql.Expression.
func (e *integerOp) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.Arithmetic.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *integerOp) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	a, b, null, err := operands(ctx, &e.BinaryExpressionStub, r)
	if err != nil || null {
		return nil, err
	}
	var sum wide
	var fits bool
	switch e.Op {
	case ast.MultStr:
		sum, fits = a.times(b)
	case ast.MinusStr:
		b.negative = !b.negative
		sum, fits = a.plus(b)
	default:
		sum, fits = a.plus(b)
	}
	v, in := sum.value(e.typ)
	if !fits || !in {
		return nil, errBigint(e.typ, e)
	}
	return v, nil
}

// operands evaluates both sides. null is true if one is NULL.
func operands(ctx *sql.Context, e *expression.BinaryExpressionStub, r sql.Row) (a, b wide, null bool, err error) {
	left, err := e.LeftChild.Eval(ctx, r)
	if err != nil {
		return a, b, false, err
	}
	right, err := e.RightChild.Eval(ctx, r)
	if err != nil || left == nil || right == nil {
		return a, b, true, err
	}
	if a, err = widen(ctx, left); err != nil {
		return a, b, false, err
	}
	b, err = widen(ctx, right)
	return a, b, false, err
}

// integerDiv is DIV, of others than integers as DECIMALs.
type integerDiv struct {
	*expression.IntDiv
	typ sql.Type
}

var _ expression.ArithmeticOp = (*integerDiv)(nil)

// Type implements sql.Expression.
func (e *integerDiv) Type(*sql.Context) sql.Type { return e.typ }

// WithChildren implements sql.Expression.
func (e *integerDiv) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.IntDiv.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *integerDiv) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if !types.IsInteger(e.LeftChild.Type(ctx)) || !types.IsInteger(e.RightChild.Type(ctx)) {
		return e.ofDecimals(ctx, r)
	}
	a, b, null, err := operands(ctx, &e.BinaryExpressionStub, r)
	if err != nil || null {
		return nil, err
	}
	if b.size == 0 {
		value.Warn(ctx, value.DivisionByZero, "Division by 0")
		return nil, nil
	}
	v, in := wide{a.negative != b.negative, a.size / b.size}.value(e.typ)
	if !in {
		return nil, errBigint(e.typ, e)
	}
	return v, nil
}

// integerMinus is the negative of an integer.
type integerMinus struct{ *expression.UnaryMinus }

// Type implements sql.Expression.
func (e *integerMinus) Type(*sql.Context) sql.Type { return types.Int64 }

// WithChildren implements sql.Expression.
func (e *integerMinus) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	x, err := e.UnaryMinus.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return checkedOr(ctx, x), nil
}

// Eval implements sql.Expression.
func (e *integerMinus) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := e.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	w, err := widen(ctx, v)
	if err != nil {
		return nil, err
	}
	w.negative = !w.negative
	out, in := w.value(types.Int64)
	if !in {
		return nil, errBigint(types.Int64, e)
	}
	return out, nil
}

func errBigint(t sql.Type, e sql.Expression) error {
	kind := "BIGINT"
	if t == types.Uint64 {
		kind = "BIGINT UNSIGNED"
	}
	return mysql.NewSQLError(1690, "22003", "%s value is out of range in '%s'", kind, MySQLText(e))
}

// doubleExponent writes an exponent as people do.
var doubleExponent = strings.NewReplacer("e+0", "e", "e-0", "e-", "e+", "e")

// MySQLText is an expression as MySQL's messages show it.
func MySQLText(e sql.Expression) string {
	switch e := e.(type) {
	case *integerOp:
		return "(" + MySQLText(e.LeftChild) + " " + e.Op + " " + MySQLText(e.RightChild) + ")"
	case *doubleOp:
		return "(" + MySQLText(e.Left()) + " " + e.Operator() + " " + MySQLText(e.Right()) + ")"
	case *expression.UnaryMinus:
		return "-(" + MySQLText(e.Child) + ")"
	case *expression.Literal:
		if f, ok := e.Value().(float64); ok { // what is a DOUBLE has an exponent
			return doubleExponent.Replace(strconv.FormatFloat(f, 'e', -1, 64))
		}
		if number, negative := strings.CutPrefix(e.String(), "-"); negative {
			return "-(" + number + ")"
		}
	case *TextDouble:
		return MySQLText(e.Child)
	case *IntegerCast:
		return MySQLText(e.Convert)
	case *decimalCast:
		return MySQLText(e.Convert)
	case *expression.Convert:
		return "cast(" + MySQLText(e.Child) + " as " + strings.TrimPrefix(e.String(), "convert("+e.Child.String()+", ")
	case *Aggregate:
		return callText(e.Kind.name, []sql.Expression{e.Child})
	case *integerDiv:
		return "(" + MySQLText(e.LeftChild) + " DIV " + MySQLText(e.RightChild) + ")"
	case *integerMinus:
		return "-(" + MySQLText(e.Child) + ")"
	case *expression.GetField:
		if e.Table() == "" {
			return syntax.QuoteName(e.Name())
		}
		if e.Database() == "" {
			return syntax.QuoteName(e.Table()) + "." + syntax.QuoteName(e.Name())
		}
		return syntax.QuoteName(e.Database()) + "." + syntax.QuoteName(e.Table()) + "." + syntax.QuoteName(e.Name())
	}
	return e.String()
}
