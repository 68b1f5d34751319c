package engine_test

import (
	"errors"
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

// Others see how far bulk work is, and none when it has ended.
func TestProgressOfBulkWork(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.pairs("p")
	s := w.db.NewSession(1)
	defer s.Close()
	fill := func(n int64, check bool) error {
		tx, err := s.Begin(w.ctx, engine.TxOptions{})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		b, err := tx.Rewrite(w.ctx, def)
		if err != nil {
			return err
		}
		for i := range n {
			if err := b.Add(w.ctx, 0, pair(b.Table(), i, i, nil)); err != nil {
				return err
			}
			if done, total, running := s.Progress(); check && (done != uint64(i)+1 || total != uint64(n) || !running) {
				t.Errorf("row %d: %d of %d, %t", i, done, total, running)
			}
		}
		if check {
			return errors.Join(b.Abort(w.ctx), errGiveUp)
		}
		if def, err = b.Finish(w.ctx); err != nil {
			return err
		}
		_, err = tx.Commit(w.ctx)
		return err
	}
	for _, check := range []bool{false, true} {
		if err := fill(10, check); err != nil && !errors.Is(err, errGiveUp) {
			t.Fatal(err)
		}
		if _, _, running := s.Progress(); running {
			t.Error("it runs although it has ended")
		}
	}
}
