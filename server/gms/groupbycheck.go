package gms

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/analyzer/analyzererrors"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
)

// groupByRule is the name of the planner's rule for ONLY_FULL_GROUP_BY.
const groupByRule = "validateGroupBy"

// replaceGroupByCheck puts freeOfColumns before the planner's check, which takes NOW(),
// CONNECTION_ID() or @@version for columns that are not grouped by.
func replaceGroupByCheck() {
	for i, r := range analyzer.OnceBeforeDefault {
		if r.Id.String() == groupByRule {
			analyzer.OnceBeforeDefault[i].Apply = freeOfColumns(r.Apply)
		}
	}
}

// withoutColumn is an expression without arguments that shows that it is none of a column:
// it has a number in it.
type withoutColumn struct{ sql.Expression }

// Children implements sql.Expression.
func (withoutColumn) Children() []sql.Expression {
	return []sql.Expression{expression.NewLiteral(int64(1), types.Int64)}
}

// WithChildren implements sql.Expression.
func (e withoutColumn) WithChildren(*sql.Context, ...sql.Expression) (sql.Expression, error) {
	return e, nil
}

// ofColumns is a subquery as the columns of the query around it that it reads.
type ofColumns struct {
	sql.Expression
	columns []sql.Expression
}

// Children implements sql.Expression.
func (e ofColumns) Children() []sql.Expression { return e.columns }

// WithChildren implements sql.Expression.
func (e ofColumns) WithChildren(*sql.Context, ...sql.Expression) (sql.Expression, error) {
	return e, nil
}

// holdsSubquery reports whether an expression takes nothing but a subquery as its child.
func holdsSubquery(e sql.Expression) bool {
	switch e.(type) {
	case *plan.InSubquery, *plan.ExistsSubquery, *quantifiedComparison:
		return true
	}
	return false
}

// freeOfColumns has a rule check the tree with such expressions, and keeps the tree.
func freeOfColumns(base analyzer.RuleFunc) analyzer.RuleFunc {
	return func(ctx *sql.Context, a *analyzer.Analyzer, n sql.Node, scope *plan.Scope, sel analyzer.RuleSelector,
		flags *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
		if !analyzer.FlagIsSet(flags, sql.QFlagAggregation) || !served(ctx) {
			return base(ctx, a, n, scope, sel, flags)
		}
		tables, grouped, held := tablesOf(n), true, map[*plan.Subquery]bool{} // held: by IN and EXISTS
		transform.InspectExpressionsWithNode(ctx, n, func(_ *sql.Context, _ sql.Node, e sql.Expression) bool {
			if holdsSubquery(e) {
				for _, c := range e.Children() {
					if sub, ok := c.(*plan.Subquery); ok {
						held[sub] = true
					}
				}
			}
			return true
		})
		transform.Inspect(n, func(n sql.Node) bool {
			g, ok := n.(*plan.GroupBy)
			grouped = grouped && (!ok || len(g.GroupByExprs) > 0)
			return grouped
		})
		plain, _, err := transform.NodeExprsWithOpaque(ctx, n, func(ctx *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			if sub, ok := e.(*plan.Subquery); grouped && (ok && !held[sub] || holdsSubquery(e)) {
				columns := slices.DeleteFunc(slices.Clone(e.Children()), func(c sql.Expression) bool {
					sub, ok := c.(*plan.Subquery)
					return ok && held[sub]
				})
				if columns = append(columns, outerColumns(ctx, e, tables)...); len(columns) > 0 {
					return ofColumns{e, columns}, transform.NewTree, nil
				}
				return withoutColumn{e}, transform.NewTree, nil
			}
			_, call := e.(sql.FunctionExpression)
			switch e.(type) {
			case sql.Aggregation:
				call = false
			case *expression.UserVar, *expression.SystemVar, hexLiteral:
				call = true
			}
			if call && len(e.Children()) == 0 {
				return withoutColumn{e}, transform.NewTree, nil
			}
			return e, transform.SameTree, nil
		})
		if err == nil {
			_, _, err = base(ctx, a, plain, scope, sel, flags)
		}
		return n, transform.SameTree, groupByError(ctx, n, err)
	}
}

// notGrouped is the column in the errors of the planner's check, without its database.
var notGrouped = regexp.MustCompile(`nonaggregated column '(.*?)'`)

// groupByError gives an error of the planner's check MySQL's number, and the column its
// database.
func groupByError(ctx *sql.Context, n sql.Node, err error) error {
	number := mysql.ERWrongFieldWithGroup
	switch {
	case sql.ErrNonAggregatedColumnWithoutGroupBy.Is(err):
		number = mysql.ERMixOfGroupFuncAndFields
	case !analyzererrors.ErrValidationGroupBy.Is(err) && !analyzererrors.ErrValidationGroupByOrderBy.Is(err):
		return err
	}
	text := err.Error()
	text = strings.ToUpper(text[:1]) + text[1:]
	if at := notGrouped.FindStringSubmatchIndex(text); at != nil {
		column, database := text[at[2]:at[3]], ""
		transform.InspectExpressionsWithNode(ctx, n, func(_ *sql.Context, _ sql.Node, e sql.Expression) bool {
			if f, ok := e.(*expression.GetField); ok && f.String() == column {
				database = f.Database()
			}
			return database == ""
		})
		if database != "" {
			text = text[:at[2]] + database + "." + text[at[2]:]
		}
	}
	return mysql.NewSQLError(number, "42000", "%s", text)
}
