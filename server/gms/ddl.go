package gms

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer/analyzererrors"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/fulltext"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine"
	"sextant/engine/row"
)

// defined notes that the transaction has defined a table, so that Tables of the
// running statement look again.
func (s *Session) defined(id engine.TableID) {
	if s.tx.ddl == nil {
		s.tx.ddl = make(map[engine.TableID]struct{})
	}
	s.tx.ddl[id] = struct{}{}
}

// cloneDef returns a copy of a definition whose lists can be changed.
func cloneDef(d *engine.TableDef) *engine.TableDef {
	n := *d
	n.Columns = slices.Clone(d.Columns)
	n.Indexes = slices.Clone(d.Indexes)
	n.ForeignKeys = slices.Clone(d.ForeignKeys)
	n.Checks = slices.Clone(d.Checks)
	n.Options = maps.Clone(d.Options)
	if n.Options == nil {
		n.Options = map[string]string{}
	}
	p := *d.Primary
	p.Columns = slices.Clone(d.Primary.Columns)
	n.Primary = &p
	for i, ix := range n.Indexes {
		c := *ix
		c.Columns = slices.Clone(ix.Columns)
		n.Indexes[i] = &c
	}
	return &n
}

// alter changes a table's definition without touching its rows.
func (t *Table) alter(ctx *sql.Context, change func(def *engine.TableDef) error) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	def := cloneDef(t.live(ctx).def)
	if err := change(def); err != nil {
		return err
	}
	if err := t.checkable(def); err != nil {
		return err
	}
	if _, err := tx.AlterTable(ctx, def); err != nil {
		return t.ddlError(ctx, s, err)
	}
	s.defined(def.ID)
	return nil
}

// checkable refuses CHECK constraints together with virtual columns: the planner hides
// the constraints of such a table from itself and would never test them.
func (t *Table) checkable(def *engine.TableDef) error {
	virtual := func(c engine.ColumnDef) bool { return c.Options[optVirtual] != "" }
	if t.db.b.mysql && len(def.Checks) > 0 && slices.ContainsFunc(def.Columns, virtual) {
		return mysql.NewSQLError(mysql.ERNotSupportedYet, "42000",
			"This version doesn't yet support 'CHECK constraints in a table with VIRTUAL or functional-index columns'; use STORED")
	}
	return nil
}

func (t *Table) ddlError(ctx *sql.Context, s *Session, err error) error {
	var dup *engine.DuplicateError
	if errors.As(err, &dup) {
		sh := t.live(ctx)
		values := make([]string, len(dup.Index.Columns))
		desc := dup.Table.Desc()
		for i, c := range dup.Index.Columns {
			if c.Column < len(sh.codecs) && len(dup.Existing) > 0 && !desc.IsNull(dup.Existing, c.Column) {
				values[i] = text(ctx, sh.codecs[c.Column].typ, sh.codecs[c.Column].get(desc, dup.Existing, c.Column), int(c.Prefix))
			}
		}
		return sql.NewUniqueKeyErr(duplicateEntry(values, dup.Table.Name, dup.Index.Name), dup.Index.Name == "PRIMARY", nil)
	}
	if errors.Is(err, engine.ErrNotFound) {
		return sql.ErrTableNotFound.New(t.Name())
	}
	return s.fail(ctx, err)
}

// columnDef returns the stored form of a column.
func columnDef(ctx *sql.Context, c *sql.Column) (engine.ColumnDef, error) {
	cd, err := newCodec(c.Type)
	if err != nil {
		return engine.ColumnDef{}, err
	}
	out := engine.ColumnDef{
		Column: row.Column{
			Name: c.Name, Type: cd.store, Nullable: c.Nullable && !c.PrimaryKey, Collation: cd.collation,
		},
		Comment: c.Comment, AutoIncrement: c.AutoIncrement, Hidden: c.Hidden || c.HiddenSystem,
		Options: map[string]string{},
	}
	out.SQLType, out.Options[optCollation] = typeText(c.Type)
	if out.Options[optCollation] == "" {
		delete(out.Options, optCollation)
	}
	if st, ok := c.Type.(sql.SpatialColumnType); ok {
		if srid, defined := st.GetSpatialTypeSRID(); defined {
			out.Options[optSRID] = strconv.FormatUint(uint64(srid), 10)
		}
	}
	if c.Type.Type() == sqltypes.Time {
		setPrecision(ctx, &out, sourceColumn(ctx, c))
	}
	if c.HiddenSystem {
		out.Options[optSystem] = "1"
	}
	if c.Hidden {
		out.Options[optHidden] = "1"
	}
	if c.Virtual {
		out.Options[optVirtual] = "1"
	}
	if e := c.Extra; e != "" && e != virtualGenerated && e != storedGenerated && !strings.Contains(e, onUpdate) {
		out.Options[optExtra] = c.Extra
	}
	if c.Default != nil {
		out.HasDefault = true
		out.Default, out.DefaultExpr = expressionText(ctx, c.Default), c.Default.IsParenthesized()
	}
	if c.Generated != nil {
		out.Generated = expressionText(ctx, c.Generated)
	}
	if c.OnUpdate != nil {
		out.OnUpdate = expressionText(ctx, c.OnUpdate)
	}
	return out, nil
}

// typeText returns a type as text and the name of its collation, "" if it has none.
func typeText(t sql.Type) (text, collation string) {
	ct, ok := t.(sql.TypeWithCollation)
	if !ok {
		return t.String(), ""
	}
	switch t.Type() {
	case sqltypes.Binary, sqltypes.VarBinary, sqltypes.Blob, sqltypes.Vector:
		return t.String(), ""
	}
	return ct.StringWithTableCollation(ct.Collation()), ct.Collation().Name()
}

// expressionText returns a default as SQL text without table names.
func expressionText(ctx *sql.Context, d *sql.ColumnDefaultValue) string {
	e, _, err := transform.Expr(ctx, d, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		gf, ok := e.(*expression.GetField)
		if !ok {
			return e, transform.SameTree, nil
		}
		n := expression.NewGetField(gf.Index(), gf.Type(ctx), gf.Name(), gf.IsNullable(ctx))
		return n.WithQuotedNames(sql.DefaultMySQLSchemaFormatter, gf.IsQuotedIdentifier()), transform.NewTree, nil
	})
	if err != nil {
		return d.String()
	}
	return e.String()
}

// tableDef returns the stored form of a new table.
func tableDef(ctx *sql.Context, db, name string, schema sql.PrimaryKeySchema, c sql.CollationID, comment string,
	pk *sql.IndexDef, temporary bool) (*engine.TableDef, error) {
	def := &engine.TableDef{
		Database: db, Name: name, Collation: row.CollationID(c), Comment: comment,
		Temporary: temporary,
		Options:   map[string]string{createdOption: strconv.FormatInt(time.Now().UnixMicro(), 10)},
	}
	for _, col := range schema.Schema {
		cd, err := columnDef(ctx, col)
		if err != nil {
			return nil, err
		}
		def.Columns = append(def.Columns, cd)
	}
	return def, setPrimary(ctx, def, schema, pk)
}

// setPrimary sets the primary key of def to the schema's.
func setPrimary(ctx *sql.Context, def *engine.TableDef, schema sql.PrimaryKeySchema, pk *sql.IndexDef) error {
	def.Primary = nil
	if len(schema.PkOrdinals) == 0 {
		return nil
	}
	p := &engine.IndexDef{Name: "PRIMARY", Unique: true}
	names := make([]string, len(schema.PkOrdinals))
	for i, o := range schema.PkOrdinals {
		names[i] = schema.Schema[o].Name
		ic := engine.IndexColumn{Column: o}
		if pk != nil && i < len(pk.Columns) {
			ic.Prefix = uint32(pk.Columns[i].Length)
		}
		p.Columns = append(p.Columns, ic)
		def.Columns[o].Nullable = false
	}
	if pk != nil {
		p.Comment = pk.Comment
	}
	if s, err := sessionOf(ctx); err == nil {
		for i, desc := range s.direction(names) {
			p.Columns[i].Desc = desc
		}
	}
	def.Primary = p
	return nil
}

// ValidateSchema implements sql.SchemaValidator: MySQL's limit of a row without its
// TEXT, BLOB, JSON and geometry (1118).
func (d *Database) ValidateSchema(schema sql.Schema) error {
	var size int64
	for _, c := range schema {
		switch t := c.Type.(type) {
		case sql.StringType:
			if types.IsTextBlob(t) {
				size += 12
			} else {
				size += t.MaxByteLength() + 2
			}
		default:
			cd, err := newCodec(c.Type)
			if err != nil {
				return err
			}
			size += int64(max(cd.store.Width(), 12))
		}
	}
	if size > types.MaxRowLength {
		return analyzererrors.ErrInvalidRowLength.New(types.MaxRowLength, size)
	}
	return nil
}

// CreateTable implements sql.TableCreator.
func (d *Database) CreateTable(ctx *sql.Context, name string, schema sql.PrimaryKeySchema, c sql.CollationID, comment string) error {
	return d.createTable(ctx, name, schema, c, comment, nil)
}

// CreateIndexedTable implements sql.IndexedTableCreator.
func (d *Database) CreateIndexedTable(ctx *sql.Context, name string, schema sql.PrimaryKeySchema, pk sql.IndexDef,
	c sql.CollationID, comment string) error {
	return d.createTable(ctx, name, schema, c, comment, &pk)
}

func (d *Database) createTable(ctx *sql.Context, name string, schema sql.PrimaryKeySchema, c sql.CollationID,
	comment string, pk *sql.IndexDef) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	if cat, err := s.catalog(ctx); err != nil {
		return err
	} else if cat.Table(d.Name(), name) != nil {
		return sql.ErrTableAlreadyExists.New(name)
	}
	def, err := tableDef(ctx, d.Name(), name, schema, c, comment, pk, false)
	if err != nil {
		return err
	}
	stored, err := tx.CreateTable(ctx, def)
	if errors.Is(err, engine.ErrExists) {
		return sql.ErrTableAlreadyExists.New(name)
	}
	if err != nil {
		return s.fail(ctx, err)
	}
	s.defined(stored.ID)
	return nil
}

// DropTable implements sql.TableDropper.
func (d *Database) DropTable(ctx *sql.Context, name string) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	if dropped, err := s.temps.remove(ctx, s, tx, d.Name(), name); dropped || err != nil {
		return err
	}
	def := tx.NewestCatalog().Table(d.Name(), name)
	if def == nil {
		return sql.ErrTableNotFound.New(name)
	}
	err = tx.DropTable(ctx, def)
	if errors.Is(err, engine.ErrNotFound) {
		return sql.ErrTableNotFound.New(name)
	}
	if err != nil {
		return s.fail(ctx, err)
	}
	s.defined(def.ID)
	return nil
}

// RenameTable implements sql.TableRenamer.
func (d *Database) RenameTable(ctx *sql.Context, from, to string) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	def := tx.NewestCatalog().Table(d.Name(), from)
	if def == nil {
		return sql.ErrTableNotFound.New(from)
	}
	_, err = tx.RenameTable(ctx, def, d.Name(), to)
	if errors.Is(err, engine.ErrExists) {
		return sql.ErrTableAlreadyExists.New(to)
	}
	if err != nil {
		return s.fail(ctx, err)
	}
	s.defined(def.ID)
	return nil
}

// place returns where a column goes: behind what order names, at the end without one.
func place(def *engine.TableDef, order *sql.ColumnOrder) (int, error) {
	end := len(def.Columns)
	if def.Keyless() {
		end-- // the row id stays last
	}
	switch {
	case order == nil:
		return end, nil
	case order.First:
		return 0, nil
	}
	o := def.Column(order.AfterColumn)
	if o < 0 {
		return 0, sql.ErrTableColumnNotFound.New(def.Name, order.AfterColumn)
	}
	return o + 1, nil
}

// permute moves the columns of def as move says (old ordinal → new, -1: gone) and
// everything that refers to them by ordinal.
func permute(def *engine.TableDef, columns []engine.ColumnDef, move []int) {
	def.Columns = columns
	for _, ix := range append([]*engine.IndexDef{def.Primary}, def.Indexes...) {
		kept := ix.Columns[:0]
		for _, c := range ix.Columns {
			if n := move[c.Column]; n >= 0 {
				c.Column = n
				kept = append(kept, c)
			}
		}
		ix.Columns = kept
	}
	def.Indexes = slices.DeleteFunc(def.Indexes, func(ix *engine.IndexDef) bool { return len(ix.Columns) == 0 })
}

// AddColumn implements sql.AlterableTable: instantly, rows keep their form.
func (t *Table) AddColumn(ctx *sql.Context, c *sql.Column, order *sql.ColumnOrder) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		cd, err := columnDef(ctx, c)
		if err != nil {
			return err
		}
		at, err := place(def, order)
		if err != nil {
			return err
		}
		move := make([]int, len(def.Columns))
		for i := range move {
			move[i] = i
			if i >= at {
				move[i] = i + 1
			}
		}
		permute(def, slices.Insert(slices.Clone(def.Columns), at, cd), move)
		return nil
	})
}

// DropColumn implements sql.AlterableTable: instantly, rows keep their form. The
// column leaves the indexes it is in.
func (t *Table) DropColumn(ctx *sql.Context, name string) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		at := def.Column(name)
		if at < 0 {
			return sql.ErrTableColumnNotFound.New(def.Name, name)
		}
		move := make([]int, len(def.Columns))
		for i := range move {
			move[i] = i
			if i > at {
				move[i] = i - 1
			}
		}
		move[at] = -1
		if err := dropFromPseudo(def, name); err != nil {
			return err
		}
		permute(def, slices.Delete(slices.Clone(def.Columns), at, at+1), move)
		return nil
	})
}

// ModifyColumn implements sql.AlterableTable: names, defaults, comments, order and
// what ShouldRewriteTable left to be changed without touching rows.
func (t *Table) ModifyColumn(ctx *sql.Context, name string, c *sql.Column, order *sql.ColumnOrder) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		at := def.Column(name)
		if at < 0 {
			return sql.ErrTableColumnNotFound.New(def.Name, name)
		}
		old := def.Columns[at]
		nc := *c
		nc.PrimaryKey = slices.ContainsFunc(def.Primary.Columns, func(p engine.IndexColumn) bool { return p.Column == at })
		cd, err := columnDef(ctx, &nc)
		if err != nil {
			return err
		}
		cd.ID, cd.Added = old.ID, old.Added
		if c.Type.Type() == sqltypes.Time {
			setPrecision(ctx, &cd, &old)
		}
		if err := renameInPseudo(def, name, c.Name); err != nil {
			return err
		}
		renameInForeignKeys(def, name, c.Name)
		to := at
		if order != nil {
			if to, err = place(def, order); err != nil {
				return err
			}
			if to > at {
				to--
			}
		}
		columns := slices.Insert(slices.Delete(slices.Clone(def.Columns), at, at+1), to, cd)
		move := make([]int, len(def.Columns))
		for i := range def.Columns {
			move[i] = slices.IndexFunc(columns, func(c engine.ColumnDef) bool { return c.ID == def.Columns[i].ID })
		}
		permute(def, columns, move)
		return nil
	})
}

func renameInForeignKeys(def *engine.TableDef, from, to string) {
	for i := range def.ForeignKeys {
		fk := &def.ForeignKeys[i]
		fk.Columns = slices.Clone(fk.Columns)
		for j, c := range fk.Columns {
			if sameName(c, from) {
				fk.Columns[j] = to
			}
		}
	}
}

// ShouldRewriteTable implements sql.RewritableTable. Rows are rewritten when a
// stored value or a key would change; adding, dropping and moving columns is instant.
func (t *Table) ShouldRewriteTable(ctx *sql.Context, oldSchema, newSchema sql.PrimaryKeySchema, old, new *sql.Column) bool {
	if len(oldSchema.PkOrdinals) != len(newSchema.PkOrdinals) {
		return true
	}
	def := t.live(ctx).def
	if old != nil && new == nil { // dropped
		at := def.Column(old.Name)
		for _, ix := range append([]*engine.IndexDef{def.Primary}, def.Indexes...) {
			if len(ix.Columns) > 1 && slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool { return c.Column == at }) {
				return true // its keys change
			}
		}
		return false
	}
	if old == nil || new == nil {
		return false
	}
	if new.AutoIncrement && !old.AutoIncrement {
		return true // the counter starts above what is there
	}
	if (old.Generated == nil) != (new.Generated == nil) ||
		old.Generated != nil && expressionText(ctx, old.Generated) != expressionText(ctx, new.Generated) {
		return true
	}
	if old.Nullable != new.Nullable && inIndex(def, old.Name) {
		return true
	}
	return !sameStorage(old.Type, new.Type) || narrowsSRID(old.Type, new.Type)
}

// narrowsSRID reports whether a spatial column gets an SRID that its rows may not have.
func narrowsSRID(old, new sql.Type) bool {
	n, ok := new.(sql.SpatialColumnType)
	if !ok {
		return false
	}
	srid, defined := n.GetSpatialTypeSRID()
	if !defined {
		return false
	}
	o, ok := old.(sql.SpatialColumnType)
	if !ok {
		return true
	}
	was, defined := o.GetSpatialTypeSRID()
	return !defined || was != srid
}

func inIndex(def *engine.TableDef, name string) bool {
	at := def.Column(name)
	for _, ix := range append([]*engine.IndexDef{def.Primary}, def.Indexes...) {
		if slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool { return c.Column == at }) {
			return true
		}
	}
	return false
}

// sameStorage reports whether every value of a is a value of b with the same bytes
// in rows and keys.
func sameStorage(a, b sql.Type) bool {
	if a.Equals(b) {
		return true
	}
	as, ok := a.(sql.StringType)
	bs, ok2 := b.(sql.StringType)
	return ok && ok2 && as.Type() == bs.Type() && as.Collation() == bs.Collation() &&
		as.Type() != sqltypes.Binary && as.MaxCharacterLength() <= bs.MaxCharacterLength()
}

// ModifyDefaultCollation implements sql.CollationAlterableTable.
func (t *Table) ModifyDefaultCollation(ctx *sql.Context, c sql.CollationID) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		def.Collation = row.CollationID(c)
		return nil
	})
}

// ModifyStoredCollation implements sql.CollationAlterableTable.
func (t *Table) ModifyStoredCollation(*sql.Context, sql.CollationID) error {
	return mysql.NewSQLError(mysql.ERNotSupportedYet, "42000",
		"This version of MySQL doesn't yet support 'converting the collations of columns'")
}

// ModifyComment implements sql.CommentAlterableTable.
func (t *Table) ModifyComment(ctx *sql.Context, comment string) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		def.Comment = comment
		return nil
	})
}

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
		out.Columns = append(out.Columns, engine.IndexColumn{Column: o, Prefix: uint32(c.Length)})
	}
	if s, err := sessionOf(ctx); err == nil {
		for i, desc := range s.direction(ix.ColumnNames()) {
			out.Columns[i].Desc = desc
		}
	}
	return out, nil
}

// CreateIndex implements sql.IndexAlterableTable. The index is built when it
// returns.
func (t *Table) CreateIndex(ctx *sql.Context, ix sql.IndexDef) error {
	s, tx, err := writer(ctx)
	if err != nil {
		return err
	}
	sh := t.live(ctx)
	if ix.Name == "" {
		if ix.Name, err = sql.GenerateMySqlIndexName(ctx, ix, t); err != nil {
			return err
		}
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
	def, err := indexDef(ctx, sh.def, ix)
	if err != nil {
		return err
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

func (builtIndex) StatementBegin(*sql.Context)                    {}
func (builtIndex) DiscardChanges(_ *sql.Context, err error) error { return nil }
func (builtIndex) StatementComplete(*sql.Context) error           { return nil }
func (builtIndex) Insert(*sql.Context, sql.Row) error             { return nil }
func (builtIndex) Close(*sql.Context) error                       { return nil }

// DropIndex implements sql.IndexAlterableTable.
func (t *Table) DropIndex(ctx *sql.Context, name string) error {
	if sameName(name, "PRIMARY") {
		return t.DropPrimaryKey(ctx)
	}
	found := false
	err := t.alter(ctx, func(def *engine.TableDef) error {
		n := len(def.Indexes)
		def.Indexes = slices.DeleteFunc(def.Indexes, func(ix *engine.IndexDef) bool { return sameName(ix.Name, name) })
		list, err := pseudoIndexes(def)
		if err != nil {
			return err
		}
		m := len(list)
		list = slices.DeleteFunc(list, func(p pseudoIndex) bool { return sameName(p.Name, name) })
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
	if sh := t.live(ctx); !sameName(from, to) && sh.findIndex(to) != nil {
		return sql.ErrDuplicateKey.New(to)
	}
	return t.alter(ctx, func(def *engine.TableDef) error {
		for _, ix := range def.Indexes {
			if sameName(ix.Name, from) {
				ix.Name = to
				return nil
			}
		}
		list, err := pseudoIndexes(def)
		if err != nil {
			return err
		}
		for i := range list {
			if sameName(list[i].Name, from) {
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
	return t.live(ctx).checks, nil
}

// CreateCheck implements sql.CheckAlterableTable. A check without a name gets
// MySQL's.
func (t *Table) CreateCheck(ctx *sql.Context, c *sql.CheckDefinition) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		name := c.Name
		for i := 1; name == ""; i++ {
			candidate := fmt.Sprintf("%s_chk_%d", def.Name, i)
			if !slices.ContainsFunc(def.Checks, func(d engine.CheckDef) bool { return sameName(d.Name, candidate) }) {
				name = candidate
			}
		}
		if slices.ContainsFunc(def.Checks, func(d engine.CheckDef) bool { return sameName(d.Name, name) }) {
			return sql.ErrDuplicateCheckName.New(name)
		}
		def.Checks = append(def.Checks, engine.CheckDef{Name: name, Expr: c.CheckExpression, Enforced: c.Enforced})
		return nil
	})
}

// DropCheck implements sql.CheckAlterableTable.
func (t *Table) DropCheck(ctx *sql.Context, name string) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		n := len(def.Checks)
		def.Checks = slices.DeleteFunc(def.Checks, func(d engine.CheckDef) bool { return sameName(d.Name, name) })
		if len(def.Checks) == n {
			return errNoSuchCheck(name)
		}
		return nil
	})
}

// Truncate implements sql.TruncateableTable. The planner calls it for a DELETE
// without a condition as well; that one deletes row by row, under locks (T-7).
func (t *Table) Truncate(ctx *sql.Context) (int, error) {
	s, tx, err := writer(ctx)
	if err != nil {
		return 0, err
	}
	sh := t.live(ctx)
	if t.ref.lock == lockDelete {
		return t.deleteAll(ctx, s, tx, sh)
	}
	if _, err := tx.TruncateTable(ctx, sh.def); err != nil {
		return 0, s.fail(ctx, err)
	}
	s.defined(sh.def.ID)
	return 0, nil
}

func (t *Table) deleteAll(ctx *sql.Context, s *Session, tx *engine.Tx, sh *shape) (int, error) {
	mark := tx.Savepoint()
	cur, err := tx.Scan(ctx, sh.def, engine.ScanOptions{Lock: engine.LockExclusive})
	if err != nil {
		return 0, s.fail(ctx, err)
	}
	defer cur.Close()
	n := 0
	for {
		r, err := cur.Next(ctx)
		if isEOF(err) {
			return n, nil
		}
		if err == nil {
			err = tx.Delete(ctx, sh.def, r)
		}
		if err != nil {
			if !endsTransaction(err) {
				tx.RollbackTo(mark)
			}
			return 0, s.fail(ctx, err)
		}
		n++
	}
}

// rewriter fills the new trees of a table that an ALTER rewrites. Readers of the
// running statement see the old table until Close.
type rewriter struct {
	t       *Table
	shape   *shape
	bulk    *engine.BulkWriter
	builder row.Builder
	done    bool
}

// RewriteInserter implements sql.RewritableTable.
func (t *Table) RewriteInserter(ctx *sql.Context, oldSchema, newSchema sql.PrimaryKeySchema, old, new *sql.Column,
	idx []sql.IndexColumn) (sql.RowInserter, error) {
	s, tx, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	cur := t.live(ctx)
	if len(oldSchema.PkOrdinals) > 0 && len(newSchema.PkOrdinals) == 0 {
		if err := sql.ValidatePrimaryKeyDrop(ctx, t, oldSchema); err != nil {
			return nil, err
		}
	}
	def, err := rewritten(ctx, cur.def, newSchema, old, new, idx)
	if err != nil {
		return nil, err
	}
	if err := t.checkable(def); err != nil {
		return nil, err
	}
	bulk, err := tx.Rewrite(ctx, def)
	if err != nil {
		return nil, t.ddlError(ctx, s, err)
	}
	sh, err := newShape(ctx, bulk.Table())
	if err != nil {
		return nil, errors.Join(err, bulk.Abort(ctx))
	}
	w := &rewriter{t: t, shape: sh, bulk: bulk}
	s.tx.cleanup = append(s.tx.cleanup, w.abort)
	return w, nil
}

// rewritten returns cur's definition with the columns and primary key of a schema.
// Columns are recognised by name, old by new's.
func rewritten(ctx *sql.Context, cur *engine.TableDef, schema sql.PrimaryKeySchema, old, new *sql.Column,
	idx []sql.IndexColumn) (*engine.TableDef, error) {
	def := cloneDef(cur)
	def.Columns = nil
	was := make([]int, len(schema.Schema)) // ordinal in cur, -1: new
	for i, c := range schema.Schema {
		name := c.Name
		if old != nil && new != nil && sameName(new.Name, c.Name) {
			name = old.Name
		}
		nc := *c
		nc.PrimaryKey = containsInt(schema.PkOrdinals, i)
		cd, err := columnDef(ctx, &nc)
		if err != nil {
			return nil, err
		}
		if was[i] = cur.Column(name); was[i] >= 0 {
			cd.ID = cur.Columns[was[i]].ID
			if c.Type.Type() == sqltypes.Time {
				setPrecision(ctx, &cd, &cur.Columns[was[i]])
			}
			if name != c.Name {
				renameInForeignKeys(def, name, c.Name)
				if err := renameInPseudo(def, name, c.Name); err != nil {
					return nil, err
				}
			}
		}
		def.Columns = append(def.Columns, cd)
	}
	move := make([]int, len(cur.Columns))
	for i := range move {
		move[i] = slices.Index(was, i)
		if move[i] < 0 && cur.Columns[i].Name != engine.RowIDColumn {
			if err := dropFromPseudo(def, cur.Columns[i].Name); err != nil {
				return nil, err
			}
		}
	}
	columns := def.Columns
	permute(def, columns, move)
	for _, ix := range def.Indexes {
		ix.Root, ix.Tree = 0, 0
	}
	oldPrimary := cur.Primary
	var pk *sql.IndexDef
	if len(idx) == len(schema.PkOrdinals) && len(idx) > 0 {
		pk = &sql.IndexDef{Columns: idx}
	}
	if err := setPrimary(ctx, def, schema, pk); err != nil {
		return nil, err
	}
	if def.Primary != nil && !cur.Keyless() && len(oldPrimary.Columns) == len(def.Primary.Columns) && pk == nil {
		for i := range def.Primary.Columns {
			def.Primary.Columns[i].Prefix = oldPrimary.Columns[i].Prefix
			def.Primary.Columns[i].Desc = oldPrimary.Columns[i].Desc
		}
	}
	return def, nil
}

// StatementBegin implements sql.EditOpenerCloser.
func (w *rewriter) StatementBegin(*sql.Context) {}

// DiscardChanges implements sql.EditOpenerCloser.
func (w *rewriter) DiscardChanges(*sql.Context, error) error {
	w.abort()
	return nil
}

// StatementComplete implements sql.EditOpenerCloser.
func (w *rewriter) StatementComplete(*sql.Context) error { return nil }

// Insert implements sql.RowInserter.
func (w *rewriter) Insert(ctx *sql.Context, r sql.Row) error {
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	if err := checkNulls(w.shape, r); err != nil {
		return err
	}
	if err := w.shape.encode(ctx, &w.builder, r); err != nil {
		return err
	}
	enc, err := w.builder.Row()
	if err != nil {
		return err
	}
	if err := w.bulk.Add(ctx, enc); err != nil {
		return w.t.ddlError(ctx, s, err)
	}
	if w.shape.autoInc >= 0 && r[w.shape.autoInc] != nil {
		if v, ok := counterValue(r[w.shape.autoInc]); ok {
			return s.fail(ctx, w.t.db.b.db.RaiseAutoIncrement(ctx, w.shape.def, v))
		}
	}
	return nil
}

// Close implements sql.Closer.
func (w *rewriter) Close(ctx *sql.Context) error {
	if w.done {
		return nil
	}
	w.done = true
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	if _, err := w.bulk.Finish(ctx); err != nil {
		w.done = false
		w.abort()
		return w.t.ddlError(ctx, s, err)
	}
	s.defined(w.shape.def.ID)
	if w.shape.hasFulltext() {
		return fulltext.RebuildTables(ctx, w.t, w.t.db)
	}
	return nil
}

// abort gives the pages back. It is also called when the transaction ends without
// a Close.
func (w *rewriter) abort() {
	if w.done {
		return
	}
	w.done = true
	if err := w.bulk.Abort(contextWithoutDeadline()); err != nil {
		w.t.db.b.logger.Warn("abort rewrite", "table", w.t.Name(), "err", err)
	}
}
