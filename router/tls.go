package router

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/internal/certs"
	"sextant/internal/halfopen"
	"sextant/router/proxyv2"
)

// wantsTLS reports whether the packet asks for TLS before it says who it is.
func wantsTLS(b []byte) bool {
	return len(b) == helloFixedBytes && binary.LittleEndian.Uint32(b)&mysql.CLIENT_SSL != 0
}

// startTLS goes on with TLS to the client.
func (s *session) startTLS(config *tls.Config) error {
	ahead := bytes.NewReader(bytes.Clone(s.up.buf[s.up.at:s.up.end]))
	s.up.drop()
	c, err := halfopen.Handshake(s.client, ahead, config)
	if err != nil {
		return err
	}
	state := c.ConnectionState()
	s.tls, s.up.src, s.down.dst = &state, c, c
	return nil
}

// secure goes on with TLS to the instance that greeted with g, since the client came
// with it. It returns a *refusal if that is not possible: one side is never
// without TLS when the other has it.
func (s *session) secure(ctx context.Context, backend net.Conn, c claim, g greeting, h hello) error {
	config := s.r.o.InstanceTLS.Client()
	if config == nil || g.capabilities&mysql.CLIENT_SSL == 0 {
		return &refusal{mysql.ER_HANDSHAKE_ERROR, "08S01", "Bad handshake: no TLS to " + c.instance.ID}
	}
	if _, err := backend.Write(h.appendSSLRequest(nil, g.capabilities)); err != nil {
		return err
	}
	t := tls.Client(backend, config)
	err := t.HandshakeContext(ctx)
	if errors.Is(err, certs.ErrUntrusted) {
		return &refusal{mysql.ER_HANDSHAKE_ERROR, "08S01", "Bad handshake: " + c.instance.ID + ": " + err.Error()}
	}
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	s.up.dst, s.down.src = t, t
	return nil
}

// tlsOf is what the instance is told about the client's TLS; nil: it has none.
func tlsOf(s *tls.ConnectionState) *proxyv2.TLS {
	if s == nil {
		return nil
	}
	t := &proxyv2.TLS{Version: certs.Version(s.Version), Cipher: certs.Cipher(s.CipherSuite)}
	if len(s.VerifiedChains) > 0 && len(s.PeerCertificates[0].Raw) <= proxyv2.CertificateMax {
		t.Certificate = s.PeerCertificates[0].Raw
	}
	return t
}
