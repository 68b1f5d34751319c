package gms

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// extractFunction is EXTRACT of a time's parts: of their unit's name and a value.
const extractFunction = "_extract"

// extractParts is EXTRACT of what is no date: a TIME has a sign and hours beyond a day, but no days.
func extractParts(ctx *sql.Context, _ *Session, args []any) (any, error) {
	unit, _ := args[0].(string)
	if unit == "year_month" {
		t, ok := datetimeOf(ctx, args[1])
		if !ok || t.Equal(types.ZeroTime) {
			return nil, nil
		}
		return int64(t.Year()*100 + int(t.Month())), nil
	}
	days, v := int64(0), args[1]
	if s, ok := v.(string); ok && hasDate(s) {
		if v, ok = datetimeOf(ctx, v); !ok {
			return nil, nil
		}
	}
	if t, ok := v.(time.Time); ok {
		days = int64(t.Day())
	}
	d, ok := clock(ctx, v)
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
