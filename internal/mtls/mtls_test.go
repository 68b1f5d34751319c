package mtls_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"sextant/internal/locked"
	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
)

func echo(t *testing.T, i *mtls.Identity, roles ...mtls.Role) (addr string, said *locked.Buffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said = &locked.Buffer{}
	s := i.Listen(l, slog.New(slog.NewTextHandler(said, nil)), roles...)
	t.Cleanup(func() { _ = s.Close() })
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			p, _ := mtls.Of(c)
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, p.String()+"\n")
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String(), said
}

func TestWhoMayConnect(t *testing.T) {
	ours, others := mtlstest.Authority(t, "one"), mtlstest.Authority(t, "two")
	node := ours(mtls.Storage, "storage-1")
	addr, said := echo(t, node, mtls.Instance)
	for _, c := range []struct {
		name string
		i    *mtls.Identity
		want string // what the server says of it; "": it is served
	}{
		{"instance", ours(mtls.Instance, "db-1"), ""},
		{"another role", ours(mtls.Router, "router-1"), "router router-1 is none of [instance]"},
		{"another cluster", others(mtls.Instance, "db-1"), "certificate signed by unknown authority"},
		{"no TLS", nil, "does not look like a TLS handshake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := c.i.Dial(t.Context(), addr, "", mtls.Storage)
			if c.name == "another cluster" {
				if !errors.Is(err, mtls.ErrRefused) { // it sees it itself
					t.Fatal(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "hello, hello, hello\n")
			var b [128]byte
			n, err := conn.Read(b[:])
			if c.want == "" {
				if got := string(b[:n]); err != nil || got != "instance db-1\n" {
					t.Fatalf("%q, %v", got, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("served: %q", b[:n])
			}
			for end := time.Now().Add(20 * time.Second); !strings.Contains(said.String(), c.want); runtime.Gosched() {
				if time.Now().After(end) { // the peer knows before it is logged
					t.Fatalf("the log is %s", said)
				}
			}
		})
	}
	if _, err := ours(mtls.Instance, "db-2").Dial(t.Context(), addr, "", mtls.Control); !errors.Is(err, mtls.ErrRefused) {
		t.Fatalf("a client that wants a control node: %v", err)
	}
	if _, err := ours(mtls.Instance, "db-2").Dial(t.Context(), addr, "storage-2", mtls.Storage); !errors.Is(err, mtls.ErrRefused) {
		t.Fatalf("a client that wants another node: %v", err)
	}
}

// TestStrangersGiveWay: connections that do not go on with their handshake keep no peer
// out; each has five seconds, and there are at most 128.
func TestStrangersGiveWay(t *testing.T) {
	ours := mtlstest.Authority(t, "one")
	addr, _ := echo(t, ours(mtls.Storage, "storage-1"), mtls.Instance)
	var strangers []net.Conn
	for range 128 + 10 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write([]byte{22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff}) // a ClientHello of 64 KiB begins
		strangers = append(strangers, c)
	}
	peer, err := ours(mtls.Instance, "db-1").Dial(t.Context(), addr, "storage-1", mtls.Storage)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for _, c := range strangers {
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a stranger stays")
		}
	}
	if n, err := peer.Read(make([]byte, 64)); err != nil || n == 0 {
		t.Fatalf("the peer is closed: %v", err)
	}
}

// TestOpenRefusesOthersCertificates: a file under the wrong name, an unreadable one.
// The directory's path has what is a pattern elsewhere.
func TestOpenRefusesOthersCertificates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a]*")
	if err := mtls.MakeAuthority(dir, "one"); err != nil {
		t.Fatal(err)
	}
	p := mtls.Peer{Cluster: "one", Role: mtls.Storage, ID: "storage-1"}
	if _, err := mtls.Open(dir, p); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if _, err := mtls.Ensure(t.TempDir(), p); !errors.Is(err, mtls.ErrNoAuthority) {
		t.Fatal(err)
	}
	if err := mtls.Issue(dir, dir, p); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca-key.pem", "storage-1-key.pem"} {
		if s, err := os.Stat(filepath.Join(dir, name)); err != nil || s.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %v, %v", name, s.Mode(), err)
		}
	}
	q := p
	q.Role = mtls.Instance
	if _, err := mtls.Open(dir, q); !errors.Is(err, mtls.ErrRefused) {
		t.Fatal(err)
	}
	list, err := mtls.Certificates(dir)
	if err != nil || len(list) != 1 || list[0].Peer != p || list[0].Err != nil {
		t.Fatalf("%+v, %v", list, err)
	}
}

// TestRotation: a new certificate, and then a new authority beside the old one, are
// taken up by processes that run.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	if err := mtls.MakeAuthority(dir, "one"); err != nil {
		t.Fatal(err)
	}
	open := func(r mtls.Role, id string) *mtls.Identity {
		p := mtls.Peer{Cluster: "one", Role: r, ID: id}
		if err := mtls.Issue(dir, dir, p); err != nil {
			t.Fatal(err)
		}
		i, err := mtls.Open(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	node, db := open(mtls.Storage, "storage-1"), open(mtls.Instance, "db-1")
	addr, _ := echo(t, node, mtls.Instance)
	works := func() {
		t.Helper()
		c, err := db.Dial(t.Context(), addr, "", mtls.Storage)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n, err := c.Read(make([]byte, 64)); err != nil || n == 0 {
			t.Fatal(err)
		}
	}
	works()
	// A second authority, the first still trusted.
	next := t.TempDir()
	if err := mtls.MakeAuthority(next, "one"); err != nil {
		t.Fatal(err)
	}
	var both []byte
	for _, d := range []string{next, dir} {
		b, err := os.ReadFile(filepath.Join(d, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	for _, f := range []string{"ca.pem", "ca-key.pem"} {
		b := both
		if f != "ca.pem" {
			var err error
			if b, err = os.ReadFile(filepath.Join(next, f)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	works()
	open(mtls.Storage, "storage-1")
	works()
	open(mtls.Instance, "db-1")
	works()
}

func TestCallsByRole(t *testing.T) {
	ours := mtlstest.Authority(t, "one")
	node := ours(mtls.Control, "control-1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	said := &locked.Buffer{}
	s := grpc.NewServer(node.ServerOptions(slog.New(slog.NewTextHandler(said, nil)), mtls.Rules{grpc_health_v1.Health_Check_FullMethodName: {mtls.Admin}})...)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go s.Serve(node.Listen(l, slog.New(slog.DiscardHandler), mtls.Admin, mtls.Router))
	t.Cleanup(s.Stop)
	call := func(i *mtls.Identity) error {
		conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), i.DialOption("", mtls.Control))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := grpc_health_v1.NewHealthClient(conn)
		_, err = c.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
		if w, werr := c.Watch(context.Background(), &grpc_health_v1.HealthCheckRequest{}); werr == nil {
			if _, werr = w.Recv(); status.Code(werr) != codes.PermissionDenied && err == nil {
				t.Errorf("a call without a rule: %v", werr)
			}
		}
		return err
	}
	if err := call(ours(mtls.Admin, "admin")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := call(ours(mtls.Router, "router-1")); status.Code(err) != codes.PermissionDenied {
			t.Fatal(err)
		}
	}
	if !strings.Contains(said.String(), "router router-1 may not call /grpc.health.v1.Health/Check") {
		t.Fatal(said)
	}
}
