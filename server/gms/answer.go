package gms

import (
	"cmp"
	"errors"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	builtin "github.com/dolthub/go-mysql-server/sql/expression/function"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
	"github.com/dolthub/vitess/go/mysql"

	"sextant/engine"
	"sextant/engine/row"
)

// answer is what OK says of a statement and the planner does not know.
type answer struct {
	joined  bool // an UPDATE or DELETE of several tables
	deleted int  // the rows that it has deleted
	matched int  // the rows that it had to update

	table *Table // that an INSERT or REPLACE writes, nil for other statements

	// The planner counts one removed row for a new one of a REPLACE, but it displaces a
	// row for each of its unique keys.
	replace   bool
	displaced bool // the next row has displaced another already
	extra     int  // removed rows besides one for each new one, less those that are not counted

	generated uint64 // the newest generated AUTO_INCREMENT value
	unused    bool   // no row has it: the next one gets it (MySQL's handler::restore_auto_increment)
	first     uint64 // the first of them that was written
	last      uint64 // that of the last row, if any was written
	written   bool
}

// answerOf returns the answer of a statement. Those of triggers are left out.
func answerOf(n sql.Node) answer {
	var insert *plan.InsertInto
	transform.Inspect(n, func(n sql.Node) bool {
		if i, ok := n.(*plan.InsertInto); ok && insert == nil {
			insert = i
		}
		return insert == nil
	})
	if insert == nil {
		return answer{}
	}
	return answer{table: tableOf(insert.Destination), replace: insert.IsReplace}
}

// of reports whether a table is the one that the statement writes.
func (i *answer) of(sh *shape) bool { return i.table != nil && i.table.shape.def.ID == sh.def.ID }

// note takes a row of t into account that was written, or refused as a duplicate.
func (i *answer) note(t *Table, sh *shape, r sql.Row, written bool) {
	if !i.of(t.shape) {
		return
	}
	if i.replace {
		if !written && i.displaced {
			i.extra++
		}
		i.displaced = !written
	}
	i.written = i.written || written
	if sh.autoInc < 0 {
		return
	}
	i.last, _ = counterValue(r[sh.autoInc])
	if written && i.last == i.generated {
		i.unused = false
		i.first = cmp.Or(i.first, i.last)
	}
}

// displaces takes into account that a row of a REPLACE was refused with err. If it is as the
// row that it displaces, it is not counted as removed where MySQL updates in place (its
// write_record): only the last of the unique keys is a duplicate, no foreign key refers to
// the table and it has no trigger of DELETE.
func (i *answer) displaces(ctx *sql.Context, s *Session, t *Table, r row.Row, err error) error {
	var dup *engine.DuplicateError
	if !s.b.mysql || !i.replace || i.table.shape.def.ID != t.shape.def.ID || !errors.As(err, &dup) {
		return nil
	}
	sh := t.live(ctx)
	desc := sh.def.Desc()
	if sh.rowID >= 0 {
		desc.SetUint(r, sh.rowID, desc.Uint(dup.Existing, sh.rowID))
	}
	if !desc.Equal(r, dup.Existing) || !sh.lastKeyOnly(r) {
		return nil
	}
	if children, err := t.GetReferencedForeignKeys(ctx); err != nil || len(children) > 0 {
		return err
	}
	triggers, err := s.triggers(ctx, t)
	if err == nil && !slices.ContainsFunc(triggers, func(t *trigger) bool { return t.event == "delete" }) {
		i.extra--
	}
	return err
}

// lastKeyOnly reports whether of the unique keys only the last in MySQL's order has no NULL
// in a row.
func (sh *shape) lastKeyOnly(r row.Row) bool {
	only := false
	for _, ix := range orderedIndexes(sh) {
		if ix.def.Unique || ix.def == sh.def.Primary {
			if only {
				return false
			}
			only = !slices.ContainsFunc(ix.def.Columns, func(c engine.IndexColumn) bool { return sh.def.Desc().IsNull(r, c.Column) })
		}
	}
	return only
}

// complete corrects the answer of the planner.
func (i *answer) complete(ctx *sql.Context, s *Session, r sql.Row) {
	if len(r) != 1 {
		return
	}
	ok, is := r[0].(types.OkResult)
	if !is {
		return
	}
	info := ctx.GetLastQueryInfo()
	if update, is := ok.Info.(plan.UpdateInfo); is && i.joined {
		update.Matched = i.matched
		ok.Info = update
		info.FoundRows.Store(int64(i.matched))
		if ctx.Client().Capabilities&mysql.CapabilityClientFoundRows > 0 {
			ok.RowsAffected = uint64(i.matched)
		}
	} else if i.joined {
		ok.RowsAffected = uint64(i.deleted)
	}
	ok.RowsAffected += uint64(i.extra)
	info.RowCount.Store(int64(ok.RowsAffected))
	if s.b.mysql {
		ok.InsertID = i.id(s, info, ok.RowsAffected > 0)
	}
	r[0] = ok
}

// id returns the id of an answer: the first value that was generated, else the argument of
// LAST_INSERT_ID, else the value of the last row if one was changed.
func (i *answer) id(s *Session, info *sql.LastQueryInfo, changed bool) uint64 {
	switch {
	case i.first > 0:
		info.LastInsertId.Store(int64(i.first))
		return i.first
	case s.argued:
		return uint64(info.LastInsertId.Load())
	case i.written && changed:
		return i.last
	}
	return 0
}

// lastInsertID is LAST_INSERT_ID(n), which is what OK answers too.
type lastInsertID struct{ *builtin.LastInsertId }

func newLastInsertID(ctx *sql.Context, args ...sql.Expression) (sql.Expression, error) {
	e, err := builtin.NewLastInsertId(ctx, args...)
	if f, ok := e.(*builtin.LastInsertId); ok && len(args) == 1 {
		return lastInsertID{f}, nil
	}
	return e, err
}

// Eval implements sql.Expression.
func (f lastInsertID) Eval(ctx *sql.Context, r sql.Row) (any, error) {
	if s, ok := ctx.Session.(*Session); ok {
		s.argued = true
	}
	return f.LastInsertId.Eval(ctx, r)
}

// WithChildren implements sql.Expression.
func (f lastInsertID) WithChildren(ctx *sql.Context, children ...sql.Expression) (sql.Expression, error) {
	return newLastInsertID(ctx, children...)
}
