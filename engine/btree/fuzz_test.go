package btree_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/internal/spent"
)

const (
	fuzzedSize = 256 // bytes of a page
	fuzzedMax  = 64  // pages
	readsMax   = 500 // pages that are read before the reader has had enough
	trusted    = 16 << 20
)

var (
	errReads  = errors.New("enough was read")
	namesPage = regexp.MustCompile(`page \d+`)
)

// fuzzed is a Pager of pages as they come from storage: each is sound (page.Check), but
// what they say of each other is anything.
type fuzzed struct {
	snapshot
	reads int
}

// storedPages cuts b into pages, the root first. Pages that are not sound are not there.
func storedPages(b []byte) snapshot {
	s := snapshot{}
	for id := rootID; len(b) >= fuzzedSize && id < rootID+fuzzedMax; id++ {
		if p := b[:fuzzedSize:fuzzedSize]; page.Check(p) == nil {
			s[id] = p
		}
		b = b[fuzzedSize:]
	}
	return s
}

func (f *fuzzed) Page(ctx context.Context, id redo.PageID) ([]byte, error) {
	if f.reads++; f.reads > readsMax {
		return nil, errReads
	}
	return f.snapshot.Page(ctx, id)
}

// judge fails the test for an error that neither came from the Pager nor says which page
// is damaged.
func judge(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, btree.ErrCorrupt) && !namesPage.MatchString(err.Error()) {
		t.Fatalf("%v names no page", err)
	}
}

// FuzzPages: no tree that is read from storage makes a read or a change panic, or take more
// memory than the pages that it read and what a reference is trusted for; an error names the
// page. A tree that Check takes is read the same by cursors and by key, stays sound under
// changes, and is freed to its last page.
func FuzzPages(f *testing.F) {
	for _, long := range [][]int{nil, {100}, {100, 400}, {192*24 + 100}} {
		s := newStore(f, fuzzedSize)
		for i, n := range append([]int{1, 1, 1, 1, 1, 1, 1, 1, 1}, long...) {
			s.commit(func(e btree.Editor) error {
				return tree.Put(ctx, e, fmt.Appendf(nil, "key%02d", i*5%11), make([]byte, n))
			})
		}
		f.Add(s.bytes(), []byte("key03"))
	}
	f.Fuzz(func(t *testing.T, b, key []byte) {
		pages := storedPages(b)
		shape, err := tree.Check(ctx, &fuzzed{snapshot: pages})
		judge(t, err)
		keys := readAll(t, pages, err == nil && shape.Cells < 100)
		if err == nil && len(keys) != min(shape.Cells, readsMax) {
			t.Fatalf("a cursor found %d of %d keys", len(keys), shape.Cells)
		}
		for _, k := range append(keys[:min(len(keys), 3)], key) {
			readOne(t, pages, k)
			change(t, pages, err == nil, func(e btree.Editor) error { return tree.Put(ctx, e, k, bytes.Repeat([]byte("v"), 300)) })
			change(t, pages, err == nil, func(e btree.Editor) error { return tree.Put(ctx, e, k, nil) })
			change(t, pages, err == nil, func(e btree.Editor) error { return tree.Patch(ctx, e, k, 1, []byte("pp")) })
			change(t, pages, err == nil, func(e btree.Editor) error { return tree.Delete(ctx, e, k) })
		}
		change(t, pages, err == nil, func(e btree.Editor) error {
			_, err := tree.FreeStep(ctx, e, 2, true)
			return err
		})
		n := change(t, pages, err == nil, func(e btree.Editor) error {
			_, err := tree.FreeStep(ctx, e, 1000, true)
			return err
		})
		if had := shape.Internal + shape.Leaves + shape.Overflow; n >= 0 && n != had-1 {
			t.Fatalf("%d pages of a tree of %d are free", n, had)
		}
	})
}

// bytes returns the pages, the root first.
func (s *store) bytes() (b []byte) {
	for id := rootID; id < s.next; id++ {
		p := s.newest[id]
		if p == nil {
			p = make([]byte, s.size)
		}
		b = append(b, p...)
	}
	return b
}

// readAll reads the tree by cursors in both directions and returns the first keys of the
// one that goes forwards. Those of a sound tree are ascending, and the same backwards.
func readAll(t *testing.T, pages snapshot, sound bool) (keys [][]byte) {
	t.Helper()
	p := &fuzzed{snapshot: pages}
	c := btree.NewCursor(tree, p)
	for ok := c.Seek(ctx, nil); ok && len(keys) < readsMax; ok = c.Next(ctx) {
		keys = append(keys, c.Key())
	}
	judge(t, c.Err())
	p.reads = 0
	i := len(keys)
	for ok := c.SeekLast(ctx); ok && p.reads <= readsMax; ok = c.Prev(ctx) {
		if i--; !sound {
			continue
		}
		if i < 0 || !bytes.Equal(c.Key(), keys[i]) || i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 {
			t.Fatalf("key %d backwards is %x of %x", i, c.Key(), keys)
		}
	}
	judge(t, c.Err())
	return keys
}

// readOne reads a key in every way, each of which gives the same.
func readOne(t *testing.T, pages snapshot, key []byte) {
	t.Helper()
	p := &fuzzed{snapshot: pages}
	spent.Within(t, 2*trusted+16*readsMax*fuzzedSize, func() {
		p.reads = 0
		value, found, err := tree.Get(ctx, p, key)
		judge(t, err)
		c := btree.NewCursor(tree, p)
		p.reads = 0
		if !c.Seek(ctx, key) || !bytes.Equal(c.Key(), key) {
			if err == nil && found && c.Err() == nil {
				t.Fatalf("a cursor does not find %x", key)
			}
			judge(t, c.Err())
			return
		}
		again, err2 := c.Value(ctx)
		judge(t, err2)
		if err == nil && err2 == nil && (!found || !bytes.Equal(again, value)) {
			t.Fatalf("%x is %d bytes by key, %d by a cursor", key, len(value), len(again))
		}
	})
	p.reads = 0
	judge(t, tree.Prepare(ctx, p, key))
	p.reads = 0
	_, err := tree.Estimate(ctx, p, key, nil)
	judge(t, err)
}

// change makes one change of the pages, which stay as they were. One that goes through leaves a
// sound tree sound. It returns by how many pages that has become smaller, -1 if it failed.
func change(t *testing.T, pages snapshot, sound bool, f func(btree.Editor) error) int {
	t.Helper()
	s := &store{t: t, size: fuzzedSize, newest: pages, next: rootID + fuzzedMax, used: map[redo.PageID]bool{}}
	for id, b := range pages {
		s.used[id] = true
		s.before = max(s.before, page.LSN(b))
	}
	if s.before > 1<<62 {
		return -1
	}
	_, err := s.try(f)
	judge(t, err)
	if !sound || err != nil {
		return -1
	}
	if _, err := tree.Check(ctx, s.newest); err != nil {
		t.Fatal(err)
	}
	return len(pages) - len(s.used)
}
