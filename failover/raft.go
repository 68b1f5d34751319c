package failover

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sextant/failover/fleet"
	"sextant/internal/durable"
	"sextant/internal/mtls"
)

// fsm is the replicated state on this node. A state, once published, is never
// changed: Apply works on a copy, so that a snapshot costs nothing.
type fsm struct {
	fatal func(error)

	mu struct {
		sync.Mutex
		state   *fleet.State
		changed chan struct{} // closed when state is replaced
	}
}

func newFSM(fatal func(error)) *fsm {
	f := &fsm{fatal: fatal}
	f.mu.state, f.mu.changed = &fleet.State{}, make(chan struct{})
	return f
}

// get returns the state, and a channel that is closed when it is not the newest any more.
func (f *fsm) get() (*fleet.State, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.state, f.mu.changed
}

func (f *fsm) set(s *fleet.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.state = s
	close(f.mu.changed)
	f.mu.changed = make(chan struct{})
}

// applied is the outcome of one command.
type applied struct {
	result fleet.Result
	state  *fleet.State // after it
}

// Apply implements hraft.FSM. A command that cannot be decoded was written by a
// newer version: going on would let this node's state differ from the others'.
func (f *fsm) Apply(l *hraft.Log) any {
	cmd, err := fleet.DecodeCommand(l.Data)
	if err != nil {
		f.fatal(fmt.Errorf("raft log entry %d: %w", l.Index, err))
		return err
	}
	old, _ := f.get()
	next := old.Clone()
	r := next.Apply(cmd)
	if !r.Changed {
		return applied{result: r, state: old}
	}
	f.set(next)
	return applied{result: r, state: next}
}

// Snapshot implements hraft.FSM.
func (f *fsm) Snapshot() (hraft.FSMSnapshot, error) {
	s, _ := f.get()
	return snapshot{s}, nil
}

// Restore implements hraft.FSM.
func (f *fsm) Restore(r io.ReadCloser) error {
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read raft snapshot: %w", err)
	}
	s, err := fleet.DecodeState(b)
	if err != nil {
		return fmt.Errorf("read raft snapshot: %w", err)
	}
	f.set(s)
	return nil
}

type snapshot struct{ state *fleet.State }

// Persist implements hraft.FSMSnapshot.
func (s snapshot) Persist(sink hraft.SnapshotSink) error {
	if _, err := sink.Write(fleet.EncodeState(s.state)); err != nil {
		return errors.Join(fmt.Errorf("write raft snapshot: %w", err), sink.Cancel())
	}
	return sink.Close()
}

// Release implements hraft.FSMSnapshot.
func (snapshot) Release() {}

// raftNode is Raft with what it runs on.
type raftNode struct {
	opt       *Options
	cfg       *hraft.Config
	log       hclog.Logger
	store     *raftboltdb.BoltStore
	logs      *hraft.LogCache
	snaps     *hraft.FileSnapshotStore
	inUse     bool // the directory was not empty when it was opened
	past      past // zero: nothing was forgotten
	votes     atomic.Bool
	transport *hraft.NetworkTransport
	running   atomic.Pointer[hraft.Raft] // nil before start
	notify    chan bool                  // leadership gained or lost; always drained
	cancel    context.CancelFunc         // of what start began
}

const (
	raftLogCacheEntries   = 512
	raftSnapshotsRetained = 2
	raftPoolConns         = 3
	raftIOTimeout         = 2 * time.Second
	raftOpenTimeout       = time.Second // for another process's lock on the log
	notifyMax             = 8
)

// openRaft opens the log in the node's directory. Raft runs from start on.
func openRaft(opt *Options) (_ *raftNode, err error) {
	n := &raftNode{opt: opt, notify: make(chan bool, notifyMax), cancel: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	n.log = hclog.New(&hclog.LoggerOptions{Output: logWriter{opt.Logger}, Level: hclog.Info, DisableTime: true})
	n.cfg = opt.raftConfig(n.log, n.notify)
	n.store, err = raftboltdb.New(raftboltdb.Options{
		Path: filepath.Join(opt.Dir, "raft.db"),
		BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
			Timeout: raftOpenTimeout},
	})
	if errors.Is(err, berrors.ErrTimeout) {
		err = fmt.Errorf("another process has it open: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open raft log in %s: %w", opt.Dir, err)
	}
	if n.logs, err = hraft.NewLogCache(raftLogCacheEntries, n.store); err != nil {
		return nil, fmt.Errorf("open raft log: %w", err)
	}
	if n.snaps, err = hraft.NewFileSnapshotStoreWithLogger(opt.Dir, raftSnapshotsRetained, n.log); err != nil {
		return nil, fmt.Errorf("open raft snapshots: %w", err)
	}
	if n.inUse, err = hraft.HasExistingState(n.logs, n.store, n.snaps); err != nil {
		return nil, fmt.Errorf("read raft log: %w", err)
	}
	return n, nil
}

// bootstrap gives an empty log the peers as its first configuration, the same on
// every node.
func (n *raftNode) bootstrap(peers []Peer) error {
	var c hraft.Configuration
	for _, p := range peers {
		c.Servers = append(c.Servers, hraft.Server{
			ID: hraft.ServerID(p.ID), Address: hraft.ServerAddress(p.RaftAddress)})
	}
	if err := hraft.BootstrapCluster(n.cfg, n.logs, n.store, n.snaps, nil, c); err != nil {
		return fmt.Errorf("bootstrap raft: %w", err)
	}
	return nil
}

// start runs Raft until close.
func (n *raftNode) start(f *fsm) error {
	n.transport = hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{
		Stream:  newStreamLayer(n.opt),
		MaxPool: raftPoolConns, Timeout: raftIOTimeout, Logger: n.log,
	})
	var err error
	if n.past, err = readPast(n.store); err != nil {
		return fmt.Errorf("read raft log: %w", err)
	}
	var transport hraft.Transport = n.transport
	if n.past != (past{}) {
		var ctx context.Context
		ctx, n.cancel = context.WithCancel(context.Background())
		transport = abstain(ctx, n)
	}
	r, err := hraft.NewRaft(n.cfg, f, n.logs, n.store, n.snaps, transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	n.running.Store(r)
	return nil
}

func (o *Options) raftConfig(log hclog.Logger, notify chan<- bool) *hraft.Config {
	cfg := hraft.DefaultConfig()
	cfg.LocalID = hraft.ServerID(o.ID)
	cfg.HeartbeatTimeout, cfg.ElectionTimeout = o.Timing.RaftElection, o.Timing.RaftElection
	cfg.LeaderLeaseTimeout = o.Timing.RaftElection * 2 / 3
	cfg.CommitTimeout = raftCommitTimeout
	cfg.SnapshotInterval, cfg.SnapshotThreshold = o.Timing.SnapshotEvery, o.Timing.SnapshotEntries
	cfg.TrailingLogs = o.Timing.SnapshotEntries
	cfg.NotifyCh, cfg.Logger = notify, log
	cfg.NoLegacyTelemetry = true
	return cfg
}

// stop ends Raft if it runs. It may be called again.
func (n *raftNode) stop() error {
	if r := n.running.Load(); r != nil {
		return r.Shutdown().Error()
	}
	return nil
}

// close ends Raft and closes what was opened, the listener too.
func (n *raftNode) close() error {
	errs := []error{n.stop()}
	n.cancel()
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	} else {
		errs = append(errs, n.opt.RaftListener.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}

// logWriter passes Raft's lines on at DEBUG: what a person should know of it
// (leadership, unreachable peers) is logged by Control.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	w.log.Debug("raft", "line", string(bytes.TrimSpace(line)))
	return len(line), nil
}

// streamLayer is Raft's TCP transport. Each connection begins with a greeting that
// names protocol version and cluster, so that control nodes of two clusters that
// were given each other's ports do not mix.
type streamLayer struct {
	net.Listener
	identity *mtls.Identity
	peers    []Peer
	greeting []byte
	refused  *mtls.Refusals
}

func newStreamLayer(opt *Options) *streamLayer {
	return &streamLayer{Listener: opt.RaftListener, identity: opt.Identity, peers: opt.Peers,
		greeting: greeting(opt.Cluster), refused: mtls.NewRefusals(opt.Logger)}
}

func greeting(cluster string) []byte { return fmt.Appendf(nil, "sextant-raft 1 %s\n", cluster) }

const greetingBytesMax = 128

// Dial implements hraft.StreamLayer.
func (l *streamLayer) Dial(to hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	id := ""
	for _, p := range l.peers {
		if p.RaftAddress == string(to) {
			id = p.ID
		}
	}
	conn, err := l.identity.Dial(ctx, string(to), id, mtls.Control)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(l.greeting); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Accept implements net.Listener.
func (l *streamLayer) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p, known := mtls.Of(conn)
		if known && !slices.ContainsFunc(l.peers, func(q Peer) bool { return q.ID == p.ID }) {
			l.refused.Warn("no member", p.String(), "raft peer refused", "remote", conn.RemoteAddr(), "error", fmt.Errorf("%w: %s is no member of this control plane", mtls.ErrRefused, p))
			_ = conn.Close()
			continue
		}
		// A stranger on a plain connection does not hold it by saying nothing.
		if err := conn.SetReadDeadline(time.Now().Add(raftIOTimeout)); err != nil {
			_ = conn.Close()
			continue
		}
		return &greetedConn{Conn: conn, in: bufio.NewReaderSize(conn, greetingBytesMax), want: l.greeting, refused: l.refused}, nil
	}
}

// greetedConn checks the greeting on the first read.
type greetedConn struct {
	net.Conn
	in      *bufio.Reader
	want    []byte // nil: seen
	refused *mtls.Refusals
}

func (c *greetedConn) Read(b []byte) (int, error) {
	if c.want != nil {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(line, c.want) {
			err := fmt.Errorf("%w: raft peer greets with %q", ErrWrongCluster, line)
			p, _ := mtls.Of(c.Conn)
			c.refused.Warn("another cluster", p.String(), "raft peer refused", "remote", c.RemoteAddr(), "error", err)
			return 0, err
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
		c.want = nil
	}
	return c.in.Read(b)
}

// identityFormat is the first line of the file that says whose directory it is.
const identityFormat = "sextant control directory 1"

// claim makes dir the directory of that control node, or checks that it is.
func claim(dir, cluster, id string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("control directory: %w", err)
	}
	path := filepath.Join(dir, "identity")
	want := fmt.Appendf(nil, "%s\ncluster %s\nnode %s\n", identityFormat, cluster, id)
	have, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return durable.WriteFile(path, want)
	case err != nil:
		return fmt.Errorf("control directory: %w", err)
	case !bytes.HasPrefix(have, []byte(identityFormat+"\n")):
		return fmt.Errorf("control directory %s: identity is of an unknown format; known: %q", dir, identityFormat)
	case !bytes.Equal(have, want):
		return fmt.Errorf("%w: control directory %s says %q, this is cluster %s, node %s",
			ErrWrongCluster, dir, bytes.TrimSpace(have), cluster, id)
	}
	return nil
}
