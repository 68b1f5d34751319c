// Package wire turns the messages of the storage service into bytes and back, and
// carries them over the append stream.
//
// Two ways lead to a storage node, on one port. Package wirepb's gRPC service
// carries requests of readers and other nodes. The append stream carries what a
// writer or a recovery sends to one node, in order: batches as the exact bytes that
// the hot log stores, and the messages that must not overtake them. Every decoder
// checks what it is given, allocates no more than a small multiple of its input,
// and returns ErrInvalid. Start with Conn, and ToProto.
//
// # The append stream
//
// Each side first sends a greeting: magic "SXAS", u16 version, u16 features, then
// one frame of kind greeting with its cluster, node and store. After that come
// frames, little endian:
//
//	 0  length of what follows the checksums  u32
//	 4  CRC32C of the length                  u32
//	 8  CRC32C of kind and head               u32
//	12  kind                                  u8
//	13  head, by kind
//
// The length has a checksum of its own: a reader that believed a damaged one would
// wait for bytes that nobody sends.
//
// An append's head is volume, timeline, epoch, sequence and the number of batches;
// the batches follow, each with its own length and checksum (package redo), and are
// not summed again. The head of every other kind is all of the frame.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"sextant/internal/redo"
	"sextant/logstore"
	"sextant/logstore/wirepb"
)

// Errors of decoders and greetings, matched with errors.Is.
var (
	// ErrInvalid is returned for bytes that no correct program has sent.
	ErrInvalid = errors.New("wire: invalid message")
	// ErrVersion is returned for a version or feature this program does not know.
	ErrVersion = errors.New("wire: unknown version or feature")
	// ErrForeign is returned when the other end belongs to another cluster.
	ErrForeign = errors.New("wire: the other end belongs to another cluster")
)

// Limits.
const (
	FrameBytesMax    = 96 << 20 // of one frame, its length field excluded
	MessageBytesMax  = 32 << 20 // of one gRPC message
	GreetingBytesMax = 4 << 10
	IDBytesMax       = 128 // of a cluster, node or member id
	readBuffer       = 256 << 10
	queuedBytesMax   = 64 << 20 // per connection, written and not yet taken by the kernel
)

// Magic begins every append stream; the gRPC connection preface begins with "PRI ".
const Magic = "SXAS"

const (
	streamVersion = 2
	greetingSize  = 8  // magic, version, features
	framePrefix   = 12 // length, its checksum, checksum of the head
	appendHead    = 8 + 4 + 8 + 8 + 4
)

type frameKind uint8

// Kinds of frames; never renumbered.
const (
	frameGreeting frameKind = 1
	frameAppend   frameKind = 2
	frameAck      frameKind = 3
	frameMessage  frameKind = 4 // request id, then a wirepb.Message
)

var le = binary.LittleEndian

// Encode returns the frame of an envelope's message, in pieces to be written one
// after the other; an Append's batches are not copied.
func Encode(id uint64, m logstore.Message) ([][]byte, error) {
	switch m := m.(type) {
	case logstore.Append:
		return encodeAppend(&m), nil
	case logstore.Ack:
		return [][]byte{encodeAck(&m)}, nil
	default:
		p, err := ToProto(m)
		if err != nil {
			return nil, err
		}
		b := append(newFrame(frameMessage), le.AppendUint64(nil, id)...)
		if b, err = (proto.MarshalOptions{}).MarshalAppend(b, p); err != nil {
			return nil, fmt.Errorf("encode %T: %w", m, err)
		}
		return [][]byte{sealFrame(b, len(b))}, nil
	}
}

func newFrame(k frameKind) []byte {
	b := make([]byte, framePrefix+1, 128)
	b[framePrefix] = byte(k)
	return b
}

// sealFrame fills in length and checksum; size is the whole frame's, b its head.
func sealFrame(b []byte, size int) []byte {
	le.PutUint32(b[0:], uint32(size-framePrefix))
	le.PutUint32(b[4:], redo.Checksum(0, b[:4]))
	le.PutUint32(b[8:], redo.Checksum(0, b[framePrefix:]))
	return b
}

// decodePrefix returns how many bytes follow a frame's prefix, and the checksum of
// their head. Returns ErrInvalid for a damaged length, or one above most.
func decodePrefix(b []byte, most int) (size int, sum uint32, err error) {
	n := le.Uint32(b)
	if redo.Checksum(0, b[:4]) != le.Uint32(b[4:]) {
		return 0, 0, fmt.Errorf("%w: checksum of a frame's length", ErrInvalid)
	}
	if uint64(n) > uint64(most) {
		return 0, 0, fmt.Errorf("%w: frame of %d bytes, at most %d", ErrInvalid, n, most)
	}
	return int(n), le.Uint32(b[8:]), nil
}

func encodeAppend(m *logstore.Append) [][]byte {
	b := newFrame(frameAppend)
	b = appendHeader(b, m.Header)
	b = le.AppendUint64(b, m.Seq)
	b = le.AppendUint32(b, uint32(len(m.Batches)))
	out := make([][]byte, 1, 1+len(m.Batches))
	size := len(b)
	for i := range m.Batches {
		out = append(out, m.Batches[i].Bytes)
		size += len(m.Batches[i].Bytes)
	}
	out[0] = sealFrame(b, size)
	return out
}

func appendHeader(b []byte, h logstore.Header) []byte {
	b = le.AppendUint64(b, uint64(h.Volume))
	b = le.AppendUint32(b, uint32(h.Timeline))
	return le.AppendUint64(b, uint64(h.Epoch))
}

func readHeader(b []byte) logstore.Header {
	return logstore.Header{
		Volume: redo.VolumeID(le.Uint64(b)), Timeline: redo.TimelineID(le.Uint32(b[8:])), Epoch: redo.VolumeEpoch(le.Uint64(b[12:])),
	}
}

// Decode decodes a frame without its prefix; sum is the checksum of its head.
// What it returns shares memory with b.
func Decode(b []byte, sum uint32) (id uint64, m logstore.Message, err error) {
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("%w: empty frame", ErrInvalid)
	}
	head := b
	if frameKind(b[0]) == frameAppend && len(b) > 1+appendHead {
		head = b[:1+appendHead]
	}
	if redo.Checksum(0, head) != sum {
		return 0, nil, fmt.Errorf("%w: checksum of a frame of kind %d", ErrInvalid, b[0])
	}
	switch frameKind(b[0]) {
	case frameAppend:
		m, err = decodeAppend(b[1:])
	case frameAck:
		m, err = decodeAck(b[1:])
	case frameMessage:
		if len(b) < 9 {
			return 0, nil, fmt.Errorf("%w: short message", ErrInvalid)
		}
		id = le.Uint64(b[1:])
		var p wirepb.Message
		if err := proto.Unmarshal(b[9:], &p); err != nil {
			return 0, nil, fmt.Errorf("%w: %v", ErrInvalid, err)
		}
		m, err = FromProto(&p)
	default:
		err = fmt.Errorf("%w: frame kind %d", ErrVersion, b[0])
	}
	return id, m, err
}

func decodeAppend(b []byte) (logstore.Message, error) {
	if len(b) < appendHead {
		return nil, fmt.Errorf("%w: short append", ErrInvalid)
	}
	m := logstore.Append{Header: readHeader(b), Seq: le.Uint64(b[20:])}
	n := le.Uint32(b[28:])
	if n > logstore.AppendBatchMax {
		return nil, fmt.Errorf("%w: append of %d batches", ErrInvalid, n)
	}
	b = b[appendHead:]
	for range n {
		if len(b) < 12 {
			return nil, fmt.Errorf("%w: short batch", ErrInvalid)
		}
		size := le.Uint32(b[8:])
		if uint64(size) > uint64(len(b)) || size > redo.BatchBytesMax {
			return nil, fmt.Errorf("%w: batch of %d bytes in a frame with %d left", ErrInvalid, size, len(b))
		}
		batch, err := redo.DecodeBatch(b[:size:size])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		m.Batches = append(m.Batches, logstore.Batch{Batch: batch, Bytes: b[:size:size]})
		b = b[size:]
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after an append", ErrInvalid, len(b))
	}
	return m, nil
}

const ackHead, ackSegment = 20 + 8 + 8 + 4, 4 + 8 + 8 + 8

func encodeAck(m *logstore.Ack) []byte {
	b := appendHeader(newFrame(frameAck), m.Header)
	b = le.AppendUint64(b, uint64(m.Store))
	b = le.AppendUint64(b, m.Seq)
	b = le.AppendUint32(b, uint32(len(m.Segments)))
	for _, s := range m.Segments {
		b = le.AppendUint32(b, uint32(s.PG))
		b = le.AppendUint64(b, uint64(s.Membership))
		b = le.AppendUint64(b, uint64(s.Tail))
		b = le.AppendUint64(b, uint64(s.SCL))
	}
	return sealFrame(b, len(b))
}

func decodeAck(b []byte) (logstore.Message, error) {
	if len(b) < ackHead || uint64(len(b)-ackHead) != uint64(le.Uint32(b[36:]))*ackSegment {
		return nil, fmt.Errorf("%w: acknowledgement of %d bytes", ErrInvalid, len(b))
	}
	m := logstore.Ack{Header: readHeader(b), Store: logstore.StoreID(le.Uint64(b[20:])), Seq: le.Uint64(b[28:])}
	for b = b[ackHead:]; len(b) > 0; b = b[ackSegment:] {
		m.Segments = append(m.Segments, logstore.SegmentAck{
			PG: redo.PGID(le.Uint32(b)), Membership: redo.MembershipEpoch(le.Uint64(b[4:])),
			Tail: redo.LSN(le.Uint64(b[12:])), SCL: redo.LSN(le.Uint64(b[20:])),
		})
	}
	return m, nil
}
