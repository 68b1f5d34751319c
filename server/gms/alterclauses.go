package gms

import (
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/planbuilder"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
)

// unnamedIndex is the name of an index without one whose columns have others by then.
const unnamedIndex = "!unnamed"

// alterClauses writes clauses of ALTER TABLE as ones that the planner does right. A UNIQUE
// of a column is an index of its own, which gets a free name; to the planner it is always
// named as the column. An index of a column that CHANGE has renamed before is one of the
// column's old name, the only one that the planner's checks know; see newNames.
func (s *Session) alterClauses(ctx *sql.Context, query string, stmt ast.Statement) error {
	a, ok := stmt.(*ast.AlterTable)
	if !ok {
		return nil
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
		if c.Type.KeyOpt == columnIsUnique || c.Type.KeyOpt == columnUniqueKey {
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
	return nil
}

// laterClause returns a clause of ALTER TABLE as one of the table that the clauses before it
// have made, nil if that is the table as it was. Of those the planner's schema has neither
// new places nor what CHANGE names otherwise.
func (s *Session) laterClause(ctx *sql.Context, n sql.SchemaTarget, o sql.EngineOverrides) (sql.Node, error) {
	var table sql.Node
	var order *sql.ColumnOrder
	switch n := n.(type) {
	case *plan.AddColumn:
		table, order = n.Table, n.Order(ctx)
	case *plan.DropColumn:
		table = n.Table
	case *plan.ModifyColumn:
		table, order = n.Table, n.Order(ctx)
	case *plan.RenameColumn:
		table = n.Table
	case *plan.AlterPK:
		table = n.Table
	case *plan.AlterIndex:
		table = n.Table
	case *plan.AlterDefaultSet:
		table = n.Table
	case *plan.AlterDefaultDrop:
		table = n.Table
	}
	t := tableOf(table)
	if t == nil {
		return nil, nil
	}
	live := t.live(ctx)
	if live == t.shape {
		return nil, nil
	}
	if order != nil && !order.First && live.def.Column(order.AfterColumn) < 0 {
		if to := s.renamed[strings.ToLower(order.AfterColumn)]; to != "" {
			order.AfterColumn = to
		}
	}
	resolver := planbuilder.NewBuilderForColumnDefaultResolution(ctx, o)
	return n.WithTargetSchema(resolver.ResolveSchemaDefaults(t.db.Name(), t.Name(), live.schema.Copy()))
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
