package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// containsName reports whether a list of names has one, in any case.
func containsName(list []string, name string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return syntax.SameName(x, name) })
}

// referrers are the foreign keys that refer to t, of other tables and itself, none if they
// are not checked.
func (t *Table) referrers(ctx *sql.Context) ([]sql.ForeignKeyConstraint, error) {
	s, err := sessionOf(ctx)
	if err != nil || !s.b.mysql || !s.boolVariable(ctx, "foreign_key_checks") {
		return nil, err
	}
	return t.GetReferencedForeignKeys(ctx)
}

// neededColumn returns an error if a foreign key refers to a column that is dropped.
func (t *Table) neededColumn(ctx *sql.Context, name string) error {
	refer, err := t.referrers(ctx)
	for _, fk := range refer {
		if containsName(fk.ParentColumns, name) {
			return mysql.NewSQLError(1829, "HY000", "Cannot drop column '%s': needed in a foreign key constraint '%s' of table '%s'", name, fk.Name, fk.Table)
		}
	}
	return err
}

// neededPrimaryKey returns an error if a foreign key needs the primary key that is dropped.
func (t *Table) neededPrimaryKey(ctx *sql.Context) error {
	refer, err := t.referrers(ctx)
	if err != nil || len(refer) == 0 {
		return err
	}
	sh := t.live(ctx)
	for _, fk := range refer {
		leads := func(ix *Index) bool {
			if ix.def == sh.def.Primary || len(ix.columns) < len(fk.ParentColumns) {
				return false
			}
			for i, name := range fk.ParentColumns {
				if !syntax.SameName(sh.schema[ix.columns[i]].Name, name) {
					return false
				}
			}
			return true
		}
		if !slices.ContainsFunc(sh.indexes, leads) {
			return mysql.NewSQLError(1553, "HY000", "Cannot drop index 'PRIMARY': needed in a foreign key constraint")
		}
	}
	return nil
}

// alterError names the foreign key that the planner's error of a column's change is about.
func alterError(ctx *sql.Context, n sql.Node, err error) error {
	if !value.Served(ctx) {
		return err
	}
	if !sql.ErrForeignKeyTypeChange.Is(err) {
		return err
	}
	transform.Inspect(n, func(n sql.Node) bool {
		m, ok := n.(*plan.ModifyColumn)
		if !ok {
			return true
		}
		t := tableOf(m.Table)
		if t == nil {
			return false
		}
		for _, fk := range t.live(ctx).def.ForeignKeys {
			if containsName(fk.Columns, m.Column()) {
				err = mysql.NewSQLError(1832, "HY000", "Cannot change column '%s': used in a foreign key constraint '%s'", m.Column(), fk.Name)
				return false
			}
		}
		refer, _ := t.referrers(ctx)
		for _, fk := range refer {
			if containsName(fk.ParentColumns, m.Column()) {
				err = mysql.NewSQLError(1833, "HY000", "Cannot change column '%s': used in a foreign key constraint '%s' of table '%s.%s'",
					m.Column(), fk.Name, fk.Database, fk.Table)
			}
		}
		return false
	})
	return err
}

// dependents returns an error if an ALTER TABLE names a column otherwise, or drops one, of which
// a generated column or a default is made that stays: the planner has the generated one follow, or does not
// find the column.
func (s *Session) dependents(ctx *sql.Context, stmt ast.Statement) error {
	n, ok := stmt.(*ast.AlterTable)
	if !ok {
		return nil
	}
	var gone, dropped []string
	for _, d := range n.Statements {
		switch d.ColumnAction {
		case ast.DropStr:
			dropped = append(dropped, d.Column.String())
		case ast.RenameStr:
			if !d.Column.Equal(d.ToColumn) {
				gone = append(gone, d.Column.String())
			}
		case ast.ChangeStr:
			if d.TableSpec != nil && len(d.TableSpec.Columns) == 1 && !d.Column.Equal(d.TableSpec.Columns[0].Name) {
				gone = append(gone, d.Column.String())
			}
		}
	}
	if len(gone)+len(dropped) == 0 {
		return nil
	}
	t, err := s.namedTable(ctx, syntax.TableName{Database: n.Table.DbQualifier.String(), Name: n.Table.Name.String()})
	if err != nil {
		return nil // the planner says so
	}
	def := *t.shape.def
	def.Checks = nil // the planner asks them
	def.Columns = slices.DeleteFunc(slices.Clone(def.Columns), func(c engine.ColumnDef) bool { return containsName(dropped, c.Name) })
	for _, name := range append(gone, dropped...) {
		if err := dependedOn(&def, name); err != nil {
			return err
		}
	}
	return nil
}
