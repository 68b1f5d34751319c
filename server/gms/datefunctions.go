package gms

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// integers returns the arguments as integers, and whether one is NULL.
func integers(ctx *sql.Context, args []any) (out []int64, null bool, err error) {
	for _, a := range args {
		if a == nil {
			return nil, true, nil
		}
		v, _, err := types.Int64.Convert(ctx, a)
		if err != nil {
			return nil, false, err
		}
		out = append(out, v.(int64))
	}
	return out, false, nil
}

// makeDate is MAKEDATE(year, day of the year).
func makeDate(ctx *sql.Context, _ *Session, args []any) (any, error) {
	n, null, err := integers(ctx, args)
	if null || err != nil {
		return nil, err
	}
	year, day := n[0], n[1]
	if year < 0 || year > 9999 || day < 1 || day > 3660000 {
		return nil, nil
	}
	t := time.Date(int(fullYear(year)), 1, int(day), 0, 0, 0, 0, time.UTC)
	if t.Year() > 9999 {
		return nil, nil
	}
	return t, nil
}

// fullYear is the year that a number of two digits means.
func fullYear(year int64) int64 {
	switch {
	case year < 70:
		return year + 2000
	case year < 100:
		return year + 1900
	}
	return year
}

// secToTime is SEC_TO_TIME.
func secToTime(ctx *sql.Context, _ *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	v, _, err := types.Float64.Convert(ctx, args[0])
	if err != nil {
		return nil, err
	}
	const most = 838*3600 + 59*60 + 59
	return types.Timespan(max(-most, min(most, v.(float64))) * 1e6), nil
}

// makeTime is MAKETIME(hour, minute, second).
func makeTime(ctx *sql.Context, s *Session, args []any) (any, error) {
	n, null, err := integers(ctx, args)
	if null || err != nil || n[1] < 0 || n[1] > 59 || n[2] < 0 || n[2] > 59 {
		return nil, err
	}
	second, _, err := types.Float64.Convert(ctx, args[2])
	if err != nil {
		return nil, err
	}
	rest := float64(n[1]*60) + second.(float64)
	if n[0] < 0 {
		rest = -rest
	}
	return secToTime(ctx, s, []any{float64(n[0]*3600) + rest})
}

// utcDate is UTC_DATE.
func utcDate(ctx *sql.Context, _ *Session, _ []any) (any, error) {
	t := ctx.QueryTime().UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), nil
}

// periodAdd and periodDiff are PERIOD_ADD and PERIOD_DIFF, of months written YYYYMM or YYMM.
func periodAdd(ctx *sql.Context, _ *Session, args []any) (any, error) {
	n, null, err := integers(ctx, args)
	if null || err != nil {
		return nil, err
	}
	m, err := months(n[0], "period_add")
	if err != nil {
		return nil, err
	}
	m += n[1]
	return m/12*100 + m%12 + 1, nil
}

func periodDiff(ctx *sql.Context, _ *Session, args []any) (any, error) {
	n, null, err := integers(ctx, args)
	if null || err != nil {
		return nil, err
	}
	a, err := months(n[0], "period_diff")
	if err != nil {
		return nil, err
	}
	b, err := months(n[1], "period_diff")
	if err != nil {
		return nil, err
	}
	return a - b, nil
}

// months is the number of months of a period since the year 0.
func months(period int64, function string) (int64, error) {
	if month := period % 100; period < 0 || month < 1 || month > 12 {
		return 0, mysql.NewSQLError(1210, "HY000", "Incorrect arguments to %s", function)
	}
	return fullYear(period/100)*12 + period%100 - 1, nil
}

// toSeconds is TO_SECONDS: those since the year 0.
func toSeconds(ctx *sql.Context, _ *Session, args []any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	v, _, err := types.DatetimeMaxPrecision.Convert(ctx, args[0])
	if err != nil {
		return nil, nil
	}
	t, ok := v.(time.Time)
	if !ok {
		return nil, nil
	}
	return t.Unix() + (719528 * 86400), nil
}
