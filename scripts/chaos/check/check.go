// Package check decides whether what clients saw of a cluster is what its isolation
// levels allow, over the writer and the readers together. It only computes: a history
// is a list of transactions or operations with the times at which clients sent the
// first statement and had the last answer.
//
// Start with ListAppend, which infers the order of versions from lists that
// transactions append to, and looks for cycles in the graph of dependencies.
// Source: Kingsbury and Alvaro, Elle: Inferring Isolation Anomalies from Experimental
// Observations, VLDB 2020; Cerone and Gotsman, Analysing Snapshot Isolation, PODC 2016.
package check

import (
	"fmt"
	"strings"
)

// Outcome is what a client knows of a transaction's end.
type Outcome string

// Outcomes.
const (
	Committed Outcome = "committed"
	Aborted   Outcome = "aborted" // an error or ROLLBACK that leaves no doubt
	Unknown   Outcome = "unknown" // the connection went before the answer to COMMIT
)

// An Anomaly is something that should not have been seen.
type Anomaly struct {
	Kind   string // one of the constants below
	Detail string
}

// String returns kind and detail in one line.
func (a Anomaly) String() string { return a.Kind + ": " + a.Detail }

// Kinds of anomalies. The names are those of Adya's thesis and of Elle; "lost" is an
// acknowledged effect that is not there.
const (
	Lost         = "lost"
	Phantom      = "phantom"       // a value that nobody wrote
	DirtyRead    = "G1a"           // a value of an aborted transaction
	Intermediate = "G1b"           // a value that its own transaction overwrote
	Duplicate    = "duplicate"     // one append twice
	Fork         = "fork"          // two reads of a key are no prefixes of each other
	Internal     = "internal"      // a transaction contradicts its own reads or writes
	WriteCycle   = "G0"            // a cycle of overwritten versions
	Circular     = "G1c"           // of overwritten and read versions
	ReadSkew     = "G-single"      // with one version read before it was overwritten
	Nonadjacent  = "G-nonadjacent" // with several such, no two in a row
	WriteSkew    = "G2"            // with two such in a row
	Torn         = "torn"          // half of a transaction
	Backwards    = "backwards"     // a session that goes back in time
	Stale        = "stale"         // less than what was acknowledged before
	Nonlinear    = "not linearizable"
)

// anomaliesMax bounds what one checker reports of one history.
const anomaliesMax = 20

// report collects anomalies.
type report []Anomaly

func (r *report) add(kind, format string, args ...any) {
	if len(*r) < anomaliesMax {
		*r = append(*r, Anomaly{kind, fmt.Sprintf(format, args...)})
	}
}

// list renders a list of values, shortened in the middle.
func list(v []int) string {
	if len(v) > 12 {
		return strings.Trim(fmt.Sprint(v[:4]), "]") + " … " + strings.Trim(fmt.Sprint(v[len(v)-4:]), "[")
	}
	return fmt.Sprint(v)
}
