package fleet

import (
	"cmp"
	"slices"
)

// holder returns the member whose process holds the current epoch, or nil: it is
// not attached with that incarnation, or never was.
func (d *Detector) holder() *member {
	return d.of(d.state.Holder.Node, d.state.Holder.Incarnation)
}

// alive reports whether the instance's stream is up and it was heard of lately.
func (d *Detector) alive(m *member) bool {
	return m.attached && m.beats && m.silent < d.cfg.Suspect
}

// fill makes a grant if there is nobody who can be trusted to hold the epoch, and
// somebody who can.
func (d *Detector) fill() {
	if d.granting || !d.settled {
		return
	}
	reason, soft := d.vacancy()
	if reason == "" {
		return
	}
	c := d.candidate(d.state.Successor)
	if c == nil || soft && c.steady < d.cfg.Stuck {
		return
	}
	failed := d.sawHolder && d.state.Successor == ""
	if h := d.member(d.state.Holder.Node); h != nil && failed && d.failed != d.state.Epoch {
		d.failed = d.state.Epoch
		h.penalty = d.cfg.Penalty
		d.early++
		if d.sinceGrant >= d.cfg.Hold {
			d.early = 0
		}
		if c = d.candidate(""); c == nil {
			return
		}
	}
	d.granting = true
	d.out = append(d.out, DoGrant{Reason: reason, Grant: MakeGrant{
		Expected: d.state.Epoch, Node: c.id, Incarnation: c.inc, Host: c.host,
		LAL: d.cfg.LAL, ReadLease: d.cfg.ReadLease,
	}})
}

// vacancy returns why the epoch has no holder to rely on, "" if it has one. A soft
// reason counts only if a candidate does better.
func (d *Detector) vacancy() (reason string, soft bool) {
	h := d.state.Holder
	m := d.member(h.Node)
	gone := func(e ExitSeen) bool { return e.Node == h.Node && e.Incarnation == h.Incarnation }
	switch {
	case h.Epoch == 0:
		return "there was no writer yet", false
	case d.state.Ended:
		return "the writer resigned or exited", false
	case m == nil:
		return "the writer is no member any more", false
	case slices.ContainsFunc(d.exits, gone):
		return "the writer's exit was seen", false
	case m.inc != 0 && m.inc != h.Incarnation:
		return "another incarnation of the writer answers", false
	case !m.attached && m.refused:
		return "the writer's stream broke and a reconnect was refused", false
	case m.silent >= d.cfg.Silence:
		return "the writer is silent", false
	case d.sinceGrant < d.cfg.Hold:
		return "", false
	case m.astray >= d.cfg.Recover:
		return "the holder of the epoch does not act as the writer", true
	case d.state.Opened < d.state.Epoch && min(m.idle, d.sinceGrant) >= d.cfg.Recover:
		return "the recovery makes no progress", true
	case d.state.Opened == d.state.Epoch && m.idle >= d.cfg.Stuck:
		return "the writer gets no answer from a quorum of storage", true
	}
	return "", false
}

// candidate returns whom to make the writer, nil if nobody can be: prefer if it is
// usable and well, else the one of the lowest promotion tier, among those the one
// that has applied most, then by id. Instances that are not well, have just failed
// as writer, or do not serve as readers come after those that do.
func (d *Detector) candidate(prefer string) *member {
	var best *member
	for i := range d.members {
		m := &d.members[i]
		if !d.usable(m) {
			continue
		}
		if m.id == prefer && m.beat.Healthy {
			return m
		}
		if best == nil || d.compare(m, best) < 0 {
			best = m
		}
	}
	return best
}

// usable reports whether m may be granted the next epoch. After earlyFailuresMax
// holders in a row that failed within Hold of their grant, one that failed lately
// waits until Hold has passed: whatever ends them would else end one a moment.
func (d *Detector) usable(m *member) bool {
	current := m == d.holder() && !d.state.Ended
	cooling := m.penalty > 0 && d.early >= earlyFailuresMax && d.sinceGrant < d.cfg.Hold
	return d.alive(m) && !current && !cooling && !d.state.IsStopped(m.id) && m.beat.Role != RoleStopped
}

func (d *Detector) compare(a, b *member) int {
	last := func(bad bool) int {
		if bad {
			return 1
		}
		return 0
	}
	ia, _ := d.state.Instance(a.id)
	ib, _ := d.state.Instance(b.id)
	return cmp.Or(
		cmp.Compare(last(a.penalty > 0), last(b.penalty > 0)),
		cmp.Compare(last(!a.beat.Healthy), last(!b.beat.Healthy)),
		cmp.Compare(last(a.beat.Role != RoleReader), last(b.beat.Role != RoleReader)),
		cmp.Compare(ia.Tier, ib.Tier),
		cmp.Compare(b.beat.Applied, a.beat.Applied),
		cmp.Compare(a.id, b.id),
	)
}

// switchStopped begins a switchover away from a writer that an operator stopped,
// once per epoch.
func (d *Detector) switchStopped() {
	w := d.state.Writer()
	if w == "" || !d.state.IsStopped(w) || d.stopTried == d.state.Epoch || !d.settled {
		return
	}
	if c := d.candidate(""); c != nil && d.state.Serves() {
		d.stopTried = d.state.Epoch
		d.switching = switchover{epoch: d.state.Epoch, to: c.id, left: d.cfg.Drain}
	}
}

// endSwitchover gives a switchover up whose time is over or whose target is lost.
func (d *Detector) endSwitchover() {
	if d.switching.epoch == 0 {
		return
	}
	to := d.member(d.switching.to)
	if d.switching.left == 0 || d.holder() == nil || to == nil || !d.usable(to) {
		d.switching = switchover{}
	}
}

// order tells m what it is to do, if that is not what it was told last.
func (d *Detector) order(m *member) {
	if !m.attached {
		return
	}
	want := d.want(m)
	if want == m.order {
		return
	}
	m.order = want
	if want.Kind != OrderNone {
		d.out = append(d.out, DoOrder{Node: m.id, Incarnation: m.inc, Order: want})
	}
}

// want returns what m is to do now.
func (d *Detector) want(m *member) Order {
	s := d.state
	holds := m == d.holder() && !s.Ended
	stopped := s.IsStopped(m.id)
	switch {
	case holds && d.switching.epoch != 0:
		return Order{Kind: OrderDrain, Epoch: s.Epoch, Successor: d.switching.to}
	case stopped:
		return Order{Kind: OrderStop}
	case holds && s.Opened < s.Epoch:
		return Order{Kind: OrderBecomeWriter, Epoch: s.Epoch, LeaseWait: s.LeaseWait()}
	case holds && (m.order.Kind == OrderDrain || m.order.Kind == OrderResume):
		return Order{Kind: OrderResume, Epoch: s.Epoch}
	case !holds && m.beats && m.beat.Epoch < s.Epoch &&
		(m.beat.Role == RoleWriter || m.beat.Role == RoleRecovering):
		return Order{Kind: OrderDemote, Epoch: s.Epoch}
	}
	return Order{}
}
