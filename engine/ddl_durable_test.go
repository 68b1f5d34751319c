package engine_test

import (
	"context"
	"testing"
	"time"

	"sextant/engine"
	"sextant/logstore/memvolume"
)

// A commit that is numbered and not durable yet has given its locks back. Whoever gets the table
// then, for DDL or by LOCK TABLES, reads its rows, also one that had taken a snapshot before:
// an ALTER that copied the table without them would lose them.
func TestExclusiveLocksReadWhatTheyWaitedFor(t *testing.T) {
	alter := func(w *world, s *engine.Session, tx *engine.Tx, def *engine.TableDef) (*engine.Tx, *engine.TableDef, error) {
		n := def.Clone()
		n.Columns[2].Name = "w"
		n, err := tx.AlterTable(w.ctx, n)
		return tx, n, err
	}
	for name, take := range map[string]func(w *world, s *engine.Session, tx *engine.Tx, def *engine.TableDef) (*engine.Tx, *engine.TableDef, error){
		"DDL": alter,
		"DDL with a snapshot": func(w *world, s *engine.Session, tx *engine.Tx, def *engine.TableDef) (*engine.Tx, *engine.TableDef, error) {
			if tx.Snapshot() == 0 {
				t.Error("no snapshot")
			}
			return alter(w, s, tx, def)
		},
		"LOCK TABLES": func(w *world, s *engine.Session, tx *engine.Tx, def *engine.TableDef) (*engine.Tx, *engine.TableDef, error) {
			tx.Rollback()
			if err := s.LockTables(w.ctx, "db", "t", false); err != nil {
				return nil, nil, err
			}
			tx, err := s.Begin(w.ctx, engine.TxOptions{})
			return tx, def, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, memvolume.Options{}, engine.Options{})
			def := w.pairs("t")
			w.ddl(func(tx *engine.Tx) error { return put(w.ctx, tx, def, 1, 1, nil) })
			b := w.db.NewSession(2)
			defer b.Close()
			tx, err := b.Begin(w.ctx, engine.TxOptions{ConsistentSnapshot: name == "DDL with a snapshot"})
			if err != nil {
				t.Fatal(err)
			}

			w.store.SetManual(true)
			a := w.db.NewSession(3)
			defer a.Close()
			writer, err := a.Begin(w.ctx, engine.TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := put(w.ctx, writer, def, 2, 2, nil); err != nil {
				t.Fatal(err)
			}
			committed := make(chan error, 1)
			go func() {
				_, err := writer.Commit(w.ctx)
				committed <- err
			}()
			tx, now, err := take(w, b, tx, def)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { tx.Rollback() }()
			short, cancel := context.WithTimeout(w.ctx, 20*time.Millisecond)
			defer cancel()
			if got, err := scanPairs(short, tx, now, "PRIMARY"); err == nil && len(got) != 2 {
				t.Fatalf("rows %v before the commit is durable", got)
			}
			w.store.SetManual(false)
			w.store.AdvanceAll()
			if err := <-committed; err != nil {
				t.Fatal(err)
			}
			if got, err := scanPairs(w.ctx, tx, now, "PRIMARY"); err != nil || len(got) != 2 {
				t.Errorf("rows %v %v", got, err)
			}
		})
	}
}
