package gms

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/fulltext"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// Database is one database as of a statement. It is immutable.
type Database struct {
	b   *Backend
	def *engine.DatabaseDef
}

var (
	_ sql.Database                = (*Database)(nil)
	_ sql.TableCreator            = (*Database)(nil)
	_ sql.IndexedTableCreator     = (*Database)(nil)
	_ sql.TemporaryTableCreator   = (*Database)(nil)
	_ sql.TemporaryTableDatabase  = (*Database)(nil)
	_ sql.TableDropper            = (*Database)(nil)
	_ sql.TableRenamer            = (*Database)(nil)
	_ sql.VersionedDatabase       = (*Database)(nil)
	_ sql.CollatedDatabase        = (*Database)(nil)
	_ sql.ViewDatabase            = (*Database)(nil)
	_ sql.TriggerDatabase         = (*Database)(nil)
	_ sql.StoredProcedureDatabase = (*Database)(nil)
	_ sql.QuiescableEventDatabase = (*Database)(nil)
	_ fulltext.Database           = (*Database)(nil)
	_ sql.SchemaValidator         = (*Database)(nil)
)

// Name implements sql.Database.
func (d *Database) Name() string { return d.def.Name }

// GetTableInsensitive implements sql.Database. A session's temporary table hides
// a table of the same name.
func (d *Database) GetTableInsensitive(ctx *sql.Context, name string) (sql.Table, bool, error) {
	return d.table(ctx, name, reference{})
}

// GetTableInsensitiveAsOf implements sql.VersionedDatabase. The parser's references
// come this way: tables that a statement locks are bound under their metadata lock
// to their newest definition (T-6).
func (d *Database) GetTableInsensitiveAsOf(ctx *sql.Context, name string, asOf any) (sql.Table, bool, error) {
	if ref, ok := parseReference(asOf); ok {
		return d.table(ctx, name, ref)
	}
	return nil, false, sql.ErrAsOfNotSupported.New(d.Name())
}

func (d *Database) table(ctx *sql.Context, name string, ref reference) (sql.Table, bool, error) {
	cat, s, err := catalogOf(ctx)
	if err != nil {
		return nil, false, err
	}
	if s.locks.refused != nil && s.depth == 0 {
		return nil, false, s.locks.refused
	}
	def := s.temporary(d.Name(), name)
	if def == nil || ref == (reference{}) && s.keyed[tableKey(d.Name(), name)] {
		def = cat.Table(d.Name(), name)
	}
	if def == nil {
		s.missing = syntax.TableName{Database: d.Name(), Name: name}
		return nil, false, s.unknownTables(cat)
	}
	if ref.lock != lockNone && !def.Temporary && !d.b.readOnly.Load() {
		tx, err := s.begin(ctx)
		if err != nil {
			return nil, false, err
		}
		s.tx.used = true
		locked, err := tx.LockTable(ctx, d.Name(), name, ref.lock >= lockWrite)
		if errors.Is(err, engine.ErrNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, s.fail(ctx, err)
		}
		def = locked
	}
	sh, err := d.b.shapes.of(ctx, def)
	if err != nil {
		return nil, false, err
	}
	s.locking = s.locking || ref.lock == lockShared || ref.lock == lockWrite
	if s.tables++; ref.joined > 0 {
		ref.joined = s.tables
	}
	t := newTable(d, sh, ref)
	if err := s.limitToPartitions(t); err != nil {
		return nil, false, err
	}
	return t, true, nil
}

// unknownTables is the error of a DROP TABLE that names tables which do not exist, nil
// for other statements.
func (s *Session) unknownTables(cat *engine.Catalog) error {
	n, ok := s.current().(*ast.DDL)
	if !ok || !s.b.mysql || n.Action != ast.DropStr || n.IfExists || len(n.FromTables) == 0 {
		return nil
	}
	var unknown []string
	for _, t := range n.FromTables {
		db := cmp.Or(t.DbQualifier.String(), s.GetCurrentDatabase())
		if name := t.Name.String(); s.temporary(db, name) == nil && cat.Table(db, name) == nil {
			unknown = append(unknown, db+"."+name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return mysql.NewSQLError(mysql.ERBadTable, "42S02", "Unknown table '%s'", strings.Join(unknown, ","))
}

// GetTableNames implements sql.Database. Temporary tables are not listed.
func (d *Database) GetTableNames(ctx *sql.Context) ([]string, error) {
	cat, _, err := catalogOf(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range cat.Tables(d.Name()) {
		if !t.Temporary && !isFulltextTable(t.Name) {
			out = append(out, t.Name)
		}
	}
	return out, nil
}

// GetTableNamesAsOf implements sql.VersionedDatabase.
func (d *Database) GetTableNamesAsOf(ctx *sql.Context, _ any) ([]string, error) {
	return d.GetTableNames(ctx)
}

// GetCollation implements sql.CollatedDatabase.
func (d *Database) GetCollation(ctx *sql.Context) sql.CollationID {
	if d.def.Collation == 0 {
		return sql.Collation_Default
	}
	return sql.CollationID(d.def.Collation)
}

// SetCollation implements sql.CollatedDatabase.
func (d *Database) SetCollation(ctx *sql.Context, c sql.CollationID) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	def := *d.def
	def.Collation = row.CollationID(c)
	return s.fail(ctx, tx.AlterDatabase(ctx, def))
}

// CreateView implements sql.ViewDatabase.
func (d *Database) CreateView(ctx *sql.Context, name, text, create string) error {
	if ok, err := getObject(ctx, engine.ObjectView, d.Name(), name, &storedView{}); err != nil {
		return err
	} else if ok {
		return sql.ErrExistingView.New(d.Name(), name)
	}
	mode := sql.LoadSqlMode(ctx)
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	if create, err = s.canonical(ctx, d.Name(), create); err != nil {
		return err
	}
	return putObject(ctx, engine.ObjectView, d.Name(), name,
		storedView{Name: name, Text: text, Create: create, SQLMode: mode.String(), Created: time.Now().UnixMicro(), madeWith: newMadeWith(ctx)})
}

// DropView implements sql.ViewDatabase.
func (d *Database) DropView(ctx *sql.Context, name string) error {
	return deleteObject(ctx, engine.ObjectView, d.Name(), name, sql.ErrViewDoesNotExist.New(d.Name(), name))
}

func (v storedView) definition() sql.ViewDefinition {
	return sql.ViewDefinition{Name: v.Name, TextDefinition: v.Text, CreateViewStatement: v.Create, SqlMode: v.SQLMode}
}

// GetViewDefinition implements sql.ViewDatabase. The planner asks it first for
// every table name.
func (d *Database) GetViewDefinition(ctx *sql.Context, name string) (sql.ViewDefinition, bool, error) {
	var v storedView
	if s, err := sessionOf(ctx); err == nil && s.temporary(d.Name(), name) != nil {
		return v.definition(), false, nil // a temporary table hides it
	}
	ok, err := getObject(ctx, engine.ObjectView, d.Name(), name, &v)
	if s, serr := sessionOf(ctx); ok && serr == nil {
		if s.views = append(s.views, syntax.TableName{Database: d.Name(), Name: v.Name}); len(s.views) > viewsMax {
			return sql.ViewDefinition{}, false, errRecursion(syntax.TableName{Database: d.Name(), Name: v.Name})
		}
		s.lend(d.Name())
	}
	return v.definition(), ok, err
}

// AllViews implements sql.ViewDatabase.
func (d *Database) AllViews(ctx *sql.Context) ([]sql.ViewDefinition, error) {
	var out []sql.ViewDefinition
	err := eachObject(ctx, engine.ObjectView, d.Name(), func(data []byte) error {
		var v storedView
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
		out = append(out, v.definition())
		return nil
	})
	return out, err
}

// GetTriggers implements sql.TriggerDatabase, in their order of execution.
func (d *Database) GetTriggers(ctx *sql.Context) ([]sql.TriggerDefinition, error) {
	var list []storedTrigger
	err := eachObject(ctx, engine.ObjectTrigger, d.Name(), func(data []byte) error {
		var t storedTrigger
		if err := json.Unmarshal(data, &t); err != nil {
			return err
		}
		list = append(list, t)
		return nil
	})
	slices.SortStableFunc(list, storedTrigger.compare)
	out := make([]sql.TriggerDefinition, len(list))
	for i, t := range list {
		out[i] = sql.TriggerDefinition{Name: t.Name, CreateStatement: t.Create, SqlMode: t.SQLMode, CreatedAt: time.UnixMicro(t.Created).UTC()}
	}
	return out, err
}

// lockTriggers waits until no transaction uses a table whose triggers are about to be others.
func (d *Database) lockTriggers(ctx *sql.Context, table string) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	return s.fail(ctx, tx.LockDefinition(ctx, d.Name(), table))
}

// CreateTrigger implements sql.TriggerDatabase.
func (d *Database) CreateTrigger(ctx *sql.Context, t sql.TriggerDefinition) error {
	if h, ok := newTriggerHead(t.CreateStatement); ok {
		if err := d.lockTriggers(ctx, h.table); err != nil {
			return err
		}
		if cat, _, err := catalogOf(ctx); err != nil {
			return err
		} else if cat.Table(d.Name(), h.table) == nil { // dropped meanwhile
			return sql.ErrTableNotFound.New(h.table)
		}
	}
	if ok, err := getObject(ctx, engine.ObjectTrigger, d.Name(), t.Name, &storedTrigger{}); err != nil {
		return err
	} else if ok {
		const exists = "Trigger already exists"
		if noteExists(ctx, t.CreateStatement, 1359, exists) {
			return nil
		}
		return mysql.NewSQLError(1359, "HY000", exists)
	}
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	create, err := s.canonical(ctx, d.Name(), t.CreateStatement)
	if err != nil {
		return err
	}
	order, err := s.placeTrigger(ctx)
	if err != nil {
		return err
	}
	return putObject(ctx, engine.ObjectTrigger, d.Name(), t.Name, storedTrigger{
		Name: t.Name, Create: create, SQLMode: t.SqlMode, Created: t.CreatedAt.UnixMicro(), Order: order, madeWith: newMadeWith(ctx),
	})
}

// DropTrigger implements sql.TriggerDatabase.
func (d *Database) DropTrigger(ctx *sql.Context, name string) error {
	var t storedTrigger
	if ok, err := getObject(ctx, engine.ObjectTrigger, d.Name(), name, &t); err != nil {
		return err
	} else if h, isTrigger := newTriggerHead(t.Create); ok && isTrigger {
		if err := d.lockTriggers(ctx, h.table); err != nil {
			return err
		}
	}
	return deleteObject(ctx, engine.ObjectTrigger, d.Name(), name, sql.ErrTriggerDoesNotExist.New(name))
}

func (p storedProcedure) details() sql.StoredProcedureDetails {
	return sql.StoredProcedureDetails{
		Name: p.Name, CreateStatement: p.Create, SqlMode: p.SQLMode,
		CreatedAt: time.UnixMicro(p.Created).UTC(), ModifiedAt: time.UnixMicro(p.Modified).UTC(),
	}
}

// GetStoredProcedure implements sql.StoredProcedureDatabase.
func (d *Database) GetStoredProcedure(ctx *sql.Context, name string) (sql.StoredProcedureDetails, bool, error) {
	var p storedProcedure
	ok, err := getObject(ctx, engine.ObjectProcedure, d.Name(), name, &p)
	return p.details(), ok, err
}

// GetStoredProcedures implements sql.StoredProcedureDatabase.
func (d *Database) GetStoredProcedures(ctx *sql.Context) ([]sql.StoredProcedureDetails, error) {
	var out []sql.StoredProcedureDetails
	err := eachObject(ctx, engine.ObjectProcedure, d.Name(), func(data []byte) error {
		var p storedProcedure
		if err := json.Unmarshal(data, &p); err != nil {
			return err
		}
		out = append(out, p.details())
		return nil
	})
	return out, err
}

// noteExists notes what a CREATE with IF NOT EXISTS finds, false if it says none.
func noteExists(ctx *sql.Context, create string, number int, message string) bool {
	h, _ := rewrite.NewObjectHead(create)
	if h.Optional {
		ctx.Session.Warn(&sql.Warning{Level: "Note", Code: number, Message: message})
	}
	return h.Optional
}

// noteMissing notes that a DROP … IF EXISTS drops nothing.
func noteMissing(ctx *sql.Context, ifExists bool, kind engine.ObjectKind, db sql.Database, name string, number int, message string) error {
	if !ifExists {
		return nil
	}
	ok, err := getObject(ctx, kind, db.Name(), name, &struct{}{})
	if err == nil && !ok {
		ctx.Session.Warn(&sql.Warning{Level: "Note", Code: number, Message: message})
	}
	return err
}

// SaveStoredProcedure implements sql.StoredProcedureDatabase.
func (d *Database) SaveStoredProcedure(ctx *sql.Context, p sql.StoredProcedureDetails) error {
	if ok, err := getObject(ctx, engine.ObjectProcedure, d.Name(), p.Name, &storedProcedure{}); err != nil {
		return err
	} else if ok {
		if noteExists(ctx, p.CreateStatement, 1304, "PROCEDURE "+p.Name+" already exists") {
			return nil
		}
		return sql.ErrStoredProcedureAlreadyExists.New(p.Name)
	}
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	create, err := s.canonical(ctx, d.Name(), p.CreateStatement)
	if err != nil {
		return err
	}
	if err := putObject(ctx, engine.ObjectProcedure, d.Name(), p.Name, storedProcedure{
		Name: p.Name, Create: create, SQLMode: p.SqlMode,
		Created: p.CreatedAt.UnixMicro(), Modified: p.ModifiedAt.UnixMicro(), madeWith: newMadeWith(ctx),
	}); err != nil {
		return err
	}
	return s.ownRoutine(ctx, syntax.TableName{Database: d.Name(), Name: p.Name}, "PROCEDURE")
}

// DropStoredProcedure implements sql.StoredProcedureDatabase.
func (d *Database) DropStoredProcedure(ctx *sql.Context, name string) error {
	return deleteObject(ctx, engine.ObjectProcedure, d.Name(), name, sql.ErrStoredProcedureDoesNotExist.New(name))
}

// GetEvent implements sql.EventDatabase.
func (d *Database) GetEvent(ctx *sql.Context, name string) (sql.EventDefinition, bool, error) {
	var e sql.EventDefinition
	ok, err := getObject(ctx, engine.ObjectEvent, d.Name(), name, &e)
	if !ok || err != nil {
		return sql.EventDefinition{}, false, err
	}
	return e, true, nil
}

// GetEvents implements sql.EventDatabase. The token is the catalog's version. An event of an interval that cannot be read never
// runs, and does not hide the others.
func (d *Database) GetEvents(ctx *sql.Context) ([]sql.EventDefinition, any, error) {
	var out []sql.EventDefinition
	err := eachObject(ctx, engine.ObjectEvent, d.Name(), func(data []byte) error {
		var e sql.EventDefinition
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if _, err := sql.EventOnScheduleEveryIntervalFromString(e.ExecuteEvery); err != nil && !e.HasExecuteAt {
			e.ExecuteEvery, e.Status = "0 SECOND", sql.EventStatus_Disable.String()
		}
		out = append(out, e)
		return nil
	})
	return out, nil, err
}

// SaveEvent implements sql.EventDatabase.
func (d *Database) SaveEvent(ctx *sql.Context, e sql.EventDefinition) (bool, error) {
	if ok, err := getObject(ctx, engine.ObjectEvent, d.Name(), e.Name, &sql.EventDefinition{}); err != nil {
		return false, err
	} else if ok {
		return false, sql.ErrEventAlreadyExists.New(e.Name)
	}
	s, err := sessionOf(ctx)
	if err != nil {
		return false, err
	}
	if n, self, ok := syntax.NewLexer(e.Definer).AccountName(); ok && s.b.mysql {
		if n, err = s.definer(ctx, n, !self); err != nil {
			return false, err
		}
		e.Definer = n.String()
	}
	return d.putEvent(ctx, e)
}

func (d *Database) putEvent(ctx *sql.Context, e sql.EventDefinition) (bool, error) {
	err := putObject(ctx, engine.ObjectEvent, d.Name(), e.Name, e)
	return e.Status == sql.EventStatus_Enable.String(), err
}

// DropEvent implements sql.EventDatabase.
func (d *Database) DropEvent(ctx *sql.Context, name string) error {
	return deleteObject(ctx, engine.ObjectEvent, d.Name(), name, sql.ErrEventDoesNotExist.New(name))
}

// UpdateEvent implements sql.EventDatabase.
func (d *Database) UpdateEvent(ctx *sql.Context, name string, e sql.EventDefinition) (bool, error) {
	if !syntax.SameName(name, e.Name) {
		if ok, err := getObject(ctx, engine.ObjectEvent, d.Name(), e.Name, &sql.EventDefinition{}); err != nil {
			return false, err
		} else if ok {
			return false, sql.ErrEventAlreadyExists.New(e.Name)
		}
	}
	if err := d.DropEvent(ctx, name); err != nil {
		return false, err
	}
	return d.putEvent(ctx, e)
}

// UpdateLastExecuted implements sql.EventDatabase.
func (d *Database) UpdateLastExecuted(ctx *sql.Context, name string, at time.Time) error {
	var e sql.EventDefinition
	ok, err := getObject(ctx, engine.ObjectEvent, d.Name(), name, &e)
	if err != nil || !ok {
		return err // an event may drop itself
	}
	e.LastExecuted = at.UTC()
	return putObject(ctx, engine.ObjectEvent, d.Name(), name, e)
}

// NeedsToReloadEvents implements sql.EventDatabase: events change on the writer only,
// through these methods.
func (d *Database) NeedsToReloadEvents(*sql.Context, any) (bool, error) { return false, nil }

// QuiescableEvents implements sql.QuiescableEventDatabase.
func (d *Database) QuiescableEvents() bool { return true }
