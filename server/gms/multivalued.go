package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// A multi-valued index has an entry for each member of an array. Its hidden column, which no client sees, has the list of them
// (value.ArrayType); engine.IndexColumn.Multi makes entries of it. The planner does not know such an index (shape.sqlIdx): it has no entry
// of a row without members, and several of others, so that it serves nothing but the conditions of memberScan.

// arrayKind returns the type of the members if a column is a CAST to an array, "" of another.
func arrayKind(d *sql.ColumnDefaultValue) string {
	if d == nil {
		return ""
	}
	e := d.Expr
	if k, ok := e.(*keptExpression); ok {
		e = k.Child
	}
	args, ok := expr.ArrayCall(e)
	if !ok {
		return ""
	}
	kind, _ := expr.LiteralText(args[1])
	return kind
}

// namedArray returns the kept text of a hidden column with the name of its index.
func namedArray(text string, def *engine.TableDef, c *engine.ColumnDef) string {
	text = withoutParentheses(text)
	for _, ix := range def.Indexes {
		for _, p := range ix.Columns {
			if &def.Columns[p.Column] == c {
				return text[:len(text)-1] + "," + syntax.QuoteText(ix.Name) + ")"
			}
		}
	}
	return text
}

// keyColumn returns the column c of part i of an index as its keys have it: of an array a member.
func (ix *Index) keyColumn(i, c int) *sql.Column {
	column := ix.shape.schema[c]
	if i != ix.multi {
		return column
	}
	kind, err := value.NewArrayType(ix.shape.def.Columns[c].Options[optArray])
	if err != nil {
		return column
	}
	member := *column
	member.Type = kind.Typ
	return &member
}

// addsForeignKey reports whether a statement is an ALTER TABLE that adds a foreign key.
func addsForeignKey(stmt ast.Statement) bool {
	a, ok := stmt.(*ast.AlterTable)
	return ok && slices.ContainsFunc(a.Statements, func(d *ast.DDL) bool {
		return d.TableSpec != nil && d.ConstraintAction == ast.AddStr && slices.ContainsFunc(d.TableSpec.Constraints, func(c *ast.ConstraintDefinition) bool {
			_, ok := c.Details.(*ast.ForeignKeyDefinition)
			return ok
		})
	})
}

// takenMember returns the member that an error of a duplicate is about, which part i of a multi-valued index has, as messages show it.
func (s *shape) takenMember(ctx *sql.Context, dup *engine.DuplicateError, i int) string {
	k, err := dup.Index.Key()
	at := 0
	if err == nil {
		at, err = k.Len(dup.Key, i)
	}
	var member row.Datum
	if err == nil {
		member, _, err = k.Decode(dup.Key[at:], i)
	}
	var t *value.ArrayType
	if err == nil {
		t, err = value.NewArrayType(s.def.Columns[dup.Index.Columns[i].Column].Options[optArray])
	}
	var v any
	if err == nil {
		v, err = t.Value(member.B)
	}
	if err != nil {
		return ""
	}
	return text(ctx, t.Typ, v, 0)
}
