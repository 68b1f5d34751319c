package gms

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// refusals returns MySQL's error for what the grammar takes and the planner refuses without a
// number, or forgets.
func refusals(ctx context.Context, query string, stmt ast.Statement) error {
	if !value.Served(ctx) {
		return nil
	}
	switch stmt.(type) {
	case *ast.DDL, *ast.AlterTable:
		if syntax.ContainsFold(query, "parser") && rewrite.ParserClause.MatchString(query) {
			return value.ErrNotSupported("WITH PARSER")
		}
	}
	switch n := stmt.(type) {
	case *ast.Commit, *ast.Rollback:
		if words := endWords(query); phrase(words, "and", "chain") && words[len(words)-1] == "release" && !phrase(words, "no", "release") {
			return syntax.Error(query, len(query))
		}
	case *ast.DBDDL:
		if n.Action == ast.CreateStr {
			if err := rewrite.CheckName(n.DBName, 1102, "database"); err != nil {
				return err
			}
		}
		if n.Action == ast.AlterStr && rewrite.ReadOnlyDatabase.MatchString(query) {
			return mysql.NewSQLError(mysql.ERNotSupportedYet, "42000", "This version of MySQL doesn't yet support 'ALTER DATABASE ... READ ONLY = 1'")
		}
	case *ast.Insert:
		if err := rewrite.RowLengths(n); err != nil {
			return err
		}
	case *ast.Delete:
		if err := rewrite.DeletesRead(n); err != nil {
			return err
		}
	case *ast.Set: // of which the names that it sets are the planner's
		for _, e := range n.Exprs {
			if err := rewrite.RefusedParts(query, e.Expr); err != nil {
				return err
			}
			if name := e.Name.Name.Lowered(); name == "names" || name == "charset" || strings.HasPrefix(name, "character_set_") {
				if err := rewrite.NoCharset(strings.Trim(ast.String(e.Expr), "'`")); err != nil {
					return err
				}
			}
		}
		return nil
	case *ast.Prepare:
		if n != nil && (phrase(leading(n.Expr, 2), "load", "data") || changesEvent(n.Expr) || notPrepared.MatchString(n.Expr)) {
			return mysql.NewSQLError(1295, "HY000", "This command is not supported in the prepared statement protocol yet")
		}
	case *ast.DDL:
		if v := n.ViewSpec; v != nil && n.Action == ast.CreateStr {
			if err := rewrite.CheckName(v.ViewName.Name.String(), 1103, "table"); err != nil {
				return err
			}
		}
		if t := n.TriggerSpec; t != nil {
			if err := rewrite.CheckLength(t.TrigName.Name.String()); err != nil {
				return err
			}
		}
		if n.Action == ast.DropStr {
			for _, t := range n.FromTables {
				if err := rewrite.CheckName(t.Name.String(), 1103, "table"); err != nil {
					return err
				}
			}
		}
		if p := n.ProcedureSpec; p != nil && n.Action == ast.CreateStr {
			if err := rewrite.CheckName(p.ProcName.Name.String(), 1458, "routine"); err != nil {
				return err
			}
		}
		if e := n.EventSpec; e != nil {
			for _, name := range []ast.EventName{e.EventName, e.RenameName} {
				if err := rewrite.CheckLength(name.Name.String()); err != nil {
					return err
				}
			}
			same := func(a, b ast.TableIdent) bool {
				return a.String() == "" || b.String() == "" || syntax.SameName(a.String(), b.String())
			}
			if !e.RenameName.IsEmpty() && syntax.SameName(e.EventName.Name.String(), e.RenameName.Name.String()) && same(e.EventName.Qualifier, e.RenameName.Qualifier) {
				return mysql.NewSQLError(1551, "HY000", "Same old and new event name")
			}
		}
		if err := rewrite.CheckDefinition(stmt); err != nil {
			return err
		}
		if err := callsInDefinitions(ctx, n); err != nil {
			return err
		}
		if err := rewrite.ZeroDefaults(ctx, n); err != nil {
			return err
		}
	case *ast.AlterTable:
		if err := rewrite.CheckDefinition(stmt); err != nil {
			return err
		}
		for _, d := range n.Statements {
			if err := callsInDefinitions(ctx, d); err != nil {
				return err
			}
			if err := rewrite.ZeroDefaults(ctx, d); err != nil {
				return err
			}
		}
	}
	return rewrite.RefusedParts(query, stmt)
}

// callsInDefinitions returns the error of a definition that calls a stored function where
// none may be called.
func callsInDefinitions(ctx context.Context, n *ast.DDL) error {
	if n.TableSpec == nil {
		return nil
	}
	for _, c := range n.TableSpec.Columns {
		if f := calledIn(ctx, c.Type.GeneratedExpr); f != "" {
			return mysql.NewSQLError(3763, "HY000", "Expression of generated column '%s' contains a disallowed function: `%s`.", c.Name.String(), f)
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
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
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
	name := syntax.TableName{Database: n.Qualifier.String(), Name: n.Name.String()}
	if err != nil || name.Database == "" && nativeFunction(ctx, name.Name) {
		return false
	}
	if name.Database == "" {
		name.Database = s.GetCurrentDatabase()
	}
	f, err := s.function(ctx, name)
	return err == nil && f != nil
}

// notPrepared are the beginnings of other statements that PREPARE does not take.
var notPrepared = regexp.MustCompile(`(?i)^\s*(prepare|execute|deallocate|get|signal|resignal|lock|unlock|begin|create\s+(or\s+replace\s+)?(definer\s*=\s*\S+\s+)?(procedure|function|trigger))\b`)
