package node_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sextant/internal/page"
	"sextant/internal/redo"
	"sextant/logstore"
)

// harm changes a byte of a file of a running node, behind the first or last occurrence of mark.
func harm(t *testing.T, path string, index func(b, mark []byte) int, mark string, behind int) (found bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := index(b, []byte(mark))
	if at < 0 {
		return false
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{b[at+behind] ^ 4}, int64(at+behind)); err != nil {
		t.Fatal(err)
	}
	return true
}

// A log that has rotted is found without anybody reading it and written again, so that the
// node starts from it with all that it has acknowledged: fences, lists, what is above
// the hint and what is below.
func TestDamagedHotLogIsWrittenAgain(t *testing.T) {
	o := options(t.TempDir())
	o.ScrubRate = 1 << 30
	s := serve(t, o)
	s.open(3)
	for l := redo.LSN(1); l <= 20; l++ {
		s.write(3, 0, l, l-1, l/2)
	}
	for rounds := uint64(1); rounds <= 3; rounds++ { // of old frames, and of those written again
		files, err := filepath.Glob(filepath.Join(o.Dir, "hot", "*.log"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		harmed := 0
		for _, f := range files { // one that is not live is not looked at
			if harm(t, f, bytes.Index, "SXRB", 90) {
				harmed++
			}
		}
		if harmed == 0 {
			t.Fatal("no batch is in the hot log")
		}
		until(t, func() bool { return s.n.Status().DamageRepaired >= rounds })
		if st := s.n.Status(); st.DamageFound != st.DamageRepaired || st.Detail != "" {
			t.Fatalf("%+v", st)
		}
		l := 20 + redo.LSN(rounds)
		s.write(3, 0, l, l-1, 10)
	}
	s.close()
	s = serve(t, o)
	if st := s.n.Status(); s.scl(0) != 23 || st.Epoch != 3 || st.DamageFound != 0 {
		t.Fatalf("%+v", st)
	}
	f, ok := s.ask(logstore.Fetch{Header: head(3), Ranges: []logstore.PGLSN{{PG: 0, LSN: 10}}}).(logstore.FetchAnswer)
	if !ok || len(f.Groups) != 1 || len(f.Groups[0].Records) != 13 {
		t.Fatalf("%+v", f)
	}
	a, ok := askRPC(t, dial(t, s.n), logstore.ReadPage{Header: head(3), PG: 0, Pages: []redo.PageID{1}, At: 5, Need: 5}).(logstore.PageAnswer)
	if !ok || page.Tree(a.Pages[0]) != 5 {
		t.Fatalf("%+v", a)
	}
}

// The log of an idle node is repaired too: nothing is appended behind the snapshot that
// makes the damaged files unnecessary, though a list came while there were records above the hint.
func TestDamagedHotLogOfIdleNodeIsWrittenAgain(t *testing.T) {
	o := options(t.TempDir())
	o.ScrubRate, o.DrainEvery = 1<<30, 10*time.Millisecond
	s := serve(t, o)
	s.open(3)
	for l := redo.LSN(1); l <= 3; l++ {
		s.write(3, 0, l, l-1, min(l, 2))
	}
	s.open(4)
	s.write(4, 0, 4, 3, 4)
	until(t, func() bool { return s.n.Status().Undrained == 0 })
	files, err := filepath.Glob(filepath.Join(o.Dir, "hot", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		harm(t, f, bytes.Index, "SXRB", 90)
	}
	until(t, func() bool { return s.n.Status().DamageRepaired > 0 })
	until(t, func() bool { return s.n.Status().ScrubRounds > 1 })
	s.close()
	if s = serve(t, o); s.scl(0) != 4 {
		t.Fatalf("%+v", s.n.Status())
	}
}

// A segment's file that has rotted is found without a read, and counted once.
func TestScrubFindsDamagedSegment(t *testing.T) {
	o := options(t.TempDir())
	o.ScrubRate, o.DrainEvery = 1<<30, 10*time.Millisecond
	s := serve(t, o)
	s.open(3)
	for pg := range redo.PGID(2) {
		s.write(3, pg, 1, 0, 1)
		s.write(3, pg, 2, 1, 2)
	}
	rounds := func(k int64) {
		t.Helper()
		begin := s.n.Status().ScrubRounds
		until(t, func() bool { return s.n.Status().ScrubRounds > begin+k })
	}
	until(t, func() bool { return s.n.Status().Undrained == 0 })
	rounds(2)
	if st := s.n.Status(); st.DamageFound != 0 || st.ScrubbedBytes == 0 {
		t.Fatalf("%+v", st)
	}
	key := "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02" // of the run that ends with 2
	if !harm(t, filepath.Join(o.Dir, "segments", "0000000000000005-1-0.seg"), bytes.LastIndex, key, 30) {
		t.Fatal("no run")
	}
	until(t, func() bool { return damaged(s.n, 0) })
	rounds(2)
	if st := s.n.Status(); st.DamageFound != 1 || st.DamageRepaired != 0 || damaged(s.n, 1) {
		t.Fatalf("%+v", st)
	}
}
