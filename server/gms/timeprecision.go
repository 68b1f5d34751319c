package gms

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/sqltypes"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/engine"
	"sextant/server/gms/expr"
	"sextant/server/gms/syntax"
	"sextant/server/gms/value"
)

// The planner's TIME has six fractional digits, always. How many a column has is kept
// beside its type: values are rounded when they are written, and cut when they are sent.
// A column of an earlier version has no such note, and six digits.

// timePrecisions are the digits of the TIME columns that a DDL statement defines, by name.
type timePrecisions map[string]string

// notePrecisions takes the digits out of the types of a DDL statement, and notes the formats of numbers; its execution
// asks for them.
func (s *Session) notePrecisions(ctx *sql.Context, stmt ast.Statement) {
	found, formats := timePrecisions{}, map[string]string{}
	note := func(d *ast.DDL) {
		if d == nil || d.TableSpec == nil {
			return
		}
		s.binaryCollations(ctx, d)
		for _, c := range d.TableSpec.Columns {
			formats[c.Name.Lowered()] = definedFormat(&c.Type)
			memberDefault(&c.Type)
			if !strings.EqualFold(c.Type.Type, "time") {
				continue
			}
			digits := "0"
			if c.Type.Length != nil {
				digits = string(c.Type.Length.Val)
			}
			if n, err := strconv.Atoi(digits); err == nil && n <= 6 {
				found[c.Name.Lowered()], c.Type.Length = digits, nil
			}
		}
	}
	switch d := stmt.(type) {
	case *ast.DDL:
		note(d)
		if d.OptLike != nil {
			for _, t := range d.OptLike.LikeTables {
				s.precisionsLike(ctx, t, found, formats)
			}
		}
	case *ast.AlterTable:
		for _, st := range d.Statements {
			note(st)
		}
	default:
		return
	}
	s.precisions, s.formats = found, formats
}

// precisionsLike adds those of a table that there is.
func (s *Session) precisionsLike(ctx *sql.Context, name ast.TableName, found timePrecisions, formats map[string]string) {
	db := name.DbQualifier.String()
	if db == "" {
		db = s.GetCurrentDatabase()
	}
	if def, _, err := s.definition(ctx, syntax.TableName{Database: db, Name: name.Name.String()}); err == nil && def != nil {
		for _, c := range def.Columns {
			if digits := c.Options[expr.OptPrecision]; digits != "" {
				found[strings.ToLower(c.Name)] = digits
			}
			formats[strings.ToLower(c.Name)] = c.Options[expr.OptFormat]
		}
	}
}

// setPrecision notes the digits of a column: those that the statement says, or else those
// of the column that it is made of.
func setPrecision(ctx *sql.Context, c *engine.ColumnDef, old *engine.ColumnDef) {
	s, ok := ctx.Session.(*Session)
	if !ok || !s.b.mysql {
		return
	}
	if digits, ok := s.precisions[strings.ToLower(c.Name)]; ok {
		c.Options[expr.OptPrecision] = digits
	} else if old == nil {
		c.Options[expr.OptPrecision] = "0"
	} else if digits := old.Options[expr.OptPrecision]; digits != "" {
		c.Options[expr.OptPrecision] = digits
	} else {
		delete(c.Options, expr.OptPrecision)
	}
}

// StoredColumn returns the stored column that a column of the planner is, nil if it is none.
func (s *Session) StoredColumn(ctx *sql.Context, c *sql.Column) *engine.ColumnDef {
	def := s.aliased[c.Source]
	if def == nil {
		var err error
		if def, _, err = s.definition(ctx, syntax.TableName{Database: c.DatabaseSource, Name: c.Source}); err != nil || def == nil {
			return nil
		}
	}
	if at := def.Column(c.Name); at >= 0 {
		return &def.Columns[at]
	}
	return nil
}

// Reads implements value.Evaluation.
func (s *Session) Reads() sql.Node { return s.reads }

// readBy returns the node whose rows the expressions of a node read, nil if they read those of several.
func readBy(n sql.Node) sql.Node {
	if _, ok := n.(*plan.JoinNode); ok {
		return n
	}
	if children := n.Children(); len(children) == 1 {
		return children[0]
	}
	return nil
}

// NoteAlias remembers the table of an alias.
func (s *Session) NoteAlias(n *plan.TableAlias) {
	t := tableOf(n)
	if t == nil {
		return
	}
	if s.aliased == nil {
		s.aliased = make(map[string]*engine.TableDef)
	}
	s.aliased[n.Name()] = t.shape.def
}

// rounded returns a row with its TIME values as the columns have them.
func (s *shape) rounded(ctx *sql.Context, r sql.Row) sql.Row {
	copied := false
	for i := range s.schema {
		if s.codecs[i].Typ.Type() != sqltypes.Time || i >= len(r) {
			continue
		}
		digits := expr.Precision(&s.def.Columns[i])
		v, ok := r[i].(types.Timespan)
		if !ok {
			continue
		}
		if to := columnSpan(ctx, v, digits); to != v {
			if !copied {
				r, copied = r.Copy(), true
			}
			r[i] = to
		}
	}
	return r
}

// columnSpan returns a TIME as a column of digits has it, -1: as it is.
func columnSpan(ctx *sql.Context, v types.Timespan, digits int) types.Timespan {
	if digits < 0 {
		return v
	}
	to := expr.RoundSpan(v, digits)
	if to != v && value.ModeEnabled(ctx, value.TruncatesFractions) {
		unit := types.Timespan(time.Second/time.Microsecond) / types.Timespan(math.Pow10(digits))
		to = v / unit * unit
	}
	return to
}

// timeDigits returns the digits of the TIME columns of a plan's result, -1 where they are the value's; nil
// if it has no such column.
func timeDigits(ctx *sql.Context, n sql.Node, schema sql.Schema) map[int]int {
	var out map[int]int
	for i, c := range schema {
		if c.Type.Type() != sqltypes.Time {
			continue
		}
		if out == nil {
			out = make(map[int]int)
		}
		out[i] = -1
		if d := expr.SourceColumn(ctx, c); d != nil {
			if out[i] = expr.Precision(d); out[i] < 0 {
				out[i] = 6
			}
		} else if n != nil && len(n.Schema(ctx)) == len(schema) {
			out[i] = expr.CreatedColumn(ctx, n, i).Digits
		}
	}
	return out
}

// cutTimes cuts the fractions of a row's TIME values.
func cutTimes(cells [][]byte, digits map[int]int) {
	for i, n := range digits {
		cell := cells[i]
		dot := bytes.IndexByte(cell, '.')
		switch {
		case dot < 0:
		case n > 0:
			cells[i] = cell[:min(len(cell), dot+1+n)]
		case n == 0, string(cell[dot:]) == ".000000":
			cells[i] = cell[:dot]
		}
	}
}

// withPrecisions returns a table's definition with the digits of its TIME columns.
func (s *shape) withPrecisions(text string) string {
	for i := range s.schema {
		c := &s.def.Columns[i]
		digits := expr.Precision(c)
		if s.codecs[i].Typ.Type() != sqltypes.Time || digits < 0 {
			continue
		}
		name := "\n  " + syntax.QuoteName(c.Name) + " "
		text = strings.Replace(text, name+"time(6)", name+expr.TimeText(digits), 1)
	}
	return text
}
