package expr

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	fn "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/value"
)

// Offsets are the functions whose date has as many fractional digits as their argument.
var Offsets = map[string]func(*sql.Context, ...sql.Expression) (sql.Expression, error){
	"date_add": fn.NewDateAdd, "adddate": fn.NewAddDate,
	"date_sub": fn.NewDateSub, "subdate": fn.NewSubDate,
	"from_unixtime": fn.NewFromUnixtime,
	"convert_tz": func(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
		if len(args) != 3 {
			return nil, sql.ErrInvalidArgumentNumber.New("convert_tz", 3, len(args))
		}
		return fn.NewConvertTz(ctx, args[0], args[1], args[2]), nil
	},
}

// offset is a date moved by the planner's function below, with no more fractional digits
// than MySQL's has.
type offset struct{ expression.UnaryExpressionStub }

var (
	_ sql.Expression         = (*offset)(nil)
	_ sql.CollationCoercible = (*offset)(nil)
)

// NewOffset returns the planner's function of a moved date with MySQL's digits.
func NewOffset(e sql.Expression) sql.Expression {
	return &offset{expression.UnaryExpressionStub{Child: e}}
}

// Type implements sql.Expression.
func (o *offset) Type(ctx *sql.Context) sql.Type {
	t := o.Child.Type(ctx)
	if t.Type() != sqltypes.Datetime {
		return t
	}
	switch o.Child.(type) {
	case *fn.FromUnixtime, *fn.ConvertTz:
		return types.MustCreateDatetimeType(sqltypes.Datetime, digitsBehind(ctx, o.Child.Children()[0]))
	}
	date, interval := o.moved()
	if interval == nil {
		return t
	}
	return types.MustCreateDatetimeType(sqltypes.Datetime, max(precisionOf(ctx, date), intervalDigits(ctx, interval)))
}

// moved returns the date and what is added to it or taken from it, nil for other functions.
func (o *offset) moved() (sql.Expression, *expression.Interval) {
	switch c := o.Child.(type) {
	case *fn.DateAdd:
		return c.Date, c.Interval
	case *fn.DateSub:
		return c.Date, c.Interval
	}
	return nil, nil
}

// intervalDigits are the digits behind the second that an interval has.
func intervalDigits(ctx *sql.Context, i *expression.Interval) int {
	switch {
	case strings.Contains(i.Unit, "MICROSECOND"):
		return 6
	case i.Unit == "SECOND":
		return digitsBehind(ctx, i.Child)
	}
	return 0
}

// digitsBehind returns how many digits behind the second an argument has.
func digitsBehind(ctx *sql.Context, e sql.Expression) int {
	switch t := e.Type(ctx).(type) {
	case sql.DatetimeType:
		return t.Precision()
	case sql.DecimalType:
		return min(int(t.Scale()), 6)
	default:
		if _, text := e.(*expression.Literal); types.IsInteger(t) || text && types.IsText(t) && !strings.Contains(e.String(), ".") {
			return 0
		}
	}
	return 6
}

// String implements sql.Expression.
func (o *offset) String() string { return o.Child.String() }

// IsNullable implements sql.Expression.
func (o *offset) IsNullable(*sql.Context) bool { return true }

// CollationCoercibility implements sql.CollationCoercible.
func (o *offset) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, o.Child)
}

// WithChildren implements sql.Expression.
func (o *offset) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(o, len(children), 1)
	}
	return NewOffset(children[0]), nil
}

// Eval implements sql.Expression.
func (o *offset) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	var f *fn.FromUnixtime
	switch c := o.Child.(type) {
	case *fn.FromUnixtime:
		f = c
	case *fn.DateAdd:
		return moveDate(ctx, c, c.Date, c.Interval, fn.NewDateAdd, 1, r)
	case *fn.ConvertTz:
		return convertZone(ctx, c.Children(), r)
	case *fn.DateSub:
		return moveDate(ctx, c, c.Date, c.Interval, fn.NewDateSub, -1, r)
	default:
		return c.Eval(ctx, r)
	}
	at, err := fromUnixtime(ctx, f.ChildExpressions[0], r)
	if err != nil || at == nil || len(f.ChildExpressions) == 1 {
		return at, err
	}
	return fn.NewDateFormat(ctx, expression.NewLiteral(at, types.DatetimeMaxPrecision), f.ChildExpressions[1]).Eval(ctx, r)
}

// fromUnixtime returns what the session's clock shows at an instant, seconds since 1970 UTC.
func fromUnixtime(ctx *sql.Context, e sql.Expression, r sql.Row) (any, error) {
	v, err := e.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	seconds, err := DoubleOf(ctx, v)
	if err != nil {
		return nil, err
	}
	if seconds < 0 || seconds >= fn.MaxUnixTimeSecs+1 {
		return nil, nil
	}
	fraction := time.Duration(math.Round((seconds-math.Trunc(seconds))*1e6)) * time.Microsecond
	return value.ZoneOf(ctx).Clock(time.Unix(int64(seconds), 0).UTC()).Add(fraction), nil
}

// IntervalNumbers returns the arguments of DATE_ADD and its kin with an INTERVAL of a time, a document or bytes, which the
// planner does not take, as one of the number or text that they are.
func IntervalNumbers(ctx *sql.Context, args []sql.Expression) []sql.Expression {
	args = slices.Clone(args)
	for n, a := range args {
		i, ok := a.(*expression.Interval)
		if n == 1 && !ok && a.Resolved() { // ADDDATE(date, days)
			args[n] = NewOperand(ctx, a)
		}
		if !ok || !i.Child.Resolved() {
			continue
		}
		if !strings.Contains(i.Unit, "_") || BinaryText(ctx, i.Child) {
			args[n] = expression.NewInterval(NewOperand(ctx, i.Child), i.Unit)
		}
	}
	return args
}

// precisionOf returns the digits behind the second of a DATETIME or TIME, 0 of others.
func precisionOf(ctx *sql.Context, e sql.Expression) int {
	if types.IsTimespan(e.Type(ctx)) {
		return CreatedExpr(ctx, e, nil).MomentDigits()
	}
	if d, ok := e.Type(ctx).(sql.DatetimeType); ok {
		return d.Precision()
	}
	return 0
}

// fractional reports whether an INTERVAL is of seconds that may have a fraction, which the
// planner's has not.
func fractional(ctx *sql.Context, i *expression.Interval) bool {
	return i.Unit == "SECOND" && !types.IsInteger(i.Child.Type(ctx))
}

// farthest are the numbers of units from the first date to behind the last one.
var farthest = map[string]int64{
	"YEAR": 9999, "QUARTER": 4 * 9999, "MONTH": 12 * 9999, "WEEK": mostDays / 7, "DAY": mostDays, "HOUR": mostDays * 24, "MINUTE": mostDays * 24 * 60,
	"SECOND": mostDays * 24 * 3600, "MICROSECOND": mostDays * 24 * 3600 * 1e6,
}

const mostDays = 3652500

// partsOfUnits are the parts of a unit that has several: microseconds that each is, or months.
var partsOfUnits = map[string][]int64{
	"YEAR_MONTH": {12, 1}, "DAY_HOUR": {24 * hourMicros, hourMicros}, "DAY_MINUTE": {24 * hourMicros, hourMicros, 60e6},
	"DAY_SECOND": {24 * hourMicros, hourMicros, 60e6, 1e6}, "DAY_MICROSECOND": {24 * hourMicros, hourMicros, 60e6, 1e6, 1},
	"HOUR_MINUTE": {hourMicros, 60e6}, "HOUR_SECOND": {hourMicros, 60e6, 1e6}, "HOUR_MICROSECOND": {hourMicros, 60e6, 1e6, 1},
	"MINUTE_SECOND": {60e6, 1e6}, "MINUTE_MICROSECOND": {60e6, 1e6, 1}, "SECOND_MICROSECOND": {1e6, 1},
}

const hourMicros = 3600 * 1e6

// intervalNumber reads an INTERVAL of several parts as MySQL's get_interval_info: anything that is no digit is between
// them, those at the left may be missing. false: there are too many.
func intervalNumber(text string, parts []int64) (int64, string, bool) {
	text = strings.TrimLeft(text, " ")
	numbers := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if len(numbers) > len(parts) {
		return 0, "", false
	}
	if micros := parts[len(parts)-1] == 1 && parts[0] != 12; micros && len(numbers) > 0 {
		last := &numbers[len(numbers)-1]
		*last = (*last + "000000")[:6]
	}
	sum := float64(0)
	for i, n := range numbers {
		x, _ := strconv.ParseFloat(n, 64)
		sum += x * float64(parts[len(parts)-len(numbers)+i])
	}
	if strings.HasPrefix(text, "-") {
		sum = -sum
	}
	unit := "MICROSECOND"
	if parts[0] == 12 {
		unit = "MONTH"
	}
	n, _ := ofDouble(max(min(sum, 1e18), -1e18))
	return int64(n), unit, true
}

// moveDate moves a date or a TIME by an INTERVAL. One that leaves the dates that there are is NULL: the planner's
// arithmetic of what is more than 292 years overflows.
func moveDate(ctx *sql.Context, call sql.Expression, date sql.Expression, i *expression.Interval,
	move func(*sql.Context, ...sql.Expression) (sql.Expression, error), sign int64, r sql.Row) (any, error) {
	if parts := partsOfUnits[i.Unit]; parts != nil {
		v, err := i.Child.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		n, unit, ok := intervalNumber(value.ShownArgument(MomentOf(v, i.Child.Type(ctx))), parts)
		if !ok {
			return nil, nil
		}
		i = expression.NewInterval(expression.NewLiteral(n, types.Int64), unit)
	}
	if types.IsTimespan(date.Type(ctx)) {
		if types.IsTimespan(call.Type(ctx)) {
			return moveTime(ctx, date, i, sign, r)
		}
		date = &TimeToday{expression.UnaryExpressionStub{Child: date}}
	}
	if t := date.Type(ctx); types.IsTextOnly(t) { // the planner does not read '1:2:3.', '69-1-1' or '2020-01-01x', which MySQL does
		v, err := date.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if s, ok := v.(string); ok {
			m, fault, ok := value.FieldsOf(s)
			if at, there := m.Moment(ctx); ok && there {
				layout, kind := "2006-01-02 15:04:05.999999", "datetime"
				if m.Count <= 3 {
					layout, kind = "2006-01-02", "date"
				}
				if v = at.Format(layout); fault != 0 {
					ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect %s value: '%s'", kind, s)
				}
			}
		}
		date = expression.NewLiteral(v, t)
	}
	if limit := farthest[i.Unit]; limit > 0 && !fractional(ctx, i) {
		v, err := i.Child.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		n, err := WholeOf(ctx, v)
		if err != nil {
			return nil, err
		}
		far := false
		switch unit := i.Unit; {
		case n > limit || n < -limit:
			far = true
		case unit == "HOUR" || unit == "MINUTE" || unit == "SECOND" || unit == "MICROSECOND":
			day := limit / mostDays
			i = expression.NewInterval(expression.NewLiteral(n%day, types.Int64), unit)
			if days := n / day; days != 0 {
				e, err := move(ctx, date, expression.NewInterval(expression.NewLiteral(days, types.Int64), "DAY"))
				if err != nil {
					return nil, err
				}
				date = e
			}
		default:
			i = expression.NewInterval(expression.NewLiteral(n, types.Int64), unit)
		}
		v, err = date.Eval(ctx, r)
		if err != nil || v == nil {
			return nil, err
		}
		if !far {
			e, err := move(ctx, expression.NewLiteral(v, date.Type(ctx)), i)
			if err != nil {
				return nil, err
			}
			before := ctx.WarningCount()
			if v, err = e.Eval(ctx, nil); err != nil || v != nil || ctx.WarningCount() > before {
				return v, err
			}
		}
		ctx.Warn(1441, "Datetime function: datetime field overflow")
		return nil, nil
	}
	if fractional(ctx, i) {
		return byMicroseconds(ctx, move, date, i, r)
	}
	e, err := move(ctx, date, i)
	if err != nil {
		return nil, err
	}
	return e.Eval(ctx, r)
}

// byMicroseconds moves a date by an INTERVAL of seconds.
func byMicroseconds(ctx *sql.Context, move func(*sql.Context, ...sql.Expression) (sql.Expression, error),
	date sql.Expression, i *expression.Interval, r sql.Row) (any, error) {
	v, err := i.Child.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	v, _, err = types.Float64.Convert(ctx, v)
	seconds, ok := v.(float64)
	if !ok || err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
		return nil, err
	}
	if err != nil {
		ctx.Warn(mysql.ERTruncatedWrongValue, "%s", err.Error())
	}
	micros := expression.NewLiteral(int64(math.Round(seconds*1e6)), types.Int64)
	e, err := move(ctx, date, expression.NewInterval(micros, "MICROSECOND"))
	if err != nil {
		return nil, err
	}
	return e.Eval(ctx, r)
}

// moveTime moves a TIME by an INTERVAL of a day or less. It has hours beyond those of a day,
// and a sign.
func moveTime(ctx *sql.Context, e sql.Expression, i *expression.Interval, sign int64, r sql.Row) (any, error) {
	v, err := e.Eval(ctx, r)
	if err != nil || v == nil {
		return nil, err
	}
	d, ok := value.Clock(ctx, v)
	if !ok {
		return nil, nil
	}
	var by time.Duration
	if fractional(ctx, i) {
		if v, err = i.Child.Eval(ctx, r); err != nil || v == nil {
			return nil, err
		}
		v, _, err = types.Float64.Convert(ctx, v)
		seconds, ok := v.(float64)
		if !ok || err != nil && !sql.ErrTruncatedIncorrect.Is(err) {
			return nil, err
		}
		by = time.Duration(math.Round(seconds*1e6)) * time.Microsecond
	} else {
		delta, err := i.EvalDelta(ctx, r)
		if err != nil || delta == nil {
			return nil, err
		}
		by = time.Duration(delta.Days*24+delta.Hours)*time.Hour + time.Duration(delta.Minutes)*time.Minute +
			time.Duration(delta.Seconds)*time.Second + time.Duration(delta.Microseconds)*time.Microsecond
	}
	d += time.Duration(sign) * by
	if d.Abs() >= value.TimeMax+time.Second {
		ctx.Warn(1441, "Datetime function: time field overflow")
		return nil, nil
	}
	return types.Timespan(d / time.Microsecond), nil
}

// zoneRange are the instants, in UTC, that CONVERT_TZ converts.
var zoneRange = [2]time.Time{time.Unix(1, 0), time.Date(3001, 1, 19, 0, 0, 0, 0, time.UTC)}

// zoneOffset is an offset from UTC, which is from -13:59 to +14:00.
var zoneOffset = regexp.MustCompile(`^([+-])(\d{1,2}):(\d{2})$`)

// convertZone is CONVERT_TZ: what is out of range stays as it is.
func convertZone(ctx *sql.Context, args []sql.Expression, r sql.Row) (any, error) {
	var zones [2]string
	var v any
	for i, e := range args {
		x, err := e.Eval(ctx, r)
		if err != nil || x == nil {
			return nil, err
		}
		if i == 0 {
			v = x
			continue
		}
		if zones[i-1], err = value.TextOf(ctx, x); err != nil {
			return nil, err
		}
		if m := zoneOffset.FindStringSubmatch(zones[i-1]); m != nil {
			hours, _ := strconv.Atoi(m[2])
			minutes, _ := strconv.Atoi(m[3])
			if n := hours*60 + minutes; minutes > 59 || n > 14*60 || n == 14*60 && m[1] == "-" {
				return nil, nil
			}
		}
	}
	t, ok := value.DatetimeOf(ctx, v)
	if !ok || t.Equal(types.ZeroTime) {
		return nil, nil
	}
	from, ok := value.KnownZone(zones[0])
	to, ok2 := value.KnownZone(zones[1])
	if !ok || !ok2 {
		return nil, nil
	}
	at, _ := from.Instant(t)
	if at.Before(zoneRange[0]) || !at.Before(zoneRange[1]) {
		return t, nil
	}
	return to.Clock(at).UTC(), nil
}

// IntervalFunction is INTERVAL(n, …), a function whose name begins an interval in the
// planner's grammar.
const IntervalFunction = "_interval"
