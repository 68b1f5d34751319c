package rewrite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/syntax"
)

// FunctionalMark begins the names of the columns that CREATE TABLE is given for the
// expressions of its indexes, until it runs: the planner resolves expressions of columns
// only, and refuses the names that hidden columns have.
const FunctionalMark = "!functional"

// FunctionalIndexes makes generated columns of the expressions in the indexes of a CREATE
// TABLE. What their type is, is known when it runs. The indexes' columns get the letters that the columns have.
func FunctionalIndexes(stmt ast.Statement) {
	d, ok := stmt.(*ast.DDL)
	if !ok || d.Action != ast.CreateStr || d.TableSpec == nil {
		return
	}
	declared := make(map[string]ast.ColIdent, len(d.TableSpec.Columns))
	for _, c := range d.TableSpec.Columns {
		declared[c.Name.Lowered()] = c.Name
	}
	for _, ix := range d.TableSpec.Indexes {
		for _, f := range ix.Fields {
			if c, ok := declared[f.Column.Lowered()]; ok {
				f.Column = c
			}
		}
	}
	if d.OptSelect != nil {
		return
	}
	unnamed := 0
	for _, ix := range d.TableSpec.Indexes {
		for i, f := range ix.Fields {
			if f.Expression == nil {
				continue
			}
			if ix.Info.Name.IsEmpty() {
				name := "functional_index"
				if unnamed++; unnamed > 1 {
					name += "_" + strconv.Itoa(unnamed)
				}
				ix.Info.Name = ast.NewColIdent(name)
			}
			f.Column = ast.NewColIdent(FunctionalMark + sql.HiddenSystemColumnName(ix.Info.Name.String(), i))
			d.TableSpec.Columns = append(d.TableSpec.Columns, &ast.ColumnDefinition{Name: f.Column, Type: ast.ColumnType{
				Type: "varchar", Length: ast.NewIntVal([]byte("255")), GeneratedExpr: &ast.ParenExpr{Expr: f.Expression},
			}})
			f.Expression = nil
		}
	}
}

// NameIndexes gives indexes of CREATE TABLE that have no names the names of their first
// columns, with a number if one before has it (MySQL's make_unique_key_name). An index that
// has been given the name of one before is 1061.
func NameIndexes(list sql.IndexDefs) error {
	used := make(map[string]bool, len(list))
	for _, ix := range list {
		if ix.Name == "" {
			base := ix.ColumnNames()[0]
			ix.Name = base
			for n := 2; used[strings.ToLower(ix.Name)] || syntax.SameName(ix.Name, PrimaryName); n++ {
				ix.Name = fmt.Sprintf("%s_%d", base, n)
			}
		} else if used[strings.ToLower(ix.Name)] {
			return mysql.NewSQLError(1061, "42000", "Duplicate key name '%s'", ix.Name)
		}
		used[strings.ToLower(ix.Name)] = true
	}
	return nil
}
