package gms

import (
	"context"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// refusals returns MySQL's error for what the grammar takes and the planner refuses without a
// number, or forgets.
func refusals(ctx context.Context, stmt ast.Statement) error {
	if !served(ctx) {
		return nil
	}
	switch n := stmt.(type) {
	case *ast.Prepare:
		if n != nil && phrase(leading(n.Expr, 2), "load", "data") {
			return mysql.NewSQLError(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
		}
	case *ast.DDL, *ast.AlterTable:
		if err := checkDefinition(stmt); err != nil {
			return err
		}
	}
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.MatchExpr:
			switch n.Option {
			case ast.BooleanModeStr, ast.QueryExpansionStr, ast.NaturalLanguageModeWithQueryExpansionStr:
				return false, errNotSupported("MATCH … AGAINST (…" + strings.ToUpper(n.Option) + ")")
			}
		case *ast.Where:
			if n != nil && n.Type == ast.WhereStr && groups(n.Expr) {
				return false, mysql.NewSQLError(1111, "HY000", "Invalid use of group function")
			}
		}
		return true, nil
	}, stmt)
}

// groups reports whether an expression calls an aggregate function, not as a window's.
func groups(e ast.Expr) bool {
	found := false
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.GroupConcatExpr:
			found = true
		case *ast.FuncExpr:
			found = found || n.Over == nil && n.IsAggregate()
		}
		return !found, nil
	}, e)
	return found
}
