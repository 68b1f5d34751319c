package sim

import (
	"cmp"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// link is one direction between two endpoints.
type link struct{ from, to int }

// newLink numbers an endpoint.
func (w *world) newLink() int {
	w.links++
	return w.links
}

// late is a message that is long on its way; on a stream those of a link keep their order.
type late struct {
	link     link
	inStream bool
}

const (
	lateFrom = 1000  // ticks: a message that takes as long is late
	minute   = 60000 // ticks
)

// send puts a message on its way. inOrder: on a stream, behind what was sent before.
func (w *world) send(from, to int, inOrder bool, deliver func()) {
	l := link{from, to}
	switch {
	case w.calm:
	case w.cuts[l] && w.cuts[link{to, from}]:
		w.counts.CutBothWays++
		return
	case w.cuts[l]:
		w.counts.CutOneWay++
		return
	case w.chance(w.swarm.loss):
		w.counts.Lost++
		return
	}
	at, inStream := w.now+w.delay(), inOrder || w.swarm.ordered
	if inStream {
		at = max(at, w.arrivals[l])
		w.arrivals[l] = at
	} else if !w.calm && w.chance(w.swarm.dup) {
		w.arrive(w.delay(), late{l, false}, func() { w.counts.Doubled++; deliver() })
	}
	w.arrive(at-w.now, late{l, inStream}, deliver)
}

// arrive lets a message arrive d ticks from now.
func (w *world) arrive(d tick, l late, deliver func()) {
	if d < lateFrom {
		w.after(d, deliver)
		return
	}
	sent, id := w.now, w.seq+1
	w.late[id] = l
	w.after(d, func() {
		delete(w.late, id)
		w.counts.Late++
		if w.now-sent >= minute {
			w.counts.MinutesLate++
		}
		deliver()
	})
}

// flood lets the time jump to when the last of the late messages would arrive; they all do soon
// after it, in another order.
func (w *world) flood() {
	var ls []event
	var others heap
	for _, e := range w.events {
		if _, isLate := w.late[e.seq]; isLate {
			ls = append(ls, e)
		} else {
			others = append(others, e)
		}
	}
	slices.SortFunc(ls, func(a, b event) int { return cmp.Compare(a.at, b.at)*2 + cmp.Compare(a.seq, b.seq) })
	var jump tick
	if n := len(ls); n > 0 {
		jump = ls[n-1].at - w.now
	}
	w.say("%d messages are late; the time jumps by %d", len(ls), jump)
	w.now += jump
	w.events = nil
	for _, e := range others {
		w.events.push(event{e.at + jump, e.seq, e.do})
	}
	last := map[link]tick{}
	for _, e := range ls {
		e.at = w.now + w.between(1, 300)
		if l := w.late[e.seq]; l.inStream {
			e.at = max(e.at, last[l.link])
			last[l.link] = e.at
		}
		w.events.push(e)
	}
}

func (w *world) delay() tick {
	if !w.calm && w.chance(w.swarm.late) {
		return w.between(20, w.swarm.lateMax)
	}
	return w.between(1, 4)
}

// letter sends a protocol message.
func (w *world) letter(from logstore.NodeID, by int, to endpoint, m logstore.Message) {
	sent := w.now
	w.send(by, to.number(), false, func() {
		w.noteMessage(m)
		if n, ok := to.(*node); ok && n.up && w.now-sent >= lateFrom && m.Head().Epoch < w.control.epoch {
			w.counts.LateOfOldEpoch++
		}
		if w.trace != nil {
			w.say("%s -> %s %s", from, w.name(to), brief(m))
		}
		to.receive(from, m)
	})
}

// recut redraws the cuts of one process, so that partitions come and go one by one.
func (w *world) recut() {
	if w.calm {
		return
	}
	a := 1 + w.rng.IntN(w.links)
	p := pick(w, 0, w.swarm.cuts)
	for b := 1; b <= w.links; b++ {
		for _, l := range []link{{a, b}, {b, a}} {
			if w.chance(p) {
				w.cuts[l] = true
			} else {
				delete(w.cuts, l)
			}
		}
	}
}

// reach perhaps lets a holder reach other nodes than before, and no more of them.
// It is asked when the holder begins, when it has a plan, and at each tick.
func (w *world) reach(h *holder, moment string) {
	p, sizes := .25, w.swarm.reach
	switch {
	case w.calm || w.now < h.aloneTo:
		return
	case w.swarm.minimal:
		p, sizes = w.leastReach(h, moment)
	case moment == "planned":
		p = .5
	}
	if sizes == nil || !w.chance(p) {
		return
	}
	n := pick(w, sizes...)
	for i, to := range w.rng.Perm(len(w.nodes)) {
		for _, l := range []link{{h.ep, w.nodes[to].ep}, {w.nodes[to].ep, h.ep}} {
			if i >= n {
				w.cuts[l] = true
			} else {
				delete(w.cuts, l)
			}
		}
	}
}

// leastReach is for runs in which recoveries reach no more nodes than they must:
// one after the other they see different nodes, leave their list on one, and find
// records that only one has.
func (w *world) leastReach(h *holder, moment string) (p float64, sizes []int) {
	quorum := len(w.nodes) - 2
	switch {
	case moment == "begun":
		return 1, []int{quorum}
	case moment == "planned" && w.chance(.4):
		w.after(w.between(8, 20), func() { w.overtaken(h) })
		return 1, []int{1}
	case moment == "planned":
		return 0, nil
	case h.t != nil:
		return .15, []int{1, 1, quorum, len(w.nodes)}
	default:
		return .02, []int{quorum, len(w.nodes)}
	}
}

// noteMessage puts what matters of a message into the hash.
func (w *world) noteMessage(m logstore.Message) {
	w.note(uint64(m.Head().Epoch))
	acks := func(as []logstore.SegmentAck) {
		for _, a := range as {
			w.note(uint64(a.PG), uint64(a.Tail), uint64(a.SCL))
		}
	}
	records := func(rs []redo.Record) {
		for i := range rs {
			w.note(uint64(rs[i].LSN))
		}
	}
	switch m := m.(type) {
	case logstore.Append:
		w.note(1, m.Seq, uint64(len(m.Batches)))
		for _, b := range m.Batches {
			w.note(uint64(redo.Checksum(0, b.Bytes)))
		}
	case logstore.Ack:
		w.note(2, m.Seq)
		acks(m.Segments)
	case logstore.ListAnswer:
		w.note(3)
		acks(m.Segments)
	case logstore.FenceAnswer:
		w.note(4, uint64(m.List.Epoch))
		for _, s := range m.Segments {
			w.note(uint64(s.PG), uint64(s.Tail), uint64(s.SCL), uint64(s.Hint.VDL), uint64(s.Last))
		}
	case logstore.FetchAnswer:
		for _, g := range m.Groups {
			w.note(5, uint64(g.PG))
			records(g.Records)
		}
	case logstore.Refused:
		w.note(6, uint64(m.Kind), uint64(m.PG))
	case logstore.Gossip:
		for _, s := range m.SCLs {
			w.note(7, uint64(s.PG), uint64(s.LSN))
		}
	case logstore.GossipFill:
		w.note(8)
		records(m.Records)
	case logstore.LogAnswer:
		w.note(9)
		records(m.Records)
	}
}
