package check

import (
	"fmt"
	"slices"
	"strings"
)

// Level is what a history of transactions is checked against.
type Level string

// Levels. The first is the default of this database: plain reads see the
// transaction's snapshot, writes and locking reads the newest version, as in InnoDB.
// So only what a transaction that writes nothing has read is held to the snapshot.
const (
	RepeatableRead    Level = "REPEATABLE READ"
	SnapshotIsolation Level = "snapshot isolation" // sextant_strict_snapshot = ON
	Serializable      Level = "SERIALIZABLE"
)

// Txn is one transaction as its client saw it.
type Txn struct {
	Session string // a connection; its transactions do not overlap
	Reader  bool   // through the reader endpoint
	Begin   int64  // nanoseconds: before the first statement was sent
	End     int64  // nanoseconds: after the last answer
	Outcome Outcome
	Ops     []Op
}

// Op is one operation on a list: an append if Append is not 0, else a read. A value is
// appended to a key once in a history. Only operations that were answered are there,
// but for appends, which are there when they were sent.
type Op struct {
	Key    int
	Append int   `json:",omitempty"`
	Read   []int `json:",omitempty"`
}

// String renders a transaction in one line.
func (t *Txn) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%s %.3f–%.3f s %s:", t.Session, float64(t.Begin)/1e9, float64(t.End)/1e9, t.Outcome)
	for _, o := range t.Ops {
		if o.Append != 0 {
			fmt.Fprintf(&b, " append(%d, %d)", o.Key, o.Append)
		} else {
			fmt.Fprintf(&b, " r(%d)=%s", o.Key, list(o.Read))
		}
	}
	return b.String() + "}"
}

// version names one append.
type version struct{ key, value int }

// appends is a history on the way to its graph.
type appends struct {
	report
	level  Level
	txns   []*Txn
	writer map[version]int // transaction that appended
	order  map[int][]int   // by key: the longest list that was read
	final  map[version]bool
	seen   map[version]bool // somebody read it
}

// ListAppend checks a history of list-append transactions and returns what level does
// not allow, nil if nothing. Sessions through the cluster endpoint are also held to
// real time: whatever was acknowledged or shown to anybody before a transaction began
// is seen by it. Sessions through the reader endpoint only never go back.
func ListAppend(history []Txn, level Level) []Anomaly {
	a := &appends{level: level, writer: map[version]int{}, order: map[int][]int{}, final: map[version]bool{}, seen: map[version]bool{}}
	for i := range history {
		a.txns = append(a.txns, &history[i])
	}
	a.index()
	for _, t := range a.txns {
		if t.Outcome != Aborted {
			a.reads(t)
		}
	}
	a.orders()
	g := a.graph()
	a.report = append(a.report, g.anomalies(anomaliesMax-len(a.report))...)
	return a.report
}

// index notes who appended what, and what a transaction overwrote itself.
func (a *appends) index() {
	for i, t := range a.txns {
		last := map[int]int{}
		for _, o := range t.Ops {
			if o.Append != 0 {
				a.writer[version{o.Key, o.Append}] = i
				last[o.Key] = o.Append
			}
		}
		for k, v := range last {
			a.final[version{k, v}] = true
		}
	}
}

// reads checks one transaction by itself and notes the longest lists.
func (a *appends) reads(t *Txn) {
	own := map[int][]int{}  // appended so far
	last := map[int][]int{} // what the next read of a key must be, if it was read
	for _, o := range t.Ops {
		if o.Append != 0 {
			own[o.Key] = append(own[o.Key], o.Append)
			delete(last, o.Key)
			continue
		}
		mine := own[o.Key]
		if len(o.Read) < len(mine) || !slices.Equal(o.Read[len(o.Read)-len(mine):], mine) {
			a.add(Internal, "own appends %s to %d are not at the end of what was read: %s", list(mine), o.Key, t)
		}
		if before, ok := last[o.Key]; ok && !slices.Equal(before, o.Read) {
			a.add(Internal, "two reads of %d in one transaction differ: %s", o.Key, t)
		}
		last[o.Key] = o.Read
		a.values(t, o, len(mine))
		if r := shown(t, o, len(mine)); len(r) > len(a.order[o.Key]) {
			a.order[o.Key] = r
		}
	}
}

// shown is what a read of t says of the key's versions: without its own own last, as
// long as it is not known that they took effect.
func shown(t *Txn, o Op, own int) []int {
	if t.Outcome == Committed {
		return o.Read
	}
	return o.Read[:max(0, len(o.Read)-own)]
}

// values checks where the values of one read come from; the last own are t's.
func (a *appends) values(t *Txn, o Op, own int) {
	seen := map[int]bool{}
	for i, v := range o.Read {
		if seen[v] {
			a.add(Duplicate, "%d is in the list of %d twice: %s", v, o.Key, t)
		}
		seen[v] = true
		x := version{o.Key, v}
		w, ok := a.writer[x]
		if ok && (a.txns[w] != t || t.Outcome == Committed) {
			a.seen[x] = true
		}
		switch {
		case !ok:
			a.add(Phantom, "nobody appended %d to %d: %s", v, o.Key, t)
		case a.txns[w].Outcome == Aborted:
			a.add(DirtyRead, "%s has read of %s", t, a.txns[w])
		case i == len(o.Read)-own-1 && !a.final[x] && a.txns[w] != t:
			a.add(Intermediate, "%s has read %d, which %s overwrote", t, v, a.txns[w])
		}
	}
}

// orders checks that all reads of a key are prefixes of its longest.
func (a *appends) orders() {
	for _, t := range a.txns {
		if t.Outcome == Aborted {
			continue
		}
		own := map[int]int{}
		for _, o := range t.Ops {
			if o.Append != 0 {
				own[o.Key]++
				continue
			}
			longest, r := a.order[o.Key], shown(t, o, own[o.Key])
			if !slices.Equal(r, longest[:len(r)]) {
				a.add(Fork, "key %d was %s, and %s in %s", o.Key, list(longest), list(r), t)
			}
		}
	}
}

// happened reports whether t took effect, as far as anybody knows.
func (a *appends) happened(t *Txn) bool {
	if t.Outcome == Committed {
		return true
	}
	return t.Outcome == Unknown && slices.ContainsFunc(t.Ops, func(o Op) bool { return o.Append != 0 && a.seen[version{o.Key, o.Append}] })
}

// graph builds the dependencies between transactions that happened.
func (a *appends) graph() *graph {
	g := newGraph(a.level, a.txns)
	live := make([]bool, len(a.txns))
	for i, t := range a.txns {
		live[i] = a.happened(t)
	}
	dep := func(from version, to int, kind edgeKind) {
		if w, ok := a.writer[from]; ok && w != to && live[w] && live[to] {
			g.edge(w, to, kind)
		}
	}
	after := a.unread(live)
	for k, order := range a.order {
		for i := 1; i < len(order); i++ {
			if w, ok := a.writer[version{k, order[i]}]; ok {
				dep(version{k, order[i-1]}, w, ww)
			}
		}
		if len(order) > 0 {
			for _, w := range after[k] {
				dep(version{k, order[len(order)-1]}, w, ww)
			}
		}
	}
	for i, t := range a.txns {
		if live[i] {
			a.readEdges(g, i, t, after, dep)
		}
	}
	g.sessions(live)
	g.realTime(live)
	return g
}

// unread returns, by key, the committed transactions whose appends nobody read: they
// come after the longest list, in an order that is not known.
func (a *appends) unread(live []bool) map[int][]int {
	out := map[int][]int{}
	for v, w := range a.writer {
		if live[w] && !a.seen[v] && !slices.Contains(out[v.key], w) {
			out[v.key] = append(out[v.key], w)
		}
	}
	return out
}

// readEdges adds what transaction i has read, and who overwrote it. What it reads of a
// key that it has appended to is no snapshot, and is in the order of appends already.
func (a *appends) readEdges(g *graph, i int, t *Txn, after map[int][]int, dep func(version, int, edgeKind)) {
	wrote := map[int]bool{}
	for _, o := range t.Ops {
		if o.Append != 0 {
			wrote[o.Key] = true
			continue
		}
		if wrote[o.Key] {
			continue
		}
		n, order := len(o.Read), a.order[o.Key]
		if n > 0 {
			dep(version{o.Key, o.Read[n-1]}, i, wr)
		}
		next := after[o.Key]
		if n < len(order) {
			w, ok := a.writer[version{o.Key, order[n]}]
			if !ok {
				continue
			}
			next = []int{w}
		}
		for _, w := range next {
			if w != i {
				g.edge(i, w, rw)
			}
		}
	}
	if len(wrote) == 0 {
		g.readOnly[i] = true
	}
}
