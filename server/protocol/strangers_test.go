package protocol_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/server/protocol"
)

// What docs/limits.md says of a client that has not logged in.
const (
	strangerBytesMax = 192 << 10
	strangersMax     = 64 // at least, or max_connections
)

// closedIn waits until the other end closes c, reading what it says.
func closedIn(t *testing.T, c net.Conn, within time.Duration) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.Read(make([]byte, 512)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the connection stays for %v", within)
		} else if err != nil {
			return
		}
	}
}

// TestStrangersGiveWay: clients that do not log in keep nobody out, neither those who have
// nor those who do.
func TestStrangersGiveWay(t *testing.T) {
	s, addr := serve(t, newFake(), func(o *protocol.Options) { o.MaxConnections = func() int { return 2 } })
	first := login(t, addr, oldCaps)
	var strangers []net.Conn
	for range strangersMax + 10 {
		r := dial(t, addr)
		r.read()
		strangers = append(strangers, r.Conn)
	}
	for _, c := range strangers[:10] {
		closedIn(t, c, 30*time.Second)
	}
	second := login(t, addr, oldCaps)
	closedIn(t, strangers[10], 30*time.Second)
	for _, r := range []*raw{first, second} {
		r.command(mysql.COM_PING, "")
		r.want("\x00")
	}
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
	third := dial(t, addr)
	third.read()
	third.write(helloPacket(oldCaps, "root", "", "caching_sha2_password"))
	third.wantError(1040, "Too many connections")
}

// TestStrangersMemory: what a client that has not logged in can have taken, with as much
// of the longest packet as it may send.
func TestStrangersMemory(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	body := make([]byte, 80<<10-2) // one less than is allowed
	frame := append([]byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), 1}, body[:len(body)-1]...)
	before, most := heap(), int64(0)
	conns := make([]*raw, strangersMax)
	for i := range conns {
		conns[i] = dial(t, addr)
		conns[i].read()
		if _, err := conns[i].Conn.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if took := heap() - before; took > strangersMax*strangerBytesMax {
			t.Fatalf("%d strangers have %d bytes each", strangersMax, took/strangersMax)
		} else {
			most = max(most, took)
		}
	}
	t.Logf("%d bytes each, the client's side included", most/strangersMax)
	runtime.KeepAlive(conns)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// headed is a listener whose connections begin with a header of one byte, as a router's do.
type headed struct {
	net.Listener
	deadlines chan time.Time // that the server sets, and when the header was read
}

func (l headed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &headedConn{c, l.deadlines}, err
}

type headedConn struct {
	net.Conn
	deadlines chan time.Time
}

func (c *headedConn) SetDeadline(t time.Time) error {
	c.deadlines <- t
	return c.Conn.SetDeadline(t)
}

func (c *headedConn) ConnectionID() uint32 {
	_, _ = c.Read(make([]byte, 1))
	c.deadlines <- time.Time{}
	return 7
}

// TestStrangersTime: a login has LoginTimeout in all, however often a byte of it comes,
// and what a router says first is in that time.
func TestStrangersTime(t *testing.T) {
	deadlines := make(chan time.Time, 64)
	_, addr := serve(t, newFake(), func(o *protocol.Options) {
		o.LoginTimeout = 300 * time.Millisecond
		o.Listener = headed{o.Listener, deadlines}
	})
	silent := dial(t, addr) // not even the header comes
	closedIn(t, silent.Conn, 30*time.Second)
	if len(deadlines) != 2 || (<-deadlines).IsZero() || !(<-deadlines).IsZero() {
		t.Fatal("the header has not one deadline, set before it is read")
	}
	half := dial(t, addr)
	if _, err := half.Conn.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	closedIn(t, half.Conn, 30*time.Second)
	if len(deadlines) != 2 || (<-deadlines).IsZero() || !(<-deadlines).IsZero() {
		t.Fatal("the login has another deadline than the header")
	}

	_, addr = serve(t, newFake(), func(o *protocol.Options) { o.LoginTimeout = 300 * time.Millisecond })
	r := dial(t, addr)
	r.read()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for b := range 1 << 20 {
			if _, err := r.Conn.Write([]byte{byte(b % 2)}); err != nil { // a packet of 256 bytes, and more
				return
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	closedIn(t, r.Conn, 30*time.Second)
}
