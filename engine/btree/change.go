package btree

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// None of the functions below keeps key or value, but neither may share memory
// with the editor's pages. After an error, also ErrMiss, the tree in the editor is
// half changed: the caller gives the editor's copies up.

// Insert adds a key. Returns ErrExists if it is there, ErrKeyTooLong, ErrValueTooLong.
func (t Tree) Insert(ctx context.Context, e Editor, key, value []byte) error {
	return t.set(ctx, e, key, value, nil, false)
}

// Put adds a key or replaces its value. The record carries only the bytes of the
// value that change; a tail that stays the same keeps its pages; a value that
// stays the same makes no record.
func (t Tree) Put(ctx context.Context, e Editor, key, value []byte) error {
	return t.set(ctx, e, key, value, nil, true)
}

// PutWritten is Put for a value whose tail an OverflowWriter has written. The head
// of value may have changed since; its length and its tail must not.
func (t Tree) PutWritten(ctx context.Context, e Editor, key, value []byte, w Written) error {
	return t.set(ctx, e, key, value, &w, true)
}

func (t Tree) set(ctx context.Context, e Editor, key, value []byte, w *Written, replace bool) error {
	var at path
	_, leaf, err := t.leaf(ctx, e, key, &at)
	if err != nil {
		return err
	}
	if err := checkKey(key, len(leaf)); err != nil {
		return err
	}
	if err := checkValue(value, w, len(leaf)); err != nil {
		return err
	}
	i, found := page.Search(leaf, key)
	if found && !replace {
		return ErrExists
	}
	if found {
		return t.update(ctx, e, &at, leaf, i, value, w)
	}
	stored, long, err := t.store(e, len(leaf), key, value, w)
	if err != nil {
		return err
	}
	return t.insertCell(ctx, e, &at, at.depth, leaf, i, key, stored, long)
}

// update gives the cell i of the leaf another value.
func (t Tree) update(ctx context.Context, e Editor, at *path, leaf []byte, i int, value []byte, w *Written) error {
	k, old, wasLong := page.Cell(leaf, i)
	key := bytes.Clone(k)
	if !wasLong {
		stored, long, err := t.store(e, len(leaf), key, value, w)
		if err != nil {
			return err
		}
		return t.setCell(ctx, e, at, key, stored, long)
	}
	r, err := t.parseRef(at.leaf, old)
	if err != nil {
		return err
	}
	keep, err := t.keepsTail(ctx, e, len(leaf), key, value, r, w)
	if err != nil {
		return err
	}
	if keep {
		return t.setCell(ctx, e, at, key, r.stored(value[:len(value)-r.n]), true)
	}
	ids, err := t.tailPages(ctx, e, r)
	if err != nil {
		return err
	}
	stored, long, err := t.store(e, len(leaf), key, value, w)
	if err != nil {
		return err
	}
	if err := t.setCell(ctx, e, at, key, stored, long); err != nil {
		return err
	}
	return freeAll(e, ids)
}

// setCell gives a present key another stored value, where there is no room by
// deleting and inserting it.
func (t Tree) setCell(ctx context.Context, e Editor, at *path, key, stored []byte, long bool) error {
	leaf, err := t.page(ctx, e, at.leaf, 0)
	if err != nil {
		return err
	}
	i, found := page.Search(leaf, key)
	if !found {
		return fmt.Errorf("%w: tree %d: key left page %d", ErrCorrupt, t.ID, at.leaf)
	}
	_, old, wasLong := page.Cell(leaf, i)
	if wasLong == long && bytes.Equal(old, stored) {
		return nil
	}
	if len(stored)-len(old) > page.Room(leaf) {
		if err := e.Change(at.leaf, redo.OpDelete, bytes.Clone(key)); err != nil {
			return err
		}
		if leaf, err = t.page(ctx, e, at.leaf, 0); err != nil {
			return err
		}
		return t.insertCell(ctx, e, at, at.depth, leaf, i, key, stored, long)
	}
	if wasLong == long {
		patch := page.AppendPatch(make([]byte, 0, len(key)+64), key, old, stored)
		if len(patch) < len(key)+len(stored) {
			return e.Change(at.leaf, redo.OpPatch, patch)
		}
	}
	return e.Change(at.leaf, redo.OpReplace, cellPayload(key, stored, long))
}

// Patch overwrites the value's bytes from offset on with b. Returns ErrNotFound,
// and ErrValueTooLong if the value ends before offset+len(b).
func (t Tree) Patch(ctx context.Context, e Editor, key []byte, offset int, b []byte) error {
	var at path
	_, leaf, err := t.leaf(ctx, e, key, &at)
	if err != nil {
		return err
	}
	i, found := page.Search(leaf, key)
	if !found {
		return ErrNotFound
	}
	_, stored, long := page.Cell(leaf, i)
	at0, end := offset, len(stored)
	if long {
		at0 += refSize
	}
	if offset < 0 || at0+len(b) > end {
		if !long || offset < 0 {
			return fmt.Errorf("%w: patch of [%d,%d) in %d bytes", ErrValueTooLong, offset, offset+len(b), end)
		}
		return t.patchTail(ctx, e, at.leaf, key, stored, offset, b)
	}
	if len(b) == 0 || bytes.Equal(stored[at0:at0+len(b)], b) {
		return nil
	}
	payload := page.AppendKey(make([]byte, 0, len(key)+len(b)+16), key)
	return e.Change(at.leaf, redo.OpPatch, page.AppendSplice(payload, at0, len(b), b))
}

func (t Tree) patchTail(ctx context.Context, e Editor, leaf redo.PageID, key, stored []byte, offset int, b []byte) error {
	value, err := t.assemble(ctx, e, leaf, stored)
	if err != nil {
		return err
	}
	if offset+len(b) > len(value) {
		return fmt.Errorf("%w: patch of [%d,%d) in %d bytes", ErrValueTooLong, offset, offset+len(b), len(value))
	}
	copy(value[offset:], b)
	return t.Put(ctx, e, key, value)
}

// Raise makes the counter of a key at least to; a key that is not there is a
// counter of 0. A counter's value is 8 bytes, little-endian. Returns ErrCorrupt if
// the key's value is not one.
func (t Tree) Raise(ctx context.Context, e Editor, key []byte, to uint64) error {
	value, found, err := t.Get(ctx, e, key)
	if err != nil {
		return err
	}
	if !found {
		return t.Insert(ctx, e, key, binary.LittleEndian.AppendUint64(nil, to))
	}
	if len(value) != 8 {
		return fmt.Errorf("%w: tree %d: %d bytes are no counter", ErrCorrupt, t.ID, len(value))
	}
	if binary.LittleEndian.Uint64(value) >= to {
		return nil
	}
	var at path
	if _, _, err := t.leaf(ctx, e, key, &at); err != nil {
		return err
	}
	return e.Change(at.leaf, redo.OpRaise, page.AppendRaise(nil, key, to))
}

func cellPayload(key, value []byte, flag bool) []byte {
	return page.AppendCell(make([]byte, 0, len(key)+len(value)+8), key, value, flag)
}

// pageAt reads the page at depth d of a way down; d = at.depth is the leaf.
func (t Tree) pageAt(ctx context.Context, e Editor, at *path, d int) (redo.PageID, []byte, error) {
	id := at.leaf
	if d < at.depth {
		id = at.steps[d].id
	}
	b, err := t.page(ctx, e, id, at.depth-d)
	return id, b, err
}

// insertCell puts a cell into slot i of b, the page at depth d, which splits if it
// has to.
func (t Tree) insertCell(
	ctx context.Context, e Editor, at *path, d int, b []byte, i int, key, value []byte, flag bool,
) error {
	if len(key)+len(value)+page.CellHead > page.Room(b) {
		return t.split(ctx, e, at, d, b, newCell{i, key, value, flag})
	}
	id := at.leaf
	if d < at.depth {
		id = at.steps[d].id
	}
	return e.Change(id, redo.OpInsert, cellPayload(key, value, flag))
}

// newCell is a cell that is to be in slot i of a page that has no room for it.
type newCell struct {
	i          int
	key, value []byte
	flag       bool
}

// cell returns cell v of the page as it would be with the new cell in it.
func (n *newCell) cell(b []byte, v int) (key, value []byte, flag bool) {
	switch {
	case v < n.i:
		return page.Cell(b, v)
	case v > n.i:
		return page.Cell(b, v-1)
	}
	return n.key, n.value, n.flag
}

// appendCells appends the cells [from, to) of the page with the new cell. The first
// separator of an internal page becomes empty.
func (n *newCell) appendCells(dst, b []byte, from, to int) []byte {
	for v := from; v < to; v++ {
		key, value, flag := n.cell(b, v)
		if v == from && page.Level(b) > 0 {
			key = nil
		}
		dst = page.AppendCell(dst, key, value, flag)
	}
	return dst
}

// at returns the first cell that moves to the right page: a new last cell goes
// there alone, so that ascending keys fill their pages; else halves.
func (n *newCell) splitAt(b []byte) int {
	count := page.Len(b) + 1
	if n.i == count-1 {
		return n.i
	}
	total := page.Used(b) + len(n.key) + len(n.value) + page.CellHead
	left := 0
	for v := range count - 1 {
		key, value, _ := n.cell(b, v)
		size := len(key) + len(value) + page.CellHead
		if left += size; 2*left >= total {
			// The half that the middle cell goes to is the one that gets less uneven.
			if 2*left-total > size && v > 0 {
				return v
			}
			return v + 1
		}
	}
	return count - 1
}

// split moves the upper cells of b, the page at depth d, to a new page on the
// right, and the new cell to where it belongs. The root moves all its cells down.
func (t Tree) split(ctx context.Context, e Editor, at *path, d int, b []byte, n newCell) error {
	s, count, level := n.splitAt(b), page.Len(b)+1, page.Level(b)
	leftKey, _, _ := n.cell(b, s-1)
	rightKey, _, _ := n.cell(b, s)
	sep := bytes.Clone(rightKey)
	if level == 0 {
		sep = separator(leftKey, rightKey)
	}
	right, err := e.Allocate()
	if err != nil {
		return err
	}
	head := page.AppendFormat(make([]byte, 0, len(b)), page.KindOf(b), level, t.ID)
	if err := e.Change(right, redo.OpFormat, n.appendCells(bytes.Clone(head), b, s, count)); err != nil {
		return err
	}
	rightValue := page.ChildValue(right)
	if d == 0 {
		return t.splitRoot(e, n.appendCells(head, b, 0, s), level+1, sep, rightValue)
	}
	id := at.leaf
	if d < at.depth {
		id = at.steps[d].id
	}
	moved := s // first old cell that moves
	if n.i < s {
		moved--
	}
	if moved < page.Len(b) {
		if err := e.Change(id, redo.OpTruncateFrom, bytes.Clone(page.Key(b, moved))); err != nil {
			return err
		}
	}
	if n.i < s {
		if err := e.Change(id, redo.OpInsert, cellPayload(n.key, n.value, n.flag)); err != nil {
			return err
		}
	}
	parentID, parent, err := t.pageAt(ctx, e, at, d-1)
	if err != nil {
		return err
	}
	i, found := page.Search(parent, sep)
	if found {
		return fmt.Errorf("%w: tree %d: page %d: separator is there already", ErrCorrupt, t.ID, parentID)
	}
	return t.insertCell(ctx, e, at, d-1, parent, i, sep, rightValue[:], false)
}

// splitRoot makes the root the parent of a new left page and the right one.
func (t Tree) splitRoot(e Editor, leftFormat []byte, level int, sep []byte, right [8]byte) error {
	if level >= depthMax {
		return fmt.Errorf("%w: tree %d: more than %d levels", ErrCorrupt, t.ID, depthMax)
	}
	left, err := e.Allocate()
	if err != nil {
		return err
	}
	if err := e.Change(left, redo.OpFormat, leftFormat); err != nil {
		return err
	}
	leftValue := page.ChildValue(left)
	root := page.AppendFormat(nil, page.KindInternal, level, t.ID)
	root = page.AppendCell(root, nil, leftValue[:], false)
	return e.Change(t.Root, redo.OpFormat, page.AppendCell(root, sep, right[:], false))
}
