package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"sextant/engine"
	"sextant/engine/txn"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore/memvolume"
)

// A crash right after any commit, or between the commits of a bulk job, must leave
// a volume that opens: the rows of exactly the commits before, trees that are
// sound, and every page in a map and in one tree, or noted as garbage.
func TestCrashAfterEveryCommit(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true}, engine.Options{Background: engine.BackgroundOptions{Stats: -1, Free: -1, Horizon: -1}})
	rng := rand.New(rand.NewPCG(1, 2))
	def := w.pairs("p")
	model := map[int64]int64{}
	states := map[redo.LSN]map[int64]int64{w.store.VDL(): {}}
	for i := range 120 {
		next := maps.Clone(model)
		w.ddl(func(tx *engine.Tx) error { return randomWrites(w.ctx, tx, def, rng, next, i) })
		model = next
		states[w.store.VDL()] = model
		if i%40 == 20 {
			w.ddl(func(tx *engine.Tx) (err error) {
				def, err = tx.CreateIndex(w.ctx, def, engine.IndexDef{
					Name: fmt.Sprintf("s%d", i), Columns: []engine.IndexColumn{{Column: 1}, {Column: 0, Desc: true}}})
				return err
			})
		}
		if i%40 == 30 {
			side := w.pairs(fmt.Sprintf("q%d", i))
			w.ddl(func(tx *engine.Tx) error {
				b, err := tx.Rewrite(w.ctx, side)
				if err != nil {
					return err
				}
				for id := range int64(300) {
					n := 200
					if id == 7 {
						n = 2 << 20
					}
					if err := b.Add(w.ctx, 0, pair(b.Table(), id*37%300, id, make([]byte, n))); err != nil {
						return err
					}
				}
				side, err = b.Finish(w.ctx)
				return err
			})
			w.ddl(func(tx *engine.Tx) error { return tx.DropTable(w.ctx, side) })
			if err := w.db.FreeGarbage(w.ctx); err != nil {
				t.Fatal(err)
			}
		}
		states[w.store.VDL()] = model
	}
	ends := commitLSNs(t, w.store)
	if len(ends) < 120 {
		t.Fatalf("%d mini-transactions", len(ends))
	}
	var last map[int64]int64
	for _, at := range ends {
		if s, ok := states[at]; ok {
			last = s
		}
		reopenAt(t, w, at, last)
	}
}

// reopenAt opens the volume as a crash at that LSN leaves it.
func reopenAt(t *testing.T, w *world, at redo.LSN, rows map[int64]int64) {
	t.Helper()
	store, err := w.store.CloneAt(at)
	if err != nil {
		t.Fatal(err)
	}
	c := &world{t: t, ctx: w.ctx, store: store, o: w.o}
	c.open()
	defer c.close()
	c.check()
	if def := c.table("p"); def != nil && rows != nil {
		for _, ix := range []string{"PRIMARY", "v"} {
			if got := c.rows(def, ix); !maps.Equal(got, rows) {
				t.Fatalf("after a crash at %d by %s: %d rows, want %d", at, ix, len(got), len(rows))
			}
		}
	}
	if err := c.db.FreeGarbage(c.ctx); err != nil {
		t.Fatalf("free garbage after a crash at %d: %v", at, err)
	}
	r := c.check()
	if n := c.db.Garbage(c.ctx); n != 0 {
		t.Fatalf("after a crash at %d: %d notes of garbage are left in %+v", at, n, r)
	}
}

func (w *world) table(name string) *engine.TableDef {
	cat, err := w.db.CatalogAt(w.ctx, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return cat.Table("db", name)
}

// commitLSNs returns the LSN of every CPL.
func commitLSNs(t *testing.T, s *memvolume.Store) (out []redo.LSN) {
	t.Helper()
	records, err := s.Records(0, s.VDL())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.CPL {
			out = append(out, r.LSN)
		}
	}
	return out
}

// randomWrites changes some rows and the model alike; now and then values are long
// enough for overflow pages, or long enough to be written ahead.
func randomWrites(ctx context.Context, tx *engine.Tx, def *engine.TableDef, rng *rand.Rand, model map[int64]int64, i int) error {
	for range 1 + rng.IntN(20) {
		id := rng.Int64N(200)
		if rng.IntN(4) == 0 {
			if err := remove(ctx, tx, def, id); err != nil {
				return err
			}
			delete(model, id)
			continue
		}
		var s []byte
		switch n := rng.IntN(40); {
		case n == 0 && i%10 == 0:
			s = bytes.Repeat([]byte{byte(id)}, 2<<20)
		case n < 4:
			s = bytes.Repeat([]byte{byte(id)}, 5000+rng.IntN(60000))
		default:
			s = bytes.Repeat([]byte{byte(id)}, rng.IntN(400))
		}
		v := rng.Int64N(50)
		if err := put(ctx, tx, def, id, v, s); err != nil {
			return err
		}
		model[id] = v
	}
	return nil
}

// A cache of a few dozen pages must give the same rows, only slower.
func TestSmallCache(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, engine.Options{CacheBytes: 64 * page.Size})
	rng := rand.New(rand.NewPCG(3, 4))
	def := w.pairs("p")
	model := map[int64]int64{}
	for i := range 150 {
		w.ddl(func(tx *engine.Tx) error {
			for range 20 {
				id, v := rng.Int64N(3000), rng.Int64N(1000)
				if err := put(w.ctx, tx, def, id, v, bytes.Repeat([]byte("x"), 1000)); err != nil {
					return err
				}
				model[id] = v
			}
			return nil
		})
		if i%50 == 49 {
			if got := w.rows(def, "v"); !maps.Equal(got, model) {
				t.Fatalf("%d rows, want %d", len(got), len(model))
			}
		}
	}
	w.check()
	if s := w.db.CacheStats(); s.Bytes > 80*page.Size || s.Evictions == 0 {
		t.Errorf("cache of 64 pages holds %d, evicted %d", s.Bytes/page.Size, s.Evictions)
	}
}

// Sixteen writers, the VDL moving behind them, snapshots read meanwhile: the sum of
// all values never changes.
func TestConcurrentTransfers(t *testing.T) {
	for name, o := range map[string]engine.Options{"cached": {}, "64 pages": {CacheBytes: 64 * page.Size}} {
		t.Run(name, func(t *testing.T) { testTransfers(t, o) })
	}
}

func testTransfers(t *testing.T, o engine.Options) {
	const accounts, workers, transfers = 64, 16, 60
	w := newWorld(t, memvolume.Options{Behind: true}, o)
	def := w.pairs("p")
	w.ddl(func(tx *engine.Tx) error {
		for id := range int64(accounts) {
			if err := put(w.ctx, tx, def, id, 100, bytes.Repeat([]byte("a"), 3000)); err != nil {
				return err
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), 1))
			for range transfers {
				if err := w.transfer(def, rng.Int64N(accounts), rng.Int64N(accounts)); err != nil {
					t.Errorf("worker %d: %v", k, err)
					return
				}
				if sum(w.rows(def, []string{"PRIMARY", "v"}[k%2])) != accounts*100 {
					t.Errorf("worker %d sees another sum", k)
					return
				}
			}
		})
	}
	wg.Wait()
	w.check()
}

// transfer moves one unit, again after a deadlock.
func (w *world) transfer(def *engine.TableDef, from, to int64) error {
	for {
		err := w.try(func(tx *engine.Tx) error {
			if from == to {
				return nil
			}
			for _, step := range []struct{ id, d int64 }{{from, -1}, {to, 1}} {
				r, err := lockRow(w.ctx, tx, def, step.id)
				if err != nil {
					return err
				}
				v := def.Desc().Int(r, 1) + step.d
				if err := tx.Update(w.ctx, def, r, pair(def, step.id, v, bytes.Repeat([]byte("b"), 3000))); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, txn.ErrDeadlock) {
			return err
		}
	}
}

func lockRow(ctx context.Context, tx *engine.Tx, def *engine.TableDef, id int64) ([]byte, error) {
	c, err := tx.Scan(ctx, def, engine.ScanOptions{Lock: engine.LockExclusive,
		Ranges: []engine.Range{{Lo: pairKey(def, id), Hi: pairKey(def, id)}}})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, err := c.Next(ctx)
	return bytes.Clone(r), err
}

func sum(m map[int64]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}
