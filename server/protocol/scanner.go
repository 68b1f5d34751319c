package protocol

import (
	"bytes"
	"encoding/binary"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// scanner reads the fields of a packet. Behind its end it returns zeros and sets
// short. What it returns is part of the packet.
type scanner struct {
	b     []byte
	short bool
}

// take returns the next n bytes, nil if there are fewer.
func (s *scanner) take(n uint64) []byte {
	if n > uint64(len(s.b)) {
		s.short, s.b = true, nil
		return nil
	}
	t := s.b[:n:n]
	s.b = s.b[n:]
	return t
}

func (s *scanner) byte() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) uint16() uint16 {
	if b := s.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (s *scanner) uint32() uint32 {
	if b := s.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// length reads a length-encoded integer.
func (s *scanner) length() uint64 {
	var n uint64
	switch c := s.byte(); c {
	default:
		return uint64(c)
	case 0xfb, 0xff: // NULL, error: no integer
		s.short, s.b = true, nil
		return 0
	case 0xfc:
		n = 2
	case 0xfd:
		n = 3
	case 0xfe:
		n = 8
	}
	return mysql.FixedLengthInt(s.take(n))
}

// string reads a length-encoded string.
func (s *scanner) string() []byte { return s.take(s.length()) }

// terminated reads up to a 0 byte.
func (s *scanner) terminated() string {
	end := bytes.IndexByte(s.b, 0)
	if end < 0 {
		s.short, s.b = true, nil
		return ""
	}
	t := string(s.b[:end])
	s.b = s.b[end+1:]
	return t
}

// terminatedOrRest reads up to a 0 byte, or everything: some clients leave out
// the last one.
func (s *scanner) terminatedOrRest() string {
	if bytes.IndexByte(s.b, 0) >= 0 {
		return s.terminated()
	}
	t := string(s.b)
	s.b = nil
	return t
}
