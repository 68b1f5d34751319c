package gms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/protocol"
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

// Prepare implements protocol.Session.
func (c *client) Prepare(ctx context.Context, text string) (*protocol.Statement, error) {
	c.sess.count("Com_stmt_prepare", 1)
	text = syntax.PlainComments(c.sess.escaped(c.sess.received(text)))
	p := c.sess.newPrepared(text)
	st := &protocol.Statement{Handle: p}
	c.sess.prepared.current = p
	defer func() { c.sess.prepared.current = nil }()
	err := c.operate(ctx, text, func(sctx *sql.Context) error {
		e := c.srv().engine
		parsed, _, err := e.Parser.ParseOneWithOptions(sctx, p.query, sql.LoadSqlMode(sctx).ParserOptions())
		if errors.Is(err, ast.ErrEmpty) {
			return emptyQuery(text)
		}
		if err != nil {
			return c.sess.commitRefused(sctx, parsed, err)
		}
		if head, tail := firstStatement(p.query); tail != "" { // only comments may follow
			if _, _, err := e.Parser.ParseOneWithOptions(sctx, tail, sql.LoadSqlMode(sctx).ParserOptions()); !errors.Is(err, ast.ErrEmpty) {
				return syntax.Error(p.query, len(head)+1+len(tail)-len(strings.TrimLeft(tail, " \t\r\n")))
			}
		}
		switch parsed.(type) {
		case *ast.Prepare, *ast.Execute, *ast.Deallocate, *ast.Load:
			return mysql.NewSQLError(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
		}
		if err := c.sandboxed(parsed); err != nil {
			return err
		}
		st.Params = parameters(parsed)
		restore, err := c.sess.authorize(sctx, parsed)
		if err != nil {
			return err
		}
		defer restore()
		node, err := e.PrepareParsedQuery(sctx, p.query, p.query, parsed)
		if err != nil { // MySQL's DDL fails when it is executed, and has committed
			return c.sess.commitFailed(sctx, parsed, rewrite.StatementError(parsed, c.sess.viewError(sctx, c.sess.notFound(err))))
		}
		if node, _, err = planrule.UnionTypes(sctx, node); err != nil {
			return err
		}
		if schema := node.Schema(sctx); !affects(node) && !isCall(node) && !types.IsOkResultSchema(schema) {
			st.Columns = sentColumns(sctx, parsed, node, schema)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// parameters counts the markers of a statement, which may have one in several places.
func parameters(stmt ast.Statement) (n int) {
	found := map[string]bool{}
	_ = syntax.Walk(func(node ast.SQLNode) (bool, error) {
		if v, ok := node.(*ast.SQLVal); ok && strings.HasPrefix(string(v.Val), ":v") && v.Type == ast.ValArg {
			found[string(v.Val)] = true
		}
		return true, nil
	}, stmt)
	n = len(found)
	if s, ok := stmt.(ast.InjectedStatement); ok {
		for _, e := range s.Children {
			n += parameters(&ast.Select{SelectExprs: ast.SelectExprs{&ast.AliasedExpr{Expr: e}}})
		}
	}
	return n
}

// affects reports whether a node that is only bound answers with OK, whatever its
// schema is at this stage.
func affects(n sql.Node) bool {
	switch n := n.(type) {
	case *plan.InsertInto:
		return n.Returning == nil
	case *plan.Update, *plan.UpdateJoin, *plan.DeleteFrom:
		return true
	}
	return false
}

// Execute implements protocol.Session.
func (c *client) Execute(ctx context.Context, st *protocol.Statement, params []protocol.Param, w *protocol.Results) error {
	c.sess.count("Com_stmt_execute", 1)
	p, ok := st.Handle.(*prepared)
	if !ok {
		return fmt.Errorf("gms: a statement of another session")
	}
	c.sess.beginCommand()
	if _, use := p.stmt.(*ast.Use); !use {
		defer c.sess.within(p.database)()
	}
	c.sess.prepared.current = p
	defer func() { c.sess.prepared.current = nil }()
	bindings := make(map[string]ast.Expr, len(params))
	set, encoded := c.sess.clientSet()
	for i, p := range params {
		e := literal(p)
		if v, ok := e.(*ast.SQLVal); ok && v.Type == ast.StrVal {
			switch {
			case encoded:
				e = ast.NewStrVal([]byte(decodedText(set, string(v.Val))))
			case set == sql.CharacterSet_utf8mb3 && !utf8.Valid(v.Val): // as received has them
				e = &ast.UnaryExpr{Operator: ast.UBinaryStr, Expr: v}
			}
		}
		bindings[fmt.Sprintf("v%d", i+1)] = e
	}
	return c.command(ctx, p.text, nil, bindings, w)
}

// preparedStatements keeps syntax trees of prepared statements, the oldest going
// first; trees of names that SQL's PREPARE gave are kept.
type preparedStatements struct {
	order []string
	// databases were current when names were given.
	databases map[string]string
	// views are the texts of CREATE VIEWs, which the planner needs, by their names; view is the last that was parsed.
	views map[string]string
	view  string
	// current is the statement of the client's command, nil: it is none of COM_STMT_PREPARE.
	current *prepared
}

// PrepareQuery implements sql.Session.
func (s *Session) PrepareQuery(query string, stmt ast.Statement) {
	if p := s.prepared.current; p != nil && query == p.query {
		annotator{db: s.GetCurrentDatabase()}.statement(stmt)
		p.stmt = stmt
		return
	}
	if s.prepared.databases == nil {
		s.prepared.databases = make(map[string]string)
	}
	s.changes.any = true
	s.prepared.databases[query] = s.BaseSession.GetCurrentDatabase()
	if delete(s.prepared.views, query); s.prepared.view != "" {
		if d, ok := stmt.(*ast.DDL); ok && d.ViewSpec != nil {
			if s.prepared.views == nil {
				s.prepared.views = map[string]string{}
			}
			s.prepared.views[query] = s.prepared.view
		}
	}
	if _, there := s.BaseSession.GetPreparedQuery(query); !there {
		s.prepared.order = append(s.prepared.order, query)
		if len(s.prepared.order) > preparedMax {
			s.UnprepareQuery(s.prepared.order[0])
			s.prepared.order = s.prepared.order[1:]
		}
	}
	annotator{db: s.GetCurrentDatabase()}.statement(stmt)
	s.BaseSession.PrepareQuery(query, stmt)
}

// UnprepareQuery implements sql.Session.
func (s *Session) UnprepareQuery(query string) {
	s.changes.any = true
	delete(s.prepared.views, query)
	delete(s.prepared.databases, query)
	s.BaseSession.UnprepareQuery(query)
}

// CacheQuery implements sql.Session. Nothing asks for cached queries again.
func (s *Session) CacheQuery(string, ast.Statement) {}
