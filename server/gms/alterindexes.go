package gms

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// indexDef returns the stored form of an index of def.
func indexDef(ctx *sql.Context, def *engine.TableDef, ix sql.IndexDef) (engine.IndexDef, error) {
	out := engine.IndexDef{Name: ix.Name, Unique: ix.IsUnique(), Comment: ix.Comment}
	for _, c := range ix.Columns {
		o := def.Column(c.Name)
		if o < 0 {
			return out, sql.ErrKeyColumnDoesNotExist.New(c.Name)
		}
		switch def.Columns[o].Type {
		case row.TypeJSON:
			return out, sql.ErrJSONIndex.New(c.Name)
		case row.TypeGeometry:
			if !ix.IsSpatial() {
				return out, mysql.NewSQLError(mysql.ERWrongArguments, "HY000", "Incorrect arguments to SPATIAL INDEX")
			}
		}
		prefix := uint32(c.Length)
		if typ, err := parseType(ctx, def.Columns[o].SQLType, def.Columns[o].Options[optCollation]); err == nil && prefix > 0 {
			if t, ok := typ.(sql.StringType); ok && !types.IsTextBlob(t) && c.Length >= t.MaxCharacterLength() { // the whole
				prefix = 0
			}
		}
		out.Columns = append(out.Columns, engine.IndexColumn{Column: o, Prefix: prefix, Multi: def.Columns[o].Options[optArray] != ""})
	}
	if s, err := sessionOf(ctx); err == nil {
		o := s.optionsOf(ix.Name, ix.ColumnNames())
		for i, desc := range o.desc {
			out.Columns[i].Desc = desc
		}
		out.Invisible, out.Options = o.invisible, o.kept
	}
	return out, nil
}

// CreateIndex implements sql.IndexAlterableTable. The index is built when it
// returns.
func (t *Table) CreateIndex(ctx *sql.Context, ix sql.IndexDef) error {
	return t.createIndex(ctx, ix, nil)
}

func (t *Table) createIndex(ctx *sql.Context, ix sql.IndexDef, options map[string]string) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	sh := t.live(ctx)
	s.newNames(sh.def, &ix)
	if ix.Name == "" {
		if ix.Name, err = sql.GenerateMySqlIndexName(ctx, ix, t); err != nil {
			return err
		}
	}
	for base, n := ix.Name, 2; syntax.SameName(base, rewrite.PrimaryName) && (n == 2 || sh.findIndex(ix.Name) != nil); n++ { // no statement names it so
		ix.Name = fmt.Sprintf("%s_%d", base, n)
	}
	if old := implicitIndex(ctx, sh.def, ix); old != nil && options == nil {
		if err := t.DropIndex(ctx, old.Name); err != nil {
			return err
		}
		sh = t.live(ctx)
	}
	if sh.findIndex(ix.Name) != nil {
		return sql.ErrDuplicateKey.New(ix.Name)
	}
	if ix.IsSpatial() || ix.IsVector() { // queries scan the table
		kind := engine.IndexSpatial
		if ix.IsVector() {
			kind = engine.IndexVector
		}
		for _, name := range ix.ColumnNames() {
			if sh.def.Column(name) < 0 {
				return sql.ErrKeyColumnDoesNotExist.New(name)
			}
		}
		return t.addPseudo(ctx, pseudoIndex{Name: ix.Name, Kind: kind, Columns: ix.ColumnNames(), Comment: ix.Comment})
	}
	if t.db.b.mysql {
		if err := checkKeyLength(sh.schema, ix); err != nil {
			return err
		}
	}
	def, err := indexDef(ctx, sh.def, ix)
	if err != nil {
		return err
	}
	if options != nil {
		def.Options = options
	}
	if sh.parts != nil {
		if err := sh.parts.keyHolds(&def, "UNIQUE INDEX"); err != nil {
			return err
		}
	}
	if _, err := tx.CreateIndex(ctx, sh.def, def); err != nil {
		if errors.Is(err, engine.ErrExists) {
			return sql.ErrDuplicateKey.New(ix.Name)
		}
		return t.ddlError(ctx, s, err)
	}
	s.defined(sh.def.ID)
	return nil
}

// ShouldBuildIndex implements sql.IndexBuildingTable: CreateIndex has built it.
func (t *Table) ShouldBuildIndex(*sql.Context, sql.IndexDef) (bool, error) { return false, nil }

// BuildIndex implements sql.IndexBuildingTable. The planner insists on handing over
// all rows of a table that gets a unique index; t gives none.
func (t *Table) BuildIndex(*sql.Context, sql.IndexDef) (sql.RowInserter, error) {
	t.building = true
	return builtIndex{}, nil
}

// builtIndex takes the rows, of which there are none, for an index that is there.
type builtIndex struct{}

func (builtIndex) StatementBegin(*sql.Context) {}

func (builtIndex) DiscardChanges(_ *sql.Context, err error) error { return nil }

func (builtIndex) StatementComplete(*sql.Context) error { return nil }

func (builtIndex) Insert(*sql.Context, sql.Row) error { return nil }

func (builtIndex) Close(*sql.Context) error { return nil }

// DropIndex implements sql.IndexAlterableTable.
func (t *Table) DropIndex(ctx *sql.Context, name string) error {
	if syntax.SameName(name, "PRIMARY") {
		return t.DropPrimaryKey(ctx)
	}
	found := false
	err := t.alter(ctx, func(def *engine.TableDef) error {
		n := len(def.Indexes)
		def.Indexes = slices.DeleteFunc(def.Indexes, func(ix *engine.IndexDef) bool { return syntax.SameName(ix.Name, name) })
		list, err := pseudoIndexes(def)
		if err != nil {
			return err
		}
		m := len(list)
		list = slices.DeleteFunc(list, func(p pseudoIndex) bool { return syntax.SameName(p.Name, name) })
		if len(def.Indexes) == n && len(list) == m {
			return sql.ErrIndexNotFound.New(name)
		}
		found = true
		return setPseudoIndexes(def, list)
	})
	if !found && err == nil {
		return sql.ErrIndexNotFound.New(name)
	}
	return err
}

// RenameIndex implements sql.IndexAlterableTable.
func (t *Table) RenameIndex(ctx *sql.Context, from, to string) error {
	if sh := t.live(ctx); !syntax.SameName(from, to) && sh.findIndex(to) != nil {
		return sql.ErrDuplicateKey.New(to)
	}
	return t.alter(ctx, func(def *engine.TableDef) error {
		for _, ix := range def.Indexes {
			if syntax.SameName(ix.Name, from) {
				if !setVisible(ix, to) {
					ix.Name = to
				}
				return nil
			}
		}
		list, err := pseudoIndexes(def)
		if err != nil {
			return err
		}
		for i := range list {
			if syntax.SameName(list[i].Name, from) {
				if strings.HasPrefix(to, visibleMark) {
					return nil
				}
				if strings.HasPrefix(to, invisibleMark) {
					return value.ErrNotSupported("INVISIBLE of FULLTEXT and SPATIAL indexes")
				}
				list[i].Name = to
				return setPseudoIndexes(def, list)
			}
		}
		return sql.ErrIndexNotFound.New(from)
	})
}

// CreatePrimaryKey implements sql.PrimaryKeyAlterableTable; the planner rewrites the
// table instead.
func (t *Table) CreatePrimaryKey(*sql.Context, []sql.IndexColumn) error {
	return fmt.Errorf("gms: adding a primary key rewrites the table: %w", errUnsupported)
}

// DropPrimaryKey implements sql.PrimaryKeyAlterableTable; see CreatePrimaryKey.
func (t *Table) DropPrimaryKey(*sql.Context) error {
	return fmt.Errorf("gms: dropping a primary key rewrites the table: %w", errUnsupported)
}

// GetChecks implements sql.CheckTable.
func (t *Table) GetChecks(ctx *sql.Context) ([]sql.CheckDefinition, error) {
	sh := t.live(ctx)
	s, ok := ctx.Session.(*Session)
	if ok && s.b.mysql && s.alters() {
		return nil, nil // see takeChecks, dropChecksOf and dependedOn
	}
	if ok && len(s.viewUses) > 0 {
		return slices.Concat(s.viewChecks(syntax.TableName{Database: sh.def.Database, Name: sh.def.Name}, false), sh.checks), nil
	}
	return sh.checks, nil
}

// CreateCheck implements sql.CheckAlterableTable. A check without a name gets
// MySQL's.
func (t *Table) CreateCheck(ctx *sql.Context, c *sql.CheckDefinition) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		name := c.Name
		if name == "" {
			name = freeCheckName(def)
		}
		if slices.ContainsFunc(def.Checks, func(d engine.CheckDef) bool { return syntax.SameName(d.Name, name) }) {
			return sql.ErrDuplicateCheckName.New(name)
		}
		expr := readableText(c.CheckExpression)
		if err := canBeRead(ctx, expr); err != nil {
			return err
		}
		if _, tx, err := writer(ctx); err != nil {
			return err
		} else if err := takenCheck(tx.NewestCatalog(), def, name); err != nil {
			return err
		}
		def.Checks = append(def.Checks, engine.CheckDef{Name: name, Expr: expr, Enforced: c.Enforced})
		return checksOfActions(def)
	})
}

// freeCheckName returns the name that a check without one gets.
func freeCheckName(def *engine.TableDef) string {
	return fmt.Sprintf("%s_chk_%d", def.Name, lastCheck(def, nil)+1)
}

// DropCheck implements sql.CheckAlterableTable.
func (t *Table) DropCheck(ctx *sql.Context, name string) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		n := len(def.Checks)
		def.Checks = slices.DeleteFunc(def.Checks, func(d engine.CheckDef) bool { return syntax.SameName(d.Name, name) })
		if len(def.Checks) == n {
			return errNoSuchCheck(name)
		}
		return nil
	})
}
