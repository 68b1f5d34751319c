package txn

import "sort"

// blockMax is the most keys of one block of a Map. Inserting moves at most that many.
const blockMax = 128

// Map is an ordered map in memory: keys in order of their bytes, in blocks. Keys that
// come in ascending order fill the blocks. It is not safe for concurrent use; a
// pointer to a value is valid until the next Put or Delete.
type Map[V any] struct {
	blocks []*block[V]
	n      int
	spare  *block[V] // the last one that became empty
}

type block[V any] struct {
	keys []string
	vals []V
}

// Len returns the number of keys.
func (m *Map[V]) Len() int { return m.n }

// find returns the position of the first key >= key: a block and an index in it,
// which may be one past its end only in the last block.
func (m *Map[V]) find(key []byte) (b, i int, there bool) {
	if len(m.blocks) == 0 {
		return 0, 0, false
	}
	// The last block whose first key is <= key.
	b = sort.Search(len(m.blocks), func(j int) bool { return m.blocks[j].keys[0] > string(key) }) - 1
	if b < 0 {
		return 0, 0, false
	}
	keys := m.blocks[b].keys
	lo, hi := 0, len(keys)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if keys[mid] < string(key) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(keys) {
		return b, lo, keys[lo] == string(key)
	}
	if b+1 < len(m.blocks) {
		return b + 1, 0, false
	}
	return b, lo, false
}

// Get returns the value of a key, nil if it is not there.
func (m *Map[V]) Get(key []byte) *V {
	b, i, there := m.find(key)
	if !there {
		return nil
	}
	return &m.blocks[b].vals[i]
}

// Put returns the value of a key, which it makes a zero value if the key was not there, and
// the key as it is kept.
func (m *Map[V]) Put(key []byte) (kept string, v *V, there bool) {
	b, i, there := m.find(key)
	if there {
		bl := m.blocks[b]
		return bl.keys[i], &bl.vals[i], true
	}
	kept = string(key)
	m.n++
	if len(m.blocks) == 0 {
		if m.spare == nil {
			m.spare = &block[V]{}
		}
		m.blocks, m.spare = append(m.blocks, m.spare), nil
	}
	// A key before a block's first one goes to the end of the block before it.
	if i == 0 && b > 0 {
		b--
		i = len(m.blocks[b].keys)
	}
	if bl := m.blocks[b]; len(bl.keys) >= blockMax {
		b, i = m.split(b, i)
	}
	bl := m.blocks[b]
	var zero V
	bl.keys = append(bl.keys, "")
	bl.vals = append(bl.vals, zero)
	copy(bl.keys[i+1:], bl.keys[i:])
	copy(bl.vals[i+1:], bl.vals[i:])
	bl.keys[i], bl.vals[i] = kept, zero
	return kept, &bl.vals[i], false
}

// split makes room for a key at (b, i) and returns where it goes then. At the end
// of the map the full block stays full.
func (m *Map[V]) split(b, i int) (int, int) {
	bl := m.blocks[b]
	half := len(bl.keys) / 2
	if b == len(m.blocks)-1 && i == len(bl.keys) {
		half = len(bl.keys)
	}
	next := &block[V]{keys: append([]string(nil), bl.keys[half:]...), vals: append([]V(nil), bl.vals[half:]...)}
	clear(bl.keys[half:])
	clear(bl.vals[half:])
	bl.keys, bl.vals = bl.keys[:half], bl.vals[:half]
	m.blocks = append(m.blocks, nil)
	copy(m.blocks[b+2:], m.blocks[b+1:])
	m.blocks[b+1] = next
	if i > half || i == half && len(next.keys) == 0 {
		return b + 1, i - half
	}
	return b, i
}

// Delete removes a key if it is there.
func (m *Map[V]) Delete(key []byte) {
	b, i, there := m.find(key)
	if !there {
		return
	}
	m.n--
	bl := m.blocks[b]
	last := len(bl.keys) - 1
	copy(bl.keys[i:], bl.keys[i+1:])
	copy(bl.vals[i:], bl.vals[i+1:])
	var zero V
	bl.keys[last], bl.vals[last] = "", zero
	bl.keys, bl.vals = bl.keys[:last], bl.vals[:last]
	if last == 0 {
		copy(m.blocks[b:], m.blocks[b+1:])
		m.blocks[len(m.blocks)-1] = nil
		m.blocks = m.blocks[:len(m.blocks)-1]
		m.spare = bl
	}
}

// Ascend calls f for the keys >= from in order until it returns false. f must not change the map.
func (m *Map[V]) Ascend(from []byte, f func(key string, v *V) bool) {
	b, i, _ := m.find(from)
	for ; b < len(m.blocks); b, i = b+1, 0 {
		for bl := m.blocks[b]; i < len(bl.keys); i++ {
			if !f(bl.keys[i], &bl.vals[i]) {
				return
			}
		}
	}
}

// Descend calls f for the keys < below, from the highest, until it returns false;
// below nil means from the map's end. f must not change the map.
func (m *Map[V]) Descend(below []byte, f func(key string, v *V) bool) {
	b, i := len(m.blocks)-1, 0
	if below != nil {
		b, i, _ = m.find(below)
	} else if b >= 0 {
		i = len(m.blocks[b].keys)
	}
	for b >= 0 && b < len(m.blocks) {
		for i--; i >= 0; i-- {
			if !f(m.blocks[b].keys[i], &m.blocks[b].vals[i]) {
				return
			}
		}
		if b--; b >= 0 {
			i = len(m.blocks[b].keys)
		}
	}
}
