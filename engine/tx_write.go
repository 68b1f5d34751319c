package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
)

// A write locks, in this order: the primary key, and for each secondary index the new
// entry and, if it is unique, the guard of the unique key; each lock is taken before the newest rows are asked
// whether the key is free, so that the answer stays true. The locks carry the sequence
// of the write and die with it. Nothing goes to a tree before the commit.

// Insert adds a row, which belongs to the transaction from then on. Returns
// *DuplicateError, whose row is locked shared; txn's lock errors; ErrMemory,
// *TransactionTooLargeError, ErrDefinitionChanged, ErrNotWriter, ErrReadOnlyTx, ErrTxDone.
func (tx *Tx) Insert(ctx context.Context, t *TableDef, r row.Row) error {
	return tx.insert(ctx, t, r, txn.Shared)
}

// InsertOrLock is Insert for REPLACE and ON DUPLICATE KEY UPDATE: the row of a
// *DuplicateError is locked exclusively (T-20).
func (tx *Tx) InsertOrLock(ctx context.Context, t *TableDef, r row.Row) error {
	return tx.insert(ctx, t, r, txn.Exclusive)
}

func (tx *Tx) insert(ctx context.Context, t *TableDef, r row.Row, dup txn.Mode) error {
	if err := tx.beginWrite(ctx, t); err != nil {
		return err
	}
	if t.Keyless() {
		id, err := tx.db.reserveRowID(ctx, t)
		if err != nil {
			return err
		}
		t.desc.SetUint(r, t.Primary.Columns[0].Column, id)
	}
	var err error
	if tx.key, err = t.AppendPrimaryKey(tx.key[:0], r); err != nil {
		return err
	}
	w := &write{tx: tx, t: t, seq: tx.writes.NextSeq(), pk: tx.key, dup: dup}
	err = w.insertKey(ctx)
	if err == nil {
		err = w.insertEntries(ctx, nil, r)
	}
	if err == nil {
		_, err = tx.writes.Put(uint64(t.ID), w.pk, r)
	}
	return w.done(err)
}

// Update replaces the row old, as a locking scan returned it, by r, which belongs to
// the transaction from then on. What is replaced is the newest state of the row with
// old's primary key. Returns ErrNotFound if there is none; otherwise errors as Insert.
func (tx *Tx) Update(ctx context.Context, t *TableDef, old, r row.Row) error {
	w, was, err := tx.change(ctx, t, old)
	if err != nil {
		return err
	}
	if was == nil {
		return fmt.Errorf("%w: row to update in %s.%s", ErrNotFound, t.Database, t.Name)
	}
	if tx.key2, err = t.AppendPrimaryKey(tx.key2[:0], r); err != nil {
		return err
	}
	// Two writes may be needed: both or none.
	tx.writes.Pin(w.seq - 1)
	defer tx.writes.Unpin(w.seq - 1)
	if bytes.Equal(w.pk, tx.key2) {
		err = w.insertEntries(ctx, was, r)
	} else {
		err = w.move(ctx, r)
	}
	if err == nil {
		_, err = tx.writes.Put(uint64(t.ID), w.pk, r)
	}
	return w.done(err)
}

// move makes the change of a row's primary key: the old one is deleted, the caller puts
// the row under the new one.
func (w *write) move(ctx context.Context, r row.Row) error {
	w.pk, w.old = w.tx.key2, w.pk
	if err := w.insertKey(ctx); err != nil {
		return err
	}
	if err := w.insertEntries(ctx, nil, r); err != nil {
		return err
	}
	_, err := w.tx.writes.Put(uint64(w.t.ID), w.old, nil)
	return err
}

// Delete deletes the row old, as a locking scan returned it; nothing happens if it
// is not there any more. Errors as Insert.
func (tx *Tx) Delete(ctx context.Context, t *TableDef, old row.Row) error {
	w, was, err := tx.change(ctx, t, old)
	if err != nil || was == nil {
		return err
	}
	_, err = tx.writes.Put(uint64(t.ID), w.pk, nil)
	return w.done(err)
}

// Newest returns what the row old, as a locking scan returned it, is now, nil if it is gone: writes of this
// transaction may have changed it since. Errors as Insert.
func (tx *Tx) Newest(ctx context.Context, t *TableDef, old row.Row) (row.Row, error) {
	_, was, err := tx.change(ctx, t, old)
	return was, err
}

// beginWrite checks that the transaction may write the table now.
func (tx *Tx) beginWrite(ctx context.Context, t *TableDef) error {
	if err := tx.begin(!t.Temporary); err != nil {
		return err
	}
	if len(t.Parts) > 0 {
		return fmt.Errorf("engine: a row of %s.%s is written without a partition", t.Database, t.Name)
	}
	return tx.bind(ctx, t, bindWrite)
}

// change begins the change of an existing row: it is locked, and its newest state
// returned, nil if it is gone.
func (tx *Tx) change(ctx context.Context, t *TableDef, old row.Row) (*write, row.Row, error) {
	if err := tx.beginWrite(ctx, t); err != nil {
		return nil, nil, err
	}
	old, err := t.Upgrade(old)
	if err != nil {
		return nil, nil, err
	}
	if tx.key, err = t.AppendPrimaryKey(tx.key[:0], old); err != nil {
		return nil, nil, err
	}
	w := &write{tx: tx, t: t, seq: tx.writes.NextSeq(), pk: tx.key, dup: txn.Shared}
	r := txn.Request{Space: indexSpace(t, nil), Key: w.pk, Mode: txn.Exclusive}
	if err := tx.fail(tx.s.owner.Acquire(ctx, r, tx.policy())); err != nil {
		return nil, nil, err
	}
	was, err := w.newest(ctx, w.pk)
	if err == nil {
		err = w.strict(was)
	}
	return w, was, err
}

// write is one Insert, Update or Delete under way.
type write struct {
	tx  *Tx
	t   *TableDef
	seq txn.Seq
	pk  []byte
	old []byte   // the key that an Update takes from the row; nil: it stays
	dup txn.Mode // lock of the row that a DuplicateError has
	buf []byte   // of insertEntry
}

// done gives back, if err is set, the locks that the write took for itself.
func (w *write) done(err error) error {
	if err == nil {
		w.tx.modified.Add(1)
		return nil
	}
	if !w.tx.done {
		if w.tx.writes.Seq() >= w.seq {
			w.tx.writes.RollbackTo(w.seq - 1)
		}
		w.tx.s.owner.ReleaseAfter(w.seq - 1)
	}
	return w.tx.fail(err)
}

// newest returns the newest state of a row, nil if there is none.
func (w *write) newest(ctx context.Context, pk []byte) (row.Row, error) {
	tx := w.tx
	p, _, release := tx.db.newest()
	defer release()
	r, _, err := tx.newestRow(ctx, w.t, p, pk)
	tx.s.Saw(p.sawLSN())
	return r, err
}

// strict returns ErrStrictSnapshot for a row that changed since the snapshot, if the
// transaction does not want to write such rows (T-13). Own images have no LSN yet.
func (w *write) strict(r row.Row) error {
	if r != nil && w.tx.o.Strict && w.tx.snapshot != 0 && r.LSN() > rowLSN(w.tx.snapshot) {
		return fmt.Errorf("%w: %s.%s", ErrStrictSnapshot, w.t.Database, w.t.Name)
	}
	return nil
}

// lock takes a lock of a written key.
func (w *write) lock(ctx context.Context, s txn.Space, key []byte, insert bool) error {
	r := txn.Request{Space: s, Key: key, Mode: txn.Exclusive, Write: w.seq, Insert: insert}
	return w.tx.s.owner.Acquire(ctx, r, w.tx.policy())
}

func (w *write) try(s txn.Space, key []byte, insert bool) (bool, error) {
	err := w.tx.s.owner.Try(txn.Request{Space: s, Key: key, Mode: txn.Exclusive, Write: w.seq, Insert: insert})
	if errors.Is(err, txn.ErrNoWait) {
		return false, nil
	}
	return err == nil, err
}

// insertKey takes the primary key for a new row. Returns *DuplicateError if another
// row has it.
func (w *write) insertKey(ctx context.Context) error {
	s := indexSpace(w.t, nil)
	for {
		got, err := w.try(s, w.pk, true)
		if err != nil {
			return err
		}
		r, err := w.newest(ctx, w.pk)
		if err != nil {
			return err
		}
		switch {
		case r == nil && got:
			return nil
		case r == nil:
			// Somebody is inserting it, or locks the gap.
			err = w.lock(ctx, s, w.pk, true)
		default:
			err = w.duplicate(ctx, w.t.Primary, w.pk, nil)
		}
		if err != nil {
			return err
		}
	}
}

// duplicate locks the row of pk, which was seen to have a key of ix that the write
// wants. It returns *DuplicateError if the row still is there and has the key,
// nil if it does not: look again.
func (w *write) duplicate(ctx context.Context, ix *IndexDef, pk, unique []byte) error {
	r := txn.Request{Space: indexSpace(w.t, nil), Key: pk, Mode: w.dup}
	if err := w.tx.s.owner.Acquire(ctx, r, w.tx.policy()); err != nil {
		return err
	}
	existing, err := w.newest(ctx, pk)
	if err != nil || existing == nil {
		return err
	}
	if ix != w.t.Primary {
		has, err := w.t.hasEntry(ix, existing, append(slices.Clip(unique), pk...))
		if err != nil || !has {
			return err
		}
	}
	return &DuplicateError{Table: w.t, Index: ix, Existing: existing, Key: unique}
}

// insertEntries takes the keys of the secondary indexes in which r differs from was;
// nil: in all of them.
func (w *write) insertEntries(ctx context.Context, was, r row.Row) error {
	for _, ix := range w.t.Indexes {
		if !ix.stored() {
			continue
		}
		n, err := w.t.entries(ix, r)
		for i := 0; i < n && err == nil; i++ {
			err = w.insertEntry(ctx, ix, was, r, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insertEntry takes the key of entry i of r in ix, unless was has it.
func (w *write) insertEntry(ctx context.Context, ix *IndexDef, was, r row.Row, i int) error {
	key, n, null, err := w.t.appendIndexKey(w.buf[:0], ix, r, i)
	if err != nil {
		return err
	}
	w.buf = key
	if has, err := w.t.hasEntry(ix, was, key); has || err != nil {
		return err
	}
	// A duplicate is reported before a gap is waited for; and while it waits for
	// the gap, this write must not guard what the gap's owner may want to insert.
	unique := ix.Unique && !null
	if unique {
		if err := w.vacant(ctx, ix, key[:n]); err != nil {
			return err
		}
	}
	if err := w.lock(ctx, indexSpace(w.t, ix), key, true); err != nil {
		return err
	}
	if unique {
		return w.guard(ctx, ix, key[:n])
	}
	return nil
}

// vacant returns when no row has a unique key, without taking it, or with
// *DuplicateError.
func (w *write) vacant(ctx context.Context, ix *IndexDef, unique []byte) error {
	for {
		pk, err := w.holder(ctx, ix, unique)
		if err != nil || pk == nil {
			return err
		}
		if err := w.duplicate(ctx, ix, pk, unique); err != nil {
			return err
		}
	}
}

// guard takes a unique key: nobody else may make a row with it until the end of the transaction.
// Returns *DuplicateError if another row has it.
func (w *write) guard(ctx context.Context, ix *IndexDef, unique []byte) error {
	s := indexSpace(w.t, ix)
	for {
		got, err := w.try(s, unique, false)
		if err != nil {
			return err
		}
		pk, err := w.holder(ctx, ix, unique)
		if err != nil {
			return err
		}
		switch {
		case pk == nil && got:
			return nil
		case pk == nil:
			err = w.lock(ctx, s, unique, false)
		default:
			err = w.duplicate(ctx, ix, pk, unique)
		}
		if err != nil {
			return err
		}
	}
}

// holder returns the primary key of the row that has a unique key in the newest
// state, nil if none has. The row that an Update moves does not count.
func (w *write) holder(ctx context.Context, ix *IndexDef, unique []byte) ([]byte, error) {
	tx := w.tx
	end := row.PrefixEnd(unique)
	overlay, err := tx.overlay(w.t, ix)
	if err != nil {
		return nil, err
	}
	for from := unique; ; {
		e, key, found := overlay.Seek(from, end, false)
		if !found {
			break
		}
		img, _ := tx.writes.Get(uint64(w.t.ID), []byte(key), now)
		has, err := w.t.hasEntry(ix, img, []byte(e))
		if err != nil {
			return nil, err
		}
		if has && key != string(w.old) {
			return []byte(key), nil
		}
		from = append([]byte(e), 0)
	}
	p, _, release := tx.db.newest()
	defer release()
	defer func() { tx.s.Saw(p.sawLSN()) }()
	c := btree.NewCursor(ix.tree(), w.t.pager(p))
	for ok := c.Seek(ctx, unique); ok && bytes.HasPrefix(c.Key(), unique); ok = c.Next(ctx) {
		pk, err := w.t.PrimaryKeyOf(ix, c.Key())
		if err != nil {
			return nil, err
		}
		// Of a row that this transaction wrote the overlay knows better.
		if _, own := tx.writes.Get(uint64(w.t.ID), pk, now); !own && !bytes.Equal(pk, w.old) {
			return bytes.Clone(pk), nil
		}
	}
	return nil, c.Err()
}

// hasEntry reports whether entry e of ix is r's. r may be nil.
func (t *TableDef) hasEntry(ix *IndexDef, r row.Row, e []byte) (bool, error) {
	if r == nil {
		return false, nil
	}
	r, err := t.Upgrade(r)
	if err != nil {
		return false, err
	}
	n, err := t.entries(ix, r)
	if err != nil {
		return false, err
	}
	var key []byte
	_, found := sort.Find(n, func(i int) int {
		if key, _, _, err = t.appendIndexKey(key[:0], ix, r, i); err != nil {
			return 0
		}
		return bytes.Compare(e, key)
	})
	return found && err == nil, err
}

// overlay returns the entries of the transaction's own rows in a secondary index;
// nil if it wrote none of the table.
func (tx *Tx) overlay(t *TableDef, ix *IndexDef) (*txn.Overlay, error) {
	o, err := tx.writes.Index(uint64(t.ID), uint32(ix.ID), func(r []byte, add func(e []byte) error) error {
		up, err := t.Upgrade(r)
		if err != nil {
			return err
		}
		return t.eachEntry(ix, up, func(key []byte, _ int, _ bool) error { return add(key) })
	})
	return o, tx.fail(err)
}
