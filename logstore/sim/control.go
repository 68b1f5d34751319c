package sim

import (
	"slices"

	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
)

// control is the control plane: each of its commands is one step, as one entry of
// a replicated log is. What it answers may be late or lost.
type control struct {
	fleet     fleet.State
	epoch     redo.VolumeEpoch
	opened    redo.VolumeEpoch             // the last that opened
	lals      []logstore.EpochLAL          // since the last that opened, that one included
	groups    []volume.Group               // that the fleet has
	seats     []int                        // the nodes that it has
	replacing *replacement                 // that it has under way, nil if none
	reigns    int                          // grants
	over      bool                         // the chaotic part has ended
	holder    map[redo.VolumeEpoch]*holder // that opened an epoch: where readers go
}

// firstGroups begins the fleet with the groups that the volume has from the beginning.
func (w *world) firstGroups() {
	w.control.holder = map[redo.VolumeEpoch]*holder{}
	var out []volume.Group
	for pg := range w.swarm.groups {
		g := volume.Group{PG: redo.PGID(pg), Membership: 1}
		for m := range 6 { // two members in each zone: node i is in zone i%3
			g.Members = append(g.Members, (m+3*pg)%len(w.nodes))
		}
		out = append(out, g)
	}
	w.boot(out)
}

func (w *world) geometry() volume.Geometry {
	geo := volume.Geometry{PagesPerGroup: uint64(w.swarm.pages), Groups: append([]volume.Group(nil), w.control.groups...)}
	for i := range w.nodes {
		geo.Nodes = append(geo.Nodes, w.storageNode(i))
	}
	return geo
}

// grant is a compare-and-set: one of several candidates gets the epoch.
func (w *world) grant(expected redo.VolumeEpoch) *holder {
	c := &w.control
	lal := uint64(w.swarm.lalMin + w.rng.IntN(w.swarm.lalMax-w.swarm.lalMin+1))
	lease := pick(w, w.swarm.leases...)
	if !w.command(&fleet.MakeGrant{
		Expected: expected, Node: "db", Incarnation: fleet.Incarnation(expected + 1), LAL: lal, ReadLease: fleet.Micros(lease), RequestID: w.rng.Uint64() | 1,
	}) {
		return nil
	}
	wait := tick(c.fleet.LeaseWait())
	c.epoch = c.fleet.Epoch
	g := volume.Grant{
		Volume: theVolume, Timeline: 1, Epoch: c.epoch, Holder: w.rng.Uint64() | 1,
		LAL:  lal,
		LALs: append([]logstore.EpochLAL(nil), c.lals...),
	}
	c.lals = append(c.lals, logstore.EpochLAL{Epoch: g.Epoch, LAL: g.LAL})
	w.counts.Epochs++
	h := w.addHolder(g, w.geometry(), tick(lease), wait)
	w.emptyAmid()
	if !w.calm && w.chance(w.swarm.twin) { // a process restarts and takes its old grant for valid
		twin := g
		twin.Holder = w.rng.Uint64() | 1
		w.after(w.between(1, 30), func() { w.addHolder(twin, h.geo, h.lease, wait) })
	}
	return h
}

// hasOpened records that an epoch has opened; false: it is not the newest, or
// another process has opened it.
func (w *world) hasOpened(h *holder) bool {
	c := &w.control
	if c.opened == h.epoch && c.holder[h.epoch] != h || !w.command(&fleet.Opened{Epoch: h.epoch}) {
		return false
	}
	w.oracle.current("I-13", h.epoch, "an opening")
	if c.opened < h.epoch {
		w.oracle.opened(h)
		c.opened, c.holder[h.epoch] = h.epoch, h
		for len(c.lals) > 0 && c.lals[0].Epoch < c.opened {
			c.lals = c.lals[1:]
		}
	}
	return true
}

// createGroup records the next group for the writer of the newest epoch.
func (w *world) createGroup(h *holder, pg int) bool {
	c := &w.control
	if !w.record(&fleet.CreateGroup{Epoch: h.epoch, ID: redo.PGID(pg)}) {
		return false
	}
	w.oracle.current("I-31", h.epoch, "a group")
	w.say("group %d is recorded", pg)
	return pg < len(c.groups)
}

// reign lets a new epoch begin: some of the earlier holders die, some nodes go
// away and others come back; then it draws what will end it.
func (w *world) reign() {
	c := &w.control
	if c.reigns == w.swarm.epochs {
		c.over = true
		return
	}
	c.reigns++
	for _, h := range append([]*holder(nil), w.holders...) {
		if !w.chance(w.swarm.zombie) || h.epoch+6 < c.epoch {
			h.die("crashes")
		} else {
			w.counts.Zombies++
			w.deposed(h)
		}
	}
	w.startAll()
	if w.swarm.downMax > 0 {
		for _, i := range w.rng.Perm(len(w.nodes))[:w.rng.IntN(w.swarm.downMax+1)] {
			w.nodes[i].crash()
		}
	}
	if w.chance(w.swarm.replace) { // what the last writer will not hear of
		w.move()
	}
	if w.chance(w.swarm.forgets) {
		w.restored()
	}
	h := w.grant(c.epoch)
	for range 1 + w.rng.IntN(2) {
		if w.grant(h.epoch-1) != nil {
			w.fail("I-13", "another candidate was granted after epoch %d", h.epoch)
		}
	}
	phase := ""
	if w.chance(w.swarm.overtake) {
		phase = pick(w, "fencing", "fetching", "listing", "listing", "shipping", "shipping", "open", "open")
	}
	w.watch(h, phase, w.now+tick(pick(w, w.swarm.reign...)))
}

// restored lets the control plane lose everything and go on with what storage nodes have kept, see fleet.Restore:
// it knows no holder, perhaps not the last grants' LALs, and numbers on above all that it may have given.
func (w *world) restored() {
	c, above := &w.control, w.between(1, 3)
	c.fleet.Version, c.fleet.Epoch = c.fleet.Version+uint64(above), c.fleet.Epoch+redo.VolumeEpoch(above)
	c.fleet.Holder, c.fleet.Ended = fleet.Grant{}, false
	c.epoch = c.fleet.Epoch
	c.lals = c.lals[:w.rng.IntN(len(c.lals)+1)]
	for i := range c.fleet.Groups {
		c.fleet.Groups[i].Membership += redo.MembershipEpoch(above)
	}
	w.recorded()
	w.say("the control plane was lost and goes on at epoch %d", c.epoch)
	w.counts.Restored++
}

// deposed lets a writer that goes on be cut off from storage, or paused: nothing tells it that there is
// another one.
func (w *world) deposed(h *holder) {
	if h.t == nil || h.epoch < w.control.epoch || !w.chance(w.swarm.deposed) {
		return
	}
	if w.chance(.5) {
		h.pausedTo = w.now + w.between(20, 400)
		return
	}
	h.aloneTo = w.now + w.between(50, 600)
	for _, n := range w.nodes {
		w.cut(h.ep, n.ep, true)
	}
}

// watch ends a reign at its deadline, or soon after its holder has come to a phase.
func (w *world) watch(h *holder, phase string, deadline tick) {
	w.after(w.between(1, 4), func() {
		if w.now >= deadline || h.phase() == phase && w.chance(.3) {
			w.overtaken(h)
			return
		}
		w.watch(h, phase, deadline)
	})
}

// overtaken ends a holder's reign, if it has not ended yet.
func (w *world) overtaken(h *holder) {
	if h.epoch == w.control.epoch && !w.control.over {
		w.reign()
	}
}

// heal takes all faults away: with two nodes of each group away an epoch opens
// and everything it writes becomes durable; then, with all nodes, every segment becomes
// complete and the same. At last everything arrives that is still on its way, of all epochs that were, while
// the writer goes on; that must change nothing.
func (w *world) heal() {
	w.calm, w.burning = true, nil
	clear(w.cuts)
	clear(w.arrivals)
	w.say("all faults stop")
	down := w.rng.Perm(len(w.control.seats))[:2] // of the seats
	for pg := range w.control.groups {
		if w.control.replacing != nil || w.ill(redo.PGID(pg), -1) > 0 { // what one must have again may be on those two alone
			down = []int{-1, -1}
		}
	}
	for i, n := range w.nodes {
		n.pausedTo, n.slow = 0, false
		if seat := slices.Index(w.control.seats, i); seat >= 0 && slices.Contains(down, seat) {
			n.crash()
		} else {
			n.start()
		}
	}
	h := w.grant(w.control.epoch)
	patience := 150 * tick(w.swarm.gossip) // segments are filled again at the pace of gossip
	if !w.waitFor("a recovery opens", patience, func() bool { return h.t != nil }) || !w.settles(h, patience) {
		return
	}
	w.flood()
	if w.waitFor("what was late arrives", patience, func() bool { return len(w.late) == 0 }) {
		w.settles(h, patience)
	}
}

// settles lets a writer write, until all of that is durable and, with all nodes, every segment is
// complete and the same.
func (w *world) settles(h *holder, patience tick) bool {
	h.quiet = false
	written := w.counts.Records
	if !w.waitFor("the writer writes", patience, func() bool { return w.counts.Records > written+10 }) {
		return false
	}
	h.quiet = true
	durable := func() bool { return h.t.VDL() == h.last && h.t.VCL() == h.last }
	if !w.waitFor("VDL reaches the last LSN", patience, durable) {
		return false
	}
	for _, n := range w.nodes {
		n.start()
	}
	w.waitFor("every segment is complete and equal", 1000*tick(w.swarm.gossip), func() bool { return w.oracle.healed(h) == "" })
	if v, ok := w.err.(*Violation); ok && v.Check == "f" {
		v.Text += ": " + w.oracle.healed(h)
	}
	w.oracle.audit()
	return w.err == nil
}

// waitFor runs until done, at most so many ticks.
func (w *world) waitFor(what string, ticks tick, done func() bool) bool {
	deadline, looked := w.now+ticks, tick(0)
	reached := false
	w.run(func() bool {
		if w.now >= looked { // looking may cost a lot
			looked = w.now + 20
			reached = done()
		}
		return reached || w.now > deadline
	})
	if !reached {
		w.fail("f", "after healing, not within %d ticks: %s", ticks, what)
	}
	return reached
}
