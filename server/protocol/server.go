package protocol

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"iter"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sextant/internal/halfopen"
	"sextant/internal/hangup"
)

// Options say what a Server serves.
type Options struct {
	// Listener accepts the connections. Their RemoteAddr is the client's address; if
	// they have a method ConnectionID() uint32 that is their number unless it is 0.
	Listener net.Listener
	Version  string // of the greeting
	Handler  Handler
	// TLS, if not nil and its result is not, makes the server offer TLS; it is
	// asked for each connection.
	TLS func() *tls.Config
	// Vouched, if not nil, is called once for each connection, before anything that its
	// listener says of the client counts: with the salt of the greeting and what the
	// login packet answers to it. An error ends the connection; an *Error is told.
	Vouched func(c *Conn, salt, answer []byte) error
	// MaxConnections, if not nil, is how many there may be that have logged in, and one more
	// for a session that is Reserved: others are refused with error 1040. As many may be
	// logging in, but at least halfOpenMin: one more closes the oldest. It is asked for each
	// connection.
	MaxConnections func() int
	// PreparedMax, if not nil, is max_prepared_stmt_count: how many prepared statements
	// all connections together may have. It is asked for each one.
	PreparedMax func() int64
	// LoginTimeout is connect_timeout; 0 is 10 s.
	LoginTimeout time.Duration
	Logger       *slog.Logger // nil: slog.Default()
}

// Server accepts connections and serves each in a goroutine of its own.
type Server struct {
	o         Options
	log       *slog.Logger
	hangups   *hangup.Set
	watching  sync.WaitGroup
	closed    chan struct{}
	closing   sync.Once
	freeing   sync.Once
	passwords passwords
	key       func() (*rsa.PrivateKey, error)

	halfOpen *halfopen.Set
	admitted atomic.Int64 // logged in
	prepared atomic.Int64 // statements of all connections
	live     sync.WaitGroup
	mu       struct {
		sync.Mutex
		conns  map[uint32]*Conn
		lastID uint32
		closed bool
	}
}

// New returns a server; Serve makes it accept. Close and Wait give back what it took.
func New(o Options) (*Server, error) {
	if o.LoginTimeout <= 0 {
		o.LoginTimeout = defaultLoginTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	h, err := hangup.New()
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, log: o.Logger, hangups: h, closed: make(chan struct{}), key: sync.OnceValues(keyPair)}
	s.halfOpen = halfopen.New(func() int {
		if o.MaxConnections == nil {
			return defaultHalfOpen
		}
		return max(o.MaxConnections(), halfOpenMin)
	})
	s.mu.conns = map[uint32]*Conn{}
	s.watching.Go(func() { h.Run(s.hungUp) })
	return s, nil
}

// Serve accepts connections until Close, and then returns ErrServerClosed. It
// survives errors of accept.
func (s *Server) Serve() error {
	pause := acceptPauseMin
	for {
		nc, err := s.o.Listener.Accept()
		if err == nil {
			pause = acceptPauseMin
			s.start(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return ErrServerClosed
		}
		s.log.Debug("accept", "err", err)
		select {
		case <-s.closed:
			return ErrServerClosed
		case <-time.After(pause):
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// start gives a connection its number and its goroutine.
func (s *Server) start(nc net.Conn) {
	c := &Conn{server: s, raw: nc, net: nc, in: newReader(nc), statements: map[uint32]*statement{}}
	c.out.net = nc
	c.results.c = c
	c.ctx, c.end = context.WithCancelCause(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		_ = nc.Close() // nothing can be done about a failure
		return
	}
	id := uint32(0)
	for id == 0 || s.mu.conns[id] != nil {
		s.mu.lastID = s.mu.lastID%idMax + 1
		id = s.mu.lastID
	}
	c.id.Store(id)
	s.mu.conns[id] = c
	c.known = s.halfOpen.Enter(nc)
	s.live.Go(c.serve)
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c.ID())
}

// rename gives a connection the id that a router has greeted its client with, so
// that CONNECTION_ID(), SHOW PROCESSLIST and KILL mean what the client knows. It
// keeps its own if id is 0, or another connection has it: one of the same client
// that has not ended yet.
func (s *Server) rename(c *Conn, id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == 0 || s.mu.conns[id] != nil {
		return
	}
	delete(s.mu.conns, c.ID())
	c.id.Store(id)
	s.mu.conns[id] = c
}

// full reports whether no more connections may log in, also in the place that is reserved.
func (s *Server) full() bool {
	return s.o.MaxConnections != nil && s.admitted.Load() > int64(s.o.MaxConnections())
}

// enter counts a connection that has authenticated, unless there are too many. reserved: it
// has the place that is kept.
func (s *Server) enter() (entered, reserved bool) {
	n := s.admitted.Add(1)
	if s.o.MaxConnections == nil {
		return true, false
	}
	most := int64(s.o.MaxConnections())
	if n > most+1 {
		s.admitted.Add(-1)
		return false, false
	}
	return true, n > most
}

// hungUp is told that a client has closed its connection.
func (s *Server) hungUp(id uint32, _ int32) {
	if c := s.get(id); c != nil {
		c.end(ErrGone)
	}
}

func (s *Server) get(id uint32) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.conns[id]
}

// Close stops accepting; connections stay.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.mu.closed = true
		s.mu.Unlock()
		close(s.closed)
	})
	return s.o.Listener.Close()
}

// Wait returns when the server is closed and all connections are gone.
func (s *Server) Wait() error {
	<-s.closed
	s.live.Wait()
	var err error
	s.freeing.Do(func() {
		s.hangups.Close()
		s.watching.Wait()
		err = s.hangups.Free()
	})
	return err
}

// Kill closes a connection and cancels its command. It reports whether there is
// such a connection.
func (s *Server) Kill(id uint32) bool {
	c := s.get(id)
	if c == nil {
		return false
	}
	c.end(ErrKilled)
	_ = c.raw.Close() // nothing can be done about a failure
	return true
}

// Interrupt cancels the running command of a connection, if there is one. It
// reports whether there is such a connection.
func (s *Server) Interrupt(id uint32) bool {
	c := s.get(id)
	if c == nil {
		return false
	}
	c.interrupt()
	return true
}

// Connections is the number of connections that have logged in.
func (s *Server) Connections() int { return int(s.admitted.Load()) }

// Conns returns the connections there are, also those that have not logged in yet.
func (s *Server) Conns() iter.Seq[*Conn] {
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := make([]*Conn, 0, len(s.mu.conns))
	for _, c := range s.mu.conns {
		conns = append(conns, c)
	}
	return slices.Values(conns)
}
