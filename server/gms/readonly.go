package gms

import (
	"cmp"
	"errors"

	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// refusedOnReader returns error 1290 for a statement that changes tables, other objects or databases on a
// reader, as MySQL does before it looks at what the statement names or at privileges. Others that write,
// such as those of procedures, are refused when they are built.
func (s *Session) refusedOnReader(stmt ast.Statement) error {
	if !s.b.readOnly.Load() || !s.b.mysql {
		return nil
	}
	if e, ok := stmt.(*ast.Execute); ok {
		stmt, _ = s.BaseSession.GetPreparedQuery(e.Name)
	}
	switch stmt.(type) {
	case *ast.Insert, *ast.Update, *ast.Delete, *ast.Load, *ast.AlterTable, *ast.DDL, *ast.DBDDL:
		return errReadOnly()
	}
	return nil
}

// refusedFirst returns the error of a statement that was refused as it was parsed: on a reader it is 1290 where MySQL
// finds the fault only after that, in what a definition of a table or view or a change of rows names.
func (s *Session) refusedFirst(stmt ast.Statement, refusal error) error {
	var told *mysql.SQLError
	if !errors.As(refusal, &told) {
		return refusal
	}
	switch told.Num {
	case mysql.ERParseError, 1059, mysql.ERWrongDbName, mysql.ERWrongTableName: // its grammar's own
		return refusal
	}
	if d, ok := stmt.(*ast.DDL); ok && (d.ProcedureSpec != nil || d.TriggerSpec != nil || d.EventSpec != nil) {
		return refusal
	}
	return cmp.Or(s.refusedOnReader(stmt), refusal)
}
