package row

import (
	"encoding/binary"
	"fmt"
)

// The value of a column of which each member has an entry in an index: the number of members, where each ends behind
// these numbers, each of four bytes, and the members, which ascend and differ. No members are no bytes.

// AppendMembers appends such a value. members ascend and differ.
func AppendMembers(dst []byte, members [][]byte) []byte {
	if len(members) == 0 {
		return dst
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(members)))
	end := 0
	for _, m := range members {
		end += len(m)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(end))
	}
	for _, m := range members {
		dst = append(dst, m...)
	}
	return dst
}

// Members returns the members of such a value, in its memory. Returns ErrCorrupt.
func Members(v []byte) ([][]byte, error) {
	n, err := countMembers(v)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, n)
	for i := range out {
		out[i] = member(v, i)
	}
	return out, nil
}

// countMembers checks a value and returns how many members it has.
func countMembers(v []byte) (int, error) {
	if len(v) == 0 {
		return 0, nil
	}
	if len(v) < 4 {
		return 0, fmt.Errorf("%w: members of %d bytes", ErrCorrupt, len(v))
	}
	n := uint64(binary.LittleEndian.Uint32(v))
	if 4+4*n > uint64(len(v)) {
		return 0, fmt.Errorf("%w: %d members in %d bytes", ErrCorrupt, n, len(v))
	}
	last := uint32(0)
	for i := range int(n) {
		end := binary.LittleEndian.Uint32(v[4+4*i:])
		if end < last {
			return 0, fmt.Errorf("%w: member %d ends at %d", ErrCorrupt, i, end)
		}
		last = end
	}
	if 4+4*n+uint64(last) != uint64(len(v)) {
		return 0, fmt.Errorf("%w: %d members in %d bytes", ErrCorrupt, n, len(v))
	}
	return int(n), nil
}

// member returns member i of a checked value, in its memory.
func member(v []byte, i int) []byte {
	n := int(binary.LittleEndian.Uint32(v))
	from := 0
	if i > 0 {
		from = int(binary.LittleEndian.Uint32(v[4*i:]))
	}
	end := int(binary.LittleEndian.Uint32(v[4+4*i:]))
	return v[4+4*n+from : 4+4*n+end]
}

// Entries returns how many entries a row has in an index of the key: one, or one for each member of the part that is
// Multi; NULL is one. Returns ErrCorrupt.
func (k *Key) Entries(d *Desc, r Row) (int, error) {
	if k.multi < 0 {
		return 1, nil
	}
	v := d.Datum(r, k.cols[k.multi].Column)
	if v.Kind == KindNull {
		return 1, nil
	}
	return countMembers(v.B)
}

// Multi reports whether rows may have more than one entry, or none.
func (k *Key) Multi() bool { return k.multi >= 0 }

// FixesMember reports whether keys that begin with prefix are all of one member: the part that is Multi ends in it.
func (k *Key) FixesMember(prefix []byte) bool {
	_, err := k.Len(prefix, k.multi+1)
	return k.multi >= 0 && err == nil
}
