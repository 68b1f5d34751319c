package hotlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	magic      = 0x46485853 // "SXHF"
	version    = 1
	headerSize = 64
	align      = 64
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// header is the decoded head of a frame.
type header struct {
	kind                                     Kind
	length                                   uint32
	owner, generation, seq, synced, oldest   uint64
	bodySum                                  uint32
	version, features, codec, reservedIsZero uint8
}

// frameSize is the bytes a frame with a body of n bytes takes in a file.
func frameSize(n int) int64 { return (headerSize + int64(n) + align - 1) / align * align }

// appendFrame appends the frame, padded to align, to dst.
func appendFrame(dst []byte, h header, body []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	b := dst[at:]
	le.PutUint32(b[0:], magic)
	b[4], b[5], b[6], b[7] = version, 0, 0, byte(h.kind)
	le.PutUint32(b[8:], uint32(len(body)))
	le.PutUint64(b[16:], h.owner)
	le.PutUint64(b[24:], h.generation)
	le.PutUint64(b[32:], h.seq)
	le.PutUint64(b[40:], h.synced)
	le.PutUint64(b[48:], h.oldest)
	le.PutUint32(b[56:], crc32.Checksum(body, castagnoli))
	le.PutUint32(b[12:], headerSum(b))
	dst = append(dst, body...)
	var pad [align]byte
	return append(dst, pad[:frameSize(len(body))-headerSize-int64(len(body))]...)
}

// headerSum is the checksum of a header without the checksum's own bytes.
func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[16:headerSize])
}

// parseHeader decodes the header at the head of b. It reports false if there is
// none of this owner that verifies.
func parseHeader(b []byte, owner uint64) (header, bool) {
	if len(b) < headerSize || le.Uint32(b) != magic || le.Uint64(b[16:]) != owner ||
		le.Uint32(b[12:]) != headerSum(b) {
		return header{}, false
	}
	return header{
		version: b[4], features: b[5], codec: b[6], kind: Kind(b[7]), length: le.Uint32(b[8:]),
		owner: owner, generation: le.Uint64(b[24:]), seq: le.Uint64(b[32:]), synced: le.Uint64(b[40:]),
		oldest: le.Uint64(b[48:]), bodySum: le.Uint32(b[56:]),
	}, true
}

// known returns ErrVersion if this program must not read the frame.
func (h header) known(file string, off int64) error {
	if h.version != version || h.features != 0 || h.codec != 0 {
		return fmt.Errorf("%w: file %s, offset %d: version %d, features %#x, codec %d",
			ErrVersion, file, off, h.version, h.features, h.codec)
	}
	return nil
}
