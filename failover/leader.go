package failover

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
)

// leader is what a control node runs while it leads: one goroutine that owns the
// detector and the table of streams. Everything else posts functions to it.
type leader struct {
	c         *Control
	ctx       context.Context // ends with the leadership
	inbox     chan func()
	proposals chan proposal
	det       *fleet.Detector
	streams   map[string]*stream                   // instances, by id
	last      map[string]*failoverpb.InstanceHello // of each instance, also of a lost stream
	roles     map[string]*role                     // storage nodes and routers, by id
	lost      map[string]lost                      // those of them that do not report, and storage nodes that were not heard of
	volume    redo.VolumeID                        // for a first start over empty stores
	began     bool                                 // a Bootstrap is on its way
	enough    time.Time                            // since then a Restore could be; zero: not yet
	replacing bool                                 // a command about members is on its way
	noting    bool                                 // so is one that notes for how long one is away
	stored    map[string]missed                    // when each storage node's registered store was heard of, or it was started by an operator
	stopped   map[string]bool                      // storage nodes that were stopped by an operator when this was looked at last
	refusal   string                               // why there is no Bootstrap, logged once
	live      atomic.Pointer[liveView]
	helpers   sync.WaitGroup
}

// liveView is what the streams say, for watchers. Nobody changes it.
type liveView struct {
	list []*failoverpb.Live
	next chan struct{} // closed when a health or role has changed since
}

// proposal is a command that the detector asked for.
type proposal struct {
	cmd    fleet.Command
	reason string
	then   func(applied, error) // on the leader's goroutine
}

// stream is an instance's Attach stream.
type stream struct {
	hello  *failoverpb.InstanceHello
	beat   *failoverpb.Heartbeat // last, nil before the first
	orders chan *failoverpb.Order
	cancel context.CancelCauseFunc
}

// role is a storage node's or router's stream.
type role struct {
	report  *failoverpb.RoleReport
	heard   time.Time
	refused string // why the store counts in no quorum; "" if it counts
	asked   bool   // RegisterStore is on its way
	current *int   // identifies the stream; nil: it is down
}

// lead runs until ctx ends.
func (c *Control) lead(ctx context.Context) {
	l := &leader{c: c, ctx: ctx, inbox: make(chan func(), eventsMax),
		proposals: make(chan proposal, eventsMax), det: fleet.NewDetector(c.opt.detector()),
		streams: map[string]*stream{}, last: map[string]*failoverpb.InstanceHello{},
		roles: map[string]*role{}, lost: map[string]lost{}, stored: map[string]missed{}, stopped: map[string]bool{}, volume: redo.VolumeID(random())}
	l.publish(true)
	// The state must contain every command of earlier leaders before it is judged.
	for {
		err := c.raft.running.Load().Barrier(raftApplyTimeout * 5).Error()
		if err == nil {
			break
		}
		c.opt.Logger.Debug("no barrier", "node", c.opt.ID, "err", err)
		select { // a time-out need not end the leadership
		case <-ctx.Done():
			return
		case <-time.After(raftApplyTimeout):
		}
	}
	l.helpers.Go(l.proposer)
	c.leader.Store(l)
	defer func() {
		c.leader.Store(nil)
		for _, s := range l.streams {
			s.cancel(errNotLeader)
		}
		l.helpers.Wait()
	}()
	l.run()
}

func (l *leader) run() {
	ticker := time.NewTicker(l.c.opt.Timing.Tick)
	defer ticker.Stop()
	state, changed := l.c.fsm.get()
	l.det.Step(fleet.Applied{State: state})
	for {
		l.act(l.det.Ready())
		select {
		case <-l.ctx.Done():
			return
		case f := <-l.inbox:
			f()
		case <-changed:
			was := state
			state, changed = l.c.fsm.get()
			l.det.Step(fleet.Applied{State: state})
			l.dropRemoved(state)
			l.logMembers(was, state)
		case <-ticker.C:
			l.det.Step(fleet.Tick{})
			l.bootstrap(state)
			l.replace(state)
			l.lookForLost(state)
			l.publish(false)
		}
	}
}

// post has f called on the leader's goroutine. It reports false if the leadership
// has ended.
func (l *leader) post(f func()) bool {
	select {
	case l.inbox <- f:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// call is post and waits until f has returned. It reports false if the leadership or
// ctx ended before.
func (l *leader) call(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	if !l.post(func() { f(); close(done) }) {
		return false
	}
	select {
	case <-done:
		return true
	case <-l.ctx.Done():
	case <-ctx.Done():
	}
	return false
}

// act begins what the detector decided.
func (l *leader) act(decisions []fleet.Decision) {
	for _, d := range decisions {
		switch d := d.(type) {
		case fleet.DoGrant:
			d.Grant.RequestID = random()
			l.propose(proposal{cmd: &d.Grant, reason: d.Reason, then: l.retry(fleet.GrantFailed{})})
		case fleet.DoExit:
			l.propose(proposal{cmd: &d.Exit, reason: "exit seen", then: l.retry(fleet.ExitFailed{})})
		case fleet.DoProbe:
			l.helpers.Go(func() { l.probe(d) })
		case fleet.DoOrder:
			l.order(d)
		}
	}
}

// propose queues a proposal; the queue is bounded because the detector asks for
// nothing twice.
func (l *leader) propose(p proposal) {
	select {
	case l.proposals <- p:
	default:
		l.c.opt.Logger.Error("proposals pile up", "node", l.c.opt.ID, "dropped", p.reason)
		if p.then != nil {
			p.then(applied{}, errors.New("too many proposals"))
		}
	}
}

// proposer puts proposals through Raft, in order.
func (l *leader) proposer() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case p := <-l.proposals:
			a, err := l.c.propose(p.cmd)
			l.logProposal(p, a, err)
			if p.then != nil {
				l.post(func() { p.then(a, err) })
			}
		}
	}
}

func (l *leader) logProposal(p proposal, a applied, err error) {
	log := l.c.opt.Logger
	switch g, isGrant := p.cmd.(*fleet.MakeGrant); {
	case err != nil:
		log.Info("proposal without answer, decided again", "node", l.c.opt.ID, "reason", p.reason, "err", err)
	case a.result.Code != fleet.CodeOK:
		log.Info("proposal refused, decided again", "node", l.c.opt.ID, "reason", p.reason, "err", a.result.Err())
	case isGrant:
		log.Info("writer granted", "node", g.Node, "volume_epoch", a.state.Epoch,
			"reason", p.reason, "lease_wait_us", a.state.LeaseWait())
	}
}

// retry returns what tells the detector of a proposal that did not succeed.
func (l *leader) retry(ev fleet.Event) func(applied, error) {
	return func(a applied, err error) {
		if err != nil || a.result.Code != fleet.CodeOK {
			l.det.Step(ev)
		}
	}
}

// probe connects to an instance's control address once.
func (l *leader) probe(p fleet.DoProbe) {
	refused := errors.Is(l.connect(p.Address), syscall.ECONNREFUSED)
	l.post(func() { l.det.Step(fleet.Probed{Node: p.Node, Refused: refused}) })
}

// order sends an order on the stream of that incarnation, if it is still there.
func (l *leader) order(d fleet.DoOrder) {
	s := l.streams[d.Node]
	if s == nil || s.hello.Incarnation != uint64(d.Incarnation) {
		return
	}
	o := &failoverpb.Order{Kind: failoverpb.Order_Kind(d.Order.Kind),
		VolumeEpoch: uint64(d.Order.Epoch), LeaseWaitMicros: uint64(d.Order.LeaseWait),
		Successor: d.Order.Successor}
	switch d.Order.Kind {
	case fleet.OrderBecomeWriter:
		state, _ := l.c.fsm.get()
		if state.Epoch != d.Order.Epoch {
			return // overtaken: the detector will say what holds now
		}
		o.State = fleet.EncodeState(state)
	case fleet.OrderDrain:
		o.DrainMillis = uint64(l.c.opt.Timing.Drain.Milliseconds())
	default:
	}
	l.send(s, o)
}

// send queues an order; an instance that takes none for so long is cut off and
// hears what is still true when it attaches again.
func (l *leader) send(s *stream, o *failoverpb.Order) {
	select {
	case s.orders <- o:
	default:
		s.cancel(errSlow)
	}
}

// dropRemoved cuts the streams of instances that are no members any more.
func (l *leader) dropRemoved(state *fleet.State) {
	for id, s := range l.streams {
		if _, found := state.Instance(id); !found {
			s.cancel(errRemoved)
		}
	}
}

// bootstrap proposes the first command once enough storage nodes have reported.
func (l *leader) bootstrap(state *fleet.State) {
	if state.Cluster != "" || l.began {
		return
	}
	var reports []fleet.StoreReport
	for id, r := range l.roles {
		if fleet.Kind(r.report.Kind) != fleet.KindStorage || r.report.StoreId == 0 || !r.report.HasLooked || r.current == nil {
			continue
		}
		s := fleet.StoreReport{Node: id, StoreID: r.report.StoreId, Groups: map[redo.PGID]redo.MembershipEpoch{},
			Volume: redo.VolumeID(r.report.Volume), Epoch: redo.VolumeEpoch(r.report.VolumeEpoch)}
		for pg := range r.report.Scl {
			s.Groups[redo.PGID(pg)] = redo.MembershipEpoch(r.report.Membership[pg])
		}
		if len(r.report.State) > 0 {
			state, err := fleet.DecodeState(r.report.State)
			if err != nil {
				l.c.opt.Logger.Error("a storage node's copy of the control plane's state", "node", l.c.opt.ID, "peer", id, "err", err)
			}
			s.State = state
		}
		reports = append(reports, s)
	}
	initial := l.c.opt.Initial.Clone()
	initial.LeaseFolded = fleet.Micros(l.c.opt.ReadLease.Microseconds())
	cmd, r := fleet.PlanBootstrap(initial, l.volume, reports)
	if r.Code != fleet.CodeOK {
		if r.Code != fleet.CodeNotReady && r.Detail != l.refusal {
			l.refusal = r.Detail
			l.c.opt.Logger.Error("the cluster cannot begin", "node", l.c.opt.ID, "err", r.Err())
		}
		return
	}
	if again, ok := cmd.(*fleet.Restore); ok {
		if l.enough.IsZero() {
			l.enough = time.Now()
		}
		if again.Misses(reports) && time.Since(l.enough) < restoreWait {
			return
		}
		l.c.opt.Logger.Warn("the control plane was lost and goes on with the state that the storage nodes have kept",
			"node", l.c.opt.ID, "version", again.State.Version, "volume_epoch", again.State.Epoch)
	}
	l.began = true
	l.propose(proposal{cmd: cmd, reason: "first start", then: func(a applied, err error) {
		l.began = err == nil && a.result.Code == fleet.CodeOK
	}})
}

// publish makes what the streams say visible to watchers; changed tells them at
// once, else they see it with their next look.
func (l *leader) publish(changed bool) {
	v := &liveView{next: make(chan struct{})}
	for id, s := range l.streams {
		v.list = append(v.list, &failoverpb.Live{Id: id, Kind: uint32(fleet.KindInstance),
			Incarnation: s.hello.Incarnation, Pid: s.hello.Pid, Heartbeat: s.beat,
			Healthy: l.det.Healthy(id), Detail: s.beat.GetDetail()})
	}
	for id, r := range l.roles {
		p := &failoverpb.Live{Id: id, Kind: r.report.Kind, Incarnation: r.report.Incarnation,
			Pid: r.report.Pid, Address: r.report.Address, Scl: r.report.Scl,
			StoredBytes: r.report.StoredBytes, Detail: r.report.Detail,
			DamageFound: r.report.DamageFound, DamageRepaired: r.report.DamageRepaired}
		switch {
		case !r.reports():
			l.lost[id].say(p)
		case r.refused != "":
			p.Detail = r.refused
		default:
			p.Healthy = r.report.Healthy
		}
		v.list = append(v.list, p)
	}
	for id, x := range l.lost {
		if l.roles[id] == nil {
			p := &failoverpb.Live{Id: id, Kind: uint32(fleet.KindStorage)}
			x.say(p)
			v.list = append(v.list, p)
		}
	}
	old := l.live.Load()
	changed = changed || old != nil && !sameHealth(old.list, v.list)
	if !changed && old != nil {
		v.next = old.next
	}
	l.live.Store(v)
	if changed && old != nil {
		close(old.next)
	}
}

// sameHealth reports whether two views agree on what a router acts on.
func sameHealth(a, b []*failoverpb.Live) bool {
	if len(a) != len(b) {
		return false
	}
	type key struct {
		id      string
		inc     uint64
		healthy bool
		role    uint32
		epoch   uint64
	}
	seen := map[key]bool{}
	of := func(l *failoverpb.Live) key {
		return key{l.Id, l.Incarnation, l.Healthy, l.Heartbeat.GetRole(), l.Heartbeat.GetVolumeEpoch()}
	}
	for _, l := range a {
		seen[of(l)] = true
	}
	for _, l := range b {
		if !seen[of(l)] {
			return false
		}
	}
	return true
}
