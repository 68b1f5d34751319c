package engine_test

import (
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

func TestRowCountOfAFreshTableIsNotDoubled(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.pairs("t")
	w.ddl(func(tx *engine.Tx) error {
		for id := int64(1); id <= 3; id++ {
			if err := put(w.ctx, tx, def, id, id, nil); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 { // the first loads the count
		s, err := w.db.TableStats(w.ctx, def)
		if err != nil {
			t.Fatal(err)
		}
		if s.Rows != 3 {
			t.Errorf("%d rows after three inserts", s.Rows)
		}
	}
}
