package sim

import (
	"slices"

	"sextant/internal/redo"
)

// burning is a schedule that chance would not find: a group's members A to F in three pairs.
// E and F are cut off, so that what is written then is on A to D; C and D go away, and
// the writer dies, the files of A and B are damaged, so that only E and F can fill them; then a recovery
// finds A, B, E and F. What C and D alone still have was acknowledged, so it must wait for one
// of them: a copy counts behind its barrier only. In half of them C is just being replaced by a node
// that has nothing yet: with E and F these are three of the new members, which are no read quorum.
type burning struct {
	away []int // that do not come back before it is over
}

// burn begins the schedule now and then.
func (w *world) burn() {
	h := w.control.holder[w.control.opened]
	if w.calm || w.burning != nil || h == nil || h.dead || h.epoch != w.control.epoch {
		return
	}
	pg := redo.PGID(w.rng.IntN(len(w.control.groups)))
	var m []int
	for _, i := range w.rng.Perm(len(w.oracle.members(pg))) {
		m = append(m, w.oracle.members(pg)[i])
	}
	ab, cd, ef := m[:2], m[2:4], m[4:]
	b := &burning{away: cd}
	w.burning = b
	w.say("group %d burns: %v, away %v, behind %v", pg, ab, cd, ef)
	w.counts.Burnt++
	var others []int
	for i := range w.nodes {
		w.nodes[i].start()
		if i != ef[0] && i != ef[1] {
			others = append(others, w.nodes[i].ep)
		}
	}
	cut := func(on bool) {
		for _, e := range ef {
			for _, o := range append(others, h.ep) {
				w.cut(w.nodes[e].ep, o, on)
			}
		}
	}
	cut(true)
	step := func(d tick, do func()) {
		w.after(d, func() {
			if w.burning == b {
				do()
			}
		})
	}
	replaced := w.control.replacing == nil && len(w.nodes) < nodesMax && w.chance(.5)
	at := w.between(60, 200)
	if replaced {
		step(at-w.between(1, 30), func() { w.replace(w.nodes[cd[0]], false) })
	}
	step(at, func() {
		for _, o := range slices.Clone(w.holders) {
			o.die("burns too")
		}
		for _, i := range cd {
			w.nodes[i].crash()
		}
		for _, i := range ab {
			if n := w.nodes[i]; slices.Contains(n.h.PGs(), pg) {
				n.rotten(pg)
				n.quarantine(pg)
				n.wake()
			}
		}
		cut(false)
		if replaced { // before there are copies
			w.overtaken(h)
		}
	})
	step(w.between(900, 1500), func() { w.overtaken(w.control.holder[w.control.opened]) })
	step(2500, func() { w.burning = nil })
}

// pierce is another one: pair after pair of a group's members misses what is written meanwhile, while none fills another,
// so that every member has a hole; what is written then is on all six, each behind its hole. The writer's successor must
// find it.
func (w *world) pierce() {
	h := w.control.holder[w.control.opened]
	if w.calm || w.burning != nil || h == nil || h.dead || h.epoch != w.control.epoch {
		return
	}
	m := slices.Clone(w.oracle.members(redo.PGID(w.rng.IntN(len(w.control.groups)))))
	w.rng.Shuffle(6, func(i, j int) { m[i], m[j] = m[j], m[i] })
	b := &burning{}
	w.burning = b
	w.say("the members are pierced, pair by pair: %v", m)
	w.startAll()
	among := func(on bool) {
		for i, n := range w.nodes {
			for _, o := range w.nodes[:i] {
				w.cut(n.ep, o.ep, on)
			}
		}
	}
	among(true)
	at := tick(0)
	for k := range 3 {
		for _, on := range []bool{true, false} {
			w.after(at, func() {
				for _, i := range m[2*k : 2*k+2] {
					w.cut(h.ep, w.nodes[i].ep, on && w.burning == b)
				}
			})
			at += w.between(40, 80)
		}
	}
	w.after(at, func() {
		if w.burning != b {
			return
		}
		if !h.dead && h.t != nil {
			w.counts.Pierced++
		}
		among(false)
		w.overtaken(h)
		w.burning = nil
	})
}

// cut sets or takes away both directions between two endpoints.
func (w *world) cut(a, b int, on bool) {
	for _, l := range []link{{a, b}, {b, a}} {
		if on {
			w.cuts[l] = true
		} else {
			delete(w.cuts, l)
		}
	}
}

// startAll brings the nodes up that are not kept away.
func (w *world) startAll() {
	for i, n := range w.nodes {
		if b := w.burning; b == nil || !slices.Contains(b.away, i) {
			n.start()
		}
	}
}
