package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// groupedColumns is the first number of the columns that groupedValues adds.
const groupedColumns sql.ColumnId = 3 << 14

// groupedValues has a query group by the values that are sent where they vary: the planner would evaluate them once more for each
// group. A subquery in such a query that reads its rows keeps it as it is.
func groupedValues(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	switch n := n.(type) {
	case *plan.GroupBy:
		return valuesBelow(ctx, n)
	case *plan.Project:
		g, _ := grouped(n).(*plan.GroupBy)
		values := groupValues(ctx, g)
		if len(values) == 0 {
			break
		}
		var used []sql.Expression
		list, same, err := transform.OneNodeExpressions(ctx, n, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if f := values[e.String()]; f != nil {
				used = withMissing(used, []sql.Expression{f})
				return f, transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
		if err != nil || bool(same) {
			return n, transform.SameTree, err
		}
		child, _, err := passColumns(ctx, n.Child, sets.FastIntSet{}, used, true)
		if err != nil {
			return n, transform.SameTree, err
		}
		out, err := list.WithChildren(ctx, child)
		return out, transform.NewTree, err
	}
	return n, transform.SameTree, nil
}

// valuesBelow has a GROUP BY read what varies among its expressions as columns of the rows below.
func valuesBelow(ctx *sql.Context, g *plan.GroupBy) (sql.Node, transform.TreeIdentity, error) {
	by, read := slices.Clone(g.GroupByExprs), slices.Clone(g.SelectDeps)
	var values []sql.Expression
	for i, e := range by {
		if !varies(ctx, e, false) {
			read = append(read, e)
			continue
		}
		if a, ok := e.(*expression.Alias); ok {
			e = a.Child
		}
		a := expression.NewAlias(ctx, e.String(), e).WithId(groupedColumns + sql.ColumnId(i)).(*expression.Alias)
		read, values = append(read, e), append(values, a)
		by[i] = valueOf(ctx, a)
	}
	columns := columnsRead(ctx, read)
	if len(values) == 0 || columns == nil {
		return g, transform.SameTree, nil
	}
	return plan.NewGroupBy(g.SelectDeps, by, plan.NewProject(ctx, append(columns, values...), g.Child)), transform.NewTree, nil
}

// groupValues returns the columns that valuesBelow has made, by what they are evaluated from.
func groupValues(ctx *sql.Context, g *plan.GroupBy) map[string]sql.Expression {
	if g == nil {
		return nil
	}
	below, ok := g.Child.(*plan.Project)
	if !ok {
		return nil
	}
	values := map[string]sql.Expression{}
	for _, e := range below.Projections {
		if a, ok := e.(*expression.Alias); ok && a.Id() >= groupedColumns {
			values[a.Child.String()] = valueOf(ctx, a)
		}
	}
	return values
}

// valueOf is the column that an alias makes.
func valueOf(ctx *sql.Context, a *expression.Alias) sql.Expression {
	return expression.NewGetField(int(a.Id()), a.Type(ctx), a.Name(), a.IsNullable(ctx))
}
