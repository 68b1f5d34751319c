package value

import (
	"context"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
)

// Evaluation is what values and expressions ask of the session in whose statement they are evaluated. A context of
// the planner's own has a session of another kind, which answers none of it.
type Evaluation interface {
	// ServesMySQL reports whether the session is MySQL's in everything, not the planner's with another storage.
	ServesMySQL() bool
	// TimeZone returns the session's time zone, nil if it is UTC.
	TimeZone(ctx *sql.Context) *TimeZone
	// StoredColumn returns the stored column that a column of the planner is, nil if it is none.
	StoredColumn(ctx *sql.Context, c *sql.Column) *engine.ColumnDef
	// Reads returns the node whose rows the expressions read that are checked at the moment, nil if it is not known.
	Reads() sql.Node
	// TakeDivided returns the first warning of a division by zero or one of its kin since the last call, nil if there was none.
	TakeDivided() *sql.Warning
	// NextRandom returns the next number of RAND() in the session's sequence, false if it has set none.
	NextRandom() (float64, bool)
	// NoteVariable notes the collation of the text that the statement assigns to a user's variable.
	NoteVariable(name string, c sql.CollationID)
}

// Served reports whether a context is that of a session which is MySQL's in everything.
func Served(ctx context.Context) bool {
	if ctx, ok := ctx.(*sql.Context); ok {
		s, ok := ctx.Session.(Evaluation)
		return ok && s.ServesMySQL()
	}
	return false
}

// NoContext is a context for reading variables where there is no statement.
// Making one costs as much as planning a small statement.
var NoContext = sync.OnceValue(sql.NewEmptyContext)
