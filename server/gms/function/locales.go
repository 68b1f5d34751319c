package function

import (
	"fmt"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/value"
)

// localeOf is the locale of a session.
func localeOf(ctx *sql.Context) *value.Locale {
	if v, err := ctx.GetSessionVariable(ctx, value.TimeNames); err == nil {
		if l := value.Locales()[strings.ToLower(value.Shown(v))]; l != nil {
			return l
		}
	}
	return value.Locales()["en_us"]
}

// monthName is MONTHNAME.
func monthName(ctx *sql.Context, args []any) (any, error) {
	m, ok := value.DateFields(ctx, args[0])
	if !ok || m.Month == 0 {
		return nil, nil
	}
	return localeOf(ctx).Months[m.Month-1], nil
}

// dateFormat is DATE_FORMAT.
func dateFormat(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	format, err := value.TextOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	m, ok := value.DateFields(ctx, args[0])
	if !ok || format == "" {
		return nil, nil
	}
	if text, ok := formattedDate(m, format, localeOf(ctx)); ok {
		return text, nil
	}
	return nil, nil
}

// formattedDate returns a date in a format of DATE_FORMAT, false if the date has no such month or day.
func formattedDate(m value.MomentFields, format string, l *value.Locale) (string, bool) {
	half, twelve := "AM", (m.Hour+11)%12+1
	if m.Hour >= 12 {
		half = "PM"
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if m.Month == 0 && (strings.IndexByte("Mb", format[i]) >= 0 || m.Year == 0 && strings.IndexByte("WawjUuVvXx", format[i]) >= 0) {
			return "", false
		}
		switch format[i] {
		case 'M':
			b.WriteString(l.Months[m.Month-1])
		case 'b':
			b.WriteString(l.ShortMonths[m.Month-1])
		case 'W':
			b.WriteString(l.Days[m.Weekday()])
		case 'a':
			b.WriteString(l.ShortDays[m.Weekday()])
		case 'D':
			fmt.Fprintf(&b, "%d%s", m.Day, ordinal(m.Day))
		case 'Y':
			fmt.Fprintf(&b, "%04d", m.Year)
		case 'y':
			fmt.Fprintf(&b, "%02d", m.Year%100)
		case 'm':
			fmt.Fprintf(&b, "%02d", m.Month)
		case 'c':
			fmt.Fprintf(&b, "%d", m.Month)
		case 'd':
			fmt.Fprintf(&b, "%02d", m.Day)
		case 'e':
			fmt.Fprintf(&b, "%d", m.Day)
		case 'f':
			fmt.Fprintf(&b, "%06d", m.Micros)
		case 'H':
			fmt.Fprintf(&b, "%02d", m.Hour)
		case 'k':
			fmt.Fprintf(&b, "%d", m.Hour)
		case 'h', 'I':
			fmt.Fprintf(&b, "%02d", twelve)
		case 'l':
			fmt.Fprintf(&b, "%d", twelve)
		case 'i':
			fmt.Fprintf(&b, "%02d", m.Minute)
		case 's', 'S':
			fmt.Fprintf(&b, "%02d", m.Second)
		case 'p':
			b.WriteString(half)
		case 'r':
			fmt.Fprintf(&b, "%02d:%02d:%02d %s", twelve, m.Minute, m.Second, half)
		case 'T':
			fmt.Fprintf(&b, "%02d:%02d:%02d", m.Hour, m.Minute, m.Second)
		case 'j':
			fmt.Fprintf(&b, "%03d", m.Days()-value.MomentFields{Year: m.Year, Month: 1, Day: 1}.Days()+1)
		case 'w':
			fmt.Fprintf(&b, "%d", (m.Weekday()+1)%7)
		case 'U', 'u', 'V', 'v', 'X', 'x':
			n, of := week(time.Date(m.Year, time.Month(m.Month), m.Day, 0, 0, 0, 0, time.UTC), formatWeeks[format[i]])
			if format[i]|0x20 == 'x' {
				fmt.Fprintf(&b, "%04d", of)
			} else {
				fmt.Fprintf(&b, "%02d", n)
			}
		default:
			b.WriteByte(format[i])
		}
	}
	return b.String(), true
}

// formatWeeks are the modes of the weeks and their years in formats.
var formatWeeks = map[byte]weekMode{
	'u': mondayFirst, 'V': weekOfYear, 'X': weekOfYear, 'v': mondayFirst | weekOfYear, 'x': mondayFirst | weekOfYear,
}

// ordinal is the end of an English ordinal number.
func ordinal(n int) string {
	if n/10 != 1 && n%10 >= 1 && n%10 <= 3 {
		return []string{"st", "nd", "rd"}[n%10-1]
	}
	return "th"
}
