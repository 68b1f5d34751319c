package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"sextant/internal/redo"
)

var (
	be = binary.BigEndian
	le = binary.LittleEndian
)

const (
	valueVersion    = 1
	valueHeaderSize = 8 // version, codec, two zero bytes, CRC32C
	codecNone       = 0
	codecHole       = 1 // an image without its longest run of zeros
)

var errValue = errors.New("value does not verify")

// place is what a value's checksum covers besides the value.
func (g *seg) place(bucket byte, key []byte) uint32 {
	b := make([]byte, 0, 64)
	b = le.AppendUint64(b, uint64(g.opt.Volume))
	b = le.AppendUint32(b, uint32(g.opt.Timeline))
	b = le.AppendUint32(b, uint32(g.pg))
	b = append(b, bucket)
	return redo.Checksum(0, append(b, key...))
}

// seal puts the header before a value's body, in v[:valueHeaderSize].
func (g *seg) seal(bucket byte, key, v []byte, codec byte) []byte {
	v[0], v[1], v[2], v[3] = valueVersion, codec, 0, 0
	le.PutUint32(v[4:], redo.Checksum(redo.Checksum(g.place(bucket, key), v[:4]), v[valueHeaderSize:]))
	return v
}

// unseal checks a value and returns its codec and body, in memory of their own: v is of a
// mapped file, which may be overwritten between the check and the use.
func (g *seg) unseal(bucket byte, key, v []byte) (codec byte, body []byte, err error) {
	v = bytes.Clone(v)
	if len(v) < valueHeaderSize || le.Uint32(v[4:]) !=
		redo.Checksum(redo.Checksum(g.place(bucket, key), v[:4]), v[valueHeaderSize:]) {
		return 0, nil, fmt.Errorf("%w: bucket %c, key %x", errValue, bucket, key)
	}
	if v[0] != valueVersion || v[1] > codecHole || v[2] != 0 || v[3] != 0 {
		return 0, nil, fmt.Errorf("%w: value version %d, codec %d", ErrVersion, v[0], v[1])
	}
	return v[1], v[valueHeaderSize:], nil
}

func pageKey(page redo.PageID, lsn redo.LSN) []byte {
	return be.AppendUint64(be.AppendUint64(make([]byte, 0, 24), uint64(page)), uint64(lsn))
}

func runKey(page redo.PageID, last redo.LSN, drain uint64) []byte {
	return be.AppendUint64(pageKey(page, last), drain)
}

func indexKey(last redo.LSN, drain uint64) []byte { return pageKey(redo.PageID(last), redo.LSN(drain)) }

func keyPage(k []byte) redo.PageID { return redo.PageID(be.Uint64(k)) }
func keyLSN(k []byte) redo.LSN     { return redo.LSN(be.Uint64(k[8:])) }

// appendRun encodes records of one page, ascending by LSN.
func appendRun(dst []byte, rs []redo.Record) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(rs)))
	var prev redo.LSN
	for i := range rs {
		dst = redo.AppendRecord(dst, &rs[i], prev)
		prev = rs[i].LSN
	}
	return dst
}

// runBytes is about the size of the value of a run.
func runBytes(rs []redo.Record) int {
	const recordHead = 24 // and more only for links that go far back
	n := valueHeaderSize + binary.MaxVarintLen32
	for i := range rs {
		n += recordHead + len(rs[i].Payload)
	}
	return n
}

// eachOfRun calls f for the records of an encoded run. Payloads share b's memory.
func eachOfRun(b []byte, pg redo.PGID, page redo.PageID, f func(redo.Record)) error {
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return errValue
	}
	b = b[k:]
	var prev redo.LSN
	for range n {
		r, rest, err := redo.ReadRecord(b, pg, prev)
		if err != nil || r.Page != page {
			return errValue
		}
		f(r)
		b, prev = rest, r.LSN
	}
	if len(b) != 0 {
		return errValue
	}
	return nil
}

// appendImage encodes a page's content without its longest run of zeros, which in a
// slotted page is its free space.
func appendImage(dst, page []byte) (out []byte, codec byte) {
	at, n := longestHole(page)
	if n < 64 {
		return append(dst, page...), codecNone
	}
	dst = le.AppendUint32(dst, uint32(len(page)))
	dst = le.AppendUint32(dst, uint32(at))
	dst = append(dst, page[:at]...)
	return append(dst, page[at+n:]...), codecHole
}

// readImage returns what appendImage encoded; it may share b's memory.
func readImage(b []byte, codec byte) ([]byte, error) {
	if codec == codecNone {
		return b, nil
	}
	if len(b) < 8 {
		return nil, errValue
	}
	size, at := int(le.Uint32(b)), int(le.Uint32(b[4:]))
	b = b[8:]
	if size > imageBytesMax || at > len(b) || size < len(b) {
		return nil, errValue
	}
	page := make([]byte, size)
	copy(page, b[:at])
	copy(page[size-(len(b)-at):], b[at:])
	return page, nil
}

const imageBytesMax = 1 << 20 // of a decoded image

// longestHole returns the longest run of zero words.
func longestHole(p []byte) (at, n int) {
	start := -1
	for i := 0; i+8 <= len(p); i += 8 {
		if le.Uint64(p[i:]) != 0 {
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
		if i+8-start > n {
			at, n = start, i+8-start
		}
	}
	return at, n
}

// pair is one entry of a drain's index.
type pair struct {
	lsn  redo.LSN
	page redo.PageID
}

func appendIndex(dst []byte, ps []pair) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ps)))
	var prev pair
	for _, p := range ps {
		dst = binary.AppendUvarint(dst, uint64(p.lsn-prev.lsn))
		dst = binary.AppendVarint(dst, int64(p.page)-int64(prev.page))
		prev = p
	}
	return dst
}

// eachOfIndex calls f for the pairs in order, until f reports false.
func eachOfIndex(b []byte, f func(pair) bool) error {
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return errValue
	}
	b = b[k:]
	var p pair
	for range n {
		l, i := binary.Uvarint(b)
		if i <= 0 {
			return errValue
		}
		d, j := binary.Varint(b[i:])
		if j <= 0 {
			return errValue
		}
		b = b[i+j:]
		p = pair{p.lsn + redo.LSN(l), redo.PageID(int64(p.page) + d)}
		if !f(p) {
			return nil
		}
	}
	return nil
}
