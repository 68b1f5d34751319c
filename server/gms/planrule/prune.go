package planrule

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// GuardPruning keeps the columns of SELECT * FROM (SELECT * FROM t) x LIMIT n. The
// planner drops the columns of a table that no node above it names, and where only
// LIMIT or DISTINCT stand above a derived table that became its table, none does.
func GuardPruning(a *analyzer.Analyzer) {
	AroundRule(a, "pruneTables", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if allColumns(n) {
			return n, transform.SameTree, nil
		}
		return rule(ctx, n, f)
	})
}

// allColumns reports whether a plan's columns are those of its tables.
func allColumns(n sql.Node) bool {
	for {
		switch x := n.(type) {
		case *plan.Limit, *plan.Offset, *plan.Distinct, *plan.Filter, *plan.Sort, *plan.TopN:
			n = x.Children()[0]
		case *plan.TableAlias, *plan.ResolvedTable, *plan.JoinNode:
			return true
		default:
			return false
		}
	}
}
