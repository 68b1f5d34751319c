package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sextant/internal/admin"
	"sextant/internal/certs"
	"sextant/internal/halfopen"
	"sextant/internal/hangup"
	"sextant/internal/mtls"
	"sextant/router/route"
)

// Topology is where the router learns the state of the fleet.
type Topology interface {
	// Watch calls apply with the topology in force and then with each change,
	// one call at a time, until ctx ends. It returns an error when the source
	// is lost; the router calls it again after a pause and keeps what it knew.
	// Topologies may come late or twice: the router ignores one that is older.
	Watch(ctx context.Context, apply func(route.Topology)) error
}

// Options says what a router is made of. Zero values are the defaults in limits.go.
type Options struct {
	ID       string // names the router in logs
	Number   uint8  // from 1, unique among the routers: the high byte of connection ids
	Topology Topology

	// Listen opens one address of an endpoint; nil is TCP.
	Listen func(ctx context.Context, address string) (net.Listener, error)
	// AdminListener serves /healthz, /topology and /metrics; nil is none.
	// The router closes it. AdminDoor says who may call.
	AdminListener net.Listener
	AdminDoor     admin.Door
	// DialFrom is the address the router connects to instances from, by which
	// they tell it from a client; zero leaves it to the system.
	DialFrom netip.Addr

	// Identity proves to instances that what they are told of a client comes from a
	// router of their cluster. nil: they believe the address.
	Identity *mtls.Identity

	// Kill ends a session, or its statement, on an instance on which the client
	// that asks for it has no session of its own. The router has checked that
	// both sessions belong to the same user. nil: such a KILL gets an error.
	Kill func(ctx context.Context, on route.Instance, connection uint32, queryOnly bool) error

	// TLS is what clients are shown, and verifies their certificates; InstanceTLS
	// verifies the instances. nil: no TLS.
	TLS, InstanceTLS *certs.Source

	// Without are the capabilities that are not offered to clients since the
	// instances lack them: none of Sextant's.
	Without uint32

	ServerVersion  string        // in the greeting; the instances' own
	HoldTimeout    time.Duration // how long a new connection waits for a backend
	HoldMax        int           // how many may wait at a time: the places of one network give way to others
	MaxConnections int           // client sessions, and as many that are logging in: one more closes the oldest of those
	LoginTimeout   time.Duration // for the login packet, and then for the rest of the login
	DialTimeout    time.Duration // for an instance to accept, and then to greet
	Logger         *slog.Logger
}

// Router accepts MySQL connections on the endpoints' addresses and splices each
// to an instance.
type Router struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	hangups *hangup.Set

	ctx      context.Context // ends when Close begins
	stop     context.CancelFunc
	draining atomic.Bool
	halfOpen *halfopen.Set
	work     sync.WaitGroup // sessions and accept loops

	mu struct {
		sync.Mutex
		topology  route.Topology
		known     bool          // a topology has arrived
		changed   chan struct{} // closed and replaced when topology changes
		load      map[string]route.Load
		sessions  map[uint32]*session
		serving   int    // those that are logged in
		lastID    uint32 // counter of connection ids
		held      holds
		closed    bool
		listeners map[listenKey]net.Listener
		relisten  *time.Timer // to try failed addresses again; nil if none is pending
	}
}

type listenKey struct{ endpoint, address string }

// New checks the options and returns a router that does nothing until Serve.
func New(o Options) (*Router, error) {
	if o.Number == 0 {
		return nil, errors.New("router: Number must be from 1 to 255")
	}
	if o.Topology == nil {
		return nil, errors.New("router: Topology is missing")
	}
	o.ServerVersion = cmp.Or(o.ServerVersion, defaultServerVersion)
	o.HoldTimeout = cmp.Or(o.HoldTimeout, defaultHoldTimeout)
	o.HoldMax = cmp.Or(o.HoldMax, defaultHoldMax)
	o.MaxConnections = cmp.Or(o.MaxConnections, defaultMaxConnections)
	o.LoginTimeout = cmp.Or(o.LoginTimeout, defaultLoginTimeout)
	o.DialTimeout = cmp.Or(o.DialTimeout, defaultDialTimeout)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Listen == nil {
		o.Listen = listenTCP
	}
	if o.HoldTimeout < 0 || o.HoldMax < 0 || o.MaxConnections < 0 ||
		o.LoginTimeout < 0 || o.DialTimeout < 0 {
		return nil, errors.New("router: a limit is negative")
	}
	if o.MaxConnections > idCounterMax {
		return nil, fmt.Errorf("router: MaxConnections is above %d", idCounterMax)
	}
	r := &Router{o: o, log: o.Logger.With("node", o.ID)}
	r.halfOpen = halfopen.New(func() int { return max(o.MaxConnections, halfOpenMin) })
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.mu.changed = make(chan struct{})
	r.mu.load = map[string]route.Load{}
	r.mu.sessions = map[uint32]*session{}
	r.mu.listeners = map[listenKey]net.Listener{}
	r.metrics = newMetrics(r)
	return r, nil
}

func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	l := net.ListenConfig{KeepAliveConfig: keepAlive}
	return l.Listen(ctx, "tcp", address)
}

var keepAlive = net.KeepAliveConfig{
	Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
}

// Serve follows the topology and serves until Close, then returns nil. It is
// called once. It returns an error if it cannot begin.
func (r *Router) Serve() error {
	var err error
	if r.hangups, err = hangup.New(); err != nil {
		return fmt.Errorf("watch for hangups: %w", err)
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { r.hangups.Run(r.hungUp) })
	admin := r.o.AdminDoor.Server(r.adminHandler(), r.log)
	if r.o.AdminListener != nil {
		helpers.Go(func() {
			if err := admin.Serve(r.o.AdminListener); !errors.Is(err, http.ErrServerClosed) {
				r.log.Error("serve admin requests", "err", err) // sessions go on
			}
		})
	}
	r.watch()
	r.work.Wait()
	r.hangups.Close()
	err = admin.Close()
	helpers.Wait()
	return errors.Join(err, r.hangups.Free())
}

// Close stops listening at once, refuses connections that wait, ends every
// session when it is between two commands outside a transaction, and the rest
// when ctx ends; then it returns ctx's error.
func (r *Router) Close(ctx context.Context) error {
	r.draining.Store(true)
	r.mu.Lock()
	r.mu.closed = true
	r.stop()
	for key, l := range r.mu.listeners {
		_ = l.Close() // its accept loop ends; nothing is lost by a failure
		delete(r.mu.listeners, key)
	}
	if r.mu.relisten != nil {
		r.mu.relisten.Stop()
	}
	for _, s := range r.mu.sessions {
		s.poke()
	}
	r.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		r.work.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	for _, s := range r.mu.sessions {
		s.sever()
	}
	r.mu.Unlock()
	<-done
	return ctx.Err()
}

// Addrs returns the addresses an endpoint listens on now.
func (r *Router) Addrs(endpoint string) []net.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	var addrs []net.Addr
	for key, l := range r.mu.listeners {
		if key.endpoint == endpoint {
			addrs = append(addrs, l.Addr())
		}
	}
	return addrs
}

// watch applies what the topology source says until the router closes.
func (r *Router) watch() {
	for r.ctx.Err() == nil {
		err := r.o.Topology.Watch(r.ctx, r.apply)
		if r.ctx.Err() != nil {
			return
		}
		r.log.Warn("topology source lost", "err", err)
		select {
		case <-r.ctx.Done():
		case <-time.After(watchPause):
		}
	}
}

// apply puts a topology in force, unless it is older than the one that is.
func (r *Router) apply(t route.Topology) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.mu.topology
	if r.mu.closed || !t.Supersedes(old) {
		return
	}
	if t.Epoch != old.Epoch || t.Serves != old.Serves {
		r.log.Info("topology changed", "volume_epoch", t.Epoch, "writer", t.Writer, "serves", t.Serves)
	}
	if t.Epoch > old.Epoch && old.Epoch != 0 {
		r.metrics.failovers.Inc()
	}
	for id, l := range r.mu.load {
		if _, known := t.Instance(id); !known && l.Own == 0 {
			delete(r.mu.load, id)
			continue
		}
		l.OwnAtReport = l.Own
		r.mu.load[id] = l
	}
	if lost := old.Lost(t); lost != "" {
		for _, s := range r.mu.sessions {
			if s.mu.instance == lost {
				s.lose()
			}
		}
	}
	r.mu.topology, r.mu.known = t, true
	close(r.mu.changed)
	r.mu.changed = make(chan struct{})
	r.listen()
}

// listen makes the listeners those of the topology. The caller holds r.mu.
func (r *Router) listen() {
	want := map[listenKey]bool{}
	for _, e := range r.mu.topology.Endpoints {
		for _, address := range e.Addresses {
			want[listenKey{e.Name, address}] = true
		}
	}
	for key, l := range r.mu.listeners {
		if !want[key] {
			_ = l.Close() // its accept loop ends; nothing is lost by a failure
			delete(r.mu.listeners, key)
			r.log.Info("endpoint closed", "endpoint", key.endpoint, "address", key.address)
		}
	}
	failed := false
	for key := range want {
		if r.mu.listeners[key] != nil {
			continue
		}
		l, err := r.o.Listen(r.ctx, key.address)
		if err != nil {
			failed = true
			r.log.Warn("open endpoint", "endpoint", key.endpoint, "address", key.address, "err", err)
			continue
		}
		r.mu.listeners[key] = l
		r.log.Info("endpoint open", "endpoint", key.endpoint, "address", l.Addr().String())
		stats := r.metrics.endpoint(key.endpoint)
		r.work.Add(1)
		go r.accept(l, stats)
	}
	if failed && r.mu.relisten == nil {
		r.mu.relisten = time.AfterFunc(listenPause, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.mu.relisten = nil
			if !r.mu.closed {
				r.listen()
			}
		})
	}
}

func (r *Router) accept(l net.Listener, stats *endpointStats) {
	defer r.work.Done()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			r.log.Warn("accept", "endpoint", stats.name, "err", err)
			select {
			case <-r.ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		r.work.Add(1)
		go func() {
			defer r.work.Done()
			r.handle(c, stats)
		}()
	}
}

// handle serves one client from its greeting to its end.
func (r *Router) handle(c net.Conn, stats *endpointStats) {
	s := r.enter(c, stats)
	if s == nil {
		stats.refused.Inc()
		r.refuseAtOnce(c)
		return
	}
	defer s.leave()
	if err := s.login(); err != nil {
		s.refuse(err)
		return
	}
	stats.connected.Inc()
	err := s.serve()
	if errors.Is(err, errProtocol) {
		r.log.Warn("session ended", "session", s.id, "err", err)
		return
	}
	r.log.Debug("session ended", "session", s.id, "err", err)
}

// enter registers a client; nil if too many are logged in, or the router is closed.
func (r *Router) enter(c net.Conn, stats *endpointStats) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closed || r.mu.serving >= r.o.MaxConnections {
		return nil
	}
	id := uint32(0)
	for id == 0 || r.mu.sessions[id] != nil {
		r.mu.lastID = r.mu.lastID%idCounterMax + 1
		id = uint32(r.o.Number)<<idNumberShift | r.mu.lastID
	}
	s := newSession(r, id, c, stats)
	r.mu.sessions[id] = s
	s.known = r.halfOpen.Enter(c)
	return s
}

// welcome counts a session that has logged in, once, unless there are too many.
func (r *Router) welcome(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.mu.serving {
		return true
	}
	if r.mu.serving >= r.o.MaxConnections {
		return false
	}
	r.mu.serving++
	s.mu.serving = true
	return true
}

// refuseAtOnce answers a client in place of the greeting.
func (r *Router) refuseAtOnce(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(r.o.LoginTimeout))
	_, err := c.Write(appendError(nil, 0, tooMany.code, tooMany.state, tooMany.message))
	r.log.Debug("connection refused", "err", errors.Join(err, c.Close()))
}

// hungUp is told that one side of a session has closed its connection.
func (r *Router) hungUp(id uint32, side int32) {
	r.mu.Lock()
	s := r.mu.sessions[id]
	r.mu.Unlock()
	if s != nil {
		s.hungUp(side)
	}
}
