package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/client"
	"sextant/logstore/node"
)

const childEnv = "SEXTANT_TEST_NODE"

// TestMain runs a storage node instead of the tests if it is started as one.
func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := runChild(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childSpec is what a node process is told.
type childSpec struct {
	ID, Dir, Listen, Peers string
	HotFileBytes           int64
	DrainEvery, TickEvery  time.Duration
}

func runChild(spec string) error {
	var s childSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return err
	}
	n, err := node.Open(node.Options{
		ID: logstore.NodeID(s.ID), Cluster: "test", Dir: s.Dir, Listen: s.Listen, TickEvery: s.TickEvery,
		HotFileBytes: s.HotFileBytes, DrainEvery: s.DrainEvery,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Peers: func() map[logstore.NodeID]string {
			var m map[logstore.NodeID]string
			b, err := os.ReadFile(s.Peers)
			if err != nil || json.Unmarshal(b, &m) != nil {
				return nil
			}
			return m
		},
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s %d\n", n.Addr(), n.Status().Store)
	go func() { // children die with their parent, which holds the other end of stdin
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}()
	return n.Serve()
}

// cluster is six storage nodes, in this process or in processes of their own.
type cluster struct {
	t             testing.TB
	dir           string
	processes     bool
	pagesPerGroup uint64
	drain, tick   time.Duration
	hotFile       int64
	retain        time.Duration // 0: the default
	retainBytes   int64         // 0: the default

	copies atomic.Int64 // segments that lacked log which no peer had

	mu     sync.Mutex
	addrs  map[logstore.NodeID]string
	stores map[logstore.NodeID]logstore.StoreID
	nodes  map[logstore.NodeID]*running
	groups []client.Group
	epoch  redo.VolumeEpoch
}

type running struct {
	n    *node.Node
	done chan error
	cmd  *exec.Cmd
}

func newCluster(t testing.TB, processes bool, pagesPerGroup uint64) *cluster {
	t.Helper()
	c := &cluster{
		t: t, dir: t.TempDir(), processes: processes, pagesPerGroup: pagesPerGroup, hotFile: 1 << 20,
		drain: 50 * time.Millisecond, tick: 20 * time.Millisecond,
		addrs: map[logstore.NodeID]string{}, stores: map[logstore.NodeID]logstore.StoreID{}, nodes: map[logstore.NodeID]*running{},
	}
	if _, ok := t.(*testing.B); ok {
		c.drain, c.tick, c.hotFile = 5*time.Second, 200*time.Millisecond, 32<<20
	}
	for i := range 6 {
		c.start(i)
	}
	c.groups = []client.Group{c.newGroup(0)}
	t.Cleanup(func() {
		for i := range 6 {
			c.kill(i)
		}
	})
	return c
}

func id(i int) logstore.NodeID { return logstore.NodeID(fmt.Sprintf("storage-%d", i+1)) }

func (c *cluster) newGroup(pg redo.PGID) client.Group {
	g := client.Group{PG: pg, Membership: 1}
	for i := range 6 {
		g.Members = append(g.Members, id(i))
	}
	return g
}

// start starts a node, at the address it had before.
func (c *cluster) start(i int) {
	c.t.Helper()
	c.mu.Lock()
	listen := c.addrs[id(i)]
	c.mu.Unlock()
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	r := &running{done: make(chan error, 1)}
	dir := filepath.Join(c.dir, string(id(i)))
	var addr string
	var store logstore.StoreID
	if c.processes {
		addr, store = c.startProcess(r, childSpec{string(id(i)), dir, listen, filepath.Join(c.dir, "peers.json"), c.hotFile, c.drain, c.tick})
	} else {
		n, err := node.Open(node.Options{
			ID: id(i), Cluster: "test", Dir: dir, Listen: listen, Peers: c.peers, TickEvery: c.tick,
			HotFileBytes: c.hotFile, DrainEvery: c.drain, Logger: c.logger(),
			Retention: c.retain, RetentionBytes: c.retainBytes,
		})
		if err != nil {
			c.t.Fatal(err)
		}
		go func() { r.done <- n.Serve() }()
		r.n, addr, store = n, n.Addr().String(), n.Status().Store
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.stores[id(i)]; ok && s != store {
		c.t.Fatalf("%s came back as store %x, not %x", id(i), store, s)
	}
	c.nodes[id(i)], c.addrs[id(i)], c.stores[id(i)] = r, addr, store
	b, _ := json.Marshal(c.addrs)
	tmp := filepath.Join(c.dir, "peers.tmp")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(c.dir, "peers.json")); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) startProcess(r *running, s childSpec) (addr string, store logstore.StoreID) {
	c.t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		c.t.Fatal(err)
	}
	r.cmd = exec.Command(os.Args[0])
	r.cmd.Env = append(os.Environ(), childEnv+"="+string(b), "GOMAXPROCS=1")
	r.cmd.Stderr = os.Stderr
	if _, err := r.cmd.StdinPipe(); err != nil {
		c.t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.t.Fatalf("node %s did not start: %v", s.ID, err)
	}
	var id uint64
	if _, err := fmt.Sscanf(strings.TrimSpace(line), "%s %d", &addr, &id); err != nil {
		c.t.Fatal(err)
	}
	return addr, logstore.StoreID(id)
}

// kill ends a node: by SIGKILL if it is a process. Nothing is said or written.
func (c *cluster) kill(i int) {
	c.mu.Lock()
	r := c.nodes[id(i)]
	delete(c.nodes, id(i))
	c.mu.Unlock()
	if r == nil {
		return
	}
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		return
	}
	_ = r.n.Close()
	if err := <-r.done; err != nil {
		c.t.Errorf("node %s: %v", id(i), err)
	}
}

// signal sends a signal to a node's process.
func (c *cluster) signal(i int, s os.Signal) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.nodes[id(i)].cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) node(i int) *node.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id(i)].n
}

func (c *cluster) peers() map[logstore.NodeID]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := map[logstore.NodeID]string{}
	for k, v := range c.addrs {
		m[k] = v
	}
	return m
}

func (c *cluster) geometry() client.Geometry {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := client.Geometry{PagesPerGroup: c.pagesPerGroup, Groups: append([]client.Group(nil), c.groups...)}
	for i := range 6 {
		g.Nodes = append(g.Nodes, client.Node{ID: id(i), Addr: c.addrs[id(i)], Store: c.stores[id(i)]})
	}
	return g
}

func (c *cluster) options() client.Options {
	return client.Options{
		Self: "db-1", Cluster: "test", Logger: testLogger(c.t),
		Resolve: func(n logstore.NodeID) string { return c.peers()[n] },
		CreateGroup: func(_ context.Context, _ redo.VolumeEpoch, pg redo.PGID) (client.Geometry, error) {
			c.mu.Lock()
			if int(pg) == len(c.groups) {
				c.groups = append(c.groups, c.newGroup(pg))
			}
			c.mu.Unlock()
			return c.geometry(), nil
		},
	}
}

const testLease = 200 * time.Millisecond

func (c *cluster) grant() client.Grant {
	c.mu.Lock()
	c.epoch++
	e := c.epoch
	c.mu.Unlock()
	return client.Grant{
		Volume: 77, Timeline: 1, Epoch: e, Holder: uint64(e) * 1000, LAL: 100_000, ReadLease: testLease, Geometry: c.geometry(),
	}
}

func (c *cluster) recover(ctx context.Context) (*client.Volume, client.Recovered) {
	c.t.Helper()
	v, r, err := client.Recover(ctx, c.grant(), c.options())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = v.Close() })
	return v, r
}

// logger shows warnings of a test that fails, and counts segments that lack log which no peer has.
func (c *cluster) logger() *slog.Logger {
	return slog.New(hearing{testLogger(c.t).Handler(), func(r slog.Record) {
		if strings.HasPrefix(r.Message, "segment is copied from a peer") {
			c.copies.Add(1)
		}
	}})
}

// hearing calls heard for every record.
type hearing struct {
	slog.Handler
	heard func(slog.Record)
}

func (h hearing) Enabled(context.Context, slog.Level) bool { return true }

func (h hearing) Handle(ctx context.Context, r slog.Record) error {
	h.heard(r)
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// testLogger shows warnings of a test that fails.
func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	defer func() { _ = recover() }() // the test has ended
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// writer commits and remembers what was acknowledged.
//
// Each commit formats one page if it was never written, and puts its number there
// and on page 1, so that both pages together say whether a commit was torn.
type writer struct {
	v     *client.Volume
	pages uint64
	mu    sync.Mutex // the commit lock
	n     uint64     // of the newest commit
	seen  map[redo.PageID]bool
	acked atomic.Uint64
	model *model
}

// model is what was acknowledged: commit n has an LSN, and set page to n.
type model struct {
	mu      sync.Mutex
	commits []commit
}

type commit struct {
	n    uint64
	page redo.PageID
	lsn  redo.LSN
}

func newWriter(v *client.Volume, pages uint64, m *model) *writer {
	return &writer{v: v, pages: pages, seen: map[redo.PageID]bool{}, model: m}
}

func value(n uint64, pad int) []byte {
	return []byte(fmt.Sprintf("%020d%s", n, strings.Repeat("x", pad)))
}

// records returns the records that put n on a page. The format makes each commit
// independent of what the page held before.
func records(p redo.PageID, n uint64, pad int) []redo.Record {
	return []redo.Record{
		page.FormatRecord(p, page.KindLeaf, 0, 1),
		{Page: p, Op: redo.OpInsert, Payload: page.AppendCell(nil, []byte("n"), value(n, pad), false)},
	}
}

// commit commits the next number and waits until it is durable.
func (w *writer) commit(ctx context.Context, pad int) error {
	w.mu.Lock()
	n := w.n + 1
	p := redo.PageID(2 + n%(w.pages-1))
	for p > w.v.PageLimit() {
		w.mu.Unlock()
		if err := w.v.Grow(ctx, p); err != nil {
			return err
		}
		w.mu.Lock()
		n = w.n + 1
		p = redo.PageID(2 + n%(w.pages-1))
	}
	rs := append(records(1, n, 0), records(p, n, pad)...)
	turn := []redo.MTR{{Records: rs}}
	for {
		err := w.v.Append(turn)
		if err == nil {
			break
		}
		if err != logstore.ErrNoRoom {
			w.mu.Unlock()
			return err
		}
		if err := w.v.WaitRoom(ctx, len(rs), 1000+pad); err != nil {
			w.mu.Unlock()
			return err
		}
	}
	w.n = n
	lsn := rs[len(rs)-1].LSN
	w.mu.Unlock()
	if err := w.v.WaitVDL(ctx, lsn); err != nil {
		return err
	}
	w.acked.Add(1)
	if w.model != nil {
		w.model.mu.Lock()
		w.model.commits = append(w.model.commits, commit{n, p, lsn})
		w.model.mu.Unlock()
	}
	return nil
}

// load commits from several goroutines until stop is called or an error comes.
func (w *writer) load(ctx context.Context, committers, pad int) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	errs := make(chan error, committers)
	for range committers {
		go func() {
			for {
				if err := w.commit(ctx, pad); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return func() error {
		cancel()
		var first error
		for range committers {
			if err := <-errs; first == nil && !errors.Is(err, context.Canceled) {
				first = err
			}
		}
		return first
	}
}

// number reads the number a page holds at an LSN, 0 for an empty page.
func number(ctx context.Context, r logstore.PageReader, p redo.PageID, at redo.LSN) (uint64, error) {
	b, err := r.ReadPage(ctx, p, at)
	if err != nil {
		return 0, err
	}
	if page.KindOf(b) != page.KindLeaf {
		return 0, nil
	}
	var n uint64
	_, err = fmt.Sscanf(string(page.Value(b, 0)[:20]), "%d", &n)
	return n, err
}

// check compares every acknowledged commit with what the volume shows at its LSN (for
// the newest few) and at its end.
func (m *model) check(t testing.TB, v *client.Volume, limit int) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	at := v.VDL()
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := map[redo.PageID]uint64{}
	var most uint64
	for _, c := range m.commits {
		newest[c.page] = max(newest[c.page], c.n)
		most = max(most, c.n)
		if c.lsn > at {
			t.Fatalf("commit %d at %d was acknowledged, the recovered VDL is %d", c.n, c.lsn, at)
		}
	}
	last, err := number(ctx, v, 1, at)
	if err != nil || last < most {
		t.Fatalf("page 1 says %d, %v; acknowledged was %d", last, err, most)
	}
	for p, n := range newest {
		if got, err := number(ctx, v, p, at); err != nil || got < n || got > last {
			t.Fatalf("page %d says %d, %v; acknowledged was %d, the newest is %d", p, got, err, n, last)
		}
	}
	for _, c := range m.commits[max(0, len(m.commits)-limit):] {
		for _, p := range []redo.PageID{1, c.page} {
			if got, err := number(ctx, v, p, c.lsn); err != nil || got != c.n {
				t.Fatalf("page %d at %d says %d, %v; want %d", p, c.lsn, got, err, c.n)
			}
		}
	}
	return last
}

// eventually waits for a condition, with a deadline.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 30 seconds", what)
		}
	}
}
