package value

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// HasDate reports whether a text begins with a date; one that is shorter than a date with a time is a time.
func HasDate(s string) bool {
	s = strings.TrimSpace(s)
	m, _, ok := readFields(s)
	return len(s) >= 12 && ok && !m.compact
}

// DatetimeOf returns the date that a value is, false if it is NULL or none, which warns.
func DatetimeOf(ctx *sql.Context, v any) (time.Time, bool) {
	if v == nil {
		return time.Time{}, false
	}
	if t, ok := v.(time.Time); ok {
		return t, true
	}
	m, ok := DateFields(ctx, v)
	switch {
	case !ok:
		return time.Time{}, false
	case m.dateless():
		return types.ZeroTime, true
	case m.Month == 0 || m.Day == 0:
		ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", Shown(v))
		return time.Time{}, false
	}
	return m.Time(false)
}

// dayTimeText is a TIME of days or hours: '1 12:30', '1 12', '850:00:00'.
var dayTimeText = regexp.MustCompile(`^\s*(-?)(?:(\d+) (\d+)(?::(\d+)(?::(\d+)(\.\d+)?)?)?|(\d+):(\d+)(?::(\d+)(\.\d+)?)?)\s*$`)

// TimePrefix is the time that a text begins with.
var TimePrefix = regexp.MustCompile(`^-?(?:\d+ )?\d+(?::\d+){0,2}(?:\.\d*)?`)

// dayTime returns the time that a text of days, hours and so on is, however long, false if it is none.
func dayTime(s string) (time.Duration, bool) {
	m := dayTimeText.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	part := func(texts ...string) (n int64) {
		for _, t := range texts {
			if t != "" {
				n, _ = strconv.ParseInt(t, 10, 32)
			}
		}
		return n
	}
	days, hours, minutes, seconds := part(m[2]), part(m[3], m[7]), part(m[4], m[8]), part(m[5], m[9])
	if minutes > 59 || seconds > 59 || days > 10000 || hours > 100000 {
		return 0, false
	}
	d := time.Duration(days*24+hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second
	if fraction, err := strconv.ParseFloat("0"+m[6]+m[10], 64); err == nil {
		d += time.Duration(math.Round(fraction*1e6)) * time.Microsecond
	}
	if m[1] != "" {
		d = -d
	}
	return d, true
}

// Clock returns the time of a value, of a date the time in it.
func Clock(ctx *sql.Context, v any) (time.Duration, bool) {
	switch x := v.(type) {
	case nil:
		return 0, false
	case []byte:
		v = string(x)
	case time.Time:
		return x.Sub(Day(x)), true
	case bool:
		v = map[bool]int64{true: 1}[x]
	}
	if s, ok := v.(string); ok && HasDate(s) {
		t, ok := DatetimeOf(ctx, v)
		return t.Sub(Day(t)), ok
	}
	if s, ok := v.(string); ok {
		if d, ok := dayTime(s); ok {
			return time.Duration(TimeOf(ctx, d)) * time.Microsecond, true
		}
		text := strings.TrimSpace(s)
		prefix := TimePrefix.FindString(text)
		if prefix == "" || prefix != text {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%s'", s)
			if prefix == "" {
				return 0, false
			}
			return Clock(ctx, prefix)
		}
		if whole, fraction, ok := strings.Cut(prefix, "."); ok && !strings.Contains(whole, ":") { // HHMMSS with a fraction
			if d, _, err := apd.NewFromString(strings.Trim(prefix, ". ")); err == nil && fraction != "" {
				v = d
			}
		}
	}
	fraction := time.Duration(0)
	if d, ok := v.(*apd.Decimal); ok { // HHMMSS with a fraction
		var whole, rest apd.Decimal
		d.Modf(&whole, &rest)
		f, _ := rest.Float64()
		fraction = time.Duration(math.Round(f*1e6)) * time.Microsecond
		n, err := whole.Int64()
		if err != nil {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%s'", d.Text('f'))
			return 0, false
		}
		v = n
	}
	if n, ok := v.(uint64); ok {
		v = int64(min(n, math.MaxInt64))
	}
	if n, ok := v.(int64); ok && n >= 1e10 { // a date with a time
		t, ok := DatetimeOf(ctx, n)
		return t.Sub(Day(t)) + fraction, ok
	}
	c, _, err := types.Time.Convert(ctx, v)
	t, ok := c.(types.Timespan)
	if err != nil || !ok {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%v'", v)
		return 0, false
	}
	return time.Duration(t)*time.Microsecond + fraction, true
}

// Day returns the day's beginning.
func Day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// TimeMax is the longest TIME.
const TimeMax = 838*time.Hour + 59*time.Minute + 59*time.Second

// TimeOf returns a TIME, of a longer one the longest.
func TimeOf(ctx *sql.Context, d time.Duration) types.Timespan {
	if d.Abs() > TimeMax {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%s'", SpanText(d))
		d = max(min(d, TimeMax), -TimeMax)
	}
	return types.Timespan(d / time.Microsecond)
}

// SpanText is a TIME as text, with digits behind the second if there are any.
func SpanText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	s := fmt.Sprintf("%s%02d:%02d:%02d", sign, d/time.Hour, d/time.Minute%60, d/time.Second%60)
	if micro := d / time.Microsecond % 1e6; micro > 0 {
		s += fmt.Sprintf(".%06d", micro)
	}
	return s
}

// Numbers converts arguments to numbers, false if one is NULL.
func Numbers(ctx *sql.Context, args []any) (out []int64, ok bool) {
	for _, a := range args {
		if a == nil {
			return nil, false
		}
		v, _, err := types.Int64.Convert(ctx, a)
		n, ok := v.(int64)
		if !ok || err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
