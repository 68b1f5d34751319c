package expr

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/encodings"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// ConvertForm is CONVERT(… USING …), of the value and the character set's name: the planner would take what its own is of
// constants for what the condition of a table's rows compares with.
const ConvertForm = "_convert_using"

// NewConvertForm returns CONVERT(value USING charset). Returns the planner's error of a character set that it does not know.
func NewConvertForm(ctx *sql.Context, value, charset sql.Expression) (sql.Expression, error) {
	name, _ := LiteralText(charset)
	set, err := sql.ParseCharacterSet(name)
	if err != nil {
		return nil, err
	}
	return NewConvertUsing(ctx, value, set), nil
}

// someValue is what CHARSET, COLLATION and COERCIBILITY are asked about: only its type counts. The planner's functions have
// another answer where it is NULL, so it never is.
type someValue struct{ expression.UnaryExpressionStub }

var (
	_ sql.Expression         = (*someValue)(nil)
	_ sql.CollationCoercible = (*someValue)(nil)
)

// Type implements sql.Expression.
func (v *someValue) Type(ctx *sql.Context) sql.Type { return v.Child.Type(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (v *someValue) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, v.Child)
}

// String implements sql.Expression.
func (v *someValue) String() string { return v.Child.String() }

// WithChildren implements sql.Expression.
func (v *someValue) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(v, len(children), 1)
	}
	return &someValue{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (v *someValue) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	x, err := v.Child.Eval(ctx, r)
	if err == nil && x == nil {
		return "", nil
	}
	return x, err
}

// ConvertUsing is CONVERT(… USING …): a text of that character set, in which what the set lacks
// is a question mark. Bytes that are no text of it warn, and are NULL in strict mode. The planner's has the set's bytes where its other functions have UTF-8.
type ConvertUsing struct{ *expression.ConvertUsing }

var (
	_ sql.Expression         = (*ConvertUsing)(nil)
	_ sql.CollationCoercible = (*ConvertUsing)(nil)
)

// NewConvertUsing returns the text of e in a character set.
func NewConvertUsing(ctx *sql.Context, value sql.Expression, set sql.CharacterSetID) *ConvertUsing {
	return &ConvertUsing{expression.NewConvertUsing(BinaryArgument(ctx, value), set)}
}

// CollationCoercibility implements sql.CollationCoercible: CHAR(… USING …) gives way to columns.
func (c *ConvertUsing) CollationCoercibility(*sql.Context) (sql.CollationID, byte) {
	if _, char := c.Child.(CharCall); char {
		return c.TargetCharSet.DefaultCollation(), 4
	}
	return c.TargetCharSet.DefaultCollation(), implicitCollation
}

// Type implements sql.Expression.
func (c *ConvertUsing) Type(ctx *sql.Context) sql.Type {
	if c.TargetCharSet == sql.CharacterSet_binary {
		return types.LongBlob
	}
	if t := c.Child.Type(ctx); types.IsTextOnly(t) {
		return c.ConvertUsing.Type(ctx)
	}
	return types.MustCreateString(sqltypes.Text, types.LongTextBlobMax, c.TargetCharSet.DefaultCollation())
}

// WithChildren implements sql.Expression.
func (c *ConvertUsing) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	return &ConvertUsing{expression.NewConvertUsing(children[0], c.TargetCharSet)}, nil
}

// Eval implements sql.Expression.
func (c *ConvertUsing) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = sql.UnwrapAny(ctx, v); err != nil {
		return nil, err
	}
	if c.TargetCharSet == sql.CharacterSet_binary {
		text, err := TextOfSet(ctx, v, c.Child.Type(ctx), c.TargetCharSet)
		return []byte(text), err
	}
	set := c.TargetCharSet.Encoder()
	if set == nil {
		return nil, mysql.NewSQLError(mysql.ERUnknownCharacterSet, "42000", "Unknown character set: '%s'", c.TargetCharSet.Name())
	}
	b, binary := v.([]byte) // bytes are taken for the set's
	if !binary {
		s, _, err := types.ConvertToCollatedString(ctx, v, c.Child.Type(ctx))
		if err != nil {
			return nil, err
		}
		b = set.EncodeReplaceUnknown(encodings.StringToBytes(s))
	} else if unit := UnitLength(c.TargetCharSet.Name()); len(b)%unit > 0 {
		b = append(make([]byte, unit-len(b)%unit), b...)
	}
	text, rest := readText(c.TargetCharSet, b)
	if len(rest) > 0 {
		value.Warn(ctx, 1300, fmt.Sprintf("Invalid %s character string: '%X'", c.TargetCharSet.Name(), rest[:min(3, len(rest))]))
		if sql.LoadSqlMode(ctx).Strict() {
			return nil, nil
		}
	}
	return text, nil
}

// UnitLength returns how many bytes the shortest character of a character set has, to which MySQL fills up fewer with zeros
// before them.
func UnitLength(charset string) int {
	switch charset {
	case "utf16", "utf16le":
		return 2
	case "utf32":
		return 4
	}
	return 1
}

// readText returns the text of bytes of a character set, and the bytes from the first that are none of its characters on.
func readText(set sql.CharacterSetID, b []byte) (string, []byte) {
	encoder := set.Encoder()
	if text, ok := encoder.Decode(b); ok && utf8.Valid(text) {
		return string(text), nil
	}
	var out []byte
next:
	for len(b) > 0 {
		for n := 1; n <= min(len(b), int(set.MaxLength())); n++ {
			if r, ok := encoder.DecodeRune(b[:n]); ok && utf8.Valid(r) {
				out, b = append(out, r...), b[n:]
				continue next
			}
		}
		break
	}
	return string(out), b
}

// timeCast is CAST(… AS TIME(n)), rounded to n digits.
type timeCast struct {
	*expression.Convert
	digits int
}

var (
	_ sql.Expression         = (*timeCast)(nil)
	_ sql.CollationCoercible = (*timeCast)(nil)
)

func newTimeCast(c *expression.Convert) *timeCast {
	t := &timeCast{Convert: c}
	text := c.String()
	if at := strings.LastIndex(text, ", time("); at >= 0 {
		t.digits = int(text[at+len(", time(")] - '0')
	}
	return t
}

// TimeForm is CAST(… AS TIME(n)), which the planner leaves out if the value is a TIME: of the cast and n.
const TimeForm = "_time_cast"

// NewTimeForm returns a CAST AS TIME with digits, the cast itself where they are no literal from 0 to 6.
func NewTimeForm(ctx *sql.Context, cast, digits sql.Expression) sql.Expression {
	n, err := digits.Eval(ctx, nil)
	if err == nil {
		n, _, err = types.Int64.Convert(ctx, n)
	}
	count, ok := n.(int64)
	c, kept := cast.(*expression.Convert)
	if err != nil || !ok || count > 6 {
		return cast
	}
	if !kept || !types.IsTimespan(c.Type(ctx)) {
		c = expression.NewConvert(cast, expression.ConvertToTime)
	}
	return &timeCast{c, int(count)}
}

// WithChildren implements sql.Expression.
func (t *timeCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := t.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &timeCast{e.(*expression.Convert), t.digits}, nil
}

// Eval implements sql.Expression.
func (t *timeCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := t.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if s, ok := v.(string); ok {
		d, _, fault := value.SpanOf(s, false)
		if fault != 0 {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%s'", s)
		}
		if d == 0 && (fault&value.FaultRange != 0 || fault != 0 && value.TimePrefix.FindString(strings.TrimLeft(s, value.Blanks)) == "") {
			return nil, nil
		}
		return RoundSpan(types.Timespan(d/time.Microsecond), t.digits), nil
	}
	_, decimal := v.(*apd.Decimal)
	if n, _, _ := value.WholeAndNanos(v); n >= 1e10 && !decimal { // a moment
		v, decimal = n, true
	}
	if decimal {
		d, ok := value.Clock(ctx, v)
		if !ok {
			return nil, nil
		}
		return RoundSpan(value.TimeOf(ctx, d), t.digits), nil
	}
	v, err = t.Convert.Eval(ctx, r)
	if span, ok := v.(types.Timespan); ok {
		return RoundSpan(span, t.digits), err
	}
	return v, err
}

// BinaryText reports whether e is a binary text that is a number as other texts are: a literal x'…' is one by its bits.
func BinaryText(ctx *sql.Context, e sql.Expression) bool {
	literal, ok := bare(e).(*expression.Literal)
	if ok {
		_, text := literal.Value().(string) // _binary'…'
		ok = !text
	}
	t := e.Type(ctx)
	return !ok && types.IsBinaryType(t) && !types.IsJSON(t) && !types.IsBit(t)
}

// BytesText is a binary text as a text.
type BytesText struct{ expression.UnaryExpressionStub }

// Type implements sql.Expression.
func (*BytesText) Type(*sql.Context) sql.Type { return types.LongText }

// String implements sql.Expression.
func (b *BytesText) String() string { return b.Child.String() }

// WithChildren implements sql.Expression.
func (b *BytesText) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(b, len(children), 1)
	}
	return &BytesText{expression.UnaryExpressionStub{Child: children[0]}}, nil
}

// Eval implements sql.Expression.
func (b *BytesText) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := b.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if x, ok := v.([]byte); ok {
		return string(x), err
	}
	return v, err
}

// IntegerCast is CAST(… AS SIGNED) or AS UNSIGNED of a text, also a binary one, a DECIMAL, a DOUBLE or an integer beyond BIGINT.
type IntegerCast struct {
	*expression.Convert
	unsigned bool
}

// newIntegerCast returns the cast in the place of the planner's, nil where that is right.
func newIntegerCast(ctx *sql.Context, c *expression.Convert) sql.Expression {
	to, from := c.Type(ctx), c.Child.Type(ctx)
	if to != types.Int64 && to != types.Uint64 || !types.IsTextOnly(from) && !types.IsDecimal(from) && !types.IsFloat(from) && !types.IsInteger(from) && !BinaryText(ctx, c.Child) {
		return nil
	}
	return &IntegerCast{c, to == types.Uint64}
}

// WithChildren implements sql.Expression.
func (c *IntegerCast) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	e, err := c.Convert.WithChildren(ctx, children...)
	if err != nil {
		return nil, err
	}
	return &IntegerCast{e.(*expression.Convert), c.unsigned}, nil
}

// Eval implements sql.Expression.
func (c *IntegerCast) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	v, err := c.Child.Eval(ctx, r)
	if err == nil {
		v, err = sql.UnwrapAny(ctx, v)
	}
	if err != nil || v == nil {
		return nil, err
	}
	var bits uint64
	switch x := v.(type) {
	case string:
		bits = c.ofText(ctx, x)
	case []byte:
		bits = c.ofText(ctx, string(x))
	case *apd.Decimal:
		bits = c.ofDecimal(ctx, x)
	case float32, float64:
		f, ok := ofDouble(x)
		switch {
		case ok:
		case c.unsigned:
			return c.Convert.Eval(ctx, r)
		default:
			if f = math.MaxInt64; math.Signbit(asFloat(x)) {
				f = 1 << 63
			}
			if _, column := c.Child.(*expression.GetField); column {
				ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect INTEGER value: '%s'", value.Shown(x))
			}
		}
		bits = f
	case uint64:
		bits = x
	case uint8, uint16, uint32, int8, int16, int32, int64:
		n, _, err := types.Int64.Convert(ctx, x)
		i, ok := n.(int64)
		if err != nil || !ok {
			return nil, err
		}
		bits = uint64(i)
	default:
		return c.Convert.Eval(ctx, r)
	}
	if c.unsigned {
		return bits, nil
	}
	return int64(bits), nil
}

// ofDouble is a FLOAT or DOUBLE rounded as the C library's rint does; false if that is no BIGINT.
func ofDouble(v any) (uint64, bool) {
	x := math.RoundToEven(asFloat(v))
	return uint64(int64(x)), -1<<63 <= x && x < 1<<63
}

// asFloat is a FLOAT or DOUBLE.
func asFloat(v any) float64 {
	if x, ok := v.(float32); ok {
		return float64(x)
	}
	return v.(float64)
}

// ofText is the number at the beginning of a text as MySQL's my_strtoll10 reads it: of one that leaves
// BIGINT its bits, of one that leaves BIGINT UNSIGNED the most.
func (c *IntegerCast) ofText(ctx *sql.Context, text string) uint64 {
	digits := strings.TrimLeft(text, " \t")
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	end := 0
	for end < len(digits) && '0' <= digits[end] && digits[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(digits[:end], 10, 64)
	over := err != nil && end > 0
	switch {
	case negative && (over || n > 1<<63):
		n, over = 1<<63, true
	case negative:
		n = -n
	}
	switch {
	case over || end == 0 || end < len(digits):
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect INTEGER value: '%s'", text)
	case c.unsigned && negative:
		ctx.Warn(mysql.ERUnknownError, "Cast to unsigned converted negative integer to its positive complement")
	case !c.unsigned && !negative && n > math.MaxInt64:
		ctx.Warn(mysql.ERUnknownError, "Cast to signed converted positive out-of-range integer to its negative complement")
	}
	return n
}

// ofDecimal is a DECIMAL rounded, or the nearest number of the type.
func (c *IntegerCast) ofDecimal(ctx *sql.Context, d *apd.Decimal) uint64 {
	whole, err := sql.DecimalRound(d, 0)
	if err != nil {
		return 0
	}
	text := whole.Text('f')
	if c.unsigned {
		if n, err := strconv.ParseUint(strings.TrimPrefix(text, "-"), 10, 64); err == nil && (n == 0 || !whole.Negative) {
			return n
		}
	} else if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return uint64(n)
	}
	ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect DECIMAL value: '%s'", d.Text('f'))
	switch {
	case c.unsigned && whole.Negative:
		return 0
	case c.unsigned:
		return math.MaxUint64
	case whole.Negative:
		return 1 << 63
	}
	return math.MaxInt64
}
