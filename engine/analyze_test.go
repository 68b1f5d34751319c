package engine_test

import (
	"bytes"
	"testing"
	"time"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/logstore/memvolume"
	"sextant/logstore/memvolume/feed"
)

// A sample of the leaves finds about as many different values as there are.
func TestStatisticsOfALargeTable(t *testing.T) {
	const rows, values = 120_000, 5000
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.pairs("t")
	w.ddl(func(tx *engine.Tx) error {
		b, err := tx.Rewrite(w.ctx, def)
		if err != nil {
			return err
		}
		for id := range int64(rows) {
			v := id % values
			if id%4 == 0 {
				v = 77 // every fourth
			}
			if err := b.Add(w.ctx, 0, pair(b.Table(), id, v, nil)); err != nil {
				return err
			}
		}
		def, err = b.Finish(w.ctx)
		return err
	})
	s, err := w.db.Analyze(w.ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	if s.Rows != rows {
		t.Errorf("%d rows", s.Rows)
	}
	for _, ix := range append(def.Indexes, def.Primary) {
		x := s.Of(def, ix)
		if x == nil {
			t.Fatalf("no statistics of %s", ix.Name)
		}
		want := uint64(rows)
		if ix.Name == "v" {
			want = values*3/4 + 1
		}
		if d := x.Distinct[0]; d < want*3/4 || d > want*4/3 {
			t.Errorf("%s: %d different values, there are %d", ix.Name, d, want)
		}
		var sum, of77 uint64
		desc, last := row.NewDesc(0, x.Columns), x.Lower
		for _, b := range x.Buckets {
			sum += b.Rows
			if desc.Int(b.Upper, 0) < desc.Int(last, 0) {
				t.Fatalf("%s: a bucket up to %d behind one up to %d", ix.Name, desc.Int(b.Upper, 0), desc.Int(last, 0))
			}
			if bytes.Equal(b.Upper, last) {
				of77 += b.Rows
			}
			last = b.Upper
		}
		if sum < rows*9/10 || sum > rows*11/10 || len(x.Buckets) > 101 {
			t.Errorf("%s: %d rows in %d buckets", ix.Name, sum, len(x.Buckets))
		}
		if ix.Name == "v" && (of77 < rows/12 || of77 > rows/2) { // 4 and 6 standard deviations of 128 leaves
			t.Errorf("%d rows in buckets of the value of every fourth row", of77)
		}
	}
}

// Statistics are made in the background when enough has changed, reach readers, and go
// with their table.
func TestStatisticsFollowTheirTable(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true, Behind: true},
		engine.Options{Background: engine.BackgroundOptions{Analyze: time.Millisecond}})
	r := w.reader(feed.New(w.store))
	def := w.pairs("t")
	fill := func(from, to int64) {
		w.ddl(func(tx *engine.Tx) error {
			for id := from; id < to; id++ {
				if err := tx.Insert(w.ctx, def, pair(def, id, id%3, nil)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	at := func(w *world) *engine.Statistics {
		cat, err := w.db.CatalogAt(w.ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		o := cat.Statistics(def.ID)
		if o == nil {
			return nil
		}
		s, err := o.Statistics()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	fill(0, 300)
	for _, x := range []*world{w, r} {
		x.until("statistics of 300 rows", func() bool { s := at(x); return s != nil && s.Rows == 300 })
		if d := at(x).Of(def, def.Indexes[0]).Distinct[0]; d != 3 {
			t.Errorf("%d different values of 3", d)
		}
	}
	fill(300, 600)
	r.until("statistics of 600 rows", func() bool { return at(r).Rows == 600 })
	w.ddl(func(tx *engine.Tx) error { return tx.DropTable(w.ctx, def) })
	r.until("the statistics are gone", func() bool { return at(r) == nil })
}

// TestChangesWhileAnalyzedCount: what changes while a new table is analyzed is left for the
// next round.
func TestChangesWhileAnalyzedCount(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, engine.Options{})
	if left := w.db.ChangesLeft(300); left != 300 {
		t.Errorf("%d changes are left, want 300", left)
	}
}
