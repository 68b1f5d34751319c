package engine_test

import (
	"maps"
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

func TestRowsAreThereAfterReopening(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, engine.Options{})
	def := w.pairs("p")
	want := map[int64]int64{}
	for i := range int64(1000) {
		w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, i*7919%1000, i, nil) })
		want[i*7919%1000] = i
	}
	for range 2 {
		for _, ix := range []string{"PRIMARY", "v"} {
			if got := w.rows(def, ix); !maps.Equal(got, want) {
				t.Fatalf("by %s: %d rows, want %d", ix, len(got), len(want))
			}
		}
		w.check()
		w.close()
		w.open()
	}
}

// check verifies the volume and returns what the check looked at.
func (w *world) check() engine.CheckReport {
	w.t.Helper()
	r, err := w.db.Check(w.ctx)
	if err != nil {
		w.t.Fatalf("check at %d: %v", r.LSN, err)
	}
	return r
}
