package gms_test

import (
	"context"
	gosql "database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/enginetest/queries"
	"github.com/dolthub/go-mysql-server/enginetest/scriptgen/setup"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/vt/sqlparser"
	"github.com/go-sql-driver/mysql"
	kinds "gopkg.in/src-d/go-errors.v1"
)

// wireHarness gives the suites connections to a server of ours. A session of theirs is
// a connection. Results are compared as a client sees them, errors by their numbers.
type wireHarness struct {
	suite   string
	pool    *gosql.DB   // keeps no idle connections
	engine  *wireEngine // the last
	setup   []setup.SetupScript
	session *sql.BaseSession
}

var (
	_ enginetest.ClientHarness           = (*wireHarness)(nil)
	_ enginetest.TransactionHarness      = (*wireHarness)(nil)
	_ enginetest.SkippingHarness         = (*wireHarness)(nil)
	_ enginetest.ResultEvaluationHarness = (*wireHarness)(nil)
	_ enginetest.ServerBackedEngine      = (*wireEngine)(nil)
	_ enginetest.QueryEngine             = (*wireEngine)(nil)
)

// Setup implements enginetest.Harness.
func (h *wireHarness) Setup(scripts ...[]setup.SetupScript) {
	h.setup = nil
	for _, s := range scripts {
		h.setup = append(h.setup, s...)
	}
}

// NewContext implements enginetest.Harness.
func (h *wireHarness) NewContext() *sql.Context {
	if h.session == nil {
		h.session = enginetest.NewBaseSession()
	}
	return sql.NewContext(context.Background(), sql.WithSession(h.session))
}

// NewSession implements enginetest.TransactionHarness.
func (h *wireHarness) NewSession() *sql.Context {
	h.session = nil
	return h.NewContext()
}

// NewContextWithClient implements enginetest.ClientHarness.
func (h *wireHarness) NewContextWithClient(c sql.Client) *sql.Context {
	return sql.NewContext(context.Background(), sql.WithSession(sql.NewBaseSessionWithClientServer("address", c, 1)))
}

// SupportsNativeIndexCreation implements enginetest.IndexHarness.
func (h *wireHarness) SupportsNativeIndexCreation() bool { return true }

// SupportsForeignKeys implements enginetest.ForeignKeyHarness.
func (h *wireHarness) SupportsForeignKeys() bool { return true }

// SupportsKeylessTables implements enginetest.KeylessTableHarness.
func (h *wireHarness) SupportsKeylessTables() bool { return true }

// SkipQueryTest implements enginetest.SkippingHarness.
func (h *wireHarness) SkipQueryTest(query string) bool {
	name := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, query)
	if _, skip := skips[h.suite][name]; skip {
		return true
	}
	_, skip := wireSkips[h.suite][name]
	return skip
}

// NewEngine implements enginetest.Harness: the databases of the engine before are dropped.
func (h *wireHarness) NewEngine(t *testing.T) (enginetest.QueryEngine, error) {
	h.session = nil
	if h.engine != nil {
		if err := h.engine.Close(); err != nil { // suites leave some open
			return nil, err
		}
	}
	e := &wireEngine{h: h, conns: make(map[sql.Session]*wireConn)}
	h.engine = e
	c, err := h.pool.Conn(t.Context())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	rows, err := c.QueryContext(t.Context(), "SELECT schema_name FROM information_schema.schemata "+
		"WHERE schema_name NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')")
	if err != nil {
		return nil, err
	}
	statements := planners
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		statements = append(statements, "DROP DATABASE `"+name+"`")
	}
	scripts := h.setup
	if len(scripts) == 0 {
		scripts = setup.MydbData
	}
	for _, s := range scripts {
		statements = append(statements, s...)
	}
	limit, cancel := context.WithTimeout(t.Context(), wireLimit)
	defer cancel()
	for _, q := range statements {
		if _, err := c.ExecContext(limit, q); err != nil {
			return nil, fmt.Errorf("%s: %w", q, err)
		}
	}
	return e, errors.Join(rows.Err(), rows.Close())
}

// planners are the settings that the suites take for granted.
var planners = []string{
	"SET GLOBAL collation_server = utf8mb4_0900_bin",
	"SET SESSION collation_server = utf8mb4_0900_bin",
	"SET SESSION collation_connection = utf8mb4_0900_bin",
	"SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'",
}

// wireLimit ends a statement that hangs, so that the rest is run.
const wireLimit = 10 * time.Second

// wireEngine runs statements on connections, one for each session of a suite.
type wireEngine struct {
	h     *wireHarness
	conns map[sql.Session]*wireConn
}

type wireConn struct {
	c  *gosql.Conn
	db string // the database that the suite's session was in
}

// IsServerBacked implements enginetest.ServerBackedEngine.
func (e *wireEngine) IsServerBacked() bool { return true }

// EngineAnalyzer implements enginetest.QueryEngine; it knows none of our tables.
func (e *wireEngine) EngineAnalyzer() *analyzer.Analyzer {
	return sqle.NewDefault(memory.NewDBProvider()).Analyzer
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
		errs = append(errs, c.c.Close())
	}
	clear(e.conns)
	return errors.Join(errs...)
}

func (e *wireEngine) conn(ctx *sql.Context) (*gosql.Conn, error) {
	c := e.conns[ctx.Session]
	if c != nil && c.db != "" && ctx.GetCurrentDatabase() == "" { // a connection cannot leave its database
		if err := c.c.Close(); err != nil {
			return nil, err
		}
		c = nil
	}
	if c == nil {
		fresh, err := e.h.pool.Conn(ctx)
		if err != nil {
			return nil, err
		}
		for _, q := range planners[1:] {
			if _, err := fresh.ExecContext(ctx, q); err != nil {
				return nil, err
			}
		}
		c = &wireConn{c: fresh}
		e.conns[ctx.Session] = c
	}
	if db := ctx.GetCurrentDatabase(); db != c.db {
		if c.db = db; db != "" {
			if _, err := c.c.ExecContext(ctx, "USE `"+db+"`"); err != nil {
				return nil, err
			}
		}
	}
	return c.c, nil
}

// Query implements enginetest.QueryEngine.
func (e *wireEngine) Query(ctx *sql.Context, q string) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	return e.QueryWithBindings(ctx, q, nil, nil, nil)
}

var bindVariable = regexp.MustCompile(`:v\d+`)

// QueryWithBindings implements enginetest.QueryEngine. With bindings the statement is
// prepared, without it is text.
func (e *wireEngine) QueryWithBindings(ctx *sql.Context, q string, _ sqlparser.Statement,
	bindings map[string]sqlparser.Expr, _ *sql.QueryFlags) (sql.Schema, sql.RowIter, *sql.QueryFlags, error) {
	c, err := e.conn(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	var args []any
	for range bindings {
		v, ok := bindings[fmt.Sprintf("v%d", len(args)+1)].(*sqlparser.SQLVal)
		if !ok {
			return nil, nil, nil, errors.New("a binding that is no value")
		}
		args = append(args, string(v.Val))
	}
	if len(args) > 0 {
		q = bindVariable.ReplaceAllString(q, "?")
	}
	limit, cancel := context.WithTimeout(ctx, wireLimit)
	defer cancel()
	rows, err := c.QueryContext(limit, q, args...)
	if err != nil {
		return nil, nil, nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, nil, nil, err
	}
	var out []sql.Row
	for rows.Next() {
		r := make(sql.Row, len(columns))
		into := make([]any, len(columns))
		for i := range r {
			into[i] = &r[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, nil, err
		}
		out = append(out, r)
	}
	sch := make(sql.Schema, len(columns))
	for i, name := range columns {
		sch[i] = &sql.Column{Name: name, Type: types.LongText}
	}
	return sch, sql.RowsToRowIter(out...), nil, rows.Err()
}

// EvaluateQueryResults implements enginetest.ResultEvaluationHarness.
func (h *wireHarness) EvaluateQueryResults(t *testing.T, want []sql.Row, columns []*sql.Column, _ sql.Schema, got []sql.Row,
	query string, _ queries.WrapBehavior) {
	t.Helper()
	if len(want) == 1 && len(want[0]) == 0 { // SET and the like
		want = nil
	}
	if len(want) == 1 && len(want[0]) == 1 {
		if _, ok := want[0][0].(types.OkResult); ok { // an OK packet has no rows
			want = nil
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%s: %d rows, want %d: %v, want %v", query, len(got), len(want), got, want)
	}
	ordered := strings.Contains(strings.ToUpper(query), "ORDER BY ")
	left := append([]sql.Row(nil), got...)
	for _, w := range want {
		found := -1
		for i, g := range left {
			if sameRow(w, g) {
				found = i
				break
			}
			if ordered {
				break
			}
		}
		if found < 0 {
			t.Fatalf("%s: no row %v in %q", query, w, left)
		}
		left = append(left[:found:found], left[found+1:]...)
	}
}

// EvaluateExpectedError implements enginetest.ResultEvaluationHarness: the words are
// MySQL's, not the suite's.
func (h *wireHarness) EvaluateExpectedError(t *testing.T, _ string, err error) {
	t.Helper()
	var m *mysql.MySQLError
	if !errors.As(err, &m) {
		t.Errorf("not an error of the server: %v", err)
	}
}

// EvaluateExpectedErrorKind implements enginetest.ResultEvaluationHarness.
func (h *wireHarness) EvaluateExpectedErrorKind(t *testing.T, kind *kinds.Kind, err error) {
	t.Helper()
	var m *mysql.MySQLError
	if !errors.As(err, &m) {
		t.Errorf("not an error of the server: %v", err)
		return
	}
	if want := sql.CastSQLError(kind.New("", "", "", "")).Num; want != 1105 && want != int(m.Number) {
		t.Errorf("error %d (%s), want %d", m.Number, m.Message, want)
	}
}

// TestConformanceOverTheWire runs the suites through the listener and the handler.
func TestConformanceOverTheWire(t *testing.T) {
	if !*conformance {
		t.Skip("run by make conformance")
	}
	dir, err := moduleDir()
	if err != nil {
		t.Fatal(err)
	}
	in := startInstance(t)
	t.Chdir(filepath.Join(dir, "enginetest"))
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			if reason, skip := wireSuiteSkips[s.name]; skip {
				t.Skip(reason)
			}
			if reason, skip := suiteSkips[s.name]; skip {
				t.Skip(reason)
			}
			h := &wireHarness{suite: s.name, pool: in.open("")}
			h.pool.SetMaxIdleConns(0)
			s.run(t, h)
			if h.engine != nil {
				if err := h.engine.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
