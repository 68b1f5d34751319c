package expr

import (
	"regexp"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/value"
)

// OffsetEnd is the end of a DATETIME with the offset of its time zone.
var OffsetEnd = regexp.MustCompile(`\d[+-]\d\d:\d\d$`)

// ReadMoment returns the moment that a text is, and whether it has a time and more behind it;
// false if it is none.
func ReadMoment(ctx *sql.Context, text string) (at time.Time, clock, rest, ok bool) {
	m, fault, ok := value.FieldsOf(text)
	if !ok {
		return time.Time{}, false, false, false
	}
	at, ok = m.Moment(ctx)
	return at, m.Count > 3, fault != 0, ok
}

// TextMoment is a text as the moment that it is. What is none is NULL, with a warning.
type TextMoment struct {
	expression.UnaryExpressionStub
	Typ     sql.Type
	invalid any    // in the place of NULL
	known   any    // the value of a literal
	noZero  bool   // 0000-00-00 is none
	Refused string // not "": what is no moment of this kind is an error
}

// NewTextMoment returns a text as the moment that it is, with the digits of a literal, else six.
func NewTextMoment(ctx *sql.Context, e sql.Expression) *TextMoment {
	precision := 6
	if lit, ok := e.(*expression.Literal); ok {
		text, _ := lit.Value().(string)
		_, behind, _ := strings.Cut(text, ".")
		if precision = min(len(behind), 6); !strings.Contains(text, ":") {
			precision = 0
		}
	}
	return &TextMoment{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, Typ: value.Datetimes[precision]}
}

// Type implements sql.Expression.
func (m *TextMoment) Type(*sql.Context) sql.Type { return m.Typ }

// String implements sql.Expression.
func (m *TextMoment) String() string { return m.Child.String() }

// IsNullable implements sql.Expression.
func (*TextMoment) IsNullable(*sql.Context) bool { return true }

// WithChildren implements sql.Expression.
func (m *TextMoment) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 1)
	}
	c := *m
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression.
func (m *TextMoment) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if m.known != nil {
		return m.known, nil
	}
	v, err := m.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return v, nil
	}
	at, clock, rest, ok := ReadMoment(ctx, text)
	if ok && at.Equal(types.ZeroTime) && (m.noZero || m.Refused != "" && value.ModeEnabled(ctx, value.NoZeroDate)) {
		ok = false
	}
	switch {
	case !ok && m.Refused != "":
		if fields, _, read := value.FieldsOf(text); read && !value.ModeEnabled(ctx, value.NoZeroInDate) {
			if at, ok = fields.Before(); ok {
				return at, nil
			}
		}
		return nil, mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", m.Refused, text)
	case !ok:
		ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", text)
		return m.invalid, nil
	case rest && clock:
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect datetime value: '%s'", text)
	case rest:
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect date value: '%s'", text)
	}
	return at, nil
}

// ComparedMoments returns a comparison of dates with texts with the texts as moments, nil if it
// is none. A literal that is none is refused.
func ComparedMoments(ctx *sql.Context, e sql.Expression) sql.Expression {
	operands := e.Children()
	list, isList := operands[len(operands)-1].(expression.Tuple)
	if isList {
		operands = append(operands[:1:1], list...)
	}
	kind := ""
	for _, o := range operands {
		switch t := o.Type(ctx); {
		case types.IsDateType(t):
			if kind == "" {
				kind = "DATE"
			}
		case types.IsTime(t):
			kind = MomentKind(t)
		case !types.IsTextOnly(t) && t != types.Null:
			return nil
		}
	}
	if kind == "" {
		return nil
	}
	out, changed := append([]sql.Expression(nil), operands...), false
	for i, o := range operands {
		if types.IsTextOnly(o.Type(ctx)) {
			m := NewTextMoment(ctx, o)
			if lit, ok := o.(*expression.Literal); ok {
				m.Refused = kind
				if text, ok := lit.Value().(string); ok {
					if at, _, rest, ok := ReadMoment(ctx, text); ok && !rest && !at.Equal(types.ZeroTime) {
						m.known = at
					}
				}
			}
			m.Typ = types.DatetimeMaxPrecision
			out[i], changed = m, true
		}
	}
	if !changed {
		return nil
	}
	if isList {
		out = []sql.Expression{out[0], expression.NewTuple(out[1:]...)}
	}
	return WithOperands(ctx, e, out)
}

// LiteralIn returns the literal that e is, or that is a moment in e.
func LiteralIn(e sql.Expression) (*expression.Literal, bool) {
	e = Plain(e)
	if m, ok := e.(*TextMoment); ok {
		e = m.Child
	}
	lit, ok := e.(*expression.Literal)
	return lit, ok
}
