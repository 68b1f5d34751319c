package gms

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
)

// parseDrop parses DROP VIEW, and DROP TABLE of several databases; the planner drops those of one.
func parseDrop(view bool) grammar {
	return func(l *syntax.Lexer) (ast.Statement, error) {
		ifExists := l.Accept("if", "exists")
		tables := l.TableNames()
		l.AcceptOne("restrict", "cascade")
		if len(tables) == 0 || l.Kind != 0 || !view && !slices.ContainsFunc(tables, func(t syntax.TableName) bool { return t.Database != tables[0].Database }) {
			return nil, nil
		}
		return dropStatement(tables, view, ifExists), nil
	}
}

// dropStatement is a DROP TABLE or DROP VIEW that this package executes.
func dropStatement(tables []syntax.TableName, view, ifExists bool) ast.Statement {
	a := &admin{name: "DROP TABLE", commits: true, check: checkTables(tables, sql.PrivilegeType_Drop)}
	a.run = func(ctx *sql.Context, s *Session, _ *admin) ([]sql.Row, error) {
		for i := range tables {
			if tables[i].Database == "" {
				tables[i].Database = ctx.GetCurrentDatabase()
			}
			if tables[i].Database == "" {
				return nil, sql.ErrNoDatabaseSelected.New()
			}
		}
		return nil, s.dropTables(ctx, tables, view, ifExists)
	}
	return a.statement()
}

// dropTables drops tables or views, all or, if one does not exist, none.
func (s *Session) dropTables(ctx *sql.Context, tables []syntax.TableName, view, ifExists bool) error {
	_, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	var defs []*engine.TableDef
	var unknown []string
	cat := tx.NewestCatalog()
	for _, t := range tables {
		def := s.temporary(t.Database, t.Name)
		if def == nil {
			def = cat.Table(t.Database, t.Name)
		}
		switch {
		case view && cat.Object(engine.ObjectView, t.Database, t.Name) != nil:
		case view && def != nil:
			return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not VIEW", t.Database, t.Name)
		case def != nil && !view:
			defs = append(defs, def)
		default:
			unknown = append(unknown, t.Database+"."+t.Name)
		}
	}
	if len(unknown) > 0 && !ifExists {
		return mysql.NewSQLError(mysql.ERBadTable, "42S02", "Unknown table '%s'", strings.Join(unknown, ","))
	}
	for _, name := range unknown {
		ctx.Session.Warn(&sql.Warning{Level: "Note", Code: mysql.ERBadTable, Message: "Unknown table '" + name + "'"})
	}
	if view {
		for _, t := range tables {
			if cat.Object(engine.ObjectView, t.Database, t.Name) == nil {
				continue
			}
			if err := deleteObject(ctx, engine.ObjectView, t.Database, t.Name, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if s.boolVariable(ctx, "foreign_key_checks") {
		if err := unreferenced(cat, defs); err != nil {
			return err
		}
	}
	for _, def := range defs {
		if err := s.dropTable(ctx, tx, def); err != nil {
			return err
		}
	}
	return nil
}

// databaseExists is the planner's note of CREATE DATABASE IF NOT EXISTS.
var databaseExists = regexp.MustCompile(`^Can't create database (.*); database exists $`)

// unknownTable is the note of a DROP TABLE IF EXISTS, to which the planner gives a name without its database, in small letters.
func (s *Session) unknownTable(w *sql.Warning) *sql.Warning {
	var tables ast.TableNames
	if d, ok := s.current().(*ast.DDL); ok {
		tables = d.FromTables
	}
	for _, t := range tables {
		if w.Message == "Unknown table '"+strings.ToLower(t.Name.String())+"'" {
			return &sql.Warning{Level: w.Level, Code: w.Code, Message: "Unknown table '" +
				cmp.Or(t.DbQualifier.String(), s.GetCurrentDatabase()) + "." + t.Name.String() + "'"}
		}
	}
	if name, ok := strings.CutPrefix(w.Message, "Unknown table '"); ok && !strings.Contains(name, ".") {
		return &sql.Warning{Level: w.Level, Code: w.Code, Message: "Unknown table '" + s.GetCurrentDatabase() + "." + name}
	}
	return w
}

// unreferenced returns an error if a foreign key of another table refers to one of the
// tables.
func unreferenced(cat *engine.Catalog, tables []*engine.TableDef) error {
	index := childIndex(cat)
	for _, def := range tables {
		if def.Temporary {
			continue
		}
		for _, fk := range index[tableKey(def.Database, def.Name)] {
			if !slices.ContainsFunc(tables, func(t *engine.TableDef) bool {
				return syntax.SameName(t.Database, fk.Database) && syntax.SameName(t.Name, fk.Table)
			}) {
				return mysql.NewSQLError(3730, "HY000", "Cannot drop table '%s' referenced by a foreign key constraint '%s' on table '%s'.",
					def.Name, fk.Name, fk.Table)
			}
		}
	}
	return nil
}

// dropTable drops a table with its triggers and the tables of its FULLTEXT indexes.
func (s *Session) dropTable(ctx *sql.Context, tx *engine.Tx, def *engine.TableDef) error {
	db, err := s.b.Database(ctx, def.Database)
	if err != nil {
		return err
	}
	d, ok := db.(*Database)
	if !ok {
		return sql.ErrTableNotFound.New(def.Name)
	}
	for _, name := range append(fulltextTables(def), def.Name) {
		if err := d.DropTable(ctx, name); err != nil {
			return err
		}
	}
	if def.Temporary {
		return nil
	}
	for _, o := range tx.NewestCatalog().Objects(engine.ObjectTrigger, def.Database) {
		var t storedTrigger
		if err := json.Unmarshal(o.Data, &t); err != nil {
			return fmt.Errorf("decode %s.%s: %w", def.Database, o.Name, err)
		}
		if h, ok := newTriggerHead(t.Create); ok && syntax.SameName(h.table, def.Name) {
			if err := deleteObject(ctx, engine.ObjectTrigger, def.Database, o.Name, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
