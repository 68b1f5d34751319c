package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/memo"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// guardJoinOrders has the orders of joins that the planner must keep known while it plans
// them, and every join a condition.
func guardJoinOrders(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if s, ok := ctx.Session.(*Session); ok {
			before, laterals := s.joinOrders, s.laterals
			s.joinOrders, s.laterals = planrule.JoinOrders(ctx, n), planrule.LateralTables(n)
			defer func() { s.joinOrders, s.laterals = before, laterals }()
		}
		planned, same, err := rule(ctx, n, f)
		if err == nil {
			planned, err = planrule.Remembered(ctx, n, planned)
		}
		if err != nil || !value.Served(ctx) {
			return planned, same, err
		}
		if !planrule.LateralTables(planned).Empty() {
			planrule.InspectJoins(planned, func(j *plan.JoinNode) {
				if !j.Op.IsLateral() && !planrule.LateralTables(j.Right()).Empty() {
					err = value.ErrNotSupported("LATERAL on the right side of an outer join")
				}
			})
			if err != nil {
				return n, same, err
			}
		}
		planned, same2, err := transform.Node(ctx, planned, planrule.Conditioned)
		if err != nil {
			return planned, same, err
		}
		planned, same3, err := transform.Node(ctx, planned, planrule.KeepIns) // of EXISTS
		return planned, same && same2 && same3, err
	})
}

// allowed reports whether a join is in the statement's order, keeps the conditions on
// its right side and the rows of LATERAL there, and compares texts by their collations.
func allowed(ctx *sql.Context, n memo.JoinRel) bool {
	if c, ok := n.(*memo.ConcatJoin); ok && planrule.Absorbed(c.Right) {
		return false
	}
	if m, ok := n.(*memo.MergeJoin); ok && len(m.Filter) > 0 && unordered(ctx, m.Filter[0]) { // the first is the comparison
		return false
	}
	if r, ok := n.(*memo.RangeHeapJoin); ok && types.IsTextOnly(r.RangeHeap.ValueCol.Type(ctx)) {
		return false // it compares them by the planner's weights
	}
	s, ok := ctx.Session.(*Session)
	if !ok || len(s.joinOrders) == 0 && s.laterals.Empty() {
		return true
	}
	j := n.JoinPrivate()
	l, r := j.Left.RelProps.OutputTables(), j.Right.RelProps.OutputTables()
	if _, lateral := n.(*memo.LateralJoin); !lateral && r.Intersects(s.laterals) {
		return false // on the right side LATERAL takes the columns of the left one for those of its own
	}
	for _, o := range s.joinOrders {
		if o.Violated(l, r) || o.Violated(r, l) {
			return false
		}
	}
	return true
}

// unordered reports whether an expression may have another order than the columns in it, by which an index gives them: arithmetic other than the
// addition of a constant. (The planner asks for subtractions alone, and lost the rows of `a % 3 = b % 2`.)
func unordered(ctx *sql.Context, e sql.Expression) bool {
	return transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		op, ok := e.(expression.ArithmeticOp)
		if !ok {
			return false
		}
		return op.Operator() != "+" || !slices.ContainsFunc(e.Children(), func(e sql.Expression) bool {
			_, constant := e.(*expression.Literal)
			return constant
		})
	})
}
