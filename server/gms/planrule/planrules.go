package planrule

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// PlanRule is a rule of the planner without the arguments that a rule around it only
// hands on.
type PlanRule func(*sql.Context, sql.Node, *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error)

// AroundRule puts a rule of ours around one of the planner's, which it may call.
func AroundRule(a *analyzer.Analyzer, id string, around func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags,
	rule PlanRule) (sql.Node, transform.TreeIdentity, error)) {
	for _, b := range a.Batches {
		for i, r := range b.Rules {
			if r.Id.String() != id {
				continue
			}
			b.Rules = slices.Clone(b.Rules) // they are the planner's defaults
			b.Rules[i].Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope,
				sel analyzer.RuleSelector, f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
				return around(ctx, n, f, func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
					return r.Apply(ctx, a, n, scope, sel, f)
				})
			}
		}
	}
}

// PlanUnions has the sides of a UNION planned. The planner has a short list of rules for a
// SELECT of one table, none of which it finds among those that are left for the sides, so
// that they read their tables whole; what has a subquery gets the long list.
func PlanUnions(a *analyzer.Analyzer) {
	AroundRule(a, "finalizeUnions", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if f != nil && value.Served(ctx) {
			transform.Inspect(n, func(n sql.Node) bool {
				if _, ok := n.(*plan.SetOp); ok {
					f.Set(sql.QFlagRelSubquery)
				}
				return true
			})
		}
		return rule(ctx, n, f)
	})
}

// EraseProjections lets the planner leave out a projection only if it hands on its child's columns: it compares the columns' names
// and types alone, and a column of a UNION's side that is converted may have those of what it is made of.
func EraseProjections(a *analyzer.Analyzer) {
	AroundRule(a, "eraseProjection", func(ctx *sql.Context, n sql.Node, _ *sql.QueryFlags, _ PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if !n.Resolved() {
			return n, transform.SameTree, nil
		}
		return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			p, ok := n.(*plan.Project)
			if !ok || slices.ContainsFunc(p.Projections, func(e sql.Expression) bool { _, column := Unaliased(e).(*expression.GetField); return !column }) {
				return n, transform.SameTree, nil
			}
			if !p.Schema(ctx).CaseSensitiveEquals(p.Child.Schema(ctx)) {
				return n, transform.SameTree, nil
			}
			return p.Child, transform.NewTree, nil
		})
	})
}

// OtherSetOperations makes INTERSECT and EXCEPT again of the UNIONs that stand for them (see rewrite.SetOperations).
func OtherSetOperations(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	u, ok := n.(*plan.SetOp)
	if !ok {
		return n, transform.SameTree, nil
	}
	limit, ok := u.Limit.(*expression.Literal)
	if !ok {
		return n, transform.SameTree, nil
	}
	kinds := map[any]int{int64(rewrite.IntersectLimit): plan.IntersectType, int64(rewrite.ExceptLimit): plan.ExceptType}
	kind, other := kinds[limit.Value()]
	if !other {
		return n, transform.SameTree, nil
	}
	c := *u
	c.SetOpType, c.Limit = kind, nil
	return &c, transform.NewTree, nil
}

// UpsertsOfIndexedExpressions lets ON DUPLICATE KEY UPDATE of rows that are no literals have what it sets of hidden columns, the
// values of indexed expressions, which the planner takes for names that the statement has.
func UpsertsOfIndexedExpressions(a *analyzer.Analyzer) {
	AroundRule(a, "validateNoHiddenSystemColumns", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		plain, _, err := transform.Node(ctx, n, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			ins, ok := n.(*plan.InsertInto)
			if !ok || !ins.OnDupExprs.HasUpdates() {
				return n, transform.SameTree, nil
			}
			without := *ins
			without.OnDupExprs = nil
			return &without, transform.NewTree, nil
		})
		if err == nil {
			_, _, err = rule(ctx, plain, f)
		}
		return n, transform.SameTree, err
	})
}

// ColumnsBehindOthers has the columns of an UPDATE or DELETE of one table found by name where those of a CTE that it does not read
// were numbered before them: the planner takes their numbers for their places.
func ColumnsBehindOthers() {
	analyzer.OnceAfterAll = slices.Clone(analyzer.OnceAfterAll)
	i := slices.IndexFunc(analyzer.OnceAfterAll, func(r analyzer.Rule) bool { return r.Id.String() == "assignExecIndexes" })
	assign := analyzer.OnceAfterAll[i].Apply
	analyzer.OnceAfterAll[i].Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope, sel analyzer.RuleSelector,
		f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
		switch n := n.(type) {
		case *plan.Update:
			n.HasSingleRel = n.HasSingleRel && numberedFirst(n.Child)
		case *plan.DeleteFrom:
			n.RefsSingleRel = n.RefsSingleRel && numberedFirst(n.Child)
		}
		return assign(ctx, a, n, scope, sel, f)
	}
}

// numberedFirst reports whether the columns of a plan's table have the numbers from 1 on.
func numberedFirst(n sql.Node) bool {
	first := true
	transform.Inspect(n, func(n sql.Node) bool {
		if t, ok := n.(plan.TableIdNode); ok {
			id, some := t.Columns().Next(1)
			first = first && (!some || id == 1)
		}
		return first
	})
	return first
}
