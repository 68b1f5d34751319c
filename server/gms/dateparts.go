package gms

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// datePart is a function of a part of a date, which may be one with a month or a day of 0.
func datePart(name string, part func(momentFields) int) *functionDef {
	return &functionDef{name: name, args: 1, pure: true, typ: types.Int32, eval: func(ctx *sql.Context, args []any) (any, error) {
		m, ok := dateFields(ctx, args[0])
		if !ok {
			return nil, nil
		}
		return int32(part(m)), nil
	}}
}

// dateFields are the fields of the date that a value is, a month or a day of 0 in it too, false if it is NULL or none,
// which warns.
func dateFields(ctx *sql.Context, v any) (m momentFields, ok bool) {
	fault := momentFault(0)
	switch x := v.(type) {
	case nil:
		return m, false
	case time.Time:
		return fieldsIn(x), true
	case types.Timespan:
		at, err := spanToday(ctx, x)
		t, ok := at.(time.Time)
		return fieldsIn(t), ok && err == nil
	case string:
		if m, fault, ok = fieldsOf(x); m.zoned {
			at, ok := momentIn(ctx, x)
			return fieldsIn(at), ok
		}
	case []byte:
		return dateFields(ctx, string(x))
	default:
		n, nanos, number := wholeAndNanos(v)
		if m, _, fault = fieldsOfNumber(n); number && fault == 0 {
			m.micros, ok = nanos/1000, true
		}
	}
	if there := m.month == 0 || m.day == 0; !there {
		_, there = m.time(true)
		ok = ok && there
	}
	if _, text := v.(string); !ok || text && m.dateless() && modeEnabled(ctx, noZeroDate) {
		ctx.Warn(mysql.ERTruncatedWrongValue, "Incorrect datetime value: '%s'", shown(v))
		return m, false
	}
	if fault != 0 {
		kind := "datetime"
		if m.count <= 3 {
			kind = "date"
		}
		ctx.Warn(mysql.ERTruncatedWrongValue, "Truncated incorrect %s value: '%s'", kind, shown(v))
	}
	return m, true
}

// fieldsIn are the fields of a moment.
func fieldsIn(t time.Time) momentFields {
	if t.Equal(types.ZeroTime) {
		return momentFields{}
	}
	return momentFields{
		year: t.Year(), month: int(t.Month()), day: t.Day(), hour: t.Hour(), minute: t.Minute(), second: t.Second(), micros: t.Nanosecond() / 1000, count: 7,
	}
}

// dateless reports whether the date is 0000-00-00.
func (m momentFields) dateless() bool { return m.year == 0 && m.month == 0 && m.day == 0 }

// days is the number of a day as TO_DAYS has it, also of one with a month or a day of 0.
func (m momentFields) days() int {
	if m.year == 0 && m.month == 0 {
		return 0
	}
	year, n := m.year, 365*m.year+31*(m.month-1)+m.day
	if m.month <= 2 {
		year--
	} else {
		n -= (m.month*4 + 23) / 10
	}
	return n + year/4 - (year/100+1)*3/4
}

// weekday is the day of the week from Monday.
func (m momentFields) weekday() int { return (m.days() + 5) % 7 }

// lastDay is LAST_DAY.
var lastDay = &functionDef{name: "last_day", args: 1, pure: true, typ: types.Date, eval: func(ctx *sql.Context, args []any) (any, error) {
	m, ok := dateFields(ctx, args[0])
	if !ok || m.month == 0 {
		return nil, nil
	}
	return time.Date(m.year, time.Month(m.month)+1, 0, 0, 0, 0, 0, time.UTC), nil
}}

// dayAsNumber returns DAYNAME as the number that it is in arithmetic.
func dayAsNumber(e sql.Expression) (sql.Expression, bool) {
	f, ok := e.(*function)
	if !ok || f.def.name != "dayname" {
		return e, false
	}
	return &function{def: dayNumber, args: f.args}, true
}

// dayNumber is the day of the week from Monday.
var dayNumber = &functionDef{name: "weekday", args: 1, pure: true, typ: types.Int32, eval: func(ctx *sql.Context, args []any) (any, error) {
	t, ok := dayOf(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return int32(fieldsIn(t).weekday()), nil
}}
