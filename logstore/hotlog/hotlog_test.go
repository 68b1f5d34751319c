package hotlog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/logstore/hotlog"
)

const owner = 0x5e47a47

var small = hotlog.Options{Owner: owner, FileBytes: 64 << 10, FilesMax: 4}

// replay opens the disk and returns the bodies of what it visits.
func replay(d hotlog.Disk, opt hotlog.Options) (*hotlog.Log, []string, hotlog.Replayed, error) {
	var got []string
	l, rep, err := hotlog.Open(d, opt, func(_ hotlog.Position, f hotlog.Frame) error {
		got = append(got, fmt.Sprintf("%d:%s", f.Kind, f.Body))
		return nil
	})
	return l, got, rep, err
}

func mustOpen(t *testing.T, d hotlog.Disk, opt hotlog.Options) (*hotlog.Log, []string) {
	t.Helper()
	l, got, _, err := replay(d, opt)
	if err != nil {
		t.Fatal(err)
	}
	return l, got
}

func rotate(t *testing.T, l *hotlog.Log, snapshot string) {
	t.Helper()
	if err := l.Rotate([]byte(snapshot), 0); err != nil {
		t.Fatal(err)
	}
}

func appendBodies(t *testing.T, l *hotlog.Log, bodies ...string) {
	t.Helper()
	var fs []hotlog.Frame
	for _, b := range bodies {
		fs = append(fs, hotlog.Frame{Kind: hotlog.KindCaller, Body: []byte(b)})
	}
	if err := l.Append(fs); err != nil {
		t.Fatal(err)
	}
}

func TestAppendIsOneWriteAndOneSync(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s")
	d.log = nil
	appendBodies(t, l, "a", "b", "c")
	if want := []string{"write", "sync"}; !slices.Equal(d.log, want) {
		t.Fatalf("I/O of an append: %v, want %v", d.log, want)
	}
}

func TestReplaySyncsBeforeItAnswers(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s")
	d.failOn = func(op string) error {
		if op == "sync" {
			return errors.New("boom")
		}
		return nil
	}
	if err := l.Append([]hotlog.Frame{{Kind: hotlog.KindCaller, Body: []byte("written, not synced")}}); !errors.Is(err, hotlog.ErrFailed) {
		t.Fatalf("append: %v", err)
	}
	d.failOn = nil
	// The process ends, the machine does not: the bytes are still there.
	_, got := mustOpen(t, d, small)
	if len(got) != 2 || d.unsynced() != 0 {
		t.Fatalf("visited %q with %d bytes unsynced", got, d.unsynced())
	}
}

func TestWriteAndSyncErrorsAreFinal(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		d := newMemDisk()
		l, _ := mustOpen(t, d, small)
		rotate(t, l, "s")
		d.failOn = func(o string) error {
			if o == op {
				return errors.New("boom")
			}
			return nil
		}
		if err := l.Append([]hotlog.Frame{{Kind: hotlog.KindCaller}}); !errors.Is(err, hotlog.ErrFailed) {
			t.Fatalf("%s: %v", op, err)
		}
		d.failOn, d.log = nil, nil
		for _, call := range []func() error{
			func() error { return l.Append([]hotlog.Frame{{Kind: hotlog.KindCaller}}) },
			func() error { return l.Rotate(nil, 0) }, l.Cover,
		} {
			if err := call(); !errors.Is(err, hotlog.ErrFailed) {
				t.Fatalf("after a failed %s: %v", op, err)
			}
		}
		if len(d.log) != 0 {
			t.Fatalf("a failed %s was retried: %v", op, d.log)
		}
	}
}

func TestFilesAreUsedAgainOnceDrained(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	for i := range 100 {
		rotate(t, l, fmt.Sprint("s", i))
		appendBodies(t, l, fmt.Sprint("b", i))
		l.Release(l.Generation() - 1)
	}
	if n := len(d.files); n > 3 {
		t.Fatalf("%d files for a log that is drained at once", n)
	}
	if live, _ := l.Live(); live != 1 {
		t.Fatalf("%d live files", live)
	}
	_, got := mustOpen(t, d, small)
	if want := []string{"1:s98", "16:b98", "1:s99", "16:b99"}; !slices.Equal(got, want) {
		t.Fatalf("replay %q, want %q", got, want)
	}
}

func TestFullUntilReleased(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	fill := func() {
		for {
			err := l.Append([]hotlog.Frame{{Kind: hotlog.KindCaller, Body: make([]byte, 1000)}})
			if errors.Is(err, hotlog.ErrNoRoom) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for range small.FilesMax {
		rotate(t, l, "s")
		fill()
		if err := l.Cover(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := l.Rotate(nil, 0); !errors.Is(err, hotlog.ErrFull) {
			t.Fatalf("rotate of a full log: %v", err)
		}
	}
	l.Release(1)
	rotate(t, l, "again") // although nothing but this could have made the release durable
	fill()
	_, got := mustOpen(t, d, small)
	if got[0] != "1:s" || !slices.Contains(got, "1:again") {
		t.Fatalf("replay begins with %.20q", got)
	}
}

// What an ordinary file cannot take gets a file of its own, which is not kept.
func TestLargeAppend(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s")
	big := []hotlog.Frame{{Kind: hotlog.KindCaller, Body: make([]byte, 2*small.FileBytes)}}
	if err := l.Append(big); !errors.Is(err, hotlog.ErrNoRoom) {
		t.Fatal(err)
	}
	if err := l.Rotate([]byte("s2"), hotlog.Size(big)); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(big); err != nil {
		t.Fatal(err)
	}
	l, got := mustOpen(t, d, small)
	if len(got) != 3 || len(got[2]) != len("16:")+len(big[0].Body) {
		t.Fatalf("%d frames", len(got))
	}
	for range 3 {
		rotate(t, l, "s")
		l.Release(l.Generation() - 1)
	}
	for name, f := range d.files {
		if int64(len(f.synced)) != small.FileBytes {
			t.Fatalf("%s of %d bytes is still there", name, len(f.synced))
		}
	}
	if err := l.Rotate(nil, hotlog.FileBytesMax); !errors.Is(err, hotlog.ErrTooLarge) {
		t.Fatal(err)
	}
}

func TestAnotherStoresFileIsRefused(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s")
	other := small
	other.Owner++
	if _, _, _, err := replay(d, other); !errors.Is(err, hotlog.ErrForeign) || errors.Is(err, hotlog.ErrDamaged) {
		t.Fatal(err)
	}
}

// A log that has frames of a newer format is not called damaged, whatever else is wrong
// with it: a program that knows the format may read all of it.
func TestNewerFormatIsNotDamage(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s")
	for _, body := range []string{"first", "second", "third"} {
		appendBodies(t, l, body)
	}
	b := d.files["hot-000001.log"].synced
	at := bytes.LastIndex(b, []byte("third")) - 64
	b[at+4]++ // the version
	sum := slices.Concat(b[at:at+12], b[at+16:at+64])
	binary.LittleEndian.PutUint32(b[at+12:], crc32.Checksum(sum, crc32.MakeTable(crc32.Castagnoli)))
	b[bytes.Index(b, []byte("first"))] ^= 1
	if _, _, _, err := replay(d, small); !errors.Is(err, hotlog.ErrVersion) || errors.Is(err, hotlog.ErrDamaged) {
		t.Fatal(err)
	}
}

// threeGenerations makes a log whose oldest generation is drained and overwritten,
// and whose last real frame is covered.
func threeGenerations(t *testing.T) (d *memDisk, want []string) {
	d = newMemDisk()
	l, _ := mustOpen(t, d, small)
	for g := range 6 {
		if g == 4 {
			l.Release(3)
		}
		rotate(t, l, fmt.Sprint("snapshot", g))
		for i := range 3 {
			appendBodies(t, l, fmt.Sprintf("body %d/%d", g, i), "", fmt.Sprintf("second %d/%d", g, i))
		}
	}
	if err := l.Cover(); err != nil {
		t.Fatal(err)
	}
	_, want = mustOpen(t, d, small)
	if len(want) != 3*10 {
		t.Fatalf("%d frames are live: %q", len(want), want)
	}
	return d, want
}

// Every flip of a bit of a live frame is damage or, in the last and empty frame
// alone, a torn tail that loses nothing. What is visited is never anything else
// than a part of what was written.
func TestEveryBitFlipIsFound(t *testing.T) {
	d, want := threeGenerations(t)
	type frame struct {
		file string
		off  int64
		size int
	}
	var frames []frame
	_, _, err := hotlog.Open(d, small, func(p hotlog.Position, f hotlog.Frame) error {
		frames = append(frames, frame{p.File, p.Offset, 64 + len(f.Body)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, fr := range frames {
		for bit := range fr.size * 8 {
			b := d.files[fr.file].synced
			b[fr.off+int64(bit/8)] ^= 1 << (bit % 8)
			_, got, _, err := replay(d, small)
			b[fr.off+int64(bit/8)] ^= 1 << (bit % 8)
			var damage *hotlog.DamageError
			if !errors.As(err, &damage) || damage.File == "" || damage.What == "" {
				t.Fatalf("%s offset %d bit %d: %v", fr.file, fr.off, bit, err)
			}
			if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
				t.Fatalf("%s offset %d bit %d: visited %q", fr.file, fr.off, bit, got)
			}
		}
	}
}

func TestFlipInTheUncoveredLastFrameIsATornTail(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s")
	appendBodies(t, l, "a")
	appendBodies(t, l, "b")
	at := bytes.LastIndex(d.files["hot-000001.log"].synced, []byte("b"))
	d.files["hot-000001.log"].synced[at] ^= 1
	l, got, rep, err := replay(d, small)
	if err != nil || !slices.Equal(got, []string{"1:s", "16:a"}) || rep.Torn.File == "" {
		t.Fatalf("%q %+v %v", got, rep, err)
	}
	// Life goes on above the tail, and the dropped frame stays dropped.
	rotate(t, l, "s2")
	appendBodies(t, l, "c")
	appendBodies(t, l, "d")
	if _, got = mustOpen(t, d, small); !slices.Equal(got, []string{"1:s", "16:a", "1:s2", "16:c", "16:d"}) {
		t.Fatalf("%q", got)
	}
}

// A crash may keep any part of a write that was not synced. Whole frames of it may
// be there or not; whatever was synced before is, and the log goes on.
func TestCrashAtEveryByteOfAnAppend(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "s0")
	appendBodies(t, l, "a", "b")
	d.failOn = func(op string) error {
		if op == "sync" {
			return errors.New("power cut")
		}
		return nil
	}
	_ = l.Append([]hotlog.Frame{
		{Kind: hotlog.KindCaller, Body: []byte("c")}, {Kind: hotlog.KindCaller, Body: bytes.Repeat([]byte("d"), 100)},
		{Kind: hotlog.KindCaller, Body: []byte("e")},
	})
	all := []string{"1:s0", "16:a", "16:b", "16:c", "16:" + string(bytes.Repeat([]byte("d"), 100)), "16:e"}
	d.failOn = nil
	checkCrashes(t, d, all, 3)
}

// The same for the first frame of a generation, over a drained one.
func TestCrashAtEveryByteOfARotation(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	for i := range 5 {
		rotate(t, l, fmt.Sprint("s", i))
		appendBodies(t, l, fmt.Sprint("a", i))
		l.Release(l.Generation() - 1)
	}
	appendBodies(t, l, "now the release is durable")
	d.failOn = func(op string) error {
		if op == "sync" {
			return errors.New("power cut")
		}
		return nil
	}
	_ = l.Rotate([]byte("s5"), 0)
	d.failOn = nil
	checkCrashes(t, d, []string{"1:s4", "16:a4", "16:now the release is durable", "1:s5"}, 3)
}

// checkCrashes tries every length of the unsynced write. atLeast of all was synced.
func checkCrashes(t *testing.T, d *memDisk, all []string, atLeast int) {
	t.Helper()
	for keep := range d.unsynced() + 1 {
		c := d.crash(keep)
		l, got, _, err := replay(c, small)
		if err != nil {
			t.Fatalf("keep %d: %v", keep, err)
		}
		if len(got) < atLeast || len(got) > len(all) || !slices.Equal(got, all[:len(got)]) {
			t.Fatalf("keep %d: %q", keep, got)
		}
		rotate(t, l, "after")
		appendBodies(t, l, "more")
		appendBodies(t, l, "yet more")
		_, again := mustOpen(t, c, small)
		if want := append(slices.Clone(got), "1:after", "16:more", "16:yet more"); !slices.Equal(again, want) {
			t.Fatalf("keep %d: second replay %q, want %q", keep, again, want)
		}
	}
}

// A random life with crashes, against a list of what was acknowledged.
func TestRandomLives(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		d := newMemDisk()
		acked := map[uint64][]string{} // by generation
		cut := false
		for range 6 {
			d.failOn = nil
			l, got, _, err := replay(d, small)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			want := []string{}
			for _, g := range sortedKeys(acked) {
				want = append(want, acked[g]...)
			}
			if !endsLike(got, want) {
				t.Fatalf("seed %d: replay %q lacks some of %q", seed, got, want)
			}
			cut = false
			d.failOn = func(op string) error {
				if op == "sync" && r.IntN(40) == 0 {
					cut = true
					return errors.New("power cut")
				}
				return nil
			}
			for step := 0; !cut && step < 60; step++ {
				live(r, l, acked, fmt.Sprintf("%d.%d", seed, step))
			}
			d = d.crash(r.IntN(d.unsynced() + 1))
		}
	}
}

// live does one random thing to the log and notes what was acknowledged.
func live(r *rand.Rand, l *hotlog.Log, acked map[uint64][]string, body string) {
	switch n := r.IntN(10); {
	case n == 0 || l.Generation() == 0 || l.Room() < 2000:
		if l.Rotate([]byte(body), 0) == nil {
			acked[l.Generation()] = []string{"1:" + body}
		}
	case n == 1 && l.Generation() > 1:
		l.Release(l.Generation() - 1)
		for g := range acked {
			if g < l.Generation() {
				delete(acked, g)
			}
		}
	case n == 2:
		_ = l.Cover()
	default:
		b := body + string(bytes.Repeat([]byte("x"), r.IntN(900)))
		if l.Append([]hotlog.Frame{{Kind: 20, Body: []byte(b)}}) == nil {
			acked[l.Generation()] = append(acked[l.Generation()], "20:"+b)
		}
	}
}

func sortedKeys(m map[uint64][]string) []uint64 {
	var ks []uint64
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// endsLike reports whether want is a subsequence of got.
func endsLike(got, want []string) bool {
	for _, g := range got {
		if len(want) > 0 && g == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

// FuzzReplay feeds arbitrary bytes as a file, whole and written over a real log.
func FuzzReplay(f *testing.F) {
	f.Add([]byte("SXHF"), uint16(0))
	f.Add(bytes.Repeat([]byte{0xff}, 200), uint16(70))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		d := newMemDisk()
		l, _ := mustOpen(t, d, small)
		rotate(t, l, "s")
		appendBodies(t, l, "a", "b")
		appendBodies(t, l, "c")
		if err := l.Cover(); err != nil {
			t.Fatal(err)
		}
		want := []string{"1:s", "16:a", "16:b", "16:c"}
		file := d.files["hot-000001.log"].synced
		before := slices.Clone(file)
		copy(file[at:], b)
		_, got, _, err := replay(d, small)
		switch {
		case err != nil:
		case len(got) > len(want) || !slices.Equal(got, want[:len(got)]):
			t.Fatalf("accepted %q", got)
		case len(got) < len(want) && bytes.Equal(before[512:576], file[512:576]):
			t.Fatalf("silently lost a covered frame: %q", got)
		}
	})
}
