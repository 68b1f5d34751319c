package router_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/router"
	"sextant/server/protocol"
)

// guarded is the Handler of an instance that counts who has got past the login.
type guarded struct {
	accounts
	open, logins atomic.Int64 // sessions
}

func (g *guarded) Login(c *protocol.Conn, user, db string, a protocol.Account) (protocol.Session, error) {
	s, err := g.accounts.Login(c, user, db, a)
	g.open.Add(1)
	g.logins.Add(1)
	return &guardedSession{Session: s, g: g}, err
}

// guardedSession answers every command.
type guardedSession struct {
	protocol.Session
	g *guarded
}

func (*guardedSession) Prepare(context.Context, string) (*protocol.Statement, error) {
	return &protocol.Statement{Params: 1, Handle: 1}, nil
}
func (s *guardedSession) Execute(ctx context.Context, _ *protocol.Statement, _ []protocol.Param, w *protocol.Results) error {
	return s.Query(ctx, "", w)
}
func (*guardedSession) InitDB(context.Context, string) error { return nil }
func (*guardedSession) FieldList(context.Context, string, string) ([]protocol.Column, error) {
	return nil, nil
}
func (*guardedSession) Statistics(context.Context) string  { return "Uptime: 1" }
func (*guardedSession) Kill(context.Context, uint32) error { return nil }
func (*guardedSession) Reset(context.Context) error        { return nil }
func (s *guardedSession) Close()                           { s.g.open.Add(-1) }

// frame is a packet with its header.
func frame(seq byte, body string) []byte {
	n := len(body)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, body...)
}

// attack is one client that means no good.
type attack struct {
	*rand.Rand
	c net.Conn
}

// bytesOf are some random bytes.
func (a *attack) bytesOf(most int) string {
	b := make([]byte, a.IntN(most))
	for i := range b {
		b[i] = byte(a.Uint32())
	}
	return string(b)
}

// spoilt changes, cuts or lengthens packets.
func (a *attack) spoilt(b []byte) []byte {
	b = bytes.Clone(b)
	switch a.IntN(6) {
	case 0:
		b = b[:a.IntN(len(b))]
	case 1:
		for range 1 + a.IntN(4) {
			b[a.IntN(len(b))] = byte(a.Uint32())
		}
	case 2:
		b[3] = byte(a.Uint32()) // the sequence number
	case 3:
		b[a.IntN(3)] = 0xff // the length
	case 4:
		b = append(b, a.bytesOf(300)...)
	default:
		b = append(b, frame(byte(a.Uint32()), a.bytesOf(200))...)
	}
	return b
}

// hello is a login packet with attributes whose length may be a lie.
func (a *attack) hello(user string) []byte {
	caps := uint32(mysql.CLIENT_PROTOCOL_41 | mysql.CLIENT_SECURE_CONNECTION | mysql.CLIENT_PLUGIN_AUTH | mysql.CLIENT_CONNECT_ATTRS)
	b := append(binary.LittleEndian.AppendUint32(nil, caps), 0, 0, 0, 1, 33)
	b = append(append(b, make([]byte, 23)...), user+"\x00\x00mysql_native_password\x00"...)
	attributes := []string{"\x04\x01a\x01b", "\xfc\xff\xff\x01a", "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", "\xfd\xff\xff\xff" + strings.Repeat("x", 70_000), "\xff", "\xfb", "\x03\xfc\xff\xff", ""}
	return frame(1, string(b)+attributes[a.IntN(len(attributes))])
}

// stranger sends what no client sends before it has logged in.
func (a *attack) stranger() {
	var b []byte
	switch a.IntN(6) {
	case 0:
		b = []byte(a.bytesOf(2000))
	case 1:
		b = a.spoilt(a.hello("native"))
	case 2: // a command in place of the answer, and behind it
		b = append(a.hello("native"), frame(byte(2+a.IntN(3)), "\x03SELECT USER()")...)
		b = append(b, frame(0, "\x03SELECT USER()")...)
	case 3: // TLS that is cut, or none
		asks := frame(1, "\x01\xaa\x08\x01\x00\x00\x00\x01\x21"+strings.Repeat("\x00", 23))
		_, _ = a.c.Write(asks)
		if a.IntN(2) == 0 {
			b = []byte(a.bytesOf(500))
			break
		}
		t := tls.Client(&cut{a.c, a.IntN(900)}, &tls.Config{InsecureSkipVerify: true})
		_ = t.Handshake()
		_, _ = t.Write(a.spoilt(a.hello("native")))
		return
	case 4:
		b = append(a.hello("native"), frame(3, a.bytesOf(40))...) // no such answer
	default:
		b = append(a.hello(a.bytesOf(40)), a.spoilt(frame(3, a.bytesOf(40)))...)
	}
	_, _ = a.c.Write(b)
}

// cut is a connection that takes some bytes only.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(b)
}

// guest logs in and sends commands of every number, well formed or not.
func (a *attack) guest(t *testing.T) {
	readPacket(t, a.c) // the greeting
	plain := append(binary.LittleEndian.AppendUint32(nil, uint32(mysql.CLIENT_PROTOCOL_41|mysql.CLIENT_SECURE_CONNECTION|mysql.CLIENT_PLUGIN_AUTH)), 0, 0, 0, 1, 33)
	plain = append(append(plain, make([]byte, 23)...), "native\x00\x00mysql_native_password\x00"...)
	if _, err := a.c.Write(frame(1, string(plain))); err != nil {
		t.Error(err)
		return
	}
	switched := readPacket(t, a.c)
	salt := bytes.TrimSuffix(switched[1+len("mysql_native_password")+1:], []byte{0})
	if _, err := a.c.Write(frame(3, string(mysql.CalcNativePassword(salt, []byte("secret"))))); err != nil {
		t.Error(err)
		return
	}
	if ok := readPacket(t, a.c); ok[0] != mysql.OK_HEADER {
		t.Errorf("login: %q", ok)
		return
	}
	for range 1 + a.IntN(6) {
		b := frame(0, string([]byte{byte(a.IntN(256))})+a.bytesOf(60))
		if a.IntN(4) == 0 {
			b = a.spoilt(b)
		}
		if _, err := a.c.Write(b); err != nil {
			return
		}
	}
}

// TestAttacks: broken packets, lengths and sequence numbers that are lies, TLS that is cut and commands of every number end
// their own connection at most; nobody gets past the login, nothing is left, and others are served.
func TestAttacks(t *testing.T) {
	_, certs := newCerts(t)
	g := &guarded{accounts: accounts{"native": {Plugin: mysql.AUTH_NATIVE_PASSWORD, Auth: mysql.EncodePasswordHex(mysql.NativePasswordHash([]byte("secret")))}}}
	f := startFleet(t, router.Options{TLS: certs, LoginTimeout: 500 * time.Millisecond, MaxConnections: 500}, serveHandler(t, g))
	const attacks = 150 // of each of four
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for w := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(w, 3))
			for n := range attacks {
				c, err := net.Dial("tcp", f.addr("cluster"))
				if err != nil {
					t.Error(err)
					return
				}
				a := &attack{r, c}
				if n%3 == 0 {
					a.guest(t)
				} else {
					a.stranger()
				}
				if r.IntN(3) > 0 {
					if tc, ok := c.(*net.TCPConn); ok {
						_ = tc.CloseWrite()
					}
					wantEnd(t, c)
				}
				_ = c.Close()
			}
		})
	}
	all.Wait()
	if n := g.logins.Load(); n != 4*attacks/3 {
		t.Errorf("%d logins, want %d", n, 4*attacks/3)
	}
	eventually(t, "every session ends", func() bool { return g.open.Load() == 0 })
	eventually(t, "the router's goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	if log := f.log.String(); strings.Contains(log, "panic") {
		t.Error(log)
	}
	c, err := f.open("cluster", "native", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, "SELECT USER()"); got != "native@127.0.0.1" {
		t.Error(got)
	}
}
