package hotlog_test

import (
	"errors"
	"strings"
	"testing"

	"sextant/logstore/hotlog"
)

// scrubAll reads the log in parts of limit bytes to its end.
func scrubAll(l *hotlog.Log, limit int) (parts, read int, err error) {
	var at hotlog.ScrubAt
	for {
		next, n, err := l.Scrub(at, limit)
		if parts, read = parts+1, read+n; err != nil || next == (hotlog.ScrubAt{}) {
			return parts, read, err
		}
		at = next
	}
}

// Every bit that a running log has synced is looked at, frame by frame; what was written
// and not synced, and what was released, is not.
func TestScrubFindsEveryFlippedBit(t *testing.T) {
	d := newMemDisk()
	l, _ := mustOpen(t, d, small)
	rotate(t, l, "released")
	appendBodies(t, l, "gone")
	rotate(t, l, "one")
	appendBodies(t, l, "a", "bb")
	rotate(t, l, "two")
	appendBodies(t, l, strings.Repeat("c", 100))
	l.Release(1)
	parts, read, err := scrubAll(l, 1)
	if err != nil || parts != 6 || read != 2*128+2*128+192 {
		t.Fatal(parts, read, err)
	}
	flips := 0
	for _, of := range []struct {
		file  string
		sizes []int // of head and body of each frame
	}{
		{"hot-000001.log", nil}, {"hot-000002.log", []int{67, 65, 66}}, {"hot-000003.log", []int{67, 164}},
	} {
		b := d.files[of.file].synced
		b[64] ^= 1 // in the body of the first frame
		if _, _, err := scrubAll(l, 1000); (err != nil) != (of.sizes != nil) {
			t.Fatalf("%s: %v", of.file, err)
		}
		b[64] ^= 1
		off := 0
		for _, size := range of.sizes {
			for bit := range size * 8 {
				b[off+bit/8] ^= 1 << (bit % 8)
				var damage *hotlog.DamageError
				if _, _, err := scrubAll(l, 1000); !errors.As(err, &damage) || damage.File != of.file || damage.Offset != int64(off) {
					t.Fatalf("%s offset %d bit %d: %v", of.file, off, bit, err)
				}
				b[off+bit/8] ^= 1 << (bit % 8)
				flips++
			}
			off += (size + 63) / 64 * 64
		}
	}
	if flips == 0 {
		t.Fatal("nothing was flipped")
	}
	// After a restart the log that was replayed is looked at too.
	l, _ = mustOpen(t, d, small)
	if _, read, err := scrubAll(l, 1000); err != nil || read != 4*128+2*128+192 { // no frame says yet what is released
		t.Fatal(read, err)
	}
}
