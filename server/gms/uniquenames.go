package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// uniqueNames refuses a FROM that has a name twice, before the planner finds that a column of
// it is ambiguous.
func uniqueNames(stmt ast.Statement) error {
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok || !severalTables(s.From) {
			return true, nil
		}
		seen := map[tableName]bool{}
		return true, ast.Walk(func(n ast.SQLNode) (bool, error) {
			switch n := n.(type) {
			case *ast.Subquery:
				return false, nil
			case *ast.AliasedTableExpr:
				t, _ := n.Expr.(ast.TableName)
				name := n.As.String()
				if name == "" {
					name = t.Name.String()
				}
				of := tableName{strings.ToLower(t.DbQualifier.String()), strings.ToLower(name)}
				if name != "" && seen[of] {
					return false, sql.ErrDuplicateAliasOrTable.New(name)
				}
				seen[of] = true
				return false, nil
			}
			return true, nil
		}, s.From)
	}, stmt)
}
