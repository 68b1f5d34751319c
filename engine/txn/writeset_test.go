package txn_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"sextant/engine/txn"
)

// TestWriteSetIsAMapWithHistory compares a write set with copies of a Go map, one for
// each pinned sequence.
func TestWriteSetIsAMapWithHistory(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		b := txn.NewBudget(1 << 20)
		w := txn.NewWriteSet(b, 0)
		now := map[string]string{} // "" is a deleted row
		type pin struct {
			seq  txn.Seq
			rows map[string]string
		}
		pins := []pin{{0, map[string]string{}}}
		entry := func(row []byte, add func(e []byte) error) error { return add(append([]byte{row[0], '/'}, row[1:]...)) }
		var overlay *txn.Overlay
		for range 80 {
			key := fmt.Sprintf("%02d", r.IntN(12))
			switch r.IntN(8) {
			case 0:
				w.Pin(w.Seq())
				pins = append(pins, pin{w.Seq(), maps.Clone(now)})
			case 1: // back to one of the pins; later ones are gone
				i := r.IntN(len(pins))
				for _, p := range pins[i+1:] {
					w.Unpin(p.seq)
				}
				pins = pins[:i+1]
				w.RollbackTo(pins[i].seq)
				now = maps.Clone(pins[i].rows)
			case 2:
				now[key] = ""
				if _, err := w.Put(7, []byte(key), nil); err != nil {
					t.Fatal(err)
				}
			default:
				v := string(rune('a'+r.IntN(3))) + key
				now[key] = v
				if _, err := w.Put(7, []byte(key), []byte(v)); err != nil {
					t.Fatal(err)
				}
			}
			if overlay == nil && r.IntN(20) == 0 {
				var err error
				if overlay, err = w.Index(7, 1, entry); err != nil {
					t.Fatal(err)
				}
			}
			checkWrites(t, w, w.Seq(), now, overlay)
			p := pins[r.IntN(len(pins))]
			checkWrites(t, w, p.seq, p.rows, overlay)
		}
		w.Close()
		if b.Used() != 0 {
			t.Fatalf("%d bytes left", b.Used())
		}
	}
}

func checkWrites(t *testing.T, w *txn.WriteSet, seq txn.Seq, want map[string]string, overlay *txn.Overlay) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	for _, reverse := range []bool{false, true} {
		var got []string
		from, to := []byte(nil), []byte(nil)
		for {
			key, row, found := w.Table(7).Seek(from, to, reverse, seq)
			if !found {
				break
			}
			if string(row) != want[key] {
				t.Fatalf("row %s at %d is %q, want %q", key, seq, row, want[key])
			}
			if got = append(got, key); reverse {
				to = []byte(key)
			} else {
				from = []byte(key + "\x00")
			}
		}
		if reverse {
			slices.Reverse(got)
		}
		if !slices.Equal(got, keys) {
			t.Fatalf("rows at %d (reverse %v): %v, want %v", seq, reverse, got, keys)
		}
	}
	if overlay == nil {
		return
	}
	entries := map[string]bool{}
	var from []byte
	for {
		e, key, found := overlay.Seek(from, nil, false)
		if !found {
			break
		}
		entries[e] = true
		if e[2:] != key {
			t.Fatalf("entry %q leads to %q", e, key)
		}
		from = []byte(e + "\x00")
	}
	for _, v := range want {
		if v != "" && !entries[v[:1]+"/"+v[1:]] {
			t.Fatalf("no entry for row %q", v)
		}
	}
}

func TestWriteSetStopsAtItsLimitAndTheBudgets(t *testing.T) {
	b := txn.NewBudget(10_000)
	w := txn.NewWriteSet(b, 2_000)
	row := make([]byte, 1_000)
	if _, err := w.Put(1, []byte("a"), row); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Put(1, []byte("b"), row); !errors.Is(err, txn.ErrTooLarge) {
		t.Errorf("above the limit: %v", err)
	}
	for range 100 { // writing the same row over and over takes no more
		if _, err := w.Put(1, []byte("a"), row[:700]); err != nil {
			t.Fatal(err)
		}
	}
	if w.Len() != 1 {
		t.Errorf("%d rows", w.Len())
	}
	free := txn.NewWriteSet(b, 0)
	if _, err := free.Put(1, []byte("a"), make([]byte, 9_500)); !errors.Is(err, txn.ErrMemory) {
		t.Errorf("above the budget: %v", err)
	}
	w.Close()
	if b.Used() != 0 {
		t.Errorf("%d bytes left", b.Used())
	}
}

func BenchmarkWriteSetPut(b *testing.B) {
	b.ReportAllocs()
	budget := txn.NewBudget(1 << 40)
	w := txn.NewWriteSet(budget, 0)
	row := make([]byte, 200)
	var key [8]byte
	n := 0
	for b.Loop() {
		n++
		key[4], key[5], key[6], key[7] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
		if _, err := w.Put(1, key[:], row); err != nil {
			b.Fatal(err)
		}
	}
}
