package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/information_schema"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/server/gms/syntax"
)

// infoSchema is information_schema as clients see it: MySQL's names and columns, the rows
// made here where the planner's are not MySQL's.
type infoSchema struct {
	*fixedDatabase
}

// newInfoSchema makes it of the planner's, which belongs to a catalog.
func newInfoSchema(planners sql.Database, cat sql.Catalog) *infoSchema {
	d := &infoSchema{&fixedDatabase{name: sql.InformationSchemaDatabaseName, tables: map[string]*fixedTable{}}}
	ctx := sql.NewEmptyContext()
	names, _ := planners.GetTableNames(ctx) // they cannot fail
	for _, name := range names {
		t, _, _ := planners.GetTableInsensitive(ctx, name)
		rows := schemaReaders[name]
		if rows == nil {
			rows = plannersRows(t)
		}
		shown := strings.ToUpper(name)
		if name == replicaStatusTable {
			shown = name
		}
		d.tables[name] = &fixedTable{
			db: d.name, name: shown, schema: infoColumns(shown, t.Schema(ctx)), collation: infoCollation,
			rows: func(ctx *sql.Context, s *Session) ([]sql.Row, error) { return rows(ctx, s, cat) },
		}
	}
	return d
}

// infoCollation is that of information_schema.
const infoCollation = sql.Collation_utf8mb3_general_ci

// plannersRows reads a table of the planner's.
func plannersRows(t sql.Table) schemaReader {
	return func(ctx *sql.Context, s *Session, cat sql.Catalog) (rows []sql.Row, err error) {
		of, ok := t.(*information_schema.InformationSchemaTable)
		if !ok {
			return nil, nil
		}
		err = s.atOnce(ctx, func() error {
			it, err := of.Reader(ctx, cat)
			if err == nil {
				rows, err = sql.RowIterToRows(ctx, it)
			}
			return err
		})
		return rows, err
	}
}

// GetTableInsensitive implements sql.Database.
func (d *infoSchema) GetTableInsensitive(ctx *sql.Context, name string) (sql.Table, bool, error) {
	t, ok, err := d.fixedDatabase.GetTableInsensitive(ctx, name)
	if !ok && err == nil {
		err = mysql.NewSQLError(1109, "42S02", "Unknown table '%s' in information_schema", strings.ToUpper(name))
	}
	return t, ok, err
}

// GetTableNames implements sql.Database.
func (d *infoSchema) GetTableNames(*sql.Context) ([]string, error) {
	var names []string
	for _, t := range d.tables {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names, nil
}

// GetCollation implements sql.CollatedDatabase.
func (d *infoSchema) GetCollation(*sql.Context) sql.CollationID { return infoCollation }

// sqlModeSet is the type of columns of SQL modes, whose order is that of the modes' bits.
const sqlModeSet = "set('REAL_AS_FLOAT','PIPES_AS_CONCAT','ANSI_QUOTES','IGNORE_SPACE','NOT_USED','ONLY_FULL_GROUP_BY'," +
	"'NO_UNSIGNED_SUBTRACTION','NO_DIR_IN_CREATE','NOT_USED_9','NOT_USED_10','NOT_USED_11','NOT_USED_12','NOT_USED_13'," +
	"'NOT_USED_14','NOT_USED_15','NOT_USED_16','NOT_USED_17','NOT_USED_18','ANSI','NO_AUTO_VALUE_ON_ZERO'," +
	"'NO_BACKSLASH_ESCAPES','STRICT_TRANS_TABLES','STRICT_ALL_TABLES','NO_ZERO_IN_DATE','NO_ZERO_DATE'," +
	"'ALLOW_INVALID_DATES','ERROR_FOR_DIVISION_BY_ZERO','TRADITIONAL','NOT_USED_29','HIGH_NOT_PRECEDENCE'," +
	"'NO_ENGINE_SUBSTITUTION','PAD_CHAR_TO_FULL_LENGTH','TIME_TRUNCATE_FRACTIONAL')"

// infoDifferences are the columns that the planner has otherwise: table.column, and the
// column as in CREATE TABLE.
var infoDifferences = map[string]string{
	"COLLATIONS.IS_COMPILED":                  "IS_COMPILED varchar(3) not null",
	"EVENTS.SQL_MODE":                         "SQL_MODE " + sqlModeSet + " not null",
	"INNODB_FT_BEING_DELETED.type":            "DOC_ID bigint unsigned not null",
	"INNODB_FIELDS.index_id":                  "INDEX_ID varbinary(256)",
	"OPTIMIZER_TRACE.INSUFFICIENT_PRIVILEGES": "INSUFFICIENT_PRIVILEGES tinyint(1) not null",
	"PROCESSLIST.STATE":                       "STATE varchar(64)",
	"RESOURCE_GROUPS.RESOURCE_GROUP_ENABLE":   "RESOURCE_GROUP_ENABLED tinyint(1) not null",
	"RESOURCE_GROUPS.VPCUS_IDS":               "VCPU_IDS blob",
	"ROUTINES.SQL_MODE":                       "SQL_MODE " + sqlModeSet + " not null",
	"TRIGGERS.CREATED":                        "CREATED timestamp(2) not null",
	"TRIGGERS.SQL_MODE":                       "SQL_MODE " + sqlModeSet + " not null",
	"USER_ATTRIBUTES.USER":                    "USER char(32) not null",
	"USER_ATTRIBUTES.HOST":                    "HOST char(255) not null",
	"VIEW_ROUTINE_USAGE.SPECIFIC_TABLE":       "SPECIFIC_NAME varchar(64) not null",
}

// infoLower are the tables whose columns have names in lower case.
var infoLower = []string{"INNODB_CMP", "INNODB_CMP_RESET", "INNODB_CMPMEM", "INNODB_CMPMEM_RESET", "INNODB_CMP_PER_INDEX",
	"INNODB_CMP_PER_INDEX_RESET", "INNODB_FT_DEFAULT_STOPWORD", "INNODB_TRX", replicaStatusTable}

// infoColumns are a table's columns.
func infoColumns(table string, planners sql.Schema) sql.Schema {
	var out sql.Schema
	for _, c := range planners {
		c = c.Copy()
		if text, ok := infoDifferences[table+"."+c.Name]; ok {
			c = fixedSchema(sql.InformationSchemaDatabaseName, table, text)[0]
		}
		if !slices.Contains(infoLower, table) {
			c.Name = strings.ToUpper(c.Name)
		}
		c.Source, c.DatabaseSource = table, sql.InformationSchemaDatabaseName
		out = append(out, c)
	}
	if table == "INNODB_TABLES" {
		out = append(out, fixedSchema(sql.InformationSchemaDatabaseName, table, "TOTAL_ROW_VERSIONS int not null")...)
	}
	return out
}

// databasesOf are the databases that ctx's user may see, in the order of their names.
func databasesOf(ctx *sql.Context, s *Session, cat sql.Catalog) []sql.Database {
	out := cat.AllDatabases(ctx)
	if s.sees(ctx, "mysql") {
		if d, err := cat.Database(ctx, "mysql"); err == nil {
			out = append(out, mysqlDatabase{d})
		}
	}
	slices.SortFunc(out, func(a, b sql.Database) int { return cmp.Compare(a.Name(), b.Name()) })
	return out
}

// sees reports whether the session's user sees a database in lists.
func (s *Session) sees(ctx *sql.Context, db string) bool {
	return !s.checked() || s.newAccess(ctx).visible(db)
}

// privileges are those that the session has now.
func (s *Session) privileges(ctx *sql.Context) sql.PrivilegeSet {
	return s.b.users.UserActivePrivilegeSet(ctx)
}

// eachView calls f for the views that ctx's user may see, of one database if only names it.
func eachView(ctx *sql.Context, s *Session, cat sql.Catalog, only string, f func(db string, v sql.ViewDefinition) error) error {
	a := s.newAccess(ctx)
	for _, db := range databasesOf(ctx, s, cat) {
		views, ok := db.(sql.ViewDatabase)
		if !ok || only != "" && !syntax.SameName(db.Name(), only) {
			continue
		}
		list, err := views.AllViews(ctx)
		if err != nil {
			return err
		}
		for _, v := range list {
			if s.checked() && !a.anyTable(syntax.TableName{Database: db.Name(), Name: v.Name}) {
				continue
			}
			if err := f(db.Name(), v); err != nil {
				return err
			}
		}
	}
	return nil
}

// bound is the planner's tree of a text whose unqualified names are of a database.
func (s *Session) bound(ctx *sql.Context, cat sql.Catalog, db, text string) (sql.Node, error) {
	outer, home := s.statement, s.home
	s.statement, s.home = statement{}, db
	defer func() { s.statement, s.home = outer, home }()
	b := planbuilder.New(ctx, cat, nil)
	b.DisableAuth()
	n, _, _, _, err := b.Parse(text, nil, false)
	return n, err
}
