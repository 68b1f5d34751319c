package router_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"

	"sextant/router"
	"sextant/router/route"
)

func TestLogin(t *testing.T) {
	db1 := newInstance(t, "db-1")
	db1.password = "secret"
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	c, err := f.open("cluster", "root", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	if who := ask(t, c, "WHO"); who != "db-1" {
		t.Fatalf("attached to %s", who)
	}
	for _, password := range []string{"", "wrong"} {
		_, err := f.open("cluster", "root", password, "")
		wantError(t, err, mysql.ER_ACCESS_DENIED_ERROR)
	}
	if v := f.metric(`sextant_router_connects_total{endpoint="cluster",result="denied"}`); v != "2" {
		t.Errorf("denied = %q", v)
	}
	if v := f.metric(`sextant_router_connects_total{endpoint="cluster",result="ok"}`); v != "1" {
		t.Errorf("ok = %q", v)
	}
}

func TestInstanceSeesClientAddressAndEpoch(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	f := newFleet(t, router.Options{DialFrom: netip.MustParseAddr("127.0.0.9")},
		db1.route(route.RoleWriter), db2.route(route.RoleReader))
	for _, endpoint := range []string{"cluster", "reader"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
		nc, err := d.Dial("tcp", f.addr(endpoint))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := login(t, nc)
		peer, err := c.Execute("PEER")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := peer.GetString(0, 0); got != nc.LocalAddr().String() {
			t.Errorf("%s: the instance sees %s, the client is %s", endpoint, got, nc.LocalAddr())
		}
	}
	if e := db1.headers[0].WriterEpoch; e != 1 {
		t.Errorf("the cluster endpoint asks for the writer of epoch %d", e)
	}
	if e := db2.headers[0].WriterEpoch; e != 0 {
		t.Errorf("the reader endpoint asks for the writer of epoch %d", e)
	}
}

func TestReadersAreBalanced(t *testing.T) {
	db1, db2, db3 := newInstance(t, "db-1"), newInstance(t, "db-2"), newInstance(t, "db-3")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter),
		db2.route(route.RoleReader), db3.route(route.RoleReader))
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if _, err := f.open("reader", "root", "", ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if db1.count() != 0 || db2.count() != 20 || db3.count() != 20 {
		t.Fatalf("sessions: writer %d, readers %d and %d", db1.count(), db2.count(), db3.count())
	}
	if v := f.metric(`sextant_router_sessions{endpoint="reader",instance="db-2"}`); v != "20" {
		t.Errorf("sessions metric = %q", v)
	}
}

func TestReaderEndpointFallsBackToWriterAndSkipsDeadReader(t *testing.T) {
	db1, db2, db3 := newInstance(t, "db-1"), newInstance(t, "db-2"), newInstance(t, "db-3")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter),
		db2.route(route.RoleReader), db3.route(route.RoleReader))
	db2.stop() // the topology does not know yet
	for range 4 {
		if who := ask(t, f.mustOpen("reader"), "WHO"); who != "db-3" {
			t.Fatalf("attached to %s", who)
		}
	}
	f.source.set(func(top *route.Topology) { top.Instances = top.Instances[:1] })
	if who := ask(t, f.mustOpen("reader"), "WHO"); who != "db-1" {
		t.Fatalf("attached to %s", who)
	}
}

// A failover: the sessions of the lost writer end, those of readers stay, new
// connections wait until the next epoch serves and then reach its writer.
func TestFailover(t *testing.T) {
	db1, db2, db3 := newInstance(t, "db-1"), newInstance(t, "db-2"), newInstance(t, "db-3")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter),
		db2.route(route.RoleReader), db3.route(route.RoleReader))
	idle, busy := f.mustOpen("cluster"), f.mustOpen("cluster")
	reader2, reader3 := f.mustOpen("reader"), f.mustOpen("reader")
	who2 := ask(t, reader2, "WHO")
	who3 := ask(t, reader3, "WHO")
	waiting := make(chan error, 1)
	drain(db1.reached)
	go func() {
		_, err := busy.ExecContext(context.Background(), "WAIT")
		waiting <- err
	}()
	<-db1.reached

	f.source.set(func(top *route.Topology) { top.Epoch, top.Writer, top.Serves = 2, "db-2", false })
	if err := <-waiting; err == nil || strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("statement on the lost writer: %v", err)
	}
	if err := idle.PingContext(context.Background()); err == nil {
		t.Fatal("an idle session of the lost writer is alive")
	}
	const n = 30
	results := make(chan string, n)
	for range n {
		go func() {
			c, err := f.open("cluster", "root", "", "")
			if err != nil {
				results <- err.Error()
				return
			}
			results <- ask(t, c, "WHO")
		}()
	}
	eventually(t, "all wait", func() bool { return f.metric("sextant_router_held_connections") == "30" })
	f.source.set(func(top *route.Topology) { top.Serves = true })
	for range n {
		if who := <-results; who != "db-2" {
			t.Fatalf("after the failover: %s", who)
		}
	}
	if a, b := ask(t, reader2, "WHO"), ask(t, reader3, "WHO"); a != who2 || b != who3 {
		t.Fatalf("reader sessions moved: %s %s", a, b)
	}
	if v := f.metric("sextant_router_failovers_total"); v != "1" {
		t.Errorf("failovers = %q", v)
	}
	if v := f.metric(`sextant_router_hold_seconds_count{outcome="attached"}`); v != "30" {
		t.Errorf("held = %q", v)
	}
	if v := f.metric("sextant_router_held_connections"); v != "0" {
		t.Errorf("held now = %q", v)
	}
}

func drain(ch chan struct{}) {
	for {
		select {
		case <-ch:
		default:
			return
		}
	}
}

func TestHoldEndsWithError(t *testing.T) {
	f := newFleet(t, router.Options{HoldTimeout: 50 * time.Millisecond})
	begin := time.Now()
	_, err := f.open("cluster", "root", "", "")
	wantError(t, err, mysql.ER_CON_COUNT_ERROR)
	if d := time.Since(begin); d < 50*time.Millisecond {
		t.Errorf("waited only %v", d)
	}
	if v := f.metric(`sextant_router_hold_seconds_count{outcome="timeout"}`); v != "1" {
		t.Errorf("timeouts = %q", v)
	}
}

func TestHoldQueueIsBounded(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{HoldMax: 2}, db1.route(route.RoleWriter))
	f.source.set(func(top *route.Topology) { top.Epoch, top.Serves = 2, false })
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := f.open("cluster", "root", "", "")
			results <- err
		}()
	}
	eventually(t, "two wait", func() bool { return f.metric("sextant_router_held_connections") == "2" })
	_, err := f.open("cluster", "root", "", "")
	wantError(t, err, mysql.ER_CON_COUNT_ERROR)
	f.source.set(func(top *route.Topology) { top.Serves = true })
	for range 2 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
}

func TestClientThatLeavesTheQueueFreesItsPlace(t *testing.T) {
	f := newFleet(t, router.Options{})
	nc, err := net.Dial("tcp", f.addr("cluster"))
	if err != nil {
		t.Fatal(err)
	}
	sendHello(t, nc)
	eventually(t, "one waits", func() bool { return f.metric("sextant_router_held_connections") == "1" })
	nc.Close()
	eventually(t, "none waits", func() bool { return f.metric("sextant_router_held_connections") == "0" })
	if v := f.metric(`sextant_router_hold_seconds_count{outcome="client_gone"}`); v != "1" {
		t.Errorf("client_gone = %q", v)
	}
}

// A backend that is not the writer of the epoch is tried again until it is.
func TestConnectIsRetriedWhileBackendIsNotTheWriter(t *testing.T) {
	for _, code := range []uint16{mysql.ER_SERVER_SHUTDOWN, mysql.ER_OPTION_PREVENTS_STATEMENT, mysql.ER_READ_ONLY_MODE} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			db1 := newInstance(t, "db-1")
			db1.refuse = code
			f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
			result := make(chan error, 1)
			go func() {
				_, err := f.open("cluster", "root", "", "")
				result <- err
			}()
			<-db1.reached
			<-db1.reached
			db1.lock(func() { db1.refuse = 0 })
			if err := <-result; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A router with an old topology does not put a session on a deposed writer.
func TestDeposedWriterRefusesTheOldEpoch(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	db1.writerOf, db2.writerOf = 99, 2 // db-1 has heard that it is no writer any more
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter), db2.route(route.RoleReader))
	result := make(chan string, 1)
	go func() {
		c, err := f.open("cluster", "root", "", "")
		if err != nil {
			result <- err.Error()
			return
		}
		result <- ask(t, c, "WHO")
	}()
	<-db1.reached
	f.source.set(func(top *route.Topology) { top.Epoch, top.Writer = 2, "db-2" })
	if who := <-result; who != "db-2" {
		t.Fatalf("attached to %s", who)
	}
}

// A writer that hangs before its greeting does not keep the connection when the
// topology moves on.
func TestTopologyChangeInterruptsConnect(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	stall := make(chan struct{})
	defer close(stall)
	db1.stall = stall
	f := newFleet(t, router.Options{DialTimeout: time.Hour}, db1.route(route.RoleWriter), db2.route(route.RoleReader))
	result := make(chan string, 1)
	go func() {
		c, err := f.open("cluster", "root", "", "")
		if err != nil {
			result <- err.Error()
			return
		}
		result <- ask(t, c, "WHO")
	}()
	<-db1.reached
	f.source.set(func(top *route.Topology) { top.Epoch, top.Writer = 2, "db-2" })
	if who := <-result; who != "db-2" {
		t.Fatalf("attached to %s", who)
	}
}

func TestOtherGreetingErrorIsPassedOn(t *testing.T) {
	db1 := newInstance(t, "db-1")
	db1.refuse = mysql.ER_HOST_NOT_PRIVILEGED
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	_, err := f.open("cluster", "root", "", "")
	wantError(t, err, mysql.ER_HOST_NOT_PRIVILEGED)
}

func TestStaleTopologyIsIgnored(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter), db2.route(route.RoleReader))
	f.source.set(func(top *route.Topology) { top.Epoch, top.Writer = 2, "db-2" })
	f.source.set(func(top *route.Topology) { top.Epoch, top.Writer = 1, "db-1" })
	if who := ask(t, f.mustOpen("cluster"), "WHO"); who != "db-2" {
		t.Fatalf("attached to %s", who)
	}
}

func TestInstanceEndpointFailsAtOnce(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	f := newFleet(t, router.Options{HoldTimeout: time.Hour}, db1.route(route.RoleWriter), db2.route(route.RoleReader))
	f.source.set(func(top *route.Topology) {
		top.Endpoints = append(top.Endpoints, route.Endpoint{Name: "db-2", Type: route.TypeInstance,
			Addresses: []string{"127.0.0.1:0"}, Listed: []string{"db-2"}})
	})
	if who := ask(t, f.mustOpen("db-2"), "WHO"); who != "db-2" {
		t.Fatalf("attached to %s", who)
	}
	db2.stop()
	_, err := f.open("db-2", "root", "", "")
	wantError(t, err, mysql.ER_CON_COUNT_ERROR)
}

func TestEndpointsComeAndGo(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter), db2.route(route.RoleReader))
	f.source.set(func(top *route.Topology) {
		top.Endpoints = append(endpoints(), route.Endpoint{Name: "reports", Type: route.TypeCustom,
			Addresses: []string{"127.0.0.1:0"}, Members: route.MembersReader, List: route.ListStatic,
			Listed: []string{"db-2"}})
	})
	addr := f.addr("reports")
	c := f.mustOpen("reports")
	if who := ask(t, c, "WHO"); who != "db-2" {
		t.Fatalf("attached to %s", who)
	}
	f.source.set(func(top *route.Topology) { top.Endpoints = endpoints() })
	if len(f.r.Addrs("reports")) != 0 {
		t.Fatal("the endpoint still listens")
	}
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Fatal("the address still accepts")
	}
	if who := ask(t, c, "WHO"); who != "db-2" { // the session stays
		t.Fatalf("attached to %s", who)
	}
}

// An address that is taken is tried again; the others work meanwhile.
func TestTakenAddressIsTriedAgain(t *testing.T) {
	db1 := newInstance(t, "db-1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	f.source.set(func(top *route.Topology) {
		top.Endpoints = append(endpoints(), route.Endpoint{Name: "late", Type: route.TypeCluster,
			Addresses: []string{taken.Addr().String()}})
	})
	if code, why := f.get("/healthz"); code != 503 {
		t.Errorf("healthz: %d %s", code, why)
	}
	f.mustOpen("cluster")
	taken.Close()
	eventually(t, "the address is open", func() bool { return len(f.r.Addrs("late")) == 1 })
	f.mustOpen("late")
}

func TestTooManyConnections(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{MaxConnections: 2}, db1.route(route.RoleWriter))
	first := f.mustOpen("cluster")
	f.mustOpen("cluster")
	_, err := f.open("cluster", "root", "", "")
	wantError(t, err, mysql.ER_CON_COUNT_ERROR)
	if !strings.Contains(err.Error(), "08004") {
		t.Errorf("no SQLSTATE 08004 in %v", err)
	}
	if err := first.Raw(func(c any) error { return c.(interface{ Close() error }).Close() }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a place is free", func() bool { return f.metric("sextant_router_connections") == "1" })
	f.mustOpen("cluster")
}

// The instance's end reaches a client that waits for nothing.
func TestIdleClientLearnsThatItsInstanceIsGone(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	c := raw(t, f.addr("cluster"), "root", "")
	if err := c.Ping(); err != nil {
		t.Fatal(err)
	}
	db1.closeSessions()
	if rest := wantEnd(t, c.Conn.Conn); len(rest) != 0 {
		t.Errorf("got %q before the end", rest)
	}
}

// What an instance says before it closes an idle session is passed on.
func TestIdleClientIsToldWhy(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	c := raw(t, f.addr("cluster"), "root", "")
	c.ResetSequence()
	if err := c.WritePacket(append(make([]byte, 4), append([]byte{mysql.COM_QUERY}, "BYE"...)...)); err != nil {
		t.Fatal(err)
	}
	if rest := wantEnd(t, c.Conn.Conn); !strings.Contains(string(rest), "inactivity") {
		t.Errorf("got %q before the end", rest)
	}
}

func TestAnswerThatNobodyAskedForEndsTheSession(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	c := raw(t, f.addr("cluster"), "root", "")
	_, _ = c.Execute("TWICE")
	for range 2 { // the second answer may come late, then it is the next command's
		_ = c.Ping()
	}
	eventually(t, "the router saw it", func() bool {
		return strings.Contains(f.log.String(), "not asked") || strings.Contains(f.log.String(), "more than it was asked")
	})
}

// A client that goes away ends its statement.
func TestGoneClientEndsItsStatement(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	c := raw(t, f.addr("cluster"), "root", "")
	drain(db1.reached)
	c.ResetSequence()
	if err := c.WritePacket(append(make([]byte, 4), append([]byte{mysql.COM_QUERY}, "WAIT"...)...)); err != nil {
		t.Fatal(err)
	}
	<-db1.reached
	c.Conn.Conn.Close()
	eventually(t, "the session is gone", func() bool { return f.metric("sextant_router_connections") == "0" })
}

func TestKill(t *testing.T) {
	db1, db2 := newInstance(t, "db-1"), newInstance(t, "db-2")
	var there []string
	o := router.Options{Kill: func(_ context.Context, on route.Instance, id uint32, queryOnly bool) error {
		there = append(there, fmt.Sprint(on.ID, id, queryOnly))
		db1.mu.Lock()
		defer db1.mu.Unlock()
		db1.sessions[id].killed <- struct{}{}
		return nil
	}}
	f := newFleet(t, o, db1.route(route.RoleWriter), db2.route(route.RoleReader))
	for range 3 { // so that ids differ from the instance's
		if _, err := f.open("cluster", "nobody", "wrong", ""); err == nil {
			t.Fatal("no error")
		}
	}
	victim := raw(t, f.addr("cluster"), "root", "")
	here := raw(t, f.addr("cluster"), "root", "")
	reader := raw(t, f.addr("reader"), "root", "")
	other := raw(t, f.addr("reader"), "someone", "")
	id := victim.GetConnectionID()
	if id>>24 != 1 {
		t.Fatalf("connection id %#x", id)
	}
	run := func(kill func() error) {
		t.Helper()
		drain(db1.reached)
		result := make(chan error, 1)
		go func() {
			_, err := victim.Execute("WAIT")
			result <- err
		}()
		<-db1.reached
		if err := kill(); err != nil {
			t.Fatal(err)
		}
		if err := <-result; mysql.ErrorCode(err.Error()) != mysql.ER_QUERY_INTERRUPTED {
			t.Fatalf("the victim got %v", err)
		}
	}
	statement := func(c interface {
		Execute(string, ...any) (*mysql.Result, error)
	}, format string) func() error {
		return func() error {
			_, err := c.Execute(fmt.Sprintf(format, id))
			return err
		}
	}
	run(statement(here, "KILL QUERY %d"))
	run(statement(here, "/* Ctrl-C */ kill\nquery %d"))
	run(statement(reader, "KILL QUERY %d"))
	if len(there) != 1 || !strings.HasPrefix(there[0], "db-1") || !strings.HasSuffix(there[0], "true") {
		t.Fatalf("asked for %v", there)
	}
	if err := statement(other, "KILL QUERY %d")(); mysql.ErrorCode(err.Error()) != mysql.ER_KILL_DENIED_ERROR {
		t.Fatalf("another user's KILL: %v", err)
	}
	if _, err := here.Execute("KILL 4000000000"); mysql.ErrorCode(err.Error()) != mysql.ER_NO_SUCH_THREAD {
		t.Fatalf("KILL of an id that is nobody's: %v", err)
	}
	// COM_PROCESS_KILL
	here.ResetSequence()
	if err := here.WritePacket([]byte{0, 0, 0, 0, mysql.COM_PROCESS_KILL,
		byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)}); err != nil {
		t.Fatal(err)
	}
	if b, err := here.ReadPacket(); err != nil || b[0] != 0 {
		t.Fatalf("COM_PROCESS_KILL: %q %v", b, err)
	}
	wantEnd(t, victim.Conn.Conn)
}

// Close lets a transaction end, ends idle sessions at once and takes no new ones.
func TestCloseDrains(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	addr := f.addr("cluster")
	idle, trx := raw(t, addr, "root", ""), raw(t, addr, "root", "")
	if _, err := trx.Execute("BEGIN"); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { closed <- f.r.Close(ctx) }()
	wantEnd(t, idle.Conn.Conn)
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Fatal("the address still accepts")
	}
	if _, err := trx.Execute("WHO"); err != nil {
		t.Fatalf("in the transaction: %v", err)
	}
	if _, err := trx.Execute("COMMIT"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, trx.Conn.Conn)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsWhatDoesNotEnd(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	c := raw(t, f.addr("cluster"), "root", "")
	if _, err := c.Execute("BEGIN"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.r.Close(ctx); err != context.Canceled {
		t.Fatalf("Close: %v", err)
	}
	wantEnd(t, c.Conn.Conn)
}

func TestAdmin(t *testing.T) {
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	if code, body := f.get("/healthz"); code != 200 || body != "ok\n" {
		t.Fatalf("healthz: %d %q", code, body)
	}
	f.mustOpen("cluster")
	_, body := f.get("/topology")
	var top struct {
		Epoch     int
		Writer    string
		Serves    bool
		Instances []struct {
			ID       string
			LagMS    *int `json:"lag_ms"`
			Sessions int
		}
		Endpoints []struct {
			Name      string
			Addresses []string
			Members   []string
		}
	}
	if err := json.Unmarshal([]byte(body), &top); err != nil {
		t.Fatal(err)
	}
	if top.Epoch != 1 || top.Writer != "db-1" || !top.Serves || len(top.Instances) != 1 ||
		top.Instances[0].LagMS != nil || top.Instances[0].Sessions != 1 ||
		top.Endpoints[0].Addresses[0] != f.addr("cluster") || top.Endpoints[0].Members[0] != "db-1" {
		t.Fatalf("topology: %s", body)
	}
	if v := f.metric(`sextant_router_bytes_total{direction="down",endpoint="cluster"}`); v == "" || v == "0" {
		t.Errorf("bytes = %q", v)
	}
}

func TestNoTopologyIsUnhealthy(t *testing.T) {
	r, err := router.New(router.Options{Number: 1, Topology: &source{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := router.New(router.Options{Topology: &source{}}); err == nil {
		t.Error("Number 0 is accepted")
	}
}

// Idle sessions hold no buffers: 500 of them need less than 16 KiB each, both
// sockets' bookkeeping and the goroutine's stack included. The fake instance runs
// in this process too, so its part is measured first and taken off.
func TestIdleSessionsAreSmall(t *testing.T) {
	const n = 500
	db1 := newInstance(t, "db-1")
	f := newFleet(t, router.Options{}, db1.route(route.RoleWriter))
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // the second empties the pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	connect := func(addr string) []*sql.Conn {
		var conns []*sql.Conn
		for range n {
			c, err := openAt(t, addr, "root", "", "")
			if err != nil {
				t.Fatal(err)
			}
			ask(t, c, "WHO")
			conns = append(conns, c)
		}
		return conns
	}
	start := heap()
	direct := connect(db1.directAddr(t))
	between := heap()
	through := connect(f.addr("cluster"))
	end := heap()
	perSession := ((end - between) - (between - start)) / n
	t.Logf("%d sessions: %d bytes each in the router", n, perSession)
	if perSession > 16<<10 {
		t.Errorf("an idle session takes %d bytes", perSession)
	}
	runtime.KeepAlive(direct)
	runtime.KeepAlive(through)
}
