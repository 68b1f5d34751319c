package gms

import (
	"cmp"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// checkTarget refuses ORDER BY and LIMIT of an UPDATE of several tables, and a subquery of an
// UPDATE or DELETE of one table that reads that table, unless a derived table, which is read
// before, is in between.
func checkTarget(stmt ast.Statement, db string) error {
	var from ast.TableExprs
	var parts []ast.SQLNode
	switch n := stmt.(type) {
	case *ast.Update:
		switch several := severalTables(n.TableExprs); {
		case several && len(n.OrderBy) > 0:
			return mysql.NewSQLError(1221, "HY000", "Incorrect usage of UPDATE and ORDER BY")
		case several && n.Limit != nil:
			return mysql.NewSQLError(1221, "HY000", "Incorrect usage of UPDATE and LIMIT")
		}
		from, parts = n.TableExprs, []ast.SQLNode{n.Exprs, n.Where, n.OrderBy}
	case *ast.Delete:
		if len(n.Targets) == 0 {
			from, parts = n.TableExprs, []ast.SQLNode{n.Where, n.OrderBy}
		}
	}
	if len(from) != 1 {
		return nil
	}
	to, ok := from[0].(*ast.AliasedTableExpr)
	if !ok {
		return nil
	}
	target, ok := to.Expr.(ast.TableName)
	if !ok {
		return nil
	}
	database := func(t ast.TableName) string { return cmp.Or(t.DbQualifier.String(), db) }
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.With:
			return false, nil
		case *ast.AliasedTableExpr:
			t, ok := n.Expr.(ast.TableName)
			if ok && strings.EqualFold(t.Name.String(), target.Name.String()) && strings.EqualFold(database(t), database(target)) {
				name := cmp.Or(to.As.String(), target.Name.String())
				return false, mysql.NewSQLError(1093, "HY000", "You can't specify target table '%s' for update in FROM clause", name)
			}
			return ok, nil
		}
		return true, nil
	}, parts...)
}
