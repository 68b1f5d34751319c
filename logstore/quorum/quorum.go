// Package quorum decides which sets of members suffice, whether every two
// sufficient sets share a member, and how far a sufficient set has come.
//
// An Expr is a monotone boolean expression over the members of a protection
// group, so that a membership change, where a write needs four of ABCDEF and four
// of ABCDEG, needs no code of its own. It knows nothing of nodes, epochs or LSNs'
// meaning. Start with Expr and Complete.
//
// Sources: SIGMOD 2017 §2.1, SIGMOD 2018 §4.1–4.2.
package quorum

import (
	"cmp"
	"fmt"
	"math/bits"
	"strings"
)

// MembersMax is the number of members that a Set can have.
const MembersMax = 16

// Set is a set of members, by index.
type Set uint16

// Of returns the set of the given members.
func Of(members ...int) Set {
	var s Set
	for _, m := range members {
		s |= 1 << m
	}
	return s
}

// Has reports whether member i is in s.
func (s Set) Has(i int) bool { return s>>i&1 == 1 }

// Len returns the number of members in s.
func (s Set) Len() int { return bits.OnesCount16(uint16(s)) }

// String returns the members as letters, A for member 0.
func (s Set) String() string {
	var b strings.Builder
	for i := range MembersMax {
		if s.Has(i) {
			b.WriteByte('A' + byte(i))
		}
	}
	return b.String()
}

// Expr says which sets of members suffice.
//
// Invariant: monotone: if a set suffices, so does every larger one.
type Expr interface {
	// Met reports whether s suffices.
	Met(s Set) bool
	// Members returns every member that the expression names.
	Members() Set
	String() string
}

type kOf struct {
	k  int
	of Set
}

type and []Expr

type or []Expr

// KOf is met by any k of the given members.
func KOf(k int, of Set) Expr { return kOf{k, of} }

// And is met if all of its expressions are.
func And(all ...Expr) Expr { return and(all) }

// Or is met if any of its expressions is.
func Or(either ...Expr) Expr { return or(either) }

func (e kOf) Met(s Set) bool { return (s & e.of).Len() >= e.k }
func (e kOf) Members() Set   { return e.of }
func (e kOf) String() string { return fmt.Sprintf("%d/%d of %v", e.k, e.of.Len(), e.of) }

func (e and) Met(s Set) bool {
	for _, x := range e {
		if !x.Met(s) {
			return false
		}
	}
	return true
}
func (e and) Members() Set   { return members(e) }
func (e and) String() string { return join(e, " and ") }

func (e or) Met(s Set) bool {
	for _, x := range e {
		if x.Met(s) {
			return true
		}
	}
	return false
}
func (e or) Members() Set   { return members(e) }
func (e or) String() string { return join(e, " or ") }

func members(es []Expr) Set {
	var s Set
	for _, e := range es {
		s |= e.Members()
	}
	return s
}

func join(es []Expr, word string) string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.String()
	}
	return "(" + strings.Join(parts, word) + ")"
}

// Overlap reports whether every set that meets a shares a member with every set
// that meets b. If not, it returns two sets that do not.
//
// It tries every subset of the members that either expression names.
func Overlap(a, b Expr) (x, y Set, ok bool) {
	all := a.Members() | b.Members()
	for s := Set(0); ; s = (s - all) & all { // every subset of all, ascending
		// The largest set disjoint from s decides, since b is monotone.
		if a.Met(s) && b.Met(all&^s) {
			return s, all &^ s, false
		}
		if s == all {
			return 0, 0, true
		}
	}
}

// Complete returns the highest value that a sufficient set of members has
// reached, reached[i] being member i's. It returns the zero value if there is
// none above it.
//
// For 4 of 6 this is the fourth-highest. It is given tails, not
// per-record acknowledgements, because recovery looks at tails: with record 1 on
// ABCD and record 2 on CDEF each is on four segments, but only C and D are
// complete to 2.
//
// Source: SIGMOD 2018 §2.3. Deviation: the paper counts SCLs; see package volume.
func Complete[T cmp.Ordered](q Expr, reached []T) T {
	var order [MembersMax]T // descending
	for i, v := range reached {
		for ; i > 0 && order[i-1] < v; i-- {
			order[i] = order[i-1]
		}
		order[i] = v
	}
	var zero T
	for _, v := range order[:len(reached)] {
		if v <= zero {
			break
		}
		var s Set
		for m, r := range reached {
			if r >= v {
				s |= 1 << m
			}
		}
		if q.Met(s) {
			return v
		}
	}
	return zero
}
