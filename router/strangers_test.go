package router_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/router"
	"sextant/router/route"
)

// What docs/limits.md says of a client that has not logged in.
const (
	strangerBytesMax = 192 << 10
	strangersMax     = 64 // at least, or router.max_connections
)

func stranger(t *testing.T, f *fleet) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.addr("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	readPacket(t, c)
	return c
}

// closes waits until the router closes c.
func closes(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.Read(make([]byte, 512)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection stays")
		} else if err != nil {
			return
		}
	}
}

// TestStrangersGiveWay: clients that do not log in keep nobody out, neither those who have
// nor those who do.
func TestStrangersGiveWay(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{MaxConnections: 2}, db1.route(route.RoleWriter))
	first := f.mustOpen("cluster")
	var strangers []net.Conn
	for range strangersMax + 10 {
		strangers = append(strangers, stranger(t, f))
	}
	for _, c := range strangers[:10] {
		closes(t, c)
	}
	second := f.mustOpen("cluster")
	closes(t, strangers[10])
	if first.PingContext(t.Context()) != nil || second.PingContext(t.Context()) != nil {
		t.Error("who is logged in is closed")
	}
}

// TestStrangersDoNotEndHolds: who has sent a login and waits for an instance is none of
// those who give way.
func TestStrangersDoNotEndHolds(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{MaxConnections: 2}, db1.route(route.RoleWriter))
	f.source.set(func(top *route.Topology) { top.Epoch, top.Serves = 2, false })
	held := make(chan error, 1)
	go func() {
		_, err := f.open("cluster", "root", "", "")
		held <- err
	}()
	eventually(t, "one waits", func() bool { return f.metric("sextant_router_held_connections") == "1" })
	first := stranger(t, f)
	for range strangersMax {
		stranger(t, f)
	}
	closes(t, first)
	f.source.set(func(top *route.Topology) { top.Serves = true })
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// TestStrangersDoNotTakeAllHolds: who waits has shown no password, so clients of one
// address get no more places than others do.
func TestStrangersDoNotTakeAllHolds(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{HoldMax: 4}, db1.route(route.RoleWriter))
	f.source.set(func(top *route.Topology) { top.Epoch, top.Serves = 2, false })
	from := func(address string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		c, err := d.DialContext(t.Context(), "tcp", f.addr("cluster"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		sendHello(t, c)
		return c
	}
	refused := func(c net.Conn) {
		t.Helper()
		if b := readPacket(t, c); len(b) < 3 || b[0] != mysql.ERR_HEADER || binary.LittleEndian.Uint16(b[1:]) != mysql.ER_CON_COUNT_ERROR {
			t.Fatalf("answered %q", b)
		}
		closes(t, c)
	}
	var strangers []net.Conn
	for n := range 4 {
		strangers = append(strangers, from("127.0.0.3"))
		eventually(t, "it waits", func() bool { return f.metric("sextant_router_held_connections") == strconv.Itoa(n+1) })
	}
	refused(from("127.0.0.3"))
	results := make(chan error, 2)
	for n := range 2 { // of 127.0.0.1
		go func() {
			_, err := f.open("cluster", "root", "", "")
			results <- err
		}()
		refused(strangers[3-n])
	}
	refused(from("127.0.0.3"))
	refused(from("127.0.0.1"))
	if v := f.metric(`sextant_router_hold_seconds_count{outcome="gave_way"}`); v != "2" {
		t.Errorf("gave_way = %q", v)
	}
	f.source.set(func(top *route.Topology) { top.Serves = true })
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// TestStrangersMemory: what a client that has not logged in can have taken, with as much
// of the longest packet as it may send, within TLS.
func TestStrangersMemory(t *testing.T) {
	_, source := newCerts(t)
	f := newFleet(t, router.Options{TLS: source}, newInstance(t, "db-1").route(route.RoleWriter))
	secret := func() net.Conn {
		c := stranger(t, f)
		asks := append([]byte{32, 0, 0, 1, 0x01, 0xaa, 0x08, 0x01, 0, 0, 0, 1, 33}, make([]byte, 23)...)
		if _, err := c.Write(asks); err != nil {
			t.Fatal(err)
		}
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	n := 80<<10 - 1
	frame := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 2}, make([]byte, n-1)...)
	before, most := heap(), int64(0)
	for range strangersMax {
		if _, err := secret().Write(frame); err != nil {
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
	long := stranger(t, f)
	if _, err := long.Write([]byte{0xff, 0xff, 0x7f, 1, 0}); err != nil { // announces 8 MiB
		t.Fatal(err)
	}
	closes(t, long)
}

// TestStrangersTime: a login packet has LoginTimeout in all, however often a byte of it
// comes, and so has what follows when an instance was found.
func TestStrangersTime(t *testing.T) {
	f := newFleet(t, router.Options{LoginTimeout: 300 * time.Millisecond}, newInstance(t, "db-1").route(route.RoleWriter))
	silent, half, slow := stranger(t, f), stranger(t, f), stranger(t, f)
	if _, err := half.Write(helloPacket()); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for b := range 1 << 20 {
			if _, err := slow.Write([]byte{byte(b % 2)}); err != nil { // a packet of 256 bytes, and more
				return
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	for _, c := range []net.Conn{silent, half, slow} {
		closes(t, c)
	}
}
