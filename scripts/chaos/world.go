package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sys/unix"

	"sextant/scripts/cluster"
)

const (
	portCluster = cluster.PortCluster
	portReader  = cluster.PortReader
	patience    = 2 * time.Minute // for anything that must happen; a machine may be slow
)

// Every process of the cluster, and its zone.
var (
	storageIDs  = []string{"storage-1", "storage-2", "storage-3", "storage-4", "storage-5", "storage-6"}
	controlIDs  = []string{"control-1", "control-2", "control-3"}
	instanceIDs = []string{"db-1", "db-2", "db-3"}
	smallDisks  = []string{"storage-2", "storage-5"} // on a tmpfs each, where possible
)

const smallDisk = 192 << 20 // bytes; a node needs a third of it

// zones are the processes of each zone.
func zone(i int) []string {
	return []string{storageIDs[2*i], storageIDs[2*i+1], controlIDs[i], instanceIDs[i]}
}

func others(id string) (out []string) {
	for _, x := range slices.Concat(storageIDs, controlIDs, instanceIDs, []string{"router-1"}) {
		if x != id {
			out = append(out, x)
		}
	}
	return out
}

// world is one cluster, its clients' history, and what was done to it.
type world struct {
	c       *cluster.Cluster
	net     *network // nil without namespaces
	h       *history
	seed    uint64
	think   time.Duration // of a client between two transactions, on average
	say     func(format string, args ...any)
	db      *sql.DB // to the cluster endpoint
	proxied *sql.DB // to the cluster endpoint through a proxy
	readers *sql.DB // to the reader endpoint
	client  *proxy  // of proxied

	added int // storage nodes, beyond the first six

	mu       sync.Mutex
	doing    string // the kind of the fault that is performed
	injected []injection
	lags     []float64 // milliseconds
	alters   int       // ALTER TABLEs whose writer was to be killed amid them
	amid     int       // of these, under way at the kill
}

// injection is one fault at one moment.
type injection struct {
	kind string
	at   int64   // nanoseconds since the start
	lost []int64 // when it took the writer away, in the same; each asks for a failover
	all  bool    // everything was ended with it: a start follows, which is no failover
}

// worldOptions say what a cluster is made of.
type worldOptions struct {
	binary, dir string
	namespaces  bool
	seed        uint64
	log         io.Writer
	say         func(string, ...any)
}

// newWorld starts a cluster, with each process on a host of its own where that can be.
func newWorld(ctx context.Context, o worldOptions) (w *world, err error) {
	w = &world{h: newHistory(), seed: o.seed, think: thinkTime, say: o.say}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	data := filepath.Join(o.dir, "data")
	if o.namespaces {
		if w.net, err = newNetwork(others("")); err != nil {
			return w, err
		}
		for _, id := range smallDisks {
			dir := filepath.Join(data, id)
			if err = os.MkdirAll(dir, 0o700); err == nil {
				err = unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", smallDisk))
			}
			if err != nil {
				return w, fmt.Errorf("a small disk for %s: %w", id, err)
			}
		}
	}
	config := filepath.Join(o.dir, "config.yaml")
	if err = w.configure(config, ""); err != nil {
		return w, err
	}
	w.drivers()
	up, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.c, err = cluster.Start(up, cluster.Options{Binary: o.binary, Data: data, Config: config, Log: o.log, Net: "chaos"})
	if err != nil {
		return w, err
	}
	return w, w.connect(up)
}

// configure writes a configuration of small files, small segments and short intervals, so that a short run
// sees many of them, with an address and a namespace for each process. The storage node more, if there is
// one, is where the parent of all is: its namespace cannot be made while that runs.
func (w *world) configure(path, more string) error {
	var b strings.Builder
	node := func(id string, zone int, more string) {
		fmt.Fprintf(&b, "    - {id: %s, az: az-%c%s", id, 'a'+zone, more)
		if w.net != nil {
			fmt.Fprintf(&b, ", address: %s, netns: %s", w.net.hosts[id], id)
		}
		b.WriteString("}\n")
	}
	b.WriteString("cluster:\n  segment_size: 512KiB\ncontrol:\n  nodes:\n")
	for i, id := range controlIDs {
		node(id, i, "")
	}
	b.WriteString("storage:\n  hot_log_file: 4MiB\n  hot_log_files: 4\n  drain_interval: 1s\n  retention_time: 5s\n  retention_bytes: 16MiB\n  nodes:\n")
	for i, id := range storageIDs {
		node(id, i/2, "")
	}
	if more != "" {
		fmt.Fprintf(&b, "    - {id: %s, az: %s", more, w.spareZone())
		if w.net != nil {
			fmt.Fprintf(&b, ", address: %s", bridgeAddress)
		}
		b.WriteString("}\n")
	}
	b.WriteString("instances:\n")
	for i, id := range instanceIDs {
		node(id, i, fmt.Sprintf(", tier: %d", min(i, 1)))
	}
	b.WriteString("router:\n  nodes:\n")
	node("router-1", 0, "")
	b.WriteString("server:\n  page_cache: 64MiB\n  memory: 128MiB\n  statement_memory: 32MiB\n  max_transaction_bytes: 64MiB\n")
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// spareZone is that of the storage node that was added last.
func (w *world) spareZone() string { return fmt.Sprintf("az-%c", 'a'+w.added%3) }

// drivers registers the ways to the router: chaos is its loopback, from there.
func (w *world) drivers() {
	mysql.RegisterDialContext("chaos", func(ctx context.Context, addr string) (net.Conn, error) { return w.dial(ctx, "router-1", addr) })
	mysql.RegisterDialContext("chaos-proxied", func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", w.client.listener.Addr().String())
	})
	for _, id := range instanceIDs {
		mysql.RegisterDialContext("chaos-"+id, func(ctx context.Context, addr string) (net.Conn, error) { return w.dial(ctx, id, addr) })
	}
}

// dial connects as a process on a host would, from its loopback.
func (w *world) dial(ctx context.Context, host, addr string) (net.Conn, error) {
	if w.net != nil {
		return w.net.dial(ctx, host, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// pool opens a pool that keeps no idle connection.
func pool(network, addr string) (*sql.DB, error) {
	db, err := sql.Open("mysql", fmt.Sprintf("root@%s(%s)/%s?timeout=10s&readTimeout=12s&writeTimeout=12s", network, addr, database))
	if err == nil {
		db.SetMaxIdleConns(-1)
	}
	return db, err
}

// connect makes the tables and the clients' pools.
func (w *world) connect(ctx context.Context) (err error) {
	if err = w.create(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.client = newProxy(l, func(ctx context.Context) (net.Conn, error) { return w.dial(ctx, "router-1", w.c.Addr(portCluster)) })
	for _, p := range []struct {
		db      **sql.DB
		network string
		offset  int
	}{{&w.db, "chaos", portCluster}, {&w.readers, "chaos", portReader}, {&w.proxied, "chaos-proxied", portCluster}} {
		if *p.db, err = pool(p.network, w.c.Addr(p.offset)); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) close() {
	for _, db := range []*sql.DB{w.db, w.readers, w.proxied} {
		if db != nil {
			db.Close()
		}
	}
	if w.client != nil {
		w.client.close()
	}
	if w.c != nil {
		w.c.KillAll()
	}
	if w.net != nil {
		if w.c != nil {
			for _, id := range smallDisks {
				_ = unix.Unmount(filepath.Join(w.c.Data, id), unix.MNT_DETACH)
			}
		}
		w.net.close()
	}
}

// inject notes that the fault that is performed begins now. lost: it takes the writer away.
func (w *world) inject(target string, lost bool) {
	w.mu.Lock()
	kind := w.doing
	w.injected = append(w.injected, injection{kind: kind, at: w.h.now()})
	w.mu.Unlock()
	if lost {
		w.lost()
	}
	acks, reads := w.h.counts()
	w.say("%7.1fs  %-22s %-24s %d commits, %d reads of readers", float64(w.h.now())/1e9, kind, target, acks, reads)
}

// lost notes that the fault that was injected last takes the writer away now.
func (w *world) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := &w.injected[len(w.injected)-1]
	last.lost = append(last.lost, w.h.now())
}

// lasts waits, and expects clients to go on; unless ctx ends, as it does for an undertow:
// what else happens may keep them.
func (w *world) lasts(ctx context.Context, hold time.Duration) error {
	if pause(ctx, hold); ctx.Err() != nil {
		return nil
	}
	return w.progress(ctx, 20, 5)
}

// signal sends a signal to each of some processes; one that does not run gets none.
func (w *world) signal(s unix.Signal, ids ...string) error {
	for _, id := range ids {
		if err := w.c.Signal(id, s); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("%v to %s: %w", s, id, err)
		}
	}
	return nil
}

// await polls the status until cond holds, for patience.
func (w *world) await(ctx context.Context, what string, cond func(*cluster.Status) bool) (*cluster.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.c.Await(ctx, what, cond)
}

func (w *world) writer(ctx context.Context) (string, error) {
	s, err := w.await(ctx, "a writer", func(s *cluster.Status) bool { return s.Writer != "" })
	if err != nil {
		return "", err
	}
	return s.Writer, nil
}

// another waits for a writer that is not old.
func (w *world) another(ctx context.Context, old string) (string, error) {
	s, err := w.await(ctx, "a writer that is not "+old, func(s *cluster.Status) bool { return s.Writer != "" && s.Writer != old })
	if err != nil {
		return "", err
	}
	return s.Writer, nil
}

// progress waits until some more commits and reads of readers were answered.
func (w *world) progress(ctx context.Context, commits int, reads int64) error {
	acks, seen := w.h.counts()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		a, r := w.h.counts()
		if a >= acks+commits && r >= seen+reads {
			return nil
		}
		if pause(ctx, 5*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("only %d of %d more commits and %d of %d more reads of readers are answered: %w", a-acks, commits, r-seen, reads, ctx.Err())
		}
	}
}

// recovered waits until everything is healthy by itself and clients go on.
func (w *world) recovered(ctx context.Context) error {
	_, err := w.await(ctx, "everything to be healthy again", func(s *cluster.Status) bool {
		healthy := s.Writer != "" && len(s.Storage) == len(storageIDs) && len(s.Control) == len(controlIDs) && len(s.Routers) == 1 && s.Routers[0].Healthy
		for _, i := range s.Instances {
			healthy = healthy && i.Healthy && (i.Role == "writer" || i.Role == "reader")
		}
		return healthy && s.Healthy()
	})
	if err != nil {
		return err
	}
	return w.progress(ctx, 20, 5)
}

// sampleLag notes the readers' lag about every second until ctx ends.
func (w *world) sampleLag(ctx context.Context) {
	for ctx.Err() == nil {
		if s, err := w.c.Status(); err == nil {
			w.mu.Lock()
			w.lags = append(w.lags, s.Lags()...)
			w.mu.Unlock()
		}
		pause(ctx, time.Second)
	}
}

// sextant runs a command of the cluster, and ends it with ctx.
func (w *world) sextant(ctx context.Context, args ...string) error {
	args = append(args, "--data", w.c.Data, "--port-base", fmt.Sprint(w.c.Base), "--config", w.c.Config)
	cmd := exec.CommandContext(ctx, w.c.Binary, args...)
	cmd.Env = cluster.Environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("sextant %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
