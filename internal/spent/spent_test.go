package spent_test

import (
	"testing"

	"sextant/internal/spent"
)

// told is a test that only says whether it failed.
type told struct {
	testing.TB
	failed bool
}

func (t *told) Helper()               {}
func (t *told) Fatalf(string, ...any) { t.failed = true }

var sink []byte

func TestWithin(t *testing.T) {
	const most = 1 << 20
	for name, c := range map[string]struct {
		takes  []int // MiB, run by run; the last one again and again
		runs   int
		failed bool
	}{
		"little":                    {[]int{0}, 1, false},
		"too much":                  {[]int{2}, 3, true},
		"another goroutine's, once": {[]int{2, 0}, 2, false},
	} {
		got, ran := told{TB: t}, 0
		spent.Within(&got, most, func() {
			sink = make([]byte, c.takes[min(ran, len(c.takes)-1)]<<20)
			ran++
		})
		if got.failed != c.failed || ran != c.runs {
			t.Errorf("%s: failed %v after %d runs, want %v after %d", name, got.failed, ran, c.failed, c.runs)
		}
	}
}
