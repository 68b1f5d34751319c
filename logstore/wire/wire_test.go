package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sextant/internal/mtls"
	"sextant/internal/mtls/mtlstest"
	"sextant/internal/redo"
	"sextant/internal/spent"
	"sextant/logstore"
	"sextant/logstore/wire"
	"sextant/logstore/wirepb"
)

var head = logstore.Header{Volume: 0xfeed, Timeline: 3, Epoch: 7}

func recs(pg redo.PGID) []redo.Record {
	return []redo.Record{
		{LSN: 10, PrevVolume: 9, PrevPG: 4, PG: pg, Page: 5, Op: redo.OpInsert, Payload: []byte("payload")},
		{LSN: 900, PrevVolume: 10, PrevPG: 10, PG: pg, Page: 6, Op: redo.OpNone, CPL: true, Flags: 1, Wall: 123456, Payload: []byte{}},
	}
}

func batch(pg redo.PGID) logstore.Batch {
	b := redo.Batch{Volume: head.Volume, Timeline: head.Timeline, PG: pg, Epoch: head.Epoch, Membership: 2, Start: 4, Records: recs(pg)}
	bytes := redo.AppendBatch(nil, &b)
	d, err := redo.DecodeBatch(bytes)
	if err != nil {
		panic(err)
	}
	return logstore.Batch{Batch: d, Bytes: bytes}
}

// messages has one of each, every field set.
func messages() []logstore.Message {
	list := logstore.List{Epoch: 6, Ranges: redo.Ranges{{After: 1, Through: 5}, {After: 9, Through: 12}}}
	state := []logstore.SegmentState{{
		PG: 1, Membership: 2, Hint: redo.Hint{VDL: 9, PGLast: 8}, Tail: 11, Start: 4, SCL: 12, Last: 13, Damaged: true,
	}}
	ack := []logstore.SegmentAck{{PG: 1, Membership: 2, Tail: 3, SCL: 4}, {PG: 5, Membership: 6, Tail: 7, SCL: 8}}
	start := logstore.GroupStart{PG: 1, Membership: 2, Members: []logstore.NodeID{"a", "b"}, Start: 9, Last: 10}
	return []logstore.Message{
		logstore.Fence{Header: head, Holder: 5, LAL: 6},
		logstore.FenceAnswer{Header: head, Store: 1, List: list, Opened: true, LALs: []logstore.EpochLAL{{Epoch: 1, LAL: 2}}, Segments: state},
		logstore.Fetch{Header: head, Ranges: []logstore.PGLSN{{PG: 1, LSN: 2}}},
		logstore.FetchAnswer{Header: head, Store: 1, Groups: []logstore.Fetched{{PG: 4, Records: recs(4), More: true}, {PG: 5}}},
		logstore.PutList{Header: head, Holder: 8, LAL: 9, List: list, Groups: []logstore.GroupStart{start}},
		logstore.ListAnswer{Header: head, Store: 1, Segments: ack},
		logstore.Append{Header: head, Seq: 5, Batches: []logstore.Batch{batch(1), batch(2)}},
		logstore.Append{Header: head, Seq: 6},
		logstore.Ack{Header: head, Store: 1, Seq: 5, Segments: ack},
		logstore.CreateSegment{Header: head, GroupStart: start},
		logstore.SegmentCreated{Header: head, Store: 1, Ack: ack[0]},
		logstore.ReadPage{Header: head, PG: 1, Pages: []redo.PageID{5, 6}, At: 7, Need: 8, Reader: true},
		logstore.PageAnswer{Header: head, Pages: [][]byte{{1, 2}, nil}, SCL: 9},
		logstore.ReadLog{Header: head, PG: 1, Range: redo.Range{After: 1, Through: 9}, Need: 8, Reader: true},
		logstore.LogAnswer{Header: head, PG: 4, Records: recs(4), More: true},
		logstore.Gossip{Header: head, ListEpoch: 6, SCLs: []logstore.PGLSN{{PG: 1, LSN: 2}}},
		logstore.GossipAsk{Header: head, ListEpoch: 6, Asks: []logstore.Ask{{PG: 1, Holes: []redo.Range{{After: 1, Through: 2}}}}},
		logstore.GossipFill{Header: head, ListEpoch: 6, PG: 4, Records: recs(4), Gone: true},
		logstore.CopySegment{Header: head, ListEpoch: 6, PG: 1, After: 3},
		logstore.CopyAnswer{
			Header: head, ListEpoch: 6, PG: 1, After: 2, Hint: redo.Hint{VDL: 3, PGLast: 2}, More: true,
			Pages: []logstore.PageImage{{Page: 1, LSN: 2, Data: []byte{3}}},
		},
		logstore.HealthAsk{Header: head},
		logstore.Health{Header: head, Store: 1, List: list, Opened: true, MinReadPoint: 3, Segments: state, Undrained: 4, Holes: 5},
		logstore.Refused{Header: head, Kind: logstore.Behind, Of: 6, ListEpoch: 5, Seq: 4, PG: 3, Segment: true, Text: "why"},
	}
}

func allFieldsSet(t *testing.T, m logstore.Message) {
	t.Helper()
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if _, ok := m.(logstore.Append); !ok && v.Field(i).IsZero() {
			t.Fatalf("%T.%s is not set: the test would not see it missing", m, name)
		}
	}
}

// overBoth runs a test over a plain stream and over one with mutual TLS.
func overBoth(t *testing.T, test func(t *testing.T, a, b *wire.Conn)) {
	t.Run("plain", func(t *testing.T) {
		a, b := pair(t, nil, nil)
		test(t, a, b)
	})
	t.Run("tls", func(t *testing.T) {
		identity := mtlstest.Authority(t, "c")
		a, b := pair(t, identity(mtls.Instance, "db-1"), identity(mtls.Storage, "storage-1"))
		test(t, a, b)
	})
}

// TestNobodySpeaksAsAnother: who greets with another id than its certificate's is refused,
// by the node and by the writer.
func TestNobodySpeaksAsAnother(t *testing.T) {
	identity := mtlstest.Authority(t, "c")
	for _, says := range [][2]logstore.NodeID{{"db-2", "storage-1"}, {"db-1", "storage-2"}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l = identity(mtls.Storage, "storage-1").Listen(l, slog.New(slog.DiscardHandler), mtls.Instance)
		defer l.Close()
		node := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, err = wire.Handshake(c, nil, wire.Greeting{Cluster: "c", Node: says[1], Store: 9}, 20*time.Second)
			}
			node <- err
		}()
		c, err := identity(mtls.Instance, "db-1").Dial(t.Context(), l.Addr().String(), "storage-1", mtls.Storage)
		if err != nil {
			t.Fatal(err)
		}
		_, err = wire.Handshake(c, nil, wire.Greeting{Cluster: "c", Node: says[0]}, 20*time.Second)
		if says[0] != "db-1" {
			err = <-node
		}
		if !errors.Is(err, mtls.ErrRefused) {
			t.Fatalf("%v: %v", says, err)
		}
	}
}

func pair(t *testing.T, client, server *mtls.Identity) (a, b *wire.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = server.Listen(l, slog.New(slog.DiscardHandler), mtls.Instance)
	defer l.Close()
	got := make(chan *wire.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		first := make([]byte, 4)
		_, _ = io.ReadFull(c, first)
		s, err := wire.Handshake(c, first, wire.Greeting{Cluster: "c", Node: "storage-1", Store: 9}, 5*time.Second)
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	c, err := client.Dial(t.Context(), l.Addr().String(), "", mtls.Storage)
	if err != nil {
		t.Fatal(err)
	}
	a, err = wire.Handshake(c, nil, wire.Greeting{Cluster: "c", Node: "db-1"}, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	b = <-got
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	if a.Peer() != (wire.Greeting{Cluster: "c", Node: "storage-1", Store: 9}) || b.Peer() != (wire.Greeting{Cluster: "c", Node: "db-1"}) {
		t.Fatalf("%+v %+v", a.Peer(), b.Peer())
	}
	return a, b
}

func TestEveryMessageOverTheStream(t *testing.T) { overBoth(t, everyMessageOverTheStream) }

func everyMessageOverTheStream(t *testing.T, a, b *wire.Conn) {
	for i, m := range messages() {
		allFieldsSet(t, m)
		if err := a.Send(uint64(i), m); err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		id, got, err := b.Read()
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		_, isAppend := m.(logstore.Append)
		_, isAck := m.(logstore.Ack)
		if !isAppend && !isAck && id != uint64(i) {
			t.Fatalf("%T: id %d, want %d", m, id, i)
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, m)
		}
	}
}

// What the kernel does not take at once is queued and arrives in order.
func TestSendDoesNotWait(t *testing.T) { overBoth(t, sendDoesNotWait) }

func sendDoesNotWait(t *testing.T, a, b *wire.Conn) {
	big := batch(1)
	big.Batch.Records = []redo.Record{{LSN: 1, PG: 1, Page: 1, Op: redo.OpImage, Payload: make([]byte, 3<<20)}}
	big.Bytes = redo.AppendBatch(nil, big.Batch)
	for i := range 15 {
		if err := a.Send(0, logstore.Append{Header: head, Seq: uint64(i), Batches: []logstore.Batch{big}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 15 {
		_, m, err := b.Read()
		if err != nil || m.(logstore.Append).Seq != uint64(i) || !bytes.Equal(m.(logstore.Append).Batches[0].Bytes, big.Bytes) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// Sends that come while the queue runs empty neither overtake nor repeat anything.
func TestQueueRunsEmptyAndFillsAgain(t *testing.T) { overBoth(t, queueRunsEmptyAndFillsAgain) }

func queueRunsEmptyAndFillsAgain(t *testing.T, a, b *wire.Conn) {
	big := batch(1)
	big.Batch.Records = []redo.Record{{LSN: 1, PG: 1, Page: 1, Op: redo.OpImage, Payload: make([]byte, 300<<10)}}
	big.Bytes = redo.AppendBatch(nil, big.Batch)
	const senders, each = 4, 250
	for k := range uint64(senders) {
		go func() {
			for i := range uint64(each) {
				for a.Busy() {
				}
				if err := a.Send(0, logstore.Append{Header: head, Seq: k*each + i, Batches: []logstore.Batch{big}}); err != nil {
					t.Errorf("send %d of sender %d: %v", i, k, err)
					return
				}
			}
		}()
	}
	var next [senders]uint64
	for range senders * each {
		_, m, err := b.Read()
		if err != nil {
			t.Fatal(err)
		}
		seq := m.(logstore.Append).Seq
		if k := seq / each; seq%each != next[k] {
			t.Fatalf("message %d of sender %d, expected %d", seq%each, k, next[k])
		}
		next[seq/each]++
	}
}

// An end that takes nothing costs bounded memory: then the connection is closed.
func TestQueueIsBounded(t *testing.T) { overBoth(t, queueIsBounded) }

func queueIsBounded(t *testing.T, a, _ *wire.Conn) {
	big := logstore.Batch{Bytes: make([]byte, 8<<20)}
	for i := range 100 {
		if err := a.Send(0, logstore.Append{Batches: []logstore.Batch{big}}); err != nil {
			if i < 4 {
				t.Fatalf("after %d messages: %v", i, err)
			}
			return
		}
	}
	t.Fatal("800 MB were queued")
}

func hugeGreeting() []byte {
	length := []byte{0xff, 0xff, 0xff, 0x7f}
	b := append([]byte("SXAS\x02\x00\x00\x00"), length...)
	b = binary.LittleEndian.AppendUint32(b, redo.Checksum(0, length))
	return append(b, 0, 0, 0, 0)
}

func TestGreetingRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		send []byte
		want error
	}{
		{"another protocol", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), wire.ErrInvalid},
		{"a newer version", append([]byte("SXAS\x03\x00\x00\x00"), make([]byte, 12)...), wire.ErrVersion},
		{"an unknown feature", append([]byte("SXAS\x02\x00\x01\x00"), make([]byte, 12)...), wire.ErrVersion},
		{"a damaged length", append([]byte("SXAS\x02\x00\x00\x00"), bytes.Repeat([]byte{0xff}, 12)...), wire.ErrInvalid},
		{"a huge greeting", hugeGreeting(), wire.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
					_, _ = conn.Write(c.send)
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
				}
			}()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := wire.Handshake(conn, nil, wire.Greeting{Cluster: "c"}, 5*time.Second); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
		})
	}
}

// frame returns what the stream carries for m, without its prefix.
func frame(t testing.TB, m logstore.Message) (b []byte, sum uint32) {
	t.Helper()
	pieces, err := wire.Encode(1, m)
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Join(pieces, nil)
	return all[12:], binary.LittleEndian.Uint32(all[8:])
}

// A damaged frame on the stream is an error at once, also where its length is
// damaged and the bytes that it promises never come.
func TestDamagedFrameDoesNotStallTheStream(t *testing.T) {
	pieces, err := wire.Encode(1, messages()[6])
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.Join(pieces, nil)
	for bit := range len(whole) * 8 {
		a, b := pair(t, nil, nil)
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		if err := a.SendRaw(damaged); err != nil {
			t.Fatal(err)
		}
		if _, m, err := b.Read(); !errors.Is(err, wire.ErrInvalid) && !errors.Is(err, wire.ErrVersion) {
			t.Fatalf("bit %d: %v, %v", bit, m, err)
		}
		_, _ = a.Close(), b.Close()
	}
}

// A flipped bit is found, wherever it is.
func TestEveryBitFlipIsFound(t *testing.T) {
	for _, m := range messages() {
		b, sum := frame(t, m)
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			if _, got, err := wire.Decode(b, sum); err == nil {
				t.Fatalf("%T, bit %d: decoded as %+v", m, bit, got)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestLimitsOfMessages(t *testing.T) {
	for _, m := range []logstore.Message{
		logstore.ReadPage{Header: head},
		logstore.ReadPage{Header: head, Pages: make([]redo.PageID, logstore.ReadPagesMax+1)},
		logstore.Refused{Header: head, Kind: 99},
		logstore.Gossip{Header: head, SCLs: make([]logstore.PGLSN, logstore.GossipPGsMax+1)},
		logstore.PutList{Header: head, List: logstore.List{Ranges: redo.Ranges{{After: 5, Through: 5}}}},
		logstore.PutList{Header: head, List: logstore.List{Ranges: redo.Ranges{{After: 5, Through: 9}, {After: 8, Through: 12}}}},
		logstore.GossipAsk{Header: head, Asks: []logstore.Ask{{Holes: []redo.Range{{After: 2, Through: 1}}}}},
	} {
		p, err := wire.ToProto(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.FromProto(p); !errors.Is(err, wire.ErrInvalid) {
			t.Fatalf("%+v: %v", m, err)
		}
	}
	p, _ := wire.ToProto(messages()[0])
	p.Version++
	if _, err := wire.FromProto(p); !errors.Is(err, wire.ErrVersion) {
		t.Fatal(err)
	}
}

// FuzzDecode: no bytes make a decoder panic, and what it accepts it can encode again.
func FuzzDecode(f *testing.F) {
	for _, m := range messages() {
		b, _ := frame(f, m)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, sum := range []uint32{redo.Checksum(0, b), redo.Checksum(0, b[:min(len(b), 33)])} {
			var m logstore.Message
			var err error
			spent.Within(t, 128*len(b), func() { _, m, err = wire.Decode(b, sum) })
			if err == nil {
				if _, err := wire.Encode(1, m); err != nil {
					t.Fatalf("%+v: %v", m, err)
				}
			}
		}
	})
}

func FuzzFromProto(f *testing.F) {
	for _, m := range messages() {
		if p, err := wire.ToProto(m); err == nil {
			b, _ := proto.Marshal(p)
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p wirepb.Message
		var m logstore.Message
		err := errors.New("no message")
		spent.Within(t, 128*len(b), func() {
			if proto.Unmarshal(b, &p) == nil {
				m, err = wire.FromProto(&p)
			}
		})
		if err != nil {
			return
		}
		again, err := wire.ToProto(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.FromProto(again); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%+v became %+v, %v", m, got, err)
		}
	})
}
