package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sextant/engine"
	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
	"sextant/server/serverpb"
)

// read makes this instance a reader of whoever is the writer, and returns when the
// role ends. An instance that was the writer drops what it had.
//
// One that is a reader already, whose recovery came to nothing, goes on serving at
// once: there may be no writer for long, and nobody else to read from.
func (i *Instance) read(ctx context.Context) error {
	i.closeVolume()
	i.mu.Lock()
	db := i.db
	i.mu.Unlock()
	if db == nil || db.Role() == engine.RoleWriter {
		var err error
		if db, err = i.openReader(ctx, db); err != nil {
			return err
		}
	}
	if err := i.serveSQL(db, false); err != nil {
		return err
	}
	i.gate.admit() // before anybody is told, or the first sessions would be refused
	i.setRole(fleet.RoleReader, db.Epoch(), "")
	i.provesStorage(ctx)
	return context.Cause(ctx)
}

// openReader makes a reader of db, or a new one if it is nil, once there is a writer
// to follow.
func (i *Instance) openReader(ctx context.Context, db *engine.DB) (*engine.DB, error) {
	i.setRole(fleet.RoleJoining, 0, "waiting for a writer to follow")
	if _, _, err := i.awaitWriter(ctx); err != nil {
		return nil, err
	}
	src, err := i.source(ctx)
	if err != nil {
		return nil, err
	}
	if db == nil {
		db, err = engine.OpenReader(ctx, src, i.o.Engine)
		return db, errors.Join(err, context.Cause(ctx))
	}
	if err := db.Demote(ctx, src); err != nil { // the engine is closed now: only a new process helps
		return nil, &fatalError{fmt.Errorf("become a reader: %w", errors.Join(err, context.Cause(ctx)))}
	}
	return db, nil
}

// provesStorage asks storage for a sign of life, again and again until ctx ends: if the
// writer is the one that has lost its quorum, the control plane has to see who has not.
func (i *Instance) provesStorage(ctx context.Context) {
	t := time.NewTicker(storageProbe)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		within, cancel := context.WithTimeout(ctx, storageProbeMax)
		if i.reader.Reachable(within) == nil {
			i.answers.Add(1)
		}
		cancel()
	}
}

// write recovers the volume at the granted epoch and serves as its writer until
// the role ends: fenced, resigned, or another order.
func (i *Instance) write(ctx context.Context, order *order) error {
	began := time.Now()
	i.setRole(fleet.RoleRecovering, order.Epoch, "recovering the volume")
	defer i.stalled.Store(nil) // when the volume is closed
	h := newHub()
	grant, err := i.grant(ctx, order)
	if err != nil {
		return err
	}
	vol, found, err := i.recover(ctx, grant, i.volumeOptions(order, h))
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, logstore.ErrFenced) {
			// One epoch has one recovery: this one is lost, so the epoch is given back.
			err = errors.Join(err, i.resign(ctx, order.Epoch))
		}
		return fmt.Errorf("recover at volume epoch %d: %w", order.Epoch, err)
	}
	defer i.closeVolume()
	i.mu.Lock()
	i.volume, i.hub = vol, h
	db := i.db
	i.mu.Unlock()
	if db == nil {
		db, err = engine.OpenWriter(ctx, vol, i.o.Engine)
	} else {
		err = db.Promote(ctx, vol, found.List.Ranges)
	}
	if err == nil {
		err = i.serveSQL(db, true)
	}
	if err != nil { // the engine is neither writer nor reader now: only a new process helps
		err = fmt.Errorf("open the volume at epoch %d: %w", order.Epoch, err)
		i.closeVolume() // who resigns answers nothing any more
		return &fatalError{errors.Join(err, i.resign(ctx, order.Epoch))}
	}
	i.setRole(fleet.RoleWriter, order.Epoch, "")
	i.gate.admit()
	i.o.Logger.Info("writer", "volume_epoch", order.Epoch, "vdl", found.VDL, "records", found.Records, "took", time.Since(began))
	return i.serveWriter(ctx, order.Epoch, db, vol, h)
}

// recover recovers the volume. One that waits for a quorum of storage is not moved to
// another instance as long as what is up of storage answers this one. It counts by the
// members that there were at its grant: when they change and it does not come to its end, it ends with
// errMembersChanged, for whoever is granted next counts by the new ones.
func (i *Instance) recover(ctx context.Context, grant client.Grant, o client.Options) (*client.Volume, client.Recovered, error) {
	if _, err := i.source(ctx); err != nil { // the reader's connections, by which to ask
		return nil, client.Recovered{}, err
	}
	probing, stop := context.WithCancel(ctx)
	recovering, end := context.WithCancelCause(ctx)
	var probe sync.WaitGroup
	probe.Go(func() { i.provesStorage(probing) })
	probe.Go(func() {
		if !i.awaitOtherMembers(probing, grant) {
			return
		}
		if pause(probing, membersGrace); probing.Err() == nil {
			end(errMembersChanged)
		}
	})
	defer end(nil)
	defer probe.Wait()
	defer stop()
	return client.Recover(recovering, grant, o)
}

var errMembersChanged = errors.New("the volume's members have changed since the grant")

// awaitOtherMembers waits until the control plane has recorded other members for a group of the grant, at its epoch;
// false if ctx ends first.
func (i *Instance) awaitOtherMembers(ctx context.Context, grant client.Grant) bool {
	for {
		t, changed := i.topologyNow()
		if s := t.State; s != nil && s.Epoch == grant.Epoch {
			for n, g := range i.geometryOf(s).Groups {
				if n < len(grant.Geometry.Groups) && g.Membership > grant.Geometry.Groups[n].Membership {
					return true
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// resign gives an epoch back that cannot be used. Without a leader it gives up after
// resignPatience: the control plane then finds out by itself.
func (i *Instance) resign(ctx context.Context, epoch redo.VolumeEpoch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignPatience)
	defer cancel()
	return i.agent.Resign(ctx, epoch, "")
}

// serveWriter returns when the role ends, and has then stopped to answer.
func (i *Instance) serveWriter(ctx context.Context, epoch redo.VolumeEpoch, db *engine.DB, vol *client.Volume, h *hub) error {
	ticker, stop := context.WithCancel(ctx)
	defer stop()
	go i.tick(ticker, db, vol, h)
	go i.watchReaders(ticker, db, h)
	go i.watchMembers(ticker, epoch, vol)
	for {
		select {
		case <-ctx.Done():
			i.stopWriting("this instance is the writer no longer")
			if cause := context.Cause(ctx); errors.Is(cause, errNewOrder) {
				return cause
			}
			vol.Close() // the process ends: a successor need not wait for the lease
			return errors.Join(context.Cause(ctx), i.resign(ctx, epoch))
		case <-vol.Done():
			i.stopWriting("another instance is the writer")
			return vol.Err()
		case d := <-i.drain:
			if d.Epoch == epoch && i.handOver(ctx, d, vol) {
				return errResigned
			}
		}
	}
}

// handOver drains the sessions, stops answering and resigns. Returns false if the
// drain was given up: then the role goes on.
func (i *Instance) handOver(ctx context.Context, d *failover.Drain, vol *client.Volume) bool {
	within, cancel := context.WithTimeout(ctx, d.Within)
	defer cancel()
	i.gate.shut("the writer's role is being handed over")
	if err := i.sql.Drain(within); err != nil {
		i.o.Logger.Warn("switchover given up", "error", err)
		i.forgetDrain() // one that came meanwhile was the same
		i.sql.Resume()
		i.gate.admit()
		return false
	}
	i.stopWriting("the writer's role was handed over")
	vol.Close()
	if err := i.agent.Resign(ctx, d.Epoch, d.Successor); err != nil {
		i.o.Logger.Warn("resign", "volume_epoch", d.Epoch, "error", err)
	}
	return true
}

// stopWriting ends every session: nothing is answered any more in this role.
func (i *Instance) stopWriting(reason string) {
	i.gate.shut(reason)
	i.setRole(fleet.RoleJoining, 0, reason)
	i.sql.SetReader()
}

// tick tells the readers how far the log is durable: whenever that has moved, and
// every TickEvery, but only while the epoch is confirmed.
func (i *Instance) tick(ctx context.Context, db *engine.DB, vol *client.Volume, h *hub) {
	t := time.NewTicker(i.o.TickEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.moved:
		case <-t.C:
		}
		if h.count() > 0 && vol.WaitConfirmed(ctx) == nil {
			h.tick(&serverpb.Tick{Vdl: uint64(vol.VDL()), Snapshot: uint64(db.SnapshotLSN()), SentMicros: time.Now().UnixMicro()})
		}
		pause(ctx, tickLeast)
	}
}

// watchReaders lets the minimum read point move once every reader of the fleet has
// said what it still reads, or after readersGrace, and gives up the promise of a
// reader that has been away for so long.
func (i *Instance) watchReaders(ctx context.Context, db *engine.DB, h *hub) {
	began, known := time.Now(), false
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		topology, changed := i.topologyNow()
		if !known && (time.Since(began) > readersGrace || i.allPromised(topology, h)) {
			known = true
			db.ReadersKnown()
		}
		for _, id := range h.forgotten(readersGrace) {
			db.ReleaseReadPoint(id)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-h.joined:
		case <-t.C:
		}
	}
}

// allPromised reports whether every other instance that runs has made its promise.
func (i *Instance) allPromised(t failover.Topology, h *hub) bool {
	if t.State == nil {
		return false
	}
	for _, r := range t.State.Instances {
		if r.ID != i.o.ID && !t.State.IsStopped(r.ID) && !h.has(r.ID) {
			return false
		}
	}
	return true
}

func (i *Instance) closeVolume() {
	i.mu.Lock()
	vol := i.volume
	i.volume, i.hub = nil, nil
	i.mu.Unlock()
	if vol != nil {
		if err := vol.Close(); err != nil {
			i.o.Logger.Warn("volume closed", "error", err)
		}
	}
}
