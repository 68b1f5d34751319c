package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
)

// showColumns answers SHOW COLUMNS as MySQL does: a type without its collation, the
// column's own collation, defaults as values.
func (b *builder) showColumns(ctx *sql.Context, s *Session, n *plan.ShowColumns, r sql.Row) (sql.RowIter, error) {
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(ctx, it)
	if err != nil {
		return nil, err
	}
	columns := n.TargetSchema()
	for _, row := range rows {
		name, _ := row[0].(string)
		i := columns.IndexOfColName(name)
		if i < 0 {
			continue
		}
		value := 4 // of the default
		if n.Full {
			value = 5
		}
		if t, ok := columns[i].Type.(sql.TypeWithCollation); ok {
			row[1] = t.StringWithTableCollation(t.Collation())
			if n.Full && (row[2] != nil || types.IsEnum(columns[i].Type) || types.IsSet(columns[i].Type)) {
				row[2] = t.Collation().Name()
			}
		}
		if columns[i].Type.Type() == sqltypes.Time {
			if c := sourceColumn(ctx, columns[i]); c != nil && precision(c) >= 0 {
				row[1] = timeText(precision(c))
			}
		}
		if n.Full {
			row[7] = "select,insert,update,references"
		}
		if text, ok := row[value].(string); ok {
			row[value] = unquoted(text)
		}
	}
	return sql.RowsToRowIter(rows...), nil
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
	return sql.RowsToRowIter(rows...), nil
}

// unquoted returns the value of a quoted literal; other texts as they are.
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return s
	}
	return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
}
