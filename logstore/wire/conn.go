package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sextant/internal/redo"
	"sextant/logstore"
)

// Greeting is what each end says of itself.
type Greeting struct {
	Cluster string
	Node    logstore.NodeID
	Store   logstore.StoreID // 0: not a storage node
}

// Conn is an append stream.
//
// Send never waits for the other end: what the kernel does not take at once is
// queued, up to a bound, and written by a goroutine that lives as long as the
// queue. In the usual case a send is one writev by the caller.
type Conn struct {
	peer Greeting
	c    *net.TCPConn
	raw  syscall.RawConn
	r    *bufio.Reader

	mu       sync.Mutex
	queue    [][]byte
	queued   int
	draining bool // a goroutine writes the queue: nobody else writes meanwhile
	err      error
}

// Handshake exchanges greetings over c, within the timeout, and returns the stream.
// peeked is what was already read from c. It closes c if it fails. Returns ErrForeign
// and ErrVersion.
func Handshake(c net.Conn, peeked []byte, self Greeting, timeout time.Duration) (*Conn, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("wire: an append stream needs TCP, not %T", c)
	}
	conn, err := handshake(tcp, peeked, self, timeout)
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("greeting with %v: %w", c.RemoteAddr(), err)
	}
	return conn, nil
}

func handshake(c *net.TCPConn, peeked []byte, self Greeting, timeout time.Duration) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := c.Write(encodeGreeting(self)); err != nil {
		return nil, err
	}
	conn := &Conn{c: c, raw: raw, r: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(peeked), c), readBuffer)}
	if conn.peer, err = readGreeting(conn.r); err != nil {
		return nil, err
	}
	if conn.peer.Cluster != self.Cluster {
		return nil, fmt.Errorf("%w: %q, not %q", ErrForeign, conn.peer.Cluster, self.Cluster)
	}
	return conn, c.SetDeadline(time.Time{})
}

func encodeGreeting(g Greeting) []byte {
	b := append([]byte(nil), Magic...)
	b = le.AppendUint16(b, streamVersion)
	b = le.AppendUint16(b, 0)
	f := newFrame(frameGreeting)
	for _, s := range []string{g.Cluster, string(g.Node)} {
		f = append(le.AppendUint16(f, uint16(len(s))), s...)
	}
	f = le.AppendUint64(f, uint64(g.Store))
	return append(b, sealFrame(f, len(f))...)
}

func readGreeting(r *bufio.Reader) (g Greeting, err error) {
	b := make([]byte, greetingSize+framePrefix)
	if _, err := io.ReadFull(r, b); err != nil {
		return g, err
	}
	if string(b[:4]) != Magic {
		return g, fmt.Errorf("%w: not an append stream", ErrInvalid)
	}
	if v, f := le.Uint16(b[4:]), le.Uint16(b[6:]); v != streamVersion || f != 0 {
		return g, fmt.Errorf("%w: stream version %d, features %#x", ErrVersion, v, f)
	}
	n, sum, err := decodePrefix(b[greetingSize:], GreetingBytesMax)
	if err != nil {
		return g, err
	}
	f := make([]byte, n)
	if _, err := io.ReadFull(r, f); err != nil {
		return g, err
	}
	return decodeGreeting(f, sum)
}

func decodeGreeting(f []byte, sum uint32) (g Greeting, err error) {
	if len(f) == 0 || frameKind(f[0]) != frameGreeting || redo.Checksum(0, f) != sum {
		return g, fmt.Errorf("%w: greeting", ErrInvalid)
	}
	f = f[1:]
	var texts [2]string
	for i := range texts {
		if len(f) < 2 || int(le.Uint16(f)) > min(len(f)-2, IDBytesMax) {
			return g, fmt.Errorf("%w: greeting", ErrInvalid)
		}
		n := int(le.Uint16(f))
		texts[i], f = string(f[2:2+n]), f[2+n:]
	}
	if len(f) != 8 {
		return g, fmt.Errorf("%w: greeting", ErrInvalid)
	}
	return Greeting{texts[0], logstore.NodeID(texts[1]), logstore.StoreID(le.Uint64(f))}, nil
}

// Peer returns the other end's greeting.
func (c *Conn) Peer() Greeting { return c.peer }

// Read waits for a message and returns it. Its byte slices are its own.
// Returns the connection's error, ErrInvalid, or ErrVersion.
func (c *Conn) Read() (id uint64, m logstore.Message, err error) {
	var h [framePrefix]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return 0, nil, err
	}
	n, sum, err := decodePrefix(h[:], FrameBytesMax)
	if err != nil {
		return 0, nil, err
	}
	b, err := readN(c.r, n)
	if err != nil {
		return 0, nil, err
	}
	return Decode(b, sum)
}

// readN reads n bytes. It allocates as they arrive, so that a false length costs nothing.
func readN(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		k := min(n-len(b), step)
		if cap(b)-len(b) < k {
			grown := make([]byte, len(b), min(n, 2*cap(b)+k))
			copy(grown, b)
			b = grown
		}
		at := len(b)
		b = b[:at+k]
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Buffered reports whether a whole frame has arrived already, so that Read does not wait.
func (c *Conn) Buffered() bool {
	if c.r.Buffered() < framePrefix {
		return false
	}
	h, err := c.r.Peek(4)
	return err == nil && c.r.Buffered()-framePrefix >= int(le.Uint32(h))
}

// Send sends a message without waiting for the other end. The bytes of an Append's
// batches must not change afterwards. An error is final; the connection is closed then.
func (c *Conn) Send(id uint64, m logstore.Message) error {
	bs, err := Encode(id, m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if !c.draining {
		if bs, err = c.writeNow(bs); err != nil {
			return c.fail(err)
		}
		if len(bs) == 0 {
			return nil
		}
		c.draining = true
		go c.drain()
	}
	for _, b := range bs {
		c.queued += len(b)
	}
	if c.queued > queuedBytesMax {
		return c.fail(fmt.Errorf("wire: %v takes nothing: %d bytes wait", c.c.RemoteAddr(), c.queued))
	}
	c.queue = append(c.queue, bs...)
	return nil
}

// Busy reports whether earlier messages still wait for the other end to take them.
func (c *Conn) Busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// iovMax is how many pieces one writev is given.
const iovMax = 512

// writeNow writes what the kernel takes at once and returns the rest.
func (c *Conn) writeNow(bs [][]byte) (rest [][]byte, err error) {
	for len(bs) > 0 {
		var n int
		var werr error
		err := c.raw.Write(func(fd uintptr) bool {
			if len(bs) == 1 {
				n, werr = unix.Write(int(fd), bs[0])
			} else {
				n, werr = unix.Writev(int(fd), bs[:min(len(bs), iovMax)])
			}
			return true
		})
		if err == nil {
			err = werr
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			return bs, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		}
		for n > 0 || len(bs) > 0 && len(bs[0]) == 0 {
			k := min(n, len(bs[0]))
			n -= k
			if bs[0] = bs[0][k:]; len(bs[0]) == 0 {
				bs = bs[1:]
			}
		}
	}
	return nil, nil
}

// drain writes the queue until it is empty.
func (c *Conn) drain() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.err != nil {
			c.queue, c.queued, c.draining = nil, 0, false
			c.mu.Unlock()
			return
		}
		b := c.queue[0]
		c.mu.Unlock()
		_, err := c.c.Write(b)
		c.mu.Lock()
		c.queue, c.queued = c.queue[1:], c.queued-len(b)
		if err != nil {
			_ = c.fail(err)
		}
		c.mu.Unlock()
	}
}

// fail closes the connection. mu is held.
func (c *Conn) fail(err error) error {
	if c.err == nil {
		c.err = err
		_ = c.c.Close()
	}
	return c.err
}

// Close closes the connection; Read and Send fail from then on.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	c.err = net.ErrClosed
	return c.c.Close()
}

// RemoteAddr returns the other end's address.
func (c *Conn) RemoteAddr() net.Addr { return c.c.RemoteAddr() }
