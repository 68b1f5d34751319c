package mtls

import (
	"fmt"
	"testing"
	"time"
)

func TestRefusalsAreSeldomLogged(t *testing.T) {
	r := NewRefusals(nil)
	began := time.Unix(1, 0)
	want := func(kind, peer string, after time.Duration, want bool) {
		t.Helper()
		if got := r.due(refusal{kind, peer}, began.Add(after)); got != want {
			t.Errorf("%s of %s after %v: %v", kind, peer, after, got)
		}
	}
	want("a", "x", 0, true)
	want("a", "y", 0, true)
	want("b", "x", 0, true)
	for i := range time.Duration(10) { // in turn
		want("a", "x", i*time.Second, false)
		want("b", "x", i*time.Second, false)
	}
	want("a", "x", repeatAfter, true)
	want("a", "x", repeatAfter+1, false)
	for i := range 2 * refusalsMax {
		r.due(refusal{"a", fmt.Sprint(i)}, began.Add(2*repeatAfter))
	}
	if len(r.at) != refusalsMax {
		t.Errorf("%d are remembered, at most %d may be", len(r.at), refusalsMax)
	}
	want("a", "z", 2*repeatAfter, false)
	want("a", "z", 3*repeatAfter, true)
}
