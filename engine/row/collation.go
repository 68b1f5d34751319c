package row

import (
	"bytes"
	"encoding/binary"
	"hash/crc64"
	"sync"
	"unicode/utf8"
)

// CollationID is MySQL's number of a collation. 0 means none.
type CollationID uint16

// Collation says how text is compared: rune by rune by weight; of two texts that
// are equal up to the end of one, the shorter is lower.
type Collation struct {
	ID   CollationID
	Name string
	// Binary says that the order is that of the UTF-8 bytes. Weight is not used then,
	// and a key holds the text itself.
	Binary bool
	// Weight returns the rank of a rune, 0 or more. Runes of one rank are equal. It must always
	// return the same for the same rune and be safe for concurrent use.
	Weight func(rune) int32
	// Pad says that blanks at the end of a text do not count (MySQL's PAD SPACE). It is not
	// for Binary collations. (MySQL compares the shorter text as if it had blanks at its end;
	// here it is lower, also than one that goes on with what is below a blank.)
	Pad bool

	once sync.Once
	low  [lowRunes]int32 // weights of the first runes
	hash struct {
		sync.Once
		sum uint64
	}
}

const lowRunes = 0x250 // Latin

var collations = struct {
	sync.RWMutex
	byID map[CollationID]*Collation
}{byID: map[CollationID]*Collation{}}

// RegisterCollation makes a collation known. A second one of the same ID is
// ignored: the first may be in use.
func RegisterCollation(c *Collation) {
	collations.Lock()
	defer collations.Unlock()
	if _, there := collations.byID[c.ID]; !there {
		collations.byID[c.ID] = c
	}
}

// CollationByID returns a registered collation, nil if there is none.
func CollationByID(id CollationID) *Collation {
	collations.RLock()
	defer collations.RUnlock()
	return collations.byID[id]
}

func (c *Collation) weight(r rune) int32 {
	if uint32(r) < lowRunes {
		return c.low[r]
	}
	return c.Weight(r)
}

func (c *Collation) init() {
	c.once.Do(func() {
		for r := range rune(lowRunes) {
			c.low[r] = c.Weight(r)
		}
	})
}

// seen returns the part of a text that counts.
func (c *Collation) seen(text []byte) []byte {
	if !c.Pad {
		return text
	}
	return bytes.TrimRight(text, " ")
}

// Hash returns a checksum of the weights of all runes; an index whose keys were
// made with other weights must be rebuilt. The first call takes some 10 ms.
func (c *Collation) Hash() uint64 {
	if c.Binary {
		return 1
	}
	c.hash.Do(func() {
		table := crc64.MakeTable(crc64.ECMA)
		buf := make([]byte, 0, 4096)
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if buf = binary.LittleEndian.AppendUint32(buf, uint32(c.Weight(r))); len(buf) == cap(buf) {
				c.hash.sum = crc64.Update(c.hash.sum, table, buf)
				buf = buf[:0]
			}
		}
		c.hash.sum = crc64.Update(c.hash.sum, table, buf)
		if c.Pad {
			c.hash.sum++
		}
	})
	return c.hash.sum
}

// Compare compares two texts as a key of the collation would be compared.
func (c *Collation) Compare(a, b []byte) int {
	if c.Binary {
		switch x, y := string(a), string(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	c.init()
	a, b = c.seen(a), c.seen(b)
	same := 0 // bytes at the beginning, of whole runes
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	for same > 0 && (same < len(a) && !utf8.RuneStart(a[same]) || same < len(b) && !utf8.RuneStart(b[same])) {
		same--
	}
	a, b = a[same:], b[same:]
	for len(a) > 0 && len(b) > 0 {
		ra, na := utf8.DecodeRune(a)
		rb, nb := utf8.DecodeRune(b)
		if wa, wb := c.weight(ra), c.weight(rb); wa != wb {
			if wa < wb {
				return -1
			}
			return 1
		}
		a, b = a[na:], b[nb:]
	}
	switch {
	case len(a) == 0 && len(b) > 0:
		return -1
	case len(a) > 0:
		return 1
	}
	return 0
}

// AppendWeights appends the order-preserving code of a text: one to five bytes for
// weight+1 of each rune, the first of them never 0, then 0. Texts that are equal have the
// same. It is not for Binary collations.
func (c *Collation) AppendWeights(dst, text []byte) []byte {
	c.init()
	text = c.seen(text)
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[i:])
		}
		i += n
		dst = appendWeight(dst, uint32(c.weight(r))+1)
	}
	return append(dst, 0)
}

// First bytes and reach of the codes of 1, 2, 3 and 5 bytes.
const (
	code2      = 0xC0                     // first byte of two
	code3      = 0xF0                     // first byte of three
	code5      = 0xFF                     // first byte of five
	code2From  = code2                    // lowest value with two bytes
	code3From  = code2From + (0x30 << 8)  // with three
	code5From  = code3From + (0x0F << 16) // with five
	weightsMax = 5                        // bytes of one rune
)

func appendWeight(dst []byte, v uint32) []byte {
	switch {
	case v < code2From:
		return append(dst, byte(v))
	case v < code3From:
		v -= code2From
		return append(dst, code2+byte(v>>8), byte(v))
	case v < code5From:
		v -= code3From
		return append(dst, code3+byte(v>>16), byte(v>>8), byte(v))
	}
	return append(dst, code5, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func weightLen(first byte) int {
	switch {
	case first < code2:
		return 1
	case first < code3:
		return 2
	case first < code5:
		return 3
	}
	return weightsMax
}
