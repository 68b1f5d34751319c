package gms

import (
	"fmt"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// noZeroDate is the mode that refuses '0000-00-00'.
const noZeroDate = "NO_ZERO_DATE"

// moment assigns to DATE, DATETIME, TIMESTAMP and TIME.
func (a *assigner) moment(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if t.Type() == sqltypes.Time {
		return a.span(ctx, column, v)
	}
	kind := "datetime"
	if types.IsDateType(t) {
		kind = "date"
	}
	refused := func(l momentFault) (any, error) {
		warning := 1264
		if l&faultCut != 0 {
			warning = 1265
		}
		return a.keep(ctx, column, incorrect(1292, kind, v, warning), types.ZeroTime)
	}
	cut := modeEnabled(ctx, truncatesFractions)
	var at time.Time
	var fault momentFault
	switch x := v.(type) {
	case time.Time:
		at = x
	case types.Timespan:
		m, err := spanToday(ctx, x)
		if err != nil {
			return nil, err
		}
		at = m.(time.Time)
	default:
		var m momentFields
		ok := true
		if text, is := v.(string); is {
			m, fault, ok = fieldsOf(text)
		} else if n, nanos, is := wholeAndNanos(v); is {
			var clock bool
			if m, clock, fault = fieldsOfNumber(n); nanos < 0 {
				fault = faultRange
			}
			switch ok = fault == 0; {
			case !ok || nanos == 0 || n == 0:
			case !clock:
				fault = faultCut
			default:
				m.micros, m.nanos = nanos/1000, nanos%1000
			}
		} else {
			return v, nil // the planner's own
		}
		if !ok {
			return refused(fault)
		}
		if !m.zero() && (m.month == 0 || m.day == 0) {
			if t.Type() != sqltypes.Timestamp && !modeEnabled(ctx, "NO_ZERO_IN_DATE") {
				return nil, errNotSupported("dates with a month or a day of 0: '" + shown(v) + "'")
			}
			return refused(faultZero)
		}
		if at, ok = m.time(cut); !ok {
			return refused(faultRange)
		}
		if m.zoned {
			at = zoneOf(ctx).clock(at.Add(-m.offset))
		}
	}
	if at.Equal(types.ZeroTime) {
		if modeEnabled(ctx, noZeroDate) {
			return refused(faultZero)
		}
	} else if unit := momentUnit(t); cut {
		at = at.Truncate(unit)
	} else if at = at.Round(unit); at.Year() > 9999 {
		return refused(faultRange)
	}
	if fault != 0 {
		if _, err := refused(fault); err != nil {
			return nil, err
		}
	}
	switch whole := day(at); {
	case t.Type() == sqltypes.Timestamp:
		return a.timestamp(ctx, column, at, v)
	case types.IsDateType(t) && !at.Equal(types.ZeroTime) && !at.Equal(whole):
		if fault == 0 {
			a.partOf(ctx, column, kind, v)
		}
		return whole, nil
	}
	return at, nil
}

// partOf notes that a column has a part of a date with a time only.
func (a *assigner) partOf(ctx *sql.Context, column, kind string, v any) {
	switch x := v.(type) {
	case time.Time:
		v = x.Format(time.DateTime)
	case types.Timespan:
		v = spanWith(x, 0)
	}
	ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1292, Message: fmt.Sprintf("Incorrect %s value: '%s' for column '%s' at row %d", kind, shown(v), column, a.row)})
}

// momentUnit is the least that a DATE (before its time is left out), DATETIME or TIMESTAMP tells apart.
func momentUnit(t sql.Type) time.Duration {
	unit := time.Second
	if d, ok := t.(sql.DatetimeType); ok && !types.IsDateType(t) {
		for range d.Precision() {
			unit /= 10
		}
	}
	return unit
}

// span assigns to TIME. Its digits behind the second are cut or rounded when the row is stored.
func (a *assigner) span(ctx *sql.Context, column string, v any) (any, error) {
	cut := modeEnabled(ctx, truncatesFractions)
	var span time.Duration
	var dated bool
	var fault momentFault
	switch x := v.(type) {
	case types.Timespan:
		return x, nil
	case time.Time:
		return types.Timespan(x.Sub(day(x)) / time.Microsecond), nil
	case string:
		span, dated, fault = spanOf(x, cut)
	default:
		n, nanos, ok := wholeAndNanos(v)
		if !ok {
			return v, nil // the planner's own
		}
		span, dated, fault = spanOfNumber(n, nanos, cut)
	}
	if dated && fault == 0 {
		a.partOf(ctx, column, "time", v)
	}
	left := types.Timespan(span / time.Microsecond)
	if fault == 0 {
		return left, nil
	}
	warning := 1264
	if fault&faultCut != 0 {
		warning = 1265
	}
	return a.keep(ctx, column, incorrect(1292, "time", v, warning), left)
}
