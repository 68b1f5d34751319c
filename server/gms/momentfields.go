package gms

import (
	"math"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// momentFault is what is wrong with a value that is to be a date or a time; 0: nothing.
type momentFault uint8

const (
	faultCut   momentFault = 1 << iota // it is none, or more is behind it
	faultRange                         // no calendar or clock has it
	faultZero                          // 0000-00-00, or a part of it
)

// momentFields are the fields of a date and time as they were read, be there such a day or not.
type momentFields struct {
	year, month, day, hour, minute, second, micros int
	nanos                                          int // behind the microseconds
	count                                          int // fields that were read
	offset                                         time.Duration
	zoned                                          bool // has an offset
	compact                                        bool // a delimiter was read, but no blank: a TIME to who reads one
}

const blanks = " \t\n\v\f\r"

// leadingDigits returns how many digits a text begins with, at most limit, and their value, 1e9 of a larger one.
func leadingDigits(s string, limit int) (n, value int) {
	for n < len(s) && n < limit && isDigit(s[n]) {
		value = min(value*10+int(s[n]-'0'), 1e9)
		n++
	}
	return n, value
}

// readFields reads a date with or without a time as MySQL does: fields of digits with punctuation between them, or digits
// alone, then perhaps an offset. It returns what is behind, and false if the text begins with none.
func readFields(text string) (m momentFields, rest string, ok bool) {
	s := strings.TrimLeft(text, blanks)
	digits := 0
	for digits < len(s) && (isDigit(s[digits]) || s[digits] == 'T') {
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
	for rest = s; m.count < 7 && s != "" && isDigit(s[0]); {
		at := m.count
		n, v := leadingDigits(s, width)
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
				m.nanos = -1 // may follow
			}
		}
		m.count++
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
			m.zoned, s, rest = true, "", ""
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
		for s != "" && (punctuation(s[0]) || strings.IndexByte(blanks, s[0]) >= 0) {
			if !punctuation(s[0]) {
				if at != 2 && at != 6 {
					return m, s, false
				}
				blank = true
			}
			s, delimited = s[1:], true
		}
		rest = s
	}
	if nano := m.nanos < 0; nano {
		m.nanos = 0
		if rest != "" && isDigit(rest[0]) {
			m.nanos = 100 * int(rest[0]-'0')
			rest = strings.TrimLeft(rest, "0123456789")
		}
	}
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		if m.offset, m.zoned = readOffset(rest); !m.zoned {
			return m, rest, false
		}
		rest = ""
	}
	m.year, m.month, m.day, m.hour, m.minute, m.second, m.micros = fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]
	m.compact = delimited && !blank
	if yearDigits == 2 && !m.zero() {
		if m.year += 1900; m.year < 1970 {
			m.year += 100
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
	return d, err == nil && offsetInRange(d)
}

func (m momentFields) zero() bool {
	return m.year == 0 && m.month == 0 && m.day == 0 && m.hour == 0 && m.minute == 0 && m.second == 0 && m.micros == 0
}

// fieldsOf reads a text as a date with or without a time. false: it is none.
func fieldsOf(text string) (m momentFields, fault momentFault, ok bool) {
	m, rest, ok := readFields(text)
	more := strings.Trim(rest, blanks) != ""
	switch {
	case !ok:
		return m, faultCut, false
	case m.count < 3 || !m.inRange():
		if !m.zero() || more {
			return m, faultCut, false
		}
		return m, faultZero, false
	case more:
		fault = faultCut
	}
	return m, fault, true
}

func (m momentFields) inRange() bool {
	return m.year <= 9999 && m.month <= 12 && m.day <= 31 && m.hour <= 23 && m.minute <= 59 && m.second <= 59
}

// fieldsOfNumber returns the moment that a number YYYYMMDD or YYYYMMDDhhmmss is, with two digits or four for the year, and whether
// it has a time.
func fieldsOfNumber(n int64) (m momentFields, clock bool, fault momentFault) {
	switch {
	case n < 0 || n > 99999999999999:
		return m, false, faultRange
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
	m = momentFields{
		year: day / 10000, month: day / 100 % 100, day: day % 100,
		hour: time / 10000, minute: time / 100 % 100, second: time % 100, count: 6,
	}
	if !m.inRange() {
		return m, clock, faultCut
	}
	return m, clock, 0
}

// time returns the moment that the fields are, rounded to microseconds, false if there is no such day.
func (m momentFields) time(truncate bool) (time.Time, bool) {
	if m.zero() {
		return types.ZeroTime, true
	}
	at := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute, m.second, m.micros*1000, time.UTC)
	ok := at.Day() == m.day && at.Month() == time.Month(m.month)
	if m.nanos >= 500 && !truncate {
		at = at.Add(time.Microsecond)
	}
	return at, ok
}

// clock returns the time of the day.
func (m momentFields) clock() time.Duration {
	return time.Duration(m.hour)*time.Hour + time.Duration(m.minute)*time.Minute + time.Duration(m.second)*time.Second + time.Duration(m.micros)*time.Microsecond
}

// spanOf reads a text as a TIME as MySQL does: days and hours, hours and minutes, digits hhmmss, or a date with a time.
func spanOf(text string, truncate bool) (span time.Duration, dated bool, fault momentFault) {
	s := strings.TrimLeft(text, blanks)
	s, negative := strings.CutPrefix(s, "-")
	if s == "" {
		return 0, false, faultCut
	}
	if len(s) >= 12 {
		if m, rest, ok := readFields(s); ok && !m.compact {
			_, fault, ok := fieldsOf(s)
			at, there := m.time(truncate)
			switch {
			case !ok:
				return 0, false, fault
			case !there && m.month > 0 && m.day > 0:
				return 0, false, faultRange
			case strings.Trim(rest, blanks) != "":
				fault = faultCut
			}
			if !there {
				return m.clock(), true, fault
			}
			return at.Sub(day(at)), true, fault
		}
	}
	n, value := leadingDigits(s, len(s))
	rest := strings.TrimLeft(s[n:], blanks)
	var f [4]int // days, hours, minutes, seconds
	count := 0
	switch {
	case len(rest) > 1 && len(rest) < len(s)-n && isDigit(rest[0]):
		f[0], count = value, 1
	case len(rest) > 1 && rest[0] == ':' && isDigit(rest[1]):
		f[1], count, rest = value, 2, rest[1:]
	default:
		f[1], f[2], f[3] = value/10000, value/100%100, value%100
	}
	for count > 0 {
		n, v := leadingDigits(rest, len(rest))
		f[count], rest = v, rest[n:]
		if count++; count == 4 || len(rest) < 2 || rest[0] != ':' || !isDigit(rest[1]) {
			break
		}
		rest = rest[1:]
	}
	micros, nanos := 0, 0
	if len(rest) > 1 && rest[0] == '.' && isDigit(rest[1]) {
		n, _ := leadingDigits(rest[1:], len(rest))
		used, v := leadingDigits(rest[1:], 6)
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
	if e := strings.TrimLeft(rest, "eE"); len(rest)-len(e) == 1 && e != "" && (isDigit(e[0]) || len(e) > 1 && (e[0] == '+' || e[0] == '-') && isDigit(e[1])) {
		return 0, false, faultCut
	}
	switch {
	case rest == s:
		return 0, false, faultCut
	case f[2] > 59 || f[3] > 59:
		return 0, false, faultRange
	}
	if hours := f[0]*24 + f[1]; hours > 838 {
		span, fault = timeMax, faultRange
	} else if span = (momentFields{hour: hours, minute: f[2], second: f[3], micros: micros}).clock(); nanos > 0 && !truncate {
		span += time.Microsecond
	}
	if span > timeMax {
		span, fault = timeMax, faultRange
	}
	if negative {
		span = -span
	}
	if strings.Trim(rest, blanks) != "" {
		fault |= faultCut
	}
	return span, false, fault
}

// wholeAndNanos returns a number's whole part, the nearest that there is, and the billionths behind it; false if it is none.
func wholeAndNanos(v any) (n int64, nanos int, ok bool) {
	switch x := v.(type) {
	case float32:
		return wholeAndNanos(float64(x))
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
		c, _, err := types.Int64.Convert(noContext(), v)
		n, ok := c.(int64)
		return n, 0, ok && err == nil
	}
	return 0, 0, false
}

// spanOfNumber returns the TIME that a number hhmmss with billionths is, or that of a date with a time.
func spanOfNumber(n int64, nanos int, truncate bool) (span time.Duration, dated bool, fault momentFault) {
	const most = 8385959
	negative := n < 0 || nanos < 0
	if n = max(n, -max(n, -math.MaxInt64)); n > most {
		if !negative && n >= 10000000000 {
			m, _, fault := fieldsOfNumber(n)
			m.micros, m.nanos = nanos/1000, nanos%1000
			if at, ok := m.time(truncate); ok && fault == 0 {
				return at.Sub(day(at)), true, 0
			}
		}
		span, fault = timeMax, faultRange
	} else if n%100 > 59 || n/100%100 > 59 {
		return 0, false, faultRange
	} else {
		unit := time.Microsecond
		span = time.Duration(n/10000)*time.Hour + time.Duration(n/100%100)*time.Minute + time.Duration(n%100)*time.Second
		if fraction := time.Duration(max(nanos, -nanos)); truncate {
			span += fraction.Truncate(unit)
		} else {
			span += fraction.Round(unit)
		}
		if span > timeMax {
			span, fault = timeMax, faultRange
		}
	}
	if negative {
		span = -span
	}
	return span, false, fault
}
