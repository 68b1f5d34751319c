package planrule

import (
	"math"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/memo"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// JoinOrder says that the tables of right are joined to those of left before other is. It
// is so where the inner join of other has a condition on right, as that of
//
//	a LEFT JOIN b ON … JOIN c ON a.x=c.x AND b.y>3
//
// The planner may join a and c first, and forgets such conditions when it joins b.
type JoinOrder struct{ left, right, other sets.FastIntSet }

// Violated reports whether a join of two sets of tables is not in the order.
func (o JoinOrder) Violated(l, r sets.FastIntSet) bool {
	return r.Intersects(o.right) && !r.Intersects(o.left) && l.Intersects(o.other)
}

// Conditioned gives true as the condition to a join that the planner has left without one, and
// as it was since something in it is no table.
func Conditioned(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	j, ok := n.(*plan.JoinNode)
	if !ok || j.Filter != nil || j.Op.IsCross() || j.Op.IsLateral() {
		return n, transform.SameTree, nil
	}
	return j.WithFilter(expression.NewLiteral(true, types.Boolean)), transform.NewTree, nil
}

// Remembered returns a plan of joins with the conditions that the planner has forgotten of them asked of its rows. It may
// forget some where another condition has a subquery and columns of one side of its join alone: it
// keeps the order of such a join, and finds no place for a condition that is between others.
func Remembered(ctx *sql.Context, before, planned sql.Node) (sql.Node, error) {
	type tree struct {
		tables     sets.FastIntSet
		conditions []sql.Expression
	}
	var trees []tree
	joinRoots(before, func(j *plan.JoinNode) {
		all, loose := joinedConditions(ctx, j)
		if loose {
			trees = append(trees, tree{tablesOf(j), all})
		}
	})
	if len(trees) == 0 {
		return planned, nil
	}
	kept := map[string]bool{}
	keep := func(e sql.Expression) {
		for _, e := range expression.SplitConjunction(ctx, e) {
			kept[e.String()] = true
		}
	}
	transform.Inspect(planned, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.JoinNode:
			if n.Filter != nil {
				keep(n.Filter)
			}
		case *plan.Filter:
			keep(n.Expression)
		}
		return n != nil
	})
	out := map[*plan.JoinNode][]sql.Expression{}
	joinRoots(planned, func(j *plan.JoinNode) {
		for _, t := range trees {
			if !t.tables.Equals(tablesOf(j)) {
				continue
			}
			for _, e := range t.conditions {
				if !kept[e.String()] {
					out[j] = append(out[j], e)
				}
			}
		}
	})
	planned, _, err := transform.Node(ctx, planned, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		if j, ok := n.(*plan.JoinNode); ok && len(out[j]) > 0 {
			return plan.NewFilter(ctx, expression.JoinAnd(out[j]...), j), transform.NewTree, nil
		}
		return n, transform.SameTree, nil
	})
	return planned, err
}

// joinRoots calls f for the joins of a query that are in no other.
func joinRoots(n sql.Node, f func(*plan.JoinNode)) {
	transform.Inspect(n, func(n sql.Node) bool {
		j, ok := n.(*plan.JoinNode)
		if ok {
			f(j)
		}
		return n != nil && !ok && !sql.IsOpaque(n)
	})
}

// joinedConditions returns the conditions of the inner joins of a tree of them, down to outer joins, and whether one has a
// subquery and columns of one side of its join alone.
func joinedConditions(ctx *sql.Context, j *plan.JoinNode) (all []sql.Expression, loose bool) {
	if !j.Op.IsInner() && !j.Op.IsCross() {
		return nil, false
	}
	if j.Filter != nil {
		for _, e := range expression.SplitConjunction(ctx, j.Filter) {
			all = append(all, e)
			used := tablesNamed(ctx, j, e)
			loose = loose || hasSubquery(ctx, e) && !(used.Intersects(tablesOf(j.Left())) && used.Intersects(tablesOf(j.Right())))
		}
	}
	for _, side := range []sql.Node{j.Left(), j.Right()} {
		if k, ok := side.(*plan.JoinNode); ok {
			more, too := joinedConditions(ctx, k)
			all, loose = append(all, more...), loose || too
		}
	}
	return all, loose
}

func hasSubquery(ctx *sql.Context, e sql.Expression) bool {
	return transform.InspectExpr(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		_, ok := e.(*plan.Subquery)
		return ok
	})
}

// LateralTables returns the ids of the derived tables of a plan that are LATERAL.
func LateralTables(n sql.Node) sets.FastIntSet {
	var out sets.FastIntSet
	InspectJoins(n, func(j *plan.JoinNode) {
		if j.Op.IsLateral() {
			out = out.Union(tablesOf(j.Right()))
		}
	})
	return out
}

// JoinOrders returns the orders of a plan's joins that the planner must not choose.
func JoinOrders(ctx *sql.Context, n sql.Node) []JoinOrder {
	var out []JoinOrder
	InspectJoins(n, func(j *plan.JoinNode) {
		if !j.Op.IsInner() || j.Filter == nil {
			return
		}
		sides := [2]sets.FastIntSet{tablesOf(j.Left()), tablesOf(j.Right())}
		for i, side := range [2]sql.Node{j.Left(), j.Right()} {
			InspectJoins(side, func(k *plan.JoinNode) {
				if k.Op.IsInner() {
					return
				}
				o := JoinOrder{left: tablesOf(k.Left()), right: tablesOf(k.Right()), other: sides[1-i]}
				for _, e := range expression.SplitConjunction(ctx, j.Filter) {
					used := TablesIn(ctx, e)
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

// InspectJoins calls f for the joins of one query.
func InspectJoins(n sql.Node, f func(*plan.JoinNode)) {
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

// TablesIn returns the ids of the tables whose columns an expression names.
func TablesIn(ctx *sql.Context, e sql.Expression) sets.FastIntSet {
	var out sets.FastIntSet
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		if c, ok := e.(*expression.GetField); ok {
			out.Add(int(c.TableId()))
		}
		return true
	})
	return out
}

// Forbidden is the cost of a plan with other rows than the statement's.
var Forbidden = math.Inf(1)

// Absorbed reports whether conditions of a group may have become the range of an index, which
// a join by lookups of several indexes leaves out with the scan.
func Absorbed(g *memo.ExprGroup) bool {
	for n := range g.Iter() {
		switch n := n.(type) {
		case *memo.IndexScan:
			return true
		case *memo.Filter, *memo.Project, *memo.Distinct:
			if slices.ContainsFunc(n.Children(), Absorbed) {
				return true
			}
		}
	}
	return false
}
