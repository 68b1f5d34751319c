package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// passedColumnsRule is the number of AddPassedColumns among the planner's rules.
const passedColumnsRule = expr.CheckedRule + 5

// AddPassedColumns has GROUP BY and windows hand on the columns that subqueries of the select list, HAVING and ORDER
// BY name. The planner has them hand on those that are named beside the subqueries.
func AddPassedColumns() {
	analyzer.OnceBeforeDefault = slices.Insert(slices.Clone(analyzer.OnceBeforeDefault), 0, analyzer.Rule{
		Id: passedColumnsRule,
		Apply: func(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
			f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
			if f == nil || !f.SubqueryIsSet() || !value.Served(ctx) {
				return n, transform.SameTree, nil
			}
			return transform.NodeWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
				base := grouped(n)
				if base == nil || base == n {
					return n, transform.SameTree, nil
				}
				return passColumns(ctx, n, tablesOf(base), nil, false)
			})
		},
	})
}

// grouped returns the GROUP BY or the window whose rows n is of, nil for none.
func grouped(n sql.Node) sql.Node {
	for {
		switch n.(type) {
		case *plan.GroupBy, *plan.Window:
			return n
		case *plan.Project, *plan.Having, *plan.Filter, *plan.Sort, *plan.TopN, *plan.Distinct, *plan.Limit, *plan.Offset:
			n = n.Children()[0]
		default:
			return nil
		}
	}
}

// passColumns gives the nodes below n the columns of tables that it or those above it need. within: n is below the
// select list, whose columns are the result's.
func passColumns(ctx *sql.Context, n sql.Node, tables sets.FastIntSet, need []sql.Expression, within bool) (sql.Node, transform.TreeIdentity, error) {
	switch n := n.(type) {
	case *plan.GroupBy:
		if all := withMissing(n.SelectDeps, need); len(all) > len(n.SelectDeps) {
			return plan.NewGroupBy(all, n.GroupByExprs, n.Child), transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	case *plan.Window:
		if all := withMissing(n.SelectExprs, need); len(all) > len(n.SelectExprs) {
			return plan.NewWindow(all, n.Child), transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	}
	below := need
	if x, ok := n.(sql.Expressioner); ok {
		for _, e := range x.Expressions() {
			below = withMissing(below, outerColumns(ctx, e, tables))
		}
	}
	p, list := n.(*plan.Project)
	child, same, err := passColumns(ctx, n.Children()[0], tables, below, within || list)
	if err != nil {
		return n, transform.SameTree, err
	}
	if list && within {
		if all := withMissing(p.Projections, need); len(all) > len(p.Projections) {
			return plan.NewProject(ctx, all, child), transform.NewTree, nil
		}
	}
	if same {
		return n, same, nil
	}
	n, err = n.WithChildren(ctx, child)
	return n, same, err
}

// withMissing returns expressions with those columns that are not among them.
func withMissing(all, columns []sql.Expression) []sql.Expression {
	all = slices.Clip(all)
	for _, c := range columns {
		id := c.(*expression.GetField).Id()
		if !slices.ContainsFunc(all, func(e sql.Expression) bool {
			f, ok := e.(*expression.GetField)
			return ok && f.Id() == id
		}) {
			all = append(all, c)
		}
	}
	return all
}
