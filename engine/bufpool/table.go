package bufpool

import (
	"slices"
	"sync/atomic"

	"sextant/internal/redo"
)

// table is a hash table from page id to entry that is read without a lock. Chains
// are changed under the pool's mutex by linking nodes in and out; a node that a
// reader stands on keeps its own link, so the reader gets to the end of the chain.
type table struct {
	shift   uint
	buckets []atomic.Pointer[node]
	count   int
}

type node struct {
	entry *entry
	next  atomic.Pointer[node]
}

// newTable makes a table of n buckets, a power of two.
func newTable(n int) *table {
	shift := uint(64)
	for m := n; m > 1; m >>= 1 {
		shift--
	}
	return &table{shift: shift, buckets: make([]atomic.Pointer[node], n)}
}

// bucket spreads ids by Fibonacci hashing: neighbours end up far apart.
func (t *table) bucket(id redo.PageID) *atomic.Pointer[node] {
	return &t.buckets[uint64(id)*0x9e3779b97f4a7c15>>t.shift]
}

func (t *table) get(id redo.PageID) *entry {
	for n := t.bucket(id).Load(); n != nil; n = n.next.Load() {
		if n.entry.id == id {
			return n.entry
		}
	}
	return nil
}

func (t *table) put(e *entry) {
	b := t.bucket(e.id)
	n := &node{entry: e}
	n.next.Store(b.Load())
	b.Store(n)
	t.count++
}

func (t *table) remove(e *entry) {
	at := t.bucket(e.id)
	for n := at.Load(); n != nil; n = at.Load() {
		if n.entry == e {
			at.Store(n.next.Load())
			t.count--
			return
		}
		at = &n.next
	}
}

// The functions below are called with the pool's mutex held.

// entry returns the page's entry, made if there is none.
func (p *Pool) entry(id redo.PageID, cold bool) *entry {
	t := p.table.Load()
	if e := t.get(id); e != nil {
		return e
	}
	if t.count >= len(t.buckets) {
		bigger := newTable(2 * len(t.buckets))
		for _, e := range p.mu.clock {
			bigger.put(e)
		}
		p.table.Store(bigger)
		t = bigger
	}
	e := &entry{id: id, slot: len(p.mu.clock)}
	if !cold {
		e.heat.Store(1)
	}
	p.mu.clock = append(p.mu.clock, e)
	t.put(e)
	return e
}

// forget removes an entry that has no version and no pin.
func (p *Pool) forget(e *entry) {
	if e.pins > 0 || e.versions.Load() != nil {
		return
	}
	p.table.Load().remove(e)
	last := len(p.mu.clock) - 1
	moved := p.mu.clock[last]
	p.mu.clock[e.slot], moved.slot = moved, e.slot
	p.mu.clock[last] = nil
	p.mu.clock = p.mu.clock[:last]
}

// replace gives the entry other versions and keeps the count of bytes.
func (p *Pool) replace(e *entry, vs []version) {
	if old := e.versions.Load(); old != nil {
		p.mu.bytes -= int64(len(*old)) * p.pageSize
	}
	p.mu.bytes += int64(len(vs)) * p.pageSize
	if len(vs) == 0 {
		e.versions.Store(nil)
		return
	}
	e.versions.Store(&vs)
}

// install adds a version to its place among the page's others. A version of the
// same page LSN becomes one with it, right for both ranges.
func (p *Pool) install(id redo.PageID, v version, cold bool) {
	e := p.entry(id, cold)
	var old []version
	if vs := e.versions.Load(); vs != nil {
		old = *vs
	}
	i := 0
	for i < len(old) && old[i].from > v.from {
		i++
	}
	if i > 0 {
		v.through = min(v.through, old[i-1].from-1)
	}
	vs := slices.Clone(old)
	if i < len(old) && old[i].from == v.from {
		vs[i].through = max(old[i].through, v.through)
	} else {
		vs = slices.Insert(vs, i, v)
	}
	p.replace(e, vs)
}

// evict drops versions until the budget is kept, as far as a bounded sweep gets:
// the budget may be passed for a while by what is warm, and by what is above the VDL.
func (p *Pool) evict() { p.sweep(sweepMax) }

// sweep moves the hand over at most so many entries while the pool is over its
// budget: it cools what is warm, and drops what is cold and may be dropped.
func (p *Pool) sweep(entries int) {
	budget := p.budget.Load()
	for ; p.mu.bytes > budget && entries > 0 && len(p.mu.clock) > 0; entries-- {
		if p.mu.hand >= len(p.mu.clock) {
			p.mu.hand = 0
		}
		e := p.mu.clock[p.mu.hand]
		h := e.heat.Load()
		if h > 0 {
			e.heat.Store(h - 1)
		}
		n := len(p.mu.clock)
		p.shed(e, h == 0)
		if p.forget(e); n == len(p.mu.clock) {
			p.mu.hand++
		}
	}
}

// shed drops the entry's versions that nothing needs, and all that may be evicted
// if all.
func (p *Pool) shed(e *entry, all bool) {
	old := e.versions.Load()
	if old == nil {
		return
	}
	durable := redo.LSN(p.durable.Load())
	var keep []version
	for _, v := range *old {
		switch {
		case v.from > durable || v.through == open && e.pins > 0:
			keep = append(keep, v)
		case v.through != open && !p.needed(v):
			p.mu.stats.Pruned++
		case all:
			p.mu.stats.Evictions++
		default:
			keep = append(keep, v)
		}
	}
	if len(keep) < len(*old) {
		p.replace(e, keep)
	}
}
