package gms

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sextant/internal/redo"
	"sextant/router/proxyv2"
)

const (
	// acceptRetryMax bounds the pause after a failed accept (EMFILE, ECONNABORTED).
	acceptRetryMax = time.Second
	// loginTimeout is how long a connection may take to log in (connect_timeout).
	loginTimeout = 10 * time.Second
)

// listener wraps the instance's listener for the wire server: it survives
// transient accept errors, answers 1040 above the connection limit, and makes
// conns that know the client's address behind a router.
type listener struct {
	net.Listener
	max    func() int64
	live   atomic.Int64
	closed chan struct{}
	once   sync.Once
}

// newListener returns a listener that takes PROXY headers from the trusted
// addresses, which must send one, and from nobody else.
func newListener(l net.Listener, trusted []netip.Addr, max func() int64) *listener {
	trusts := func(a netip.Addr) bool { return slices.Contains(trusted, a) }
	return &listener{
		Listener: proxyv2.NewListener(l, trusts, loginTimeout), max: max, closed: make(chan struct{}),
	}
}

// Accept returns the next connection that is within the limit. It returns an
// error only when the listener is closed.
func (l *listener) Accept() (net.Conn, error) {
	pause := 5 * time.Millisecond
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if l.live.Add(1) <= l.max() {
				return &conn{Conn: c, done: func() { l.live.Add(-1) }, idle: loginTimeout}, nil
			}
			l.live.Add(-1)
			go refuse(c, tooManyConnections)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		select {
		case <-l.closed:
			return nil, err
		case <-time.After(pause):
		}
		pause = min(pause*2, acceptRetryMax)
	}
}

// Close stops accepting; open connections stay.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// tooManyConnections is the packet that MySQL sends in place of its greeting.
var tooManyConnections = errorPacket(1040, "08004", "Too many connections")

// errorPacket returns an ERR packet with number 0: one in place of a greeting.
func errorPacket(number uint16, state, message string) []byte {
	body := append([]byte{0xff, byte(number), byte(number >> 8), '#'}, state+message...)
	return append([]byte{byte(len(body)), byte(len(body) >> 8), 0, 0}, body...)
}

func refuse(c net.Conn, packet []byte) {
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, _ = c.Write(packet)
	_ = c.Close()
}

// conn is one client's connection. Only the goroutine that serves it reads.
type conn struct {
	net.Conn
	once sync.Once
	done func()

	mu     sync.Mutex
	idle   time.Duration // how long a Read may wait, 0: for ever
	pinned bool          // the caller set a deadline of its own
}

// WriterEpoch returns the volume epoch whose writer the router means, 0: any role.
func (c *conn) WriterEpoch() (redo.VolumeEpoch, error) {
	p, ok := c.Conn.(*proxyv2.Conn)
	if !ok {
		return 0, nil
	}
	h, err := p.Header()
	return redo.VolumeEpoch(h.WriterEpoch), err
}

// SetIdle sets how long a read may wait for the client (wait_timeout), 0 for ever.
func (c *conn) SetIdle(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = d
	if d == 0 && !c.pinned {
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
}

// arm sets the deadline of the read that follows.
func (c *conn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == 0 || c.pinned {
		return nil
	}
	return c.Conn.SetReadDeadline(time.Now().Add(c.idle))
}

// Read reads from the client; it fails with a timeout after the idle time.
func (c *conn) Read(b []byte) (int, error) {
	if err := c.arm(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// SetReadDeadline sets a deadline for the read in progress and those to come;
// the idle time does not replace it until the zero time clears it. (The wire
// server wakes its disconnect watch this way: the wake-up must not be lost.)
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinned = !t.IsZero()
	return c.Conn.SetReadDeadline(t)
}

// Close closes the connection and gives back its place under the limit.
func (c *conn) Close() error {
	c.once.Do(c.done)
	return c.Conn.Close()
}
