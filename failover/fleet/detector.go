package fleet

import (
	"slices"

	"sextant/internal/redo"
)

// Ticks counts the driver's ticks. A driver that was paused gives one tick when it
// goes on, not all it missed, so that its own pause never looks like others' silence.
type Ticks uint32

// DetectorConfig is the detector's patience.
type DetectorConfig struct {
	// Suspect is how long a heartbeat may be missing before the instance counts as
	// unhealthy and is no candidate.
	Suspect Ticks
	// Silence is how long the writer may send nothing before it is taken for dead.
	Silence Ticks
	// Reattach is how long a new leader waits for streams before it declares
	// anything dead, unless all instances are accounted for earlier.
	Reattach Ticks
	// Stuck is how long a writer may make no progress while a candidate does: for as
	// long, or when storage comes back the first to hear of it would be the writer.
	Stuck Ticks
	// Recover is how long a granted instance may make no progress before it opens, and
	// how long the holder may say that it is something else than the writer.
	Recover Ticks
	// Drain bounds a planned switchover.
	Drain Ticks
	// Probe is the time between two probes of a writer whose stream is broken.
	Probe Ticks
	// Hold is how long after a grant no softer reason than a death replaces the
	// holder, and Penalty how long a failed holder is the last choice: hysteresis.
	Hold, Penalty Ticks
	// LAL and ReadLease go into every grant.
	LAL       uint64
	ReadLease Micros
}

// Beat is one heartbeat of an instance.
type Beat struct {
	Role     Role
	Epoch    redo.VolumeEpoch
	Applied  redo.LSN
	Progress uint64 // grows while a write quorum of storage answers; in a recovery, with every answer that it needed
	Healthy  bool
}

// Event is something that was seen.
type Event interface{ event() }

// The events. An incarnation is that of the process which is meant.
type (
	// Tick is the passing of one tick.
	Tick struct{}
	// Applied brings a new replicated state, which nobody changes any more.
	Applied struct{ State *State }
	// Attached is a stream that came up.
	Attached struct {
		Node        string
		Incarnation Incarnation
		Host        string
	}
	// Detached is the break of the stream that was Attached last.
	Detached struct {
		Node        string
		Incarnation Incarnation
	}
	// Heard is a heartbeat on the stream that was Attached last.
	Heard struct {
		Node        string
		Incarnation Incarnation
		Beat        Beat
	}
	// Probed is the answer to a Probe.
	Probed struct {
		Node    string
		Refused bool // nobody listens; false: somebody does, or no answer came
	}
	// Exited is the word of the parent that waited for the process.
	Exited struct {
		Node        string
		Incarnation Incarnation
	}
	// GrantFailed and ExitFailed say that such a proposal was refused or its outcome is
	// unknown. What is still true is decided again at the next tick.
	GrantFailed struct{}
	ExitFailed  struct{}
)

func (Tick) event()        {}
func (Applied) event()     {}
func (Attached) event()    {}
func (Detached) event()    {}
func (Heard) event()       {}
func (Probed) event()      {}
func (Exited) event()      {}
func (GrantFailed) event() {}
func (ExitFailed) event()  {}

// Decision is something that the driver must do now.
type Decision interface{ decision() }

// OrderKind is what an instance is told.
type OrderKind uint8

// The orders; package failover explains what they ask of an instance.
const (
	OrderNone         OrderKind = 0
	OrderBecomeWriter OrderKind = 1
	OrderDemote       OrderKind = 2
	OrderDrain        OrderKind = 3
	OrderResume       OrderKind = 4
	OrderStop         OrderKind = 5
)

// The decisions.
type (
	// DoGrant proposes Grant, after drawing its RequestID. Reason is for the log.
	DoGrant struct {
		Grant  MakeGrant
		Reason string
	}
	// DoExit proposes ExitSeen.
	DoExit struct{ Exit ExitSeen }
	// DoProbe connects to the instance's control address, once.
	DoProbe struct{ Node, Address string }
	// DoOrder sends an order on the stream of that incarnation.
	DoOrder struct {
		Node        string
		Incarnation Incarnation
		Order       Order
	}
)

func (DoGrant) decision() {}
func (DoExit) decision()  {}
func (DoProbe) decision() {}
func (DoOrder) decision() {}

// Order is what one instance is told.
type Order struct {
	Kind      OrderKind
	Epoch     redo.VolumeEpoch
	LeaseWait Micros // OrderBecomeWriter
	Successor string // OrderDrain
}

// Detector decides, at the Raft leader, who is dead and who becomes the writer. A
// new leader begins with a new one. Step takes what was seen; Ready returns what to
// do about it.
//
// A writer is dead for certain when its parent saw its exit, or another incarnation
// answers; as good as certain when its stream broke and a reconnect is refused; by
// silence after a time. Being wrong is safe: its successor fences it.
//
// Invariant: nobody is declared dead before the detector is settled.
// Invariant: at most one grant is outstanding.
type Detector struct {
	cfg     DetectorConfig
	state   *State
	members []member // by id, those of state.Instances

	age        Ticks // since the detector began and there was a fleet
	settled    bool
	granting   bool
	retryGrant bool             // at the next tick
	retryExits bool             // at the next tick
	sawHolder  bool             // the holder's process was attached to this detector
	sinceGrant Ticks            // since the holder changed, or the detector began
	failed     redo.VolumeEpoch // the last whose holder was found to have failed
	early      int              // how many holders in a row failed within Hold of their grant
	switching  switchover
	stopTried  redo.VolumeEpoch // for whose stopped holder a switchover was tried
	exits      []ExitSeen       // proposed, not yet applied
	out        []Decision
}

// member is one instance as its stream shows it.
type member struct {
	id       string
	inc      Incarnation // attached last; 0: never
	host     string
	attached bool
	beat     Beat
	beats    bool  // beat is of inc
	silent   Ticks // since the last heartbeat, the attachment, or the beginning
	idle     Ticks // since Progress moved
	steady   Ticks // for which Progress has moved, again and again within Suspect
	astray   Ticks // since it acted as the epoch asks of its holder, or the grant
	penalty  Ticks // remaining
	probe    Ticks // until the next probe
	refused  bool  // the last probe was refused, and nothing was heard since
	order    Order // sent last on this stream
}

// switchover is a planned one under way; zero: none.
type switchover struct {
	epoch redo.VolumeEpoch // whose holder is to resign
	to    string
	left  Ticks
}

// NewDetector returns a detector that knows nothing yet.
func NewDetector(cfg DetectorConfig) *Detector {
	return &Detector{cfg: cfg, state: &State{}}
}

// Step takes one event.
func (d *Detector) Step(ev Event) {
	switch ev := ev.(type) {
	case Tick:
		d.tick()
	case Applied:
		d.adopt(ev.State)
	case GrantFailed:
		d.retryGrant = true
	case ExitFailed:
		d.retryExits = true
	case Attached:
		if m := d.member(ev.Node); m != nil {
			m.attach(ev)
		}
	case Detached:
		if m := d.of(ev.Node, ev.Incarnation); m != nil {
			m.attached, m.probe = false, 0
		}
	case Heard:
		if m := d.of(ev.Node, ev.Incarnation); m != nil {
			m.hear(ev.Beat)
			if acts(ev.Beat, d.state.Epoch) {
				m.astray = 0
			}
		}
	case Probed:
		if m := d.member(ev.Node); m != nil {
			m.refused = ev.Refused && !m.attached
		}
	case Exited:
		d.exited(ExitSeen{Node: ev.Node, Incarnation: ev.Incarnation})
	}
	d.decide()
}

// Ready returns the decisions since the last call, in the order in which they must
// be begun.
func (d *Detector) Ready() []Decision {
	out := d.out
	d.out = nil
	return out
}

// Healthy reports whether the instance is attached, heard of lately, and well by
// its own word.
func (d *Detector) Healthy(id string) bool {
	m := d.member(id)
	return m != nil && d.alive(m) && m.beat.Healthy
}

// Switchover begins a planned switchover to that instance, or to the best candidate
// if to is "", and returns whom. CodeNotReady without a serving writer or a usable
// candidate, CodeInUse while another switchover runs.
func (d *Detector) Switchover(to string) (string, Result) {
	switch w := d.state.Writer(); {
	case w == "" || !d.state.Serves():
		return "", refuse(CodeNotReady, "no writer serves at the moment; the next one is being chosen")
	case d.switching.epoch != 0 && to != "" && to != d.switching.to:
		return "", refuse(CodeInUse, "a switchover to %s is under way", d.switching.to)
	case d.switching.epoch != 0:
		return d.switching.to, ok(false)
	case to == w:
		return "", refuse(CodeInvalid, "%s is the writer already", to)
	}
	if _, found := d.state.Instance(to); to != "" && !found {
		return "", refuse(CodeNotFound, "no instance %q", to)
	}
	c := d.candidate(to)
	switch {
	case c == nil && to == "":
		return "", refuse(CodeNotReady, "no healthy instance to hand over to")
	case c == nil || to != "" && c.id != to:
		return "", refuse(CodeNotReady, "%s is not healthy, or has not caught up: nothing is handed over", to)
	}
	d.switching = switchover{epoch: d.state.Epoch, to: c.id, left: d.cfg.Drain}
	d.decide()
	return c.id, ok(true)
}

func memberID(m member) string { return m.id }

func (d *Detector) member(id string) *member {
	i, found := find(d.members, id, memberID)
	if !found {
		return nil
	}
	return &d.members[i]
}

// of returns the member if that incarnation is the one it attached with last.
func (d *Detector) of(id string, inc Incarnation) *member {
	if m := d.member(id); m != nil && m.inc == inc && inc != 0 {
		return m
	}
	return nil
}

func (m *member) attach(ev Attached) {
	if m.inc != ev.Incarnation {
		*m = member{id: m.id, penalty: m.penalty}
	}
	m.inc, m.host, m.attached = ev.Incarnation, ev.Host, true
	m.silent, m.idle, m.steady, m.refused, m.order = 0, 0, 0, false, Order{}
}

func (m *member) hear(b Beat) {
	if !m.beats || b.Progress != m.beat.Progress {
		m.idle = 0
	}
	m.beat, m.beats, m.silent = b, true, 0
}

// acts reports whether b is from a process that is, or becomes, the writer of epoch.
func acts(b Beat, epoch redo.VolumeEpoch) bool {
	return b.Epoch == epoch && (b.Role == RoleRecovering || b.Role == RoleWriter)
}

func (d *Detector) tick() {
	if d.state.Cluster == "" {
		return // nobody can attach yet
	}
	d.age++
	d.sinceGrant++
	d.switching.left -= min(d.switching.left, 1)
	if d.retryGrant {
		d.retryGrant, d.granting = false, false
	}
	if d.retryExits {
		d.retryExits = false
		for _, e := range d.exits {
			d.out = append(d.out, DoExit{Exit: e})
		}
	}
	for i := range d.members {
		m := &d.members[i]
		m.silent++
		m.idle++
		m.steady++
		if m.idle >= d.cfg.Suspect {
			m.steady = 0
		}
		m.astray++
		m.penalty -= min(m.penalty, 1)
		m.probe -= min(m.probe, 1)
	}
}

// adopt takes a new replicated state.
func (d *Detector) adopt(s *State) {
	moved := s.Epoch != d.state.Epoch
	if moved {
		d.granting, d.retryGrant, d.sawHolder = false, false, false
		d.sinceGrant = 0
	}
	d.state = s
	if d.switching.epoch != s.Epoch || s.Ended {
		d.switching = switchover{}
	}
	old := d.members
	d.members = nil
	for _, i := range s.Instances {
		m := member{id: i.ID}
		if at, found := find(old, i.ID, memberID); found {
			m = old[at]
		}
		if moved {
			m.astray = 0
		}
		d.members = append(d.members, m)
	}
	d.exits = slices.DeleteFunc(d.exits, func(e ExitSeen) bool { return !d.holds(e) })
}

// holds reports whether the exit of that process would change the state.
func (d *Detector) holds(e ExitSeen) bool {
	h := d.state.Holder
	return !d.state.Ended && h.Node == e.Node && h.Incarnation == e.Incarnation ||
		slices.ContainsFunc(d.state.Leases, func(l Lease) bool {
			return l.Node == e.Node && l.Incarnation == e.Incarnation
		})
}

// exited takes a process for gone for certain.
func (d *Detector) exited(e ExitSeen) {
	if m := d.of(e.Node, e.Incarnation); m != nil {
		m.attached, m.refused = false, true
	}
	if d.holds(e) && !slices.Contains(d.exits, e) {
		d.exits = append(d.exits, e)
		d.out = append(d.out, DoExit{Exit: e})
	}
}

// decide derives every decision from the state and the members. It is called after
// each event and asks for nothing twice.
func (d *Detector) decide() {
	if d.state.Cluster == "" {
		return
	}
	if m := d.holder(); m != nil && m.attached {
		d.sawHolder = true
	}
	d.seeReplaced()
	d.settle()
	d.probeHolder()
	d.switchStopped()
	d.endSwitchover()
	for i := range d.members {
		d.order(&d.members[i])
	}
	d.fill() // last: an order about this epoch must not follow the grant of the next
}

// seeReplaced takes a grantee for gone when another incarnation of it is attached
// from the same host, which is a kernel and a network namespace of it: it holds the
// addresses that the old one had.
func (d *Detector) seeReplaced() {
	for _, l := range d.state.Leases {
		m := d.member(l.Node)
		if m != nil && m.attached && m.inc != l.Incarnation && m.host == l.Host {
			d.exited(ExitSeen{Node: l.Node, Incarnation: l.Incarnation})
		}
	}
}

// settle ends the time in which a new leader only listens: when it is over, or every
// instance is accounted for.
func (d *Detector) settle() {
	if d.settled {
		return
	}
	d.settled = d.age >= d.cfg.Reattach ||
		len(d.members) > 0 && !slices.ContainsFunc(d.members, func(m member) bool {
			known := m.attached && m.beats || m.refused || d.state.IsStopped(m.id)
			return !known
		})
}

// probeHolder asks for a reconnect to a writer whose stream is broken.
func (d *Detector) probeHolder() {
	m := d.member(d.state.Writer())
	if m == nil || m.attached || m.refused || m.probe > 0 {
		return
	}
	i, _ := d.state.Instance(m.id)
	m.probe = max(d.cfg.Probe, 1)
	d.out = append(d.out, DoProbe{Node: m.id, Address: i.Control})
}
