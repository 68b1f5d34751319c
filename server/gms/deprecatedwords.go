package gms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// What a statement has that MySQL warns of: error 1287.
const (
	assignmentDeprecated = "Setting user variables within expressions is deprecated and will be removed in a future release. " +
		"Consider alternatives: 'SET variable=expression, ...', or 'SELECT expression(s) INTO variables(s)'."
	countDeprecated = "SQL_CALC_FOUND_ROWS is deprecated and will be removed in a future release. Consider using two separate queries instead."
	foundDeprecated = "FOUND_ROWS() is deprecated and will be removed in a future release. Consider using COUNT(*) instead."
	valueDeprecated = "'VALUES function' is deprecated and will be removed in a future release. Please use an alias (INSERT INTO ... VALUES (...) AS alias) " +
		"and replace VALUES(col) in the ON DUPLICATE KEY UPDATE clause with alias.col instead"
	binaryDeprecated = "'BINARY expr' is deprecated and will be removed in a future release. Please use CAST instead"
	andDeprecated    = "'&&' is deprecated and will be removed in a future release. Please use AND instead"
	orDeprecated     = "'|| as a synonym for OR' is deprecated and will be removed in a future release. Please use OR instead"
	notDeprecated    = "'!' is deprecated and will be removed in a future release. Please use NOT instead"
)

func (r *marking) deprecate(text string) { r.deprecated = append(r.deprecated, text) }

// beforeBinary are the tokens behind which BINARY is an operator.
var beforeBinary = map[string]bool{
	"(": true, ",": true, "=": true, "<": true, ">": true, "select": true, "distinct": true, "where": true, "and": true, "or": true, "not": true, "like": true,
	"by": true, "on": true, "having": true, "in": true, "between": true, "when": true, "then": true, "else": true, "return": true,
}

// deprecates looks at a token for what MySQL warns of.
func (r *marking) deprecates(token string) {
	last := r.before[0].text
	next, _ := r.follows(r.end)
	switch token {
	case "duplicate":
		r.updates = true
	case ";":
		r.updates = false
	case "values":
		if r.updates && next == "(" {
			r.deprecate(valueDeprecated)
		}
	case "found_rows":
		if next == "(" {
			r.deprecate(foundDeprecated)
		}
	case "sql_calc_found_rows":
		r.deprecate(countDeprecated)
	case "binary":
		if r.reading && beforeBinary[last] && next != ")" && next != "," && next != "" {
			r.deprecate(binaryDeprecated)
		}
	case "&", "|":
		if r.end < len(r.q) && r.q[r.end] == token[0] && last != token {
			r.deprecate(map[string]string{"&": andDeprecated, "|": orDeprecated}[token])
		}
	case "!":
		if next != "=" {
			r.deprecate(notDeprecated)
		}
	}
}

// warnWords warns of what the client's statement has.
func (s *Session) warnWords() {
	query := s.worded
	s.worded = ""
	if !strings.Contains(query, ":=") && !strings.Contains(query, "&&") && !strings.Contains(query, "||") && !strings.Contains(query, "!") &&
		!containsFold(query, "found_rows") && !containsFold(query, "binary") && !containsFold(query, "duplicate") {
		return
	}
	r := marking{q: query, opened: true, closing: map[int]string{}}
	r.read()
	concat := slices.Contains(r.deprecated, orDeprecated) && sql.LoadSqlMode(sql.NewContext(noContext().Context, sql.WithSession(s))).ModeEnabled("PIPES_AS_CONCAT")
	for _, text := range r.deprecated {
		if text != orDeprecated || !concat {
			s.BaseSession.Warn(&sql.Warning{Level: "Warning", Code: 1287, Message: text})
		}
	}
}

// warnModes warns of a sql_mode that the client has set if it has the modes that belong to the strict one without it, or
// it without them.
func (s *Session) warnModes(ctx *sql.Context) {
	if _, set := s.locks.stmt.(*ast.Set); !set || s.depth > 0 || !s.b.mysql {
		return
	}
	v, err := s.BaseSession.GetSessionVariable(ctx, "sql_mode")
	if err != nil {
		return
	}
	mode, parts := sql.NewSqlModeFromString(fmt.Sprint(v)), 0
	for _, m := range []string{noZeroDate, "NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO"} {
		if mode.ModeEnabled(m) {
			parts++
		}
	}
	if (mode.Strict() || parts > 0) && (!mode.Strict() || parts < 3) {
		ctx.Session.Warn(&sql.Warning{Level: "Warning", Code: 3135, Message: "'NO_ZERO_DATE', 'NO_ZERO_IN_DATE' and 'ERROR_FOR_DIVISION_BY_ZERO' " +
			"sql modes should be used with strict mode. They will be merged with strict mode in a future release."})
	}
}
