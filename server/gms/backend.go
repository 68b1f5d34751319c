package gms

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/internal/certs"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// Backend is the planner's view of a volume: its databases. It is safe for
// concurrent use. Each statement gets the schema of its own transaction.
type Backend struct {
	db       *engine.DB
	logger   *slog.Logger
	shapes   shapes
	children children
	failed   failedLogins
	used     hourlyUse
	// definitions are for checks of privileges, see defined.
	definitions definedTexts
	stats       *optimizerStats
	// readOnly is the instance's role: plain reads only.
	readOnly atomic.Bool
	// mysql is set where clients are served: results have MySQL's types where the
	// planner's differ.
	mysql     bool
	temp      tempSpace
	secureDir string // where statements may read and write the server's files; "": nowhere
	// live returns the value of a variable that follows the instance, nil: none do.
	live     func(name string) (any, bool)
	tls      *certs.Source     // nil: no TLS
	users    *mysql_db.MySQLDb // nil where there are no users (tests)
	external sql.ExternalStoredProcedureRegistry
	reload   func() // reads the users again, see Server
	runner   *runner
	catalog  sql.Catalog // the planner's, nil before NewEngine
	// indexScans and rangeScans are set by NewEngine; rangeScans are those of conditions that our rules have looked through.
	indexScans, rangeScans planrule.PlanRule

	// What monitors are shown.
	started   time.Time
	digests   *digests
	accounts  connectionCounts
	sessions  sync.Map             // connection id (uint32) -> *Session
	processes func() []sql.Process // nil before NewEngine
	// kill ends what a client's connection runs, or the connection too. Set by NewServer.
	kill      func(id uint32, connection bool)
	deadlocks deadlocks
	rowsRead  atomic.Uint64 // rows that scans returned
	// mostConnections is the largest number of connections that there were at a time.
	mostConnections atomic.Uint64
}

var (
	_ sql.MutableDatabaseProvider         = (*Backend)(nil)
	_ sql.CollatedDatabaseProvider        = (*Backend)(nil)
	_ sql.ExternalStoredProcedureProvider = (*Backend)(nil)
	_ sql.FunctionProvider                = (*Backend)(nil)
)

// NewBackend returns a Backend on db. It registers the planner's collations with
// the key codec, so call it before a catalog with text keys is used.
func NewBackend(db *engine.DB, logger *slog.Logger) *Backend {
	if logger == nil {
		logger = slog.Default()
	}
	value.RegisterCollations()
	b := &Backend{db: db, logger: logger, external: sql.NewExternalStoredProcedureRegistry(),
		started: time.Now(), digests: newDigests()}
	b.temp.dir, b.temp.limit = os.TempDir(), defaultTempSpace
	b.stats = newOptimizerStats(b)
	db.OnDeadlock(b.noteDeadlock)
	return b
}

// liveVariable returns the current value of a variable that follows the instance.
func (b *Backend) liveVariable(name string) (any, bool) {
	if b.live == nil {
		return nil, false
	}
	return b.live(name)
}

// readOnlyVariable reports whether a variable that follows the instance cannot be set.
func (b *Backend) readOnlyVariable(name string) bool {
	_, live := b.liveVariable(strings.ToLower(name))
	return live
}

func (b *Backend) reloadUsers() {
	if b.reload != nil {
		b.reload()
	}
}

func catalogOf(ctx *sql.Context) (*engine.Catalog, *Session, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	cat, err := s.catalog(ctx)
	return cat, s, err
}

// Database implements sql.DatabaseProvider.
func (b *Backend) Database(ctx *sql.Context, name string) (sql.Database, error) {
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return nil, err
	}
	if d := b.fixedDatabase(name); d != nil {
		return d, nil
	}
	def := cat.Database(name)
	if def == nil {
		return nil, sql.ErrDatabaseNotFound.New(name)
	}
	return &Database{b: b, def: def}, nil
}

// HasDatabase implements sql.DatabaseProvider.
func (b *Backend) HasDatabase(ctx *sql.Context, name string) bool {
	cat, _, err := catalogOf(ctx)
	return err == nil && (b.fixedDatabase(name) != nil || cat.Database(name) != nil)
}

// AllDatabases implements sql.DatabaseProvider.
func (b *Backend) AllDatabases(ctx *sql.Context) []sql.Database {
	cat, _, err := catalogOf(ctx)
	if err != nil {
		b.logger.Warn("list databases", "err", err)
		return nil
	}
	defs := cat.Databases()
	out := make([]sql.Database, len(defs))
	for i, def := range defs {
		out[i] = &Database{b: b, def: def}
	}
	if b.mysql {
		for name, d := range fixedDatabases() {
			if name != mysqlTables {
				out = append(out, d)
			}
		}
		slices.SortFunc(out, func(x, y sql.Database) int { return strings.Compare(x.Name(), y.Name()) })
	}
	if s, ok := ctx.Session.(*Session); ok && s.checked() {
		a := s.newAccess(ctx)
		out = slices.DeleteFunc(out, func(d sql.Database) bool { return !a.visible(d.Name()) })
	}
	return out
}

// CreateDatabase implements sql.MutableDatabaseProvider.
func (b *Backend) CreateDatabase(ctx *sql.Context, name string) error {
	return b.CreateCollatedDatabase(ctx, name, sql.Collation_Default)
}

// CreateCollatedDatabase implements sql.CollatedDatabaseProvider.
func (b *Backend) CreateCollatedDatabase(ctx *sql.Context, name string, c sql.CollationID) error {
	if b.fixedDatabase(name) != nil {
		return deniedDatabase(ctx, name)
	}
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	err = tx.CreateDatabase(ctx, engine.DatabaseDef{Name: name, Collation: row.CollationID(c)})
	if errors.Is(err, engine.ErrExists) {
		return sql.ErrDatabaseExists.New(name)
	}
	return s.fail(ctx, err)
}

// DropDatabase implements sql.MutableDatabaseProvider.
func (b *Backend) DropDatabase(ctx *sql.Context, name string) error {
	if b.fixedDatabase(name) != nil {
		return deniedDatabase(ctx, name)
	}
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	err = tx.DropDatabase(ctx, name)
	if errors.Is(err, engine.ErrNotFound) {
		return sql.ErrDatabaseNotFound.New(name)
	}
	return s.fail(ctx, err)
}

// ExternalStoredProcedure implements sql.ExternalStoredProcedureProvider.
func (b *Backend) ExternalStoredProcedure(_ *sql.Context, name string, params int) (*sql.ExternalStoredProcedureDetails, error) {
	return b.external.LookupByNameAndParamCount(name, params)
}

// ExternalStoredProcedures implements sql.ExternalStoredProcedureProvider.
func (b *Backend) ExternalStoredProcedures(_ *sql.Context, name string) ([]sql.ExternalStoredProcedureDetails, error) {
	return b.external.LookupByName(name)
}

// writer returns the session and transaction of a statement that writes.
func writer(ctx *sql.Context) (*Session, *engine.Tx, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s.b.readOnly.Load() {
		return nil, nil, errReadOnly()
	}
	tx, err := s.begin(ctx)
	if err == nil {
		s.tx.used = true
	}
	return s, tx, err
}

// Objects of the catalog are JSON. The structs here are the stored form: fields
// are added, never renamed.

type storedView struct {
	Name, Text, Create, SQLMode string
	Created                     int64 `json:",omitempty"` // µs since 1970 UTC; 0: that was not kept
	madeWith
}

// madeWith is what the connection has that makes an object.
type madeWith struct {
	Charset   string `json:",omitempty"`
	Collation string `json:",omitempty"`
}

func newMadeWith(ctx *sql.Context) madeWith {
	text := func(name string) string {
		v, _ := ctx.GetSessionVariable(ctx, name)
		s, _ := v.(string)
		return s
	}
	return madeWith{text("character_set_client"), text("collation_connection")}
}

// shown returns its character set and collation; those of an object that was made without
// are MySQL's defaults.
func (m madeWith) shown() (charset, collation any) {
	if m.Charset == "" || m.Collation == "" {
		return "utf8mb4", "utf8mb4_0900_ai_ci"
	}
	return m.Charset, m.Collation
}

type storedTrigger struct {
	Name, Create, SQLMode string
	Created               int64 // µs since 1970 UTC
	Order                 int   // among those of its table; several may have the same
	madeWith
}

type storedProcedure struct {
	Name, Create, SQLMode string
	Created, Modified     int64
	madeWith
}

func putObject(ctx *sql.Context, kind engine.ObjectKind, db, name string, v any) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return s.fail(ctx, tx.PutObject(ctx, engine.Object{Kind: kind, Database: db, Name: name, Data: data}))
}

// deleteObject returns notFound if there is no such object.
func deleteObject(ctx *sql.Context, kind engine.ObjectKind, db, name string, notFound error) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	err = tx.DeleteObject(ctx, kind, db, name)
	if errors.Is(err, engine.ErrNotFound) {
		return notFound
	}
	return s.fail(ctx, err)
}

// getObject decodes an object into v and reports whether it exists.
func getObject(ctx *sql.Context, kind engine.ObjectKind, db, name string, v any) (bool, error) {
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return false, err
	}
	o := cat.Object(kind, db, name)
	if o == nil {
		return false, nil
	}
	if err := json.Unmarshal(o.Data, v); err != nil {
		return false, fmt.Errorf("decode %s.%s: %w", db, name, err)
	}
	return true, nil
}

// eachObject calls f with the data of every object of a kind in a database.
func eachObject(ctx *sql.Context, kind engine.ObjectKind, db string, f func(data []byte) error) error {
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return err
	}
	for _, o := range cat.Objects(kind, db) {
		if err := f(o.Data); err != nil {
			return fmt.Errorf("decode %s.%s: %w", db, o.Name, err)
		}
	}
	return nil
}

// RegisterProcedure makes a procedure of Go known to CALL.
func (b *Backend) RegisterProcedure(p sql.ExternalStoredProcedureDetails) { b.external.Register(p) }
