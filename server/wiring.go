package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sextant/engine"
	"sextant/engine/replica"
	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
	"sextant/server/gms"
)

// geometry is the fleet's state as the storage client wants it.
func geometry(s *fleet.State) client.Geometry {
	g := client.Geometry{PagesPerGroup: s.SegmentBytes / page.Size}
	for _, n := range s.Storage {
		g.Nodes = append(g.Nodes, client.Node{ID: logstore.NodeID(n.ID), AZ: n.AZ, Addr: n.Address, Store: logstore.StoreID(n.StoreID)})
	}
	r := s.Replacing
	if old, found := s.StorageNode(r.Old); found && r.New == r.Old {
		g.Nodes = append(g.Nodes, client.Node{ID: logstore.NodeID(r.New), AZ: old.AZ, Addr: old.Address, Store: logstore.StoreID(r.Store)})
	}
	for i := range s.Groups {
		gr := client.Group{PG: s.Groups[i].ID, Membership: s.Groups[i].Membership}
		for _, m := range s.Groups[i].Members {
			gr.Members = append(gr.Members, logstore.NodeID(m))
		}
		if s.Leaving(&s.Groups[i]) >= 0 {
			gr.Leaving, gr.Joining = logstore.NodeID(r.Old), logstore.NodeID(r.New)
		}
		g.Groups = append(g.Groups, gr)
	}
	return g
}

// shape is the geometry of one state.
type shape struct {
	of *fleet.State
	client.Geometry
}

// geometryNow returns the newest geometry, which nobody changes. It is asked at every
// page read, and made once for each state: a large volume has thousands of groups.
func (i *Instance) geometryNow() client.Geometry {
	t, _ := i.topologyNow()
	return i.geometryOf(t.State)
}

func (i *Instance) geometryOf(s *fleet.State) client.Geometry {
	if c := i.shape.Load(); c != nil && c.of == s {
		return c.Geometry
	}
	c := &shape{of: s, Geometry: geometry(s)}
	i.shape.Store(c)
	return c.Geometry
}

// grant is an order as the storage client wants it. A new volume first gets its
// first protection group: it needs the stores of three zones to have registered.
func (i *Instance) grant(ctx context.Context, o *order) (client.Grant, error) {
	s := o.State
	for len(s.Groups) == 0 {
		var err error
		s, err = i.o.Client.Propose(ctx, &fleet.CreateGroup{Epoch: o.Epoch, ID: 0})
		if errors.Is(err, fleet.ErrNotReady) {
			s = o.State
			pause(ctx, retryPause)
			err = context.Cause(ctx)
		}
		if err != nil {
			return client.Grant{}, fmt.Errorf("create the first protection group: %w", err)
		}
	}
	return client.Grant{
		Volume: s.Volume, Timeline: s.Timeline, Epoch: o.Epoch, Holder: uint64(failover.NewIncarnation()),
		LAL: o.LAL, LALMax: o.LALMax, ReadLease: o.ReadLease, LeaseWait: o.LeaseWait + o.LeaseWait/leaseDriftFactor, Geometry: geometry(s),
	}, nil
}

func (i *Instance) volumeOptions(o *order, h *hub) client.Options {
	opts := i.clientOptions()
	opts.Tap = h
	opts.WindowBytes = i.o.WindowBytes
	opts.Opened = func(ctx context.Context) error { return i.agent.Opened(ctx, o.Epoch) }
	opts.VerifyEpoch = func(ctx context.Context, epoch redo.VolumeEpoch) error {
		h, err := i.o.Client.VerifyEpoch(ctx)
		if err == nil && (h.Epoch != epoch || h.Incarnation != i.o.Incarnation || h.Ended) {
			err = logstore.ErrFenced
		}
		return err
	}
	opts.LeasesEnded = o.leases
	opts.Answered = func() { i.answers.Add(1) }
	opts.Stalled = func(why string) { i.stalled.Store(&why) }
	opts.CreateGroup = func(ctx context.Context, epoch redo.VolumeEpoch, pg redo.PGID) (client.Geometry, error) {
		s, err := i.o.Client.Propose(ctx, &fleet.CreateGroup{Epoch: epoch, ID: pg})
		if err != nil {
			return client.Geometry{}, err
		}
		return geometry(s), nil
	}
	return opts
}

// clientOptions are what a volume and a reader have in common.
func (i *Instance) clientOptions() client.Options {
	return client.Options{
		Self: logstore.NodeID(i.o.ID), Cluster: i.o.Cluster, Logger: i.o.Logger, Identity: i.o.Identity,
		Resolve: func(id logstore.NodeID) string {
			t, _ := i.topologyNow()
			if t.State != nil {
				for _, n := range t.State.Storage {
					if n.ID == string(id) {
						return n.Address
					}
				}
			}
			return ""
		},
	}
}

// source is what a reader is fed from. It waits until the fleet is known.
func (i *Instance) source(ctx context.Context) (engine.Source, error) {
	for {
		t, changed := i.topologyNow()
		if t.State != nil && t.State.Cluster != "" {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return engine.Source{}, context.Cause(ctx)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reader == nil {
		s := i.topology.State
		r, err := client.NewReader(s.Volume, s.Timeline, i.clientOptions(), i.geometryNow)
		if err != nil {
			return engine.Source{}, err
		}
		i.reader = r
	}
	return engine.Source{
		Pages: i.reader, Log: i.reader,
		Stream: &writerStream{cluster: i.o.Cluster, id: i.o.ID, identity: i.o.Identity, writer: i.awaitWriter, replaced: i.awaitNewer},
	}, nil
}

var _ replica.Stream = (*writerStream)(nil)

// awaitWriter returns id and stream's address of the serving writer, once there is one
// other than this instance.
func (i *Instance) awaitWriter(ctx context.Context) (id, addr string, err error) {
	for {
		t, changed := i.topologyNow()
		if w := t.Writer(); w != "" && w != i.o.ID {
			for _, in := range t.State.Instances {
				if in.ID == w {
					return w, in.Control, nil
				}
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", "", context.Cause(ctx)
		}
	}
}

// awaitNewer returns nil once a writer serves at a higher epoch, or the context's error.
func (i *Instance) awaitNewer(ctx context.Context, epoch redo.VolumeEpoch) error {
	for {
		t, changed := i.topologyNow()
		if t.State != nil && t.State.Epoch > epoch && t.Writer() != "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// writing returns the parts of a serving writer; the hub is nil in any other role.
func (i *Instance) writing() (*engine.DB, *client.Volume, *hub) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.role != fleet.RoleWriter {
		return nil, nil, nil
	}
	return i.db, i.volume, i.hub
}

// awaitWriting is writing for one who was told that this instance serves: a writer
// that is opening is waited for. Its epoch serves some milliseconds before it does.
func (i *Instance) awaitWriting(ctx context.Context) (*engine.DB, *client.Volume, *hub) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	for {
		i.mu.Lock()
		turned, opening := i.turned, i.role == fleet.RoleRecovering
		i.mu.Unlock()
		if db, vol, h := i.writing(); h != nil || !opening || ctx.Err() != nil {
			return db, vol, h
		}
		select {
		case <-turned:
		case <-ctx.Done():
		}
	}
}

func (i *Instance) sqlNow() *gms.Server {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sql
}

// serveSQL lets clients at db in a role; the first time it starts the SQL server.
func (i *Instance) serveSQL(db *engine.DB, writer bool) error {
	i.mu.Lock()
	i.db = db
	sql := i.sql
	i.mu.Unlock()
	if sql == nil {
		var err error
		sql, err = gms.NewServer(gms.Options{
			DB: db, InstanceID: i.o.ID, Listener: i.gate, Logger: i.o.Logger, TrustedProxies: i.o.TrustedProxies, Identity: i.o.Identity,
			MaxConnections: i.o.MaxConnections, StatementMemory: i.o.StatementMemory, TempDir: i.o.TempDir, TempSpace: i.o.TempSpace, ReplicaStatus: i.replicaStatus, Admit: i.admits,
			SecureFilePriv: i.o.SecureFilePriv, TLS: i.o.TLS, RequireSecureTransport: i.o.RequireSecureTransport,
		})
		if err != nil {
			return fmt.Errorf("start the SQL server: %w", err)
		}
		i.mu.Lock()
		i.sql = sql
		i.mu.Unlock()
		go func() {
			if err := sql.Serve(); err != nil {
				i.o.Logger.Error("SQL server ended", "error", err)
			}
		}()
	}
	if writer {
		return sql.SetWriter()
	}
	sql.SetReader()
	return nil
}

// admits refuses a connection that was meant for the writer of another epoch.
func (i *Instance) admits(writerEpoch redo.VolumeEpoch) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if writerEpoch != 0 && (i.role != fleet.RoleWriter || i.epoch != writerEpoch) {
		return fmt.Errorf("%s is not the writer of volume epoch %d", i.o.ID, writerEpoch)
	}
	return nil
}

// Heartbeat is what the control plane is told.
func (i *Instance) Heartbeat() failover.Heartbeat {
	i.mu.Lock()
	role, epoch, detail, db, vol, sql := i.role, i.epoch, i.detail, i.db, i.volume, i.sql
	i.mu.Unlock()
	h := failover.Heartbeat{Role: role, Epoch: epoch, Healthy: role == fleet.RoleReader || role == fleet.RoleWriter, Detail: detail, Progress: i.answers.Load()}
	if lost := i.stalled.Load(); lost != nil && *lost != "" {
		h.Healthy, h.Detail = false, *lost
	}
	if sql != nil {
		h.Connections = sql.Connections()
	}
	switch {
	case role == fleet.RoleWriter && vol != nil:
		h.VDL, h.VCL, h.Applied, h.LagKnown = vol.VDL(), vol.VCL(), db.SnapshotLSN(), true
		h.Bytes = db.VolumeBytes()
	case role == fleet.RoleReader && db != nil:
		st := db.ReaderStatus()
		h.Epoch, h.VDL, h.Applied = st.Epoch, st.Applied, st.Applied
		h.Lag, h.LagKnown = time.Duration(st.LagMicros)*time.Microsecond, st.LagKnown
	}
	return h
}

// replicaStatus is what information_schema.replica_host_status shows.
func (i *Instance) replicaStatus() []gms.ReplicaStatus {
	t, _ := i.topologyNow()
	if t.State == nil {
		return nil
	}
	var rows []gms.ReplicaStatus
	for _, in := range t.State.Instances {
		l, ok := t.Live[in.ID]
		if !ok || !l.Healthy && in.ID != t.Writer() {
			continue
		}
		rows = append(rows, gms.ReplicaStatus{
			ID: in.ID, Writer: in.ID == t.Writer(), Lag: l.Lag, Applied: l.Applied, Durable: l.VDL,
			Incarnation: uint64(l.Incarnation), Current: in.ID == i.o.ID,
		})
	}
	return rows
}
