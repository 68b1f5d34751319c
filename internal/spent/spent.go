// Package spent tells tests how much memory a decoder takes.
package spent

import (
	"runtime"
	"testing"
)

// slack is what the test's own machinery may allocate meanwhile.
const slack = 128 << 10

// Within runs f and fails the test if it allocates more than most bytes in all, freed ones
// included.
func Within(t testing.TB, most int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(most)+slack {
		t.Fatalf("%d bytes allocated, at most %d are allowed", took, most)
	}
}
