package engine_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/logstore/memvolume"
)

// listed creates db.t, whose index m has an entry for each member of s.
func (w *world) listed(unique bool) *engine.TableDef {
	def := pairsDef("t")
	def.Indexes = append(def.Indexes, &engine.IndexDef{Name: "m", Unique: unique, Columns: []engine.IndexColumn{{Column: 1}, {Column: 2, Multi: true}}})
	w.ddl(func(tx *engine.Tx) (err error) {
		if err = tx.CreateDatabase(w.ctx, engine.DatabaseDef{Name: "db"}); err == nil {
			def, err = tx.CreateTable(w.ctx, def)
		}
		return err
	})
	return def
}

// list returns a value of some letters, nil of NULL.
func list(letters string) []byte {
	if letters == "NULL" {
		return nil
	}
	var members [][]byte
	for _, c := range letters {
		members = append(members, []byte{byte(c)})
	}
	return row.AppendMembers([]byte{}, members)
}

// found returns the ids that a scan of the members of some letters in rows with v = 1 returns, in order.
func (w *world) found(tx *engine.Tx, def *engine.TableDef, letters string, lock engine.Lock) []int64 {
	w.t.Helper()
	ix := def.Index("m")
	k, err := ix.Key()
	if err != nil {
		w.t.Fatal(err)
	}
	var ranges []engine.Range
	for _, c := range letters {
		lo := k.Append(k.Append(nil, 0, row.NewInt(1)), 1, row.NewBytes([]byte{byte(c)}))
		ranges = append(ranges, engine.Range{Lo: lo, Hi: row.PrefixEnd(lo), HiOpen: true})
	}
	c, err := tx.Scan(w.ctx, def, engine.ScanOptions{Index: ix, Ranges: ranges, Lock: lock})
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	var ids []int64
	for {
		r, err := c.Next(w.ctx)
		if errors.Is(err, io.EOF) {
			slices.Sort(ids)
			return ids
		}
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, def.Desc().Int(r, 0))
	}
}

// Of random writes, some of them undone, a scan of some members finds each row that has one of them once, within the transaction and after it,
// after a crash too, and a check finds every entry.
func TestMembersFindTheirRows(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 17))
		w := newWorld(t, memvolume.Options{}, quiet())
		def := w.listed(false)
		rows := map[int64]string{} // with v = 1
		letters := func() string {
			var out []byte
			for c := byte('a'); c < 'h'; c++ {
				if r.IntN(3) == 0 {
					out = append(out, c)
				}
			}
			return []string{string(out), string(out), string(out), "NULL"}[r.IntN(4)]
		}
		check := func(tx *engine.Tx) {
			t.Helper()
			ask := "abcdefgh"[r.IntN(4):][:1+r.IntN(4)]
			var want []int64
			for id, has := range rows {
				if has != "NULL" && strings.ContainsAny(has, ask) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			if got := w.found(tx, def, ask, engine.Lock(r.IntN(3))); !slices.Equal(got, want) {
				t.Fatalf("seed %d: rows with one of %s: %v, want %v of %v", seed, ask, got, want, rows)
			}
		}
		for range 30 {
			before := maps.Clone(rows)
			undone := r.IntN(3) == 0
			err := w.try(func(tx *engine.Tx) error {
				for range 1 + r.IntN(6) {
					id, has := r.Int64N(12), letters()
					old, there := rows[id]
					mark, kept := tx.Savepoint(), maps.Clone(rows)
					var err error
					switch {
					case !there:
						rows[id] = has
						err = tx.Insert(w.ctx, def, pair(def, id, 1, list(has)))
					case r.IntN(3) == 0:
						delete(rows, id)
						err = tx.Delete(w.ctx, def, pair(def, id, 1, list(old)))
					default:
						rows[id] = has
						err = tx.Update(w.ctx, def, pair(def, id, 1, list(old)), pair(def, id, 1, list(has)))
					}
					if err != nil {
						return err
					}
					check(tx)
					if r.IntN(4) == 0 {
						tx.RollbackTo(mark)
						rows = kept
						check(tx)
					}
					tx.Release(mark)
				}
				if undone {
					return io.ErrUnexpectedEOF
				}
				return nil
			})
			if undone {
				rows = before
			} else if err != nil {
				t.Fatal(err)
			}
			w.ddl(func(tx *engine.Tx) error { check(tx); return nil })
		}
		w.close()
		w.open()
		if _, err := w.db.Check(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.ddl(func(tx *engine.Tx) error { check(tx); return nil })
		if err := w.db.LoseEntry(w.ctx, def.ID, "m"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.db.CheckTable(w.ctx, def.ID); !errors.Is(err, engine.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "index m") {
			t.Fatalf("a check without an entry: %v", err)
		}
	}
}

// A member of a unique index is one row's, whatever else the rows have, and an index that is built over others is refused.
func TestMembersAreUnique(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.listed(true)
	insert := func(id int64, letters string) error {
		return w.try(func(tx *engine.Tx) error { return tx.Insert(w.ctx, def, pair(def, id, 1, list(letters))) })
	}
	for id, letters := range []string{"ab", "", "cd", "NULL", "NULL"} {
		if err := insert(int64(id), letters); err != nil {
			t.Fatal(err)
		}
	}
	var dup *engine.DuplicateError
	if err := insert(9, "xd"); !errors.As(err, &dup) || def.Desc().Int(dup.Existing, 0) != 2 || dup.Index.Name != "m" {
		t.Fatalf("a second d: %v", err)
	}
	if err := w.try(func(tx *engine.Tx) error { // its own members are no others'
		return tx.Update(w.ctx, def, pair(def, 0, 1, list("ab")), pair(def, 0, 1, list("bx")))
	}); err != nil {
		t.Fatal(err)
	}
	if err := insert(9, "a"); err != nil {
		t.Fatal(err)
	}
	w.ddl(func(tx *engine.Tx) error { return tx.Insert(w.ctx, def, pair(def, 10, 2, list("a"))) })
	err := w.try(func(tx *engine.Tx) error {
		_, err := tx.CreateIndex(w.ctx, def, engine.IndexDef{Name: "u", Unique: true, Columns: []engine.IndexColumn{{Column: 2, Multi: true}}})
		return err
	})
	if !errors.As(err, &dup) || dup.Index.Name != "u" {
		t.Fatalf("an index of members that two rows have: %v", err)
	}
}
