package rewrite

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// UniqueNames refuses a FROM that has a name twice, before the planner finds that a column of
// it is ambiguous, and has the aggregates in select lists told apart.
func UniqueNames(stmt ast.Statement) error {
	return syntax.Walk(func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok {
			return true, nil
		}
		literalNames(s.SelectExprs)
		if len(s.SelectExprs) > 1 {
			repeatedAggregates(s.SelectExprs)
		}
		if !SeveralTables(s.From) {
			return true, nil
		}
		seen := map[syntax.TableName]bool{}
		return true, syntax.Walk(func(n ast.SQLNode) (bool, error) {
			switch n := n.(type) {
			case *ast.Subquery:
				return false, nil
			case *ast.AliasedTableExpr:
				t, _ := n.Expr.(ast.TableName)
				name := n.As.String()
				if name == "" {
					name = t.Name.String()
				}
				of := syntax.TableName{Database: strings.ToLower(t.DbQualifier.String()), Name: strings.ToLower(name)}
				if name != "" && seen[of] {
					return false, sql.ErrDuplicateAliasOrTable.New(name)
				}
				seen[of] = true
				return false, nil
			}
			return true, nil
		}, s.From)
	}, stmt)
}

// literalNames names texts in a select list by their values, without the blanks that they begin with.
func literalNames(list ast.SelectExprs) {
	for _, e := range list {
		x, ok := e.(*ast.AliasedExpr)
		if !ok || !x.As.IsEmpty() {
			continue
		}
		if v, ok := x.Expr.(*ast.SQLVal); ok && v.Type == ast.StrVal && x.InputExpression != "" {
			if name := strings.TrimLeft(string(v.Val), " "); name != "" {
				x.InputExpression = name
			}
		}
	}
}

// repeatedAggregates gives an aggregate that is in a select list again another text: the planner takes it for the name of
// the column before, which it has by the same text. A column with its table's name may be the one without it.
func repeatedAggregates(list ast.SelectExprs) {
	type aggregate struct{ text, bare string }
	var seen []aggregate
	for _, e := range list {
		x, ok := e.(*ast.AliasedExpr)
		if !ok {
			continue
		}
		f, ok := x.Expr.(*ast.FuncExpr)
		if !ok || f.Over != nil || !f.IsAggregate() {
			continue
		}
		of := aggregate{aggregateText(f), aggregateText(withoutTables(f))}
		if slices.ContainsFunc(seen, func(a aggregate) bool {
			return a.text == of.text || a.bare == of.bare && (a.text == a.bare || of.text == of.bare)
		}) {
			x.Expr = syntax.Call(function.ArgumentFunction, ast.NewStrVal([]byte("\x00again")), f)
		} else if x.As.IsEmpty() {
			seen = append(seen, of)
		}
	}
}

// aggregateText is an aggregate's text in lower case; COUNT(*) is COUNT(1) to the planner.
func aggregateText(e ast.Expr) string {
	return strings.Replace(strings.ToLower(ast.String(e)), "count(*)", "count(1)", 1)
}

// withoutTables returns a copy of an expression whose columns have no tables' names.
func withoutTables(e ast.Expr) ast.Expr {
	e = Cloned(e)
	_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
		if c, ok := n.(*ast.ColName); ok {
			c.Qualifier = ast.TableName{}
		}
		return true, nil
	}, e)
	return e
}
