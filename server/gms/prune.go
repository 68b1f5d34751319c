package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// guardPruning keeps the columns of SELECT * FROM (SELECT * FROM t) x LIMIT n. The
// planner drops the columns of a table that no node above it names, and where only
// LIMIT or DISTINCT stand above a derived table that became its table, none does.
func guardPruning(a *analyzer.Analyzer) {
	for _, b := range a.Batches {
		for i, r := range b.Rules {
			if r.Id.String() != "pruneTables" {
				continue
			}
			b.Rules = slices.Clone(b.Rules) // they are the planner's defaults
			b.Rules[i].Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope,
				sel analyzer.RuleSelector, f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
				if allColumns(n) {
					return n, transform.SameTree, nil
				}
				return r.Apply(ctx, a, n, scope, sel, f)
			}
		}
	}
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
