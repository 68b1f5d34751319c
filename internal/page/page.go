// Package page defines the bytes of a page and what a redo record does to them:
// Apply is the one function that the writer's cache, a reader's cache and the
// storage nodes share. It gives the same bytes everywhere, so a page can be made
// from any older version of it and the records since.
//
// It decides the layout of a page, the layout of a record's payload, and when a
// page compacts itself. It does not decide which records to write (package
// btree), which LSN they get, or where a page is kept. Start with Apply.
//
// A page is a header, a directory of 2-byte slots that grows upwards, a hole of
// zeros, and a heap of cells that grows downwards. All integers are little-endian.
//
//	 0  magic "SXPG"            4  version, features, codec, key id
//	 8  CRC32C of bytes 0-7 and 12-end   \
//	12  timeline   16  volume             | the seal: zero in memory, set by Seal
//	24  page       32  protection group  /
//	36  kind       37  level    38  cells, or bytes of the body
//	40  page LSN   48  tree
//	56  lowest byte of the heap 58  dead bytes in the heap   60  reserved
//	64  slots, or the body of an overflow page
//
//	cell: key length (2), value length and flag in bit 15 (2), key, value
//
// Leaf, internal and meta pages are slotted: cells in strictly ascending key
// order. An internal page's values are child page ids. An overflow page has a
// body. Keys are not prefix-compressed: separators are short as it is, and
// binary search stays one comparison per step.
//
// A page is as long as the slice that holds it: Size in a volume, less in tests.
//
// Source: SIGMOD 2017 §3.2 (the log is the database).
package page

import (
	"bytes"
	"encoding/binary"
	"errors"

	"sextant/internal/redo"
)

// Sizes in bytes.
const (
	Size       = 16 << 10                       // a page of a volume
	SizeMin    = 256                            // the smallest page that works, for tests
	SizeMax    = Size                           // the largest page that works
	HeaderSize = 64                             // of every page
	CellHead   = 6                              // of every cell: its slot and its two lengths
	MaxCell    = (Size-HeaderSize)/4 - CellHead // longest key + value, so that four cells fit
	BodyMax    = Size - HeaderSize              // of an overflow page
)

// Errors of this package. They are matched with errors.Is.
var (
	// ErrCorrupt is returned for bytes that are not a page, or not this page.
	ErrCorrupt = errors.New("page: corrupt page")
	// ErrVersion is returned for a page format, a feature or a version of Apply
	// that this program does not know.
	ErrVersion = errors.New("page: unknown format version or feature")
	// ErrRecord is returned when a record cannot be a change of this page: a
	// malformed payload, a wrong kind of page, a key that must be there and is not.
	ErrRecord = errors.New("page: record does not fit the page's content")
	// ErrFull is returned when the page has no room for the record's cells.
	ErrFull = errors.New("page: no room")
	// ErrOrder is returned when the record is not newer than the page.
	ErrOrder = errors.New("page: record is not newer than the page")
)

// Kind says what a page holds. Numbers are part of the stored format.
type Kind uint8

// The kinds of pages.
const (
	KindNone     Kind = 0 // never formatted: all bytes are zero
	KindFree     Kind = 1 // freed; holds nothing
	KindLeaf     Kind = 2 // cells of a tree
	KindInternal Kind = 3 // separators and child page ids of a tree
	KindOverflow Kind = 4 // level 0: bytes of a long value; above: page ids, 8 bytes each
	KindMeta     Kind = 5 // cells outside of any tree
)

const (
	magic   = 0x47505853 // "SXPG"
	version = 1

	offSeal, offSealEnd                    = 8, 36
	offCRC, offTimeline, offVolume         = 8, 12, 16
	offPage, offPG                         = 24, 32
	offKind, offLevel, offCount, offLSN    = 36, 37, 38, 40
	offTree, offHeap, offDead, offReserved = 48, 56, 58, 60

	slotSize     = 2
	cellPrefix   = CellHead - slotSize
	cellFlag     = 1 << 15
	cellValueMax = cellFlag - 1
)

var le = binary.LittleEndian

// CellMax returns the longest key + value of a cell in a page of that many bytes.
// It is MaxCell for Size.
func CellMax(size int) int { return (size-HeaderSize)/4 - CellHead }

// KindOf returns the page's kind; KindNone also for a slice that is no page.
func KindOf(p []byte) Kind {
	if len(p) < HeaderSize {
		return KindNone
	}
	return Kind(p[offKind])
}

// Level returns the height of the page above the leaves (or above the bytes of an
// overflow value): 0 for these.
func Level(p []byte) int {
	if len(p) < HeaderSize {
		return 0
	}
	return int(p[offLevel])
}

// LSN returns the LSN of the last record applied; 0 if there is none.
func LSN(p []byte) redo.LSN {
	if len(p) < HeaderSize {
		return 0
	}
	return redo.LSN(le.Uint64(p[offLSN:]))
}

// Tree returns the number that the page was formatted with, of the tree it belongs to.
func Tree(p []byte) uint64 {
	if len(p) < HeaderSize {
		return 0
	}
	return le.Uint64(p[offTree:])
}

// Len returns the number of cells of a slotted page, 0 of another.
func Len(p []byte) int {
	if len(p) < HeaderSize || !slotted(Kind(p[offKind])) {
		return 0
	}
	return int(le.Uint16(p[offCount:]))
}

// Body returns the body of an overflow page, nil of another or a damaged one. It
// shares memory with p.
func Body(p []byte) []byte {
	if KindOf(p) != KindOverflow {
		return nil
	}
	n := int(le.Uint16(p[offCount:]))
	if n > len(p)-HeaderSize {
		return nil
	}
	return p[HeaderSize : HeaderSize+n : HeaderSize+n]
}

// Cell returns the key, the value and the flag of cell i. Both share memory with
// p. On a damaged page, and for an i that is not in [0, Len), both are nil.
func Cell(p []byte, i int) (key, value []byte, flag bool) {
	at := HeaderSize + i*slotSize
	if i < 0 || at+slotSize > len(p) {
		return nil, nil, false
	}
	off := int(le.Uint16(p[at:]))
	if off+cellPrefix > len(p) {
		return nil, nil, false
	}
	k := off + cellPrefix
	v := k + int(le.Uint16(p[off:]))
	raw := le.Uint16(p[off+2:])
	end := v + int(raw&^cellFlag)
	if v > len(p) || end > len(p) {
		return nil, nil, false
	}
	return p[k:v:v], p[v:end:end], raw&cellFlag != 0
}

// Key returns the key of cell i; see Cell.
func Key(p []byte, i int) []byte {
	at := HeaderSize + i*slotSize
	if i < 0 || at+slotSize > len(p) {
		return nil
	}
	off := int(le.Uint16(p[at:]))
	if off+cellPrefix > len(p) {
		return nil
	}
	k := off + cellPrefix
	v := k + int(le.Uint16(p[off:]))
	if v > len(p) {
		return nil
	}
	return p[k:v:v]
}

// Value returns the value of cell i; see Cell.
func Value(p []byte, i int) []byte {
	_, v, _ := Cell(p, i)
	return v
}

// Child returns the page id in cell i of an internal page, 0 if there is none.
func Child(p []byte, i int) redo.PageID {
	_, v, _ := Cell(p, i)
	if len(v) != 8 {
		return 0
	}
	return redo.PageID(le.Uint64(v))
}

// ChildValue returns the value of a cell of an internal page that leads to id.
func ChildValue(id redo.PageID) [8]byte {
	var v [8]byte
	le.PutUint64(v[:], uint64(id))
	return v
}

// Search returns the index of the first cell whose key is at or above key, and
// whether it is key. The index is Len if there is none.
func Search(p, key []byte) (int, bool) {
	lo, hi := 0, Len(p)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		switch c := bytes.Compare(Key(p, m), key); {
		case c < 0:
			lo = m + 1
		case c == 0:
			return m, true
		default:
			hi = m
		}
	}
	return lo, false
}

// SearchChild returns the index of the cell of an internal page whose child covers
// key: the last one whose key is at or below key, or the first.
func SearchChild(p, key []byte) int {
	i, found := Search(p, key)
	if found || i == 0 {
		return i
	}
	return i - 1
}

// Room returns the bytes that further cells may take, each its key, its value and
// CellHead. A page compacts itself when the hole is too small for a cell.
func Room(p []byte) int {
	if len(p) < HeaderSize || !slotted(Kind(p[offKind])) {
		return 0
	}
	hole := int(le.Uint16(p[offHeap:])) - HeaderSize - Len(p)*slotSize
	return max(hole+int(le.Uint16(p[offDead:])), 0)
}

// Used returns the bytes that the page's cells take, slots included.
func Used(p []byte) int {
	if len(p) < HeaderSize {
		return 0
	}
	return len(p) - HeaderSize - Room(p)
}

func slotted(k Kind) bool { return k == KindLeaf || k == KindInternal || k == KindMeta }

// Address is where a stored page belongs.
type Address struct {
	Volume   redo.VolumeID
	Timeline redo.TimelineID
	PG       redo.PGID
	Page     redo.PageID
}

// Seal writes the address and the checksum into the page, for an image that
// leaves memory. Apply and Unseal take them out again. A page of KindNone must
// not be sealed: say "no such page" instead of storing zeros.
func Seal(p []byte, a Address) {
	le.PutUint32(p[offTimeline:], uint32(a.Timeline))
	le.PutUint64(p[offVolume:], uint64(a.Volume))
	le.PutUint64(p[offPage:], uint64(a.Page))
	le.PutUint32(p[offPG:], uint32(a.PG))
	le.PutUint32(p[offCRC:], checksum(p))
}

// Unseal takes address and checksum out of the page.
func Unseal(p []byte) { clear(p[offSeal:offSealEnd]) }

// Verify checks that p is the sealed page of the address, unharmed. It changes
// nothing. Returns ErrVersion for a format it does not know, and ErrCorrupt for
// everything else that Seal has not written for this address, also another page.
// The structure inside is Check's business.
func Verify(p []byte, a Address) error {
	if !sizeOK(len(p)) || le.Uint32(p) != magic || le.Uint32(p[offCRC:]) != checksum(p) {
		return ErrCorrupt
	}
	if err := checkVersion(p); err != nil {
		return err
	}
	if le.Uint32(p[offTimeline:]) != uint32(a.Timeline) || le.Uint64(p[offVolume:]) != uint64(a.Volume) ||
		le.Uint64(p[offPage:]) != uint64(a.Page) || le.Uint32(p[offPG:]) != uint32(a.PG) {
		return ErrCorrupt
	}
	return nil
}

func checksum(p []byte) uint32 { return redo.Checksum(redo.Checksum(0, p[:offCRC]), p[offTimeline:]) }

func sizeOK(n int) bool { return n >= SizeMin && n <= SizeMax }

func checkVersion(p []byte) error {
	if p[4] != version || p[5] != 0 || p[6] != 0 || p[7] != 0 {
		return ErrVersion
	}
	return nil
}

// Check checks the structure of a page that is not sealed or whose seal was
// verified: kind, bounds, order of keys, room. A page of zeros is a page. Returns
// ErrCorrupt or ErrVersion. Apply keeps a checked page checked, and the functions
// that read a page never panic, checked or not.
func Check(p []byte) error {
	if !sizeOK(len(p)) {
		return ErrCorrupt
	}
	if le.Uint32(p) != magic {
		if isZero(p) {
			return nil
		}
		return ErrCorrupt
	}
	if err := checkVersion(p); err != nil {
		return err
	}
	switch k := KindOf(p); {
	case slotted(k):
		return checkSlotted(p)
	case k == KindOverflow:
		if b := Body(p); b == nil || !isZero(p[HeaderSize+len(b):]) || (Level(p) > 0 && len(b)%8 != 0) {
			return ErrCorrupt
		}
		return nil
	case k == KindFree:
		if !isZero(p[offTree:]) {
			return ErrCorrupt
		}
		return nil
	}
	return ErrCorrupt
}

func checkSlotted(p []byte) error {
	n, heap, dead := Len(p), int(le.Uint16(p[offHeap:])), int(le.Uint16(p[offDead:]))
	slotsEnd := HeaderSize + n*slotSize
	if slotsEnd > heap || heap > len(p) || !isZero(p[slotsEnd:heap]) || le.Uint32(p[offReserved:]) != 0 {
		return ErrCorrupt
	}
	internal := KindOf(p) == KindInternal
	if internal != (Level(p) > 0) || (internal && n == 0) {
		return ErrCorrupt
	}
	var prev []byte
	live := 0
	for i := range n {
		key, value, _ := Cell(p, i)
		if key == nil || int(le.Uint16(p[HeaderSize+i*slotSize:])) < heap {
			return ErrCorrupt
		}
		if i > 0 && bytes.Compare(prev, key) >= 0 {
			return ErrCorrupt
		}
		if internal && len(value) != 8 || len(key)+len(value) > CellMax(len(p)) {
			return ErrCorrupt
		}
		live += cellPrefix + len(key) + len(value)
		prev = key
	}
	if live+dead != len(p)-heap {
		return ErrCorrupt
	}
	return nil
}

func isZero(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if le.Uint64(b) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Pack appends the page without its hole and its seal to dst; Unpack restores it.
// It is the payload of OpImage.
func Pack(dst, p []byte) []byte {
	from, to := hole(p)
	dst = binary.AppendUvarint(dst, uint64(from))
	at := len(dst)
	dst = append(dst, p[:from]...)
	clear(dst[at+offSeal : at+offSealEnd])
	return append(dst, p[to:]...)
}

// Unpack makes p the page that Pack was given, of the same size. Returns
// ErrCorrupt if b cannot be one. It does not Check the result.
func Unpack(p, b []byte) error {
	from, n := binary.Uvarint(b)
	if n <= 0 || !sizeOK(len(p)) {
		return ErrCorrupt
	}
	b = b[n:]
	if from < HeaderSize || from > uint64(len(b)) || len(b) > len(p) {
		return ErrCorrupt
	}
	to := len(p) - (len(b) - int(from))
	copy(p, b[:from])
	clear(p[from:to])
	copy(p[to:], b[from:])
	return nil
}

// hole returns the bounds of the zeros between what grows up and what grows down.
func hole(p []byte) (from, to int) {
	switch k := KindOf(p); {
	case slotted(k):
		from, to = HeaderSize+Len(p)*slotSize, int(le.Uint16(p[offHeap:]))
	case k == KindOverflow:
		from, to = HeaderSize+len(Body(p)), len(p)
	default:
		from, to = HeaderSize, len(p)
	}
	if from > to || to > len(p) {
		return len(p), len(p) // damaged: keep every byte
	}
	return from, to
}
