package proxyv2

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// Vouch is what a router says of one connection to an instance, and signs: the header,
// and what ties it to that connection, so that it is worth nothing on another.
//
// Its proof is the login packet's answer to the salt of the instance's greeting. The
// salt is new for each connection and only the instance draws it: a proof that was seen
// before does not fit. The instance's id and both ends of the connection keep out who
// passes the salt of one instance on as that of another, and the TLS between the two
// who ends it in the middle.
type Vouch struct {
	Header   Header
	Instance string               // whom the router means
	From, To net.Addr             // the ends of its connection to that, not the client's
	Salt     []byte               // of the greeting
	TLS      *tls.ConnectionState // of that connection; nil: none
}

// vouchKind begins every message, and nothing else that a peer's key signs.
const vouchKind = "sextant router vouches 1"

// channelBytes and channelLabel are those of RFC 9266, tls-exporter.
const (
	channelBytes = 32
	channelLabel = "EXPORTER-Channel-Binding"
)

// Message returns what is signed: vouchKind and the fields, each behind its length in
// four bytes. It fails if the TLS has nothing that tells it from another (a version 1.2
// without extended master secret).
func (v Vouch) Message() ([]byte, error) {
	var channel []byte
	if v.TLS != nil {
		var err error
		if channel, err = v.TLS.ExportKeyingMaterial(channelLabel, nil, channelBytes); err != nil {
			return nil, fmt.Errorf("bind to TLS: %w", err)
		}
	}
	var b []byte
	for _, field := range [][]byte{[]byte(vouchKind), []byte(v.Instance), end(v.From), end(v.To), v.Salt, channel, v.Header.Append(nil)} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
	}
	return b, nil
}

// end is an address as both sides see it, one of which may have a zone or map IPv4.
func end(a net.Addr) []byte {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return []byte(a.String())
	}
	p := t.AddrPort()
	return []byte(netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port()).String())
}

// Vouched returns what a router that connects to an instance must have signed, with the
// salt of the instance's greeting and the connection's TLS.
func (c *Conn) Vouched(instance string, salt []byte, t *tls.ConnectionState) Vouch {
	h, _ := c.Header() // without one there is no login either
	return Vouch{Header: h, Instance: instance, From: c.Conn.RemoteAddr(), To: c.Conn.LocalAddr(), Salt: salt, TLS: t}
}
