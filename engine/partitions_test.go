package engine_test

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/engine"
	"sextant/internal/redo"
	"sextant/logstore/memvolume"
	"sextant/logstore/memvolume/feed"
)

// parted creates db.name as pairs does, with n partitions.
func (w *world) parted(name string, n int) *engine.TableDef {
	w.pairs("beside_" + name)
	def := pairsDef(name)
	for i := range n {
		def.Parts = append(def.Parts, &engine.PartDef{Name: string(rune('a' + i))})
	}
	w.ddl(func(tx *engine.Tx) (err error) { def, err = tx.CreateTable(w.ctx, def); return err })
	return def
}

// moved gives the table n partitions, of which those that do not stay have the rows of those
// that do not either.
func (w *world) moved(def *engine.TableDef, n int, stay ...int) (out *engine.TableDef) {
	w.t.Helper()
	w.ddl(func(tx *engine.Tx) error {
		next := def.Clone()
		next.Parts = nil
		for i := range n {
			p := &engine.PartDef{Name: string(rune('a' + i))}
			if slices.Contains(stay, i) {
				p.ID = def.Parts[i].ID
			}
			next.Parts = append(next.Parts, p)
		}
		b, err := tx.Repartition(w.ctx, next)
		if err != nil {
			return err
		}
		var from []int
		for i := range def.Parts {
			if !slices.Contains(stay, i) {
				from = append(from, i)
			}
		}
		c, err := tx.Scan(w.ctx, def, engine.ScanOptions{Parts: from, ReadNow: true})
		if err != nil {
			return err
		}
		defer c.Close()
		for {
			r, err := c.Next(w.ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			to := int(def.Desc().Int(r, 0)) % n
			if slices.Contains(stay, to) {
				w.t.Fatalf("row of partition %d", to)
			}
			if err := b.Add(w.ctx, to, r); err != nil {
				return err
			}
		}
		out, err = b.Finish(w.ctx)
		return err
	})
	return out
}

// A crash after any commit of writes and DDL on a partitioned table leaves the partitions before
// or after it, sound, and no page that belongs to nothing; and all pages come back.
func TestCrashInPartitions(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true}, quiet())
	rng := rand.New(rand.NewPCG(5, 6))
	other := w.pairs("other")
	empty := w.collect()
	def := w.parted("p", 3)
	model := map[int64]int64{}
	states := map[redo.LSN]map[int64]int64{}
	commit := func(f func(tx *engine.Tx) error) {
		t.Helper()
		w.ddl(f)
		states[w.store.VDL()] = maps.Clone(model)
	}
	write := func() {
		t.Helper()
		commit(func(tx *engine.Tx) error {
			for range 40 {
				id := rng.Int64N(300)
				pt := def.Part(int(id) % len(def.Parts))
				if rng.IntN(3) == 0 {
					if err := remove(w.ctx, tx, pt, id); err != nil {
						return err
					}
					delete(model, id)
					continue
				}
				model[id] = rng.Int64N(50)
				if err := put(w.ctx, tx, pt, id, model[id], make([]byte, rng.IntN(3000))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	check := func() {
		t.Helper()
		for _, ix := range []string{"PRIMARY", "v"} {
			if got := w.rows(def, ix); !maps.Equal(got, model) {
				t.Fatalf("by %s: %d rows, want %d", ix, len(got), len(model))
			}
		}
	}
	for range 3 {
		write()
	}
	check()
	def = w.moved(def, 3, 0, 2) // rebuilt
	check()
	def = w.moved(def, 4)
	check()
	write()
	commit(func(tx *engine.Tx) (err error) {
		def, err = tx.CreateIndex(w.ctx, def, engine.IndexDef{Name: "x", Unique: true, Columns: []engine.IndexColumn{{Column: 1}, {Column: 0}}})
		return err
	})
	write()
	commit(func(tx *engine.Tx) (err error) {
		n := def.Clone()
		n.Indexes = n.Indexes[:1]
		n.Comment = "altered"
		def, err = tx.AlterTable(w.ctx, n)
		return err
	})
	write()
	check()
	// A partition is exchanged for a table, which then is empty or has its rows.
	commit(func(tx *engine.Tx) (err error) {
		for id := range model {
			if id%4 == 1 {
				delete(model, id)
			}
		}
		def, other, err = tx.ExchangePartition(w.ctx, def, 1, other)
		return err
	})
	check()
	if len(w.rows(other, "v")) == 0 {
		t.Error("the table has no rows of the partition")
	}
	write()
	// A row is written into no table that has partitions.
	if err := w.try(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1000, 1, nil) }); err == nil {
		t.Error("a row was written without a partition")
	}
	// Nothing stays of what is rolled back.
	before := w.collect()
	failed := errors.New("failed")
	if err := w.try(func(tx *engine.Tx) error {
		n := def.Clone()
		n.Parts = []*engine.PartDef{n.Parts[0], {Name: "new"}}
		b, err := tx.Repartition(w.ctx, n)
		if err != nil {
			return err
		}
		if err := b.Add(w.ctx, 1, pair(def, 5000, 1, make([]byte, 50000))); err != nil {
			return err
		}
		if _, err := b.Finish(w.ctx); err != nil {
			return err
		}
		return failed
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if after := w.collect(); after != before {
		t.Errorf("%d pages before what was rolled back, %d after", before, after)
	}
	check()
	commit(func(tx *engine.Tx) (err error) { clear(model); def, err = tx.TruncateTable(w.ctx, def); return err })
	check()
	write()
	w.close()
	w.open()
	def = w.table("p")
	check()
	w.ddl(func(tx *engine.Tx) error { return tx.DropTable(w.ctx, def) })
	w.ddl(func(tx *engine.Tx) error { return tx.DropTable(w.ctx, w.table("beside_p")) })
	w.ddl(func(tx *engine.Tx) error { _, err := tx.TruncateTable(w.ctx, w.table("other")); return err })
	if after := w.collect(); after != empty {
		t.Errorf("%d pages are in use, %d before", after, empty)
	}
	var last map[int64]int64
	for _, at := range commitLSNs(t, w.store) {
		if s, ok := states[at]; ok {
			last = s
			reopenAt(t, w, at, last)
			continue
		}
		reopenAt(t, w, at, nil)
	}
}

// Scans of a partitioned table are in the order of the index, both ways, with the
// transaction's own rows among them, and of the partitions that are asked for.
func TestPartitionScans(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.parted("p", 5)
	fill := func(tx *engine.Tx, from, to int64) error {
		for id := from; id < to; id++ {
			if err := put(w.ctx, tx, def.Part(int(id)%5), id, (id*7)%13, nil); err != nil {
				return err
			}
		}
		return nil
	}
	w.ddl(func(tx *engine.Tx) error { return fill(tx, 0, 40) })
	w.ddl(func(tx *engine.Tx) error {
		if err := fill(tx, 30, 60); err != nil {
			return err
		}
		for _, o := range []engine.ScanOptions{
			{Index: def.Primary}, {Index: def.Primary, Reverse: true}, {Index: def.Indexes[0]}, {Index: def.Indexes[0], Reverse: true},
			{Index: def.Indexes[0], Lock: engine.LockExclusive}, {Index: def.Primary, Parts: []int{1, 3}}, {Parts: []int{2}, Lock: engine.LockShared}, {},
		} {
			c, err := tx.Scan(w.ctx, def, o)
			if err != nil {
				return err
			}
			var got [][2]int64
			for {
				r, err := c.Next(w.ctx)
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
				id, v := def.Desc().Int(r, 0), def.Desc().Int(r, 1)
				if o.Parts != nil && !slices.Contains(o.Parts, int(id)%5) {
					t.Errorf("row %d of another partition than %v", id, o.Parts)
				}
				got = append(got, [2]int64{v, id})
			}
			c.Close()
			want := 60
			if o.Parts != nil {
				want = 12 * len(o.Parts)
			}
			if len(got) != want {
				t.Errorf("%+v: %d rows, want %d", o, len(got), want)
			}
			if o.Index == nil {
				continue
			}
			if !slices.IsSortedFunc(got, func(a, b [2]int64) int {
				if o.Reverse {
					a, b = b, a
				}
				if o.Index == def.Primary {
					return int(a[1] - b[1])
				}
				return slices.Compare(a[:], b[:])
			}) {
				t.Errorf("%+v: not in order: %v", o, got)
			}
		}
		r, found, err := tx.Get(w.ctx, def, nil, pairKey(def, 44))
		if err != nil || !found || def.Desc().Int(r, 0) != 44 {
			t.Errorf("get: %v %v", found, err)
		}
		return nil
	})
	s, err := w.db.Analyze(w.ctx, def)
	if err != nil || s.Rows != 60 || s.Of(def, def.Indexes[0]).Distinct[0] != 13 {
		t.Errorf("statistics %+v %v", s, err)
	}
	if n, err := w.db.EstimateRows(w.ctx, def, def.Primary, []engine.Range{{}}); err != nil || n != 60 {
		t.Errorf("%d rows estimated, %v", n, err)
	}
}

// A reader sees a table's partitions as they are at each commit: rows, a partition that is dropped, one that is
// exchanged. A snapshot that was there before goes on reading what it saw.
func TestPartitionsOnReader(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true}, quiet())
	other := w.pairs("other")
	def := w.parted("p", 3)
	model := map[int64]int64{}
	w.ddl(func(tx *engine.Tx) error {
		for id := range int64(60) {
			model[id] = id % 7
			if err := put(w.ctx, tx, def.Part(int(id)%3), id, model[id], nil); err != nil {
				return err
			}
		}
		return nil
	})
	r := w.reader(feed.New(w.store))
	r.await(w.store.VDL())
	same := func(what string) {
		t.Helper()
		r.await(w.store.VDL())
		for _, ix := range []string{"PRIMARY", "v"} {
			if got := r.rows(r.table("p"), ix); !maps.Equal(got, model) {
				t.Errorf("%s: %d rows by %s on the reader, want %d", what, len(got), ix, len(model))
			}
		}
	}
	same("written")
	s := r.db.NewSession(9)
	defer s.Close()
	old, err := s.Begin(r.ctx, engine.TxOptions{ReadOnly: true, ConsistentSnapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Rollback()
	was := r.table("p")
	if got, err := scanPairs(r.ctx, old, was, "v"); err != nil || len(got) != 60 {
		t.Fatal(len(got), err)
	}
	w.ddl(func(tx *engine.Tx) (err error) { def, _, err = tx.ExchangePartition(w.ctx, def, 1, other); return err })
	for id := range model {
		if id%3 == 1 {
			delete(model, id)
		}
	}
	same("exchanged")
	if got := r.rows(r.table("other"), "v"); len(got) != 20 {
		t.Errorf("the table has %d rows on the reader, want 20", len(got))
	}
	w.ddl(func(tx *engine.Tx) error {
		n := def.Clone()
		n.Parts = append(n.Parts[1:], &engine.PartDef{Name: "new"})
		b, err := tx.Repartition(w.ctx, n)
		if err == nil {
			def, err = b.Finish(w.ctx)
		}
		return err
	})
	for id := range model {
		if id%3 == 0 {
			delete(model, id)
		}
	}
	same("dropped")
	if got, err := scanPairs(r.ctx, old, was, "PRIMARY"); err != nil || len(got) != 60 {
		t.Errorf("the snapshot reads %d rows, %v", len(got), err)
	}
}
