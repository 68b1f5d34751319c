package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"

	"sextant/server/gms/planrule"
	"sextant/server/gms/value"
)

// rowListMax is how many rows of constants a list has at most whose rows are looked up.
const rowListMax = 1000

// lookUpRows has IN of a row of a table's columns in a list of constant rows looked up in an index that begins with one of
// the columns: it becomes an OR of what each row compares. The planner reads the whole table for it.
//
// Source: MySQL's range optimization of row constructors.
func lookUpRows(a *analyzer.Analyzer) {
	planrule.AroundRule(a, "optimizeJoins", func(ctx *sql.Context, n sql.Node, f *sql.QueryFlags, rule planrule.PlanRule) (sql.Node, transform.TreeIdentity, error) {
		if !value.Served(ctx) {
			return rule(ctx, n, f)
		}
		n, same, err := transform.Node(ctx, n, rowLookups)
		if err != nil {
			return n, same, err
		}
		n, same2, err := rule(ctx, n, f)
		return n, same && same2, err
	})
}

func rowLookups(ctx *sql.Context, n sql.Node) (sql.Node, transform.TreeIdentity, error) {
	w, ok := n.(*plan.Filter)
	if !ok {
		return n, transform.SameTree, nil
	}
	t := tableOf(w.Child)
	if t == nil {
		return n, transform.SameTree, nil
	}
	all, same := expression.SplitConjunction(ctx, w.Expression), transform.SameTree
	for i, e := range all {
		if equal := t.rowLookup(e); equal != nil {
			all[i], same = equal, transform.NewTree
		}
	}
	if same {
		return n, same, nil
	}
	return plan.NewFilter(ctx, expression.JoinAnd(all...), w.Child), same, nil
}

// rowLookup returns the OR that such an IN is, nil for any other condition.
func (t *Table) rowLookup(e sql.Expression) sql.Expression {
	switch e.(type) {
	case *expression.InTuple, *expression.HashInTuple:
	default:
		return nil
	}
	if t == nil {
		return nil
	}
	in := e.(expression.Comparer)
	columns, ok := in.Left().(expression.Tuple)
	rows, isList := in.Right().(expression.Tuple)
	if !ok || !isList || len(rows) == 0 || len(rows) > rowListMax || !t.leads(columns) {
		return nil
	}
	return eachRow(columns, rows)
}

// leads reports whether all of these are columns of the table and one is the first of an index.
func (t *Table) leads(columns expression.Tuple) bool {
	found := false
	for _, e := range columns {
		c, ok := e.(*expression.GetField)
		if !ok {
			return false
		}
		found = found || slices.ContainsFunc(t.shape.indexes, func(ix *Index) bool {
			return ix.pseudo == nil && strings.EqualFold(t.shape.schema[ix.columns[0]].Name, c.Name())
		})
	}
	return found
}

// eachRow returns the condition that columns are equal to one of rows of literals, nil if there is another value in those.
func eachRow(columns, rows expression.Tuple) sql.Expression {
	var any []sql.Expression
	for _, e := range rows {
		row, ok := e.(expression.Tuple)
		if !ok || len(row) != len(columns) {
			return nil
		}
		equal := make([]sql.Expression, len(row))
		for i, v := range row {
			if _, ok := v.(*expression.Literal); !ok {
				return nil
			}
			equal[i] = expression.NewEquals(columns[i], v)
		}
		any = append(any, expression.JoinAnd(equal...))
	}
	return expression.JoinOr(any...)
}
