package sim

import (
	"fmt"
	"slices"

	"sextant/logstore/volume"
)

// swarm is which faults exist in a run and how strong they are. It is drawn first:
// runs with few kinds of faults get deeper than runs with all of them.
type swarm struct {
	nodes, groups, pages, readers int
	epochs                        int
	reign                         []int // ticks that an epoch lasts: drawn for each

	loss, dup, late float64 // of messages: lost, delivered twice, delivered much later
	lateMax         int     // ticks
	ordered         bool    // each pair of processes has a stream, not datagrams
	cuts            float64 // of links, at each redrawing, one way
	reach           []int   // how many nodes a holder reaches for a while; nil: all
	pierced         bool    // schedules of pierce alone
	minimal         bool    // a recovery reaches no more nodes than it must, its list perhaps fewer
	retry           int     // ticks of a holder until it sends again
	crash           float64 // of a node, at each disturbance
	outage          float64 // of a zone or of all nodes at once, given a crash
	pause           float64 // of a node, and of a holder at each of its ticks
	slow            int     // ticks that a slow node's sync takes
	downMax         int     // nodes that are away for whole epochs
	zombie          float64 // a holder goes on after the next grant
	deposed         float64 // given that: it is cut off from storage, or paused
	twin            float64 // a second recovery is started with a used grant
	overtake        float64 // a recovery is overtaken in a certain phase
	forgets         float64 // the control plane, at each grant: it goes on with what was kept

	limits         volume.Limits
	lalMin, lalMax int
	mtrMax         int     // records of an MTR
	writeEvery     int     // ticks
	bias           float64 // of writes: to the hot group
	growth         float64 // at each write
	part           int64   // bytes of memory that one drain frees; 0: all
	drain, roll    int     // ticks between drains; frames in a file
	garbage        bool
	image          int     // records of a page until its next image
	rot            float64 // of a segment's file, at each disturbance
	forget         bool    // log is collected that a member lacks
	replace        float64 // of a member, now and then
	amid           float64 // of a recovery: a member is emptied meanwhile

	cached   int     // pages of a cache
	formats  float64 // of changes: they need no page
	promoted float64 // of writers: they were a reader
	long     float64 // of statements
	patience int     // ticks until a read is sent to another node
	restart  float64 // of a reader, at each disturbance
	gossip   int     // ticks of a node between rounds
	noting   float64 // at each turn: a file is begun that says what is damaged
	burn     bool    // see burn.go
	full     float64 // of a node's disk, at each disturbance
	skew     int     // ticks that the clocks of holders differ by
	drift    int     // thousandths that a clock is too fast or too slow, at most
	leases   []int   // ticks of a read lease: drawn for each epoch
	exits    float64 // of holders that end: the control plane sees it
	leased   bool    // leases are long beside a recovery, as they are in production, and writers are deposed while theirs hold
}

func pick[T any](w *world, vs ...T) T { return vs[w.rng.IntN(len(vs))] }

func (w *world) draw() swarm {
	s := swarm{
		nodes: pick(w, 6, 6, 6, 9), groups: pick(w, 1, 2, 2, 3), pages: 4, readers: pick(w, 1, 2, 2),
		epochs: pick(w, 6, 12, 24, 60), reign: pick(w, []int{20, 40, 60}, []int{40, 100, 300}, []int{100, 800}),
		loss: pick(w, 0, .01, .05, .2), dup: pick(w, 0, 0, .05), late: pick(w, 0, 0, .02, .15),
		lateMax: pick(w, 100, 1000, 10000, 200000), ordered: w.chance(.3),
		cuts: pick(w, 0, 0, .1, .3, .45), crash: pick(w, 0, 0, .1, .4), outage: pick(w, 0, .1), pause: pick(w, 0, 0, .1),
		reach: pick(w, nil, []int{2, 3, 4, 5, 6, 6}, []int{1, 2, 4, 4}, []int{3, 4, 5}), retry: pick(w, 1, 3),
		minimal: w.chance(.25),
		slow:    pick(w, 0, 0, 40, 200), downMax: pick(w, 0, 1, 2, 2),
		zombie: pick(w, .2, .7, 1), twin: pick(w, 0, 0, 0, .1), overtake: pick(w, 0, .5, .9),
		limits: volume.Limits{
			WindowBytes: pick(w, int64(0), 40), LaggardBytes: pick(w, int64(0), 0, 300, 2000), BatchBytes: pick(w, 0, 4, 20),
		},
		lalMin: 3, lalMax: pick(w, 4, 6, 12, 100),
		mtrMax: pick(w, 1, 3, 3), writeEvery: pick(w, 2, 5, 10, 40), bias: pick(w, .5, .5, .9, 1),
		growth: pick(w, 0, .01, .05), drain: pick(w, 0, 30, 100, 400), roll: pick(w, 4, 20, 100),
		garbage: w.chance(.5), image: pick(w, 2, 5, 20),
		part: pick(w, int64(0), 300),
		rot:  pick(w, 0, 0, .05, .2), forget: w.chance(.3),
		cached: pick(w, 8, 8, 12, 1000), formats: pick(w, .1, .5, 1), promoted: pick(w, 0, .5, 1), long: pick(w, 0, .05, .3), patience: pick(w, 40, 40, 400),
		restart: pick(w, 0, 0, .02, .1),
		gossip:  pick(w, 20, 20, 20, 200), noting: pick(w, .1, .1, .01), burn: w.chance(.1), full: pick(w, 0, 0, .05), skew: pick(w, 0, 0, 100000),
		drift: pick(w, 0, clockDrift), leases: pick(w, []int{15}, []int{15, 40}, []int{60, 120}), leased: w.chance(.15), exits: pick(w, .5, .9, 1), deposed: pick(w, 0, .5, .5),
	}
	if slices.Max(s.reign) < 2*slices.Max(s.leases) { // else little would open
		s.leases = []int{15}
	}
	if s.leased && !s.minimal && !s.burn { // few other faults: what is not confirmed answers nothing
		s.reach, s.cuts, s.downMax, s.pause, s.slow, s.replace, s.overtake = nil, 0, min(s.downMax, 1), 0, 0, 0, min(s.overtake, .5)
		s.loss, s.late, s.crash, s.full = min(s.loss, .01), min(s.late, .02), min(s.crash, .1), 0
		s.leases, s.reign, s.epochs, s.zombie, s.deposed = []int{150, 400}, []int{100, 300, 600}, min(s.epochs, 12), 1, 1
		s.writeEvery = min(s.writeEvery, 10)
	}
	if s.drain == 0 {
		s.roll = 100 // no file is ever released
	}
	s.replace, s.amid = pick(w, 0, .1, .3), pick(w, 0, 0, .2, .6)
	s.forgets = pick(w, 0, 0, 0, .1)
	if s.pierced = s.loss == .2 && s.gossip == 200 && !s.burn; s.pierced { // every member gets a hole of its own
		s.loss, s.minimal, s.cuts, s.pause, s.reach, s.reign = .01, false, 0, 0, nil, []int{1500, 3000}
		s.late, s.slow, s.downMax, s.crash, s.epochs = 0, 0, 0, min(s.crash, .1), min(s.epochs, 12)
	}
	if s.minimal { // few other faults: it takes several epochs to go wrong
		s.nodes, s.downMax, s.zombie, s.overtake, s.cuts, s.slow, s.replace = 6, 0, .2, 0, 0, 0, 0
		s.loss, s.crash, s.reign = min(s.loss, .01), min(s.crash, .1), []int{60, 120, 200}
	}
	if s.replace == 0 {
		s.amid = 0
	}
	if s.burn { // nothing but that
		s.gossip, s.noting, s.downMax, s.rot, s.crash, s.cuts, s.pause, s.reach, s.replace = 20, 1, 0, 0, 0, 0, 0, nil, 0
		s.loss, s.late, s.slow, s.full, s.roll, s.reign, s.epochs = min(s.loss, .01), 0, 0, 0, 100, []int{1500, 3000}, min(s.epochs, 6)
		s.writeEvery = max(s.writeEvery, 10)
	}
	return s
}

// String names every fault drawn.
func (s swarm) String() string {
	type plain swarm // without this method
	return fmt.Sprintf("%+v", plain(s))
}

// disturbs reports whether a fault was drawn that disturb makes.
func (s *swarm) disturbs() bool { return s.crash+s.rot+s.restart+s.full+s.pause > 0 || s.slow > 0 }

// replaces reports whether members may be replaced.
func (s *swarm) replaces() bool { return s.replace > 0 || s.rot > 0 && !s.minimal }

// disturb lets something happen to a reader and to a node.
func (w *world) disturb() {
	if w.calm {
		return
	}
	if w.chance(w.swarm.restart) {
		w.readers[w.rng.IntN(len(w.readers))].crash()
	}
	if w.chance(w.swarm.pause / 5) {
		r := w.readers[w.rng.IntN(len(w.readers))]
		r.pausedTo = max(r.pausedTo, w.now+w.between(20, 1000)) // never shorter: what waits for its end does not look again
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch {
	case !n.up:
		if w.chance(.3) {
			n.start()
		}
	case w.chance(w.swarm.crash * w.swarm.outage):
		every := pick(w, 1, 3) // all nodes, or those of one zone
		for _, o := range w.nodes {
			if (o.i-n.i)%every == 0 && o.up {
				o.crash()
				o.startSoon()
			}
		}
	case w.chance(w.swarm.crash / 2):
		n.doomed = true
	case w.chance(w.swarm.crash):
		n.crash()
		if w.chance(.7) {
			n.startSoon()
		}
	case w.chance(w.swarm.rot):
		if w.chance(.3) {
			n.rotLog()
		} else {
			n.rot()
		}
	case w.chance(w.swarm.full):
		n.fullTo = w.now + w.between(50, 800)
	case w.chance(w.swarm.pause):
		n.pausedTo = w.now + w.between(20, 400)
	case w.swarm.slow > 0:
		n.slow = w.chance(.2)
	}
}
