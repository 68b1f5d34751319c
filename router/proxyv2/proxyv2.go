// Package proxyv2 is the PROXY protocol, version 2, as the router speaks it to
// the instances: the header in front of a connection that carries the client's
// address, and a listener that takes it off again.
//
// A header may carry two values of ours, of the range that the protocol leaves to
// its users. Type 0xE0: the volume epoch, 8 bytes big endian, whose writer the
// sender means to reach. An instance that is not the writer of that epoch refuses
// the connection with an error packet in place of the greeting, so that a router
// with an old topology cannot put a session on a deposed writer. Type 0xE1: the
// connection id, 4 bytes big endian, that the client was greeted with.
//
// That the client came with TLS is PP2_TYPE_SSL, with version, cipher and, if it
// showed one and it was verified, the client's certificate.
//
// An address proves little: what a header says counts once a router has vouched for it
// (Vouch), in the login that follows.
//
// Source: haproxy, "The PROXY protocol", versions 1 & 2, §2.2.
//
// Not done: version 1, Unix addresses (taken as unknown).
package proxyv2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
)

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	// HeaderMax is the longest header that is read, in bytes behind the fixed 16: a
	// certificate has some KiB at most.
	HeaderMax = 16 << 10
	// CertificateMax is the longest certificate that a header carries.
	CertificateMax = HeaderMax - 1024

	fixedBytes       = 16
	typeWriterEpoch  = 0xE0
	typeConnection   = 0xE1
	typeSSL          = 0x20 // PP2_TYPE_SSL: client flags, verify (0: verified), and these
	typeSSLVersion   = 0x21
	typeSSLCipher    = 0x23
	typeSSLCert      = 0x28 // PP2_SUBTYPE_SSL_CLIENT_CERT, DER
	sslFixedBytes    = 1 + 4
	clientSSL        = 0x01 // PP2_CLIENT_SSL
	clientCert       = 0x06 // PP2_CLIENT_CERT_CONN and _SESS
	commandLocal     = 0x20
	commandProxy     = 0x21
	familyTCP4       = 0x11
	familyTCP6       = 0x21
	addressBytesTCP4 = 12
	addressBytesTCP6 = 36
)

// ErrHeader is returned for bytes that are no header, or a damaged one.
var ErrHeader = errors.New("not a PROXY protocol version 2 header")

// Header is what the proxy says about a connection.
type Header struct {
	Source      netip.AddrPort // the client; zero if the proxy connects for itself
	Destination netip.AddrPort // the address the client connected to
	WriterEpoch uint64         // 0: any role will do
	Connection  uint32         // the client's connection id; 0: the instance's own
	TLS         *TLS           // nil: the client came without
}

// TLS is what the proxy says about the client's TLS.
type TLS struct {
	Version, Cipher string // as MySQL names them
	Certificate     []byte // DER, verified by the proxy; nil: the client showed none
}

// Append appends the header's bytes to b.
func (h Header) Append(b []byte) []byte {
	b = append(b, signature...)
	start := len(b)
	b = append(b, commandLocal, 0, 0, 0)
	src, dst := h.Source.Addr().Unmap(), h.Destination.Addr().Unmap()
	if src.IsValid() && dst.IsValid() {
		b[start], b[start+1] = commandProxy, familyTCP4
		if src.Is6() || dst.Is6() {
			b[start+1] = familyTCP6
			src, dst = netip.AddrFrom16(src.As16()), netip.AddrFrom16(dst.As16())
		}
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, h.Source.Port())
		b = binary.BigEndian.AppendUint16(b, h.Destination.Port())
	}
	if h.WriterEpoch != 0 {
		b = appendValue(b, typeWriterEpoch, binary.BigEndian.AppendUint64(nil, h.WriterEpoch))
	}
	if h.Connection != 0 {
		b = appendValue(b, typeConnection, binary.BigEndian.AppendUint32(nil, h.Connection))
	}
	if h.TLS != nil {
		b = appendValue(b, typeSSL, h.TLS.value())
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start-4))
	return b
}

func appendValue(b []byte, kind byte, value []byte) []byte {
	return append(binary.BigEndian.AppendUint16(append(b, kind), uint16(len(value))), value...)
}

func (t *TLS) value() []byte {
	b := []byte{clientSSL, 0, 0, 0, 0}
	b = appendValue(b, typeSSLVersion, []byte(t.Version))
	b = appendValue(b, typeSSLCipher, []byte(t.Cipher))
	if t.Certificate == nil {
		b[4] = 1 // nothing that was verified
		return b
	}
	b[0] |= clientCert
	return appendValue(b, typeSSLCert, t.Certificate)
}

// Read reads a header and not a byte more. It returns ErrHeader for anything
// else than a header of at most HeaderMax bytes, or the reader's error.
func Read(r io.Reader) (Header, error) {
	var fixed [fixedBytes]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return Header{}, fmt.Errorf("read PROXY header: %w", err)
	}
	n := int(binary.BigEndian.Uint16(fixed[14:]))
	if string(fixed[:12]) != signature || n > HeaderMax {
		return Header{}, ErrHeader
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return Header{}, fmt.Errorf("read PROXY header: %w", err)
	}
	switch fixed[12] {
	case commandLocal:
		fixed[13] = 0
	case commandProxy:
	default:
		return Header{}, ErrHeader
	}
	return parse(fixed[13], rest)
}

func parse(family byte, b []byte) (Header, error) {
	var h Header
	addressBytes := 0
	switch family {
	case familyTCP4:
		addressBytes = addressBytesTCP4
	case familyTCP6:
		addressBytes = addressBytesTCP6
	default:
		return h, nil
	}
	if len(b) < addressBytes {
		return h, ErrHeader
	}
	ip := (addressBytes - 4) / 2
	src, _ := netip.AddrFromSlice(b[:ip])
	dst, _ := netip.AddrFromSlice(b[ip : 2*ip])
	h.Source = netip.AddrPortFrom(src.Unmap(), binary.BigEndian.Uint16(b[2*ip:]))
	h.Destination = netip.AddrPortFrom(dst.Unmap(), binary.BigEndian.Uint16(b[2*ip+2:]))
	err := values(b[addressBytes:], func(kind byte, value []byte) error {
		switch {
		case kind == typeWriterEpoch && len(value) == 8:
			h.WriterEpoch = binary.BigEndian.Uint64(value)
		case kind == typeConnection && len(value) == 4:
			h.Connection = binary.BigEndian.Uint32(value)
		case kind == typeSSL && len(value) >= sslFixedBytes:
			if value[0]&clientSSL != 0 {
				h.TLS = &TLS{}
				return h.TLS.parse(value)
			}
		case kind == typeWriterEpoch, kind == typeConnection, kind == typeSSL:
			return ErrHeader
		}
		return nil
	})
	return h, err
}

// values calls f for each value of a header, or of PP2_TYPE_SSL.
func values(b []byte, f func(kind byte, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < 3 {
			return ErrHeader
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if len(b) < 3+n {
			return ErrHeader
		}
		if err := f(b[0], b[3:3+n]); err != nil {
			return err
		}
		b = b[3+n:]
	}
	return nil
}

func (t *TLS) parse(b []byte) error {
	verified := binary.BigEndian.Uint32(b[1:]) == 0
	return values(b[sslFixedBytes:], func(kind byte, value []byte) error {
		switch kind {
		case typeSSLVersion:
			t.Version = string(value)
		case typeSSLCipher:
			t.Cipher = string(value)
		case typeSSLCert:
			if verified {
				t.Certificate = value
			}
		}
		return nil
	})
}

// NewListener returns a listener whose connections from a trusted peer begin
// with a header, which their RemoteAddr and Header report; a connection from
// anyone else is taken as it is. The header is read at the first call of
// RemoteAddr, Header or Read, under the deadline that the connection has then.
func NewListener(inner net.Listener, trusted func(netip.Addr) bool) net.Listener {
	return &listener{Listener: inner, trusted: trusted}
}

type listener struct {
	net.Listener
	trusted func(netip.Addr) bool
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || !l.trusted(peer.Addr().Unmap()) {
		return c, nil
	}
	return &Conn{Conn: c}, nil
}

// Conn is a connection that begins with a header.
type Conn struct {
	net.Conn
	once   sync.Once
	header Header
	err    error
}

// Header returns what the peer said, or why it could not be read.
func (c *Conn) Header() (Header, error) {
	c.once.Do(func() { c.header, c.err = Read(c.Conn) })
	return c.header, c.err
}

// ConnectionID returns the connection id that the client was greeted with; 0 if
// the peer names none.
func (c *Conn) ConnectionID() uint32 {
	h, _ := c.Header() // whoever reads next finds the error
	return h.Connection
}

// NetConn returns the connection that carries the header.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Read reads what follows the header.
func (c *Conn) Read(b []byte) (int, error) {
	if _, err := c.Header(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// RemoteAddr returns the client's address, or the peer's if the header names none.
func (c *Conn) RemoteAddr() net.Addr {
	if h, err := c.Header(); err == nil && h.Source.IsValid() {
		return net.TCPAddrFromAddrPort(h.Source)
	}
	return c.Conn.RemoteAddr()
}
