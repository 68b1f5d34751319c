package failover_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover"
	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/locked"
	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
)

// withCertificates gives every process of the cluster a certificate.
func withCertificates(c *cluster) { c.identity = mtlstest.Authority(c.t, "test") }

// TestNobodySpeaksAsAnother: a certificate of db-2 or storage-1 is refused as another's,
// and the refusal is logged.
func TestNobodySpeaksAsAnother(t *testing.T) {
	var log locked.Buffer
	c := newCluster(t, 2, withCertificates, func(c *cluster) { c.logger = slog.New(slog.NewTextHandler(&log, nil)) })
	c.start("db-1")
	c.serving("")
	leader := c.peers[c.leader()].Address
	as := func(r mtls.Role, id string) failoverpb.ControlClient {
		conn, err := grpc.NewClient("passthrough:///"+leader, c.identity(r, id).DialOption("", mtls.Control))
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return failoverpb.NewControlClient(conn)
	}
	refused := func(what string, err error) {
		t.Helper()
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", what, err)
			return
		}
		eventually(t, what+" is logged", func() bool { return strings.Contains(log.String(), status.Convert(err).Message()[:20]) })
	}
	a, err := as(mtls.Instance, "db-2").Attach(t.Context())
	must(t, err)
	must(t, a.Send(&failoverpb.InstanceMessage{Hello: &failoverpb.InstanceHello{Protocol: 1, Cluster: "test", Id: "db-1", Incarnation: 5}}))
	_, err = a.Recv()
	refused("db-2 attaches as db-1", err)
	r, err := as(mtls.Storage, "storage-1").AttachRole(t.Context())
	must(t, err)
	must(t, r.Send(&failoverpb.RoleReport{Protocol: 1, Cluster: "test", Id: "storage-2", Incarnation: 5, StoreId: 7}))
	_, err = r.Recv()
	refused("storage-1 reports as storage-2", err)
	propose := func(id string, cmd fleet.Command) error {
		b, err := fleet.EncodeCommand(cmd)
		must(t, err)
		_, err = as(mtls.Instance, id).Propose(t.Context(), &failoverpb.ProposeRequest{Cluster: "test", Command: b})
		return err
	}
	refused("db-2 resigns for db-1", propose("db-2", &fleet.Resign{Epoch: 1, Successor: "db-2"}))
	refused("db-2 makes a group at db-1's epoch", propose("db-2", &fleet.CreateGroup{Epoch: 1}))
	refused("db-2 ends a replacement at db-1's epoch", propose("db-2", &fleet.FinishReplace{Epoch: 1}))
	refused("db-2 opens what may be db-1's next epoch", propose("db-2", &fleet.Opened{Epoch: 2}))
	refused("an instance replaces a storage node", propose("db-1", &fleet.Replace{Old: "storage-1", New: "storage-2"}))
	db2, err := failover.NewClient(failover.ClientOptions{Addresses: []string{leader}, Cluster: "test", Identity: c.identity(mtls.Instance, "db-2")})
	must(t, err)
	t.Cleanup(func() { _ = db2.Close() })
	if _, err := db2.Propose(t.Context(), &fleet.Opened{Epoch: 2}); !errors.Is(err, failover.ErrRefused) || errors.Is(err, failover.ErrWrongCluster) {
		t.Errorf("what it says to db-2: %v", err)
	}
	must(t, propose("db-1", &fleet.FinishReplace{Epoch: 1})) // answered: there is none
	refused("an instance stops another", propose("db-1", &fleet.Stop{ID: "db-2"}))
	must(t, propose("db-1", &fleet.CreateGroup{Epoch: 1}))
	if s := c.state(); s.Ended || len(s.Stopped) > 0 || s.Writer() != "db-1" {
		t.Errorf("%+v", s)
	}
}

// TestRemovedProcessesWatchNothing: the certificate of an instance that was removed, or of a storage node that is none of the
// cluster's, shows nothing of the topology; a watch that is open ends. One that is added again watches again.
func TestRemovedProcessesWatchNothing(t *testing.T) {
	c := newCluster(t, 2, withCertificates)
	c.start("db-1")
	c.serving("")
	watch := func(p failover.Peer, r mtls.Role, id string) failoverpb.Control_WatchClient {
		t.Helper()
		conn, err := grpc.NewClient("passthrough:///"+p.Address, c.identity(r, id).DialOption("", mtls.Control))
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		w, err := failoverpb.NewControlClient(conn).Watch(testContext(t), &failoverpb.WatchRequest{Cluster: "test"})
		must(t, err)
		return w
	}
	leader := c.leader()
	ends := func(what string, w failoverpb.Control_WatchClient, want codes.Code) {
		t.Helper()
		var err error
		for err == nil {
			_, err = w.Recv()
		}
		if status.Code(err) != want {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	open := watch(c.peers[leader], mtls.Instance, "db-2")
	_, err := open.Recv()
	must(t, err)
	_, err = c.client.Propose(testContext(t), &fleet.RemoveInstance{ID: "db-2"})
	must(t, err)
	ends("a watch that is open", open, codes.NotFound)
	ends("another one", watch(c.peers[leader], mtls.Instance, "db-2"), codes.NotFound)
	ends("a storage node that is none", watch(c.peers[leader], mtls.Storage, "storage-9"), codes.NotFound)
	ends("at one that does not lead", watch(c.peers[(leader+1)%3], mtls.Storage, "storage-9"), codes.FailedPrecondition)
	eventually(t, "no control node tells the status", func() bool { // the others have heard of it
		_, err := c.clientAs(mtls.Instance, "db-2").Status(testContext(t))
		return errors.Is(err, failover.ErrNoLeader)
	})
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	heard := make(chan struct{})
	ended := make(chan error, 1)
	client := c.clientAs(mtls.Instance, "db-2")
	go func() {
		var once sync.Once
		ended <- client.Watch(ctx, func(failover.Topology) { once.Do(func() { close(heard) }) })
	}()
	select {
	case <-heard:
		t.Error("it hears a topology")
	case <-time.After(300 * time.Millisecond):
	}
	_, err = c.client.Propose(testContext(t), &fleet.AddInstance{Instance: c.initial.Instances[1]})
	must(t, err)
	select {
	case <-heard:
	case err := <-ended:
		t.Errorf("the watch of an instance that is added again has ended: %v", err)
	case <-ctx.Done():
		t.Error("an instance that is added again hears nothing")
	}
}

// TestRaftPeersAreMembers: a control node's certificate that is none of this control
// plane's, or one that answers at another's address, takes no part in Raft.
func TestRaftPeersAreMembers(t *testing.T) {
	var log locked.Buffer
	c := newCluster(t, 1, withCertificates, func(c *cluster) { c.logger = slog.New(slog.NewTextHandler(&log, nil)) })
	c.leader()
	conn, err := c.identity(mtls.Control, "control-9").Dial(t.Context(), c.peers[0].RaftAddress, "control-1", mtls.Control)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if n, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("%d bytes, %v", n, err)
	}
	eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), "control control-9 is no member") })
}

// TestRaftOfAnotherClusterIsRefused: without certificates the greeting tells, and one that
// says nothing is cut.
func TestRaftOfAnotherClusterIsRefused(t *testing.T) {
	var log locked.Buffer
	c := newCluster(t, 1, func(c *cluster) { c.logger = slog.New(slog.NewTextHandler(&log, nil)) })
	c.leader()
	for _, greeting := range []string{"sextant-raft 1 other\n", strings.Repeat("x", 4096), ""} {
		conn, err := net.Dial("tcp", c.peers[0].RaftAddress)
		must(t, err)
		_, _ = conn.Write([]byte(greeting))
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		if n, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%q: %d bytes, %v", greeting, n, err)
		}
		_ = conn.Close()
	}
	eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), "raft peer greets with") })
}

// TestNoClusterIsRefused: who names no cluster is no member of this one.
func TestNoClusterIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	c.leader()
	client, err := failover.NewClient(failover.ClientOptions{Addresses: []string{c.peers[0].Address}})
	must(t, err)
	defer func() { must(t, client.Close()) }()
	if _, err := client.VerifyEpoch(testContext(t)); err == nil || !strings.Contains(err.Error(), `belongs to cluster "test"`) {
		t.Error(err)
	}
}
