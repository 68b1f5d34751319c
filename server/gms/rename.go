package gms

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// renaming is one pair of RENAME TABLE, or the RENAME of an ALTER TABLE. The planner
// drops the databases of the names.
type renaming struct {
	from, to syntax.TableName
	alter    bool
}

// renameTables is RENAME TABLE and ALTER TABLE … RENAME.
func (b *builder) renameTables(ctx *sql.Context, s *Session, n *plan.RenameTable) (sql.RowIter, error) {
	list := s.renamings
	if len(list) != len(n.OldNames) || list[0].from.Name != n.OldNames[0] { // of a procedure
		list = nil
		for i, from := range n.OldNames {
			list = append(list, renaming{from: syntax.TableName{Database: n.Db.Name(), Name: from}, to: syntax.TableName{Database: n.Db.Name(), Name: n.NewNames[i]}})
		}
	}
	_, tx, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if err := s.rename(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), nil
}

func (s *Session) rename(ctx *sql.Context, tx *engine.Tx, r renaming) error {
	cat := tx.NewestCatalog()
	for _, t := range []syntax.TableName{r.from, r.to} {
		if t.Database == "" {
			return sql.ErrNoDatabaseSelected.New()
		}
		if systemDatabase(t.Database) {
			return mysql.NewSQLError(mysql.ERDBAccessDenied, "42000", "Access denied for user '%s'@'%s' to database '%s'",
				s.account.User, s.account.Host, t.Database)
		}
		if cat.Database(t.Database) == nil {
			return sql.ErrDatabaseNotFound.New(t.Database)
		}
	}
	def := s.temporary(r.from.Database, r.from.Name)
	if def != nil && r.alter {
		return s.renameTemporary(ctx, tx, def, r)
	}
	to := cat.Database(r.to.Database).Name
	if def = cat.Table(r.from.Database, r.from.Name); def == nil {
		return s.renameView(ctx, r)
	}
	if cat.Object(engine.ObjectView, to, r.to.Name) != nil {
		return sql.ErrTableAlreadyExists.New(r.to.Name)
	}
	if err := s.moveTriggers(ctx, cat, def, syntax.TableName{Database: to, Name: r.to.Name}); err != nil {
		return err
	}
	named := def.Clone()
	named.Database, named.Name = to, r.to.Name
	for i := range named.ForeignKeys {
		fk := &named.ForeignKeys[i]
		fk.Name = generatedName(fk.Name, def.Name, named.Name, "_ibfk_")
		if syntax.SameName(fk.ParentDatabase, def.Database) && syntax.SameName(fk.ParentTable, def.Name) {
			fk.ParentDatabase, fk.ParentTable = to, named.Name
		}
	}
	if err := s.renamedChecks(cat, def, named); err != nil {
		return err
	}
	if _, err := tx.AlterTable(ctx, named); errors.Is(err, engine.ErrExists) {
		return sql.ErrTableAlreadyExists.New(r.to.Name)
	} else if err != nil {
		return s.fail(ctx, err)
	}
	s.defined(def.ID)
	if err := s.moveFulltext(ctx, tx, def, to); err != nil {
		return err
	}
	for _, db := range tx.NewestCatalog().Databases() {
		for _, child := range tx.NewestCatalog().Tables(db.Name) {
			if child.ID != def.ID {
				if err := s.renameParent(ctx, tx, child, def, syntax.TableName{Database: to, Name: named.Name}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// renamedChecks gives the constraints of a table the names that they have after its rename.
func (s *Session) renamedChecks(cat *engine.Catalog, def, named *engine.TableDef) error {
	for i := range named.Checks {
		c := &named.Checks[i]
		was := c.Name
		c.Name = generatedName(was, def.Name, named.Name, "_chk_")
		if err := rewrite.CheckLength(c.Name); err != nil {
			return err
		}
		if c.Name != was || !syntax.SameName(def.Database, named.Database) {
			if err := takenCheck(cat, named, c.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// generatedName returns the name of a constraint after its table's rename: one that was
// made from the table's name follows it.
func generatedName(name, from, to, infix string) string {
	if number, ok := strings.CutPrefix(name, from+infix); ok && number != "" && strings.Trim(number, "0123456789") == "" {
		return to + infix + number
	}
	return name
}

// renameParent has the foreign keys of child that refer to a table follow its rename.
func (s *Session) renameParent(ctx *sql.Context, tx *engine.Tx, child, parent *engine.TableDef, to syntax.TableName) error {
	changed := child.Clone()
	any := false
	for i := range changed.ForeignKeys {
		fk := &changed.ForeignKeys[i]
		if syntax.SameName(fk.ParentDatabase, parent.Database) && syntax.SameName(fk.ParentTable, parent.Name) {
			fk.ParentDatabase, fk.ParentTable = to.Database, to.Name
			any = true
		}
	}
	if !any {
		return nil
	}
	if _, err := tx.AlterTable(ctx, changed); err != nil {
		return s.fail(ctx, err)
	}
	s.defined(child.ID)
	return nil
}

// renameTemporary renames a temporary table of the session.
func (s *Session) renameTemporary(ctx *sql.Context, tx *engine.Tx, def *engine.TableDef, r renaming) error {
	from, to := tableKey(r.from.Database, r.from.Name), tableKey(r.to.Database, r.to.Name)
	if _, there := s.temps.m[to]; there && from != to {
		return sql.ErrTableAlreadyExists.New(r.to.Name)
	}
	named := def.Clone()
	named.Database, named.Name = r.to.Database, r.to.Name
	if err := s.renamedChecks(tx.NewestCatalog(), def, named); err != nil {
		return err
	}
	if _, err := tx.AlterTable(ctx, named); err != nil {
		return s.fail(ctx, err)
	}
	delete(s.temps.m, from)
	s.temps.m[to] = temporary{db: r.to.Database, name: r.to.Name, id: def.ID}
	s.defined(def.ID)
	return nil
}

// renameView renames a view, which stays in its database.
func (s *Session) renameView(ctx *sql.Context, r renaming) error {
	var v storedView
	ok, err := getObject(ctx, engine.ObjectView, r.from.Database, r.from.Name, &v)
	switch {
	case err != nil:
		return err
	case !ok:
		return sql.ErrTableNotFound.New(r.from.Database + "." + r.from.Name)
	case r.alter:
		return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not BASE TABLE", r.from.Database, r.from.Name)
	case !syntax.SameName(r.from.Database, r.to.Database):
		return mysql.NewSQLError(1450, "HY000", "Changing schema from '%s' to '%s' is not allowed.", r.from.Database, r.to.Database)
	}
	_, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	cat := tx.NewestCatalog()
	if cat.Table(r.to.Database, r.to.Name) != nil || cat.Object(engine.ObjectView, r.to.Database, r.to.Name) != nil {
		return sql.ErrTableAlreadyExists.New(r.to.Name)
	}
	if err := deleteObject(ctx, engine.ObjectView, r.from.Database, r.from.Name, sql.ErrTableNotFound.New(r.from.Name)); err != nil {
		return err
	}
	v.Name = r.to.Name
	if h, ok := rewrite.NewObjectHead(v.Create); ok {
		v.Create = v.Create[:h.From] + syntax.QuoteName(v.Name) + v.Create[h.To:]
	}
	return putObject(ctx, engine.ObjectView, r.to.Database, r.to.Name, v)
}

// moveTriggers has a table's triggers follow its rename. They do not leave their database.
func (s *Session) moveTriggers(ctx *sql.Context, cat *engine.Catalog, def *engine.TableDef, to syntax.TableName) error {
	for _, o := range cat.Objects(engine.ObjectTrigger, def.Database) {
		var t storedTrigger
		if err := json.Unmarshal(o.Data, &t); err != nil {
			return fmt.Errorf("decode %s.%s: %w", def.Database, o.Name, err)
		}
		h, ok := newTriggerHead(t.Create)
		if !ok || !syntax.SameName(h.table, def.Name) {
			continue
		}
		if !syntax.SameName(def.Database, to.Database) {
			return mysql.NewSQLError(1435, "HY000", "Trigger in wrong schema")
		}
		t.Create = t.Create[:h.from] + syntax.QuoteName(to.Database) + "." + syntax.QuoteName(to.Name) + t.Create[h.to:]
		if err := putObject(ctx, engine.ObjectTrigger, def.Database, o.Name, t); err != nil {
			return err
		}
	}
	return nil
}

// triggerHead is where a CREATE TRIGGER names its table.
type triggerHead struct {
	table    string
	from, to int // of the name, its database included, in the text
}

// newTriggerHead looks for the table in a CREATE TRIGGER, false if it is none.
func newTriggerHead(create string) (h triggerHead, ok bool) {
	l := syntax.NewLexer(syntax.PlainComments(create))
	for !l.Is("trigger") { // the DEFINER
		if l.Kind == 0 {
			return h, false
		}
		l.Next()
	}
	l.Next()
	for !l.Is("on") {
		if l.Kind == 0 {
			return h, false
		}
		l.Next()
	}
	l.Next()
	h.from, h.to = l.Start, l.At
	h.table, ok = l.Name()
	if ok && l.Accept(".") {
		h.to = l.At
		h.table, ok = l.Name()
	}
	return h, ok
}

// moveFulltext has the tables of FULLTEXT indexes follow their table's database.
func (s *Session) moveFulltext(ctx *sql.Context, tx *engine.Tx, def *engine.TableDef, database string) error {
	if syntax.SameName(def.Database, database) {
		return nil
	}
	for _, name := range fulltextTables(def) {
		t := tx.NewestCatalog().Table(def.Database, name)
		if t == nil {
			continue
		}
		if _, err := tx.RenameTable(ctx, t, database, name); err != nil {
			return s.fail(ctx, err)
		}
		s.defined(t.ID)
	}
	return nil
}
