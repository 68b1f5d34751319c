package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sextant/internal/page"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/segment"
)

// step gives messages to the Host and does what it asks for. When it returns nil,
// everything the messages led to has been persisted and answered, by this goroutine
// or by another one. An error is the node's end.
func (n *Node) step(ins []segment.Input) error {
	if err := n.ensureHost(ins); err != nil {
		return err
	}
	n.mu.Lock()
	if n.host == nil {
		n.mu.Unlock()
		n.refuseWithoutVolume(ins)
		return nil
	}
	for i := range ins {
		n.host.Step(ins[i])
	}
	n.mu.Unlock()
	return n.drive()
}

// ensureHost makes the Host when a writer names the volume: with its fence, or with
// its list if the node missed the fence.
func (n *Node) ensureHost(ins []segment.Input) error {
	n.mu.Lock()
	has := n.host != nil
	n.mu.Unlock()
	if has {
		return nil
	}
	for i := range ins {
		switch m := ins[i].Msg.(type) {
		case logstore.Fence, logstore.PutList:
			if m.Head().Volume != 0 {
				return n.adoptVolume(m.Head())
			}
		}
	}
	return nil
}

// adoptVolume binds the node to a volume, durably.
func (n *Node) adoptVolume(h logstore.Header) error {
	n.persist.Lock()
	defer n.persist.Unlock()
	adopt := func() (bool, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.host != nil {
			return false, nil
		}
		n.newHost(h.Volume, h.Timeline)
		return true, n.openStore(nil)
	}
	if adopted, err := adopt(); err != nil || !adopted {
		return err
	}
	return n.rotate(0)
}

func (n *Node) refuseWithoutVolume(ins []segment.Input) {
	for i := range ins {
		n.deliver([]logstore.Envelope{{Peer: ins[i].Peer, ID: ins[i].ID, Msg: logstore.Refused{
			Header: ins[i].Msg.Head(), Kind: logstore.Behind, Of: ins[i].Msg.Head().Epoch, Text: "the node stores no volume yet",
		}}})
	}
}

// drive persists and answers until nothing is left to do.
func (n *Node) drive() error {
	n.persist.Lock()
	defer n.persist.Unlock()
	for {
		if err := n.ctx.Err(); err != nil {
			return context.Cause(n.ctx)
		}
		n.mu.Lock()
		r := n.host.Ready()
		n.mu.Unlock()
		n.deliver(r.Send)
		n.serve(r.Serve)
		for _, i := range r.Install {
			select {
			case n.installs <- i:
			case <-n.ctx.Done():
			}
		}
		if len(r.Persist) == 0 {
			return n.beginRewrite()
		}
		if err := n.append(r.Persist); err != nil {
			n.fail(err)
			return err
		}
		n.mu.Lock()
		n.host.Persisted()
		n.mu.Unlock()
	}
}

// append writes and syncs frames. persist is held.
func (n *Node) append(fs []segment.Frame) error {
	frames := make([]hotlog.Frame, len(fs))
	for i := range fs {
		frames[i] = hotlog.Frame{Kind: hotlog.KindCaller + hotlog.Kind(fs[i].Kind), Body: fs[i].Body}
	}
	n.touched.Store(true)
	n.awaitMemory()
	if size := hotlog.Size(frames); size > n.hot.Room() {
		// Between Ready and Persisted a snapshot is of the state before these frames.
		if err := n.rotate(size); err != nil {
			return err
		}
	}
	if err := n.hot.Append(frames); err != nil {
		return err
	}
	n.marks.Lock()
	defer n.marks.Unlock()
	n.marks.list[len(n.marks.list)-1].end = fs[len(fs)-1].Index + 1
	return nil
}

// awaitMemory asks for a drain when that would free much memory, and when records take too
// much waits for it as the ceiling says, and with it everyone who sends. The background
// waits for nobody who holds persist, as this does.
func (n *Node) awaitMemory() {
	for {
		n.mu.Lock()
		bytes, drainable := n.host.Memory(), int64(0)
		if bytes > n.ceiling.part {
			drainable = n.host.Drainable()
		}
		admitted := n.ceiling.admits(bytes, drainable)
		n.mu.Unlock()
		if drainable > n.ceiling.part {
			n.signal(n.urgent)
		}
		if admitted {
			return
		}
		select {
		case <-n.room:
		case <-n.ctx.Done():
			return
		}
	}
}

// ceiling is what records in memory may come to while they take more than limit and a drain can
// help. It begins half a part above what they take, and falls by half of what each drain
// frees: so a large commit, which becomes drainable at once, keeps nobody out for longer than
// one part takes, and however much is sent memory falls to the limit.
type ceiling struct{ limit, part, at int64 } // at is 0 while it does not matter

// admits reports whether input may be stored while records take so many bytes, of which a drain
// would free so many.
func (c *ceiling) admits(bytes, drainable int64) bool {
	if bytes <= c.limit || drainable <= c.part {
		c.at = 0
		return true
	}
	if c.at == 0 {
		c.at = bytes + c.part/2
	}
	return bytes < c.at
}

// freed notes that a drain has freed bytes.
func (c *ceiling) freed(bytes int64) { c.at = max(c.at-bytes/2, 0) }

// rotate begins a file of the hot log. While HotFiles of them are full it waits for
// the drain, and with it everyone who sends: this is the node's back-pressure.
//
// What the drain cannot move yet, since no hint covers it, could fill the log, and
// the hint could only come with the next batch, or at the end of a large commit: so when there
// is nothing to drain it goes on at once, else after fullPatience, up to the log's own bound.
// A quarantine that no file says goes on at once, since nothing is released before.
func (n *Node) rotate(room int64) error {
	var patience <-chan time.Time
	for over := false; ; {
		n.mu.Lock()
		unnoted, idle := n.unnoted, n.host.Drainable() == 0
		n.mu.Unlock()
		if live, _ := n.hot.Live(); over || unnoted || idle || live < n.opt.HotFiles {
			err := n.rotateNow(room)
			if err == nil || unnoted || !errors.Is(err, hotlog.ErrFull) {
				return err
			}
		}
		if patience == nil {
			patience = time.After(fullPatience)
		}
		n.signal(n.urgent)
		select {
		case <-n.room:
		case <-patience:
			over = true
			n.opt.Logger.Warn("the hot log is full and cannot be drained yet", "node", n.opt.ID, "files", n.opt.HotFiles)
		case <-n.ctx.Done():
			return context.Cause(n.ctx)
		}
	}
}

// rotateNow begins a file of the hot log with the present state, without waiting until
// the drain has made room; room is how many bytes it must have. persist is held, or
// nothing is served yet. Returns hotlog.ErrFull at the log's own bound.
func (n *Node) rotateNow(room int64) error {
	n.mu.Lock()
	b, unnoted := n.snapshotLocked(), n.unnoted
	n.unnoted = false
	n.mu.Unlock()
	if err := n.hot.Rotate(b, room); err != nil {
		n.mu.Lock()
		n.unnoted = n.unnoted || unnoted
		n.mu.Unlock()
		return err
	}
	n.mu.Lock()
	n.host.Noted()
	n.mu.Unlock()
	n.rotated()
	return nil
}

// rotated notes the new generation and asks for what it makes necessary.
func (n *Node) rotated() {
	n.marks.Lock()
	m := mark{generation: n.hot.Generation()}
	if k := len(n.marks.list); k > 0 {
		m.end = n.marks.list[k-1].end
	}
	n.marks.list = append(n.marks.list, m)
	n.marks.Unlock()
	n.signal(n.spare)
	if live, _ := n.hot.Live(); live+hotFilesUrgent > n.opt.HotFiles {
		n.signal(n.urgent)
	}
}

func (n *Node) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// deliver hands out messages: to a connection, to a waiting request, or to another node.
func (n *Node) deliver(out []logstore.Envelope) {
	for i := range out {
		n.mu.Lock()
		to := n.waiting[out[i].Peer]
		n.mu.Unlock()
		switch {
		case to == nil && strings.ContainsRune(string(out[i].Peer), '#'):
			continue // whoever asked is gone
		case to == nil:
			if _, known := n.opt.Peers()[out[i].Peer]; known { // else anybody could have a sender made for a name
				n.conns.peer(n, out[i].Peer).tell(out[i].Msg)
			}
		default:
			to(out[i])
		}
	}
}

// serve runs answers that read the store, a bounded number at a time.
func (n *Node) serve(ss []segment.Serve) {
	for _, s := range ss {
		n.spawn(func() {
			m := n.runServe(s.Run, logstore.Header{Volume: n.volume, Timeline: n.line})
			if a, ok := m.(logstore.CopyAnswer); ok {
				for _, p := range a.Pages {
					page.Seal(p.Data, page.Address{Volume: a.Volume, Timeline: a.Timeline, PG: a.PG, Page: p.Page})
				}
			}
			n.deliver([]logstore.Envelope{{Peer: s.Peer, ID: s.ID, Msg: m}})
		})
	}
}

// runServe reads an answer from the store. What goes wrong becomes a refusal; damage
// also puts the segment out of service.
func (n *Node) runServe(run func(segment.Store) (logstore.Message, error), h logstore.Header) logstore.Message {
	select {
	case n.serving <- struct{}{}:
		defer func() { <-n.serving }()
	case <-n.ctx.Done():
		return logstore.Refused{Header: h, Kind: logstore.Retry, Of: h.Epoch, Text: "the node is closing"}
	}
	m, err := run(n.store)
	if err == nil {
		return m
	}
	r := logstore.Refused{Header: h, Kind: logstore.Retry, Of: h.Epoch, Text: err.Error()}
	var damage *boltstore.DamageError
	switch {
	case errors.Is(err, boltstore.ErrCollected):
		r.Kind = logstore.Gone
	case errors.Is(err, segment.ErrSpoiled): // asked of another node, it is answered
	case errors.As(err, &damage):
		r.Kind, r.Segment, r.PG = logstore.Corrupt, true, damage.PG
		n.mu.Lock()
		n.quarantine(damage.PG, err)
		n.mu.Unlock()
	default:
		r.Kind = logstore.Corrupt
		n.opt.Logger.Error("answer from the store", "node", n.opt.ID, "error", err)
	}
	return r
}

// tickLoop is the node's clock: gossip is sent, and what an idle hot log has last is
// covered by an empty frame.
func (n *Node) tickLoop() {
	t := time.NewTicker(n.opt.TickEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-n.ctx.Done():
			return
		}
		if err := n.tick(); err != nil && n.ctx.Err() == nil {
			n.fail(fmt.Errorf("tick: %w", err))
		}
	}
}

func (n *Node) tick() error {
	n.mu.Lock()
	if n.host == nil {
		n.mu.Unlock()
		return nil
	}
	if n.opt.Moving != nil {
		var bytes int64
		pg, moves := n.opt.Moving()
		if moves {
			bytes = max(1, int64(float64(n.opt.MoveRate)*n.opt.TickEvery.Seconds()))
		}
		n.host.Pace(pg, bytes)
	}
	n.host.Tick()
	if n.opt.Left != nil {
		for _, pg := range n.host.PGs() {
			n.host.Leave(pg, n.opt.Left(pg))
		}
	}
	n.mu.Unlock()
	if err := n.drive(); err != nil {
		return err
	}
	if n.touched.Swap(false) {
		return nil
	}
	n.persist.Lock()
	defer n.persist.Unlock()
	return n.hot.Cover()
}
