package txn

import "sort"

// interval is the keys in [lo, hi), or all from lo if unbounded.
type interval struct {
	lo, hi    string
	unbounded bool
}

func (v interval) contains(key string) bool { return v.lo <= key && (v.unbounded || key < v.hi) }

// rangeSet is a set of keys as intervals.
//
// Invariant: sorted; no two overlap or touch.
type rangeSet []interval

// covers reports whether key is in the set.
func (s rangeSet) covers(key string) bool {
	i := sort.Search(len(s), func(j int) bool { return s[j].lo > key }) - 1
	return i >= 0 && s[i].contains(key)
}

// coversAll reports whether every key of v is in the set.
func (s rangeSet) coversAll(v interval) bool {
	i := sort.Search(len(s), func(j int) bool { return s[j].lo > v.lo }) - 1
	if i < 0 || !s[i].contains(v.lo) {
		return false
	}
	return s[i].unbounded || !v.unbounded && v.hi <= s[i].hi
}

// add returns the set with v in it, and by how many bytes it has grown (negative
// when intervals became one).
func (s rangeSet) add(v interval) (rangeSet, int) {
	// The first interval that ends at or behind v.lo, and the first that begins behind v's end.
	from := sort.Search(len(s), func(j int) bool { return s[j].unbounded || s[j].hi >= v.lo })
	to := from
	before := 0
	for ; to < len(s) && (v.unbounded || s[to].lo <= v.hi); to++ {
		before += s[to].size()
		v.lo = min(v.lo, s[to].lo)
		switch {
		case s[to].unbounded || v.unbounded:
			v.hi, v.unbounded = "", true
		default:
			v.hi = max(v.hi, s[to].hi)
		}
	}
	if from == to {
		s = append(s, interval{})
		copy(s[from+1:], s[from:])
		s[from] = v
		return s, v.size()
	}
	s[from] = v
	s = append(s[:from+1], s[to:]...)
	return s, v.size() - before
}

func (v interval) size() int { return intervalBytes + len(v.lo) + len(v.hi) }

// kind is what an interval locks.
type kind uint8

const (
	rangeGap       kind = iota // inserts of others
	rangeShared                // inserts, and writes of the keys
	rangeExclusive             // inserts, and locks of the keys
	kinds
)

// rangeConflicts holds, for the kind of an owner's interval, the modes in which others
// cannot lock a key in it.
var rangeConflicts = [kinds]modeSet{
	rangeGap:       0,
	rangeShared:    1 << Exclusive,
	rangeExclusive: rowModes,
}

// ownerRanges is the intervals of one owner in one space.
type ownerRanges struct {
	o    *Owner
	sets [kinds]rangeSet
}

// excludes reports whether an interval keeps others from locking key in a mode or,
// if insert is set, from inserting it.
func (r *ownerRanges) excludes(key string, m Mode, insert bool) bool {
	for k := range kinds {
		if (insert || rangeConflicts[k]&(1<<m) != 0) && len(r.sets[k]) > 0 && r.sets[k].covers(key) {
			return true
		}
	}
	return false
}

// holds reports whether the owner's intervals lock key in mode m already.
func (r *ownerRanges) holds(key string, m Mode) bool {
	return len(r.sets[rangeExclusive]) > 0 && r.sets[rangeExclusive].covers(key) ||
		m == Shared && len(r.sets[rangeShared]) > 0 && r.sets[rangeShared].covers(key)
}
