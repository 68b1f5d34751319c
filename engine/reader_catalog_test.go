package engine_test

import (
	"testing"

	"sextant/engine"
	"sextant/logstore/memvolume"
	"sextant/logstore/memvolume/feed"
)

// After a DDL a reader decodes what the DDL changed: the other definitions are the very
// ones that it had, so that a thousand DDLs of a thousand tables are not a million.
func TestReaderKeepsUnchangedDefinitions(t *testing.T) {
	w := newWorld(t, memvolume.Options{KeepAll: true}, engine.Options{})
	r := w.reader(feed.New(w.store))
	w.pairs("p")
	q := w.pairs("q")
	r.await(w.store.VDL())
	p, old := r.table("p"), r.table("q")
	w.ddl(func(tx *engine.Tx) error {
		n := q.Clone()
		n.Comment = "changed"
		_, err := tx.AlterTable(w.ctx, n)
		return err
	})
	r.await(w.store.VDL())
	if r.table("p") != p {
		t.Error("the definition of another table was decoded again")
	}
	if n := r.table("q"); n == old || n.Comment != "changed" {
		t.Errorf("the changed table's comment is %q", n.Comment)
	}
}
