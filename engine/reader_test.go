package engine_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sextant/engine"
	"sextant/internal/redo"
	"sextant/logstore/memvolume"
	"sextant/logstore/memvolume/feed"
)

func source(f *feed.Feed) engine.Source { return engine.Source{Pages: f, Stream: f, Log: f} }

// reader opens a reader of the world's store.
func (w *world) reader(f *feed.Feed) *world {
	w.t.Helper()
	db, err := engine.OpenReader(w.ctx, source(f), engine.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &world{t: w.t, ctx: w.ctx, store: w.store, db: db, o: w.o}
	w.t.Cleanup(r.close)
	return r
}

// await returns when the reader has applied l.
func (w *world) await(l redo.LSN) {
	w.t.Helper()
	w.until("the reader has applied all", func() bool { return w.db.SnapshotLSN() >= l })
}

// until returns when the condition holds.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			w.t.Fatalf("not in time: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// A reader shows every commit, rows and schema of one LSN, while trees split and
// tables come and go; and goes on after its stream broke.
func TestReaderFollows(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true, Behind: true}, engine.Options{})
	f := feed.New(w.store)
	def := w.pairs("p")
	r := w.reader(f)
	rng := rand.New(rand.NewPCG(5, 6))
	model := map[int64]int64{}
	for i := range 100 {
		w.ddl(func(tx *engine.Tx) error { return randomWrites(w.ctx, tx, def, rng, model, i) })
		switch i % 25 {
		case 10:
			f.Cut()
		case 20:
			w.ddl(func(tx *engine.Tx) (err error) {
				n := def.Clone()
				n.Comment = "changed"
				def, err = tx.AlterTable(w.ctx, n)
				return err
			})
		}
		if i%5 == 0 {
			r.await(w.store.VDL())
			rdef := r.table("p")
			if rdef.Version != def.Version {
				t.Fatalf("reader has version %d of the table, want %d", rdef.Version, def.Version)
			}
			for _, ix := range []string{"PRIMARY", "v"} {
				if got := r.rows(rdef, ix); !maps.Equal(got, model) {
					t.Fatalf("reader has %d rows by %s, want %d", len(got), ix, len(model))
				}
			}
		}
	}
	r.check()
	if s := r.db.ReaderStatus(); s.Resets != 1 || !s.LagKnown {
		t.Errorf("status %+v: want one reset, the first", s)
	}
	if err := r.try(func(tx *engine.Tx) error { return put(r.ctx, tx, def, 1, 1, nil) }); !errors.Is(err, engine.ErrNotWriter) {
		t.Errorf("write on a reader: %v", err)
	}
}

// Scans on a reader, while the writer splits leaves as fast as it can, always see
// whole commits: every transaction keeps the number of rows a multiple of ten.
func TestSplitIsAtomicOnReader(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true, Behind: true}, engine.Options{})
	f := feed.New(w.store)
	def := w.pairs("p")
	r := w.reader(f)
	r.await(w.store.VDL())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		for i := range int64(80) {
			err := w.try(func(tx *engine.Tx) error {
				for k := range int64(10) {
					if err := tx.Insert(w.ctx, def, pair(def, k*1000+i, i, bytes.Repeat([]byte("y"), 500))); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for done := false; !done; {
		select {
		case <-stop:
			done = true
		default:
		}
		for _, ix := range []string{"PRIMARY", "v"} {
			if n := len(r.rows(def, ix)); n%10 != 0 {
				t.Fatalf("a scan by %s saw %d rows", ix, n)
			}
		}
	}
	wg.Wait()
	r.await(w.store.VDL())
	if n := len(r.rows(def, "PRIMARY")); n != 800 {
		t.Fatalf("%d rows", n)
	}
}

// The reader becomes the writer with what it has: everything up to the recovered
// VDL is there, nothing of what was annulled, and the old writer, fenced, becomes a
// reader in place.
func TestPromoteAndDemote(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true}, engine.Options{})
	f := feed.New(w.store)
	def := w.pairs("p")
	r := w.reader(f)
	old := r.db.NewSession(9)
	defer old.Close()
	model := map[int64]int64{}
	for round := range int64(4) {
		for i := range int64(20) {
			w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, i, round*100+i, nil) })
			model[i] = round*100 + i
		}
		f.Cut() // the reader may or may not have the last ones
		vol, readPoint := w.store.Open(), r.db.ReadPoint()
		if err := r.db.Promote(r.ctx, vol, w.store.Annulled()); err != nil {
			t.Fatal(err)
		}
		r.db.ReadersKnown()
		if err := w.try(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, -1, nil) }); err == nil {
			t.Fatal("the fenced writer committed")
		}
		if got := r.rows(def, "PRIMARY"); !maps.Equal(got, model) {
			t.Fatalf("round %d: new writer has %v, want %v", round, got, model)
		}
		r.ddl(func(tx *engine.Tx) error { return put(r.ctx, tx, def, 500+round, round, nil) })
		model[500+round] = round
		if at := readPoint(); at < vol.VDL() {
			t.Fatalf("a load of the reader's goes on at %d, the writer's VDL is %d", at, vol.VDL())
		}
		if err := w.db.Demote(w.ctx, source(f)); err != nil {
			t.Fatal(err)
		}
		w.await(w.store.VDL())
		if got := w.rows(def, "v"); !maps.Equal(got, model) {
			t.Fatalf("round %d: demoted writer has %v, want %v", round, got, model)
		}
		r.check()
		w.db, r.db = r.db, w.db
	}
}

// A commit that has LSNs when its writer is fenced gets neither OK nor an error that
// means "not committed"; here the recovery annuls it, and nobody sees it: not the
// reader that had buffered it and becomes the writer, nor sessions on the old
// writer that read it before it was durable.
func TestFencedCommitIsUnknown(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true}, engine.Options{})
	def := w.pairs("p")
	w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, 1, nil) })
	f := feed.New(w.store)
	r := w.reader(f)
	w.store.SetManual(true)
	before := w.vol.Next()
	result := make(chan error, 1)
	go func() {
		result <- w.try(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, 2, nil) })
	}()
	w.until("the commit is numbered", func() bool { return w.vol.Next() != before })
	s := w.db.NewSession(3)
	defer s.Close()
	tx, err := s.Begin(w.ctx, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	row, err := lockRow(w.ctx, tx, def, 1)
	if err != nil || def.Desc().Int(row, 1) != 2 {
		t.Fatalf("a locking read of the newest row: %v, %v", row, err)
	}
	vol := w.store.Open()
	if err := <-result; !errors.Is(err, engine.ErrOutcomeUnknown) {
		t.Errorf("the fenced commit returned %v", err)
	}
	if err := s.Settle(w.ctx); !errors.Is(err, engine.ErrOutcomeUnknown) {
		t.Errorf("a session that saw it may answer: %v", err)
	}
	tx.Rollback()
	w.store.SetManual(false)
	f.Cut()
	if err := r.db.Promote(r.ctx, vol, w.store.Annulled()); err != nil {
		t.Fatal(err)
	}
	if got := r.rows(def, "PRIMARY"); got[1] != 1 {
		t.Errorf("the new writer has %v", got)
	}
	r.ddl(func(tx *engine.Tx) error { return put(r.ctx, tx, def, 1, 3, nil) })
	if err := w.db.Demote(w.ctx, source(f)); err != nil {
		t.Fatal(err)
	}
	w.await(w.store.VDL())
	if got := w.rows(def, "v"); got[1] != 3 {
		t.Errorf("the demoted writer has %v", got)
	}
}
