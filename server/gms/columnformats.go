package gms

import (
	"strconv"
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/rewrite"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// integerDigits are the widths of ZEROFILL without one.
var integerDigits = map[string]int{"tinyint": 3, "smallint": 5, "mediumint": 8, "int": 10, "integer": 10, "bigint": 20, "float": 12, "double": 22, "real": 22}

// definedFormat returns the note of a column that a statement defines, "" for none. What is ZEROFILL is UNSIGNED.
func definedFormat(t *ast.ColumnType) string {
	kind, note := strings.ToLower(t.Type), ""
	width, integer := rewrite.Number(t.Length), false
	switch kind {
	case "float", "double", "real":
		if t.Scale != nil {
			note = strconv.Itoa(width) + "," + strconv.Itoa(rewrite.Number(t.Scale))
			t.Length = nil // to the planner it would be the bits of a FLOAT
		}
	case "decimal", "numeric", "dec", "fixed":
		if width < 0 {
			width = 10
		}
		if rewrite.Number(t.Scale) > 0 {
			width++
		}
	default:
		integer = true
	}
	if t.Zerofill {
		t.Unsigned = true
		if width < 0 {
			width = integerDigits[kind]
		}
		note += "zero" + strconv.Itoa(width)
	} else if bool(t.Unsigned) && !integer {
		note += expr.UnsignedNote
	}
	return note
}

// setFormat notes the format of a column of numbers: the one that the statement says, or else that of the column that it is
// made of.
func setFormat(ctx *sql.Context, c *engine.ColumnDef, old *engine.ColumnDef) {
	s, ok := ctx.Session.(*Session)
	if !ok || !s.b.mysql {
		return
	}
	note, ok := s.formats[strings.ToLower(c.Name)]
	if !ok && old != nil {
		note = old.Options[expr.OptFormat]
	}
	if delete(c.Options, expr.OptFormat); note != "" {
		c.Options[expr.OptFormat] = note
	}
}

// inFormats returns a row with its numbers as the columns have them. Returns 1264 for one that is out of range.
func (s *shape) inFormats(ctx *sql.Context, a value.Assigner, r sql.Row) (sql.Row, error) {
	copied := false
	for i, f := range s.formats {
		if f == (value.ColumnFormat{}) || i >= len(r) || r[i] == nil {
			continue
		}
		a.Format = f
		v, err := a.Bounded(ctx, s.schema[i].Name, s.schema[i].Type, r[i])
		if err != nil {
			return nil, err
		}
		if !copied {
			r, copied = r.Copy(), true
		}
		r[i] = v
	}
	return r, nil
}

// value.ColumnFormats returns the formats of the columns of the result of a plan, which may be nil; nil if none has one.
func columnFormats(ctx *sql.Context, n sql.Node, schema sql.Schema) (out map[int]value.ColumnFormat) {
	set := func(i int, f value.ColumnFormat, ok bool) {
		if ok && out == nil {
			out = make(map[int]value.ColumnFormat)
		}
		if ok {
			out[i] = f
		}
	}
	for i, c := range schema {
		if !expr.IsNumeric(c.Type) {
			continue
		}
		if d := expr.SourceColumn(ctx, c); d != nil {
			f, ok := expr.FormatOf(d)
			set(i, f, ok)
		} else if types.IsFloat(c.Type) && n != nil && len(n.Schema(ctx)) == len(schema) {
			f, ok := expr.DoubleFormat(expr.CreatedColumn(ctx, n, i).Behind())
			set(i, f, ok)
		}
	}
	return out
}

// withFormats returns a table's definition with the formats of its columns.
func (s *shape) withFormats(text string) string {
	for i := range s.schema {
		c := &s.def.Columns[i]
		if f, ok := expr.FormatOf(c); ok {
			was := s.schema[i].Type.String()
			name := "\n  " + syntax.QuoteName(c.Name) + " "
			text = strings.Replace(text, name+was, name+f.TypeText(was), 1)
		}
	}
	return text
}
