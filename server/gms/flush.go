package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// flushes are what FLUSH begins anew, by its first word; of logs this server keeps none, and privileges are always those
// of now.
var flushes = map[string]func(*sql.Context, *Session, *admin) ([]sql.Row, error){
	"hosts": nothing, "logs": nothing, "binary": nothing, "engine": nothing, "error": nothing, "general": nothing, "relay": nothing,
	"slow": nothing, "optimizer_costs": nothing, "privileges": nothing, "status": flushStatus, "user_resources": flushUserResources,
}

// parseFlush parses FLUSH [LOCAL | NO_WRITE_TO_BINLOG] of a list. TABLES and PRIVILEGES alone are the planner's.
func parseFlush(l *syntax.Lexer) (ast.Statement, error) {
	l.AcceptOne("local", "no_write_to_binlog")
	var of []func(*sql.Context, *Session, *admin) ([]sql.Row, error)
	anew := false // there is something else than privileges
	for {
		word := strings.ToLower(l.Text)
		run := flushes[word]
		if l.Kind != 'w' || run == nil {
			if len(of) == 0 {
				return nil, nil
			}
			return nil, l.Syntax()
		}
		switch l.Next(); word {
		case "binary", "engine", "error", "general", "relay", "slow":
			if !l.Accept("logs") {
				return nil, l.Syntax()
			}
		}
		if word == "relay" && l.Accept("for", "channel") {
			if _, ok := l.NameOrString(); !ok {
				return nil, l.Syntax()
			}
		}
		anew = anew || word != "privileges"
		if of = append(of, run); l.Kind != ',' {
			break
		}
		l.Next()
	}
	if len(of) == 1 && !anew {
		return nil, nil
	}
	a := &admin{name: "FLUSH", auth: global(ast.AuthType_RELOAD), commits: true}
	a.run = func(ctx *sql.Context, s *Session, a *admin) ([]sql.Row, error) {
		for _, run := range of {
			if rows, err := run(ctx, s, a); err != nil {
				return rows, err
			}
		}
		return nil, nil
	}
	return a.statement(), nil
}

// flushUserResources begins the hour of accounts' limits anew.
func flushUserResources(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
	s.b.used.forget()
	return nil, nil
}

// flushStatus begins the session's status variables anew, which the global ones have counted, and the most connections.
func flushStatus(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
	s.status = newSessionStatus()
	s.b.mostConnections.Store(0)
	s.b.connected()
	return nil, nil
}
