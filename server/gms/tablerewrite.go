package gms

import (
	"errors"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/fulltext"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// rewriter fills the new trees of a table that an ALTER rewrites. Readers of the
// running statement see the old table until Close.
type rewriter struct {
	t       *Table
	shape   *shape
	bulk    *engine.BulkWriter
	builder row.Builder
	done    bool
	row     int64 // the number of the last one, from 1
	// computed are the values of generated columns by ordinal, nil where a row brings its own.
	computed []*sql.ColumnDefaultValue
	changed  int    // the ordinal of the column that changes, -1: none does
	member   int    // that of an ENUM that is added, NOT NULL and without a default, -1: none is
	from     string // the name that the column has had
}

// RewriteInserter implements sql.RewritableTable.
func (t *Table) RewriteInserter(ctx *sql.Context, oldSchema, newSchema sql.PrimaryKeySchema, old, new *sql.Column,
	idx []sql.IndexColumn) (sql.RowInserter, error) {
	s, tx, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	if def := t.live(ctx).def; !def.Temporary { // its rows are looked at
		if err := tx.LockDefinition(ctx, def.Database, def.Name); err != nil {
			return nil, t.ddlError(ctx, s, err)
		}
	}
	if old == nil && new != nil {
		if err := t.zeroMoment(ctx, new); err != nil {
			return nil, err
		}
	}
	if old == nil && new == nil { // of a primary key: the planner computes virtual columns from others than they name
		for _, c := range newSchema.Schema {
			if c.Virtual && c.Generated != nil {
				e, err := ofRow(ctx, c.Generated, newSchema.Schema)
				if err != nil {
					return nil, err
				}
				c.Generated = e.(*sql.ColumnDefaultValue)
			}
		}
	}
	cur := t.live(ctx)
	if old != nil && new != nil && old.Virtual != new.Virtual {
		return nil, mysql.NewSQLError(3106, "HY000", "'Changing the STORED status' is not supported for generated columns.")
	}
	if old != nil && (new == nil || !syntax.SameName(old.Name, new.Name)) {
		def := cloneDef(cur.def)
		if new == nil {
			if err := dropChecksOf(def, old.Name); err != nil {
				return nil, err
			}
		}
		if err := dependedOn(def, old.Name); err != nil {
			return nil, err
		}
	}
	dropped := old != nil && new == nil
	if dropped { // it leaves the key, of which the planner has it at -1
		newSchema.PkOrdinals = slices.DeleteFunc(slices.Clone(newSchema.PkOrdinals), func(at int) bool { return at < 0 })
		if err := t.neededColumn(ctx, old.Name); err != nil {
			return nil, err
		}
	}
	if len(oldSchema.PkOrdinals) > 0 && len(newSchema.PkOrdinals) == 0 {
		if !dropped || !old.AutoIncrement {
			if err := sql.ValidatePrimaryKeyDrop(ctx, t, oldSchema); err != nil {
				return nil, err
			}
		}
		if err := t.neededPrimaryKey(ctx); err != nil {
			return nil, err
		}
	}
	def, err := rewritten(ctx, cur.def, newSchema, old, new, idx)
	if err == nil {
		err = staysPartitioned(ctx, cur.def, def)
	}
	if err != nil {
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
	w := &rewriter{t: t, shape: sh, bulk: bulk, changed: -1, member: -1}
	if old == nil && new != nil && types.IsEnum(new.Type) && !new.Nullable && new.Default == nil && new.Generated == nil {
		w.member = newSchema.Schema.IndexOfColName(new.Name)
	}
	if new != nil && old != nil {
		w.from = old.Name
		w.computed = make([]*sql.ColumnDefaultValue, len(newSchema.Schema))
		for i, c := range newSchema.Schema {
			w.computed[i] = c.Generated
			if syntax.SameName(c.Name, new.Name) {
				w.changed = i
			}
		}
	}
	s.tx.cleanup = append(s.tx.cleanup, w.abort)
	if s.rewriting = nil; w.changed >= 0 {
		s.rewriting = w
	}
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
		if old != nil && new != nil && syntax.SameName(new.Name, c.Name) {
			name = old.Name
		}
		nc := *c
		nc.PrimaryKey = containsInt(schema.PkOrdinals, i)
		was[i] = cur.Column(name)
		stays := was[i] >= 0 && (new == nil || !syntax.SameName(new.Name, c.Name))
		if stays {
			nc.Default, nc.Generated = nil, nil // their texts do
		}
		cd, err := columnDef(ctx, &nc)
		if err != nil {
			return nil, err
		}
		if was[i] >= 0 {
			cd.ID = cur.Columns[was[i]].ID
			if d := cur.Columns[was[i]]; stays {
				cd.HasDefault, cd.Default, cd.DefaultExpr, cd.Generated = d.HasDefault, d.Default, d.DefaultExpr, d.Generated
				if kind := d.Options[optArray]; kind != "" {
					cd.Options[optArray] = kind
				}
			}
			setShownCharset(ctx, &cd, &cur.Columns[was[i]])
			if c.Type.Type() == sqltypes.Time {
				setPrecision(ctx, &cd, &cur.Columns[was[i]])
			} else if expr.IsNumeric(c.Type) {
				setFormat(ctx, &cd, &cur.Columns[was[i]])
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
	for i, e := range w.computed {
		if e == nil {
			continue
		}
		if r[i], err = e.Eval(ctx, r); err != nil {
			return err
		}
	}
	if w.member >= 0 {
		r[w.member] = value.ImplicitDefault(w.shape.schema[w.member].Type)
	}
	w.row++
	if r, err = w.shape.inFormats(ctx, value.Assigner{Row: w.row}, w.shape.rounded(ctx, r)); err != nil {
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
	part := 0
	if w.shape.parts != nil {
		if part, err = w.shape.parts.of(w.shape.def.Desc(), enc); err != nil {
			return err
		}
	}
	if err := w.bulk.Add(ctx, part, enc); err != nil {
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
	s.rewriting = nil
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
