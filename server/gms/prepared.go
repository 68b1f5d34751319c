package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// prepared is a statement of COM_STMT_PREPARE. As in MySQL it belongs to the database, and
// was parsed under the sql_mode, that were current when it was prepared.
type prepared struct {
	text, database string
	query          string // text as the planner looks for it
	stmt           ast.Statement
}

// found returns the statement that the client's command is about, if query is it.
func (s *Session) found(query string) (ast.Statement, bool) {
	if p := s.prepared.current; p != nil && p.stmt != nil && s.depth == 0 && query == p.query {
		return p.stmt, true
	}
	return s.BaseSession.GetPreparedQuery(query)
}

// within makes a database the current one until the function it returns is called. The
// client does not see that: see Changes.
func (s *Session) within(database string) func() {
	own := s.BaseSession.GetCurrentDatabase()
	if own == database {
		return func() {}
	}
	s.BaseSession.SetCurrentDatabase(database)
	return func() { s.SetCurrentDatabase(own) }
}

// ofExecute is within for the statement that EXECUTE names.
func (s *Session) ofExecute(stmt ast.Statement) func() {
	if x, ok := stmt.(*ast.Execute); ok {
		if db, ok := s.prepared.databases[x.Name]; ok {
			return s.within(db)
		}
	}
	return func() {}
}

// shownDatabase is the client's current database.
func (s *Session) shownDatabase() string {
	if db := s.database.Load(); db != nil {
		return *db
	}
	return ""
}

// newPrepared returns the handle of a text that is about to be prepared.
func (s *Session) newPrepared(text string) *prepared {
	return &prepared{
		text: text, query: sql.RemoveSpaceAndDelimiter(text, ';'), database: s.BaseSession.GetCurrentDatabase(),
	}
}
