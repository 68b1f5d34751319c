package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"sextant/failover"
	"sextant/failover/fleet"
	"sextant/internal/config"
	"sextant/internal/mtls"
	"sextant/logstore/node"
)

const (
	exitSeenPatience = 2 * time.Second  // to tell the control plane of a process that ended
	complainEvery    = 10 * time.Second // while the start is not ready
)

// up runs the whole cluster of cfg as children of this process until ctx ends.
func up(ctx context.Context, cfg *config.Config, c *common) error {
	if err := os.MkdirAll(cfg.Cluster.Data, 0o700); err != nil {
		return err
	}
	lock, err := lockData(cfg)
	if err != nil {
		return err
	}
	defer lock.Close()
	id, err := makeIdentity(cfg)
	if err != nil {
		return err
	}
	if err := makeCertificates(cfg); err != nil {
		return err
	}
	if cfg.Cluster.MutualTLS {
		if err := mtls.MakeAuthority(peerCerts(cfg), id.Cluster); err != nil {
			return err
		}
	}
	secure, err := membership(cfg, id, mtls.Admin, adminID)
	if err != nil {
		return err
	}
	if _, err := adminDoor(cfg, logger(cfg)); err != nil {
		return err
	}
	if err := portsAreFree(cfg); err != nil {
		return err
	}
	if err := needFiles(cfg); err != nil {
		return err
	}
	client, err := controlClient(cfg, id, secure, logger(cfg))
	if err != nil {
		return err
	}
	defer client.Close()
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := newSupervisor(binary, c.args(), os.Stderr, func(ch child, pid int) {
		if ch.role != "server" {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), exitSeenPatience)
		defer cancel()
		if err := client.ExitSeen(ctx, ch.id, pid); err != nil && !errors.Is(err, failover.ErrNoLeader) {
			fmt.Fprintln(os.Stderr, "sextant: tell the control plane that", ch.id, "ended:", err)
		}
	})
	if err != nil {
		return err
	}
	return runUp(ctx, cfg, client, s)
}

// runUp starts the children, tells of the cluster's state until ctx ends, and
// stops them: routers and instances first, so that no client sees storage go.
func runUp(ctx context.Context, cfg *config.Config, client *failover.Client, s *supervisor) error {
	base, stopBase := context.WithCancel(context.Background())
	front, stopFront := context.WithCancel(context.Background())
	defer stopBase()
	defer stopFront()
	for _, n := range cfg.Control.Nodes {
		if err := s.add(base, childOf(cfg, n.ID, "control"), false); err != nil {
			return err
		}
	}
	for _, n := range cfg.Storage.Nodes {
		// With its store a directory may have lost its marks. Of an emptied one the control plane knows who was stopped, and
		// who has left; so of a router, or an instance, which keep nothing else there.
		if left(cfg, n.ID) || !node.HasStore(roleDir(cfg, n.ID)) {
			continue
		}
		if err := s.add(base, childOf(cfg, n.ID, "storage"), false); err != nil {
			return err
		}
	}
	v := &view{cfg: cfg, supervisor: s, front: front, base: base}
	watch := make(chan error, 1)
	go func() {
		v.awaitLeader(ctx, client)
		watch <- client.Watch(ctx, v.update)
	}()
	go v.complain(ctx)
	<-ctx.Done()
	<-watch
	fmt.Println("stopping")
	stopFront()
	waitFor(context.Background(), func() bool { return !slices.ContainsFunc(s.alive(), isFront) })
	stopBase()
	s.wait()
	return nil
}

func isFront(id string) bool { return strings.HasPrefix(id, "db-") || strings.HasPrefix(id, "router-") }

func roleDir(cfg *config.Config, id string) string { return filepath.Join(cfg.Cluster.Data, id) }

func childOf(cfg *config.Config, id, role string) child {
	return child{id: id, role: role, dir: roleDir(cfg, id), netns: cfg.Node(id).NetNS}
}

// portsAreFree returns an error that names the first port that is taken, and its key.
// Those of processes in network namespaces of their own are not looked at.
func portsAreFree(cfg *config.Config) error {
	var addrs []string
	add := func(id string, offsets ...int) {
		for _, off := range offsets {
			if cfg.Node(id).NetNS == "" {
				addrs = append(addrs, cfg.Addr(id, off))
			}
		}
	}
	for _, n := range cfg.Router.Nodes {
		if n.NetNS != "" {
			continue
		}
		addrs = append(append(addrs, cfg.AdminAddr(config.PortRouterAdmin)), cfg.EndpointAddrs(config.PortCluster)...)
		addrs = append(addrs, cfg.EndpointAddrs(config.PortReader)...)
		for _, i := range cfg.Instances {
			addrs = append(addrs, cfg.EndpointAddrs(config.PortInstanceEnd-1+config.Number(i.ID))...)
		}
	}
	for _, n := range cfg.Control.Nodes {
		add(n.ID, config.PortControl-1+config.Number(n.ID), config.PortRaft-1+config.Number(n.ID))
	}
	for _, n := range cfg.Storage.Nodes {
		add(n.ID, config.PortStorage-1+config.Number(n.ID))
	}
	for _, i := range cfg.Instances {
		n := config.Number(i.ID) - 1
		add(i.ID, config.PortInstance+n, config.PortInstanceStream+n)
	}
	for _, addr := range addrs {
		l, err := listenAt(cfg, addr)
		if err != nil {
			return err
		}
		l.Close()
	}
	return nil
}

// view prints what changes in the cluster, and starts and stops instances as the
// control plane's membership says.
type view struct {
	cfg        *config.Config
	supervisor *supervisor
	front      context.Context        // of instances
	base       context.Context        // of storage nodes
	compared   bool                   // with the configuration
	waits      atomic.Pointer[string] // what the start waits for; "" once it is ready
	ready      bool
	roles      map[string]string
	away       map[string]time.Time // since when what was up is not
}

func (v *view) waitsFor(what string) { v.waits.Store(&what) }

// awaitLeader waits until a control node leads: a watch that begins before would be with another one for a second.
func (v *view) awaitLeader(ctx context.Context, client *failover.Client) {
	for ctx.Err() == nil {
		switch s, err := client.Status(ctx); {
		case err == nil && !s.Leaderless:
			return
		case err == nil:
			v.waitsFor("a control node that leads")
		case errors.Is(err, failover.ErrWrongCluster), errors.Is(err, failover.ErrRefused):
			return // which the watch says, too
		}
		sleep(ctx, markerPoll)
	}
}

// update is called with every topology, one at a time.
func (v *view) update(t failover.Topology) {
	if t.Live == nil { // what a control node knows that does not lead may be old
		v.waitsFor("a control node that leads")
		return
	}
	v.follow(t.State)
	if t.State.Cluster == "" {
		v.waitsFor("the storage nodes, for the first start")
		return
	}
	if !v.compared {
		v.compared = true
		for _, line := range differences(v.cfg, t.State) {
			fmt.Fprintln(os.Stderr, "warning:", line)
		}
	}
	if !v.ready {
		what := strings.Join(v.missing(t), ", ")
		v.waitsFor(what)
		v.ready = what == ""
		if v.ready {
			printEndpoints(t)
			fmt.Println("ready")
			v.roles = rolesOf(t)
		}
		return
	}
	now := v.patient(rolesOf(t))
	for _, id := range sortedKeys(now) {
		if old := v.roles[id]; old != now[id] {
			fmt.Printf("%s %s is %s (epoch %d)\n", time.Now().Format("15:04:05.000"), id, now[id], t.State.Epoch)
		}
	}
	for _, id := range sortedKeys(v.roles) {
		if _, ok := now[id]; !ok {
			fmt.Printf("%s %s is removed\n", time.Now().Format("15:04:05.000"), id)
		}
	}
	v.roles = now
}

// downGrace is how long something must be down before that is said: a new leader of the control plane has heard of nobody
// at first.
const downGrace = 3 * time.Second

// patient returns what is to be said of the roles: what is down or gone has its old one until it was for downGrace.
func (v *view) patient(now map[string]string) map[string]string {
	away := map[string]time.Time{}
	for id, old := range v.roles {
		if role, there := now[id]; old == "down" || there && role != "down" {
			continue
		}
		if away[id] = v.away[id]; away[id].IsZero() {
			away[id] = time.Now()
		}
		if time.Since(away[id]) < downGrace {
			now[id] = old
		}
	}
	v.away = away
	return now
}

// follow makes the running instances and storage nodes those of the fleet, or of the configuration before there is one.
func (v *view) follow(s *fleet.State) {
	if s.Cluster == "" {
		for _, n := range v.cfg.Storage.Nodes {
			if !left(v.cfg, n.ID) { // the control plane may have lost its state
				v.add(v.base, s, n.ID, "storage")
			}
		}
	} else {
		v.followStorage(s)
	}
	for _, n := range v.cfg.Router.Nodes {
		v.add(v.front, s, n.ID, "router")
	}
	var ids []string
	for _, i := range s.Instances {
		ids = append(ids, i.ID)
		v.add(v.front, s, i.ID, "server")
	}
	for _, id := range v.supervisor.has() {
		if strings.HasPrefix(id, "db-") && !slices.Contains(ids, id) {
			v.supervisor.remove(id)
		}
	}
}

// add keeps a process running; one that an operator has stopped, when it is started.
func (v *view) add(ctx context.Context, s *fleet.State, id, role string) {
	if err := v.supervisor.add(ctx, childOf(v.cfg, id, role), s.IsStopped(id)); err != nil {
		fmt.Fprintln(os.Stderr, "sextant: start", id+":", err)
	}
}

// missing says what keeps clients from connecting: nothing once the writer serves,
// the router listens, and every reader that was not stopped serves.
func (v *view) missing(t failover.Topology) (what []string) {
	if t.Writer() == "" {
		what = append(what, "a writer")
	}
	for _, n := range v.cfg.Router.Nodes {
		if !t.State.IsStopped(n.ID) && !stopped(roleDir(v.cfg, n.ID)) && !t.Live[n.ID].Healthy {
			what = append(what, n.ID)
		}
	}
	for _, i := range t.State.Instances {
		if i.ID == t.Writer() || t.State.IsStopped(i.ID) || stopped(roleDir(v.cfg, i.ID)) {
			continue
		}
		if l := t.Live[i.ID]; !l.Healthy || l.Role != fleet.RoleReader {
			what = append(what, i.ID)
		}
	}
	return what
}

// complain says now and then what the start waits for, until it is ready or ctx ends.
func (v *view) complain(ctx context.Context) {
	for {
		sleep(ctx, complainEvery)
		waits := v.waits.Load()
		if ctx.Err() != nil || waits != nil && *waits == "" {
			return
		}
		if waits == nil {
			fmt.Fprintln(os.Stderr, "not ready: no control node answers yet")
		} else {
			fmt.Fprintln(os.Stderr, "not ready: waiting for", *waits)
		}
	}
}

// rolesOf returns what each process is at the moment, in one word.
func rolesOf(t failover.Topology) map[string]string {
	roles := map[string]string{}
	for _, i := range t.State.Instances {
		switch l, attached := t.Live[i.ID]; {
		case t.State.IsStopped(i.ID):
			roles[i.ID] = "stopped"
		case t.Writer() == i.ID:
			roles[i.ID] = "writer"
		case l.Healthy && l.Role == fleet.RoleReader:
			roles[i.ID] = "reader"
		case attached && l.Role == fleet.RoleRecovering:
			roles[i.ID] = "becoming the writer"
		case attached:
			roles[i.ID] = "joining"
		default:
			roles[i.ID] = "down"
		}
	}
	for _, n := range t.State.Storage {
		roles[n.ID] = health(t, n.ID)
	}
	for id, l := range t.Live {
		if l.Kind == fleet.KindRouter {
			roles[id] = health(t, id)
		}
	}
	return roles
}

func health(t failover.Topology, id string) string {
	switch {
	case t.State.IsStopped(id):
		return "stopped"
	case t.Live[id].Healthy:
		return "up"
	}
	return "down"
}

func printEndpoints(t failover.Topology) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENDPOINT\tTYPE\tADDRESS\tMEMBERS")
	for _, e := range t.State.Endpoints {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, e.Type, strings.Join(e.Addresses, " "), strings.Join(t.Members(e), " "))
	}
	w.Flush()
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
