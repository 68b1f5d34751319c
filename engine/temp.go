package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"sextant/engine/btree"
	"sextant/engine/row"
	"sextant/engine/txn"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// temporaryID is set in the ids of temporary tables, which are in no catalog.
const temporaryID TableID = 1 << 63

// tempSpace is the pages of one temporary table, in memory and in no log, behind
// the same interfaces as the volume's (T-23). A table belongs to one session.
type tempSpace struct {
	budget *txn.Budget
	mu     sync.Mutex
	pages  map[redo.PageID][]byte
	last   redo.PageID
	free   []redo.PageID
	lsn    redo.LSN
	closed bool
}

var _ btree.Editor = (*tempSpace)(nil)

func newTempSpace(b *txn.Budget) *tempSpace {
	return &tempSpace{budget: b, pages: map[redo.PageID][]byte{}}
}

// Page implements btree.Pager.
func (s *tempSpace) Page(_ context.Context, id redo.PageID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.pages[id]; b != nil {
		return b, nil
	}
	return nil, ErrNotFound
}

// Change implements btree.Editor. Whoever reads a page keeps the one he has.
func (s *tempSpace) Change(id redo.PageID, op redo.Op, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := append([]byte(nil), s.pages[id]...)
	s.lsn++
	if err := page.Apply(b, &redo.Record{LSN: s.lsn, Page: id, Op: op, Payload: payload}); err != nil {
		return err
	}
	s.pages[id] = b
	return nil
}

// Allocate implements btree.Editor. Returns ErrMemory when the budget is used up.
func (s *tempSpace) Allocate() (redo.PageID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		return id, nil
	}
	if !s.budget.Take(page.Size) {
		return 0, ErrMemory
	}
	s.last++
	s.pages[s.last] = make([]byte, page.Size)
	return s.last, nil
}

// Free implements btree.Editor.
func (s *tempSpace) Free(id redo.PageID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, id)
	return nil
}

// close gives the memory back.
func (s *tempSpace) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.budget.Give(int64(s.last) * page.Size)
		s.pages = nil
	}
}

// pager returns what the table's trees are read through: p, or, of a temporary
// table, its own pages, which are always the newest.
func (t *TableDef) pager(p btree.Pager) btree.Pager {
	if t.temp != nil {
		return t.temp
	}
	return p
}

// temporaries is the temporary tables of a session, by id: the SQL layer keeps
// their names, which may hide those of other tables.
type temporaries struct{ byID map[TableID]*TableDef }

// Temporary returns the newest definition of the session's temporary table, nil if
// there is none of that id.
func (s *Session) Temporary(id TableID) *TableDef { return s.temps.byID[id] }

// createTemporary is Tx.CreateTable of a temporary table. It is no part of the
// transaction: a rollback leaves the table, without the rows not yet committed.
func (s *Session) createTemporary(def *TableDef) (*TableDef, error) {
	t := def.Clone()
	t.ID = temporaryID | TableID(s.db.nextTemp.Add(1))
	if err := t.complete(); err != nil {
		return nil, err
	}
	if err := t.newTempTrees(s.db.budget); err != nil {
		return nil, err
	}
	if s.temps.byID == nil {
		s.temps.byID = map[TableID]*TableDef{}
	}
	s.temps.byID[t.ID] = t
	return t, nil
}

// newTempTrees gives a temporary table empty trees.
func (t *TableDef) newTempTrees(b *txn.Budget) error {
	t.temp = newTempSpace(b)
	for i, ix := range t.allIndexes() {
		if !ix.stored() {
			continue
		}
		root, err := t.temp.Allocate()
		if err != nil {
			t.temp.close()
			return err
		}
		ix.Root, ix.Tree = root, TreeID(i+1)
		ix.KeyFormat, ix.CollationHash = row.KeyFormat, ix.key.HashCollations()
		if err := ix.tree().Create(t.temp); err != nil {
			return err
		}
	}
	return t.compile()
}

// alterTemporary is Tx.AlterTable of a temporary table.
func (s *Session) alterTemporary(def *TableDef) (*TableDef, error) {
	old := s.temps.byID[def.ID]
	if old == nil {
		return nil, fmt.Errorf("%w: temporary table %s", ErrNotFound, def.Name)
	}
	t := def.Clone()
	t.temp = old.temp
	if err := t.alterFrom(old); err != nil {
		return nil, err
	}
	s.temps.byID[t.ID] = t
	return t, nil
}

// dropTemporary is Tx.DropTable of a temporary table.
func (s *Session) dropTemporary(t *TableDef) error {
	now := s.temps.byID[t.ID]
	if now == nil {
		return fmt.Errorf("%w: temporary table %s", ErrNotFound, t.Name)
	}
	delete(s.temps.byID, t.ID)
	now.temp.close()
	s.db.stats.forget(t.ID)
	return nil
}

// rewriteTemporary is Tx.Rewrite of a temporary table.
func (s *Session) rewriteTemporary(tx *Tx, def *TableDef) (*BulkWriter, error) {
	old := s.temps.byID[def.ID]
	if old == nil {
		return nil, fmt.Errorf("%w: temporary table %s", ErrNotFound, def.Name)
	}
	t := def.Clone()
	t.rewriteFrom(old)
	if err := t.compile(); err != nil {
		return nil, err
	}
	if err := t.usable(); err != nil {
		return nil, err
	}
	if err := t.newTempTrees(s.db.budget); err != nil {
		return nil, err
	}
	return &BulkWriter{tx: tx, old: old, def: t}, nil
}

// indexTemporary is Tx.CreateIndex of a temporary table: its trees are made anew.
func (s *Session) indexTemporary(ctx context.Context, tx *Tx, t *TableDef, ix *IndexDef) (*TableDef, error) {
	old := s.temps.byID[t.ID]
	if old == nil {
		return nil, fmt.Errorf("%w: temporary table %s", ErrNotFound, t.Name)
	}
	n := old.Clone()
	add := ix.clone()
	add.ID = 0
	n.Indexes = append(n.Indexes, add)
	b, err := s.rewriteTemporary(tx, n)
	if err != nil {
		return nil, err
	}
	c := btree.NewCursor(old.Primary.tree(), old.temp)
	for ok := c.Seek(ctx, nil); ok; ok = c.Next(ctx) {
		v, err := c.Value(ctx)
		if err == nil {
			err = b.addConverted(ctx, v)
		}
		if err != nil {
			return nil, errors.Join(err, b.Abort(ctx))
		}
	}
	if c.Err() != nil {
		return nil, errors.Join(c.Err(), b.Abort(ctx))
	}
	return b.Finish(ctx)
}

// addConverted adds a row of the table's definition before.
func (b *BulkWriter) addConverted(ctx context.Context, r row.Row) error {
	r, err := b.old.Upgrade(r)
	if err != nil {
		return err
	}
	to := b.def.desc
	n, err := to.Convert(row.NewBuilder(to), b.old.desc, r, nil)
	if err != nil {
		return err
	}
	return b.Add(ctx, 0, n)
}

// addTemporary is BulkWriter.Add of a temporary table.
func (b *BulkWriter) addTemporary(r row.Row) error {
	t, ctx := b.def, context.Background()
	pk, err := t.AppendPrimaryKey(nil, r)
	if err != nil {
		return err
	}
	if _, found, err := t.Primary.tree().Get(ctx, t.temp, pk); err != nil || found {
		if found {
			err = &DuplicateError{Table: t, Index: t.Primary, Existing: r}
		}
		return err
	}
	for _, ix := range t.Indexes {
		if !ix.stored() || !ix.Unique {
			continue
		}
		if err := t.eachEntry(ix, r, func(key []byte, columns int, null bool) error {
			c := btree.NewCursor(ix.tree(), t.temp)
			if !null && c.Seek(ctx, key[:columns]) && bytes.HasPrefix(c.Key(), key[:columns]) {
				return &DuplicateError{Table: t, Index: ix, Existing: r, Key: key[:columns]}
			}
			return c.Err()
		}); err != nil {
			return err
		}
	}
	_, entries, err := applyRow(t.temp, 0, t, pk, r, nil, nil)
	if err != nil {
		return err
	}
	b.rows++
	return applyEntries(t.temp, t, entries)
}

// finishTemporary is BulkWriter.Finish of a temporary table.
func (b *BulkWriter) finishTemporary() *TableDef {
	if !b.done {
		b.done = true
		b.old.temp.close()
		b.tx.s.temps.byID[b.def.ID] = b.def
		b.tx.db.stats.set(b.def.ID, b.rows)
	}
	return b.def
}

// dropAll ends with the session.
func (ts *temporaries) dropAll() {
	for _, t := range ts.byID {
		t.temp.close()
	}
	ts.byID = nil
}

// applyTemporary writes a commit's rows of temporary tables into their trees. The
// session is the only one that looks, so it need not be atomic with the rest.
func (c *txCommit) applyTemporary() error {
	if c.writes == nil || len(c.temporary) == 0 {
		return nil
	}
	return c.writes.Rows(func(table uint64, pk string, img []byte) error {
		t := c.temporary[TableID(table)]
		if t == nil {
			return nil // not temporary, or dropped meanwhile
		}
		n, entries, err := applyRow(t.temp, 0, t, []byte(pk), img, nil, nil)
		if err != nil {
			return err
		}
		if err := applyEntries(t.temp, t, entries); err != nil {
			return err
		}
		c.delta[t.ID] += n
		return nil
	})
}
