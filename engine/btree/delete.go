package btree

import (
	"bytes"
	"context"
	"errors"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// Delete removes a key, and the pages that thereby become empty; a page that is
// less than a quarter full is merged with a neighbour if both fill at most three
// quarters of one page. Returns ErrNotFound.
func (t Tree) Delete(ctx context.Context, e Editor, key []byte) error {
	var at path
	_, leaf, err := t.leaf(ctx, e, key, &at)
	if err != nil {
		return err
	}
	i, found := page.Search(leaf, key)
	if !found {
		return ErrNotFound
	}
	if _, stored, long := page.Cell(leaf, i); long {
		r, err := t.parseRef(at.leaf, stored)
		if err != nil {
			return err
		}
		ids, err := t.tailPages(ctx, e, r)
		if err != nil {
			return err
		}
		if err := freeAll(e, ids); err != nil {
			return err
		}
	}
	if err := e.Change(at.leaf, redo.OpDelete, bytes.Clone(key)); err != nil {
		return err
	}
	return t.shrink(ctx, e, &at, at.depth)
}

// shrink looks after the page at depth d, which has lost cells.
func (t Tree) shrink(ctx context.Context, e Editor, at *path, d int) error {
	if d == 0 {
		return t.collapse(ctx, e)
	}
	id, b, err := t.pageAt(ctx, e, at, d)
	if err != nil {
		return err
	}
	switch {
	case page.Len(b) == 0:
		if err := e.Free(id); err != nil {
			return err
		}
		return t.removeChild(ctx, e, at, d-1)
	case page.Used(b) >= capacity(b)/4:
		return nil
	}
	_, parent, err := t.pageAt(ctx, e, at, d-1)
	if err != nil {
		return err
	}
	i := at.steps[d-1].i
	for _, right := range [...]int{i, i + 1} {
		if right < 1 || right >= page.Len(parent) {
			continue
		}
		merged, err := t.merge(ctx, e, at, d, right)
		// A neighbour that is not at hand is left alone: nothing depends on merging.
		if err != nil && !errors.Is(err, ErrMiss) {
			return err
		}
		if merged {
			return t.shrink(ctx, e, at, d-1)
		}
	}
	if d == 1 {
		return t.collapse(ctx, e)
	}
	return nil
}

func capacity(b []byte) int { return len(b) - page.HeaderSize }

// merge moves the cells of child right of the page at depth d-1 into the child
// before it, if they fit well, and reports whether it did.
func (t Tree) merge(ctx context.Context, e Editor, at *path, d, right int) (bool, error) {
	parentID, parent, err := t.pageAt(ctx, e, at, d-1)
	if err != nil {
		return false, err
	}
	level := at.depth - d
	lid, rid := page.Child(parent, right-1), page.Child(parent, right)
	l, err := t.page(ctx, e, lid, level)
	if err != nil {
		return false, err
	}
	r, err := t.page(ctx, e, rid, level)
	if err != nil {
		return false, err
	}
	sep := bytes.Clone(page.Key(parent, right))
	if page.Used(l)+page.Used(r)+len(sep) > capacity(l)*3/4 {
		return false, nil
	}
	cells := make([]byte, 0, page.Used(r)+len(sep))
	for v := range page.Len(r) {
		key, value, flag := page.Cell(r, v)
		if v == 0 && level > 0 {
			key = sep // its empty separator meant this one
		}
		cells = page.AppendCell(cells, key, value, flag)
	}
	if err := e.Change(lid, redo.OpInsert, cells); err != nil {
		return false, err
	}
	if err := e.Free(rid); err != nil {
		return false, err
	}
	return true, e.Change(parentID, redo.OpDelete, sep)
}

// removeChild takes the child that the way down went to out of the page at depth
// d. The page goes too if it has no other; a root becomes an empty leaf.
func (t Tree) removeChild(ctx context.Context, e Editor, at *path, d int) error {
	id, b, err := t.pageAt(ctx, e, at, d)
	if err != nil {
		return err
	}
	i := at.steps[d].i
	switch {
	case page.Len(b) == 1 && d == 0:
		return t.Create(e)
	case page.Len(b) == 1:
		if err := e.Free(id); err != nil {
			return err
		}
		return t.removeChild(ctx, e, at, d-1)
	case i == 0:
		// The first separator stays empty: the second child takes the first one's cell.
		second := bytes.Clone(page.Key(b, 1))
		next := page.ChildValue(page.Child(b, 1))
		if err := e.Change(id, redo.OpReplace, cellPayload(nil, next[:], false)); err != nil {
			return err
		}
		err = e.Change(id, redo.OpDelete, second)
	default:
		err = e.Change(id, redo.OpDelete, bytes.Clone(page.Key(b, i)))
	}
	if err != nil {
		return err
	}
	return t.shrink(ctx, e, at, d)
}

// collapse takes the root's only child's cells up, while that child is at most half full.
func (t Tree) collapse(ctx context.Context, e Editor) error {
	for {
		root, err := t.page(ctx, e, t.Root, -1)
		if err != nil || page.Level(root) == 0 || page.Len(root) > 1 {
			return err
		}
		id := page.Child(root, 0)
		b, err := t.page(ctx, e, id, page.Level(root)-1)
		if errors.Is(err, ErrMiss) {
			return nil // nothing depends on it
		}
		if err != nil || page.Used(b) > capacity(b)/2 {
			return err
		}
		f := page.AppendFormat(make([]byte, 0, len(b)), page.KindOf(b), page.Level(b), t.ID)
		for v := range page.Len(b) {
			key, value, flag := page.Cell(b, v)
			f = page.AppendCell(f, key, value, flag)
		}
		if err := e.Change(t.Root, redo.OpFormat, f); err != nil {
			return err
		}
		if err := e.Free(id); err != nil {
			return err
		}
	}
}
