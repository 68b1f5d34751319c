package btree_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/engine/btree"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// world is a tree beside a sorted map.
type world struct {
	*store
	r     *rand.Rand
	model map[string]string
	kept  []kept // snapshots of the past, to be read later
}

type kept struct {
	at    snapshot
	model map[string]string
}

func newWorld(t *testing.T, size int, seed uint64) *world {
	return &world{store: newStore(t, size), r: rand.New(rand.NewPCG(seed, 1)), model: map[string]string{}}
}

func (w *world) key() string {
	n := 1 + w.r.IntN(4)
	if w.r.IntN(8) == 0 {
		n = w.r.IntN(min(btree.KeyMax, w.size/16) + 1)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcx\x00\xff"[w.r.IntN(6)]
	}
	return string(b)
}

func (w *world) value() string {
	n := w.r.IntN(w.size / 8)
	switch w.r.IntN(20) {
	case 0:
		n = w.r.IntN(4 * w.size)
	case 1:
		n = w.r.IntN(40 * 256) // three levels of overflow pages with the smallest pages
	case 2:
		n = 0
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.r.Uint32())
	}
	return string(b)
}

func (w *world) present() (string, bool) {
	if len(w.model) == 0 {
		return "", false
	}
	keys := slices.Sorted(maps.Keys(w.model))
	return keys[w.r.IntN(len(keys))], true
}

// step makes one change; grow says which kind is likelier.
func (w *world) step(grow bool) {
	k, v := w.key(), w.value()
	old, any := w.present()
	n := w.r.IntN(10)
	switch {
	case n < 2 || (grow && n < 8) || !any:
		w.insert(k, v)
	case n < 7 && !grow:
		w.commit(func(e btree.Editor) error { return tree.Delete(ctx, e, []byte(old)) })
		delete(w.model, old)
	case n < 8:
		w.commit(func(e btree.Editor) error { return tree.Put(ctx, e, []byte(old), []byte(v)) })
		w.model[old] = v
	case n < 9:
		w.patch(old)
	default:
		w.touch(old)
	}
}

func (w *world) insert(k, v string) {
	_, err := w.try(func(e btree.Editor) error { return tree.Insert(ctx, e, []byte(k), []byte(v)) })
	if _, dup := w.model[k]; dup != errors.Is(err, btree.ErrExists) || !dup && err != nil {
		w.t.Fatalf("insert of %x: %v, present %v", k, err, dup)
	} else if !dup {
		w.model[k] = v
	}
}

func (w *world) patch(k string) {
	v := []byte(w.model[k])
	at := w.r.IntN(len(v) + 1)
	b := make([]byte, w.r.IntN(min(9, len(v)-at+1)))
	for i := range b {
		b[i] = byte(w.r.Uint32())
	}
	w.commit(func(e btree.Editor) error { return tree.Patch(ctx, e, []byte(k), at, b) })
	copy(v[at:], b)
	w.model[k] = string(v)
}

// touch changes a few bytes of a value by Put.
func (w *world) touch(k string) {
	v := []byte(w.model[k])
	for range w.r.IntN(3) {
		if len(v) > 0 {
			v[w.r.IntN(len(v))]++
		}
	}
	w.commit(func(e btree.Editor) error { return tree.Put(ctx, e, []byte(k), v) })
	w.model[k] = string(v)
}

// TestAgainstModel runs random changes, growing and shrinking in turn, each a
// commit of its own, and checks the whole tree, old snapshots and the log.
func TestAgainstModel(t *testing.T) {
	for _, size := range []int{256, 512, 2048, page.Size} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("size=%d/seed=%d", size, seed), func(t *testing.T) {
				w := newWorld(t, size, seed)
				deepest := 0
				phase := 300 + 200*1024/size
				for i := range 4 * phase {
					w.step(i/phase%2 == 0)
					if i%100 == 0 || i > 4*phase-10 {
						deepest = max(deepest, w.check(w.model).Depth)
					}
					if i%phase == phase-50 {
						w.kept = append(w.kept, kept{w.newest, maps.Clone(w.model)})
					}
				}
				for _, k := range w.kept {
					compare(t, k.at, k.model)
				}
				w.seeks()
				w.replay()
				w.drain()
				if size == 256 && deepest < 4 {
					t.Fatalf("only %d levels: the test does not reach inner splits", deepest)
				}
			})
		}
	}
}

// drain deletes everything: one page must be left.
func (w *world) drain() {
	keys := slices.Sorted(maps.Keys(w.model))
	w.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for i, k := range keys {
		w.commit(func(e btree.Editor) error { return tree.Delete(ctx, e, []byte(k)) })
		delete(w.model, k)
		if i%50 == 0 {
			w.check(w.model)
		}
	}
	if shape := w.check(w.model); shape != (btree.Shape{Depth: 1, Leaves: 1}) {
		w.t.Fatalf("an empty tree is %+v", shape)
	}
}

// seeks compares random cursor walks and gets with the model.
func (w *world) seeks() {
	w.t.Helper()
	keys := slices.Sorted(maps.Keys(w.model))
	c := btree.NewCursor(tree, w.newest)
	for range 300 {
		k := w.key()
		i, present := slices.BinarySearch(keys, k)
		v, found, err := tree.Get(ctx, w.newest, []byte(k))
		if err != nil || found != present || string(v) != w.model[k] {
			w.t.Fatalf("get %x: %v %v", k, found, err)
		}
		var ok bool
		if w.r.IntN(2) == 0 {
			ok = c.Seek(ctx, []byte(k))
		} else {
			ok = c.SeekBefore(ctx, []byte(k))
			i--
		}
		for range 1 + w.r.IntN(20) {
			if want := i >= 0 && i < len(keys); ok != want || c.Valid() != want {
				w.t.Fatalf("cursor at %d of %d: %v %v", i, len(keys), ok, c.Err())
			}
			if !ok {
				break
			}
			expectCell(w.t, c, keys, i, w.model)
			if id, lsn := c.Leaf(); page.LSN(w.newest[id]) != lsn {
				w.t.Fatalf("cursor's leaf is %d at %d", id, lsn)
			}
			if w.r.IntN(2) == 0 {
				ok, i = c.Next(ctx), i+1
			} else {
				ok, i = c.Prev(ctx), i-1
			}
		}
	}
}

// TestTreeGetsLower: when few keys are left, wherever they are, few pages are.
func TestTreeGetsLower(t *testing.T) {
	for _, left := range []int{0, 300, 597} {
		s := newStore(t, 256)
		model := map[string]string{}
		for i := range 600 {
			k, v := row(i, 16)
			s.commit(func(e btree.Editor) error { return tree.Insert(ctx, e, k, v) })
		}
		for i := range 600 {
			k, v := row(i, 16)
			if i >= left && i < left+3 {
				model[string(k)] = string(v)
				continue
			}
			s.commit(func(e btree.Editor) error { return tree.Delete(ctx, e, k) })
		}
		if shape := s.check(model); shape.Leaves > 2 || shape.Depth > 2 {
			t.Errorf("3 keys from %d on are left in %+v", left, shape)
		}
	}
}

// TestMissGivesUpCleanly: with pages missing at random a change fails with
// ErrMiss and leaves nothing behind; it succeeds when they are there.
func TestMissGivesUpCleanly(t *testing.T) {
	w := newWorld(t, 256, 9)
	misses := 0
	for i := range 600 {
		k, v := w.key(), w.value()
		old, any := w.present()
		w.miss = func(redo.PageID) bool { return w.r.IntN(8) == 0 }
		change := func(e btree.Editor) error { return tree.Put(ctx, e, []byte(k), []byte(v)) }
		del := any && i > 200 && w.r.IntN(2) == 0
		if del {
			change = func(e btree.Editor) error { return tree.Delete(ctx, e, []byte(old)) }
		}
		_, err := w.try(change)
		if errors.Is(err, btree.ErrMiss) {
			misses++
			w.miss = nil
			w.check(w.model)
			_, err = w.try(change)
		}
		if w.miss = nil; err != nil {
			t.Fatal(err)
		}
		if del {
			delete(w.model, old)
		} else {
			w.model[k] = v
		}
	}
	w.check(w.model)
	w.replay()
	if misses < 50 {
		t.Fatalf("only %d misses", misses)
	}
}

func TestRefused(t *testing.T) {
	s := newStore(t, page.Size)
	s.commit(func(e btree.Editor) error { return tree.Insert(ctx, e, []byte("k"), []byte("123")) })
	for name, c := range map[string]struct {
		f    func(e btree.Editor) error
		want error
	}{
		"present key":    {func(e btree.Editor) error { return tree.Insert(ctx, e, []byte("k"), nil) }, btree.ErrExists},
		"absent key":     {func(e btree.Editor) error { return tree.Delete(ctx, e, []byte("x")) }, btree.ErrNotFound},
		"absent patched": {func(e btree.Editor) error { return tree.Patch(ctx, e, []byte("x"), 0, []byte("1")) }, btree.ErrNotFound},
		"patch behind":   {func(e btree.Editor) error { return tree.Patch(ctx, e, []byte("k"), 3, []byte("1")) }, btree.ErrValueTooLong},
		"long key":       {func(e btree.Editor) error { return tree.Put(ctx, e, make([]byte, btree.KeyMax+1), nil) }, btree.ErrKeyTooLong},
		"no counter":     {func(e btree.Editor) error { return tree.Raise(ctx, e, []byte("k"), 9) }, btree.ErrCorrupt},
		"another tree": {func(e btree.Editor) error {
			return btree.Tree{Root: rootID, ID: 78}.Put(ctx, e, []byte("k"), nil)
		}, btree.ErrCorrupt},
	} {
		if _, err := s.try(c.f); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	s.commit(func(e btree.Editor) error { return tree.Put(ctx, e, make([]byte, btree.KeyMax), make([]byte, 100000)) })
	s.check(map[string]string{"k": "123", string(make([]byte, btree.KeyMax)): string(make([]byte, 100000))})
}

func TestRaiseOnlyRaises(t *testing.T) {
	s := newStore(t, page.Size)
	var want uint64
	for _, to := range []uint64{5, 3, 9, 9, 1 << 40, 2} {
		s.commit(func(e btree.Editor) error { return tree.Raise(ctx, e, []byte("counter"), to) })
		want = max(want, to)
		v, _, err := tree.Get(ctx, s.newest, []byte("counter"))
		if err != nil || binary.LittleEndian.Uint64(v) != want {
			t.Fatalf("raised to %d: %x, %v", to, v, err)
		}
	}
	s.replay()
}

func row(i, n int) (key, value []byte) {
	key = binary.BigEndian.AppendUint64(nil, uint64(i))
	value = bytes.Repeat(binary.LittleEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15), n/8)
	return key, value
}

// TestLogSizes: what each kind of change costs in the log, with real pages and
// rows of 192 bytes.
func TestLogSizes(t *testing.T) {
	s := newStore(t, page.Size)
	const rows = 3000
	grown, biggest := 0, 0
	for i := range rows {
		k, v := row(i, 192)
		n := s.commit(func(e btree.Editor) error { return tree.Insert(ctx, e, k, v) })
		grown += n
		biggest = max(biggest, n)
	}
	if per := grown / rows; per > 192+8+30 {
		t.Errorf("%d bytes of log per ascending insert", per)
	}
	if biggest > 18<<10 {
		t.Errorf("an insert took %d bytes of log", biggest)
	}
	shape, err := tree.Check(ctx, s.newest)
	if err != nil {
		t.Fatal(err)
	}
	if fill := float64(shape.Bytes) / float64(shape.Leaves*(page.Size-page.HeaderSize)); fill < 0.95 {
		t.Errorf("ascending inserts fill %.2f of their leaves", fill)
	}
	k, v := row(1234, 192)
	v[50]++
	if n := s.commit(func(e btree.Editor) error { return tree.Put(ctx, e, k, v) }); n > 24 {
		t.Errorf("an update of one byte takes %d bytes of log", n)
	}
	if n := s.commit(func(e btree.Editor) error { return tree.Put(ctx, e, k, v) }); n != 0 {
		t.Errorf("an update to the same value takes %d bytes of log", n)
	}
	if n := s.commit(func(e btree.Editor) error { return tree.Delete(ctx, e, k) }); n > 20 {
		t.Errorf("a delete takes %d bytes of log", n)
	}
}

// TestUnchangedTailKeepsItsPages (T-24), and a written tail is used as it is (T-9).
func TestUnchangedTailKeepsItsPages(t *testing.T) {
	s := newStore(t, page.Size)
	k, v := []byte("k"), make([]byte, 1<<20)
	for i := range v {
		v[i] = byte(i * i >> 8)
	}
	if !btree.Long(page.Size, len(k), len(v)) || btree.Long(page.Size, 8, 4000) {
		t.Fatal("Long")
	}
	var written btree.Written
	w := tree.NewOverflowWriter(page.Size, v)
	for steps := 0; ; steps++ {
		var done bool
		n := s.commit(func(e btree.Editor) (err error) {
			if done, err = w.Step(e, 16); err == nil && done {
				written, err = w.Finish(e)
			}
			return err
		})
		if n > 17*page.Size {
			t.Fatalf("a step of 16 pages took %d bytes of log", n)
		}
		if done {
			if steps != 4 {
				t.Fatalf("%d steps for %d pages", steps+1, written.Pages(page.Size))
			}
			break
		}
	}
	v[3]++ // the row's head changes between writing the tail and linking it
	if n := s.commit(func(e btree.Editor) error { return tree.PutWritten(ctx, e, k, v, written) }); n > 700 {
		t.Fatalf("linking a written tail took %d bytes of log", n)
	}
	s.check(map[string]string{"k": string(v)})
	v[5]++
	if n := s.commit(func(e btree.Editor) error { return tree.Put(ctx, e, k, v) }); n > 40 {
		t.Fatalf("a change of the head took %d bytes of log", n)
	}
	s.check(map[string]string{"k": string(v)})
	v[len(v)-1]++
	s.commit(func(e btree.Editor) error { return tree.Put(ctx, e, k, v) })
	s.check(map[string]string{"k": string(v)})
	s.commit(func(e btree.Editor) error { return tree.Put(ctx, e, k, []byte("short")) })
	s.check(map[string]string{"k": "short"})
	s.commit(func(e btree.Editor) (err error) { written, err = tree.WriteOverflow(e, page.Size, v); return err })
	s.commit(func(e btree.Editor) error { return tree.FreeWritten(ctx, e, written) })
	s.check(map[string]string{"k": "short"})
	s.replay()
}

// TestBuilder builds in chunks, each a whole tree, and frees in bounded steps.
func TestBuilder(t *testing.T) {
	for _, size := range []int{256, page.Size} {
		t.Run(fmt.Sprint("size=", size), func(t *testing.T) {
			s := newStore(t, size)
			b := btree.NewBuilder(tree)
			model := map[string]string{}
			for i := range 3000 {
				k, v := row(i, 8*(1+i%4))
				if i%100 == 7 {
					v = bytes.Repeat(v, size/4)
				}
				if err := b.Add(k, v); err != nil {
					t.Fatal(err)
				}
				if err := b.Add(k, nil); !errors.Is(err, btree.ErrOrder) {
					t.Fatalf("key added twice: %v", err)
				}
				model[string(k)] = string(v)
				if b.Buffered() > 20*size {
					s.commit(func(e btree.Editor) error { return b.Flush(ctx, e) })
					if len(model)%7 == 0 {
						s.check(model)
					}
				}
			}
			s.commit(func(e btree.Editor) error { return b.Flush(ctx, e) })
			shape := s.check(model)
			if fill := float64(shape.Bytes) / float64(shape.Leaves*(size-page.HeaderSize)); fill < 0.7 {
				t.Errorf("leaves are filled to %.2f", fill)
			}
			s.replay()
			again := btree.NewBuilder(tree)
			if err := again.Add([]byte("\x00"), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := s.try(func(e btree.Editor) error { return again.Flush(ctx, e) }); !errors.Is(err, btree.ErrOrder) {
				t.Fatalf("append of a key below the last: %v", err)
			}
			s.freeAll(shape)
		})
	}
}

func (s *store) freeAll(shape btree.Shape) {
	s.t.Helper()
	const perStep = 16
	steps := 0
	for done := false; !done; steps++ {
		before := len(s.used)
		s.commit(func(e btree.Editor) (err error) { done, err = tree.FreeStep(ctx, e, perStep, true); return err })
		if freed := before - len(s.used); freed > 4*perStep || freed == 0 && !done {
			s.t.Fatalf("a step of %d pages freed %d", perStep, freed)
		}
		if _, err := tree.Check(ctx, s.newest); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(s.used) != 1 || steps < (shape.Leaves+shape.Overflow)/(4*perStep) {
		s.t.Fatalf("%d pages left after %d steps", len(s.used), steps)
	}
	s.replay()
}

// prefetcher counts the rounds that a read takes.
type prefetcher struct {
	snapshot
	at     map[redo.PageID]bool
	rounds int
	asked  int
}

func (p *prefetcher) Page(ctx context.Context, id redo.PageID) ([]byte, error) {
	if !p.at[id] {
		p.rounds++
		p.at[id] = true
	}
	return p.snapshot.Page(ctx, id)
}

func (p *prefetcher) Prefetch(_ context.Context, ids []redo.PageID) error {
	p.rounds++
	p.asked += len(ids)
	for _, id := range ids {
		p.at[id] = true
	}
	return nil
}

// TestPrefetch: a scan takes a round for many leaves, in both directions; a
// limit keeps it from asking beyond; a long value takes a round per level and 64 pages.
func TestPrefetch(t *testing.T) {
	s := newStore(t, 512)
	b := btree.NewBuilder(tree)
	for i := range 4000 {
		k, v := row(i, 48)
		if err := b.Add(k, v); err != nil {
			t.Fatal(err)
		}
	}
	s.commit(func(e btree.Editor) error { return b.Flush(ctx, e) })
	shape, err := tree.Check(ctx, s.newest)
	if err != nil {
		t.Fatal(err)
	}
	for _, forward := range []bool{true, false} {
		p := &prefetcher{snapshot: s.newest, at: map[redo.PageID]bool{}}
		c := btree.NewCursor(tree, p)
		n := 0
		first, next := c.Seek, c.Next
		if !forward {
			first, next = func(ctx context.Context, _ []byte) bool { return c.SeekLast(ctx) }, c.Prev
		}
		for ok := first(ctx, nil); ok; ok = next(ctx) {
			n++
		}
		if n != 4000 || p.rounds > shape.Internal+shape.Leaves/8 {
			t.Errorf("%d rows in %d rounds, %d leaves, %d internal pages", n, p.rounds, shape.Leaves, shape.Internal)
		}
	}
	p := &prefetcher{snapshot: s.newest, at: map[redo.PageID]bool{}}
	c := btree.NewCursor(tree, p)
	limit, _ := row(1100, 0)
	c.SetLimit(limit)
	from, _ := row(1000, 0)
	for ok := c.Seek(ctx, from); ok && bytes.Compare(c.Key(), limit) < 0; ok = c.Next(ctx) {
		continue
	}
	if leaves := 4000 / shape.Leaves; p.asked > 100/leaves+3 {
		t.Errorf("asked for %d leaves of about %d rows for 100 rows", p.asked, leaves)
	}
}

func TestEstimate(t *testing.T) {
	s := newStore(t, 1024)
	b := btree.NewBuilder(tree)
	const rows = 20000
	for i := range rows {
		k, v := row(i, 40)
		if err := b.Add(k, v); err != nil {
			t.Fatal(err)
		}
	}
	s.commit(func(e btree.Editor) error { return b.Flush(ctx, e) })
	for _, c := range [][2]int{{0, rows}, {5, 9}, {100, 100}, {10, 5000}, {7000, 7100}, {19000, 19999}, {300, 200}} {
		lo, _ := row(c[0], 0)
		hi, _ := row(c[1], 0)
		got, err := tree.Estimate(ctx, s.newest, lo, hi)
		want := float64(max(c[1]-c[0], 0))
		if err != nil || got < want*0.8-30 || got > want*1.25+30 {
			t.Errorf("estimate of [%d,%d): %.0f, %v", c[0], c[1], got, err)
		}
	}
	if got, err := tree.Estimate(ctx, s.newest, nil, nil); err != nil || got < rows*0.8 || got > rows*1.25 {
		t.Errorf("estimate of everything: %.0f, %v", got, err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	sum := 0.0
	for range 200 {
		cells := 0
		weight, err := tree.Sample(ctx, s.newest, r.IntN, func(_, v []byte) {
			if cells++; len(v) != 40 {
				t.Fatalf("value of %d bytes", len(v))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		sum += weight * float64(cells)
	}
	if got := sum / 200; got < rows*0.8 || got > rows*1.25 {
		t.Errorf("200 samples say %.0f rows", got)
	}
}

// TestCheckFindsDamage: the checker is no formality.
func TestCheckFindsDamage(t *testing.T) {
	s := newStore(t, 256)
	for i := range 200 {
		k, v := row(i, 16)
		if i == 100 {
			v = make([]byte, 500)
		}
		s.commit(func(e btree.Editor) error { return tree.Insert(ctx, e, k, v) })
	}
	missed := 0
	for id, b := range s.newest {
		d := maps.Clone(s.newest)
		d[id] = bytes.Clone(b)
		page.Apply(d[id], &redo.Record{LSN: page.LSN(b) + 1, Page: id, Op: redo.OpFree})
		if _, err := tree.Check(ctx, d); err == nil && s.used[id] {
			missed++
		}
		if l := page.Len(b); page.Level(b) > 0 && l > 1 {
			d[id] = bytes.Clone(b)
			first := page.ChildValue(page.Child(b, 0))
			cell := page.AppendCell(nil, page.Key(b, l-1), first[:], false)
			if err := page.Apply(d[id], &redo.Record{LSN: page.LSN(b) + 1, Page: id, Op: redo.OpReplace, Payload: cell}); err != nil {
				t.Fatal(err)
			}
			if _, err := tree.Check(ctx, d); !errors.Is(err, btree.ErrCorrupt) {
				t.Errorf("page %d: a child twice: %v", id, err)
			}
		}
	}
	if missed > 0 {
		t.Errorf("%d freed pages not missed", missed)
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	s := newStore(t, page.Size)
	b := btree.NewBuilder(tree)
	for i := range 20000 {
		k, v := row(i, 96)
		if err := b.Add(k, v); err != nil {
			t.Fatal(err)
		}
	}
	s.commit(func(e btree.Editor) error { return b.Flush(ctx, e) })
	var p btree.Pager = s.newest
	key, _ := row(12345, 0)
	c := btree.NewCursor(tree, p)
	if n := testing.AllocsPerRun(100, func() {
		if _, ok, err := tree.Get(ctx, p, key); !ok || err != nil {
			t.Fatal(ok, err)
		}
		c.Reset(tree, p)
		for ok, i := c.Seek(ctx, key), 0; ok && i < 500; ok, i = c.Next(ctx), i+1 {
			if v, err := c.Value(ctx); err != nil || len(v) != 96 {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	s := newStore(&testing.T{}, page.Size)
	bl := btree.NewBuilder(tree)
	for i := range 100000 {
		k, v := row(i, 96)
		_ = bl.Add(k, v)
	}
	s.commit(func(e btree.Editor) error { return bl.Flush(ctx, e) })
	r := rand.New(rand.NewPCG(1, 1))
	key := make([]byte, 8)
	for b.Loop() {
		binary.BigEndian.PutUint64(key, uint64(r.IntN(100000)))
		if _, ok, err := tree.Get(ctx, s.newest, key); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
