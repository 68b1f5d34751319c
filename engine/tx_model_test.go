package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/engine/txn"
)

// modelRow is (id, a, u); a and u may be NULL, written as null.
type modelRow struct{ id, a, u int64 }

const null = -1 << 40

// modelTx is what one transaction should see: own writes over a snapshot for plain reads, over the
// newest committed rows for locking ones. A nil row was deleted.
type modelTx struct {
	snapshot map[int64]modelRow // nil: not taken yet
	own      map[int64]*modelRow
}

func (m *modelTx) sees(base map[int64]modelRow) map[int64]modelRow {
	out := maps.Clone(base)
	for id, r := range m.own {
		if r == nil {
			delete(out, id)
		} else {
			out[id] = *r
		}
	}
	return out
}

// TestScansAreThoseOfTheModel draws transactions of one session over a table with every kind of
// index, with commits of another session between its statements, and compares every
// scan (index, range, direction, plain, locking, read now) and every duplicate.
func TestScansAreThoseOfTheModel(t *testing.T) {
	for seed := range uint64(60) {
		db := openDB(t, engine.Options{})
		def := createTable(t, db, "t", "id:pk", "a:key", "u:unique", "d:keydesc")
		x := &modelRun{t: t, r: rand.New(rand.NewPCG(seed, 9)), def: def, w: newWorker(db, def, 0), other: newWorker(db, def, 1), committed: map[int64]modelRow{}}
		for range 12 {
			x.transaction()
		}
		x.check()
		x.w.s.Close()
		x.other.s.Close()
		checkTables(t, db)
	}
}

type modelRun struct {
	t         *testing.T
	r         *rand.Rand
	def       *engine.TableDef
	w, other  *worker
	committed map[int64]modelRow
	tx        *engine.Tx
	m         modelTx
	log       []string // what was done, for a failure
}

func (x *modelRun) draw(n int) int64 {
	if x.r.IntN(8) == 0 {
		return null
	}
	return int64(x.r.IntN(n))
}

func (x *modelRun) encode(w *worker, m modelRow) row.Row {
	w.b.Reset(x.def.Desc())
	for i, v := range []int64{m.id, m.a, m.u, m.a} {
		if v != null {
			w.b.SetInt(i, v)
		}
	}
	r, err := w.b.Row()
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *modelRun) transaction() {
	var err error
	level := engine.Isolation(x.r.IntN(2))
	if x.tx, err = x.w.s.Begin(script, engine.TxOptions{Isolation: level}); err != nil {
		x.t.Fatal(err)
	}
	x.m = modelTx{own: map[int64]*modelRow{}}
	type mark struct {
		seq engine.Seq
		own map[int64]*modelRow
	}
	var marks []mark
	for range 25 {
		if err := x.tx.StatementStart(script); err != nil {
			x.t.Fatal(err)
		}
		switch x.r.IntN(8) {
		case 0, 1, 2:
			x.write()
		case 3:
			if x.r.IntN(3) == 0 {
				x.log = append(x.log, "savepoint")
				marks = append(marks, mark{x.tx.Savepoint(), maps.Clone(x.m.own)})
			} else if len(marks) > 0 {
				i := x.r.IntN(len(marks))
				x.log = append(x.log, fmt.Sprintf("rollback to %d", marks[i].seq))
				x.tx.RollbackTo(marks[i].seq)
				x.m.own = maps.Clone(marks[i].own)
				marks = marks[:i+1]
			}
		case 4:
			x.elsewhere()
		default:
			if level == engine.ReadCommitted {
				x.m.snapshot = nil // a new one with each statement
			}
			x.scan()
		}
	}
	x.log = append(x.log, "end")
	if x.r.IntN(4) == 0 {
		x.log = append(x.log, "rolled back")
		x.tx.Rollback()
		return
	}
	x.committed = x.m.sees(x.committed)
	if _, err := x.tx.Commit(script); err != nil {
		x.t.Fatal(err)
	}
}

// write inserts, updates or deletes a row and compares duplicates.
func (x *modelRun) write() {
	rows := x.m.sees(x.committed)
	fresh := modelRow{int64(x.r.IntN(15)), x.draw(6), x.draw(12)}
	old, there := rows[fresh.id]
	replaced := fresh.id
	var err error
	switch {
	case there && x.r.IntN(3) == 0:
		err = x.tx.Delete(script, x.def, x.encode(x.w, old))
		if err == nil {
			x.m.own[fresh.id] = nil
			x.log = append(x.log, fmt.Sprintf("delete %v", old))
			return
		}
	case there && x.r.IntN(4) > 0:
		if x.r.IntN(3) == 0 {
			fresh.id = int64(x.r.IntN(15)) // the key moves
		}
		err = x.tx.Update(script, x.def, x.encode(x.w, old), x.encode(x.w, fresh))
	default:
		replaced = -1
		err = x.tx.Insert(script, x.def, x.encode(x.w, fresh))
	}
	want := false
	for id, r := range rows {
		want = want || id != replaced && (id == fresh.id || fresh.u != null && r.u == fresh.u)
	}
	var dup *engine.DuplicateError
	if errors.As(err, &dup) != want || err != nil && !want {
		x.t.Fatalf("write of %v over %v (there %v): %v, want a duplicate: %v", fresh, old, there, err, want)
	}
	x.log = append(x.log, fmt.Sprintf("write %v over %v (there %v): %v", fresh, old, there, err))
	if err == nil {
		if replaced >= 0 {
			x.m.own[replaced] = nil
		}
		x.m.own[fresh.id] = &fresh
	}
}

// elsewhere commits a change of a row that the transaction cannot have locked.
func (x *modelRun) elsewhere() {
	id := int64(100 + x.r.IntN(8))
	r := modelRow{id, x.draw(6), id} // a unique value nobody else uses
	tx, err := x.other.s.Begin(script, engine.TxOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	x.other.s.SetTimeouts(1, 1)
	old, there := x.committed[id]
	switch {
	case !there:
		err = tx.Insert(script, x.def, x.encode(x.other, r))
	case x.r.IntN(2) == 0:
		err = tx.Delete(script, x.def, x.encode(x.other, old))
	default:
		err = tx.Update(script, x.def, x.encode(x.other, old), x.encode(x.other, r))
	}
	if err == nil {
		_, err = tx.Commit(script)
	}
	tx.Rollback()
	if errors.Is(err, txn.ErrLockWait) {
		return // a locking scan has it: that is what locks are for
	}
	if err != nil {
		x.t.Fatal(err)
	}
	if x.committed = maps.Clone(x.committed); there && !x.found(id) {
		delete(x.committed, id)
	} else {
		x.committed[id] = r
	}
}

// check compares what is committed in the end.
func (x *modelRun) check() {
	for id := range int64(110) {
		if _, want := x.committed[id]; want != x.found(id) {
			x.t.Fatalf("row %d is there: %v, want %v", id, !want, want)
		}
	}
}

// found asks the database whether a row is there: elsewhere does not know which of its changes it drew.
func (x *modelRun) found(id int64) (found bool) {
	if _, err := x.other.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
		_, ok, err := tx.Get(script, x.def, nil, keyOf(x.def, id))
		found = ok
		return err
	}); err != nil {
		x.t.Fatal(err)
	}
	return found
}

func (x *modelRun) scan() {
	o := engine.ScanOptions{Reverse: x.r.IntN(2) == 0}
	plain := x.r.IntN(3) > 0
	if !plain {
		o.Lock = engine.Lock(1 + x.r.IntN(2))
	} else if x.r.IntN(4) == 0 {
		o.ReadNow, plain = true, false
	}
	column := x.r.IntN(4)
	if column > 0 {
		o.Index = x.def.Indexes[column-1]
	}
	value := func(r modelRow) int64 { return []int64{r.id, r.a, r.u, r.a}[column] }
	lo, hi := int64(x.r.IntN(8)), int64(x.r.IntN(110))
	all := x.r.IntN(3) == 0
	if !all {
		c, desc := x.def.Columns[column].Column, column == 3
		a, b := row.AppendKey(nil, c, 0, desc, row.NewInt(lo)), row.AppendKey(nil, c, 0, desc, row.NewInt(hi))
		if desc {
			a, b = b, a
		}
		o.Ranges = []engine.Range{{Lo: a, Hi: row.PrefixEnd(b), HiOpen: true}}
	}
	rows, err := collect(script, x.tx, x.def, o)
	if err != nil {
		x.t.Fatal(err)
	}
	base := x.committed
	if plain {
		if x.m.snapshot == nil {
			x.m.snapshot = x.committed
		}
		base = x.m.snapshot
	}
	var want []modelRow
	for _, r := range x.m.sees(base) {
		if v := value(r); all || v != null && lo <= v && v <= hi {
			want = append(want, r)
		}
	}
	x.compare(o, column, rows, want, value)
}

func (x *modelRun) compare(o engine.ScanOptions, column int, rows []row.Row, want []modelRow, value func(modelRow) int64) {
	x.t.Helper()
	slices.SortFunc(want, func(a, b modelRow) int {
		va, vb := value(a), value(b)
		c := 0
		switch {
		case va < vb:
			c = -1
		case va > vb:
			c = 1
		}
		if column == 3 {
			c = -c
		}
		if c == 0 {
			c = int(a.id - b.id)
		}
		if o.Reverse {
			c = -c
		}
		return c
	})
	var got, expect []string
	for _, r := range rows {
		got = append(got, text(x.def, r))
	}
	for _, r := range want {
		expect = append(expect, text(x.def, x.encode(x.w, r)))
	}
	if !slices.Equal(got, expect) {
		x.t.Fatalf("scan %+v\n got %v\nwant %v\nafter %s", o, got, expect, strings.Join(x.log, "\n"))
	}
}
