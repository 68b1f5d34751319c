package gms

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
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
	if !def.Temporary { // what the change asks of other tables stays so
		if err := tx.LockDefinition(ctx, def.Database, def.Name); err != nil {
			return t.ddlError(ctx, s, err)
		}
	}
	if err := change(def); err != nil {
		return err
	}
	if err := someVisible(def); err != nil {
		return err
	}
	if err := staysPartitioned(ctx, t.live(ctx).def, def); err != nil {
		return err
	}
	if _, err := tx.AlterTable(ctx, def); err != nil {
		return t.ddlError(ctx, s, err)
	}
	s.defined(def.ID)
	return nil
}

func (t *Table) ddlError(ctx *sql.Context, s *Session, err error) error {
	var dup *engine.DuplicateError
	if errors.As(err, &dup) {
		sh, err := newShape(ctx, dup.Table)
		if err != nil {
			return err
		}
		values := make([]string, len(dup.Index.Columns))
		desc := dup.Table.Desc()
		for i, c := range dup.Index.Columns {
			if c.Multi {
				values[i] = sh.takenMember(ctx, dup, i)
				continue
			}
			if values[i] = "NULL"; !desc.IsNull(dup.Existing, c.Column) {
				v := sh.codecs[c.Column].Get(desc, dup.Existing, c.Column)
				if at, ok := v.(time.Time); ok && sh.codecs[c.Column].Store == row.TypeTimestamp {
					v = s.TimeZone(ctx).Clock(at)
				}
				values[i] = text(ctx, sh.codecs[c.Column].Typ, v, int(c.Prefix))
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
	cd, err := value.NewCodec(c.Type)
	if err != nil {
		return engine.ColumnDef{}, err
	}
	out := engine.ColumnDef{
		Column: row.Column{
			Name: c.Name, Type: cd.Store, Nullable: c.Nullable && !c.PrimaryKey, Collation: cd.Collation,
		},
		Comment: c.Comment, AutoIncrement: c.AutoIncrement, Hidden: c.HiddenSystem,
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
		setPrecision(ctx, &out, expr.SourceColumn(ctx, c))
	} else if expr.IsNumeric(c.Type) {
		setFormat(ctx, &out, expr.SourceColumn(ctx, c))
	}
	if c.HiddenSystem {
		out.Options[optSystem] = "1"
		if kind := arrayKind(c.Generated); kind != "" {
			out.Options[optArray] = kind
		}
	}
	s, ok := ctx.Session.(*Session)
	if c.Hidden || ok && s.hides(c.Name) {
		out.Options[optHidden] = "1"
	}
	if ok {
		options, _ := s.optionsIn(c.Name)
		for _, o := range options {
			out.Options[o] = "1"
		}
	}
	if c.Virtual {
		out.Options[optVirtual] = "1"
	}
	if e := c.Extra; e != "" && e != virtualGenerated && e != storedGenerated && !strings.Contains(e, onUpdate) {
		out.Options[optExtra] = c.Extra
	}
	if hasNoDefault(c) {
		out.Options[expr.OptNoDefault] = "1"
	} else if c.Default != nil {
		out.HasDefault = true
		out.Default, out.DefaultExpr = expressionText(ctx, c.Default), c.Default.IsParenthesized()
	}
	if c.Generated != nil {
		out.Generated = expressionText(ctx, c.Generated)
	}
	if c.OnUpdate != nil {
		out.OnUpdate = expressionText(ctx, c.OnUpdate)
	}
	return out, cmp.Or(canBeRead(ctx, out.Default), canBeRead(ctx, out.Generated))
}

// canBeRead returns an error of an expression of a definition whose text is none: a table with it could not be opened.
func canBeRead(ctx *sql.Context, text string) error {
	unsupported := value.ErrNotSupported("the expression " + text)
	stmt, err := newParser().ParseSimple("SELECT " + cmp.Or(text, "0"))
	if err != nil {
		return unsupported
	}
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if f, ok := n.(*ast.FuncExpr); ok && f.Qualifier.IsEmpty() && !nativeFunction(ctx, f.Name.String()) {
			s, err := sessionOf(ctx)
			if err != nil {
				return false, err
			}
			if _, ok := s.b.Function(ctx, "", f.Name.String()); !ok {
				return false, unsupported
			}
		}
		return true, nil
	}, stmt)
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
	return typeName(t), ct.Collation().Name()
}

// expressionText returns a default as SQL text without table names.
func expressionText(ctx *sql.Context, d *sql.ColumnDefaultValue) string {
	e, _, err := transform.Expr(ctx, d, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		gf, ok := e.(*expression.GetField)
		if !ok {
			return e, transform.SameTree, nil
		}
		n := expression.NewGetField(gf.Index(), gf.Type(ctx), gf.Name(), gf.IsNullable(ctx))
		return n.WithQuotedNames(sql.DefaultMySQLSchemaFormatter, true), transform.NewTree, nil
	})
	text := d.String()
	if err == nil {
		text = e.String()
	}
	return readableText(text)
}

// readableText is the planner's text of an expression as one that it reads.
func readableText(text string) string {
	text = extractUnit.ReplaceAllString(withoutAssigned(text), "extract($1 from ")
	text = firstWord.ReplaceAllString(text, "$1($2,")
	return strings.ReplaceAll(text, "uncompressedlength(", "uncompressed_length(")
}

// extractUnit and firstWord are the planner's texts of functions whose first argument is no text.
var (
	extractUnit = regexp.MustCompile(`\bextract\('(\w+)' from `)
	firstWord   = regexp.MustCompile(`(?i)\b(timestampdiff|timestampadd|get_format)\('(\w+)',`)
)

// tableDef returns the stored form of a new table.
func tableDef(ctx *sql.Context, db, name string, schema sql.PrimaryKeySchema, c sql.CollationID, comment string,
	pk *sql.IndexDef, temporary bool) (*engine.TableDef, error) {
	def := &engine.TableDef{
		Database: db, Name: name, Collation: row.CollationID(c), Comment: comment,
		Temporary: temporary,
		Options:   map[string]string{createdOption: strconv.FormatInt(time.Now().UnixMicro(), 10)},
	}
	if s, ok := ctx.Session.(*Session); ok {
		if s.setOptions(def); temporary {
			def.Comment = s.tableOptions["comment"] // the planner has none
		}
	}
	for _, col := range schema.Schema {
		cd, err := columnDef(ctx, col)
		if err != nil {
			return nil, err
		}
		def.Columns = append(def.Columns, cd)
	}
	if err := someVisible(def); err != nil {
		return nil, err
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
		o := s.optionsOf(rewrite.PrimaryName, names)
		for i, desc := range o.desc {
			p.Columns[i].Desc = desc
		}
		p.Options = o.kept
	}
	def.Primary = p
	return nil
}

// alreadyThere reports whether the table of a CREATE TABLE IF NOT EXISTS is there, or a view of its name, and notes it. It
// returns an error if a table without IF NOT EXISTS has the name of a view.
func (s *Session) alreadyThere(ctx *sql.Context, n *plan.CreateTable) (bool, error) {
	if n.Temporary() {
		if !n.IfNotExists() || s.temporary(n.Db.Name(), n.Name()) == nil {
			return false, nil
		}
	} else {
		cat, err := s.catalog(ctx)
		if err != nil {
			return false, err
		}
		view := cat.Object(engine.ObjectView, n.Db.Name(), n.Name()) != nil
		switch {
		case !n.IfNotExists() && view:
			return false, sql.ErrTableAlreadyExists.New(n.Name())
		case !n.IfNotExists(), !view && cat.Table(n.Db.Name(), n.Name()) == nil:
			return false, nil
		}
	}
	ctx.Session.Warn(&sql.Warning{Level: "Note", Code: 1050, Message: fmt.Sprintf("Table '%s' already exists", n.Name())})
	return true, nil
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
	clause, err := s.clauseOf(name)
	if err == nil && clause != nil {
		err = divide(ctx, def, clause, nil)
	}
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
	cur, err := tx.Scan(ctx, sh.def, engine.ScanOptions{Lock: engine.LockExclusive, Parts: t.only})
	if err != nil {
		return 0, s.fail(ctx, err)
	}
	defer cur.Close()
	n := 0
	for {
		r, err := cur.Next(ctx)
		if expr.IsEOF(err) {
			return n, nil
		}
		def := sh.def
		if err == nil {
			def, err = sh.place(r)
		}
		if err == nil {
			err = sh.placed(cur, r)
		}
		if err == nil {
			err = tx.Delete(ctx, def, r)
		}
		if err != nil {
			if !endsTransaction(err) {
				tx.RollbackTo(mark)
			}
			return 0, s.fail(ctx, err)
		}
		s.work.add(deleted, 1)
		n++
	}
}
