package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
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
			if n.Full && row[2] != nil {
				row[2] = t.Collation().Name()
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

// unquoted returns the value of a quoted literal; other texts as they are.
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return s
	}
	return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
}
