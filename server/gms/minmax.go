package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/expression/function/aggregation"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// readEnds has MINs and MAXs of columns read the first row of an index each, if there is one that has its rows in
// the column's order for all of them.
func readEnds(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "replaceAgg", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if !value.Served(ctx) {
			return rule(ctx, n, f)
		}
		n, same, err := transform.Node(ctx, n, readEnd)
		if err != nil {
			return n, same, err
		}
		n, same2, err := rule(ctx, n, f)
		return n, same && same2, err
	})
}

func readEnd(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	g, ok := n.(*plan.GroupBy)
	if !ok || len(g.SelectDeps) == 0 || len(g.GroupByExprs) != 0 {
		return n, transform.SameTree, nil
	}
	var ends sql.Node // the first row of each order
	for _, dep := range g.SelectDeps {
		order := sql.SortCondition{}
		switch agg := dep.(type) {
		case *aggregation.Min:
			order = sql.SortCondition{Expr: agg.Child, Order: sql.Ascending}
		case *aggregation.Max:
			order = sql.SortCondition{Expr: agg.Child, Order: sql.Descending}
		}
		f, ok := order.Expr.(*expression.GetField)
		if !ok {
			return n, transform.SameTree, nil
		}
		child, err := inOrder(ctx, g.Child, order, f)
		if child == nil || err != nil {
			return n, transform.SameTree, err
		}
		end := plan.NewLimit(expression.NewLiteral(int64(1), types.Int64), child)
		if ends == nil {
			ends = end
		} else {
			ends = plan.NewConcat(ends, end)
		}
	}
	n, err := g.WithChildren(ctx, ends)
	return n, transform.NewTree, err
}

// inOrder returns the rows of a node in the order of a column, without those where it is NULL; nil if
// no index gives them.
func inOrder(ctx *sql.Context, n sql.Node, order sql.SortCondition, f *expression.GetField) (sql.Node, error) {
	if scan, _ := scanUnder(n); scan == nil {
		scanned, err := scanOf(ctx, n, f)
		if scanned == nil || err != nil {
			return nil, err
		}
		n = scanned
	} else if f.IsNullable(ctx) {
		n = plan.NewFilter(ctx, expression.NewNot(expression.NewIsNull(f)), n)
	}
	n, same, err := dropSort(ctx, plan.NewSort(sql.SortConditions{order}, n))
	if same {
		return nil, err
	}
	return n, err
}

// scanOf returns the scan of an index that has a column of a table first, from the first value that
// is not NULL on; nil if there is none.
func scanOf(ctx *sql.Context, n sql.Node, f *expression.GetField) (sql.Node, error) {
	if alias, ok := n.(*plan.TableAlias); ok {
		child, err := scanOf(ctx, alias.Child, f)
		if child == nil || err != nil {
			return nil, err
		}
		return alias.WithChildren(ctx, child)
	}
	t, ok := n.(*plan.ResolvedTable)
	if !ok {
		return nil, nil
	}
	table, ok := t.UnderlyingTable().(*Table)
	if !ok {
		return nil, nil
	}
	indexes, err := table.GetIndexes(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range indexes {
		ix, ours := x.(*Index)
		if !ours || ix.pseudo != nil || ix.hasPrefix || !strings.EqualFold(ix.shape.schema[ix.extended[0]].Name, f.Name()) {
			continue
		}
		builder := sql.NewMySQLIndexBuilder(ctx, ix)
		if f.IsNullable(ctx) {
			builder = builder.IsNotNull(ctx, ix.Expressions()[0])
		}
		lookup, err := builder.Build(ctx)
		if err != nil {
			return nil, err
		}
		return plan.NewStaticIndexedAccessForTableNode(ctx, t, lookup)
	}
	return nil, nil
}
