package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// parseSetNames parses SET NAMES charset COLLATE collation, and what else is set behind a comma; the planner forgets the
// collation.
func parseSetNames(l *syntax.Lexer) (ast.Statement, error) {
	charset, ok := l.Charset()
	if !ok || !l.Accept("collate") {
		return nil, nil
	}
	collation, ok := l.Charset()
	rest := &ast.Set{}
	if ok && l.Is(",") {
		from := l.Start + 1
		l.Skip()
		var err error
		if rest, err = parseSet(l.Q[from:l.Start]); err != nil {
			return nil, err
		}
	} else if !ok || l.Kind != 0 {
		return nil, l.Syntax()
	}
	if _, err := sql.ParseCollation(charset, collation, false); err != nil {
		return nil, err
	}
	set := func(name, value string) *ast.SetVarExpr {
		return &ast.SetVarExpr{Name: ast.NewColName(name), Expr: ast.NewStrVal([]byte(value)), Scope: ast.SetScope_Session}
	}
	return &ast.Set{Exprs: append(ast.SetVarExprs{set("names", charset), set("collation_connection", collation)}, rest.Exprs...)}, nil
}

// parseSet parses what stands behind SET.
func parseSet(text string) (set *ast.Set, err error) {
	err = syntax.WithQuotedNames(true, "SET "+text, func(q string) error {
		stmt, err := ast.Parse(q)
		set, _ = stmt.(*ast.Set)
		return err
	})
	return set, err
}

// parseResetPersist parses RESET PERSIST [[IF EXISTS] variable].
func parseResetPersist(l *syntax.Lexer) (ast.Statement, error) {
	ifExists := l.Accept("if", "exists")
	name, named := l.Name()
	if l.Kind != 0 || ifExists && !named {
		return nil, l.Syntax()
	}
	a := &admin{name: "RESET PERSIST", auth: global(ast.AuthType_SUPER), run: func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		if !named {
			return nil, s.RemoveAllPersistedGlobals()
		}
		v, err := s.GetPersistedValue(name)
		switch {
		case err != nil:
			return nil, err
		case v != nil:
			return nil, s.RemovePersistedGlobal(name)
		case ifExists:
			value.Warn(ctx, 3615, notPersisted(name))
			return nil, nil
		}
		return nil, mysql.NewSQLError(3615, "HY000", "%s", notPersisted(name))
	}}
	return a.statement(), nil
}

func notPersisted(name string) string {
	return "Variable " + name + " does not exist in persisted config file"
}
