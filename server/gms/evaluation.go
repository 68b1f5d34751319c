package gms

import (
	"context"
	"errors"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
)

// evaluation is what values and expressions ask of the session in whose statement they are evaluated. A context of
// the planner's own has a session of another kind, which answers none of it.
type evaluation interface {
	// servesMySQL reports whether the session is MySQL's in everything, not the planner's with another storage.
	servesMySQL() bool
	// timeZone returns the session's time zone, nil if it is UTC.
	timeZone(ctx *sql.Context) *timeZone
	// storedColumn returns the stored column that a column of the planner is, nil if it is none.
	storedColumn(ctx *sql.Context, c *sql.Column) *engine.ColumnDef
	// takeDivided returns the warning of a division by zero or one of its kin since the last call, nil if there was none.
	takeDivided() *sql.Warning
	// nextRandom returns the next number of RAND() in the session's sequence, false if it has set none.
	nextRandom() (float64, bool)
	// noteVariable notes the collation of the text that the statement assigns to a user's variable.
	noteVariable(name string, c sql.CollationID)
}

// served reports whether a context is that of a session which is MySQL's in everything.
func served(ctx context.Context) bool {
	if ctx, ok := ctx.(*sql.Context); ok {
		s, ok := ctx.Session.(evaluation)
		return ok && s.servesMySQL()
	}
	return false
}

// evaluated returns an error if the session of a context cannot evaluate what asks for one.
func evaluated(ctx *sql.Context) error {
	if _, ok := ctx.Session.(evaluation); !ok {
		return errors.New("gms: the context has a session of another kind")
	}
	return nil
}
