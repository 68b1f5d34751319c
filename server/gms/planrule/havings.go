package planrule

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// TypedAggregates gives the references to aggregates in a HAVING the types of the aggregates.
func TypedAggregates(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	h, ok := n.(*plan.Having)
	if !ok {
		return n, transform.SameTree, nil
	}
	kinds := map[string]sql.Type{}
	transform.Inspect(h.Child, func(n sql.Node) bool {
		g, ok := n.(*plan.GroupBy)
		if ok {
			for _, e := range g.SelectDeps {
				kinds[strings.ToLower(plan.AliasSubqueryString(ctx, e))] = e.Type(ctx)
			}
		}
		return !ok
	})
	return transform.OneNodeExpressions(ctx, h, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		f, ok := e.(*expression.GetField)
		if !ok || f.Id() != 0 || f.Table() != "" {
			return e, transform.SameTree, nil
		}
		t, ok := kinds[f.Name()]
		if !ok {
			return e, transform.SameTree, nil
		}
		return expression.NewGetFieldWithTable(f.Index(), 0, t, "", "", f.Name(), true), transform.NewTree, nil
	})
}
