package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"sextant/internal/mtls"
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
// Send never waits for the other end: see output.
type Conn struct {
	peer   Greeting
	out    output
	secure *mtls.Conn // nil: a plain connection
	r      *bufio.Reader

	mu    sync.Mutex // of plain
	plain []byte     // secure: what is encrypted next
}

// Handshake exchanges greetings over c, which is TCP or an mtls.Conn over it, within the
// timeout, and returns the stream. peeked is what was already read from c. It closes c if
// it fails. Returns ErrForeign, ErrVersion, and mtls.ErrRefused if the other end is not who
// its certificate says.
func Handshake(c net.Conn, peeked []byte, self Greeting, timeout time.Duration) (*Conn, error) {
	conn, err := handshake(c, peeked, self, timeout)
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("greeting with %v: %w", c.RemoteAddr(), err)
	}
	return conn, nil
}

func handshake(c net.Conn, peeked []byte, self Greeting, timeout time.Duration) (*Conn, error) {
	conn := &Conn{r: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(peeked), c), readBuffer)}
	tcp := c
	if conn.secure, _ = c.(*mtls.Conn); conn.secure != nil {
		tcp = conn.secure.TCP()
	}
	if err := conn.out.init(tcp); err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := c.Write(encodeGreeting(self)); err != nil {
		return nil, err
	}
	var err error
	if conn.peer, err = readGreeting(conn.r); err != nil {
		return nil, err
	}
	if conn.peer.Cluster != self.Cluster {
		return nil, fmt.Errorf("%w: %q, not %q", ErrForeign, conn.peer.Cluster, self.Cluster)
	}
	p, _ := mtls.Of(c)
	if err := p.SpeaksAs(string(conn.peer.Node)); err != nil {
		return nil, err
	}
	if conn.secure != nil {
		conn.secure.SendBy(func(record []byte) error { return conn.out.send([][]byte{record}, true) })
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
	if c.secure == nil {
		return c.out.send(bs, false)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain = c.plain[:0]
	for _, b := range bs {
		c.plain = append(c.plain, b...)
	}
	_, err = c.secure.Write(c.plain)
	if cap(c.plain) > plainKept {
		c.plain = nil
	}
	return err
}

// plainKept is how much memory a connection keeps for its next message.
const plainKept = 1 << 20

// Busy reports whether earlier messages still wait for the other end to take them.
func (c *Conn) Busy() bool { return c.out.busy() }

// Close closes the connection; Read and Send fail from then on.
func (c *Conn) Close() error { return c.out.close() }

// RemoteAddr returns the other end's address.
func (c *Conn) RemoteAddr() net.Addr { return c.out.c.RemoteAddr() }
