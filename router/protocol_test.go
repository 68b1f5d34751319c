package router_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/router"
	"sextant/router/proxyv2"
	"sextant/router/route"
	"sextant/server/protocol"
)

// accounts is the Handler of an instance with our own listener: who may log in.
type accounts map[string]protocol.Account

func (accounts) Connect(*protocol.Conn) error { return nil }

func (a accounts) Account(_ *protocol.Conn, user string) (protocol.Account, error) {
	if account, ok := a[user]; ok {
		return account, nil
	}
	return protocol.Decoy(user, ""), nil
}

func (accounts) Login(c *protocol.Conn, user, _ string, _ protocol.Account) (protocol.Session, error) {
	return &loggedIn{c: c, user: user}, nil
}

// loggedIn is a session that says who it is.
type loggedIn struct {
	protocol.Session
	c    *protocol.Conn
	user string
}

func (s *loggedIn) Query(_ context.Context, _ string, w *protocol.Results) error {
	if err := w.Columns([]protocol.Column{{Name: "u", Type: mysql.MYSQL_TYPE_VAR_STRING}}); err != nil {
		return err
	}
	if err := w.Row([][]byte{[]byte(s.user + "@" + s.c.Host())}); err != nil {
		return err
	}
	return w.End()
}
func (*loggedIn) Settle(context.Context) error { return nil }
func (*loggedIn) Idle() time.Duration          { return 0 }
func (*loggedIn) Status() uint16               { return mysql.SERVER_STATUS_AUTOCOMMIT }
func (*loggedIn) Warnings() uint16             { return 0 }
func (*loggedIn) Changes() []protocol.Change   { return nil }
func (*loggedIn) MaxPacket() int               { return 1 << 20 }
func (*loggedIn) Close()                       {}

// serveProtocol is an instance with our own listener and two users.
func serveProtocol(t *testing.T) route.Instance {
	t.Helper()
	return serveHandler(t, accounts{
		"native": {Plugin: mysql.AUTH_NATIVE_PASSWORD, Auth: mysql.EncodePasswordHex(mysql.NativePasswordHash([]byte("secret")))},
		"sha2":   {Plugin: mysql.AUTH_CACHING_SHA2_PASSWORD, Auth: protocol.HashSHA2("secret"), Key: "sha2"},
	})
}

// serveHandler is an instance with our own listener.
func serveHandler(t *testing.T, h protocol.Handler) route.Instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := protocol.New(protocol.Options{
		Listener: proxyv2.NewListener(l, func(netip.Addr) bool { return true }),
		Version:  "8.0.39",
		Handler:  h,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve() }()
	t.Cleanup(func() {
		_ = s.Close()
		for c := range s.Conns() {
			s.Kill(c.ID())
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
	return route.Instance{ID: "own", Role: route.RoleWriter, Address: l.Addr().String(), Healthy: true}
}

// Every exchange of our own listener goes through: RSA, then the fast one, native,
// and a refusal.
func TestOwnListenerBehindTheRouter(t *testing.T) {
	f := newFleet(t, router.Options{}, serveProtocol(t))
	for _, user := range []string{"sha2", "sha2", "native"} {
		c, err := f.open("cluster", user, "secret", "")
		if err != nil {
			t.Fatal(user, err)
		}
		var got string
		if err := c.QueryRowContext(t.Context(), "SELECT USER()").Scan(&got); err != nil || got != user+"@127.0.0.1" {
			t.Errorf("%s: %q %v", user, got, err)
		}
	}
	for _, user := range []string{"sha2", "native", "nobody"} {
		if _, err := f.open("cluster", user, "wrong", ""); err == nil || !strings.Contains(err.Error(), "Access denied for user '"+user+"'@'127.0.0.1'") {
			t.Errorf("%s: %v", user, err)
		}
	}
}
