package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sextant/engine"
	"sextant/engine/replica"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/memvolume"
)

// feed is a memvolume store as a reader sees it: stream, log and pages.
type feed struct {
	store *memvolume.Store
	mu    sync.Mutex
	subs  map[*feedSub]bool
}

func newFeed(s *memvolume.Store) *feed {
	f := &feed{store: s, subs: map[*feedSub]bool{}}
	s.AddTap(f)
	return f
}

func (f *feed) source() engine.Source { return engine.Source{Pages: f, Stream: f, Log: f} }

type feedSub struct {
	f      *feed
	answer replica.Answer
	mu     sync.Mutex
	queue  []replica.Message
	more   chan struct{}
	broken bool
}

func (f *feed) send(m replica.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.push(m)
	}
}

func (s *feedSub) push(m replica.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (f *feed) Frame(b []byte, _ redo.LSN) { f.send(replica.Message{Frame: bytes.Clone(b)}) }
func (f *feed) VDL(vdl redo.LSN) {
	f.send(replica.Message{VDL: vdl, SentAt: time.Now().UnixMicro()})
}

// cut ends every subscription.
func (f *feed) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.subs {
		s.mu.Lock()
		s.broken = true
		s.mu.Unlock()
		s.push(replica.Message{})
		delete(f.subs, s)
	}
}

func (f *feed) Subscribe(_ context.Context, _ redo.VolumeEpoch, _ redo.LSN) (replica.Subscription, error) {
	s := &feedSub{f: f, more: make(chan struct{}, 1)}
	f.mu.Lock()
	f.subs[s] = true
	f.mu.Unlock()
	// Frames since then may repeat what is at or below the VDL.
	s.answer = replica.Answer{Epoch: f.store.Epoch(), VDL: f.store.VDL(), Annulled: f.store.Annulled(),
		PGLast: f.store.PGLast(), PagesPerGroup: f.store.PagesPerGroup()}
	return s, nil
}

func (s *feedSub) Answer() replica.Answer { return s.answer }
func (s *feedSub) Promise(redo.LSN)       {}
func (s *feedSub) Close() error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	delete(s.f.subs, s)
	return nil
}

func (s *feedSub) Recv(ctx context.Context) (replica.Message, error) {
	for {
		s.mu.Lock()
		if s.broken {
			s.mu.Unlock()
			return replica.Message{}, io.ErrUnexpectedEOF
		}
		if len(s.queue) > 0 {
			m := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return m, nil
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-ctx.Done():
			return replica.Message{}, ctx.Err()
		}
	}
}

func (f *feed) Records(_ context.Context, _ redo.VolumeEpoch, after, through redo.LSN, max int) ([]redo.Record, error) {
	rs, err := f.store.Records(after, through)
	bytes := 0
	for i := range rs {
		bytes += len(rs[i].Payload)
	}
	if err == nil && bytes > max {
		err = logstore.ErrTooLong
	}
	return rs, err
}

func (f *feed) ReadPages(ctx context.Context, _ redo.VolumeEpoch, ids []redo.PageID, at, need redo.LSN) ([][]byte, error) {
	out := make([][]byte, len(ids))
	for i, id := range ids {
		p, err := f.store.ReadPage(ctx, id, at)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

// reader opens a reader of the world's store.
func (w *world) reader(f *feed) *world {
	w.t.Helper()
	db, err := engine.OpenReader(w.ctx, f.source(), engine.Options{Logger: slog.New(slog.DiscardHandler)})
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
	f := newFeed(w.store)
	def := w.pairs("p")
	r := w.reader(f)
	rng := rand.New(rand.NewPCG(5, 6))
	model := map[int64]int64{}
	for i := range 100 {
		w.ddl(func(tx *engine.Tx) error { return randomWrites(w.ctx, tx, def, rng, model, i) })
		switch i % 25 {
		case 10:
			f.cut()
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
	f := newFeed(w.store)
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
	f := newFeed(w.store)
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
		f.cut() // the reader may or may not have the last ones
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
		if err := w.db.Demote(w.ctx, f.source()); err != nil {
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
	f := newFeed(w.store)
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
	f.cut()
	if err := r.db.Promote(r.ctx, vol, w.store.Annulled()); err != nil {
		t.Fatal(err)
	}
	if got := r.rows(def, "PRIMARY"); got[1] != 1 {
		t.Errorf("the new writer has %v", got)
	}
	r.ddl(func(tx *engine.Tx) error { return put(r.ctx, tx, def, 1, 3, nil) })
	if err := w.db.Demote(w.ctx, f.source()); err != nil {
		t.Fatal(err)
	}
	w.await(w.store.VDL())
	if got := w.rows(def, "v"); got[1] != 3 {
		t.Errorf("the demoted writer has %v", got)
	}
}
