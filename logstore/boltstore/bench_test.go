package boltstore_test

import (
	"testing"

	"sextant/internal/redo"
	"sextant/logstore/boltstore"
)

// BenchmarkWrite is a drain of 2,000 pages with 40 records of 100 bytes each, and an
// image of every second page, into a segment that has been drained five times.
func BenchmarkWrite(b *testing.B) {
	const pages, perPage = 2000, 40
	o := options(b.TempDir())
	s, err := boltstore.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var lsn redo.LSN
	image := make([]byte, 16<<10)
	for i := range 12 << 10 {
		image[i] = byte(i) | 1
	}
	drain := func() []boltstore.PageWrite {
		out := make([]boltstore.PageWrite, pages)
		for i := range out {
			w := boltstore.PageWrite{Page: redo.PageID(i + 1)}
			for range perPage {
				lsn++
				w.Records = append(w.Records, redo.Record{LSN: lsn, PrevVolume: lsn - 1, PrevPG: lsn - 1, PG: 1, Page: w.Page, Op: redo.OpPatch, Payload: make([]byte, 100)})
			}
			if i%2 == 0 {
				w.Image, w.LSN = image, lsn
			}
			out[i] = w
		}
		return out
	}
	write := func(ws []boltstore.PageWrite) {
		if err := s.Write(1, ws); err != nil {
			b.Fatal(err)
		}
	}
	for range 5 {
		write(drain())
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		ws := drain()
		b.StartTimer()
		write(ws)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pages/perPage, "ns/record")
}
