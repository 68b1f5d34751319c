package engine_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

// BenchmarkCommit is one UPDATE by primary key of a row of 100 bytes in a table of
// 100,000 rows with one secondary index, autocommit.
func BenchmarkCommit(b *testing.B) {
	w := newWorld(b, memvolume.Options{}, engine.Options{Retention: -1})
	def := w.pairs("p")
	fill(w, def, 100_000)
	var seed atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(seed.Add(1), 1))
		s := w.db.NewSession(seed.Load())
		defer s.Close()
		for pb.Next() {
			tx, err := s.Begin(w.ctx, engine.TxOptions{})
			if err == nil {
				err = put(w.ctx, tx, def, rng.Int64N(100_000), rng.Int64N(1000), make([]byte, 100))
			}
			if err == nil {
				_, err = tx.Commit(w.ctx)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPointRead is a read of one row by primary key in its own transaction.
func BenchmarkPointRead(b *testing.B) {
	w := newWorld(b, memvolume.Options{}, engine.Options{Retention: -1})
	def := w.pairs("p")
	fill(w, def, 100_000)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(1, 1))
		s := w.db.NewSession(1)
		defer s.Close()
		for pb.Next() {
			tx, err := s.Begin(w.ctx, engine.TxOptions{ReadOnly: true})
			if err == nil {
				_, _, err = tx.Get(w.ctx, def, nil, pairKey(def, rng.Int64N(100_000)))
			}
			if err != nil {
				b.Error(err)
				return
			}
			tx.Rollback()
		}
	})
}

func fill(w *world, def *engine.TableDef, n int64) {
	w.t.Helper()
	for i := int64(0); i < n; i += 1000 {
		w.ddl(func(tx *engine.Tx) error {
			for id := i; id < i+1000; id++ {
				if err := tx.Insert(w.ctx, def, pair(def, id, id%1000, make([]byte, 100))); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
