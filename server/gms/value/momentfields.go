package value

import (
	"math"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/syntax"
)

// MomentFault is what is wrong with a value that is to be a date or a time; 0: nothing.
type MomentFault uint8

const (
	faultCut   MomentFault = 1 << iota // it is none, or more is behind it
	FaultRange                         // no calendar or clock has it
	faultZero                          // 0000-00-00, or a part of it
)

// MomentFields are the fields of a date and time as they were read, be there such a day or not.
type MomentFields struct {
	Year, Month, Day, Hour, Minute, Second, Micros int
	Nanos                                          int // behind the microseconds
	Count                                          int // fields that were read
	offset                                         time.Duration
	Zoned                                          bool // has an offset
	compact                                        bool // a delimiter was read, but no blank: a TIME to who reads one
}

// Blanks are the bytes that may stand before and between the parts of a date or time.
const Blanks = " \t\n\v\f\r"

// LeadingDigits returns how many digits a text begins with, at most limit, and their value, 1e9 of a larger one.
func LeadingDigits(s string, limit int) (n, value int) {
	for n < len(s) && n < limit && syntax.IsDigit(s[n]) {
		value = min(value*10+int(s[n]-'0'), 1e9)
		n++
	}
	return n, value
}

// readFields reads a date with or without a time as MySQL does: fields of digits with punctuation between them, or digits
// alone, then perhaps an offset. It returns what is behind, and false if the text begins with none.
func readFields(text string) (m MomentFields, rest string, ok bool) {
	s := strings.TrimLeft(text, Blanks)
	digits := 0
	for digits < len(s) && (syntax.IsDigit(s[digits]) || s[digits] == 'T') {
		digits++
	}
	if digits == 0 || s[0] == 'T' {
		return m, s, false
	}
	plain := digits == len(s) || s[digits] == '.'
	width, yearDigits := math.MaxInt, 0
	if plain {
		if width = 2; digits == 4 || digits == 8 || digits >= 14 {
			width = 4
		}
	}
	var fields [7]int
	delimited, blank := false, false
	for rest = s; m.Count < 7 && s != "" && syntax.IsDigit(s[0]); {
		at := m.Count
		n, v := LeadingDigits(s, width)
		if v > 999999 {
			return m, s, false
		}
		if at == 0 {
			yearDigits = n
			if plain {
				yearDigits = width
			}
		}
		if fields[at] = v; at == 6 {
			for range 6 - n {
				fields[at] *= 10
			}
			if n == 6 {
				m.Nanos = -1 // may follow
			}
		}
		m.Count++
		s = s[n:]
		rest = s
		if width = math.MaxInt; plain {
			width = 2
		}
		if s == "" {
			break
		}
		if at >= 5 && (s[0] == '+' || s[0] == '-') {
			if m.offset, ok = readOffset(s); !ok {
				return m, s, false
			}
			m.Zoned, s, rest = true, "", ""
		}
		if at == 2 && strings.HasPrefix(s, "T") {
			s = s[1:]
			continue
		}
		if at == 5 {
			if !strings.HasPrefix(s, ".") {
				break
			}
			s, width = s[1:], 6
			rest = s
			continue
		}
		for s != "" && (Punctuation(s[0]) || strings.IndexByte(Blanks, s[0]) >= 0) {
			if !Punctuation(s[0]) {
				if at != 2 && at != 6 {
					return m, s, false
				}
				blank = true
			}
			s, delimited = s[1:], true
		}
		rest = s
	}
	if nano := m.Nanos < 0; nano {
		m.Nanos = 0
		if rest != "" && syntax.IsDigit(rest[0]) {
			m.Nanos = 100 * int(rest[0]-'0')
			rest = strings.TrimLeft(rest, "0123456789")
		}
	}
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		if m.offset, m.Zoned = readOffset(rest); !m.Zoned {
			return m, rest, false
		}
		rest = ""
	}
	m.Year, m.Month, m.Day, m.Hour, m.Minute, m.Second, m.Micros = fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]
	m.compact = delimited && !blank
	if yearDigits == 2 && !m.zero() {
		if m.Year += 1900; m.Year < 1970 {
			m.Year += 100
		}
	}
	return m, rest, true
}

// readOffset reads a distance from UTC, +hh:mm.
func readOffset(s string) (time.Duration, bool) {
	if len(s) != len("+00:00") || s == "-00:00" || s[4] > '5' {
		return 0, false
	}
	d, err := sql.MySQLOffsetToDuration(s)
	return d, err == nil && OffsetInRange(d)
}

// Moment returns the moment that a text's fields are, by the clock of the session's time zone if they have an offset; false if no
// calendar has it.
func (m MomentFields) Moment(ctx *sql.Context) (time.Time, bool) {
	at, ok := m.Time(false)
	if ok && m.Zoned {
		at = ZoneOf(ctx).Clock(at.Add(-m.offset))
	}
	return at, ok
}

// Before returns the last microsecond before a date with a month or a day of 0: such a date is equal to none of those here, and stands
// behind all of the month or year before. false: it has neither.
func (m MomentFields) Before() (time.Time, bool) {
	if m.zero() || m.Month != 0 && m.Day != 0 {
		return time.Time{}, false
	}
	return time.Date(m.Year, time.Month(max(m.Month, 1)), 1, 0, 0, 0, -1000, time.UTC), true
}

func (m MomentFields) zero() bool {
	return m.Year == 0 && m.Month == 0 && m.Day == 0 && m.Hour == 0 && m.Minute == 0 && m.Second == 0 && m.Micros == 0
}

// FieldsOf reads a text as a date with or without a time. false: it is none.
func FieldsOf(text string) (m MomentFields, fault MomentFault, ok bool) {
	m, rest, ok := readFields(text)
	more := strings.Trim(rest, Blanks) != ""
	switch {
	case !ok:
		return m, faultCut, false
	case m.Count < 3 || !m.inRange():
		if !m.zero() || more {
			return m, faultCut, false
		}
		return m, faultZero, false
	case more:
		fault = faultCut
	}
	return m, fault, true
}

func (m MomentFields) inRange() bool {
	return m.Year <= 9999 && m.Month <= 12 && m.Day <= 31 && m.Hour <= 23 && m.Minute <= 59 && m.Second <= 59
}

// FieldsOfNumber returns the moment that a number YYYYMMDD or YYYYMMDDhhmmss is, with two digits or four for the year, and whether
// it has a time.
func FieldsOfNumber(n int64) (m MomentFields, clock bool, fault MomentFault) {
	switch {
	case n < 0 || n > 99999999999999:
		return m, false, FaultRange
	case n == 0 || n >= 10000101000000:
		clock = true
	case n < 101:
		return m, false, faultCut
	case n <= 691231:
		n = (n + 20000000) * 1000000
	case n < 700101:
		return m, false, faultCut
	case n <= 991231:
		n = (n + 19000000) * 1000000
	case n <= 99991231:
		n *= 1000000
	case n < 101000000:
		return m, false, faultCut
	case n <= 691231235959:
		n, clock = n+20000000000000, true
	case n < 700101000000:
		return m, false, faultCut
	default:
		if clock = true; n <= 991231235959 {
			n += 19000000000000
		}
	}
	day, time := int(n/1000000), int(n%1000000)
	m = MomentFields{
		Year: day / 10000, Month: day / 100 % 100, Day: day % 100,
		Hour: time / 10000, Minute: time / 100 % 100, Second: time % 100, Count: 6,
	}
	if !m.inRange() {
		return m, clock, faultCut
	}
	return m, clock, 0
}

// Time returns the moment that the fields are, rounded to microseconds, false if there is no such day.
func (m MomentFields) Time(truncate bool) (time.Time, bool) {
	if m.zero() {
		return types.ZeroTime, true
	}
	at := time.Date(m.Year, time.Month(m.Month), m.Day, m.Hour, m.Minute, m.Second, m.Micros*1000, time.UTC)
	ok := at.Day() == m.Day && at.Month() == time.Month(m.Month)
	if m.Nanos >= 500 && !truncate {
		at = at.Add(time.Microsecond)
	}
	return at, ok
}

// clock returns the time of the day.
func (m MomentFields) clock() time.Duration {
	return time.Duration(m.Hour)*time.Hour + time.Duration(m.Minute)*time.Minute + time.Duration(m.Second)*time.Second + time.Duration(m.Micros)*time.Microsecond
}

// SpanOf reads a text as a TIME as MySQL does: days and hours, hours and minutes, digits hhmmss, or a date with a time.
func SpanOf(text string, truncate bool) (span time.Duration, dated bool, fault MomentFault) {
	s := strings.TrimLeft(text, Blanks)
	s, negative := strings.CutPrefix(s, "-")
	if s == "" {
		return 0, false, faultCut
	}
	if len(s) >= 12 {
		if m, rest, ok := readFields(s); ok && !m.compact {
			_, fault, ok := FieldsOf(s)
			at, there := m.Time(truncate)
			switch {
			case !ok:
				return 0, false, fault
			case !there && m.Month > 0 && m.Day > 0:
				return 0, false, FaultRange
			case strings.Trim(rest, Blanks) != "":
				fault = faultCut
			}
			if !there {
				return m.clock(), true, fault
			}
			return at.Sub(Day(at)), true, fault
		}
	}
	n, value := LeadingDigits(s, len(s))
	rest := strings.TrimLeft(s[n:], Blanks)
	var f [4]int // days, hours, minutes, seconds
	count := 0
	switch {
	case len(rest) > 1 && len(rest) < len(s)-n && syntax.IsDigit(rest[0]):
		f[0], count = value, 1
	case len(rest) > 1 && rest[0] == ':' && syntax.IsDigit(rest[1]):
		f[1], count, rest = value, 2, rest[1:]
	default:
		f[1], f[2], f[3] = value/10000, value/100%100, value%100
	}
	for count > 0 {
		n, v := LeadingDigits(rest, len(rest))
		f[count], rest = v, rest[n:]
		if count++; count == 4 || len(rest) < 2 || rest[0] != ':' || !syntax.IsDigit(rest[1]) {
			break
		}
		rest = rest[1:]
	}
	micros, nanos := 0, 0
	if len(rest) > 1 && rest[0] == '.' && syntax.IsDigit(rest[1]) {
		n, _ := LeadingDigits(rest[1:], len(rest))
		used, v := LeadingDigits(rest[1:], 6)
		for micros = v; used < 6; used++ {
			micros *= 10
		}
		if n > 6 && rest[n] >= '5' { // MySQL looks at the last of the digits
			nanos = 1
		}
		rest = rest[1+n:]
	} else if rest == "." {
		rest = ""
	}
	if e := strings.TrimLeft(rest, "eE"); len(rest)-len(e) == 1 && e != "" && (syntax.IsDigit(e[0]) || len(e) > 1 && (e[0] == '+' || e[0] == '-') && syntax.IsDigit(e[1])) {
		return 0, false, faultCut
	}
	switch {
	case rest == s:
		return 0, false, faultCut
	case f[2] > 59 || f[3] > 59:
		return 0, false, FaultRange
	}
	if hours := f[0]*24 + f[1]; hours > 838 {
		span, fault = TimeMax, FaultRange
	} else if span = (MomentFields{Hour: hours, Minute: f[2], Second: f[3], Micros: micros}).clock(); nanos > 0 && !truncate {
		span += time.Microsecond
	}
	if span > TimeMax {
		span, fault = TimeMax, FaultRange
	}
	if negative {
		span = -span
	}
	if strings.Trim(rest, Blanks) != "" {
		fault |= faultCut
	}
	return span, false, fault
}

// WholeAndNanos returns a number's whole part, the nearest that there is, and the billionths behind it; false if it is none.
func WholeAndNanos(v any) (n int64, nanos int, ok bool) {
	switch x := v.(type) {
	case float32:
		return WholeAndNanos(float64(x))
	case float64:
		if math.Abs(x) >= math.MaxInt64 {
			return int64(math.Copysign(1, x)) * math.MaxInt64, 0, true
		}
		whole, fraction := math.Modf(x)
		return int64(whole), int(math.RoundToEven(fraction * 1e9)), true
	case *apd.Decimal:
		var whole, fraction apd.Decimal
		x.Modf(&whole, &fraction)
		n, err := whole.Int64()
		if err != nil {
			return map[bool]int64{false: math.MaxInt64, true: -math.MaxInt64}[x.Negative], 0, true
		}
		f, _ := fraction.Float64()
		return n, int(f * 1e9), true
	case uint64:
		return int64(min(x, math.MaxInt64)), 0, true
	case bool, int8, int16, int32, int64, uint8, uint16, uint32:
		c, _, err := types.Int64.Convert(NoContext(), v)
		n, ok := c.(int64)
		return n, 0, ok && err == nil
	}
	return 0, 0, false
}

// spanOfNumber returns the TIME that a number hhmmss with billionths is, or that of a date with a time.
func spanOfNumber(n int64, nanos int, truncate bool) (span time.Duration, dated bool, fault MomentFault) {
	const most = 8385959
	negative := n < 0 || nanos < 0
	if n = max(n, -max(n, -math.MaxInt64)); n > most {
		if !negative && n >= 10000000000 {
			m, _, fault := FieldsOfNumber(n)
			m.Micros, m.Nanos = nanos/1000, nanos%1000
			if at, ok := m.Time(truncate); ok && fault == 0 {
				return at.Sub(Day(at)), true, 0
			}
		}
		span, fault = TimeMax, FaultRange
	} else if n%100 > 59 || n/100%100 > 59 {
		return 0, false, FaultRange
	} else {
		unit := time.Microsecond
		span = time.Duration(n/10000)*time.Hour + time.Duration(n/100%100)*time.Minute + time.Duration(n%100)*time.Second
		if fraction := time.Duration(max(nanos, -nanos)); truncate {
			span += fraction.Truncate(unit)
		} else {
			span += fraction.Round(unit)
		}
		if span > TimeMax {
			span, fault = TimeMax, FaultRange
		}
	}
	if negative {
		span = -span
	}
	return span, false, fault
}

// MomentIn returns a value as a DATETIME, false if it is none.
func MomentIn(ctx *sql.Context, v any) (time.Time, bool) {
	m, in, err := types.DatetimeMaxPrecision.Convert(ctx, v)
	at, ok := m.(time.Time)
	return at, err == nil && in == sql.InRange && ok
}

// Punctuation reports whether a byte may stand between the parts of a date or time.
func Punctuation(c byte) bool {
	return c >= '!' && c <= '/' || c >= ':' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
}

// Datetimes are the types of DATETIME by their digits behind the second.
var Datetimes = func() (out [7]sql.DatetimeType) {
	for i := range out {
		out[i] = types.MustCreateDatetimeType(sqltypes.Datetime, i)
	}
	return out
}()

// SpanWith returns a TIME as a text with digits behind the second.
func SpanWith(v types.Timespan, digits int) string {
	text := v.String()
	whole, fraction, _ := strings.Cut(text, ".")
	if digits == 0 {
		return whole
	}
	return whole + "." + (fraction + "000000")[:digits]
}
