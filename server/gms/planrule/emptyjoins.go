package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// GuardEmptyJoins keeps the right side of a LEFT JOIN whose condition is never true, and a join within another or beside a
// subquery that may become one: the planner has a table without rows for it, which it cannot join to others again.
func GuardEmptyJoins(a *analyzer.Analyzer) {
	AroundRule(a, "simplifyFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		several := joinsSeveral(ctx, n)
		n, same, err := transform.NodeWithOpaque(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			j, ok := n.(*plan.JoinNode)
			if !ok || j.Filter == nil || !j.Op.IsLeftOuter() && j.Op != plan.JoinTypeLateralLeft && !(several && j.Op.IsInner()) {
				return n, transform.SameTree, nil
			}
			never := neverTrue(ctx, j.Filter, j.Right())
			if never == nil {
				return n, transform.SameTree, nil
			}
			return j.WithFilter(never), transform.NewTree, nil
		})
		if err != nil {
			return n, same, err
		}
		n, same2, err := rule(ctx, n, f)
		return n, same && same2, err
	})
}

// joinsSeveral reports whether a plan has several joins, or one and a subquery in an expression.
func joinsSeveral(ctx *sql.Context, n sql.Node) bool {
	joins, subquery := 0, false
	transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
		if _, ok := n.(*plan.JoinNode); ok {
			joins++
		}
		return true
	})
	if joins == 1 {
		transform.InspectExpressions(ctx, n, func(_ *sql.Context, e sql.Expression) bool {
			_, ok := e.(*plan.Subquery)
			subquery = subquery || ok
			return !subquery
		})
	}
	return joins > 1 || subquery
}

// neverTrue returns a condition on a column of a side that is never true, if one is not whatever the columns are.
func neverTrue(ctx *sql.Context, condition sql.Expression, side sql.Node) sql.Expression {
	false_ := false
	for _, e := range expression.SplitConjunction(ctx, condition) {
		if !constant(ctx, e) {
			continue
		}
		if v, err := e.Eval(ctx, nil); err == nil {
			truth, err := sql.ConvertToBool(ctx, v)
			false_ = false_ || err == nil && !truth
		}
	}
	if !false_ {
		return nil
	}
	var column sql.Expression
	transform.Inspect(side, func(n sql.Node) bool {
		t, ok := n.(plan.TableIdNode)
		if schema := sql.Schema(nil); ok && column == nil {
			if schema = t.Schema(ctx); len(schema) > 0 {
				if id, ok := t.Columns().Next(1); ok {
					c := schema[0]
					column = expression.NewGetFieldWithTable(int(id), int(t.Id()), c.Type, c.DatabaseSource, t.Name(), c.Name, true)
				}
			}
		}
		return !ok
	})
	if column == nil {
		return nil
	}
	return &unindexed{expression.UnaryExpressionStub{Child: expression.NewNot(expression.NewNullSafeEquals(column, column))}}
}
