package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/value"
)

// HashJoins has joins that the planner compares every row of one side with every row of the other for look
// the right side's rows up by those of their conditions that are equalities. The planner hashes a join only
// if all of its conditions are. A row that is found is asked for the whole condition.
//
// Source: MySQL's hash join, in which other conditions than equalities are extra conditions.
func HashJoins(a *analyzer.Analyzer) {
	AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		planned, same, err := rule(ctx, n, f)
		if err != nil || !value.Served(ctx) {
			return planned, same, err
		}
		planned, same2, err := transform.Node(ctx, planned, hashJoin)
		return planned, same && same2, err
	})
}

// hashJoin returns a join of nested loops as a hash join, another node as it is. Of one row on the left side
// the loop is as good.
func hashJoin(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	j, ok := n.(*plan.JoinNode)
	if !ok || j.Filter == nil || oneRow(ctx, j.Left()) {
		return n, transform.SameTree, nil
	}
	switch j.Op {
	case plan.JoinTypeInner, plan.JoinTypeLeftOuter, plan.JoinTypeSemi, plan.JoinTypeAntiIncludeNulls:
	default:
		return n, transform.SameTree, nil
	}
	if _, ok := j.Right().(*plan.RecursiveTable); ok || !LateralTables(j.Right()).Empty() {
		return n, transform.SameTree, nil
	}
	left, right := tablesOf(j.Left()), tablesOf(j.Right())
	var probe, entry expression.Tuple
	add := func(l, r sql.Expression) {
		switch {
		case ofTables(ctx, l, left) && ofTables(ctx, r, right):
			probe, entry = append(probe, l), append(entry, r)
		case ofTables(ctx, r, left) && ofTables(ctx, l, right):
			probe, entry = append(probe, r), append(entry, l)
		}
	}
	for _, e := range expression.SplitConjunction(ctx, j.Filter) {
		eq, ok := Condition(e).(*expression.Equals)
		if !ok {
			continue
		}
		ls, lok := eq.Left().(expression.Tuple)
		rs, rok := eq.Right().(expression.Tuple)
		switch {
		case lok && rok && len(ls) == len(rs):
			for i := range ls {
				add(ls[i], rs[i])
			}
		case !lok && !rok:
			add(eq.Left(), eq.Right())
		}
	}
	if len(probe) == 0 {
		return n, transform.SameTree, nil
	}
	h := *j
	h.Op = j.Op.AsHash()
	joined, err := h.WithChildren(ctx, j.Left(), plan.NewHashLookup(ctx, j.Right(), entry, probe, h.Op))
	return joined, transform.NewTree, err
}

// ofTables reports whether an expression names columns of some of these tables, and nothing else.
func ofTables(ctx *sql.Context, e sql.Expression, tables sets.FastIntSet) bool {
	named, of := false, true
	sql.Inspect(ctx, e, func(_ *sql.Context, e sql.Expression) bool {
		switch e := e.(type) {
		case *expression.GetField:
			named, of = true, of && tables.Contains(int(e.TableId()))
		case *plan.Subquery, sql.Aggregation:
			of = false
		}
		if v, ok := e.(sql.NonDeterministicExpression); ok && v.IsNonDeterministic() {
			of = false
		}
		return of
	})
	return named && of
}

// oneRow reports whether a node is a table's row by a key that is unique.
func oneRow(ctx *sql.Context, n sql.Node) bool {
	if alias, ok := n.(*plan.TableAlias); ok {
		n = alias.Child
	}
	access, ok := n.(*plan.IndexedTableAccess)
	if !ok || !access.IsStatic() {
		return false
	}
	l, _, err := access.GetLookup(ctx, nil)
	return err == nil && l.IsPointLookup
}
