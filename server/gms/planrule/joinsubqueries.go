package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// dependentCondition is a condition of a join, or a subquery with which it compares a column, with the columns of the joined tables that its
// subqueries name.
type dependentCondition struct {
	sql.Expression
	columns []sql.Expression
}

var _ sql.CollationCoercible = (*dependentCondition)(nil)

// Children implements sql.Expression.
func (d *dependentCondition) Children() []sql.Expression {
	return append([]sql.Expression{d.Expression}, d.columns...)
}

// WithChildren implements sql.Expression.
func (d *dependentCondition) WithChildren(_ *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 1+len(d.columns) {
		return nil, sql.ErrInvalidChildrenNumber.New(d, len(children), 1+len(d.columns))
	}
	return &dependentCondition{children[0], children[1:]}, nil
}

// Type implements sql.Expression.
func (d *dependentCondition) Type(ctx *sql.Context) sql.Type { return d.Expression.Type(ctx) }

// CollationCoercibility implements sql.CollationCoercible.
func (d *dependentCondition) CollationCoercibility(ctx *sql.Context) (sql.CollationID, byte) {
	return sql.GetCoercibility(ctx, d.Expression)
}

// GuardJoinSubqueries shows the planner the columns that a join's condition names in subqueries. It does not look
// for them there, and asks the condition before the tables that they are of are joined, and has no index for a column that
// is equal to such a subquery.
func GuardJoinSubqueries(a *analyzer.Analyzer) {
	AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if f == nil || !f.SubqueryIsSet() {
			return rule(ctx, n, f)
		}
		tables := tablesOf(n)
		shown, same, err := transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			j, ok := n.(*plan.JoinNode)
			if !ok || j.Filter == nil {
				return n, transform.SameTree, nil
			}
			all, same := expression.SplitConjunction(ctx, j.Filter), transform.SameTree
			for i, e := range all {
				if columns := outerColumns(ctx, e, tables); len(columns) > 0 {
					all[i], same = dependent(ctx, e, columns), transform.NewTree
				}
			}
			if same {
				return n, same, nil
			}
			return j.WithFilter(expression.JoinAnd(all...)), same, nil
		})
		if err != nil {
			return n, transform.SameTree, err
		}
		planned, same2, err := rule(ctx, shown, f)
		return planned, same && same2, err
	})
}

// dependent returns a condition that shows columns which its subqueries name: beside a column of another table, in the subquery that is
// equal to it.
func dependent(ctx *sql.Context, e sql.Expression, columns []sql.Expression) sql.Expression {
	eq, ok := e.(*expression.Equals)
	if !ok {
		return &dependentCondition{e, columns}
	}
	sides := [2]sql.Expression{eq.Left(), eq.Right()}
	for i, side := range sides {
		column, ok := sides[1-i].(*expression.GetField)
		d := &dependentCondition{side, columns}
		if _, sub := side.(*plan.Subquery); sub && ok && !TablesIn(ctx, d).Contains(int(column.TableId())) {
			sides[i] = d
			return expression.NewEquals(sides[0], sides[1])
		}
	}
	return &dependentCondition{e, columns}
}

// outerColumns returns the columns of tables that the subqueries of an expression name.
func outerColumns(ctx *sql.Context, e sql.Expression, tables sets.FastIntSet) []sql.Expression {
	var out []sql.Expression
	var seen sql.ColSet
	var inspect func(e sql.Expression, inner bool)
	inspect = func(e sql.Expression, inner bool) {
		sql.Inspect(ctx, e, func(ctx *sql.Context, e sql.Expression) bool {
			switch e := e.(type) {
			case *expression.GetField:
				if inner && tables.Contains(int(e.TableId())) && !seen.Contains(e.Id()) {
					seen.Add(e.Id())
					out = append(out, e)
				}
			case *plan.Subquery:
				transform.InspectWithOpaque(ctx, e.Query, func(_ *sql.Context, n sql.Node) bool {
					if x, ok := n.(sql.Expressioner); ok {
						for _, e := range x.Expressions() {
							inspect(e, true)
						}
					}
					return true
				})
			}
			return true
		})
	}
	inspect(e, false)
	return out
}
