package gms

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// Numbers are dates where a date is wanted: 20240131, 240131, 20240131101112. To the planner
// they are none.

// The functions in the place of a number that something is compared with, and of what is compared with
// a number that is no date.
const (
	dateLiteral = "_date_literal"
	dateCompare = "_date_compare"
)

// momentOfNumber returns the date that a number is, false if it is none.
func momentOfNumber(n int64) (time.Time, bool) {
	m, _, fault := fieldsOfNumber(n)
	at, ok := m.time(true)
	return at, ok && fault == 0
}

// dateNumbers notes the numbers of a statement that dates may be compared with, in place. What
// is compared is known only when the statement is planned.
func dateNumbers(stmt ast.Statement) {
	if stmt = queryOf(stmt); stmt == nil {
		return
	}
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ComparisonExpr:
			switch n.Operator {
			case ast.InStr, ast.NotInStr:
				if list, ok := n.Right.(ast.ValTuple); ok {
					for i, e := range list {
						if lit := dateLike(n.Left, e, true); lit != nil {
							list[i] = lit
						}
					}
				}
				return true, nil
			}
			if _, ok := mirrored[n.Operator]; !ok {
				return true, nil
			}
			if lit := dateLike(n.Left, n.Right, false); lit != nil {
				n.Right = lit
			} else if lit := dateLike(n.Right, n.Left, false); lit != nil {
				n.Left = lit
			} else if text, ok := integerText(n.Right); ok && (aggregateCall(n.Left) || notDate(n.Left, text)) {
				n.Left = call(dateCompare, n.Left)
			}
		case *ast.RangeCond:
			from, _ := integerText(n.From)
			to, _ := integerText(n.To)
			if notDate(n.Left, from) || notDate(n.Left, to) {
				n.Left = call(dateCompare, n.Left)
				return true, nil
			}
			if lit := dateLike(n.Left, n.From, false); lit != nil {
				n.From = lit
			}
			if lit := dateLike(n.Left, n.To, false); lit != nil {
				n.To = lit
			}
		}
		return true, nil
	}, stmt)
}

// aggregateCall reports whether e is MAX or MIN, whose value may be a date.
func aggregateCall(e ast.Expr) bool {
	f, ok := e.(*ast.FuncExpr)
	return ok && (f.Name.EqualString("max") || f.Name.EqualString("min")) && f.Over == nil
}

func integerText(e ast.Expr) (string, bool) {
	v, ok := e.(*ast.SQLVal)
	if !ok || v.Type != ast.IntVal {
		return "", false
	}
	return string(v.Val), true
}

// dateLike returns the mark in place of a number with which something is compared, or of a text in a list, nil if it is
// none that is a date.
func dateLike(e, value ast.Expr, inList bool) ast.Expr {
	text, ok := integerText(value)
	lit, _ := value.(*ast.SQLVal)
	varies := variable(value) || inList && lit != nil && lit.Type == ast.StrVal
	if !varies && (!ok || !dateDigits(text) && text != "0") {
		return nil
	}
	switch f := e.(type) {
	case *ast.ColName:
		if variable(e) {
			return nil
		}
	case *ast.FuncExpr:
		if f.Over != nil {
			return nil
		}
	default:
		return nil
	}
	if varies {
		return call(dateLiteral, e, value)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err != nil {
		return nil
	} else if _, ok := momentOfNumber(n); !ok {
		return nil
	}
	return call(dateLiteral, e, value)
}

// variable reports whether e is a parameter or a user variable.
func variable(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SQLVal:
		return e.Type == ast.ValArg
	case *ast.ColName:
		name := e.Name.String()
		return strings.HasPrefix(name, "@") && !strings.HasPrefix(name, "@@")
	}
	return false
}

// dateDigits reports whether a number is as long as a date.
func dateDigits(text string) bool {
	return len(text) == 6 || len(text) == 8 || len(text) == 12 || len(text) == 14
}

// notDate reports whether a number that a column is compared with is as long as a date, and none.
func notDate(e ast.Expr, text string) bool {
	if _, ok := e.(*ast.ColName); !ok || !dateDigits(text) {
		return false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	_, ok := momentOfNumber(n)
	return err == nil && !ok
}

// newDateLiteral returns the second argument as a date if the first is one and it is a number, or else as newDecimalLiteral
// does. A text that is no date is refused beside one.
func newDateLiteral(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) != 2 {
		return nil, sql.ErrInvalidArgumentNumber.New(dateLiteral, 2, len(args))
	}
	date, value := args[0].Type(ctx), args[1]
	if !types.IsTime(date) {
		return newDecimalLiteral(ctx, value), nil
	}
	lit, ok := value.(*expression.Literal)
	if _, variable := value.(*expression.UserVar); variable && types.IsInteger(value.Type(ctx)) {
		return &numberDate{expression.UnaryExpressionStub{Child: value}, types.DatetimeMaxPrecision, false}, nil
	}
	if !ok {
		return value, nil
	}
	if text, ok := lit.Value().(string); ok {
		if _, _, _, ok := readMoment(text); !ok && !offsetEnd.MatchString(text) {
			return nil, mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", momentKind(date), text)
		}
	}
	if !types.IsInteger(lit.Type(ctx)) {
		return value, nil
	}
	n, _, err := types.Int64.Convert(ctx, lit.Value())
	i, ok := n.(int64)
	if err != nil || !ok {
		return value, nil
	}
	t, ok := momentOfNumber(i)
	switch {
	case !ok:
		return value, nil
	case types.IsDateType(date) && (t == types.ZeroTime || t.Equal(day(t))):
		return expression.NewLiteral(t, types.Date), nil
	}
	return expression.NewLiteral(t, types.DatetimeMaxPrecision), nil
}

// momentKind is what messages call a type of dates.
func momentKind(t sql.Type) string {
	switch {
	case types.IsDateType(t):
		return "DATE"
	case types.IsTimestampType(t):
		return "TIMESTAMP"
	}
	return "DATETIME"
}

// numberDate is a number as the date it is, NULL if it is none.
type numberDate struct {
	expression.UnaryExpressionStub
	typ    sql.Type
	noZero bool // 0 is none
}

// Type implements sql.Expression.
func (d *numberDate) Type(*sql.Context) sql.Type { return d.typ }

// String implements sql.Expression.
func (d *numberDate) String() string { return d.Child.String() }

// IsNullable implements sql.Expression.
func (*numberDate) IsNullable(*sql.Context) bool { return true }

// WithChildren implements sql.Expression.
func (d *numberDate) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	return &numberDate{expression.UnaryExpressionStub{Child: children[0]}, d.typ, d.noZero}, nil
}

// Eval implements sql.Expression.
func (d *numberDate) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if n, nanos, ok := wholeAndNanos(v); ok {
		m, clock, fault := fieldsOfNumber(n)
		if clock && nanos > 0 {
			m.micros, m.nanos = nanos/1000, nanos%1000
		}
		if t, ok := m.time(modeEnabled(ctx, truncatesFractions)); ok && fault == 0 && !(d.noZero && t.Equal(types.ZeroTime)) {
			return t, nil
		}
	}
	ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", shown(v))
	return nil, nil
}

// timeToday is a TIME as a DATETIME: of this day.
type timeToday struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (t *timeToday) Type(ctx *sql.Context) sql.Type {
	return datetimes[createdExpr(ctx, t.Child, nil).momentDigits()]
}

// String implements sql.Expression.
func (t *timeToday) String() string { return t.Child.String() }

// WithChildren implements sql.Expression.
func (t *timeToday) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(t, len(children), 1)
	}
	return &timeToday{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (t *timeToday) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	return spanToday(ctx, v)
}

// moves reports whether e adds an interval, which a TIME stays a TIME for.
func moves(e sql.Expression) bool {
	f, ok := e.(sql.FunctionExpression)
	return ok && offsets[strings.ToLower(f.FunctionName())] != nil
}

// dateFunctions take dates, by how many of their arguments are.
var dateFunctions = map[string]int{
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
		if count = dateFunctions[name]; name == "timestampdiff" {
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
			m := newTextMoment(ctx, a)
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
			args[i] = &timeToday{expression.UnaryExpressionStub{Child: a}}
		} else if i < count && (types.IsInteger(t) || types.IsDecimal(t) || types.IsFloat(t)) {
			if args == nil {
				args = append(args, e.Children()...)
			}
			typ := types.Datetime
			if lit, ok := a.(*expression.Literal); ok {
				if n, _, err := types.Int64.Convert(ctx, lit.Value()); err == nil {
					if t, ok := momentOfNumber(n.(int64)); ok && t.Equal(day(t)) {
						typ = types.Date
					}
				}
			}
			args[i] = &numberDate{expression.UnaryExpressionStub{Child: a}, typ, zeroless[name]}
		}
	}
	if args == nil {
		return nil
	}
	return withOperands(ctx, e, args)
}

// addDateForms adds the forms of dates in texts that the planner does not know to its own.
var addDateForms = sync.OnceFunc(func() {
	types.TimestampDatetimeLayouts = append(types.TimestampDatetimeLayouts, "20060102T150405.999999999", "2006-1-2T15:4:5.999999999", "2006-1-2T15:4",
		"2006/1/2 15:4:5.999999999", "2006/1/2 15:4", "2006/1/2", "2006.1.2 15:4:5.999999999", "2006.1.2 15:4", "2006.1.2",
		"06-1-2 15:4:5.999999999", "06-1-2")
})
