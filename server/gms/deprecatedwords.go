package gms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// warnWords warns of what the client's statement has.
func (s *Session) warnWords() {
	query := s.worded
	s.worded = ""
	if !strings.Contains(query, ":=") && !strings.Contains(query, "&&") && !strings.Contains(query, "||") && !strings.Contains(query, "!") &&
		!syntax.ContainsFold(query, "found_rows") && !syntax.ContainsFold(query, "binary") && !syntax.ContainsFold(query, "duplicate") {
		return
	}
	r := rewrite.Marking{Q: query, Opened: true, Closing: map[int]string{}}
	r.Read()
	concat := slices.Contains(r.Deprecated, rewrite.OrDeprecated) && sql.LoadSqlMode(sql.NewContext(value.NoContext().Context, sql.WithSession(s))).ModeEnabled("PIPES_AS_CONCAT")
	for _, text := range r.Deprecated {
		if text != rewrite.OrDeprecated || !concat {
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
	for _, m := range []string{value.NoZeroDate, "NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO"} {
		if mode.ModeEnabled(m) {
			parts++
		}
	}
	if (mode.Strict() || parts > 0) && (!mode.Strict() || parts < 3) {
		ctx.Session.Warn(&sql.Warning{Level: "Warning", Code: 3135, Message: "'NO_ZERO_DATE', 'NO_ZERO_IN_DATE' and 'ERROR_FOR_DIVISION_BY_ZERO' " +
			"sql modes should be used with strict mode. They will be merged with strict mode in a future release."})
	}
}

// lenient makes the columns of a definition what they are outside strict mode, and notes the warnings of it.
func (s *Session) lenient(ctx *sql.Context, stmt ast.Statement) {
	switch stmt.(type) {
	case *ast.DDL, *ast.AlterTable:
		if s.deprecated = nil; !sql.LoadSqlMode(ctx).Strict() {
			s.deprecated = rewrite.Lenient(stmt)
		}
	}
}

// warnDeprecated gives a definition the warnings that were noted when it was parsed.
func (s *Session) warnDeprecated() {
	switch s.current().(type) {
	case *ast.DDL, *ast.AlterTable:
		for _, w := range s.deprecated {
			s.Warn(w)
		}
		s.deprecated = nil
	}
}
