package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
)

// showColumns answers SHOW COLUMNS with what COLUMNS has, of one table or view.
func (b *builder) showColumns(ctx *sql.Context, s *Session, n *plan.ShowColumns) (sql.RowIter, error) {
	columns := describe(n.TargetSchema(), nil)
	if t := tableOf(n.Child); t != nil {
		columns = describe(t.shape.schema, t.shape)
	} else if v, ok := n.Child.(*plan.SubqueryAlias); ok {
		if err := s.viewTypes(ctx, v.Child, columns); err != nil {
			return nil, err
		}
	}
	var rows []sql.Row
	for _, c := range columns {
		if c.HiddenSystem && !n.Extended {
			continue
		}
		privileges := s.columnPrivileges(ctx, c.DatabaseSource, c.Source, c.Name)
		if privileges == "" && s.checked() && s.temporary(c.DatabaseSource, c.Source) == nil {
			continue
		}
		of := c.row(ctx, "", "", 0, "") // of COLUMNS
		row := sql.Row{of[3], of[15], of[6], of[16], of[5], of[17]}
		if n.Full {
			row = sql.Row{of[3], of[15], of[14], of[6], of[16], of[5], of[17], privileges, of[19]}
		}
		rows = append(rows, row)
	}
	if t := tableOf(n.Child); t != nil && n.Extended {
		for _, c := range storageColumns(t) {
			row := sql.Row{c, "", "NO", "", nil, ""}
			if n.Full {
				row = sql.Row{c, "", nil, "NO", "", nil, "", s.columnPrivileges(ctx, t.Database(), t.Name(), c), ""}
			}
			rows = append(rows, row)
		}
	}
	return sql.RowsToRowIter(rows...), nil
}

// storageColumns are the columns that InnoDB keeps besides a table's own.
func storageColumns(t *Table) []string {
	columns := []string{"DB_TRX_ID", "DB_ROLL_PTR"}
	if t.shape.def.Keyless() {
		columns = append([]string{"DB_ROW_ID"}, columns...)
	}
	return columns
}

// showTableStatus answers SHOW TABLE STATUS with what TABLES has.
func (b *builder) showTableStatus(ctx *sql.Context, s *Session, n *plan.ShowTableStatus) (sql.RowIter, error) {
	tables, err := tableRowsOf(ctx, s, n.Catalog, n.Database().Name())
	if err != nil {
		return nil, err
	}
	var rows []sql.Row
	for _, r := range tables {
		// Name, Engine … Comment: TABLES without its first two columns and the type
		rows = append(rows, append(sql.Row{r[2]}, r[4:]...))
	}
	if err := convertRows(ctx, n.Schema(ctx), rows); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(rows...), nil
}

// showIndexes answers SHOW INDEX with what STATISTICS has.
func (b *builder) showIndexes(ctx *sql.Context, n *plan.ShowIndexes, t *Table, s *Session) (sql.RowIter, error) {
	def := t.shape.def
	size, err := s.b.db.TableStats(ctx, def)
	if err != nil {
		return nil, wireError(err)
	}
	st, err := s.b.stats.of(ctx, t)
	if err != nil {
		return nil, err
	}
	var rows []sql.Row
	for _, r := range indexRows(t.Database(), def, size.Rows, st) {
		rows = append(rows, append(sql.Row{r[2], r[3]}, r[5:]...))
	}
	if err := convertRows(ctx, n.Schema(ctx), rows); err != nil {
		return nil, err
	}
	if rows, err = s.filtered(ctx, s.b.catalog, n, rows); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(rows...), nil
}
