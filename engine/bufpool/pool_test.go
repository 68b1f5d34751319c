package bufpool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"sextant/engine/bufpool"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// oracle knows every version of every page, and is the storage.
type oracle struct {
	t    *testing.T
	mu   sync.RWMutex
	hist map[redo.PageID][][]byte // versions, oldest first
	ends []redo.LSN               // of turns, oldest first
	vdl  atomic.Uint64
}

// as returns the page as of at.
func (o *oracle) as(id redo.PageID, at redo.LSN) []byte {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, b := range slices.Backward(o.hist[id]) {
		if page.LSN(b) <= at {
			return b
		}
	}
	return make([]byte, testPage)
}

func (o *oracle) fetch(ctx context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
	if vdl := redo.LSN(o.vdl.Load()); at > vdl {
		o.t.Errorf("fetch of page %d at %d, VDL %d", id, at, vdl)
	}
	b := bytes.Clone(o.as(id, at))
	for range int(id) % 5 {
		runtime.Gosched()
	}
	return b, ctx.Err()
}

func (o *oracle) fetchMany(ctx context.Context, ids []redo.PageID, at redo.LSN) (out [][]byte, err error) {
	for _, id := range ids {
		b, e := o.fetch(ctx, id, at)
		out, err = append(out, b), errors.Join(err, e)
	}
	return out, err
}

// endBelow returns the newest end of a turn at or below l.
func (o *oracle) endBelow(l redo.LSN) redo.LSN {
	o.mu.RLock()
	defer o.mu.RUnlock()
	i, found := slices.BinarySearch(o.ends, l)
	if found {
		return l
	}
	if i == 0 {
		return 0
	}
	return o.ends[i-1]
}

// instance is a pool with what its owner keeps beside it.
type instance struct {
	*oracle
	pool     *bufpool.Pool
	at       func() redo.LSN // for LoadHead
	mu       sync.Mutex
	live     map[redo.LSN]int
	newest   atomic.Uint64 // newest snapshot that may be chosen
	answered atomic.Int64
}

func newInstance(t *testing.T, pages int) *instance {
	o := &oracle{t: t, hist: map[redo.PageID][][]byte{}}
	return &instance{
		oracle: o, live: map[redo.LSN]int{},
		pool: bufpool.New(bufpool.Options{Bytes: int64(pages) * testPage, PageSize: testPage}),
	}
}

func (in *instance) hold(s redo.LSN) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.live[s]++
}

func (in *instance) release(s redo.LSN) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.live[s]--; in.live[s] == 0 {
		delete(in.live, s)
	}
}

func (in *instance) snapshots() (out []redo.LSN) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for s := range in.live {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// read reads a page as of s the way a snapshot's pager does.
func (in *instance) read(ctx context.Context, id redo.PageID, s redo.LSN) ([]byte, error) {
	if b, ok := in.pool.At(id, s); ok {
		return b, nil
	}
	b, err := in.pool.LoadHead(ctx, id, in.at, in.fetch)
	if err != nil || page.LSN(b) <= s {
		return b, err
	}
	return in.pool.LoadAt(ctx, id, min(s, redo.LSN(in.vdl.Load())), in.fetch)
}

// reader reads random pages at snapshots of its own until stop, each many times,
// also after time has passed.
func (in *instance) reader(seed uint64, pages int, stop <-chan struct{}) {
	r := rand.New(rand.NewPCG(seed, 7))
	for {
		runtime.Gosched() // or three of these leave the writer a time slice in four
		s := in.endBelow(redo.LSN(in.newest.Load()))
		in.hold(s)
		for range r.IntN(60) {
			id := redo.PageID(1 + r.IntN(pages))
			if r.IntN(20) == 0 {
				ids := []redo.PageID{id, id%redo.PageID(pages) + 1}
				if err := in.pool.LoadMany(context.Background(), ids, in.at, in.fetchMany); err != nil {
					in.t.Error(err)
				}
			}
			b, err := in.read(context.Background(), id, s)
			if want := in.as(id, s); err != nil || !bytes.Equal(b, want) {
				in.t.Errorf("page %d at %d: LSN %d, want %d: %v", id, s, page.LSN(b), page.LSN(want), err)
				in.release(s)
				return
			}
			in.answered.Add(1)
			select {
			case <-stop:
				in.release(s)
				return
			default:
			}
		}
		in.release(s)
	}
}

// TestWriterAgainstOracle: turns are published while the VDL follows behind them,
// readers read at snapshots at and above it, and the budget is tiny and changes.
func TestWriterAgainstOracle(t *testing.T) {
	for _, budget := range []int{8, 24, 1000} {
		in := newInstance(t, budget)
		in.at = func() redo.LSN { return redo.LSN(in.vdl.Load()) }
		const pages, turns = 40, 1500
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() { in.reader(uint64(i), pages, stop) })
		}
		w := &turnWriter{instance: in, r: rand.New(rand.NewPCG(uint64(budget), 3)), pages: pages, next: 1}
		for i := range turns {
			w.turn()
			if i%50 == 0 {
				in.pool.CheckInvariants()
				in.pool.SetBytes(int64(budget+w.r.IntN(8)) * testPage)
			}
			if t.Failed() {
				break
			}
			runtime.Gosched()
		}
		close(stop)
		wg.Wait()
		in.pool.CheckInvariants()
		st := in.pool.Stats()
		t.Logf("budget %d: %d reads, %+v", budget, in.answered.Load(), st)
		if in.answered.Load() < 500 || budget < 100 && st.Evictions == 0 {
			t.Error("too little was tested")
		}
	}
}

type turnWriter struct {
	*instance
	r     *rand.Rand
	pages int
	next  redo.LSN
	moved int // ends of turns that the VDL has passed
}

// turn applies one turn as a commit pipeline does: pin, load, copy, number, publish.
func (w *turnWriter) turn() {
	first := w.next
	copies := map[redo.PageID][]byte{}
	var order []redo.PageID
	for range 1 + w.r.IntN(6) {
		id := redo.PageID(1 + w.r.IntN(w.pages))
		if copies[id] == nil {
			copies[id] = w.base(id)
			order = append(order, id)
		}
		rec := record(id, w.next, page.LSN(copies[id]) == 0 || w.r.IntN(10) == 0)
		if err := page.Apply(copies[id], &rec); err != nil {
			w.t.Fatal(err)
		}
		w.next++
	}
	w.oracle.mu.Lock()
	for _, id := range order {
		w.hist[id] = append(w.hist[id], bytes.Clone(copies[id]))
	}
	w.ends = append(w.ends, w.next-1)
	w.oracle.mu.Unlock()
	if w.r.IntN(10) == 0 {
		w.advance() // the VDL may pass the turn before it is published
	}
	for _, id := range order {
		w.pool.Publish(id, copies[id], first, w.snapshots())
		if w.r.IntN(4) == 0 {
			runtime.Gosched()
		}
	}
	for _, id := range order {
		w.pool.Unpin(id)
	}
	w.newest.Store(uint64(w.next - 1))
	if w.r.IntN(3) == 0 {
		w.advance()
	}
}

// base pins the page and returns a copy of its head, which must be the newest there is.
func (w *turnWriter) base(id redo.PageID) []byte {
	w.pool.Pin(id)
	b, err := w.pool.LoadHead(context.Background(), id, w.at, w.fetch)
	if err != nil {
		w.t.Fatal(err)
	}
	head, ok := w.pool.Head(id)
	if want := w.as(id, w.next); !ok || !bytes.Equal(b, want) || !bytes.Equal(head, want) {
		w.t.Fatalf("head of page %d is %d, want %d", id, page.LSN(b), page.LSN(want))
	}
	return bytes.Clone(b)
}

// advance moves the VDL to some later end of a turn.
func (w *turnWriter) advance() {
	w.moved += w.r.IntN(len(w.ends) - w.moved + 1)
	if w.moved == 0 {
		return
	}
	vdl := w.ends[w.moved-1]
	w.vdl.Store(uint64(vdl))
	w.pool.SetDurable(vdl)
}

// TestReaderAgainstOracle: a reader follows a stream in chunks; a page's records
// are applied, held or dropped, and every snapshot reads right.
func TestReaderAgainstOracle(t *testing.T) {
	for _, budget := range []int{8, 1000} {
		in := newInstance(t, budget)
		var begun atomic.Uint64
		in.at = func() redo.LSN {
			l := redo.LSN(begun.Load())
			runtime.Gosched() // so that chunks come between the look and the fetch
			return l
		}
		const pages, chunks = 40, 1500
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() { in.reader(uint64(i), pages, stop) })
		}
		r := rand.New(rand.NewPCG(uint64(budget), 4))
		next := redo.LSN(1)
		outcomes := map[string]int{}
		for i := 0; i < chunks && !t.Failed(); i++ {
			first, records := next, map[redo.PageID][]redo.Record{}
			var order []redo.PageID
			for range 1 + r.IntN(8) {
				id := redo.PageID(1 + r.IntN(pages))
				if records[id] == nil {
					order = append(order, id)
				}
				isFirst := page.LSN(in.as(id, next)) == 0 && records[id] == nil
				records[id] = append(records[id], record(id, next, isFirst))
				next++
			}
			in.store(order, records, next-1)
			in.vdl.Store(uint64(next - 1))
			begun.Store(uint64(next - 1))
			for _, id := range order {
				outcomes[in.follow(id, records[id], first)]++
				runtime.Gosched()
			}
			in.pool.SetDurable(next - 1)
			in.newest.Store(uint64(next - 1))
		}
		close(stop)
		wg.Wait()
		in.pool.CheckInvariants()
		t.Logf("budget %d: %d reads, %v, %+v", budget, in.answered.Load(), outcomes, in.pool.Stats())
		if outcomes["applied"] == 0 || budget == 8 && outcomes["dropped"] == 0 {
			t.Error("too little was tested")
		}
	}
}

// store adds a chunk to the oracle.
func (in *instance) store(order []redo.PageID, records map[redo.PageID][]redo.Record, end redo.LSN) {
	for _, id := range order {
		b := bytes.Clone(in.as(id, end))
		for i := range records[id] {
			if err := page.Apply(b, &records[id][i]); err != nil {
				in.t.Fatal(err)
			}
		}
		in.oracle.mu.Lock()
		in.hist[id] = append(in.hist[id], b)
		in.oracle.mu.Unlock()
	}
	in.oracle.mu.Lock()
	in.ends = append(in.ends, end)
	in.oracle.mu.Unlock()
}

// follow brings one page's records of a chunk.
func (in *instance) follow(id redo.PageID, records []redo.Record, first redo.LSN) string {
	head, held := in.pool.Hold(id, records)
	switch {
	case held:
		return "held"
	case head == nil:
		return "dropped"
	}
	b := bytes.Clone(head)
	for i := range records {
		if records[i].LSN <= page.LSN(head) {
			continue // the head was fetched with a part of the chunk
		}
		if err := page.Apply(b, &records[i]); err != nil {
			in.t.Fatal(err)
		}
	}
	if page.LSN(b) == page.LSN(head) {
		return "had"
	}
	in.pool.Publish(id, b, first, in.snapshots())
	return "applied"
}

// TestWaitersHonourTheirContext: who waits for another's fetch leaves when its own
// context ends, and takes over when the other's ends.
func TestWaitersHonourTheirContext(t *testing.T) {
	p := bufpool.New(bufpool.Options{Bytes: 64 * testPage, PageSize: testPage})
	h := history{7: {10}}
	at := func() redo.LSN { return 100 }
	fetching, leaderCtx := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	leader := make(chan error, 1)
	go func() {
		_, err := p.LoadHead(ctx, 7, at, func(ctx context.Context, _ redo.PageID, _ redo.LSN) ([]byte, error) {
			close(fetching)
			<-ctx.Done()
			<-leaderCtx
			return nil, ctx.Err()
		})
		leader <- err
	}()
	<-fetching
	gone, leave := context.WithCancel(context.Background())
	leave()
	if _, err := p.LoadHead(gone, 7, at, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("waiter whose context ended: %v", err)
	}
	waiter := make(chan string, 1)
	go func() {
		waiter <- describe(p.LoadHead(context.Background(), 7, at, func(_ context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
			return h.page(id, at), nil
		}))
	}()
	for p.Stats().Waits < 2 {
		runtime.Gosched()
	}
	cancel()
	close(leaderCtx)
	if err := <-leader; !errors.Is(err, context.Canceled) {
		t.Fatalf("leader: %v", err)
	}
	if got := <-waiter; got != "as of 10" {
		t.Fatalf("waiter: %s", got)
	}
}

// TestHeldRecordsAreBounded: more records than a page under way may hold cost
// another fetch, not memory, and nothing is lost.
func TestHeldRecordsAreBounded(t *testing.T) {
	p := bufpool.New(bufpool.Options{Bytes: 64 * testPage, PageSize: testPage})
	h := history{7: {10}}
	vdl := redo.LSN(100)
	fetches := 0
	b, err := p.LoadHead(context.Background(), 7, func() redo.LSN { return vdl },
		func(_ context.Context, id redo.PageID, at redo.LSN) ([]byte, error) {
			b := h.page(id, at)
			if fetches++; fetches > 1 {
				return b, nil
			}
			for vdl < 60000 {
				vdl++
				r := record(7, vdl, true)
				r.Payload = append(r.Payload, make([]byte, 200)...)
				if _, held := p.Hold(7, []redo.Record{r}); !held {
					t.Fatal("dropped during the fetch")
				}
			}
			h[7] = append(h[7], 101, vdl)
			return b, nil
		})
	if err != nil || page.LSN(b) != 60000 || fetches != 2 {
		t.Fatalf("LSN %d in %d fetches: %v", page.LSN(b), fetches, err)
	}
	p.CheckInvariants()
}

// TestLookupsDoNotAllocate, nor wait: they are made with the pool's mutex held.
func TestLookupsDoNotAllocate(t *testing.T) {
	p := bufpool.New(bufpool.Options{Bytes: 4096 * testPage, PageSize: testPage})
	h := history{}
	for id := redo.PageID(1); id <= 3000; id++ {
		h[id] = []redo.LSN{redo.LSN(id)}
		p.Publish(id, h.page(id, 5000), redo.LSN(id), nil)
	}
	if n := testing.AllocsPerRun(10, func() {
		for id := redo.PageID(1); id <= 3000; id++ {
			if b, ok := p.At(id, 5000); !ok || page.LSN(b) != redo.LSN(id) {
				t.Fatalf("page %d", id)
			}
			if _, ok := p.At(id, redo.LSN(id-1)); ok {
				t.Fatalf("page %d before it was", id)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAt(b *testing.B) {
	p := bufpool.New(bufpool.Options{Bytes: 1 << 30, PageSize: testPage})
	h := history{}
	for id := redo.PageID(1); id <= 10000; id++ {
		h[id] = []redo.LSN{redo.LSN(id)}
		p.Publish(id, h.page(id, 20000), redo.LSN(id), nil)
	}
	b.RunParallel(func(pb *testing.PB) {
		r := rand.New(rand.NewPCG(1, 1))
		for pb.Next() {
			if _, ok := p.At(redo.PageID(1+r.IntN(10000)), 20000); !ok {
				b.Fatal("miss")
			}
		}
	})
}

// A fetch that storage refuses as garbage is the failure of the load that asked at that
// snapshot, not of those that wait for its end with newer ones.
func TestGoneIsOfOneSnapshot(t *testing.T) {
	p := bufpool.New(bufpool.Options{Bytes: 64 * testPage, PageSize: testPage})
	h := history{1: {5, 9}}
	old, young := p.Version(1, 6), p.Version(1, 9)
	if st := old.Next(); st.At != 6 || st.Wait != nil {
		t.Fatalf("the first load: %+v", st)
	}
	st := young.Next()
	if st.Wait == nil {
		t.Fatalf("the second load does not wait: %+v", st)
	}
	old.Fetched(nil, fmt.Errorf("read at 6: %w", logstore.ErrGone))
	if st := old.Next(); !errors.Is(st.Err, logstore.ErrGone) {
		t.Fatalf("the first load: %+v", st)
	}
	<-st.Wait
	if st := young.Next(); st.At != 9 || st.Err != nil || st.Wait != nil {
		t.Fatalf("the second load does not try for itself: %+v", st)
	}
	young.Fetched(h.page(1, 9), nil)
	if st := young.Next(); describe(st.Page, st.Err) != "as of 9" {
		t.Fatalf("the second load: %+v", st)
	}
}
