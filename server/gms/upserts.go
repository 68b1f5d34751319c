package gms

import (
	"context"

	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// newRow is the name that the planner has for the row in VALUES(column).
const newRow = "__new_ins"

// upsert gives the rows of an INSERT … SELECT … ON DUPLICATE KEY UPDATE c = VALUES(c) the names of
// the columns that they are for: the planner knows only those of VALUES lists by them.
func (s *Session) upsert(stmt ast.Statement) {
	ins, ok := stmt.(*ast.Insert)
	if !ok {
		return
	}
	rows, ok := ins.Rows.(ast.SelectStatement)
	if !ok || len(ins.OnDup) == 0 || !usesValues(ins.OnDup) {
		return
	}
	columns := ins.Columns
	if len(columns) == 0 {
		columns = s.columnsOf(ins.Table)
	}
	if len(columns) == 0 {
		return
	}
	ins.Rows = &ast.Select{
		SelectExprs: ast.SelectExprs{&ast.StarExpr{}},
		From: ast.TableExprs{&ast.AliasedTableExpr{
			Auth: open, As: ast.NewTableIdent(newRow), Expr: &ast.Subquery{Select: rows, Columns: append(ast.Columns(nil), columns...)},
		}},
	}
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

// columnsOf returns the columns of a table, nil if it is none of ours.
func (s *Session) columnsOf(name ast.TableName) (out ast.Columns) {
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
	for _, c := range def.Columns {
		if !c.Hidden {
			out = append(out, ast.NewColIdent(c.Name))
		}
	}
	return out
}
