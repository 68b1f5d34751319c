package check

import (
	"fmt"
	"slices"
	"strings"
)

// edgeKind says why one transaction comes before another.
type edgeKind uint8

const (
	ww edgeKind = iota // it wrote the version before the other's
	wr                 // the other read its version
	rw                 // it read the version before the other's
	so                 // the same session, later
	rt                 // acknowledged before the other began
)

func (k edgeKind) String() string {
	return [...]string{"overwritten by", "read by", "read before", "then, in its session,", "before, in time,"}[k]
}

type edge struct {
	to   int
	kind edgeKind
	via  int // ≥ 0: two edges, the first of kind to node via, the second rw
}

// graph has a node for every transaction and, behind them, one for every moment at
// which a transaction had been answered: they keep the edges of real time linear.
type graph struct {
	level    Level
	txns     []*Txn
	readOnly map[int]bool
	out      [][]edge
}

func newGraph(level Level, txns []*Txn) *graph {
	return &graph{level: level, txns: txns, readOnly: map[int]bool{}, out: make([][]edge, len(txns))}
}

func (g *graph) edge(from, to int, kind edgeKind) {
	g.out[from] = append(g.out[from], edge{to, kind, -1})
}

// sessions adds the order of each session.
func (g *graph) sessions(live []bool) {
	by := map[string][]int{}
	for i, t := range g.txns {
		if live[i] {
			by[t.Session] = append(by[t.Session], i)
		}
	}
	for _, s := range by {
		slices.SortFunc(s, func(a, b int) int { return int(g.txns[a].Begin - g.txns[b].Begin) })
		for i := 1; i < len(s); i++ {
			g.edge(s[i-1], s[i], so)
		}
	}
}

// realTime adds that a transaction through the cluster endpoint comes after all that
// were answered, anywhere, before it began.
func (g *graph) realTime(live []bool) {
	var ended []int
	for i, t := range g.txns {
		if live[i] && t.Outcome == Committed {
			ended = append(ended, i)
		}
	}
	slices.SortFunc(ended, func(a, b int) int { return int(g.txns[a].End - g.txns[b].End) })
	first := len(g.out)
	g.out = append(g.out, make([][]edge, len(ended))...)
	for k, i := range ended {
		g.edge(i, first+k, rt)
		if k > 0 {
			g.edge(first+k-1, first+k, rt)
		}
	}
	for i, t := range g.txns {
		if !live[i] || t.Reader {
			continue
		}
		k, _ := slices.BinarySearchFunc(ended, t.Begin, func(e int, at int64) int {
			if g.txns[e].End < at {
				return -1
			}
			return 1
		})
		if k > 0 {
			g.edge(first+k-1, i, rt)
		}
	}
}

// forbidden returns the graph in which every cycle is one that the level forbids.
//
// Serializable: all edges. Snapshot isolation: cycles in which no two rw edges follow
// each other, so an rw edge counts only behind another kind. Repeatable read: the rw
// edges of transactions that write nothing, whose snapshot has a place in the order of
// commits.
func (g *graph) forbidden() [][]edge {
	out := make([][]edge, len(g.out))
	for i, edges := range g.out {
		for _, e := range edges {
			switch {
			case e.kind != rw:
				out[i] = append(out[i], e)
				if g.level == SnapshotIsolation {
					for _, then := range g.out[e.to] {
						if then.kind == rw {
							out[i] = append(out[i], edge{then.to, e.kind, e.to})
						}
					}
				}
			case g.level == Serializable, g.level == RepeatableRead && g.readOnly[i]:
				out[i] = append(out[i], e)
			}
		}
	}
	return out
}

// anomalies returns a cycle of each of the first most components that have one.
func (g *graph) anomalies(most int) (found []Anomaly) {
	out := g.forbidden()
	for _, c := range components(out) {
		if len(found) == max(most, 0) {
			break
		}
		found = append(found, g.name(shortest(out, c)))
	}
	return found
}

// step is one edge of a cycle.
type step struct {
	from int
	edge
}

// shortest returns a cycle through some node of a strongly connected component, which
// is the shortest through the node from which the search starts.
func shortest(out [][]edge, component []int) (best []step) {
	in := map[int]bool{}
	for _, n := range component {
		in[n] = true
	}
	for _, start := range component[:min(len(component), 50)] {
		from := map[int]step{}
		queue := []int{start}
		for closed := false; len(queue) > 0 && !closed; _, closed = from[start] {
			n := queue[0]
			queue = queue[1:]
			for _, e := range out[n] {
				if _, ok := from[e.to]; in[e.to] && !ok {
					from[e.to] = step{n, e}
					queue = append(queue, e.to)
				}
			}
		}
		var cycle []step
		for s, ok := from[start]; ok; s, ok = from[s.from] {
			cycle = append(cycle, s)
			if s.from == start {
				break
			}
		}
		slices.Reverse(cycle)
		if best == nil || len(cycle) > 0 && len(cycle) < len(best) {
			best = cycle
		}
	}
	return best
}

// name says what a cycle is called and renders it.
func (g *graph) name(cycle []step) Anomaly {
	var kinds []edgeKind
	var b strings.Builder
	show := func(n int, kind edgeKind) {
		if n < len(g.txns) {
			fmt.Fprintf(&b, "%s %s ", g.txns[n], kind)
		}
		kinds = append(kinds, kind)
	}
	for _, s := range cycle {
		show(s.from, s.kind)
		if s.via >= 0 {
			show(s.via, rw)
		}
	}
	reads, adjacent, read := 0, false, false
	for i, k := range kinds {
		if k == rw {
			reads++
			adjacent = adjacent || kinds[(i+1)%len(kinds)] == rw && len(kinds) > 1
		}
		read = read || k == wr
	}
	kind := WriteCycle
	switch {
	case adjacent:
		kind = WriteSkew
	case reads > 1:
		kind = Nonadjacent
	case reads == 1:
		kind = ReadSkew
	case read:
		kind = Circular
	}
	// With an edge of session or time only, it is less than what was known.
	if slices.Contains(kinds, rt) && kind == ReadSkew {
		kind = Stale
	} else if slices.Contains(kinds, so) && kind == ReadSkew {
		kind = Backwards
	}
	return Anomaly{kind, b.String() + "the first"}
}

// components returns the strongly connected components with more than one node, or
// with an edge to itself. Source: Tarjan 1972, without recursion.
func components(out [][]edge) (found [][]int) {
	const unseen = -1
	index, low := make([]int, len(out)), make([]int, len(out))
	on := make([]bool, len(out))
	for i := range index {
		index[i] = unseen
	}
	type frame struct{ n, next int }
	var stack []int
	var calls []frame
	count := 0
	for root := range out {
		if index[root] != unseen {
			continue
		}
		calls = append(calls, frame{root, 0})
		for len(calls) > 0 {
			f := &calls[len(calls)-1]
			n := f.n
			if f.next == 0 && index[n] == unseen {
				index[n], low[n] = count, count
				count++
				stack = append(stack, n)
				on[n] = true
			}
			if f.next < len(out[n]) {
				to := out[n][f.next].to
				f.next++
				if index[to] == unseen {
					calls = append(calls, frame{to, 0})
				} else if on[to] {
					low[n] = min(low[n], index[to])
				}
				continue
			}
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				up := calls[len(calls)-1].n
				low[up] = min(low[up], low[n])
			}
			if low[n] == index[n] {
				at := len(stack) - 1
				for stack[at] != n {
					at--
				}
				c := slices.Clone(stack[at:])
				stack = stack[:at]
				for _, m := range c {
					on[m] = false
				}
				if len(c) > 1 || slices.ContainsFunc(out[n], func(e edge) bool { return e.to == n }) {
					found = append(found, c)
				}
			}
		}
	}
	return found
}
