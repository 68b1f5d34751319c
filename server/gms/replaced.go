package gms

import (
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/plan"
	"github.com/dolthub/go-mysql-server/sql/transform"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// replaced counts what a REPLACE removes: the planner counts one removed row for a new
// one, but a new one displaces a row for each of its unique keys.
type replaced struct {
	table     *Table // that a REPLACE writes, nil for other statements
	displaced bool   // the next row has displaced another already
	extra     int    // removed rows besides one for each new one
}

// replaces returns the table that a REPLACE writes, nil for other statements.
// Those of triggers are left out.
func replaces(n sql.Node) *Table {
	var insert *plan.InsertInto
	transform.Inspect(n, func(n sql.Node) bool {
		if i, ok := n.(*plan.InsertInto); ok && insert == nil {
			insert = i
		}
		return insert == nil
	})
	if insert == nil || !insert.IsReplace {
		return nil
	}
	return tableOf(insert.Destination)
}

// count counts a row that t refused as a duplicate, or took.
func (r *replaced) count(t *Table, duplicate bool) {
	if r.table == nil || r.table.shape.def.ID != t.shape.def.ID {
		return
	}
	if duplicate && r.displaced {
		r.extra++
	}
	r.displaced = duplicate
}

// affected adds the rows to the answer that the planner does not count.
func (r *replaced) affected(ctx *sql.Context, answer sql.Row) {
	if r.extra == 0 || len(answer) != 1 {
		return
	}
	if ok, is := answer[0].(types.OkResult); is {
		ok.RowsAffected += uint64(r.extra)
		answer[0], r.extra = ok, 0
		ctx.GetLastQueryInfo().RowCount.Store(int64(ok.RowsAffected))
	}
}
