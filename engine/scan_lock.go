package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"sextant/engine/row"
	"sextant/engine/txn"
)

func corruptEntry(t *TableDef, ix *IndexDef) error {
	return fmt.Errorf("%w: %s.%s: an entry of index %s has no row", ErrCorrupt, t.Database, t.Name, ix.Name)
}

// mode returns the row locks of the scan.
func (c *Cursor) mode() txn.Mode {
	if c.o.Lock == LockExclusive {
		return txn.Exclusive
	}
	return txn.Shared
}

// gaps reports whether the scan keeps others from inserting where it has looked
// (T-4). READ COMMITTED does that only for foreign key checks.
func (c *Cursor) gaps() bool { return c.tx.o.Isolation != ReadCommitted || c.o.ReadNow }

// unlocks reports whether rows that do not match are unlocked again (T-11).
func (c *Cursor) unlocks() bool { return c.tx.o.Isolation == ReadCommitted }

// semiConsistent reports whether rows are tested before they are locked (T-11).
func (c *Cursor) semiConsistent() bool { return c.o.SemiConsistent && c.unlocks() }

// point reports whether the current range is one key of a unique index: then a hit
// takes that key only, and a miss the gap.
func (c *Cursor) point() bool {
	if !c.ix.Unique && c.secondary() || c.in.lo == nil || c.in.hi == nil {
		return false
	}
	complete, null := c.ix.key.Complete(c.in.lo, len(c.ix.Columns))
	return complete && !null && (bytes.Equal(c.in.hi, row.PrefixEnd(c.in.lo)) || bytes.Equal(c.in.hi, after(c.in.lo)))
}

// locking takes one step of a locking scan (T-2): it returns a row that is locked,
// or nil to go on. The scan's position moves only when a key is done with: after any
// wait, and when there are newer pages after a lock was taken, the step is made again
// from the same position. What the pages say after the lock stays true, so once is enough.
func (c *Cursor) locking(ctx context.Context) (row.Row, error) {
	c.refresh()
	key, err := c.place(ctx)
	if err != nil {
		return nil, err
	}
	own, img, err := c.own()
	if err != nil {
		return nil, err
	}
	isOwn := own != nil && (key == nil || !c.before(key, own))
	if isOwn {
		key = own
	}
	var pk []byte
	if key != nil {
		if pk, err = c.t.PrimaryKeyOf(c.ix, key); err != nil {
			return nil, err
		}
	}
	c.giveUp(pk)
	if key != nil && c.semiConsistent() {
		r, err := c.filtered(c.rowAt(ctx, key, isOwn, img))
		if err != nil {
			return nil, err
		}
		if r == nil {
			c.giveUp(nil)
			return nil, c.pass(ctx, key)
		}
	}
	if again, err := c.lockStep(ctx, key); err != nil || again {
		return nil, err
	}
	if key != nil {
		if again, err := c.lockRow(ctx, key, pk, isOwn); err != nil || again {
			return nil, err
		}
	}
	if c.stale() {
		return nil, nil
	}
	if key == nil {
		c.started = false // the gap up to the range's end is locked
		return nil, nil
	}
	return c.emit(ctx, key, isOwn, img)
}

// rowAt returns the row at a key of the index: the own image or the newest committed
// row, nil for none.
func (c *Cursor) rowAt(ctx context.Context, key []byte, isOwn bool, img row.Row) (row.Row, error) {
	if isOwn {
		return c.ownRow(img)
	}
	return c.treeRow(ctx, key)
}

// emit returns the row at key, which is locked, and moves on. If it does not match,
// it returns nil, and under READ COMMITTED the row is unlocked.
func (c *Cursor) emit(ctx context.Context, key []byte, isOwn bool, img row.Row) (row.Row, error) {
	r, err := c.filtered(c.rowAt(ctx, key, isOwn, img))
	if err != nil {
		return nil, err
	}
	if r == nil && c.unlocks() {
		c.giveUp(nil)
	}
	c.mine = nil
	// A unique key has one row: nothing behind it is looked at.
	last := r != nil && c.point()
	if err := c.pass(ctx, key); err != nil {
		return nil, err
	}
	c.started = c.started && !last
	return r, nil
}

// giveUp unlocks a row that this scan has locked and will not return, unless it is pk.
func (c *Cursor) giveUp(pk []byte) {
	if c.mine != nil && !bytes.Equal(c.mine, pk) {
		c.tx.s.owner.Unlock(indexSpace(c.t, nil), c.mine, c.mode())
		c.mine = nil
	}
}

// lockStep takes the locks between the scan's position and key, nil: the range's
// end, and in the clustered tree key itself. again says that it had to wait, or
// skipped a key: look again.
func (c *Cursor) lockStep(ctx context.Context, key []byte) (again bool, err error) {
	point := c.point()
	step := txn.Step{
		Space: indexSpace(c.t, c.ix), From: c.at, Key: key, To: c.in.hi, Mode: c.mode(), Reverse: c.o.Reverse,
		Gaps: c.gaps() && !(point && key != nil), Entries: c.secondary(),
		SkipPending: c.semiConsistent() && c.o.Filter != nil && !point,
	}
	if c.o.Reverse {
		step.To = c.in.lo
	}
	o := c.tx.s.owner
	fresh := key != nil && !step.Gaps && !step.Entries && c.mine == nil && !o.Holds(step.Space, key, step.Mode)
	blocked, err := o.Next(&step)
	switch {
	case err != nil:
		return false, c.tx.fail(err)
	case blocked == nil:
		if fresh {
			c.mine = bytes.Clone(key)
		}
		return false, nil
	case c.o.Wait == NoWait:
		return false, txn.ErrNoWait
	case c.o.Wait == SkipLocked:
		return true, c.pass(ctx, blocked)
	case c.secondary():
		// The entry is in no tree; when its writer is done, the row is what counts.
		err = c.wait(ctx, step.Space, blocked)
		if err == nil {
			o.Unlock(step.Space, blocked, step.Mode)
		}
		return true, err
	}
	if err = c.wait(ctx, step.Space, blocked); err == nil {
		c.giveUp(nil)
		c.mine = bytes.Clone(blocked)
	}
	return true, err
}

// wait waits for a lock and takes it.
func (c *Cursor) wait(ctx context.Context, s txn.Space, key []byte) error {
	r := txn.Request{Space: s, Key: key, Mode: c.mode()}
	return c.tx.fail(c.tx.s.owner.Acquire(ctx, r, c.tx.policy()))
}

// lockRow locks the row of a secondary entry; in the clustered tree lockStep has done
// so. again is as with lockStep.
func (c *Cursor) lockRow(ctx context.Context, key, pk []byte, isOwn bool) (again bool, err error) {
	if !c.secondary() {
		return false, nil
	}
	if !isOwn {
		if _, found := c.table.Get(pk, c.seq); found {
			return true, c.pass(ctx, key) // the own image has an entry of its own
		}
	}
	s, o := indexSpace(c.t, nil), c.tx.s.owner
	if o.Holds(s, pk, c.mode()) {
		return false, nil
	}
	err = o.Try(txn.Request{Space: s, Key: pk, Mode: c.mode()})
	switch {
	case err == nil:
		c.mine = bytes.Clone(pk)
		return false, nil
	case !errors.Is(err, txn.ErrNoWait):
		return false, c.tx.fail(err)
	case c.o.Wait == NoWait:
		return false, err
	case c.o.Wait == SkipLocked:
		return true, c.pass(ctx, key)
	}
	if err = c.wait(ctx, s, pk); err == nil {
		c.mine = bytes.Clone(pk)
	}
	return true, err
}
