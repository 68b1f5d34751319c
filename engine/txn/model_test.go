package txn_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sextant/engine/txn"
)

// The naive model: every lock is a line in a list, every question a loop over it.
type grant struct {
	owner  int
	lo, hi string // [lo, hi); a point is [k, k+\0)
	mode   txn.Mode
	kind   string // "point", "gap", "range"
	write  txn.Seq
}

type wish struct {
	owner int
	key   string
	mode  txn.Mode
	write txn.Seq
	ins   bool
}

type model struct {
	grants []grant
	queue  []wish // of all keys, in order of arrival
}

func modelConflict(a, b txn.Mode) bool { return a == txn.Exclusive || b == txn.Exclusive }

// holdsAny: by a point or an interval.
func (m *model) holdsAny(owner int, key string) bool {
	return slices.ContainsFunc(m.grants, func(g grant) bool {
		return g.owner == owner && g.lo <= key && key < g.hi
	})
}

func (m *model) covered(w wish) bool {
	return slices.ContainsFunc(m.grants, func(g grant) bool {
		in := g.owner == w.owner && g.lo <= w.key && w.key < g.hi
		if w.write != 0 {
			return in && g.kind == "point" && g.write != 0
		}
		return in && g.kind != "gap" && g.write == 0 && (g.mode == txn.Exclusive || w.mode == txn.Shared)
	})
}

// blockers returns the owners that stand in w's way, ahead being who waits before it.
func (m *model) blockers(w wish, ahead []wish) (out []int) {
	for _, g := range m.grants {
		if g.owner == w.owner || g.lo > w.key || w.key >= g.hi {
			continue
		}
		if g.kind != "gap" && modelConflict(g.mode, w.mode) || g.kind != "point" && w.ins {
			out = append(out, g.owner)
		}
	}
	if !m.holdsAny(w.owner, w.key) {
		for _, x := range ahead {
			if x.key == w.key && x.owner != w.owner && modelConflict(x.mode, w.mode) {
				out = append(out, x.owner)
			}
		}
	}
	return out
}

func (m *model) graph() map[int][]int {
	edges := map[int][]int{}
	for i, w := range m.queue {
		edges[w.owner] = m.blockers(w, m.queue[:i])
	}
	return edges
}

func cyclic(edges map[int][]int, from int) bool {
	seen := map[int]bool{}
	var visit func(int) bool
	visit = func(at int) bool {
		for _, b := range edges[at] {
			if b == from {
				return true
			}
			if !seen[b] {
				seen[b] = true
				if visit(b) {
					return true
				}
			}
		}
		return false
	}
	return visit(from)
}

func (m *model) take(w wish) {
	m.grants = append(m.grants, grant{owner: w.owner, lo: w.key, hi: w.key + "\x00", mode: w.mode, kind: "point", write: w.write})
}

// settle grants, in order of arrival, what is free, until nothing changes.
func (m *model) settle() (granted []int) {
	for changed := true; changed; {
		changed = false
		for i, w := range m.queue {
			if len(m.blockers(w, m.queue[:i])) == 0 {
				m.queue = slices.Delete(m.queue, i, i+1)
				m.take(w)
				granted = append(granted, w.owner)
				changed = true
				break
			}
		}
	}
	return granted
}

// TestTableDoesWhatTheNaiveModelDoes draws operations of a few owners on a few keys
// and compares every answer, every wake and every deadlock.
func TestTableDoesWhatTheNaiveModelDoes(t *testing.T) {
	deadlocks := 0
	for seed := range uint64(400) {
		deadlocks += runModel(t, seed)
	}
	if deadlocks < 100 {
		t.Errorf("only %d deadlocks were drawn", deadlocks)
	}
}

const modelOwners = 5

func runModel(t *testing.T, seed uint64) (deadlocks int) {
	r := rand.New(rand.NewPCG(seed, 7))
	b := txn.NewBudget(1 << 20)
	table := txn.NewTable(b)
	var owners [modelOwners]*txn.Owner
	for i := range owners {
		owners[i] = table.NewOwner(uint64(i))
	}
	m := &model{}
	waiting := map[int]*txn.Waiter{}
	seq := txn.Seq(0)
	sp := txn.Space{Table: 1}
	key := func() string { return string(rune('b' + 2*r.IntN(6))) }
	collect := func(step int, want []int) {
		t.Helper()
		var got []int
		for i := range owners {
			if w := waiting[i]; w != nil {
				select {
				case <-w.Done():
					if w.Err() == nil {
						got = append(got, i)
						delete(waiting, i)
					}
				default:
				}
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d step %d: granted to %v, the model grants to %v", seed, step, got, want)
		}
	}
	for step := range 120 {
		i := r.IntN(modelOwners)
		if waiting[i] != nil {
			continue
		}
		o := owners[i]
		switch r.IntN(10) {
		case 0, 1, 2, 3, 4, 5:
			w := wish{owner: i, key: key(), mode: txn.Mode(r.IntN(2))}
			if r.IntN(3) == 0 {
				seq++
				w.mode, w.write, w.ins = txn.Exclusive, seq, true
			}
			x, err := o.Request(txn.Request{Space: sp, Key: []byte(w.key), Mode: w.mode, Write: w.write, Insert: w.ins})
			if m.covered(w) {
				if x != nil || err != nil {
					t.Fatalf("seed %d step %d: %+v is held already, got %v %v", seed, step, w, x, err)
				}
				break
			}
			if len(m.blockers(w, m.queue)) == 0 {
				if x != nil || err != nil {
					t.Fatalf("seed %d step %d: %+v is free, got %v %v\n%+v", seed, step, w, x, err, m)
				}
				m.take(w)
				break
			}
			m.queue = append(m.queue, w)
			deadlocks += m.checkDeadlock(t, owners[:], waiting, i, x, err)
			collect(step, m.settle())
		case 6, 7:
			// A gap, or records and gaps where nothing stands in the way.
			lo, hi := key(), key()
			if lo > hi {
				lo, hi = hi, lo
			}
			m.rangeStep(t, o, i, sp, lo, hi, txn.Mode(r.IntN(2)), r.IntN(2) == 0)
		case 8:
			s := txn.Seq(r.IntN(int(seq) + 1))
			o.ReleaseAfter(s)
			m.grants = slices.DeleteFunc(m.grants, func(g grant) bool { return g.owner == i && g.write > s })
			collect(step, m.settle())
		case 9:
			o.Release()
			m.grants = slices.DeleteFunc(m.grants, func(g grant) bool { return g.owner == i })
			collect(step, m.settle())
		}
		for x := range modelOwners {
			if cyclic(m.graph(), x) {
				t.Fatalf("seed %d step %d: a cycle through %d remains", seed, step, x)
			}
		}
	}
	for i, o := range owners {
		m.queue = slices.DeleteFunc(m.queue, func(w wish) bool { return w.owner == i })
		o.Close()
	}
	if len(table.Locks()) != 0 || b.Used() != 0 {
		t.Fatalf("seed %d: %d bytes and %v left", seed, b.Used(), table.Locks())
	}
	return deadlocks
}

// rangeStep locks [lo, hi) as a scan whose tree has no key in it would.
func (m *model) rangeStep(t *testing.T, o *txn.Owner, i int, sp txn.Space, lo, hi string, mode txn.Mode, gapOnly bool) {
	t.Helper()
	blocked, err := o.Next(&txn.Step{Space: sp, From: []byte(lo), To: []byte(hi), Mode: mode, Gaps: true, Entries: gapOnly})
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, g := range m.grants {
		if g.owner != i && g.kind == "point" && g.write != 0 && lo <= g.lo && g.lo < hi && (want == "" || g.lo < want) {
			want = g.lo
		}
	}
	if string(blocked) != want {
		t.Fatalf("range [%s %s): blocked at %q, want %q", lo, hi, blocked, want)
	}
	if want != "" || lo >= hi {
		return
	}
	g := grant{owner: i, lo: lo, hi: hi, mode: mode, kind: "range"}
	if gapOnly {
		g.kind = "gap"
	}
	// Next locks keys that no tree has without asking: the model does not either.
	m.grants = append(m.grants, g)
}

// checkDeadlock compares what the table did about w, the last in the model's queue,
// with cycles in the model's graph, and takes victims out of it.
func (m *model) checkDeadlock(t *testing.T, owners []*txn.Owner, waiting map[int]*txn.Waiter, i int, x *txn.Waiter, err error) (n int) {
	t.Helper()
	if x != nil {
		waiting[i] = x
	} else if !errors.Is(err, txn.ErrDeadlock) {
		t.Fatalf("owner %d must wait, got %v", i, err)
	}
	var victims []int
	for v, w := range waiting {
		select {
		case <-w.Done():
			if errors.Is(w.Err(), txn.ErrDeadlock) {
				victims = append(victims, v)
			}
		default:
		}
	}
	if x == nil {
		victims = append(victims, i)
	}
	if (len(victims) > 0) != cyclic(m.graph(), i) {
		t.Fatalf("victims %v, but cycle is %v: %v", victims, cyclic(m.graph(), i), m.graph())
	}
	slices.Sort(victims)
	for _, v := range victims {
		if !cyclic(m.graph(), v) && len(victims) == 1 {
			t.Fatalf("victim %d was in no cycle", v)
		}
	}
	for _, v := range victims {
		m.queue = slices.DeleteFunc(m.queue, func(w wish) bool { return w.owner == v })
		delete(waiting, v)
		owners[v].Release()
		m.grants = slices.DeleteFunc(m.grants, func(g grant) bool { return g.owner == v })
	}
	return len(victims)
}

// TestExclusiveMeansAloneAndNobodyIsForgotten: goroutines take one to three keys in random
// order and modes; deadlock victims try again. Who holds a key checks that he is
// alone. If a wake were lost, the test would not end.
func TestExclusiveMeansAloneAndNobodyIsForgotten(t *testing.T) {
	b := txn.NewBudget(1 << 24)
	table := txn.NewTable(b)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const keys, workers, rounds = 4, 16, 400
	var writers, readers [keys]atomic.Int32
	var deadlocks atomic.Int32
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			o := table.NewOwner(uint64(n))
			defer o.Close()
			for done := 0; done < rounds; {
				err := stressRound(ctx, r, o, &writers, &readers)
				switch {
				case err == nil:
					done++
				case errors.Is(err, txn.ErrDeadlock):
					deadlocks.Add(1)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if left := table.Locks(); len(left) != 0 || b.Used() != 0 {
		t.Errorf("%d bytes and %v left", b.Used(), left)
	}
	t.Logf("%d rounds, %d deadlocks, %+v", workers*rounds, deadlocks.Load(), table.Stats())
	if deadlocks.Load() == 0 {
		t.Error("no deadlock was drawn: the test shows less than it says")
	}
}

func stressRound(ctx context.Context, r *rand.Rand, o *txn.Owner, writers, readers *[4]atomic.Int32) error {
	var held [4]txn.Mode
	var has [4]bool
	var undo []func()
	defer func() {
		for _, f := range undo {
			f()
		}
		o.Release()
	}()
	for range 1 + r.IntN(3) {
		k, mode := r.IntN(4), txn.Mode(r.IntN(2))
		if has[k] {
			continue
		}
		req := txn.Request{Space: txn.Space{Table: 9}, Key: []byte{byte(k)}, Mode: mode}
		if err := o.Acquire(ctx, req, txn.Policy{Timeout: time.Minute}); err != nil {
			return err
		}
		has[k], held[k] = true, mode
		if mode == txn.Exclusive {
			if n, m := writers[k].Add(1), readers[k].Load(); n != 1 || m != 0 {
				return fmt.Errorf("key %d: %d writers and %d readers beside an exclusive lock", k, n, m)
			}
			undo = append(undo, func() { writers[k].Add(-1) })
		} else {
			readers[k].Add(1)
			if n := writers[k].Load(); n != 0 {
				return fmt.Errorf("key %d: %d writers beside a shared lock", k, n)
			}
			undo = append(undo, func() { readers[k].Add(-1) })
		}
		runtime.Gosched()
	}
	return nil
}

func TestAWaitEndsWithItsContextItsTimeoutAndTheTable(t *testing.T) {
	table := txn.NewTable(txn.NewBudget(1 << 20))
	holder, o := table.NewOwner(1), table.NewOwner(2)
	req := txn.Request{Space: txn.Space{Table: 1}, Key: []byte("k"), Mode: txn.Exclusive}
	if err := holder.Acquire(context.Background(), req, txn.Policy{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := o.Acquire(ctx, req, txn.Policy{Timeout: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := o.Acquire(context.Background(), req, txn.Policy{Timeout: time.Millisecond}); !errors.Is(err, txn.ErrLockWait) {
		t.Errorf("timeout: %v", err)
	}
	if err := o.Acquire(context.Background(), req, txn.Policy{NoWait: true}); !errors.Is(err, txn.ErrNoWait) {
		t.Errorf("no wait: %v", err)
	}
	w, err := o.Request(req)
	if err != nil {
		t.Fatal(err)
	}
	table.Close(txn.ErrClosed)
	if err := w.Wait(context.Background(), 0); !errors.Is(err, txn.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := o.Request(req); !errors.Is(err, txn.ErrClosed) {
		t.Errorf("request after close: %v", err)
	}
	table.Open()
	holder.Release()
	if err := o.Try(req); err != nil {
		t.Errorf("after opening again: %v", err)
	}
	holder.Close()
	o.Close()
	if n := table.Stats().Timeouts; n != 1 {
		t.Errorf("%d timeouts counted, want 1", n)
	}
}

func TestUserLocksCount(t *testing.T) {
	table := txn.NewTable(txn.NewBudget(1 << 20))
	a, b := table.NewOwner(1), table.NewOwner(2)
	for range 2 {
		if err := a.UserLock(context.Background(), "L", txn.Policy{NoWait: true}); err != nil {
			t.Fatal(err)
		}
	}
	a.Release() // the end of a transaction changes nothing
	if !a.UserUnlock("L") || table.UserHolder("L") != 1 {
		t.Error("locked twice, unlocked once: must be held")
	}
	if err := b.UserLock(context.Background(), "L", txn.Policy{NoWait: true}); !errors.Is(err, txn.ErrNoWait) {
		t.Errorf("held by another: %v", err)
	}
	if b.UserUnlock("L") || !a.UserUnlock("L") || a.UserUnlock("L") || table.UserHolder("L") != 0 {
		t.Error("unlock")
	}
	if err := b.UserLock(context.Background(), "L", txn.Policy{NoWait: true}); err != nil || b.UserUnlockAll() != 1 || table.UserHolder("L") != 0 {
		t.Errorf("lock and unlock all: %v", err)
	}
}

func BenchmarkLockAndRelease(b *testing.B) {
	table := txn.NewTable(txn.NewBudget(1 << 30))
	b.ReportAllocs()
	var id atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		n := id.Add(1)
		o := table.NewOwner(n)
		key := []byte{0, 0, 0, 0, 0, 0, 0, byte(n)}
		for pb.Next() {
			for i := range 4 {
				key[0] = byte(i)
				if err := o.Try(txn.Request{Space: txn.Space{Table: 1}, Key: key, Mode: txn.Exclusive, Write: 1, Insert: true}); err != nil {
					b.Fatal(err)
				}
			}
			o.Release()
		}
	})
}
