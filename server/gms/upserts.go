package gms

import (
	"context"
	"fmt"
	"slices"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// newRow is the name that the planner has for the row in VALUES(column).
const newRow = "__new_ins"

// upsert gives the rows of an INSERT … SELECT … ON DUPLICATE KEY UPDATE c = VALUES(c) the names of
// the columns that they are for: the planner knows only those of VALUES lists by them. Columns of the
// SELECT's tables in the list are carried beside the row.
func (s *Session) upsert(stmt ast.Statement) error {
	ins, ok := stmt.(*ast.Insert)
	if !ok {
		return nil
	}
	if len(ins.OnDup) == 0 {
		return nil
	}
	if list, ok := ins.Rows.(*ast.AliasedValues); ok && len(list.Values) > 0 && len(list.Values[0]) > 0 &&
		slices.ContainsFunc(ins.OnDup, func(e *ast.AssignmentExpr) bool { return hasSubquery(e.Expr) }) {
		if v, ok := list.Values[0][0].(*ast.SQLVal); ok {
			list.Values[0][0] = &ast.ParenExpr{Expr: v} // the planner looks for no subqueries where all rows are literals
		}
	}
	rows, ok := ins.Rows.(ast.SelectStatement)
	if !ok {
		return nil
	}
	columns := slices.Clone(ins.Columns)
	if len(columns) == 0 {
		columns = s.columnsOf(ins.Table)
	}
	if len(columns) == 0 {
		return nil
	}
	var beside *ast.InjectedExpr
	if s.b.mysql {
		var err error
		if beside, err = s.carryColumns(ins, rows); err != nil {
			return err
		}
	}
	if beside == nil && !usesValues(ins.OnDup) {
		return nil
	}
	named := ast.SelectExprs{&ast.StarExpr{}}
	if beside != nil {
		named = nil
		for _, c := range columns {
			named = append(named, &ast.AliasedExpr{Expr: &ast.ColName{Name: c}})
		}
		for i := range beside.Children {
			name := ast.NewColIdent(fmt.Sprintf("%s_%d", newRow, i))
			columns, beside.Children[i] = append(columns, name), &ast.ColName{Name: name}
		}
		first := named[0].(*ast.AliasedExpr)
		beside.Children = append(ast.Exprs{first.Expr}, beside.Children...)
		first.Expr = *beside
	}
	ins.Rows = &ast.Select{
		SelectExprs: named,
		From: ast.TableExprs{&ast.AliasedTableExpr{
			Auth: open, As: ast.NewTableIdent(newRow), Expr: &ast.Subquery{Select: rows, Columns: columns},
		}},
	}
	return nil
}

// namesRows reports whether upsert has named the columns of an INSERT's rows.
func namesRows(stmt ast.Statement) bool {
	ins, ok := stmt.(*ast.Insert)
	if !ok {
		return false
	}
	sel, ok := ins.Rows.(*ast.Select)
	if !ok || len(sel.From) != 1 {
		return false
	}
	from, ok := sel.From[0].(*ast.AliasedTableExpr)
	return ok && from.As.String() == newRow
}

// usesValues reports whether VALUES(column) is in the list of an ON DUPLICATE KEY UPDATE.
func usesValues(list ast.OnDup) bool {
	found := false
	for _, e := range list {
		_ = ast.Walk(func(n ast.SQLNode) (bool, error) {
			if _, ok := n.(*ast.ValuesFuncExpr); ok {
				found = true
			}
			return !found, nil
		}, e.Expr)
	}
	return found
}

// columnsOf returns the visible columns of a table, nil if it is none of ours.
func (s *Session) columnsOf(name ast.TableName) ast.Columns {
	db := name.DbQualifier.String()
	if db == "" {
		db = s.GetCurrentDatabase()
	}
	def := s.temporary(db, name.Name.String())
	if def == nil {
		cat, err := s.b.db.CatalogAt(context.Background(), 0)
		if err != nil {
			return nil
		}
		if def = cat.Table(db, name.Name.String()); def == nil {
			return nil
		}
	}
	return visibleOf(def)
}
