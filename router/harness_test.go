package router_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"sextant/internal/locked"
	"sextant/router"
	"sextant/router/route"
)

const patience = 20 * time.Second

// source is a topology source that the test drives.
type source struct {
	mu      sync.Mutex
	current route.Topology
	ready   chan struct{} // closed when apply is known
	apply   func(route.Topology)
}

func (s *source) Watch(ctx context.Context, apply func(route.Topology)) error {
	s.mu.Lock()
	s.apply = apply
	apply(s.current)
	s.mu.Unlock()
	close(s.ready)
	<-ctx.Done()
	return ctx.Err()
}

// set changes the topology; when it returns the router has applied it.
func (s *source) set(change func(*route.Topology)) {
	<-s.ready
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.current)
	s.current.Version++
	s.apply(s.current)
}

// fleet is a router with its instances.
type fleet struct {
	t      testing.TB
	r      *router.Router
	source *source
	admin  string
	log    *locked.Buffer
	served chan error
}

func endpoints() []route.Endpoint {
	any := []string{"127.0.0.1:0"}
	return []route.Endpoint{
		{Name: "cluster", Type: route.TypeCluster, Addresses: any},
		{Name: "reader", Type: route.TypeReader, Addresses: any},
	}
}

// newFleet is startFleet for instances without query attributes, as MariaDB.
func newFleet(t testing.TB, o router.Options, instances ...route.Instance) *fleet {
	t.Helper()
	o.Without = gomysql.CLIENT_QUERY_ATTRIBUTES
	return startFleet(t, o, instances...)
}

// startFleet starts a router. The first instance is the writer of epoch 1 and serves.
func startFleet(t testing.TB, o router.Options, instances ...route.Instance) *fleet {
	t.Helper()
	f := &fleet{t: t, log: &locked.Buffer{}, served: make(chan error, 1)}
	f.source = &source{ready: make(chan struct{})}
	f.source.current = route.Topology{Epoch: 1, Instances: instances, Endpoints: endpoints()}
	if len(instances) > 0 {
		f.source.current.Writer, f.source.current.Serves = instances[0].ID, true
	}
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.admin = "http://" + admin.Addr().String()
	o.ID, o.Topology, o.AdminListener = "router-1", f.source, admin
	if o.Number == 0 {
		o.Number = 1
	}
	o.Logger = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if f.r, err = router.New(o); err != nil {
		t.Fatal(err)
	}
	go func() { f.served <- f.r.Serve() }()
	<-f.source.ready
	t.Cleanup(f.close)
	return f
}

func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = f.r.Close(ctx) // sessions that the test left open
	if err := <-f.served; err != nil {
		f.t.Errorf("Serve: %v", err)
	}
	if f.t.Failed() {
		f.t.Log(f.log.String())
	}
}

func (f *fleet) addr(endpoint string) string {
	f.t.Helper()
	addrs := f.r.Addrs(endpoint)
	if len(addrs) != 1 {
		f.t.Fatalf("endpoint %s has %d addresses", endpoint, len(addrs))
	}
	return addrs[0].String()
}

// open returns one connection of go-sql-driver.
func (f *fleet) open(endpoint, user, password, params string) (*sql.Conn, error) {
	f.t.Helper()
	return openAt(f.t, f.addr(endpoint), user, password, params)
}

func openAt(t testing.TB, addr, user, password, params string) (*sql.Conn, error) {
	t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/?%s", user, password, addr, params))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := db.Conn(ctx)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func (f *fleet) mustOpen(endpoint string) *sql.Conn {
	f.t.Helper()
	c, err := f.open(endpoint, "root", "", "")
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// raw returns one connection of go-mysql's client.
func raw(t testing.TB, addr, user, password string, options ...client.Option) *client.Conn {
	t.Helper()
	c, err := client.Connect(addr, user, password, "", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(t testing.TB, c *sql.Conn, query string) string {
	t.Helper()
	var v string
	if err := c.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func do(t testing.TB, c *sql.Conn, query string, args ...any) {
	t.Helper()
	if _, err := c.ExecContext(context.Background(), query, args...); err != nil {
		t.Fatalf("%.100s: %v", query, err)
	}
}

// wantError fails the test unless err is the MySQL error with that code.
func wantError(t testing.TB, err error, code uint16) {
	t.Helper()
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != code {
		t.Fatalf("error %v, want MySQL error %d", err, code)
	}
}

// wantEnd fails the test unless the peer closes c soon; it returns what came before.
func wantEnd(t testing.TB, c net.Conn) []byte {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Fatal("the connection is still open")
	}
	return b
}

// eventually waits for a condition; polling is for what nobody announces.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func (f *fleet) get(path string) (int, string) {
	f.t.Helper()
	resp, err := http.Get(f.admin + path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric returns the value of a line of /metrics; empty if there is none.
func (f *fleet) metric(name string) string {
	_, all := f.get("/metrics")
	for line := range strings.Lines(all) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
