package btree

import (
	"bytes"
	"context"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// Cursor stands on a cell of a tree, or on none. The zero Cursor becomes usable by
// Reset. It keeps the pages of its way down, so a step inside a leaf reads no page.
type Cursor struct {
	tree  Tree
	pager Pager
	// levels[0] is the root, levels[depth-1] the leaf.
	levels [depthMax]level
	depth  int
	valid  bool
	err    error

	limit  []byte // no prefetch beyond it
	window int    // leaves to ask for at the next step to another leaf
	ahead  int    // leaves that were asked for and not reached yet
}

type level struct {
	id   redo.PageID
	page []byte
	i    int
}

// NewCursor returns a cursor that stands on nothing.
func NewCursor(t Tree, p Pager) *Cursor {
	c := &Cursor{}
	c.Reset(t, p)
	return c
}

// Reset makes c a cursor over another tree or snapshot, standing on nothing.
func (c *Cursor) Reset(t Tree, p Pager) { *c = Cursor{tree: t, pager: p} }

// SetLimit says that the caller will not go beyond the key, in the direction it
// goes, so that nothing there is prefetched. It does not end the cursor. The key
// must not change.
func (c *Cursor) SetLimit(key []byte) { c.limit = key }

// Seek moves to the first cell at or above key; nil is below every key. It
// returns false if there is none, or on an error, which Err tells.
func (c *Cursor) Seek(ctx context.Context, key []byte) bool {
	return c.seek(ctx, key, false) && c.settle(ctx, true)
}

// SeekBefore moves to the last cell below key; see Seek.
func (c *Cursor) SeekBefore(ctx context.Context, key []byte) bool {
	if !c.seek(ctx, key, false) {
		return false
	}
	c.levels[c.depth-1].i--
	return c.settle(ctx, false)
}

// SeekLast moves to the last cell; see Seek.
func (c *Cursor) SeekLast(ctx context.Context) bool {
	return c.seek(ctx, nil, true) && c.settle(ctx, false)
}

// Next moves to the next cell. Before it, the cursor must stand on one.
func (c *Cursor) Next(ctx context.Context) bool {
	if !c.valid {
		return false
	}
	l := &c.levels[c.depth-1]
	if l.i++; l.i < page.Len(l.page) {
		return true
	}
	return c.settle(ctx, true)
}

// Prev moves to the cell before. Before it, the cursor must stand on one.
func (c *Cursor) Prev(ctx context.Context) bool {
	if !c.valid {
		return false
	}
	l := &c.levels[c.depth-1]
	if l.i--; l.i >= 0 {
		return true
	}
	return c.settle(ctx, false)
}

// Valid reports whether the cursor stands on a cell.
func (c *Cursor) Valid() bool { return c.valid }

// Err returns the error that made the last move return false; nil if there was
// simply no cell.
func (c *Cursor) Err() error { return c.err }

// Key returns the cell's key, in the page's memory; nil if the cursor stands on none.
func (c *Cursor) Key() []byte {
	if !c.valid {
		return nil
	}
	l := &c.levels[c.depth-1]
	return page.Key(l.page, l.i)
}

// Value returns the cell's value. If it is wholly in the leaf it shares the page's
// memory, otherwise it is assembled, which may read pages.
func (c *Cursor) Value(ctx context.Context) ([]byte, error) {
	if !c.valid {
		return nil, c.err
	}
	l := &c.levels[c.depth-1]
	_, value, long := page.Cell(l.page, l.i)
	if !long {
		return value, nil
	}
	return c.tree.assemble(ctx, c.pager, l.id, value)
}

// Leaf returns the id of the leaf that the cursor stands in, and its page LSN: the
// leaf is unchanged as long as both are the same. 0, 0 if it stands on nothing.
func (c *Cursor) Leaf() (redo.PageID, redo.LSN) {
	if c.depth == 0 {
		return 0, 0
	}
	l := &c.levels[c.depth-1]
	return l.id, page.LSN(l.page)
}

// seek goes down to the leaf of key, or to the last leaf, and stands where key
// is or would be, or behind the last cell but one.
func (c *Cursor) seek(ctx context.Context, key []byte, last bool) bool {
	c.depth, c.valid, c.err = 0, false, nil
	c.window, c.ahead = 1, 0
	id, lv := c.tree.Root, -1
	for {
		b, err := c.tree.page(ctx, c.pager, id, lv)
		if err != nil {
			return c.fail(err)
		}
		i := 0
		switch lv = page.Level(b); {
		case last:
			i = page.Len(b) - 1
		case lv > 0:
			i = page.SearchChild(b, key)
		default:
			i, _ = page.Search(b, key)
		}
		c.levels[c.depth] = level{id, b, i}
		c.depth++
		if lv == 0 {
			return true
		}
		id, lv = page.Child(b, i), lv-1
	}
}

func (c *Cursor) fail(err error) bool {
	c.valid, c.err = false, err
	return false
}

// settle moves from a place outside of the leaf's cells to the nearest cell in
// the direction, and reports whether there is one.
func (c *Cursor) settle(ctx context.Context, forward bool) bool {
	for {
		l := &c.levels[c.depth-1]
		if l.i >= 0 && l.i < page.Len(l.page) {
			c.valid = true
			return true
		}
		d := c.depth - 2
		for ; d >= 0; d-- {
			up := &c.levels[d]
			if forward {
				up.i++
			} else {
				up.i--
			}
			if up.i >= 0 && up.i < page.Len(up.page) {
				break
			}
		}
		if d < 0 {
			return c.fail(nil)
		}
		if err := c.descend(ctx, d, forward); err != nil {
			return c.fail(err)
		}
	}
}

// descend goes from level d down to the leaf at the near end of the next subtree.
func (c *Cursor) descend(ctx context.Context, d int, forward bool) error {
	for ; ; d++ {
		up := &c.levels[d]
		lv := page.Level(up.page)
		if lv == 1 {
			if err := c.prefetch(ctx, up, forward); err != nil {
				return err
			}
		}
		id := page.Child(up.page, up.i)
		b, err := c.tree.page(ctx, c.pager, id, lv-1)
		if err != nil {
			return err
		}
		i := 0
		if !forward {
			i = page.Len(b) - 1
		}
		c.levels[d+1] = level{id, b, i}
		if lv == 1 {
			c.depth = d + 2
			return nil
		}
	}
}

// prefetch asks for the next leaves, twice as many each time, as far as the parent
// and the limit go.
func (c *Cursor) prefetch(ctx context.Context, parent *level, forward bool) error {
	if c.ahead--; c.ahead >= 0 {
		return nil
	}
	c.ahead = 0
	p, ok := c.pager.(Prefetcher)
	window := c.window
	c.window = min(c.window*2, prefetchMax)
	if !ok || window < 2 {
		return nil
	}
	var buf [prefetchMax]redo.PageID
	ids := buf[:0]
	for i := parent.i; i >= 0 && i < page.Len(parent.page) && len(ids) < window; {
		if len(ids) > 0 && c.limit != nil && c.beyond(parent.page, i, forward) {
			break
		}
		ids = append(ids, page.Child(parent.page, i))
		if forward {
			i++
		} else {
			i--
		}
	}
	c.ahead = len(ids) - 1
	if len(ids) < 2 {
		return nil
	}
	return p.Prefetch(ctx, ids)
}

// beyond reports whether the leaf of cell i lies wholly beyond the limit.
func (c *Cursor) beyond(parent []byte, i int, forward bool) bool {
	if forward {
		return bytes.Compare(page.Key(parent, i), c.limit) > 0
	}
	return bytes.Compare(page.Key(parent, i+1), c.limit) <= 0
}
