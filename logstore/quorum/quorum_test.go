package quorum_test

import (
	"slices"
	"testing"

	"sextant/logstore/quorum"
)

// letters makes a set of members named by letters, A being member 0.
func letters(s string) quorum.Set {
	var out quorum.Set
	for _, c := range s {
		out |= quorum.Of(int(c - 'A'))
	}
	return out
}

func kOf(k int, s string) quorum.Expr { return quorum.KOf(k, letters(s)) }

func TestOverlap(t *testing.T) {
	write1, write3 := kOf(4, "ABCDEF"), kOf(4, "ABCDEG")
	read1, read3 := kOf(3, "ABCDEF"), kOf(3, "ABCDEG")
	write2 := quorum.And(write1, write3)
	read2 := quorum.Or(read1, read3) // as the paper has it
	full := kOf(3, "ACE")
	fullWrite := quorum.Or(write1, full)
	fullRead := quorum.And(read1, kOf(1, "ACE"))
	for _, c := range []struct {
		name string
		a, b quorum.Expr
		x, y string // two sets that share nothing; empty: every two meet
	}{
		{"write and read", write1, read1, "", ""},
		{"write and write", write1, write1, "", ""},
		{"membership epoch 2: write 2 and the paper's read 2, for records of epoch 2", write2, read2, "", ""},
		// E6: a record of epoch 1 on ABCF is missed by D E G while G is not hydrated.
		{"write 1 and the paper's read 2", write1, read2, "ABCF", "DEG"},
		{"write 1 and read of the old set", write1, read1, "", ""},
		{"write 2 and read of the old set", write2, read1, "", ""},
		{"write 2 and read 3", write2, read3, "", ""},
		{"write 1 and write 2", write1, write2, "", ""},
		{"write 2 and write 3", write2, write3, "", ""},
		{"write 1 and read 3, G not hydrated", write1, read3, "ABCF", "DEG"},
		{"full and tail: write and read", fullWrite, fullRead, "", ""},
		{"full and tail: write and write", fullWrite, fullWrite, "", ""},
		{"full and tail: read without a full segment", fullWrite, read1, "ACE", "BDF"},
		{"fence on three, next recovery's three", read1, read1, "ABC", "DEF"},
		{"fence on four, next recovery's three", write1, read1, "", ""},
	} {
		x, y, ok := quorum.Overlap(c.a, c.b)
		if want := c.x == ""; ok != want {
			t.Errorf("%s: overlap %v, want %v (%v, %v)", c.name, ok, want, x, y)
			continue
		}
		if ok {
			continue
		}
		if x&y != 0 || !c.a.Met(x) || !c.b.Met(y) {
			t.Errorf("%s: %v and %v are no witnesses", c.name, x, y)
		}
		if !c.a.Met(letters(c.x)) || !c.b.Met(letters(c.y)) {
			t.Errorf("%s: %s and %s should suffice", c.name, c.x, c.y)
		}
	}
}

// Once G is hydrated, a record of epoch 1 is on G too: whatever set had it, with G
// it meets every read of the transition and after it.
func TestHydratedMemberMakesOldRecordsReadable(t *testing.T) {
	for s := quorum.Set(0); s < 1<<6; s++ {
		if !kOf(4, "ABCDEF").Met(s) {
			continue
		}
		for r := quorum.Set(0); r < 1<<7; r++ {
			read := kOf(3, "ABCDEF").Met(r) || kOf(3, "ABCDEG").Met(r)
			if read && r&(s|letters("G")) == 0 {
				t.Fatalf("record on %v and G, read of %v", s, r)
			}
		}
	}
}

// A second failure during a change: E to H while F to G. Writing to ABCD goes on.
func TestTwoChangesAtOnce(t *testing.T) {
	w := quorum.And(kOf(4, "ABCDEF"), kOf(4, "ABCDEG"), kOf(4, "ABCDFH"), kOf(4, "ABCDGH"))
	if !w.Met(letters("ABCD")) {
		t.Error("ABCD is no write quorum")
	}
	if _, _, ok := quorum.Overlap(w, w); !ok {
		t.Error("two writes can miss each other")
	}
}

// AZ+1: with any zone away writes go on; with a zone and one more node reads do.
func TestZoneAndOneMore(t *testing.T) {
	write, read := kOf(4, "ABCDEF"), kOf(3, "ABCDEF")
	for _, zone := range []string{"AB", "CD", "EF"} {
		up := letters("ABCDEF") &^ letters(zone)
		if !write.Met(up) {
			t.Errorf("without %s no writes", zone)
		}
		for i := range 6 {
			if left := up &^ quorum.Of(i); !read.Met(left) {
				t.Errorf("without %s and %v no reads", zone, quorum.Of(i))
			}
		}
	}
}

// For every vector of small values: 4 of 6 is the fourth-highest, and any
// expression is the highest value whose holders suffice.
func TestCompleteExhaustive(t *testing.T) {
	exprs := []quorum.Expr{
		kOf(4, "ABCDEF"), kOf(1, "ABCDEF"), kOf(6, "ABCDEF"),
		quorum.And(kOf(2, "ABC"), kOf(2, "DEF")), quorum.Or(kOf(3, "ACE"), kOf(4, "ABCDEF")),
	}
	var v [6]int
	for n := range 4096 { // four values each
		for i := range v {
			v[i] = n >> (2 * i) & 3
		}
		sorted := slices.Sorted(slices.Values(v[:]))
		if got := quorum.Complete(exprs[0], v[:]); got != sorted[2] {
			t.Fatalf("%v: complete to %d, want the fourth-highest, %d", v, got, sorted[2])
		}
		for _, e := range exprs {
			want := 0
			for x := 1; x <= 3; x++ {
				var s quorum.Set
				for i := range v {
					if v[i] >= x {
						s |= quorum.Of(i)
					}
				}
				if e.Met(s) {
					want = x
				}
			}
			if got := quorum.Complete(e, v[:]); got != want {
				t.Fatalf("%v of %v: complete to %d, want %d", e, v, got, want)
			}
		}
	}
}

// Why acknowledgements count tails (I-3): with record 1 on ABCD and record 2 on
// CDEF, counting by record would give 2, and four of the twenty read quorums see no
// SCL above 1.
func TestCountingByRecordWouldLose(t *testing.T) {
	scl := []int{1, 1, 2, 2, 0, 0}
	if got := quorum.Complete(kOf(4, "ABCDEF"), scl); got != 1 {
		t.Errorf("complete to %d, want 1", got)
	}
	bad := 0
	for s := quorum.Set(0); s < 1<<6; s++ {
		if s.Len() == 3 && !s.Has(2) && !s.Has(3) {
			bad++
		}
	}
	if bad != 4 {
		t.Errorf("%d read quorums without C and D, want 4", bad)
	}
}

func TestString(t *testing.T) {
	e := quorum.And(kOf(4, "ABCDEF"), quorum.Or(kOf(3, "ACE"), kOf(4, "ABCDEG")))
	if got, want := e.String(), "(4/6 of ABCDEF and (3/3 of ACE or 4/6 of ABCDEG))"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if e.Members() != letters("ABCDEFG") {
		t.Errorf("members %v", e.Members())
	}
}

func BenchmarkComplete(b *testing.B) {
	q, v := kOf(4, "ABCDEF"), []uint64{105, 103, 104, 99, 105, 101}
	b.ReportAllocs()
	for b.Loop() {
		quorum.Complete(q, v)
	}
}
