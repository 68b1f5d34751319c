package gms

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// localCheck is WITH LOCAL CHECK OPTION in a word that the planner does not refuse.
const localCheck ast.ViewCheckOption = "LOCAL"

// views merges the views that a statement writes into it, in place, and checks what it does
// to views as such.
func (p *parser) views(ctx *sql.Context, stmt *ast.Statement) error {
	s, ok := ctx.Session.(*Session)
	if !ok {
		return nil
	}
	database := ctx.GetCurrentDatabase()
	switch n := (*stmt).(type) {
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Load:
	case *ast.Explain:
		return p.views(ctx, &n.Statement)
	case *ast.DDL:
		if n.ViewSpec != nil && n.ViewSpec.CheckOption == ast.ViewCheckOptionLocal {
			n.ViewSpec.CheckOption = localCheck
		}
	case *ast.AlterTable:
	default:
		return nil
	}
	m, err := newViewMerger(ctx, p, s)
	if err != nil {
		return err
	}
	switch n := (*stmt).(type) {
	case *ast.AlterTable:
		return m.baseTable(m.full(n.Table, database))
	case *ast.DDL:
		switch {
		case n.TriggerSpec != nil:
			if !n.Table.DbQualifier.IsEmpty() {
				database = n.Table.DbQualifier.String()
			}
			return m.body(&n.TriggerSpec.Body, database)
		case n.EventSpec != nil:
			return m.body(&n.EventSpec.Body, database)
		case n.Action == ast.AlterStr:
			return m.baseTable(m.full(n.Table, database))
		case n.Action == ast.TruncateStr:
			if t := m.full(n.Table, database); m.isView(t) {
				return errNoTable(t)
			}
		case n.Action == ast.DropStr:
			var tables []syntax.TableName
			for _, t := range n.FromTables {
				tables = append(tables, m.full(t, database))
			}
			if slices.ContainsFunc(tables, m.isView) {
				*stmt = dropStatement(tables, false, n.IfExists)
			}
		}
		return nil
	}
	return m.write(*stmt, database)
}

func errNoTable(t syntax.TableName) error {
	return mysql.NewSQLError(mysql.ERNoSuchTable, "42S02", "Table '%s.%s' doesn't exist", t.Database, t.Name)
}

// baseTable returns the error of a statement that alters a table and names a view.
func (m *viewMerger) baseTable(t syntax.TableName) error {
	if m.isView(t) {
		return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not BASE TABLE", t.Database, t.Name)
	}
	return nil
}

// body merges the views that the body of a trigger or event writes.
func (m *viewMerger) body(body *ast.Statement, database string) error {
	return syntax.ReplaceNodes(reflect.ValueOf(body), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		if stmt, ok := n.(ast.Statement); ok {
			return nil, true, m.write(stmt, database)
		}
		return nil, true, nil
	})
}

// definesView checks a statement of a client if it is a CREATE or ALTER VIEW.
func (p *parser) definesView(ctx context.Context, query string, stmt ast.Statement) error {
	n, ok := stmt.(*ast.DDL)
	if !ok || n.ViewSpec == nil || !value.Served(ctx) {
		return nil
	}
	sctx := ctx.(*sql.Context)
	m, err := newViewMerger(sctx, p, sctx.Session.(*Session))
	if err != nil {
		return err
	}
	h, _ := rewrite.NewObjectHead(query)
	t := m.full(n.ViewSpec.ViewName, sctx.GetCurrentDatabase())
	if err := m.define(n, h.Alter, t); err != nil || n.ViewSpec.CheckOption == ast.ViewCheckOptionUnspecified {
		return err
	}
	again, _, _, err := p.ParseWithOptions(ctx, query, ';', true, sql.LoadSqlMode(sctx).ParserOptions()) // merging changes it
	if err != nil {
		return err
	}
	if v, err := m.merged(t, again.(*ast.DDL).ViewSpec, ""); v != nil || err != nil {
		return err
	}
	return mysql.NewSQLError(1368, "HY000", "CHECK OPTION on non-updatable view '%s.%s'", t.Database, t.Name)
}

// define checks a CREATE or ALTER VIEW.
func (m *viewMerger) define(n *ast.DDL, alter bool, t syntax.TableName) error {
	spec := n.ViewSpec
	switch table, view := m.cat.Table(t.Database, t.Name) != nil, m.isView(t); {
	case table && n.OrReplace:
		return mysql.NewSQLError(1347, "HY000", "'%s.%s' is not VIEW", t.Database, t.Name)
	case alter && !view:
		return errNoTable(t)
	case table || view && !n.OrReplace && !n.IfNotExists:
		return mysql.NewSQLError(1050, "42S01", "Table '%s' already exists", t.Name)
	}
	if err := m.viewed(spec.ViewExpr, t, t.Database); err != nil {
		return err
	}
	names := make([]string, len(spec.Columns))
	for i, c := range spec.Columns {
		names[i] = c.String()
	}
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(other string) bool { return syntax.SameName(name, other) }) {
			return mysql.NewSQLError(1060, "42S21", "Duplicate column name '%s'", name)
		}
	}
	return nil
}

// viewed returns the error of what a view's SELECT may not read: variables, temporary tables
// and the view itself, also through others.
func (m *viewMerger) viewed(q ast.SQLNode, view syntax.TableName, database string) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.ColName:
			if strings.HasPrefix(n.Name.String(), "@") {
				return false, mysql.NewSQLError(1351, "HY000", "View's SELECT contains a variable or parameter")
			}
		case *ast.AliasedTableExpr:
			name, ok := n.Expr.(ast.TableName)
			if !ok {
				break
			}
			t := m.full(name, database)
			if m.s.temporary(t.Database, t.Name) != nil {
				return false, mysql.NewSQLError(1352, "HY000", "View's SELECT refers to a temporary table '%s'", t.Name)
			}
			if syntax.SameName(t.Name, view.Name) && syntax.SameName(t.Database, view.Database) {
				return false, errNoTable(view)
			}
			if spec, err := m.view(t); err != nil && m.seen > viewsMax {
				return false, err
			} else if spec != nil && err == nil {
				return true, m.viewed(spec.ViewExpr, view, t.Database)
			}
		}
		return true, nil
	}, q)
}
