package value

import (
	"fmt"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// NoZeroInDate is the mode that refuses dates with a month or a day of 0.
const NoZeroInDate = "NO_ZERO_IN_DATE"

// NoZeroDate is the mode that refuses '0000-00-00'.
const NoZeroDate = "NO_ZERO_DATE"

// moment assigns to DATE, DATETIME, TIMESTAMP and TIME.
func (a *Assigner) moment(ctx *sql.Context, column string, t sql.Type, v any) (any, error) {
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
	refused := func(l MomentFault) (any, error) {
		warning := 1264
		if l&faultCut != 0 {
			warning = 1265
		}
		return a.Keep(ctx, column, incorrect(1292, kind, v, warning), types.ZeroTime)
	}
	cut := ModeEnabled(ctx, TruncatesFractions)
	var at time.Time
	var fault MomentFault
	switch x := v.(type) {
	case time.Time:
		at = x
	case types.Timespan:
		m, err := SpanToday(ctx, x)
		if err != nil {
			return nil, err
		}
		at = m.(time.Time)
	default:
		var m MomentFields
		ok := true
		if text, is := v.(string); is {
			m, fault, ok = FieldsOf(text)
		} else if n, nanos, is := WholeAndNanos(v); is {
			var clock bool
			if m, clock, fault = FieldsOfNumber(n); nanos < 0 {
				fault = FaultRange
			}
			switch ok = fault == 0; {
			case !ok || nanos == 0 || n == 0:
			case !clock:
				fault = faultCut
			default:
				m.Micros, m.Nanos = nanos/1000, nanos%1000
			}
		} else {
			return v, nil // the planner's own
		}
		if !ok {
			return refused(fault)
		}
		if !m.zero() && (m.Month == 0 || m.Day == 0) {
			if t.Type() != sqltypes.Timestamp && !ModeEnabled(ctx, NoZeroInDate) {
				return nil, ErrNotSupported("dates with a month or a day of 0: '" + Shown(v) + "'")
			}
			return refused(faultZero)
		}
		if at, ok = m.Time(cut); !ok {
			return refused(FaultRange)
		}
		if m.Zoned {
			at = ZoneOf(ctx).Clock(at.Add(-m.offset))
		}
	}
	if at.Equal(types.ZeroTime) {
		if ModeEnabled(ctx, NoZeroDate) {
			return refused(faultZero)
		}
	} else if unit := momentUnit(t); cut {
		at = at.Truncate(unit)
	} else if at = at.Round(unit); at.Year() > 9999 {
		return refused(FaultRange)
	}
	if fault != 0 {
		if _, err := refused(fault); err != nil {
			return nil, err
		}
	}
	switch whole := Day(at); {
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
func (a *Assigner) partOf(ctx *sql.Context, column, kind string, v any) {
	switch x := v.(type) {
	case time.Time:
		v = x.Format(time.DateTime)
	case types.Timespan:
		v = SpanWith(x, 0)
	}
	ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1292, Message: fmt.Sprintf("Incorrect %s value: '%s' for column '%s' at row %d", kind, Shown(v), column, a.Row)})
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
func (a *Assigner) span(ctx *sql.Context, column string, v any) (any, error) {
	cut := ModeEnabled(ctx, TruncatesFractions)
	var span time.Duration
	var dated bool
	var fault MomentFault
	switch x := v.(type) {
	case types.Timespan:
		return x, nil
	case time.Time:
		return types.Timespan(x.Sub(Day(x)) / time.Microsecond), nil
	case string:
		span, dated, fault = SpanOf(x, cut)
	default:
		n, nanos, ok := WholeAndNanos(v)
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
	return a.Keep(ctx, column, incorrect(1292, "time", v, warning), left)
}

// TruncatesFractions is the mode in which fractions that a column does not hold are cut off, not rounded.
const TruncatesFractions = "TIME_TRUNCATE_FRACTIONAL"
