package client

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"sextant/internal/mtls"
	"sextant/logstore"
	"sextant/logstore/volume"
	"sextant/logstore/wire"
)

// seal yields once, then ships what has been appended.
func (v *Volume) seal() {
	runtime.Gosched()
	v.sealing.Store(false)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ship(false)
}

// ship sends each node what it is to be sent now; all also those that are ahead of
// the others. mu is held; no send waits.
func (v *Volume) ship(all bool) {
	if v.t == nil || v.ctx.Err() != nil {
		return
	}
	at := now()
	for i := range v.nodes {
		c := v.nodes[i].conn
		if c == nil || c.Busy() { // a node that takes nothing is given nothing more
			continue
		}
		if !all && v.t.Ahead(i) {
			continue
		}
		s, ok := v.t.Ship(i, at)
		if !ok {
			continue
		}
		for _, m := range s.Control {
			_ = c.Send(0, m) // an error ends the connection's reader
		}
		if s.Append != nil {
			_ = c.Send(0, *s.Append)
		}
	}
	for _, b := range v.t.Seal() {
		if v.opt.Tap != nil { // mu is held: what becomes durable is told them later
			v.opt.Tap.Frame(b.Bytes, b.Last)
		}
	}
}

// received takes one message of a node.
func (v *Volume) received(i int, m logstore.Message) {
	v.mu.Lock()
	if v.t == nil {
		if v.rec != nil {
			progress := v.rec.Progress()
			v.rec.Step(i, m)
			if v.opt.Answered != nil && v.rec.Progress() > progress {
				v.opt.Answered()
			}
			v.sendRecovery()
		}
		v.mu.Unlock()
		v.wake()
		return
	}
	answered := v.t.Answered()
	moved := v.t.Step(i, m)
	if v.opt.Answered != nil && v.t.Answered() > answered {
		v.opt.Answered()
	}
	v.publish()
	if moved && v.opt.Tap != nil {
		v.opt.Tap.VDL(v.t.VDL())
	}
	fenced := v.t.Fenced()
	first := fenced != 0 && v.fail(logstore.ErrFenced) // before an Append is refused for it
	v.mu.Unlock()
	if first {
		v.opt.Logger.Info("fenced by a newer writer", "volume_epoch", v.grant.Epoch, "newer", fenced)
	}
	if fenced != 0 {
		return
	}
	v.wake()
	if v.sealing.CompareAndSwap(false, true) {
		v.seal()
	}
}

// tickLoop is the Tracker's and the Recovery's clock. Within a read lease there are a
// few ticks, at each of which an idle writer has its epoch confirmed.
func (v *Volume) tickLoop() {
	t := time.NewTicker(min(max(v.grant.ReadLease/leaseTicks, tickMin), tickMax))
	defer t.Stop()
	var told stalling
	for {
		select {
		case <-t.C:
		case <-v.ctx.Done():
			return
		}
		what := "commits wait"
		var stall volume.Stall
		stalled := false
		v.mu.Lock()
		if v.t != nil {
			v.t.Tick()
			v.ship(true)
			stall, stalled = v.t.Stalled(now(), volume.Time(stallAfter))
		} else if v.rec != nil {
			v.rec.Tick()
			v.sendRecovery()
			what = "the recovery waits"
			stall, stalled = v.rec.Stalled(now(), volume.Time(recoveryStall))
		}
		v.mu.Unlock()
		v.wake()
		told = v.tellStall(told, what, stall, stalled)
	}
}

// linkLoop keeps the append stream to a node.
func (v *Volume) linkLoop(i int, n *link) {
	wait := v.opt.ReconnectMin
	for v.ctx.Err() == nil {
		c, err := v.connect(i, n)
		if err == nil {
			wait = v.opt.ReconnectMin
			err = v.readLoop(i, n, c)
		}
		if v.ctx.Err() != nil {
			return
		}
		v.opt.Logger.Debug("storage node is away", "node", n.ID, "error", err)
		select {
		case <-time.After(wait):
		case <-v.ctx.Done():
			return
		}
		if wait *= 2; wait > v.opt.ReconnectMax {
			wait = v.opt.ReconnectMax
		}
	}
}

// connect opens the append stream to a node and tells the state machine.
func (v *Volume) connect(i int, n *link) (*wire.Conn, error) {
	id := n.ID
	if n.left.Load() {
		return nil, fmt.Errorf("node %s has left", id)
	}
	addr := v.ask.resolve(id)
	if addr == "" {
		addr = n.Addr
	}
	if addr == "" {
		return nil, fmt.Errorf("node %s has no address", id)
	}
	ctx, cancel := context.WithTimeout(v.ctx, v.opt.DialTimeout)
	defer cancel()
	conn, err := v.opt.Identity.Dial(ctx, addr, string(id), mtls.Storage)
	if err != nil {
		return nil, err
	}
	c, err := wire.Handshake(conn, nil, wire.Greeting{Cluster: v.opt.Cluster, Node: v.opt.Self}, v.opt.DialTimeout)
	if err != nil {
		return nil, err
	}
	if g := c.Peer(); g.Node != id || g.Store != n.Store {
		_ = c.Close()
		if n.stranger == g.Store || v.joins(g.Node, g.Store) {
			return nil, errors.New("another store answers")
		}
		n.stranger = g.Store
		v.opt.Logger.Warn("another store answers; it counts in no quorum", "node", id,
			"registered", n.Store, "answers", g.Store, "as", g.Node)
		return nil, errors.New("another store answers")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ctx.Err() != nil {
		_ = c.Close()
		return nil, context.Cause(v.ctx)
	}
	n.conn = c
	if v.t != nil {
		v.t.Connected(i)
		v.ship(false)
		return c, nil
	}
	for _, m := range n.unsent {
		_ = c.Send(0, m)
	}
	n.unsent = nil
	return c, nil
}

// readLoop takes a node's answers until the stream ends.
func (v *Volume) readLoop(i int, n *link, c *wire.Conn) error {
	defer func() {
		_ = c.Close()
		v.mu.Lock()
		defer v.mu.Unlock()
		n.conn = nil
		if v.t != nil {
			v.t.Disconnected(i)
		}
	}()
	for {
		_, m, err := c.Read()
		if err != nil {
			return err
		}
		v.received(i, m)
	}
}
