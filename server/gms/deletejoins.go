package gms

import (
	"reflect"
	"slices"
	"strings"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/planrule"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
)

// usedTable is a table of a FROM with its columns.
type usedTable struct {
	name    ast.TableIdent
	columns ast.Columns
}

// deleteJoins makes conditions of USING and NATURAL in a DELETE of several tables: the planner does not find
// the aliases of what they join.
func (s *Session) deleteJoins(stmt ast.Statement) {
	d, ok := stmt.(*ast.Delete)
	if !ok || len(d.Targets) == 0 {
		return
	}
	var joins []func()
	known := true
	merged := map[string]ast.TableIdent{} // the table that a column's name is of without one
	var tables func(e ast.TableExpr) []usedTable
	tables = func(e ast.TableExpr) []usedTable {
		switch e := e.(type) {
		case *ast.AliasedTableExpr:
			t := usedTable{name: e.As}
			if name, ok := e.Expr.(ast.TableName); ok {
				if t.columns = s.columnsOf(name); t.name.IsEmpty() {
					t.name = name.Name
				}
			}
			return []usedTable{t}
		case *ast.JoinTableExpr:
			left, right := tables(e.LeftExpr), tables(e.RightExpr)
			list := e.Condition.Using
			kind, natural := strings.CutPrefix(e.Join, "natural ")
			if natural {
				for _, t := range left {
					for _, c := range t.columns {
						if !slices.ContainsFunc(list, c.Equal) && tableWith(right, c) != nil {
							list = append(list, c)
						}
					}
				}
			}
			var on ast.Expr
			for _, c := range list {
				l, r := tableWith(left, c), tableWith(right, c)
				if l == nil || r == nil {
					known = false // a view's or a subquery's
					return nil
				}
				merged[c.Lowered()] = l.name
				if strings.HasPrefix(kind, "right") {
					merged[c.Lowered()] = r.name
				}
				on = planrule.And(on, &ast.ComparisonExpr{Operator: ast.EqualStr, Left: rewrite.ColumnOf(l.name.String(), c.String()), Right: rewrite.ColumnOf(r.name.String(), c.String())})
			}
			if natural || len(list) > 0 {
				joins = append(joins, func() { e.Join, e.Condition = kind, ast.JoinCondition{On: on} })
			}
			return append(left, right...)
		}
		return nil
	}
	for _, e := range d.TableExprs {
		if slices.ContainsFunc(tables(e), func(t usedTable) bool { return len(t.columns) == 0 }) {
			known = false
		}
	}
	if !known || len(joins) == 0 {
		return
	}
	for _, join := range joins {
		join()
	}
	if d.Where == nil {
		return
	}
	_ = syntax.ReplaceNodes(reflect.ValueOf(&d.Where.Expr).Elem(), func(n ast.SQLNode) (ast.SQLNode, bool, error) {
		name, ok := n.(*ast.ColName)
		if _, inner := n.(*ast.Subquery); inner || !ok {
			return nil, !inner, nil
		}
		if table, ok := merged[name.Name.Lowered()]; ok && name.Qualifier.IsEmpty() {
			return rewrite.ColumnOf(table.String(), name.Name.String()), false, nil
		}
		return nil, false, nil
	})
}

// tableWith returns the first table with a column, nil if there is none.
func tableWith(list []usedTable, c ast.ColIdent) *usedTable {
	for i := range list {
		if slices.ContainsFunc(list[i].columns, c.Equal) {
			return &list[i]
		}
	}
	return nil
}
