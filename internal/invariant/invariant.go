// Package invariant states what must hold. A broken invariant is a bug, not an
// error: Check panics. Data from a disk, a network or a user is never checked
// with it; that is an error value.
//
// Checks whose cost is not constant stand under `if invariant.Enabled`, which the
// build tag invariants turns on; every test run has it.
package invariant

import "fmt"

// Check panics with the formatted message if cond is false.
func Check(cond bool, format string, args ...any) {
	if !cond {
		panic("invariant: " + fmt.Sprintf(format, args...))
	}
}
