package gms

import (
	"context"
	"fmt"

	"github.com/dolthub/go-mysql-server/sql"
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
	case *ast.DDL:
		if err := checkDefinition(stmt); err != nil {
			return err
		}
		if err := callsInDefinitions(ctx, n); err != nil {
			return err
		}
	case *ast.AlterTable:
		if err := checkDefinition(stmt); err != nil {
			return err
		}
		for _, d := range n.Statements {
			if err := callsInDefinitions(ctx, d); err != nil {
				return err
			}
		}
	}
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		if n, ok := n.(*ast.Where); ok && n != nil && n.Type == ast.WhereStr && groups(n.Expr) {
			return false, mysql.NewSQLError(1111, "HY000", "Invalid use of group function")
		}
		return true, nil
	}, stmt)
}

// callsInDefinitions returns the error of a definition that calls a stored function where
// none may be called.
func callsInDefinitions(ctx context.Context, n *ast.DDL) error {
	if n.TableSpec == nil {
		return nil
	}
	for _, c := range n.TableSpec.Columns {
		if f := calledIn(ctx, c.Type.GeneratedExpr); f != "" {
			return mysql.NewSQLError(3102, "HY000", "Expression of generated column '%s' contains a disallowed function: `%s`.", c.Name.String(), f)
		}
		if f := calledIn(ctx, c.Type.Default); f != "" {
			return mysql.NewSQLError(3770, "HY000", "Default value expression of column '%s' contains a disallowed function: `%s`.", c.Name.String(), f)
		}
	}
	checks := 0
	for _, c := range n.TableSpec.Constraints {
		check, ok := c.Details.(*ast.CheckConstraintDefinition)
		if !ok {
			continue
		}
		checks++
		if f := calledIn(ctx, check.Expr); f != "" {
			name := c.Name
			if name == "" {
				name = fmt.Sprintf("%s_chk_%d", n.Table.Name.String(), checks)
			}
			return mysql.NewSQLError(3814, "HY000", "An expression of a check constraint '%s' contains disallowed function: `%s`.", name, f)
		}
	}
	return nil
}

// calledIn returns a stored function that an expression calls, "" if it calls none.
func calledIn(ctx context.Context, e ast.Expr) string {
	sctx, ok := ctx.(*sql.Context)
	if !ok || e == nil {
		return ""
	}
	found := ""
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		if f, ok := n.(*ast.FuncExpr); ok && found == "" && isStored(sctx, f) {
			found = f.Name.String()
		}
		return found == "", nil
	}, e)
	return found
}

// isStored reports whether a call is one of a stored function.
func isStored(ctx *sql.Context, n *ast.FuncExpr) bool {
	s, err := sessionOf(ctx)
	name := tableName{n.Qualifier.String(), n.Name.String()}
	if err != nil || name.Database == "" && nativeFunction(ctx, name.Name) {
		return false
	}
	if name.Database == "" {
		name.Database = s.GetCurrentDatabase()
	}
	f, err := s.function(ctx, name)
	return err == nil && f != nil
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
