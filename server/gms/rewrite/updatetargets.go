package rewrite

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// CheckTarget refuses ORDER BY and LIMIT of an UPDATE of several tables, and a subquery of an
// UPDATE, a DELETE or an INSERT of VALUES that reads a table which it writes, unless a derived table, which is read
// before, is in between. columns returns those of a table.
func CheckTarget(stmt ast.Statement, db string, columns func(ast.TableName) ast.Columns) error {
	var from ast.TableExprs
	var parts []ast.SQLNode
	var written func(alias string, t ast.TableName) bool
	targets := map[string]ast.TableName{} // by their names in the statement
	switch n := stmt.(type) {
	case *ast.Update:
		switch several := SeveralTables(n.TableExprs); {
		case several && len(n.OrderBy) > 0:
			return mysql.NewSQLError(1221, "HY000", "Incorrect usage of UPDATE and ORDER BY")
		case several && n.Limit != nil:
			return mysql.NewSQLError(1221, "HY000", "Incorrect usage of UPDATE and LIMIT")
		}
		from, parts = n.TableExprs, []ast.SQLNode{n.Exprs, n.Where, n.OrderBy}
		written = func(alias string, t ast.TableName) bool {
			if !SeveralTables(from) {
				return true
			}
			return slices.ContainsFunc(n.Exprs, func(e *ast.AssignmentExpr) bool {
				if q := e.Name.Qualifier.Name.String(); q != "" {
					return syntax.SameName(q, alias)
				}
				return slices.ContainsFunc(columns(t), e.Name.Name.Equal)
			})
		}
	case *ast.Delete:
		from, parts = n.TableExprs, []ast.SQLNode{n.Where, n.OrderBy}
		written = func(alias string, _ ast.TableName) bool {
			return len(n.Targets) == 0 || slices.ContainsFunc(n.Targets, func(t ast.TableName) bool { return syntax.SameName(t.Name.String(), alias) })
		}
	case *ast.Insert: // of VALUES: a SELECT is read before
		rows, values := n.Rows.(*ast.AliasedValues)
		if !values {
			return nil
		}
		parts = []ast.SQLNode{rows.Values, n.OnDup}
		targets[n.Table.Name.String()] = n.Table
	default:
		return nil
	}
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.JoinTableExpr:
			if n.Condition.On != nil {
				parts = append(parts, n.Condition.On)
			}
		case *ast.AliasedTableExpr:
			t, ok := n.Expr.(ast.TableName)
			if alias := cmp.Or(n.As.String(), t.Name.String()); ok && written(alias, t) {
				targets[alias] = t
			}
			return false, nil
		case ast.Expr:
			return false, nil
		}
		return true, nil
	}, from)
	database := func(t ast.TableName) string { return cmp.Or(t.DbQualifier.String(), db) }
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.With:
			return false, nil
		case *ast.AliasedTableExpr:
			t, ok := n.Expr.(ast.TableName)
			for name, target := range targets {
				if ok && strings.EqualFold(t.Name.String(), target.Name.String()) && strings.EqualFold(database(t), database(target)) {
					return false, mysql.NewSQLError(1093, "HY000", "You can't specify target table '%s' for update in FROM clause", name)
				}
			}
			return ok, nil
		}
		return true, nil
	}, parts...)
}

// SeveralTables reports whether a FROM list is not one table.
func SeveralTables(from ast.TableExprs) bool {
	if len(from) != 1 {
		return true
	}
	_, one := from[0].(*ast.AliasedTableExpr)
	return !one
}
