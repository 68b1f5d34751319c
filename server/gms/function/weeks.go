package function

import (
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/value"
)

// weekMode is a mode of WEEK: bits.
type weekMode int64

const (
	mondayFirst weekMode = 1 << iota // the week begins on Monday
	weekOfYear                       // there is no week 0: it is the last one of the year before
	firstDay                         // week 1 begins with the first such day, else it is the one with four days of the year
)

// week returns the week that a day is in and the year that the week is of.
func week(t time.Time, mode weekMode) (int, int) {
	mode &= mondayFirst | weekOfYear | firstDay
	if mode&mondayFirst == 0 {
		mode ^= firstDay
	}
	begin := func(year int) int { // of week 1, in days of the year
		first := newYear(year)
		if mode&mondayFirst != 0 {
			first = (first + 6) % 7
		}
		if mode&firstDay != 0 && first > 0 || mode&firstDay == 0 && first > 3 {
			return 7 - int(first)
		}
		return -int(first)
	}
	year, at := t.Year(), t.YearDay()-1
	if year == 0 && t.Month() > time.February {
		at--
	}
	if at < begin(year) {
		if mode&weekOfYear == 0 {
			return 0, year
		}
		year--
		at += yearDays(year)
	} else if mode&weekOfYear != 0 && at >= yearDays(year)+begin(year+1) {
		return 1, year + 1
	}
	return (at-begin(year))/7 + 1, year
}

// newYear returns the first day of a year. The year 0 of MySQL has no 29th of February, as
// that of Go's calendar has: its days before are of other weekdays.
func newYear(year int) time.Weekday {
	if year == 0 {
		return time.Sunday
	}
	return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Weekday()
}

func yearDays(year int) int {
	if year == 0 {
		return 365
	}
	return time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
}

func dayName(ctx *sql.Context, args []any) (any, error) {
	t, ok := value.DayOf(ctx, args[0])
	if !ok {
		return nil, nil
	}
	return localeOf(ctx).Days[value.FieldsIn(t).Weekday()], nil
}

// weekArguments returns the day and the mode of a call, false for NULL.
func weekArguments(ctx *sql.Context, args []any, mode int64) (time.Time, weekMode, bool) {
	t, ok := value.DayOf(ctx, args[0])
	if !ok {
		return t, 0, false
	}
	if len(args) > 1 {
		n, ok := value.Numbers(ctx, args[1:2])
		if !ok {
			n = []int64{0}
		}
		mode = n[0]
	}
	return t, weekMode(mode), true
}

func weekNumber(ctx *sql.Context, args []any) (any, error) {
	if len(args) < 1 || len(args) > 2 {
		return nil, sql.ErrInvalidArgumentNumber.New("WEEK", "1 or 2", len(args))
	}
	mode := int64(0)
	if len(args) == 1 {
		if v, err := ctx.GetSessionVariable(ctx, "default_week_format"); err == nil {
			mode, _ = v.(int64)
		}
	}
	t, m, ok := weekArguments(ctx, args, mode)
	if !ok {
		return nil, nil
	}
	n, _ := week(t, m)
	return int32(n), nil
}

func yearWeek(ctx *sql.Context, args []any) (any, error) {
	if len(args) < 1 || len(args) > 2 {
		return nil, sql.ErrInvalidArgumentNumber.New("YEARWEEK", "1 or 2", len(args))
	}
	t, mode, ok := weekArguments(ctx, args, 0)
	if !ok {
		return nil, nil
	}
	n, year := week(t, mode|weekOfYear)
	return int32(year*100 + n), nil
}
