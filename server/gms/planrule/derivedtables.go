package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/sets"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// GuardDerived corrects what the planner makes of derived tables.
//
// Of a derived table that is a whole table, or columns of one, it makes that table, and forgets that its columns are
// known by other numbers above it.
//
// A condition that compares a column with one of an outer query it looks up in an index of the column's table, though
// that stands below a LIMIT or a window, which are then of the rows that were found, or on the side of an outer join
// that may be left out.
//
// A condition that it moves into a derived table keeps the names of constants, which are not known there.
func GuardDerived(a *analyzer.Analyzer) {
	AroundRule(a, "replaceSubqueries", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		derived := map[sql.TableId]*plan.SubqueryAlias{}
		if f != nil && f.SubqueryIsSet() {
			transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
				if t, ok := n.(*plan.SubqueryAlias); ok {
					derived[t.Id()] = t
				}
				return true
			})
		}
		n, same, err := rule(ctx, n, f)
		if err != nil || same == transform.SameTree || len(derived) == 0 {
			return n, same, err
		}
		n, _, err = transform.NodeWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			t, ok := n.(*plan.TableAlias)
			if !ok {
				return n, transform.SameTree, nil
			}
			was := derived[t.Id()]
			if was == nil || was.Columns().Equals(t.Columns()) {
				return n, transform.SameTree, nil
			}
			to := was.Columns()
			if to.Len() != t.Columns().Len() { // some columns of the table, which are numbered as all of them
				return was, transform.NewTree, nil
			}
			if table, ok := t.Child.(plan.TableIdNode); ok {
				return plan.NewTableAlias(t.Name(), table.WithId(t.Id()).WithColumns(to)).WithComment(t.Comment()), transform.NewTree, nil
			}
			return t.WithColumns(to), transform.NewTree, nil
		})
		return n, transform.NewTree, err
	})
	AroundRule(a, "pushdownSubqueryAliasFilters", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		out, same, err := rule(ctx, n, f)
		if err != nil || same == transform.SameTree {
			return out, same, err
		}
		var aliases sql.ColSet
		transform.Inspect(n, func(n sql.Node) bool {
			if p, ok := n.(*plan.Project); ok {
				for _, e := range p.Projections {
					if x, ok := e.(*expression.Alias); ok {
						aliases.Add(x.Id())
					}
				}
			}
			return true
		})
		unknown := false
		transform.Inspect(out, func(n sql.Node) bool {
			t, ok := n.(*plan.SubqueryAlias)
			if !ok {
				return !unknown
			}
			if w, ok := t.Child.(*plan.Filter); ok {
				sql.Inspect(ctx, w.Expression, func(_ *sql.Context, e sql.Expression) bool {
					x, ok := e.(*expression.GetField)
					unknown = unknown || ok && aliases.Contains(x.Id())
					return !unknown
				})
			}
			return !unknown
		})
		if unknown {
			return n, transform.SameTree, nil
		}
		return out, same, nil
	})
	AroundRule(a, "applyIndexesFromOuterScope", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		far := false
		var tables, indexed, named sets.FastIntSet
		transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
			switch n := n.(type) {
			case *plan.Filter:
				far = far || choosesBelow(ctx, n)
			case *plan.IndexedTableAccess:
				indexed.Add(int(n.Id()))
			}
			if t, ok := n.(plan.TableIdNode); ok {
				tables.Add(int(t.Id()))
			}
			return !far
		})
		if far {
			return n, transform.SameTree, nil
		}
		out, same, err := rule(ctx, n, f)
		if err != nil || bool(same) {
			return out, same, err
		}
		// The planner finds the tables of conditions by name, those in other derived tables too.
		transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
			if w, ok := n.(*plan.Filter); ok {
				for _, e := range expression.SplitConjunction(ctx, w.Expression) {
					if used := TablesIn(ctx, e); !used.SubsetOf(tables) {
						named = named.Union(used)
					}
				}
			}
			return true
		})
		out, _, err = transform.NodeWithOpaque(ctx, out, func(_ *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
			if t, ok := n.(*plan.IndexedTableAccess); ok && !indexed.Contains(int(t.Id())) && !named.Contains(int(t.Id())) {
				return t.TableNode, transform.NewTree, nil
			}
			return n, transform.SameTree, nil
		})
		return out, transform.NewTree, err
	})
}

// choosesBelow reports whether it depends on all rows of a table below a condition which of them come up to it.
func choosesBelow(ctx *sql.Context, w *plan.Filter) (found bool) {
	nullSafe := false
	for _, e := range expression.SplitConjunction(ctx, w.Expression) {
		_, safe := e.(*expression.NullSafeEquals)
		nullSafe = nullSafe || safe
	}
	transform.Inspect(w.Child, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.Limit, *plan.Offset, *plan.TopN, *plan.Window, *plan.GroupBy, *plan.SetOp:
			found = true
		case *plan.JoinNode:
			found = found || nullSafe && !n.Op.IsInner() && !n.Op.IsCross()
		}
		return !found
	})
	return found
}
