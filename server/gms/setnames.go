package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// parseSetNames parses SET NAMES charset COLLATE collation, and what else is set behind a comma; the planner forgets the
// collation.
func parseSetNames(l *lexer) (ast.Statement, error) {
	charset, ok := l.charset()
	if !ok || !l.accept("collate") {
		return nil, nil
	}
	collation, ok := l.charset()
	rest := &ast.Set{}
	if ok && l.is(",") {
		from := l.start + 1
		l.skip()
		var err error
		if rest, err = parseSet(l.q[from:l.start]); err != nil {
			return nil, err
		}
	} else if !ok || l.kind != 0 {
		return nil, l.syntax()
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
	err = withQuotedNames(true, "SET "+text, func(q string) error {
		stmt, err := ast.Parse(q)
		set, _ = stmt.(*ast.Set)
		return err
	})
	return set, err
}

// charset takes the name of a character set or a collation, in quotes or without.
func (l *lexer) charset() (string, bool) {
	if l.kind == 's' {
		text := unquoted(l.q[l.start:l.at])
		l.next()
		return text, text != ""
	}
	return l.name()
}

// parseResetPersist parses RESET PERSIST [[IF EXISTS] variable].
func parseResetPersist(l *lexer) (ast.Statement, error) {
	ifExists := l.accept("if", "exists")
	name, named := l.name()
	if l.kind != 0 || ifExists && !named {
		return nil, l.syntax()
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
			warn(ctx, 3615, notPersisted(name))
			return nil, nil
		}
		return nil, mysql.NewSQLError(3615, "HY000", "%s", notPersisted(name))
	}}
	return a.statement(), nil
}

func notPersisted(name string) string {
	return "Variable " + name + " does not exist in persisted config file"
}
