package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
)

// dropDatabase is DROP DATABASE. It answers with the number of tables and views.
func (b *builder) dropDatabase(ctx *sql.Context, s *Session, n *plan.DropDB, r sql.Row) (sql.RowIter, error) {
	_, tx, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	cat := tx.NewestCatalog()
	if cat.Database(n.DbName) == nil && s.b.fixedDatabase(n.DbName) == nil && !systemDatabase(n.DbName) {
		err := mysql.NewSQLError(mysql.ERDbDropExists, "HY000", "Can't drop database '%s'; database doesn't exist", n.DbName)
		if !n.IfExists {
			return nil, err
		}
		ctx.Session.Warn(&sql.Warning{Level: "Note", Code: err.Num, Message: err.Message})
		return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(0))), nil
	}
	if s.b.mysql && s.boolVariable(ctx, "foreign_key_checks") {
		if err := unreferenced(cat, cat.Tables(n.DbName)); err != nil {
			return nil, err
		}
	}
	dropped := len(cat.Objects(engine.ObjectView, n.DbName))
	for _, t := range cat.Tables(n.DbName) {
		if !isFulltextTable(t.Name) {
			dropped++
		}
	}
	c := *n
	c.Catalog = unguarded{n.Catalog, s.b}
	it, err := b.plain(ctx, s, &c, r)
	if err != nil {
		return nil, err
	}
	if _, err := sql.RowIterToRows(ctx, it); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(sql.NewRow(types.NewOkResult(dropped))), nil
}
