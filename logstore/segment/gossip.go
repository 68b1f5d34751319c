package segment

import (
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// How often gossip repeats itself, in ticks.
const (
	gossipAllTicks  = 64 // every SCL is told again, since a message may have been lost
	gossipLackTicks = 8  // an SCL below a hole is told again, so that others offer
	gossipAskTicks  = 4  // an unanswered ask is asked again
)

// peer is another node that has segments of the volume.
type peer struct {
	id logstore.NodeID
}

// gossiping is what a segment keeps for gossip. The slices are parallel to peers.
type gossiping struct {
	told []told
	// before is the SCL at the last tick: a segment that has advanced since is being
	// served by its writer and asks nobody.
	before redo.LSN
	asked  uint64 // tick of the unanswered ask; 0: none
	eager  bool   // a read waits: this segment's gossip goes first
}

// told is what a peer and this node have told each other of a segment.
type told struct {
	mine   redo.LSN // SCL that it was told
	known  bool     // it was told, under this list
	theirs redo.LSN // SCL that it told
	gone   redo.LSN // the segment's SCL + 1 when it said that it has collected what follows
}

// meet makes a node a gossip peer.
func (h *Host) meet(id logstore.NodeID) {
	if id != h.o.Node && !slices.ContainsFunc(h.peers, func(p peer) bool { return p.id == id }) {
		h.peers = append(h.peers, peer{id})
	}
}

func (h *Host) peerIndex(id logstore.NodeID) int {
	return slices.IndexFunc(h.peers, func(p peer) bool { return p.id == id })
}

// with returns what a segment and a peer have told each other, nil if the peer has
// no segment of the group.
func (c *chain) with(peers []peer, i int) *told {
	if !slices.Contains(c.Members, peers[i].id) {
		return nil
	}
	for len(c.gossip.told) < len(peers) {
		c.gossip.told = append(c.gossip.told, told{})
	}
	return &c.gossip.told[i]
}

// forgetGossip starts over: under another list SCLs mean something else.
func (h *Host) forgetGossip() {
	for _, c := range h.order {
		c.gossip = gossiping{}
	}
}

// Tick lets time pass: gossip is due. The driver calls it every gossip interval.
func (h *Host) Tick() {
	h.ticks++
	for i := range h.peers {
		g := logstore.Gossip{Header: h.head(), ListEpoch: h.list.Epoch}
		for _, c := range h.order {
			t := c.with(h.peers, i)
			if t == nil || len(g.SCLs) == logstore.GossipPGsMax {
				continue
			}
			again := h.ticks%gossipAllTicks == 0 || h.ticks%gossipLackTicks == 0 && c.lacks()
			if scl := c.scl(); again || !t.known || t.mine != scl {
				g.SCLs = append(g.SCLs, logstore.PGLSN{PG: c.PG, LSN: scl})
				t.mine, t.known = scl, true
			}
		}
		if len(g.SCLs) > 0 && h.list.Epoch > 0 {
			h.send(Input{Peer: h.peers[i].id}, g)
		}
	}
	h.tickCopy()
	h.askAnybody()
	for _, c := range h.order {
		c.gossip.before, c.gossip.eager = c.scl(), false
		if c.gossip.asked != 0 && h.ticks-c.gossip.asked >= gossipAskTicks {
			c.gossip.asked = 0
		}
	}
	h.tickPace()
}

// askAnybody asks, for segments that lack something and that no peer is further than, one member after the other: who has
// what this one lacks may itself lack what comes before, and what comes before may be collected here.
func (h *Host) askAnybody() {
	if h.ticks%gossipLackTicks != 0 || h.list.Epoch == 0 || len(h.peers) == 0 {
		return
	}
	i := int(h.ticks / gossipLackTicks % uint64(len(h.peers)))
	for _, c := range h.order {
		scl := c.scl()
		further := slices.ContainsFunc(c.gossip.told, func(t told) bool { return t.theirs > scl })
		if c.damaged || further || !c.lacks() || c.with(h.peers, i) == nil {
			continue
		}
		if a, ok := h.lack(c, max(c.hint.PGLast, c.runs.last())); ok {
			h.send(Input{Peer: h.peers[i].id}, logstore.GossipAsk{
				Header: h.head(), ListEpoch: h.list.Epoch, Asks: []logstore.Ask{a},
			})
		}
	}
}

// lacks reports whether the segment knows of records that it does not hold.
func (c *chain) lacks() bool {
	scl := c.scl()
	if len(c.runs) > 1 || c.Start > scl || c.hint.PGLast > scl {
		return true
	}
	return slices.ContainsFunc(c.gossip.told, func(t told) bool { return t.theirs > scl })
}

// hurry makes a segment's gossip go first: everybody is told at once what it lacks.
func (h *Host) hurry(c *chain) {
	if c.gossip.eager {
		return
	}
	c.gossip.eager = true
	for i := range h.peers {
		if c.with(h.peers, i) != nil {
			h.send(Input{Peer: h.peers[i].id}, logstore.Gossip{
				Header: h.head(), ListEpoch: h.list.Epoch, SCLs: []logstore.PGLSN{{PG: c.PG, LSN: c.scl()}},
			})
		}
	}
}

// gossiped compares SCLs: who is behind asks, who is further offers. Only nodes
// with the same list talk: an annulled record must not come back.
func (h *Host) gossiped(in Input, m logstore.Gossip) {
	i := h.peerIndex(in.Peer)
	if i < 0 || m.ListEpoch != h.list.Epoch {
		return
	}
	offer := logstore.Gossip{Header: h.head(), ListEpoch: h.list.Epoch}
	ask := logstore.GossipAsk{Header: h.head(), ListEpoch: h.list.Epoch}
	for _, s := range m.SCLs {
		c := h.chain(s.PG)
		if c == nil {
			continue
		}
		t := c.with(h.peers, i)
		if t == nil {
			continue
		}
		t.theirs = s.LSN
		if c.damaged {
			continue
		}
		switch scl := c.scl(); {
		case s.LSN < scl:
			offer.SCLs = append(offer.SCLs, logstore.PGLSN{PG: s.PG, LSN: scl})
			t.mine, t.known = scl, true
		case s.LSN > scl:
			if len(ask.Asks) == logstore.GossipAsksMax {
				continue
			}
			if a, ok := h.lack(c, s.LSN); ok {
				ask.Asks = append(ask.Asks, a)
			}
		}
	}
	if len(offer.SCLs) > 0 {
		h.send(Input{Peer: in.Peer}, offer)
	}
	if len(ask.Asks) > 0 {
		h.send(Input{Peer: in.Peer}, ask)
	}
}

// lack returns what to ask a peer for that is complete to scl; false if an ask is
// unanswered, or the segment is advancing by itself.
func (h *Host) lack(c *chain, scl redo.LSN) (logstore.Ask, bool) {
	if c.gossip.asked != 0 || !c.gossip.eager && c.scl() != c.gossip.before || h.waits(c) {
		return logstore.Ask{}, false
	}
	c.gossip.asked = h.ticks + 1
	return logstore.Ask{PG: c.PG, Holes: c.runs.holes(scl, logstore.HolesMax)}, true
}

// asked answers an ask from memory if that has all of it, else from the Store too.
func (h *Host) asked(in Input, m logstore.GossipAsk) {
	if m.ListEpoch != h.list.Epoch {
		return
	}
	for _, a := range m.Asks {
		c := h.chain(a.PG)
		if c == nil || c.damaged || len(a.Holes) > logstore.HolesMax {
			continue
		}
		fill := logstore.GossipFill{Header: h.head(), ListEpoch: h.list.Epoch, PG: a.PG}
		var rest []redo.Range
		for _, hole := range a.Holes {
			records, all := c.within(hole, h.list.Ranges)
			fill.Records = append(fill.Records, records...)
			if !all {
				rest = append(rest, hole)
			}
		}
		if len(rest) == 0 {
			fill.Records, _ = shorten(fill.Records, logstore.FillBytesMax)
			h.send(Input{Peer: in.Peer}, fill)
			continue
		}
		h.out.Serve = append(h.out.Serve, Serve{Peer: in.Peer, PG: a.PG, Run: c.guard(func(s Store) (logstore.Message, error) {
			return fillFrom(s, fill, rest)
		})})
	}
}

// fillFrom adds to a fill what the Store has in the ranges.
func fillFrom(s Store, fill logstore.GossipFill, ranges []redo.Range) (logstore.Message, error) {
	for _, r := range ranges {
		stored, gone, err := s.Records(fill.PG, r, logstore.FillBytesMax)
		if err != nil {
			return nil, err
		}
		fill.Gone = fill.Gone || gone
		fill.Records = merge(fill.Records, stored)
	}
	fill.Records, _ = shorten(fill.Records, logstore.FillBytesMax)
	return fill, nil
}

func (h *Host) judgeFill(in Input, m logstore.GossipFill) {
	c := h.chain(m.PG)
	if m.ListEpoch != h.next.list || c == nil || c.damaged {
		return
	}
	b := &redo.Batch{
		Volume: h.o.Volume, Timeline: h.o.Timeline, PG: m.PG, Epoch: m.ListEpoch, Membership: c.Membership,
	}
	for i := range m.Records {
		r := &m.Records[i]
		ordered := len(b.Records) == 0 || r.LSN > b.Records[len(b.Records)-1].LSN
		if r.PG == m.PG && ordered && !(m.ListEpoch == h.list.Epoch && hidden(h.list.Ranges, r.LSN)) {
			b.Records = append(b.Records, *r)
			h.spend(m.PG, len(r.Payload))
		}
	}
	if len(b.Records) == 0 {
		c.gossip.asked = 0
		h.goneAt(in, m)
		return
	}
	h.persist(in, FrameFill, redo.AppendBatch(nil, b), b)
}

// applyFill stores records that were filled by gossip. They count for tail and SCL
// like any others, now that they are synced.
func (h *Host) applyFill(b *redo.Batch, frame uint64) {
	c := h.chain(b.PG)
	if c == nil || c.damaged { // nil: it was dropped by a frame before
		return
	}
	before := c.scl()
	for i := range b.Records {
		c.insert(&b.Records[i], frame, h.list.Ranges)
	}
	if c.scl() != before {
		h.tell(c)
	}
	h.settle(c)
}

// tell says with the next Ack how far the segment is.
func (h *Host) tell(c *chain) {
	if !slices.Contains(h.acks, c) {
		h.acks = append(h.acks, c)
	}
}

// filled asks the same peer for the rest.
func (h *Host) filled(in Input, m logstore.GossipFill) {
	c, i := h.chain(m.PG), h.peerIndex(in.Peer)
	if c == nil || i < 0 || c.damaged {
		return
	}
	h.goneAt(in, m)
	c.gossip.asked, c.gossip.before, c.gossip.eager = 0, c.scl(), false
	if t := c.with(h.peers, i); t != nil && t.theirs > c.scl() && !m.Gone {
		if a, ok := h.lack(c, t.theirs); ok {
			h.send(Input{Peer: in.Peer}, logstore.GossipAsk{
				Header: h.head(), ListEpoch: h.list.Epoch, Asks: []logstore.Ask{a},
			})
		}
	}
}
