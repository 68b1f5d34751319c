package boltstore

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"os"
)

// A bbolt file, as far as checkStructure reads it. Every page begins with its id (8),
// flags (2), count (2) and the number of pages it overflows into (4). A branch page's
// elements are key position (4), key size (4), child (8); a leaf page's are flags (4),
// position (4), key size (4), value size (4); positions count from the element. An
// element with flag 1 is a bucket: its value is root page (8) and sequence (8), and
// the page itself if the root is 0.
const (
	boltPageHeader = 16
	boltElement    = 16
	boltBranch     = 0x01
	boltLeaf       = 0x02
	boltFreelist   = 0x10
	boltBucket     = 0x01
	boltNoFreelist = ^uint64(0)
	boltDepthMax   = 32
	boltRunMax     = 64 << 20 // bytes of one page with what it overflows into
)

// structure is a walk over the raw pages of a bbolt file, whole or of a part of it. It
// maps nothing into memory and trusts no number, so that no damage can make it panic.
type structure struct {
	f        io.ReaderAt
	pageSize int64
	high     uint64   // pages from here on are not in use
	seen     []uint64 // a bit for each page; nil in the walk of a part

	part *part // nil: the whole
}

// part is where the walk of a part of a file's tree begins and ends. A position is the
// name of a bucket and a key in it.
type part struct {
	from, to [2][]byte
	level    int // 0 in the tree of the buckets, 1 within a bucket
	left     int // bytes to be read yet
	ended    bool
}

// past reports whether everything below key lies before the part, or after it.
func (p *part) past(key []byte) bool {
	return p != nil && (p.ended || key != nil && bytes.Compare(key, p.from[p.level]) <= 0)
}

// end notes that the walk has come to key, and ends it if enough was read and it has come
// further than it began.
func (p *part) end(key []byte) {
	if p.left <= 0 && !p.ended && bytes.Compare(key, p.from[p.level]) >= 0 {
		p.ended = true
		p.to[p.level] = append(bytes.Clone(key), 0)
	}
}

// checkStructure returns errValue, with the page, unless the file's tree is whole:
// both meta pages, every page where its parent says and there once, keys in order and
// within their parents' bounds, and every other page free.
func checkStructure(path string) error {
	if err := checkMetas(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the file: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("size of the file: %w", err)
	}
	meta, err := newestMeta(f)
	if err != nil {
		return err
	}
	s := structureOf(f, meta)
	if s.pageSize < 512 || s.pageSize > 1<<20 || bits.OnesCount64(uint64(s.pageSize)) != 1 || s.high < 2 ||
		s.high > uint64(fi.Size()/s.pageSize) {
		return fmt.Errorf("%w: %d pages of %d bytes in a file of %d", errValue, s.high, s.pageSize, fi.Size())
	}
	s.seen = make([]uint64, s.high/64+1)
	s.seen[0] = 3 // the meta pages
	if err := s.tree(le.Uint64(meta[32:]), nil, nil, 0); err != nil {
		return err
	}
	if list := le.Uint64(meta[48:]); list != boltNoFreelist {
		if err := s.freelist(list); err != nil {
			return err
		}
		for id := range s.high {
			if s.seen[id/64]&(1<<(id%64)) == 0 {
				return fmt.Errorf("%w: page %d is neither in use nor free", errValue, id)
			}
		}
	}
	return nil
}

// newestMeta returns the meta page of the last transaction, its header included.
func newestMeta(f io.ReaderAt) ([]byte, error) {
	const size = 80
	var m [2][size]byte
	if _, err := f.ReadAt(m[0][:], 0); err != nil {
		return nil, fmt.Errorf("%w: meta page 0: %v", errValue, err)
	}
	if _, err := f.ReadAt(m[1][:], int64(le.Uint32(m[0][24:]))); err != nil {
		return nil, fmt.Errorf("%w: meta page 1: %v", errValue, err)
	}
	if le.Uint64(m[1][64:]) > le.Uint64(m[0][64:]) {
		return m[1][:], nil
	}
	return m[0][:], nil
}

func structureOf(f io.ReaderAt, meta []byte) structure {
	return structure{f: f, pageSize: int64(le.Uint32(meta[24:])), high: le.Uint64(meta[56:])}
}

func (s *structure) mark(id uint64) error {
	if id >= s.high {
		return fmt.Errorf("%w: page %d is beyond the end", errValue, id)
	}
	if s.seen == nil {
		return nil
	}
	if s.seen[id/64]&(1<<(id%64)) != 0 {
		return fmt.Errorf("%w: page %d is there twice", errValue, id)
	}
	s.seen[id/64] |= 1 << (id % 64)
	return nil
}

// page reads a page with all that it overflows into, and marks them.
func (s *structure) page(id uint64) ([]byte, error) {
	if err := s.mark(id); err != nil {
		return nil, err
	}
	h := make([]byte, boltPageHeader)
	if _, err := s.f.ReadAt(h, int64(id)*s.pageSize); err != nil {
		return nil, fmt.Errorf("%w: page %d: %v", errValue, id, err)
	}
	more := uint64(le.Uint32(h[12:]))
	if le.Uint64(h) != id || id+more >= s.high || (int64(more)+1)*s.pageSize > boltRunMax {
		return nil, fmt.Errorf("%w: page %d says it is page %d and %d more", errValue, id, le.Uint64(h), more)
	}
	for k := uint64(1); k <= more; k++ {
		if err := s.mark(id + k); err != nil {
			return nil, err
		}
	}
	b := make([]byte, (int64(more)+1)*s.pageSize)
	if _, err := s.f.ReadAt(b, int64(id)*s.pageSize); err != nil {
		return nil, fmt.Errorf("%w: page %d: %v", errValue, id, err)
	}
	if s.part != nil {
		s.part.left -= len(b)
	}
	return b, nil
}

// tree checks a page and all below; its keys are in [lo, hi), nil: no bound.
func (s *structure) tree(id uint64, lo, hi []byte, depth int) error {
	if depth > boltDepthMax {
		return fmt.Errorf("%w: page %d lies too deep", errValue, id)
	}
	b, err := s.page(id)
	if err != nil {
		return err
	}
	switch flags := le.Uint16(b[8:]); flags {
	case boltLeaf:
		return s.leaf(id, b, lo, hi, depth)
	case boltBranch:
		return s.branch(id, b, lo, hi, depth)
	default:
		return fmt.Errorf("%w: page %d has flags %#x in a tree", errValue, id, flags)
	}
}

func (s *structure) branch(id uint64, b, lo, hi []byte, depth int) error {
	n := int(le.Uint16(b[10:]))
	if n == 0 {
		return fmt.Errorf("%w: branch page %d is empty", errValue, id)
	}
	keys, children := make([][]byte, n), make([]uint64, n)
	for i := range n {
		at := boltPageHeader + i*boltElement
		if at+boltElement > len(b) {
			return fmt.Errorf("%w: page %d has %d elements", errValue, id, n)
		}
		var ok bool
		if keys[i], ok = slice(b, at, le.Uint32(b[at:]), le.Uint32(b[at+4:])); !ok {
			return fmt.Errorf("%w: page %d: element %d is out of bounds", errValue, id, i)
		}
		children[i] = le.Uint64(b[at+8:])
	}
	if err := ordered(id, keys, lo, hi); err != nil {
		return err
	}
	for i := range n {
		from, to := keys[i], hi
		if i == 0 && lo == nil {
			from = nil // a key below the first separator went to the first child
		}
		if i < n-1 {
			to = keys[i+1]
		}
		if s.part.past(to) {
			continue
		}
		if err := s.tree(children[i], from, to, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *structure) leaf(id uint64, b, lo, hi []byte, depth int) error {
	n := int(le.Uint16(b[10:]))
	keys := make([][]byte, n)
	for i := range n {
		at := boltPageHeader + i*boltElement
		if at+boltElement > len(b) {
			return fmt.Errorf("%w: page %d has %d elements", errValue, id, n)
		}
		k, v := le.Uint32(b[at+8:]), le.Uint32(b[at+12:])
		all, ok := slice(b, at, le.Uint32(b[at+4:]), k+v)
		if !ok || k+v < k {
			return fmt.Errorf("%w: page %d: element %d is out of bounds", errValue, id, i)
		}
		keys[i] = all[:k]
		if flags := le.Uint32(b[at:]); flags == 0 {
			continue
		} else if flags != boltBucket || v < 16 {
			return fmt.Errorf("%w: page %d: element %d has flags %#x", errValue, id, i, flags)
		}
		if err := s.bucket(id, keys[i], all[k:], depth); err != nil {
			return err
		}
	}
	if s.part != nil && n > 0 {
		s.part.end(keys[n-1])
	}
	return ordered(id, keys, lo, hi)
}

// bucket checks what the value of a bucket leads to.
func (s *structure) bucket(id uint64, name, v []byte, depth int) error {
	if p := s.part; p != nil {
		at := bytes.Compare(name, p.from[0])
		if at < 0 || p.ended || p.level > 0 {
			return nil
		}
		if at > 0 {
			p.from[1] = nil
		}
		p.level = 1
		defer func() {
			if p.level = 0; p.ended && p.to[0] == nil {
				p.to[0] = bytes.Clone(name)
			}
		}()
	}
	if root := le.Uint64(v); root != 0 {
		return s.tree(root, nil, nil, depth+1)
	}
	inline := v[16:]
	if len(inline) < boltPageHeader || le.Uint16(inline[8:]) != boltLeaf {
		return fmt.Errorf("%w: page %d: a small bucket is no leaf", errValue, id)
	}
	if depth > boltDepthMax {
		return fmt.Errorf("%w: page %d lies too deep", errValue, id)
	}
	return s.leaf(id, inline, nil, nil, depth+1)
}

// slice returns the size bytes at element at plus pos.
func slice(b []byte, at int, pos, size uint32) ([]byte, bool) {
	from := int64(at) + int64(pos)
	if from+int64(size) > int64(len(b)) {
		return nil, false
	}
	return b[from : from+int64(size)], true
}

func ordered(id uint64, keys [][]byte, lo, hi []byte) error {
	for i, k := range keys {
		if i > 0 && bytes.Compare(keys[i-1], k) >= 0 || lo != nil && bytes.Compare(k, lo) < 0 ||
			hi != nil && bytes.Compare(k, hi) >= 0 {
			return fmt.Errorf("%w: page %d: key %d is out of order", errValue, id, i)
		}
	}
	return nil
}

func (s *structure) freelist(id uint64) error {
	b, err := s.page(id)
	if err != nil {
		return err
	}
	if le.Uint16(b[8:]) != boltFreelist {
		return fmt.Errorf("%w: page %d is no list of free pages", errValue, id)
	}
	n, ids := uint64(le.Uint16(b[10:])), b[boltPageHeader:]
	if n == 0xFFFF {
		n, ids = le.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return fmt.Errorf("%w: page %d lists %d free pages", errValue, id, n)
	}
	for i := range n {
		free := le.Uint64(ids[8*i:])
		if i > 0 && free <= le.Uint64(ids[8*i-8:]) {
			return fmt.Errorf("%w: free page %d is out of order", errValue, free)
		}
		if err := s.mark(free); err != nil {
			return fmt.Errorf("%w (a free page)", err)
		}
	}
	return nil
}
