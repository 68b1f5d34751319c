package gms

import (
	"cmp"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// addRules adds to the rules that the analyzer ends with. (Those that its builder takes are
// not asked for statements that write.)
var addRules = sync.OnceFunc(func() {
	planrule.ReplaceGroupByCheck()
	planrule.AllowSeveralDatabases()
	replaceDropRules()
	planrule.AddPassedColumns()
	addComparedTypes()
	ownTriggers()
	planrule.AddUnionTypes()
	planrule.ColumnsBehindOthers()
	windows := planbuilder.IsWindowFunc
	planbuilder.IsWindowFunc = func(ctx *sql.Context, name string) (bool, error) {
		if k := expr.Aggregates[name]; k != nil && k.Op != "" || name == "json_objectagg" {
			return true, nil
		}
		return windows(ctx, name)
	}
	analyzer.OnceAfterAll = append(analyzer.OnceAfterAll, analyzer.Rule{Id: virtualChecksRule, Apply: addVirtualChecks}, analyzer.Rule{Id: expr.CheckedRule, Apply: checkArithmetic})
})

func checkArithmetic(ctx *sql.Context, _ *analyzer.Analyzer, n sql.Node, _ *plan.Scope, _ analyzer.RuleSelector,
	_ *sql.QueryFlags) (sql.Node, transform.TreeIdentity, error) {
	if !value.Served(ctx) {
		return n, transform.SameTree, nil
	}
	if err := illegalMixes(ctx, n, false); err != nil { // of a simple statement that writes
		return n, transform.SameTree, err
	}
	n, same0, err := planrule.AllDigits(ctx, n)
	if err != nil {
		return n, same0, err
	}
	found := false
	transform.InspectExpressions(ctx, n, func(_ *sql.Context, e sql.Expression) bool {
		switch e := e.(type) {
		case *expression.Not, *expression.And, *expression.Or, *expression.Xor, *expression.IsTrue:
			found = found || expr.TimesAsConditions(ctx, e) != nil
		case *expression.Equals, *expression.LessThan, *expression.LessThanOrEqual, *expression.GreaterThan, *expression.GreaterThanOrEqual,
			*expression.Between, *expression.InTuple:
			_, in := e.(*expression.InTuple)
			found = found || in || expr.WithComparedTypes(ctx, e) != nil || expr.ComparedTexts(ctx, e) != nil || expr.ComparedAsTexts(ctx, e) != nil || expr.ComparedMoments(ctx, e) != nil
		case *expression.Arithmetic, *expression.BitOp, *expression.UnaryMinus, *expression.IntDiv,
			*expression.HashInTuple, *expression.NullSafeEquals, *expression.Div, *expression.Case, *expression.Convert, *expression.ConvertUsing, *expression.Like, sql.FunctionExpression, *expression.MatchAgainst:
			found = true
		}
		return !found
	})
	same := same0
	if found {
		if n, same, err = checkExprs(ctx, n); err != nil {
			return n, same, err
		}
	}
	n, same2, err := transform.Node(ctx, n, planrule.WeighKeys)
	if err != nil {
		return n, same0 && same && same2, err
	}
	n, same3, err := rememberSubqueries(ctx, n)
	return n, same0 && same && same2 && same3, err
}

// checkExprs returns a plan with what takes the place of its expressions.
func checkExprs(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	if s, ok := ctx.Session.(*Session); ok {
		defer func(outer sql.Node) { s.reads = outer }(s.reads)
		return transform.NodeExprsWithNode(ctx, n, func(ctx *sql.Context, n sql.Node, e sql.Expression) (sql.Expression, transform.TreeIdentity, error) {
			s.reads = readBy(n)
			return expr.Check(ctx, e)
		})
	}
	return transform.NodeExprs(ctx, n, expr.Check)
}

// checkSimple checks a SELECT of one table, for which the analyzer asks no rule of ours. The tree
// is changed in place: the result's types are read off it.
func checkSimple(ctx *sql.Context, s *Session, n sql.Node) error {
	failed := cmp.Or(s.readUnions(ctx, n), writeOrdered(ctx, n), illegalMixes(ctx, n, true))
	replace := func(e *sql.Expression) {
		x, same, err := transform.Expr(ctx, *e, expr.Check)
		if err != nil && failed == nil {
			failed = err
		} else if err == nil && !same {
			*e = x
		}
	}
	sorted := func(by sql.SortConditions) {
		for i := range by {
			replace(&by[i].Expr)
		}
	}
	transform.Inspect(n, func(n sql.Node) bool { // by which the columns' formats are found
		if a, ok := n.(*plan.TableAlias); ok {
			s.NoteAlias(a)
		}
		return true
	})
	transform.Inspect(n, func(n sql.Node) bool {
		switch n := n.(type) {
		case *plan.Project:
			for i := range n.Projections {
				replace(&n.Projections[i])
			}
		case *plan.Filter:
			replace(&n.Expression)
			n.Expression = expr.AsCondition(ctx, n.Expression)
		case *plan.Having:
			n.Cond = expr.AsCondition(ctx, n.Cond)
		case *plan.Sort:
			sorted(n.SortConditions)
			n.SortConditions, _ = planrule.WeighedSort(ctx, n.SortConditions)
		case *plan.TopN:
			sorted(n.SortConditions)
			n.SortConditions, _ = planrule.WeighedSort(ctx, n.SortConditions)
		}
		return true
	})
	return failed
}
