package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
)

// takenName begins the name that a column has for a while.
const takenName = "!"

// takenNames gives a column another name first, and its own at the statement's end, where a column that the
// same ALTER TABLE renames or drops has that name still: the clauses name the columns of the table before.
func takenNames(def *engine.TableDef, a *ast.AlterTable) {
	newName := func(d *ast.DDL) *ast.ColIdent {
		switch {
		case strings.EqualFold(d.ColumnAction, ast.RenameStr):
			return &d.ToColumn
		case (strings.EqualFold(d.ColumnAction, ast.ChangeStr) || adds(d)) && d.TableSpec != nil && len(d.TableSpec.Columns) == 1:
			return &d.TableSpec.Columns[0].Name
		}
		return nil
	}
	leaves := func(name ast.ColIdent, clauses []*ast.DDL) bool {
		return slices.ContainsFunc(clauses, func(d *ast.DDL) bool {
			to := newName(d)
			return d.Column.Equal(name) && (to != nil && !to.Equal(name) || strings.EqualFold(d.ColumnAction, ast.DropStr))
		})
	}
	renames := slices.DeleteFunc(slices.Clone(a.Statements), func(d *ast.DDL) bool { return newName(d) == nil })
	for i, d := range a.Statements {
		to := newName(d)
		if to == nil || def.Column(to.String()) < 0 {
			continue
		}
		letters := strings.EqualFold(d.ColumnAction, ast.RenameStr) && to.Equal(d.Column) && to.String() != d.Column.String()
		if adds(d) { // a DROP before it has been executed by then
			letters = leaves(*to, renames) || leaves(*to, a.Statements[i:])
		}
		if !letters && (to.Equal(d.Column) || !leaves(*to, a.Statements)) {
			continue
		}
		*to = ast.NewColIdent(takenName + to.String())
	}
}

// adds reports whether a clause adds a column.
func adds(d *ast.DDL) bool { return strings.EqualFold(d.ColumnAction, ast.AddStr) }

// giveNames ends the clauses of an ALTER TABLE, n, and then gives columns that takenNames has named the names
// that are theirs. It returns the rows of it.
func giveNames(ctx *sql.Context, n sql.Node, it sql.RowIter) (sql.RowIter, error) {
	var t *Table
	var first []string
	transform.InspectWithOpaque(ctx, n, func(_ *sql.Context, n sql.Node) bool {
		switch n := n.(type) {
		case *plan.RenameColumn:
			if strings.HasPrefix(n.NewColumnName, takenName) {
				t, first = tableOf(n.Table), append(first, n.NewColumnName)
			}
		case *plan.ModifyColumn:
			if c := n.NewColumn(); strings.HasPrefix(c.Name, takenName) {
				t, first = tableOf(n.Table), append(first, c.Name)
			}
		case *plan.AddColumn:
			if c := n.Column(); strings.HasPrefix(c.Name, takenName) {
				t, first = tableOf(n.Table), append(first, c.Name)
			}
		}
		return true
	})
	if t == nil {
		return it, nil
	}
	all, err := sql.RowIterToRows(ctx, it)
	if err != nil {
		return nil, err
	}
	for _, name := range first {
		sh := t.live(ctx)
		c := *sh.schema[sh.def.Column(name)]
		c.Name = strings.TrimPrefix(name, takenName)
		if err := t.ModifyColumn(ctx, name, &c, nil); err != nil {
			return nil, err
		}
	}
	return sql.RowsToRowIter(all...), nil
}
