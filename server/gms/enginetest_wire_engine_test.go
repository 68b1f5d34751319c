package gms_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/vt/sqlparser"
	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/gms"
)

// wireLimit ends a statement that hangs, so that the rest is run.
const wireLimit = 10 * time.Second

// planners are the settings that the suites take for granted.
var planners = []string{
	"SET GLOBAL collation_server = utf8mb4_0900_bin",
	"SET SESSION collation_server = utf8mb4_0900_bin",
	"SET SESSION collation_connection = utf8mb4_0900_bin",
	"SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'",
}

// wireEngine runs statements on connections, one for each session of a suite.
type wireEngine struct {
	h     *wireHarness
	mu    sync.Mutex // a suite may run several sessions at a time
	conns map[sql.Session]*wireConn
}

type wireConn struct {
	*client.Conn
	db string // the database that the suite's session was in
}

var (
	_ enginetest.ServerBackedEngine = (*wireEngine)(nil)
	_ enginetest.QueryEngine        = (*wireEngine)(nil)
)

// IsServerBacked implements enginetest.ServerBackedEngine. The suite counts warnings
// only if it is not, and there are warnings here to count.
func (e *wireEngine) IsServerBacked() bool {
	callers := make([]uintptr, 4)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, ".AssertWarningAndTestQuery") || strings.HasSuffix(f.Function, ".AssertWarningAndTestPreparedQuery") {
			return false
		}
		if !more {
			return true
		}
	}
}

// EngineAnalyzer implements enginetest.QueryEngine: what suites look up in its catalog
// is the server's.
func (e *wireEngine) EngineAnalyzer() *analyzer.Analyzer {
	return e.h.analyzer
}

// EngineEventScheduler implements enginetest.QueryEngine.
func (e *wireEngine) EngineEventScheduler() sql.EventScheduler { return nil }

// PrepareQuery implements enginetest.QueryEngine.
func (e *wireEngine) PrepareQuery(*sql.Context, string) (sql.Node, error) { return nil, nil }

// AnalyzeQuery implements enginetest.QueryEngine.
func (e *wireEngine) AnalyzeQuery(*sql.Context, string) (sql.Node, error) {
	return nil, errors.New("a client sees no plan")
}

// Close implements enginetest.QueryEngine.
func (e *wireEngine) Close() error {
	var errs []error
	for _, c := range e.conns {
		_, err := c.run("ROLLBACK", nil) // the next engine drops the tables
		errs = append(errs, err, c.Close())
	}
	clear(e.conns)
	return errors.Join(errs...)
}

// connect opens a connection with the settings of the suites.
func (e *wireEngine) connect() (*wireConn, error) {
	c, err := client.Connect(e.h.in.addr, "root", "", "", func(c *client.Conn) error {
		c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF) // with it the client drops the count of warnings
		return errors.Join(c.SetCapability(mysql.CLIENT_MULTI_RESULTS), c.SetCollation("utf8mb4_0900_ai_ci"))
	})
	if err != nil {
		return nil, err
	}
	fresh := &wireConn{Conn: c}
	for _, q := range planners[1:] {
		if _, err := fresh.run(q, nil); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return fresh, nil
}

// conn returns a session's connection, in the session's database.
func (e *wireEngine) conn(ctx *sql.Context) (*wireConn, error) {
	e.mu.Lock()
	c := e.conns[ctx.Session]
	e.mu.Unlock()
	db := ctx.GetCurrentDatabase()
	if c != nil && c.db != "" && db == "" { // a connection cannot leave its database
		if err := c.Close(); err != nil {
			return nil, err
		}
		c = nil
	}
	if c == nil {
		var err error
		if c, err = e.connect(); err != nil {
			return nil, err
		}
		e.mu.Lock()
		e.conns[ctx.Session] = c
		e.mu.Unlock()
	}
	if db != c.db {
		if c.db = db; db != "" {
			if err := c.UseDB(db); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// statistics gives a table statistics for the suites' plans, in a form that MySQL does
// not have.
var statistics = regexp.MustCompile(`(?i)^\s*analyze table \S+ update histogram on .* using data `)

// run runs one statement, prepared if it has arguments. The result is the last that has
// rows, as in a suite a CALL has one, or else the last.
func (c *wireConn) run(q string, args []any) (r *mysql.Result, err error) {
	if statistics.MatchString(q) {
		return &mysql.Result{}, nil
	}
	if err := c.SetDeadline(time.Now().Add(wireLimit)); err != nil {
		return nil, err
	}
	q = zulu.ReplaceAllString(q, "'$1'")
	if relative.MatchString(q) { // the directory that the tests are in
		dir, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		q = relative.ReplaceAllString(q, "$1"+dir+"/$2")
	}
	if len(args) > 0 {
		return c.Execute(q, args...)
	}
	_, sent := c.ExecuteMultiple(q, func(one *mysql.Result, failed error) {
		if failed != nil {
			err = failed
		} else if r == nil || one.HasResultset() || !r.HasResultset() {
			r = one
		}
	})
	return r, errors.Join(sent, err)
}

// relative is the name of a file of the server that is relative, which our server has nowhere to begin at.
var relative = regexp.MustCompile(`(?i)\b((?:in|out|dump)file\s+['"])([^'"/][^'"]*)`)

// zulu is the Z behind a date in a text, which the suites' tables are filled with and MySQL refuses.
var zulu = regexp.MustCompile(`'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z'`)

// Query implements enginetest.QueryEngine.
func (e *wireEngine) Query(ctx *sql.Context, q string) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	return e.QueryWithBindings(ctx, q, nil, nil, nil)
}

// QueryWithBindings implements enginetest.QueryEngine. With bindings the statement is
// prepared, without it is text.
func (e *wireEngine) QueryWithBindings(ctx *sql.Context, q string, _ sqlparser.Statement,
	bindings map[string]sqlparser.Expr, _ *sql.QueryFlags) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	c, err := e.conn(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	text, args := bind(q, bindings)
	if _, err := sqlparser.ParseWithOptions(ctx, text, sql.LoadSqlMode(ctx).ParserOptions()); bindings != nil && ctx.Query() != "" && ctx.Query() != q && (err != nil || ddl.MatchString(q)) {
		text, args = ctx.Query(), nil // what the suite made of it is not SQL
	}
	r, err := c.run(text, args)
	if err != nil {
		var m *mysql.MyError
		if !errors.As(err, &m) { // the connection is of no use any more
			e.mu.Lock()
			delete(e.conns, ctx.Session)
			e.mu.Unlock()
			return nil, nil, nil, errors.Join(err, c.Close())
		}
		rows, err := e.h.instead(q, nil, err)
		return types.OkResultSchema, sql.RowsToRowIter(rows...), nil, err
	}
	ctx.ClearWarnings()
	if r.Warnings > 0 && !strings.HasPrefix(strings.ToUpper(q), "SHOW ") {
		if err := c.warnings(ctx, int(r.Warnings)); err != nil {
			return nil, nil, nil, err
		}
	}
	if strings.Contains(strings.ToLower(q), "sql_mode") { // by which the suite parses what it prepares
		mode, err := c.run("SELECT @@sql_mode", nil)
		if err != nil {
			return nil, nil, nil, err
		}
		if err := ctx.SetSessionVariable(ctx, "sql_mode", string(mode.Values[0][0].AsString())); err != nil {
			return nil, nil, nil, err
		}
	}
	sch := types.OkResultSchema
	rows := []sql.Row{{types.OkResult{RowsAffected: r.AffectedRows, InsertID: r.InsertId}}}
	if r.HasResultset() {
		sch = make(sql.Schema, len(r.Fields))
		for i, f := range r.Fields {
			sch[i] = &sql.Column{Name: string(f.Name), Type: types.LongText}
		}
		if rows, err = textRows(r, len(args) > 0); err != nil {
			return nil, nil, nil, err
		}
	}
	rows, err = e.h.instead(q, rows, nil)
	return sch, sql.RowsToRowIter(rows...), nil, err
}

// checkViolated is the number of a violated CHECK.
const checkViolated = 3819

// warnings gives the session the warnings of the statement before, of which the
// server said that there are n.
func (c *wireConn) warnings(ctx *sql.Context, n int) error {
	r, err := c.run("SHOW WARNINGS", nil)
	if err != nil {
		return err
	}
	if len(r.Values) != n {
		return fmt.Errorf("%d warnings were announced, %d are shown", n, len(r.Values))
	}
	for _, v := range r.Values {
		code := int(v[1].AsInt64())
		if code == mysql.WARN_DATA_TRUNCATED || code == checkViolated { // to the suites an unknown error
			code = mysql.ER_UNKNOWN_ERROR
		}
		ctx.Warn(code, "%s", withSuiteWords(string(v[2].AsString())))
	}
	return nil
}

// withSuiteWords returns MySQL's text of a warning with the words behind it that the suites look for in its place.
func withSuiteWords(text string) string {
	if m := incorrectNumber.FindStringSubmatch(text); m != nil {
		kind := map[string]string{"DOUBLE": "double", "DECIMAL": "decimal(65,30)", "INTEGER": "int"}[m[1]]
		return fmt.Sprintf("%s; Truncated incorrect %s value: %s; Truncated incorrect %s value: '%s'", text, kind, m[2], kind, m[2])
	}
	if m := unknownTable.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s; Unknown table '%s'", text, m[1])
	}
	return text
}

var (
	incorrectNumber = regexp.MustCompile(`^Truncated incorrect (DOUBLE|DECIMAL|INTEGER) value: '(.*)'$`)
	unknownTable    = regexp.MustCompile(`^Unknown table '[^.]*\.(.*)'$`)
)

var (
	variable = regexp.MustCompile(`:v\d+|\?`)
	ddl      = regexp.MustCompile(`(?i)^\s*(create|alter|drop)\b`) // has no parameters
	// constants are where MySQL takes no parameter, or takes it for something else: positions in
	// the list of columns, introducers.
	constants = regexp.MustCompile(`(?is)\b(order|group) by (:v\d+(,|\s|asc|desc|:v\d+)*)+|\b_\w+ :v\d+`)
)

// bind returns a statement with ? for its bindings and their values. What no argument
// stands for is put into the text.
func bind(q string, bindings map[string]sqlparser.Expr) (string, []any) {
	if len(bindings) == 0 || ddl.MatchString(q) {
		return q, nil
	}
	literal := func(name string) string {
		if b, ok := bindings[name[1:]]; ok {
			return sqlparser.String(b)
		}
		return name // too few are an error
	}
	marked := !strings.Contains(q, ":v1")
	q = constants.ReplaceAllStringFunc(q, func(part string) string { return variable.ReplaceAllStringFunc(part, literal) })
	var args []any
	n := 0
	q = variable.ReplaceAllStringFunc(q, func(name string) string {
		n++
		if name == "?" {
			name = fmt.Sprintf(":v%d", n)
		}
		v, ok := bindings[name[1:]].(*sqlparser.SQLVal)
		if !ok {
			return literal(name)
		}
		switch v.Type {
		case sqlparser.StrVal:
			args = append(args, string(v.Val))
			return "?"
		case sqlparser.IntVal:
			if n, err := strconv.ParseInt(string(v.Val), 10, 64); err == nil {
				args = append(args, n)
				return "?"
			}
		}
		return literal(name)
	})
	for ; marked && n < len(bindings); n++ { // too many are an error
		args = append(args, nil)
	}
	return q, args
}

// textRows returns a result's rows, each value an integer, text or nil.
func textRows(r *mysql.Result, binary bool) ([]sql.Row, error) {
	rows := make([]sql.Row, 0, len(r.RowDatas))
	for i, data := range r.RowDatas {
		row := make(sql.Row, len(r.Fields))
		for j := range row {
			if binary {
				row[j] = binaryText(r.Fields[j], r.Values[i][j])
				continue
			}
			text, null, n, err := mysql.LengthEncodedString(data)
			if err != nil {
				return nil, err
			}
			if data = data[n:]; null {
				continue
			}
			row[j] = string(text)
			if v := r.Values[i][j].Value(); fmt.Sprint(v) == string(text) {
				row[j] = v // an integer, as suites that look into rows expect it
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func binaryText(f *mysql.Field, v mysql.FieldValue) any {
	switch x := v.Value().(type) {
	case nil:
		return nil
	case []byte:
		return string(x)
	case float64:
		if f.Type == mysql.MYSQL_TYPE_FLOAT {
			return strconv.FormatFloat(x, 'g', -1, 32)
		}
		return strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return fmt.Sprint(x)
	}
}

// wireProvider looks databases up in the server's storage, each time in a session of
// its own.
type wireProvider struct{ *gms.Backend }

// wireDatabase looks tables up in the same way.
type wireDatabase struct {
	*gms.Database
	b *gms.Backend
}

// wireTable is a table's definition, which outlives the session that it was read in.
type wireTable struct {
	*gms.Table
	schema  sql.Schema
	indexes []sql.Index
}

func inSession(b *gms.Backend) (*sql.Context, func()) {
	s := gms.NewSession(b, enginetest.NewBaseSession())
	return sql.NewContext(context.Background(), sql.WithSession(s)), s.SessionEnd
}

// Database implements sql.DatabaseProvider.
func (p *wireProvider) Database(_ *sql.Context, name string) (sql.Database, error) {
	ctx, end := inSession(p.Backend)
	defer end()
	db, err := p.Backend.Database(ctx, name)
	if d, ok := db.(*gms.Database); ok {
		return &wireDatabase{d, p.Backend}, nil
	}
	return db, err
}

// GetTableInsensitive implements sql.Database.
func (d *wireDatabase) GetTableInsensitive(_ *sql.Context, name string) (sql.Table, bool, error) {
	ctx, end := inSession(d.b)
	defer end()
	db, err := d.b.Database(ctx, d.Name())
	if err != nil {
		return nil, false, err
	}
	t, ok, err := db.GetTableInsensitive(ctx, name)
	if !ok || err != nil {
		return nil, false, err
	}
	table, ok := t.(*gms.Table)
	if !ok {
		return t, true, nil
	}
	indexes, err := table.GetIndexes(ctx)
	return &wireTable{table, table.Schema(ctx), indexes}, err == nil, err
}

// Schema implements sql.Table.
func (t *wireTable) Schema(*sql.Context) sql.Schema { return t.schema }

// GetIndexes implements sql.IndexAddressable.
func (t *wireTable) GetIndexes(*sql.Context) ([]sql.Index, error) { return t.indexes, nil }
