package router

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// chunked is a connection whose reads return what the fuzzer says, in pieces.
type chunked struct {
	net.Conn
	in   []byte
	step int
	out  bytes.Buffer
}

func (c *chunked) Read(b []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.step)], c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *chunked) Write(b []byte) (int, error) { return c.out.Write(b) }

func (c *chunked) SetReadDeadline(time.Time) error { return nil }

// FuzzPackets feeds bytes of an instance to every reader of answers, in pieces of
// every length: it must not panic, and what it passed on must be a prefix of what
// came, byte for byte.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"), byte(3), byte(1), false)
	f.Add([]byte("\x01\x00\x00\x01\x01\x03\x00\x00\x02def\x05\x00\x00\x03\xfe\x00\x00\x02\x00\x02\x00\x00\x04\x011\x05\x00\x00\x05\xfe\x00\x00\x02\x00"), byte(3), byte(7), false)
	f.Add([]byte("\x01\x00\x00\x01\x01\x03\x00\x00\x02def\x02\x00\x00\x03\x011\x07\x00\x00\x04\xfe\x00\x00\x02\x00\x00\x00"), byte(3), byte(9), true)
	f.Add([]byte("\x0c\x00\x00\x01\x00\x01\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x02d\x01\x00\x00\x03d"), byte(0x16), byte(2), true)
	f.Add([]byte("\x05\x00\x00\x01\xfbfile\x07\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00"), byte(3), byte(50), true)
	f.Add([]byte("\x09\x00\x00\x01\xff\x28\x04#42000x"), byte(0x1c), byte(4), false)
	f.Add([]byte("\x00\x00\x00\x01"), byte(3), byte(1), true)
	f.Fuzz(func(t *testing.T, in []byte, command, step byte, dep bool) {
		backend := &chunked{in: bytes.Clone(in), step: int(step) + 1}
		client := &chunked{in: []byte("\x01\x00\x00\x02x\x00\x00\x00\x03"), step: 1}
		s := &session{dep: dep, client: client}
		s.up = pipe{src: client, dst: backend, moved: new(atomic.Uint64)}
		s.down = pipe{src: backend, dst: client, moved: new(atomic.Uint64)}
		_ = s.respond(command) // any error will do
		_ = s.down.flush()
		if !bytes.HasPrefix(in, client.out.Bytes()) {
			t.Fatalf("passed on %q of %q", client.out.Bytes(), in)
		}
		s.up.drop()
		s.down.drop()
	})
}

// FuzzLogin feeds bytes to the parsers of what clients and instances send first.
func FuzzLogin(f *testing.F) {
	f.Add([]byte("\x0a8.0\x00\x01\x00\x00\x00abcdefgh\x00\xff\xff\x21\x02\x00\xff\xff"))
	f.Add(append(make([]byte, 32), "u\x00\x00p\x00"...))
	f.Add([]byte("\x02\x01\x02\x01\xfe\x00\x01a\x08\x00\x01b\x01xKILL 1"))
	f.Add([]byte("\x11user\x00\x01pdb\x00\x21\x00plugin\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = parseGreeting(in)
		if h, err := parseHello(in); err == nil {
			b, _ := h.append(nil, 1, ^uint32(0), in)
			if again, err := parseHello(b[headerBytes:]); err != nil || again.user != h.user {
				t.Fatalf("%q: %v", b, err)
			}
		}
		if len(in) > 0 {
			if b, user, err := changeUser(in); err == nil {
				if _, u, err := changeUser(b); err != nil || u != user {
					t.Fatalf("%q: %v", b, err)
				}
			}
		}
		if n, ok := attributesBytes(in); ok && n > len(in) {
			t.Fatalf("%q: %d bytes of attributes", in, n)
		}
		if k, ok := parseKill(string(in)); ok && len(k.before)+len(k.after) >= len(in) {
			t.Fatalf("%q: %+v", in, k)
		}
	})
}
