package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sextant/engine"
	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/config"
	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/logstore"
	logclient "sextant/logstore/client"
	"sextant/logstore/node"
	"sextant/router"
	"sextant/server"
)

const (
	closePatience   = 5 * time.Second // for sessions of a router that ends
	recordsOfMemory = 4               // a storage node keeps records in this part of its memory
)

// listen binds a process's port with an offset; a taken one is named together with its key.
func listen(cfg *config.Config, id string, offset int) (net.Listener, error) {
	return listenAt(cfg, cfg.Addr(id, offset))
}

func listenAt(cfg *config.Config, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, named(cfg, addr, err)
	}
	return l, nil
}

func controlAddrs(cfg *config.Config) []string {
	return idsOf(cfg.Control.Nodes, func(n config.Node) string { return cfg.Addr(n.ID, config.PortControl-1+config.Number(n.ID)) })
}

func controlClient(cfg *config.Config, id identity, secure *mtls.Identity, log *slog.Logger) (*failover.Client, error) {
	return failover.NewClient(failover.ClientOptions{Addresses: controlAddrs(cfg), Cluster: id.Cluster, Identity: secure, Logger: log})
}

// initialFleet is the cluster of the configuration, for its first start.
func initialFleet(cfg *config.Config) fleet.State {
	s := fleet.State{Timeline: 1, SegmentBytes: uint64(cfg.Cluster.SegmentSize), PortBase: uint32(cfg.Cluster.PortBase)}
	for _, n := range cfg.Storage.Nodes {
		s.Storage = append(s.Storage, fleet.StorageNode{ID: n.ID, AZ: n.AZ, Address: cfg.Addr(n.ID, config.PortStorage-1+config.Number(n.ID))})
	}
	for _, i := range cfg.Instances {
		s.Instances = append(s.Instances, instanceOf(cfg, i))
	}
	s.Endpoints = []fleet.Endpoint{
		{Name: fleet.ClusterEndpointName, Type: fleet.EndpointCluster, Addresses: cfg.EndpointAddrs(config.PortCluster)},
		{Name: fleet.ReaderEndpointName, Type: fleet.EndpointReader, Addresses: cfg.EndpointAddrs(config.PortReader)},
	}
	for _, e := range cfg.Endpoints {
		s.Endpoints = append(s.Endpoints, fleet.Endpoint{Name: e.Name, Type: fleet.EndpointCustom, Member: memberType(e.MemberType),
			List: listType(e.ListType), Listed: e.Members})
	}
	return s
}

func instanceOf(cfg *config.Config, i config.Instance) fleet.Instance {
	n := config.Number(i.ID) - 1
	return fleet.Instance{ID: i.ID, AZ: i.AZ, Tier: uint8(i.Tier), Address: cfg.Addr(i.ID, config.PortInstance+n), Control: cfg.Addr(i.ID, config.PortInstanceStream+n)}
}

func memberType(s string) fleet.MemberType {
	if s == "READER" {
		return fleet.MemberReader
	}
	return fleet.MemberAny
}

func listType(s string) fleet.ListType {
	if s == "EXCLUSION" {
		return fleet.ListExclusion
	}
	return fleet.ListStatic
}

func runControl(ctx context.Context, cfg *config.Config, id string, log *slog.Logger) error {
	ident, err := needIdentity(cfg)
	if err != nil {
		return err
	}
	secure, err := membership(cfg, ident, mtls.Control, id)
	if err != nil {
		return err
	}
	door, err := adminDoor(cfg, log)
	if err != nil {
		return err
	}
	var peers []failover.Peer
	for _, n := range cfg.Control.Nodes {
		k := config.Number(n.ID)
		peers = append(peers, failover.Peer{ID: n.ID, AZ: n.AZ, Address: cfg.Addr(n.ID, config.PortControl-1+k), RaftAddress: cfg.Addr(n.ID, config.PortRaft-1+k)})
	}
	k := config.Number(id)
	l, err := listen(cfg, id, config.PortControl-1+k)
	if err != nil {
		return err
	}
	rl, err := listen(cfg, id, config.PortRaft-1+k)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	fatal := make(chan error, 1)
	c, err := failover.Open(failover.Options{
		ID: id, Cluster: ident.Cluster, Dir: roleDir(cfg, id), Identity: secure, Peers: peers,
		Listener: secure.Listen(l, log, mtls.Storage, mtls.Control, mtls.Instance, mtls.Router, mtls.Admin), RaftListener: secure.Listen(rl, log, mtls.Control),
		Initial: initialFleet(cfg), Moves: cfg.Storage.MoveRate > 0,
		LAL: uint64(cfg.Server.LAL), ReadLease: cfg.Server.ReadLease, Logger: log,
		Timing: failover.Timing{Silence: cfg.Control.InstanceTimeout, Stuck: cfg.Control.StuckTimeout, RaftElection: cfg.Control.RaftElection, Replace: cfg.Storage.ReplaceAfter},
		Fatal: func(err error) {
			select {
			case fatal <- err:
			default:
			}
		},
	})
	if err != nil {
		return err
	}
	serveMetrics(ctx, cfg, door, config.PortMetricsControl-1+k, id, log, []gauge{
		{"raft_leader", "1 on the control node that leads.", func() float64 { return number(c.Leads()) }},
		{"volume_epoch", "Highest volume epoch granted.", func() float64 { return float64(c.State().Epoch) }},
	})
	select {
	case <-ctx.Done():
		if err := c.HandOver(); err != nil { // the others then wait for an election
			log.Debug("leadership not handed over", "node", id, "error", err)
		}
	case err = <-fatal:
	}
	return errors.Join(err, c.Close())
}

func runStorage(ctx context.Context, cfg *config.Config, id string, log *slog.Logger) error {
	ident, err := needIdentity(cfg)
	if err != nil {
		return err
	}
	limitMemory(storageLimit(cfg), log)
	secure, err := membership(cfg, ident, mtls.Storage, id)
	if err != nil {
		return err
	}
	door, err := adminDoor(cfg, log)
	if err != nil {
		return err
	}
	l, err := listen(cfg, id, config.PortStorage-1+config.Number(id))
	if err != nil {
		return err
	}
	client, err := controlClient(cfg, ident, secure, log)
	if err != nil {
		return err
	}
	defer client.Close()
	az := ""
	for _, n := range cfg.Storage.Nodes {
		if n.ID == id {
			az = n.AZ
		}
	}
	if err := os.MkdirAll(roleDir(cfg, id), 0o750); err != nil {
		return err
	}
	keep, err := keepStates(ctx, roleDir(cfg, id), log)
	if err != nil {
		return err
	}
	heard := watchTopology(ctx, client, log, keep.see)
	topology := heard.get
	n, err := node.Open(node.Options{
		ID: logstore.NodeID(id), AZ: az, Cluster: ident.Cluster, Dir: roleDir(cfg, id), Identity: secure, Logger: log,
		Listener: secure.Listen(l, log, mtls.Storage, mtls.Instance),
		Peers: func() map[logstore.NodeID]string {
			peers := map[logstore.NodeID]string{}
			if t := topology(); t.State != nil {
				for _, s := range t.State.Storage {
					if s.ID != id {
						peers[logstore.NodeID(s.ID)] = s.Address
					}
				}
			}
			return peers
		},
		Gone: heard.lacks,
		Left: func(pg redo.PGID) redo.MembershipEpoch {
			if t := topology(); t.State != nil {
				return t.State.Left(pg, id)
			}
			return 0
		},
		Moving: func() (redo.PGID, bool) {
			if t := topology(); t.State != nil {
				r := t.State.Replacing
				return r.PG, r.Move && !r.Away && r.New == id
			}
			return 0, false
		},
		MoveRate:     int64(cfg.Storage.MoveRate),
		HotFileBytes: int64(cfg.Storage.HotLogFile), HotFiles: cfg.Storage.HotLogFiles, UndrainedBytes: int64(cfg.UndrainedBytes()),
		TickEvery:  cfg.Storage.GossipInterval,
		DrainEvery: cfg.Storage.DrainInterval, Retention: retention(cfg), RetentionBytes: max(int64(cfg.Storage.RetentionBytes), 1),
		ScrubRate: int64(cfg.Storage.ScrubRate), MemoryBytes: int64(cfg.Storage.Memory) / recordsOfMemory,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	r, err := failover.StartReporter(failover.ReporterOptions{
		ID: id, Kind: fleet.KindStorage, Cluster: ident.Cluster, Incarnation: failover.NewIncarnation(), Address: l.Addr().String(), Client: client, Logger: log,
		Report: func() failover.Report { return storageReport(n.Status()) },
		Kept:   keep.encoded,
	})
	if err != nil {
		return errors.Join(err, n.Close())
	}
	defer r.Close()
	serveMetrics(ctx, cfg, door, config.PortMetricsStorage-1+config.Number(id), id, log, []gauge{
		{"healthy", "1 while the node works.", func() float64 { return number(n.Status().Healthy) }},
		{"segments", "Segments on the node.", func() float64 { return float64(len(n.Status().Segments)) }},
		{"stored_bytes", "Bytes of the page store's files.", func() float64 { return float64(n.Status().StoredBytes) }},
		{"free_bytes", "Bytes of them that are free, and used again before they grow.", func() float64 { return float64(n.Status().FreeBytes) }},
		{"records_bytes", "Bytes of memory of log records that are not in the page store yet.", func() float64 { return float64(n.Status().Memory) }},
		{"scrubbed_bytes", "Bytes of its files that the scrub has read and verified.", func() float64 { return float64(n.Status().ScrubbedBytes) }},
		{"scrub_rounds", "Times that the scrub has come through all files.", func() float64 { return float64(n.Status().ScrubRounds) }},
		{"damage_found", "Damaged segments, parts of the hot log, and stores set aside for it, that were found.", func() float64 { return float64(n.Status().DamageFound) }},
		{"damage_repaired", "Those of them that are whole again.", func() float64 { return float64(n.Status().DamageRepaired) }},
	})
	served := make(chan error, 1)
	go func() { served <- n.Serve() }()
	select {
	case <-ctx.Done():
		return errors.Join(n.Close(), <-served)
	case err := <-served:
		return err
	}
}

func storageReport(s node.Status) failover.Report {
	r := failover.Report{Healthy: s.Healthy, Detail: s.Detail, StoreID: uint64(s.Store), Volume: s.Volume, Epoch: s.Epoch,
		StoredBytes: uint64(s.StoredBytes), DamageFound: s.DamageFound, DamageRepaired: s.DamageRepaired, SCL: map[redo.PGID]redo.LSN{}, Membership: map[redo.PGID]redo.MembershipEpoch{}}
	for _, seg := range s.Segments {
		if !seg.Damaged {
			r.SCL[seg.PG], r.Membership[seg.PG] = seg.SCL, seg.Membership
		}
	}
	return r
}

// watchTopology follows the control plane in the background until ctx ends and
// returns how to ask for the newest topology. Each state goes to see.
func watchTopology(ctx context.Context, client *failover.Client, log *slog.Logger, see func(*fleet.State)) *latest {
	v := new(latest)
	take := func(t failover.Topology) {
		v.set(t)
		see(t.State)
	}
	go func() {
		if err := client.Watch(ctx, take); err != nil && ctx.Err() == nil {
			log.Error("watch the control plane", "error", err)
		}
	}()
	return v
}

// needFiles returns an error if a directory of the configuration that an instance needs is not there.
func needFiles(cfg *config.Config) error {
	dir := cfg.Server.SecureFilePriv
	if s, err := os.Stat(dir); dir != "" && (err != nil || !s.IsDir()) {
		return fmt.Errorf("server.secure_file_priv: %s is no directory: make it, or leave the key empty", dir)
	}
	return nil
}

func runServer(ctx context.Context, cfg *config.Config, id string, log *slog.Logger) error {
	time.Local = time.UTC // time_zone SYSTEM: the same on every instance, whatever its machine's is
	ident, err := needIdentity(cfg)
	if err != nil {
		return err
	}
	log = log.With("node", id)
	if err := needFiles(cfg); err != nil {
		return err
	}
	temp, err := emptyTempDir(cfg, id)
	if err != nil {
		return err
	}
	limitMemory(memoryLimit(cfg.Server), log)
	clients, err := instanceTLS(cfg, log)
	if err != nil {
		return err
	}
	secure, err := membership(cfg, ident, mtls.Instance, id)
	if err != nil {
		return err
	}
	door, err := adminDoor(cfg, log)
	if err != nil {
		return err
	}
	n := config.Number(id) - 1
	mysql, err := listen(cfg, id, config.PortInstance+n)
	if err != nil {
		return err
	}
	stream, err := listen(cfg, id, config.PortInstanceStream+n)
	if err != nil {
		return errors.Join(err, mysql.Close())
	}
	client, err := controlClient(cfg, ident, secure, log)
	if err != nil {
		return err
	}
	defer client.Close()
	i := server.New(server.Options{
		ID: id, Cluster: ident.Cluster, Incarnation: failover.NewIncarnation(), Client: client, MySQL: mysql, Stream: secure.Listen(stream, log, mtls.Instance, mtls.Router), Identity: secure, Logger: log,
		Engine: engine.Options{
			Logger: log, CacheBytes: int64(cfg.Server.PageCache), BudgetBytes: int64(cfg.Server.Memory),
			MaxTransactionBytes: int64(cfg.Server.MaxTransactionBytes), MaxMTRRecords: int(cfg.Server.LAL / 2), Retention: retention(cfg),
		},
		WindowBytes: int(cfg.Server.LogWindow), MaxConnections: cfg.Server.MaxConnections,
		StatementMemory: int64(cfg.Server.StatementMemory), TempDir: temp, TempSpace: int64(cfg.Server.TempSpace), TrustedProxies: routerSources(cfg),
		HeartbeatEvery: cfg.Control.InstanceHeartbeat, TickEvery: cfg.Server.VDLInterval,
		SecureFilePriv: cfg.Server.SecureFilePriv, TLS: clients, RequireSecureTransport: cfg.Server.RequireSecureTransport,
	})
	serveMetrics(ctx, cfg, door, config.PortMetrics+n, id, log, []gauge{
		{"writer", "1 on the instance that is the writer.", func() float64 { return number(i.Heartbeat().Role == fleet.RoleWriter) }},
		{"write_quorum_lost", "1 while the writer's commits, or a recovery, wait for a write quorum of storage nodes, for seconds.", func() float64 {
			return number(strings.HasPrefix(i.Heartbeat().Detail, logclient.QuorumLost))
		}},
		{"applied_lsn", "Highest LSN that snapshots may show.", func() float64 { return float64(i.Heartbeat().Applied) }},
		{"vdl", "Volume durable LSN as far as the instance knows.", func() float64 { return float64(i.Heartbeat().VDL) }},
		{"lag_seconds", "Age of what a reader shows.", func() float64 { return i.Heartbeat().Lag.Seconds() }},
		{"connections", "Client sessions.", func() float64 { return float64(i.Heartbeat().Connections) }},
	})
	return i.Run(ctx)
}

// emptyTempDir makes an instance's directory for temporary files, without those that a crash has left, and returns it.
func emptyTempDir(cfg *config.Config, id string) (string, error) {
	dir := filepath.Join(roleDir(cfg, id), "tmp")
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("temporary files: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("temporary files: %w", err)
	}
	return dir, nil
}

// retention is storage.retention_time as engine and node want it, to whom 0 is a default.
func retention(cfg *config.Config) time.Duration {
	if cfg.Storage.RetentionTime == 0 {
		return -1
	}
	return cfg.Storage.RetentionTime
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// routerSource is the address that a router dials instances from. On loopback
// clients and routers share an address, so each router takes one of its own.
func routerSource(cfg *config.Config, id string) netip.Addr {
	bind := netip.MustParseAddr(cfg.Host(id)) // Validate has parsed it
	if bind == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		return netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + config.Number(id))})
	}
	return bind
}

func routerSources(cfg *config.Config) (addrs []netip.Addr) {
	for _, n := range cfg.Router.Nodes {
		addrs = append(addrs, routerSource(cfg, n.ID))
	}
	return addrs
}

func runRouter(ctx context.Context, cfg *config.Config, id string, log *slog.Logger) error {
	ident, err := needIdentity(cfg)
	if err != nil {
		return err
	}
	secure, err := membership(cfg, ident, mtls.Router, id)
	if err != nil {
		return err
	}
	door, err := adminDoor(cfg, log)
	if err != nil {
		return err
	}
	instances, err := instanceTLS(cfg, log)
	if err != nil {
		return err
	}
	clients, err := routerTLS(cfg, instances, log)
	if err != nil {
		return err
	}
	client, err := controlClient(cfg, ident, secure, log)
	if err != nil {
		return err
	}
	defer client.Close()
	admin, err := listenAt(cfg, cfg.AdminAddr(config.PortRouterAdmin))
	if err != nil {
		return err
	}
	limitMemory(routerLimit(cfg.Router), log)
	n := config.Number(id)
	topology := &topologySource{client: client, secure: secure}
	r, err := router.New(router.Options{
		ID: id, Number: uint8(n), Topology: topology, AdminListener: admin, AdminDoor: door, DialFrom: routerSource(cfg, id), Identity: secure,
		Kill: topology.kill, ServerVersion: server.MySQLVersion, HoldTimeout: cfg.Router.HoldTimeout, HoldMax: cfg.Router.HoldMax,
		MaxConnections: cfg.Router.MaxConnections, TLS: clients, InstanceTLS: instances, Logger: log,
	})
	if err != nil {
		return errors.Join(err, admin.Close())
	}
	rep, err := failover.StartReporter(failover.ReporterOptions{
		ID: id, Kind: fleet.KindRouter, Cluster: ident.Cluster, Incarnation: failover.NewIncarnation(), Address: admin.Addr().String(), Client: client, Logger: log,
		Report: func() failover.Report { return routerReport(r) },
	})
	if err != nil {
		return err
	}
	defer rep.Close()
	served := make(chan error, 1)
	go func() { served <- r.Serve() }()
	select {
	case <-ctx.Done():
		patience, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		return errors.Join(r.Close(patience), <-served)
	case err := <-served:
		return err
	}
}

// routerReport: a router is healthy when it listens for clients.
func routerReport(r *router.Router) failover.Report {
	if len(r.Addrs("cluster")) == 0 {
		return failover.Report{Detail: "does not listen on the cluster endpoint yet"}
	}
	return failover.Report{Healthy: true}
}
