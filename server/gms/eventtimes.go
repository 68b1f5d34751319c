package gms

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// plainMoment is a moment of an event that needs no evaluation.
var plainMoment = regexp.MustCompile(`(?i)^(current_timestamp|current_timestamp\(\)|now\(\)|current_date|current_date\(\))` +
	`(\s*\+\s*interval\s+\d+\s+(year|quarter|month|week|day|hour|minute|second))*$`)

// textMoment is a moment that is a text, as a definition is kept: whoever runs the event evaluates nothing with it.
var textMoment = regexp.MustCompile(`^('[^']*'|"[^"]*")$`)

// intervalSigns are the signs between the numbers of an interval of several units.
var intervalSigns = map[string]string{
	"year_month": "-", "day_hour": " ", "day_minute": " :", "day_second": " ::", "hour_minute": ":", "hour_second": "::", "minute_second": ":",
}

var digits = regexp.MustCompile(`\d+`)

// behindSchedule are the words that may follow a moment or an interval of an event.
var behindSchedule = map[string]bool{"starts": true, "ends": true, "on": true, "enable": true, "disable": true, "comment": true, "do": true, "rename": true}

// changesEvent reports whether a statement is a CREATE, ALTER or DROP EVENT, which MySQL does not prepare.
func changesEvent(query string) bool {
	head, _ := rewrite.NewObjectHead(query)
	return head.Kind == "event" || phrase(leading(query, 2), "drop", "event")
}

// eventTimes puts the values of the expressions in the schedule of a CREATE EVENT or ALTER EVENT in their places, which MySQL
// has from then on: the grammar has no others than literals and the present with an interval. Other statements are as they are.
// Returns 1044 for who may not have events there, before anything is evaluated.
func (s *Session) eventTimes(ctx *sql.Context, query string) (string, error) {
	l := syntax.NewLexer(query)
	if l.AcceptOne("create", "alter") == "" {
		return query, nil
	}
	for !l.Is("event") {
		if l.Kind == 0 || l.Kind == '(' || l.Is("procedure") || l.Is("function") || l.Is("trigger") || l.Is("view") || l.Is("table") || l.Is("do") {
			return query, nil
		}
		l.Next()
	}
	l.Next()
	l.Accept("if", "not", "exists")
	db, _ := l.Name()
	if !l.Accept(".") {
		db = ""
	}
	for !l.Accept("on", "schedule") {
		if l.Kind == 0 || l.Is("do") || l.Is("comment") {
			return query, nil
		}
		l.Next()
	}
	var out strings.Builder
	done := 0
	for {
		word := l.AcceptOne("at", "every", "starts", "ends")
		if word == "" {
			return out.String() + query[done:], nil
		}
		from, unit := l.Start, ""
		end := from
		for depth := 0; l.Kind != 0; l.Next() {
			lower := strings.ToLower(l.Text)
			if depth += rewrite.Nesting(l); depth <= 0 && l.Kind == 'w' {
				if behindSchedule[lower] {
					break
				}
				if _, several := intervalSigns[lower]; word == "every" && (several || plainUnits[lower] || strings.HasSuffix(lower, "microsecond")) {
					unit = lower
					break
				}
			}
			end = l.At
		}
		text := query[from:end]
		var to string
		var err error
		behind := l.Syntax()
		switch {
		case word != "every" && !plainMoment.MatchString(text):
			if !textMoment.MatchString(text) {
				err = s.mayHaveEvents(ctx, db)
			}
			if err == nil {
				to, err = s.eventMoment(ctx, word, text)
			}
		case unit != "":
			l.Next()
			if !plainInterval.MatchString(text) {
				err = s.mayHaveEvents(ctx, db)
			}
			if err == nil {
				to, err = s.eventInterval(ctx, text, unit)
			}
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

// mayHaveEvents returns 1044 for who may not have events in a database.
func (s *Session) mayHaveEvents(ctx *sql.Context, db string) error {
	if !s.checked() {
		return nil
	}
	return s.newAccess(ctx).database(db, sql.PrivilegeType_Event)
}

// plainInterval is an interval of an event that needs no evaluation.
var plainInterval = regexp.MustCompile(`^(\d+|'[\d: -]+')$`)

// plainUnits are the units of one number.
var plainUnits = map[string]bool{"year": true, "quarter": true, "month": true, "week": true, "day": true, "hour": true, "minute": true, "second": true}

// eventMoment returns the literal that the moment of an event is. Returns 1525 with the value for what is no moment or not of the
// years that events have, 1543 for such an end.
func (s *Session) eventMoment(ctx *sql.Context, word, text string) (string, error) {
	v, err := s.constant(ctx, text, "DATETIME")
	if err != nil {
		return "", err
	}
	at, ok := v.(time.Time)
	if ok && at.Year() > 1969 && at.Year() < 2155 {
		return at.Format("'2006-01-02 15:04:05'"), nil
	}
	if word == "ends" {
		return "", mysql.NewSQLError(1543, "HY000", "ENDS is either invalid or before STARTS")
	}
	if v, err = s.constant(ctx, text, "CHAR"); err != nil {
		return "", err
	}
	return "", mysql.NewSQLError(1525, "HY000", "Incorrect %s value: '%v'", strings.ToUpper(word), cmp.Or[any](v, "NULL"))
}

// unitBases are of each unit how many of it are one of the unit before it, where intervals of several units carry.
var unitBases = map[string]int64{"month": 12, "hour": 24, "minute": 60, "second": 60}

// unitNames are the units that intervals of several ones go through.
var unitNames = []string{"year", "month", "day", "hour", "minute", "second"}

// eventInterval returns an interval of an event as the planner reads it. A single unit takes a rounded number, seconds one
// that is cut; several units take the numbers of a text, the last the last unit's. Returns 1525 for NULL and for more numbers
// than units, 1542 for one that is not positive or greater than a thousand millions of its smallest unit.
func (s *Session) eventInterval(ctx *sql.Context, text, unit string) (string, error) {
	wrong := func(v any) error { return mysql.NewSQLError(1525, "HY000", "Incorrect INTERVAL value: '%v'", v) }
	if strings.HasSuffix(unit, "microsecond") {
		return "", mysql.NewSQLError(mysql.ERNotSupportedYet, "42000", "This version of MySQL doesn't yet support 'MICROSECOND'")
	}
	first, last, several := strings.Cut(unit, "_")
	to := "SIGNED"
	if several {
		to = "CHAR"
	} else if unit == "second" && !plainInterval.MatchString(text) {
		text = "TRUNCATE((" + text + "), 0)"
	}
	var v any = strings.Trim(text, "'")
	if !plainInterval.MatchString(text) {
		var err error
		if v, err = s.constant(ctx, text, to); err != nil {
			return "", err
		}
	}
	if v == nil {
		return "", wrong("NULL")
	}
	shown, err := types.ConvertToString(ctx, v, types.LongText, nil)
	if err != nil {
		return "", err
	}
	numbers := digits.FindAllString(shown, -1)
	units := []string{unit}
	if several {
		units = unitNames[slices.Index(unitNames, first) : slices.Index(unitNames, last)+1]
	}
	if len(numbers) > len(units) {
		return "", wrong(shown)
	}
	const most = 1_000_000_000
	total := int64(0)
	for i, u := range units {
		if i > 0 {
			total *= unitBases[u]
		}
		if at := len(numbers) - len(units) + i; at >= 0 {
			n, err := strconv.ParseInt(numbers[at], 10, 64)
			if err != nil || n > most {
				n = most + 1
			}
			total += n
		}
	}
	if total <= 0 || total > most || strings.HasPrefix(strings.TrimSpace(shown), "-") {
		return "", mysql.NewSQLError(1542, "HY000", "INTERVAL is either not positive or too big")
	}
	if !several {
		return strconv.FormatInt(total, 10), nil
	}
	values, used := make([]int64, len(units)), 0
	for i, rest := len(units)-1, total; i >= 0; i-- {
		if values[i] = rest; i > 0 {
			values[i], rest = rest%unitBases[units[i]], rest/unitBases[units[i]]
		}
		if values[i] > 0 {
			used++
		}
	}
	if used > 2 { // which have no name: the last two hold the others
		n := len(units)
		clear(values)
		values[n-2], values[n-1] = total/unitBases[last], total%unitBases[last]
	}
	out := ""
	for i, v := range values {
		if i > 0 {
			out += intervalSigns[unit][i-1 : i]
		}
		out += strconv.FormatInt(v, 10)
	}
	return "'" + out + "'", nil
}

// constant returns the value of an expression without columns as one of a type of CAST. Returns 1235 for one with a subquery and
// 1111 for one with an aggregate.
func (s *Session) constant(ctx *sql.Context, text, to string) (any, error) {
	text = "SELECT CAST((" + text + ") AS " + to + ")"
	stmt, err := newParser().ParseSimple(text)
	if err != nil {
		return nil, sql.ErrSyntaxError.New(err.Error())
	}
	err = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, mysql.NewSQLError(mysql.ERNotSupportedYet, "42000",
				"This version of MySQL doesn't yet support 'Usage of subqueries or stored function calls as part of this statement'")
		case *ast.GroupConcatExpr:
			return false, mysql.NewSQLError(mysql.ERInvalidGroupFuncUse, "HY000", "Invalid use of group function")
		case *ast.FuncExpr:
			if n.IsAggregate() {
				return false, mysql.NewSQLError(mysql.ERInvalidGroupFuncUse, "HY000", "Invalid use of group function")
			}
		}
		return true, nil
	}, stmt)
	if err != nil {
		return nil, err
	}
	now := sql.NewContext(ctx, sql.WithSession(s))
	s.setTime(now)
	_, it, _, err := s.b.runner.QueryWithBindings(now, text, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(now, it)
	if err != nil {
		return nil, err
	}
	return rows[0][0], nil
}
