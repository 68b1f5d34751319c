package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
)

// guardPrefixJoins has joins by a column of which an index has a prefix ask for the whole value. The
// planner takes an equality that is the key of an index out of a join's conditions, and what is found by
// a prefix may be unequal behind it.
func guardPrefixJoins(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		doubled, same := n, transform.SameTree
		if columns := prefixColumns(n); len(columns) > 0 {
			var err error
			doubled, same, err = transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				return doublePrefixes(ctx, n, columns)
			})
			if err != nil {
				return n, transform.SameTree, err
			}
		}
		planned, same2, err := rule(ctx, doubled, f)
		return planned, same && same2, err
	})
}

// prefixColumn is a column of which an index has a prefix.
type prefixColumn struct {
	table sql.TableId
	name  string // as GetField.Name has it
}

// prefixColumns returns those of a query's tables.
func prefixColumns(n sql.Node) map[prefixColumn]bool {
	out := map[prefixColumn]bool{}
	transform.Inspect(n, func(n sql.Node) bool {
		id, ok := n.(plan.TableIdNode)
		t := tableOf(n)
		if !ok || t == nil {
			return true
		}
		for _, ix := range t.shape.indexes {
			for i, c := range ix.columns {
				if ix.hasPrefix && ix.prefix[i] > 0 {
					out[prefixColumn{id.Id(), t.shape.schema[c].Name}] = true
				}
			}
		}
		return true
	})
	return out
}

// doublePrefixes gives a join each equality of a prefix's column once more.
func doublePrefixes(ctx *sql.Context, n sql.Node, columns map[prefixColumn]bool) (sql.Node, transform.TreeIdentity, error) {
	j, ok := n.(*plan.JoinNode)
	if !ok || j.Filter == nil {
		return n, transform.SameTree, nil
	}
	all := expression.SplitConjunction(ctx, j.Filter)
	for _, e := range all {
		eq, ok := e.(*expression.Equals)
		if !ok {
			continue
		}
		for _, side := range eq.Children() {
			if c, ok := side.(*expression.GetField); ok && columns[prefixColumn{c.TableId(), c.Name()}] {
				all = append(all, expression.NewEquals(eq.Left(), eq.Right()))
				break
			}
		}
	}
	return j.WithFilter(expression.JoinAnd(all...)), transform.NewTree, nil
}
