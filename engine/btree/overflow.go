package btree

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"sextant/internal/page"
	"sextant/internal/redo"
)

// A value that would make its cell longer than a quarter of a page keeps a head
// of headMax bytes in the leaf, behind a reference, and its tail on overflow pages:
// one page of bytes (level 0), or a tree of pages of page ids above them, so that
// a read takes one round per level and not one per page. The cell's flag is set.
//
//	reference: root (8), level (1), bytes of the tail (4)

const refSize = 13

// headMax returns the bytes of a long value that stay in its leaf: enough for the
// fixed-width columns of most rows, so that an update of these leaves the tail alone.
func headMax(size int) int { return page.CellMax(size) / 8 }

// ref is the tail of a long value.
type ref struct {
	root  redo.PageID
	level int
	n     int // bytes
}

func (r ref) stored(head []byte) []byte {
	b := make([]byte, refSize, refSize+len(head))
	binary.LittleEndian.PutUint64(b, uint64(r.root))
	b[8] = byte(r.level)
	binary.LittleEndian.PutUint32(b[9:], uint32(r.n))
	return append(b, head...)
}

// parseRef returns the reference in what the leaf keeps of a long value. Returns ErrCorrupt.
func (t Tree) parseRef(leaf redo.PageID, stored []byte) (ref, error) {
	if len(stored) >= refSize {
		r := ref{
			root:  redo.PageID(binary.LittleEndian.Uint64(stored)),
			level: int(stored[8]),
			n:     int(binary.LittleEndian.Uint32(stored[9:])),
		}
		if r.level < depthMax && r.n > 0 {
			return r, nil
		}
	}
	return ref{}, fmt.Errorf("%w: tree %d: page %d: no reference in a long value", ErrCorrupt, t.ID, leaf)
}

// tailBytes returns the bytes of a tail of n below a page of a level that is not the
// last one there, or n if that is less.
func tailBytes(size, level, n int) int {
	below := size - page.HeaderSize
	for ; level > 0 && below < n; level-- {
		below *= (size - page.HeaderSize) / 8
	}
	return min(below, n)
}

// Long reports whether a value of that many bytes under a key of that many bytes
// has a tail, with pages of that size.
func Long(pageSize, key, value int) bool { return key+value > page.CellMax(pageSize) }

// Written is a tail that is on overflow pages and that no key refers to yet.
type Written struct {
	ref ref
}

// Pages returns the number of pages of the tail's lowest level.
func (w Written) Pages(pageSize int) int { return (w.ref.n-1)/(pageSize-page.HeaderSize) + 1 }

// OverflowWriter writes the tail of one long value in steps, each of which may be
// a mini-transaction of its own: the pages are unreachable until PutWritten.
// Whoever gives up frees the pages by FreeWritten.
type OverflowWriter struct {
	tree Tree
	size int
	tail []byte
	rest []byte
	ids  []redo.PageID // of the level being written
}

// NewOverflowWriter prepares to write the tail of value, which must be Long for
// its key and must not change.
func (t Tree) NewOverflowWriter(pageSize int, value []byte) *OverflowWriter {
	tail := value[min(headMax(pageSize), len(value)):]
	return &OverflowWriter{tree: t, size: pageSize, tail: tail, rest: tail}
}

// Step writes at most pages pages of the tail and reports whether that was the
// end. The last step adds the pages of ids above them, one for about 2,000.
func (w *OverflowWriter) Step(e Editor, pages int) (done bool, err error) {
	per := w.size - page.HeaderSize
	for ; pages > 0 && len(w.rest) > 0; pages-- {
		n := min(per, len(w.rest))
		if err := w.write(e, 0, w.rest[:n]); err != nil {
			return false, err
		}
		w.rest = w.rest[n:]
	}
	return len(w.rest) == 0, nil
}

// write adds a page to the level being written.
func (w *OverflowWriter) write(e Editor, level int, body []byte) error {
	id, err := e.Allocate()
	if err != nil {
		return err
	}
	w.ids = append(w.ids, id)
	f := page.AppendFormat(make([]byte, 0, len(body)+16), page.KindOverflow, level, w.tree.ID)
	return e.Change(id, redo.OpFormat, append(f, body...))
}

// Finish writes the pages of ids and returns the tail. Every Step must be done.
func (w *OverflowWriter) Finish(e Editor) (Written, error) {
	level := 0
	per := (w.size - page.HeaderSize) / 8
	for len(w.ids) > 1 {
		level++
		below := w.ids
		w.ids = nil
		for len(below) > 0 {
			n := min(per, len(below))
			body := make([]byte, 0, 8*n)
			for _, id := range below[:n] {
				body = binary.LittleEndian.AppendUint64(body, uint64(id))
			}
			if err := w.write(e, level, body); err != nil {
				return Written{}, err
			}
			below = below[n:]
		}
	}
	return Written{ref{root: w.ids[0], level: level, n: len(w.tail)}}, nil
}

// WriteOverflow writes the tail of value, which must be Long for its key, at once.
func (t Tree) WriteOverflow(e Editor, pageSize int, value []byte) (Written, error) {
	w := t.NewOverflowWriter(pageSize, value)
	if _, err := w.Step(e, len(value)); err != nil {
		return Written{}, err
	}
	return w.Finish(e)
}

// FreeWritten frees the pages of a tail that no key refers to.
func (t Tree) FreeWritten(ctx context.Context, e Editor, w Written) error {
	ids, err := t.tailPages(ctx, e, w.ref)
	if err != nil {
		return err
	}
	return freeAll(e, ids)
}

func checkValue(value []byte, w *Written, size int) error {
	if len(value) > ValueMax {
		return fmt.Errorf("%w: %d bytes", ErrValueTooLong, len(value))
	}
	if w != nil && w.ref.n != len(value)-headMax(size) {
		return fmt.Errorf("%w: tail of %d bytes was written for a value of %d", ErrValueTooLong, w.ref.n, len(value))
	}
	return nil
}

// store returns what the leaf keeps of a value and whether that is a long value's
// head, after writing its tail if w has not done so.
func (t Tree) store(e Editor, size int, key, value []byte, w *Written) (stored []byte, long bool, err error) {
	if w == nil && !Long(size, len(key), len(value)) {
		return value, false, nil
	}
	if w == nil {
		written, err := t.WriteOverflow(e, size, value)
		if err != nil {
			return nil, false, err
		}
		w = &written
	}
	return w.ref.stored(value[:headMax(size)]), true, nil
}

// keepsTail reports whether the value has the tail that r already is.
func (t Tree) keepsTail(
	ctx context.Context, p Pager, size int, key, value []byte, r ref, w *Written,
) (bool, error) {
	if w != nil {
		return w.ref == r, nil
	}
	if !Long(size, len(key), len(value)) || len(value)-headMax(size) != r.n {
		return false, nil
	}
	rest, same := value[len(value)-r.n:], true
	err := t.walkTail(ctx, p, r, true, func(_ redo.PageID, b []byte) error {
		if body := page.Body(b); same && page.Level(b) == 0 {
			if same = bytes.HasPrefix(rest, body); same {
				rest = rest[len(body):]
			} else {
				return errStop
			}
		}
		return nil
	})
	if err != nil && err != errStop { //nolint:errorlint // errStop is never wrapped
		return false, err
	}
	return same && len(rest) == 0, nil
}

// assemble returns a long value whole.
func (t Tree) assemble(ctx context.Context, p Pager, leaf redo.PageID, stored []byte) ([]byte, error) {
	const trust = 16 << 20 // bytes that are allocated on the word of a reference and its page
	r, err := t.parseRef(leaf, stored)
	if err != nil {
		return nil, err
	}
	head := stored[refSize:]
	var out []byte
	err = t.walkTail(ctx, p, r, true, func(_ redo.PageID, b []byte) error {
		if out == nil {
			out = append(make([]byte, 0, len(head)+min(r.n, trust)), head...)
		}
		if page.Level(b) == 0 {
			out = append(out, page.Body(b)...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// tailPages returns the ids of all pages of a tail.
func (t Tree) tailPages(ctx context.Context, p Pager, r ref) (ids []redo.PageID, err error) {
	err = t.walkTail(ctx, p, r, false, func(id redo.PageID, _ []byte) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// walkTail calls visit for every page of a tail, parents first, bytes in order.
// Pages of bytes are read only if data, else visit gets nil for them. Every page is what
// the length of the tail makes it, so a walk of pages of bytes has visited r.n of them.
// Returns ErrCorrupt for a page that is not.
func (t Tree) walkTail(
	ctx context.Context, p Pager, r ref, data bool, visit func(id redo.PageID, b []byte) error,
) error {
	return t.walkTailPage(ctx, p, r.root, r.level, r.n, data, visit)
}

// walkTailPage walks the page of a level with n bytes of the tail below it.
func (t Tree) walkTailPage(
	ctx context.Context, p Pager, id redo.PageID, level, n int, data bool, visit func(redo.PageID, []byte) error,
) error {
	if level == 0 && !data {
		return visit(id, nil)
	}
	b, err := p.Page(ctx, id)
	if err != nil {
		return err
	}
	if page.KindOf(b) != page.KindOverflow || page.Level(b) != level || page.Tree(b) != t.ID {
		return fmt.Errorf("%w: tree %d: page %d at %d is no overflow page of level %d", ErrCorrupt,
			t.ID, id, page.LSN(b), level)
	}
	body, want, below := page.Body(b), n, 0
	if level > 0 {
		below = tailBytes(len(b), level-1, n)
		want = ((n-1)/below + 1) * 8
	}
	if len(body) != want {
		return fmt.Errorf("%w: tree %d: overflow page %d at %d has %d bytes for %d bytes of a tail", ErrCorrupt,
			t.ID, id, page.LSN(b), len(body), n)
	}
	if err := visit(id, b); err != nil || level == 0 {
		return err
	}
	pre, _ := p.(Prefetcher)
	for len(body) > 0 {
		ids := make([]redo.PageID, 0, prefetchMax)
		for ; len(body) > 0 && len(ids) < prefetchMax; body = body[8:] {
			ids = append(ids, redo.PageID(binary.LittleEndian.Uint64(body)))
		}
		if pre != nil && (data || level > 1) {
			if err := pre.Prefetch(ctx, ids); err != nil {
				return err
			}
		}
		for _, id := range ids {
			if err := t.walkTailPage(ctx, p, id, level-1, min(below, n), data, visit); err != nil {
				return err
			}
			n -= below
		}
	}
	return nil
}

func freeAll(e Editor, ids []redo.PageID) error {
	for _, id := range ids {
		if err := e.Free(id); err != nil {
			return err
		}
	}
	return nil
}
