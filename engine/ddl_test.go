package engine_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/internal/redo"
	"sextant/logstore/memvolume"
)

func quiet() engine.Options {
	return engine.Options{Background: engine.BackgroundOptions{Stats: -1, Free: -1, Horizon: -1}}
}

// collect frees the garbage and says how many pages are in use then.
func (w *world) collect() int {
	w.t.Helper()
	if err := w.db.FreeGarbage(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	if n := w.db.Garbage(w.ctx); n != 0 {
		w.t.Fatalf("%d notes of garbage are left", n)
	}
	return w.check().Pages
}

func TestInstantColumns(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.pairs("p")
	w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, 10, []byte("old")) })
	alter := func(f func(n *engine.TableDef)) {
		n := def.Clone()
		f(n)
		w.ddl(func(tx *engine.Tx) (err error) { def, err = tx.AlterTable(w.ctx, n); return err })
	}
	alter(func(n *engine.TableDef) {
		n.Columns = append(n.Columns, engine.ColumnDef{Column: row.Column{Name: "n", Type: row.TypeInt32}, Added: row.NewInt(7)})
	})
	w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 2, 20, []byte("new")) })
	alter(func(n *engine.TableDef) { n.Columns = append(n.Columns[:2:2], n.Columns[3]) }) // drop s
	alter(func(n *engine.TableDef) {                                                      // another s is another column
		n.Columns = append(n.Columns, engine.ColumnDef{Column: row.Column{Name: "s", Type: row.TypeBytes, Nullable: true}})
	})
	w.close()
	w.open()
	def = w.table("p")
	s := w.db.NewSession(1)
	defer s.Close()
	tx, err := s.Begin(w.ctx, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range map[int64]int64{1: 7, 2: 0} {
		r, found, err := tx.Get(w.ctx, def, nil, pairKey(def, id))
		if err != nil || !found {
			t.Fatal(found, err)
		}
		d := def.Desc()
		if got := d.Int(r, def.Column("n")); got != n || d.Int(r, def.Column("v")) != id*10 || !d.IsNull(r, def.Column("s")) {
			t.Errorf("row %d: n=%d v=%d s null: %v", id, got, d.Int(r, 1), d.IsNull(r, def.Column("s")))
		}
	}
	tx.Rollback()
	bad := def.Clone()
	bad.Columns[1].Type = row.TypeInt32
	if err := w.try(func(tx *engine.Tx) error { _, err := tx.AlterTable(w.ctx, bad); return err }); !errors.Is(err, engine.ErrNeedsRewrite) {
		t.Errorf("another type in place: %v", err)
	}
	w.check()
}

// Everything that DDL takes it gives back: dropped and truncated tables, indexes,
// failed and rolled back statements, whatever was loaded into them.
func TestPagesComeBack(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	def := w.pairs("p")
	empty := w.collect()
	load := func() {
		t.Helper()
		w.ddl(func(tx *engine.Tx) error {
			b, err := tx.Rewrite(w.ctx, def)
			if err != nil {
				return err
			}
			for _, id := range rand.New(rand.NewPCG(1, 1)).Perm(3000) {
				if err := b.Add(w.ctx, 0, pair(b.Table(), int64(id), int64(id%7), bytes.Repeat([]byte{1}, 300))); err != nil {
					return err
				}
			}
			if err := b.Add(w.ctx, 0, pair(b.Table(), 5000, 1, bytes.Repeat([]byte{2}, 3<<20))); err != nil {
				return err
			}
			def, err = b.Finish(w.ctx)
			return err
		})
	}
	load()
	if got := w.rows(def, "v"); len(got) != 3001 || got[2999] != 2999%7 {
		t.Fatalf("%d rows", len(got))
	}
	full := w.collect()
	if full < empty+60 {
		t.Fatalf("%d pages full, %d empty", full, empty)
	}
	steps := []struct {
		name string
		want int
		f    func(tx *engine.Tx) error
		fail bool
	}{
		{"index rolled back", full, func(tx *engine.Tx) error {
			if _, err := tx.CreateIndex(w.ctx, def, engine.IndexDef{Name: "x", Columns: []engine.IndexColumn{{Column: 1}}}); err != nil {
				return err
			}
			return errGiveUp
		}, true},
		{"unique index over equal values", full, func(tx *engine.Tx) error {
			_, err := tx.CreateIndex(w.ctx, def, engine.IndexDef{Name: "x", Unique: true, Columns: []engine.IndexColumn{{Column: 1}}})
			if _, ok := errors.AsType[*engine.DuplicateError](err); !ok {
				t.Errorf("unique index over equal values: %v", err)
			}
			return err
		}, true},
		{"load with a duplicate", full, func(tx *engine.Tx) error {
			b, err := tx.Rewrite(w.ctx, def)
			if err != nil {
				return err
			}
			for _, id := range []int64{1, 2, 1} {
				if err := b.Add(w.ctx, 0, pair(b.Table(), id, id, nil)); err != nil {
					return err
				}
			}
			_, err = b.Finish(w.ctx)
			return err
		}, true},
		{"truncate rolled back", full, func(tx *engine.Tx) error {
			if _, err := tx.TruncateTable(w.ctx, def); err != nil {
				return err
			}
			return errGiveUp
		}, true},
		{"truncate", empty, func(tx *engine.Tx) (err error) {
			def, err = tx.TruncateTable(w.ctx, def)
			return err
		}, false},
	}
	for _, s := range steps {
		if err := w.try(s.f); (err != nil) != s.fail {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got := w.collect(); got != s.want {
			t.Errorf("%s: %d pages in use, want %d", s.name, got, s.want)
		}
	}
	if got := w.rows(def, "PRIMARY"); len(got) != 0 {
		t.Errorf("%d rows after TRUNCATE", len(got))
	}
	load()
	w.ddl(func(tx *engine.Tx) error { return tx.DropDatabase(w.ctx, "db") })
	if got := w.collect(); got >= empty {
		t.Errorf("%d pages in use without tables, %d with an empty one", got, empty)
	}
	if c, err := w.db.CatalogAt(w.ctx, 0); err != nil || len(c.Databases()) != 0 {
		t.Errorf("databases after DROP: %v %v", c.Databases(), err)
	}
}

var errGiveUp = errors.New("give up")

// A snapshot of before keeps schema and rows while DDL goes on.
func TestSnapshotKeepsSchema(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, engine.Options{})
	def := w.pairs("p")
	w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, 10, nil) })
	s := w.db.NewSession(1)
	defer s.Close()
	at := w.db.SnapshotLSN()
	tx, err := s.Begin(w.ctx, engine.TxOptions{AsOf: at})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	w.ddl(func(tx *engine.Tx) (err error) {
		_, err = tx.CreateIndex(w.ctx, def, engine.IndexDef{Name: "w", Columns: []engine.IndexColumn{{Column: 1}}})
		return err
	})
	w.ddl(func(tx *engine.Tx) error { return tx.CreateDatabase(w.ctx, engine.DatabaseDef{Name: "other"}) })
	c, err := tx.Catalog(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if c.Database("other") != nil || c.Table("db", "p").Index("w") != nil {
		t.Error("the snapshot sees a later schema")
	}
	if got, err := scanPairs(w.ctx, tx, c.Table("db", "p"), "v"); err != nil || !maps.Equal(got, map[int64]int64{1: 10}) {
		t.Errorf("rows of the snapshot: %v, %v", got, err)
	}
}

// AUTO_INCREMENT never gives a committed value again: not after a crash, not after
// the highest row was deleted; TRUNCATE and ALTER may set it back.
func TestAutoIncrement(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	n := pairsDef("a")
	n.Columns[0].AutoIncrement = true
	var def *engine.TableDef
	w.ddl(func(tx *engine.Tx) error { return tx.CreateDatabase(w.ctx, engine.DatabaseDef{Name: "db"}) })
	w.ddl(func(tx *engine.Tx) (err error) { def, err = tx.CreateTable(w.ctx, n); return err })
	last := uint64(0)
	for range 5 {
		for range 70 {
			id, err := w.db.ReserveAutoIncrement(w.ctx, def, 2)
			if err != nil || id <= last {
				t.Fatalf("got %d after %d, %v", id, last, err)
			}
			last = id + 1
			w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, int64(last), 1, nil) })
		}
		w.ddl(func(tx *engine.Tx) error { return remove(w.ctx, tx, def, int64(last)) })
		w.close() // without a word to the volume: a crash
		w.open()
		def = w.table("a")
	}
	if last > 5*(140+64) {
		t.Errorf("%d values were skipped", last-5*140)
	}
	w.ddl(func(tx *engine.Tx) (err error) { def, err = tx.SetAutoIncrement(w.ctx, def, 10_000); return err })
	if id, err := w.db.ReserveAutoIncrement(w.ctx, def, 1); err != nil || id != 10_000 {
		t.Errorf("after ALTER: %d, %v", id, err)
	}
	w.ddl(func(tx *engine.Tx) (err error) { def, err = tx.TruncateTable(w.ctx, def); return err })
	if id, err := w.db.ReserveAutoIncrement(w.ctx, def, 1); err != nil || id != 1 {
		t.Errorf("after TRUNCATE: %d, %v", id, err)
	}
}

func TestTokens(t *testing.T) {
	clock := time.Unix(1_700_000_000, 0)
	o := quiet()
	o.Clock = func() time.Time { return clock }
	w := newWorld(t, memvolume.Options{}, o)
	def := w.pairs("p")
	commit := func(k engine.Token, v int64) {
		t.Helper()
		w.ddl(func(tx *engine.Tx) error {
			tx.SetToken(k, engine.Outcome{AffectedRows: uint64(v), InsertID: 9, Warnings: 2})
			return put(w.ctx, tx, def, 1, v, nil)
		})
	}
	look := func(k engine.Token, want engine.TokenState, rows uint64) {
		t.Helper()
		s, o, err := w.db.LookupToken(w.ctx, k)
		if err != nil || s != want || o.AffectedRows != rows {
			t.Errorf("%+v: state %d, %+v, %v; want %d", k, s, o, err, want)
		}
	}
	commit(engine.Token{Session: 5, Command: 3}, 1)
	commit(engine.Token{Session: 5, Command: 4}, 2)
	commit(engine.Token{Session: 7, Command: 1, Ordinal: 2}, 3)
	w.close()
	w.open()
	look(engine.Token{Session: 5, Command: 4}, engine.TokenCommitted, 2)
	look(engine.Token{Session: 5, Command: 5}, engine.TokenNotCommitted, 0)
	look(engine.Token{Session: 5, Command: 3}, engine.TokenUnknown, 0) // not its last
	look(engine.Token{Session: 7, Command: 1, Ordinal: 2}, engine.TokenCommitted, 3)
	look(engine.Token{Session: 6, Command: 1}, engine.TokenNotCommitted, 0)
	clock = clock.Add(11 * time.Minute)
	for i := range int64(5) {
		commit(engine.Token{Session: 20, Command: uint32(i)}, 10+i)
	}
	look(engine.Token{Session: 7, Command: 1, Ordinal: 2}, engine.TokenUnknown, 0)
	look(engine.Token{Session: 6, Command: 1}, engine.TokenUnknown, 0)
	look(engine.Token{Session: 8, Command: 1}, engine.TokenNotCommitted, 0)
	look(engine.Token{Session: 20, Command: 4}, engine.TokenCommitted, 14)
}

func TestCaps(t *testing.T) {
	o := quiet()
	o.MaxMTRRecords = 200
	w := newWorld(t, memvolume.Options{}, o)
	def := w.pairs("p")
	before := w.store.VDL()
	err := w.try(func(tx *engine.Tx) error {
		for i := range int64(150) {
			if err := tx.Insert(w.ctx, def, pair(def, i, i, nil)); err != nil {
				return err
			}
		}
		return nil
	})
	if e, ok := errors.AsType[*engine.TransactionTooLargeError](err); !ok || e.Cap != "max_mtr_records" {
		t.Fatalf("commit of too many records: %v", err)
	}
	if w.store.VDL() != before {
		t.Error("something was logged")
	}
	w.ddl(func(tx *engine.Tx) error { return tx.Insert(w.ctx, def, pair(def, 1, 1, nil)) })
	w.close()
	w.o.MaxMTRRecords, w.o.MaxTransactionPages = 0, 30
	w.open()
	def = w.table("p")
	err = w.try(func(tx *engine.Tx) error {
		for i := range int64(500) {
			if err := tx.Insert(w.ctx, def, pair(def, i+10, i, bytes.Repeat([]byte("x"), 3000))); err != nil {
				return err
			}
		}
		return nil
	})
	if e, ok := errors.AsType[*engine.TransactionTooLargeError](err); !ok || e.Cap != "max_transaction_pages" {
		t.Fatalf("commit of too many pages: %v", err)
	}
	// A value of any length is written ahead and does not count (T-9).
	w.ddl(func(tx *engine.Tx) error {
		return tx.Insert(w.ctx, def, pair(def, 9, 9, bytes.Repeat([]byte("x"), 20<<20)))
	})
	w.check()
}

// LSNAt names the snapshot before a second.
func TestLSNAt(t *testing.T) {
	clock := time.Unix(1_700_000_000, 0)
	o := quiet()
	o.Clock = func() time.Time { return clock }
	w := newWorld(t, memvolume.Options{KeepAll: true}, o)
	def := w.pairs("p")
	at := map[int64]redo.LSN{}
	for i := range int64(5) {
		clock = clock.Add(2 * time.Second)
		for range 3 {
			w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, rand.Int64(), nil) })
		}
		at[clock.Unix()+1] = w.store.VDL()
		_ = i
	}
	for sec, want := range at {
		if got, err := w.db.LSNAt(w.ctx, sec*1e6); err != nil || got != want {
			t.Errorf("at %d: %d, %v, want %d", sec, got, err, want)
		}
	}
	if _, err := w.db.LSNAt(w.ctx, 1e6); !errors.Is(err, engine.ErrSnapshotGone) {
		t.Errorf("before everything: %v", err)
	}
}

// A temporary table is its session's: no log, no catalog, its own rollback.
func TestTemporaryTable(t *testing.T) {
	w := newWorld(t, memvolume.Options{}, quiet())
	w.pairs("p")
	before := w.store.VDL()
	s := w.db.NewSession(1)
	defer s.Close()
	begin := func() *engine.Tx {
		t.Helper()
		tx, err := s.Begin(w.ctx, engine.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	tx := begin()
	n := pairsDef("p")
	n.Temporary = true
	def, err := tx.CreateTable(w.ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(500) {
		if err := tx.Insert(w.ctx, def, pair(def, i, i%5, []byte(strings.Repeat("t", 100)))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Commit(w.ctx); err != nil {
		t.Fatal(err)
	}
	tx = begin()
	if err := tx.Insert(w.ctx, def, pair(def, 1000, 1, nil)); err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	tx = begin()
	for _, ix := range []string{"PRIMARY", "v"} {
		if got, err := scanPairs(w.ctx, tx, def, ix); err != nil || len(got) != 500 {
			t.Errorf("%d rows by %s, %v", len(got), ix, err)
		}
	}
	def, err = tx.CreateIndex(w.ctx, def, engine.IndexDef{Name: "w", Columns: []engine.IndexColumn{{Column: 1, Desc: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := scanPairs(w.ctx, tx, def, "w"); err != nil || len(got) != 500 {
		t.Errorf("%d rows by the new index, %v", len(got), err)
	}
	def, err = tx.TruncateTable(w.ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := scanPairs(w.ctx, tx, def, "w"); err != nil || len(got) != 0 {
		t.Errorf("%d rows after TRUNCATE, %v", len(got), err)
	}
	if err := tx.DropTable(w.ctx, def); err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	if w.store.VDL() != before {
		t.Error("a temporary table was logged")
	}
}

// A load of more than the budget sorts in chunks, of which the later ones are
// inserted between what is there, very long values too; duplicates are found across them.
func TestLoadInChunks(t *testing.T) {
	o := quiet()
	o.BudgetBytes = 6 << 20
	w := newWorld(t, memvolume.Options{}, o)
	def := w.pairs("p")
	w.ddl(func(tx *engine.Tx) (err error) {
		n := def.Clone()
		n.Indexes[0].Unique = true
		b, err := tx.Rewrite(w.ctx, n)
		if err != nil {
			return err
		}
		for i, id := range rand.New(rand.NewPCG(1, 1)).Perm(20_000) {
			s := bytes.Repeat([]byte{1}, 500)
			if i%4000 == 3999 {
				s = bytes.Repeat([]byte{2}, 3<<19)
			}
			if err := b.Add(w.ctx, 0, pair(b.Table(), int64(id), int64(id)*3, s)); err != nil {
				return err
			}
		}
		def, err = b.Finish(w.ctx)
		return err
	})
	if got := w.rows(def, "v"); len(got) != 20_000 || got[777] != 3*777 {
		t.Fatalf("%d rows", len(got))
	}
	w.collect()
	err := w.try(func(tx *engine.Tx) error {
		b, err := tx.Rewrite(w.ctx, def)
		if err != nil {
			return err
		}
		for i := range int64(20_000) {
			if err = b.Add(w.ctx, 0, pair(b.Table(), i, i%19_999, bytes.Repeat([]byte{1}, 500))); err != nil {
				break
			}
		}
		if err == nil {
			_, err = b.Finish(w.ctx)
		}
		return err
	})
	if d, ok := errors.AsType[*engine.DuplicateError](err); !ok || d.Index.Name != "v" {
		t.Fatalf("a value twice, in two chunks: %v", err)
	}
	w.collect()
}
