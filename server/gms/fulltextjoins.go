package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
)

// hideFulltextFromJoins keeps FULLTEXT indexes out of the planning of joins: the planner takes
// them for indexes to look rows up by. MATCH has its own by then.
func hideFulltextFromJoins(a *analyzer.Analyzer) {
	for _, b := range a.Batches {
		for i, r := range b.Rules {
			if r.Id.String() != "optimizeJoins" {
				continue
			}
			b.Rules = slices.Clone(b.Rules) // they are the planner's defaults
			b.Rules[i].Apply = func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope,
				sel analyzer.RuleSelector, f *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
				if s, ok := ctx.Session.(*Session); ok {
					outer := s.fulltextHidden
					s.fulltextHidden = true
					defer func() { s.fulltextHidden = outer }()
				}
				return r.Apply(ctx, a, n, scope, sel, f)
			}
		}
	}
}
