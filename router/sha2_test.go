package router_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/server"

	"sextant/router"
	"sextant/router/proxyv2"
	"sextant/router/route"
)

// serveSHA2 is an instance whose user has caching_sha2_password: go-mysql's own server.
func serveSHA2(t *testing.T) route.Instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conf := server.NewDefaultServer()
	users := server.NewInMemoryAuthenticationHandler(mysql.AUTH_CACHING_SHA2_PASSWORD)
	if err := users.AddUser("root", "secret"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := proxyv2.Read(c); err != nil {
					return
				}
				s, err := conf.NewCustomizedConn(c, users, server.EmptyHandler{})
				for err == nil {
					err = s.HandleCommand()
				}
			}()
		}
	}()
	return route.Instance{ID: "sha2", Role: route.RoleWriter, Address: l.Addr().String(), Healthy: true}
}

// The first login is a full one (RSA on a plain connection), the second is fast:
// the instance remembers.
func TestCachingSHA2(t *testing.T) {
	f := newFleet(t, router.Options{}, serveSHA2(t))
	connect := func(password string) error {
		c, err := client.Connect(f.addr("cluster"), "root", password, "", func(c *client.Conn) error {
			c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF) // that server does not have it
			return nil
		})
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Ping()
	}
	for range 2 {
		if err := connect("secret"); err != nil {
			t.Fatal(err)
		}
	}
	if err := connect("wrong"); err == nil || !strings.Contains(err.Error(), "1045") {
		t.Fatalf("wrong password: %v", err)
	}
}

// scripted is an instance that sends one packet in answer to each it receives.
func scripted(t *testing.T, answers ...string) route.Instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := proxyv2.Read(c); err != nil {
			return
		}
		for i, a := range answers {
			_, err := c.Write(append([]byte{byte(len(a)), 0, 0, byte(2 * i)}, a...))
			if err != nil {
				return
			}
			var h [4]byte
			if _, err := io.ReadFull(c, h[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, c, int64(h[0])|int64(h[1])<<8); err != nil {
				return
			}
		}
	}()
	return route.Instance{ID: "scripted", Role: route.RoleWriter, Address: l.Addr().String(), Healthy: true}
}

const scriptedGreeting = "\x0a8.0\x00\x01\x00\x00\x00abcdefgh\x00\xff\xff\x21\x02\x00\xff\x01\x15" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ijklmnopqrst\x00mysql_native_password\x00"

// A password in clear is neither asked for nor passed on.
func TestCleartextIsRefused(t *testing.T) {
	sha2 := "\xfecaching_sha2_password\x00abcdefghijklmnopqrst\x00"
	for name, test := range map[string]struct {
		answers []string
		client  []string // what the client answers after its login
	}{
		"clear plugin":   {[]string{scriptedGreeting, "\xfemysql_clear_password\x00"}, nil},
		"dialog plugin":  {[]string{scriptedGreeting, "\xfedialog\x00"}, nil},
		"clear for sha2": {[]string{scriptedGreeting, sha2, "\x01\x04"}, []string{strings.Repeat("p", 32), "secret\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, router.Options{}, scripted(t, test.answers...))
			c, err := net.Dial("tcp", f.addr("cluster"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			sendHello(t, c)
			for i, a := range test.client {
				readPacket(t, c)
				if _, err := c.Write(append([]byte{byte(len(a)), 0, 0, byte(3 + 2*i)}, a...)); err != nil {
					t.Fatal(err)
				}
			}
			b := readPacket(t, c)
			if b[0] != mysql.ERR_HEADER || binary.LittleEndian.Uint16(b[1:]) != 3159 {
				t.Fatalf("answer %q", b)
			}
			wantEnd(t, c)
		})
	}
}

// A client that is not logged in can send no more than a login needs.
func TestUnauthenticatedPacketIsBounded(t *testing.T) {
	f := newFleet(t, router.Options{})
	c, err := net.Dial("tcp", f.addr("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	readPacket(t, c)
	if _, err := c.Write([]byte{0xff, 0xff, 0x7f, 1, 0}); err != nil { // announces 8 MiB
		t.Fatal(err)
	}
	wantEnd(t, c)
}

func TestSilentClientIsClosed(t *testing.T) {
	f := newFleet(t, router.Options{LoginTimeout: 30e6})
	c, err := net.Dial("tcp", f.addr("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if rest := wantEnd(t, c); len(rest) == 0 {
		t.Fatal("no greeting")
	}
}

func TestTLSIsRefused(t *testing.T) {
	f := newFleet(t, router.Options{})
	c, err := net.Dial("tcp", f.addr("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	readPacket(t, c)
	request := append([]byte{32, 0, 0, 1, 0x01, 0xaa, 0x08, 0x01}, make([]byte, 28)...)
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if b := readPacket(t, c); binary.LittleEndian.Uint16(b[1:]) != mysql.ER_HANDSHAKE_ERROR {
		t.Fatalf("answer %q", b)
	}
}
