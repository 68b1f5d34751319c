package btree_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
)

var ctx = context.Background()

const rootID redo.PageID = 1

// snapshot is the pages as of one commit. It is a Pager that nothing changes.
type snapshot map[redo.PageID][]byte

func (s snapshot) Page(_ context.Context, id redo.PageID) ([]byte, error) {
	b, ok := s[id]
	if !ok {
		return nil, errors.New("no such page")
	}
	return b, nil
}

// store keeps the newest snapshot, the log, and which pages are in use.
type store struct {
	t      testing.TB
	size   int
	newest snapshot
	before redo.LSN // of pages that the log has no records of
	log    []redo.Record
	next   redo.PageID
	free   []redo.PageID
	used   map[redo.PageID]bool
	miss   func(id redo.PageID) bool // nil: every page is at hand
}

var tree = btree.Tree{Root: rootID, ID: 77}

func newStore(t testing.TB, size int) *store {
	s := &store{t: t, size: size, newest: snapshot{}, next: rootID + 1, used: map[redo.PageID]bool{rootID: true}}
	s.commit(func(e btree.Editor) error { return tree.Create(e) })
	return s
}

// editor is one mini-transaction. A page's private copy is a new one after each
// change, and the one before is overwritten, so that a use of it is seen.
type editor struct {
	s       *store
	private map[redo.PageID][]byte
	records []redo.Record
	next    redo.PageID
	free    []redo.PageID
	used    map[redo.PageID]bool
	freed   map[redo.PageID]bool
}

func (e *editor) Page(_ context.Context, id redo.PageID) ([]byte, error) {
	if b, ok := e.private[id]; ok {
		return b, nil
	}
	if e.freed[id] {
		return nil, errors.New("page was freed")
	}
	if e.s.miss != nil && e.s.miss(id) {
		return nil, btree.ErrMiss
	}
	return e.s.newest.Page(ctx, id)
}

func (e *editor) Change(id redo.PageID, op redo.Op, payload []byte) error {
	if !e.used[id] {
		return errors.New("change of a page that is not allocated")
	}
	was, private := e.private[id]
	if !private {
		was = e.s.newest[id]
	}
	b := make([]byte, e.s.size)
	copy(b, was)
	lsn := e.s.before + redo.LSN(len(e.s.log)+len(e.records)+1)
	r := redo.Record{LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, Page: id, Op: op, Payload: payload}
	if err := page.Apply(b, &r); err != nil {
		return err
	}
	if private {
		for i := range was {
			was[i] = 0xee
		}
	}
	e.private[id] = b
	e.records = append(e.records, r)
	return nil
}

func (e *editor) Allocate() (redo.PageID, error) {
	id := e.next
	if n := len(e.free); n > 0 {
		id, e.free = e.free[n-1], e.free[:n-1]
	} else {
		e.next++
	}
	e.used[id] = true
	delete(e.freed, id)
	return id, nil
}

func (e *editor) Free(id redo.PageID) error {
	if !e.used[id] || id == rootID {
		return errors.New("free of a page that is not allocated")
	}
	if err := e.Change(id, redo.OpFree, nil); err != nil {
		return err
	}
	delete(e.used, id)
	e.freed[id] = true
	e.free = append(e.free, id)
	return nil
}

// try runs f as one mini-transaction; an error gives it up.
func (s *store) try(f func(e btree.Editor) error) (int, error) {
	e := &editor{
		s: s, private: map[redo.PageID][]byte{}, next: s.next, free: slices.Clone(s.free),
		used: maps.Clone(s.used), freed: map[redo.PageID]bool{},
	}
	if err := f(e); err != nil {
		return 0, err
	}
	newest := maps.Clone(s.newest)
	maps.Copy(newest, e.private)
	s.newest, s.next, s.free, s.used = newest, e.next, e.free, e.used
	s.log = append(s.log, e.records...)
	var b []byte
	for i := range e.records {
		b = redo.AppendRecord(b, &e.records[i], e.records[i].LSN-1)
	}
	return len(b), nil
}

// commit is try for what must succeed. It returns the bytes of the log.
func (s *store) commit(f func(e btree.Editor) error) int {
	s.t.Helper()
	n, err := s.try(f)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// check checks the tree against the model, and that no page is lost.
func (s *store) check(model map[string]string) btree.Shape {
	s.t.Helper()
	shape, err := tree.Check(ctx, s.newest)
	if err != nil {
		s.t.Fatal(err)
	}
	if n := shape.Internal + shape.Leaves + shape.Overflow; n != len(s.used) {
		s.t.Fatalf("tree has %d pages, %d are allocated", n, len(s.used))
	}
	compare(s.t, s.newest, model)
	return shape
}

// compare reads the whole tree in both directions.
func compare(t testing.TB, p btree.Pager, model map[string]string) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(model))
	c := btree.NewCursor(tree, p)
	i := 0
	for ok := c.Seek(ctx, nil); ok; ok = c.Next(ctx) {
		expectCell(t, c, keys, i, model)
		i++
	}
	if c.Err() != nil || i != len(keys) {
		t.Fatalf("forwards: %d of %d keys, %v", i, len(keys), c.Err())
	}
	for ok := c.SeekLast(ctx); ok; ok = c.Prev(ctx) {
		i--
		expectCell(t, c, keys, i, model)
	}
	if c.Err() != nil || i != 0 {
		t.Fatalf("backwards: %d keys left, %v", i, c.Err())
	}
}

func expectCell(t testing.TB, c *btree.Cursor, keys []string, i int, model map[string]string) {
	t.Helper()
	if i < 0 || i >= len(keys) {
		t.Fatalf("cursor at %x, beyond the end", c.Key())
	}
	v, err := c.Value(ctx)
	if err != nil || string(c.Key()) != keys[i] || string(v) != model[keys[i]] {
		t.Fatalf("cursor at %x with %d bytes, want %x with %d: %v", c.Key(), len(v), keys[i], len(model[keys[i]]), err)
	}
}

// replay makes all pages anew from the log.
func (s *store) replay() {
	s.t.Helper()
	pages := snapshot{}
	for i := range s.log {
		r := &s.log[i]
		if pages[r.Page] == nil {
			pages[r.Page] = make([]byte, s.size)
		}
		if err := page.Apply(pages[r.Page], r); err != nil {
			s.t.Fatal(err)
		}
	}
	for id, b := range s.newest {
		if !bytes.Equal(b, pages[id]) {
			s.t.Fatalf("page %d differs when made from the log", id)
		}
		if err := page.Check(b); err != nil {
			s.t.Fatalf("page %d: %v", id, err)
		}
	}
}
