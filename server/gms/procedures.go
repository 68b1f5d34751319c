package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// resultSets sends what the statements of a CALL return, while it runs.
type resultSets struct {
	c      *client
	w      *protocol.Results
	called bool // the command is a CALL
	begun  int  // sets
	open   bool // the last set has not been ended: its statement failed
	// insert is the command if it is an INSERT, and records the rows that it was given.
	insert  *plan.InsertInto
	records int64
	count   int64   // ROW_COUNT() of a CALL's last statement
	found   int64   // and FOUND_ROWS()
	outs    []local // OUT and INOUT parameters of a prepared CALL that are markers
}

// send sends the rows of one statement, to their end.
func (o *resultSets) send(ctx *sql.Context, schema sql.Schema, rows sql.RowIter) error {
	if o.c.conn.Capabilities()&gomysql.CLIENT_MULTI_RESULTS == 0 {
		return mysql.NewSQLError(1312, "0A000", "PROCEDURE can't return a result set in the given context")
	}
	if err := o.finish(); err != nil {
		return err
	}
	rows, err := peek(ctx, rows)
	if err != nil {
		return err
	}
	o.begun++
	o.open = true
	o.w.More(true)
	return o.c.sendRows(ctx, schema, rows, o.w)
}

// sets returns how many sets were begun.
func (o *resultSets) sets() int {
	if o == nil {
		return 0
	}
	return o.begun
}

// finish ends the set of a statement that failed, if the procedure went on.
func (o *resultSets) finish() error {
	if !o.open {
		return nil
	}
	o.open = false
	err := o.w.End()
	o.w.More(o.c.more)
	return err
}

// sendOuts sends the parameters that a prepared CALL has set, to clients that can take them.
func (o *resultSets) sendOuts(ctx *sql.Context) error {
	if len(o.outs) == 0 || !o.w.Prepared() || o.c.conn.Capabilities()&gomysql.CLIENT_PS_MULTI_RESULTS == 0 {
		return nil
	}
	var schema sql.Schema
	var row sql.Row
	for _, l := range o.outs {
		schema = append(schema, &sql.Column{Name: l.name, Type: l.typ, Nullable: true})
		row = append(row, l.value)
	}
	o.w.OutParams()
	if err := o.send(ctx, schema, sql.RowsToRowIter(row)); err != nil {
		return err
	}
	return o.finish()
}

// drain runs a statement inside another to its end: a cursor is of its OPEN's time, and
// the statement's transaction may end before the cursor is read. Rows that are the
// client's are sent, others, such as those of a cursor, a condition or an INTO, returned.
func (s *Session) drain(ctx *sql.Context, schema sql.Schema, rows sql.RowIter, client bool) (sql.RowIter, error) {
	o := s.results
	if o == nil || !o.called || s.dml > 0 || !client || types.IsOkResultSchema(schema) || len(schema) == 0 {
		// To its end: a cursor is of its OPEN's time, and the statement's transaction
		// may end before the cursor is read.
		return s.readAhead(ctx, rows)
	}
	if err := o.send(ctx, schema, rows); err != nil {
		s.failing = true // what Close would commit is rolled back
		_ = rows.Close(ctx)
		s.failing = false
		return nil, err
	}
	if err := rows.Close(ctx); err != nil {
		return nil, err
	}
	return sql.RowsToRowIter(), o.finish()
}
