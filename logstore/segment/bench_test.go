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
		h, _ := loaded(b, 0, records, pages)
		b.StartTimer()
		if p := h.Drain(0, 0); p == nil || len(p.Pages) != pages {
			b.Fatal("nothing to drain")
		}
	}
}

// BenchmarkWriteAgain puts records of one frame in order again, of 1,000,000 in memory.
func BenchmarkWriteAgain(b *testing.B) {
	h, _ := loaded(b, 0, 1_000_000, 2000)
	for b.Loop() {
		h.Rewrite()
		if rd := h.Ready(); len(rd.Persist) != 1 {
			b.Fatal(len(rd.Persist))
		}
		h.Persisted()
	}
}

// loaded returns a host with one segment and records of pages in memory, and what
// gives it more, on a page, all below the hint but the last so many.
func loaded(b testing.TB, drainBytes int64, records, pages int) (*segment.Host, func(records int, at redo.PageID, above int)) {
	b.Helper()
	head := logstore.Header{Volume: 1, Timeline: 1, Epoch: 1}
	h := segment.New(segment.Options{Node: "n", Store: 1, Volume: 1, Timeline: 1, DrainBytes: drainBytes})
	step := func(m logstore.Message) {
		h.Step(segment.Input{Peer: "w", Msg: m})
		h.Ready()
		h.Persisted()
	}
	group := logstore.GroupStart{PG: 0, Membership: 1, Members: []logstore.NodeID{"n"}}
	step(logstore.PutList{Header: head, Holder: 1, LAL: 1e7, List: logstore.List{Epoch: 1}, Groups: []logstore.GroupStart{group}})
	lsn := redo.LSN(0)
	load := func(records int, page func(i int) redo.PageID, above int) {
		batch := &redo.Batch{Volume: 1, Timeline: 1, Epoch: 1, Membership: 1, Opened: true}
		for i := range records {
			lsn++
			batch.Records = append(batch.Records, redo.Record{
				LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, Page: page(i), Op: redo.OpPatch, CPL: true, Payload: []byte("payload"),
			})
		}
		batch.Hint = redo.Hint{VDL: lsn - redo.LSN(above), PGLast: lsn - redo.LSN(above)}
		step(logstore.Append{Header: head, Seq: 1, Batches: []logstore.Batch{{Batch: batch}}})
	}
	load(records, func(i int) redo.PageID { return redo.PageID(1 + i*7919%pages) }, 0)
	return h, func(records int, at redo.PageID, above int) {
		load(records, func(int) redo.PageID { return at }, above)
	}
}
