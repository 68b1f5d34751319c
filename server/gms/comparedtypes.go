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
	"sextant/server/gms/planrule"
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
			n, same0, err := transform.NodeWithOpaque(ctx, n, planrule.OtherSetOperations)
			if err != nil {
				return n, same0, err
			}
			if err := illegalMixes(ctx, n, true); err != nil {
				return n, transform.SameTree, err
			}
			if f, ok := n.(*plan.Filter); ok {
				switch f.Child.(type) {
				case *plan.ShowDatabases, *plan.ShowTables, *plan.ShowTableStatus:
					return namesWithoutCase(ctx, f)
				}
			}
			n, same, err := transform.NodeWithOpaque(ctx, n, wholeConditions)
			if err != nil {
				return n, same, err
			}
			n, same1, err := transform.NodeWithOpaque(ctx, n, planrule.TypedAggregates)
			if err != nil {
				return n, same, err
			}
			n, same2, err := transform.NodeExprsWithOpaque(ctx, n, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
				switch e.(type) {
				case *expression.And, *expression.Or, *expression.Not:
					if c := expr.TimesAsConditions(ctx, e); c != nil {
						return c, transform.NewTree, nil
					}
				}
				if c := expr.WithComparedTypes(ctx, e); c != nil {
					return c, transform.NewTree, nil
				}
				return e, transform.SameTree, nil
			})
			return n, same0 && same && same1 && same2, err
		},
	})
}

// wholeConditions returns a filter or a join whose condition is a document or a time alone with what that is as one.
func wholeConditions(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	whole := func(e sql.Expression) bool {
		return e != nil && e.Resolved() && (types.IsJSON(e.Type(ctx)) || expr.IsMoment(e.Type(ctx)))
	}
	switch n := n.(type) {
	case *plan.Filter:
		if whole(n.Expression) {
			return plan.NewFilter(ctx, expr.AsCondition(ctx, n.Expression), n.Child), transform.NewTree, nil
		}
	case *plan.JoinNode:
		if whole(n.Filter) {
			return n.WithFilter(expr.AsCondition(ctx, n.Filter)), transform.NewTree, nil
		}
	}
	return n, transform.SameTree, nil
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
