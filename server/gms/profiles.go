package gms

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// profile is how long a statement took: until its plan was made, and in all.
type profile struct {
	id            int
	query         string
	planned, took time.Duration
}

// profiles are those of a session's last statements while profiling was on, the oldest first.
type profiles struct {
	last int // id
	list []profile
	on   bool // the running statement is profiled
}

// profiling reports whether the session profiles its statements.
func (s *Session) profiling() bool {
	return s.b.mysql && s.boolVariable(value.NoContext(), "profiling")
}

// noteProfile keeps the profile of a statement that has ended: the last profiling_history_size ones are kept.
func (s *Session) noteProfile(query string, planned, took time.Duration) {
	p := &s.profiles
	if !p.on || !s.profiling() {
		return
	}
	v, err := s.GetSessionVariable(value.NoContext(), "profiling_history_size")
	most, ok := v.(int64)
	if err != nil || !ok {
		return
	}
	p.last++
	p.list = append(p.list, profile{p.last, query, planned, took})
	p.list = slices.Clone(p.list[max(0, len(p.list)-int(most)):])
}

// parseShowProfiles parses SHOW PROFILES.
func parseShowProfiles(l *syntax.Lexer) (ast.Statement, error) {
	a := &admin{name: "SHOW PROFILES", diagnoses: true, columns: textColumns("Query_ID", "Duration", "Query"),
		run: func(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
			s.profiles.on = false
			var rows []sql.Row
			for _, p := range s.profiles.list {
				rows = append(rows, sql.Row{strconv.Itoa(p.id), fmt.Sprintf("%.8f", p.took.Seconds()), p.query})
			}
			return rows, nil
		}}
	return a.statement(), nil
}

// parseShowProfile parses SHOW PROFILE [type [, type] …] [FOR QUERY n] [LIMIT n [OFFSET m]]. Of the types there is nothing
// measured. A statement has two stages: starting, until its plan is made, and executing.
func parseShowProfile(l *syntax.Lexer) (ast.Statement, error) {
	number := func() (int, error) {
		n, err := strconv.Atoi(l.Text)
		if err != nil {
			return 0, l.Syntax()
		}
		l.Next()
		return n, nil
	}
	for l.Kind != 0 && !l.Is("for") && !l.Is("limit") {
		l.Next()
	}
	id, limit, offset := 0, -1, 0
	var err error
	if l.Accept("for", "query") {
		if id, err = number(); err != nil {
			return nil, err
		}
	}
	if l.Accept("limit") {
		if limit, err = number(); err != nil {
			return nil, err
		}
		if l.Accept("offset") {
			if offset, err = number(); err != nil {
				return nil, err
			}
		}
	}
	a := &admin{name: "SHOW PROFILE", diagnoses: true, columns: textColumns("Status", "Duration"),
		run: func(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
			s.profiles.on = false
			list := s.profiles.list
			at := len(list) - 1
			if id > 0 {
				at = slices.IndexFunc(list, func(p profile) bool { return p.id == id })
			}
			if at < 0 {
				return nil, nil
			}
			stage := func(name string, took time.Duration) sql.Row {
				return sql.Row{name, fmt.Sprintf("%.6f", took.Seconds())}
			}
			p := list[at]
			rows := []sql.Row{stage("starting", p.planned), stage("executing", p.took-p.planned)}
			rows = rows[min(offset, len(rows)):]
			if limit >= 0 {
				rows = rows[:min(limit, len(rows))]
			}
			return rows, nil
		}}
	return a.statement(), nil
}
