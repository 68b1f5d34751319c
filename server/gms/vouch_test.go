package gms_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"sextant/engine"
	"sextant/internal/certs"
	"sextant/internal/locked"
	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
	"sextant/logstore/memvolume"
	"sextant/router/proxyv2"
	"sextant/server/gms"
)

// proxied is a connection of what says that it is a router.
type proxied struct {
	t    *testing.T
	tcp  net.Conn
	c    net.Conn // tcp, or TLS on it
	v    proxyv2.Vouch
	caps uint32
	seq  byte
}

// proxy connects from the router's address for a client on 127.0.0.1, with TLS if a
// configuration is given, up to the login packet.
func proxy(t *testing.T, addr string, config *tls.Config) *proxied {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	p := &proxied{t: t, tcp: c, c: c, caps: gomysql.CLIENT_PROTOCOL_41 | gomysql.CLIENT_SECURE_CONNECTION | gomysql.CLIENT_PLUGIN_AUTH |
		gomysql.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA}
	p.v = proxyv2.Vouch{Header: proxyv2.Header{Source: netip.MustParseAddrPort("127.0.0.1:4567"), Destination: netip.MustParseAddrPort("127.0.0.1:6306")},
		Instance: "db-1", From: c.LocalAddr(), To: c.RemoteAddr()}
	if _, err := c.Write(p.v.Header.Append(nil)); err != nil {
		t.Fatal(err)
	}
	g := p.read()
	b := g[bytes.IndexByte(g, 0)+5:]
	p.v.Salt = append(bytes.Clone(b[:8]), b[27:39]...)
	if config == nil {
		return p
	}
	p.caps |= gomysql.CLIENT_SSL
	p.write(p.fixed())
	secure := tls.Client(c, config)
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	state := secure.ConnectionState()
	p.c, p.v.TLS = secure, &state
	return p
}

func (p *proxied) read() []byte {
	p.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(p.c, head[:]); err != nil {
		p.t.Fatal(err)
	}
	b := make([]byte, int(head[0])|int(head[1])<<8)
	if _, err := io.ReadFull(p.c, b); err != nil {
		p.t.Fatal(err)
	}
	p.seq = head[3] + 1
	return b
}

func (p *proxied) write(b []byte) {
	p.t.Helper()
	if _, err := p.c.Write(append([]byte{byte(len(b)), byte(len(b) >> 8), 0, p.seq}, b...)); err != nil {
		p.t.Fatal(err)
	}
	p.seq++
}

func (p *proxied) fixed() []byte {
	b := binary.LittleEndian.AppendUint32(nil, p.caps)
	return append(append(b, 0, 0, 0, 1, 45), make([]byte, 23)...)
}

// proof is what an identity signs.
func (p *proxied) proof(i *mtls.Identity) []byte {
	p.t.Helper()
	m, err := p.v.Message()
	if err != nil {
		p.t.Fatal(err)
	}
	proof, err := i.Sign(m)
	if err != nil {
		p.t.Fatal(err)
	}
	return proof
}

// login logs in as root with a proof of the router, and returns the number of the error,
// 0 without.
func (p *proxied) login(proof []byte) int {
	p.t.Helper()
	b := append(append(p.fixed(), "root\x00"...), gomysql.PutLengthEncodedString(proof)...)
	p.write(append(b, "auth_unknown_plugin\x00"...))
	answer := p.read()
	if answer[0] == gomysql.EOF_HEADER {
		p.write(nil) // root has no password
		answer = p.read()
	}
	if answer[0] == gomysql.ERR_HEADER {
		return int(binary.LittleEndian.Uint16(answer[1:]))
	}
	return 0
}

// What comes from a router's address counts if a router of this cluster has signed it for
// this connection, and for nobody else.
func TestStrangersPROXYHeader(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	if err := certs.Make(dir, "shop", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	source, err := certs.Open(certs.Generated(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	issue, other := mtlstest.Authority(t, "shop"), mtlstest.Authority(t, "shop")
	router := issue(mtls.Router, "router-1")
	log := &locked.Buffer{}
	i := startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) {
		o.TLS, o.Identity, o.TrustedProxies = source, issue(mtls.Instance, "db-1"), []netip.Addr{netip.MustParseAddr("127.0.0.2")}
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	must(t, i.conn(i.open("")), "SELECT 1") // who is no router needs to show nothing
	old := proxy(t, i.addr, nil)
	seen := old.proof(router)
	if got := old.login(seen); got != 0 {
		t.Fatalf("a router: error %d", got)
	}
	for _, config := range []*tls.Config{nil, {InsecureSkipVerify: true}} {
		for _, test := range []struct {
			name  string
			proof func(p *proxied) []byte
			want  int
		}{
			{"a router", func(p *proxied) []byte { return p.proof(router) }, 0},
			{"nothing", func(*proxied) []byte { return nil }, 1043},
			{"no proof", func(*proxied) []byte { return make([]byte, 700) }, 1043},
			{"replayed", func(*proxied) []byte { return seen }, 1043},
			{"another salt", func(p *proxied) []byte { p.v.Salt = old.v.Salt; return p.proof(router) }, 1043},
			{"another instance", func(p *proxied) []byte { p.v.Instance = "db-2"; return p.proof(router) }, 1043},
			{"another port", func(p *proxied) []byte { p.v.From = old.v.From; return p.proof(router) }, 1043},
			{"another place", func(p *proxied) []byte { p.v.To = p.v.From; return p.proof(router) }, 1043},
			{"another client", func(p *proxied) []byte { p.v.Header.Source = p.v.Header.Destination; return p.proof(router) }, 1043},
			{"a certificate", func(p *proxied) []byte { p.v.Header.TLS = &proxyv2.TLS{Version: "TLSv1.3"}; return p.proof(router) }, 1043},
			{"a storage node", func(p *proxied) []byte { return p.proof(issue(mtls.Storage, "storage-1")) }, 1043},
			{"another cluster's", func(p *proxied) []byte { return p.proof(other(mtls.Router, "router-1")) }, 1043},
		} {
			p := proxy(t, i.addr, config)
			if got := p.login(test.proof(p)); got != test.want {
				t.Errorf("%s, TLS %t: error %d, want %d", test.name, config != nil, got, test.want)
			}
		}
	}
	p := proxy(t, i.addr, &tls.Config{InsecureSkipVerify: true})
	p.v.TLS = nil
	if got := p.login(p.proof(router)); got != 1043 {
		t.Errorf("signed without the TLS: error %d", got)
	}
	if n := strings.Count(log.String(), "router refused"); n != 1 {
		t.Errorf("%d lines of %s", n, log)
	}
}

// With cluster.mutual_tls off, on loopback only, the address is all there is.
func TestPROXYHeaderWithoutIdentities(t *testing.T) {
	i := startInstanceWith(t, memvolume.New(memvolume.Options{}), engine.Options{}, func(o *gms.Options) {
		o.TrustedProxies = []netip.Addr{netip.MustParseAddr("127.0.0.2")}
	})
	if got := proxy(t, i.addr, nil).login(nil); got != 0 {
		t.Errorf("error %d", got)
	}
}
