package gms

import (
	"fmt"
	"strings"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// columnsOrVariables returns 1054 for a name that no table of a statement has a column of.
// The planner takes one that is a variable's for the variable: `DELETE FROM t WHERE
// autocommit` would delete all rows. Nothing is said of a statement with tables whose columns
// are not known here, as those of views and of functions.
func (s *Session) columnsOrVariables(ctx *sql.Context, stmt ast.Statement) error {
	switch stmt.(type) {
	case ast.SelectStatement, *ast.Insert, *ast.Update, *ast.Delete:
	default:
		return nil
	}
	if !namesVariable(stmt) {
		return nil
	}
	var names []string
	var tables []syntax.TableName
	known := map[string]bool{} // names of columns, of expressions and of CTEs, in lower case
	ctes := map[string]bool{}
	opaque := false
	table := func(t ast.TableName) { tables = append(tables, fullName(t, ctx.GetCurrentDatabase())) }
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ColName:
			if isVariableName(n) {
				names = append(names, n.Name.String())
			}
		case *ast.AliasedExpr:
			known[n.As.Lowered()] = true
		case *ast.CommonTableExpr:
			ctes[strings.ToLower(n.As.String())] = true
			for _, c := range n.Columns {
				known[c.Lowered()] = true
			}
		case *ast.Insert:
			table(n.Table)
		case *ast.AliasedTableExpr:
			if t, ok := n.Expr.(ast.TableName); ok {
				table(t)
			}
		case *ast.Subquery:
			for _, c := range n.Columns {
				known[c.Lowered()] = true
			}
		case *ast.FuncExpr:
			return !n.Name.EqualString("get_format"), nil // of a type
		case *ast.Into:
			opaque = opaque || n != nil
		case *ast.JSONTableExpr, *ast.TableFuncExpr, *ast.ValuesStatement:
			opaque = true
		}
		return !opaque, nil
	}, stmt)
	if opaque {
		return nil
	}
	for _, t := range tables {
		if ctes[strings.ToLower(t.Name)] && t.Database == ctx.GetCurrentDatabase() {
			continue // a CTE
		}
		def, _, err := s.definition(ctx, t)
		if def == nil || err != nil {
			return err
		}
		for _, c := range def.Columns {
			known[strings.ToLower(c.Name)] = true
		}
	}
	for _, name := range names {
		if !known[strings.ToLower(name)] {
			if err := rewrite.UnknownIn(stmt, fmt.Sprintf("column %q could not be found in any table in scope", name)); err != nil {
				return err
			}
			return mysql.NewSQLError(1054, "42S22", "Unknown column '%s' in '%s'", name, rewrite.FieldList)
		}
	}
	return nil
}

// namesVariable reports whether a statement has the name of a variable where a column's is.
func namesVariable(stmt ast.Statement) (found bool) {
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		c, ok := n.(*ast.ColName)
		found = found || ok && isVariableName(c)
		return !found, nil
	}, stmt)
	return found
}

// isVariableName reports whether a column's name, without a table, is that of a variable too.
func isVariableName(n *ast.ColName) bool {
	return n.Qualifier.IsEmpty() && variableNames()[n.Name.Lowered()]
}

// variableNames are the names of the variables in lower case.
var variableNames = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for name := range sql.SystemVariables.GetAllGlobalVariables() {
		m[strings.ToLower(name)] = true
	}
	return m
})
