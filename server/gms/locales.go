package gms

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

// timeNames is the variable that chooses the language of the names of months and days.
const timeNames = "lc_time_names"

// localeTexts has a line for each language: the names of its locales, those of the months from January, their
// abbreviations, those of the days from Monday, theirs.
//
//go:embed locales.txt
var localeTexts string

// locale is the names of months and days in a language.
type locale struct {
	months, shortMonths, days, shortDays []string // days from Monday
}

// locales are MySQL's, by their names in lower case.
var locales = sync.OnceValue(func() map[string]*locale {
	all := map[string]*locale{}
	for _, line := range strings.Split(strings.TrimSuffix(localeTexts, "\n"), "\n") {
		names, rest, _ := strings.Cut(line, "|")
		words := strings.Split(rest, "|")
		l := &locale{words[:12], words[12:24], words[24:31], words[31:38]}
		for _, name := range strings.Fields(names) {
			all[strings.ToLower(name)] = l
		}
	}
	return all
})

// localeType is the type of lc_time_names.
type localeType struct{ sql.SystemVariableType }

// Convert implements sql.Type. Returns MySQL's 1649 for a locale that there is not.
func (t localeType) Convert(_ context.Context, v any) (any, sql.ConvertInRange, error) {
	name := shown(v)
	language, country, _ := strings.Cut(name, "_")
	if locales()[strings.ToLower(name)] == nil {
		return nil, sql.InRange, mysql.NewSQLError(1649, "HY000", "Unknown locale: '%s'", name)
	}
	return strings.ToLower(language) + "_" + strings.ToUpper(country), sql.InRange, nil
}

// localeOf is the locale of a session.
func localeOf(ctx *sql.Context) *locale {
	if v, err := ctx.GetSessionVariable(ctx, timeNames); err == nil {
		if l := locales()[strings.ToLower(shown(v))]; l != nil {
			return l
		}
	}
	return locales()["en_us"]
}

// monthName is MONTHNAME.
func monthName(ctx *sql.Context, args []any) (any, error) {
	m, ok := dateFields(ctx, args[0])
	if !ok || m.month == 0 {
		return nil, nil
	}
	return localeOf(ctx).months[m.month-1], nil
}

// dateFormat is DATE_FORMAT.
func dateFormat(ctx *sql.Context, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	format, err := textOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	m, ok := dateFields(ctx, args[0])
	if !ok || format == "" {
		return nil, nil
	}
	if text, ok := formattedDate(m, format, localeOf(ctx)); ok {
		return text, nil
	}
	return nil, nil
}

// formattedDate returns a date in a format of DATE_FORMAT, false if the date has no such month or day.
func formattedDate(m momentFields, format string, l *locale) (string, bool) {
	half, twelve := "AM", (m.hour+11)%12+1
	if m.hour >= 12 {
		half = "PM"
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if m.month == 0 && (strings.IndexByte("Mb", format[i]) >= 0 || m.year == 0 && strings.IndexByte("WawjUuVvXx", format[i]) >= 0) {
			return "", false
		}
		switch format[i] {
		case 'M':
			b.WriteString(l.months[m.month-1])
		case 'b':
			b.WriteString(l.shortMonths[m.month-1])
		case 'W':
			b.WriteString(l.days[m.weekday()])
		case 'a':
			b.WriteString(l.shortDays[m.weekday()])
		case 'D':
			fmt.Fprintf(&b, "%d%s", m.day, ordinal(m.day))
		case 'Y':
			fmt.Fprintf(&b, "%04d", m.year)
		case 'y':
			fmt.Fprintf(&b, "%02d", m.year%100)
		case 'm':
			fmt.Fprintf(&b, "%02d", m.month)
		case 'c':
			fmt.Fprintf(&b, "%d", m.month)
		case 'd':
			fmt.Fprintf(&b, "%02d", m.day)
		case 'e':
			fmt.Fprintf(&b, "%d", m.day)
		case 'f':
			fmt.Fprintf(&b, "%06d", m.micros)
		case 'H':
			fmt.Fprintf(&b, "%02d", m.hour)
		case 'k':
			fmt.Fprintf(&b, "%d", m.hour)
		case 'h', 'I':
			fmt.Fprintf(&b, "%02d", twelve)
		case 'l':
			fmt.Fprintf(&b, "%d", twelve)
		case 'i':
			fmt.Fprintf(&b, "%02d", m.minute)
		case 's', 'S':
			fmt.Fprintf(&b, "%02d", m.second)
		case 'p':
			b.WriteString(half)
		case 'r':
			fmt.Fprintf(&b, "%02d:%02d:%02d %s", twelve, m.minute, m.second, half)
		case 'T':
			fmt.Fprintf(&b, "%02d:%02d:%02d", m.hour, m.minute, m.second)
		case 'j':
			fmt.Fprintf(&b, "%03d", m.days()-momentFields{year: m.year, month: 1, day: 1}.days()+1)
		case 'w':
			fmt.Fprintf(&b, "%d", (m.weekday()+1)%7)
		case 'U', 'u', 'V', 'v', 'X', 'x':
			n, of := week(time.Date(m.year, time.Month(m.month), m.day, 0, 0, 0, 0, time.UTC), formatWeeks[format[i]])
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
