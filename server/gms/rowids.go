package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/engine/row"
)

// newest returns the newest definition of a table, the transaction's own included,
// nil if it is gone.
func (s *Session) newest(id tableID) *engine.TableDef {
	if def := s.sess.Temporary(id); def != nil {
		return def
	}
	return s.tx.tx.NewestCatalog().TableByID(id)
}

// rowIDs remembers which rows of keyless tables locking scans have returned, so
// that the editor changes the very rows that were locked (T-23).
//
// Invariant: an entry is a row that this transaction has locked.
type rowIDs struct {
	m map[tableID]map[string][]row.Row
}

// put notes a stored row under the value the planner will give back for it.
func (r *rowIDs) put(t tableID, value string, stored row.Row) {
	if r.m == nil {
		r.m = make(map[tableID]map[string][]row.Row)
	}
	byValue := r.m[t]
	if byValue == nil {
		byValue = make(map[string][]row.Row)
		r.m[t] = byValue
	}
	byValue[value] = append(byValue[value], stored)
}

// take returns the newest of the rows of a value and forgets it, nil if there is none.
func (r *rowIDs) take(t tableID, value string) row.Row {
	list := r.m[t][value]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	if last == 0 {
		delete(r.m[t], value)
	} else {
		r.m[t][value] = list[:last]
	}
	return list[last]
}

// noteRow notes a stored row; full is what the planner sees of it.
func (s *Session) noteRow(ctx *sql.Context, sh *shape, b *row.Builder, full sql.Row, stored row.Row) error {
	if err := sh.encode(ctx, b, sh.withoutVirtual(full)); err != nil {
		return err
	}
	value, err := b.Row()
	if err != nil {
		return err
	}
	s.rowIDs.put(sh.def.ID, string(value), append(row.Row(nil), stored...))
	return nil
}

// withoutVirtual returns a row with NULL in its VIRTUAL columns, which the planner makes anew of each row that it reads:
// a document may then be of other types than the stored one.
func (s *shape) withoutVirtual(r sql.Row) sql.Row {
	out := r
	for i, c := range s.def.Columns[:min(len(r), len(s.def.Columns))] {
		if c.Options[optVirtual] == "" || r[i] == nil {
			continue
		}
		if &out[0] == &r[0] {
			out = slices.Clone(r)
		}
		out[i] = nil
	}
	return out
}
