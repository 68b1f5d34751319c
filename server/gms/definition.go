package gms

import (
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/syntax"
)

// showCreateTable answers SHOW CREATE TABLE and SHOW CREATE VIEW as MySQL does.
func (b *builder) showCreateTable(ctx *sql.Context, s *Session, n *plan.ShowCreateTable, r sql.Row) (sql.RowIter, error) {
	if t := tableOf(n.Child); t != nil && !n.IsView {
		text, err := createTable(ctx, t, n)
		if err != nil {
			return nil, err
		}
		return sql.RowsToRowIter(sql.Row{t.Name(), t.shape.withFormats(t.shape.withPrecisions(text))}), nil
	}
	it, err := b.plain(ctx, s, n, r)
	if err != nil {
		return nil, err
	}
	rows, err := sql.RowIterToRows(ctx, it)
	if err != nil || len(rows) == 0 {
		return sql.RowsToRowIter(rows...), err
	}
	if v, ok := n.Child.(*plan.SubqueryAlias); ok {
		return b.showCreateView(ctx, s, v, rows)
	}
	return sql.RowsToRowIter(rows...), nil
}

// showCreateDatabase answers SHOW CREATE DATABASE.
func (b *builder) showCreateDatabase(ctx *sql.Context, n *plan.ShowCreateDatabase) (sql.RowIter, error) {
	db, collation, unless := n.Database(), sql.Collation_Default, ""
	if c, ok := db.(sql.CollatedDatabase); ok {
		collation = c.GetCollation(ctx)
	}
	if n.IfNotExists {
		unless = "/*!32312 IF NOT EXISTS*/ "
	}
	return sql.RowsToRowIter(sql.Row{db.Name(), fmt.Sprintf("CREATE DATABASE %s%s /*!40100 DEFAULT CHARACTER SET %s */ /*!80016 DEFAULT ENCRYPTION='N' */",
		unless, syntax.QuoteName(db.Name()), charsetText(collation, " COLLATE "))}), nil
}
