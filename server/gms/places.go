package gms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// The planner looks up some names of a statement in the current database although the
// statement names another one: it is given that one as the current one while it plans.

// place prepares the planning of a statement.
func (s *Session) place(stmt ast.Statement) {
	s.renamings = nil
	current := s.BaseSession.GetCurrentDatabase()
	switch n := stmt.(type) {
	case *ast.AlterTable:
		s.home = n.Table.DbQualifier.String()
		slices.SortStableFunc(n.Statements, func(a, b *ast.DDL) int { return cmp.Compare(renames(a), renames(b)) })
		for _, d := range n.Statements {
			s.noteRenamings(d, current, true)
		}
	case *ast.DDL:
		switch {
		case n.Action == ast.RenameStr:
			s.noteRenamings(n, current, false)
			if len(s.renamings) > 0 && current == "" {
				s.home = s.renamings[0].from.Database
			}
		case n.ViewSpec != nil && current == "":
			s.home = n.ViewSpec.ViewName.DbQualifier.String()
		case n.TableSpec != nil:
			for _, c := range n.TableSpec.Constraints {
				if fk, ok := c.Details.(*ast.ForeignKeyDefinition); ok && fk.ReferencedTable.DbQualifier.IsEmpty() {
					fk.ReferencedTable.DbQualifier = n.Table.DbQualifier
				}
			}
		}
	case *ast.Show:
		if strings.EqualFold(n.Type, "events") && n.ShowTablesOpt != nil {
			s.home = n.ShowTablesOpt.DbName
		}
	case *ast.Delete:
		if t, ok := n.TableExprs[0].(*ast.AliasedTableExpr); ok && len(n.TableExprs) == 1 && n.Where == nil && len(n.Targets) == 0 {
			if name, ok := t.Expr.(ast.TableName); ok {
				s.home = name.DbQualifier.String()
			}
		}
	}
}

// declarer gives a table that is created with foreign keys its database's name as that is kept: the planner holds a
// key's declaring table against it letter by letter.
func (s *Session) declarer(ctx *sql.Context, stmt ast.Statement) {
	d, ok := stmt.(*ast.DDL)
	if !ok || d.Action != ast.CreateStr || d.TableSpec == nil || !slices.ContainsFunc(d.TableSpec.Constraints, func(c *ast.ConstraintDefinition) bool {
		_, ok := c.Details.(*ast.ForeignKeyDefinition)
		return ok
	}) {
		return
	}
	given := fullName(d.Table, ctx.GetCurrentDatabase()).Database
	if db, err := s.b.Database(ctx, given); err == nil && db.Name() != given { // else the planner says so
		d.Table.DbQualifier = ast.NewTableIdent(db.Name())
	}
}

func renames(d *ast.DDL) int {
	if d.Action == ast.RenameStr {
		return 1
	}
	return 0
}

// noteRenamings keeps the full names of a RENAME, which needs a current database for
// those that have none.
func (s *Session) noteRenamings(d *ast.DDL, current string, alter bool) {
	if d.Action != ast.RenameStr || len(d.FromTables) != len(d.ToTables) {
		return
	}
	d.Auth.TargetNames = nil
	for i := range d.FromTables {
		from, to := fullName(d.FromTables[i], current), fullName(d.ToTables[i], current)
		s.renamings = append(s.renamings, renaming{from, to, alter})
		d.Auth.TargetNames = append(d.Auth.TargetNames, from.Database, from.Name, to.Database, to.Name)
	}
}

func fullName(t ast.TableName, current string) syntax.TableName {
	return syntax.TableName{Database: cmp.Or(t.DbQualifier.String(), current), Name: t.Name.String()}
}
