package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
)

// rowListMax is how many rows of constants a list has at most whose rows are looked up.
const rowListMax = 1000

// rowLookup returns the OR that IN of a row of the table's columns in a list of constant rows is, if an index begins with one of the columns; nil for any other
// condition. The planner reads the whole table for it.
//
// Source: MySQL's range optimization of row constructors.
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
	var each []sql.Expression
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
		each = append(each, expression.JoinAnd(equal...))
	}
	return expression.JoinOr(each...)
}
