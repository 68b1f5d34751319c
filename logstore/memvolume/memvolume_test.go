package memvolume_test

import (
	"context"
	"errors"
	"testing"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/memvolume"
)

// mtr inserts a key into a page, formatting it first.
func mtr(id redo.PageID, format bool, key string) redo.MTR {
	var m redo.MTR
	if format {
		m.Records = append(m.Records, page.FormatRecord(id, page.KindLeaf, 0, 1))
	}
	m.Records = append(m.Records, redo.Record{Page: id, Op: redo.OpInsert, Payload: page.AppendCell(nil, []byte(key), nil, false), Wall: 1})
	m.Records[len(m.Records)-1].Wall = 1
	return m
}

func keys(t *testing.T, r logstore.PageReader, id redo.PageID, at redo.LSN) (out string) {
	t.Helper()
	b, err := r.ReadPage(t.Context(), id, at)
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Len(b) {
		out += string(page.Key(b, i))
	}
	return out
}

func TestReadAtAnyLSN(t *testing.T) {
	s := memvolume.New(memvolume.Options{PagesPerGroup: 4, Groups: 2})
	v := s.Open()
	if err := v.Append([]redo.MTR{mtr(1, true, "a"), mtr(5, true, "x"), mtr(1, false, "b")}); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[redo.LSN]string{1: "", 2: "a", 4: "a", 5: "ab"} {
		if got := keys(t, v, 1, at); got != want {
			t.Errorf("page 1 at %d: %q, want %q", at, got, want)
		}
	}
	if _, err := v.ReadPage(t.Context(), 1, 6); err == nil {
		t.Error("read above the VDL")
	}
	v.SetMinReadPoint(4)
	if _, err := v.ReadPage(t.Context(), 1, 2); !errors.Is(err, logstore.ErrGone) {
		t.Errorf("read below the minimum read point: %v", err)
	}
	if last := s.PGLast(); last[0] != 5 || last[1] != 4 {
		t.Errorf("last LSNs of the groups: %v", last)
	}
	if err := v.Append([]redo.MTR{mtr(9, true, "a")}); err == nil {
		t.Error("record of a page in no group")
	}
}

func TestNextWriterFencesAndAnnuls(t *testing.T) {
	s := memvolume.New(memvolume.Options{Manual: true, LAL: 100})
	v := s.Open()
	if err := v.Append([]redo.MTR{mtr(1, true, "a"), mtr(1, false, "b")}); err != nil {
		t.Fatal(err)
	}
	if vdl := s.Advance(2); vdl != 2 {
		t.Fatalf("VDL %d", vdl)
	}
	n := s.Open()
	if err := v.Append([]redo.MTR{mtr(1, false, "c")}); !errors.Is(err, logstore.ErrFenced) {
		t.Errorf("append of the old writer: %v", err)
	}
	if err := v.WaitVDL(t.Context(), 3); !errors.Is(err, logstore.ErrFenced) {
		t.Errorf("the old writer waits: %v", err)
	}
	if n.Next() != 103 || n.VDL() != 2 {
		t.Fatalf("next %d, VDL %d", n.Next(), n.VDL())
	}
	if err := n.Append([]redo.MTR{mtr(1, false, "d")}); err != nil {
		t.Fatal(err)
	}
	s.AdvanceAll()
	if got := keys(t, n, 1, 103); got != "ad" {
		t.Errorf("page 1: %q", got)
	}
	rs, err := s.Records(0, 103)
	if err != nil || len(rs) != 3 || rs[2].PrevVolume != 2 {
		t.Errorf("records %+v, %v", rs, err)
	}
}

func TestWindow(t *testing.T) {
	s := memvolume.New(memvolume.Options{Manual: true, LAL: 3})
	v := s.Open()
	if err := v.Append([]redo.MTR{mtr(1, true, "a")}); err != nil {
		t.Fatal(err)
	}
	if err := v.Append([]redo.MTR{mtr(2, true, "a")}); !errors.Is(err, logstore.ErrNoRoom) {
		t.Fatalf("beyond the LAL: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.WaitRoom(ctx, 2, 10); !errors.Is(err, context.Canceled) {
		t.Fatalf("wait for room: %v", err)
	}
	s.AdvanceAll()
	if err := v.WaitRoom(t.Context(), 2, 10); err != nil {
		t.Fatal(err)
	}
	if err := v.Append([]redo.MTR{mtr(2, true, "a")}); err != nil {
		t.Fatal(err)
	}
}

func TestFoldingForgetsNothingThatIsRead(t *testing.T) {
	s := memvolume.New(memvolume.Options{})
	v := s.Open()
	want := ""
	for i := range 500 {
		if err := v.Append([]redo.MTR{mtr(1, i == 0, string(rune('A'+i)))}); err != nil {
			t.Fatal(err)
		}
		want += string(rune('A' + i))
		if i%100 == 50 {
			v.SetMinReadPoint(v.VDL())
			if got := keys(t, v, 1, v.VDL()); got != want {
				t.Fatalf("after %d: %d keys", i, len([]rune(got)))
			}
		}
	}
	if n := s.Bytes(); n > 200<<10 {
		t.Errorf("%d bytes for one page", n)
	}
}
