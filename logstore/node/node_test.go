package node_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"sextant/internal/locked"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/node"
	"sextant/logstore/wire"
	"sextant/logstore/wirepb"
)

func options(dir string) node.Options {
	return node.Options{
		ID: "storage-1", Cluster: "c", Dir: dir, Listen: "127.0.0.1:0", HotFileBytes: 1 << 20,
		TickEvery: 10 * time.Millisecond, DrainEvery: time.Hour,
	}
}

// served is a running node and a stream to it.
type served struct {
	t    *testing.T
	n    *node.Node
	done chan error
	c    *wire.Conn
	next redo.LSN
	seq  uint64
}

func serve(t *testing.T, o node.Options) *served {
	t.Helper()
	n, err := node.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, n: n, done: make(chan error, 1)}
	go func() { s.done <- n.Serve() }()
	t.Cleanup(func() {
		if s.n != nil {
			s.close()
		}
	})
	s.connect()
	return s
}

func (s *served) connect() {
	s.t.Helper()
	tcp, err := net.Dial("tcp", s.n.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	if s.c, err = wire.Handshake(tcp, nil, wire.Greeting{Cluster: "c", Node: "db-1"}, 5*time.Second); err != nil {
		s.t.Fatal(err)
	}
}

func (s *served) close() {
	s.t.Helper()
	_ = s.c.Close()
	_ = s.n.Close()
	if err := <-s.done; err != nil {
		s.t.Error(err)
	}
	s.n = nil
}

func (s *served) ask(m logstore.Message) logstore.Message {
	s.t.Helper()
	if err := s.c.Send(1, m); err != nil {
		s.t.Fatal(err)
	}
	_, a, err := s.c.Read()
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func head(e redo.VolumeEpoch) logstore.Header {
	return logstore.Header{Volume: 5, Timeline: 1, Epoch: e}
}

// open takes the node to an epoch with groups 0 and 1.
func (s *served) open(e redo.VolumeEpoch) {
	s.t.Helper()
	if a, ok := s.ask(logstore.Fence{Header: head(e), Holder: 9, LAL: 1000}).(logstore.FenceAnswer); !ok {
		s.t.Fatalf("fence: %+v", a)
	}
	put := logstore.PutList{Header: head(e), Holder: 9, LAL: 1000, List: logstore.List{Epoch: e}}
	for pg := range redo.PGID(2) {
		put.Groups = append(put.Groups, logstore.GroupStart{PG: pg, Membership: 1, Members: []logstore.NodeID{"storage-1"}})
	}
	if a, ok := s.ask(put).(logstore.ListAnswer); !ok {
		s.t.Fatalf("list: %+v", a)
	}
}

// write appends one commit to a group, in a chain that is the group's alone.
func (s *served) write(e redo.VolumeEpoch, pg redo.PGID, l, prev redo.LSN, durable redo.LSN) logstore.Ack {
	s.t.Helper()
	r := page.FormatRecord(redo.PageID(pg)*100+1, page.KindLeaf, 0, uint64(l))
	r.LSN, r.PrevVolume, r.PrevPG, r.PG, r.CPL = l, l-1, prev, pg, true
	b := redo.Batch{
		Volume: 5, Timeline: 1, PG: pg, Epoch: e, Membership: 1, Start: 0, Hint: redo.Hint{VDL: durable, PGLast: durable},
		Opened: true, Records: []redo.Record{r},
	}
	s.seq++
	a, ok := s.ask(logstore.Append{
		Header: head(e), Seq: s.seq, Batches: []logstore.Batch{{Bytes: redo.AppendBatch(nil, &b)}},
	}).(logstore.Ack)
	if !ok {
		s.t.Fatalf("append: %+v", a)
	}
	return a
}

func (s *served) scl(pg redo.PGID) redo.LSN {
	for _, g := range s.n.Status().Segments {
		if g.PG == pg {
			return g.SCL
		}
	}
	return 0
}

func TestRestartKeepsEverythingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, options(dir))
	store := s.n.Status().Store
	s.open(3)
	for l := redo.LSN(1); l <= 50; l++ {
		if a := s.write(3, 0, l, l-1, l-1); a.Segments[0].SCL != l || a.Store != store {
			t.Fatalf("%+v", a)
		}
	}
	s.close()
	s = serve(t, options(dir))
	st := s.n.Status()
	if st.Store != store || st.Epoch != 3 || st.Volume != 5 || s.scl(0) != 50 {
		t.Fatalf("%+v", st)
	}
	// An epoch is of one holder, also after a restart; an older one is refused.
	for _, f := range []logstore.Fence{{Header: head(3), Holder: 10}, {Header: head(2), Holder: 9}} {
		if r, ok := s.ask(f).(logstore.Refused); !ok || r.Kind != logstore.Fenced {
			t.Fatalf("fence %+v: %+v", f, r)
		}
	}
	if a := s.write(3, 0, 51, 50, 50); a.Segments[0].SCL != 51 {
		t.Fatalf("%+v", a)
	}
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, options(dir))
	s.open(1)
	if _, err := node.Open(options(dir)); !errors.Is(err, node.ErrLocked) {
		t.Fatal(err)
	}
	s.close()
	refused := func(want error, change func(*node.Options)) {
		t.Helper()
		o := options(dir)
		change(&o)
		if n, err := node.Open(o); !errors.Is(err, want) {
			if err == nil {
				_ = n.Close()
			}
			t.Fatalf("%v, want %v", err, want)
		}
	}
	refused(node.ErrForeign, func(o *node.Options) { o.Cluster = "other" })
	refused(node.ErrForeign, func(o *node.Options) { o.ID = "storage-2" })
	path := filepath.Join(dir, "STORE")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(strings.Replace(string(good), `"format": 1`, `"format": 2`, 1))
	refused(node.ErrVersion, func(*node.Options) {})
	put("{")
	refused(node.ErrIdentity, func(*node.Options) {})
	put(string(good))
	if err := os.RemoveAll(filepath.Join(dir, "hot")); err != nil {
		t.Fatal(err)
	}
	refused(node.ErrNoLog, func(*node.Options) {})
}

// Once a node has been idle for a moment, no bit of its hot log can flip unnoticed.
func TestFlippedBitAfterIdleIsDamage(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, options(dir))
	s.open(1)
	s.write(1, 0, 1, 0, 0)
	files, _ := filepath.Glob(filepath.Join(dir, "hot", "*.log"))
	count := func() (frames int, covered bool) {
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			frames += strings.Count(string(b), "SXHF")
			batch := strings.LastIndex(string(b), "SXRB")
			covered = covered || batch >= 0 && strings.Contains(string(b[batch:]), "SXHF")
		}
		return frames, covered
	}
	wait(t, "an empty frame", func() bool { _, covered := count(); return covered })
	settled, _ := count()
	s.close()
	if got, _ := count(); got != settled {
		t.Fatalf("%d frames, then %d: an idle node goes on appending", settled, got)
	}
	for _, f := range files {
		good, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.LastIndex(string(good), "SXRB") // the last batch
		if at < 0 {
			continue
		}
		bad := []byte(string(good))
		bad[at+100] ^= 4
		if err := os.WriteFile(f, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		o := options(dir)
		o.Logger = slog.New(slog.NewTextHandler(&said, nil))
		n, err := node.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		_ = n.Close()
		if !regexp.MustCompile(`the store is set aside.*damaged: file ` + filepath.Base(f) + `, offset [1-9]`).MatchString(said.String()) {
			t.Fatal(said.String())
		}
		return
	}
	t.Fatal("no batch was found in the hot log")
}

// A damaged segment is out of service; the node and its other segments are not.
func TestDamagedSegmentFile(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.DrainEvery = 10 * time.Millisecond
	s := serve(t, o)
	s.open(1)
	s.write(1, 0, 1, 0, 0)
	s.write(1, 1, 2, 0, 1)
	s.write(1, 0, 3, 1, 2)
	s.write(1, 1, 4, 2, 3)
	s.write(1, 0, 5, 3, 4)
	wait(t, "both segments' files", func() bool {
		f, _ := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
		return len(f) == 2
	})
	s.close()
	f, _ := filepath.Glob(filepath.Join(dir, "segments", "*-0.seg"))
	for _, damage := range []func() error{
		func() error { return os.Truncate(f[0], 5000) },
		func() error { return os.Remove(f[0]) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		s = serve(t, o)
		st := s.n.Status()
		if !st.Healthy || !strings.Contains(st.Detail, "group 0") {
			t.Fatalf("%+v", st)
		}
		for _, g := range st.Segments {
			if g.Damaged != (g.PG == 0) {
				t.Fatalf("%+v", g)
			}
		}
		rpc := dial(t, s.n)
		if r, ok := askRPC(t, rpc, logstore.ReadPage{Header: head(1), PG: 0, Pages: []redo.PageID{1}, At: 3, Need: 1}).(logstore.Refused); !ok || r.Kind != logstore.Corrupt {
			t.Fatalf("%+v", r)
		}
		if a, ok := askRPC(t, rpc, logstore.ReadPage{Header: head(1), PG: 1, Pages: []redo.PageID{101}, At: 3, Need: 2}).(logstore.PageAnswer); !ok || page.Tree(a.Pages[0]) != 2 {
			t.Fatalf("%+v", a)
		}
		s.close()
	}
	f, _ = filepath.Glob(filepath.Join(dir, "segments", "*-1.seg"))
	if err := os.Remove(f[0]); err != nil {
		t.Fatal(err)
	}
	s = serve(t, o)
	if st := s.n.Status(); !regexp.MustCompile(`^segment of group [01] is damaged; and 1 more$`).MatchString(st.Detail) {
		t.Fatalf("both are damaged: %+v", st)
	}
	s.close()
}

func TestStrangersAreRefused(t *testing.T) {
	var said locked.Buffer
	o := options(t.TempDir())
	o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	s := serve(t, o)
	for range 3 { // which is logged once
		tcp, err := net.Dial("tcp", s.n.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.Handshake(tcp, nil, wire.Greeting{Cluster: "other", Node: "db-1"}, 5*time.Second); !errors.Is(err, wire.ErrForeign) {
			t.Fatal(err)
		}
	}
	p, err := wire.ToProto(logstore.HealthAsk{Header: head(1)})
	if err != nil {
		t.Fatal(err)
	}
	p.Cluster = "other"
	if _, err := dial(t, s.n).Ask(context.Background(), p); status.Code(err) != codes.PermissionDenied {
		t.Fatal(err)
	}
	// Another volume than the one that the node stores.
	s.open(1)
	f := logstore.Fence{Header: head(9), Holder: 1}
	f.Volume++
	if r, ok := s.ask(f).(logstore.Refused); !ok || r.Kind != logstore.Invalid {
		t.Fatalf("%+v", r)
	}
	wait(t, "a refusal is logged", func() bool { return strings.Contains(said.String(), "append stream refused") })
	if n := strings.Count(said.String(), "append stream refused"); n != 1 {
		t.Errorf("%d refusals are logged:\n%s", n, said.String())
	}
}

// A storage node hears no other node and no instance that has been removed: neither gossip nor reads nor an append stream.
func TestRemovedProcessesAreRefused(t *testing.T) {
	o := options(t.TempDir())
	var gone atomic.Bool
	o.Gone = func(id string) bool { return gone.Load() && id == "db-1" }
	s := serve(t, o)
	p, err := wire.ToProto(logstore.HealthAsk{Header: head(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, is := range []bool{false, true} {
		gone.Store(is)
		for from, want := range map[string]codes.Code{"storage-2": codes.OK, "db-1": map[bool]codes.Code{true: codes.PermissionDenied}[is]} {
			p.Cluster, p.From = "c", from
			if _, err := dial(t, s.n).Tell(t.Context(), p); status.Code(err) != want {
				t.Errorf("gone %t: told by %s: %v", is, from, err)
			}
			if _, err := dial(t, s.n).Ask(t.Context(), p); status.Code(err) != want {
				t.Errorf("gone %t: asked by %s: %v", is, from, err)
			}
		}
	}
	s.connect()
	if _, _, err := s.c.Read(); err == nil {
		t.Error("its append stream is open")
	}
}

// The hot log is a few small files, and is written many times their size: the drain
// keeps up, or the writer waits. What was drained is read back.
func TestHotLogIsReused(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.DrainEvery, o.HotFiles = 20*time.Millisecond, 3
	s := serve(t, o)
	s.open(1)
	big := make([]byte, 64<<10)
	var prev redo.LSN
	for l := redo.LSN(1); l <= 200; l++ {
		r := redo.Record{LSN: l, PrevVolume: l - 1, PrevPG: prev, PG: 0, Page: 0, Op: redo.OpNone, CPL: true, Payload: big}
		b := redo.Batch{
			Volume: 5, Timeline: 1, PG: 0, Epoch: 1, Membership: 1, Hint: redo.Hint{VDL: prev, PGLast: prev}, Opened: true,
			Records: []redo.Record{r},
		}
		s.seq++
		a, ok := s.ask(logstore.Append{Header: head(1), Seq: s.seq, Batches: []logstore.Batch{{Bytes: redo.AppendBatch(nil, &b)}}}).(logstore.Ack)
		if !ok || a.Segments[0].SCL != l {
			t.Fatalf("%d: %+v", l, a)
		}
		prev = l
	}
	files, _ := filepath.Glob(filepath.Join(dir, "hot", "*.log"))
	if len(files) > 4 { // one may have been released and not be used again yet
		t.Fatalf("%d files of a hot log of 3", len(files))
	}
	a, ok := askRPC(t, dial(t, s.n), logstore.ReadLog{
		Header: head(1), PG: 0, Range: redo.Range{Through: 199}, Need: 199,
	}).(logstore.LogAnswer)
	if !ok || len(a.Records) == 0 || a.Records[0].LSN != 1 {
		t.Fatalf("%+v", a)
	}
}

func dial(t *testing.T, n *node.Node) wirepb.StorageClient {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+n.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MessageBytesMax)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return wirepb.NewStorageClient(c)
}

func askRPC(t *testing.T, c wirepb.StorageClient, m logstore.Message) logstore.Message {
	t.Helper()
	p, err := wire.ToProto(m)
	if err != nil {
		t.Fatal(err)
	}
	p.Cluster = "c"
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := c.Ask(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	a, err := wire.FromProto(out)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wait waits for a condition, with a deadline.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 20 seconds", what)
		}
	}
}
