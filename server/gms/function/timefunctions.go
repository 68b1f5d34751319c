package function

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// timeFunctions are functions of dates and times that the planner lacks, or that do not take
// a text with a time and no date.
var timeFunctions = map[string]*expr.FunctionDef{
	"date":        dateOfMoment,
	"last_day":    lastDay,
	"year":        datePart("year", func(m value.MomentFields) int { return m.Year }),
	"month":       datePart("month", func(m value.MomentFields) int { return m.Month }),
	"day":         datePart("day", func(m value.MomentFields) int { return m.Day }),
	"dayofmonth":  datePart("dayofmonth", func(m value.MomentFields) int { return m.Day }),
	"quarter":     datePart("quarter", func(m value.MomentFields) int { return (m.Month + 2) / 3 }),
	"from_days":   fromDays,
	"time":        timeOfDay,
	"hour":        clockPart("hour", func(d time.Duration) int64 { return int64(d / time.Hour) }),
	"minute":      clockPart("minute", func(d time.Duration) int64 { return int64(d / time.Minute % 60) }),
	"second":      clockPart("second", func(d time.Duration) int64 { return int64(d / time.Second % 60) }),
	"microsecond": clockPart("microsecond", func(d time.Duration) int64 { return int64(d / time.Microsecond % 1e6) }),
	"addtime":     {Name: "addtime", Args: 2, Pure: true, TypeOf: sumType, Eval: addTime(1)},
	"subtime":     {Name: "subtime", Args: 2, Pure: true, TypeOf: sumType, Eval: addTime(-1)},
	"timediff":    {Name: "timediff", Args: 2, Pure: true, Typ: types.Time, EvalOf: timeDiff},
	"datediff":    {Name: "datediff", Args: 2, Pure: true, Typ: types.Int64, Eval: dateDiff},
	"makedate":    {Name: "makedate", Args: 2, Pure: true, Typ: types.Date, Eval: makeDate},
	"maketime":    {Name: "maketime", Args: 3, Pure: true, Typ: types.Time, Eval: makeTime},
	"sec_to_time": {Name: "sec_to_time", Args: 1, Pure: true, Typ: types.Time, Eval: secToTime},
	"to_seconds":  {Name: "to_seconds", Args: 1, Pure: true, Typ: types.Int64, Eval: toSeconds},
	"period_add":  {Name: "period_add", Args: 2, Pure: true, Typ: types.Int64, Eval: periodAdd},
	"period_diff": {Name: "period_diff", Args: 2, Pure: true, Typ: types.Int64, Eval: periodDiff},
	"utc_timestamp": {Name: "utc_timestamp", Args: expr.AnyArgs, TypeOf: func(ctx *sql.Context, args []sql.Expression) sql.Type {
		return types.MustCreateDatetimeType(sqltypes.Datetime, expr.SecondDigits(ctx, args))
	}, Eval: func(ctx *sql.Context, args []any) (any, error) {
		unit := time.Second
		if n, ok := value.Numbers(ctx, args); ok && len(n) > 0 {
			for range min(max(n[0], 0), 6) {
				unit /= 10
			}
		}
		return ctx.QueryTime().UTC().Truncate(unit), nil
	}},
	"utc_date":      {Name: "utc_date", Typ: types.Date, Eval: func(ctx *sql.Context, _ []any) (any, error) { return value.Day(ctx.QueryTime().UTC()), nil }},
	"time_to_sec":   {Name: "time_to_sec", Args: 1, Pure: true, Typ: types.Int64, Eval: timeToSec},
	"week":          {Name: "week", Args: expr.AnyArgs, Pure: true, Typ: types.Int32, Eval: weekNumber},
	"time_format":   {Name: "time_format", Args: 2, Pure: true, Typ: types.Text, Eval: timeFormat},
	"date_format":   {Name: "date_format", Args: 2, Pure: true, Typ: types.Text, Eval: dateFormat},
	"monthname":     {Name: "monthname", Args: 1, Pure: true, Typ: types.Text, Eval: monthName},
	"dayname":       {Name: "dayname", Args: 1, Pure: true, Typ: types.Text, Eval: dayName},
	"str_to_date":   strToDate,
	ExtractFunction: {Name: "extract", Args: 2, Pure: true, Typ: types.Int64, Eval: extractParts},
	"yearweek":      {Name: "yearweek", Args: expr.AnyArgs, Pure: true, Typ: types.Int32, Eval: yearWeek},
}

func clockPart(name string, part func(time.Duration) int64) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: 1, Pure: true, Typ: types.Int32, Eval: func(ctx *sql.Context, args []any) (any, error) {
		d, ok := value.Clock(ctx, args[0])
		if !ok {
			return nil, nil
		}
		return int32(part(d.Abs())), nil
	}}
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
			precision = max(precision, expr.CreatedExpr(ctx, args[1], nil).MomentDigits())
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
		if s, ok := args[1].(string); ok && value.HasDate(s) {
			return nil, nil
		}
		d, ok := value.Clock(ctx, args[1])
		if !ok {
			return nil, nil
		}
		s, text := args[0].(string)
		if t, ok := args[0].(time.Time); ok {
			if t.Equal(types.ZeroTime) {
				return nil, nil
			}
			return t.Add(sign * d), nil
		}
		if text && value.HasDate(s) {
			t, ok := value.DatetimeOf(ctx, s)
			if !ok {
				return nil, nil
			}
			t = t.Add(sign * d)
			return t.Format(time.DateOnly) + " " + value.SpanText(t.Sub(value.Day(t))), nil
		}
		c, ok := value.Clock(ctx, args[0])
		if !ok {
			return nil, nil
		}
		sum := value.TimeOf(ctx, c+sign*d)
		if text {
			return value.SpanText(time.Duration(sum) * time.Microsecond), nil
		}
		return sum, nil
	}
}

// dateDiff is DATEDIFF(later, earlier), in days.
func dateDiff(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	later, ok := value.DayOf(ctx, args[0])
	earlier, ok2 := value.DayOf(ctx, args[1])
	if !ok || !ok2 {
		return nil, nil
	}
	return (value.Day(later).Unix() - value.Day(earlier).Unix()) / int64(24*time.Hour/time.Second), nil
}

func makeDate(ctx *sql.Context, args []any) (any, error) {
	n, ok := value.Numbers(ctx, args)
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
	n, ok := value.Numbers(ctx, args[:2])
	if !ok || args[2] == nil || n[1] < 0 || n[1] > 59 {
		return nil, nil
	}
	s, err := expr.DoubleOf(ctx, args[2])
	if err != nil || s < 0 || s >= 60 {
		return nil, err
	}
	d := time.Duration(min(max(n[0], -900), 900)) * time.Hour
	rest := time.Duration(n[1])*time.Minute + time.Duration(s*1e6+0.5)*time.Microsecond
	if d < 0 {
		rest = -rest
	}
	return value.TimeOf(ctx, d+rest), nil
}

func secToTime(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	s, err := expr.DoubleOf(ctx, args[0])
	s = max(min(s, 4e6), -4e6)
	return value.TimeOf(ctx, time.Duration(math.Round(s*1e6))*time.Microsecond), err
}

func timeToSec(ctx *sql.Context, args []any) (any, error) {
	d, ok := value.Clock(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return int64(d / time.Second), nil
}

func toSeconds(ctx *sql.Context, args []any) (any, error) {
	t, ok := value.DatetimeOf(ctx, args[0])
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
	n, ok := value.Numbers(ctx, args)
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
	d, ok := value.Clock(ctx, args[0])
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

// datePart is a function of a part of a date, which may be one with a month or a day of 0.
func datePart(name string, part func(value.MomentFields) int) *expr.FunctionDef {
	return &expr.FunctionDef{Name: name, Args: 1, Pure: true, Typ: types.Int32, Eval: func(ctx *sql.Context, args []any) (any, error) {
		m, ok := value.DateFields(ctx, args[0])
		if !ok {
			return nil, nil
		}
		return int32(part(m)), nil
	}}
}

// lastDay is LAST_DAY.
// dateOfMoment is DATE(). The planner's is a text.
var dateOfMoment = &expr.FunctionDef{Name: "date", Args: 1, Pure: true, Typ: types.Date, Eval: func(ctx *sql.Context, args []any) (any, error) {
	t, ok := value.DatetimeOf(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return value.Day(t), nil
}}

var lastDay = &expr.FunctionDef{Name: "last_day", Args: 1, Pure: true, Typ: types.Date, Eval: func(ctx *sql.Context, args []any) (any, error) {
	m, ok := value.DateFields(ctx, args[0])
	if !ok || m.Month == 0 {
		return nil, nil
	}
	return time.Date(m.Year, time.Month(m.Month)+1, 0, 0, 0, 0, 0, time.UTC), nil
}}
