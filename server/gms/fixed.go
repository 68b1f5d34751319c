package gms

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// fixedDatabase is a database whose tables are made when they are read and whose
// views are fixed: performance_schema and sys. Nobody can change it.
type fixedDatabase struct {
	name   string
	tables map[string]*fixedTable
	views  map[string]sql.ViewDefinition
}

var (
	_ sql.Database          = (*fixedDatabase)(nil)
	_ sql.VersionedDatabase = (*fixedDatabase)(nil)
	_ sql.ViewDatabase      = (*fixedDatabase)(nil)
	_ sql.TableCreator      = (*fixedDatabase)(nil)
	_ sql.TableDropper      = (*fixedDatabase)(nil)
	_ sql.TableRenamer      = (*fixedDatabase)(nil)
	_ sql.CollatedDatabase  = (*fixedDatabase)(nil)
	_ sql.TriggerDatabase   = (*fixedDatabase)(nil)

	_ sql.StoredProcedureDatabase = (*fixedDatabase)(nil)
	_ sql.EventDatabase           = (*fixedDatabase)(nil)
)

// fixedDatabases are those of every server, by name.
var fixedDatabases = sync.OnceValue(func() map[string]*fixedDatabase {
	m := map[string]*fixedDatabase{}
	for _, d := range []*fixedDatabase{newPerformanceSchema(), newSys()} {
		m[d.name] = d
	}
	m[mysqlTables] = newMySQLTables()
	return m
})

// fixedDatabase returns the system database of a name, nil where there is none.
func (b *Backend) fixedDatabase(name string) *fixedDatabase {
	if !b.mysql {
		return nil
	}
	return fixedDatabases()[strings.ToLower(name)]
}

// denied is MySQL's error for what nobody may do to a table.
func denied(ctx *sql.Context, command, table string) error {
	return mysql.NewSQLError(1142, "42000", "%s command denied to user %s for table '%s'",
		command, whoIs(ctx), table)
}

// deniedIn is that for a table of a system database: in information_schema it is for the
// whole database.
func deniedIn(ctx *sql.Context, db, command, table string) error {
	if db == sql.InformationSchemaDatabaseName {
		return deniedDatabase(ctx, db)
	}
	return denied(ctx, command, table)
}

// deniedDatabase is MySQL's error for what nobody may do to a database.
func deniedDatabase(ctx *sql.Context, name string) error {
	return mysql.NewSQLError(1044, "42000", "Access denied for user %s to database '%s'", whoIs(ctx), name)
}

// whoIs returns the client as errors name it.
func whoIs(ctx *sql.Context) string {
	if s, ok := ctx.Session.(*Session); ok {
		return quotedAccount(syntax.AccountName{User: s.user, Host: s.host})
	}
	return "''@''"
}

// Name implements sql.Database.
func (d *fixedDatabase) Name() string { return d.name }

// GetTableInsensitive implements sql.Database.
func (d *fixedDatabase) GetTableInsensitive(_ *sql.Context, name string) (sql.Table, bool, error) {
	t, ok := d.tables[strings.ToLower(name)]
	if !ok {
		return nil, false, nil
	}
	return t, true, nil
}

// GetTableInsensitiveAsOf implements sql.VersionedDatabase: references of the parser
// that write or lock are refused.
func (d *fixedDatabase) GetTableInsensitiveAsOf(ctx *sql.Context, name string, asOf any) (sql.Table, bool, error) {
	ref, ok := parseReference(asOf)
	if !ok {
		return nil, false, sql.ErrAsOfNotSupported.New(d.name)
	}
	t, ok, err := d.GetTableInsensitive(ctx, name)
	if !ok || err != nil || ref.lock < lockShared {
		return t, ok, err
	}
	word := "SELECT, LOCK TABLES"
	if words := leading(ctx.Query(), 1); len(words) > 0 && (words[0] == "update" || words[0] == "delete") {
		word = strings.ToUpper(words[0])
	}
	if word == "UPDATE" && d.tables[strings.ToLower(name)].setup {
		return t, true, nil
	}
	return nil, false, deniedIn(ctx, d.name, word, name)
}

// GetTableNames implements sql.Database.
func (d *fixedDatabase) GetTableNames(*sql.Context) ([]string, error) {
	return sortedNames(d.tables), nil
}

// GetTableNamesAsOf implements sql.VersionedDatabase.
func (d *fixedDatabase) GetTableNamesAsOf(ctx *sql.Context, _ any) ([]string, error) {
	return d.GetTableNames(ctx)
}

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// GetCollation implements sql.CollatedDatabase.
func (d *fixedDatabase) GetCollation(*sql.Context) sql.CollationID { return fixedCollation }

// SetCollation implements sql.CollatedDatabase.
func (d *fixedDatabase) SetCollation(ctx *sql.Context, _ sql.CollationID) error {
	return deniedDatabase(ctx, d.name)
}

// CreateTable implements sql.TableCreator.
func (d *fixedDatabase) CreateTable(ctx *sql.Context, name string, _ sql.PrimaryKeySchema, _ sql.CollationID, _ string) error {
	return deniedIn(ctx, d.name, "CREATE", name)
}

// DropTable implements sql.TableDropper.
func (d *fixedDatabase) DropTable(ctx *sql.Context, name string) error {
	return deniedIn(ctx, d.name, "DROP", name)
}

// RenameTable implements sql.TableRenamer.
func (d *fixedDatabase) RenameTable(ctx *sql.Context, name, _ string) error {
	return deniedIn(ctx, d.name, "ALTER, DROP", name)
}

// CreateView implements sql.ViewDatabase.
func (d *fixedDatabase) CreateView(ctx *sql.Context, name, _, _ string) error {
	return deniedIn(ctx, d.name, "CREATE VIEW", name)
}

// DropView implements sql.ViewDatabase.
func (d *fixedDatabase) DropView(ctx *sql.Context, name string) error {
	return deniedIn(ctx, d.name, "DROP", name)
}

// GetTriggers implements sql.TriggerDatabase.
func (d *fixedDatabase) GetTriggers(*sql.Context) ([]sql.TriggerDefinition, error) { return nil, nil }

// CreateTrigger implements sql.TriggerDatabase.
func (d *fixedDatabase) CreateTrigger(ctx *sql.Context, t sql.TriggerDefinition) error {
	return deniedIn(ctx, d.name, "TRIGGER", t.Name)
}

// DropTrigger implements sql.TriggerDatabase.
func (d *fixedDatabase) DropTrigger(_ *sql.Context, name string) error {
	return sql.ErrTriggerDoesNotExist.New(name)
}

// GetStoredProcedure implements sql.StoredProcedureDatabase.
func (d *fixedDatabase) GetStoredProcedure(*sql.Context, string) (sql.StoredProcedureDetails, bool, error) {
	return sql.StoredProcedureDetails{}, false, nil
}

// GetStoredProcedures implements sql.StoredProcedureDatabase.
func (d *fixedDatabase) GetStoredProcedures(*sql.Context) ([]sql.StoredProcedureDetails, error) {
	return nil, nil
}

// SaveStoredProcedure implements sql.StoredProcedureDatabase.
func (d *fixedDatabase) SaveStoredProcedure(ctx *sql.Context, _ sql.StoredProcedureDetails) error {
	return deniedDatabase(ctx, d.name)
}

// DropStoredProcedure implements sql.StoredProcedureDatabase.
func (d *fixedDatabase) DropStoredProcedure(_ *sql.Context, name string) error {
	return sql.ErrStoredProcedureDoesNotExist.New(name)
}

// GetEvent implements sql.EventDatabase.
func (d *fixedDatabase) GetEvent(*sql.Context, string) (sql.EventDefinition, bool, error) {
	return sql.EventDefinition{}, false, nil
}

// GetEvents implements sql.EventDatabase.
func (d *fixedDatabase) GetEvents(*sql.Context) ([]sql.EventDefinition, any, error) {
	return nil, nil, nil
}

// SaveEvent implements sql.EventDatabase.
func (d *fixedDatabase) SaveEvent(ctx *sql.Context, _ sql.EventDefinition) (bool, error) {
	return false, deniedDatabase(ctx, d.name)
}

// DropEvent implements sql.EventDatabase.
func (d *fixedDatabase) DropEvent(_ *sql.Context, name string) error {
	return sql.ErrEventDoesNotExist.New(name)
}

// UpdateEvent implements sql.EventDatabase.
func (d *fixedDatabase) UpdateEvent(_ *sql.Context, name string, _ sql.EventDefinition) (bool, error) {
	return false, sql.ErrEventDoesNotExist.New(name)
}

// UpdateLastExecuted implements sql.EventDatabase.
func (d *fixedDatabase) UpdateLastExecuted(*sql.Context, string, time.Time) error { return nil }

// NeedsToReloadEvents implements sql.EventDatabase.
func (d *fixedDatabase) NeedsToReloadEvents(*sql.Context, any) (bool, error) { return false, nil }

// GetViewDefinition implements sql.ViewDatabase.
func (d *fixedDatabase) GetViewDefinition(ctx *sql.Context, name string) (sql.ViewDefinition, bool, error) {
	v, ok := d.views[strings.ToLower(name)]
	if s, err := sessionOf(ctx); ok && err == nil {
		s.lend(d.name)
	}
	return v, ok, nil
}

// AllViews implements sql.ViewDatabase.
func (d *fixedDatabase) AllViews(*sql.Context) ([]sql.ViewDefinition, error) {
	var out []sql.ViewDefinition
	for _, name := range sortedNames(d.views) {
		out = append(out, d.views[name])
	}
	return out, nil
}

// fixedTable is a table whose rows are made when it is read.
type fixedTable struct {
	db, name  string
	schema    sql.Schema
	collation sql.CollationID
	rows      func(ctx *sql.Context, s *Session) ([]sql.Row, error)
	// empty is TRUNCATE, nil: nobody may.
	empty func(*Backend)
	// setup: UPDATE may give rows the values that they have, others are not supported.
	setup bool
}

var (
	_ sql.Table             = (*fixedTable)(nil)
	_ sql.Databaseable      = (*fixedTable)(nil)
	_ sql.TemporaryTable    = (*fixedTable)(nil)
	_ sql.StatisticsTable   = (*fixedTable)(nil)
	_ sql.InsertableTable   = (*fixedTable)(nil)
	_ sql.ReplaceableTable  = (*fixedTable)(nil)
	_ sql.UpdatableTable    = (*fixedTable)(nil)
	_ sql.DeletableTable    = (*fixedTable)(nil)
	_ sql.TruncateableTable = (*fixedTable)(nil)
)

// fixedCollation is that of the text of system tables.
const fixedCollation = sql.Collation_utf8mb4_0900_ai_ci

// add adds a table. columns has one column on each line, as in CREATE TABLE: a type,
// NOT NULL, a default that is a text, PRIMARY KEY.
func (d *fixedDatabase) add(name, columns string, rows func(*sql.Context, *Session) ([]sql.Row, error)) {
	if d.tables == nil {
		d.tables = map[string]*fixedTable{}
	}
	d.tables[name] = &fixedTable{db: d.name, name: name, schema: fixedSchema(d.name, name, columns), collation: fixedCollation, rows: rows}
}

// fixedSchema returns the schema of columns written as in CREATE TABLE, one a line.
func fixedSchema(db, table, columns string) sql.Schema {
	ctx := sql.NewEmptyContext()
	var out sql.Schema
	for _, line := range strings.Split(strings.TrimSpace(columns), "\n") {
		name, typ, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		typ, primary := strings.CutSuffix(typ, " primary key")
		typ, text, hasDefault := strings.Cut(typ, " default ")
		typ, notNull := strings.CutSuffix(typ, " not null")
		t, err := planbuilder.ParseColumnTypeString(ctx, typ)
		if err != nil {
			panic(fmt.Sprintf("gms: %s.%s.%s: %v", db, table, name, err)) // the text is a constant
		}
		c := &sql.Column{Name: name, Type: t, Nullable: !notNull, PrimaryKey: primary, Source: table, DatabaseSource: db}
		if hasDefault {
			if c.Default, err = sql.NewColumnDefaultValue(expression.NewLiteral(strings.Trim(text, "'"), types.LongText), types.LongText, true, false, false); err != nil {
				panic(fmt.Sprintf("gms: %s.%s.%s: %v", db, table, name, err))
			}
		}
		out = append(out, c)
	}
	return out
}

// Name implements sql.Table.
func (t *fixedTable) Name() string { return t.name }

// String implements sql.Table.
func (t *fixedTable) String() string { return t.name }

// Database implements sql.Databaseable.
func (t *fixedTable) Database() string { return t.db }

// Schema implements sql.Table.
func (t *fixedTable) Schema(*sql.Context) sql.Schema { return slices.Clip(t.schema) }

// Collation implements sql.Table.
func (t *fixedTable) Collation() sql.CollationID { return t.collation }

// IsTemporary implements sql.TemporaryTable.
func (t *fixedTable) IsTemporary() bool { return false }

// DataLength implements sql.StatisticsTable.
func (t *fixedTable) DataLength(*sql.Context) (uint64, error) { return 0, nil }

// RowCount implements sql.StatisticsTable.
func (t *fixedTable) RowCount(*sql.Context) (uint64, bool, error) { return 100, false, nil }

// Partitions implements sql.Table.
func (t *fixedTable) Partitions(*sql.Context) (sql.PartitionIter, error) {
	return sql.PartitionsToPartitionIter(fixedPartition{}), nil
}

type fixedPartition struct{}

// Key implements sql.Partition.
func (fixedPartition) Key() []byte { return []byte("all") }

// PartitionRows implements sql.Table.
func (t *fixedTable) PartitionRows(ctx *sql.Context, _ sql.Partition) (sql.RowIter, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.rows(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := convertRows(ctx, t.schema, rows); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(rows...), nil
}

// convertRows gives the values of rows the types of their columns.
func convertRows(ctx *sql.Context, schema sql.Schema, rows []sql.Row) error {
	for _, r := range rows {
		if len(r) != len(schema) {
			return fmt.Errorf("gms: a row of %s has %d values for %d columns", schema[0].Source, len(r), len(schema))
		}
		for i, c := range schema {
			if r[i] == nil {
				continue
			}
			v, _, err := c.Type.Convert(ctx, r[i])
			if err != nil {
				return fmt.Errorf("gms: %s.%s: %w", c.Source, c.Name, err)
			}
			r[i] = v
		}
	}
	return nil
}

// Inserter implements sql.InsertableTable.
func (t *fixedTable) Inserter(*sql.Context) sql.RowInserter { return deniedEditor{t} }

// Replacer implements sql.ReplaceableTable.
func (t *fixedTable) Replacer(*sql.Context) sql.RowReplacer { return deniedEditor{t} }

// Updater implements sql.UpdatableTable.
func (t *fixedTable) Updater(*sql.Context) sql.RowUpdater { return deniedEditor{t} }

// Deleter implements sql.DeletableTable.
func (t *fixedTable) Deleter(*sql.Context) sql.RowDeleter { return deniedEditor{t} }

// Truncate implements sql.TruncateableTable.
func (t *fixedTable) Truncate(ctx *sql.Context) (int, error) {
	if t.empty != nil {
		s, err := sessionOf(ctx)
		if err == nil {
			t.empty(s.b)
		}
		return 0, err
	}
	return 0, deniedIn(ctx, t.db, "DROP", t.name)
}

// deniedEditor refuses every change. That of a setup table is asked for changes of rows only.
type deniedEditor struct{ t *fixedTable }

// StatementBegin implements sql.TableEditor.
func (deniedEditor) StatementBegin(*sql.Context) {}

// DiscardChanges implements sql.TableEditor.
func (deniedEditor) DiscardChanges(*sql.Context, error) error { return nil }

// StatementComplete implements sql.TableEditor.
func (deniedEditor) StatementComplete(*sql.Context) error { return nil }

// Insert implements sql.RowInserter.
func (e deniedEditor) Insert(ctx *sql.Context, _ sql.Row) error {
	return deniedIn(ctx, e.t.db, "INSERT", e.t.name)
}

// Update implements sql.RowUpdater.
func (e deniedEditor) Update(ctx *sql.Context, _, _ sql.Row) error {
	if e.t.setup { // it is not called for a row that stays as it is
		return value.ErrNotSupported("changes of " + e.t.db + "." + e.t.name)
	}
	return deniedIn(ctx, e.t.db, "UPDATE", e.t.name)
}

// Delete implements sql.RowDeleter.
func (e deniedEditor) Delete(ctx *sql.Context, _ sql.Row) error {
	return deniedIn(ctx, e.t.db, "DELETE", e.t.name)
}

// Close implements sql.Closer.
func (deniedEditor) Close(*sql.Context) error { return nil }
