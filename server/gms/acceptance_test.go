package gms_test

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/dolthub/go-mysql-server/enginetest"
	"github.com/dolthub/go-mysql-server/enginetest/scriptgen/setup"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/server/gms"
)

// harness gives go-mysql-server's conformance suites an engine on a volume in memory.
type harness struct {
	t       *testing.T
	suite   string
	setup   []setup.SetupScript
	db      *engine.DB
	backend *gms.Backend
	session *gms.Session
	stop    func()
	seen    sightings
}

var (
	_ enginetest.TransactionHarness  = (*harness)(nil)
	_ enginetest.ClientHarness       = (*harness)(nil)
	_ enginetest.IndexHarness        = (*harness)(nil)
	_ enginetest.ForeignKeyHarness   = (*harness)(nil)
	_ enginetest.KeylessTableHarness = (*harness)(nil)
	_ enginetest.SkippingHarness     = (*harness)(nil)
	_ enginetest.ServerHarness       = (*harness)(nil)
)

func newHarness(t *testing.T, suite string) *harness {
	h := &harness{t: t, suite: suite}
	t.Cleanup(func() {
		h.close()
		part := strings.Count(flag.Lookup("test.run").Value.String(), "/") > 1
		if !t.Failed() && !part {
			h.seen.check(t, differences[suite])
		}
	})
	return h
}

func (h *harness) close() {
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
	h.session, h.backend, h.db = nil, nil, nil
}

// open gives the harness a new empty volume.
func (h *harness) open() {
	h.close()
	vol := memvolume.New(memvolume.Options{}).Open()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := engine.OpenWriter(context.Background(), vol, engine.Options{
		Logger: quiet, CacheBytes: 256 << 20,
		Background: engine.BackgroundOptions{Stats: -1, Free: -1, Horizon: -1},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.db, h.backend = db, gms.NewBackend(db, quiet)
	for _, p := range memory.ExternalStoredProcedures {
		h.backend.RegisterProcedure(p)
	}
	h.stop = func() {
		if err := db.Close(); err != nil {
			h.t.Error(err)
		}
		if err := vol.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

// Setup implements enginetest.Harness.
func (h *harness) Setup(scripts ...[]setup.SetupScript) {
	h.setup = nil
	for _, s := range scripts {
		h.setup = append(h.setup, s...)
	}
}

// NewEngine implements enginetest.Harness.
func (h *harness) NewEngine(t *testing.T) (enginetest.QueryEngine, error) {
	h.open()
	e := gms.NewEngine(h.backend)
	e.Analyzer.Catalog.MySQLDb.SetPersister(&mysql_db.NoopPersister{})
	e.Analyzer.Catalog.MySQLDb.AddRootAccount()
	scripts := h.setup
	if len(scripts) == 0 {
		scripts = setup.MydbData
	}
	var err error
	if e, err = enginetest.RunSetupScripts(enginetest.NewContext(h), e, scripts, true); err != nil {
		return nil, err
	}
	h.session = nil
	if list := differences[h.suite]; len(list) > 0 {
		return &differing{QueryEngine: e, t: t, differences: list, seen: &h.seen}, nil
	}
	return e, nil
}

// NewContext implements enginetest.Harness.
func (h *harness) NewContext() *sql.Context {
	if h.backend == nil {
		h.open()
	}
	if h.session == nil {
		h.session = gms.NewSession(h.backend, enginetest.NewBaseSession())
	}
	return sql.NewContext(context.Background(), sql.WithSession(h.session))
}

// NewSession implements enginetest.TransactionHarness.
func (h *harness) NewSession() *sql.Context {
	h.session = nil
	return h.NewContext()
}

// NewContextWithClient implements enginetest.ClientHarness.
func (h *harness) NewContextWithClient(c sql.Client) *sql.Context {
	if h.backend == nil {
		h.open()
	}
	base := sql.NewBaseSessionWithClientServer("address", c, 1)
	return sql.NewContext(context.Background(), sql.WithSession(gms.NewSession(h.backend, base)))
}

// SessionBuilder implements enginetest.ServerHarness, for suites that start a server
// of go-mysql-server's own.
func (h *harness) SessionBuilder() server.SessionBuilder {
	return func(_ context.Context, c *mysql.Conn, addr string) (sql.Session, error) {
		client := sql.Client{Capabilities: c.Capabilities}
		if u, ok := c.UserData.(sql.MysqlConnectionUser); ok {
			client.User, client.Address = u.User, u.Host
		}
		return gms.NewSession(h.backend, sql.NewBaseSessionWithClientServer(addr, client, c.ConnectionID)), nil
	}
}

// SupportsNativeIndexCreation implements enginetest.IndexHarness.
func (h *harness) SupportsNativeIndexCreation() bool { return true }

// SupportsForeignKeys implements enginetest.ForeignKeyHarness.
func (h *harness) SupportsForeignKeys() bool { return true }

// SupportsKeylessTables implements enginetest.KeylessTableHarness.
func (h *harness) SupportsKeylessTables() bool { return true }

// SkipQueryTest implements enginetest.SkippingHarness.
func (h *harness) SkipQueryTest(query string) bool {
	if os.Getenv("SEXTANT_CONFORMANCE_KNOWN") != "" {
		return false
	}
	_, skip := skips[h.suite][strings.ReplaceAll(query, " ", "_")]
	return skip
}

var moduleDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dolthub/go-mysql-server").Output()
	return strings.TrimSpace(string(out)), err
})

var conformance = flag.Bool("conformance", false, "run the suites over the wire too, and compare every skip with the in-memory backend's")

// TestConformance runs go-mysql-server's suites. SEXTANT_CONFORMANCE is a list of
// names, with commas between, of those to run alone. It comes before every test that
// makes a Server: that sets MySQL's defaults for the whole process, and the suites
// expect go-mysql-server's.
func TestConformance(t *testing.T) {
	if _, v, ok := sql.SystemVariables.GetGlobal("collation_server"); !ok || v != sql.Collation_Default.Name() {
		t.Fatalf("collation_server is %v: a Server was made before; this test's file must come first", v)
	}
	want := os.Getenv("SEXTANT_CONFORMANCE")
	dir, err := moduleDir()
	if err != nil {
		t.Fatal(err)
	}
	first := newHarness(t, "")
	first.open()
	gms.NewEngine(first.backend)                  // our variables are there
	before := sql.SystemVariables.NewSessionMap() // suites set globals of the process
	t.Cleanup(func() {
		after := sql.SystemVariables.NewSessionMap()
		for name, v := range before {
			if reflect.DeepEqual(after[name].Val, v.Val) {
				continue
			}
			if err := sql.SystemVariables.AssignValues(map[string]any{name: v.Val}); err != nil {
				t.Errorf("restoring %s: %v", name, err)
			}
		}
	})
	t.Chdir(filepath.Join(dir, "enginetest")) // LOAD DATA reads ./testdata
	for _, s := range suites {
		if want != "" && !strings.Contains(","+want+",", ","+s.name+",") {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if reason, skip := suiteSkips[s.name]; skip && os.Getenv("SEXTANT_CONFORMANCE_KNOWN") == "" {
				t.Skip(reason)
			}
			s.run(t, newHarness(t, s.name))
		})
	}
}
