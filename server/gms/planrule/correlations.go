package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// keepCorrelations gives the subqueries of a plan the columns of outer queries that they name: of those that any
// subquery named before. The rule that moves conditions out of subqueries counts the columns in conditions that
// stay, and forgets those in joins, select lists and HAVING; what names none is evaluated once for all rows.
func keepCorrelations(ctx *sql.Context, before, n sql.Node) (sql.Node, error) {
	outer := correlatedColumns(ctx, before)
	if outer.Empty() {
		return n, nil
	}
	n, _, err := correlated(ctx, n, outer)
	return n, err
}

// correlatedColumns returns the columns that the subqueries of a plan say that they name of outer queries.
func correlatedColumns(ctx *sql.Context, n sql.Node) sql.ColSet {
	var out sql.ColSet
	inspectAll(ctx, n, nil, func(ctx *sql.Context, e sql.Expression) {
		if sub, ok := e.(*plan.Subquery); ok {
			out.UnionWith(sub.Correlated())
		}
	})
	return out
}

// correlated adds the columns among outer that the subqueries of a plan name.
func correlated(ctx *sql.Context, n sql.Node, outer sql.ColSet) (sql.Node, transform.TreeIdentity, error) {
	return transform.NodeExprsWithOpaque(ctx, n, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		sub, ok := e.(*plan.Subquery)
		if !ok {
			return e, transform.SameTree, nil
		}
		q, same, err := correlated(ctx, sub.Query, outer)
		if err != nil {
			return nil, transform.SameTree, err
		}
		var own, named sql.ColSet
		inspectAll(ctx, q, func(n sql.Node) {
			if t, ok := n.(plan.TableIdNode); ok {
				own.UnionWith(t.Columns())
			}
		}, func(_ *sql.Context, e sql.Expression) {
			if id, ok := e.(sql.IdExpression); ok && outer.Contains(id.Id()) {
				named.Add(id.Id())
			}
		})
		all := sub.Correlated().Union(named.Difference(own))
		if same == transform.SameTree && all.Equals(sub.Correlated()) {
			return e, same, nil
		}
		return sub.WithQuery(q).WithCorrelated(all), transform.NewTree, nil
	})
}

// inspectAll calls the functions, if any, for the nodes of a plan and for its expressions, those of subqueries too.
func inspectAll(ctx *sql.Context, n sql.Node, node func(sql.Node), expr func(*sql.Context, sql.Expression)) {
	transform.InspectWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) bool {
		if node != nil && n != nil {
			node(n)
		}
		x, ok := n.(sql.Expressioner)
		if !ok {
			return true
		}
		for _, e := range x.Expressions() {
			sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
				if e != nil {
					expr(ctx, e)
				}
				if sub, ok := e.(*plan.Subquery); ok {
					inspectAll(ctx, sub.Query, node, expr)
				}
				return true
			})
		}
		return true
	})
}
