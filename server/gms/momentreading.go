package gms

import (
	"regexp"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
)

// offsetEnd is the end of a DATETIME with the offset of its time zone.
var offsetEnd = regexp.MustCompile(`\d[+-]\d\d:\d\d$`)

// readMoment returns the moment that a text is, and whether it has a time and more behind it;
// false if it is none.
func readMoment(text string) (at time.Time, clock, rest, ok bool) {
	m, fault, ok := fieldsOf(text)
	if !ok || m.zoned {
		return time.Time{}, false, false, false
	}
	at, ok = m.time(false)
	return at, m.count > 3, fault != 0, ok
}

func punctuation(c byte) bool {
	return c >= '!' && c <= '/' || c >= ':' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
}

// datetimes are the types of DATETIME by their digits behind the second.
var datetimes = func() (out [7]sql.DatetimeType) {
	for i := range out {
		out[i] = types.MustCreateDatetimeType(sqltypes.Datetime, i)
	}
	return out
}()

// textMoment is a text as the moment that it is. What is none is NULL, with a warning.
type textMoment struct {
	expression.UnaryExpressionStub
	typ     sql.Type
	invalid any    // in the place of NULL
	known   any    // the value of a literal
	noZero  bool   // 0000-00-00 is none
	refused string // not "": what is no moment of this kind is an error
}

func newTextMoment(ctx *sql.Context, e sql.Expression) *textMoment {
	precision := 6
	if lit, ok := e.(*expression.Literal); ok {
		text, _ := lit.Value().(string)
		_, behind, _ := strings.Cut(text, ".")
		if precision = min(len(behind), 6); !strings.Contains(text, ":") {
			precision = 0
		}
	}
	return &textMoment{UnaryExpressionStub: expression.UnaryExpressionStub{Child: e}, typ: datetimes[precision]}
}

// Type implements sql.Expression.
func (m *textMoment) Type(*sql.Context) sql.Type { return m.typ }

// String implements sql.Expression.
func (m *textMoment) String() string { return m.Child.String() }

// IsNullable implements sql.Expression.
func (*textMoment) IsNullable(*sql.Context) bool { return true }

// WithChildren implements sql.Expression.
func (m *textMoment) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(m, len(children), 1)
	}
	c := *m
	c.Child = children[0]
	return &c, nil
}

// Eval implements sql.Expression.
func (m *textMoment) Eval(ctx *sql.Context, r sql.Row) (any, error) {
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
	if offsetEnd.MatchString(text) {
		if at, ok := momentIn(ctx, text); ok {
			return at, nil
		}
	}
	at, clock, rest, ok := readMoment(text)
	if ok && at.Equal(types.ZeroTime) && (m.noZero || m.refused != "" && modeEnabled(ctx, noZeroDate)) {
		ok = false
	}
	switch {
	case !ok && m.refused != "":
		return nil, mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", m.refused, text)
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

// comparedMoments returns a comparison of dates with texts with the texts as moments, nil if it
// is none. A literal that is none is refused.
func comparedMoments(ctx *sql.Context, e sql.Expression) sql.Expression {
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
			kind = momentKind(t)
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
			m := newTextMoment(ctx, o)
			if lit, ok := o.(*expression.Literal); ok {
				m.refused = kind
				if text, ok := lit.Value().(string); ok && !offsetEnd.MatchString(text) {
					if at, _, rest, ok := readMoment(text); ok && !rest && !at.Equal(types.ZeroTime) {
						m.known = at
					}
				}
			}
			m.typ = types.DatetimeMaxPrecision
			out[i], changed = m, true
		}
	}
	if !changed {
		return nil
	}
	if isList {
		out = []sql.Expression{out[0], expression.NewTuple(out[1:]...)}
	}
	return withOperands(ctx, e, out)
}

// literalIn returns the literal that e is, or that is a moment in e.
func literalIn(e sql.Expression) (*expression.Literal, bool) {
	if m, ok := e.(*textMoment); ok {
		e = m.Child
	}
	lit, ok := e.(*expression.Literal)
	return lit, ok
}
