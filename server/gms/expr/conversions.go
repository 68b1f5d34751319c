package expr

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// DateNumber is a date or time as arithmetic has it: 20240131, 101112, 20240131101112.5.
type DateNumber struct {
	expression.UnaryExpressionStub
	Typ     sql.Type
	Seconds bool // what is behind the second is rounded before
}

// datesAsNumbers returns the operands of an arithmetic expression, those that are dates as numbers,
// and whether there are any.
func datesAsNumbers(ctx *sql.Context, l, r sql.Expression) (sql.Expression, sql.Expression, bool) {
	left, right := numberOperand(ctx, l), numberOperand(ctx, r)
	return left, right, !Unchanged(left, l) || !Unchanged(right, r)
}

// Unchanged reports whether an expression is the one that it was made of. (Some of the planner's cannot be compared.)
func Unchanged(e, from sql.Expression) bool {
	if v := reflect.ValueOf(e); !v.Comparable() {
		return v.Type() == reflect.TypeOf(from)
	}
	return e == from
}

// NewOperand is NewDateNumber, and a YEAR as a BIGINT UNSIGNED, DAYNAME as the number of the day.
func NewOperand(ctx *sql.Context, e sql.Expression) sql.Expression {
	if types.IsYear(e.Type(ctx)) {
		return &Whole{expression.UnaryExpressionStub{Child: e}, types.Uint64}
	}
	if n, ok := dayAsNumber(e); ok {
		return n
	}
	return NewDateNumber(ctx, e)
}

// numberOperand is NewOperand, and a text as the DOUBLE that it begins with.
func numberOperand(ctx *sql.Context, e sql.Expression) sql.Expression {
	if n := NewOperand(ctx, e); !Unchanged(n, e) || !NumericText(ctx, e) {
		return n
	}
	return &TextDouble{expression.UnaryExpressionStub{Child: e}}
}

// NewDateNumber returns an operand as the number that it is in MySQL if it is a date, a time, a document or a binary text; another as it is.
func NewDateNumber(ctx *sql.Context, e sql.Expression) sql.Expression {
	t := e.Type(ctx)
	precision := 0
	if f, ok := e.(sql.FunctionExpression); ok && (f.FunctionName() == "curdate" || f.FunctionName() == "current_date") {
		t = types.Date // they are texts
	}
	switch {
	case BinaryText(ctx, e):
		return &BytesText{expression.UnaryExpressionStub{Child: e}}
	case types.IsJSON(t):
		return &JSONNumber{expression.UnaryExpressionStub{Child: e}}
	case types.IsTimespan(t):
		precision = CreatedExpr(ctx, e, reads(ctx)).MomentDigits()
	case types.IsTime(t):
		if d, ok := t.(sql.DatetimeType); ok && !types.IsDateType(t) {
			precision = d.Precision()
		}
	default:
		return e
	}
	var typ sql.Type = types.Int64
	if precision > 0 {
		typ = types.MustCreateDecimalType(uint8(14+precision), uint8(precision))
	}
	return &DateNumber{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Typ: typ}
}

// JSONNumber is the number that a document is, 0 with a warning of what is none.
type JSONNumber struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*JSONNumber) Type(*sql.Context) sql.Type { return types.Float64 }

// String implements sql.Expression.
func (n *JSONNumber) String() string { return n.Child.String() }

// WithChildren implements sql.Expression.
func (n *JSONNumber) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(n, len(children), 1)
	}
	return &JSONNumber{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (n *JSONNumber) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := n.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	doc, ok := v.(sql.JSONWrapper)
	if !ok {
		return DoubleOf(ctx, v)
	}
	if v, err = value.RawJSON(ctx, doc); err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case bool:
		return float64(value.BoolInt(x)), nil
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(x), 64); err == nil {
			return f, nil
		}
	default:
		if s, ok := v.(value.TypedScalar); ok && s.Kind != value.JSONDouble {
			break
		}
		if d, err := value.ExactNumber(v); err == nil {
			return d.Float64()
		}
	}
	warnNoNumber(ctx, n.Child, "DOUBLE")
	return float64(0), nil
}

// warnNoNumber warns that a document is no number of a kind.
func warnNoNumber(ctx *sql.Context, document sql.Expression, kind string) {
	name := strings.ToLower(document.String())
	if f, ok := bare(document).(*expression.GetField); ok {
		name = f.Name()
	} else if f, ok := bare(document).(sql.FunctionExpression); ok {
		name = f.FunctionName()
	}
	ctx.Warn(3156, "Invalid JSON value for CAST to %s from column %s at row 1", kind, name)
}

// Type implements sql.Expression.
func (d *DateNumber) Type(*sql.Context) sql.Type { return d.Typ }

// String implements sql.Expression.
func (d *DateNumber) String() string { return d.Child.String() }

// WithChildren implements sql.Expression.
func (d *DateNumber) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1)
	}
	return &DateNumber{expression.UnaryExpressionStub{Child: children[0]}, d.Typ, d.Seconds}, nil
}

// Eval implements sql.Expression.
func (d *DateNumber) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	var text string
	switch x := v.(type) {
	case time.Time:
		if d.Seconds && !x.Equal(types.ZeroTime) {
			x = x.Round(time.Second)
		}
		text = x.Format("20060102150405.000000")
		if types.IsDateType(d.Child.Type(ctx)) {
			text = x.Format("20060102")
		}
		if x.Equal(types.ZeroTime) {
			text = "0"
		}
	case types.Timespan:
		if d.Seconds {
			x = RoundSpan(x, 0)
		}
		text = strings.ReplaceAll(value.SpanText(x.AsTimeDuration()), ":", "")
	default:
		text = strings.NewReplacer("-", "", ":", "", " ", "").Replace(fmt.Sprint(v))
	}
	n, _, err := value.ToDecimal(ctx, text)
	if err != nil {
		return nil, err
	}
	if n, ok := n.(*apd.Decimal); ok && types.IsInteger(d.Typ) {
		var whole apd.Decimal
		if _, err := sql.DecimalCtx.Floor(&whole, n); err != nil {
			return nil, err
		}
		return whole.Int64()
	}
	if n, ok := n.(*apd.Decimal); ok {
		return scaled(n, d.Typ)
	}
	n, _, err = d.Typ.Convert(ctx, n)
	return n, err
}

// decimalCast is CAST(… AS DECIMAL): of what the type cannot hold it has the number next to it.
type decimalCast struct {
	*expression.Convert
	typ sql.DecimalType
}

// WholeDecimal is CAST(… AS DECIMAL(m)), which the planner does not round: of the cast and m.
const WholeDecimal = "_whole_decimal"

// NewWholeDecimal returns a CAST AS DECIMAL without digits behind the point, rounded, the cast itself where the digits are no literal.
func NewWholeDecimal(ctx *sql.Context, cast, digits sql.Expression) sql.Expression {
	c, ok := cast.(*expression.Convert)
	n, _ := digits.Eval(ctx, nil)
	m, _, err := types.Int64.Convert(ctx, n)
	if !ok || err != nil {
		return cast
	}
	length := m.(int64)
	if length == 0 {
		length = 10
	}
	t, err := types.CreateDecimalType(uint8(min(length, types.DecimalTypeMaxPrecision)), 0)
	if err != nil {
		return cast
	}
	if x, err := c.WithChildren(ctx, NewDateNumber(ctx, c.Child)); err == nil {
		c = x.(*expression.Convert)
	}
	return &decimalCast{c, t}
}

// Type implements sql.Expression.
func (d *decimalCast) Type(*sql.Context) sql.Type { return d.typ }

// WithChildren implements sql.Expression.
func (d *decimalCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	c, err := d.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &decimalCast{c.(*expression.Convert), d.typ}, nil
}

// Eval implements sql.Expression.
func (d *decimalCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := d.Child.Eval(ctx, r)
	if w, ok := v.(sql.JSONWrapper); ok && err == nil {
		v, err = w.ToInterface(ctx)
	}
	if err != nil || v == nil {
		return nil, err
	}
	if b, ok := v.([]byte); ok && !types.IsBinaryType(d.Child.Type(ctx)) {
		v = string(b)
	}
	x, ok := v.(*apd.Decimal)
	switch v := v.(type) {
	case float64: // also one that no DECIMAL is
		if ok = value.Finite(v); ok {
			x, err = new(apd.Decimal).SetFloat64(v)
		}
	case string:
		prefix, more := value.NumericPrefix(v)
		if more {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DECIMAL value: '%s'", v)
		}
		if x, _, err = apd.NewFromString(cmp.Or(prefix, "0")); err != nil { // its exponent is beyond all
			f, _ := DoubleOf(ctx, prefix)
			x, err = new(apd.Decimal).SetFloat64(max(min(f, math.MaxFloat64), -math.MaxFloat64))
		}
		ok = true
	}
	if !ok {
		var n any
		n, _, err = types.InternalDecimalType.Convert(ctx, v)
		if x, ok = n.(*apd.Decimal); !ok || err != nil {
			if n, err = d.Convert.Eval(ctx, r); err != nil { // warns
				return nil, err
			}
			if x, ok = n.(*apd.Decimal); !ok {
				return n, nil
			}
		}
	}
	if err != nil {
		return nil, err
	}
	most := strings.Repeat("9", int(d.typ.Precision()-d.typ.Scale())) + "." + strings.Repeat("9", int(d.typ.Scale()))
	limit, _, err := apd.NewFromString(strings.TrimSuffix(most, "."))
	if err != nil {
		return nil, err
	}
	over, _, err := apd.NewFromString(most + "5")
	if err != nil {
		return nil, err
	}
	if new(apd.Decimal).Abs(x).Cmp(over) < 0 {
		return scaled(x, d.typ)
	}
	ctx.Warn(1264, "Out of range value for column '%s' at row 1", d.Convert.String())
	limit.Negative = x.Negative
	return limit, nil
}
