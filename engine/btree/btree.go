// Package btree is the B+tree of tables and indexes, on the pages of package
// page: point reads, cursors in both directions, changes, long values on overflow
// pages, building from sorted input, freeing in bounded steps, estimates, and a
// checker.
//
// It decides which pages a change touches and which records it makes. It does
// not decide what a key or a value means (package row), which version of a page
// is read (the Pager), which LSN a record gets, or which page is free (the
// Editor). Start with Tree.
//
// Shape: the root's page id never changes; a root that splits moves its cells
// down. Internal pages hold (separator, child id), the first separator always
// empty, the others as short as they can be. There are no sibling links: a cursor
// keeps its path. A value too long for a quarter of a page keeps its head in the
// leaf and its tail on overflow pages, see overflow.go.
//
// Nothing is latched: a Pager shows pages that do not change while they are
// read, and only one goroutine uses an Editor. A Cursor on an Editor is void after
// a change.
//
// Source: Bayer and Unterauer, Prefix B-trees (1977), for the separators.
package btree

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// Errors of this package. They are matched with errors.Is.
var (
	// ErrMiss may be returned by the Pager of an Editor that must not wait for a
	// page. It goes through to the caller, who gives the change up, fetches, and
	// starts again.
	ErrMiss = errors.New("btree: page is not at hand")
	// ErrExists is returned by Insert for a key that is there.
	ErrExists = errors.New("btree: key exists")
	// ErrNotFound is returned by Delete and Patch for a key that is not there.
	ErrNotFound = errors.New("btree: no such key")
	// ErrKeyTooLong is returned for a key longer than KeyMax.
	ErrKeyTooLong = errors.New("btree: key too long")
	// ErrValueTooLong is returned for a value longer than ValueMax.
	ErrValueTooLong = errors.New("btree: value too long")
	// ErrOrder is returned by a Builder for a key that is not above the last one.
	ErrOrder = errors.New("btree: keys are not ascending")
	// ErrCorrupt is returned when a page is not what its parent says it is.
	ErrCorrupt = errors.New("btree: corrupt tree")
)

// Limits.
const (
	KeyMax      = 3 << 10   // bytes of a key, with pages of page.Size
	ValueMax    = 1<<32 - 1 // bytes of a value
	depthMax    = 20        // levels of a tree
	prefetchMax = 64        // pages asked for in one Prefetch
)

// Pager shows the pages of one snapshot.
type Pager interface {
	// Page returns the page, which is sound (page.Check) and does not change while
	// the snapshot is in use. A page that was never written is all zeros.
	Page(ctx context.Context, id redo.PageID) ([]byte, error)
}

// Prefetcher is implemented by a Pager that can get several pages in one round.
type Prefetcher interface {
	// Prefetch returns when Page will find the pages without waiting, as far as
	// there is room for them. An Editor's may return ErrMiss, having noted them all.
	Prefetch(ctx context.Context, ids []redo.PageID) error
}

// Editor shows the newest pages with its own changes, and makes changes.
type Editor interface {
	Pager
	// Change applies a record to a private copy of the page (page.Apply) and keeps
	// it and its payload, which belong to the editor from then on. Pages returned
	// by Page before are void if they are of the same id.
	Change(id redo.PageID, op redo.Op, payload []byte) error
	// Allocate returns a page that nothing refers to; its content is arbitrary and
	// the first change to it is OpFormat.
	Allocate() (redo.PageID, error)
	// Free gives a page up. Records that this needs are the editor's business.
	Free(id redo.PageID) error
}

// Tree names a tree. Its pages carry the ID.
type Tree struct {
	Root redo.PageID
	ID   uint64
}

// Create makes the root an empty leaf.
func (t Tree) Create(e Editor) error {
	return e.Change(t.Root, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, t.ID))
}

// Get returns the value of a key, and whether it is there. A value that is wholly
// in its leaf shares the page's memory and costs no allocation.
func (t Tree) Get(ctx context.Context, p Pager, key []byte) ([]byte, bool, error) {
	id, leaf, err := t.leaf(ctx, p, key, nil)
	if err != nil {
		return nil, false, err
	}
	i, found := page.Search(leaf, key)
	if !found {
		return nil, false, nil
	}
	_, value, long := page.Cell(leaf, i)
	if long {
		if value, err = t.assemble(ctx, p, id, value); err != nil {
			return nil, false, err
		}
	}
	return value, true, nil
}

// Prepare reads every page that a change of the key would read for certain: the
// way down and the index of an overflow tail. It lets a caller fault pages in before it
// takes a lock.
func (t Tree) Prepare(ctx context.Context, p Pager, key []byte) error {
	id, leaf, err := t.leaf(ctx, p, key, nil)
	if err != nil {
		return err
	}
	if i, found := page.Search(leaf, key); found {
		if _, value, long := page.Cell(leaf, i); long {
			r, err := t.parseRef(id, value)
			if err != nil {
				return err
			}
			return t.walkTail(ctx, p, r, false, func(redo.PageID, []byte) error { return nil })
		}
	}
	return nil
}

// step is one page of a way down: the child taken is cell i.
type step struct {
	id redo.PageID
	i  int
}

// path is the internal pages of a way down, the root first, and the leaf's id.
type path struct {
	steps [depthMax]step
	depth int // steps used
	leaf  redo.PageID
}

// leaf goes down to the leaf of a key and notes the way if at is not nil.
func (t Tree) leaf(ctx context.Context, p Pager, key []byte, at *path) (redo.PageID, []byte, error) {
	if at != nil {
		at.depth = 0
	}
	id, level := t.Root, -1
	for {
		b, err := t.page(ctx, p, id, level)
		if err != nil {
			return id, nil, err
		}
		if level = page.Level(b); level == 0 {
			if at != nil {
				at.leaf = id
			}
			return id, b, nil
		}
		i := page.SearchChild(b, key)
		if at != nil {
			at.steps[at.depth] = step{id, i}
			at.depth++
		}
		id, level = page.Child(b, i), level-1
	}
}

// page reads a page of the tree and checks that it is one, of the level, -1 for
// the root, whose level is not known before.
func (t Tree) page(ctx context.Context, p Pager, id redo.PageID, level int) ([]byte, error) {
	b, err := p.Page(ctx, id)
	if err != nil {
		return nil, err
	}
	kind, l := page.KindOf(b), page.Level(b)
	sound := page.Tree(b) == t.ID && (kind == page.KindLeaf && l == 0 || kind == page.KindInternal && l > 0)
	if !sound || level >= 0 && l != level || l >= depthMax {
		return nil, fmt.Errorf("%w: tree %d: page %d at %d is kind %d, level %d, tree %d", ErrCorrupt,
			t.ID, id, page.LSN(b), kind, l, page.Tree(b))
	}
	return b, nil
}

func checkKey(key []byte, size int) error {
	if limit := keyMax(size); len(key) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrKeyTooLong, len(key), limit)
	}
	return nil
}

// keyMax leaves room for a tail's reference and the head of its value in a cell.
func keyMax(size int) int {
	return min(KeyMax, page.CellMax(size)-headMax(size)-refSize)
}

// separator returns the shortest key above left that is at or below right, in
// memory of its own. left must be below right.
func separator(left, right []byte) []byte {
	n := 0
	for n < len(left) && n < len(right)-1 && left[n] == right[n] {
		n++
	}
	return bytes.Clone(right[:n+1])
}
