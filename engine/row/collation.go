package row

import (
	"encoding/binary"
	"hash/crc64"
	"math"
	"sync"
	"unicode/utf8"

	"sextant/internal/uca"
)

// CollationID is MySQL's number of a collation. 0 means none.
type CollationID uint16

// Collation says how text is compared, and is the only one to say it: by the weights of its characters;
// of two texts that are equal up to the end of one, the shorter is lower.
type Collation struct {
	ID   CollationID
	Name string
	// Binary says that the order is that of the UTF-8 bytes. Weight is not used then,
	// and a key holds the text itself.
	Binary bool
	// Unicode is what texts are weighed by if the collation is one of Unicode's; Weight is not used then.
	Unicode *uca.Table
	// Weight returns the rank of a rune, 0 or more. Runes of one rank are equal. It must always
	// return the same for the same rune and be safe for concurrent use.
	Weight func(rune) int32
	// Pad says that the shorter text is compared as if it went on with blanks (MySQL's PAD SPACE).
	// It is not for Binary collations.
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
		if c.Unicode != nil {
			return
		}
		for r := range rune(lowRunes) {
			c.low[r] = c.Weight(r)
		}
	})
}

// levels returns how many levels a text is compared on.
func (c *Collation) levels() int {
	if c.Unicode != nil {
		return c.Unicode.Levels
	}
	return 1
}

// space returns the weight of a blank.
func (c *Collation) space() uint32 {
	if c.Unicode != nil {
		return c.Unicode.Space
	}
	return uint32(c.low[' '])
}

// Hash returns a checksum of the weights of all runes; an index whose keys were
// made with other weights must be rebuilt. The first call takes some 10 ms.
func (c *Collation) Hash() uint64 {
	if c.Binary {
		return 1
	}
	c.hash.Do(func() {
		if c.Unicode != nil {
			c.hash.sum = c.Unicode.Hash() + c.padHash()
			return
		}
		table := crc64.MakeTable(crc64.ECMA)
		buf := make([]byte, 0, 4096)
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if buf = binary.LittleEndian.AppendUint32(buf, uint32(c.Weight(r))); len(buf) == cap(buf) {
				c.hash.sum = crc64.Update(c.hash.sum, table, buf)
				buf = buf[:0]
			}
		}
		c.hash.sum = crc64.Update(c.hash.sum, table, buf)
		c.hash.sum += c.padHash()
	})
	return c.hash.sum
}

// padHash is what a hash has of how the end of a text is coded.
func (c *Collation) padHash() uint64 {
	if c.Pad {
		return 2 // 1 was that of an end below all that may follow
	}
	return 0
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
	if c.Unicode != nil {
		return c.Unicode.Compare(a, b, c.Pad)
	}
	c.init()
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
	case len(a) > 0:
		return c.beyond(a)
	case len(b) > 0:
		return -c.beyond(b)
	}
	return 0
}

// beyond compares what a text has behind the end of one that is equal so far with that end.
func (c *Collation) beyond(rest []byte) int {
	if !c.Pad {
		return 1
	}
	for len(rest) > 0 {
		r, n := utf8.DecodeRune(rest)
		if w, space := c.weight(r), c.low[' ']; w < space {
			return -1
		} else if w > space {
			return 1
		}
		rest = rest[n:]
	}
	return 0
}

// AppendWeights appends the order-preserving code of a text. Texts that are equal have the
// same. It is not for Binary collations.
//
// Each weight is one to five bytes, the first of them never 0, and each level ends in 0. Of levels but the first,
// the weights at the end that are the lowest are left out: texts that are equal on the levels
// before have as many of them.
//
// With Pad, of one level, a weight below that of a blank is followed by four numbers: that of a blank in front of a weight that is below
// it, the end of the text, a blank in front of a weight that is above it, and the weights above it. Blanks at the end are left out.
func (c *Collation) AppendWeights(dst, text []byte) []byte {
	return c.appendWeights(dst, text, math.MaxInt)
}

// AppendPrefix appends the order-preserving code of a text's first characters: so many weights of its first
// level, and those of the others that go with them. Texts that are equal have the same.
func (c *Collation) AppendPrefix(dst, text []byte, n uint32) []byte {
	if c.Unicode == nil {
		return c.appendWeights(dst, runePrefix(text, n), math.MaxInt)
	}
	return c.appendWeights(dst, text, int(n))
}

func (c *Collation) appendWeights(dst, text []byte, most int) []byte {
	c.init()
	if c.Unicode == nil && !c.Pad {
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
	if c.Pad {
		return c.appendPadded(dst, text, most)
	}
	for level := range c.Unicode.Levels {
		lowest := uint32(0)
		switch {
		case level == 1:
			lowest = uca.CommonSecondary
		case level == 2 && !c.Unicode.UpperFirst:
			lowest = uca.CommonTertiary
		}
		pending, rest := 0, text
		if level == 0 && most == math.MaxInt {
			rest = c.Unicode.Plain(text, func(w uint32) { dst = appendWeight(dst, w+1) })
		}
		for s := c.Unicode.ScanPrefix(rest, most); ; {
			w := s.Next(level)
			if w == 0 {
				break
			}
			if w == lowest {
				pending++
				continue
			}
			for ; pending > 0; pending-- {
				dst = appendWeight(dst, lowest+1)
			}
			dst = appendWeight(dst, w+1)
		}
		dst = append(dst, 0)
	}
	return dst
}

func (c *Collation) appendPadded(dst, text []byte, most int) []byte {
	space, blanks := c.space(), 0
	put := func(w uint32) {
		if w == space {
			blanks++
			return
		}
		blank := space + 1
		if w > space {
			blank += 2
			w += 2
		}
		for ; blanks > 0; blanks-- {
			dst = appendWeight(dst, blank)
		}
		dst = appendWeight(dst, w+1)
	}
	if c.Unicode != nil {
		if most == math.MaxInt {
			text = c.Unicode.Plain(text, put)
		}
		for s := c.Unicode.ScanPrefix(text, most); ; {
			w := s.Next(0)
			if w == 0 {
				break
			}
			put(w)
		}
	} else {
		for i := 0; i < len(text); {
			r, n := rune(text[i]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(text[i:])
			}
			i += n
			put(uint32(c.weight(r)))
		}
	}
	return appendWeight(dst, space+2)
}

// codeLen returns the length of a text's code at the head of b, of so many levels, whose bytes are inverted by flip, -1 if it does not end in b.
func (c *Collation) codeLen(b []byte, flip byte, levels int) int {
	c.init()
	var end []byte
	if c.Pad {
		end = appendWeight(nil, c.space()+2)
	} else {
		end = []byte{0}
	}
	for i := 0; i < len(b); {
		n := weightLen(b[i] ^ flip)
		if b[i]^flip == end[0] && i+n <= len(b) {
			same := true
			for j := range end {
				same = same && b[i+j]^flip == end[j]
			}
			if levels--; !same {
				levels++
			} else if levels == 0 {
				return i + n
			}
		}
		i += n
	}
	return -1
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
