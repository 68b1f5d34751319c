package gms

import (
	"reflect"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// aggregateFunction is the function in the place of an aggregate in HAVING. The planner knows
// the columns of those by their names alone: of COUNT(b.id) beside another aggregate it does
// not find b.id, if an a before b has an id too. The argument is the aggregate's text; the
// aggregate itself stands where the planner collects it and does not resolve it again.
const aggregateFunction = "\x00aggregate"

// havings puts aggregateFunction in the place of aggregates of qualified columns in HAVING.
func havings(stmt ast.Statement) error {
	return ast.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok || s.Having == nil || len(s.From) == 1 && !joined(s.From[0]) {
			return true, nil
		}
		return true, replaceNodes(reflect.ValueOf(&s.Having.Expr), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
			f, ok := n.(*ast.FuncExpr)
			if _, sub := n.(*ast.Subquery); sub || !ok {
				return nil, !sub, nil
			}
			text := aggregateText(f)
			if text == "" {
				return nil, true, nil
			}
			to := call(aggregateFunction, ast.NewStrVal([]byte(text)))
			to.Over = &ast.Over{PartitionBy: ast.Exprs{f}}
			return to, false, nil
		})
	}, stmt)
}

func joined(t ast.TableExpr) bool {
	_, ok := t.(*ast.JoinTableExpr)
	return ok
}

// aggregateText is the planner's text of an aggregate of a column that is named with its
// table, "" of others.
func aggregateText(f *ast.FuncExpr) string {
	name := f.Name.Lowered()
	switch name {
	case "count", "sum", "avg", "min", "max":
	default:
		return ""
	}
	if f.Over != nil || len(f.Exprs) != 1 {
		return ""
	}
	e, ok := f.Exprs[0].(*ast.AliasedExpr)
	if !ok {
		return ""
	}
	c, ok := e.Expr.(*ast.ColName)
	if !ok || c.Qualifier.Name.IsEmpty() {
		return ""
	}
	distinct := ""
	if f.Distinct {
		distinct = "distinct "
	}
	return name + "(" + distinct + strings.ToLower(c.Qualifier.Name.String()+"."+c.Name.String()) + ")"
}

// aggregateReference returns what aggregateFunction is: a column of the GROUP BY below.
func aggregateReference(_ *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	if len(args) == 1 {
		if text, ok := args[0].(*expression.Literal); ok {
			if name, ok := text.Value().(string); ok {
				return expression.NewGetFieldWithTable(0, 0, types.Int64, "", "", name, true), nil
			}
		}
	}
	return nil, sql.ErrFunctionNotFound.New("aggregate")
}

// aggregatesRule is the analyzer's rule that gives aggregateReferences their types.
const aggregatesRule analyzer.RuleId = 1<<20 + 1

func typeAggregates(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
	_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	return transform.Node(ctx, n, func(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
		h, ok := n.(*plan.Having)
		if !ok {
			return n, transform.SameTree, nil
		}
		kinds := map[string]sql.Type{}
		transform.Inspect(h.Child, func(n sql.Node) bool {
			g, ok := n.(*plan.GroupBy)
			if ok {
				for _, e := range g.SelectDeps {
					kinds[strings.ToLower(plan.AliasSubqueryString(ctx, e))] = e.Type(ctx)
				}
			}
			return !ok
		})
		return transform.OneNodeExpressions(ctx, h, func(_ *sql.Context, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			f, ok := e.(*expression.GetField)
			if !ok || f.Id() != 0 || f.Table() != "" {
				return e, transform.SameTree, nil
			}
			t, ok := kinds[f.Name()]
			if !ok {
				return e, transform.SameTree, nil
			}
			return expression.NewGetFieldWithTable(f.Index(), 0, t, "", "", f.Name(), true), transform.NewTree, nil
		})
	})
}
