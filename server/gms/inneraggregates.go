package gms

import (
	"strconv"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/function"
	"sextant/server/gms/syntax"
)

// aggregateBlock is a query block that others are in: the names of its tables and of its aggregates.
type aggregateBlock struct {
	tables, aggregates map[string]bool
}

// innerAggregates gives the aggregates of a subquery a text of its own where a query block around it has a table of the same
// name and the same aggregate: by the same text the planner takes them for those outside.
func innerAggregates(stmt ast.Statement) error {
	blocks := 0
	return syntax.Walk(aggregatesWithin(nil, &blocks), stmt)
}

// aggregatesWithin visits the query blocks within those that are given.
func aggregatesWithin(outer []aggregateBlock, blocks *int) ast.Visit {
	return func(n ast.SQLNode) (bool, error) {
		s, ok := n.(*ast.Select)
		if !ok {
			return true, nil
		}
		*blocks++
		own, found := aggregatesOf(s)
		for _, f := range found {
			for _, o := range outer {
				if o.aggregates[f.Name.Lowered()] && sharesTable(o, own) {
					nameArguments(f, *blocks)
					break
				}
			}
		}
		if err := syntax.Walk(aggregatesWithin(outer, blocks), s.From); err != nil {
			return false, err
		}
		within := append(outer[:len(outer):len(outer)], own)
		return false, syntax.Walk(aggregatesWithin(within, blocks), s.SelectExprs, s.Where, s.GroupBy, s.Having, s.OrderBy)
	}
}

// aggregatesOf returns a query block with its own aggregates.
func aggregatesOf(s *ast.Select) (aggregateBlock, []*ast.FuncExpr) {
	own, found := aggregateBlock{map[string]bool{}, map[string]bool{}}, []*ast.FuncExpr(nil)
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.FuncExpr:
			if n.Over == nil && n.IsAggregate() {
				own.aggregates[n.Name.Lowered()] = true
				found = append(found, n)
			}
		}
		return true, nil
	}, s.SelectExprs, s.Having, s.OrderBy)
	_ = syntax.Walk(func(n ast.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *ast.Subquery:
			return false, nil
		case *ast.AliasedTableExpr:
			name := n.As.String()
			if t, ok := n.Expr.(ast.TableName); ok && name == "" {
				name = t.Name.String()
			}
			own.tables[strings.ToLower(name)] = true
			return false, nil
		}
		return true, nil
	}, s.From)
	return own, found
}

func sharesTable(a, b aggregateBlock) bool {
	for t := range a.tables {
		if b.tables[t] {
			return true
		}
	}
	return false
}

// nameArguments names the arguments of an aggregate by the number of its query block and their text.
func nameArguments(f *ast.FuncExpr, block int) {
	for _, e := range f.Exprs {
		if x, ok := e.(*ast.AliasedExpr); ok {
			text := "\x00" + strconv.Itoa(block) + "." + ast.String(x.Expr)
			x.Expr = syntax.Call(function.ArgumentFunction, ast.NewStrVal([]byte(text)), x.Expr)
		}
	}
}
