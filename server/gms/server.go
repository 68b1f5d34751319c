package gms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/analyzer"
	"github.com/sirupsen/logrus"

	"sextant/engine"
	"sextant/internal/certs"
	"sextant/internal/mtls"
	"sextant/internal/redo"
	"sextant/router/proxyv2"
	"sextant/server/gms/expr"
	"sextant/server/gms/planrule"
	"sextant/server/protocol"
)

// ServerVersion is the version that clients are told.
const ServerVersion = "8.0.39"

// defaultConnections is Options.MaxConnections' default.
const defaultConnections = 1000

// defaultStatementMemory is Options.StatementMemory's default.
const defaultStatementMemory = 128 << 20

// killWait is how long Close waits for a killed session to go before it leaves it behind.
const killWait = 5 * time.Second

// ReplicaStatus is one instance's row of information_schema.replica_host_status.
type ReplicaStatus struct {
	ID               string
	Writer           bool
	Lag              time.Duration
	Applied, Durable redo.LSN
	Incarnation      uint64
	Current          bool
}

// Options are a Server's settings.
type Options struct {
	DB         *engine.DB
	InstanceID string
	Listener   net.Listener
	Logger     *slog.Logger // default: slog.Default
	// TrustedProxies are the addresses that begin each connection with a PROXY v2 header.
	// It counts only if a router vouches for it, unless Identity is nil.
	TrustedProxies []netip.Addr
	Identity       *mtls.Identity
	MaxConnections int // default 1000
	// StatementMemory is tmp_table_size's global value: bytes of rows that a statement's
	// sorts, groups and temporary tables may keep; default 128 MiB.
	StatementMemory int64
	// TempDir is where rows beyond it are written, it must exist; default: the system's directory for temporary files.
	// TempSpace is how many bytes all of them may take there; default 8 GiB.
	TempDir   string
	TempSpace int64
	// TLS is offered to clients if it is not nil.
	TLS *certs.Source
	// RequireSecureTransport is the variable's value at the start.
	RequireSecureTransport bool
	// SecureFilePriv is the directory whose files statements may read and write; "": none.
	SecureFilePriv string
	// ReplicaStatus returns the rows of replica_host_status; nil: none.
	ReplicaStatus func() []ReplicaStatus
	// Admit is asked before the greeting, with the writer's epoch that the router
	// means, 0 for any role; its error's text refuses the connection. nil: all are admitted.
	Admit func(writerEpoch redo.VolumeEpoch) error
}

// Server is the instance's MySQL server. There is one per process: the planner
// keeps system variables in process globals.
type Server struct {
	o        Options
	b        *Backend
	engine   *sqle.Engine
	sql      *protocol.Server
	h        *handler
	started  time.Time
	writer   atomic.Bool
	users    users
	internal atomic.Uint32 // ids of internal sessions, from the top

	mu     sync.Mutex
	events *events // nil: the event scheduler does not run
	gate   gate
}

// NewServer makes the server on a bound listener. It answers no connection before
// Serve, and is a reader before SetWriter.
func NewServer(o Options) (*Server, error) {
	if o.DB == nil || o.Listener == nil {
		return nil, errors.New("gms: a server needs a DB and a listener")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultConnections
	}
	if o.StatementMemory == 0 {
		o.StatementMemory = defaultStatementMemory
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.TempSpace == 0 {
		o.TempSpace = defaultTempSpace
	}
	var err error
	if o.SecureFilePriv, err = secureDirectory(o.SecureFilePriv); err != nil {
		return nil, fmt.Errorf("gms: secure_file_priv: %w", err)
	}
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
	s := &Server{o: o, b: NewBackend(o.DB, o.Logger), started: time.Now()}
	s.b.readOnly.Store(true)
	s.b.mysql = true
	s.b.live = s.liveVariable
	s.b.tls, s.b.secureDir = o.TLS, o.SecureFilePriv
	s.b.temp.dir, s.b.temp.limit = o.TempDir, o.TempSpace
	if err := initVariables(o); err != nil {
		return nil, err
	}
	s.addReplicaStatus()
	nameExplain()
	s.engine = NewEngine(s.b)
	s.b.users = s.engine.Analyzer.Catalog.MySQLDb
	s.b.reload = s.reloadUsers
	s.b.users.SetPersister(userPersister{})
	s.b.users.SetEnabled(true)
	s.h = &handler{srv: s, refused: mtls.NewRefusals(o.Logger)}
	trusts := func(a netip.Addr) bool { return slices.Contains(o.TrustedProxies, a) }
	s.sql, err = protocol.New(protocol.Options{
		Listener: proxyv2.NewListener(o.Listener, trusts), Version: ServerVersion, Handler: s.h, Vouched: s.h.vouched,
		TLS: o.TLS.Server, MaxConnections: func() int { return min(o.MaxConnections, int(globalNumber("max_connections"))) },
		PreparedMax: func() int64 { return globalNumber("max_prepared_stmt_count") }, LoginTimeout: loginTimeout, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("gms: %w", err)
	}
	s.b.kill = func(id uint32, connection bool) {
		s.engine.ProcessList.Kill(id)
		if connection {
			s.sql.Kill(id)
		}
	}
	if _, err := s.loadUsers(); err != nil {
		return nil, fmt.Errorf("gms: users: %w", err)
	}
	return s, s.loadPersisted()
}

// NewEngine returns the planner on a backend, with everything of this package that
// stands before it.
func NewEngine(b *Backend) *sqle.Engine {
	overrides := sql.EngineOverrides{Builder: sql.BuilderOverrides{Parser: &parser{base: sql.NewMysqlParser(), mysql: b.mysql}}, CostedIndexScanExpressionFilter: planrule.IndexConditions{}}
	addRules()
	addGrammars()
	expr.AddDateForms()
	a := analyzer.NewBuilder(b).AddOverrides(overrides).Build()
	b.rangeScans = indexScans(a)
	lookUpAliased(a)
	planrule.GuardNullSafeJoins(a)
	planrule.GuardEmptyJoins(a)
	joinByKnown(a)
	planrule.GuardIndexes(a)
	guardPrefixJoins(a)
	guardJoinOrders(a)
	planrule.GuardJoinSubqueries(a)
	planrule.KeepSubqueries(a)
	planrule.GuardExists(a)
	planrule.GuardCrossJoins(a)
	hideFulltextFromJoins(a)
	planMembers(a)
	planrule.GuardPruning(a)
	planrule.GuardDerived(a)
	planrule.GuardLaterals(a)
	dropSorts(a)
	planrule.EscapeLikes(a)
	planrule.GuardVarying(a)
	readEnds(a)
	shareCTEs(a)
	planrule.PushIntoDerived(a)
	planrule.PlanUnions(a)
	planrule.EraseProjections(a)
	planrule.UpsertsOfIndexedExpressions(a)
	planrule.TakeLongNames(a)
	keepTableOptions(a)
	guardTruncations(a)
	planrule.HashJoins(a)
	planrule.ImplyBounds(a)
	limitJoins(a)
	readByOthers(a)
	b.indexScans = indexScans(a)
	a.Coster = joinCoster{a.Coster}
	a.Catalog.StatsProvider = b.stats
	a.Catalog.AuthHandler = authorization{a.Catalog.AuthHandler}
	if b.catalog = a.Catalog; b.mysql {
		a.Catalog.InfoSchema = newInfoSchema(a.Catalog.InfoSchema, a.Catalog)
	}
	plain := a.Overrides
	plain.Builder.Parser = newParser() // the executor reads expressions of definitions without our functions, for the columns in them
	base := newBuilder(plain)
	a.ExecBuilder = base
	countSubqueries(a, base)
	registerFunctions(a.Catalog)
	e := sqle.New(a, &sqle.Config{})
	e.ProcessList = processes{e.ProcessList}
	b.processes = e.ProcessList.Processes
	run := &runner{next: e}
	e.Analyzer.Runner, base.Runner, b.runner = run, run, run
	return e
}

// Serve answers connections until Close.
func (s *Server) Serve() error {
	if err := s.sql.Serve(); !errors.Is(err, protocol.ErrServerClosed) {
		return err
	}
	return nil
}

// Addr returns the address of the listener.
func (s *Server) Addr() net.Addr { return s.o.Listener.Addr() }

// SetWriter makes the instance the writer: it takes writes, and runs events. On
// an empty volume it creates root@localhost and root@127.0.0.1 first.
func (s *Server) SetWriter() error {
	s.b.readOnly.Store(false)
	s.writer.Store(true)
	if err := s.initUsers(); err != nil {
		s.b.readOnly.Store(true)
		s.writer.Store(false)
		return fmt.Errorf("gms: users: %w", err)
	}
	publishRole(true)
	return s.startEvents()
}

// SetReader makes the instance a reader. Every session of a writer is closed, as
// Aurora does; a reader's go on.
func (s *Server) SetReader() {
	s.b.readOnly.Store(true)
	was := s.writer.Swap(false)
	publishRole(false)
	s.stopEvents()
	if was {
		s.closeSessions() // first: what waits at the gate ends with its connection
	}
	s.gate.open()
}

// closeSessions closes every client's connection.
func (s *Server) closeSessions() {
	for c := range s.sql.Conns() {
		s.Kill(c.ID(), false)
	}
}

// Kill ends a connection's statement, or the connection as well. It reports
// whether there is such a connection.
func (s *Server) Kill(connection uint32, queryOnly bool) bool {
	s.engine.ProcessList.Kill(connection)
	if queryOnly {
		return s.sql.Interrupt(connection)
	}
	return s.sql.Kill(connection)
}

// LastToken returns the token of a connection's last commit, false if it made none. The
// connection must be idle.
func (s *Server) LastToken(connection uint32) (engine.Token, bool) {
	c := s.h.get(connection)
	if c == nil {
		return engine.Token{}, false
	}
	return c.sess.lastToken()
}

// Connections returns the number of open connections.
func (s *Server) Connections() int { return s.sql.Connections() }

// SessionInfo is one connection of SessionList.
type SessionInfo struct {
	ID       uint32
	User     string
	Address  string
	Database string
	Command  string
	Seconds  uint64
	Query    string
}

// SessionList returns the connections.
func (s *Server) SessionList() []SessionInfo {
	var out []SessionInfo
	for _, p := range s.engine.ProcessList.Processes() {
		out = append(out, SessionInfo{
			ID: p.Connection, User: p.User, Address: p.Host, Database: p.Database,
			Command: string(p.Command), Seconds: p.Seconds(), Query: p.Query,
		})
	}
	return out
}

// Drain makes the instance quiet for a switchover: new transactions wait, those
// that are open get until ctx ends; then their connections are closed. Returns
// nil when no transaction is open, or the context's error after closing.
func (s *Server) Drain(ctx context.Context) error {
	s.gate.close()
	if err := s.gate.wait(ctx); err != nil {
		s.h.each(func(c *client) {
			if c.inTransaction.Load() {
				s.Kill(c.conn.ID(), false)
			}
		})
		return err
	}
	return nil
}

// Resume ends Drain: what waits goes on.
func (s *Server) Resume() { s.gate.open() }

// Close stops listening, kills every session and returns when they are gone, or
// with the context's error.
func (s *Server) Close(ctx context.Context) error {
	s.gate.open()
	s.stopEvents()
	err := s.sql.Close()
	s.closeSessions()
	ctx, cancel := context.WithTimeout(ctx, killWait)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.sql.Wait() }()
	select {
	case werr := <-done:
		err = errors.Join(err, werr)
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("gms: sessions are still open: %w", ctx.Err()))
	}
	return errors.Join(err, s.engine.Close())
}

// internalContext returns a context with a session of the server's own, and the
// function that ends it.
func (s *Server) internalContext(ctx context.Context) (*sql.Context, func()) {
	id := ^uint32(0) - s.internal.Add(1)
	base := sql.NewBaseSessionWithClientServer("localhost", sql.Client{User: "event_scheduler", Address: "localhost"}, id)
	sess := NewSession(s.b, base)
	sess.internal = true
	return sql.NewContext(ctx, sql.WithSession(sess), sql.WithProcessList(s.engine.ProcessList)), sess.SessionEnd
}

// gate lets transactions in; closed, it lets those go on that are in.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // not nil while closed; closed by open
	inside int
	idle   chan struct{} // closed when inside is 0 and the gate is shut
}

// enter waits until the gate is open and counts a transaction. A holder of locks comes in
// as long as somebody is inside, who may wait for them.
func (g *gate) enter(ctx context.Context, holder bool) error {
	for {
		g.mu.Lock()
		if g.shut == nil || holder && g.inside > 0 {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		shut := g.shut
		g.mu.Unlock()
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// wait returns nil when no transaction is inside.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.inside == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
