package gms

import (
	"fmt"
	"testing"
	"time"

	"sextant/server/gms/syntax"
)

// TestDigestsAreBounded fills the table of digests: what finds no room is summed up in one row.
func TestDigestsAreBounded(t *testing.T) {
	d := newDigests()
	for i := range digestsMax + 7 {
		key := []byte(fmt.Sprintf("db\x00SELECT `c%d`", i))
		d.add(key, "db", "q", run{took: time.Microsecond, sent: 2})
	}
	list := d.list()
	if len(list) != digestsMax+1 {
		t.Fatalf("%d digests, want %d and the one without a name", len(list), digestsMax)
	}
	for _, e := range list {
		if e.digest == "" && (e.count != 7 || e.sent != 14 || e.sample != "") {
			t.Errorf("what found no room: %d statements, %d rows, sample %q", e.count, e.sent, e.sample)
		}
	}
}

// TestQuantilesBoundTheTimes compares quantiles with the times that were added.
func TestQuantilesBoundTheTimes(t *testing.T) {
	var e digestEntry
	for i := 1; i <= 1000; i++ {
		e.add("q", run{took: time.Duration(i) * time.Microsecond})
	}
	for _, share := range []float64{0.5, 0.95, 0.99, 1} {
		exact := time.Duration(1000*share) * time.Microsecond
		if got := e.quantile(share); got < exact || got > exact+exact/4+1 {
			t.Errorf("quantile %v is %v, want %v to a quarter more", share, got, exact)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	d := newDigests()
	var n syntax.Normalizer
	var key []byte
	const q = "SELECT c FROM sbtest1 WHERE id BETWEEN 50012 AND 50111 ORDER BY c"
	b.ReportAllocs()
	for b.Loop() {
		key = append(append(key[:0], "sbtest"...), 0)
		key = append(key, n.Normalize(q)...)
		d.add(key, "sbtest", q, run{took: 100})
	}
}
