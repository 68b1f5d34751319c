package gms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// replansMax bounds how often a statement is planned again because the definition
// of a table changed while it was planned (T-6).
const replansMax = 3

// client is a connection's side of the server: it runs the commands on the planner.
// Nothing of an answer, row, OK or error, leaves before what the session saw is durable.
type client struct {
	h       *handler
	conn    *protocol.Conn
	account accountName
	user    string
	sess    *Session
	// inTransaction: a transaction is counted in the server's gate.
	inTransaction atomic.Bool
	tracked       tracked
}

var _ protocol.Session = (*client)(nil)

func (c *client) srv() *Server { return c.h.srv }

// open makes the session.
func (c *client) open(ctx context.Context) error {
	base := sql.NewBaseSessionWithClientServer(c.conn.LocalAddr().String(), sql.Client{
		User: c.account.User, Address: c.account.Host, Capabilities: c.conn.Capabilities(),
	}, c.conn.ID())
	c.sess = NewSession(c.srv().b, base)
	c.sess.account, c.sess.user, c.sess.host = c.account, c.user, shownHost(c.conn)
	c.sess.attributes = c.conn.Attributes()
	c.sess.setPeer(c.conn.RemoteAddr())
	if err := setCharset(c.sess, c.conn.Charset()); err != nil {
		return err
	}
	if err := c.sess.showTransport(sql.NewContext(ctx, sql.WithSession(c.sess)), transportOf(c.conn)); err != nil {
		return err
	}
	processes := c.srv().engine.ProcessList
	processes.AddConnection(c.conn.ID(), c.conn.RemoteAddr().String())
	processes.ConnectionReady(c.sess)
	c.h.clients.Store(c.conn.ID(), c)
	c.srv().b.sessions.Store(c.conn.ID(), c.sess)
	c.Changes() // those of the beginning are none
	return nil
}

// shownHost is the host that USER() and SHOW PROCESSLIST name a client by.
func shownHost(c *protocol.Conn) string {
	if address(c).IsLoopback() {
		return "localhost"
	}
	return c.Host()
}

// Close implements protocol.Session.
func (c *client) Close() {
	if c.sess == nil {
		return
	}
	c.sess.SessionEnd()
	if c.inTransaction.Swap(false) {
		c.srv().gate.leave()
	}
	c.srv().engine.ProcessList.RemoveConnection(c.conn.ID())
	c.h.clients.Delete(c.conn.ID())
	c.srv().b.sessions.Delete(c.conn.ID())
}

// Reset implements protocol.Session: the session is a new one, but for its database.
func (c *client) Reset(ctx context.Context) error {
	db := c.sess.GetCurrentDatabase()
	u := c.h.named(c.account)
	c.Close()
	if u == nil {
		return protocol.ErrDisconnect
	}
	if err := c.open(ctx); err != nil {
		return c.told(err)
	}
	if err := c.admit(ctx, u); err != nil {
		return err
	}
	if db != "" {
		return c.InitDB(ctx, db)
	}
	return nil
}

// context returns the planner's context of a statement.
func (c *client) context(ctx context.Context, query string, w *protocol.Results) *sql.Context {
	services := sql.Services{KillConnection: func(id uint32) error {
		c.srv().sql.Kill(id)
		return nil
	}}
	if w != nil {
		services.LoadInfile = func(name string) (io.ReadCloser, error) { return w.LoadLocal(ctx, name) }
	}
	return sql.NewContext(ctx, sql.WithSession(c.sess), sql.WithPid(c.h.pids.Add(1)), sql.WithQuery(query),
		sql.WithMemoryManager(c.srv().engine.MemoryManager), sql.WithProcessList(c.srv().engine.ProcessList), sql.WithServices(services))
}

// Query implements protocol.Session.
func (c *client) Query(ctx context.Context, text string, w *protocol.Results) error {
	for {
		c.sess.beginCommand()
		parsed, one, rest, err := c.parse(ctx, text)
		if err != nil {
			return c.fail(ctx, err)
		}
		w.More(rest != "")
		if err := c.command(ctx, one, parsed, nil, w); err != nil || rest == "" {
			c.sess.command.more = false
			return err
		}
		c.sess.command.more = true
		text = rest
	}
}

// parse parses the first statement of a text and returns its own text and what follows it.
// A text that is prepared is not parsed again.
func (c *client) parse(ctx context.Context, text string) (parsed ast.Statement, one, rest string, err error) {
	if _, prepared := c.sess.GetPreparedQuery(text); prepared {
		return nil, text, "", nil
	}
	sctx := sql.NewContext(ctx, sql.WithSession(c.sess))
	parsed, one, rest, err = c.srv().engine.Parser.Parse(sctx, text, c.conn.MultiStatements())
	if errors.Is(err, ast.ErrEmpty) {
		return nil, text, "", emptyQuery(text)
	}
	if err != nil {
		return nil, "", "", err
	}
	if one == "" {
		one = text
	}
	return parsed, one, rest, c.sandboxed(parsed)
}

// emptyQuery returns the error of a text without a statement; there is none if it has a comment.
func emptyQuery(text string) error {
	if strings.Trim(text, "; \t\r\n") == "" {
		return mysql.NewSQLError(mysql.EREmptyQuery, "42000", "Query was empty")
	}
	return nil
}

// sandboxed returns an error if the session has to change its password first.
func (c *client) sandboxed(parsed ast.Statement) error {
	if !c.sess.mustChangePassword {
		return nil
	}
	switch s := parsed.(type) {
	case *ast.Set:
		return nil
	case ast.InjectedStatement:
		if a, ok := s.Statement.(*admin); ok && (a.name == "ALTER USER" || a.name == "SET PASSWORD") {
			return nil
		}
	}
	return errMustChangePassword()
}

// Prepare implements protocol.Session.
func (c *client) Prepare(ctx context.Context, text string) (*protocol.Statement, error) {
	text = plainComments(text)
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
			return err
		}
		switch parsed.(type) {
		case *ast.Prepare, *ast.Execute, *ast.Deallocate, *ast.Load:
			return mysql.NewSQLError(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
		}
		if err := c.sandboxed(parsed); err != nil {
			return err
		}
		st.Params = parameters(parsed)
		node, err := e.PrepareParsedQuery(sctx, p.query, p.query, parsed)
		if err != nil {
			return statementError(parsed, err)
		}
		if schema := node.Schema(sctx); !affects(node) && !isCall(node) && !types.IsOkResultSchema(schema) {
			st.Columns = columns(sctx, schema)
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
	_ = ast.Walk(func(node ast.SQLNode) (bool, error) {
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
	for i, p := range params {
		bindings[fmt.Sprintf("v%d", i+1)] = literal(p)
	}
	return c.command(ctx, p.text, nil, bindings, w)
}

// command runs one statement and writes its result.
func (c *client) command(ctx context.Context, query string, parsed ast.Statement, bindings map[string]ast.Expr, w *protocol.Results) (err error) {
	defer c.leave()
	defer c.sess.ofExecute(parsed)()
	ctx, cancel := c.deadline(ctx, query)
	defer cancel()
	c.sess.recorder.begin(withoutSecrets(query))
	defer func() { c.sess.recorder.end(err) }()
	commits := c.sess.command.commits
	for try := 0; ; try++ {
		c.sess.stale = false
		wrote, err := c.run(ctx, query, parsed, bindings, w)
		if err == nil {
			return nil
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = mysql.NewSQLError(mysql.ERQueryTimeout, "HY000",
				"Query execution was interrupted, maximum statement execution time exceeded")
		}
		if wrote || try >= replansMax || !c.sess.stale || c.sess.command.commits != commits || c.sess.GetTransaction() != nil {
			return c.fail(ctx, err)
		}
		if parsed != nil { // planning has changed the tree
			if parsed, query, _, err = c.parse(ctx, query); err != nil {
				return c.fail(ctx, err)
			}
		}
	}
}

// run runs a statement once. wrote is true if a part of its result was written, or
// a procedure has run: what it did may be there to stay.
func (c *client) run(ctx context.Context, query string, parsed ast.Statement, bindings map[string]ast.Expr, w *protocol.Results) (wrote bool, err error) {
	e := c.srv().engine
	sctx, err := e.ProcessList.BeginQuery(c.context(ctx, query, w), withoutSecrets(query))
	if err != nil {
		return false, err
	}
	defer e.ProcessList.EndQuery(sctx)
	defer c.sess.CommandEnd()
	defer func() { c.survive(recover(), w, &err) }()
	if err := c.enter(sctx, parsed); err != nil {
		return false, err
	}
	c.refreshPrivileges(sctx)
	if _, ok := parsed.(*ast.Set); ok { // the planner keeps what the statement before left
		c.sess.ClearWarningCount()
	}
	sets := &resultSets{c: c, w: w}
	c.sess.results = sets
	defer func() { c.sess.results = nil }()
	of := parsed
	if of == nil {
		of, _ = c.sess.GetPreparedQuery(query)
	}
	schema, rows, _, err := e.QueryWithBindings(sctx, query, parsed, bindings, &sql.QueryFlags{})
	if err == nil {
		err = sets.finish()
	}
	if err != nil {
		return sets.any || sets.called, statementError(of, err)
	}
	if sets.called || types.IsOkResultSchema(schema) || schema == nil {
		return true, statementError(of, c.writeOK(sctx, rows, w))
	}
	return true, c.writeRows(sctx, schema, rows, w)
}

// writeOK runs a statement that returns no rows.
func (c *client) writeOK(ctx *sql.Context, rows sql.RowIter, w *protocol.Results) error {
	var ok types.OkResult
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err // rows.Close would commit
		}
		if len(row) == 1 {
			ok, _ = row[0].(types.OkResult)
		}
	}
	if err := rows.Close(ctx); err != nil {
		return err
	}
	c.sess.recorder.sent(0, ok.RowsAffected)
	return w.OK(ok.RowsAffected, ok.InsertID, c.sess.results.info(ctx, ok))
}

// writeRows runs a statement that returns rows and sends them as they come.
func (c *client) writeRows(ctx *sql.Context, schema sql.Schema, rows sql.RowIter, w *protocol.Results) (err error) {
	closed := false
	defer func() {
		if !closed {
			c.sess.failing = true // what Close would commit is rolled back
			err = errors.Join(err, ignore(rows.Close(ctx)))
			c.sess.failing = false
		}
	}()
	if err := c.sendRows(ctx, schema, rows, w); err != nil {
		return err
	}
	closed = true
	if err := rows.Close(ctx); err != nil {
		return err
	}
	return w.End()
}

// sendRows sends the columns and rows of a result as they come.
func (c *client) sendRows(ctx *sql.Context, schema sql.Schema, rows sql.RowIter, w *protocol.Results) error {
	described := columns(ctx, schema)
	addOrigins(c.sess.root, schema, described)
	if err := w.Columns(described); err != nil {
		return err
	}
	var arena []byte
	times := timeDigits(ctx, schema)
	cells := make([][]byte, len(schema))
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if arena, err = encode(ctx, schema, row, cells, arena[:0]); err != nil {
			return err
		}
		cutTimes(cells, times)
		if err := w.Row(cells); err != nil {
			return err
		}
		c.sess.recorder.sent(1, 0)
	}
}

// refreshPrivileges makes grants and roles those of now: on a reader those that have arrived.
func (c *client) refreshPrivileges(ctx *sql.Context) {
	c.srv().refreshUsers()
	c.sess.refreshPrivileges(ctx)
}

// fail rolls back what an autocommitted statement left, and returns what the client
// is told of err.
func (c *client) fail(ctx context.Context, err error) error {
	if disconnects(err) {
		return protocol.ErrDisconnect
	}
	if err := c.sess.Settle(context.WithoutCancel(ctx)); err != nil {
		return protocol.ErrDisconnect
	}
	told := c.told(err)
	var e *protocol.Error
	if errors.As(told, &e) {
		c.sess.noteError(int(e.Number), e.Message)
	}
	return told
}

// told returns an error in MySQL's words.
func (c *client) told(err error) error {
	if err == nil {
		return nil
	}
	var own *protocol.Error
	if errors.As(err, &own) || errors.Is(err, protocol.ErrDisconnect) {
		return err
	}
	if disconnects(err) {
		return protocol.ErrDisconnect
	}
	db := ""
	if c.sess != nil {
		db = c.sess.GetCurrentDatabase()
	}
	e := clientError(sql.CastSQLError(err), db)
	return &protocol.Error{Number: uint16(e.Num), State: e.State, Message: e.Message}
}

// Settle implements protocol.Session.
func (c *client) Settle(ctx context.Context) error {
	if err := c.sess.Settle(ctx); err != nil {
		if ctx.Err() != nil && c.conn.Context().Err() == nil {
			return c.told(errInterrupted())
		}
		return protocol.ErrDisconnect
	}
	return nil
}

// enter takes a place in the gate, unless the connection has one. KILL needs none.
func (c *client) enter(ctx context.Context, parsed ast.Statement) error {
	if _, kill := parsed.(*ast.Kill); kill || c.inTransaction.Load() {
		return nil
	}
	if err := c.srv().gate.enter(ctx, c.sess.holdsLocks()); err != nil {
		return errInterrupted()
	}
	c.inTransaction.Store(true)
	return nil
}

// leave gives the connection's place in the gate back unless a transaction is open.
func (c *client) leave() {
	if c.sess.GetTransaction() != nil && !c.sess.idleTransaction() {
		return
	}
	if c.inTransaction.Swap(false) {
		c.srv().gate.leave()
	}
}

// idleTransaction reports whether the open transaction has used no table yet.
func (s *Session) idleTransaction() bool { return s.tx == nil || s.tx.done || s.tx.tx == nil }

// deadline applies max_execution_time, which is for SELECT only.
func (c *client) deadline(ctx context.Context, query string) (context.Context, context.CancelFunc) {
	q := strings.TrimLeft(query, " \t\r\n(")
	if len(q) < 6 || !strings.EqualFold(q[:6], "select") {
		return ctx, func() {}
	}
	if n := c.number("max_execution_time"); n > 0 {
		return context.WithTimeout(ctx, time.Duration(n)*time.Millisecond)
	}
	return ctx, func() {}
}

// number returns a session variable that is an integer, 0 if it is not.
func (c *client) number(name string) int64 {
	v, err := c.sess.BaseSession.GetSessionVariable(noContext(), name)
	if err != nil {
		return 0
	}
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(min(n, math.MaxInt64))
	}
	return 0
}

// preparedStatementsMax is max_prepared_stmt_count.
func preparedStatementsMax() int64 {
	_, v, _ := sql.SystemVariables.GetGlobal("max_prepared_stmt_count")
	n, _ := v.(int64)
	return n
}

// noContext is a context for reading variables where there is no statement.
// Making one costs as much as planning a small statement.
var noContext = sync.OnceValue(sql.NewEmptyContext)

// disconnects reports whether an error may not be told: the planner keeps nothing
// of it but its text.
func disconnects(err error) bool {
	return errors.Is(err, errDisconnect) || strings.Contains(err.Error(), errDisconnect.Error())
}

// operate runs something that is no statement but uses the planner.
func (c *client) operate(ctx context.Context, query string, f func(ctx *sql.Context) error) error {
	processes := c.srv().engine.ProcessList
	sctx, err := processes.BeginOperation(c.context(ctx, query, nil))
	if err != nil {
		return c.told(err)
	}
	defer processes.EndOperation(sctx)
	defer c.sess.CommandEnd()
	c.refreshPrivileges(sctx)
	if err := c.sess.ValidateSession(sctx); err != nil {
		return c.fail(ctx, err)
	}
	run := func() (err error) {
		defer func() { c.survive(recover(), nil, &err) }()
		return f(sctx)
	}
	if err := run(); err != nil {
		return c.fail(ctx, err)
	}
	return nil
}

// InitDB implements protocol.Session.
func (c *client) InitDB(ctx context.Context, name string) error {
	return c.operate(ctx, "", func(sctx *sql.Context) error {
		if _, err := c.srv().engine.Analyzer.Catalog.Database(sctx, name); err != nil {
			return statementError(&ast.Use{}, err)
		}
		c.sess.SetCurrentDatabase(name)
		c.srv().engine.ProcessList.ConnectionReady(c.sess)
		return nil
	})
}

// FieldList implements protocol.Session.
func (c *client) FieldList(ctx context.Context, table, wildcard string) ([]protocol.Column, error) {
	var out []protocol.Column
	err := c.operate(ctx, "", func(sctx *sql.Context) error {
		node, err := c.srv().engine.PrepareQuery(sctx, "SELECT * FROM "+quoteName(table)+" LIMIT 0")
		if err != nil {
			return err
		}
		for _, col := range columns(sctx, node.Schema(sctx)) {
			match, err := expression.NewLike(expression.NewLiteral(col.Name, types.LongText),
				expression.NewLiteral(wildcard, types.LongText), nil).Eval(sctx, nil)
			if err != nil {
				return err
			}
			if wildcard == "" || match == true {
				out = append(out, col)
			}
		}
		return nil
	})
	return out, err
}

// Statistics implements protocol.Session.
func (c *client) Statistics(context.Context) string {
	s := c.srv()
	questions := uint64(0)
	if _, v, ok := sql.StatusVariables.GetGlobal("Questions"); ok {
		questions, _ = v.(uint64)
	}
	up := max(time.Since(s.started).Seconds(), 1)
	return fmt.Sprintf("Uptime: %d  Threads: %d  Questions: %d  Slow queries: 0  Opens: 0  Flush tables: 0  Open tables: 0  Queries per second avg: %.3f",
		int(up), s.sql.Connections(), questions, float64(questions)/up)
}

// Kill implements protocol.Session.
func (c *client) Kill(ctx context.Context, id uint32) error {
	e := c.srv().engine
	return c.operate(ctx, "", func(sctx *sql.Context) error {
		_, rows, _, err := e.QueryWithBindings(sctx, fmt.Sprintf("KILL %d", id), nil, nil, nil)
		if err != nil {
			return err
		}
		return rows.Close(sctx)
	})
}

// Idle implements protocol.Session.
func (c *client) Idle() time.Duration {
	name := "wait_timeout"
	if c.conn.Capabilities()&gomysql.CLIENT_INTERACTIVE != 0 {
		name = "interactive_timeout"
	}
	return time.Duration(c.number(name)) * time.Second
}

// Status implements protocol.Session.
func (c *client) Status() uint16 {
	s := c.sess
	status := uint16(0)
	if s.autocommit {
		status |= gomysql.SERVER_STATUS_AUTOCOMMIT
	}
	if s.tx != nil && !s.tx.done && (s.GetIgnoreAutoCommit() || !s.autocommit && s.tx.used) {
		status |= gomysql.SERVER_STATUS_IN_TRANS
	}
	return status
}

// Warnings implements protocol.Session.
func (c *client) Warnings() uint16 { return c.sess.WarningCount() }

// MaxPacket implements protocol.Session.
func (c *client) MaxPacket() int { return int(c.number("max_allowed_packet")) }

// tracked is what the client was last told of its session.
type tracked struct {
	database  string
	variables map[string]string
}

// trackedVariables are session_track_system_variables' default.
var trackedVariables = []string{
	"autocommit", "character_set_client", "character_set_connection", "character_set_results", "time_zone",
}

// Changes implements protocol.Session.
func (c *client) Changes() []protocol.Change {
	var out []protocol.Change
	if db := c.sess.shownDatabase(); db != c.tracked.database {
		c.tracked.database = db
		out = append(out, protocol.Change{Type: gomysql.SESSION_TRACK_SCHEMA, Value: db})
	}
	if c.tracked.variables == nil {
		c.tracked.variables = make(map[string]string)
	}
	for _, name := range trackedVariables {
		v, err := c.sess.BaseSession.GetSessionVariable(noContext(), name)
		if err != nil {
			continue
		}
		text := fmt.Sprint(v)
		if name == "autocommit" {
			text = map[bool]string{true: "ON", false: "OFF"}[c.sess.autocommit]
		}
		if old, known := c.tracked.variables[name]; !known || old != text {
			c.tracked.variables[name] = text
			out = append(out, protocol.Change{Type: gomysql.SESSION_TRACK_SYSTEM_VARIABLES, Name: name, Value: text})
		}
	}
	return out
}

// ignore drops an error of cleaning up after another.
func ignore(error) error { return nil }
