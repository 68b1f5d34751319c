package page

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"sextant/internal/redo"
)

// Apply makes the record's change to the page, sets the page LSN to the record's,
// and takes the seal off. A new page is all zeros. OpNone and OpVersion change no
// byte; every other record must be newer than the page.
//
// Returns ErrOrder, ErrRecord, ErrFull, ErrVersion or ErrCorrupt; the page's bytes
// are then undefined, apply to a copy. Never panics, whatever page and record hold.
//
// Invariant: the same page and record give the same bytes everywhere, and the
// hole stays zero.
func Apply(p []byte, r *redo.Record) error {
	switch r.Op {
	case redo.OpNone:
		return nil
	case redo.OpVersion:
		if len(r.Payload) != 1 || r.Payload[0] != version {
			return fmt.Errorf("%w: of Apply, at LSN %d", ErrVersion, r.LSN)
		}
		return nil
	}
	if !sizeOK(len(p)) {
		return ErrCorrupt
	}
	if r.LSN <= LSN(p) {
		return fmt.Errorf("%w: page %d at %d, record %d", ErrOrder, r.Page, LSN(p), r.LSN)
	}
	if err := change(p, r); err != nil {
		return fmt.Errorf("apply record %d (op %d) to page %d: %w", r.LSN, r.Op, r.Page, err)
	}
	clear(p[offSeal:offSealEnd])
	le.PutUint64(p[offLSN:], uint64(r.LSN))
	return nil
}

func change(p []byte, r *redo.Record) error {
	switch r.Op {
	case redo.OpFormat:
		return format(p, r.Payload)
	case redo.OpImage:
		return image(p, r.Payload)
	case redo.OpFree:
		reset(p, KindFree, 0, 0)
		return nil
	}
	// The rest are changes of cells.
	if err := bounds(p); err != nil {
		return err
	}
	switch r.Op {
	case redo.OpInsert:
		return insertAll(p, r.Payload)
	case redo.OpDelete:
		return deleteCell(p, r.Payload)
	case redo.OpPatch:
		return patch(p, r.Payload)
	case redo.OpReplace:
		return replace(p, r.Payload)
	case redo.OpTruncateFrom:
		i, _ := Search(p, r.Payload)
		return truncate(p, i)
	case redo.OpRaise:
		return raise(p, r.Payload)
	}
	return ErrRecord
}

// bounds checks what the changes of cells rely on to stay inside the page.
func bounds(p []byte) error {
	if le.Uint32(p) != magic {
		if isZero(p) {
			return ErrRecord // never formatted
		}
		return ErrCorrupt
	}
	if err := checkVersion(p); err != nil {
		return err
	}
	if !slotted(KindOf(p)) {
		return ErrRecord
	}
	heap := int(le.Uint16(p[offHeap:]))
	if HeaderSize+Len(p)*slotSize > heap || heap > len(p) || int(le.Uint16(p[offDead:])) > len(p)-heap {
		return ErrCorrupt
	}
	return nil
}

// reset makes p an empty page.
func reset(p []byte, k Kind, level byte, tree uint64) {
	clear(p)
	le.PutUint32(p, magic)
	p[4] = version
	p[offKind], p[offLevel] = byte(k), level
	le.PutUint64(p[offTree:], tree)
	if slotted(k) {
		le.PutUint16(p[offHeap:], uint16(len(p)))
	}
}

func format(p, payload []byte) error {
	if len(payload) < 3 {
		return ErrRecord
	}
	k, level := Kind(payload[0]), payload[1]
	tree, n := binary.Uvarint(payload[2:])
	if n <= 0 {
		return ErrRecord
	}
	body := payload[2+n:]
	switch {
	case slotted(k):
		if (k == KindInternal) != (level > 0) || (k == KindInternal && len(body) == 0) {
			return ErrRecord
		}
		reset(p, k, level, tree)
		if len(body) == 0 {
			return nil
		}
		return insertAll(p, body)
	case k == KindOverflow:
		if len(body) > len(p)-HeaderSize || (level > 0 && len(body)%8 != 0) {
			return ErrRecord
		}
		reset(p, k, level, tree)
		le.PutUint16(p[offCount:], uint16(len(body)))
		copy(p[HeaderSize:], body)
		return nil
	}
	return ErrRecord
}

func image(p, payload []byte) error {
	if err := Unpack(p, payload); err != nil {
		return ErrRecord
	}
	if le.Uint32(p) != magic || Check(p) != nil {
		return ErrRecord
	}
	return nil
}

// readCell takes one cell off the head of b.
func readCell(b []byte) (key, value []byte, flag bool, rest []byte, err error) {
	k, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, nil, false, nil, ErrRecord
	}
	b = b[n:]
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, nil, false, nil, ErrRecord
	}
	b = b[n:]
	flag, v = v&1 != 0, v>>1
	if k > uint64(len(b)) || v > uint64(len(b))-k {
		return nil, nil, false, nil, ErrRecord
	}
	return b[:k], b[k : k+v], flag, b[k+v:], nil
}

func insertAll(p, payload []byte) error {
	if len(payload) == 0 {
		return ErrRecord
	}
	for rest := payload; len(rest) > 0; {
		key, value, flag, next, err := readCell(rest)
		if err != nil {
			return err
		}
		rest = next
		i := Len(p)
		// Most cells of a run go behind the last one.
		if i > 0 && bytes.Compare(Key(p, i-1), key) >= 0 {
			var found bool
			if i, found = Search(p, key); found {
				return ErrRecord
			}
		}
		if err := insert(p, i, key, value, flag); err != nil {
			return err
		}
	}
	return nil
}

// insert puts a cell into slot i.
func insert(p []byte, i int, key, value []byte, flag bool) error {
	if len(key)+len(value) > CellMax(len(p)) || (KindOf(p) == KindInternal && len(value) != 8) {
		return ErrRecord
	}
	off, err := allocate(p, len(key)+len(value)+cellPrefix, slotSize)
	if err != nil {
		return err
	}
	writeCell(p, off, key, value, flag)
	n := Len(p)
	at, end := HeaderSize+i*slotSize, HeaderSize+n*slotSize
	copy(p[at+slotSize:end+slotSize], p[at:end])
	le.PutUint16(p[at:], uint16(off))
	le.PutUint16(p[offCount:], uint16(n+1))
	return nil
}

func writeCell(p []byte, off int, key, value []byte, flag bool) {
	v := uint16(len(value))
	if flag {
		v |= cellFlag
	}
	le.PutUint16(p[off:], uint16(len(key)))
	le.PutUint16(p[off+2:], v)
	copy(p[off+cellPrefix:], key)
	copy(p[off+cellPrefix+len(key):], value)
}

// allocate takes n bytes for a cell off the hole, with slots bytes left over for
// new slots; it compacts the heap if the hole alone is too small.
func allocate(p []byte, n, slots int) (int, error) {
	top := HeaderSize + Len(p)*slotSize + slots
	heap := int(le.Uint16(p[offHeap:]))
	if heap-n < top {
		if heap+int(le.Uint16(p[offDead:]))-n < top {
			return 0, ErrFull
		}
		if err := compact(p); err != nil {
			return 0, err
		}
		if heap = int(le.Uint16(p[offHeap:])); heap-n < top {
			return 0, ErrCorrupt // the count of dead bytes was wrong
		}
	}
	heap -= n
	le.PutUint16(p[offHeap:], uint16(heap))
	return heap, nil
}

// compact rewrites the heap without dead bytes, the first cell highest.
func compact(p []byte) error {
	var heap [SizeMax]byte
	to := len(p)
	n := Len(p)
	top := HeaderSize + n*slotSize
	for i := range n {
		key, value, _ := Cell(p, i)
		size := cellPrefix + len(key) + len(value)
		if key == nil || to-size < top {
			return ErrCorrupt
		}
		to -= size
		off := int(le.Uint16(p[HeaderSize+i*slotSize:]))
		copy(heap[to:], p[off:off+size])
		le.PutUint16(p[HeaderSize+i*slotSize:], uint16(to))
	}
	clear(p[top:to])
	copy(p[to:], heap[to:len(p)])
	le.PutUint16(p[offHeap:], uint16(to))
	le.PutUint16(p[offDead:], 0)
	return nil
}

// drop gives the bytes of the cell in slot i up, but leaves the slot.
func drop(p []byte, i int) error {
	key, value, _ := Cell(p, i)
	if key == nil {
		return ErrCorrupt
	}
	off, size := int(le.Uint16(p[HeaderSize+i*slotSize:])), cellPrefix+len(key)+len(value)
	heap, dead := int(le.Uint16(p[offHeap:])), int(le.Uint16(p[offDead:]))
	if off < heap || dead+size > len(p)-heap {
		return ErrCorrupt
	}
	if off == heap {
		clear(p[off : off+size])
		le.PutUint16(p[offHeap:], uint16(heap+size))
		return nil
	}
	le.PutUint16(p[offDead:], uint16(dead+size))
	return nil
}

func deleteCell(p, key []byte) error {
	i, found := Search(p, key)
	if !found {
		return ErrRecord
	}
	if err := drop(p, i); err != nil {
		return err
	}
	at, end := HeaderSize+i*slotSize, HeaderSize+Len(p)*slotSize
	copy(p[at:], p[at+slotSize:end])
	clear(p[end-slotSize : end])
	le.PutUint16(p[offCount:], uint16(Len(p)-1))
	return emptied(p)
}

// truncate drops the cells from slot i on and compacts.
func truncate(p []byte, i int) error {
	clear(p[HeaderSize+i*slotSize : HeaderSize+Len(p)*slotSize])
	le.PutUint16(p[offCount:], uint16(i))
	if err := emptied(p); err != nil {
		return err
	}
	return compact(p)
}

// emptied refuses an internal page without a child.
func emptied(p []byte) error {
	if Len(p) == 0 && KindOf(p) == KindInternal {
		return ErrRecord
	}
	return nil
}

func replace(p, payload []byte) error {
	key, value, flag, rest, err := readCell(payload)
	if err != nil || len(rest) != 0 {
		return ErrRecord
	}
	i, found := Search(p, key)
	if !found {
		return ErrRecord
	}
	return setValue(p, i, key, value, flag)
}

// setValue gives the cell in slot i another value, in place if the length is the same.
func setValue(p []byte, i int, key, value []byte, flag bool) error {
	if len(key)+len(value) > CellMax(len(p)) || (KindOf(p) == KindInternal && len(value) != 8) {
		return ErrRecord
	}
	at := HeaderSize + i*slotSize
	if k, old, _ := Cell(p, i); k != nil && len(old) == len(value) {
		writeCell(p, int(le.Uint16(p[at:])), key, value, flag)
		return nil
	}
	if err := drop(p, i); err != nil {
		return err
	}
	n := Len(p)
	copy(p[at:], p[at+slotSize:HeaderSize+n*slotSize])
	clear(p[HeaderSize+(n-1)*slotSize : HeaderSize+n*slotSize])
	le.PutUint16(p[offCount:], uint16(n-1))
	return insert(p, i, key, value, flag)
}

// patch applies splices to a value, in place if none of them moves bytes.
func patch(p, payload []byte) error {
	key, rest, err := readKey(payload)
	if err != nil {
		return err
	}
	i, found := Search(p, key)
	if !found {
		return ErrRecord
	}
	_, old, flag := Cell(p, i)
	var buf [SizeMax / 4]byte
	value, err := Splice(buf[:0], old, rest)
	if err != nil {
		return err
	}
	return setValue(p, i, key, value, flag)
}

// Splice appends to dst the value that splices make of old. Returns ErrRecord if
// they are malformed, reach beyond old, or make a value longer than any cell.
func Splice(dst, old, splices []byte) ([]byte, error) {
	for len(splices) > 0 {
		var f [3]uint64 // kept, deleted, inserted
		for i := range f {
			v, n := binary.Uvarint(splices)
			if n <= 0 {
				return nil, ErrRecord
			}
			f[i], splices = v, splices[n:]
		}
		if f[0] > uint64(len(old)) || f[1] > uint64(len(old))-f[0] || f[2] > uint64(len(splices)) {
			return nil, ErrRecord
		}
		dst = append(dst, old[:f[0]]...)
		dst = append(dst, splices[:f[2]]...)
		old, splices = old[f[0]+f[1]:], splices[f[2]:]
		if len(dst) > cellValueMax {
			return nil, ErrRecord
		}
	}
	return append(dst, old...), nil
}

func readKey(b []byte) (key, rest []byte, err error) {
	k, n := binary.Uvarint(b)
	if n <= 0 || k > uint64(len(b)-n) {
		return nil, nil, ErrRecord
	}
	b = b[n:]
	return b[:k], b[k:], nil
}

func raise(p, payload []byte) error {
	key, rest, err := readKey(payload)
	if err != nil {
		return err
	}
	to, n := binary.Uvarint(rest)
	if n <= 0 || n != len(rest) {
		return ErrRecord
	}
	i, found := Search(p, key)
	if !found {
		return ErrRecord
	}
	_, value, _ := Cell(p, i)
	if len(value) != 8 || KindOf(p) == KindInternal {
		return ErrRecord
	}
	le.PutUint64(value, max(le.Uint64(value), to))
	return nil
}
