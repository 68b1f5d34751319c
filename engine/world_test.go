package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/logstore/memvolume"
)

// world is an engine on a volume in memory.
type world struct {
	t     testing.TB
	ctx   context.Context
	store *memvolume.Store
	vol   *memvolume.Volume
	db    *engine.DB
	o     engine.Options
}

func newWorld(t testing.TB, so memvolume.Options, o engine.Options) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), store: memvolume.New(so), o: o}
	w.o.NoReaders = true
	if w.o.Background.Analyze == 0 {
		w.o.Background.Analyze = -1 // no commits that a test did not make
	}
	if w.o.Logger == nil {
		w.o.Logger = slog.New(slog.DiscardHandler)
	}
	w.open()
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	w.vol = w.store.Open()
	db, err := engine.OpenWriter(w.ctx, w.vol, w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
}

func (w *world) close() {
	if w.db != nil {
		if err := w.db.Close(); err != nil {
			w.t.Fatal(err)
		}
		w.db = nil
	}
}

// ddl runs f in a transaction of its own.
func (w *world) ddl(f func(tx *engine.Tx) error) {
	w.t.Helper()
	if err := w.try(f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(f func(tx *engine.Tx) error) error {
	s := w.db.NewSession(1)
	defer s.Close()
	tx, err := s.Begin(w.ctx, engine.TxOptions{})
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return err
	}
	_, err = tx.Commit(w.ctx)
	return err
}

// pairs creates db.name (id BIGINT PRIMARY KEY, v BIGINT, s TEXT, KEY(v)).
func (w *world) pairs(name string) *engine.TableDef {
	w.t.Helper()
	var def *engine.TableDef
	w.ddl(func(tx *engine.Tx) error {
		if tx.NewestCatalog().Database("db") == nil {
			if err := tx.CreateDatabase(w.ctx, engine.DatabaseDef{Name: "db"}); err != nil {
				return err
			}
		}
		var err error
		def, err = tx.CreateTable(w.ctx, pairsDef(name))
		return err
	})
	return def
}

func pairsDef(name string) *engine.TableDef {
	return &engine.TableDef{
		Database: "db", Name: name,
		Columns: []engine.ColumnDef{
			{Column: row.Column{Name: "id", Type: row.TypeInt64}, SQLType: "bigint"},
			{Column: row.Column{Name: "v", Type: row.TypeInt64, Nullable: true}, SQLType: "bigint"},
			{Column: row.Column{Name: "s", Type: row.TypeBytes, Nullable: true}, SQLType: "blob"},
		},
		Primary: &engine.IndexDef{Name: "PRIMARY", Unique: true, Columns: []engine.IndexColumn{{Column: 0}}},
		Indexes: []*engine.IndexDef{{Name: "v", Columns: []engine.IndexColumn{{Column: 1}}}},
	}
}

func pair(def *engine.TableDef, id, v int64, s []byte) row.Row {
	b := row.NewBuilder(def.Desc())
	b.SetInt(def.Column("id"), id)
	b.SetInt(def.Column("v"), v)
	if s == nil {
		b.SetNull(def.Column("s"))
	} else {
		b.SetBytes(def.Column("s"), s)
	}
	r, err := b.Row()
	if err != nil {
		panic(err)
	}
	return r
}

func pairKey(def *engine.TableDef, id int64) []byte {
	return row.AppendKey(nil, def.Columns[0].Column, 0, false, row.NewInt(id))
}

// rows returns id → v by an index, checking that each id comes once.
func (w *world) rows(def *engine.TableDef, index string) map[int64]int64 {
	w.t.Helper()
	s := w.db.NewSession(1)
	defer s.Close()
	tx, err := s.Begin(w.ctx, engine.TxOptions{ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback()
	got, err := scanPairs(w.ctx, tx, def, index)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func scanPairs(ctx context.Context, tx *engine.Tx, def *engine.TableDef, index string) (map[int64]int64, error) {
	c, err := tx.Scan(ctx, def, engine.ScanOptions{Index: def.Index(index)})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := map[int64]int64{}
	d := def.Desc()
	for {
		r, err := c.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		id := d.Int(r, def.Column("id"))
		if _, twice := out[id]; twice {
			return nil, errors.New("row twice")
		}
		out[id] = d.Int(r, def.Column("v"))
	}
}

// put inserts or updates a row.
func put(ctx context.Context, tx *engine.Tx, def *engine.TableDef, id, v int64, s []byte) error {
	c, err := tx.Scan(ctx, def, engine.ScanOptions{Lock: engine.LockExclusive,
		Ranges: []engine.Range{{Lo: pairKey(def, id), Hi: pairKey(def, id)}}})
	if err != nil {
		return err
	}
	defer c.Close()
	old, err := c.Next(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return tx.Insert(ctx, def, pair(def, id, v, s))
	case err != nil:
		return err
	}
	return tx.Update(ctx, def, old, pair(def, id, v, s))
}

// remove deletes a row if it is there.
func remove(ctx context.Context, tx *engine.Tx, def *engine.TableDef, id int64) error {
	c, err := tx.Scan(ctx, def, engine.ScanOptions{Lock: engine.LockExclusive,
		Ranges: []engine.Range{{Lo: pairKey(def, id), Hi: pairKey(def, id)}}})
	if err != nil {
		return err
	}
	defer c.Close()
	old, err := c.Next(ctx)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.Delete(ctx, def, old)
}
