package check

import (
	"cmp"
	"slices"
)

// Transfer is one attempt to move money between two accounts. Each account's row also
// counts the transfers that changed it.
type Transfer struct {
	Begin, End int64 // nanoseconds
	Outcome    Outcome
}

// Sums is one read of all accounts in one transaction, by one statement or by several.
type Sums struct {
	Session    string
	Reader     bool // through the reader endpoint
	Begin, End int64
	Total      int // of the balances
	Count      int // of the changes: two for every transfer
}

// Bank checks that no transfer was ever seen by half, that nothing came or went, that no
// session goes back, that the writer shows everything acknowledged before, and that
// nobody shows more than was tried.
func Bank(transfers []Transfer, reads []Sums, total int) []Anomaly {
	var r report
	acked, begun := []int64{}, []int64{}
	for _, t := range transfers {
		if t.Outcome == Committed {
			acked = append(acked, t.End)
		}
		if t.Outcome != Aborted {
			begun = append(begun, t.Begin)
		}
	}
	slices.Sort(acked)
	slices.Sort(begun)
	before := func(times []int64, at int64) int {
		n, _ := slices.BinarySearch(times, at)
		return n
	}
	reads = slices.Clone(reads)
	slices.SortStableFunc(reads, func(a, b Sums) int { return cmp.Compare(a.Begin, b.Begin) })
	last := map[string]int{}
	for _, s := range reads {
		if s.Total != total || s.Count%2 != 0 {
			r.add(Torn, "the accounts are %d, not %d, after %d changes: %+v", s.Total, total, s.Count, s)
		}
		if s.Count < last[s.Session] {
			r.add(Backwards, "%d changes after %d: %+v", s.Count, last[s.Session], s)
		}
		last[s.Session] = s.Count
		if known := 2 * before(acked, s.Begin); !s.Reader && s.Count < known {
			r.add(Stale, "%d changes, %d were acknowledged before: %+v", s.Count, known, s)
		}
		if tried := 2 * before(begun, s.End); s.Count > tried {
			r.add(Phantom, "%d changes, %d were tried: %+v", s.Count, tried, s)
		}
	}
	return r
}
