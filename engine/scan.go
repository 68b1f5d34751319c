package engine

import (
	"bytes"
	"context"
	"io"
	"slices"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/internal/redo"
)

// Lock is what a scan does to the rows it returns.
type Lock uint8

// The lock modes of a scan.
const (
	LockNone Lock = iota // plain read of the snapshot
	LockShared
	LockExclusive
)

// WaitMode is what a scan does at a lock it cannot have.
type WaitMode uint8

// The wait modes.
const (
	Wait WaitMode = iota
	NoWait
	SkipLocked
)

// Range is the keys from Lo to Hi; nil: no bound.
type Range struct {
	Lo, Hi         []byte
	LoOpen, HiOpen bool // the bound itself is not in the range
}

// ScanOptions say what a scan reads.
type ScanOptions struct {
	Index   *IndexDef // nil: the primary
	Parts   []int     // the partitions of a partitioned table, ascending; nil: all
	Ranges  []Range   // in order of the scan, not overlapping; nil: everything
	Reverse bool
	Lock    Lock
	Wait    WaitMode
	// Filter is asked before a row is returned; under READ COMMITTED a row that does not
	// match is unlocked again (T-11). It must not keep the row.
	Filter func(row.Row) (bool, error)
	// SemiConsistent: under READ COMMITTED Filter is asked for the newest committed row also
	// before it is locked, and one that does not match is passed by, whoever has locked it.
	SemiConsistent bool
	// ReadNow reads the newest committed rows and all own writes: foreign key and
	// unique checks. Locking scans read the newest committed rows in any case.
	ReadNow bool
	// Covering lets the scan return rows in which only the columns of the index and
	// of the primary key are set.
	Covering bool
}

// bounds is a Range as [lo, hi) of keys; nil: none.
type bounds struct {
	lo, hi []byte
}

func (r Range) bounds() bounds {
	b := bounds{r.Lo, r.Hi}
	if r.LoOpen && r.Lo != nil {
		b.lo = after(r.Lo)
	}
	if !r.HiOpen && r.Hi != nil {
		b.hi = after(r.Hi)
	}
	return b
}

// after returns the lowest key above key.
func after(key []byte) []byte { return append(slices.Clip(key), 0) }

func (b bounds) contains(key []byte) bool {
	return bytes.Compare(key, b.lo) >= 0 && (b.hi == nil || bytes.Compare(key, b.hi) < 0)
}

// Cursor returns the rows of a scan. It must be closed; the end of the transaction closes it, too. Several cursors of a
// transaction may be open, and rows may be written meanwhile: what is written after
// the scan was opened does not show in it, unless it reads now.
type Cursor struct {
	tx  *Tx
	t   *TableDef
	ix  *IndexDef
	o   ScanOptions
	seq txn.Seq // own writes up to it are seen
	err error   // after which Next does nothing else; io.EOF at the end

	table   *txn.TableSet // own rows; nil: none
	overlay *txn.Overlay  // their entries in a secondary index

	// Where the scan stands: at lies in the range that is current.
	ranges  []Range // that are left, without the current one
	in      bounds
	buf     []byte // at, where it is not a bound
	at      []byte // forward: the next key is at or above it; reverse: below it, nil: none
	started bool   // in is set

	pages   *pager
	pageLSN redo.LSN // of pages
	release func()   // of pages, nil: none are chosen
	tree    btree.Cursor
	placed  bool // tree stands on the first key from at on, or behind the range

	parts   *partScan   // of a partitioned table: what else is below is not used
	part    int         // the partition's ordinal, of a scan of one of several; where the last row was, of all
	builder row.Builder // of covering reads
	pinned  bool        // own writes up to seq are kept for the scan
	mine    []byte      // a row lock that this scan took and has not used yet
	strict  *strictScan // nil: what changed since the snapshot does not matter
	met     *metRows    // nil: no row is met twice
}

// Scan returns a cursor over the rows of an index. Errors as Insert; for a plain
// scan of a table whose definition is not the snapshot's, ErrDefinitionChanged.
//
// The rows of a partitioned table are in the order of the index if that or ranges are given or
// Reverse is; otherwise partition by partition.
func (tx *Tx) Scan(ctx context.Context, t *TableDef, o ScanOptions) (*Cursor, error) {
	if len(t.Parts) > 0 {
		return tx.scanParts(ctx, t, o)
	}
	c := &Cursor{tx: tx, t: t, ix: o.Index, o: o}
	tx.cursors = append(tx.cursors, c)
	if err := c.open(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cursor) open(ctx context.Context) error {
	tx := c.tx
	if c.ix == nil {
		c.ix = c.t.Primary
	}
	if c.ix.unusable != nil {
		return c.ix.unusable
	}
	locking := c.o.Lock != LockNone
	if err := tx.begin(locking && !c.t.Temporary); err != nil {
		return err
	}
	if err := tx.bind(ctx, c.t, c.binding()); err != nil {
		return err
	}
	c.ranges = c.o.Ranges
	if c.o.Ranges == nil {
		c.ranges = []Range{{}}
	}
	if c.meetsAgain() {
		c.met = &metRows{}
	}
	if c.o.ReadNow {
		c.seq = now
	} else {
		c.seq = tx.readSeq()
		tx.writes.Pin(c.seq)
		c.pinned = true
	}
	if err := c.readOwn(); err != nil {
		return err
	}
	if locking {
		return c.openStrict(ctx) // every step looks at the newest pages
	}
	return c.readPages(ctx)
}

// binding says what the scan binds to: reads of what is newest bind to the newest definition.
func (c *Cursor) binding() binding {
	switch {
	case c.o.Lock == LockExclusive:
		return bindWrite
	case c.o.Lock == LockShared, c.o.ReadNow && c.tx.db.Role() == RoleWriter:
		return bindShared
	}
	return bindRead
}

// readOwn looks up what the transaction itself has written up to now.
func (c *Cursor) readOwn() (err error) {
	if c.table = c.tx.writes.Table(uint64(c.t.ID)); c.table != nil && c.secondary() {
		c.overlay, err = c.tx.overlay(c.t, c.ix)
	}
	return err
}

func (c *Cursor) secondary() bool { return c.ix != c.t.Primary }

// readPages chooses the pages of a plain scan.
func (c *Cursor) readPages(ctx context.Context) error {
	tx := c.tx
	if c.o.ReadNow || tx.ddl.fresh(c.t.ID) {
		c.refresh()
		return nil
	}
	p, err := tx.viewOf(ctx, c.t, c.ix)
	if err != nil {
		return err
	}
	// The statement may end before the cursor does, and its snapshot with it.
	tx.db.snaps.Hold(p.at)
	c.pages, c.pageLSN, c.release = p, p.at, func() { tx.db.snaps.Release(p.at) }
	c.tree.Reset(c.ix.tree(), c.t.pager(p))
	return nil
}

// refresh makes the newest pages those of the scan.
func (c *Cursor) refresh() {
	if c.release != nil {
		if !c.stale() && c.t.temp == nil {
			return
		}
		c.release()
		c.tx.s.Saw(c.pages.sawLSN())
	}
	c.pages, c.pageLSN, c.release = c.tx.db.newest()
	c.tree.Reset(c.ix.tree(), c.t.pager(c.pages))
	c.placed = false
}

// stale reports whether there are newer pages than those of the scan.
func (c *Cursor) stale() bool { return c.tx.db.published() != c.pageLSN }

// Close releases what the cursor holds. Locks stay.
func (c *Cursor) Close() {
	if c.parts != nil {
		c.parts.close()
	}
	if c.strict != nil {
		c.strict.was.Close()
	}
	if c.release != nil {
		c.release()
		c.release = nil
	}
	if c.pinned {
		c.tx.writes.Unpin(c.seq)
		c.pinned = false
	}
	if c.err == nil {
		c.err = io.EOF
	}
	c.met.close(c.tx.db.budget)
	if i := slices.Index(c.tx.cursors, c); i >= 0 {
		c.tx.cursors = slices.Delete(c.tx.cursors, i, i+1)
	}
}

// Next returns the next row, which stays valid until the next call, or io.EOF.
func (c *Cursor) Next(ctx context.Context) (row.Row, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.tx.done {
		return nil, ErrTxDone
	}
	if c.parts != nil {
		r, err := c.nextPart(ctx)
		if err != nil {
			c.err = err
		}
		return r, err
	}
	if c.o.ReadNow && c.table == nil {
		if err := c.readOwn(); err != nil {
			return nil, err
		}
	}
	var r row.Row
	var err error
	for r == nil && err == nil {
		if !c.started && !c.nextRange() {
			err = io.EOF
			break
		}
		if c.o.Lock == LockNone {
			r, err = c.plain(ctx)
		} else {
			r, err = c.locking(ctx)
		}
		if r != nil && c.met != nil {
			r, err = c.firstMet(r)
		}
	}
	if c.pages != nil {
		c.tx.s.Saw(c.pages.sawLSN()) // also for what was not found
	}
	if c.strict != nil && (err == nil || err == io.EOF) {
		if serr := c.checkStrict(ctx, r); serr != nil {
			err = serr
		}
	}
	if err != nil {
		c.err = err
		return nil, err
	}
	return r, nil
}

// nextRange makes the next range the current one.
func (c *Cursor) nextRange() bool {
	if len(c.ranges) == 0 {
		return false
	}
	limit := []byte(nil)
	if last := len(c.ranges) - 1; c.o.Reverse {
		c.in, c.ranges = c.ranges[last].bounds(), c.ranges[:last]
		c.at, limit = c.in.hi, c.in.lo
	} else {
		c.in, c.ranges = c.ranges[0].bounds(), c.ranges[1:]
		c.at, limit = c.in.lo, c.in.hi
	}
	c.started, c.placed = true, false
	c.tree.SetLimit(limit)
	return true
}

// place moves the tree's cursor to the first key from c.at on, if it is not there,
// and returns that key, nil if there is none in the range.
func (c *Cursor) place(ctx context.Context) ([]byte, error) {
	if !c.placed {
		switch {
		case !c.o.Reverse:
			c.tree.Seek(ctx, c.at)
		case c.at == nil:
			c.tree.SeekLast(ctx)
		default:
			c.tree.SeekBefore(ctx, c.at)
		}
		if err := c.tree.Err(); err != nil {
			return nil, err
		}
		c.placed = true
	}
	if key := c.tree.Key(); key != nil && c.in.contains(key) {
		return key, nil
	}
	return nil, nil
}

// own returns the first key of the transaction's own rows, from c.at on in the range,
// with the row's image, nil if it was deleted; or, in a secondary index, the first entry
// that an image has. key is nil if there is none.
func (c *Cursor) own() (key []byte, img row.Row, err error) {
	if c.table == nil {
		return nil, nil, nil
	}
	from, to := c.at, c.in.hi
	if c.o.Reverse {
		from, to = c.in.lo, c.at
	}
	if !c.secondary() {
		k, img, found := c.table.Seek(from, to, c.o.Reverse, c.seq)
		if !found {
			return nil, nil, nil
		}
		return []byte(k), img, nil
	}
	for {
		e, pk, found := c.overlay.Seek(from, to, c.o.Reverse)
		if !found {
			return nil, nil, nil
		}
		// The entry may be of an image before or after, or of one that was undone.
		img, _ := c.table.Get([]byte(pk), c.seq)
		if has, err := c.t.hasEntry(c.ix, img, []byte(e)); has || err != nil {
			return []byte(e), img, err
		}
		if from, to = append([]byte(e), 0), c.in.hi; c.o.Reverse {
			from, to = c.in.lo, []byte(e)
		}
	}
}

// pass moves the scan's position behind key.
func (c *Cursor) pass(ctx context.Context, key []byte) error {
	if c.placed && bytes.Equal(c.tree.Key(), key) {
		// key may lie in the page that the cursor leaves.
		c.move(key)
		if c.o.Reverse {
			c.tree.Prev(ctx)
		} else {
			c.tree.Next(ctx)
		}
		return c.tree.Err()
	}
	c.move(key)
	return nil
}

// last returns the key of the index at which the row lies that Next returned last. It stays valid until the next call.
func (c *Cursor) last() []byte {
	if c.o.Reverse {
		return c.at
	}
	return c.at[:len(c.at)-1] // see move
}

func (c *Cursor) move(key []byte) {
	c.buf = append(c.buf[:0], key...)
	if !c.o.Reverse {
		c.buf = append(c.buf, 0)
	}
	c.at = c.buf
}

// before reports whether key a comes before b in the scan's order.
func (c *Cursor) before(a, b []byte) bool {
	n := bytes.Compare(a, b)
	return n < 0 && !c.o.Reverse || n > 0 && c.o.Reverse
}

// plain returns the next row of a plain scan, or nil to go on.
func (c *Cursor) plain(ctx context.Context) (row.Row, error) {
	key, err := c.place(ctx)
	if err != nil {
		return nil, err
	}
	own, img, err := c.own()
	if err != nil {
		return nil, err
	}
	switch {
	case key == nil && own == nil:
		c.started = false
		return nil, nil
	case own != nil && (key == nil || !c.before(key, own)):
		r, err := c.ownRow(img)
		if err == nil {
			err = c.pass(ctx, own)
		}
		return c.filtered(r, err)
	}
	r, err := c.treeRow(ctx, key)
	if err == nil {
		err = c.pass(ctx, key)
	}
	return c.filtered(r, err)
}

// ownRow returns an own image as a row, nil if the row was deleted.
func (c *Cursor) ownRow(img row.Row) (row.Row, error) {
	if img == nil {
		return nil, nil
	}
	return c.t.Upgrade(img)
}

// treeRow returns the row that the tree's cursor stands on, nil if the transaction
// has an image of it of its own, which comes by itself (T-1).
func (c *Cursor) treeRow(ctx context.Context, key []byte) (row.Row, error) {
	if !c.secondary() {
		return c.t.treeRow(ctx, &c.tree)
	}
	pk, err := c.t.PrimaryKeyOf(c.ix, key)
	if err != nil {
		return nil, err
	}
	if _, found := c.table.Get(pk, c.seq); found {
		return nil, nil
	}
	if c.o.Covering && c.ix.key.Decodable() && c.t.Primary.key.Decodable() {
		return c.covered(key)
	}
	r, err := c.t.committedRow(ctx, c.t.pager(c.pages), pk)
	if err == nil && r == nil {
		err = corruptEntry(c.t, c.ix)
	}
	return r, err
}

// covered returns a row with the columns of a secondary entry.
func (c *Cursor) covered(key []byte) (row.Row, error) {
	c.builder.Reset(c.t.desc)
	for _, ix := range []*IndexDef{c.ix, c.t.Primary} {
		for i, p := range ix.Columns {
			v, n, err := ix.key.Decode(key, i)
			if err != nil {
				return nil, err
			}
			c.builder.Set(p.Column, v)
			key = key[n:]
		}
	}
	return c.builder.Row()
}

func (c *Cursor) filtered(r row.Row, err error) (row.Row, error) {
	if err != nil || r == nil || c.o.Filter == nil {
		return r, err
	}
	ok, err := c.o.Filter(r)
	if err != nil || !ok {
		return nil, err
	}
	return r, nil
}

// Get returns the row whose key in ix (the primary if nil, or a unique index) is key,
// as a plain read sees it. The row is valid as long as the transaction writes nothing.
func (tx *Tx) Get(ctx context.Context, t *TableDef, ix *IndexDef, key []byte) (row.Row, bool, error) {
	if len(t.Parts) > 0 {
		return tx.getPart(ctx, t, ix, key)
	}
	if ix != nil && ix != t.Primary {
		return tx.getUnique(ctx, t, ix, key)
	}
	if err := tx.begin(false); err != nil {
		return nil, false, err
	}
	if err := tx.bind(ctx, t, bindRead); err != nil {
		return nil, false, err
	}
	if own := tx.writes.Table(uint64(t.ID)); own != nil {
		if img, found := own.Get(key, tx.readSeq()); found {
			return img, img != nil, nil
		}
	}
	p, err := tx.viewOf(ctx, t, t.Primary)
	if err != nil {
		return nil, false, err
	}
	if tx.ddl.fresh(t.ID) {
		var release func()
		p, _, release = tx.db.newest()
		defer release()
	}
	r, err := t.committedRow(ctx, t.pager(p), key)
	return r, r != nil, err
}

func (tx *Tx) getUnique(ctx context.Context, t *TableDef, ix *IndexDef, key []byte) (row.Row, bool, error) {
	c, err := tx.Scan(ctx, t, ScanOptions{Index: ix, Ranges: []Range{{Lo: key, Hi: row.PrefixEnd(key), HiOpen: true}}})
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	r, err := c.Next(ctx)
	if err == io.EOF {
		return nil, false, nil
	}
	return r, err == nil, err
}
