package inspect_test

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"sextant/engine/row"
	"sextant/failover/fleet"
	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/boltstore"
	"sextant/logstore/hotlog"
	"sextant/logstore/inspect"
	"sextant/logstore/node"
	"sextant/logstore/segment"
	"sextant/logstore/wire"
)

var update = flag.Bool("update", false, "write the examples of docs/format.md anew")

const formatDoc = "../../docs/format.md"

// TestFormatDocument: every example in docs/format.md is what the program writes. An
// example is a block of hex between "<!-- bytes: NAME -->" and "<!-- end -->".
func TestFormatDocument(t *testing.T) {
	b, err := os.ReadFile(formatDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, bytes := range examples(t) {
		begin, end := "<!-- bytes: "+name+" -->\n", "<!-- end -->"
		_, rest, ok := strings.Cut(text, begin)
		old, _, closed := strings.Cut(rest, end)
		if !ok || !closed || strings.Contains(rest[len(old)+len(end):], begin) {
			t.Errorf("%s: not there once", name)
			continue
		}
		want := "```\n" + hex.Dump(bytes) + "```\n"
		if *update {
			text = strings.Replace(text, begin+old, begin+want, 1)
		} else if old != want {
			t.Errorf("%s is\n%s, the document has\n%s", name, want, old)
		}
	}
	if n := strings.Count(text, "<!-- bytes: "); n != len(examples(t)) {
		t.Errorf("the document has %d examples, %d are known", n, len(examples(t)))
	}
	if *update {
		if err := os.WriteFile(formatDoc, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The commit of the examples: INSERT INTO accounts VALUES (7, 'Ada') into an empty table.
var (
	exampleDesc = row.NewDesc(1, []row.Column{
		{ID: 1, Name: "id", Type: row.TypeInt32}, {ID: 2, Name: "name", Type: row.TypeText, Nullable: true, Collation: 46},
	})
	exampleStore = logstore.StoreID(0x1122334455667788)
)

func exampleRow(t *testing.T) (key, value []byte) {
	row.RegisterCollation(&row.Collation{ID: 46, Name: "utf8mb4_bin", Binary: true})
	b := row.NewBuilder(exampleDesc)
	b.SetInt(0, 7)
	b.SetBytes(1, []byte("Ada"))
	r, err := b.Row()
	if err != nil {
		t.Fatal(err)
	}
	r.SetLSN(101)
	k, err := row.NewKey(exampleDesc, []row.KeyPart{{Column: 0}})
	if err != nil {
		t.Fatal(err)
	}
	if key, _, err = k.AppendRow(nil, exampleDesc, r); err != nil {
		t.Fatal(err)
	}
	return key, r
}

func exampleBatch(t *testing.T) *redo.Batch {
	key, value := exampleRow(t)
	return &redo.Batch{
		Volume: 0xabcdef, Timeline: 1, PG: 0, Epoch: 1, Membership: 1, Start: 100, Hint: redo.Hint{VDL: 100, PGLast: 100},
		MinReadPoint: 90, Opened: true, Records: []redo.Record{
			{LSN: 101, PrevVolume: 100, PrevPG: 100, Page: 17, Op: redo.OpFormat, Payload: page.AppendFormat(nil, page.KindLeaf, 0, 1000)},
			{LSN: 102, PrevVolume: 101, PrevPG: 101, Page: 17, Op: redo.OpInsert, Payload: page.AppendCell(nil, key, value, false),
				CPL: true, Wall: 1_700_000_000_000_000},
		},
	}
}

func examples(t *testing.T) map[string][]byte {
	batch := exampleBatch(t)
	key, value := exampleRow(t)
	out := map[string][]byte{"batch": redo.AppendBatch(nil, batch), "row": value, "key": key}
	out["record"] = redo.AppendRecord(nil, &batch.Records[1], batch.Records[0].LSN)

	p := make([]byte, page.SizeMin)
	for i := range batch.Records {
		if err := page.Apply(p, &batch.Records[i]); err != nil {
			t.Fatal(err)
		}
	}
	page.Seal(p, page.Address{Volume: batch.Volume, Timeline: 1, Page: 17})
	out["page"] = p

	k, err := row.NewKey(exampleDesc, []row.KeyPart{{Column: 1}, {Column: 0, Desc: true}})
	if err != nil {
		t.Fatal(err)
	}
	if out["secondary key"], _, err = k.AppendRow(nil, exampleDesc, value); err != nil {
		t.Fatal(err)
	}
	if out["command"], err = fleet.EncodeCommand(&fleet.Opened{Epoch: 5}); err != nil {
		t.Fatal(err)
	}
	frames, err := wire.Encode(0, logstore.Ack{
		Header: logstore.Header{Volume: batch.Volume, Timeline: 1, Epoch: 1}, Store: exampleStore, Seq: 3,
		Segments: []logstore.SegmentAck{{PG: 0, Membership: 1, Tail: 102, SCL: 102}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out["ack"] = frames[0]
	out["greeting"] = exampleGreeting(t)
	out["frame"] = exampleFrame(t, out["batch"])
	out["run"] = exampleRun(t, batch)
	return out
}

// exampleGreeting is what an end of an append stream sends first.
func exampleGreeting(t *testing.T) []byte {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			_, _ = wire.Handshake(c, nil, wire.Greeting{Cluster: "demo-1", Node: "db-1"}, 5*time.Second)
		}
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := make([]byte, 16)
	if _, err := io.ReadFull(c, h); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.LittleEndian.Uint32(h[8:]))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	return append(h, body...)
}

// exampleFrame is the batch's frame in a hot log, the second of its file.
func exampleFrame(t *testing.T, batch []byte) []byte {
	dir := t.TempDir()
	disk := fileDisk{dir}
	l, _, err := hotlog.Open(disk, hotlog.Options{Owner: uint64(exampleStore), FileBytes: 64 << 10, FilesMax: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Rotate(nil, 0); err != nil {
		t.Fatal(err)
	}
	const frameBatch = hotlog.KindCaller + 4
	if err := l.Append([]hotlog.Frame{{Kind: frameBatch, Body: batch}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "hot-000001.log"))
	if err != nil {
		t.Fatal(err)
	}
	return b[64:128] // behind the empty snapshot: its header
}

// exampleRun is the value of the example's run in bbolt.
func exampleRun(t *testing.T, batch *redo.Batch) (value []byte) {
	dir := t.TempDir()
	s, err := boltstore.Open(boltstore.Options{Dir: dir, Cluster: "demo-1", Store: exampleStore, Volume: batch.Volume, Timeline: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(0, []boltstore.PageWrite{{Page: 17, Records: batch.Records}}); err != nil {
		t.Fatal(err)
	}
	path := s.FileOf(0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		k, v := tx.Bucket([]byte("run")).Cursor().First()
		if want := "000000000000001100000000000000660000000000000001"; hex.EncodeToString(k) != want {
			return fmt.Errorf("key %x", k)
		}
		value = append(value, v...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// fileDisk is a directory of plain files.
type fileDisk struct{ dir string }

func (d fileDisk) List() (names []string, err error) {
	entries, err := os.ReadDir(d.dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d fileDisk) Create(name string, size int64) (hotlog.File, error) {
	f, err := os.Create(filepath.Join(d.dir, name))
	if err != nil {
		return nil, err
	}
	return sizedFile{f}, f.Truncate(size)
}

func (d fileDisk) Open(name string) (hotlog.File, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_RDWR, 0)
	return sizedFile{f}, err
}

func (d fileDisk) Remove(name string) error { return os.Remove(filepath.Join(d.dir, name)) }

type sizedFile struct{ *os.File }

func (f sizedFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// TestCollected: what garbage collection leaves is sound, and says what has gone.
func TestCollected(t *testing.T) {
	dir := nodeDir(t)
	n, err := node.OpenOffline(dir, cluster, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := boltstore.Open(boltstore.Options{Dir: n.Segments, Cluster: cluster, Store: n.Store, Volume: volume, Timeline: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Collect(garbage(202), 0, 100)
	if err != nil || c.Runs+c.Images == 0 {
		t.Fatal(c, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wants(t, must(t)(check(dir)), `(?m)^storage-3: sound$`)
	wants(t, must(t)(log(dir, inspect.Filter{})), `group 0: records up to \d+ have been collected`)
	if _, err := showPage(dir, 1, 3); err == nil || !strings.Contains(err.Error(), "collected as garbage") {
		t.Error(err)
	}
}

func garbage(floor redo.LSN) segment.GarbagePlan {
	return segment.GarbagePlan{PG: 0, ReadFloor: floor, LogFloor: floor}
}
