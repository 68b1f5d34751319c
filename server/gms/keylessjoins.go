package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// updateKeylessJoins lets an UPDATE of a join write tables without a key, which the planner refuses: it writes the rows
// of one value once. The editor writes all of them: they are joined with the same rows.
func updateKeylessJoins(a *analyzer.Analyzer) {
	aroundRule(a, "modifyUpdateExprsForJoin", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planRule) (sql.Node, transform.TreeIdentity, error) {
		out, same, err := rule(ctx, n, f)
		u, ok := n.(*plan.Update)
		if !ok || !sql.ErrUnsupportedFeature.Is(err) || !served(ctx) {
			return out, same, err
		}
		source, ok := u.Child.(*plan.UpdateSource)
		if !ok {
			return out, same, err
		}
		tables := map[string]sql.Node{}
		transform.Inspect(source, func(n sql.Node) bool {
			x, named := n.(sql.NameableNode)
			if tableOf(n) != nil && named {
				if r := resolvedTable(n); r != nil {
					tables[strings.ToLower(x.Name())] = r
				}
				return false
			}
			return true
		})
		targets := map[string]sql.Node{}
		for name := range plan.GetTablesToBeUpdated(ctx, source) {
			t, ok := tables[name]
			if !ok {
				return out, same, err
			}
			targets[name] = t
		}
		joined, err := u.WithChildren(ctx, plan.NewUpdateJoin(targets, source))
		return joined, transform.NewTree, err
	})
}

// resolvedTable returns the table that a node reads, nil if it is another.
func resolvedTable(n sql.Node) (t *plan.ResolvedTable) {
	transform.Inspect(n, func(n sql.Node) bool {
		switch x := n.(type) {
		case *plan.ResolvedTable:
			t = x
		case *plan.IndexedTableAccess:
			t, _ = x.TableNode.(*plan.ResolvedTable)
		}
		return t == nil
	})
	return t
}

// updatesJoin reports whether a statement is an UPDATE of a join.
func updatesJoin(n sql.Node) bool {
	u, ok := n.(*plan.Update)
	return ok && u.IsJoin
}

// aheadRows is a node whose rows are all read before the first is returned: of equal rows of a table
// without a key the scan must have noted every one before one is written.
type aheadRows struct{ sql.Node }

// readsKeyless reports whether a plan reads a table without a key.
func readsKeyless(n sql.Node) (found bool) {
	transform.Inspect(n, func(n sql.Node) bool {
		if t := tableOf(n); t != nil && t.shape.rowID >= 0 {
			found = true
		}
		return !found
	})
	return found
}
