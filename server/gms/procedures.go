package gms

import (
	"strings"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// The planner's interpreter of procedures keeps the last result only, and takes the INTO
// off a SELECT when it first runs it. The parser marks the SELECTs of a body by a
// comment that no client can write; the runner knows by it what to send, and what to
// put back.
const (
	resultComment = "/*\x00result*/" // the client gets the rows
	intoComment   = "/*\x00into"     // and the names of the variables
)

// procedureBody marks the SELECTs that a procedure's body runs directly.
func procedureBody(stmt ast.Statement) {
	switch s := stmt.(type) {
	case *ast.Select:
		switch {
		case s.Into == nil:
			s.Comments = append(s.Comments, []byte(resultComment))
		case len(s.Into.Variables) > 0:
			mark := intoComment
			for _, v := range s.Into.Variables {
				mark += "\x00" + v.String()
			}
			s.Comments = append(s.Comments, []byte(mark))
		}
	case *ast.SetOp:
		if s.Into == nil {
			procedureBody(s.Left)
		}
	case *ast.ParenSelect:
		procedureBody(s.Select)
	case *ast.Declare:
		if s.Handler != nil {
			procedureBody(s.Handler.Statement)
		}
	case *ast.BeginEndBlock:
		procedureBodies(s.Statements)
	case *ast.IfStatement:
		for _, c := range s.Conditions {
			procedureBodies(c.Statements)
		}
		procedureBodies(s.Else)
	case *ast.CaseStatement:
		for _, c := range s.Cases {
			procedureBodies(c.Statements)
		}
		procedureBodies(s.Else)
	case *ast.Loop:
		procedureBodies(s.Statements)
	case *ast.Repeat:
		procedureBodies(s.Statements)
	case *ast.While:
		procedureBodies(s.Statements)
	}
}

func procedureBodies(list ast.Statements) {
	for _, s := range list {
		procedureBody(s)
	}
}

// restoreInto gives a SELECT … INTO of a procedure its INTO back: it may run again.
func restoreInto(stmt ast.Statement) {
	s, ok := stmt.(*ast.Select)
	if !ok || s.Into != nil {
		return
	}
	for _, c := range s.Comments {
		if names, ok := strings.CutPrefix(string(c), intoComment+"\x00"); ok {
			s.Into = &ast.Into{}
			for _, name := range strings.Split(names, "\x00") {
				s.Into.Variables = append(s.Into.Variables, ast.NewColIdent(name))
			}
		}
	}
}

// returnsRows reports whether the rows of a procedure's statement are the client's: not
// those of a cursor, a condition or an INTO.
func returnsRows(stmt ast.Statement) bool {
	switch s := stmt.(type) {
	case *ast.Select:
		for _, c := range s.Comments {
			if string(c) == resultComment {
				return true
			}
		}
		return false
	case *ast.SetOp:
		return returnsRows(s.Left)
	case *ast.ParenSelect:
		return returnsRows(s.Select)
	case *ast.Call:
		return false // its statements have sent theirs
	}
	return true
}

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
// client's are sent, others returned.
func (s *Session) drain(ctx *sql.Context, stmt ast.Statement, schema sql.Schema, rows sql.RowIter) (sql.RowIter, error) {
	o := s.results
	if o == nil || !o.called || s.dml > 0 || stmt == nil || types.IsOkResultSchema(schema) || len(schema) == 0 || !returnsRows(stmt) {
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
