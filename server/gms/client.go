package gms

import (
	"context"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
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
	account syntax.AccountName
	user    string
	sess    *Session
	// inTransaction: a transaction is counted in the server's gate.
	inTransaction atomic.Bool
	tracked       string           // the database that the client was last told of
	traffic       protocol.Traffic // that is counted
	limited       bool             // the account has limits by the hour
	more          bool             // another statement follows in the text that runs
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
	if c.conn.Capabilities()&gomysql.CLIENT_IGNORE_SPACE != 0 {
		sctx := sql.NewContext(ctx, sql.WithSession(c.sess))
		mode := sql.LoadSqlMode(sctx).String()
		if err := c.sess.SetSessionVariable(sctx, "sql_mode", strings.Trim(mode+",IGNORE_SPACE", ",")); err != nil {
			return err
		}
	}
	if err := c.sess.showTransport(sql.NewContext(ctx, sql.WithSession(c.sess)), transportOf(c.conn)); err != nil {
		return err
	}
	processes := c.srv().engine.ProcessList
	processes.AddConnection(c.conn.ID(), c.conn.RemoteAddr().String())
	processes.ConnectionReady(c.sess)
	c.h.clients.Store(c.conn.ID(), c)
	c.srv().b.sessions.Store(c.conn.ID(), c.sess)
	c.srv().b.connected()
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

// Reserved implements protocol.Session.
func (c *client) Reserved() bool {
	return c.sess.mayDynamic(sql.NewContext(c.conn.Context(), sql.WithSession(c.sess)), "connection_admin")
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
	var services sql.Services
	if w != nil {
		services.LoadInfile = func(name string) (io.ReadCloser, error) { return w.LoadLocal(ctx, name) }
	}
	return sql.NewContext(ctx, sql.WithSession(c.sess), sql.WithPid(c.h.pids.Add(1)), sql.WithQuery(query),
		sql.WithMemoryManager(c.srv().engine.MemoryManager), sql.WithProcessList(c.srv().engine.ProcessList), sql.WithServices(services))
}

// Query implements protocol.Session.
func (c *client) Query(ctx context.Context, text string, w *protocol.Results) error {
	text = c.sess.received(text)
	defer func() { c.more = false }()
	for escaped := false; ; {
		c.sess.beginCommand()
		if plain := c.sess.plainBackslashes(); plain != escaped { // which the statement before may have changed
			if escaped = plain; plain {
				text = c.sess.escaped(text)
			} else {
				text = syntax.Unescaping(text)
			}
		}
		parsed, one, rest, err := c.parse(ctx, text)
		if err != nil {
			return c.fail(ctx, err)
		}
		c.more = rest != ""
		w.More(c.more)
		if err := c.command(ctx, one, parsed, nil, w); err != nil || rest == "" || c.sess.leaving {
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
	multi := c.conn.MultiStatements()
	head, tail := text, ""
	if multi {
		head, tail = firstStatement(text)
	}
	parsed, one, rest, err = c.srv().engine.Parser.Parse(sctx, head, multi)
	switch {
	case tail == "":
	case err != nil: // it may have been cut too early, and names what follows
		parsed, one, rest, err = c.srv().engine.Parser.Parse(sctx, text, multi)
	case rest != "":
		rest += ";" + tail
	default:
		rest = sql.RemoveSpaceAndDelimiter(tail, ';')
	}
	if errors.Is(err, ast.ErrEmpty) {
		return nil, text, "", emptyQuery(text)
	}
	if err != nil {
		c.sess.ClearWarnings()
		return nil, "", "", c.sess.commitRefused(sctx, parsed, c.sess.refusedFirst(parsed, err))
	}
	if one == "" {
		one = text
	}
	if err := unprepared(one); err != nil {
		return nil, "", "", err
	}
	return parsed, one, rest, c.sandboxed(parsed)
}

// unprepared returns the error of a statement that is not prepared and has a parameter; nil if there is none.
func unprepared(text string) error {
	if strings.IndexByte(text, '?') < 0 {
		return nil
	}
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		if word == " " && text[at] == '?' {
			return syntax.Error(text, at)
		}
		at = end
	}
	return nil
}

// firstStatement cuts a text behind its first statement, so that not all of a long text is looked at for each. One
// that may be of a stored program, which has statements within it, is not cut.
func firstStatement(text string) (head, tail string) {
	for at := 0; at < len(text); {
		word, end := syntax.NextWord(text, at)
		switch {
		case word == " " && text[at] == ';':
			return text[:at], text[end:]
		case strings.EqualFold(word, "PROCEDURE"), strings.EqualFold(word, "FUNCTION"), strings.EqualFold(word, "TRIGGER"), strings.EqualFold(word, "EVENT"):
			return text, ""
		}
		at = end
	}
	return text, ""
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

// command runs one statement and writes its result.
func (c *client) command(ctx context.Context, query string, parsed ast.Statement, bindings map[string]ast.Expr, w *protocol.Results) (err error) {
	c.countCommand(query, parsed)
	if err := c.ration(ctx, query, parsed); err != nil {
		return c.fail(ctx, err)
	}
	defer c.leave()
	defer c.sess.ofExecute(parsed)()
	ctx, cancel := c.deadline(ctx, query, parsed)
	defer cancel()
	c.sess.recorder.begin(withoutSecrets(c.sess.shownText(query)))
	defer func() { c.sess.recorder.end(err) }()
	commits, open := c.sess.command.commits, c.sess.GetTransaction()
	users := open != nil && (c.sess.GetIgnoreAutoCommit() || !c.sess.autocommit) // not one of the statement's own, which DDL ends when it fails
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
		ended := users && c.sess.GetTransaction() != open
		if wrote || try >= replansMax || !c.sess.stale || c.sess.command.commits != commits || ended {
			return c.fail(ctx, err)
		}
		if parsed != nil { // planning has changed the tree
			if parsed, query, _, err = c.parse(ctx, query); err != nil {
				return c.fail(ctx, err)
			}
		}
	}
}

// run runs a statement once. wrote is true if a part of its result was written, the
// client was asked for a file, or a procedure has run: what it did may be there to stay.
func (c *client) run(ctx context.Context, query string, parsed ast.Statement, bindings map[string]ast.Expr, w *protocol.Results) (wrote bool, err error) {
	e := c.srv().engine
	sctx, err := e.ProcessList.BeginQuery(c.context(ctx, query, w), withoutSecrets(c.sess.shownText(query)))
	if err != nil {
		return false, err
	}
	c.sess.setTime(sctx)
	defer e.ProcessList.EndQuery(sctx)
	defer c.sess.CommandEnd()
	defer func() {
		if err != nil {
			c.sess.undoFunctions()
			err = c.sess.commitFailed(sctx, c.sess.locks.stmt, err)
		}
	}()
	defer func() { c.survive(recover(), w, &err) }()
	c.sess.cleared, c.sess.worded, c.sess.divided = false, "", nil
	c.sess.counting = strings.Contains(query, "@@") && (syntax.ContainsFold(query, "warning_count") || syntax.ContainsFold(query, "error_count"))
	defer func() {
		if err != nil && !c.sess.cleared { // it was not executed
			c.sess.ClearWarnings()
		}
	}()
	if err := c.enter(sctx, parsed); err != nil {
		return false, err
	}
	_, executes := parsed.(*ast.Execute)
	c.sess.parametric = executes || len(bindings) > 0
	c.refreshPrivileges(sctx)
	sets := &resultSets{c: c, w: w}
	c.sess.results = sets
	defer func() { c.sess.results = nil }()
	of := parsed
	if of == nil {
		of, _ = c.sess.GetPreparedQuery(query)
	}
	if err := c.sess.refusedOnReader(of); err != nil {
		return false, err
	}
	if err := localFiles(of); err != nil {
		return false, err
	}
	restore, err := c.sess.authorize(sctx, of)
	if err != nil {
		return false, err
	}
	defer restore()
	if c.sess.prepared.current == nil { // else PREPARE has warned
		c.sess.worded = query
	}
	flags := &sql.QueryFlags{}
	if _, ok := parsed.(*ast.Load); ok {
		flags.Set(sql.QFlagInsert) // or the planner leaves triggers and foreign keys out
	}
	switch of.(type) {
	case *ast.DDL, *ast.Set:
		c.sess.ClearWarnings() // the planner keeps old ones
	}
	schema, rows, _, err := e.QueryWithBindings(sctx, query, parsed, bindings, flags)
	if err == nil {
		err = sets.finish()
	}
	if err == nil {
		err = sets.sendOuts(sctx)
	}
	if err != nil {
		if p, ok := of.(*ast.Prepare); ok { // what had the name is gone
			c.sess.UnprepareQuery(p.Name)
		}
		return sets.begun > 0 || sets.called, rewrite.StatementError(of, c.sess.viewError(sctx, c.sess.notFound(err)))
	}
	found := sctx.GetLastQueryInfo().FoundRows.Load()
	defer func() {
		if c.sess.diagnosing { // FOUND_ROWS() is that of the statement before
			sctx.GetLastQueryInfo().FoundRows.Store(found)
			return
		}
		sctx.GetLastQueryInfo().FoundRows.Add(c.sess.skipped)
	}()
	if sets.called || types.IsOkResultSchema(schema) || schema == nil {
		err := c.writeOK(sctx, rows, w)
		return err == nil || sets.begun > 0 || sets.called || w.Sent(), rewrite.StatementError(of, c.sess.notFound(err))
	}
	return c.writeRows(sctx, schema, rows, w)
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
	if n := c.sess.results.insert; n != nil && loads(n.Source) {
		ok.InsertID = 0
	}
	count := int64(ok.RowsAffected) // the planner's is 0 after a DELETE without WHERE
	if c.sess.results.called {
		count = c.sess.results.count
		ctx.GetLastQueryInfo().FoundRows.Store(c.sess.results.found)
	}
	ctx.GetLastQueryInfo().RowCount.Store(count)
	return w.OK(ok.RowsAffected, ok.InsertID, c.sess.results.info(ctx, ok))
}

// writeRows runs a statement that returns rows and sends them as they come. wrote is true
// if it had a first row, or none without an error.
func (c *client) writeRows(ctx *sql.Context, schema sql.Schema, rows sql.RowIter, w *protocol.Results) (wrote bool, err error) {
	closed := false
	defer func() {
		if !closed {
			c.sess.failing = true // what Close would commit is rolled back
			err = errors.Join(err, ignore(rows.Close(ctx)))
			c.sess.failing = false
		}
	}()
	if rows, err = peek(ctx, rows); err != nil {
		return false, err
	}
	if err := c.sendRows(ctx, schema, rows, w); err != nil {
		return true, err
	}
	closed = true
	if err := rows.Close(c.sess.awake(ctx)); err != nil {
		return true, err
	}
	ctx.GetLastQueryInfo().RowCount.Store(-1) // of SHOW, too
	return true, w.End()
}

// peeked is an iterator whose first row has been read already.
type peeked struct {
	sql.RowIter
	row   sql.Row
	err   error // io.EOF if there is none
	given bool
}

// peek reads the first row, and returns an iterator of all. Whoever sends rows knows by that
// that the statement has begun: the definitions that it was planned with are in force.
func peek(ctx *sql.Context, rows sql.RowIter) (sql.RowIter, error) {
	row, err := rows.Next(ctx)
	if err != nil && err != io.EOF {
		return rows, err
	}
	return &peeked{RowIter: rows, row: row, err: err}, nil
}

// Next implements sql.RowIter.
func (p *peeked) Next(ctx *sql.Context) (sql.Row, error) {
	if !p.given {
		p.given = true
		return p.row, p.err
	}
	return p.RowIter.Next(ctx)
}

// sendRows sends the columns and rows of a result as they come.
func (c *client) sendRows(ctx *sql.Context, schema sql.Schema, rows sql.RowIter, w *protocol.Results) error {
	if err := w.Columns(sentColumns(ctx, c.sess.current(), c.sess.root, schema)); err != nil {
		return err
	}
	var arena []byte
	times, formats := timeDigits(ctx, c.sess.root, schema), columnFormats(ctx, c.sess.root, schema)
	cells := make([][]byte, len(schema))
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			return nil
		}
		ctx = c.sess.awake(ctx)
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
		expr.ShowFormats(row, cells, formats)
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
		var own *mysql.SQLError
		if errors.As(err, &own) && error(own) == c.sess.calls.signalled {
			for _, b := range c.sess.calls.condition.Before {
				c.sess.noteError(b.Number, b.Message)
			}
		}
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
		db, err = c.sess.GetCurrentDatabase(), c.sess.notFound(err)
	}
	e := clientError(sql.CastSQLError(err), db)
	if e.Num == mysql.ERParseError && c.sess != nil && c.sess.plainBackslashes() {
		e.Message = strings.ReplaceAll(e.Message, `\\`, `\`)
	}
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
	if c.sess.leaving {
		c.conn.Quit()
	}
	if c.sess.GetTransaction() != nil && !c.sess.idleTransaction() {
		return
	}
	if c.inTransaction.Swap(false) {
		c.srv().gate.leave()
	}
}

// idleTransaction reports whether the open transaction has used no table yet.
func (s *Session) idleTransaction() bool { return s.tx == nil || s.tx.done || s.tx.tx == nil }

// executionTimeHint is the hint of a SELECT that stands for max_execution_time.
var executionTimeHint = regexp.MustCompile(`(?is)^select\s*/\*\+[^*]*\bmax_execution_time\s*\(\s*(\d+)\s*\)`)

// deadline applies max_execution_time, which is for SELECT only.
func (c *client) deadline(ctx context.Context, query string, stmt ast.Statement) (context.Context, context.CancelFunc) {
	if e, ok := stmt.(*ast.Execute); ok {
		stmt, _ = c.sess.GetPreparedQuery(e.Name)
	} else if stmt == nil {
		stmt, _ = c.sess.GetPreparedQuery(query)
	}
	if _, ok := stmt.(ast.SelectStatement); !ok {
		return ctx, func() {}
	}
	q := strings.TrimLeft(query, " \t\r\n(")
	n := c.number("max_execution_time")
	if m := executionTimeHint.FindStringSubmatch(q); m != nil {
		n, _ = strconv.ParseInt(m[1], 10, 32) // digits: no error but too many, and then the largest
	}
	if n > 0 {
		return context.WithTimeout(ctx, time.Duration(n)*time.Millisecond)
	}
	return ctx, func() {}
}

// number returns a session variable that is an integer, 0 if it is not.
func (c *client) number(name string) int64 {
	v, err := c.sess.BaseSession.GetSessionVariable(value.NoContext(), name)
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

// globalNumber returns a global variable that is a signed integer.
func globalNumber(name string) int64 {
	_, v, _ := sql.SystemVariables.GetGlobal(name)
	n, _ := v.(int64)
	return n
}

// ignore drops an error of cleaning up after another.
func ignore(error) error { return nil }
