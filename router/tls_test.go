package router_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"sextant/internal/certs"
	"sextant/router"
	"sextant/router/proxyv2"
	"sextant/router/route"
	"sextant/server/protocol"
)

// served is an instance of server/protocol whose sessions know a few words.
type served struct {
	protocol.Session // what the tests do not ask
	c                *protocol.Conn
	srv              *protocol.Server
	changes          []protocol.Change
}

type servedHandler struct{ srv *protocol.Server }

func (*servedHandler) Connect(*protocol.Conn) error { return nil }

func (*servedHandler) Account(_ *protocol.Conn, user string) (protocol.Account, error) {
	a := protocol.Account{Plugin: gomysql.AUTH_CACHING_SHA2_PASSWORD, Auth: protocol.HashSHA2("secret"), Key: user}
	a.RequireTLS = user == "tls"
	return a, nil
}

func (h *servedHandler) Login(c *protocol.Conn, _, _ string, _ protocol.Account) (protocol.Session, error) {
	return &served{c: c, srv: h.srv}, nil
}

func (s *served) Query(_ context.Context, text string, w *protocol.Results) error {
	row := func(v string) error {
		return errors.Join(w.Columns([]protocol.Column{{Name: "v", Charset: 255, Length: 1024, Type: gomysql.MYSQL_TYPE_VAR_STRING}}),
			w.Row([][]byte{[]byte(v)}), w.End())
	}
	header, err := s.c.NetConn().(*proxyv2.Conn).Header()
	if err != nil {
		return err
	}
	word, arg, _ := strings.Cut(text, " ")
	switch word {
	case "id":
		return row(fmt.Sprint(s.c.ID()))
	case "tls":
		if header.TLS == nil {
			return row(fmt.Sprint(s.c.TLS() != nil, " plain"))
		}
		return row(fmt.Sprint(s.c.TLS() != nil, " ", header.TLS.Version, " ", header.TLS.Cipher, " ", len(header.TLS.Certificate) > 0))
	case "long":
		return row(strings.Repeat("x", 300_000))
	case "attribute":
		for _, p := range w.Attributes() {
			if p.Name == arg {
				return row(string(p.Text))
			}
		}
		return row("none")
	case "use":
		s.changes = []protocol.Change{{Type: gomysql.SESSION_TRACK_SCHEMA, Value: arg}}
	case "end":
		id, err := strconv.ParseUint(arg, 10, 32)
		if err != nil || !s.srv.Kill(uint32(id)) {
			return errors.New("no such session")
		}
	case "KILL":
		return row("killed here " + arg)
	}
	return w.OK(0, 0, "told")
}

func (*served) Settle(context.Context) error { return nil }
func (*served) Idle() time.Duration          { return time.Hour }
func (*served) Status() uint16               { return gomysql.SERVER_STATUS_AUTOCOMMIT }
func (*served) Warnings() uint16             { return 0 }
func (*served) MaxPacket() int               { return 64 << 20 }
func (*served) Close()                       {}

func (s *served) Changes() []protocol.Change {
	changes := s.changes
	s.changes = nil
	return changes
}

// newServed starts an instance of server/protocol; without a source it has no TLS.
func newServed(t testing.TB, id string, source *certs.Source) route.Instance {
	t.Helper()
	return newServedWith(t, id, source, nil)
}

// newServedWith is newServed for an instance that asks routers to vouch.
func newServedWith(t testing.TB, id string, source *certs.Source, vouched func(c *protocol.Conn, salt, answer []byte) error) route.Instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &servedHandler{}
	h.srv, err = protocol.New(protocol.Options{
		Listener: proxyv2.NewListener(l, netip.Addr.IsLoopback), Version: "8.0.39", Handler: h, TLS: source.Server, Vouched: vouched,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.srv.Serve() }()
	t.Cleanup(func() {
		_ = h.srv.Close()
		<-done
		for c := range h.srv.Conns() {
			h.srv.Kill(c.ID())
		}
		if err := h.srv.Wait(); err != nil {
			t.Error(err)
		}
	})
	return route.Instance{ID: id, Role: route.RoleWriter, Address: l.Addr().String(), Healthy: true, LagMillis: route.LagUnknown}
}

func newCerts(t testing.TB) (dir string, source *certs.Source) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "tls")
	if err := certs.Make(dir, "test", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	source, err := certs.Open(certs.Generated(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return dir, source
}

// openTLS returns one connection with a TLS configuration; nil is none.
func openTLS(t testing.TB, addr, user string, config *tls.Config) (*sql.Conn, error) {
	t.Helper()
	params := "allowCleartextPasswords=false"
	if config != nil {
		name := strings.ReplaceAll(t.Name(), "/", "-")
		if err := mysql.RegisterTLSConfig(name, config); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mysql.DeregisterTLSConfig(name) })
		params = "tls=" + name
	}
	return openAt(t, addr, user, "secret", params)
}

func TestTLSOnBothSides(t *testing.T) {
	dir, source := newCerts(t)
	f := startFleet(t, router.Options{TLS: source, InstanceTLS: source}, newServed(t, "db-1", source))
	addr := f.addr("cluster")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client-cert.pem"), filepath.Join(dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := source.Server().ClientCAs
	for _, test := range []struct {
		name, want string
		config     *tls.Config
	}{
		{"plain", "false plain", nil},
		{"1.2", "true TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 false", &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}},
		{"1.3", "true TLSv1.3 TLS_AES_128_GCM_SHA256 true", &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 { // the second handshake with the instance is a resumed one
				c, err := openTLS(t, addr, "sha2", test.config)
				if err != nil {
					t.Fatal(err)
				}
				if got := ask(t, c, "tls"); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if got := ask(t, c, "long"); len(got) != 300_000 {
					t.Errorf("%d bytes of a long row", len(got))
				}
			}
			c, err := openTLS(t, addr, "tls", test.config)
			if test.config == nil {
				wantError(t, err, gomysql.ER_ACCESS_DENIED_ERROR)
			} else if err != nil {
				t.Error(err)
			} else if got := ask(t, c, "tls"); got != test.want {
				t.Error(got)
			}
		})
	}
}

// The password of a first login with caching_sha2_password travels in clear inside TLS.
func TestTLSFullExchange(t *testing.T) {
	_, source := newCerts(t)
	f := startFleet(t, router.Options{TLS: source, InstanceTLS: source}, newServed(t, "db-1", source))
	c, err := openTLS(t, f.addr("cluster"), "never-seen", &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, "tls"); !strings.HasPrefix(got, "true TLSv1.3") {
		t.Error(got)
	}
}

// A client with TLS is never given to an instance without, or with a certificate of
// somebody else.
func TestTLSNeverOnOneSideOnly(t *testing.T) {
	_, source := newCerts(t)
	_, other := newCerts(t)
	for name, o := range map[string]struct {
		instance *certs.Source
		options  router.Options
	}{
		"instance without": {nil, router.Options{TLS: source, InstanceTLS: source}},
		"router without":   {source, router.Options{TLS: source}},
		"stranger's":       {other, router.Options{TLS: source, InstanceTLS: source}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFleet(t, o.options, newServed(t, "db-1", o.instance))
			_, err := openTLS(t, f.addr("cluster"), "sha2", &tls.Config{InsecureSkipVerify: true})
			wantError(t, err, gomysql.ER_HANDSHAKE_ERROR)
			c, err := openTLS(t, f.addr("cluster"), "sha2", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, c, "tls"); got != "false plain" {
				t.Error(got)
			}
		})
	}
}

// Sessions with TLS that wait for a command are drained, and end with their instance.
func TestTLSIdleSessions(t *testing.T) {
	_, source := newCerts(t)
	in := newServed(t, "db-1", source)
	f := startFleet(t, router.Options{TLS: source, InstanceTLS: source}, in)
	connect := func() *client.Conn {
		return raw(t, f.addr("cluster"), "sha2", "secret", func(c *client.Conn) error {
			c.UseSSL(true)
			return nil
		})
	}
	lost, kept, drained := connect(), connect(), connect()
	if _, err := kept.Execute(fmt.Sprint("end ", lost.GetConnectionID())); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, lost.Conn.Conn)
	if _, err := kept.Execute("id"); err != nil {
		t.Error(err)
	}
	if err := kept.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.r.Close(ctx); err != nil {
		t.Error(err)
	}
	wantEnd(t, drained.Conn.Conn)
}

func TestTLSAskedForThoughNotOffered(t *testing.T) {
	f := startFleet(t, router.Options{}, newServed(t, "db-1", nil))
	c, err := net.Dial("tcp", f.addr("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	caps := uint32(gomysql.CLIENT_SSL | gomysql.CLIENT_PROTOCOL_41 | gomysql.CLIENT_SECURE_CONNECTION)
	request := append([]byte{32, 0, 0, 1, byte(caps), byte(caps >> 8), byte(caps >> 16), byte(caps >> 24)}, make([]byte, 28)...)
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if b := wantEnd(t, c); !strings.Contains(string(b), "Bad handshake") {
		t.Errorf("%q", b)
	}
}

// The id in the greeting is CONNECTION_ID(), so a KILL of it needs no translation.
func TestConnectionIDIsTheRouters(t *testing.T) {
	f := startFleet(t, router.Options{Number: 3}, newServed(t, "db-1", nil))
	c := raw(t, f.addr("cluster"), "sha2", "secret")
	r, err := c.Execute("id")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := r.GetString(0, 0)
	if want := fmt.Sprint(c.GetConnectionID()); id != want || c.GetConnectionID()>>24 != 3 {
		t.Errorf("greeted as %s, CONNECTION_ID() is %s", want, id)
	}
	for _, text := range []string{"KILL QUERY " + id, "KILL " + id + "; id"} {
		if r, err = c.Execute(text); err != nil {
			t.Fatal(err)
		}
		if got, _ := r.GetString(0, 0); got != "killed here "+strings.TrimPrefix(text, "KILL ") {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// What session tracking and query attributes add to packets goes through.
func TestTrackingAndAttributes(t *testing.T) {
	f := startFleet(t, router.Options{}, newServed(t, "db-1", nil))
	c := raw(t, f.addr("cluster"), "sha2", "secret", func(c *client.Conn) error {
		return c.SetCapability(gomysql.CLIENT_SESSION_TRACK)
	})
	if got := c.CapabilityString(); !strings.Contains(got, "CLIENT_SESSION_TRACK") || !strings.Contains(got, "CLIENT_QUERY_ATTRIBUTES") {
		t.Fatalf("capabilities %s", got)
	}
	if _, err := c.Execute("anything"); err != nil {
		t.Fatal(err)
	}
	r, err := c.Execute("use shop")
	if err != nil {
		t.Fatal(err)
	}
	if r.Status&gomysql.SERVER_SESSION_STATE_CHANGED == 0 {
		t.Errorf("status %#x", r.Status)
	}
	for name, want := range map[string]string{"trace": "abc", "number": "7"} {
		attributes := []gomysql.QueryAttribute{{Name: "trace", Value: "abc"}, {Name: "number", Value: uint64(7)}}
		if err := c.SetQueryAttributes(attributes...); err != nil {
			t.Fatal(err)
		}
		if r, err = c.Execute("attribute " + name); err != nil {
			t.Fatal(err)
		}
		if got, _ := r.GetString(0, 0); got != want {
			t.Errorf("attribute %s is %s", name, got)
		}
	}
}

// A KILL of a session on another instance is found behind query attributes.
func TestKillBehindAttributes(t *testing.T) {
	reader := newServed(t, "db-2", nil)
	reader.Role = route.RoleReader
	type killed struct {
		on         string
		connection uint32
		queryOnly  bool
	}
	kills := make(chan killed, 2)
	f := startFleet(t, router.Options{Kill: func(_ context.Context, on route.Instance, connection uint32, queryOnly bool) error {
		kills <- killed{on.ID, connection, queryOnly}
		return nil
	}}, newServed(t, "db-1", nil), reader)
	victim, c := raw(t, f.addr("cluster"), "sha2", "secret"), raw(t, f.addr("reader"), "sha2", "secret")
	for _, attributes := range [][]gomysql.QueryAttribute{nil, {{Name: "trace", Value: "KILL 1"}}} {
		if err := c.SetQueryAttributes(attributes...); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Execute(fmt.Sprint("KILL QUERY ", victim.GetConnectionID())); err != nil {
			t.Fatal(err)
		}
		if got, want := <-kills, (killed{"db-1", victim.GetConnectionID(), true}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
