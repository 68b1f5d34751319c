package planrule

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// An index of a column finds what the column's type and collation take for equal. The
// planner looks up in it what it compares otherwise, too: texts by another collation, a
// DATE as a DATETIME, an ENUM as a text.

// unindexed is a condition that no index serves.
type unindexed struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*unindexed) Type(*sql.Context) sql.Type { return types.Boolean }

// String implements sql.Expression.
func (u *unindexed) String() string { return u.Child.String() }

// Eval implements sql.Expression.
func (u *unindexed) Eval(ctx *sql.Context, r sql.Row) (any, error) { return u.Child.Eval(ctx, r) }

// WithChildren implements sql.Expression.
func (u *unindexed) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(u, len(children), 1)
	}
	return &unindexed{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// WithoutIndex returns a condition for which the planner looks for no index.
func WithoutIndex(e sql.Expression) sql.Expression {
	return &unindexed{expression.UnaryExpressionStub{Child: e}}
}

// Condition returns the condition that no index serves under a mark of that, any other as it is.
func Condition(e sql.Expression) sql.Expression {
	if u, ok := e.(*unindexed); ok {
		return u.Child
	}
	return e
}

// Unindexed reports whether no index may serve a condition.
func Unindexed(e sql.Expression) bool {
	_, is := e.(*unindexed)
	return is
}

// constant reports whether e has the same value for every row of a statement.
func constant(ctx *sql.Context, e sql.Expression) bool {
	return !transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		switch e.(type) {
		case *expression.GetField, *plan.Subquery, *expression.BindVar, *expression.ProcedureParam:
			return true
		}
		return false
	})
}

// Known reports whether e has one value for as long as a statement runs.
func Known(ctx *sql.Context, e sql.Expression) bool {
	return constant(ctx, e) && !transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		n, ok := e.(sql.NonDeterministicExpression)
		return ok && n.IsNonDeterministic()
	})
}

// Literal reports whether e is made of literals, and has one value for as long as its plan is used.
func Literal(ctx *sql.Context, e sql.Expression) bool {
	return Known(ctx, e) && !transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		switch e.(type) {
		case *expression.UserVar, *expression.SystemVar:
			return true
		}
		return false
	})
}

// valueKind is a kind of values; those of one are compared as what they are.
type valueKind uint8

const (
	otherKind valueKind = iota
	numberKind
	yearKind
	bitKind
	textKind
	binaryKind
	enumKind
	setKind
	dateKind
	timeKind
)

func kindOf(ctx *sql.Context, e sql.Expression) valueKind {
	if _, ok := e.(expr.HexLiteral); ok {
		return binaryKind
	}
	switch t := e.Type(ctx); {
	case types.IsYear(t):
		return yearKind
	case types.IsBit(t):
		return bitKind
	case types.IsNumber(t):
		return numberKind
	case types.IsTime(t):
		return dateKind
	case types.IsTimespan(t):
		return timeKind
	case types.IsEnum(t):
		return enumKind
	case types.IsSet(t):
		return setKind
	case types.IsTextOnly(t):
		return textKind
	case sql.IsStringType(t) && (types.IsBinaryType(t) || expr.BinaryText(ctx, e)):
		return binaryKind
	}
	return otherKind
}

// misfits reports whether an index of a column orders values otherwise than the comparison
// of the column with others does, or cannot look for one of them.
func misfits(ctx *sql.Context, column sql.Expression, equality bool, others ...sql.Expression) bool {
	if _, ok := column.(*expression.GetField); !ok {
		return false
	}
	t, kind := column.Type(ctx), kindOf(ctx, column)
	if slices.ContainsFunc(others, func(o sql.Expression) bool { return misfitKind(ctx, t, kind, equality, o) }) {
		return true
	}
	if s, ok := t.(sql.StringType); ok && kind == textKind {
		for _, o := range others {
			if !types.IsTextOnly(o.Type(ctx)) {
				return false
			}
		}
		collation, _ := expr.CommonCollation(ctx, append([]sql.Expression{column}, others...))
		return collation != s.Collation()
	}
	for _, o := range others {
		switch other := o.Type(ctx); {
		case types.IsDateType(t):
			if !types.IsDateType(other) && (expr.IsMoment(other) || types.IsText(other)) && !wholeDay(ctx, o) {
				return true
			}
		case types.IsEnum(t) && types.IsText(other):
			if !equality || !isMember(ctx, t.(sql.EnumType), o) {
				return true
			}
		}
	}
	return false
}

// misfitKind is misfits for what is of another kind than the column.
func misfitKind(ctx *sql.Context, t sql.Type, kind valueKind, equality bool, o sql.Expression) bool {
	other := kindOf(ctx, o)
	if t == types.Float32 && (other == numberKind || other == textKind) {
		v, _ := literalValue(ctx, o)
		c, _, err := types.Float64.Convert(ctx, v)
		f, ok := c.(float64)
		return ok && err == nil && float64(float32(f)) != f // no FLOAT: it is rounded to look for it
	}
	if (kind == enumKind || kind == setKind) && other == kind {
		return !t.Equals(o.Type(ctx)) // other members
	}
	if types.IsJSON(o.Type(ctx)) {
		return kind != otherKind
	}
	if v, ok := literalValue(ctx, o); ok && v != nil {
		of, into := o.Type(ctx), t
		switch number := kind == numberKind && !types.IsFloat(t); {
		case number && types.IsFloat(of):
			into = types.InternalDecimalType
		case types.IsTimestampType(t) && other == dateKind, number && types.IsInteger(t) && types.IsDecimal(of):
		default:
			into = nil
		}
		if into != nil {
			_, in, err := into.Convert(ctx, v)
			if err != nil || in != sql.InRange { // the planner refuses it
				return true
			}
		}
	}
	if kind == otherKind || other == otherKind || other == kind && kind != bitKind {
		return false
	}
	if h, hex := o.(expr.HexLiteral); hex && kind <= bitKind { // a number
		if o, other = h.Integer(), numberKind; kind == numberKind {
			return false
		}
	}
	v, literal := literalValue(ctx, o)
	if literal && v == nil {
		return false
	}
	if !literal && !constant(ctx, o) {
		return other != kind && !(kind == numberKind && (other == bitKind || other == yearKind))
	}
	switch kind {
	case textKind:
		return other == dateKind || other == timeKind || other == binaryKind || other == numberKind
	case dateKind:
		if other != textKind {
			_, in, err := t.Convert(ctx, v)
			return !literal || err != nil || in != sql.InRange
		}
		text, ok := v.(string)
		if other == textKind && ok {
			_, in, err := t.Convert(ctx, v)
			_, _, _, ok = expr.ReadMoment(ctx, text)
			return !ok || err != nil || in != sql.InRange
		}
	case timeKind:
		if text, ok := v.(string); ok && other == textKind {
			c, _, err := types.Time.Convert(ctx, text)
			span, _, fault := value.SpanOf(text, false)
			return err != nil || fault != 0 || c != types.Timespan(span.Microseconds())
		}
		return other != textKind
	case numberKind:
		text, ok := v.(string)
		if other != textKind {
			return other == dateKind || other == timeKind
		}
		if !ok {
			return false
		}
		if expr.NumericText(ctx, o) { // the number that it begins with
			return true
		}
		if types.IsInteger(t) { // all that are unlike 1.5 are all
			text = strings.Trim(text, value.Blanks)
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				f, fault := strconv.ParseFloat(text, 64)
				return !equality || fault == nil && math.Abs(f) >= 1<<53
			}
			v = n
		}
		_, in, err := t.Convert(ctx, v)
		return err != nil || in != sql.InRange
	case setKind, bitKind, enumKind, yearKind:
		if kind == enumKind && other == textKind { // misfits looks whether it is a member
			return false
		}
		if !literal || kind == bitKind && other == numberKind && !types.IsInteger(o.Type(ctx)) || kind == setKind && !equality || kind != setKind && other != numberKind && other != kind {
			return true
		}
		if kind == bitKind && strings.HasPrefix(value.Shown(v), "-") { // it takes the bits
			return true
		}
		if _, in, err := types.Int64.Convert(ctx, v); kind == yearKind && (err != nil || in != sql.InRange) {
			return true
		}
		_, in, err := t.Convert(ctx, v)
		return err != nil || in != sql.InRange
	}
	return false
}

// literalValue returns the value of a literal or a cast of one, false for others. (What others
// are is not known without the statement's session.)
func literalValue(ctx *sql.Context, e sql.Expression) (any, bool) {
	x := e
	switch c := e.(type) {
	case *expression.Convert:
		x = c.Child
	case *expression.CollatedExpression:
		x = c.Child()
	case *expression.UnaryMinus:
		x = c.Child
	}
	if _, ok := x.(*expression.Literal); !ok {
		return nil, false
	}
	v, err := e.Eval(ctx, nil)
	return v, err == nil
}

// isMember reports whether e is a literal that is a member of an ENUM.
func isMember(ctx *sql.Context, t sql.EnumType, e sql.Expression) bool {
	v, ok := literalValue(ctx, e)
	text, isText := v.(string)
	return ok && (v == nil || isText && t.IndexOf(text) > 0)
}

// wholeDay reports whether e is a literal moment without a time, or NULL.
func wholeDay(ctx *sql.Context, e sql.Expression) bool {
	v, ok := literalValue(ctx, e)
	if !ok || v == nil {
		return ok
	}
	at, ok := value.MomentIn(ctx, v)
	return ok && (at.Equal(types.ZeroTime) || at.Equal(value.Day(at)))
}

// indexBound is a comparison with another beside it that is true where it is: the one that an
// index serves.
type indexBound struct {
	expression.UnaryExpressionStub
	op            sql.IndexScanOp
	column, value sql.Expression
}

var _ sql.IndexComparisonExpression = (*indexBound)(nil)

// newDayBound returns a comparison of a DATE with a moment beside one with the moment's day,
// nil if c is none or there is no such bound.
func newDayBound(ctx *sql.Context, c expression.Comparer) sql.Expression {
	op, left, right, ok := analyzer.IndexLeafChildren(c)
	if !ok {
		return nil
	}
	if _, ok := left.(*expression.GetField); !ok {
		op, left, right = op.Swap(), right, left
	}
	if _, ok := left.(*expression.GetField); !ok || !types.IsDateType(left.Type(ctx)) || !constant(ctx, right) {
		return nil
	}
	switch op {
	case sql.IndexScanOpLt:
		op = sql.IndexScanOpLte
	case sql.IndexScanOpGt:
		op = sql.IndexScanOpGte
	case sql.IndexScanOpEq, sql.IndexScanOpLte, sql.IndexScanOpGte:
	default:
		return nil
	}
	return &indexBound{expression.UnaryExpressionStub{Child: c}, op, left, &momentDay{expression.UnaryExpressionStub{Child: right}}}
}

// newNumberBound returns an equality of an integer with a text in which the planner sees no number, '3e', beside one with the integer that
// the text begins with; nil if c is none.
func newNumberBound(ctx *sql.Context, c expression.Comparer) sql.Expression {
	op, left, right, ok := analyzer.IndexLeafChildren(c)
	if !ok || op != sql.IndexScanOpEq {
		return nil
	}
	if _, ok := left.(*expression.GetField); !ok {
		left, right = right, left
	}
	_, column := left.(*expression.GetField)
	lit, literal := right.(*expression.Literal)
	if !column || !literal || !types.IsInteger(left.Type(ctx)) || !expr.NumericText(ctx, lit) {
		return nil
	}
	prefix, _ := value.NumericPrefix(value.Shown(lit.Value()))
	n, err := strconv.ParseInt(prefix, 10, 64)
	if err != nil || n <= -1<<53 || n >= 1<<53 { // several integers are that DOUBLE
		return nil
	}
	if _, in, err := left.Type(ctx).Convert(ctx, n); err != nil || in != sql.InRange {
		return nil
	}
	return &indexBound{expression.UnaryExpressionStub{Child: c}, op, left, expression.NewLiteral(n, types.Int64)}
}

// IndexScanOperation implements sql.IndexComparisonExpression.
func (b *indexBound) IndexScanOperation() (sql.IndexScanOp, sql.Expression, sql.Expression, bool) {
	return b.op, b.column, b.value, true
}

// Type implements sql.Expression.
func (*indexBound) Type(*sql.Context) sql.Type { return types.Boolean }

// String implements sql.Expression.
func (b *indexBound) String() string { return b.Child.String() }

// Eval implements sql.Expression.
func (b *indexBound) Eval(ctx *sql.Context, r sql.Row) (any, error) { return b.Child.Eval(ctx, r) }

// WithChildren implements sql.Expression.
func (b *indexBound) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(b, len(children), 1)
	}
	return &indexBound{expression.UnaryExpressionStub{Child: children[0]}, b.op, b.column, b.value}, nil
}

// momentDay is the day of a moment. What is no moment has an error.
type momentDay struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*momentDay) Type(*sql.Context) sql.Type { return types.Date }

// String implements sql.Expression.
func (d *momentDay) String() string { return d.Child.String() }

// WithChildren implements sql.Expression.
func (d *momentDay) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	return &momentDay{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (d *momentDay) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	at, ok := value.MomentIn(ctx, v)
	if !ok {
		return nil, types.ErrConvertingToTime.New(v)
	}
	return value.Day(at), nil
}

// newDigitsBound returns a comparison of a DATETIME or TIMESTAMP with a constant that may have more digits than it, beside one with the
// constant's last moment with as many, or the next one, which an index finds no less by; nil if there is no such bound. False: an index
// serves the comparison as it is. (The planner rounds the constant to the column's digits.)
func newDigitsBound(ctx *sql.Context, c expression.Comparer) (sql.Expression, bool) {
	op, left, right, ok := analyzer.IndexLeafChildren(c)
	if !ok {
		return nil, false
	}
	if _, ok := left.(*expression.GetField); !ok {
		op, left, right = op.Swap(), right, left
	}
	t, ok := left.Type(ctx).(sql.DatetimeType)
	if _, column := left.(*expression.GetField); !ok || !column || types.IsDateType(t) || !constant(ctx, right) {
		return nil, false
	}
	unit := unitOf(t)
	if v, ok := literalValue(ctx, right); ok {
		at, ok := value.MomentIn(ctx, v)
		if !ok || at.Truncate(unit).Equal(at) {
			return nil, false
		}
	} else if m, ok := right.Type(ctx).(sql.DatetimeType); ok && m.Precision() <= t.Precision() || !ok && !types.IsText(right.Type(ctx)) {
		return nil, false
	}
	up := false
	switch op {
	case sql.IndexScanOpLt, sql.IndexScanOpLte:
		op, up = sql.IndexScanOpLte, true
	case sql.IndexScanOpGt, sql.IndexScanOpGte:
		op = sql.IndexScanOpGte
	case sql.IndexScanOpEq:
	default:
		return nil, true
	}
	return &indexBound{expression.UnaryExpressionStub{Child: c}, op, left, &momentCut{expression.UnaryExpressionStub{Child: right}, t, unit, up}}, true
}

// momentCut is a moment without the digits that a type does not have, up: the next such moment if it has some. What is no moment has an
// error.
type momentCut struct {
	expression.UnaryExpressionStub
	typ  sql.Type
	unit time.Duration
	up   bool
}

// Type implements sql.Expression.
func (m *momentCut) Type(*sql.Context) sql.Type { return m.typ }

// String implements sql.Expression.
func (m *momentCut) String() string { return m.Child.String() }

// WithChildren implements sql.Expression.
func (m *momentCut) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 1)
	}
	c := *m
	c.UnaryExpressionStub = expression.UnaryExpressionStub{Child: children[0]}
	return &c, nil
}

// Eval implements sql.Expression.
func (m *momentCut) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := m.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	at, ok := value.MomentIn(ctx, v)
	if !ok {
		return nil, types.ErrConvertingToTime.New(v)
	}
	whole := at.Truncate(m.unit)
	if next := whole.Add(m.unit); m.up && !whole.Equal(at) && next.Year() <= 9999 {
		return next, nil
	}
	return whole, nil
}

// IndexConditions gives the planner the conditions that it looks for a range of an index in.
type IndexConditions struct{}

var _ sql.ExpressionTreeFilter = IndexConditions{}

// memberBound returns IN of an ENUM as a text with a list of literals beside the members
// among them, nil if c is none.
func memberBound(ctx *sql.Context, c *expression.InTuple) sql.Expression {
	m, ok := c.Left().(*expr.MemberText)
	list, isList := c.Right().(expression.Tuple)
	if !ok || !isList || !types.IsEnum(m.Of) {
		return nil
	}
	if _, ok := m.Child.(*expression.GetField); !ok {
		return nil
	}
	var members expression.Tuple
	for _, e := range list {
		if _, ok := literalValue(ctx, e); !ok {
			return nil
		}
		if isMember(ctx, m.Of.(sql.EnumType), e) {
			members = append(members, e)
		}
	}
	if len(members) == 0 {
		return nil
	}
	return &indexBound{expression.UnaryExpressionStub{Child: c}, sql.IndexScanOpInSet, m.Child, members}
}

// Next implements sql.ExpressionTreeFilter: e, or what is in its place.
func (IndexConditions) Next(e sql.Expression) sql.Expression {
	if _, row := e.(expression.Tuple); row {
		return e
	}
	c := e
	if not, ok := e.(*expression.Not); ok {
		c = not.Child
	}
	ctx := value.NoContext()
	if scattered(ctx, e) {
		return &unindexed{expression.UnaryExpressionStub{Child: e}}
	}
	if c != e && comparesInexact(ctx, c) {
		return &unindexed{expression.UnaryExpressionStub{Child: e}}
	}
	switch c := c.(type) {
	case *expression.InTuple:
		if b := memberBound(ctx, c); b != nil && c == e {
			return b
		}
		list, ok := c.Right().(expression.Tuple)
		digits := func(e sql.Expression) bool { return beyondDigits(ctx, c.Left().Type(ctx), e) }
		if ok && (misfits(ctx, c.Left(), c == e, list...) || c != e && slices.ContainsFunc(list, computed) || slices.ContainsFunc(list, digits)) {
			return &unindexed{expression.UnaryExpressionStub{Child: e}}
		}
	case expression.Comparer:
		if Misfit(ctx, c, c == e) {
			if c == e {
				if b := newDayBound(ctx, c); b != nil {
					return b
				}
				if b := newNumberBound(ctx, c); b != nil {
					return b
				}
			}
			return &unindexed{expression.UnaryExpressionStub{Child: e}}
		}
		if b, inexact := newDigitsBound(ctx, c); inexact {
			if b == nil || c != e {
				return &unindexed{expression.UnaryExpressionStub{Child: e}}
			}
			return b
		}
	}
	return e
}

// beyondDigits reports whether a literal moment has more digits than a type of moments.
func beyondDigits(ctx *sql.Context, t sql.Type, e sql.Expression) bool {
	m, ok := t.(sql.DatetimeType)
	if !ok || types.IsDateType(t) {
		return false
	}
	v, ok := literalValue(ctx, e)
	if !ok || v == nil {
		return false
	}
	at, ok := value.MomentIn(ctx, v)
	return ok && !at.Truncate(unitOf(m)).Equal(at)
}

// unitOf returns the least time that a type of moments tells apart.
func unitOf(t sql.DatetimeType) time.Duration {
	unit := time.Second
	for range t.Precision() {
		unit /= 10
	}
	return unit
}

// computed reports whether a value of a list is no literal: the planner takes none of them out of the rows of NOT IN.
func computed(e sql.Expression) bool {
	_, literal := e.(*expression.Literal)
	return !literal
}

// comparesInexact reports whether e compares a column of numbers that may be no integers, or one of integers with what is none. The
// planner reads all of an index for those that are unlike 1.5, and asks no more.
func comparesInexact(ctx *sql.Context, e sql.Expression) bool {
	operands := slices.Clone(e.Children())
	for _, o := range e.Children() {
		if list, ok := o.(expression.Tuple); ok {
			operands = append(operands, list...)
		}
	}
	inexact := func(e sql.Expression) bool {
		switch x := e.(type) {
		case *expr.TextDouble:
			e = x.Child
		case *expr.HiddenColumn:
			e = x.Child
		}
		v, ok := literalValue(ctx, e)
		if !ok || v == nil || types.IsInteger(e.Type(ctx)) {
			return false
		}
		_, err := strconv.ParseInt(strings.Trim(value.Shown(v), value.Blanks), 10, 64)
		return err != nil
	}
	return slices.ContainsFunc(operands, func(e sql.Expression) bool {
		c, ok := e.(*expression.GetField)
		return ok && types.IsNumber(c.Type(ctx)) && (!types.IsInteger(c.Type(ctx)) || slices.ContainsFunc(operands, inexact))
	})
}

// Misfit reports whether an index of a column in a comparison, or in its negation, may not serve it.
func Misfit(ctx *sql.Context, c expression.Comparer, affirmed bool) bool {
	equality := affirmed && isEquality(c)
	return misfits(ctx, c.Left(), equality, c.Right()) || misfits(ctx, c.Right(), equality, c.Left())
}

func isEquality(c expression.Comparer) bool {
	eq, ok := c.(expression.Equality)
	return ok && eq.RepresentsEquality()
}
