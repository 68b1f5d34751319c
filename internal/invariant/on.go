//go:build invariants

package invariant

// Enabled says that costly checks run.
const Enabled = true
