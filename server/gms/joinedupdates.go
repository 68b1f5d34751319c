package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/syntax"
)

// ofOwnRows returns an UPDATE of a join whose constraints, generated columns and ON UPDATE are those
// of each table that it writes, as expressions over that table's row, and whose DEFAULT is the
// column's. The planner looks for their columns by name in the row of the join.
func ofOwnRows(ctx *sql.Context, a *analyzer.Analyzer, n *plan.Update, join *plan.UpdateJoin) (sql.Node, transform.TreeIdentity, error) {
	source, ok := join.Child.(*plan.UpdateSource)
	if !ok {
		return n, transform.SameTree, nil
	}
	exprs := slices.Clone(source.UpdateExprs.ExplicitUpdateExprs())
	explicit := len(exprs)
	var checks sql.CheckConstraints
	targets := map[string]sql.Node{} // without those that have generated columns and no assignment
	for name, target := range join.UpdateTargets {
		t := tableUnder(target)
		if t == nil {
			return n, transform.SameTree, nil
		}
		if len(assignedColumns(ctx, join, name, t)) == 0 {
			continue
		}
		targets[name] = target
		found, err := writtenChecks(ctx, a, t)
		if err != nil {
			return nil, transform.SameTree, err
		}
		for _, c := range found {
			c.Expr = &ownCheck{expression.UnaryExpressionStub{Child: c.Expr}, name}
		}
		checks = append(checks, found...)
		for at, c := range t.Schema(ctx) {
			given, err := ownDefaults(ctx, a, t, name, c, exprs[:explicit])
			if err != nil {
				return nil, transform.SameTree, err
			}
			d := c.Generated
			if d == nil && !given {
				d = c.OnUpdate
			}
			if d == nil {
				continue
			}
			if d, err = ownDefault(ctx, a, t, c, d); err != nil {
				return nil, transform.SameTree, err
			}
			column := expression.NewGetFieldWithTable(at, 0, c.Type, c.DatabaseSource, name, c.Name, c.Nullable)
			exprs = append(exprs, expression.NewSetField(column, d))
		}
	}
	own := *source
	own.UpdateExprs = plan.NewUpdateExprs(exprs, explicit)
	u, _, err := transform.Node(ctx, n.WithChecks(checks), func(_ *sql.Context, x sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if x == join {
			return plan.NewUpdateJoin(targets, &own), transform.NewTree, nil
		}
		return x, transform.SameTree, nil
	})
	return u, transform.NewTree, err
}

// ownDefaults gives the assignments of DEFAULT to a column its default, and reports whether there
// is an assignment to it. A generated column takes DEFAULT only (3105).
func ownDefaults(ctx *sql.Context, a *analyzer.Analyzer, t *Table, target string, c *sql.Column, exprs []sql.Expression) (given bool, err error) {
	for i, e := range exprs {
		set, ok := e.(*expression.SetField)
		if !ok {
			continue
		}
		column, ok := set.LeftChild.(*expression.GetField)
		if !ok || !syntax.SameName(column.Table(), target) || !syntax.SameName(column.Name(), c.Name) {
			continue
		}
		given = true
		w, isDefault := set.RightChild.(*expression.Wrapper)
		switch {
		case !isDefault && c.Generated != nil:
			return given, sql.ErrGeneratedColumnValue.New(c.Name, t.Name())
		case !isDefault:
			continue
		case c.Generated != nil: // made of the row, see ofOwnRows
			exprs[i] = expression.NewSetField(column, column)
		case c.Default == nil:
			exprs[i] = expression.NewSetField(column, expression.WrapExpression(nil))
		default:
			d, err := ownDefault(ctx, a, t, c, c.Default)
			if err != nil {
				return given, err
			}
			own, err := w.WithChildren(ctx, d)
			if err != nil {
				return given, err
			}
			exprs[i] = expression.NewSetField(column, own)
		}
	}
	return given, nil
}

// ownDefault returns a default, a generated column or ON UPDATE over the table's row.
func ownDefault(ctx *sql.Context, a *analyzer.Analyzer, t *Table, c *sql.Column, d *sql.ColumnDefaultValue) (*sql.ColumnDefaultValue, error) {
	text, ok := d.Expr.(*sql.UnresolvedColumnDefault)
	if !ok {
		return d, nil
	}
	e, err := rowExpression(ctx, a.Catalog, t, text.ExprString)
	if err != nil {
		return nil, err
	}
	return sql.NewColumnDefaultValue(e, c.Type, false, true, c.Nullable)
}

// ownCheck is a constraint of one of the tables of a join: its columns are of that table's row.
type ownCheck struct {
	expression.UnaryExpressionStub
	target string // how UpdateJoin names the table
}

// Type implements sql.Expression.
func (c *ownCheck) Type(ctx *sql.Context) sql.Type { return c.Child.Type(ctx) }

// IsNullable implements sql.Expression.
func (c *ownCheck) IsNullable(ctx *sql.Context) bool { return c.Child.IsNullable(ctx) }

// String implements sql.Expression.
func (c *ownCheck) String() string { return c.Child.String() }

// Eval implements sql.Expression.
func (c *ownCheck) Eval(ctx *sql.Context, r sql.Row) (any, error) { return c.Child.Eval(ctx, r) }

// WithChildren implements sql.Expression.
func (c *ownCheck) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 1)
	}
	return &ownCheck{expression.UnaryExpressionStub{Child: children[0]}, c.target}, nil
}

// updateJoin returns what joins the rows of an UPDATE, nil if it is of one table.
func updateJoin(n sql.Node) (join *plan.UpdateJoin) {
	transform.Inspect(n, func(n sql.Node) bool {
		if j, ok := n.(*plan.UpdateJoin); ok {
			join = j
		}
		return join == nil
	})
	return join
}
