package gms

import (
	"errors"
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"
)

// commits reports whether a statement commits what is open before and after itself.
func commits(n sql.Node) bool {
	switch n := n.(type) {
	case *plan.TableCopier:
		return true
	case *plan.Truncate:
		t := tableOf(n.Child)
		return t == nil || t.ref.lock != lockDelete
	case *admin:
		return n.commits
	case *plan.Grant, *plan.GrantRole, *plan.Revoke, *plan.RevokeRole, *plan.CreateUser, *plan.DropUser,
		*plan.AlterUser, *plan.RenameUser, *plan.CreateRole, *plan.DropRole, *plan.AnalyzeTable,
		*plan.LockTables, *plan.AlterAutoIncrement, *plan.AlterDefaultSet, *plan.AlterDefaultDrop,
		*plan.AlterTableCollation, *plan.AlterTableComment, *plan.AlterEvent:
		return true
	}
	return plan.IsDDLNode(n)
}

// commitsFirst reports whether a statement, as it is parsed, commits what is open before
// it looks at anything that it names.
func commitsFirst(stmt ast.Statement) bool {
	switch n := stmt.(type) {
	case *ast.DDL:
		return !n.Temporary
	case *ast.AlterTable, *ast.DBDDL, *ast.LockTables, *ast.GrantPrivilege, *ast.GrantRole, *ast.GrantProxy,
		*ast.RevokePrivilege, *ast.RevokeRole, *ast.RevokeProxy,
		*ast.CreateUser, *ast.DropUser, *ast.RenameUser, *ast.CreateRole, *ast.DropRole:
		return true
	}
	return false
}

// commitFailed returns the error of a statement that has failed, or that of a commit: one
// that commits first has committed what was open, also where planning has refused it.
func (s *Session) commitFailed(ctx *sql.Context, stmt ast.Statement, failure error) error {
	if !commitsFirst(stmt) || s.idleTransaction() || s.dml > 0 || s.autocommit && !s.GetIgnoreAutoCommit() || ctx.Err() != nil {
		return failure
	}
	s.keep = false
	if err := s.commitBefore(ctx); err != nil {
		return err
	}
	s.abandon()
	return failure
}

// commitRefused returns the error of a statement that was refused as it was parsed, or that of a
// commit: what an ALTER TABLE names is looked at then, to MySQL that is after its commit.
func (s *Session) commitRefused(ctx *sql.Context, stmt ast.Statement, refusal error) error {
	var told *mysql.SQLError
	if _, alter := stmt.(*ast.AlterTable); alter && errors.As(refusal, &told) && told.Num != mysql.ERParseError {
		return s.commitFailed(ctx, stmt, refusal)
	}
	return refusal
}

// temporaryDDL reports whether a statement is CREATE or DROP TEMPORARY TABLE, which
// commit nothing; other DDL of temporary tables does, DROP TABLE without the word too.
func temporaryDDL(n sql.Node, query string) bool {
	switch n := n.(type) {
	case *plan.CreateTable:
		return n.Temporary()
	case *plan.TableCopier:
		create, ok := n.Destination.(*plan.CreateTable)
		return ok && create.Temporary()
	case *plan.DropTable:
		return phrase(leading(query, 2), "drop", "temporary")
	}
	return false
}

// tableOf returns the table under a node, nil if it is none of ours.
func tableOf(n sql.Node) *Table {
	for {
		switch x := n.(type) {
		case *plan.ResolvedTable:
			t, _ := sql.GetUnderlyingTable(x.Table).(*Table)
			return t
		case *plan.IndexedTableAccess:
			t, _ := sql.GetUnderlyingTable(x.Table).(*Table)
			return t
		case *plan.TableAlias:
			n = x.Child
		case *plan.InsertDestination:
			n = x.Child
		case *plan.ForeignKeyHandler:
			t, _ := sql.GetUnderlyingTable(x.Table).(*Table)
			return t
		case *childFirst:
			n = x.ForeignKeyHandler
		default:
			return nil
		}
	}
}

// ddl commits what is open, runs the statement in a transaction of its own, and
// rolls that back if it fails.
func (b *builder) ddl(ctx *sql.Context, s *Session, n sql.Node, r sql.Row) (sql.RowIter, error) {
	if !s.idleTransaction() {
		if err := s.commitBefore(ctx); err != nil {
			return nil, err
		}
	}
	it, err := b.node(ctx, s, n, r)
	if err == nil && it == nil {
		it, err = b.plain(ctx, s, n, r)
	}
	if err == nil {
		it, err = giveNames(ctx, n, it)
	}
	if err == nil {
		it, err = s.finishChecks(ctx, n, it)
	}
	if err != nil {
		s.abandon()
		return nil, alterError(ctx, n, err)
	}
	return &ddlIter{child: it, s: s, n: n}, nil
}

// commitBefore commits the open transaction and begins the one of a DDL statement.
func (s *Session) commitBefore(ctx *sql.Context) error {
	if s.tx.readOnly {
		return wireError(errReadOnlyTx)
	}
	if err := s.CommitTransaction(ctx, s.tx); err != nil {
		return err
	}
	tx, err := s.StartTransaction(ctx, sql.ReadWrite)
	if err != nil {
		return err
	}
	ctx.SetTransaction(tx)
	return nil
}

// abandon rolls the transaction back and leaves none.
func (s *Session) abandon() {
	s.rollback()
	s.tx = nil
	s.BaseSession.SetTransaction(nil)
	s.SetIgnoreAutoCommit(false)
}

// ddlIter runs DDL that does its work in Next, and ends its transaction.
type ddlIter struct {
	child  sql.RowIter
	s      *Session
	n      sql.Node
	failed bool
}

var _ sql.MutableRowIter = (*ddlIter)(nil)

func (i *ddlIter) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.child.Next(ctx)
	if err != nil && err != io.EOF {
		i.failed = true
		i.s.abandon()
		err = alterError(ctx, i.n, err)
	}
	i.s.command.note(r)
	return r, err
}

func (i *ddlIter) Close(ctx *sql.Context) error {
	err := i.child.Close(ctx)
	if i.failed || i.s.tx == nil || i.s.tx.done {
		return err
	}
	if err != nil {
		i.s.abandon()
		return err
	}
	if err := i.s.CommitTransaction(ctx, i.s.tx); err != nil {
		return err
	}
	if len(i.s.locks.tables) > 0 {
		i.s.releaseDropped()
	}
	return nil
}

// GetChildIter implements sql.MutableRowIter.
func (i *ddlIter) GetChildIter() sql.RowIter { return i.child }

// WithChildIter implements sql.MutableRowIter.
func (i *ddlIter) WithChildIter(child sql.RowIter) sql.RowIter {
	n := *i
	n.child = child
	return &n
}
