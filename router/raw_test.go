package router_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
)

// login logs in over a connection that is there already.
func login(t testing.TB, nc net.Conn) *client.Conn {
	t.Helper()
	dial := func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	c, err := client.ConnectWithDialer(context.Background(), "tcp", "unused:1", "root", "", "", dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// readPacket reads one frame.
func readPacket(t testing.TB, c net.Conn) []byte {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var h [4]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// helloPacket is the login of user x without a password.
func helloPacket() []byte {
	b := []byte{0, 0, 0, 1, 0x01, 0xa2, 0x08, 0x01, 0, 0, 0, 1, 33}
	b = append(b, make([]byte, 23)...)
	b = append(b, "x\x00\x00mysql_native_password\x00"...)
	b[0] = byte(len(b) - 4)
	return b
}

// sendHello reads the greeting and logs in.
func sendHello(t testing.TB, c net.Conn) {
	t.Helper()
	readPacket(t, c)
	if _, err := c.Write(helloPacket()); err != nil {
		t.Fatal(err)
	}
}

// directAddr returns an address at which a client reaches the instance without
// a router, and without a header.
func (in *instance) directAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go in.handle(c)
		}
	}()
	return l.Addr().String()
}
