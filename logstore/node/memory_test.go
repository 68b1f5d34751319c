package node_test

import (
	"testing"
	"time"

	"sextant/internal/redo"
	"sextant/logstore"
)

// A node that is sent many times its budget in records drains them as they come and lets
// the sender wait: at no acknowledgement there are more in memory than the budget and
// what was under way.
func TestRecordsInMemoryAreBounded(t *testing.T) {
	o := options(t.TempDir())
	o.MemoryBytes, o.HotFiles, o.DrainEvery = 2<<20, 64, time.Hour // neither time nor the log's size makes it drain
	s := serve(t, o)
	s.open(1)
	const payload, commits = 64 << 10, 400
	most := int64(0)
	for l := redo.LSN(1); l <= commits; l++ {
		s.append(1, l, l-1, payload)
		most = max(most, s.n.Status().Memory)
	}
	if most > o.MemoryBytes+o.MemoryBytes/4 || most < o.MemoryBytes/4 {
		t.Fatalf("%d bytes of records in memory, the budget is %d", most, o.MemoryBytes)
	}
	if s.scl(0) != commits {
		t.Fatalf("SCL %d", s.scl(0))
	}
}

// What no hint covers cannot be drained: it is accepted without waiting, however much it is,
// and leaves memory in parts when the hint comes.
func TestOneLargeCommitIsAccepted(t *testing.T) {
	o := options(t.TempDir())
	o.MemoryBytes, o.HotFiles, o.DrainEvery = 2<<20, 64, time.Hour
	s := serve(t, o)
	s.open(1)
	const payload, records = 64 << 10, 100
	for l := redo.LSN(1); l <= records; l++ {
		s.append(1, l, 0, payload)
	}
	if m := s.n.Status().Memory; m < records*payload {
		t.Fatalf("%d bytes of records in memory", m)
	}
	s.append(1, records+1, records, payload)
	s.append(1, records+2, records+1, payload)
	until(t, func() bool { return s.n.Status().Memory <= 3*payload })
}

// A commit that takes more files than four times HotFiles is accepted if UndrainedBytes says so,
// also when each file is little more than half full, and its files are given back when the hint comes.
func TestCommitLargerThanTheHotLogIsAccepted(t *testing.T) {
	o := options(t.TempDir())
	o.HotFiles = 3
	const payload, records = 520 << 10, 16 // two do not fit in a file
	o.UndrainedBytes = 2 * payload * records
	s := serve(t, o)
	s.open(1)
	for l := redo.LSN(1); l <= records; l++ {
		s.append(1, l, 0, payload)
	}
	if live := s.n.Status().HotFiles; live < records {
		t.Fatalf("%d files of the hot log", live)
	}
	s.append(1, records+1, records, payload)
	s.append(1, records+2, records+1, payload)
	until(t, func() bool { return s.n.Status().HotFiles <= o.HotFiles })
}

// append appends a record of a size, with the hint that all up to durable are.
func (s *served) append(e redo.VolumeEpoch, l, durable redo.LSN, payload int) {
	s.t.Helper()
	r := redo.Record{LSN: l, PrevVolume: l - 1, PrevPG: l - 1, Page: redo.PageID(l % 7), Op: redo.OpNone, CPL: true, Payload: make([]byte, payload)}
	b := redo.Batch{
		Volume: 5, Timeline: 1, Epoch: e, Membership: 1, Hint: redo.Hint{VDL: durable, PGLast: durable}, Opened: true,
		Records: []redo.Record{r},
	}
	s.seq++
	a, ok := s.ask(logstore.Append{Header: head(e), Seq: s.seq, Batches: []logstore.Batch{{Bytes: redo.AppendBatch(nil, &b)}}}).(logstore.Ack)
	if !ok || a.Segments[0].SCL != l {
		s.t.Fatalf("append: %+v", a)
	}
}
