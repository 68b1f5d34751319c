package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"

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
			if f, ok := n.(*plan.Filter); ok {
				switch f.Child.(type) {
				case *plan.ShowDatabases, *plan.ShowTables, *plan.ShowTableStatus:
					return namesWithoutCase(ctx, f)
				}
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

// namesWithoutCase returns the filter of SHOW DATABASES, TABLES or TABLE STATUS with its texts in information_schema's
// collation: the planner's have one that tells letters' case apart.
func namesWithoutCase(ctx *sql.Context, f *plan.Filter) (sql.Node, transform.TreeIdentity, error) {
	return transform.NodeExprs(ctx, f, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
		c, ok := e.(*expression.GetField)
		if !ok || !types.IsTextOnly(c.Type(ctx)) {
			return e, transform.SameTree, nil
		}
		t := types.MustCreateString(sqltypes.VarChar, 64, infoCollation)
		return expression.NewGetFieldWithTable(c.Index(), int(c.TableID()), t, c.Database(), c.Table(), c.Name(), c.IsNullable(ctx)), transform.NewTree, nil
	})
}
