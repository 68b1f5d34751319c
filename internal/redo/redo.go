// Package redo defines what the log is made of: log sequence numbers, records,
// mini-transactions, ranges of LSNs, and the batch in which records of one
// protection group travel and are stored.
//
// It decides the meaning and the bytes of a record, nothing else: what a record
// does to a page is package page, which LSN it gets is package volume, who keeps
// it is package segment. Start with Record.
//
// The bytes of a batch are drawn in docs/format.md.
//
// Sources: Verbitski et al., SIGMOD 2017 §3.2, §4.1 and SIGMOD 2018 §2.2.
package redo

import (
	"fmt"
	"slices"
)

// LSN is the number of one record in the volume, from 1; 0 means none.
//
// Invariant: handed out only by the writer, dense within a volume epoch, never
// reused, also not after a recovery annulled it.
type LSN uint64

// PageID is the number of a page in the volume, from 1; 0 means none.
type PageID uint64

// PGID is the number of a protection group, from 0. Group g holds the pages
// [g*n+1, (g+1)*n], n being the geometry's pages per group.
type PGID uint32

// VolumeID names a volume. It is drawn at random when the volume is created;
// 0 means none.
type VolumeID uint64

// TimelineID names one history of a volume, from 1. There is one until clones exist.
type TimelineID uint32

// VolumeEpoch counts the grants of the writer's role, from 1. Storage refuses
// every request of an older epoch than the highest it has stored.
//
// Source: SIGMOD 2018 §2.4.
type VolumeEpoch uint64

// MembershipEpoch counts the changes of one group's members, from 1.
//
// Source: SIGMOD 2018 §4.1.
type MembershipEpoch uint64

// Op says what a record does to its page. The payload's layout belongs to
// package page. Numbers are part of the stored format and never reused.
type Op uint8

// The operations.
const (
	OpFormat       Op = 1  // make the page an empty page of a kind
	OpInsert       Op = 2  // insert a cell (key, value); the key must be absent
	OpDelete       Op = 3  // delete the cell of a key
	OpPatch        Op = 4  // replace a byte range of a cell's value
	OpReplace      Op = 5  // replace the whole value of a cell
	OpTruncateFrom Op = 6  // delete every cell whose key is at or above a key (split)
	OpRaise        Op = 7  // raise a counter cell to a number, if it is lower
	OpFree         Op = 8  // the page holds nothing any more
	OpImage        Op = 9  // the page's whole content
	OpVersion      Op = 10 // later records follow another version of Apply (page 0)
	OpNone         Op = 11 // changes no page: a commit without page changes (page 0)
)

// Record is one change to one page.
//
// Invariant: PrevVolume < LSN and PrevPG < LSN.
type Record struct {
	LSN        LSN
	PrevVolume LSN // the record before it in the volume; 0 for the first
	PrevPG     LSN // the record before it in its protection group; 0 for the first
	PG         PGID
	Page       PageID
	Op         Op
	CPL        bool  // last record of its mini-transaction: a consistency point
	Flags      uint8 // of a CPL: bits of the commit, see Flag…
	Wall       int64 // of a CPL: commit time, µs since 1970 UTC, strictly increasing
	Payload    []byte
}

// Flags of a consistency point.
const (
	FlagCatalog uint8 = 1 << 0 // the mini-transaction changed the catalog
)

// MTR is a mini-transaction: records with consecutive LSNs that must be seen
// together. The last one, and no other, is a CPL.
//
// Source: SIGMOD 2017 §4.1. Deviation: a whole SQL transaction is one MTR.
type MTR struct {
	Records []Record
}

// Range is the LSNs in (After, Through].
type Range struct {
	After, Through LSN
}

// Contains reports whether l is in the range.
func (r Range) Contains(l LSN) bool { return r.After < l && l <= r.Through }

// String returns "(after,through]".
func (r Range) String() string { return fmt.Sprintf("(%d,%d]", r.After, r.Through) }

// Ranges is a set of LSNs.
//
// Invariant: sorted; no two ranges overlap or touch. Join makes it so.
type Ranges []Range

// Contain reports whether l is in one of the ranges.
func (rs Ranges) Contain(l LSN) bool {
	i, _ := slices.BinarySearchFunc(rs, l, func(r Range, l LSN) int {
		if r.Through < l {
			return -1
		}
		return 1
	})
	return i < len(rs) && rs[i].Contains(l)
}

// End returns the highest LSN in the set, 0 if it is empty.
func (rs Ranges) End() LSN {
	if len(rs) == 0 {
		return 0
	}
	return rs[len(rs)-1].Through
}

// Join returns the union of the given ranges, sorted, with adjacent and
// overlapping ranges made one, in memory of its own.
func Join(ranges ...Range) Ranges {
	all := slices.Clone(ranges)
	slices.SortFunc(all, func(a, b Range) int {
		if a.After != b.After {
			if a.After < b.After {
				return -1
			}
			return 1
		}
		return 0
	})
	var out Ranges
	for _, r := range all {
		if r.Through <= r.After {
			continue
		}
		if n := len(out); n > 0 && r.After <= out[n-1].Through {
			out[n-1].Through = max(out[n-1].Through, r.Through)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Hint is a pair that an open writer sends with every batch of a group: a VDL and
// the group's last LSN at or below it. The zero Hint says that nothing is known
// to be durable.
//
// Invariant: VDL is 0 or a CPL, and everything up to it is on a write quorum of
// every group. PGLast <= VDL.
type Hint struct {
	VDL, PGLast LSN
}
