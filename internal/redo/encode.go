package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrCorrupt is returned when bytes are not what Encode wrote: a wrong magic
// number, an impossible length, a checksum that does not match.
var ErrCorrupt = errors.New("redo: corrupt bytes")

// ErrVersion is returned when bytes were written by a format version or with a
// feature that this program does not know.
var ErrVersion = errors.New("redo: unknown format version or feature")

// Limits of one batch.
const (
	BatchRecordsMax = 1 << 20  // records
	BatchBytesMax   = 64 << 20 // encoded bytes
)

const (
	batchMagic      = 0x42525853 // "SXRB"
	batchVersion    = 1
	batchHeaderSize = 96

	recordCPL         = 1 << 0
	recordFarPrev     = 1 << 1 // PrevVolume is not LSN-1 and is written out
	recordFlagsKnown  = recordCPL | recordFarPrev
	batchFlagOpened   = 1 << 0
	batchFlagRecovery = 1 << 1
	batchFlagsKnown   = batchFlagOpened | batchFlagRecovery
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC32C of b, continuing from crc. Every checksum of the
// stored and sent formats is this one.
func Checksum(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }

// Batch is what a writer sends to the segments of one group in one frame, and
// what a node's hot log stores and a reader receives: the same bytes.
type Batch struct {
	Volume       VolumeID
	Timeline     TimelineID
	PG           PGID
	Epoch        VolumeEpoch
	Membership   MembershipEpoch
	Start        LSN  // the group's start point: everything at or below it is on a write quorum
	Hint         Hint // of the group
	MinReadPoint LSN  // no read below it will come; garbage may be collected up to it
	Opened       bool // the sender's epoch has opened
	Recovery     bool // sent by a recovery: it keeps ragged records
	Records      []Record
}

// AppendRecord appends the encoding of r to dst. prev is the LSN of the record
// encoded before it in the same sequence, 0 for the first; the group is not encoded.
func AppendRecord(dst []byte, r *Record, prev LSN) []byte {
	var flags byte
	if r.CPL {
		flags |= recordCPL
	}
	if r.PrevVolume != r.LSN-1 {
		flags |= recordFarPrev
	}
	dst = append(dst, flags, byte(r.Op))
	dst = binary.AppendUvarint(dst, uint64(r.LSN-prev))
	dst = binary.AppendUvarint(dst, uint64(r.LSN-r.PrevPG))
	if flags&recordFarPrev != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.LSN-r.PrevVolume))
	}
	dst = binary.AppendUvarint(dst, uint64(r.Page))
	if r.CPL {
		dst = append(dst, r.Flags)
		dst = binary.AppendVarint(dst, r.Wall)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Payload)))
	return append(dst, r.Payload...)
}

// ReadRecord decodes the record at the head of b, for a sequence whose last
// record was prev, and returns the rest of b. The payload shares memory with b.
// Returns ErrCorrupt if b does not start with a whole record.
func ReadRecord(b []byte, pg PGID, prev LSN) (r Record, rest []byte, err error) {
	if len(b) < 2 || b[0]&^recordFlagsKnown != 0 {
		return Record{}, nil, ErrCorrupt
	}
	flags := b[0]
	d := decoder{b: b[2:]}
	r.PG, r.Op, r.CPL = pg, Op(b[1]), flags&recordCPL != 0
	r.LSN = prev + LSN(d.uvarint())
	r.PrevPG = r.LSN - LSN(d.uvarint())
	r.PrevVolume = r.LSN - 1
	if flags&recordFarPrev != 0 {
		r.PrevVolume = r.LSN - LSN(d.uvarint())
	}
	r.Page = PageID(d.uvarint())
	if r.CPL {
		r.Flags = d.byte()
		r.Wall = d.varint()
	}
	r.Payload = d.bytes(d.uvarint())
	if d.bad || r.LSN <= prev || r.PrevPG >= r.LSN || r.PrevVolume >= r.LSN {
		return Record{}, nil, ErrCorrupt
	}
	return r, d.b, nil
}

// AppendBatch appends the encoding of b, its checksum included, to dst.
// The records must be in LSN order and of b's group.
func AppendBatch(dst []byte, b *Batch) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, batchHeaderSize)...)
	var prev LSN
	for i := range b.Records {
		dst = AppendRecord(dst, &b.Records[i], prev)
		prev = b.Records[i].LSN
	}
	h := dst[at:]
	var flags uint32
	if b.Opened {
		flags |= batchFlagOpened
	}
	if b.Recovery {
		flags |= batchFlagRecovery
	}
	le := binary.LittleEndian
	le.PutUint32(h[0:], batchMagic)
	h[4], h[5], h[6], h[7] = batchVersion, 0, 0, 0 // version, features, codec, key id
	le.PutUint32(h[8:], uint32(len(h)))
	le.PutUint64(h[16:], uint64(b.Volume))
	le.PutUint32(h[24:], uint32(b.Timeline))
	le.PutUint32(h[28:], uint32(b.PG))
	le.PutUint64(h[32:], uint64(b.Epoch))
	le.PutUint64(h[40:], uint64(b.Membership))
	le.PutUint64(h[48:], uint64(b.Start))
	le.PutUint64(h[56:], uint64(b.Hint.VDL))
	le.PutUint64(h[64:], uint64(b.Hint.PGLast))
	le.PutUint64(h[72:], uint64(b.MinReadPoint))
	le.PutUint32(h[80:], uint32(len(b.Records)))
	le.PutUint32(h[84:], flags)
	// h[88:96] is reserved and zero.
	le.PutUint32(h[12:], Checksum(0, h[16:]))
	return dst
}

// DecodeBatch decodes a batch that fills b exactly. Payloads share memory with b.
// Returns ErrVersion for a format it does not know, ErrCorrupt for anything else
// that is not a whole, unharmed batch.
func DecodeBatch(b []byte) (*Batch, error) {
	le := binary.LittleEndian
	if len(b) < batchHeaderSize || le.Uint32(b) != batchMagic {
		return nil, ErrCorrupt
	}
	if b[4] != batchVersion || b[5] != 0 || b[6] != 0 || b[7] != 0 {
		return nil, fmt.Errorf("%w: version %d, features %#x, codec %d, key %d", ErrVersion, b[4], b[5], b[6], b[7])
	}
	if le.Uint32(b[8:]) != uint32(len(b)) || le.Uint32(b[12:]) != Checksum(0, b[16:]) {
		return nil, ErrCorrupt
	}
	n, flags := le.Uint32(b[80:]), le.Uint32(b[84:])
	// The smallest record has six bytes; more records than that cannot be in b.
	if flags&^batchFlagsKnown != 0 || uint64(n)*6 > uint64(len(b)) || n > BatchRecordsMax {
		return nil, ErrCorrupt
	}
	out := &Batch{
		Volume: VolumeID(le.Uint64(b[16:])), Timeline: TimelineID(le.Uint32(b[24:])), PG: PGID(le.Uint32(b[28:])),
		Epoch: VolumeEpoch(le.Uint64(b[32:])), Membership: MembershipEpoch(le.Uint64(b[40:])),
		Start: LSN(le.Uint64(b[48:])), Hint: Hint{VDL: LSN(le.Uint64(b[56:])), PGLast: LSN(le.Uint64(b[64:]))},
		MinReadPoint: LSN(le.Uint64(b[72:])), Opened: flags&batchFlagOpened != 0, Recovery: flags&batchFlagRecovery != 0,
		Records: make([]Record, n),
	}
	rest := b[batchHeaderSize:]
	var prev LSN
	var err error
	for i := range out.Records {
		if out.Records[i], rest, err = ReadRecord(rest, out.PG, prev); err != nil {
			return nil, err
		}
		prev = out.Records[i].LSN
	}
	if len(rest) != 0 {
		return nil, ErrCorrupt
	}
	return out, nil
}

// decoder reads from b; once something is missing it only returns zeros and bad is true.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}
