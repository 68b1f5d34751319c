package gms

import (
	"math"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/memo"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// joinOrder says that the tables of right are joined to those of left before other is. It
// is so where the inner join of other has a condition on right, as that of
//
//	a LEFT JOIN b ON … JOIN c ON a.x=c.x AND b.y>3
//
// The planner may join a and c first, and forgets such conditions when it joins b.
type joinOrder struct{ left, right, other sets.FastIntSet }

// violated reports whether a join of two sets of tables is not in the order.
func (o joinOrder) violated(l, r sets.FastIntSet) bool {
	return r.Intersects(o.right) && !r.Intersects(o.left) && l.Intersects(o.other)
}

// guardJoinOrders has the orders of joins that the planner must keep known while it plans
// them, and every join a condition.
func guardJoinOrders(a *analyzer.Analyzer) {
	aroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		if s, ok := ctx.Session.(*Session); ok {
			before, laterals := s.joinOrders, s.laterals
			s.joinOrders, s.laterals = joinOrders(ctx, n), lateralTables(n)
			defer func() { s.joinOrders, s.laterals = before, laterals }()
		}
		planned, same, err := rule(ctx, n, f)
		if err != nil || !served(ctx) {
			return planned, same, err
		}
		if !lateralTables(planned).Empty() {
			inspectJoins(planned, func(j *plan.JoinNode) {
				if !j.Op.IsLateral() && !lateralTables(j.Right()).Empty() {
					err = errNotSupported("LATERAL on the right side of an outer join")
				}
			})
			if err != nil {
				return n, same, err
			}
		}
		planned, same2, err := transform.Node(ctx, planned, conditioned)
		if err != nil {
			return planned, same, err
		}
		planned, same3, err := transform.Node(ctx, planned, keepIns) // of EXISTS
		return planned, same && same2 && same3, err
	})
}

// conditioned gives true as the condition to a join that the planner has left without one, and
// as it was since something in it is no table.
func conditioned(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	j, ok := n.(*plan.JoinNode)
	if !ok || j.Filter != nil || j.Op.IsCross() || j.Op.IsLateral() {
		return n, transform.SameTree, nil
	}
	return j.WithFilter(expression.NewLiteral(true, types.Boolean)), transform.NewTree, nil
}

// lateralTables returns the ids of the derived tables of a plan that are LATERAL.
func lateralTables(n sql.Node) sets.FastIntSet {
	var out sets.FastIntSet
	inspectJoins(n, func(j *plan.JoinNode) {
		if j.Op.IsLateral() {
			out = out.Union(tablesOf(j.Right()))
		}
	})
	return out
}

func joinOrders(ctx *sql.Context, n sql.Node) []joinOrder {
	var out []joinOrder
	inspectJoins(n, func(j *plan.JoinNode) {
		if !j.Op.IsInner() || j.Filter == nil {
			return
		}
		sides := [2]sets.FastIntSet{tablesOf(j.Left()), tablesOf(j.Right())}
		for i, side := range [2]sql.Node{j.Left(), j.Right()} {
			inspectJoins(side, func(k *plan.JoinNode) {
				if k.Op.IsInner() {
					return
				}
				o := joinOrder{left: tablesOf(k.Left()), right: tablesOf(k.Right()), other: sides[1-i]}
				for _, e := range expression.SplitConjunction(ctx, j.Filter) {
					used := tablesIn(ctx, e)
					if used.Intersects(o.right) || !used.Intersects(sides[0]) || !used.Intersects(sides[1]) {
						out = append(out, o)
						return
					}
				}
			})
		}
	})
	return out
}

// inspectJoins calls f for the joins of one query.
func inspectJoins(n sql.Node, f func(*plan.JoinNode)) {
	transform.Inspect(n, func(n sql.Node) bool {
		if j, ok := n.(*plan.JoinNode); ok {
			f(j)
		}
		return n != nil && !sql.IsOpaque(n)
	})
}

// tablesOf returns the ids of the tables of a plan.
func tablesOf(n sql.Node) sets.FastIntSet {
	var out sets.FastIntSet
	transform.Inspect(n, func(n sql.Node) bool {
		t, ok := n.(plan.TableIdNode)
		if ok {
			out.Add(int(t.Id()))
		}
		return n != nil && !ok
	})
	return out
}

// tablesIn returns the ids of the tables whose columns an expression names.
func tablesIn(ctx *sql.Context, e sql.Expression) sets.FastIntSet {
	var out sets.FastIntSet
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if c, ok := e.(*expression.GetField); ok {
			out.Add(int(c.TableId()))
		}
		return true
	})
	return out
}

// forbidden is the cost of a plan with other rows than the statement's.
var forbidden = math.Inf(1)

// allowed reports whether a join is in the statement's order, and keeps the conditions on
// its right side and the rows of LATERAL there.
func allowed(ctx *sql.Context, n memo.JoinRel) bool {
	if c, ok := n.(*memo.ConcatJoin); ok && absorbed(c.Right) {
		return false
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
		if o.violated(l, r) || o.violated(r, l) {
			return false
		}
	}
	return true
}

// absorbed reports whether conditions of a group may have become the range of an index, which
// a join by lookups of several indexes leaves out with the scan.
func absorbed(g *memo.ExprGroup) bool {
	for n := range g.Iter() {
		switch n := n.(type) {
		case *memo.IndexScan:
			return true
		case *memo.Filter, *memo.Project, *memo.Distinct:
			if slices.ContainsFunc(n.Children(), absorbed) {
				return true
			}
		}
	}
	return false
}
