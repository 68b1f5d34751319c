package txn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

// TestMapIsASortedMap compares the map with a Go map and a sorted slice.
func TestMapIsASortedMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, order := range []string{"random", "ascending", "descending"} {
		var m Map[int]
		want := map[string]int{}
		for i := range 6000 {
			k := fmt.Sprintf("%05d", r.IntN(3000))
			switch order {
			case "ascending":
				k = fmt.Sprintf("%05d", i)
			case "descending":
				k = fmt.Sprintf("%05d", 6000-i)
			}
			if r.IntN(3) == 0 {
				k = fmt.Sprintf("%05d", r.IntN(6000))
				m.Delete([]byte(k))
				delete(want, k)
			} else {
				kept, v, there := m.Put([]byte(k))
				if _, w := want[k]; w != there || kept != k {
					t.Fatalf("Put(%s): there %v, kept %q", k, there, kept)
				}
				*v, want[k] = i, i
			}
			if i%500 == 0 || i == 5999 {
				checkMap(t, r, &m, want)
			}
		}
	}
}

func checkMap(t *testing.T, r *rand.Rand, m *Map[int], want map[string]int) {
	t.Helper()
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	if m.Len() != len(keys) {
		t.Fatalf("%d keys, want %d", m.Len(), len(keys))
	}
	for range 20 {
		from := fmt.Sprintf("%05d", r.IntN(6001))
		i, _ := slices.BinarySearch(keys, from)
		var up, down []string
		m.Ascend([]byte(from), func(k string, v *int) bool {
			if *v != want[k] {
				t.Fatalf("value of %s is %d, want %d", k, *v, want[k])
			}
			up = append(up, k)
			return true
		})
		m.Descend([]byte(from), func(k string, v *int) bool { down = append(down, k); return true })
		slices.Reverse(down)
		if !slices.Equal(up, keys[i:]) || !slices.Equal(down, keys[:i]) {
			t.Fatalf("from %s: %d up and %d down of %d, want %d and %d", from, len(up), len(down), len(keys), len(keys)-i, i)
		}
		if v := m.Get([]byte(from)); (v != nil) != (i < len(keys) && keys[i] == from) {
			t.Fatalf("Get(%s) = %v", from, v)
		}
	}
	n := 0
	m.Descend(nil, func(string, *int) bool { n++; return true })
	if n != len(keys) {
		t.Fatalf("%d keys from the end, want %d", n, len(keys))
	}
}

// TestIntervalsThatTouchBecomeOne compares a rangeSet with a set of points.
func TestIntervalsThatTouchBecomeOne(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	key := func(i int) string { return fmt.Sprintf("%02d", i) }
	for range 500 {
		var s rangeSet
		var in [100]bool
		size := 0
		for range 30 {
			lo := r.IntN(99)
			v := interval{lo: key(lo), hi: key(min(99, lo+1+r.IntN(10)))}
			if r.IntN(40) == 0 {
				v.hi, v.unbounded = "", true
			}
			var grown int
			s, grown = s.add(v)
			size += grown
			for i := range in {
				in[i] = in[i] || v.contains(key(i))
			}
			sum := 0
			for i, v := range s {
				sum += v.size()
				if i > 0 && (s[i-1].unbounded || s[i-1].hi >= v.lo) {
					t.Fatalf("%v touches its neighbour", s)
				}
			}
			if sum != size {
				t.Fatalf("size %d, counted %d", sum, size)
			}
			for i, want := range in {
				if s.covers(key(i)) != want {
					t.Fatalf("%v: covers(%s) is %v", s, key(i), !want)
				}
			}
			if !s.coversAll(v) {
				t.Fatalf("%v does not cover %v", s, v)
			}
		}
	}
}
