package gms_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/enginetest/queries"
	"github.com/dolthub/go-mysql-server/enginetest/scriptgen/setup"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/go-mysql-org/go-mysql/mysql"
	kinds "gopkg.in/src-d/go-errors.v1"
)

// wireHarness gives the suites connections to a server of ours. A session of theirs is
// a connection. Results are compared as a client sees them, errors by their numbers.
type wireHarness struct {
	suite    string
	in       *instance
	analyzer *analyzer.Analyzer
	engine   *wireEngine // the last
	setup    []setup.SetupScript
	session  *sql.BaseSession
	last     string // statement
	answers  []*wireAnswer
}

var (
	_ enginetest.ClientHarness           = (*wireHarness)(nil)
	_ enginetest.TransactionHarness      = (*wireHarness)(nil)
	_ enginetest.SkippingHarness         = (*wireHarness)(nil)
	_ enginetest.ResultEvaluationHarness = (*wireHarness)(nil)
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
	if os.Getenv("SEXTANT_CONFORMANCE_KNOWN") != "" {
		return false
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
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	r, err := c.run("SELECT schema_name FROM information_schema.schemata "+
		"WHERE schema_name NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')", nil)
	if err != nil {
		return nil, err
	}
	statements := planners[:1:1]
	for _, row := range r.Values {
		statements = append(statements, "DROP DATABASE `"+string(row[0].AsString())+"`")
	}
	scripts := h.setup
	if len(scripts) == 0 {
		scripts = setup.MydbData
	}
	for _, s := range scripts {
		statements = append(statements, s...)
	}
	for _, q := range statements {
		if _, err := c.run(q, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", q, err)
		}
	}
	return e, c.Close()
}

// EvaluateQueryResults implements enginetest.ResultEvaluationHarness.
func (h *wireHarness) EvaluateQueryResults(t *testing.T, want []sql.Row, columns []*sql.Column, _ sql.Schema, got []sql.Row,
	query string, _ queries.WrapBehavior) {
	t.Helper()
	if len(got) == 1 && len(got[0]) == 1 && got[0][0] == exchanged {
		return
	}
	switch {
	case sameRows(want, got, query) || h.listed(query, got, nil, ""):
	case rewriting():
		h.record(query, got, 0, "")
		t.Logf("%s: %s\n%swant %v", h.suite, oneLine(query), formatRows(got, query), want)
	default:
		t.Fatalf("%s: %s\n%swant %v", h.suite, oneLine(query), formatRows(got, query), want)
	}
}

// sameRows reports whether rows as a client gets them are those that a suite expects.
func sameRows(want, got []sql.Row, query string) bool {
	if len(want) == 1 && len(want[0]) == 0 { // SET and the like
		want = nil
	}
	if len(want) == 0 && len(got) == 1 && len(got[0]) == 1 {
		if _, ok := got[0][0].(types.OkResult); ok { // an OK packet has no rows
			return true
		}
	}
	if len(want) != len(got) {
		return false
	}
	upper := strings.ToUpper(query)
	ordered := strings.Contains(upper, "ORDER BY ")
	timeless := strings.HasPrefix(upper, "SHOW ") && !strings.Contains(upper, "EVENTS")
	left := append([]sql.Row(nil), got...)
	for _, w := range want {
		found := -1
		for i, g := range left {
			if sameRow(w, g, timeless) {
				found = i
				break
			}
			if ordered {
				break
			}
		}
		if found < 0 {
			return false
		}
		left = append(left[:found:found], left[found+1:]...)
	}
	return true
}

// EvaluateExpectedError implements enginetest.ResultEvaluationHarness: the words are
// MySQL's, not the suite's.
func (h *wireHarness) EvaluateExpectedError(t *testing.T, _ string, err error) {
	t.Helper()
	var m *mysql.MyError
	if !errors.As(err, &m) && !errors.Is(err, errExchanged) {
		t.Errorf("not an error of the server: %v", err)
	}
}

// EvaluateExpectedErrorKind implements enginetest.ResultEvaluationHarness.
func (h *wireHarness) EvaluateExpectedErrorKind(t *testing.T, kind *kinds.Kind, err error) {
	t.Helper()
	if errors.Is(err, errExchanged) {
		return
	}
	var m *mysql.MyError
	if !errors.As(err, &m) {
		t.Errorf("not an error of the server: %v", err)
		return
	}
	switch want := sql.CastSQLError(kind.New("", "", "", "")).Num; {
	case want == 1105, want == int(m.Code):
	case rewriting():
		h.record(h.last, nil, int(m.Code), "an error")
		t.Logf("%s: %s\n\terror %d\n\tinstead of an error\n%s, want %d", h.suite, oneLine(h.last), m.Code, m.Message, want)
	default:
		t.Errorf("%s: %s\n\terror %d\n\tinstead of an error\n%s, want %d", h.suite, oneLine(h.last), m.Code, m.Message, want)
	}
}

// preparedScripts are those whose errors the suites compare word by word when they are
// prepared.
var preparedScripts = [][]queries.ScriptTest{
	queries.AnsiQuotesTests, queries.CreateCheckConstraintsScripts, queries.InsertErrorScripts, queries.InsertIgnoreScripts,
	queries.InsertScripts, queries.JSONTableScriptTests, queries.JoinScriptTests, queries.JsonScripts, queries.LoadDataScripts,
	queries.MySqlDbTests, queries.ScriptTests, queries.SpatialIndexScriptTests, queries.SpatialScriptTests,
}

// anyWords makes the suites expect an error in place of its words, which are MySQL's,
// until the test has ended.
func anyWords(t *testing.T) {
	for _, scripts := range preparedScripts {
		for _, s := range scripts {
			for i := range s.Assertions {
				a := &s.Assertions[i]
				if words := a.ExpectedErrStr; words != "" && a.ExpectedErr == nil {
					a.ExpectedErr, a.ExpectedErrStr = sql.ErrInvalidType, ""
					t.Cleanup(func() { a.ExpectedErr, a.ExpectedErrStr = nil, words })
				}
			}
		}
	}
}

// mysqlWords makes the suites expect MySQL's words of warnings where they have others,
// until the test has ended: dates are datetimes and stand in quotes, and bit operations take integers.
func mysqlWords(t *testing.T) {
	date := regexp.MustCompile(`^Incorrect date(?:time)? value: ([^'].*)$`)
	bits := regexp.MustCompile(`[&|^]|<<|>>`)
	for _, s := range queries.ScriptTests {
		for i := range s.Assertions {
			a := &s.Assertions[i]
			words := a.ExpectedWarningMessageSubstring
			t.Cleanup(func() { a.ExpectedWarningMessageSubstring = words })
			a.ExpectedWarningMessageSubstring = date.ReplaceAllString(words, "Incorrect datetime value: '$1'")
			if bits.MatchString(a.Query) {
				a.ExpectedWarningMessageSubstring = strings.Replace(words, "incorrect double value", "incorrect INTEGER value", 1)
			}
		}
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
	answers := wireAnswers(t)
	in := startInstance(t)
	want := os.Getenv("SEXTANT_CONFORMANCE")
	whole := strings.Count(flag.Lookup("test.run").Value.String(), "/") < 2
	ran := make(map[string]bool)
	if rewriting() {
		t.Cleanup(func() { writeAnswers(t, answers, ran) })
	}
	t.Chdir(filepath.Join(dir, "enginetest"))
	mysqlWords(t)
	for _, s := range suites {
		if want != "" && !strings.Contains(","+want+",", ","+s.name+",") {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if reason, skip := wireSuiteSkips[s.name]; skip {
				t.Skip(reason)
			}
			if reason, skip := suiteSkips[s.name]; skip {
				t.Skip(reason)
			}
			ran[s.name] = whole
			h := &wireHarness{suite: s.name, in: in, analyzer: sqle.NewDefault(&wireProvider{in.srv.Backend()}).Analyzer, answers: answers[s.name]}
			if strings.HasSuffix(s.name, "Prepared") {
				anyWords(t)
			}
			defer func() { answers[s.name] = h.answers }()
			s.run(t, h)
			if h.engine != nil {
				if err := h.engine.Close(); err != nil {
					t.Error(err)
				}
			}
			if whole && !rewriting() && !t.Failed() {
				h.unmet(t)
			}
		})
	}
}
