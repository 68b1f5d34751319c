// Package sim runs the storage protocol in one goroutine, from a seed: the real
// packages volume, segment, hotlog, bufpool, replica and fleet, with everything around them
// simulated.
//
// There are six or nine nodes in three zones, each with a hot log on a disk of bytes
// and a store that keep what was synced and, after a crash, some of the rest; a control
// plane, which is package fleet's; the holder of the newest epoch, and those of earlier
// ones that nobody told to stop, each with the page cache that a writer has; readers,
// which are package replica's, that follow whom they believe to be the writer, and are
// promoted; and a network that delays, drops, repeats, reorders and cuts one way. Nodes, writers
// and readers pause, and writers have clocks and read leases. The seed
// first draws which of these faults exist, then everything that happens. At the end all
// faults stop, and the volume must make progress; then everything arrives that is still on its way.
//
// It decides nothing about the protocol. It has a memory of everything that was
// ever written and shown, the oracle, against which each event is checked: see
// oracle.go for the list. What it does not simulate: a disk that loses what was
// synced.
//
// Start with Run.
package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime/debug"

	"sextant/logstore"
)

// tick is simulated time, about a millisecond.
type tick uint64

// Options say what to run.
type Options struct {
	Seed  uint64
	Trace io.Writer // gets a line for each event; nil: none
}

// Counts says what happened in a run.
type Counts struct {
	Events, Ticks, Epochs, Records, Shown, Reads, Crashes, Zombies int

	Fences          int // recoveries that fenced a write quorum of every group
	RefusedOld      int // Appends of an old writer that a node refused
	Annulled        int // annulled ranges that have a record in them
	Interrupted     int // recoveries that had changed a node and never opened
	NoCommitBetween int // openings after an epoch that opened and made no commit durable
	Reshipped       int // ragged records that a recovery kept and sent again
	Filled          int // records that a node got by gossip
	Grown           int // groups that were added and written to
	Rotted          int // segments whose file was damaged
	Copied          int // segments that were filled again from a peer
	Replaced        int // members that another node took the place of
	Reverted        int // replacements that were taken back
	Moved           int // segments that moved to another node
	Dropped         int // segments that a node dropped which was no member any more
	Undeleted       int // files of those that a crash brought back
	Cached          int // pages that statements have read through caches
	Promoted        int // readers that became the writer
	Restarted       int // readers that crashed
	Burnt           int // schedules of burn.go
	Pierced         int // schedules in which every member gets a hole
	Restored        int // times that the control plane was lost
	Full            int // nodes that ended because their disk was full
	Scrubbed        int // damaged segments that the scrub found before anything read them
	RottedLogs      int // files of hot logs that were damaged
	Rewritten       int // nodes that crashed as soon as such a file was replaced

	SetAside       int // nodes that crashed with a damaged hot log, and came back with an empty store
	Lost           int // messages
	Doubled        int // messages that arrived a second time
	CutOneWay      int // messages that were lost to a cut, while the other direction was open
	CutBothWays    int
	Late           int // messages that arrived a second or more after they were sent
	MinutesLate    int // a minute or more
	LateOfOldEpoch int // late, to a node, and of an earlier epoch than the newest that was granted
	PausedNodes    int // events that waited for a paused node
	PausedHolders  int // for a paused writer or recovery
	PausedReaders  int
	SlowSyncs      int
	TornWrites     int // of which a crash left some sectors and not others
	TwoWriters     int // recoveries that fenced a write quorum while another process took itself for the writer or to become it
	ThreeWriters   int // while two others or more did
	LeaseWaits     int // openings that waited for a lease
	LeasesEnded    int // of them those that the end of all earlier writers cut short
	Answered       int // statements and commits
	Unconfirmed    int // times that answers were due, but the writer was not confirmed within its lease
	Verified       int // confirmations by the control plane
	ClocksApart    int // openings of a writer whose clock differs by more than a lease from another's that still runs
	ClocksDrift    int // lease waits of a writer whose clock is faster than one that runs in an earlier epoch
	Twins          int // recoveries that were refused since another process has their grant
}

// Add adds o's numbers to c's.
func (c *Counts) Add(o *Counts) {
	to, from := reflect.ValueOf(c).Elem(), reflect.ValueOf(o).Elem()
	for i := range to.NumField() {
		to.Field(i).SetInt(to.Field(i).Int() + from.Field(i).Int())
	}
}

// Violation is what a check has found.
type Violation struct {
	Check string // which: a letter or an invariant's number, see oracle.go
	Text  string
	At    uint64 // tick
	Swarm string // the faults drawn
}

// Error returns the check, what it saw and when.
func (v *Violation) Error() string {
	return fmt.Sprintf("check %s at tick %d: %s\n  faults: %s", v.Check, v.At, v.Text, v.Swarm)
}

// Result is what Run returns.
type Result struct {
	Hash   uint64 // of everything that happened: equal for equal seeds
	Counts Counts
	Err    error // a *Violation, or nil
}

// world is one run.
type world struct {
	rng    *rand.Rand
	swarm  swarm
	now    tick
	seq    uint64
	events heap
	calm   bool // faults have stopped

	nodes    []*node
	control  control
	holders  []*holder // that still run, by epoch
	readers  []*reader
	peers    map[logstore.NodeID]endpoint
	cuts     map[link]bool
	arrivals map[link]tick   // of the last message, where order is kept
	late     map[uint64]late // messages that are long on their way, by their event
	links    int             // endpoints given out
	calls    int             // made
	burning  *burning        // nil: no such schedule is under way

	oracle oracle
	counts Counts
	hash   uint64
	trace  io.Writer
	err    error
}

// endpoint is who can be sent a message.
type endpoint interface {
	receive(from logstore.NodeID, m logstore.Message)
	number() int
}

// Run runs one seed to its end, or to the first violation. A panic in the
// packages under test is a violation too.
func Run(o Options) (res Result) {
	w := &world{
		rng: rand.New(rand.NewPCG(o.Seed, 0)), trace: o.Trace, hash: 14695981039346656037,
		peers: map[logstore.NodeID]endpoint{}, cuts: map[link]bool{}, arrivals: map[link]tick{}, late: map[uint64]late{},
	}
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic", "%v\n%s", p, debug.Stack())
		}
		w.counts.Ticks = int(w.now)
		res = Result{w.hash, w.counts, w.err}
	}()
	w.swarm = w.draw()
	w.oracle.init(w)
	w.build()
	w.reign()
	w.run(func() bool { return w.control.over })
	if w.err == nil {
		w.heal()
	}
	for _, n := range w.nodes {
		w.mark(n.h.Snapshot()...)
	}
	return res
}

// build makes nodes and readers.
func (w *world) build() {
	for i := range w.swarm.nodes {
		w.addNode(i)
	}
	w.firstGroups()
	for i := range w.swarm.readers {
		w.addReader(i)
	}
	if w.swarm.cuts > 0 {
		w.every(func() tick { return w.between(20, 200) }, w.recut)
	}
	if w.swarm.replaces() {
		w.every(func() tick { return w.between(30, 200) }, w.move)
	}
	if w.swarm.burn {
		w.every(func() tick { return w.between(500, 3000) }, w.burn)
	}
	if w.swarm.pierced {
		w.every(func() tick { return w.between(500, 3000) }, w.pierce)
	}
	if w.swarm.disturbs() {
		w.every(func() tick { return w.between(10, 60) }, w.disturb)
	}
}

// run takes events until done, nothing is left, or a check fails.
func (w *world) run(done func() bool) {
	for w.err == nil && len(w.events) > 0 && !done() {
		e := w.events.pop()
		w.now = e.at
		w.counts.Events++
		w.note(uint64(e.at), e.seq)
		e.do()
	}
}

// after calls do d ticks from now.
func (w *world) after(d tick, do func()) {
	w.seq++
	w.events.push(event{w.now + d, w.seq, do})
}

// every calls do again and again.
func (w *world) every(d func() tick, do func()) {
	w.after(d(), func() {
		do()
		w.every(d, do)
	})
}

func (w *world) chance(p float64) bool {
	return p > 0 && w.rng.Float64() < p
}

// between returns a tick from lo to hi.
func (w *world) between(lo, hi int) tick { return tick(lo + w.rng.IntN(hi-lo+1)) }

// fail keeps the first violation; the run ends.
func (w *world) fail(check, format string, args ...any) {
	if w.err == nil {
		w.err = &Violation{check, fmt.Sprintf(format, args...), uint64(w.now), w.swarm.String()}
		w.say("VIOLATION %v", w.err)
	}
}

// note puts numbers into the trace's hash.
func (w *world) note(vs ...uint64) {
	for _, v := range vs {
		w.hash = (w.hash ^ v) * 1099511628211
		w.hash ^= w.hash >> 29
	}
}

func (w *world) mark(bs ...byte) {
	for _, b := range bs {
		w.hash = (w.hash ^ uint64(b)) * 1099511628211
	}
}

// say writes a line of the trace, if somebody reads it.
func (w *world) say(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%6d  %s\n", w.now, fmt.Sprintf(format, args...))
	}
}

// event is something that happens at a time; seq orders events of one tick.
type event struct {
	at  tick
	seq uint64
	do  func()
}

// heap is a binary heap of events, the earliest first.
type heap []event

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

func (h *heap) push(e event) {
	s := append(*h, e)
	i := len(s) - 1
	for i > 0 && e.before(s[(i-1)/2]) {
		s[i] = s[(i-1)/2]
		i = (i - 1) / 2
	}
	s[i] = e
	*h = s
}

func (h *heap) pop() event {
	s := *h
	top, last := s[0], s[len(s)-1]
	s[len(s)-1] = event{}
	s = s[:len(s)-1]
	for i := 0; len(s) > 0; {
		c := 2*i + 1
		if c+1 < len(s) && s[c+1].before(s[c]) {
			c++
		}
		if c >= len(s) || last.before(s[c]) {
			s[i] = last
			break
		}
		s[i] = s[c]
		i = c
	}
	*h = s
	return top
}
