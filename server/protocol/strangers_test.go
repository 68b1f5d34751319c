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
	strangerBytesMax = 512 << 10
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
	third.wantError(1040, "Too many connections")
}

// TestStrangersMemory: what a client that has not logged in can have taken, with as much
// of the longest packet as it may send.
func TestStrangersMemory(t *testing.T) {
	_, addr := serve(t, newFake(), nil)
	body := make([]byte, 128<<10-2) // one less than is allowed
	frame := append([]byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), 1}, body[:len(body)-1]...)
	before := heap()
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
		}
	}
	runtime.KeepAlive(conns)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestStrangersTime: a login has LoginTimeout in all, however often a byte of it comes.
func TestStrangersTime(t *testing.T) {
	_, addr := serve(t, newFake(), func(o *protocol.Options) { o.LoginTimeout = 300 * time.Millisecond })
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
