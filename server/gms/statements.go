package gms

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// grammar parses one kind of statement that the planner's grammar lacks. The lexer
// stands behind the words that the kind is known by. Returns nil for a statement that
// is not of the kind after all: the planner's grammar gets it.
type grammar func(l *syntax.Lexer) (ast.Statement, error)

// grammars are the kinds by their first word, or by their first two, in lower case.
var grammars map[string]grammar

// addGrammars makes grammars. They are no initial value, since some parse statements within theirs.
var addGrammars = sync.OnceFunc(func() {
	grammars = map[string]grammar{
		"do":                parseDo,
		"grant":             parseGrants(false),
		"revoke":            parseGrants(true),
		"get":               parseGetDiagnostics,
		"signal":            parseSignal,
		"analyze":           tableAdmin("analyze", analyzeTable),
		"kill":              parseKill,
		"flush":             parseFlush,
		"check":             tableAdmin("check", checkTable),
		"checksum":          tableAdmin("checksum", checksumTable),
		"optimize":          tableAdmin("optimize", optimizeTable),
		"repair":            tableAdmin("repair", repairTable),
		"show errors":       parseShowDiagnostics("Error"),
		"show warnings":     parseShowDiagnostics(""),
		"show count":        parseShowCount,
		"show profile":      parseShowProfile,
		"show profiles":     parseShowProfiles,
		"show engine":       parseShowEngine,
		"show open":         parseShowOpenTables,
		"show master":       binlogStatus("status", "logs"),
		"show binary":       binlogStatus("log", "logs"),
		"show binlog":       logEvents("SHOW BINLOG EVENTS"),
		"show relaylog":     logEvents("SHOW RELAYLOG EVENTS"),
		"show replicas":     emptySet("SHOW REPLICAS", "Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"),
		"show slave":        parseShowSlave,
		"show storage":      parseShowStorage,
		"show extended":     parseShowExtended,
		"show collation":    showSelect(selectCollations, "Collation"),
		"show charset":      showSelect(selectCharsets, "Charset"),
		"show character":    parseShowCharacter,
		"show plugins":      showSelect(selectPlugins, "Name"),
		"show function":     parseShowFunction,
		"show create":       parseShowCreate,
		"show triggers":     parseShowTriggers,
		"create function":   parseCreateFunction,
		"create definer":    parseCreateFunction,
		"alter function":    parseAlterRoutine(engine.ObjectFunction, "FUNCTION"),
		"alter procedure":   parseAlterRoutine(engine.ObjectProcedure, "PROCEDURE"),
		"drop function":     parseDropFunction,
		"show procedure":    parseShowFunctionCode,
		"help":              emptySet("HELP", "source_category_name", "name", "is_it_category"),
		"xa":                parseXA,
		"start transaction": parseStartTransaction,
		"set names":         parseSetNames,
		"reset persist":     parseResetPersist,
		"drop table":        parseDrop(false),
		"drop tables":       parseDrop(false),
		"drop view":         parseDrop(true),
		"describe":          parseDescribe,
		"desc":              parseDescribe,
		"explain":           parseDescribe,
		"alter instance":    parseAlterInstance,
		"alter database":    parseAlterDatabase,
		"alter schema":      parseAlterDatabase,
		"alter table":       parsePartitionAlter,
	}
	for _, name := range []string{
		"HANDLER", "CREATE AGGREGATE FUNCTION", "CHANGE MASTER", "CHANGE REPLICATION",
		"START SLAVE", "START REPLICA", "STOP SLAVE", "STOP REPLICA", "START GROUP_REPLICATION", "STOP GROUP_REPLICATION",
		"RESET MASTER", "RESET SLAVE", "RESET REPLICA", "PURGE BINARY", "PURGE MASTER", "INSTALL", "UNINSTALL", "CLONE",
		"SHUTDOWN", "RESTART", "CACHE INDEX", "LOAD INDEX", "LOAD XML", "IMPORT TABLE", "CREATE TABLESPACE", "CREATE UNDO", "ALTER TABLESPACE",
		"ALTER UNDO", "DROP TABLESPACE", "DROP UNDO", "CREATE SERVER", "ALTER SERVER", "DROP SERVER", "CREATE LOGFILE", "ALTER LOGFILE", "DROP LOGFILE",
		"LOCK INSTANCE", "UNLOCK INSTANCE", "DROP SPATIAL", "CREATE RESOURCE", "ALTER RESOURCE", "DROP RESOURCE", "SET RESOURCE",
	} {
		words := strings.Fields(strings.ToLower(name))
		grammars[strings.Join(words[:min(2, len(words))], " ")] = notSupported(name)
	}
})

// own parses the statement at the beginning of a client's query if the planner's grammar
// lacks it, and returns where it ends; nil if it is the planner's.
func own(ctx context.Context, query string) (stmt ast.Statement, end int, err error) {
	l := syntax.NewLexer(query)
	if l.Kind != 'w' || !value.Served(ctx) {
		return nil, 0, nil
	}
	l.Ctx, _ = ctx.(*sql.Context)
	key := strings.ToLower(l.Text)
	l.Next()
	parse, there := grammars[key]
	if !there && l.Kind == 'w' {
		key += " " + strings.ToLower(l.Text)
		if parse = grammars[key]; parse == nil {
			parse = accountGrammars[key]
		}
		if parse != nil {
			l.Next()
		}
	}
	if parse == nil {
		return nil, 0, nil
	}
	if l.Ansi = syntax.AnsiQuotes(ctx); l.Kind == 's' {
		l.At = l.Start
		l.Next()
	}
	if stmt, err = parse(l); err != nil || stmt == nil {
		return nil, 0, err
	}
	return stmt, l.Start, l.End()
}

// served reports whether a statement is one of a client.
func (s *Session) ServesMySQL() bool { return s.b.mysql }

// admin is a statement that this package executes.
type admin struct {
	name    string
	columns sql.Schema // nil: the answer is OK
	auth    ast.AuthInformation
	// commits: what is open is committed first.
	commits bool
	// diagnoses: what the last statement left for SHOW WARNINGS stays.
	diagnoses bool
	// check, if it is not nil, checks what the session needs for it.
	check func(a *rights) error
	// args are evaluated by run.
	args []sql.Expression
	run  func(ctx *sql.Context, s *Session, a *admin) ([]sql.Row, error)
}

var (
	_ ast.Injectable    = (*admin)(nil)
	_ sql.ExecSourceRel = (*admin)(nil)
	_ sql.Expressioner  = (*admin)(nil)
)

func global(privilege string) ast.AuthInformation {
	return ast.AuthInformation{AuthType: privilege, TargetType: ast.AuthTargetType_Global}
}

func (a *admin) statement(args ...ast.Expr) ast.Statement {
	auth := a.auth
	if auth.AuthType == "" {
		auth = rewrite.Open
	}
	return ast.InjectedStatement{Auth: auth, Statement: a, Children: args}
}

// WithResolvedChildren implements ast.Injectable.
func (a *admin) WithResolvedChildren(ctx context.Context, children []any) (any, error) {
	if sctx, ok := ctx.(*sql.Context); ok && a.diagnoses {
		if s, ok := sctx.Session.(*Session); ok {
			s.diagnosing = true
		}
	}
	c := *a
	c.args = nil
	for _, x := range children {
		e, ok := x.(sql.Expression)
		if !ok {
			return nil, fmt.Errorf("gms: %s: %T is no expression", a.name, x)
		}
		c.args = append(c.args, e)
	}
	return &c, nil
}

// Expressions implements sql.Expressioner.
func (a *admin) Expressions() []sql.Expression { return a.args }

// WithExpressions implements sql.Expressioner.
func (a *admin) WithExpressions(_ *sql.Context, args ...sql.Expression) (sql.Node, error) {
	c := *a
	c.args = args
	return &c, nil
}

// Resolved implements sql.Resolvable.
func (a *admin) Resolved() bool {
	for _, e := range a.args {
		if !e.Resolved() {
			return false
		}
	}
	return true
}

// String implements fmt.Stringer.
func (a *admin) String() string { return a.name }

// Schema implements sql.Node.
func (a *admin) Schema(*sql.Context) sql.Schema {
	if a.columns == nil {
		return types.OkResultSchema
	}
	return a.columns
}

// Children implements sql.Node.
func (a *admin) Children() []sql.Node { return nil }

// WithChildren implements sql.Node.
func (a *admin) WithChildren(_ *sql.Context, children ...sql.Node) (sql.Node, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(a, len(children), 0)
	}
	return a, nil
}

// IsReadOnly implements sql.Node.
func (a *admin) IsReadOnly() bool { return !a.commits }

// RowIter implements sql.ExecSourceRel.
func (a *admin) RowIter(ctx *sql.Context, _ sql.Row) (sql.RowIter, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := a.run(ctx, s, a)
	if err != nil {
		return nil, err
	}
	if a.columns == nil {
		rows = []sql.Row{sql.NewRow(types.NewOkResult(0))}
	}
	return sql.RowsToRowIter(rows...), nil
}

// textColumns returns a result's columns, all of them text.
func textColumns(names ...string) sql.Schema {
	out := make(sql.Schema, len(names))
	for i, name := range names {
		out[i] = &sql.Column{Name: name, Type: types.LongText, Nullable: true}
	}
	return out
}

func notSupported(name string) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		return nil, value.ErrNotSupported(name)
	}
}

// emptySet is a statement that has nothing to show here.
func emptySet(name string, columns ...string) grammar {
	a := &admin{name: name, columns: textColumns(columns...), run: nothing}
	switch name {
	case "SHOW MASTER STATUS", "SHOW SLAVE STATUS":
		a.check = replicationClient
	case "SHOW BINLOG EVENTS", "SHOW RELAYLOG EVENTS", "SHOW REPLICAS":
		a.check = func(a *rights) error { return a.global(sql.PrivilegeType_ReplicationSlave) }
	}
	return func(l *syntax.Lexer) (ast.Statement, error) {
		l.Skip()
		return a.statement(), nil
	}
}

// parseAlterDatabase parses ALTER DATABASE [name] READ ONLY = {0 | DEFAULT}, which changes nothing; other options are
// the planner's.
func parseAlterDatabase(l *syntax.Lexer) (ast.Statement, error) {
	name := ""
	if !l.Is("read") {
		name, _ = l.Name()
	}
	if !l.Accept("read", "only") {
		return nil, nil
	}
	l.Accept("=")
	if l.AcceptOne("0", "default") == "" || l.Kind != 0 {
		return nil, nil
	}
	a := &admin{name: "ALTER DATABASE", commits: true, run: nothing, auth: ast.AuthInformation{
		AuthType: ast.AuthType_ALTER, TargetType: ast.AuthTargetType_DatabaseIdentifiers, TargetNames: []string{name},
	}}
	return a.statement(), nil
}

func nothing(*sql.Context, *Session, *admin) ([]sql.Row, error) { return nil, nil }

// parseDo parses DO expr [, expr] …: the expressions are evaluated, and that is all.
func parseDo(l *syntax.Lexer) (ast.Statement, error) {
	s, text, err := parseExpressions(l)
	if s == nil || err != nil {
		return nil, err
	}
	var args []ast.Expr
	query := false // it needs rows
	for _, e := range s.SelectExprs {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			return nil, nil
		}
		query = query || rewrite.Windowed(x.Expr) || rewrite.Groups(x.Expr)
		args = append(args, x.Expr)
	}
	if query {
		args = nil
	}
	a := &admin{name: "DO", run: func(ctx *sql.Context, s *Session, a *admin) ([]sql.Row, error) {
		if query {
			_, err := s.query(ctx, text)
			return nil, err
		}
		for _, e := range a.args {
			if _, err := e.Eval(ctx, nil); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}
	return a.statement(args...), nil
}

// parseExpressions parses the expressions to the statement's end, as a SELECT, and returns its text too; nil if they are none.
func parseExpressions(l *syntax.Lexer) (*ast.Select, string, error) {
	from := l.Start
	if l.Kind == 0 {
		return nil, "", l.Syntax()
	}
	l.Skip()
	text := "SELECT " + l.Q[from:l.Start]
	parser := newParser()
	parser.routine = true
	sel, _, _, err := parser.planners(l.Ctx, text, ';', false, sql.LoadSqlMode(l.Ctx).ParserOptions())
	if err != nil {
		return nil, "", err
	}
	s, ok := sel.(*ast.Select)
	if !ok || len(s.From) > 0 && !syntax.Dual(s.From) || s.Where != nil {
		return nil, "", nil
	}
	return s, text, nil
}

// parseKill parses KILL [CONNECTION | QUERY] expr; of a number it is the planner's.
func parseKill(l *syntax.Lexer) (ast.Statement, error) {
	kind := strings.ToUpper(l.AcceptOne("connection", "query"))
	if l.Kind == 'w' && strings.Trim(l.Text, "0123456789") == "" {
		return nil, nil
	}
	s, _, err := parseExpressions(l)
	if s == nil || err != nil {
		return nil, err
	}
	x, ok := s.SelectExprs[0].(*ast.AliasedExpr)
	if !ok || len(s.SelectExprs) > 1 || !x.As.IsEmpty() {
		return nil, nil
	}
	a := &admin{name: "KILL", run: func(ctx *sql.Context, s *Session, a *admin) ([]sql.Row, error) {
		v, err := a.args[0].Eval(ctx, nil)
		if err != nil {
			return nil, err
		}
		id, _, _ := types.Int64.Convert(ctx, v)
		n, _ := id.(int64) // 0 is no connection's
		_, err = s.query(ctx, fmt.Sprintf("KILL %s %d", kind, max(n, 0)))
		return nil, err
	}}
	return a.statement(x.Expr), nil
}

// tableAdmin is a statement over tables whose answer has a row or more for each of them.
func tableAdmin(verb string, f func(ctx *sql.Context, s *Session, t syntax.TableName) ([]tableMessage, error)) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		l.AcceptOne("no_write_to_binlog", "local")
		if !l.Accept("table") && !l.Accept("tables") {
			return nil, nil
		}
		tables := l.TableNames()
		if tables == nil {
			return nil, nil
		}
		if verb == "analyze" && (l.Is("update") || l.Is("drop")) {
			return parseHistogram(l, tables)
		}
		for l.AcceptOne("quick", "fast", "medium", "extended", "changed", "use_frm") != "" || l.Accept("for", "upgrade") {
		}
		a := &admin{
			name: strings.ToUpper(verb) + " TABLE", columns: textColumns("Table", "Op", "Msg_type", "Msg_text"),
			commits: verb != "checksum" && verb != "check",
		}
		if verb == "checksum" {
			a.columns = sql.Schema{textColumns("Table")[0], {Name: "Checksum", Type: types.Int64, Nullable: true}}
		}
		switch verb {
		case "check":
			a.check = func(a *rights) error {
				for _, t := range tables {
					if t.Database = a.within(t.Database); !a.anyTable(t) {
						return a.denied("SELECT", t)
					}
					a.use(t)
				}
				return nil
			}
		case "checksum":
			a.check = checkTables(tables, sql.PrivilegeType_Select)
		default:
			a.check = checkTables(tables, sql.PrivilegeType_Select, sql.PrivilegeType_Insert)
		}
		a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
			var rows []sql.Row
			for _, t := range tables {
				if t.Database == "" {
					t.Database = ctx.GetCurrentDatabase()
				}
				if t.Database == "" {
					return nil, sql.ErrNoDatabaseSelected.New()
				}
				full := t.Database + "." + t.Name
				messages, err := f(ctx, s, t)
				if err != nil {
					return nil, err
				}
				for _, m := range messages {
					if verb == "checksum" {
						rows = append(rows, sql.Row{full, m.sum})
						continue
					}
					rows = append(rows, sql.Row{full, verb, m.kind, m.text})
				}
			}
			return rows, nil
		}
		return a.statement(), nil
	}
}

// parseShowDiagnostics parses SHOW ERRORS and SHOW WARNINGS [LIMIT [offset,] n].
func parseShowDiagnostics(level string) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		offset, limit, ok := l.Limit()
		if !ok {
			return nil, nil
		}
		a := &admin{name: "SHOW WARNINGS", diagnoses: true, columns: sql.Schema{
			{Name: "Level", Type: types.Text}, {Name: "Code", Type: types.Int32}, {Name: "Message", Type: types.LongText},
		}}
		a.run = func(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
			var rows []sql.Row
			for _, w := range s.diagnostics(level) {
				rows = append(rows, sql.Row{w.Level, w.Code, w.Message})
			}
			rows = rows[min(offset, uint64(len(rows))):]
			return rows[:min(limit, uint64(len(rows)))], nil
		}
		return a.statement(), nil
	}
}

// parseShowCount parses SHOW COUNT(*) ERRORS and SHOW COUNT(*) WARNINGS.
func parseShowCount(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("(", "*", ")") {
		return nil, nil
	}
	level, name := "", "@@session.warning_count"
	switch l.AcceptOne("errors", "warnings") {
	case "errors":
		level, name = "Error", "@@session.error_count"
	case "":
		return nil, nil
	}
	a := &admin{name: "SHOW COUNT(*)", diagnoses: true, columns: sql.Schema{{Name: name, Type: types.Uint64}}}
	a.run = func(_ *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		return []sql.Row{{uint64(len(s.diagnostics(level)))}}, nil
	}
	return a.statement(), nil
}

// parseShowEngine parses SHOW ENGINE {name | ALL} {STATUS | MUTEX | LOGS}.
func parseShowEngine(l *syntax.Lexer) (ast.Statement, error) {
	engine, ok := l.Name()
	what := l.AcceptOne("status", "mutex", "logs")
	if !ok || what == "" {
		return nil, l.Syntax()
	}
	name := strings.ToLower(engine)
	if name != "innodb" && name != "all" && name != "performance_schema" {
		return nil, mysql.NewSQLError(1286, "42000", "Unknown storage engine '%s'", engine)
	}
	a := &admin{name: "SHOW ENGINE", columns: textColumns("Type", "Name", "Status"), auth: global(ast.AuthType_PROCESS)}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		if what != "status" || name == "performance_schema" {
			return nil, nil
		}
		text, err := s.b.innodbStatus(ctx)
		if err != nil {
			return nil, err
		}
		return []sql.Row{{"InnoDB", "", text}}, nil
	}
	return a.statement(), nil
}

// parseShowFunctionCode refuses SHOW {FUNCTION|PROCEDURE} CODE, of debug builds.
func parseShowFunctionCode(l *syntax.Lexer) (ast.Statement, error) {
	if !l.Accept("code") {
		return nil, nil
	}
	return nil, mysql.NewSQLError(1289, "HY000",
		"The 'SHOW PROCEDURE|FUNCTION CODE' feature is disabled; you need MySQL built with '--with-debug' to have it working")
}

// replicationClient checks what is needed to see where a server stands.
func replicationClient(a *rights) error {
	return a.global(sql.PrivilegeType_Super, sql.PrivilegeType_ReplicationClient)
}

// logEvents parses SHOW BINLOG EVENTS and SHOW RELAYLOG EVENTS; there are none.
func logEvents(name string) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		if !l.Accept("events") {
			return nil, l.Syntax()
		}
		return emptySet(name, "Log_name", "Pos", "Event_type", "Server_id", "End_log_pos", "Info")(l)
	}
}

// binlogStatus parses SHOW MASTER STATUS and SHOW BINARY LOG STATUS, which are empty
// without a binary log, and SHOW MASTER LOGS and SHOW BINARY LOGS, which fail.
func binlogStatus(status, logs string) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		if l.Accept(logs) {
			a := &admin{name: "SHOW BINARY LOGS", check: replicationClient, run: func(*sql.Context, *Session, *admin) ([]sql.Row, error) {
				return nil, mysql.NewSQLError(1381, "HY000", "You are not using binary logging")
			}}
			return a.statement(), nil
		}
		if !l.Accept(status) {
			return nil, nil
		}
		return emptySet("SHOW MASTER STATUS", "File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set")(l)
	}
}

// parseXA refuses distributed transactions; XA RECOVER says that none is prepared.
func parseXA(l *syntax.Lexer) (ast.Statement, error) {
	if l.Is("recover") {
		return emptySet("XA RECOVER", "formatID", "gtrid_length", "bqual_length", "data")(l)
	}
	return notSupported("XA")(l)
}

// parseStartTransaction parses START TRANSACTION with several characteristics; what they
// say is read from the text (see characterize).
func parseStartTransaction(l *syntax.Lexer) (ast.Statement, error) {
	begin := &ast.Begin{}
	access := ""
	for more := l.Kind != 0; more; more = l.Accept(",") {
		switch {
		case l.Accept("with", "consistent", "snapshot"):
		case access == "" && l.Accept("read", "only"):
			access = ast.TxReadOnly
		case access == "" && l.Accept("read", "write"):
			access = ast.TxReadWrite
		default:
			return nil, l.Syntax()
		}
	}
	begin.TransactionCharacteristic = access
	return begin, nil
}
