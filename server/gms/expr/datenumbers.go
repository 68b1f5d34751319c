package expr

import (
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// Numbers are dates where a date is wanted: 20240131, 240131, 20240131101112. To the planner
// they are none.

// The functions in the place of a number that something is compared with, and of what is compared with
// a number that is no date.
const (
	DateLiteral = "_date_literal"
	DateCompare = "_date_compare"
)

// BetweenOperand is the function in the place of each operand of a BETWEEN with bounds of several kinds: of its place and all three.
const BetweenOperand = "_between_operand"

// NewBetweenOperand returns the operand as BETWEEN compares it.
func NewBetweenOperand(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 4 {
		return nil, sql.ErrInvalidArgumentNumber.New(BetweenOperand, 4, len(args))
	}
	place, err := args[0].Eval(ctx, nil)
	if err != nil {
		return nil, err
	}
	at, _, err := types.Int64.Convert(ctx, place)
	if err != nil {
		return nil, err
	}
	if c := WithComparedTypes(ctx, expression.NewBetween(args[1], args[2], args[3])); c != nil && len(c.Children()) == 3 {
		args = append(args[:1:1], c.Children()...)
	}
	if at == int64(0) {
		return args[1], nil
	}
	return NewBesideColumn(ctx, args[1], args[1+at.(int64)]), nil
}

// ListedValue is the function in the place of a value of a list: of what is looked for in it and the value.
const ListedValue = "_listed_value"

// NewListedValue returns the value: a literal, unless the planner would convert what is looked for to another kind to hash it.
func NewListedValue(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(ListedValue, 2, len(args))
	}
	t, val := args[0].Type(ctx), args[1]
	if _, literal := val.(*expression.Literal); !literal || types.IsTime(t) {
		var err error
		if val, err = NewDateLiteral(ctx, args...); err != nil {
			return nil, err
		}
	}
	v := val.Type(ctx)
	switch {
	case types.IsYear(t), types.IsEnum(t), types.IsSet(t), types.IsNumber(t) && types.IsNumber(v), types.IsTextOnly(v) && !types.IsJSON(t) && !types.IsBit(t),
		types.IsTime(t) && types.IsTime(v), types.IsTimespan(t) && types.IsTimespan(v):
		return val, nil
	}
	return &listedValue{expression.BinaryExpressionStub{LeftChild: val, RightChild: args[0]}}, nil
}

// listedValue is a value of a list beside the column that is looked for, until the plan is made: the planner takes it for no constant.
type listedValue struct {
	expression.BinaryExpressionStub
}

// Type implements sql.Expression.
func (l *listedValue) Type(ctx *sql.Context) sql.Type { return l.LeftChild.Type(ctx) }

// String implements sql.Expression.
func (l *listedValue) String() string { return l.LeftChild.String() }

// CollationCoercibility implements sql.CollationCoercible.
func (l *listedValue) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, l.LeftChild)
}

// WithChildren implements sql.Expression.
func (l *listedValue) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 2 {
		return nil, sql.ErrInvalidChildrenNumber.New(l, len(children), 2)
	}
	return &listedValue{expression.BinaryExpressionStub{LeftChild: children[0], RightChild: children[1]}}, nil
}

// Eval implements sql.Expression.
func (l *listedValue) Eval(ctx *sql.Context, r sql.Row) (any, error) { return l.LeftChild.Eval(ctx, r) }

// MomentOfNumber returns the date that a number is, false if it is none.
func MomentOfNumber(n int64) (time.Time, bool) {
	m, _, fault := value.FieldsOfNumber(n)
	at, ok := m.Time(true)
	return at, ok && fault == 0
}

// NewDateLiteral returns the second argument as a date if the first is one and it is a number, or else as NewDecimalLiteral
// does. A text that is no date is refused beside one.
func NewDateLiteral(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(DateLiteral, 2, len(args))
	}
	date, val := args[0].Type(ctx), args[1]
	if types.IsJSON(date) || types.IsTimespan(date) && noTime(ctx, val) || types.IsNumber(date) && NumericText(ctx, val) { // no value to hash
		return &listedValue{expression.BinaryExpressionStub{LeftChild: val, RightChild: args[0]}}, nil
	}
	if !types.IsTime(date) {
		return NewBesideColumn(ctx, args[0], NewDecimalLiteral(ctx, val)), nil
	}
	lit, ok := val.(*expression.Literal)
	if _, variable := val.(*expression.UserVar); variable && types.IsInteger(val.Type(ctx)) {
		return &NumberDate{expression.UnaryExpressionStub{Child: val}, types.DatetimeMaxPrecision, false}, nil
	}
	if !ok {
		return val, nil
	}
	if text, ok := lit.Value().(string); ok {
		at, _, _, ok := ReadMoment(ctx, text)
		if !ok || at.Equal(types.ZeroTime) && value.ModeEnabled(ctx, value.NoZeroDate) {
			return nil, mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", MomentKind(date), text)
		}
		if OffsetEnd.MatchString(text) {
			return expression.NewLiteral(at, types.DatetimeMaxPrecision), nil
		}
	}
	if !types.IsInteger(lit.Type(ctx)) {
		return val, nil
	}
	n, _, err := types.Int64.Convert(ctx, lit.Value())
	i, ok := n.(int64)
	if err != nil || !ok {
		return val, nil
	}
	t, ok := MomentOfNumber(i)
	switch {
	case !ok:
		return val, nil
	case types.IsDateType(date) && (t == types.ZeroTime || t.Equal(value.Day(t))):
		return expression.NewLiteral(t, types.Date), nil
	}
	return expression.NewLiteral(t, types.DatetimeMaxPrecision), nil
}

// MomentKind is what messages call a type of dates.
func MomentKind(t sql.Type) string {
	switch {
	case types.IsDateType(t):
		return "DATE"
	case types.IsTimestampType(t):
		return "TIMESTAMP"
	}
	return "DATETIME"
}

// NumberDate is a number as the date it is, NULL if it is none.
type NumberDate struct {
	expression.UnaryExpressionStub
	Typ    sql.Type
	NoZero bool // 0 is none
}

// Type implements sql.Expression.
func (d *NumberDate) Type(*sql.Context) sql.Type { return d.Typ }

// String implements sql.Expression.
func (d *NumberDate) String() string { return d.Child.String() }

// IsNullable implements sql.Expression.
func (*NumberDate) IsNullable(*sql.Context) bool { return true }

// WithChildren implements sql.Expression.
func (d *NumberDate) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	return &NumberDate{expression.UnaryExpressionStub{Child: children[0]}, d.Typ, d.NoZero}, nil
}

// Eval implements sql.Expression.
func (d *NumberDate) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if n, nanos, ok := value.WholeAndNanos(v); ok {
		m, clock, fault := value.FieldsOfNumber(n)
		if clock && nanos > 0 {
			m.Micros, m.Nanos = nanos/1000, nanos%1000
		}
		if t, ok := m.Time(value.ModeEnabled(ctx, value.TruncatesFractions)); ok && fault == 0 && !(d.NoZero && t.Equal(types.ZeroTime)) {
			return t, nil
		}
	}
	ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", value.Shown(v))
	return nil, nil
}

// TimeToday is a TIME as a DATETIME: of this day.
type TimeToday struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (t *TimeToday) Type(ctx *sql.Context) sql.Type {
	return value.Datetimes[CreatedExpr(ctx, t.Child, nil).MomentDigits()]
}

// String implements sql.Expression.
func (t *TimeToday) String() string { return t.Child.String() }

// WithChildren implements sql.Expression.
func (t *TimeToday) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	return &TimeToday{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (t *TimeToday) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	return value.SpanToday(ctx, v)
}

// moves reports whether e adds an interval, which a TIME stays a TIME for.
func moves(e sql.Expression) bool {
	f, ok := e.(sql.FunctionExpression)
	return ok && Offsets[strings.ToLower(f.FunctionName())] != nil
}

// DateFunctions take dates, by how many of their arguments are.
var DateFunctions = map[string]int{
	"date": 1, "datetime": 1 /* TIMESTAMP */, "dayname": 1, "dayofweek": 1, "dayofyear": 1,
	"weekday": 1, "datediff": 2, "to_days": 1, "date_add": 1, "date_sub": 1,
	"adddate": 1, "subdate": 1, "week": 1, "weekofyear": 1, "yearweek": 1, "unix_timestamp": 1, "to_seconds": 1,
}

// zeroless are those to which a text or a number that is 0000-00-00 is none (TIME_NO_ZERO_DATE in sql/item_timefunc.cc).
var zeroless = map[string]bool{
	"dayname": true, "dayofweek": true, "dayofyear": true, "weekday": true, "datediff": true, "to_days": true,
	"week": true, "weekofyear": true, "yearweek": true,
}

// withDates returns an expression with the numbers among its arguments as dates, where it takes
// dates; nil if there are none.
func withDates(ctx *sql.Context, e sql.Expression) sql.Expression {
	count, from, name := 0, 0, ""
	switch f := e.(type) {
	case *expression.Convert:
		if types.IsTime(f.Type(ctx)) {
			count = 1
		}
	case sql.FunctionExpression:
		name = strings.ToLower(f.FunctionName())
		if count = DateFunctions[name]; name == "timestampdiff" {
			count, from = 3, 1
		}
	}
	var args []sql.Expression
	for i, a := range e.Children() {
		t := a.Type(ctx)
		if i >= from && i < count && types.IsTextOnly(t) && !moves(e) {
			if args == nil {
				args = append(args, e.Children()...)
			}
			m := NewTextMoment(ctx, a)
			m.noZero = zeroless[name]
			if name == "unix_timestamp" {
				m.invalid = types.ZeroTime
			}
			args[i] = m
			continue
		}
		if i < count && types.IsTimespan(t) && !moves(e) {
			if args == nil {
				args = append(args, e.Children()...)
			}
			args[i] = &TimeToday{expression.UnaryExpressionStub{Child: a}}
		} else if i < count && (types.IsInteger(t) || types.IsDecimal(t) || types.IsFloat(t)) {
			if args == nil {
				args = append(args, e.Children()...)
			}
			typ := types.Datetime
			if lit, ok := a.(*expression.Literal); ok {
				n, _, err := types.Int64.Convert(ctx, lit.Value())
				if n, ok := n.(int64); err == nil && ok { // no NULL of a number's type
					if t, ok := MomentOfNumber(n); ok && t.Equal(value.Day(t)) {
						typ = types.Date
					}
				}
			}
			args[i] = &NumberDate{expression.UnaryExpressionStub{Child: a}, typ, zeroless[name]}
		}
	}
	if args == nil {
		return nil
	}
	return WithOperands(ctx, e, args)
}

// AddDateForms adds the forms of dates in texts that the planner does not know to its own.
var AddDateForms = sync.OnceFunc(func() {
	types.TimestampDatetimeLayouts = append(types.TimestampDatetimeLayouts, "20060102T150405.999999999", "2006-1-2T15:4:5.999999999", "2006-1-2T15:4",
		"2006/1/2 15:4:5.999999999", "2006/1/2 15:4", "2006/1/2", "2006.1.2 15:4:5.999999999", "2006.1.2 15:4", "2006.1.2",
		"06-1-2 15:4:5.999999999", "06-1-2")
})
