package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sextant/internal/hangup"
	"sextant/scripts/chaos/check"
)

var noNamespaces string // why there are none

func TestMain(m *testing.M) {
	noNamespaces = enter()
	quietDriver()
	os.Exit(m.Run())
}

func TestScheduleIsTheSeeds(t *testing.T) {
	draw := func(seed uint64, namespaces bool) (text []string) {
		s := newSchedule(seed, namespaces, func(fault) bool { return true })
		for range 2 * len(faults) {
			e := s.next()
			text = append(text, fmt.Sprint(e.kind(), e.seed, e.hold, e.calm, e.lead))
		}
		return text
	}
	if !slices.Equal(draw(7, true), draw(7, true)) {
		t.Error("one seed gives two schedules")
	}
	if slices.Equal(draw(7, true), draw(8, true)) {
		t.Error("two seeds give one schedule")
	}
	all := strings.Join(draw(7, true), "\n")
	for _, f := range faults {
		if strings.Count(all, f.kind) < 2 {
			t.Errorf("%s does not come twice in two rounds", f.kind)
		}
		if f.namespaces && strings.Contains(strings.Join(draw(7, false), "\n"), f.kind) {
			t.Errorf("%s comes without namespaces", f.kind)
		}
	}
}

// About one event in three has an undertow, each kind comes, no fault has one that it does
// not bear, and what is not chosen is none.
func TestScheduleDrawsUndertows(t *testing.T) {
	const n = 3000
	s := newSchedule(1, true, func(f fault) bool { return !f.ends })
	seen, with := map[string]int{}, 0
	for range n {
		if e := s.next(); e.undertow != nil {
			with++
			seen[e.undertow.kind]++
			if e.undertow.ends || !e.fault.bears(*e.undertow) {
				t.Error(e.kind())
			}
		}
	}
	if with < n/4 || with > n/2 || len(seen) != 5 {
		t.Errorf("%d of %d events have an undertow: %v", with, n, seen)
	}
	one := map[string]bool{}
	for _, f := range faults {
		one[f.kind] = f.bears(fault{takes: ofStorage})
	}
	for _, kind := range []string{"stop zone", "stop zone and one", "cut zone off", "cut writer from half", "kill two storage", "kill all storage", "kill all"} {
		if one[kind] {
			t.Errorf("%s and one storage node more", kind)
		}
	}
}

// An undertow begins before the fault and ends after it; its own error counts.
func TestUndertowLastsLonger(t *testing.T) {
	w := &world{h: newHistory(), say: t.Logf}
	var order []string
	wrong := errors.New("wrong")
	e := event{fault: fault{kind: "fault"}, undertow: &fault{kind: "undertow", run: func(ctx context.Context, w *world, _ *rand.Rand, _ time.Duration) error {
		order = append(order, "begins")
		w.inject("", false)
		<-ctx.Done()
		order = append(order, "ends")
		return wrong
	}}}
	err := w.during(t.Context(), e, func() error { order = append(order, "fault"); return nil })
	if !errors.Is(err, wrong) || !slices.Equal(order, []string{"begins", "fault", "ends"}) {
		t.Error(order, err)
	}
	e.undertow.run = func(context.Context, *world, *rand.Rand, time.Duration) error { return wrong }
	if err := w.during(t.Context(), e, func() error { return nil }); !errors.Is(err, wrong) {
		t.Errorf("an undertow that fails: %v", err)
	}
}

// What goes through a proxy arrives whole, and not before its delay.
func TestProxyDelays(t *testing.T) {
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	go func() { // echoes
		for {
			c, err := back.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(front, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", back.Addr().String())
	})
	defer p.close()
	const delay = 60 * time.Millisecond
	p.delay.Store(int64(delay))
	c, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("sextant "), 500_000) // more than the window, four times
	began := time.Now()
	go func() {
		c.Write(sent)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %v with a delay of %v each way", took, delay)
	}
}

func twoHosts(t *testing.T) *network {
	t.Helper()
	if noNamespaces != "" {
		t.Skip("tool missing:", noNamespaces)
	}
	n, err := newNetwork([]string{"left", "right"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

func TestNetworkCutsOneWay(t *testing.T) {
	n := twoHosts(t)
	listen := func(host string) net.PacketConn {
		t.Helper()
		c, err := in(host, func() (net.PacketConn, error) { return net.ListenPacket("udp", n.hosts[host]+":4000") })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	at := map[string]net.PacketConn{"left": listen("left"), "right": listen("right")}
	// passes reports whether a packet arrives; a lost one is one that never does. Late ones
	// of an earlier call do not count.
	calls := 0
	passes := func(from, to string) bool {
		t.Helper()
		calls++
		text := fmt.Appendf(nil, "%s to %s, %d", from, to, calls)
		addr := &net.UDPAddr{IP: net.ParseIP(n.hosts[to]), Port: 4000}
		b := make([]byte, 100)
		for range 20 {
			_, _ = at[from].WriteTo(text, addr) // refused at once by a blackhole
			at[to].SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if k, _, err := at[to].ReadFrom(b); err == nil && bytes.Equal(b[:k], text) {
				return true
			}
		}
		return false
	}
	expect := func(what string, there, back bool) {
		t.Helper()
		if a, b := passes("left", "right"), passes("right", "left"); a != there || b != back {
			t.Errorf("%s: left to right %v, right to left %v", what, a, b)
		}
	}
	expect("at first", true, true)
	if err := n.cut("left", "right"); err != nil {
		t.Fatal(err)
	}
	expect("cut", false, true)
	if err := n.heal("left", "right"); err != nil {
		t.Fatal(err)
	}
	expect("healed", true, true)
	if err := n.link("right", false); err != nil {
		t.Fatal(err)
	}
	expect("without a link", false, false)
	if err := n.link("right", true); err != nil {
		t.Fatal(err)
	}
	expect("with a link again", true, true)
}

// A connection through a proxy that delays breaks when that goes; it does not die without
// a word, as the writer would be replaced for its silence then. The next reaches the host
// itself.
func TestDelayedLinkBreaksAtItsEnd(t *testing.T) {
	n := twoHosts(t)
	l, err := in("right", func() (net.Listener, error) { return net.Listen("tcp", n.hosts["right"]+":4000") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const delay = 20 * time.Millisecond
	undo, err := n.delayed("left", "right", 4000, delay)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() (there, here net.Conn) {
		t.Helper()
		there, err := in("left", func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { there.Close() })
		if here, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { here.Close() })
		return there, here
	}
	there, here := dial()
	began := time.Now()
	there.Write([]byte("x"))
	if _, err := here.Read(make([]byte, 1)); err != nil || time.Since(began) < delay {
		t.Errorf("read after %v: %v", time.Since(began), err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	there.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := there.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("when the delay ends the connection does not: %v", err)
	}
	dial()
}

// The table of a run: what belongs to which fault, and what is lost or wrong.
func TestReport(t *testing.T) {
	w := &world{h: newHistory(), seed: 7, lags: []float64{1, 2, 30}}
	at := func(ms int) string {
		return w.h.began.Add(time.Duration(ms) * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000000000Z")
	}
	output := "control-3 | time=" + at(10) + ` level=INFO msg="writer granted" node=db-1 volume_epoch=1 reason="there was no writer yet"
db-1 | time=` + at(20) + ` level=INFO msg="volume is open" node=db-1 volume_epoch=1 vdl=0
control-3 | time=` + at(700) + ` level=INFO msg="writer granted" node=control-3 node=db-1 volume_epoch=2 reason="silence"
db-1 | time=` + at(710) + ` level=INFO msg="volume is open" node=db-1 volume_epoch=2 vdl=0
control-3 | time=` + at(1050) + ` level=INFO msg="writer granted" node=control-3 node=db-2 volume_epoch=3 reason="exit"
control-3 | time=` + at(1070) + ` level=INFO msg="writer granted" node=db-3 volume_epoch=4 reason="exit"
db-3 | time=` + at(1100) + ` level=INFO msg="volume is open" node=db-3 volume_epoch=4 vdl=0
`
	ms := int64(time.Millisecond)
	w.injected = []injection{{kind: "pause reader", at: 500 * ms}, {kind: "kill writer", at: 1000 * ms, lost: []int64{1000 * ms}}}
	w.h.acks = []int64{900 * ms, 995 * ms, 1200 * ms, 1201 * ms, 9000 * ms}
	got, unasked := w.takeovers(output)
	if len(got) != 1 || got[0].kind != "kill writer" || got[0].recovered.Round(time.Millisecond) != 30*time.Millisecond ||
		got[0].detected.Round(time.Millisecond) != 70*time.Millisecond || got[0].gap != 200*time.Millisecond {
		t.Errorf("takeovers: %+v", got)
	}
	if !maps.Equal(unasked, map[string]int{"pause reader": 1, "kill writer": 1}) {
		t.Errorf("not asked for: %v", unasked)
	}
	var out strings.Builder
	w.print(&out, output, verdict{found: []check.Anomaly{{Kind: check.Lost, Detail: "row 7"}, {Kind: check.ReadSkew, Detail: "x"}}, registers: 40, undecided: 2})
	for _, want := range []string{"seed 7", "pause reader  1", "transactions acknowledged          5", "lost                               1", "anomalies                          1", "registers not checked              2", "failovers that no fault asked for  2  kill writer 1, pause reader 1", "lost: row 7", "reader lag"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

// A run that was not checked does not pass.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		want string
		v    verdict
	}{
		{"<nil>", verdict{}},
		{"<nil>", verdict{registers: 100, undecided: undecidedMost}},
		{"4 of 100 registers are not checked", verdict{registers: 100, undecided: undecidedMost + 1}},
		{"1 of 20 registers are not checked", verdict{registers: 20, undecided: 1}},
		{"1 lost, 0 anomalies", verdict{found: []check.Anomaly{{Kind: check.Stale}}, registers: 1}},
		{"0 lost, 1 anomalies", verdict{found: []check.Anomaly{{Kind: check.Torn}}, registers: 1, undecided: 1}},
	} {
		if got := fmt.Sprint(c.v.err()); !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: %s", c.v, got)
		}
	}
}

// A history that fails is saved with its seed.
func TestHistoryIsSaved(t *testing.T) {
	h := newHistory()
	h.Whole = true
	h.Inserts = []check.Insert{{ID: 1, Unique: 2, Outcome: check.Committed}}
	found := h.check().found
	if len(found) != 1 || found[0].Kind != check.Lost {
		t.Fatalf("found %v", found)
	}
	dir, err := h.save(t.TempDir(), 7, found, "output")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"found.txt": "SEED=7", "history.json": `"Unique":2`, "cluster.log": "output"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s %v", name, b, err)
		}
	}
}

// What grows slowly is found; a process that is killed, a cache that fills and a moment
// do not count.
func TestSoakFindsGrowth(t *testing.T) {
	series := func(bytes func(i int) int64, files func(i int) int) (out []usage) {
		for i := range 300 {
			out = append(out, usage{time.Duration(i) * 12 * time.Second, bytes(i), files(i)})
		}
		return out
	}
	flat := func(int) int64 { return 300 << 20 }
	few := func(int) int { return 50 }
	used := map[string][]usage{}
	for _, id := range others("router-1") {
		used[id] = series(flat, few)
	}
	used["storage-1"] = series(func(i int) int64 { return int64(min(i, 100)) << 22 }, few)  // fills a cache, then stays
	used["storage-2"] = series(func(i int) int64 { return 80<<20 + int64(i)*200<<10 }, few) // 58 MiB in the hour
	used["storage-3"] = series(func(i int) int64 { return 80<<20 + int64(i/295)<<26 }, few) // at last for a minute
	used["storage-6"] = used["storage-2"]                                                   // is killed
	used["db-1"] = series(flat, func(i int) int { return 50 + i })
	used["db-2"] = used["db-2"][:200] // none in the last third
	want := []string{"storage-2 grows", "db-1 grows", "db-2 was not measured", "router-1 was not measured"}
	if bad := printUsage(used, time.Hour); !slices.Equal(bad, want) {
		t.Errorf("got %v, want %v", bad, want)
	}
	if bad := printUsage(used, time.Minute); len(bad) > 0 {
		t.Errorf("after a minute %v", bad)
	}
}

// A peer that is cut off without a word is noticed, by who has sent something and by who
// only listens.
func TestVanishedPeerEndsConnection(t *testing.T) {
	n := twoHosts(t)
	l, err := in("left", func() (net.Listener, error) { return net.Listen("tcp", n.hosts["left"]+":0") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	right, err := in("right", func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	defer right.Close()
	left, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	hangup.Bound(left)
	hangup.Bound(right)
	if err := n.link("right", false); err != nil {
		t.Fatal(err)
	}
	if _, err := left.Write([]byte("is anybody there?")); err != nil {
		t.Fatal(err)
	}
	for side, c := range map[string]net.Conn{"who has sent": left, "who listens": right} {
		c.SetReadDeadline(time.Now().Add(patience))
		_, err := c.Read(make([]byte, 1))
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", side, err)
		}
	}
}
