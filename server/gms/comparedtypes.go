package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// addComparedTypes adds the rule.
func addComparedTypes() {
	analyzer.OnceBeforeDefault = slices.Insert(slices.Clone(analyzer.OnceBeforeDefault), 0, analyzer.Rule{
		Id: expr.ComparedRule,
		Apply: func(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
			_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
			if !value.Served(ctx) {
				return n, transform.SameTree, nil
			}
			if err := illegalMixes(ctx, n); err != nil {
				return n, transform.SameTree, err
			}
			return transform.NodeExprsWithOpaque(ctx, n, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
				if c := expr.WithComparedTypes(ctx, e); c != nil {
					return c, transform.NewTree, nil
				}
				return e, transform.SameTree, nil
			})
		},
	})
}
