package segment_test

import (
	"testing"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/segment"
)

// BenchmarkDrain plans a drain of 100,000 records of 2,000 pages; the node's lock is
// held meanwhile.
func BenchmarkDrain(b *testing.B) {
	const records, pages = 100_000, 2000
	for b.Loop() {
		b.StopTimer()
		h := loaded(b, records, pages)
		b.StartTimer()
		if p := h.Drain(0); p == nil || len(p.Pages) != pages {
			b.Fatal("nothing to drain")
		}
	}
}

// loaded returns a host with one segment and records of pages in memory.
func loaded(b *testing.B, records, pages int) *segment.Host {
	b.Helper()
	head := logstore.Header{Volume: 1, Timeline: 1, Epoch: 1}
	h := segment.New(segment.Options{Node: "n", Store: 1, Volume: 1, Timeline: 1})
	step := func(m logstore.Message) {
		h.Step(segment.Input{Peer: "w", Msg: m})
		h.Ready()
		h.Persisted()
	}
	group := logstore.GroupStart{PG: 0, Membership: 1, Members: []logstore.NodeID{"n"}}
	step(logstore.PutList{Header: head, Holder: 1, LAL: 1e7, List: logstore.List{Epoch: 1}, Groups: []logstore.GroupStart{group}})
	batch := &redo.Batch{Volume: 1, Timeline: 1, Epoch: 1, Membership: 1, Opened: true}
	for i := range records {
		lsn := redo.LSN(i + 1)
		batch.Records = append(batch.Records, redo.Record{
			LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, Page: redo.PageID(1 + i*7919%pages), Op: redo.OpPatch, CPL: true, Payload: []byte("payload"),
		})
	}
	batch.Hint = redo.Hint{VDL: redo.LSN(records), PGLast: redo.LSN(records)}
	step(logstore.Append{Header: head, Seq: 1, Batches: []logstore.Batch{{Batch: batch}}})
	return h
}
