package protocol

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/internal/halfopen"
)

// Conn is one client's connection. Its methods may be called by any goroutine
// once Handler.Login was called; before that by the Handler only.
type Conn struct {
	server *Server
	id     atomic.Uint32
	raw    net.Conn // as it was accepted
	net    net.Conn // raw, or TLS on it
	tls    *tls.Conn
	in     *bufio.Reader
	out    output
	packet []byte // the last one read, to be read into again

	received uint64 // bytes

	ctx  context.Context
	end  context.CancelCauseFunc
	salt [saltBytes]byte

	known      func() bool // takes it out of the server's half-open connections
	counted    bool        // among the server's admitted
	session    Session
	caps       uint32
	results    Results
	statements map[uint32]*statement
	lastID     uint32 // of a statement
	held       int    // bytes that the statements keep
	quits      bool   // when the command is answered

	mu struct {
		sync.Mutex
		cancel     context.CancelCauseFunc // of the running command
		user       string
		charset    uint16
		attributes map[string]string
		multi      bool
	}
}

// ID is the connection's number, as CONNECTION_ID() returns it.
func (c *Conn) ID() uint32 { return c.id.Load() }

// Quit ends the connection when the running command is answered. It is for the goroutine that runs it.
func (c *Conn) Quit() { c.quits = true }

// Traffic is what came from a client and went to it, in bytes before encryption.
type Traffic struct{ Received, Sent uint64 }

// Traffic returns the connection's. It is for the goroutine that runs its commands.
func (c *Conn) Traffic() Traffic { return Traffic{c.received, c.out.bytes} }

// NetConn returns the connection as the listener accepted it.
func (c *Conn) NetConn() net.Conn { return c.raw }

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// LocalAddr is the address the client is connected to.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// Host is the host part of the client's account name: its IP address, or
// localhost for a Unix socket.
func (c *Conn) Host() string {
	switch a := c.RemoteAddr().(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().String()
	case *net.UnixAddr:
		return "localhost"
	default:
		return a.String()
	}
}

// Context is done when the connection ends, with cause ErrGone or ErrKilled.
func (c *Conn) Context() context.Context { return c.ctx }

// Capabilities are the CLIENT_* flags that both sides have.
func (c *Conn) Capabilities() uint32 { return c.caps }

// TLS returns the state of the connection's TLS, nil without.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	s := c.tls.ConnectionState()
	return &s
}

// User is the name the client logs in with.
func (c *Conn) User() string { c.mu.Lock(); defer c.mu.Unlock(); return c.mu.user }

// Charset is the number of the collation that the client asked for.
func (c *Conn) Charset() uint16 { c.mu.Lock(); defer c.mu.Unlock(); return c.mu.charset }

// Attributes returns what the client says about itself.
func (c *Conn) Attributes() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.mu.attributes)
}

// MultiStatements reports whether a text may hold several statements.
func (c *Conn) MultiStatements() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.mu.multi }

// know keeps what the client said about itself.
func (c *Conn) know(h hello) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.user, c.mu.attributes = h.user, h.attributes
	if h.charset != 0 {
		c.mu.charset = h.charset
	}
}

// serve is the connection's life.
func (c *Conn) serve() {
	defer c.leave()
	err := c.run()
	if e, ok := refused(err); ok && c.out.broken == nil {
		c.out.settle = nil
		c.writeError(e)
		c.out.flush()
		c.linger()
	}
	c.server.log.Debug("connection ends", "connection", c.ID(), "err", err)
}

// leave closes what is open.
func (c *Conn) leave() {
	defer c.server.forget(c)
	if c.counted {
		defer c.server.admitted.Add(-1)
	}
	c.end(ErrGone)
	_ = c.raw.Close() // nothing can be done about a failure
	c.known()
	c.out.release()
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
		}
	}()
	c.closeSession()
}

func (c *Conn) panicked(p any) {
	c.server.log.Error("panic in a session", "connection", c.ID(), "panic", p, "stack", string(debug.Stack()))
}

// linger lets the client read an error before its connection is closed: with
// unread data, closing would take the error away.
func (c *Conn) linger() {
	if c.out.broken != nil || c.raw.SetDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	var inner net.Conn = c.raw
	if o, ok := inner.(interface{ NetConn() net.Conn }); ok {
		inner = o.NetConn()
	}
	if half, ok := inner.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.raw) // until the client closes, or the deadline
	}
}

// run returns why the connection ends: an *Error if the client shall know.
func (c *Conn) run() (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
			err = ErrDisconnect
			if !c.out.sent {
				c.out.drop()
				err = &Error{mysql.ER_UNKNOWN_ERROR, "HY000", "Internal error: the server's log has it"}
			}
		}
	}()
	if err := c.raw.SetDeadline(time.Now().Add(c.server.o.LoginTimeout)); err != nil {
		return err
	}
	if o, ok := c.raw.(interface{ ConnectionID() uint32 }); ok { // reads a header, if it has one
		c.server.rename(c, o.ConnectionID())
	}
	if c.server.full() {
		return errTooManyConnections
	}
	if err := c.server.o.Handler.Connect(c); err != nil {
		return clientError(err)
	}
	if err := c.login(); err != nil {
		return err
	}
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	c.server.hangups.Watch(c.raw, c.ID(), 1)
	for {
		if err := c.next(); err != nil {
			return err
		}
		if c.quits {
			return errQuit
		}
	}
}

// login greets and authenticates.
func (c *Conn) login() error {
	var config *tls.Config
	if c.server.o.TLS != nil {
		config = c.server.o.TLS()
	}
	caps := uint32(offered)
	if config != nil {
		caps |= mysql.CLIENT_SSL
	}
	c.salt = newSalt()
	b, err := c.ask(greeting(c.server.o.Version, c.ID(), c.salt, caps))
	if err != nil {
		return err
	}
	if config != nil && wantsTLS(b) {
		if err := c.startTLS(config); err != nil {
			return err
		}
		if b, err = c.readPacket(loginPacketMax); err != nil {
			return err
		}
	}
	h, err := parseHello(b)
	if err != nil {
		return errors.Join(err, errHandshake)
	}
	if h.caps&needed != needed {
		return errOldClient
	}
	if c.server.o.Vouched != nil {
		if err := c.server.o.Vouched(c, c.salt[:], h.answer); err != nil {
			return err
		}
	}
	c.caps = h.caps & caps
	c.mu.multi = c.caps&mysql.CLIENT_MULTI_STATEMENTS != 0
	return c.admit(h)
}

// startTLS goes on with TLS. What the client has sent already belongs to it.
func (c *Conn) startTLS(config *tls.Config) error {
	ahead, _ := c.in.Peek(c.in.Buffered()) // that is there
	t, err := halfopen.Handshake(c.raw, bytes.NewReader(bytes.Clone(ahead)), config)
	if err != nil {
		return err
	}
	c.tls, c.net, c.out.net, c.in = t, t, t, newReader(t)
	return nil
}

// admit authenticates the client and gives it a session.
func (c *Conn) admit(h hello) error {
	c.know(h)
	a, err := c.authenticate(h.proof)
	if err != nil {
		return err
	}
	reserved := false
	if !c.counted { // a COM_CHANGE_USER is
		if c.counted, reserved = c.server.enter(); !c.counted {
			return errTooManyConnections
		}
	}
	s, err := c.server.o.Handler.Login(c, h.user, h.database, a)
	if err != nil {
		return err
	}
	if reserved && !s.Reserved() {
		s.Close()
		c.counted = false // before it lingers
		c.server.admitted.Add(-1)
		return errTooManyConnections
	}
	c.session, c.out.settle, c.out.ctx, c.out.life = s, s.Settle, c.ctx, c.ctx
	c.known() // before the client knows that nobody closes it any more
	c.writeOK(mysql.OK_HEADER, 0, 0, "", false)
	return c.finish(nil)
}

// closeSession ends the statements and the session, if there is one.
func (c *Conn) closeSession() {
	c.closeStatements()
	if s := c.session; s != nil {
		c.session, c.out.settle = nil, nil
		s.Close()
	}
}

// next waits for a command and runs it.
func (c *Conn) next() error {
	c.out.release()
	idle := c.session.Idle()
	if idle <= 0 {
		idle = defaultIdle
	}
	if err := c.net.SetReadDeadline(time.Now().Add(idle)); err != nil {
		return err
	}
	if _, err := c.in.Peek(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.out.reset()
			return errIdle
		}
		return err
	}
	c.out.reset()
	b, err := c.readPacket(c.session.MaxPacket())
	if err != nil {
		return unexpected(err)
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	c.setCancel(cancel)
	defer c.setCancel(nil)
	c.out.ctx = ctx
	return c.command(ctx, b)
}

func (c *Conn) setCancel(cancel context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.cancel = cancel
}

// interrupt cancels the running command.
func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.cancel != nil {
		c.mu.cancel(ErrInterrupted)
	}
}

// finish sends the answer of a command that ended with err, and returns an error
// if the connection cannot go on.
func (c *Conn) finish(err error) error {
	if err == nil || !errors.Is(err, ErrDisconnect) {
		if c.out.unsettled == nil {
			switch {
			case err == nil:
				c.out.whole = true // too late for KILL QUERY
			case c.out.broken == nil:
				c.writeError(clientError(err))
			}
			c.out.flush()
		}
		if err = c.out.unsettled; err != nil && c.out.broken == nil && !errors.Is(err, ErrDisconnect) {
			c.out.drop()
			c.out.settle = nil // the answer is that it failed
			c.writeError(clientError(err))
			c.out.flush()
			c.out.settle, err = c.session.Settle, nil
		}
	}
	return errors.Join(err, c.out.broken)
}
