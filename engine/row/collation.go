package row

import (
	"encoding/binary"
	"hash/crc64"
	"math"
	"slices"
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

	once  sync.Once
	low   [lowRunes]int32     // weights of the first runes
	codes [3][lowRunes]uint32 // what they are written as on each level
	hash  struct {
		sync.Once
		sum uint64
	}
}

const lowRunes = uca.LowRunes

// A code of a low rune is up to three bytes from the highest on, and in the lowest how many they are and bits. 0 is none.
const (
	codeSize      = 3
	codeWaits     = 1 << 2 // no bytes: see number
	codeBelow     = 1 << 3 // below a blank
	codeUncommon1 = 1 << 4 // its secondary weight is not the common one
	codeUncommon2 = 1 << 5 // nor the tertiary
)

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
		if c.Unicode == nil {
			for r := range rune(lowRunes) {
				c.low[r] = c.Weight(r)
			}
		}
		for level := range min(c.levels(), len(c.codes)) {
			for r := range c.codes[level] {
				w := uint32(c.low[r])
				if c.Unicode != nil {
					w = c.Unicode.Low(level)[r]
				}
				if w == uca.Special {
					continue
				}
				v, waits, below := c.number(w, level)
				bytes := appendWeight(nil, v)
				if len(bytes) > codeSize {
					continue
				}
				code := uint32(len(bytes))
				if waits {
					code = codeWaits
				}
				for i, b := range bytes {
					code |= uint32(b) << (24 - 8*i)
				}
				if below {
					code |= codeBelow
				}
				if c.Unicode != nil && c.Unicode.Low(1)[r] != uca.CommonSecondary {
					code |= codeUncommon1
				}
				if c.Unicode != nil && c.Unicode.Low(2)[r] != uca.CommonTertiary {
					code |= codeUncommon2
				}
				c.codes[level][r] = code
			}
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
	uncommon := uint32(0)
	for level := range c.levels() {
		if level == 1 && uncommon&codeUncommon1 == 0 || level == 2 && uncommon&codeUncommon2 == 0 && c.lowest(2) > 0 {
			dst = append(dst, 0)
			continue
		}
		if level > 2 {
			w := levelWriter{c: c, level: level}
			for s := c.Unicode.Scan(text); ; {
				x := s.Next(level)
				if x == 0 {
					break
				}
				dst = w.append(dst, x)
			}
			dst = append(dst, 0)
			continue
		}
		var seen uint32
		if dst, seen = c.appendLevel(dst, text, level, most); level == 0 {
			uncommon = seen
		}
	}
	return dst
}

// appendLevel appends the weights of a level, and returns the bits of the codes that they are, all for those that are not of low runes.
// most is how many elements with a primary weight count.
func (c *Collation) appendLevel(dst, text []byte, level, most int) (out []byte, seen uint32) {
	codes, w := &c.codes[level], levelWriter{c: c, level: level}
	for len(text) > 0 {
		n, at := 0, len(dst)
		dst = slices.Grow(dst, 3*len(text)+4)
		dst = dst[:cap(dst)]
		for n < len(text) && most > 0 {
			for w.waiting == 0 && n < len(text) && most > 0 && text[n] < utf8.RuneSelf {
				code := codes[text[n]]
				if code&codeSize == 0 {
					break
				}
				binary.BigEndian.PutUint32(dst[at:], code) // the last byte is written over
				at += int(code & codeSize)
				seen |= code
				n++
				most--
			}
			if n == len(text) || most == 0 {
				break
			}
			r, size := rune(text[n]), 1
			if r >= utf8.RuneSelf {
				if r, size = utf8.DecodeRune(text[n:]); r >= lowRunes {
					break
				}
			}
			code := codes[r]
			if code == 0 {
				break
			}
			n += size
			most--
			if seen |= code; code&codeWaits != 0 {
				w.waiting++
				continue
			}
			if w.waiting > 0 {
				dst = w.appendWaiting(dst[:at], code&codeBelow != 0)
				at = len(dst)
				dst = slices.Grow(dst, 3*(len(text)-n)+7)
				dst = dst[:cap(dst)]
			}
			binary.BigEndian.PutUint32(dst[at:], code)
			at += int(code & codeSize)
		}
		dst = dst[:at]
		if text = text[n:]; len(text) == 0 {
			break
		}
		seen = math.MaxUint32
		if c.Unicode == nil {
			r, size := utf8.DecodeRune(text)
			dst, text = w.append(dst, uint32(c.weight(r))), text[size:]
			continue
		}
		var buf [3]uca.Element
		elements, size := c.Unicode.Step(text, &buf)
		text = text[size:]
		for _, e := range elements {
			if e.Primary != 0 {
				if most == 0 {
					text = nil
					break
				}
				most--
			}
			if x := c.Unicode.Weight(e, level); x != 0 {
				dst = w.append(dst, x)
			}
		}
	}
	if c.Pad {
		return appendWeight(dst, c.space()+2), seen
	}
	return append(dst, 0), seen
}

// levelWriter writes the weights of a level.
type levelWriter struct {
	c       *Collation
	level   int
	waiting int // how many of number's wait
}

func (w *levelWriter) append(dst []byte, weight uint32) []byte {
	v, waits, below := w.c.number(weight, w.level)
	if waits {
		w.waiting++
		return dst
	}
	if w.waiting > 0 {
		dst = w.appendWaiting(dst, below)
	}
	return appendWeight(dst, v)
}

// appendWaiting writes the weights that have waited for one, which is below a blank or not.
func (w *levelWriter) appendWaiting(dst []byte, below bool) []byte {
	v := w.c.lowest(w.level) + 1
	if w.c.Pad && !below {
		v += 2
	}
	for ; w.waiting > 0; w.waiting-- {
		dst = appendWeight(dst, v)
	}
	return dst
}

// lowest returns the weight of a level that is left out at the end of a text, 0 if none is.
func (c *Collation) lowest(level int) uint32 {
	switch {
	case c.Pad:
		return c.space()
	case level == 1:
		return uca.CommonSecondary
	case level == 2 && !c.Unicode.UpperFirst:
		return uca.CommonTertiary
	}
	return 0
}

// number returns what a weight is written as, whether it waits for one that is another, and whether it is below a blank.
func (c *Collation) number(w uint32, level int) (v uint32, waits, below bool) {
	lowest := c.lowest(level)
	switch {
	case c.Pad && w > lowest:
		return w + 3, false, false
	case c.Pad:
		return w + 1, w == lowest, true
	}
	return w + 1, lowest > 0 && w == lowest, false
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
