package expr

import (
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine"
	"sextant/server/gms/value"
)

// OptPrecision is the key of the note, a digit.
const OptPrecision = "precision"

// SourceColumn returns the stored column that a column of the planner is, nil if it is none.
func SourceColumn(ctx *sql.Context, c *sql.Column) *engine.ColumnDef {
	s, ok := ctx.Session.(value.Evaluation)
	if !ok || c.Source == "" || c.DatabaseSource == "" {
		return nil
	}
	return s.StoredColumn(ctx, c)
}

// reads returns the node whose rows the expressions read that are checked at the moment, nil if it is not known.
func reads(ctx *sql.Context) sql.Node {
	if s, ok := ctx.Session.(value.Evaluation); ok {
		return s.Reads()
	}
	return nil
}

// Precision returns the digits of a TIME column, -1 if it has no note.
func Precision(c *engine.ColumnDef) int {
	if digits := c.Options[OptPrecision]; digits != "" {
		return int(digits[0] - '0')
	}
	return -1
}

// RoundSpan returns a TIME rounded to digits behind the second.
func RoundSpan(v types.Timespan, digits int) types.Timespan {
	unit := types.Timespan(1)
	for range 6 - digits {
		unit *= 10
	}
	half := unit / 2
	if v < 0 {
		half = -half
	}
	return (v + half) / unit * unit
}

// TimeText is TIME with digits.
func TimeText(digits int) string {
	if digits == 0 {
		return "time"
	}
	return "time(" + strconv.Itoa(digits) + ")"
}
