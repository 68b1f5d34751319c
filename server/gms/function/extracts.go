package function

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/value"
)

// ExtractFunction is EXTRACT of a time's parts: of their unit's name and a value.
const ExtractFunction = "_extract"

// extractParts is EXTRACT of what is no date: a TIME has a sign and hours beyond a day, but no days.
func extractParts(ctx *sql.Context, args []any) (any, error) {
	unit, _ := args[0].(string)
	if unit == "year_month" {
		m, ok := value.DateFields(ctx, args[1])
		if !ok {
			return nil, nil
		}
		return int64(m.Year*100 + m.Month), nil
	}
	days, v := int64(0), args[1]
	if s, ok := v.(string); ok && value.HasDate(s) {
		if v, ok = value.DatetimeOf(ctx, v); !ok {
			return nil, nil
		}
	}
	if t, ok := v.(time.Time); ok {
		days = int64(t.Day())
	}
	d, ok := value.Clock(ctx, v)
	if !ok {
		return nil, nil
	}
	sign := int64(1)
	if d < 0 {
		sign, d = -1, -d
	}
	first, last, several := strings.Cut(unit, "_")
	if !several {
		last = first
	}
	n := int64(0)
	for _, p := range []struct {
		unit string
		of   int64
		size int64 // of the digits of it behind larger ones
	}{{"day", days, 1}, {"hour", int64(d / time.Hour), 100}, {"minute", int64(d / time.Minute % 60), 100}, {"second", int64(d / time.Second % 60), 100},
		{"microsecond", int64(d / time.Microsecond % 1e6), 1e6}} {
		if p.unit == first {
			n, first = p.of, ""
		} else if first == "" {
			n = n*p.size + p.of
		}
		if p.unit == last {
			break
		}
	}
	return n * sign, nil
}

// timeDiff is TIMEDIFF, NULL of a date, a moment or a time and another of them.
func timeDiff(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	dated := types.IsTime(exprs[0].Type(ctx)) || types.IsTime(exprs[1].Type(ctx))
	var kinds [2]string
	var at [2]time.Duration // since the beginning of 1970, or the time
	for i, v := range args {
		text, isText := v.(string)
		if b, ok := v.([]byte); ok {
			text, isText = string(b), true
			v = text
		}
		span, isSpan := v.(types.Timespan)
		switch moment, isMoment := v.(time.Time); {
		case isMoment && types.IsDateType(exprs[i].Type(ctx)):
			kinds[i], at[i] = "date", time.Duration(moment.UnixMicro())
		case isMoment:
			kinds[i], at[i] = "moment", time.Duration(moment.UnixMicro())
		case isSpan:
			kinds[i], at[i] = "time", time.Duration(span)
		case dated || isText && value.HasDate(text):
			moment, ok := value.DatetimeOf(ctx, v)
			if !ok {
				return nil, nil
			}
			kinds[i], at[i] = "date", time.Duration(moment.UnixMicro())
			if !isText || value.HasDate(text) {
				kinds[i] = "moment"
			}
		default:
			d, ok := value.Clock(ctx, v)
			if !ok {
				return nil, nil
			}
			kinds[i], at[i] = "time", d/time.Microsecond
		}
	}
	if kinds[0] != kinds[1] {
		return nil, nil
	}
	most := value.TimeMax + time.Second
	return value.TimeOf(ctx, max(min(at[0]-at[1], most/time.Microsecond), -most/time.Microsecond)*time.Microsecond), nil
}
