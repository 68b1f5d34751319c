package e2e

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sextant/failover/failoverpb"
	"sextant/internal/mtls"
	"sextant/logstore"
	"sextant/logstore/wire"
	"sextant/logstore/wirepb"
	"sextant/scripts/cluster"
	"sextant/server/serverpb"
)

// strangers is what the cluster says of those whom TestPeersNeedCertificates lets knock.
var strangers = regexp.MustCompile(`msg="(peer|raft peer|call|append stream) refused"`)

// Ports between roles, as offsets: a storage node, a control node, its Raft, a redo stream.
var peerPorts = map[string]int{"storage": 401, "control": 501, "raft": 511, "stream": 521}

// TestPeersNeedCertificates: between processes nobody gets in without a certificate of this
// cluster, or with one of the wrong role; the cluster goes on.
func TestPeersNeedCertificates(t *testing.T) {
	c := start(t, cluster.Options{}, strangers, killed)
	dir := filepath.Join(c.Data, "peer-certs")
	keys, err := filepath.Glob(filepath.Join(dir, "*-key.pem"))
	must(t, err)
	if len(keys) < 14 { // the authority's, the operator's and one for each process
		t.Fatalf("%d keys", len(keys))
	}
	for _, k := range keys {
		if s, err := os.Stat(k); err != nil || s.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", k, s.Mode(), err)
		}
	}
	out, err := c.Run("cert", "list")
	must(t, err)
	list := regexp.MustCompile(`(?m)^storage-3 +storage +(sextant-[0-9a-f]+) `).FindStringSubmatch(out)
	if list == nil {
		t.Fatal(out)
	}
	id := list[1]
	for name, port := range peerPorts {
		conn, err := net.Dial("tcp", c.Addr(port))
		must(t, err)
		_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		ended(t, name+" without TLS", conn)
	}
	foreign := t.TempDir()
	must(t, mtls.MakeAuthority(foreign, id))
	p := mtls.Peer{Cluster: id, Role: mtls.Instance, ID: "db-1"}
	must(t, mtls.Issue(foreign, foreign, p))
	ours, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	must(t, err)
	theirs, err := os.ReadFile(filepath.Join(foreign, "ca.pem"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(foreign, "ca.pem"), append(theirs, ours...), 0o600)) // it trusts us
	stranger, err := mtls.Open(foreign, p)
	must(t, err)
	for name, port := range peerPorts {
		conn, err := stranger.Dial(t.Context(), c.Addr(port), "", mtls.Storage, mtls.Control, mtls.Instance)
		must(t, err)
		ended(t, name+" with a certificate of another authority of the same name", conn)
	}
	router, err := mtls.Open(dir, mtls.Peer{Cluster: id, Role: mtls.Router, ID: "router-1"})
	must(t, err)
	for _, name := range []string{"storage", "raft"} {
		conn, err := router.Dial(t.Context(), c.Addr(peerPorts[name]), "", mtls.Storage, mtls.Control)
		must(t, err)
		ended(t, name+" as a router", conn)
	}
	node, err := mtls.Open(dir, mtls.Peer{Cluster: id, Role: mtls.Storage, ID: "storage-2"})
	must(t, err)
	conn, err := node.Dial(t.Context(), c.Addr(peerPorts["storage"]), "", mtls.Storage)
	must(t, err)
	if _, err := wire.Handshake(conn, nil, wire.Greeting{Cluster: id, Node: "db-1"}, 5*time.Second); err == nil {
		t.Error("a storage node opens an append stream")
	}
	says(t, c, `peer refused.*certificate signed by unknown authority`)
	says(t, c, `append stream refused.* is no instance`)
	speakAsOthers(t, c, id)
	// A new certificate is taken up by a process that runs.
	_, err = c.Run("cert", "issue", "storage-1")
	must(t, err)
	_, err = c.Run("stop", "storage-2")
	must(t, err)
	run(t, pool(t, c, cluster.PortCluster, ""), "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
	_, err = c.Run("start", "storage-2")
	must(t, err)
	_, err = c.Await(deadline(t), "storage-2 to catch up", func(s *cluster.Status) bool { return s.CaughtUp("storage-2") })
	must(t, err)
}

// speakAsOthers: whoever says another id than its certificate's, or another cluster, is
// refused by every role, and logged.
func speakAsOthers(t *testing.T, c *cluster.Cluster, id string) {
	t.Helper()
	open := func(r mtls.Role, name string) *mtls.Identity {
		i, err := mtls.Open(filepath.Join(c.Data, "peer-certs"), mtls.Peer{Cluster: id, Role: r, ID: name})
		must(t, err)
		return i
	}
	dir := filepath.Join(c.Data, "peer-certs")
	must(t, mtls.Issue(dir, dir, mtls.Peer{Cluster: id, Role: mtls.Instance, ID: "db-9"}))
	storage := c.Addr(peerPorts["storage"])
	for _, g := range []wire.Greeting{{Cluster: id, Node: "db-1"}, {Cluster: "another", Node: "db-2"}, {Cluster: id, Node: "db-9"}} {
		as := "db-2"
		if g.Node == "db-9" {
			as = "db-9"
		}
		conn, err := open(mtls.Instance, as).Dial(t.Context(), storage, "storage-1", mtls.Storage)
		must(t, err)
		if w, err := wire.Handshake(conn, nil, g, 20*time.Second); err == nil {
			if _, _, err = w.Read(); err == nil {
				t.Errorf("%s opens an append stream as %v", as, g)
			}
		}
	}
	client := func(i *mtls.Identity, addr string, r mtls.Role) *grpc.ClientConn {
		conn, err := grpc.NewClient("passthrough:///"+addr, i.DialOption("", r))
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	db2, db3, node2 := open(mtls.Instance, "db-2"), open(mtls.Instance, "db-3"), open(mtls.Storage, "storage-2")
	removed := open(mtls.Instance, "db-9") // its certificate is good
	follow := func(as *mtls.Identity, h *serverpb.Hello) error {
		s, err := serverpb.NewInstanceClient(client(as, c.Addr(peerPorts["stream"]), mtls.Instance)).Follow(t.Context())
		if err == nil {
			err = s.Send(&serverpb.FollowerMessage{Hello: h})
		}
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	m := func(cluster, from string) *wirepb.Message {
		m, err := wire.ToProto(logstore.HealthAsk{})
		must(t, err)
		m.Cluster, m.From = cluster, from
		return m
	}
	asksBy := func(as *mtls.Identity, m *wirepb.Message) error {
		_, err := wirepb.NewStorageClient(client(as, storage, mtls.Storage)).Ask(t.Context(), m)
		return err
	}
	asks := func(m *wirepb.Message) error { return asksBy(db2, m) }
	tells := func(m *wirepb.Message) error {
		_, err := wirepb.NewStorageClient(client(node2, storage, mtls.Storage)).Tell(t.Context(), m)
		return err
	}
	for what, err := range map[string]error{
		"db-2 asks as db-1":                   asks(m(id, "db-1")),
		"db-2 asks in another cluster":        asks(m("another", "db-2")),
		"storage-2 tells as storage-3":        tells(m(id, "storage-3")),
		"storage-2 tells in another cluster":  tells(m("another", "storage-2")),
		"db-2 follows as db-3":                follow(db2, &serverpb.Hello{Protocol: 1, Cluster: id, Id: "db-3"}),
		"db-3 follows in another cluster":     follow(db3, &serverpb.Hello{Protocol: 1, Cluster: "another", Id: "db-3"}), // db-2's second refusal is not logged
		"db-9, which is no instance, asks":    asksBy(removed, m(id, "db-9")),
		"db-9, which is no instance, follows": follow(removed, &serverpb.Hello{Protocol: 1, Cluster: id, Id: "db-9"}),
	} {
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := watches(client(db2, c.Addr(peerPorts["control"]), mtls.Control)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("db-2 watches another cluster's control: %v", err)
	}
	if s, err := failoverpb.NewControlClient(client(removed, c.Addr(peerPorts["control"]), mtls.Control)).Watch(t.Context(), &failoverpb.WatchRequest{Cluster: id}); err == nil {
		_, err = s.Recv()
		if code := status.Code(err); code != codes.NotFound && code != codes.FailedPrecondition { // of the leader, of another
			t.Errorf("db-9, which is no instance, watches: %v", err)
		}
	}
	if err := asks(m(id, "db-2")); err != nil {
		t.Errorf("db-2 as itself: %v", err)
	}
	for _, line := range []string{
		`append stream refused.*instance db-2 speaks as .*db-1`, `append stream refused.*another cluster`, `call refused.*Ask.*instance db-2 speaks as .*db-1`,
		`append stream refused.*db-9 is no process`, `call refused.*Tell.*storage storage-2 speaks as .*storage-3`, `call refused.*Follow.*instance db-2 speaks as .*db-3`,
		`call refused.*Follow.*cluster`, `call refused.*Watch.*cluster`,
	} {
		says(t, c, line)
	}
}

func watches(conn *grpc.ClientConn) error {
	s, err := failoverpb.NewControlClient(conn).Watch(context.Background(), &failoverpb.WatchRequest{Cluster: "another"})
	if err == nil {
		_, err = s.Recv()
	}
	return err
}

// ended waits until the other end closes a connection, having said nothing but TLS alerts.
func ended(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	b, err := io.ReadAll(conn)
	if err != nil && (strings.Contains(err.Error(), "i/o timeout")) {
		t.Errorf("%s: the connection stays open", what)
	}
	if len(b) > 7 { // an alert has 7 bytes
		t.Errorf("%s: %d bytes came: %q", what, len(b), b)
	}
}
