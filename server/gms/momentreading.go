package gms

import (
	"regexp"
	"strconv"
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
// false if it is none (MySQL's str_to_datetime): fields of digits with any punctuation between them, or
// digits alone, the year of two digits or four.
func readMoment(text string) (at time.Time, clock, rest, ok bool) {
	s := strings.TrimLeft(text, " \t\n\r")
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 {
		return time.Time{}, false, false, false
	}
	widths := [6]int{digits, 2, 2, 2, 2, 2}
	plain := digits > 4
	if plain {
		widths[0] = 2
		if digits == 8 || digits >= 14 {
			widths[0] = 4
		}
	}
	var fields [6]int
	count, year := 0, 0
	for count < 6 {
		n := 0
		for n < len(s) && n < widths[count] && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == 0 {
			break
		}
		fields[count], _ = strconv.Atoi(s[:n])
		if count == 0 {
			year = n
		}
		count++
		s = s[n:]
		if s == "" || count == 6 || plain && s[0] >= '0' && s[0] <= '9' {
			continue
		}
		trimmed := s
		if count == 3 {
			if trimmed = strings.TrimLeft(s, " \t"); trimmed == s && strings.HasPrefix(s, "T") {
				trimmed = s[1:]
			} else if trimmed == s && !punctuation(s[0]) {
				break
			} else if trimmed == s {
				trimmed = s[1:]
			}
		} else if punctuation(s[0]) && s[0] != '.' || count < 3 && s[0] == '.' {
			trimmed = s[1:]
		}
		if trimmed == s || trimmed == "" || trimmed[0] < '0' || trimmed[0] > '9' {
			break
		}
		s = trimmed
	}
	if count < 3 {
		return time.Time{}, false, false, false
	}
	micros := 0
	if count == 6 && strings.HasPrefix(s, ".") {
		n := 1
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		f, _ := strconv.ParseFloat("0"+s[:n], 64)
		micros = int(f*1e6 + 0.5)
		s = s[n:]
	}
	rest = strings.TrimSpace(s) != ""
	if year <= 2 {
		if fields[0] += 2000; fields[0] >= 2070 {
			fields[0] -= 100
		}
	}
	if year > 2 && fields == [6]int{} && micros == 0 {
		return types.ZeroTime, count > 3, rest, true
	}
	at = time.Date(fields[0], time.Month(fields[1]), fields[2], fields[3], fields[4], fields[5], micros*1000, time.UTC)
	ok = at.Month() == time.Month(fields[1]) && at.Day() == fields[2] && fields[3] < 24 && fields[4] < 60 && fields[5] < 60
	return at, count > 3, rest, ok
}

// dateFields are the year, month and day of a text that is a date of digits with signs between them, or of eight or more.
var dateFields = regexp.MustCompile(`^\s*(?:(\d{2,4})[^\d\s](\d{1,2})[^\d\s](\d{1,2})(?:\D|$)|(\d{4})(\d\d)(\d\d)(?:\d{6})?(?:\.|$))`)

// zeroInDate reports whether a text is a date with a month or a day of 0 beside a year, or one beside the other.
func zeroInDate(text string) bool {
	m := dateFields.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[1+i] + m[4+i])
	}
	return (n[1] == 0 || n[2] == 0) && n[1] <= 12 && n[2] <= 31 && n != [3]int{}
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
					if at, _, rest, ok := readMoment(text); ok && !rest {
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
