package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// simulated is instances, a replicated state and the detectors of Raft leaders that
// come and go, over ticks.
type simulated struct {
	t       *testing.T
	r       *rand.Rand
	seed    uint64
	state   *fleet.State
	det     *fleet.Detector
	nodes   []*node
	request uint64
	inbox   []fleet.Event
	lossy   bool
	quiet   int // ticks since anything went wrong

	grants int
}

// node is one simulated instance.
type node struct {
	id       string
	inc      fleet.Incarnation // 0: no process
	attached bool
	paused   bool
	beat     fleet.Beat
}

// TestDetectorHeals: whatever crashes, pauses, streams break, leaders change and
// proposals are lost, once it all ends a writer serves within bounded ticks, and
// then nobody replaces it. While nothing goes wrong nobody is replaced either.
func TestDetectorHeals(t *testing.T) {
	total := 0
	for seed := range uint64(200) {
		w := &simulated{t: t, r: rand.New(rand.NewPCG(seed, 7)), seed: seed, state: &fleet.State{}}
		b := firstCommand()
		w.state.Apply(b)
		for _, i := range b.Initial.Instances {
			w.nodes = append(w.nodes, &node{id: i.ID})
		}
		w.lead()
		for range 400 {
			w.disturb()
			w.tick()
		}
		w.heal()
		for range 150 {
			w.tick()
		}
		if !w.state.Serves() {
			t.Fatalf("seed %d: no writer serves after everything healed: %+v", seed, w.state.Holder)
		}
		epoch := w.state.Epoch
		for range 300 {
			w.tick()
		}
		if w.state.Epoch != epoch {
			t.Fatalf("seed %d: a healthy writer was replaced: epoch %d to %d", seed, epoch, w.state.Epoch)
		}
		total += w.grants
	}
	t.Logf("%d grants in 200 seeds", total)
	if total < 400 {
		t.Errorf("%d grants in 200 seeds: the faults do not cause failovers", total)
	}
}

func (w *simulated) lead() {
	w.det = fleet.NewDetector(patience)
	for _, n := range w.nodes {
		n.attached = false
	}
	w.step(fleet.Applied{State: w.state})
}

// disturb does one random bad thing now and then.
func (w *simulated) disturb() {
	if w.r.IntN(12) != 0 {
		return
	}
	w.quiet = 0
	n := w.nodes[w.r.IntN(len(w.nodes))]
	switch w.r.IntN(7) {
	case 0: // kill -9
		inc := n.inc
		n.inc, n.paused = 0, false
		w.detach(n, inc)
		if inc != 0 && w.r.IntN(2) == 0 {
			w.step(fleet.Exited{Node: n.id, Incarnation: inc})
		}
	case 1:
		n.paused = true
	case 2:
		n.paused = false
	case 3: // the stream alone
		w.detach(n, n.inc)
	case 4:
		w.lead()
	case 5:
		w.lossy = !w.lossy
	case 6:
		if w.r.IntN(2) == 0 {
			w.apply(&fleet.Stop{ID: n.id})
		} else {
			w.apply(&fleet.Start{ID: n.id})
		}
	}
}

func (w *simulated) detach(n *node, inc fleet.Incarnation) {
	if n.attached {
		n.attached = false
		w.step(fleet.Detached{Node: n.id, Incarnation: inc})
	}
}

func (w *simulated) heal() {
	w.lossy = false
	for _, n := range w.nodes {
		n.paused = false
		w.apply(&fleet.Start{ID: n.id})
	}
}

func (w *simulated) tick() {
	w.quiet++
	w.step(fleet.Tick{})
	for _, n := range w.nodes {
		if n.inc == 0 && w.r.IntN(8) == 0 {
			n.inc = fleet.Incarnation(w.r.Uint64() | 1)
			n.beat = fleet.Beat{Role: fleet.RoleJoining, Healthy: true}
		}
		if n.inc == 0 || n.paused {
			continue
		}
		if !n.attached {
			n.attached = true
			w.step(fleet.Attached{Node: n.id, Incarnation: n.inc, Host: "h"})
		}
		n.beat.Progress++
		if n.beat.Role == fleet.RoleJoining && w.r.IntN(4) == 0 {
			n.beat.Role = fleet.RoleReader
		}
		if n.beat.Role == fleet.RoleRecovering && w.r.IntN(4) == 0 {
			if w.apply(&fleet.Opened{Epoch: n.beat.Epoch}).Code == fleet.CodeOK {
				n.beat.Role = fleet.RoleWriter
			}
		}
		w.step(fleet.Heard{Node: n.id, Incarnation: n.inc, Beat: n.beat})
	}
}

// step takes an event; one that comes of what it leads to waits for its turn, as in
// the driver's inbox.
func (w *simulated) step(ev fleet.Event) {
	w.inbox = append(w.inbox, ev)
	if len(w.inbox) > 1 {
		return
	}
	for len(w.inbox) > 0 {
		w.det.Step(w.inbox[0])
		w.act()
		w.inbox = w.inbox[1:]
	}
}

func (w *simulated) act() {
	for _, d := range w.det.Ready() {
		switch d := d.(type) {
		case fleet.DoGrant:
			w.grant(d)
		case fleet.DoExit:
			if w.find(d.Exit.Node).inc == d.Exit.Incarnation {
				w.t.Fatalf("seed %d: the exit of a running process was proposed", w.seed)
			}
			if w.lossy {
				w.step(fleet.ExitFailed{})
			} else {
				w.apply(&d.Exit)
			}
		case fleet.DoProbe:
			w.step(fleet.Probed{Node: d.Node, Refused: w.find(d.Node).inc == 0})
		case fleet.DoOrder:
			w.order(d)
		}
	}
}

func (w *simulated) grant(d fleet.DoGrant) {
	if w.state.IsStopped(d.Grant.Node) {
		w.t.Fatalf("seed %d: a grant to %s, which is stopped", w.seed, d.Grant.Node)
	}
	// Once all is quiet the first grants may still be about what went wrong before.
	if h := w.find(w.state.Holder.Node); w.quiet > 100 && h != nil && w.state.Serves() && h.inc == w.state.Holder.Incarnation {
		w.t.Fatalf("seed %d: %s replaced after %d quiet ticks: %s", w.seed, h.id, w.quiet, d.Reason)
	}
	w.request++
	d.Grant.RequestID = w.request
	if w.lossy && w.r.IntN(2) == 0 {
		if w.r.IntN(2) == 0 {
			w.apply(&d.Grant) // the answer alone is lost
		}
		w.step(fleet.GrantFailed{})
		return
	}
	w.grants++
	w.apply(&d.Grant)
}

func (w *simulated) order(d fleet.DoOrder) {
	n := w.find(d.Node)
	if n.inc != d.Incarnation {
		w.t.Fatalf("seed %d: an order to %s/%d, which is %d", w.seed, d.Node, d.Incarnation, n.inc)
	}
	switch d.Order.Kind {
	case fleet.OrderBecomeWriter:
		if n.beat.Epoch < d.Order.Epoch {
			n.beat.Role, n.beat.Epoch = fleet.RoleRecovering, d.Order.Epoch
		}
	case fleet.OrderDemote: // it may have been decided on an old heartbeat
		if n.beat.Epoch < d.Order.Epoch {
			n.beat.Role, n.beat.Epoch = fleet.RoleReader, d.Order.Epoch
		}
	case fleet.OrderDrain:
		n.beat.Role = fleet.RoleReader
		w.apply(&fleet.Resign{Epoch: d.Order.Epoch, Successor: d.Order.Successor})
	case fleet.OrderStop: // exits without a word
		n.inc, n.paused = 0, false
		w.detach(n, d.Incarnation)
	default:
	}
}

func (w *simulated) find(id string) *node {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (w *simulated) apply(m fleet.Command) fleet.Result {
	next := w.state.Clone()
	r := next.Apply(m)
	w.state = next
	if r.Changed {
		w.step(fleet.Applied{State: next})
	}
	return r
}

// TestCandidateOrder: the order of candidates, each rule against the
// ones that count less.
func TestCandidateOrder(t *testing.T) {
	type cand struct {
		tier    uint8
		applied redo.LSN
		role    fleet.Role
		sick    bool
	}
	reader := func(tier uint8, applied redo.LSN) cand {
		return cand{tier: tier, applied: applied, role: fleet.RoleReader}
	}
	for _, c := range []struct {
		name string
		in   []cand
		want string
	}{
		{"lowest tier", []cand{reader(2, 99), reader(1, 1), reader(3, 50)}, "db-2"},
		{"then most applied", []cand{reader(1, 5), reader(1, 9), reader(1, 7)}, "db-2"},
		{"then id", []cand{reader(1, 5), reader(1, 5), reader(1, 5)}, "db-1"},
		{"a reader before one that joins", []cand{{tier: 0, role: fleet.RoleJoining}, reader(2, 0), reader(2, 1)}, "db-3"},
		{"a well one before a sick one", []cand{{tier: 0, applied: 9, role: fleet.RoleReader, sick: true},
			{tier: 9, role: fleet.RoleJoining}, {tier: 8, role: fleet.RoleJoining}}, "db-3"},
	} {
		b := firstCommand()
		for i := range c.in {
			b.Initial.Instances[i].Tier = c.in[i].tier
		}
		s := &fleet.State{}
		s.Apply(b)
		d := fleet.NewDetector(patience)
		d.Step(fleet.Applied{State: s})
		got := ""
		for i, in := range c.in {
			id := fmt.Sprintf("db-%d", i+1)
			d.Step(fleet.Attached{Node: id, Incarnation: 1, Host: id})
			d.Step(fleet.Heard{Node: id, Incarnation: 1,
				Beat: fleet.Beat{Role: in.role, Applied: in.applied, Healthy: !in.sick}})
		}
		for _, x := range d.Ready() {
			if g, isGrant := x.(fleet.DoGrant); isGrant {
				got = g.Grant.Node
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
