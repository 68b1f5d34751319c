package engine_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/engine/txn"
)

// worker is one session of a concurrent test.
type worker struct {
	s   *engine.Session
	def *engine.TableDef
	b   *row.Builder
	r   *rand.Rand
}

func newWorker(db *engine.DB, def *engine.TableDef, n int) *worker {
	return &worker{s: db.NewSession(uint64(n + 1)), def: def, b: row.NewBuilder(def.Desc()), r: rand.New(rand.NewPCG(uint64(n), 1))}
}

func (w *worker) row(vs ...int64) row.Row {
	w.b.Reset(w.def.Desc())
	for i, v := range vs {
		w.b.SetInt(i, v)
	}
	r, err := w.b.Row()
	if err != nil {
		panic(err)
	}
	return r
}

// try runs f in a transaction until it is neither a deadlock's victim nor a duplicate,
// and returns how often it had to begin again.
func (w *worker) try(ctx context.Context, o engine.TxOptions, f func(tx *engine.Tx) error) (again int, err error) {
	for ; ; again++ {
		tx, err := w.s.Begin(ctx, o)
		if err != nil {
			return again, err
		}
		if err = f(tx); err == nil {
			_, err = tx.Commit(ctx)
		}
		tx.Rollback()
		var dup *engine.DuplicateError
		if !errors.Is(err, txn.ErrDeadlock) && !errors.As(err, &dup) {
			return again, err
		}
	}
}

func keyOf(def *engine.TableDef, v int64) []byte {
	return row.AppendKey(nil, def.Columns[0].Column, 0, false, row.NewInt(v))
}

// collect returns the rows of a scan.
func collect(ctx context.Context, tx *engine.Tx, def *engine.TableDef, o engine.ScanOptions) (rows []row.Row, err error) {
	cur, err := tx.Scan(ctx, def, o)
	if err != nil {
		return nil, err
	}
	defer cur.Close()
	for {
		r, err := cur.Next(ctx)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, append(row.Row(nil), r...))
	}
}

// TestCountersLoseNoUpdate: 16 sessions do n=n+1 on few rows, by locking scan and by
// ON DUPLICATE KEY UPDATE; the sum is the number of commits.
func TestCountersLoseNoUpdate(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "counter", "id:pk", "n:key")
	const workers, rounds, rows = 16, 60, 3
	var wg sync.WaitGroup
	var again atomic.Int64
	for n := range workers {
		wg.Go(func() {
			w := newWorker(db, def, n)
			defer w.s.Close()
			for i := range rounds {
				o := engine.TxOptions{Isolation: engine.Isolation(w.r.IntN(3))}
				id := int64(w.r.IntN(rows))
				k, err := w.try(script, o, func(tx *engine.Tx) error { return w.increment(tx, id, i%2 == 0) })
				again.Add(int64(k))
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	sum := int64(0)
	w := newWorker(db, def, 99)
	defer w.s.Close()
	if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
		all, err := collect(script, tx, def, engine.ScanOptions{})
		for _, r := range all {
			sum += def.Desc().Int(r, 1)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if sum != workers*rounds {
		t.Errorf("the counters sum up to %d, want %d", sum, workers*rounds)
	}
	t.Logf("%d transactions, %d begun again", workers*rounds, again.Load())
	checkTables(t, db)
}

func (w *worker) increment(tx *engine.Tx, id int64, upsert bool) error {
	d := w.def.Desc()
	if upsert {
		err := tx.InsertOrLock(script, w.def, w.row(id, 1))
		var dup *engine.DuplicateError
		if !errors.As(err, &dup) {
			return err
		}
		return tx.Update(script, w.def, dup.Existing, w.row(id, d.Int(dup.Existing, 1)+1))
	}
	key := keyOf(w.def, id)
	cur, err := tx.Scan(script, w.def, engine.ScanOptions{Ranges: []engine.Range{{Lo: key, Hi: key}}, Lock: engine.LockExclusive})
	if err != nil {
		return err
	}
	defer cur.Close()
	r, err := cur.Next(script)
	if err == io.EOF {
		return tx.Insert(script, w.def, w.row(id, 1))
	}
	if err != nil {
		return err
	}
	return tx.Update(script, w.def, r, w.row(id, d.Int(r, 1)+1))
}

// TestReadersSeeWholeTransactions: transfers keep the sum of all accounts; every snapshot,
// by table and by index, sees the sum, and so does a locking scan of all rows.
func TestReadersSeeWholeTransactions(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "account", "id:pk", "v:key")
	const accounts, start = 20, 100
	w := newWorker(db, def, 98)
	defer w.s.Close()
	if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
		for i := range accounts {
			if err := tx.Insert(script, def, w.row(int64(i), start)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(script)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			w := newWorker(db, def, n)
			defer w.s.Close()
			for ctx.Err() == nil {
				if _, err := w.try(script, engine.TxOptions{}, w.transfer); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 300 {
		o := engine.ScanOptions{}
		if i%2 == 0 {
			o.Index = def.Index("v")
		}
		if i%10 == 0 {
			o.Lock = engine.LockShared
		}
		o.Reverse = i%3 == 0
		_, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			rows, err := collect(script, tx, def, o)
			sum := int64(0)
			for _, r := range rows {
				sum += def.Desc().Int(r, 1)
			}
			if err == nil && (len(rows) != accounts || sum != accounts*start) {
				t.Errorf("scan %+v sees %d rows with sum %d", o, len(rows), sum)
			}
			return err
		})
		if err != nil {
			t.Error(err)
			break
		}
	}
	stop()
	wg.Wait()
	checkTables(t, db)
}

func (w *worker) transfer(tx *engine.Tx) error {
	d := w.def.Desc()
	from, to := int64(w.r.IntN(20)), int64(w.r.IntN(20))
	if from == to {
		return nil
	}
	for i, id := range []int64{from, to} {
		key := keyOf(w.def, id)
		rows, err := collect(script, tx, w.def, engine.ScanOptions{Ranges: []engine.Range{{Lo: key, Hi: key}}, Lock: engine.LockExclusive})
		if err != nil {
			return err
		}
		if err := tx.Update(script, w.def, rows[0], w.row(id, d.Int(rows[0], 1)+int64(2*i-1)*3)); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// TestNoPhantomUnderNextKeyLocks: a transaction counts a range twice with locks while others
// insert into it and delete from it; both counts agree. Then indexes and rows agree.
func TestNoPhantomUnderNextKeyLocks(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "t", "id:pk", "a:key", "u:unique")
	const readers, rounds = 3, 60
	ctx, stop := context.WithCancel(script)
	var wg, readersDone sync.WaitGroup
	var changes, again atomic.Int64
	for n := range 5 {
		wg.Go(func() {
			w := newWorker(db, def, n)
			defer w.s.Close()
			for ctx.Err() == nil {
				k, err := w.try(script, engine.TxOptions{Isolation: engine.Isolation(w.r.IntN(2))}, w.churn)
				again.Add(int64(k))
				if err != nil {
					t.Error(err)
					return
				}
				changes.Add(1)
			}
		})
	}
	for n := range readers {
		readersDone.Go(func() {
			w := newWorker(db, def, 50+n)
			defer w.s.Close()
			for i := range rounds {
				if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error { return w.countTwice(t, tx, i) }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	readersDone.Wait()
	stop()
	wg.Wait()
	t.Logf("%d changes, %d begun again, %+v", changes.Load(), again.Load(), db.LockStats())
	if changes.Load() < rounds {
		t.Errorf("only %d changes", changes.Load())
	}
	checkTables(t, db)
}

// churn inserts, moves or deletes some rows.
func (w *worker) churn(tx *engine.Tx) error {
	for range 1 + w.r.IntN(3) {
		id := int64(w.r.IntN(40))
		fresh := w.row(id, int64(w.r.IntN(10)), int64(w.r.IntN(60)))
		key := keyOf(w.def, id)
		rows, err := collect(script, tx, w.def, engine.ScanOptions{Ranges: []engine.Range{{Lo: key, Hi: key}}, Lock: engine.LockExclusive})
		if err != nil {
			return err
		}
		switch {
		case len(rows) == 0:
			err = tx.Insert(script, w.def, fresh)
		case w.r.IntN(2) == 0:
			err = tx.Delete(script, w.def, rows[0])
		default:
			err = tx.Update(script, w.def, rows[0], fresh)
		}
		var dup *engine.DuplicateError
		if err != nil && !errors.As(err, &dup) {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

func (w *worker) countTwice(t *testing.T, tx *engine.Tx, round int) error {
	o := engine.ScanOptions{Lock: engine.LockShared, Reverse: round%2 == 0}
	lo, hi := int64(w.r.IntN(20)), int64(20+w.r.IntN(20))
	if round%3 == 0 {
		o.Index, lo, hi = w.def.Index("a"), lo/5, hi/4
		a := w.def.Columns[1].Column
		o.Ranges = []engine.Range{{Lo: row.AppendKey(nil, a, 0, false, row.NewInt(lo)), Hi: row.AppendKey(nil, a, 0, false, row.NewInt(hi))}}
	} else {
		o.Ranges = []engine.Range{{Lo: keyOf(w.def, lo), Hi: keyOf(w.def, hi)}}
	}
	first, err := collect(script, tx, w.def, o)
	if err != nil {
		return err
	}
	for range 10 {
		runtime.Gosched()
	}
	second, err := collect(script, tx, w.def, o)
	if err != nil {
		return err
	}
	if len(first) != len(second) {
		t.Errorf("round %d: %d rows, then %d", round, len(first), len(second))
		return nil
	}
	for i := range first {
		if string(first[i]) != string(second[i]) {
			t.Errorf("round %d: row %s became %s", round, text(w.def, first[i]), text(w.def, second[i]))
		}
	}
	return nil
}

// TestSerializableHasNoWriteSkew: two rows, of which one must stay on call; each transaction reads
// both with shared locks, as the SQL layer does under SERIALIZABLE, and takes one off if the other is on.
func TestSerializableHasNoWriteSkew(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "oncall", "id:pk", "on")
	w := newWorker(db, def, 97)
	defer w.s.Close()
	set := func(w *worker, tx *engine.Tx, v int64) error {
		rows, err := collect(script, tx, def, engine.ScanOptions{Lock: engine.LockExclusive})
		for _, r := range rows {
			if err == nil {
				err = tx.Update(script, def, r, w.row(def.Desc().Int(r, 0), v))
			}
		}
		return err
	}
	if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
		return errors.Join(tx.Insert(script, def, w.row(0, 1)), tx.Insert(script, def, w.row(1, 1)))
	}); err != nil {
		t.Fatal(err)
	}
	var again atomic.Int64
	for range 150 {
		if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error { return set(w, tx, 1) }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 2 {
			wg.Go(func() {
				w := newWorker(db, def, n)
				defer w.s.Close()
				k, err := w.try(script, engine.TxOptions{Isolation: engine.Serializable}, func(tx *engine.Tx) error { return w.goOff(tx, n) })
				again.Add(int64(k))
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			rows, err := collect(script, tx, def, engine.ScanOptions{})
			on := int64(0)
			for _, r := range rows {
				on += def.Desc().Int(r, 1)
			}
			if err == nil && on != 1 {
				t.Errorf("%d are on call", on)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d begun again", again.Load())
}

func (w *worker) goOff(tx *engine.Tx, me int) error {
	rows, err := collect(script, tx, w.def, engine.ScanOptions{Lock: engine.LockShared})
	if err != nil {
		return err
	}
	runtime.Gosched()
	if w.def.Desc().Int(rows[1-me], 1) == 0 {
		return nil
	}
	return tx.Update(script, w.def, rows[me], w.row(int64(me), 0))
}

// benchTable returns a table of rows (id, a, u) with a secondary index on a.
func benchTable(b *testing.B, rows int) (*engine.DB, *engine.TableDef) {
	b.Helper()
	db := openDB(b, engine.Options{})
	def := createTable(b, db, "bench", "id:pk", "a:key", "u")
	w := newWorker(db, def, 1000)
	defer w.s.Close()
	for i := 0; i < rows; i += 500 {
		if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			for j := i; j < min(i+500, rows); j++ {
				if err := tx.Insert(script, def, w.row(int64(j), int64(j%1000), int64(j))); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	b.ReportAllocs()
	return db, def
}

func benchTx(b *testing.B, w *worker, f func(tx *engine.Tx) error) {
	b.Helper()
	if _, err := w.try(script, engine.TxOptions{}, f); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPointGet(b *testing.B) {
	db, def := benchTable(b, 20000)
	w := newWorker(db, def, 1)
	defer w.s.Close()
	for b.Loop() {
		benchTx(b, w, func(tx *engine.Tx) error {
			_, found, err := tx.Get(script, def, nil, keyOf(def, int64(w.r.IntN(20000))))
			if !found {
				b.Fatal("no row")
			}
			return err
		})
	}
}

func BenchmarkScan100(b *testing.B) {
	db, def := benchTable(b, 20000)
	w := newWorker(db, def, 1)
	defer w.s.Close()
	for b.Loop() {
		benchTx(b, w, func(tx *engine.Tx) error {
			from := int64(w.r.IntN(19000))
			cur, err := tx.Scan(script, def, engine.ScanOptions{Ranges: []engine.Range{{Lo: keyOf(def, from), Hi: keyOf(def, from+99)}}})
			if err != nil {
				return err
			}
			defer cur.Close()
			for n := 0; ; n++ {
				if _, err := cur.Next(script); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		})
	}
}

func BenchmarkUpdateByKey(b *testing.B) {
	db, def := benchTable(b, 20000)
	w := newWorker(db, def, 1)
	defer w.s.Close()
	for b.Loop() {
		benchTx(b, w, func(tx *engine.Tx) error { return w.increment(tx, int64(w.r.IntN(20000)), false) })
	}
}
