package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/logstore/memvolume"
)

// TestNothingUndurableIsShown: a commit is published, its locks are released, but it is not
// durable. A locking read of another session returns its row; Settle keeps the answer
// back until the VDL has passed it, and no snapshot of that session is older (T-8).
func TestNothingUndurableIsShown(t *testing.T) {
	store := memvolume.New(memvolume.Options{Manual: true})
	done := make(chan struct{})
	open := make(chan *engine.DB, 1)
	go func() {
		defer close(done)
		db, err := engine.OpenWriter(script, store.Open(), engine.Options{NoReaders: true, Background: engine.BackgroundOptions{Stats: -1, Free: -1, Horizon: -1}})
		if err != nil {
			t.Error(err)
		}
		open <- db
	}()
	advanceUntil(t, store, done)
	db := <-open
	defer db.Close()
	var def *engine.TableDef
	made := make(chan struct{})
	go func() { defer close(made); def = createTable(t, db, "t", "id:pk", "a") }()
	advanceUntil(t, store, made)

	w := newWorker(db, def, 1)
	defer w.s.Close()
	committed := make(chan error, 1)
	go func() {
		_, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error { return tx.Insert(script, def, w.row(1, 7)) })
		committed <- err
	}()
	reader := newWorker(db, def, 2)
	defer reader.s.Close()
	tx, err := reader.s.Begin(script, engine.TxOptions{Isolation: engine.ReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	rows := waitForRow(t, tx, def)
	if got := def.Desc().Int(rows[0], 1); got != 7 {
		t.Fatalf("a = %d", got)
	}
	short, cancel := context.WithTimeout(script, 10*time.Millisecond)
	defer cancel()
	if err := reader.s.Settle(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Settle before the commit is durable: %v", err)
	}
	if _, err := collect(short, tx, def, engine.ScanOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a snapshot below what the session saw: %v", err)
	}
	select {
	case err := <-committed:
		t.Fatalf("commit answered before it was durable: %v", err)
	default:
	}
	store.AdvanceAll()
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	if err := reader.s.Settle(script); err != nil {
		t.Error(err)
	}
	if rows, err := collect(script, tx, def, engine.ScanOptions{}); err != nil || len(rows) != 1 {
		t.Errorf("plain read afterwards: %d rows, %v", len(rows), err)
	}
}

func advanceUntil(t *testing.T, store *memvolume.Store, done chan struct{}) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		store.AdvanceAll()
		select {
		case <-done:
			return
		case <-deadline:
			t.Fatal("nothing is written")
		default:
		}
	}
}

// waitForRow reads with locks until there is a row: it is committed in memory then.
func waitForRow(t *testing.T, tx *engine.Tx, def *engine.TableDef) []row.Row {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		rows, err := collect(script, tx, def, engine.ScanOptions{Lock: engine.LockShared})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) > 0 {
			return rows
		}
	}
	t.Fatal("the row is not published")
	return nil
}

// TestBudgetsFailTheRequester: above a transaction's limit, and above the instance's budget
// for rows or for locks, the statement fails by name; others go on.
func TestBudgetsFailTheRequester(t *testing.T) {
	db := openDB(t, engine.Options{MaxTransactionBytes: 20_000, BudgetBytes: 60_000})
	def := createTable(t, db, "t", "id:pk", "a:key")
	fill := func(w *worker, tx *engine.Tx, from, n int64) error {
		for i := range n {
			if err := tx.Insert(script, def, w.row(from+i, i)); err != nil {
				return err
			}
		}
		return nil
	}
	w := newWorker(db, def, 1)
	defer w.s.Close()
	tx, err := w.s.Begin(script, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var large *engine.TransactionTooLargeError
	if err := fill(w, tx, 0, 1000); !errors.As(err, &large) || large.Cap != "max_transaction_bytes" {
		t.Errorf("above the transaction's limit: %v", err)
	}
	tx.Rollback()
	for i := range int64(5) {
		if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error { return fill(w, tx, i*50, 50) }); err != nil {
			t.Fatal(err)
		}
	}
	// READ COMMITTED locks row by row; one session holds most of the budget.
	other := newWorker(db, def, 2)
	defer other.s.Close()
	locker, err := other.s.Begin(script, engine.TxOptions{Isolation: engine.ReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(script, locker, def, engine.ScanOptions{Lock: engine.LockShared}); err != nil {
		t.Fatal(err)
	}
	tx, err = w.s.Begin(script, engine.TxOptions{Isolation: engine.ReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(script, tx, def, engine.ScanOptions{Lock: engine.LockShared}); !errors.Is(err, txn.ErrLocksFull) {
		t.Errorf("locks above the budget: %v", err)
	}
	tx.Rollback()
	// Under REPEATABLE READ the same rows are one interval.
	if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
		rows, err := collect(script, tx, def, engine.ScanOptions{Lock: engine.LockShared})
		if len(rows) != 250 {
			t.Errorf("%d rows", len(rows))
		}
		return err
	}); err != nil {
		t.Errorf("one interval: %v", err)
	}
	locker.Rollback()
	checkTables(t, db)
}

// A commit whose log records and pages need more than twice a transaction's limit fails, with
// nothing logged, also when its rows did not: one row is a record in each of the indexes.
func TestCommitsAreBounded(t *testing.T) {
	const limit, rows = 5 << 20, 14_000
	for indexes, fits := range map[int]bool{0: true, 7: false} {
		db := openDB(t, engine.Options{MaxTransactionBytes: limit})
		words := append([]string{"id:pk"}, slices.Repeat([]string{"a:key"}, indexes)...)
		for i := range words[1:] {
			words[i+1] = fmt.Sprintf("a%d:key", i)
		}
		def := createTable(t, db, "t", words...)
		w := newWorker(db, def, 1)
		defer w.s.Close()
		base := db.MemoryUsed()
		_, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			for i := range int64(rows) {
				if err := tx.Insert(script, def, w.row(slices.Repeat([]int64{i}, len(words))...)); err != nil {
					t.Fatalf("row %d with %d indexes: %v", i, indexes, err)
				}
			}
			t.Logf("%d indexes: %d bytes of the budget", indexes, db.MemoryUsed()-base)
			return nil
		})
		var large *engine.TransactionTooLargeError
		if fits && err != nil || !fits && (!errors.As(err, &large) || large.Cap != "max_transaction_bytes") {
			t.Errorf("%d indexes: %v", indexes, err)
		}
		got := 0
		if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			rows, err := collect(script, tx, def, engine.ScanOptions{})
			got = len(rows)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: rows}[fits]; got != want || db.MemoryUsed() > base {
			t.Errorf("%d indexes: %d rows, not %d; %d bytes are still taken", indexes, got, want, db.MemoryUsed()-base)
		}
	}
}

func TestTransactionsAreListed(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "t", "id:pk")
	w := newWorker(db, def, 6)
	tx, err := w.s.Begin(script, engine.TxOptions{Isolation: engine.Serializable})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Insert(script, def, w.row(1)); err != nil {
		t.Fatal(err)
	}
	if l := db.Transactions(); len(l) != 1 || l[0].Session != 7 || l[0].Isolation != engine.Serializable || l[0].Start.IsZero() {
		t.Errorf("transactions %+v", l)
	}
	w.s.Close()
	if l := db.Transactions(); len(l) != 0 {
		t.Errorf("transactions after the session's end %+v", l)
	}
	if _, err := tx.Commit(script); !errors.Is(err, engine.ErrTxDone) {
		t.Errorf("commit after the session's end: %v", err)
	}
	if len(db.Locks()) != 0 {
		t.Errorf("locks %v", db.Locks())
	}
}

func TestLockTablesAndUserLocks(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "t", "id:pk")
	a, b := newWorker(db, def, 0), newWorker(db, def, 1)
	defer b.s.Close()
	b.s.SetTimeouts(time.Minute, time.Millisecond)
	if err := a.s.LockTables(script, "d", "T", false); err != nil {
		t.Fatal(err)
	}
	insert := func(tx *engine.Tx) error { return tx.Insert(script, def, b.row(1)) }
	read := func(tx *engine.Tx) error {
		_, err := collect(script, tx, def, engine.ScanOptions{})
		return err
	}
	if _, err := b.try(script, engine.TxOptions{}, read); err != nil {
		t.Errorf("read under LOCK TABLES READ of another: %v", err)
	}
	if _, err := b.try(script, engine.TxOptions{}, insert); !errors.Is(err, txn.ErrLockWait) {
		t.Errorf("insert under LOCK TABLES READ of another: %v", err)
	}
	a.s.UnlockTables("d", "t")
	if err := a.s.LockTables(script, "d", "t", true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.try(script, engine.TxOptions{}, read); !errors.Is(err, txn.ErrLockWait) {
		t.Errorf("read under LOCK TABLES WRITE of another: %v", err)
	}
	if err := a.s.LockTables(script, "d", "none", true); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("no table: %v", err)
	}
	if err := a.s.GetLock(script, "L", 0); err != nil || db.LockHolder("L") != 1 {
		t.Errorf("GET_LOCK: %v", err)
	}
	if err := b.s.GetLock(script, "L", time.Millisecond); !errors.Is(err, txn.ErrLockWait) {
		t.Errorf("GET_LOCK of a held one: %v", err)
	}
	a.s.Close()
	if err := b.s.GetLock(script, "L", 0); err != nil || !b.s.ReleaseLock("L") || b.s.ReleaseAllLocks() != 0 {
		t.Errorf("GET_LOCK after the holder's end: %v", err)
	}
	if _, err := b.try(script, engine.TxOptions{}, insert); err != nil {
		t.Errorf("insert after the holder's end: %v", err)
	}
}

// TestGetReadsWhatScansRead compares Get by primary and unique key with the snapshot,
// own writes, pinned reads.
func TestGetReadsWhatScansRead(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "t", "id:pk", "u:unique")
	w := newWorker(db, def, 0)
	defer w.s.Close()
	u := func(v int64) []byte { return row.AppendKey(nil, def.Columns[1].Column, 0, false, row.NewInt(v)) }
	if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
		return errors.Join(tx.Insert(script, def, w.row(1, 10)), tx.Insert(script, def, w.row(2, 20)))
	}); err != nil {
		t.Fatal(err)
	}
	tx, err := w.s.Begin(script, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	get := func(ix *engine.IndexDef, key []byte) string {
		t.Helper()
		r, found, err := tx.Get(script, def, ix, key)
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			return "-"
		}
		return text(def, r)
	}
	check := func(want ...string) {
		t.Helper()
		got := []string{get(nil, keyOf(def, 1)), get(nil, keyOf(def, 2)), get(nil, keyOf(def, 3)),
			get(def.Indexes[0], u(10)), get(def.Indexes[0], u(20)), get(def.Indexes[0], u(30))}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("got %v, want %v", got, want)
				return
			}
		}
	}
	check("(1,10)", "(2,20)", "-", "(1,10)", "(2,20)", "-")
	unpin := tx.PinReads()
	if err := errors.Join(tx.Delete(script, def, w.row(1, 10)), tx.Update(script, def, w.row(2, 20), w.row(2, 10)),
		tx.Insert(script, def, w.row(3, 20))); err != nil {
		t.Fatal(err)
	}
	check("(1,10)", "(2,20)", "-", "(1,10)", "(2,20)", "-")
	unpin()
	unpin()
	check("-", "(2,10)", "(3,20)", "(2,10)", "(3,20)", "-")
}

// TestNewestSeesOwnWrites: a row that the transaction has deleted is gone, also while reads are
// pinned before that.
func TestNewestSeesOwnWrites(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "t", "id:pk", "u:unique")
	w := newWorker(db, def, 0)
	defer w.s.Close()
	tx, err := w.s.Begin(script, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	check := func(want bool) {
		t.Helper()
		if is, err := tx.Newest(script, def, w.row(1, 10)); err != nil || (is != nil) != want {
			t.Errorf("%v, %v, want %v", is, err, want)
		}
	}
	check(false)
	if err := tx.Insert(script, def, w.row(1, 10)); err != nil {
		t.Fatal(err)
	}
	check(true)
	defer tx.PinReads()()
	if err := tx.Delete(script, def, w.row(1, 10)); err != nil {
		t.Fatal(err)
	}
	check(false)
}

// TestARowThatChangesBeforeItIsLockedIsLookedAtAgain: another transaction commits in the
// moment between the scan's look at a row and its lock, which is granted without a wait.
// What is returned is what the row is then (T-2).
func TestARowThatChangesBeforeItIsLockedIsLookedAtAgain(t *testing.T) {
	for _, byIndex := range []bool{false, true} {
		db := openDB(t, engine.Options{})
		def := createTable(t, db, "t", "id:pk", "a:key", "b")
		w, other := newWorker(db, def, 0), newWorker(db, def, 1)
		defer w.s.Close()
		defer other.s.Close()
		if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			return errors.Join(tx.Insert(script, def, w.row(1, 5, 0)), tx.Insert(script, def, w.row(2, 5, 0)), tx.Insert(script, def, w.row(3, 5, 0)))
		}); err != nil {
			t.Fatal(err)
		}
		steps := []func(tx *engine.Tx) error{ // at the looks at rows 1, 2 and 3
			func(tx *engine.Tx) error { return tx.Update(script, def, other.row(1, 5, 0), other.row(1, 6, 0)) },
			func(tx *engine.Tx) error { return tx.Delete(script, def, other.row(2, 5, 0)) },
			func(tx *engine.Tx) error { return tx.Update(script, def, other.row(3, 5, 0), other.row(3, 5, 9)) },
		}
		done := map[int64]bool{}
		o := engine.ScanOptions{Lock: engine.LockExclusive, SemiConsistent: true, Filter: func(r row.Row) (bool, error) {
			id := def.Desc().Int(r, 0)
			if !done[id] {
				done[id] = true
				if _, err := other.try(script, engine.TxOptions{}, steps[id-1]); err != nil {
					return false, err
				}
			}
			return def.Desc().Int(r, 1) == 5, nil
		}}
		if byIndex {
			o.Index = def.Indexes[0]
		}
		tx, err := w.s.Begin(script, engine.TxOptions{Isolation: engine.ReadCommitted})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := collect(script, tx, def, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 || text(def, rows[0]) != "(3,5,9)" {
			t.Errorf("by index %v: %d rows, first %s", byIndex, len(rows), text(def, rows[0]))
		}
		// Rows that did not match in the end are not locked.
		if _, err := other.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			key := keyOf(def, 1)
			_, err := collect(script, tx, def, engine.ScanOptions{Ranges: []engine.Range{{Lo: key, Hi: key}}, Lock: engine.LockExclusive, Wait: engine.NoWait})
			return err
		}); err != nil {
			t.Errorf("by index %v: row 1 stayed locked: %v", byIndex, err)
		}
		tx.Rollback()
		checkTables(t, db)
	}
}

// TestTheRowOfADuplicateIsLocked: shared by Insert, exclusively by InsertOrLock (T-20).
func TestTheRowOfADuplicateIsLocked(t *testing.T) {
	db := openDB(t, engine.Options{})
	def := createTable(t, db, "t", "id:pk", "u:unique")
	w, other := newWorker(db, def, 0), newWorker(db, def, 1)
	defer w.s.Close()
	defer other.s.Close()
	if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error { return tx.Insert(script, def, w.row(1, 1)) }); err != nil {
		t.Fatal(err)
	}
	read := func(l engine.Lock) error {
		_, err := other.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
			key := keyOf(def, 1)
			_, err := collect(script, tx, def, engine.ScanOptions{Ranges: []engine.Range{{Lo: key, Hi: key}}, Lock: l, Wait: engine.NoWait})
			return err
		})
		return err
	}
	for _, c := range []struct {
		name   string
		insert func(*engine.Tx, row.Row) error
		shared error
	}{
		{"Insert", func(tx *engine.Tx, r row.Row) error { return tx.Insert(script, def, r) }, nil},
		{"InsertOrLock", func(tx *engine.Tx, r row.Row) error { return tx.InsertOrLock(script, def, r) }, txn.ErrNoWait},
	} {
		for _, r := range []row.Row{w.row(1, 7), w.row(7, 1)} {
			tx, err := w.s.Begin(script, engine.TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var dup *engine.DuplicateError
			if err := c.insert(tx, r); !errors.As(err, &dup) || text(def, dup.Existing) != "(1,1)" {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := read(engine.LockShared); !errors.Is(err, c.shared) {
				t.Errorf("%s: shared lock of another: %v, want %v", c.name, err, c.shared)
			}
			if err := read(engine.LockExclusive); !errors.Is(err, txn.ErrNoWait) {
				t.Errorf("%s: exclusive lock of another: %v", c.name, err)
			}
			tx.Rollback()
		}
	}
}

// TestATransactionDoesNotOutliveTheWritersRole: what was written before a demotion is not committed
// after a promotion of the same instance: another writer may have been between them.
func TestATransactionDoesNotOutliveTheWritersRole(t *testing.T) {
	store := memvolume.New(memvolume.Options{})
	vol := store.Open()
	db, err := engine.OpenWriter(script, vol, engine.Options{NoReaders: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	def := createTable(t, db, "t", "id:pk")
	w := newWorker(db, def, 0)
	defer w.s.Close()
	tx, err := w.s.Begin(script, engine.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Insert(script, def, w.row(1)); err != nil {
		t.Fatal(err)
	}
	defer engine.ReplaceRole(t, db)()
	if err := tx.Insert(script, def, w.row(2)); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("insert under another role: %v", err)
	}
	if _, err := tx.Commit(script); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("commit under another role: %v", err)
	}
	if len(db.Locks()) != 0 {
		t.Errorf("locks %v", db.Locks())
	}
}

// TestTurnsFitBelowTheLAL: commits that wait together, and have more records than the volume numbers
// above what is durable, do not become one turn, for which there would never be room.
func TestTurnsFitBelowTheLAL(t *testing.T) {
	store := memvolume.New(memvolume.Options{LAL: 2000})
	db, err := engine.OpenWriter(script, store.Open(), engine.Options{
		NoReaders: true, MaxMTRRecords: 1000, Background: engine.BackgroundOptions{Stats: -1, Free: -1, Horizon: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	def := createTable(t, db, "t", "id:pk")
	store.SetManual(true)
	defer store.SetManual(false)
	var all sync.WaitGroup
	for n := range 80 {
		all.Go(func() {
			w := newWorker(db, def, n)
			defer w.s.Close()
			if _, err := w.try(script, engine.TxOptions{}, func(tx *engine.Tx) error {
				for i := range int64(50) {
					if err := tx.Insert(script, def, w.row(int64(n)*50+i)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	<-time.After(10 * time.Millisecond) // the more of them wait, the larger their turn would be
	advanceUntil(t, store, done)
}
