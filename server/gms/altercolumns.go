package gms

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

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
	return t.addColumn(ctx, c, order, func() (any, error) { return nil, nil })
}

// addColumn adds a column instantly, with the value that rows of before have in it.
func (t *Table) addColumn(ctx *sql.Context, c *sql.Column, order *sql.ColumnOrder, added func() (any, error)) error {
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
		v, err := added()
		if v == nil || err != nil {
			return err
		}
		def.Columns[at].Added, err = inOldRows(ctx, def, at, v)
		return err
	})
}

// inOldRows returns a value as a column's rows have it.
func inOldRows(ctx *sql.Context, def *engine.TableDef, at int, v any) (row.Datum, error) {
	sh, err := newShape(ctx, def)
	if err != nil {
		return row.Datum{}, err
	}
	r := make(sql.Row, len(sh.codecs))
	r[at] = v
	if r, err = sh.inFormats(ctx, value.Assigner{Row: 1}, sh.rounded(ctx, r)); err != nil {
		return row.Datum{}, err
	}
	return sh.codecs[at].Stored(ctx, r[at])
}

// addedAtOnce adds a column whose value in the rows of before is one: they are not touched (T-24). Returns nil for
// one of another kind: an expression's values may differ from row to row.
func addedAtOnce(ctx *sql.Context, n *plan.AddColumn) sql.RowIter {
	c, t := n.Column(), tableOf(n.Table)
	if t == nil || c.Nullable && c.Default == nil || c.Generated != nil || c.AutoIncrement || c.PrimaryKey ||
		c.Default != nil && c.Default.Parenthesized || c.Default == nil && types.IsGeometry(c.Type) || hasFulltext(t.live(ctx).def) {
		return nil
	}
	return &laterIter{build: func(ctx *sql.Context) (sql.RowIter, error) {
		if text, ok := c.Type.(sql.TypeWithCollation); ok && text.Collation() == sql.Collation_Unspecified {
			var err error
			if c.Type, err = text.WithNewCollation(t.Collation()); err != nil {
				return nil, err
			}
		}
		err := t.addColumn(ctx, c, n.Order(ctx), func() (any, error) {
			if c.Default != nil {
				return c.Default.Eval(ctx, nil)
			}
			return value.ImplicitDefault(c.Type), t.zeroMoment(ctx, c)
		})
		if err != nil {
			return nil, err
		}
		return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), nil
	}}
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
		if err := dropChecksOf(def, name); err != nil {
			return err
		}
		if err := dependedOn(def, name); err != nil {
			return err
		}
		if err := t.neededColumn(ctx, name); err != nil {
			return err
		}
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
		if !syntax.SameName(name, c.Name) {
			if err := dependedOn(def, name); err != nil {
				return err
			}
		}
		old := def.Columns[at]
		nc := *c
		nc.PrimaryKey = slices.ContainsFunc(def.Primary.Columns, func(p engine.IndexColumn) bool { return p.Column == at })
		cd, err := columnDef(ctx, &nc)
		if err != nil {
			return err
		}
		cd.ID, cd.Added = old.ID, old.Added
		setShownCharset(ctx, &cd, &old)
		if c.Type.Type() == sqltypes.Time {
			setPrecision(ctx, &cd, &old)
		} else if expr.IsNumeric(c.Type) {
			setFormat(ctx, &cd, &old)
		}
		if err := renameInPseudo(def, name, c.Name); err != nil {
			return err
		}
		renameInForeignKeys(def, name, c.Name)
		return putColumn(def, at, cd, order)
	})
}

// moveColumn moves a column as it is.
func (t *Table) moveColumn(ctx *sql.Context, name string, order *sql.ColumnOrder) error {
	return t.alter(ctx, func(def *engine.TableDef) error {
		at := def.Column(name)
		if at < 0 {
			return sql.ErrTableColumnNotFound.New(def.Name, name)
		}
		return putColumn(def, at, def.Columns[at], order)
	})
}

// putColumn replaces a column, and moves it if there is an order.
func putColumn(def *engine.TableDef, at int, c engine.ColumnDef, order *sql.ColumnOrder) error {
	to := at
	if order != nil {
		var err error
		if to, err = place(def, order); err != nil {
			return err
		}
		if to > at {
			to--
		}
	}
	columns := slices.Insert(slices.Delete(slices.Clone(def.Columns), at, at+1), to, c)
	move := make([]int, len(def.Columns))
	for i := range def.Columns {
		move[i] = slices.IndexFunc(columns, func(c engine.ColumnDef) bool { return c.ID == def.Columns[i].ID })
	}
	permute(def, columns, move)
	return nil
}

func renameInForeignKeys(def *engine.TableDef, from, to string) {
	for i := range def.ForeignKeys {
		fk := &def.ForeignKeys[i]
		fk.Columns = slices.Clone(fk.Columns)
		for j, c := range fk.Columns {
			if syntax.SameName(c, from) {
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
			if (len(ix.Columns) > 1 || ix == def.Primary) && slices.ContainsFunc(ix.Columns, func(c engine.IndexColumn) bool { return c.Column == at }) {
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
	if (old.Generated == nil) != (new.Generated == nil) || old.Virtual != new.Virtual ||
		old.Generated != nil && expressionText(ctx, old.Generated) != expressionText(ctx, new.Generated) {
		return true
	}
	if old.Nullable != new.Nullable && inIndex(def, old.Name) {
		return true
	}
	if p := t.live(ctx).parts; p != nil && slices.Contains(p.columns, def.Column(old.Name)) && (old.Nullable != new.Nullable || !old.Type.Equals(new.Type)) {
		return true // other partitions may have the rows
	}
	return !sameStorage(old.Type, new.Type) || narrowsSRID(old.Type, new.Type) || losesDigits(ctx, def, old.Name, new)
}

// losesDigits reports whether a TIME, FLOAT or DOUBLE gets fewer digits behind the point, or a number that is no integer UNSIGNED.
func losesDigits(ctx *sql.Context, def *engine.TableDef, name string, to *sql.Column) bool {
	at := def.Column(name)
	if at < 0 {
		return false
	}
	was, will := def.Columns[at], def.Columns[at]
	will.Name, will.Options = to.Name, maps.Clone(was.Options)
	if to.Type.Type() == sqltypes.Time {
		setPrecision(ctx, &will, &was)
		digits := expr.Precision(&will)
		return digits >= 0 && (expr.Precision(&was) < 0 || expr.Precision(&was) > digits)
	}
	setFormat(ctx, &will, &was)
	f, ok := expr.FormatOf(&will)
	return ok && (f.Digits > 0 || f.Unsigned) && was.Options[expr.OptFormat] != will.Options[expr.OptFormat]
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

// ModifyComment implements sql.CommentAlterableTable. With a mark it does what the clause stands for.
func (t *Table) ModifyComment(ctx *sql.Context, comment string) error {
	if id, ok := strings.CutPrefix(comment, laterMark); ok {
		return t.alterLater(ctx, id)
	}
	if clause, ok := strings.CutPrefix(comment, partsMark); ok {
		return t.repartition(ctx, clause)
	}
	return t.alter(ctx, func(def *engine.TableDef) error {
		changes, checks := strings.CutPrefix(comment, checksMark)
		s, ok := ctx.Session.(*Session)
		switch {
		case ok && comment == optionsMark:
			s.setOptions(def)
		case checks:
			var c checkChanges
			if err := json.Unmarshal([]byte(changes), &c); err != nil {
				return err
			}
			for _, name := range c.Drops { // a prepared statement's may be gone
				n := len(def.Checks)
				def.Checks = slices.DeleteFunc(slices.Clone(def.Checks), func(d engine.CheckDef) bool { return syntax.SameName(name, d.Name) })
				if len(def.Checks) == n {
					return errNoSuchCheck(name)
				}
			}
		default:
			def.Comment = comment
		}
		return nil
	})
}
