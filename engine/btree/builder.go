package btree

import (
	"bytes"
	"context"
	"fmt"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// Builder appends cells in ascending order of keys to a tree that nobody else
// changes, in chunks: Add collects, Flush writes what was collected, as one
// mini-transaction. Pages are filled to fifteen sixteenths. The tree is whole, and
// every page reachable from its root, after every Flush, so that whoever gives up
// can free it by FreeStep.
type Builder struct {
	tree    Tree
	last    []byte // the highest key added
	any     bool
	pending []pendingCell
	bytes   int
}

type pendingCell struct {
	key, value []byte
	written    *Written
}

// NewBuilder returns a builder for a tree whose keys, if it has any, are all below
// those to come.
func NewBuilder(t Tree) *Builder { return &Builder{tree: t} }

// Add takes a copy of the cell. Returns ErrOrder if the key is not above the last one.
func (b *Builder) Add(key, value []byte) error {
	return b.add(key, value, nil)
}

// AddWritten is Add for a value whose tail an OverflowWriter has written.
func (b *Builder) AddWritten(key, value []byte, w Written) error { return b.add(key, value, &w) }

func (b *Builder) add(key, value []byte, w *Written) error {
	if b.any && bytes.Compare(b.last, key) >= 0 {
		return ErrOrder
	}
	both := make([]byte, len(key)+len(value))
	copy(both, key)
	copy(both[len(key):], value)
	c := pendingCell{both[:len(key):len(key)], both[len(key):], w}
	b.last, b.any = c.key, true
	b.pending = append(b.pending, c)
	b.bytes += len(both) + page.CellHead
	return nil
}

// Buffered returns the bytes that the next Flush would write, but for tails that
// were written before.
func (b *Builder) Buffered() int { return b.bytes }

// Flush appends what was collected to the tree. After an error the editor's copies
// must be given up; Flush may then be called again.
func (b *Builder) Flush(ctx context.Context, e Editor) error {
	for rest := b.pending; len(rest) > 0; {
		n, err := b.fill(ctx, e, rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	b.pending, b.bytes = b.pending[:0], 0
	return nil
}

// fill appends as many cells as the last leaf takes, or one to a new leaf.
func (b *Builder) fill(ctx context.Context, e Editor, cells []pendingCell) (int, error) {
	var at path
	_, leaf, err := b.tree.leaf(ctx, e, cells[0].key, &at)
	if err != nil {
		return 0, err
	}
	if err := b.checkLast(ctx, e, &at, leaf, cells[0].key); err != nil {
		return 0, err
	}
	room := page.Room(leaf)
	if page.Len(leaf) > 0 {
		room -= capacity(leaf) / 16
	}
	payload := make([]byte, 0, capacity(leaf))
	for n, c := range cells {
		if err := checkKey(c.key, len(leaf)); err != nil {
			return 0, err
		}
		if err := checkValue(c.value, c.written, len(leaf)); err != nil {
			return 0, err
		}
		stored := len(c.value)
		if Long(len(leaf), len(c.key), len(c.value)) {
			stored = refSize + headMax(len(leaf))
		}
		if room -= len(c.key) + stored + page.CellHead; room < 0 && n > 0 {
			return n, e.Change(at.leaf, redo.OpInsert, payload)
		}
		value, long, err := b.tree.store(e, len(leaf), c.key, c.value, c.written)
		if err != nil {
			return 0, err
		}
		if room < 0 {
			return 1, b.tree.split(ctx, e, &at, at.depth, leaf, newCell{page.Len(leaf), c.key, value, long})
		}
		payload = page.AppendCell(payload, c.key, value, long)
	}
	return len(cells), e.Change(at.leaf, redo.OpInsert, payload)
}

// checkLast returns ErrOrder if the key does not belong behind every cell of the tree.
func (b *Builder) checkLast(ctx context.Context, e Editor, at *path, leaf, key []byte) error {
	i, found := page.Search(leaf, key)
	last := !found && i == page.Len(leaf)
	for d := range at.depth {
		_, up, err := b.tree.pageAt(ctx, e, at, d)
		if err != nil {
			return err
		}
		last = last && at.steps[d].i == page.Len(up)-1
	}
	if !last {
		return fmt.Errorf("%w: the tree has a key at or above", ErrOrder)
	}
	return nil
}
