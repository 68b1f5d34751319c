package gms

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
	"github.com/dolthub/vitess/go/sqltypes"
)

// timeFunctions are functions of dates and times that the planner lacks, or that do not take
// a text with a time and no date.
var timeFunctions = map[string]*functionDef{
	"last_day":    lastDay,
	"year":        datePart("year", func(m momentFields) int { return m.year }),
	"month":       datePart("month", func(m momentFields) int { return m.month }),
	"day":         datePart("day", func(m momentFields) int { return m.day }),
	"dayofmonth":  datePart("dayofmonth", func(m momentFields) int { return m.day }),
	"quarter":     datePart("quarter", func(m momentFields) int { return (m.month + 2) / 3 }),
	"from_days":   fromDays,
	"time":        timeOfDay,
	"hour":        clockPart("hour", func(d time.Duration) int64 { return int64(d / time.Hour) }),
	"minute":      clockPart("minute", func(d time.Duration) int64 { return int64(d / time.Minute % 60) }),
	"second":      clockPart("second", func(d time.Duration) int64 { return int64(d / time.Second % 60) }),
	"microsecond": clockPart("microsecond", func(d time.Duration) int64 { return int64(d / time.Microsecond % 1e6) }),
	"addtime":     {name: "addtime", args: 2, pure: true, typeOf: sumType, eval: addTime(1)},
	"subtime":     {name: "subtime", args: 2, pure: true, typeOf: sumType, eval: addTime(-1)},
	"timediff":    {name: "timediff", args: 2, pure: true, typ: types.Time, evalOf: timeDiff},
	"datediff":    {name: "datediff", args: 2, pure: true, typ: types.Int64, eval: dateDiff},
	"makedate":    {name: "makedate", args: 2, pure: true, typ: types.Date, eval: makeDate},
	"maketime":    {name: "maketime", args: 3, pure: true, typ: types.Time, eval: makeTime},
	"sec_to_time": {name: "sec_to_time", args: 1, pure: true, typ: types.Time, eval: secToTime},
	"to_seconds":  {name: "to_seconds", args: 1, pure: true, typ: types.Int64, eval: toSeconds},
	"period_add":  {name: "period_add", args: 2, pure: true, typ: types.Int64, eval: periodAdd},
	"period_diff": {name: "period_diff", args: 2, pure: true, typ: types.Int64, eval: periodDiff},
	"utc_timestamp": {name: "utc_timestamp", args: anyArgs, typeOf: func(ctx *sql.Context, args []sql.Expression) sql.Type {
		return types.MustCreateDatetimeType(sqltypes.Datetime, secondDigits(ctx, args))
	}, eval: func(ctx *sql.Context, args []any) (any, error) {
		unit := time.Second
		if n, ok := numbers(ctx, args); ok && len(n) > 0 {
			for range min(max(n[0], 0), 6) {
				unit /= 10
			}
		}
		return ctx.QueryTime().UTC().Truncate(unit), nil
	}},
	"utc_date":      {name: "utc_date", typ: types.Date, eval: func(ctx *sql.Context, _ []any) (any, error) { return day(ctx.QueryTime().UTC()), nil }},
	"time_to_sec":   {name: "time_to_sec", args: 1, pure: true, typ: types.Int64, eval: timeToSec},
	"week":          {name: "week", args: anyArgs, pure: true, typ: types.Int32, eval: weekNumber},
	"time_format":   {name: "time_format", args: 2, pure: true, typ: types.Text, eval: timeFormat},
	"date_format":   {name: "date_format", args: 2, pure: true, typ: types.Text, eval: dateFormat},
	"monthname":     {name: "monthname", args: 1, pure: true, typ: types.Text, eval: monthName},
	"dayname":       {name: "dayname", args: 1, pure: true, typ: types.Text, eval: dayName},
	"str_to_date":   strToDate,
	extractFunction: {name: "extract", args: 2, pure: true, typ: types.Int64, eval: extractParts},
	"yearweek":      {name: "yearweek", args: anyArgs, pure: true, typ: types.Int32, eval: yearWeek},
}

func clockPart(name string, part func(time.Duration) int64) *functionDef {
	return &functionDef{name: name, args: 1, pure: true, typ: types.Int32, eval: func(ctx *sql.Context, args []any) (any, error) {
		d, ok := clock(ctx, args[0])
		if !ok {
			return nil, nil
		}
		return int32(part(d.Abs())), nil
	}}
}

// hasDate reports whether a text begins with a date; one that is shorter than a date with a time is a time.
func hasDate(s string) bool {
	s = strings.TrimSpace(s)
	m, _, ok := readFields(s)
	return len(s) >= 12 && ok && !m.compact
}

// datetimeOf returns the date that a value is, false if it is NULL or none, which warns.
func datetimeOf(ctx *sql.Context, v any) (time.Time, bool) {
	if v == nil {
		return time.Time{}, false
	}
	if t, ok := v.(time.Time); ok {
		return t, true
	}
	m, ok := dateFields(ctx, v)
	switch {
	case !ok:
		return time.Time{}, false
	case m.dateless():
		return types.ZeroTime, true
	case m.month == 0 || m.day == 0:
		ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", shown(v))
		return time.Time{}, false
	}
	return m.time(false)
}

// dayTimeText is a TIME of days or hours: '1 12:30', '1 12', '850:00:00'.
var dayTimeText = regexp.MustCompile(`^\s*(-?)(?:(\d+) (\d+)(?::(\d+)(?::(\d+)(\.\d+)?)?)?|(\d+):(\d+)(?::(\d+)(\.\d+)?)?)\s*$`)

// timePrefix is the time that a text begins with.
var timePrefix = regexp.MustCompile(`^-?(?:\d+ )?\d+(?::\d+){0,2}(?:\.\d*)?`)

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

// clock returns the time of a value, of a date the time in it.
func clock(ctx *sql.Context, v any) (time.Duration, bool) {
	switch x := v.(type) {
	case nil:
		return 0, false
	case []byte:
		v = string(x)
	case time.Time:
		return x.Sub(day(x)), true
	case bool:
		v = map[bool]int64{true: 1}[x]
	}
	if s, ok := v.(string); ok && hasDate(s) {
		t, ok := datetimeOf(ctx, v)
		return t.Sub(day(t)), ok
	}
	if s, ok := v.(string); ok {
		if d, ok := dayTime(s); ok {
			return time.Duration(timeOf(ctx, d)) * time.Microsecond, true
		}
		text := strings.TrimSpace(s)
		prefix := timePrefix.FindString(text)
		if prefix == "" || prefix != text {
			ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%s'", s)
			if prefix == "" {
				return 0, false
			}
			return clock(ctx, prefix)
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
		t, ok := datetimeOf(ctx, n)
		return t.Sub(day(t)) + fraction, ok
	}
	c, _, err := types.Time.Convert(ctx, v)
	t, ok := c.(types.Timespan)
	if err != nil || !ok {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%v'", v)
		return 0, false
	}
	return time.Duration(t)*time.Microsecond + fraction, true
}

// day returns the day's beginning.
func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// timeMax is the longest TIME.
const timeMax = 838*time.Hour + 59*time.Minute + 59*time.Second

// timeOf returns a TIME, of a longer one the longest.
func timeOf(ctx *sql.Context, d time.Duration) types.Timespan {
	if d.Abs() > timeMax {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect time value: '%s'", spanText(d))
		d = max(min(d, timeMax), -timeMax)
	}
	return types.Timespan(d / time.Microsecond)
}

// spanText is a TIME as text, with digits behind the second if there are any.
func spanText(d time.Duration) string {
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

// sumType is the type of ADDTIME and SUBTIME: the first argument's, if it is no text.
func sumType(ctx *sql.Context, args []sql.Expression) sql.Type {
	t := args[0].Type(ctx)
	switch {
	case types.IsTimespan(t):
		return types.Time
	case types.IsTime(t):
		precision := 0
		if d, ok := t.(sql.DatetimeType); ok {
			precision = d.Precision()
		}
		if types.IsTimespan(args[1].Type(ctx)) {
			precision = max(precision, createdExpr(ctx, args[1], nil).momentDigits())
		} else if strings.Contains(args[1].String(), ".") {
			precision = 6
		}
		return types.MustCreateDatetimeType(sqltypes.Datetime, precision)
	}
	return types.LongText
}

func addTime(sign time.Duration) func(*sql.Context, []any) (any, error) {
	return func(ctx *sql.Context, args []any) (any, error) {
		if args[0] == nil || args[1] == nil {
			return nil, nil
		}
		if s, ok := args[1].(string); ok && hasDate(s) {
			return nil, nil
		}
		d, ok := clock(ctx, args[1])
		if !ok {
			return nil, nil
		}
		s, text := args[0].(string)
		if t, ok := args[0].(time.Time); ok {
			return t.Add(sign * d), nil
		}
		if text && hasDate(s) {
			t, ok := datetimeOf(ctx, s)
			if !ok {
				return nil, nil
			}
			t = t.Add(sign * d)
			return t.Format(time.DateOnly) + " " + spanText(t.Sub(day(t))), nil
		}
		c, ok := clock(ctx, args[0])
		if !ok {
			return nil, nil
		}
		sum := timeOf(ctx, c+sign*d)
		if text {
			return spanText(time.Duration(sum) * time.Microsecond), nil
		}
		return sum, nil
	}
}

// numbers converts arguments to numbers, false if one is NULL.
func numbers(ctx *sql.Context, args []any) (out []int64, ok bool) {
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

// dateDiff is DATEDIFF(later, earlier), in days.
func dateDiff(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	later, ok := dayOf(ctx, args[0])
	earlier, ok2 := dayOf(ctx, args[1])
	if !ok || !ok2 {
		return nil, nil
	}
	return (day(later).Unix() - day(earlier).Unix()) / int64(24*time.Hour/time.Second), nil
}

func makeDate(ctx *sql.Context, args []any) (any, error) {
	n, ok := numbers(ctx, args)
	if !ok || n[1] < 1 || n[0] < 0 || n[0] > 9999 {
		return nil, nil
	}
	if n[0] < 70 {
		n[0] += 2000
	} else if n[0] < 100 {
		n[0] += 1900
	}
	t := time.Date(int(n[0]), 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(min(n[1], 4e6))-1)
	if t.Year() > 9999 {
		return nil, nil
	}
	return t, nil
}

func makeTime(ctx *sql.Context, args []any) (any, error) {
	n, ok := numbers(ctx, args[:2])
	if !ok || args[2] == nil || n[1] < 0 || n[1] > 59 {
		return nil, nil
	}
	v, _, err := types.Float64.Convert(ctx, args[2])
	s, ok := v.(float64)
	if !ok || s < 0 || s >= 60 {
		return nil, err
	}
	d := time.Duration(min(max(n[0], -900), 900)) * time.Hour
	rest := time.Duration(n[1])*time.Minute + time.Duration(s*1e6+0.5)*time.Microsecond
	if d < 0 {
		rest = -rest
	}
	return timeOf(ctx, d+rest), nil
}

func secToTime(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	s, err := doubleOf(ctx, args[0])
	s = max(min(s, 4e6), -4e6)
	return timeOf(ctx, time.Duration(math.Round(s*1e6))*time.Microsecond), err
}

func timeToSec(ctx *sql.Context, args []any) (any, error) {
	d, ok := clock(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return int64(d / time.Second), nil
}

func toSeconds(ctx *sql.Context, args []any) (any, error) {
	t, ok := datetimeOf(ctx, args[0])
	if !ok || t.Equal(types.ZeroTime) {
		return nil, nil
	}
	const beforeUnix = 62167219200 // seconds from year 0 to 1970
	return t.Unix() + beforeUnix, nil
}

// months is the number of a period's month, from YYMM or YYYYMM.
func months(period int64) int64 {
	year := period / 100
	if year < 70 {
		year += 2000
	} else if year < 100 {
		year += 1900
	}
	return year*12 + period%100 - 1
}

func periods(ctx *sql.Context, name string, args []any, count int) ([]int64, error) {
	n, ok := numbers(ctx, args)
	for i := 0; ok && i < count; i++ {
		if n[i] <= 0 || n[i]%100 < 1 || n[i]%100 > 12 {
			return nil, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to %s", name)
		}
	}
	return n, nil
}

func periodAdd(ctx *sql.Context, args []any) (any, error) {
	n, err := periods(ctx, "period_add", args, 1)
	if n == nil {
		return nil, err
	}
	m := months(n[0]) + n[1]
	return m/12*100 + m%12 + 1, nil
}

func periodDiff(ctx *sql.Context, args []any) (any, error) {
	n, err := periods(ctx, "period_diff", args, 2)
	if n == nil {
		return nil, err
	}
	return months(n[0]) - months(n[1]), nil
}

// secondDigits returns the digits behind the second that the only argument of a function says.
func secondDigits(ctx *sql.Context, args []sql.Expression) int {
	if len(args) == 0 {
		return 0
	}
	v, err := args[0].Eval(ctx, nil)
	n, ok := numbers(ctx, []any{v})
	if err != nil || !ok {
		return 0
	}
	return int(min(max(n[0], 0), 6))
}

// timeFormat is TIME_FORMAT: %H and %k have the hours beyond a day's, what stands for a part of a
// date is 0 or NULL.
func timeFormat(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	f, _, err := types.LongText.Convert(ctx, args[1])
	format, ok := f.(string)
	if err != nil || !ok {
		return nil, err
	}
	d, ok := clock(ctx, args[0])
	if !ok {
		return nil, nil
	}
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	hours, minutes, seconds := d/time.Hour, d/time.Minute%60, d/time.Second%60
	half, twelve := "AM", (hours%24+11)%12+1
	if hours%24 >= 12 {
		half = "PM"
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch format[i] {
		case 'H':
			fmt.Fprintf(&b, "%02d", hours)
		case 'k':
			fmt.Fprintf(&b, "%d", hours)
		case 'h', 'I':
			fmt.Fprintf(&b, "%02d", twelve)
		case 'l':
			fmt.Fprintf(&b, "%d", twelve)
		case 'i':
			fmt.Fprintf(&b, "%02d", minutes)
		case 's', 'S':
			fmt.Fprintf(&b, "%02d", seconds)
		case 'f':
			fmt.Fprintf(&b, "%06d", d/time.Microsecond%1e6)
		case 'p':
			b.WriteString(half)
		case 'r':
			fmt.Fprintf(&b, "%02d:%02d:%02d %s", twelve, minutes, seconds, half)
		case 'T':
			fmt.Fprintf(&b, "%02d:%02d:%02d", hours, minutes, seconds)
		case 'm', 'd', 'y':
			b.WriteString("00")
		case 'Y':
			b.WriteString("0000")
		case 'c', 'e':
			b.WriteByte('0')
		case 'M', 'b', 'a', 'W', 'D', 'j', 'U', 'u', 'V', 'v', 'X', 'x', 'w':
			return nil, nil
		default:
			b.WriteByte(format[i])
		}
	}
	return b.String(), nil
}
