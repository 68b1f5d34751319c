package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"
	ast "github.com/dolthub/vitess/go/vt/sqlparser"

	"sextant/server/gms/rewrite"
	"sextant/server/gms/value"
)

// ignores reports whether the statement that runs is a DELETE IGNORE.
func (s *Session) ignores() bool {
	d, ok := s.current().(*ast.Delete)
	return ok && slices.ContainsFunc(d.Comments, func(c []byte) bool { return string(c) == rewrite.IgnoreMark })
}

// ignoringRows are the rows of a DELETE IGNORE, of which the planner counts those that stay as well.
type ignoringRows struct {
	sql.RowIter
	count *ignoredRows
}

// ignoredRows counts what a DELETE IGNORE has deleted of a row, and the rows that stay.
type ignoredRows struct {
	deleted, failed int // of the row that is read
	rows            uint64
}

var _ sql.MutableRowIter = (*ignoringRows)(nil)

// GetChildIter implements sql.MutableRowIter.
func (i *ignoringRows) GetChildIter() sql.RowIter { return i.RowIter }

// WithChildIter implements sql.MutableRowIter.
func (i *ignoringRows) WithChildIter(child sql.RowIter) sql.RowIter {
	return &ignoringRows{child, i.count}
}

// Next implements sql.RowIter.
func (i *ignoringRows) Next(ctx *sql.Context) (sql.Row, error) {
	r, err := i.RowIter.Next(ctx)
	if err == nil && len(r) == 1 {
		if ok, counted := r[0].(types.OkResult); counted {
			ok.RowsAffected -= min(i.count.rows, ok.RowsAffected)
			return sql.NewRow(ok), nil
		}
	}
	return r, err
}

// ignoringTable is a table of a DELETE IGNORE: what a row's deletion violates is a warning.
type ignoringTable struct {
	firingTable
	s     *Session
	count *ignoredRows
	last  bool // of the statement's tables
}

// Deleter implements sql.DeletableTable.
func (t *ignoringTable) Deleter(ctx *sql.Context) sql.RowDeleter {
	return &ignoringDeleter{t.table.(sql.DeletableTable).Deleter(ctx), t.s, t.count, t.last}
}

type ignoringDeleter struct {
	sql.RowDeleter
	s     *Session
	count *ignoredRows
	last  bool
}

// Delete implements sql.RowDeleter.
func (d *ignoringDeleter) Delete(ctx *sql.Context, r sql.Row) error {
	tx, err := d.s.begin(ctx)
	if err != nil {
		return err
	}
	mark, deleted := tx.Savepoint(), d.s.pin.deleted
	if err = d.RowDeleter.Delete(ctx, r); err == nil {
		tx.Release(mark)
		d.count.deleted++
	} else {
		told := clientError(sql.CastSQLError(d.s.violated(err)), ctx.GetCurrentDatabase())
		if told.Num != mysql.ERRowIsReferenced2 {
			return err
		}
		tx.RollbackTo(mark)
		d.s.pin.deleted = deleted
		d.count.failed++
		value.Warn(ctx, told.Num, told.Message)
	}
	if d.last {
		if d.count.deleted == 0 && d.count.failed > 0 {
			d.count.rows++
		}
		d.count.deleted, d.count.failed = 0, 0
	}
	return nil
}

// ignoring wraps the targets of a DELETE IGNORE, and returns what counts their rows.
func (s *Session) ignoring(targets []sql.Node) (*ignoredRows, error) {
	count := &ignoredRows{}
	for i, target := range targets {
		table, err := plan.GetDeletable(target)
		if err != nil {
			return nil, err
		}
		targets[i] = &ignoringTable{firingTable{Node: target, table: table}, s, count, i == len(targets)-1}
	}
	return count, nil
}
