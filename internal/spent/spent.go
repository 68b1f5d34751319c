// Package spent tells tests how much memory a decoder takes.
package spent

import (
	"math"
	"runtime"
	"testing"
)

// slack is what the test's own machinery may allocate meanwhile.
const slack = 128 << 10

// runs are how often f has its chance: the figure is the process's, and another goroutine
// may have allocated as well.
const runs = 3

// Within runs f and fails the test if it allocates more than most bytes in all, freed ones
// included. It runs f up to three times, until it does not, so f can be run again.
func Within(t testing.TB, most int, f func()) {
	t.Helper()
	least := uint64(math.MaxUint64)
	for range runs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, after.TotalAlloc-before.TotalAlloc); least <= uint64(most)+slack {
			return
		}
	}
	t.Fatalf("%d bytes allocated, at most %d are allowed", least, most)
}
