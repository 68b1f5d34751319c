package function

import (
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// strToDate is STR_TO_DATE, as MySQL's extract_date_time reads a text.
var strToDate = &expr.FunctionDef{Name: "str_to_date", Args: 2, Pure: true, TypeOf: strToDateType, EvalOf: func(ctx *sql.Context, exprs []sql.Expression, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	text, err := value.TextOf(ctx, args[0])
	if err != nil {
		return nil, err
	}
	format, err := value.TextOf(ctx, args[1])
	if err != nil {
		return nil, err
	}
	p := &momentParser{text: text}
	date, clock, _ := expr.FormatParts(format)
	kind := "datetime"
	switch {
	case !clock:
		kind = "date"
	case !date:
		kind = "time"
	}
	ok := p.read(format) && p.ofWeeks() && p.month <= 12 && p.day <= 31 && p.hour <= 23 && p.minute <= 59 && p.second <= 59
	if rest := strings.TrimSpace(p.text); ok && rest != "" {
		ctx.Warn(1292, "Truncated incorrect %s value: '%s'", kind, text)
	}
	span := time.Duration(p.hour)*time.Hour + time.Duration(p.minute)*time.Minute + time.Duration(p.second)*time.Second + time.Duration(p.micro)*time.Microsecond
	if clock && !date {
		if _, constant := exprs[1].(*expression.Literal); ok && constant { // else it is a DATETIME
			return types.Timespan((span + time.Duration(p.day)*24*time.Hour) / time.Microsecond), nil
		}
	} else if ok {
		at := time.Date(int(p.year), time.Month(p.month), int(p.day), 0, 0, 0, 0, time.UTC)
		if p.month > 0 && at.Day() == int(p.day) {
			return at.Add(span), nil
		}
		if p.year == 0 && p.month == 0 && p.day == 0 && span == 0 && !value.ModeEnabled(ctx, value.NoZeroDate) {
			return types.ZeroTime, nil
		}
	}
	if kind = "datetime"; p.inTime {
		kind = "time"
	}
	ctx.Warn(1411, "Incorrect %s value: '%s' for function str_to_date", kind, text)
	return nil, nil
}}

// strToDateType is the type of STR_TO_DATE, which a constant format has.
func strToDateType(_ *sql.Context, args []sql.Expression) sql.Type {
	lit, ok := args[1].(*expression.Literal)
	if !ok {
		return types.DatetimeMaxPrecision
	}
	format, _ := lit.Value().(string)
	date, clock, fraction := expr.FormatParts(format)
	switch {
	case fraction && date:
		return types.DatetimeMaxPrecision
	case clock && date:
		return types.MustCreateDatetimeType(sqltypes.Datetime, 0)
	case clock:
		return types.Time
	}
	return types.Date
}

// momentParser reads what is left of a text by a format.
type momentParser struct {
	text                                          string
	year, month, day, hour, minute, second, micro int64
	weekday, yearDay                              int64
	week, weekYear                                int64
	hasWeek, hasWeekYear                          bool
	weekFormat, weekYearFormat                    byte
	inTime                                        bool // %r or %T has failed
}

// number reads a number of up to so many digits.
func (p *momentParser) number(most int, to *int64) bool {
	n, i := int64(0), 0
	for i < min(most, len(p.text)) && '0' <= p.text[i] && p.text[i] <= '9' {
		n = n*10 + int64(p.text[i]-'0')
		i++
	}
	*to, p.text = n, p.text[i:]
	return i > 0
}

// word reads one of several words in any case and has its number, from 1 on.
func (p *momentParser) word(words []string, to *int64) bool {
	for i, w := range words {
		if len(p.text) >= len(w) && strings.EqualFold(p.text[:len(w)], w) && (len(p.text) == len(w) || !isLetter(p.text[len(w)])) {
			*to, p.text = int64(i+1), p.text[len(w):]
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// skip leaves out bytes.
func (p *momentParser) skip(of func(byte) bool) bool {
	for p.text != "" && of(p.text[0]) {
		p.text = p.text[1:]
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// read reads the text by a format until one of them ends.
func (p *momentParser) read(format string) bool {
	half, twelve := int64(0), false
	for i := 0; i < len(format); i++ {
		if p.skip(isBlank); p.text == "" {
			break
		}
		if format[i] != '%' || i+1 == len(format) {
			if isBlank(format[i]) {
				continue
			}
			if p.text[0] != format[i] {
				return false
			}
			p.text = p.text[1:]
			continue
		}
		i++
		ok, before := true, len(p.text)
		switch c := format[i]; c {
		case 'Y':
			ok = p.number(4, &p.year)
			if before-len(p.text) <= 2 {
				p.year = fullYear(p.year)
			}
		case 'y':
			ok = p.number(2, &p.year)
			p.year = fullYear(p.year)
		case 'm', 'c':
			ok = p.number(2, &p.month)
		case 'M':
			ok = p.word(value.Locales()["en_us"].Months, &p.month)
		case 'b':
			ok = p.word(value.Locales()["en_us"].ShortMonths, &p.month)
		case 'd', 'e':
			ok = p.number(2, &p.day)
		case 'D':
			ok = p.number(2, &p.day)
			p.text = p.text[min(2, len(p.text)):]
		case 'h', 'I', 'l':
			twelve = true
			ok = p.number(2, &p.hour)
		case 'k', 'H':
			ok = p.number(2, &p.hour)
		case 'i':
			ok = p.number(2, &p.minute)
		case 's', 'S':
			ok = p.number(2, &p.second)
		case 'f':
			ok = p.number(6, &p.micro)
			for range 6 - (before - len(p.text)) {
				p.micro *= 10
			}
		case 'p':
			if before < 2 || !twelve {
				return false
			}
			switch strings.ToUpper(p.text[:2]) {
			case "PM":
				half = 12
			case "AM":
			default:
				return false
			}
			p.text = p.text[2:]
		case 'W':
			ok = p.word(value.Locales()["en_us"].Days, &p.weekday)
		case 'a':
			ok = p.word(value.Locales()["en_us"].ShortDays, &p.weekday)
		case 'w':
			ok = p.number(1, &p.weekday) && p.weekday < 7
			if p.weekday == 0 {
				p.weekday = 7
			}
		case 'j':
			ok = p.number(3, &p.yearDay)
		case 'U', 'u', 'V', 'v':
			p.hasWeek, p.weekFormat = true, c
			ok = p.number(2, &p.week) && p.week <= 53 && (p.week > 0 || c|0x20 == 'u')
		case 'X', 'x':
			p.hasWeekYear, p.weekYearFormat = true, c
			ok = p.number(4, &p.weekYear)
		case 'r', 'T':
			layout := "%H:%i:%S"
			if c == 'r' {
				layout = "%I:%i:%S %p"
			}
			if !p.read(layout) {
				p.inTime = true
				return false
			}
		case '.':
			p.skip(func(c byte) bool { return c < 0x80 && value.Punctuation(c) })
		case '@':
			p.skip(isLetter)
		case '#':
			p.skip(func(c byte) bool { return '0' <= c && c <= '9' })
		default:
			return false
		}
		if !ok {
			return false
		}
	}
	if twelve {
		if p.hour < 1 || p.hour > 12 {
			return false
		}
		p.hour = p.hour%12 + half
	}
	return true
}

// fullYear is the year that one of two digits means.
func fullYear(n int64) int64 {
	switch {
	case n < 70:
		return n + 2000
	case n < 100:
		return n + 1900
	}
	return n
}

// ofWeeks makes the date of a day of the year, and of a week and its day; false if there is none.
func (p *momentParser) ofWeeks() bool {
	if p.yearDay > 0 {
		p.setDate(time.Date(int(p.year), 1, int(p.yearDay), 0, 0, 0, 0, time.UTC))
	}
	if !p.hasWeek || p.weekday == 0 {
		return true
	}
	sunday, strict := p.weekFormat == 'U' || p.weekFormat == 'V', p.weekFormat|0x20 == 'v'
	if strict && (!p.hasWeekYear || (p.weekYearFormat == 'X') != sunday) || !strict && p.hasWeekYear {
		return false
	}
	year := p.year
	if strict {
		year = p.weekYear
	}
	first := int64(newYear(int(year))) // from Sunday
	var days int64
	if sunday {
		if first > 0 {
			days = 7
		}
		days += -first + (p.week-1)*7 + p.weekday%7
	} else {
		first = (first + 6) % 7
		if first > 3 {
			days = 7
		}
		days += -first + (p.week-1)*7 + p.weekday - 1
	}
	p.setDate(time.Date(int(year), 1, 1+int(days), 0, 0, 0, 0, time.UTC))
	return p.year >= 0 && p.year <= 9999
}

func (p *momentParser) setDate(t time.Time) {
	p.year, p.month, p.day = int64(t.Year()), int64(t.Month()), int64(t.Day())
}
