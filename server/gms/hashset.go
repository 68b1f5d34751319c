package gms

import (
	"slices"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/server/gms/function"
)

// hashSet is the hashes of different rows. Those for which memory has no place are packed into sorted lists, 8 bytes each, which
// may take as much again as tmp_table_size: 1114 beyond.
//
// Invariant: each list is more than twice as long as the next one.
type hashSet struct {
	m      *memory
	recent map[uint64]struct{}
	bytes  int64 // of recent
	packed [][]uint64
	size   int64 // bytes of packed
}

// packedBytes is what a hash takes in a list.
const packedBytes = 8

// newHashSet returns a set without any.
func newHashSet(m *memory) *hashSet { return &hashSet{m: m, recent: make(map[uint64]struct{})} }

// add adds a hash, and reports whether it was not there.
func (s *hashSet) add(ctx *sql.Context, h uint64) (bool, error) {
	if s.has(h) {
		return false, nil
	}
	ok, err := s.m.fits(ctx, function.HashBytes, s.bytes, 1)
	if err == nil && !ok {
		if err = s.pack(ctx); err == nil {
			_, err = s.m.fits(ctx, function.HashBytes, 0, 1) // 1041 if it does not
		}
	}
	if err != nil {
		return false, err
	}
	s.bytes += function.HashBytes
	s.recent[h] = struct{}{}
	return true, nil
}

// has reports whether a hash is there.
func (s *hashSet) has(h uint64) bool {
	_, known := s.recent[h]
	for i := 0; !known && i < len(s.packed); i++ {
		_, known = slices.BinarySearch(s.packed[i], h)
	}
	return known
}

// pack packs the recent hashes.
func (s *hashSet) pack(ctx *sql.Context) error {
	s.m.release(s.bytes)
	s.bytes = 0
	n := packedBytes * int64(len(s.recent))
	if err := s.m.chargeKeys(ctx, n, 2, tableOverflow); err != nil {
		return err
	}
	s.size += n
	list := make([]uint64, 0, len(s.recent))
	for h := range s.recent {
		list = append(list, h)
	}
	clear(s.recent)
	for last := len(s.packed) - 1; last >= 0 && len(s.packed[last]) <= 2*len(list); last-- {
		list = append(s.packed[last], list...)
		s.packed = s.packed[:last]
	}
	slices.Sort(list)
	s.packed = append(s.packed, list)
	return nil
}

// close gives the memory back.
func (s *hashSet) close() {
	s.m.release(s.bytes + s.size)
	*s = hashSet{m: s.m}
}
