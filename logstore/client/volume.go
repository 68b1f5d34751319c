package client

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/volume"
	"sextant/logstore/wire"
)

// Volume is a volume open for writing, over its storage nodes. It implements
// logstore.Volume.
//
// Sealing is inline: whoever appended, or the reader of an acknowledgement, closes
// the batches and writes them to all sockets, none of which ever blocks. It yields
// once before, so that commits that are about to be appended share the batch. A node
// that answers before a write quorum has is sent its next batch when that has.
type Volume struct {
	opt   Options
	grant Grant
	ask   askers

	vdl       atomic.Uint64
	vcl       atomic.Uint64
	confirmed atomic.Int64 // volume.Time
	limit     atomic.Uint64
	sealing   atomic.Bool

	// mu is the one lock round the Recovery and, after it, the Tracker.
	mu     sync.Mutex
	rec    *volume.Recovery
	t      *volume.Tracker // nil until opened
	nodes  []*link         // as the Tracker numbers them; they only get more
	groups []Group

	waits struct {
		sync.Mutex
		commits volume.CommitQueue[chan struct{}]
		changed chan struct{} // closed at the next change; nil if nobody waits
	}

	growing sync.Mutex
	verify  chan struct{} // holds the one who asks the control plane

	done chan struct{}
	stop context.CancelFunc
	ctx  context.Context
	wg   sync.WaitGroup
	end  struct {
		sync.Mutex
		err error
	}
}

// link is the append stream to one node.
type link struct {
	Node
	conn   *wire.Conn         // nil while there is none
	unsent []logstore.Message // of the recovery, for when there is one
	// stranger is the last other store that answered; only linkLoop uses it.
	stranger logstore.StoreID
	left     atomic.Bool // it is no node of the volume any more: nothing connects to it
}

var _ logstore.Volume = (*Volume)(nil)

// now reads CLOCK_BOOTTIME, which goes on while the machine is suspended.
func now() volume.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(fmt.Sprintf("client: CLOCK_BOOTTIME: %v", err)) // there since Linux 2.6.39
	}
	return volume.Time(ts.Nano())
}

// Recover fences the volume at the grant's epoch, recovers it and opens it for
// writing: when it returns, the control plane was told (Options.Opened) and the
// predecessors' leases have passed. Returns ErrFenced if a newer epoch exists, the
// context's error, or that of Opened. The epoch cannot be recovered a second time:
// after an error the caller needs a new grant.
func Recover(ctx context.Context, g Grant, o Options) (*Volume, Recovered, error) {
	v, err := newVolume(g, o.withDefaults())
	if err != nil {
		return nil, Recovered{}, err
	}
	began := time.Now()
	r, err := v.recover(ctx)
	if err != nil {
		_ = v.Close()
		return nil, Recovered{}, fmt.Errorf("recover the volume at epoch %d: %w", g.Epoch, err)
	}
	v.opt.Logger.Info("volume is open", "volume_epoch", g.Epoch, "vdl", r.VDL, "next", r.Next, "records", r.Records,
		"took", r.Took, "waited", time.Since(began)-r.Took)
	return v, r, nil
}

func newVolume(g Grant, o Options) (*Volume, error) {
	geo, err := geometry(g.Geometry)
	if err != nil {
		return nil, err
	}
	v := &Volume{opt: o, grant: g, groups: g.Geometry.Groups, verify: make(chan struct{}, 1), done: make(chan struct{})}
	v.ctx, v.stop = context.WithCancel(context.Background())
	v.ask.opt = o
	addrs := map[logstore.NodeID]string{}
	for _, n := range g.Geometry.Nodes {
		v.nodes = append(v.nodes, &link{Node: n})
		addrs[n.ID] = n.Addr
	}
	v.ask.resolve = func(id logstore.NodeID) string {
		if o.Resolve != nil {
			if a := o.Resolve(id); a != "" {
				return a
			}
		}
		return addrs[id]
	}
	v.rec = volume.NewRecovery(
		volume.Grant{Volume: g.Volume, Timeline: g.Timeline, Epoch: g.Epoch, Holder: g.Holder, LAL: g.LAL,
			LALs: []logstore.EpochLAL{{LAL: g.LALMax}}}, geo,
		volume.Limits{WindowBytes: int64(o.WindowBytes), LaggardBytes: int64(o.LaggardBytes), BatchBytes: o.BatchBytes})
	for i, n := range v.nodes { // which may grow before the goroutine runs
		v.spawn(func() { v.linkLoop(i, n) })
	}
	v.spawn(v.tickLoop)
	return v, nil
}

// geometry turns ids into indexes.
func geometry(g Geometry) (volume.Geometry, error) {
	out := volume.Geometry{PagesPerGroup: g.PagesPerGroup}
	for _, n := range g.Nodes {
		out.Nodes = append(out.Nodes, volume.Node{ID: n.ID, Store: n.Store})
	}
	for _, gr := range g.Groups {
		m, err := members(g.Nodes, gr)
		if err != nil {
			return out, err
		}
		out.Groups = append(out.Groups, m)
	}
	if len(out.Groups) == 0 || out.PagesPerGroup == 0 {
		return out, errors.New("client: a volume needs a protection group and a size of groups")
	}
	return out, nil
}

func members(nodes []Node, g Group) (volume.Group, error) {
	out := volume.Group{PG: g.PG, Membership: g.Membership}
	is := func(id logstore.NodeID) func(Node) bool { return func(n Node) bool { return n.ID == id } }
	for m, id := range g.Members {
		at := slices.IndexFunc(nodes, is(id))
		if at < 0 {
			return out, fmt.Errorf("client: member %s of group %d is not a known node", id, g.PG)
		}
		out.Members = append(out.Members, at)
		if id == g.Leaving {
			out.Leaving = m
		}
	}
	if g.Joining != "" {
		at := len(nodes) - 1
		for at >= 0 && nodes[at].ID != g.Joining {
			at--
		}
		if at < 0 {
			return out, fmt.Errorf("client: %s, which joins group %d, is not a known node", g.Joining, g.PG)
		}
		out.Members = append(out.Members, at)
	}
	return out, nil
}

func (v *Volume) spawn(f func()) {
	v.wg.Add(1)
	go func() {
		defer v.wg.Done()
		f()
	}()
}

// recover drives the Recovery to its end and opens the Tracker.
func (v *Volume) recover(ctx context.Context) (Recovered, error) {
	began := time.Now()
	var fenced, shipped time.Time
	for {
		changed := v.changes()
		v.mu.Lock()
		v.sendRecovery()
		if fenced.IsZero() && v.rec.FenceQuorum() {
			fenced = time.Now()
		}
		if shipped.IsZero() && v.rec.Shipped() {
			shipped = time.Now()
		}
		err := v.rec.Err()
		v.mu.Unlock()
		if err != nil {
			return Recovered{}, err
		}
		if !shipped.IsZero() {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Recovered{}, context.Cause(ctx)
		}
	}
	if err := v.waitLeases(ctx, fenced); err != nil {
		return Recovered{}, err
	}
	if v.opt.Opened != nil {
		if err := v.opt.Opened(ctx); err != nil {
			return Recovered{}, fmt.Errorf("tell the control plane: %w", err)
		}
	}
	r, err := v.open()
	r.Took = shipped.Sub(began)
	return r, err
}

// waitLeases waits until no predecessor can still answer by a lease: LeaseWait after
// the fence quorum, from which on none is renewed.
func (v *Volume) waitLeases(ctx context.Context, fenced time.Time) error {
	wait := time.Until(fenced.Add(v.grant.LeaseWait))
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
	case <-v.opt.LeasesEnded:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (v *Volume) open() (Recovered, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, err := v.rec.Open()
	if err != nil {
		return Recovered{}, err
	}
	plan := v.rec.Plan()
	r := Recovered{VDL: plan.VDL, Next: t.Next(), List: t.List()}
	for i := range plan.Groups {
		r.Records += len(plan.Groups[i].Keep)
	}
	v.t, v.rec = t, nil
	for i := range v.nodes {
		v.nodes[i].unsent = nil
		if v.nodes[i].conn != nil {
			t.Connected(i)
		}
	}
	v.publish()
	v.ship(false)
	return r, nil
}

// sendRecovery sends what the recovery wants sent. mu is held.
func (v *Volume) sendRecovery() {
	if v.rec == nil {
		return
	}
	for _, out := range v.rec.Ready() {
		n := v.nodes[out.Node]
		if n.conn != nil {
			_ = n.conn.Send(0, out.Msg) // an error ends the connection's reader
			continue
		}
		if len(n.unsent) == unsentMax {
			n.unsent = n.unsent[1:]
		}
		n.unsent = append(n.unsent, out.Msg)
	}
}

// publish makes the Tracker's state visible without the lock. mu is held.
func (v *Volume) publish() {
	v.vdl.Store(uint64(v.t.VDL()))
	v.vcl.Store(uint64(v.t.VCL()))
	v.confirmed.Store(max(v.confirmed.Load(), int64(v.t.Confirmed())))
	v.limit.Store(uint64(v.t.PageLimit()))
}

// changes returns a channel that is closed at the next change of anything that
// somebody may wait for.
func (v *Volume) changes() <-chan struct{} {
	v.waits.Lock()
	defer v.waits.Unlock()
	if v.waits.changed == nil {
		v.waits.changed = make(chan struct{})
	}
	return v.waits.changed
}

// wake tells everybody who waits that something has changed, and the commits that
// they are durable.
func (v *Volume) wake() {
	var durable [64]chan struct{}
	v.waits.Lock()
	released := v.waits.commits.Release(redo.LSN(v.vdl.Load()), durable[:0])
	if v.waits.changed != nil {
		close(v.waits.changed)
		v.waits.changed = nil
	}
	v.waits.Unlock()
	for _, c := range released {
		close(c)
	}
}

// Epoch implements logstore.Volume.
func (v *Volume) Epoch() redo.VolumeEpoch { return v.grant.Epoch }

// Next implements logstore.Volume.
func (v *Volume) Next() redo.LSN {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.t.Next()
}

// Append implements logstore.Volume.
func (v *Volume) Append(turn []redo.MTR) error {
	if err := v.Err(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.t.Admit(turn); err != nil {
		return err
	}
	numbered := 0
	for _, m := range turn {
		for rest := m.Records; len(rest) > 0; {
			if numbered >= numberedMax { // storage's answers and the control plane do not wait for a large commit
				v.mu.Unlock()
				v.sealSoon()
				runtime.Gosched()
				v.mu.Lock()
				if err := v.Err(); err != nil {
					return err
				}
				numbered = 0
			}
			n := min(len(rest), numberedMax)
			v.t.Number(rest[:n], n == len(rest))
			rest, numbered = rest[n:], numbered+n
		}
	}
	v.sealSoon()
	return nil
}

// sealSoon has what was numbered shipped.
func (v *Volume) sealSoon() {
	if v.sealing.CompareAndSwap(false, true) {
		go v.seal()
	}
}

// WaitRoom implements logstore.Volume.
func (v *Volume) WaitRoom(ctx context.Context, records, bytes int) error {
	return v.until(ctx, func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.t.Room(records, bytes)
	})
}

// until waits for a condition that changes with wake.
func (v *Volume) until(ctx context.Context, is func() bool) error {
	for {
		changed := v.changes()
		if err := v.Err(); err != nil {
			return err
		}
		if is() {
			return nil
		}
		select {
		case <-changed:
		case <-v.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// VDL implements logstore.Volume.
func (v *Volume) VDL() redo.LSN { return redo.LSN(v.vdl.Load()) }

// VCL returns the LSN up to which every record is on a write quorum of its group.
func (v *Volume) VCL() redo.LSN { return redo.LSN(v.vcl.Load()) }

// WaitVDL implements logstore.Volume.
func (v *Volume) WaitVDL(ctx context.Context, l redo.LSN) error {
	if v.vdl.Load() >= uint64(l) {
		return nil
	}
	c := make(chan struct{})
	v.waits.Lock()
	if v.vdl.Load() >= uint64(l) {
		v.waits.Unlock()
		return nil
	}
	v.waits.commits.Park(l, c)
	v.waits.Unlock()
	select {
	case <-c:
		return nil
	case <-v.done:
		if v.vdl.Load() >= uint64(l) {
			return nil
		}
		return v.Err()
	case <-ctx.Done():
		v.waits.Lock()
		v.waits.commits.Forget(func(other chan struct{}) bool { return other == c })
		v.waits.Unlock()
		return context.Cause(ctx)
	}
}

// WaitConfirmed implements logstore.Volume.
func (v *Volume) WaitConfirmed(ctx context.Context) error {
	asked := now()
	for {
		changed := v.changes()
		if err := errors.Join(v.Err(), context.Cause(ctx)); err != nil {
			return err
		}
		at := now()
		if volume.Time(v.confirmed.Load()) > at-volume.Time(v.grant.ReadLease) {
			return nil
		}
		// Storage has had its chance: perhaps too few nodes are up.
		if v.opt.VerifyEpoch != nil && time.Duration(at-asked) >= v.grant.ReadLease/leaseTicks {
			if err := v.verifyEpoch(ctx, at); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-time.After(v.grant.ReadLease / leaseTicks):
		case <-v.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// verifyEpoch asks the control plane, one request at a time. Its answer is as good as
// storage's: a later grantee opens no earlier than a read lease after its fence.
func (v *Volume) verifyEpoch(ctx context.Context, asked volume.Time) error {
	select {
	case v.verify <- struct{}{}:
		defer func() { <-v.verify }()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-v.done:
		return v.Err()
	}
	if volume.Time(v.confirmed.Load()) >= asked {
		return nil
	}
	sent := now()
	within, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := v.opt.VerifyEpoch(within, v.grant.Epoch)
	switch {
	case errors.Is(err, logstore.ErrFenced):
		v.fail(logstore.ErrFenced)
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil: // the control plane has no leader now, perhaps
		select {
		case <-time.After(v.grant.ReadLease / leaseTicks):
		case <-ctx.Done():
		}
		return nil
	}
	for {
		old := v.confirmed.Load()
		if old >= int64(sent) || v.confirmed.CompareAndSwap(old, int64(sent)) {
			v.wake()
			return nil
		}
	}
}

// SetMinReadPoint implements logstore.Volume.
func (v *Volume) SetMinReadPoint(l redo.LSN) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.t.SetMinReadPoint(l)
}

// List returns the truncation list of this epoch.
func (v *Volume) List() logstore.List {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.t.List()
}

// PGLasts returns a VDL and each group's last LSN at or below it: what a reader gives
// as need for page reads there.
func (v *Volume) PGLasts() (redo.LSN, map[redo.PGID]redo.LSN) {
	v.mu.Lock()
	defer v.mu.Unlock()
	lasts := map[redo.PGID]redo.LSN{}
	for _, l := range v.t.Lasts() {
		lasts[l.PG] = l.LSN
	}
	return v.t.VDL(), lasts
}

// PagesPerGroup returns the size of the volume's groups.
func (v *Volume) PagesPerGroup() uint64 { return v.grant.Geometry.PagesPerGroup }

// PageLimit implements logstore.Volume.
func (v *Volume) PageLimit() redo.PageID { return redo.PageID(v.limit.Load()) }

// Grow implements logstore.Volume: the control plane first, then segments on a write
// quorum, and only then PageLimit.
func (v *Volume) Grow(ctx context.Context, upTo redo.PageID) error {
	v.growing.Lock()
	defer v.growing.Unlock()
	for v.PageLimit() < upTo {
		v.mu.Lock()
		known := len(v.groups)
		v.mu.Unlock()
		if uint64(known)*v.PagesPerGroup() < uint64(upTo) {
			if err := v.addGroup(ctx, redo.PGID(known)); err != nil {
				return fmt.Errorf("grow the volume to page %d: %w", upTo, err)
			}
			continue
		}
		if err := v.until(ctx, func() bool { return v.PageLimit() >= upTo }); err != nil {
			return fmt.Errorf("grow the volume to page %d: %w", upTo, err)
		}
	}
	return nil
}

func (v *Volume) addGroup(ctx context.Context, pg redo.PGID) error {
	if v.opt.CreateGroup == nil {
		return errors.New("the volume has a fixed size")
	}
	if err := v.Err(); err != nil {
		return err
	}
	geo, err := v.opt.CreateGroup(ctx, v.grant.Epoch, pg)
	if err != nil {
		return fmt.Errorf("create group %d: %w", pg, err)
	}
	if int(pg) >= len(geo.Groups) {
		return fmt.Errorf("create group %d: the control plane has %d groups", pg, len(geo.Groups))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	m, err := v.numbered(geo, geo.Groups[pg])
	if err != nil {
		return err
	}
	if err := v.t.AddGroup(m); err != nil {
		return err
	}
	v.groups = append(v.groups, geo.Groups[pg])
	v.ship(false)
	return nil
}

// Done implements logstore.Volume.
func (v *Volume) Done() <-chan struct{} { return v.done }

// Err implements logstore.Volume.
func (v *Volume) Err() error {
	v.end.Lock()
	defer v.end.Unlock()
	return v.end.err
}

// fail ends the volume, if it has not ended: then it returns true.
func (v *Volume) fail(err error) bool {
	v.end.Lock()
	defer v.end.Unlock()
	if v.end.err != nil {
		return false
	}
	v.end.err = err
	v.stop()
	close(v.done)
	return true
}

// Close implements logstore.Volume. What was appended and not yet acknowledged may or
// may not survive, as after a crash.
func (v *Volume) Close() error {
	v.fail(logstore.ErrClosed)
	v.mu.Lock()
	for i := range v.nodes {
		if c := v.nodes[i].conn; c != nil {
			_ = c.Close()
		}
	}
	v.mu.Unlock()
	v.wg.Wait()
	v.ask.close()
	return nil
}
