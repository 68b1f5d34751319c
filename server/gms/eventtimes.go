package gms

import (
	"regexp"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// plainMoment is a moment of an event as the grammar has it.
var plainMoment = regexp.MustCompile(`(?i)^(current_timestamp|current_timestamp\(\)|now\(\)|current_date|current_date\(\)|'[^']*'|"[^"]*")` +
	`(\s*\+\s*interval\s+\d+\s+(year|quarter|month|week|day|hour|minute|second))*$`)

// intervalSigns are the signs between the numbers of an interval of several units.
var intervalSigns = map[string]string{
	"year_month": "-", "day_hour": " ", "day_minute": " :", "day_second": " ::", "hour_minute": ":", "hour_second": "::", "minute_second": ":",
}

var digits = regexp.MustCompile(`\d+`)

// behindSchedule are the words that may follow a moment or an interval of an event.
var behindSchedule = map[string]bool{"starts": true, "ends": true, "on": true, "enable": true, "disable": true, "comment": true, "do": true, "rename": true}

// eventTimes puts the values of the expressions in the schedule of a CREATE EVENT or ALTER EVENT in their places, which MySQL
// has from then on: the grammar has no others than literals and the present with an interval. Other statements are as they are.
func (s *Session) eventTimes(ctx *sql.Context, query string) (string, error) {
	l := newLexer(query)
	if l.acceptOne("create", "alter") == "" {
		return query, nil
	}
	for !l.is("event") {
		if l.kind == 0 || l.kind == '(' || l.is("procedure") || l.is("function") || l.is("trigger") || l.is("view") || l.is("table") || l.is("do") {
			return query, nil
		}
		l.next()
	}
	for !l.accept("on", "schedule") {
		if l.kind == 0 || l.is("do") || l.is("comment") {
			return query, nil
		}
		l.next()
	}
	var out strings.Builder
	done := 0
	for {
		word := l.acceptOne("at", "every", "starts", "ends")
		if word == "" {
			return out.String() + query[done:], nil
		}
		from, unit := l.start, ""
		end := from
		for depth := 0; l.kind != 0; l.next() {
			lower := strings.ToLower(l.text)
			if depth += nesting(l); depth <= 0 && l.kind == 'w' {
				if behindSchedule[lower] {
					break
				}
				if _, several := intervalSigns[lower]; word == "every" && (several || plainUnits[lower]) {
					unit = lower
					break
				}
			}
			end = l.at
		}
		text := query[from:end]
		var to string
		var err error
		behind := l.syntax()
		switch {
		case word != "every" && !plainMoment.MatchString(text):
			to, err = s.eventMoment(ctx, word, text)
		case unit != "":
			l.next()
			to, err = s.eventInterval(ctx, text, unit)
		}
		if sql.ErrSyntaxError.Is(err) {
			err = behind
		}
		if err != nil {
			return query, err
		}
		if to != "" {
			out.WriteString(query[done:from] + to)
			done = end
		}
	}
}

// plainUnits are the units of one number.
var plainUnits = map[string]bool{"year": true, "quarter": true, "month": true, "week": true, "day": true, "hour": true, "minute": true, "second": true}

// eventMoment returns the literal that the moment of an event is.
func (s *Session) eventMoment(ctx *sql.Context, word, text string) (string, error) {
	v, err := s.constant(ctx, "CAST(("+text+") AS DATETIME)")
	if err != nil {
		return "", err
	}
	at, ok := v.(time.Time)
	if !ok {
		return "", mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%s'", strings.ToUpper(word), "NULL")
	}
	return at.Format("'2006-01-02 15:04:05'"), nil
}

// eventInterval returns an interval of an event with the signs that the planner reads, "" if it is right as it is.
func (s *Session) eventInterval(ctx *sql.Context, text, unit string) (string, error) {
	if signs := intervalSigns[unit]; signs != "" && strings.Trim(text, `'"`) != text {
		out := ""
		for i, n := range digits.FindAllString(text, -1) {
			if i > 0 {
				out += signs[min(i-1, len(signs)-1) : min(i-1, len(signs)-1)+1]
			}
			out += n
		}
		return "'" + out + "'", nil
	}
	if digits.FindString(text) == strings.Trim(text, `'"`) {
		return "", nil
	}
	v, err := s.constant(ctx, "CAST(("+text+") AS SIGNED)")
	if err != nil {
		return "", err
	}
	return types.ConvertToString(ctx, v, types.LongText, nil)
}

// constant returns the value of an expression without columns.
func (s *Session) constant(ctx *sql.Context, text string) (any, error) {
	n, err := s.bound(ctx, s.b.catalog, ctx.GetCurrentDatabase(), "SELECT "+text)
	if err != nil {
		return nil, err
	}
	p, ok := n.(*plan.Project)
	if !ok || len(p.Projections) != 1 {
		return nil, syntaxError(text, 0)
	}
	now := sql.NewContext(ctx, sql.WithSession(s))
	s.setTime(now)
	return p.Projections[0].Eval(now, nil)
}
