package bufpool

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Dump lists every page with its versions, newest first: [from,through], heads as [from,.
func (p *Pool) Dump() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	entries := slices.Clone(p.mu.clock)
	slices.SortFunc(entries, func(x, y *entry) int { return cmp.Compare(x.id, y.id) })
	for _, e := range entries {
		fmt.Fprintf(&b, "page %d:", e.id)
		if vs := e.versions.Load(); vs != nil {
			for _, v := range *vs {
				if v.through == open {
					fmt.Fprintf(&b, " [%d,", v.from)
				} else {
					fmt.Fprintf(&b, " [%d,%d]", v.from, v.through)
				}
			}
		}
		if e.pins > 0 {
			fmt.Fprintf(&b, " pins=%d", e.pins)
		}
		b.WriteByte('\n')
	}
	if b.Len() == 0 {
		return "empty\n"
	}
	return b.String()
}

// CheckInvariants panics if the pool's bookkeeping is wrong.
func (p *Pool) CheckInvariants() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var bytes int64
	for i, e := range p.mu.clock {
		if e.slot != i || p.table.Load().get(e.id) != e {
			panic("entry is not where it says")
		}
		vs := e.versions.Load()
		if vs == nil {
			if e.pins == 0 {
				panic("entry without version and pin")
			}
			continue
		}
		bytes += int64(len(*vs)) * p.pageSize
		for j, v := range *vs {
			if v.through < v.from || j > 0 && (v.through == open || v.through >= (*vs)[j-1].from) {
				panic(fmt.Sprintf("page %d: versions overlap: %d [%d,%d]", e.id, j, v.from, v.through))
			}
		}
	}
	if bytes != p.mu.bytes || p.table.Load().count != len(p.mu.clock) {
		panic(fmt.Sprintf("%d bytes counted, %d there", p.mu.bytes, bytes))
	}
}
