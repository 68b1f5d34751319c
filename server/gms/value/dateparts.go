package value

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// DateFields are the fields of the date that a value is, a month or a day of 0 in it too, false if it is NULL or none,
// which warns.
func DateFields(ctx *sql.Context, v any) (m MomentFields, ok bool) {
	fault := MomentFault(0)
	switch x := v.(type) {
	case nil:
		return m, false
	case time.Time:
		return FieldsIn(x), true
	case types.Timespan:
		at, err := SpanToday(ctx, x)
		t, ok := at.(time.Time)
		return FieldsIn(t), ok && err == nil
	case string:
		if m, fault, ok = FieldsOf(x); m.Zoned {
			at, ok := m.Moment(ctx)
			return FieldsIn(at), ok
		}
	case []byte:
		return DateFields(ctx, string(x))
	default:
		n, nanos, number := WholeAndNanos(v)
		if m, _, fault = FieldsOfNumber(n); number && fault == 0 {
			m.Micros, ok = nanos/1000, true
		}
	}
	if there := m.Month == 0 || m.Day == 0; !there {
		_, there = m.Time(true)
		ok = ok && there
	}
	if _, text := v.(string); !ok || text && m.dateless() && ModeEnabled(ctx, NoZeroDate) {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", Shown(v))
		return m, false
	}
	if fault != 0 {
		kind := "datetime"
		if m.Count <= 3 {
			kind = "date"
		}
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect %s value: '%s'", kind, Shown(v))
	}
	return m, true
}

// FieldsIn are the fields of a moment.
func FieldsIn(t time.Time) MomentFields {
	if t.Equal(types.ZeroTime) {
		return MomentFields{}
	}
	return MomentFields{
		Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second(), Micros: t.Nanosecond() / 1000, Count: 7,
	}
}

// dateless reports whether the date is 0000-00-00.
func (m MomentFields) dateless() bool { return m.Year == 0 && m.Month == 0 && m.Day == 0 }

// Days is the number of a day as TO_DAYS has it, also of one with a month or a day of 0.
func (m MomentFields) Days() int {
	if m.Year == 0 && m.Month == 0 {
		return 0
	}
	year, n := m.Year, 365*m.Year+31*(m.Month-1)+m.Day
	if m.Month <= 2 {
		year--
	} else {
		n -= (m.Month*4 + 23) / 10
	}
	return n + year/4 - (year/100+1)*3/4
}

// Weekday is the day of the week from Monday.
func (m MomentFields) Weekday() int { return (m.Days() + 5) % 7 }

// DayOf returns the date that a value is, false if it is NULL, none or the date of zeros.
func DayOf(ctx *sql.Context, v any) (time.Time, bool) {
	t, ok := DatetimeOf(ctx, v)
	return t, ok && !t.Equal(types.ZeroTime)
}
