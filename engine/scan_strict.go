package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"sextant/engine/row"
)

// strictScan goes beside an exclusive locking scan of a transaction with strict
// snapshots (T-13): the same scan of the snapshot. A row that it finds and that has
// changed since, or is gone, would have been locked and written; the locking scan,
// which sees what is newest, may pass it by.
type strictScan struct {
	was *Cursor
	row row.Row // the snapshot's next row, nil: none has been read
	key []byte  // its index key
	end bool    // the snapshot has no more rows
}

// openStrict begins the scan of the snapshot, if the transaction has one and wants it.
// SKIP LOCKED asks for some rows, whichever.
func (c *Cursor) openStrict(ctx context.Context) error {
	tx := c.tx
	if !tx.o.Strict || tx.snapshot == 0 || tx.o.Isolation == ReadCommitted || c.o.Lock != LockExclusive ||
		c.o.ReadNow || c.o.Wait == SkipLocked || c.t.Temporary {
		return nil
	}
	o := c.o
	o.Lock, o.Wait, o.Covering = LockNone, 0, false
	was, err := tx.Scan(ctx, c.t, o)
	if err != nil {
		return err
	}
	c.strict = &strictScan{was: was}
	return nil
}

// checkStrict returns ErrStrictSnapshot if a row of the snapshot up to r, nil: up to the
// end, is not what it was, or r is not of the snapshot.
func (c *Cursor) checkStrict(ctx context.Context, r row.Row) error {
	s := c.strict
	var upTo []byte
	if r != nil {
		if r.LSN() > rowLSN(c.tx.snapshot) {
			return c.changed()
		}
		upTo = c.last()
	}
	for {
		if s.row == nil && !s.end {
			if err := s.next(ctx, c); err != nil {
				return err
			}
		}
		if s.end || upTo != nil && c.before(upTo, s.key) {
			return nil
		}
		if err := c.unchanged(ctx, s.row); err != nil {
			return err
		}
		s.row = nil
	}
}

func (s *strictScan) next(ctx context.Context, c *Cursor) error {
	r, err := s.was.Next(ctx)
	if errors.Is(err, io.EOF) {
		s.end = true
		return nil
	}
	if err != nil {
		return err
	}
	s.row = bytes.Clone(r)
	s.key = append(s.key[:0], s.was.last()...)
	return nil
}

// unchanged returns ErrStrictSnapshot unless a row of the snapshot is the newest one.
func (c *Cursor) unchanged(ctx context.Context, was row.Row) error {
	pk, err := c.t.AppendPrimaryKey(nil, was)
	if err != nil {
		return err
	}
	if _, own := c.tx.writes.Get(uint64(c.t.ID), pk, now); own {
		return nil // looked at when it was written
	}
	p, _, release := c.tx.db.newest()
	defer release()
	r, _, err := c.tx.newestRow(ctx, c.t, p, pk)
	c.tx.s.Saw(p.sawLSN())
	if err == nil && (r == nil || r.LSN() != was.LSN()) {
		err = c.changed()
	}
	return err
}

func (c *Cursor) changed() error {
	return fmt.Errorf("%w: %s.%s", ErrStrictSnapshot, c.t.Database, c.t.Name)
}
