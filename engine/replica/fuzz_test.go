package replica_test

import (
	"context"
	"errors"
	"testing"

	"sextant/engine/bufpool"
	"sextant/engine/replica"
	"sextant/internal/page"
	"sextant/internal/redo"
)

// FuzzStream gives a reader frames of whatever records the bytes hold, and VDLs between
// them: nothing panics, nothing is applied above a VDL, records are applied with no gap.
func FuzzStream(f *testing.F) {
	format := page.FormatRecord(1, page.KindLeaf, 0, 1)
	format.LSN, format.PrevVolume, format.CPL = 11, 10, true
	f.Add(redo.AppendRecord(nil, &format, 10), uint64(10), uint64(11), uint64(1))
	put := redo.Record{LSN: 12, PrevVolume: 11, Page: 1, Op: redo.OpInsert, CPL: true, Payload: page.AppendCell(nil, []byte("k"), []byte("v"), false)}
	f.Add(redo.AppendRecord(redo.AppendRecord(nil, &format, 10), &put, 11), uint64(10), uint64(12), uint64(1))
	f.Add([]byte{1, 2, 3}, uint64(0), ^uint64(0), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, prev, vdl, epoch uint64) {
		w := &script{t: t, pool: bufpool.New(bufpool.Options{Bytes: 1 << 20})}
		w.applier = replica.NewApplier(w.pool, w, w)
		ctx := context.Background()
		if err := w.applier.Accept(ctx, replica.Answer{Epoch: 1, VDL: 10, PGLast: map[redo.PGID]redo.LSN{0: 10}, PagesPerGroup: 1000}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.pool.LoadHead(ctx, 1, w.applier.ReadPoint, w.fetch); err != nil {
			t.Fatal(err)
		}
		batch := &redo.Batch{Volume: 1, Timeline: 1, Epoch: redo.VolumeEpoch(epoch)}
		from := redo.LSN(prev)
		for len(b) > 0 {
			r, rest, err := redo.ReadRecord(b, 0, from)
			if err != nil {
				break
			}
			batch.Records, b, from = append(batch.Records, r), rest, r.LSN
		}
		frame := b // the rest, which is none
		if len(batch.Records) > 0 {
			frame = redo.AppendBatch(nil, batch)
		}
		err := w.applier.Frame(frame)
		if err == nil && epoch != 1 {
			t.Fatalf("a frame of epoch %d", epoch)
		}
		err = w.applier.VDL(ctx, redo.LSN(vdl), 1)
		s := w.applier.Status()
		switch {
		case s.Applied != 10 && s.Applied != redo.LSN(vdl) || s.Applied > max(10, redo.LSN(vdl)):
			t.Fatalf("applied %d of %d", s.Applied, vdl)
		case err == nil && vdl > 10 && s.Applied != redo.LSN(vdl):
			t.Fatalf("no error, and applied %d of %d", s.Applied, vdl)
		case err != nil && vdl <= 10 && !errors.Is(err, replica.ErrGap):
			t.Fatal(err)
		}
	})
}
