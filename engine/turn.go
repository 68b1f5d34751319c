package engine

import (
	"context"
	"errors"
	"fmt"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// errNoPages is returned by turn.Allocate when the stock is empty: give the copies
// up, refill without the commit lock, start again.
var errNoPages = errors.New("engine: no page in stock")

// turn is the commits that are applied in one go under the commit lock: private
// copies of the pages they change, and one mini-transaction for each. It is
// btree's Editor over the newest pages. Nothing of it shows until publish.
//
// The LSNs in records and copies are those that Append will give, since only the
// holder of the commit lock appends; they are given only after the whole turn was applied.
type turn struct {
	db    *writer
	first redo.LSN
	next  redo.LSN // of the next record
	pages map[redo.PageID]*copied
	order []redo.PageID
	mtrs  []redo.MTR
	bytes int // payload bytes

	// Of the mini-transaction that is being made:
	start       redo.LSN
	records     []redo.Record
	touched     int // distinct pages
	held        int // bytes of its records and of its copies of pages
	marks       marks
	wall        int64
	exempt      bool // bulk work of the engine: caps do not apply
	missed      []redo.PageID
	madeCatalog *Catalog // by this one; nil: none

	// Of the turn:
	catalog  *Catalog // newest, with the turn's commits
	catalogs []*Catalog
	taken    []redo.PageID
	freed    []redo.PageID
	prev     redo.LSN // last LSN of the mini-transaction before
	prevWall int64
	second   int64 // newest row of the seconds tree
	span     uint64
}

// copied is a private copy of a page.
type copied struct {
	buf []byte
	mtr redo.LSN // start of the last mini-transaction that changed it
}

func (db *writer) newTurn() *turn {
	first := db.vol.Next()
	return &turn{
		db: db, first: first, next: first, pages: make(map[redo.PageID]*copied, 16),
		catalog: db.catalogs.newest(), prev: db.lastEnd, prevWall: db.lastWall, second: db.lastSecond, span: db.lastSpan,
	}
}

// begin starts the next mini-transaction.
func (t *turn) begin() {
	t.start, t.records, t.touched, t.held, t.marks = t.next, nil, 0, 0, marks{}
	t.wall = max(t.prevWall+1, t.db.opts.Clock().UnixMicro())
	t.exempt, t.madeCatalog = false, nil
	t.missed = t.missed[:0]
}

// end completes it. It returns its last LSN, 0 if it changed nothing.
func (t *turn) end() (redo.LSN, error) {
	if len(t.records) == 0 && len(t.marks.used)+len(t.marks.freed) == 0 {
		return 0, nil
	}
	if err := t.writeSecond(); err != nil {
		return 0, err
	}
	if err := t.mapRecords(); err != nil {
		return 0, err
	}
	last := &t.records[len(t.records)-1]
	last.CPL, last.Wall = true, t.wall
	if t.madeCatalog != nil {
		last.Flags = redo.FlagCatalog
	}
	t.mtrs = append(t.mtrs, redo.MTR{Records: t.records})
	t.prev, t.prevWall = last.LSN, t.wall
	if c := t.madeCatalog; c != nil {
		c.end = last.LSN
		t.catalog, t.catalogs = c, append(t.catalogs, c)
	}
	t.freed = append(t.freed, t.marks.freed...)
	return last.LSN, nil
}

// Page implements btree.Pager. It never waits: a page that is not in the cache is
// noted and btree.ErrMiss returned.
func (t *turn) Page(_ context.Context, id redo.PageID) ([]byte, error) {
	if c := t.pages[id]; c != nil {
		return c.buf, nil
	}
	if b, ok := t.db.pool.Head(id); ok {
		return b, nil
	}
	t.missed = append(t.missed, id)
	return nil, btree.ErrMiss
}

// Prefetch implements btree.Prefetcher.
func (t *turn) Prefetch(ctx context.Context, ids []redo.PageID) error {
	var err error
	for _, id := range ids {
		if _, e := t.Page(ctx, id); e != nil {
			err = e
		}
	}
	return err
}

// Change implements btree.Editor.
func (t *turn) Change(id redo.PageID, op redo.Op, payload []byte) error {
	c := t.pages[id]
	if c == nil {
		base, ok := t.db.pool.Head(id)
		switch {
		case ok:
			c = &copied{buf: append([]byte(nil), base...)}
		case op == redo.OpFormat || op == redo.OpImage || op == redo.OpFree:
			c = &copied{buf: make([]byte, page.Size)} // what was there does not matter
		default:
			t.missed = append(t.missed, id)
			return btree.ErrMiss
		}
		t.pages[id] = c
		t.order = append(t.order, id)
	}
	if c.mtr != t.start {
		c.mtr = t.start
		t.touched++
		t.held += page.Size
	}
	if err := t.checkCaps(); err != nil {
		return err
	}
	r := redo.Record{LSN: t.next, Page: id, Op: op, Payload: payload}
	if err := page.Apply(c.buf, &r); err != nil {
		return err
	}
	t.records = append(t.records, r)
	t.next++
	t.bytes += len(payload)
	t.held += recordBytes + len(payload)
	return nil
}

func (t *turn) checkCaps() error {
	o := &t.db.opts
	if len(t.records) >= o.MaxMTRRecords {
		return &TransactionTooLargeError{Cap: "max_mtr_records", Limit: int64(o.MaxMTRRecords)}
	}
	if t.touched > o.MaxTransactionPages && !t.exempt {
		return &TransactionTooLargeError{Cap: "max_transaction_pages", Limit: int64(o.MaxTransactionPages)}
	}
	if limit := max(2*o.MaxTransactionBytes, turnBytesMax); int64(t.held) > limit && !t.exempt {
		return &TransactionTooLargeError{Cap: "max_transaction_bytes", Limit: o.MaxTransactionBytes}
	}
	return nil
}

// Allocate implements btree.Editor.
func (t *turn) Allocate() (redo.PageID, error) {
	id, ok := t.db.space.take()
	if !ok {
		return 0, errNoPages
	}
	t.taken = append(t.taken, id)
	t.marks.used = append(t.marks.used, id)
	return id, nil
}

// Free implements btree.Editor.
func (t *turn) Free(id redo.PageID) error {
	t.marks.freed = append(t.marks.freed, id)
	return t.Change(id, redo.OpFree, nil)
}

// abandon gives everything back.
func (t *turn) abandon() { t.db.space.giveBack(t.taken) }

// publish puts the pages into the cache and moves the newest LSN. The records must
// have been appended.
func (t *turn) publish() {
	db := t.db
	end := t.next - 1
	vdl := db.vol.VDL()
	db.pool.SetDurable(vdl)
	live := db.snaps.Readable(vdl)
	// A version of the time before the turn is still the newest for those who
	// read now; it must not be pruned before the newest LSN moves.
	for _, id := range t.order {
		db.pool.Publish(id, t.pages[id].buf, t.first, live)
	}
	for _, c := range t.catalogs {
		db.catalogs.add(c)
	}
	db.snaps.Publish(end)
	db.space.release(t.freed)
	db.lastEnd, db.lastWall, db.lastSecond, db.lastSpan = t.prev, t.prevWall, t.second, t.span
}

// check verifies that the LSNs that Append gave are those of the copies.
func (t *turn) check() error {
	want := t.first
	for _, m := range t.mtrs {
		for i := range m.Records {
			if m.Records[i].LSN != want {
				return fmt.Errorf("engine: volume numbered a record %d, copies say %d", m.Records[i].LSN, want)
			}
			want++
		}
	}
	return nil
}
