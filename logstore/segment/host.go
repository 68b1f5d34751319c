package segment

import (
	"cmp"
	"slices"

	"sextant/internal/redo"
	"sextant/logstore"
)

// Host is the segments of one volume on one node. It is not safe for concurrent
// use; the driver's lock guards it, and need not be held while frames are synced
// or a Serve runs.
//
// State changes only in Persisted (and Replay), so everything that the other
// methods say is backed by synced frames.
//
// Invariant: list.Epoch <= fence.
type Host struct {
	o Options

	fence        redo.VolumeEpoch
	holder       uint64 // of the fence; 0: unknown
	lals         []logstore.EpochLAL
	list         logstore.List
	opened       bool // the list's epoch has opened
	minReadPoint redo.LSN

	chains map[redo.PGID]*chain
	order  []*chain // ascending by PG

	control []Input // fences, lists, creations: judged before the rest
	queue   []Input

	// next is the state that the frames in flight lead to: frames are judged by it.
	next   judged
	flying []op
	frames uint64 // index of the next frame

	// relisting is the lowest index of a frame that a replay needs to come through the
	// newest list frame; none if no file would be replayed from before that list.
	relisting uint64
	rewrite   uint64 // records of frames below it are to be put in order again

	out  Ready
	acks []*chain // whose SCL has changed since the last Ack

	left     map[redo.PGID]left // of groups whose segment was dropped
	pace     pace
	ticks    uint64
	installs uint64 // handed out
	peers    []peer
}

// judged is what decides whether a frame may follow the ones before it.
type judged struct {
	fence   redo.VolumeEpoch
	holder  uint64
	list    redo.VolumeEpoch
	created []logstore.GroupStart // by frames in flight
}

// op is a frame in flight, with what it does.
type op struct {
	in    Input
	kind  FrameKind
	batch *redo.Batch
	index uint64
}

// New returns a Host without any segment at volume epoch 0.
func New(o Options) *Host {
	if o.ImageRecords == 0 {
		o.ImageRecords = 64
	}
	if o.ImageBytes == 0 {
		o.ImageBytes = 16 << 10
	}
	if o.CopyPages == 0 {
		o.CopyPages = logstore.CopyPagesMax
	}
	return &Host{o: o, chains: map[redo.PGID]*chain{}, left: map[redo.PGID]left{}, relisting: none}
}

// none is above the index of every frame.
const none = ^uint64(0)

// PGs returns the groups that this node has a segment of, ascending.
func (h *Host) PGs() []redo.PGID {
	out := make([]redo.PGID, len(h.order))
	for i, c := range h.order {
		out[i] = c.PG
	}
	return out
}

func (h *Host) chain(pg redo.PGID) *chain { return h.chains[pg] }

// create adds an empty segment.
func (h *Host) create(g logstore.GroupStart) *chain {
	c := &chain{GroupStart: g, sound: sound()}
	h.chains[g.PG] = c
	h.emptied(g.PG) // a replay: it was before this
	i, _ := slices.BinarySearchFunc(h.order, g.PG, func(c *chain, pg redo.PGID) int { return cmp.Compare(c.PG, pg) })
	h.order = slices.Insert(h.order, i, c)
	for _, m := range g.Members {
		h.meet(m)
	}
	return c
}

func (h *Host) head() logstore.Header {
	return logstore.Header{Volume: h.o.Volume, Timeline: h.o.Timeline, Epoch: h.fence}
}

// Step takes one message. It only queues it; Ready judges it.
func (h *Host) Step(in Input) {
	switch in.Msg.(type) {
	case logstore.Fence, logstore.PutList, logstore.CreateSegment:
		h.control = append(h.control, in)
	default:
		h.queue = append(h.queue, in)
	}
}

// Queued returns how many messages wait for Ready.
func (h *Host) Queued() int { return len(h.control) + len(h.queue) }

// Ready judges what is queued and returns, and forgets, what must be done.
//
// Fences, lists and creations go ahead of the batches that wait: a failover does
// not wait for a backlog of the old writer's. Therefore each message is judged
// here, when its frame gets its place in the hot log, and not when it arrived: a
// batch that arrived before a fence but gets its place after it must be refused,
// because the fence's answer, on which the new writer relies, does not include it.
func (h *Host) Ready() Ready {
	if len(h.flying) == 0 {
		h.next = judged{fence: h.fence, holder: h.holder, list: h.list.Epoch}
		h.finishCopies()
		bytes := h.rewriteSome()
		for len(h.control)+len(h.queue) > 0 && bytes < readyBytesMax {
			from := &h.queue
			if len(h.control) > 0 {
				from = &h.control
			}
			in := (*from)[0]
			(*from)[0] = Input{}
			*from = (*from)[1:]
			at := len(h.out.Persist)
			h.judge(in)
			for _, f := range h.out.Persist[at:] {
				bytes += len(f.Body)
			}
		}
	}
	out := h.out
	h.out = Ready{}
	return out
}

// readyBytesMax bounds the frames of one Ready: no further message is judged once
// they have that many bytes.
const readyBytesMax = 8 << 20

// judge decides what becomes of one message.
func (h *Host) judge(in Input) {
	if m := in.Msg.Head(); m.Volume != h.o.Volume || m.Timeline != h.o.Timeline {
		h.refuse(in, logstore.Invalid, "another volume or timeline")
		return
	}
	switch m := in.Msg.(type) {
	case logstore.Fence:
		h.judgeFence(in, m)
	case logstore.PutList:
		h.judgeList(in, m)
	case logstore.CreateSegment:
		h.judgeCreate(in, m)
	case logstore.Append:
		h.judgeAppend(in, m)
	case logstore.GossipFill:
		h.judgeFill(in, m)
	case logstore.Fetch:
		h.fetch(in, m)
	case logstore.Gossip:
		h.gossiped(in, m)
	case logstore.GossipAsk:
		h.asked(in, m)
	case logstore.HealthAsk:
		h.send(in, h.Health())
	case logstore.CopySegment:
		h.copyAsked(in, m)
	case logstore.CopyAnswer:
		h.copyArrived(m)
	case logstore.ReadPage, logstore.ReadLog:
		h.refuse(in, logstore.Invalid, "reads are not queued")
	case Dropped:
		h.judgeDropped(in, m)
	case logstore.Refused: // of gossip: it is repeated when its time comes
		h.copyRefused(in, m)
	default:
		h.refuse(in, logstore.Invalid, "not a request to a storage node")
	}
}

// persist puts a frame in order; apply runs once it is synced.
func (h *Host) persist(in Input, kind FrameKind, body []byte, b *redo.Batch) {
	h.out.Persist = append(h.out.Persist, Frame{Kind: kind, Body: body, Index: h.frames})
	h.flying = append(h.flying, op{in, kind, b, h.frames})
	h.frames++
}

func (h *Host) judgeFence(in Input, m logstore.Fence) {
	switch {
	case m.Epoch == 0:
		h.refuse(in, logstore.Invalid, "volume epoch 0")
	case m.Epoch < h.next.fence:
		h.refuse(in, logstore.Fenced, "older volume epoch")
	case m.Epoch == h.next.fence && m.Holder != h.next.holder && h.next.holder != 0:
		h.refuse(in, logstore.Fenced, "the epoch has another holder")
	case m.Epoch == h.fence && m.Holder == h.holder:
		h.send(in, h.fenceAnswer())
	default:
		h.next.fence, h.next.holder = m.Epoch, m.Holder
		h.persist(in, FrameFence, encodeFence(m), nil)
	}
}

// judgeList stores a list. Segments that may not be created are left out: batches for them are refused.
func (h *Host) judgeList(in Input, m logstore.PutList) {
	m.Groups = h.allowed(m.Groups)
	in.Msg = m
	switch {
	case m.Epoch == 0 || m.List.Epoch != m.Epoch:
		h.refuse(in, logstore.Invalid, "a list of another volume epoch")
	case m.Epoch < h.next.fence:
		h.refuse(in, logstore.Fenced, "older volume epoch")
	case m.Epoch == h.next.fence && m.Holder != h.next.holder && h.next.holder != 0:
		h.refuse(in, logstore.Fenced, "the epoch has another holder")
	case m.Epoch == h.list.Epoch && h.hasAll(m.Groups):
		h.send(in, h.listAnswer(m.Groups))
	case h.dropping(m.Groups):
		h.refuse(in, logstore.Retry, "a segment of an earlier membership is being dropped")
	default:
		h.next.fence, h.next.holder, h.next.list = m.Epoch, m.Holder, m.Epoch
		h.next.created = append(h.next.created, m.Groups...)
		h.persist(in, FrameList, encodeList(m), nil)
	}
}

func (h *Host) judgeCreate(in Input, m logstore.CreateSegment) {
	switch kind, text := h.epochKind(m.Epoch); {
	case kind != 0:
		h.refuse(in, kind, text)
	case h.hasAll([]logstore.GroupStart{m.GroupStart}) && !h.chain(m.PG).whole():
		h.refuseSegment(in, logstore.Corrupt, m.PG, "the segment is damaged")
	case h.hasAll([]logstore.GroupStart{m.GroupStart}):
		h.send(in, logstore.SegmentCreated{Header: h.head(), Store: h.o.Store, Ack: h.chain(m.PG).ack()})
	case h.barred(m.PG, m.Membership) != "":
		h.refuseSegment(in, logstore.Retry, m.PG, h.barred(m.PG, m.Membership))
	default:
		h.next.created = append(h.next.created, m.GroupStart)
		h.persist(in, FrameCreate, encodeCreate(m), nil)
	}
}

// hasAll reports whether the segments exist at the membership epochs given.
func (h *Host) hasAll(gs []logstore.GroupStart) bool {
	for i := range gs {
		if c := h.chain(gs[i].PG); c == nil || c.Membership < gs[i].Membership {
			return false
		}
	}
	return true
}

// epochKind judges the epoch of what an open writer or a shipping recovery sends: 0
// if it is the one that the node works at, by the frames in order so far.
func (h *Host) epochKind(e redo.VolumeEpoch) (logstore.Kind, string) {
	switch {
	case e < h.next.fence:
		return logstore.Fenced, "older volume epoch"
	case e > h.next.list:
		return logstore.Behind, "the node lacks this volume epoch's list"
	default:
		return 0, ""
	}
}

func (h *Host) judgeAppend(in Input, m logstore.Append) {
	if kind, text := h.epochKind(m.Epoch); kind != 0 {
		h.refuse(in, kind, text)
		return
	}
	m.Batches = slices.Clone(m.Batches) // the sender's slice is shared
	for i := range m.Batches {
		b := &m.Batches[i]
		if b.Batch == nil {
			var err error
			if b.Batch, err = redo.DecodeBatch(b.Bytes); err != nil {
				h.refuse(in, logstore.Invalid, err.Error())
				return
			}
		}
		if b.Volume != m.Volume || b.Timeline != m.Timeline || b.Epoch != m.Epoch {
			h.refuse(in, logstore.Invalid, "a batch of another volume, timeline or volume epoch")
			return
		}
	}
	in.Msg = m
	at := len(h.flying)
	for _, b := range m.Batches {
		if kind, text := h.segmentKind(b.Batch); kind != 0 {
			h.refuseSegment(in, kind, b.PG, text)
			continue
		}
		h.persist(Input{}, FrameBatch, b.Bytes, b.Batch)
	}
	if len(h.flying) > at {
		h.flying[len(h.flying)-1].in = in // the last of its batches brings the answer
	} else {
		h.send(in, h.ack(m))
	}
}

// segmentKind judges whether the batch's segment can take it.
func (h *Host) segmentKind(b *redo.Batch) (logstore.Kind, string) {
	membership, exists := redo.MembershipEpoch(0), false
	if c := h.chain(b.PG); c != nil {
		if c.damaged {
			return logstore.Corrupt, "the segment is damaged"
		}
		membership, exists = c.Membership, true
	}
	for i := range h.next.created {
		if g := &h.next.created[i]; g.PG == b.PG {
			membership, exists = max(membership, g.Membership), true
		}
	}
	switch barred := h.barred(b.PG, b.Membership); {
	case !exists && barred != "":
		return logstore.Retry, barred
	case !exists:
		return logstore.Behind, "no such segment"
	case b.Membership > membership:
		return logstore.Behind, "older membership epoch here"
	default: // a batch of an earlier one is of the same writer, closed before it knew
		return 0, ""
	}
}

// Persisted says that the Persist of the last Ready is appended and synced.
func (h *Host) Persisted() {
	for i := range h.flying {
		h.apply(&h.flying[i])
	}
	// Answers say what is true after everything that was synced together.
	for i := range h.flying {
		h.answer(&h.flying[i])
	}
	h.flying = nil
}

// apply changes the state by a synced frame.
func (h *Host) apply(o *op) {
	switch o.kind {
	case FrameFence:
		h.applyFence(o.in.Msg.(logstore.Fence))
	case FrameList:
		h.applyList(o.in.Msg.(logstore.PutList))
	case FrameCreate:
		h.applyStart(o.in.Msg.(logstore.CreateSegment).GroupStart)
	case FrameBatch:
		h.applyBatch(o.batch, o.index)
	case FrameFill:
		h.applyFill(o.batch, o.index)
	case FrameDropped:
		h.applyDropped(o.in.Msg.(Dropped))
	case FrameAgain:
		h.chain(o.batch.PG).moved(o.batch, o.index, h.list.Ranges)
	case FrameCopied:
		if m := o.in.Msg.(copied); h.chain(m.PG) != nil && h.chain(m.PG).repair.done {
			h.applyCopied(m)
		}
	}
}

// answer sends what a synced frame was waited for.
func (h *Host) answer(o *op) {
	switch m := o.in.Msg.(type) {
	case logstore.Fence:
		h.send(o.in, h.fenceAnswer())
	case logstore.PutList:
		h.send(o.in, h.listAnswer(m.Groups))
	case logstore.CreateSegment:
		if c := h.chain(m.PG); c != nil { // else it was dropped in the same breath
			h.send(o.in, logstore.SegmentCreated{Header: h.head(), Store: h.o.Store, Ack: c.ack()})
		}
	case logstore.Append:
		h.send(o.in, h.ack(m))
	case logstore.GossipFill:
		h.filled(o.in, m)
	}
}

func (h *Host) applyFence(m logstore.Fence) {
	h.becomeFenced(m.Epoch, m.Holder, m.LAL)
}

func (h *Host) becomeFenced(e redo.VolumeEpoch, holder, lal uint64) {
	h.fence, h.holder = e, holder
	if n := len(h.lals); n == 0 || h.lals[n-1].Epoch < e {
		h.lals = append(h.lals, logstore.EpochLAL{Epoch: e, LAL: lal})
	}
}

// applyList replaces the list by one of a higher epoch, never merges them: an
// abandoned recovery's range may cover what a later epoch acknowledged.
func (h *Host) applyList(m logstore.PutList) {
	h.becomeFenced(m.Epoch, m.Holder, m.LAL)
	higher := m.Epoch > h.list.Epoch
	if higher {
		h.relisting = min(h.relisting, h.oldestInMemory())
		h.list, h.opened = logstore.List{Epoch: m.Epoch, Ranges: slices.Clone(m.List.Ranges)}, false
		for _, c := range h.order {
			c.relist(h.list.Ranges, 0)
		}
		h.forgetGossip()
	}
	for i := range m.Groups {
		h.applyStart(m.Groups[i])
		if higher {
			c := h.chain(m.Groups[i].PG)
			c.Start = m.Groups[i].Start
			// What it had above Last is annulled, and was on no write quorum. What it had above Start
			// is kept and shipped: until that is on a write quorum once more, nothing but the
			// barrier says that this copy lacks it.
			c.barrier = min(c.barrier, m.Groups[i].Last)
			h.settle(c)
		}
	}
}

// applyStart creates a segment, or takes a newer membership.
func (h *Host) applyStart(g logstore.GroupStart) {
	c := h.chain(g.PG)
	if c == nil {
		h.create(g)
		return
	}
	if g.Membership >= c.Membership {
		c.Membership, c.Members = g.Membership, slices.Clone(g.Members)
		for _, m := range g.Members {
			h.meet(m)
		}
	}
}

func (h *Host) applyBatch(b *redo.Batch, frame uint64) {
	c := h.chain(b.PG)
	if c == nil { // it was dropped by a frame before
		return
	}
	for i := range b.Records {
		if c.damaged {
			break
		}
		c.insert(&b.Records[i], frame, h.list.Ranges)
	}
	c.Start = max(c.Start, b.Start)
	if b.Hint.VDL > c.hint.VDL {
		c.hint = b.Hint
	}
	h.minReadPoint = max(h.minReadPoint, b.MinReadPoint)
	if b.Opened && !h.opened {
		h.becomeOpened()
	}
	h.settle(c)
}

// becomeOpened notes that the list's epoch has opened: no recovery will adopt an
// older list any more, so what this one annuls can go.
func (h *Host) becomeOpened() {
	h.opened = true
	h.lals = slices.DeleteFunc(h.lals, func(l logstore.EpochLAL) bool { return l.Epoch < h.list.Epoch })
	h.purge()
}

// purge deletes annulled records, if the list's own epoch has opened. Before that
// another recovery may adopt an older list, to which they are not annulled.
func (h *Host) purge() {
	if !h.opened {
		return
	}
	for _, c := range h.order {
		for i := range c.log {
			if hidden(h.list.Ranges, c.log[i].LSN) {
				c.keep(func(e *entry) bool { return !hidden(h.list.Ranges, e.LSN) })
				break
			}
		}
	}
}

func (h *Host) fenceAnswer() logstore.FenceAnswer {
	a := logstore.FenceAnswer{
		Header: h.head(), Store: h.o.Store, List: h.list, Opened: h.opened, LALs: slices.Clone(h.lals),
	}
	for _, c := range h.order {
		a.Segments = append(a.Segments, c.state())
	}
	return a
}

func (h *Host) listAnswer(gs []logstore.GroupStart) logstore.ListAnswer {
	a := logstore.ListAnswer{Header: h.head(), Store: h.o.Store}
	for i := range gs {
		if c := h.chain(gs[i].PG); c != nil && c.whole() {
			a.Segments = append(a.Segments, c.ack())
		}
	}
	return a
}

// ack answers an Append whose batches are synced.
func (h *Host) ack(m logstore.Append) logstore.Ack {
	a := logstore.Ack{Header: h.head(), Store: h.o.Store, Seq: m.Seq}
	add := func(c *chain) {
		if c == nil || !c.whole() {
			return
		}
		if !slices.ContainsFunc(a.Segments, func(s logstore.SegmentAck) bool { return s.PG == c.PG }) {
			a.Segments = append(a.Segments, c.ack())
		}
	}
	for _, b := range m.Batches {
		add(h.chain(b.PG))
	}
	for _, c := range h.acks {
		add(c)
	}
	h.acks = h.acks[:0]
	return a
}

func (h *Host) send(to Input, m logstore.Message) {
	h.out.Send = append(h.out.Send, logstore.Envelope{Peer: to.Peer, ID: to.ID, Msg: m})
}

func (h *Host) refuse(to Input, kind logstore.Kind, text string) {
	h.send(to, h.refusal(to.Msg, kind, text))
}

func (h *Host) refuseSegment(to Input, kind logstore.Kind, pg redo.PGID, text string) {
	h.send(to, h.segmentRefusal(to.Msg, kind, pg, text))
}

// refusal says no to m. Epoch is the fence that m was judged by, which may be of a
// frame in flight: a node that will refuse does so at once.
func (h *Host) refusal(m logstore.Message, kind logstore.Kind, text string) logstore.Refused {
	r := logstore.Refused{
		Header: h.head(), Kind: kind, Of: m.Head().Epoch, ListEpoch: h.list.Epoch, Text: text,
	}
	r.Epoch = max(r.Epoch, h.next.fence)
	if a, ok := m.(logstore.Append); ok {
		r.Seq = a.Seq
	}
	return r
}

func (h *Host) segmentRefusal(m logstore.Message, kind logstore.Kind, pg redo.PGID, text string) logstore.Refused {
	r := h.refusal(m, kind, text)
	r.Segment, r.PG = true, pg
	return r
}

// Health returns the answer to a HealthAsk.
func (h *Host) Health() logstore.Health {
	a := logstore.Health{
		Header: h.head(), Store: h.o.Store, List: h.list, Opened: h.opened, MinReadPoint: h.minReadPoint,
	}
	for _, c := range h.order {
		a.Segments = append(a.Segments, c.state())
		a.Undrained += c.bytes
		a.Holes += len(c.runs.holes(max(c.last, c.Start), logstore.HolesMax))
	}
	return a
}
