package segment

import (
	"fmt"
	"slices"

	"sextant/internal/redo"
)

// run is a stretch of a group's chain without a hole: every record of the group in
// (after, through], after being the record before the first of them.
type run struct{ after, through redo.LSN }

func (r run) String() string { return fmt.Sprintf("(%d,%d]", r.after, r.through) }

// runs is what a segment holds of its group's chain, hidden records excluded.
//
// Invariant: ascending; no run's through is at or above the next one's after.
type runs []run

// Outcomes of runs.add.
type added int

const (
	addedNew   added = iota
	addedKnown       // the record was there
	addedFork        // it contradicts the chain: two histories
)

// add puts the record lsn, whose predecessor in the group is prev, into the chain.
func (rs *runs) add(prev, lsn redo.LSN) added {
	s := *rs
	if n := len(s); n > 0 && s[n-1].through == prev { // the common case
		s[n-1].through = lsn
		return addedNew
	}
	i, _ := slices.BinarySearchFunc(s, lsn, func(r run, l redo.LSN) int {
		if r.through < l {
			return -1
		}
		return 1
	}) // the first run with through >= lsn
	left := i > 0 && s[i-1].through == prev
	right := i < len(s) && s[i].after == lsn
	switch {
	case i < len(s) && s[i].after < lsn:
		return addedKnown
	case i > 0 && s[i-1].through > prev:
		return addedFork
	case left && right:
		s[i-1].through = s[i].through
		*rs = slices.Delete(s, i, i+1)
	case left:
		s[i-1].through = lsn
	case right:
		s[i].after = prev
	default:
		*rs = slices.Insert(s, i, run{prev, lsn})
	}
	return addedNew
}

// from returns the highest LSN contiguous from start.
func (rs runs) from(start redo.LSN) redo.LSN {
	for i := len(rs) - 1; i >= 0; i-- {
		if rs[i].after <= start {
			return max(start, rs[i].through)
		}
	}
	return start
}

// last returns the highest LSN, 0 if there is none.
func (rs runs) last() redo.LSN {
	if len(rs) == 0 {
		return 0
	}
	return rs[len(rs)-1].through
}

// scl returns the highest LSN contiguous from the beginning.
func (rs runs) scl() redo.LSN { return rs.from(0) }

// cut removes everything above the hint from the chain. The hint's part is in the
// chain if anything above it is.
func (rs runs) cut(h redo.Hint) runs {
	var out runs
	for _, r := range rs {
		if r.through > h.VDL {
			r.through = h.PGLast
		}
		if r.after < r.through {
			out = append(out, r)
		}
	}
	return out
}

// holes returns the LSN ranges at or below to in which records are missing, at most limit.
func (rs runs) holes(to redo.LSN, limit int) []redo.Range {
	var out []redo.Range
	var after redo.LSN
	for _, r := range rs {
		if after >= to || len(out) == limit {
			return out
		}
		if r.after > after {
			out = append(out, redo.Range{After: after, Through: min(r.after, to)})
		}
		after = r.through
	}
	if after < to && len(out) < limit {
		out = append(out, redo.Range{After: after, Through: to})
	}
	return out
}
