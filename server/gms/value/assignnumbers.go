package value

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// This file assigns numbers: to years, integers, DECIMALs and DOUBLEs, and these to texts.

func (a *Assigner) year(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	var l *Lost
	four := false // 0000, which is no 2000
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch x := v.(type) {
	case types.Timespan:
		day, err := SpanToday(ctx, x)
		if err != nil {
			return nil, err
		}
		return a.year(ctx, column, t, day)
	case time.Time:
		if v = int64(x.Year()); x.Equal(types.ZeroTime) {
			v = int64(0)
		}
	case float32:
		return a.year(ctx, column, t, float64(x))
	case float64:
		if v = int64(x); x < 0 || x > 2155 {
			v = int64(-1)
		}
	case string:
		digits, garbage := NumericPrefix(x)
		if digits == "" {
			return a.Keep(ctx, column, incorrect(1366, "integer", v, 0), t.Zero())
		}
		if garbage {
			l = &Truncated
		}
		v, four = Numeric(digits), len(x) != 4
	}
	n := int64(-1)
	if d, ok := v.(*apd.Decimal); !ok || !d.Negative {
		if c, in, err := types.Int64.Convert(ctx, v); err == nil && in == sql.InRange {
			n = c.(int64)
		}
	}
	switch {
	case n < 0 || n >= 100 && n <= 1900 || n > 2155:
		return a.Keep(ctx, column, outOfRange, t.Zero())
	case n == 0 && !four:
	case n < 70:
		n += 2000
	case n < 100:
		n += 1900
	}
	if l != nil {
		return a.Keep(ctx, column, *l, int16(n))
	}
	return int16(n), nil
}

// number assigns to integers, decimals and floats.
func (a *Assigner) number(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	var l *Lost
	switch x := v.(type) {
	case []byte:
		v = string(x)
	case types.Timespan: // of an expression that has another type before it is assigned
		v = Numeric(strings.ReplaceAll(SpanWith(x, 6), ":", ""))
	case time.Time:
		v = Numeric(x.Format("20060102150405.000000"))
	}
	if s, ok := v.(string); ok {
		digits, garbage := NumericPrefix(s)
		kind := t.Type()
		switch {
		case sqltypes.IsFloat(kind) && (digits == "" || garbage):
			l = &Truncated
		case kind == sqltypes.Decimal && (digits == "" || garbage):
			i := incorrect(1366, "decimal", v, 0)
			if garbage && digits != "" {
				i.warning = 1265
			}
			l = &i
		case digits == "":
			i := incorrect(1366, "integer", v, 0)
			l = &i
		case garbage:
			l = &Truncated
		}
		v = Numeric(digits)
		if f, ok := v.(float64); ok && kind == sqltypes.Decimal && math.Abs(f) >= 1e81 {
			i := incorrect(1366, "decimal", s, 1264)
			u := clipped(t, nil, f < 0)
			if f < 0 && a.Format.Unsigned {
				u = t.Zero()
			}
			return a.Keep(ctx, column, i, u)
		}
	} else if sqltypes.IsIntegral(t.Type()) { // an approximate number
		switch x := v.(type) {
		case float32:
			v = wholeDouble(float64(x), t)
		case float64:
			v = wholeDouble(x, t)
		}
	}
	if f := a.Format; f.Digits > 0 { // rounded before it is a FLOAT
		if c, _, err := types.Float64.Convert(ctx, v); err == nil {
			if v = f.Rounded(c.(float64)); !Finite(v) {
				v = math.Copysign(math.MaxFloat32, c.(float64)) // more than its digits
			}
		}
	}
	if d, ok := v.(*apd.Decimal); ok && d.Negative && !d.IsZero() && sqltypes.IsUnsigned(t.Type()) { // also one that is rounded to 0
		return a.Keep(ctx, column, outOfRange, t.Zero())
	}
	if a.Format.Unsigned && negative(v) { // also of one that is rounded to 0
		return a.Keep(ctx, column, outOfRange, t.Zero())
	}
	u, in, err := t.Convert(ctx, v)
	switch {
	case a.Format.Digits > 0 && err == nil && (in != sql.InRange || !Finite(u)):
		return a.Bounded(ctx, column, t, v)
	case !Finite(u):
		return a.Keep(ctx, column, outOfRange, Nearest(t, u))
	case types.ErrConvertToDecimalLimit.Is(err), err == nil && in != sql.InRange:
		return a.Keep(ctx, column, outOfRange, clipped(t, u, negative(v)))
	case err != nil:
		return v, nil // the planner's own
	case l != nil:
		if u, err = a.Keep(ctx, column, *l, u); err != nil {
			return nil, err
		}
	}
	if d, ok := u.(*apd.Decimal); ok {
		if l == nil && !sameNumber(v, d) {
			ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1265, Message: fmt.Sprintf(Truncated.message, column, a.Row)})
		}
		u = UnsignedZero(d)
	}
	return a.Bounded(ctx, column, t, u)
}

// sameNumber reports whether a DECIMAL is the number that it was made of.
func sameNumber(v any, d *apd.Decimal) bool {
	switch x := v.(type) {
	case *apd.Decimal:
		return x.Cmp(d) == 0
	case float64:
		exact, _, err := apd.NewFromString(strconv.FormatFloat(x, 'g', -1, 64))
		return err != nil || exact.Cmp(d) == 0
	}
	return true
}

// wholeDouble returns a DOUBLE as the nearest number of an integer type's kind, or as it is if there is none.
func wholeDouble(x float64, t sql.Type) any {
	x = math.RoundToEven(x)
	switch {
	case x == math.MaxInt64 && sqltypes.IsSigned(t.Type()): // 2^63
		return int64(math.MaxInt64)
	case x >= math.MaxInt64 && x < math.MaxUint64:
		return uint64(x)
	}
	return x
}

// NumericPrefix returns the number that a text begins with, "" if it begins with none, and
// whether anything but blanks follows.
func NumericPrefix(s string) (string, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	at := 0
	digits := func() int {
		start := at
		for at < len(s) && s[at] >= '0' && s[at] <= '9' {
			at++
		}
		return at - start
	}
	if at < len(s) && (s[at] == '-' || s[at] == '+') {
		at++
	}
	n := digits()
	if at < len(s) && s[at] == '.' {
		at++
		n += digits()
	}
	if n == 0 {
		return "", s != ""
	}
	if end := at; at < len(s) && s[at]|0x20 == 'e' {
		at++
		if at < len(s) && (s[at] == '-' || s[at] == '+') {
			at++
		}
		if digits() == 0 {
			at = end
		}
	}
	return s[:at], at < len(s)
}

// ToDecimal is the planner's conversion to a DECIMAL of all digits, with the number that a text begins with: the planner finds none in
// '3et'. Returns sql.ErrTruncatedIncorrect with it of a text that goes on.
func ToDecimal(ctx context.Context, v any) (any, sql.ConvertInRange, error) {
	text, ok := v.(string)
	if !ok {
		return types.InternalDecimalType.Convert(ctx, v)
	}
	prefix, more := NumericPrefix(text)
	d, in, err := types.InternalDecimalType.Convert(ctx, cmp.Or(prefix, "0"))
	if more && err == nil {
		err = sql.ErrTruncatedIncorrect.New(types.InternalDecimalType, text)
	}
	return d, in, err
}

// Numeric returns the value of a text that is a number, 0 for "".
func Numeric(digits string) any {
	if digits == "" {
		return int64(0)
	}
	if i, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return i
	}
	if !strings.ContainsAny(digits, "eE") {
		if d, _, err := apd.NewFromString(digits); err == nil {
			return d
		}
	}
	f, _ := strconv.ParseFloat(digits, 64) // an infinity is out of range
	return f
}

func negative(v any) bool {
	switch v := v.(type) {
	case *apd.Decimal:
		return v.Sign() < 0
	case float64:
		return v < 0
	case float32:
		return v < 0
	case int64:
		return v < 0
	case int32:
		return v < 0
	case int16:
		return v < 0
	case int8:
		return v < 0
	}
	return false
}

// clipped returns the value of a type that is next to one out of its range.
func clipped(t sql.Type, u any, below bool) any {
	d, ok := t.(sql.DecimalType)
	switch {
	case ok:
		digits := strings.Repeat("9", int(d.Precision()))
		v, _, err := apd.NewFromString(digits)
		if err != nil {
			return t.Zero()
		}
		v.Exponent, v.Negative = -int32(d.Scale()), below
		return v
	case below && sqltypes.IsUnsigned(t.Type()):
		return t.Zero()
	}
	return u
}

// fittingDouble returns the text of a DOUBLE with the digits that a column has room for, in the form that shows more of
// them, and whether there is room for all that is needed. Source: my_gcvt.
func fittingDouble(v float64, t sql.StringType) (string, bool) {
	text := Shown(v)
	room := int(min(t.MaxCharacterLength(), t.MaxByteLength(), math.MaxInt16))
	if len(text) <= room {
		return text, true
	}
	if v < 0 {
		room--
	}
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'e', -1, 64), "e")
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return text, false
	}
	plain := room - 1 // the digits that there is room for
	switch point := exponent + 1; {
	case point <= 0:
		plain = room - len("0.") + point
	case point > room:
		plain = 0
	case point == room:
		plain = room
	}
	short := room - len("e") - len(strconv.Itoa(exponent))
	enough := short != 1 || len(mantissa) == 1
	if short > 2 {
		short-- // a point
	} else {
		short = min(short, 1)
	}
	if plain >= short && plain > 0 {
		rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', plain-1, 64), 64)
		if plain := strconv.FormatFloat(rounded, 'f', -1, 64); err == nil && (len(plain) <= room || v < 0 && len(plain) <= room+1) {
			return plain, true
		}
	}
	if short < 1 {
		short, enough = 1, false
	}
	mantissa, power, _ = strings.Cut(strconv.FormatFloat(v, 'e', short-1, 64), "e")
	if exponent, err = strconv.Atoi(power); err != nil {
		return text, false
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + "e" + strconv.Itoa(exponent), enough
}
