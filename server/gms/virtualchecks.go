package gms

import (
	"cmp"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// virtualChecksRule is the number of addVirtualChecks among the planner's rules.
const virtualChecksRule = expr.CheckedRule + 1

// addVirtualChecks gives INSERT, REPLACE and UPDATE the CHECK constraints of tables with
// virtual columns. To the planner such a table is in a wrapper that has no constraints. Of
// an UPDATE of several tables, see ofOwnRows.
func addVirtualChecks(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
	_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	if !value.Served(ctx) {
		return n, transform.SameTree, nil
	}
	return transform.NodeWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		switch x := n.(type) {
		case *plan.InsertInto:
			checks, err := virtualChecks(ctx, a, x.Destination)
			if len(checks) == 0 || err != nil {
				return n, transform.SameTree, err
			}
			return x.WithChecks(checks), transform.NewTree, nil
		case *plan.Update:
			if join := updateJoin(x.Child); join != nil {
				return ofOwnRows(ctx, a, x, join)
			}
			checks, err := virtualChecks(ctx, a, x.Child)
			if len(checks) == 0 || err != nil {
				return n, transform.SameTree, err
			}
			return x.WithChecks(checks), transform.NewTree, nil
		case *plan.CreateTable:
			checks, err := likeChecks(ctx, a, x)
			if len(checks) == 0 || err != nil {
				return n, transform.SameTree, err
			}
			return x.WithChecks(checks), transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
}

// likeChecks returns the constraints of the table that CREATE TABLE … LIKE names, if it is
// one with virtual columns. Those of the new table get names of their own.
func likeChecks(ctx *sql.Context, a *analyzer.Analyzer, n *plan.CreateTable) (sql.CheckConstraints, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	stmt, ok := s.current().(*ast.DDL)
	if !ok || stmt.OptLike == nil {
		return nil, nil
	}
	from := stmt.OptLike.LikeTables[0]
	table, _, err := a.Catalog.Table(ctx, cmp.Or(from.DbQualifier.String(), ctx.GetCurrentDatabase()), from.Name.String())
	if err != nil {
		return nil, err
	}
	t, ok := table.(*Table)
	if !ok || !t.Schema(ctx).HasVirtualColumns() {
		return nil, nil
	}
	checks, err := checksOf(ctx, a, t, t.shape.checks, nil)
	for _, c := range checks {
		c.Name = ""
	}
	return checks, err
}

// virtualChecks returns the constraints of the tables with virtual columns in n, and those
// of the views that they are written through; of other tables if such a one has a subquery.
func virtualChecks(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node) (checks sql.CheckConstraints, err error) {
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		t := tableOf(n)
		if t == nil || err != nil || !t.Schema(ctx).HasVirtualColumns() && len(asked(ctx, t)) == 0 {
			return err == nil
		}
		var found sql.CheckConstraints
		if found, err = writtenChecks(ctx, a, t); err != nil {
			return false
		}
		checks = append(checks, found...)
		return false
	})
	return checks, err
}

// writtenChecks returns the constraints of a table, and those of the views that it is written through.
func writtenChecks(ctx *sql.Context, a *analyzer.Analyzer, t *Table) (sql.CheckConstraints, error) {
	defs, err := t.GetChecks(ctx)
	if err != nil {
		return nil, err
	}
	checks, err := checksOf(ctx, a, t, defs, nil)
	if err != nil {
		return nil, err
	}
	asking, err := checksOf(ctx, a, t, asked(ctx, t), func(e sql.Expression) (sql.Expression, error) { return rowCondition(ctx, a, e, t) })
	return append(checks, asking...), err
}

// asked returns the checks with subqueries of the views through which the statement writes a table.
func asked(ctx *sql.Context, t *Table) []sql.CheckDefinition {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil
	}
	def := t.live(ctx).def
	return s.viewChecks(syntax.TableName{Database: def.Database, Name: def.Name}, true)
}

// checksOf returns constraints of a table. Their expressions are of its row, and what f makes of them.
func checksOf(ctx *sql.Context, a *analyzer.Analyzer, t *Table, defs []sql.CheckDefinition, f func(sql.Expression) (sql.Expression, error)) (checks sql.CheckConstraints, err error) {
	for _, c := range defs {
		e, err := rowExpression(ctx, a.Catalog, t, c.CheckExpression)
		if err != nil {
			return nil, err
		}
		if f != nil {
			if e, err = f(e); err != nil {
				return nil, err
			}
		}
		checks = append(checks, &sql.CheckConstraint{Name: c.Name, Expr: e, Enforced: c.Enforced})
	}
	return checks, nil
}

// rowExpression returns the expression of a text over a table's row.
func rowExpression(ctx *sql.Context, catalog sql.Catalog, t *Table, text string) (e sql.Expression, err error) {
	stmt, _, _, err := newParser().ParseWithOptions(ctx, "SELECT "+text, ';', false, ast.ParserOptions{})
	if err != nil {
		return nil, err
	}
	sel, ok := stmt.(*ast.Select)
	if !ok || len(sel.SelectExprs) != 1 {
		return nil, sql.ErrInvalidCheckConstraint.New(text)
	}
	x, ok := sel.SelectExprs[0].(*ast.AliasedExpr)
	if !ok {
		return nil, sql.ErrInvalidCheckConstraint.New(text)
	}
	defer func() {
		if p := recover(); p != nil { // the planner's builder panics with its errors
			var ok bool
			if err, ok = p.(error); !ok {
				panic(p)
			}
		}
	}()
	b := planbuilder.New(ctx, catalog, nil)
	b.DisableAuth()
	def := t.live(ctx).def // which may have another name by now
	e = b.BuildScalarWithTable(x.Expr, &ast.AliasedTableExpr{Expr: ast.TableName{
		Name: ast.NewTableIdent(def.Name), DbQualifier: ast.NewTableIdent(def.Database),
	}})
	return ofRow(ctx, e, t.Schema(ctx))
}

// ofRow returns an expression of a table's columns as one of its rows.
func ofRow(ctx *sql.Context, e sql.Expression, schema sql.Schema) (sql.Expression, error) {
	e, _, err := transform.Expr(ctx, e, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		if f, ok := e.(*expression.GetField); ok {
			return f.WithIndex(schema.IndexOfColName(f.Name())), transform.NewTree, nil
		}
		return e, transform.SameTree, nil
	})
	return e, err
}

// replaceDropRules puts ofTables before the planner's rules for DROP CHECK and DROP CONSTRAINT.
func replaceDropRules() {
	for i, r := range analyzer.OnceBeforeDefault {
		if id := r.Id.String(); id == "resolveDropConstraint" || id == "validateDropConstraint" {
			analyzer.OnceBeforeDefault[i].Apply = ofTables(r.Apply)
		}
	}
}

// ofTables has a rule see the tables with virtual columns themselves.
func ofTables(base analyzer.RuleFunc) analyzer.RuleFunc {
	return func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope, sel analyzer.RuleSelector,
		flags *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
		n, unwrapped, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			switch x := n.(type) {
			case *plan.DropCheck:
				if t := withoutWrapper(x.Table); t != nil {
					c := *x
					c.Table = t
					return &c, transform.NewTree, nil
				}
			case *plan.DropConstraint:
				if t := withoutWrapper(x.Child); t != nil {
					c := *x
					c.Child = t
					return &c, transform.NewTree, nil
				}
			}
			return n, transform.SameTree, nil
		})
		if err != nil {
			return nil, transform.SameTree, err
		}
		n, same, err := base(ctx, a, n, scope, sel, flags)
		return n, same && unwrapped, err
	}
}

// withoutWrapper returns the table node with the table itself, nil for other nodes.
func withoutWrapper(n sql.Node) *plan.ResolvedTable {
	rt, ok := n.(*plan.ResolvedTable)
	if !ok || rt == nil {
		return nil
	}
	w, ok := rt.Table.(*plan.VirtualColumnTable)
	if !ok {
		return nil
	}
	t := *rt
	t.Table = w.Table
	return &t
}

// dependedOn is the error of a column that is renamed or dropped while a generated column, a default
// or a CHECK constraint uses it; nil for others.
func dependedOn(def *engine.TableDef, column string) error {
	for _, c := range def.Columns {
		if c.DefaultExpr && !syntax.SameName(c.Name, column) {
			switch used, err := usesColumn(c.Default, column); {
			case err != nil:
				return err
			case used:
				return mysql.NewSQLError(3766, "HY000",
					"Column '%s' of table '%s' has a default value expression dependency and cannot be dropped or renamed.", column, def.Name)
			}
		}
		if c.Generated == "" || syntax.SameName(c.Name, column) {
			continue
		}
		switch used, err := usesColumn(c.Generated, column); {
		case err != nil:
			return err
		case used && c.Options[optSystem] != "":
			return mysql.NewSQLError(3837, "HY000", "Column '%s' has a functional index dependency and cannot be dropped or renamed.", column)
		case used:
			return mysql.NewSQLError(3108, "HY000", "Column '%s' has a generated column dependency.", column)
		}
	}
	for _, c := range def.Checks {
		switch used, err := usesColumn(c.Expr, column); {
		case err != nil:
			return err
		case used:
			return mysql.NewSQLError(3959, "HY000", "Check constraint '%s' uses column '%s', hence column cannot be dropped or renamed.", c.Name, column)
		}
	}
	return nil
}

// usesColumn reports whether an expression has a column.
func usesColumn(expr, column string) (used bool, err error) {
	stmt, err := newParser().ParseSimple("SELECT " + expr)
	if err != nil {
		return false, err
	}
	err = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		if x, ok := n.(*ast.ColName); ok && x.Name.EqualString(column) {
			used = true
		}
		return !used, nil
	}, stmt)
	return used, err
}
