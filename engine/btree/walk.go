package btree

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"sextant/internal/page"
	"sextant/internal/redo"
)

var errStop = errors.New("btree: stop")

// Walk calls visit for every page of the tree, parents before children and in
// order of keys, overflow pages included; with leaves false only for the internal
// pages (and a root that is a leaf), reading nothing else. b is nil for pages of
// bytes of an overflow tail, which are not read. An error of visit ends the walk.
func (t Tree) Walk(
	ctx context.Context, p Pager, leaves bool, visit func(id redo.PageID, b []byte) error,
) error {
	return t.walk(ctx, p, t.Root, -1, leaves, visit)
}

func (t Tree) walk(
	ctx context.Context, p Pager, id redo.PageID, level int, leaves bool, visit func(redo.PageID, []byte) error,
) error {
	b, err := t.page(ctx, p, id, level)
	if err != nil {
		return err
	}
	if err := visit(id, b); err != nil {
		return err
	}
	level = page.Level(b)
	for i := range page.Len(b) {
		_, value, long := page.Cell(b, i)
		switch {
		case level > 1 || level == 1 && leaves:
			err = t.walk(ctx, p, page.Child(b, i), level-1, leaves, visit)
		case level == 0 && long && leaves:
			var r ref
			if r, err = t.parseRef(id, value); err == nil {
				err = t.walkTail(ctx, p, r, false, visit)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// FreeStep frees about pages pages from the end of the tree, so that a large tree
// can be freed in bounded mini-transactions: what is left is a tree after every
// step. It reports whether the tree is empty; its root, an empty leaf then, is the
// caller's to free. long says whether values may be long: leaves are read only
// then. The pages of one value's tail are freed in one step, however many.
func (t Tree) FreeStep(ctx context.Context, e Editor, pages int, long bool) (done bool, err error) {
	for pages > 0 {
		n, done, err := t.freeRun(ctx, e, pages, long)
		if err != nil || done {
			return done, err
		}
		pages -= n
	}
	return false, nil
}

// freeRun frees leaves below the last page of level 1, from the last one on.
func (t Tree) freeRun(ctx context.Context, e Editor, pages int, long bool) (n int, done bool, err error) {
	var at path
	id, level := t.Root, -1
	for {
		b, err := t.page(ctx, e, id, level)
		if err != nil {
			return 0, false, err
		}
		level = page.Level(b)
		if level == 0 { // only a root is
			if long {
				if n, whole, err := t.freeTails(ctx, e, id, pages); err != nil || !whole {
					return n, false, err
				}
			}
			return 0, true, t.Create(e)
		}
		at.steps[at.depth] = step{id, page.Len(b) - 1}
		at.depth++
		if level == 1 {
			n, err := t.freeLeaves(ctx, e, &at, pages, long)
			return n, false, err
		}
		id, level = page.Child(b, page.Len(b)-1), level-1
	}
}

// freeLeaves frees children of the page of level 1 that the way leads to, and the
// page itself if it has no more.
func (t Tree) freeLeaves(ctx context.Context, e Editor, at *path, pages int, long bool) (n int, err error) {
	d := at.depth - 1
	id, b, err := t.pageAt(ctx, e, at, d)
	if err != nil {
		return 0, err
	}
	i := page.Len(b)
	for ; i > 0 && n < pages; i-- {
		leaf := page.Child(b, i-1)
		if long {
			m, whole, err := t.freeTails(ctx, e, leaf, pages-n)
			if err != nil {
				return n, err
			}
			if n += m; !whole {
				break
			}
		}
		if err := e.Free(leaf); err != nil {
			return n, err
		}
		n++
	}
	if i > 0 {
		if i == page.Len(b) {
			return n, nil
		}
		return n, e.Change(id, redo.OpTruncateFrom, bytes.Clone(page.Key(b, i)))
	}
	return n + 1, t.dropLast(ctx, e, at, d)
}

// dropLast takes the page at depth d, the last child of its parent, out of the tree.
func (t Tree) dropLast(ctx context.Context, e Editor, at *path, d int) error {
	if d == 0 {
		return t.Create(e)
	}
	if err := e.Free(at.steps[d].id); err != nil {
		return err
	}
	id, b, err := t.pageAt(ctx, e, at, d-1)
	if err != nil {
		return err
	}
	if page.Len(b) == 1 {
		return t.dropLast(ctx, e, at, d-1)
	}
	return e.Change(id, redo.OpTruncateFrom, bytes.Clone(page.Key(b, page.Len(b)-1)))
}

// freeTails frees the tails of a leaf's values from the last one on, with their
// cells if it does not come to the first. It reports whether it did.
func (t Tree) freeTails(ctx context.Context, e Editor, id redo.PageID, pages int) (n int, whole bool, err error) {
	b, err := t.page(ctx, e, id, 0)
	if err != nil {
		return 0, false, err
	}
	for i := page.Len(b) - 1; i >= 0; i-- {
		_, value, long := page.Cell(b, i)
		if !long {
			continue
		}
		r, err := t.parseRef(id, value)
		if err != nil {
			return n, false, err
		}
		ids, err := t.tailPages(ctx, e, r)
		if err != nil {
			return n, false, err
		}
		if err := freeAll(e, ids); err != nil {
			return n, false, err
		}
		if n += len(ids); n >= pages {
			return n, false, e.Change(id, redo.OpTruncateFrom, bytes.Clone(page.Key(b, i)))
		}
	}
	return n, true, nil
}

// Shape is what Check counted.
type Shape struct {
	Depth    int // levels; 1 for a root that is a leaf
	Internal int // pages
	Leaves   int // pages
	Overflow int // pages
	Cells    int // keys
	Bytes    int // of cells in leaves, with their overhead
}

// Check reads the whole tree and checks every page, every bound that a separator
// sets, every tail, and that no page is met twice. Returns ErrCorrupt and where.
func (t Tree) Check(ctx context.Context, p Pager) (Shape, error) {
	c := checker{tree: t, ctx: ctx, pager: p, seen: map[redo.PageID]bool{}}
	err := c.node(t.Root, -1, nil, nil)
	return c.shape, err
}

type checker struct {
	tree  Tree
	ctx   context.Context //nolint:containedctx // lives as long as one call of Check
	pager Pager
	seen  map[redo.PageID]bool
	shape Shape
}

func (c *checker) bad(id redo.PageID, format string, args ...any) error {
	return fmt.Errorf("%w: tree %d: page %d: %s", ErrCorrupt, c.tree.ID, id, fmt.Sprintf(format, args...))
}

func (c *checker) once(id redo.PageID) error {
	if c.seen[id] {
		return c.bad(id, "is referred to twice")
	}
	c.seen[id] = true
	return nil
}

// node checks the page and all below; its keys are in [lo, hi), nil: no bound.
func (c *checker) node(id redo.PageID, level int, lo, hi []byte) error {
	if err := c.once(id); err != nil {
		return err
	}
	b, err := c.tree.page(c.ctx, c.pager, id, level)
	if err != nil {
		return err
	}
	if err := page.Check(b); err != nil {
		return c.bad(id, "%v", err)
	}
	n := page.Len(b)
	if level = page.Level(b); c.shape.Depth == 0 {
		c.shape.Depth = level + 1
	}
	if level == 0 {
		return c.leaf(id, b, lo, hi)
	}
	c.shape.Internal++
	if len(page.Key(b, 0)) != 0 {
		return c.bad(id, "first separator is not empty")
	}
	for i := range n {
		from, to := lo, hi
		if i > 0 {
			from = page.Key(b, i)
			if lo != nil && bytes.Compare(from, lo) <= 0 || hi != nil && bytes.Compare(from, hi) >= 0 {
				return c.bad(id, "separator %d is out of bounds", i)
			}
		}
		if i < n-1 {
			to = page.Key(b, i+1)
		}
		if err := c.node(page.Child(b, i), level-1, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) leaf(id redo.PageID, b, lo, hi []byte) error {
	c.shape.Leaves++
	c.shape.Bytes += page.Used(b)
	if page.Len(b) == 0 && c.shape.Depth > 1 {
		return c.bad(id, "empty leaf")
	}
	for i := range page.Len(b) {
		key, value, long := page.Cell(b, i)
		if lo != nil && bytes.Compare(key, lo) < 0 || hi != nil && bytes.Compare(key, hi) >= 0 {
			return c.bad(id, "key %d is out of bounds", i)
		}
		c.shape.Cells++
		if !long {
			continue
		}
		r, err := c.tree.parseRef(id, value)
		if err != nil {
			return err
		}
		if err := c.tail(r); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) tail(r ref) error {
	return c.tree.walkTail(c.ctx, c.pager, r, true, func(id redo.PageID, b []byte) error {
		c.shape.Overflow++
		if err := page.Check(b); err != nil {
			return c.bad(id, "%v", err)
		}
		return c.once(id)
	})
}
