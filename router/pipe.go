package router

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// A frame is a header of 4 bytes (length, 3 bytes little endian; sequence) and a
// body. A packet is every frame up to and including the first that is shorter
// than frameBytesMax; that one may be empty.
const (
	headerBytes   = 4
	frameBytesMax = mysql.MaxPayloadLen
)

// errProtocol is wrapped by errors about packets that MySQL's protocol does not allow here.
var errProtocol = errors.New("protocol violation")

// pipe is one direction of a session. What is read from src goes to dst
// unchanged, out of the buffer it was read into; it is sent when the buffer is
// empty or full, that is when the pipe would block otherwise.
//
// Invariant: 0 <= sent <= at <= end <= bufferBytes. buf[sent:at] is to be sent,
// buf[at:end] has not been looked at. buf may be nil only if they are empty.
type pipe struct {
	src, dst net.Conn
	buf      *[bufferBytes]byte
	sent     int
	at       int
	end      int
	moved    *atomic.Uint64 // bytes sent, all sessions of an endpoint
}

var buffers = sync.Pool{New: func() any { return new([bufferBytes]byte) }}

func (p *pipe) unread() int { return p.end - p.at }

// release gives the buffer back if nothing is in it.
func (p *pipe) release() {
	if p.buf != nil && p.sent == p.end {
		buffers.Put(p.buf)
		p.buf, p.sent, p.at, p.end = nil, 0, 0, 0
	}
}

// drop gives the buffer back whatever is in it.
func (p *pipe) drop() {
	p.sent, p.at = p.end, p.end
	p.release()
}

// flush sends what has been passed on.
func (p *pipe) flush() error {
	if p.sent == p.at {
		return nil
	}
	n, err := p.dst.Write(p.buf[p.sent:p.at])
	p.moved.Add(uint64(n))
	p.sent += n
	if err != nil {
		return &sendError{err}
	}
	return nil
}

// sendError is the failure of a pipe's dst; any other error is one of its src.
type sendError struct{ error }

func (e *sendError) Unwrap() error { return e.error }

// peek returns the next n bytes without passing them on; they are valid until
// the next call. n is at most half a buffer. Before it blocks it flushes.
func (p *pipe) peek(n int) ([]byte, error) {
	for p.unread() < n {
		if err := p.more(); err != nil {
			return nil, err
		}
	}
	return p.buf[p.at : p.at+n], nil
}

// more flushes and reads once.
func (p *pipe) more() error {
	if err := p.flush(); err != nil {
		return err
	}
	if p.buf == nil {
		p.buf = buffers.Get().(*[bufferBytes]byte)
	}
	if p.at == p.end {
		p.sent, p.at, p.end = 0, 0, 0
	} else if p.at > bufferBytes/2 {
		p.end = copy(p.buf[:], p.buf[p.at:p.end])
		p.sent, p.at = 0, 0
	}
	n, err := p.src.Read(p.buf[p.end:])
	p.end += n
	if n > 0 {
		return nil
	}
	return err
}

// moreIdle reads once into small instead of a buffer, and takes a buffer only
// when something has come. Nothing is in the pipe.
func (p *pipe) moreIdle(small *[idleBytes]byte) error {
	n, err := p.src.Read(small[:])
	if n == 0 {
		return err
	}
	if p.buf == nil {
		p.buf = buffers.Get().(*[bufferBytes]byte)
	}
	p.sent, p.at, p.end = 0, 0, copy(p.buf[:], small[:n])
	return nil
}

// head is the beginning of a packet.
type head struct {
	n     int // length of its first frame's body
	seq   byte
	first byte // first byte of the body; 0 if n is 0
}

// isEOF reports whether the packet is an EOF packet where DEPRECATE_EOF is off.
// A row that begins with 0xfe has at least a column of 16 MiB.
func (h head) isEOF() bool { return h.n > 0 && h.first == mysql.EOF_HEADER && h.n < 9 }

// isOKEOF is isEOF where DEPRECATE_EOF is on: an OK packet in disguise.
func (h head) isOKEOF() bool {
	return h.n > 0 && h.first == mysql.EOF_HEADER && h.n < frameBytesMax
}

func (h head) isError() bool { return h.n > 0 && h.first == mysql.ERR_HEADER }

// head looks at the next packet.
func (p *pipe) head() (head, error) {
	b, err := p.peek(headerBytes)
	if err != nil {
		return head{}, err
	}
	h := head{n: le24(b), seq: b[3]}
	if h.n == 0 {
		return h, nil
	}
	if b, err = p.peek(headerBytes + 1); err != nil {
		return head{}, err
	}
	h.first = b[headerBytes]
	return h, nil
}

// body returns the first k bytes of the body of the packet that h is the head
// of, fewer if it has fewer.
func (p *pipe) body(h head, k int) ([]byte, error) {
	b, err := p.peek(headerBytes + min(h.n, k))
	if err != nil {
		return nil, err
	}
	return b[headerBytes:], nil
}

// pass passes one packet on.
func (p *pipe) pass() error {
	for {
		b, err := p.peek(headerBytes)
		if err != nil {
			return err
		}
		n := le24(b)
		if err := p.passBytes(headerBytes + n); err != nil {
			return err
		}
		if n < frameBytesMax {
			return nil
		}
	}
}

func (p *pipe) passBytes(n int) error {
	for n > 0 {
		if p.at < p.end {
			k := min(n, p.end-p.at)
			p.at += k
			n -= k
			continue
		}
		if n >= spliceBytes {
			return p.splice(n)
		}
		if err := p.more(); err != nil {
			return eofInside(err)
		}
	}
	return nil
}

// splice moves n bytes that are not in the buffer: between two TCP sockets the
// kernel does it without copying them here.
func (p *pipe) splice(n int) error {
	if err := p.flush(); err != nil {
		return err
	}
	p.sent, p.at, p.end = 0, 0, 0
	moved, err := io.CopyN(p.dst, p.src, int64(n))
	p.moved.Add(uint64(moved))
	return eofInside(err)
}

// take reads one packet for the router itself. It returns an error that wraps
// errProtocol if it is longer than max, which is less than a whole frame.
func (p *pipe) take(max int) (body []byte, seq byte, err error) {
	h, err := p.head()
	if err != nil {
		return nil, 0, err
	}
	if h.n > max {
		return nil, 0, fmt.Errorf("%w: packet of %d bytes, at most %d here", errProtocol, h.n, max)
	}
	if err := p.flush(); err != nil {
		return nil, 0, err
	}
	body = make([]byte, h.n)
	p.at += headerBytes
	for got := 0; ; {
		k := copy(body[got:], p.buf[p.at:p.end])
		p.at, got = p.at+k, got+k
		p.sent = p.at
		if got == len(body) {
			return body, h.seq, nil
		}
		if err := p.more(); err != nil {
			return nil, 0, eofInside(err)
		}
	}
}

// discard reads one packet for nobody.
func (p *pipe) discard() error {
	if err := p.flush(); err != nil {
		return err
	}
	dst, moved := p.dst, p.moved
	p.dst, p.moved = nowhere{}, new(atomic.Uint64)
	err := p.pass()
	p.sent = p.at
	p.dst, p.moved = dst, moved
	return err
}

// nowhere is a connection that takes everything.
type nowhere struct{ net.Conn }

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

func le24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func eofInside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
