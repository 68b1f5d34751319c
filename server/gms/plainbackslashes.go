package gms

import (
	"reflect"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// Under sql_mode NO_BACKSLASH_ESCAPES a backslash in a text is itself. The grammar takes it for an escape always, so
// statements of clients are escaped where they come in, and all that is parsed and kept afterwards is as without the mode;
// what is shown of them is as it was sent.

// plainBackslashes reports whether sql_mode has NO_BACKSLASH_ESCAPES.
func (s *Session) plainBackslashes() bool {
	v, err := s.BaseSession.GetSessionVariable(value.NoContext(), "sql_mode")
	mode, _ := v.(string)
	return err == nil && strings.Contains(mode, sql.NoBackslashEscapes)
}

// escaped returns statements of a client as the grammar reads them; shownText returns them as they were sent.
func (s *Session) escaped(text string) string {
	if !s.plainBackslashes() {
		return text
	}
	return syntax.Escaped(text, sql.LoadSqlMode(sql.NewContext(value.NoContext(), sql.WithSession(s))).AnsiQuotes())
}

func (s *Session) shownText(text string) string {
	if !s.plainBackslashes() {
		return text
	}
	return syntax.Unescaping(text)
}

// plainTexts makes the statements that are parsed under sql_mode NO_BACKSLASH_ESCAPES what they are there, those of programs
// too: a LIKE without ESCAPE has no escape character, and what PREPARE reads is escaped.
func (s *Session) plainTexts(stmt ast.Statement) error {
	return syntax.ReplaceNodes(reflect.ValueOf(&stmt), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		switch n := n.(type) {
		case *ast.ComparisonExpr:
			if n.Operator != ast.LikeStr && n.Operator != ast.NotLikeStr {
				break
			}
			if n.Escape == nil { // that of ESCAPE ''
				n.Escape = ast.NewStrVal(nil)
			}
		case *ast.Prepare:
			if strings.HasPrefix(n.Expr, "@") {
				n.Expr = "@" + escapedVariable + strings.Trim(n.Expr, "@`")
			} else {
				n.Expr = s.escaped(n.Expr)
			}
		}
		return nil, true, nil
	})
}

// escapedVariable stands before the name of a user variable whose text PREPARE reads under NO_BACKSLASH_ESCAPES.
const escapedVariable = "\x00"

// GetUserVariable implements sql.Session.
func (s *Session) GetUserVariable(ctx *sql.Context, name string) (sql.Type, any, error) {
	of, escapes := strings.CutPrefix(name, escapedVariable)
	t, v, err := s.BaseSession.GetUserVariable(ctx, of)
	if !escapes {
		return t, v, err
	}
	switch text := v.(type) {
	case string:
		v = s.escaped(text)
	case []byte:
		v = s.escaped(string(text))
	}
	return t, v, err
}
