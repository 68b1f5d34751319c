package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/rewrite"
)

// unnamedIndex is the name of an index without one whose columns have others by then.
const unnamedIndex = "!unnamed"

// alterClauses writes clauses of ALTER TABLE as ones that the planner does right. DROP INDEX of
// the index PRIMARY is DROP PRIMARY KEY. A UNIQUE
// of a column is an index of its own, which gets a free name; to the planner it is always
// named as the column. An index of a column that CHANGE has renamed before is one of the
// column's old name, the only one that the planner's checks know; see newNames.
func (s *Session) alterClauses(ctx *sql.Context, query string, stmt ast.Statement) error {
	a, ok := stmt.(*ast.AlterTable)
	if !ok {
		return nil
	}
	for _, d := range a.Statements {
		if x := d.IndexSpec; x != nil && strings.EqualFold(x.Action, ast.DropStr) && x.ToName.EqualString(rewrite.PrimaryName) {
			x.Type, x.ToName = ast.PrimaryStr, ast.ColIdent{}
		}
	}
	if err := s.wholeAlter(ctx, query, a); err != nil {
		return err
	}
	s.renamed = map[string]string{}
	was := map[string]ast.ColIdent{} // by the new name
	for i := 0; i < len(a.Statements); i++ {
		d := a.Statements[i]
		if x := d.IndexSpec; x != nil && strings.EqualFold(x.Action, ast.CreateStr) {
			for _, f := range x.Fields {
				if old, ok := was[f.Column.Lowered()]; ok {
					f.Column = old
					if x.ToName.IsEmpty() {
						x.ToName = ast.NewColIdent(unnamedIndex)
					}
				} else if s.renamed[f.Column.Lowered()] != "" {
					return sql.ErrKeyColumnDoesNotExist.New(f.Column.String())
				}
			}
		}
		if d.ColumnAction == "" || d.TableSpec == nil || len(d.TableSpec.Columns) != 1 {
			continue
		}
		c := d.TableSpec.Columns[0]
		if strings.EqualFold(d.ColumnAction, ast.ChangeStr) && !c.Name.Equal(d.Column) {
			s.renamed[d.Column.Lowered()] = c.Name.String()
			was[c.Name.Lowered()] = d.Column
		}
		if c.Type.KeyOpt == rewrite.ColumnIsUnique || c.Type.KeyOpt == rewrite.ColumnUniqueKey {
			c.Type.KeyOpt = 0
			index := *d
			index.ColumnAction, index.TableSpec, index.ColumnOrder, index.Column = "", nil, nil, ast.ColIdent{}
			index.IndexSpec = &ast.IndexSpec{Action: ast.CreateStr, Type: ast.UniqueStr, Fields: []*ast.IndexField{{Column: c.Name}}}
			a.Statements = slices.Insert(a.Statements, i+1, &index)
		}
	}
	for _, d := range a.Statements {
		if d.ColumnOrder == nil || d.ColumnOrder.First {
			continue
		}
		after := d.ColumnOrder.AfterColumn
		if old, ok := was[after.Lowered()]; ok {
			d.ColumnOrder.AfterColumn = old
		} else if s.renamed[after.Lowered()] != "" {
			return mysql.NewSQLError(mysql.ERBadFieldError, "42S22", "Unknown column '%s' in '%s'", after.String(), a.Table.Name.String())
		}
	}
	s.laterClauses(ctx, a)
	return nil
}

// newNames gives an index the names that the statement's CHANGE has given to its columns.
func (s *Session) newNames(def *engine.TableDef, ix *sql.IndexDef) {
	if ix.Name == unnamedIndex {
		ix.Name = ""
	}
	ix.Columns = slices.Clone(ix.Columns)
	for i, c := range ix.Columns {
		if to, ok := s.renamed[strings.ToLower(c.Name)]; ok && def.Column(c.Name) < 0 {
			ix.Columns[i].Name = to
		}
	}
}
