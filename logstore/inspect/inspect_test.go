package inspect_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/inspect"
	"sextant/logstore/node"
	"sextant/logstore/wire"
)

const (
	cluster = "test-1"
	id      = "storage-3"
	volume  = redo.VolumeID(0xabcdef)
)

// writer writes to one node over the append stream.
type writer struct {
	t    *testing.T
	n    *node.Node
	c    *wire.Conn
	done chan error
	seq  uint64
	next redo.LSN
	last map[redo.PGID]redo.LSN
}

func start(t *testing.T, dir string, w *writer, drain time.Duration) *writer {
	t.Helper()
	n, err := node.Open(node.Options{
		ID: id, Cluster: cluster, Dir: dir, Listen: "127.0.0.1:0", HotFileBytes: 1 << 20, TickEvery: 5 * time.Millisecond, DrainEvery: drain,
	})
	if err != nil {
		t.Fatal(err)
	}
	if w == nil {
		w = &writer{t: t, next: 1, last: map[redo.PGID]redo.LSN{}}
	}
	w.n, w.done = n, make(chan error, 1)
	done := w.done
	go func() { done <- n.Serve() }()
	tcp, err := net.Dial("tcp", n.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if w.c, err = wire.Handshake(tcp, nil, wire.Greeting{Cluster: cluster, Node: "db-1"}, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *writer) stop() {
	w.t.Helper()
	_ = w.c.Close()
	if err := w.n.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := <-w.done; err != nil {
		w.t.Fatal(err)
	}
}

func (w *writer) ask(m logstore.Message) logstore.Message {
	w.t.Helper()
	if err := w.c.Send(1, m); err != nil {
		w.t.Fatal(err)
	}
	_, a, err := w.c.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	if r, no := a.(logstore.Refused); no {
		w.t.Fatal(r)
	}
	return a
}

func head() logstore.Header { return logstore.Header{Volume: volume, Timeline: 1, Epoch: 1} }

func (w *writer) open(groups redo.PGID) {
	w.t.Helper()
	w.ask(logstore.Fence{Header: head(), Holder: 9, LAL: 1000})
	put := logstore.PutList{Header: head(), Holder: 9, LAL: 1000, List: logstore.List{Epoch: 1}}
	for pg := range groups {
		put.Groups = append(put.Groups, logstore.GroupStart{PG: pg, Membership: 1, Members: []logstore.NodeID{id}})
	}
	w.ask(put)
}

// commit writes one record, whose payload is given, with everything before it durable.
func (w *writer) commit(pg redo.PGID, id redo.PageID, op redo.Op, payload []byte) redo.LSN {
	w.t.Helper()
	l := w.next
	w.next++
	r := redo.Record{
		LSN: l, PrevVolume: l - 1, PrevPG: w.last[pg], PG: pg, Page: id, Op: op, CPL: true,
		Wall: 1_700_000_000_000_000 + int64(l), Payload: payload,
	}
	b := redo.Batch{
		Volume: volume, Timeline: 1, PG: pg, Epoch: 1, Membership: 1, Hint: redo.Hint{VDL: l - 1, PGLast: w.last[pg]},
		Opened: true, Records: []redo.Record{r},
	}
	w.last[pg] = l
	w.seq++
	w.ask(logstore.Append{Header: head(), Seq: w.seq, Batches: []logstore.Batch{{Bytes: redo.AppendBatch(nil, &b)}}})
	return l
}

func (w *writer) insert(pg redo.PGID, id redo.PageID, key string) redo.LSN {
	return w.commit(pg, id, redo.OpInsert, page.AppendCell(nil, []byte(key), []byte("value of "+key), false))
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("no %s in time", what)
		}
		<-time.After(time.Millisecond)
	}
}

// nodeDir makes the directory of a stopped node: group 0 has a segment's file with an
// image of page 1 and newer records in the hot log, group 1 is in the hot log alone.
func nodeDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	w := start(t, dir, nil, 5*time.Millisecond)
	w.open(1)
	w.commit(0, 1, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, 1000))
	w.commit(0, 2, redo.OpFormat, page.AppendFormat(nil, page.KindOverflow, 0, 1000))
	for i := range 200 {
		w.insert(0, 1, fmt.Sprintf("key-%03d", i))
	}
	// The last record waits for the hint of the next one; two have 52 bytes.
	eventually(t, "drain", func() bool { return w.n.Status().Undrained < 60 })
	w.stop()
	start(t, dir, w, time.Hour)
	w.ask(logstore.CreateSegment{Header: head(), GroupStart: logstore.GroupStart{PG: 1, Membership: 1, Members: []logstore.NodeID{id}}})
	w.commit(1, 101, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, 1001))
	for i := range 5 {
		w.insert(0, 1, fmt.Sprintf("late-%03d", i))
		w.insert(1, 101, fmt.Sprintf("other-%03d", i))
	}
	w.stop()
	start(t, dir, w, time.Hour) // its snapshot covers every frame before it
	w.stop()
	return dir
}

// run opens the node's files and returns what f wrote.
func run(dir string, f func(*inspect.Node, io.Writer) error) (string, error) {
	n, err := inspect.Open(dir, cluster, id)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = f(n, &b)
	return b.String(), errors.Join(err, n.Close())
}

func check(dir string) (string, error) {
	return run(dir, func(n *inspect.Node, w io.Writer) error { return n.Check(w) })
}

func log(dir string, f inspect.Filter) (string, error) {
	return run(dir, func(n *inspect.Node, w io.Writer) error { return n.Log(w, f) })
}

func showPage(dir string, p redo.PageID, at redo.LSN) (string, error) {
	return run(dir, func(n *inspect.Node, w io.Writer) error { return n.Page(w, p, at) })
}

func must(t *testing.T) func(s string, err error) string {
	return func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
		return s
	}
}

func wants(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(got) {
			t.Errorf("no %q in\n%s", w, got)
		}
	}
}

// TestSoundNode: all three tools show a sound node, and change nothing.
func TestSoundNode(t *testing.T) {
	dir := nodeDir(t)
	before := fingerprint(t, dir)
	wants(t, must(t)(check(dir)), `(?m)^storage-3: sound$`, `(?m)^0 +\d+ +2 +[1-9]\d* +20\d `, `(?m)^1 +0 +0 +0 +0 +6 `,
		`volume 0000000000abcdef, timeline 1, volume epoch 1`)
	all := must(t)(log(dir, inspect.Filter{}))
	wants(t, all, `snapshot`, `create .*epoch 1`, `group 1  membership 1`, `lsn 203  prev 202  group 1  prev of group 0  page 101  format`,
		`lsn 213 .* insert  \d+ bytes  CPL 2023-11-14T22:13:20.000213Z`, `segments/.*-1-0.seg: group 0`, `lsn 1  prev 0  group 0  prev of group 0  page 1  format`)
	one := redo.PGID(1)
	some := must(t)(log(dir, inspect.Filter{Group: &one, From: 205, To: 207}))
	if got := regexp.MustCompile(`lsn (\d+)`).FindAllString(some, -1); !slices.Equal(got, []string{"lsn 205", "lsn 207"}) {
		t.Errorf("%v from\n%s", got, some)
	}
	wants(t, must(t)(log(dir, inspect.Filter{Page: 2})), `(?m)^segments/0.*\n +lsn 2 .*page 2 .*\n$`)
	p := must(t)(showPage(dir, 1, 0))
	wants(t, p, `kind: +leaf, level 0`, `tree: +1000`, `page LSN: +212`, `cells: +205,`, `\|late-004\|`, `image at LSN [1-9]`)
	wants(t, must(t)(showPage(dir, 1, 4)), `page LSN: +4\n`, `cells: +2,`, `\|key-001\|`)
	wants(t, must(t)(showPage(dir, 101, 0)), `page 101 of group 1`, `cells: +5,`)
	wants(t, must(t)(showPage(dir, 2, 0)), `overflow`)
	for _, c := range []struct {
		page redo.PageID
		at   redo.LSN
		want string
	}{{0, 0, "numbered from 1"}, {999, 0, "has nothing of page 999"}, {101, 100, "at or below LSN 100"}} {
		if _, err := showPage(dir, c.page, c.at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("page %d at %d: %v", c.page, c.at, err)
		}
	}
	if fingerprint(t, dir) != before {
		t.Error("something in the directory was changed")
	}
}

// fingerprint sums the names, times and content of all files.
func fingerprint(t *testing.T, dir string) [32]byte {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, p, fi.ModTime(), fi.Size())
		if e.IsDir() {
			return nil
		}
		b, err := os.ReadFile(p)
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	f, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(f) == 0 {
		t.Fatal(pattern, f, err)
	}
	return f
}

// answers is what the tools say of the log and the pages, without the frames that
// have no data: the last of them covers the frames before it and is covered by none,
// so that damage to it is a torn tail.
func answers(dir string) (string, error) {
	all, err := log(dir, inspect.Filter{})
	for _, p := range []redo.PageID{1, 2, 101} {
		s, e := showPage(dir, p, 0)
		all, err = all+s, errors.Join(err, e)
	}
	var b strings.Builder
	for line := range strings.Lines(all) {
		if !regexp.MustCompile("  (empty|snapshot)  |: generation |^torn tail: ").MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String(), err
}

// TestFlippedBits: a flipped bit is named by check, or nothing that the tools show
// has changed. Nothing panics.
func TestFlippedBits(t *testing.T) {
	dir := nodeDir(t)
	want, err := answers(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 9))
	found, harmless := map[string]int{}, map[string]int{}
	for _, path := range append(files(t, dir, "hot/*.log"), files(t, dir, "segments/*.seg")...) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kind := filepath.Ext(path)
		if !bytes.Contains(b[:min(len(b), 1<<10)], []byte("SX")) && kind == ".log" {
			continue // a spare file
		}
		used := spots(b)
		for range 40 {
			at := used[r.IntN(len(used))]
			flip(t, path, b, at, byte(1<<r.IntN(8)))
			out, err := check(dir)
			switch {
			case errors.Is(err, inspect.ErrUnsound) && strings.Contains(out, filepath.Base(path)):
				found[kind]++
				if _, err := log(dir, inspect.Filter{}); err == nil && kind == ".log" {
					t.Errorf("%s, offset %d: check finds damage, log does not", path, at)
				}
				_, _ = showPage(dir, 1, 0) // may fail; must not panic
			case err != nil:
				t.Errorf("%s, offset %d: %v\n%s", path, at, err, out)
			default:
				harmless[kind]++
				if got, err := answers(dir); err != nil || got != want {
					t.Errorf("%s, offset %d: not found, and the answers differ: %v", path, at, err)
				}
			}
		}
		flip(t, path, b, 0, 0)
	}
	t.Log("found", found, "harmless", harmless)
	if found[".log"] < 40 || found[".seg"] < 16 {
		t.Error("too few flips were found: the test hits bytes that do not count")
	}
	must(t)(check(dir))
}

// spots returns the offsets of the bytes that are not zero and some beside them.
func spots(b []byte) (out []int) {
	for i, c := range b {
		if c != 0 || i%4096 < 16 && i < 64<<10 {
			out = append(out, i)
		}
	}
	return out
}

// flip writes b with one byte changed.
func flip(t *testing.T, path string, b []byte, at int, bit byte) {
	t.Helper()
	b[at] ^= bit
	err := os.WriteFile(path, b, 0o600)
	b[at] ^= bit
	if err != nil {
		t.Fatal(err)
	}
}

// TestCutFiles: files that are too short are named, wherever they end. The newest
// generation of the hot log is the one whose end nothing covers.
func TestCutFiles(t *testing.T) {
	dir := nodeDir(t)
	covered := liveFiles(t, dir)
	covered = append(covered[:len(covered)-1], files(t, dir, "segments/*.seg")...)
	if len(covered) != 3 {
		t.Fatal(covered)
	}
	for _, path := range covered {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		used := len(bytes.TrimRight(b, "\x00"))
		for _, size := range []int{0, 1, 63, 64, 100, 1000, used / 2, used - 1} {
			if err := os.WriteFile(path, b[:size], 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := check(dir)
			if !errors.Is(err, inspect.ErrUnsound) {
				t.Errorf("%s cut to %d: %v\n%s", path, size, err, out)
			}
			if size >= 64 || strings.HasSuffix(path, ".seg") {
				wants(t, out, `PROBLEM: .*`+filepath.Base(path))
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t)(check(dir))
}

// liveFiles returns the live files of the hot log in order of generations.
func liveFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	n, err := node.OpenOffline(dir, cluster, id)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	out, err := hotlog.Inspect(n.Hot, uint64(n.Store), func(hotlog.Entry) error { return nil })
	for _, name := range out.Live {
		paths = append(paths, filepath.Join(dir, "hot", name))
	}
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	return paths
}

// TestLostRecords: a segment's file that is older than the hot log's state, or gone,
// is found by the chain of records.
func TestLostRecords(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, nil, 5*time.Millisecond)
	w.open(1)
	w.commit(0, 1, redo.OpFormat, page.AppendFormat(nil, page.KindLeaf, 0, 1000))
	for i := range 10 {
		w.insert(0, 1, fmt.Sprintf("a-%03d", i))
	}
	drained := func() bool { return w.n.Status().Undrained < 40 }
	eventually(t, "drain", drained)
	w.stop()
	path := files(t, dir, "segments/*.seg")[0]
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	start(t, dir, w, 5*time.Millisecond)
	for i := range 10 {
		w.insert(0, 1, fmt.Sprintf("b-%03d", i))
	}
	eventually(t, "drain", drained)
	w.stop()
	start(t, dir, w, 5*time.Millisecond) // a new generation: the old ones' records are in the file
	w.insert(0, 1, "c")
	eventually(t, "drain", func() bool { return w.n.Status().HotFiles == 1 })
	w.insert(0, 1, "d") // its frame says that the older generations are drained
	w.stop()
	must(t)(check(dir))
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := check(dir)
	if !errors.Is(err, inspect.ErrUnsound) {
		t.Errorf("%v\n%s", err, out)
	}
	wants(t, out, `PROBLEM: group 0: records between 1\d and 2\d are missing`)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	out, err = check(dir)
	if !errors.Is(err, inspect.ErrUnsound) {
		t.Errorf("%v\n%s", err, out)
	}
	wants(t, out, `PROBLEM: segments: the file of group 0 is missing`)
}

// TestDirectoriesThatAreRefused: each says why.
func TestDirectoriesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := inspect.Open(dir, cluster, id); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no storage node") {
		t.Errorf("empty directory: %v", err)
	}
	w := start(t, dir, nil, time.Hour)
	if _, err := inspect.Open(dir, cluster, id); !errors.Is(err, node.ErrLocked) {
		t.Errorf("running node: %v", err)
	}
	w.stop()
	wants(t, must(t)(check(dir)), `knows no volume`, `storage-3: sound`)
	if _, err := inspect.Open(dir, "another", id); !errors.Is(err, node.ErrForeign) {
		t.Errorf("another cluster: %v", err)
	}
	if _, err := inspect.Open(dir, cluster, "storage-4"); !errors.Is(err, node.ErrForeign) {
		t.Errorf("another node: %v", err)
	}
	n, err := inspect.Open(dir, cluster, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(node.Options{ID: id, Cluster: cluster, Dir: dir, Listen: "127.0.0.1:0"}); !errors.Is(err, node.ErrLocked) {
		t.Errorf("start of a node that is looked at: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "STORE")
	b, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{
		strings.Replace(string(b), `"format": 1`, `"format": 2`, 1):            node.ErrVersion,
		strings.Replace(string(b), `"features": []`, `"features": ["new"]`, 1): node.ErrVersion,
		"{}": node.ErrIdentity,
	} {
		if err := os.WriteFile(store, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := inspect.Open(dir, cluster, id); !errors.Is(err, want) {
			t.Errorf("%v instead of %v for %s", err, want, text)
		}
	}
}

// TestForeignAndNewerFiles: files of another store and of a newer format are named,
// and not taken for damage.
func TestForeignAndNewerFiles(t *testing.T) {
	dir := nodeDir(t)
	path := files(t, dir, "segments/*.seg")[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	s, err := boltstore.Open(boltstore.Options{Dir: other, Cluster: cluster, Store: 77, Volume: volume, Timeline: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Write(0, nil), s.Close()); err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(files(t, other, "*.seg")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := check(dir)
	if !errors.Is(err, inspect.ErrUnsound) {
		t.Errorf("%v\n%s", err, out)
	}
	wants(t, out, `belongs to another store: .* is of store 000000000000004d`)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}

	// The second frame of the oldest live file gets the next version, and its sums.
	hot, frame := secondFrame(t, dir)
	b, err = os.ReadFile(hot)
	if err != nil {
		t.Fatal(err)
	}
	h := b[frame : frame+64]
	h[4]++
	binary.LittleEndian.PutUint32(h[12:], redo.Checksum(redo.Checksum(0, h[:12]), h[16:]))
	if err := os.WriteFile(hot, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = check(dir)
	if !errors.Is(err, inspect.ErrUnsound) {
		t.Errorf("%v\n%s", err, out)
	}
	wants(t, out, fmt.Sprintf(`unknown format version.*%s, offset %d: version 2`, filepath.Base(hot), frame))
}

// secondFrame returns file and offset of a live frame that others follow.
func secondFrame(t *testing.T, dir string) (path string, offset int64) {
	t.Helper()
	n, err := node.OpenOffline(dir, cluster, id)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	_, err = hotlog.Inspect(n.Hot, uint64(n.Store), func(e hotlog.Entry) error {
		if path == "" && e.Offset > 0 {
			path, offset = filepath.Join(dir, "hot", e.File), e.Offset
		}
		return nil
	})
	if err != nil || path == "" {
		t.Fatal(path, err)
	}
	return path, offset
}
