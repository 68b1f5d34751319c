package segment

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// This file drops the segment of a group that the node is no member of any more.
//
// Only the control plane's record says so: of a membership epoch higher than any that the segment was told
// of. What was recorded is not taken back, and who becomes a member again does so at a higher epoch: a record
// that is read late drops nothing that counts. What the segment had acknowledged is on four of
// the members that followed.
//
// A drop is a frame. The driver then deletes the segment from the Store (Emptied); until it has, the node
// takes no new segment of the group: what a copy had put there cannot be read below where it was made. Nor
// does it later take one of an earlier membership, which it would drop again: a recovery counts by the members that
// there were at its grant, and does without.

// Dropped is what FrameDropped says: the node has been no member of the group since this membership epoch.
type Dropped struct {
	logstore.Header
	PG         redo.PGID
	Membership redo.MembershipEpoch
}

func encodeDropped(m Dropped) []byte {
	e := newEncoder()
	e.put(uint64(m.Volume), uint64(m.Timeline), uint64(m.Epoch), uint64(m.PG), uint64(m.Membership))
	return e.b
}

func decodeDropped(body []byte) (m Dropped, err error) {
	d, err := open(body)
	if err != nil {
		return m, err
	}
	m = Dropped{Header: d.header(), PG: redo.PGID(d.get()), Membership: redo.MembershipEpoch(d.get())}
	return m, d.done()
}

// pace is how much of one segment gossip and copies may bring, for one that moves here while all its
// members are well.
type pace struct {
	pg      redo.PGID
	bytes   int64 // a tick; 0: nothing is limited
	left    int64 // of this tick; less than 0 after an answer that was longer
	waiting bool  // something was not asked for
}

// Pace limits what is asked of peers for a segment to about so many bytes a tick; 0: of none.
func (h *Host) Pace(pg redo.PGID, bytes int64) {
	if h.pace.pg != pg || h.pace.bytes != bytes {
		h.pace = pace{pg: pg, bytes: bytes, left: bytes}
	}
}

// paced reports whether that is limited for the segment.
func (h *Host) paced(c *chain) bool { return h.pace.bytes > 0 && h.pace.pg == c.PG }

// waits reports whether the segment has to wait for the next tick before it asks a peer.
func (h *Host) waits(c *chain) bool {
	if h.paced(c) && h.pace.left <= 0 {
		h.pace.waiting = true
		return true
	}
	return false
}

// spend counts what a peer gave.
func (h *Host) spend(pg redo.PGID, bytes int) {
	if h.pace.pg == pg {
		h.pace.left -= int64(bytes)
	}
}

// tickPace gives the next tick's bytes.
func (h *Host) tickPace() {
	p := &h.pace
	p.left = min(p.left+p.bytes, p.bytes)
	if c := h.chain(p.pg); p.waiting && p.left > 0 && c != nil {
		p.waiting = false
		h.hurry(c)
	}
}

// Leave says that the control plane has recorded members of a group, at a membership epoch, of which this node is none.
// It has no effect if the segment knows of that epoch or a later one. PGs has the group until the drop is synced.
func (h *Host) Leave(pg redo.PGID, at redo.MembershipEpoch) {
	if c := h.chain(pg); c != nil && c.Membership < at {
		h.control = append(h.control, Input{Msg: Dropped{Header: h.head(), PG: pg, Membership: at}})
	}
}

// left is what is known of a group whose segment was dropped.
type left struct {
	at   redo.MembershipEpoch // the highest of which the node was found to be no member; a restart may forget it
	full bool                 // the Store may still have something of the segment
}

func (h *Host) judgeDropped(in Input, m Dropped) {
	if c := h.chain(m.PG); c != nil && c.Membership < m.Membership && !h.left[m.PG].full { // full: it is dropped already
		h.left[m.PG] = left{m.Membership, true}
		h.persist(in, FrameDropped, encodeDropped(m), nil)
	}
}

// Emptied says that the Store has nothing of segments that are not among those: what PGs said before it was looked at.
func (h *Host) Emptied(but []redo.PGID) {
	for pg := range h.left {
		if !slices.Contains(but, pg) {
			h.emptied(pg)
		}
	}
}

func (h *Host) emptied(pg redo.PGID) {
	if l := h.left[pg]; l.full {
		h.left[pg] = left{at: l.at}
	}
}

// barred returns why no segment of a group is created here at a membership epoch, "" if one may be.
func (h *Host) barred(pg redo.PGID, at redo.MembershipEpoch) string {
	switch l := h.left[pg]; {
	case l.full:
		return "a segment of an earlier membership is being deleted"
	case at < l.at:
		return "the node is no member of the group since a later membership epoch"
	}
	return ""
}

// dropping reports whether the drop of one of the groups' segments is not synced yet.
func (h *Host) dropping(gs []logstore.GroupStart) bool {
	return slices.ContainsFunc(gs, func(g logstore.GroupStart) bool { return h.chain(g.PG) != nil && h.left[g.PG].full })
}

// allowed returns those of the groups that have a segment here or may get one.
func (h *Host) allowed(gs []logstore.GroupStart) []logstore.GroupStart {
	return slices.DeleteFunc(slices.Clone(gs), func(g logstore.GroupStart) bool {
		return h.chain(g.PG) == nil && h.barred(g.PG, g.Membership) != ""
	})
}

func (h *Host) applyDropped(m Dropped) {
	c := h.chain(m.PG)
	if c == nil || c.Membership >= m.Membership {
		h.emptied(m.PG)
		return
	}
	h.left[m.PG] = left{m.Membership, true}
	c.sound.Store(false) // for answers that are being read
	delete(h.chains, m.PG)
	same := func(o *chain) bool { return o == c }
	h.order, h.acks = slices.DeleteFunc(h.order, same), slices.DeleteFunc(h.acks, same)
}
