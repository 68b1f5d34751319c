// Package uca weighs texts as MySQL's Unicode collations do: by the collation elements
// that Unicode's tables give characters (https://www.unicode.org/reports/tr10/), of version
// 4.0.0 for the collations named like unicode_ci and czech_ci, of 5.2.0 for unicode_520_ci, of
// 9.0.0 for those named like 0900_ai_ci and cs_0900_as_cs, and by the tailorings of
// languages. weights.bin is made by gen.
//
// As MySQL does, texts are not normalized first, contractions are those of tailorings alone,
// and "variable" characters (blanks, punctuation) count.
package uca

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"slices"
	"sync"
	"unicode/utf8"
)

// Element is a collation element. A weight of 0 is none on its level.
//
// A character without elements in Unicode's table has two by rule, of which the second cannot stand
// alone: they are one here, see implied.
type Element struct {
	Primary             uint32
	Secondary, Tertiary uint16
}

// The weights that most elements have, which are the lowest.
const (
	CommonSecondary = 0x20
	CommonTertiary  = 0x02
)

// Table is what a collation weighs by. It is immutable and safe for concurrent use.
type Table struct {
	Levels int    // how many levels are compared: primary, secondary, tertiary, kana
	Space  uint32 // primary weight of a blank
	// UpperFirst says that upper case is below lower case, and the lowest tertiary weight is not the common one.
	UpperFirst bool

	pages        [(utf8.MaxRune + 1) >> 8]*page
	elements     []Element
	contractions map[rune][]contraction // by the first character, the longest first
	joined       map[rune]bool          // the characters of contractions
	low          [4][LowRunes]uint32    // see Low
	version      int
	moved        map[uint32]uint32 // where Han are ordered by a table: primary weights that are others
}

// page has where the elements of 256 characters are: the first << 4 | how many.
type page [256]uint32

type contraction struct {
	rest     []rune // behind the first character
	elements []Element
}

// LowRunes is how many characters Low has: Latin.
const LowRunes = 0x250

// Special is what Low has of a character that has not one weight.
const Special = 1<<32 - 1

// listless is in a page: the elements follow from the character's number.
const listless = 1<<32 - 1

//go:embed weights.bin
var packed []byte

// versions are Unicode's tables: 4.0.0, 5.2.0 and 9.0.0.
var versions = sync.OnceValue(func() (out [3]*Table) {
	data, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		panic(fmt.Sprintf("uca: %v", err))
	}
	for i := range out {
		levels := 1
		if i == v900 {
			levels = 3
		}
		out[i], data = unpack(data, i, levels)
	}
	return out
})

const (
	v400 = iota
	v520
	v900
)

// unpack reads a table as gen writes it, and returns what is behind it.
func unpack(data []byte, version, levels int) (*Table, []byte) {
	number := func() int {
		v, n := binary.Uvarint(data)
		data = data[n:]
		return int(v)
	}
	t := &Table{version: version}
	r, primary := rune(0), 0
	for range number() {
		r += rune(number())
		from := len(t.elements)
		for range number() {
			d, n := binary.Varint(data)
			data = data[n:]
			primary += int(d)
			e := Element{Primary: uint32(primary), Secondary: CommonSecondary, Tertiary: CommonTertiary}
			if levels > 1 {
				e.Secondary, e.Tertiary = uint16(number()), uint16(number())
			}
			if last := len(t.elements) - 1; last >= from && t.elements[last].Primary >= firstLead && primary >= 0x8000 && t.elements[last].Primary <= 0xFFFF {
				t.elements[last].Primary = implied(int(t.elements[last].Primary), primary)
				continue
			}
			t.elements = append(t.elements, e)
		}
		t.set(r, from)
	}
	for i, e := range t.elements {
		if e.Primary >= firstLead && e.Primary <= 0xFFFF {
			t.elements[i].Primary = single + e.Primary
		}
	}
	return t, data
}

// Primary weights from firstLead on lead a second one, by rule 10.1.3 of UCA.
const firstLead = 0xFB00

// Numbers of primary weights that are two, or one that is above them.
const (
	paired = 0x10000
	single = paired + 64<<15
)

// leads are the first of two weights, in order. 0xFBC0 and those above it follow.
var leads = [...]int{0xFB00, 0xFB40, 0xFB41, 0xFB80, 0xFB84, 0xFB85, 0xFB86}

// implied returns one number for a primary weight and the second that it leads. Their order is that of the pairs.
func implied(lead, second int) uint32 {
	i := slices.Index(leads[:], lead)
	if i < 0 {
		i = len(leads) + lead - 0xFBC0
	}
	return uint32(paired + i<<15 + second&0x7FFF)
}

// set says that a character's elements are those from an index on.
func (t *Table) set(r rune, from int) {
	p := t.pages[r>>8]
	if p == nil {
		p = new(page)
		for i := range p {
			p[i] = listless
		}
		t.pages[r>>8] = p
	}
	p[r&0xFF] = uint32(from<<4 | (len(t.elements) - from))
}

// listed returns the elements of a character, false if the table does not list them.
func (t *Table) listed(r rune) ([]Element, bool) {
	if p := t.pages[r>>8]; p != nil && p[r&0xFF] != listless {
		at := p[r&0xFF]
		return t.elements[at>>4 : at>>4+at&0xF], true
	}
	return nil, false
}

// derived writes the elements of a character that the table does not list, and returns how many there are.
func (t *Table) derived(r rune, to *[3]Element) int {
	if t.version == v900 && r >= 0xAC00 && r <= 0xD7AF { // a syllable of Hangul is its letters
		i, n := r-0xAC00, 0
		for _, letter := range [...]rune{0x1100 + i/(21*28), 0x1161 + i%(21*28)/28, 0x11A7 + i%28} {
			if e, ok := t.listed(letter); ok && letter != 0x11A7 {
				to[n] = e[0]
				n++
			}
		}
		return n
	}
	to[0] = Element{t.unlisted(r), CommonSecondary, CommonTertiary}
	return 1
}

// of returns the elements of a character. Those that the table does not list are put into buf.
func (t *Table) of(r rune, buf *[3]Element) []Element {
	if e, ok := t.listed(r); ok {
		return e
	}
	return buf[:t.derived(r, buf)]
}

// unlisted returns the primary weight of a character that Unicode's table does not have.
func (t *Table) unlisted(r rune) uint32 {
	if t.moved != nil {
		return place(t.moved, versions()[v900].unlisted(r), lifted)
	}
	if t.version == v400 && r > 0xFFFF {
		return single + 0xFFFD
	}
	lead := 0xFBC0
	switch {
	case t.version == v900 && r >= 0x17000 && r <= 0x18AFF: // Tangut
		return implied(0xFB00, int(r-0x17000))
	case r >= 0x3400 && r <= 0x4DB5:
		lead = 0xFB80
	case r >= 0x4E00 && r <= 0x9FA5:
		lead = 0xFB40
	case t.version == v900 && (r >= 0x9FA6 && r <= 0x9FD5 || r >= 0xFA0E && r <= 0xFA29):
		lead = 0xFB40
	case t.version == v900 && (r >= 0x20000 && r <= 0x2A6D6 || r >= 0x2A700 && r <= 0x2B734 || r >= 0x2B740 && r <= 0x2B81D || r >= 0x2B820 && r <= 0x2CEA1):
		lead = 0xFB80
	}
	return implied(lead+int(r>>15), int(r))
}

// Weight returns an element's weight on a level: 0, 1 or 2.
func (t *Table) Weight(e Element, level int) uint32 {
	switch level {
	case 0:
		return e.Primary
	case 1:
		return uint32(e.Secondary)
	}
	if t.UpperFirst && e.Tertiary != 0 && e.Tertiary < upperFirst {
		return uint32(e.Tertiary | caseOf(e.Tertiary))
	}
	return uint32(e.Tertiary)
}

// What a tertiary weight is above of if upper case is first.
const (
	upperFirst  = 0x100
	mixedSecond = 0x200
	lowerLast   = 0x300
)

func caseOf(tertiary uint16) uint16 {
	if tertiary >= 0x08 && tertiary <= 0x0C || tertiary == 0x0E || tertiary == 0x11 || tertiary == 0x12 || tertiary == 0x1D {
		return upperFirst
	}
	return lowerLast
}

// finish makes what a table finds by.
func (t *Table) finish() {
	var buf [3]Element
	t.Space = t.of(' ', &buf)[0].Primary
	for level := range t.low {
		for r := range rune(LowRunes) {
			t.low[level][r] = t.only(t.of(r, &buf), level)
			if t.contractions[r] != nil || level == kanaLevel {
				t.low[level][r] = Special
			}
		}
	}
	for r, list := range t.contractions {
		if t.joined == nil {
			t.joined = make(map[rune]bool)
		}
		t.joined[r] = true
		for _, c := range list {
			for _, r := range c.rest {
				t.joined[r] = true
			}
		}
	}
}

// only returns the weight of a level if that is one, and one is primary, or else Special.
func (t *Table) only(elements []Element, level int) uint32 {
	weight, weights, primaries := uint32(0), 0, 0
	for _, e := range elements {
		if w := t.Weight(e, level); w != 0 {
			weight = w
			weights++
		}
		if e.Primary != 0 {
			primaries++
		}
	}
	if weights != 1 || primaries != 1 {
		return Special
	}
	return weight
}

// Low returns the weights that characters have on a level, Special of those that have none or several, or may begin a contraction.
func (t *Table) Low(level int) *[LowRunes]uint32 { return &t.low[level] }

// Scan gives the weights of a text.
type Scan struct {
	t     *Table
	text  []byte
	rest  []Element // of the character before text: from the table
	buf   [3]Element
	at, n int // those in buf that are not given yet
}

// Scan returns a scan of a text. What is no UTF-8 is as U+FFFD, byte by byte.
func (t *Table) Scan(text []byte) Scan { return Scan{t: t, text: text} }

// element returns the next element of the character before text.
func (s *Scan) element() (e Element, ok bool) {
	switch {
	case len(s.rest) > 0:
		e, s.rest = s.rest[0], s.rest[1:]
	case s.at < s.n:
		e = s.buf[s.at]
		s.at++
	default:
		return e, false
	}
	return e, true
}

// Next returns the next weight of a level (0 is the first), 0 at the end.
func (s *Scan) Next(level int) uint32 {
	for {
		for {
			e, ok := s.element()
			if !ok {
				break
			}
			if w := s.t.Weight(e, level); w != 0 {
				return w
			}
		}
		if len(s.text) == 0 {
			return 0
		}
		r, n := rune(s.text[0]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(s.text)
		}
		if level == kanaLevel {
			s.text = s.text[n:]
			if w := kana(r); w != 0 {
				return w
			}
			continue
		}
		if r < LowRunes {
			if w := s.t.low[level][r]; w != Special {
				s.text = s.text[n:]
				return w
			}
		}
		s.text = s.text[n:]
		if s.t.contractions != nil {
			if e, n := s.t.contracted(r, s.text); n > 0 {
				s.rest, s.text = e, s.text[n:]
				continue
			}
		}
		if e, ok := s.t.listed(r); ok {
			s.rest = e
		} else {
			s.at, s.n = 0, s.t.derived(r, &s.buf)
		}
	}
}

// Step returns the elements of a text's first character or contraction, and its length. Those that the table does not list are put into buf.
func (t *Table) Step(text []byte, buf *[3]Element) ([]Element, int) {
	r, n := utf8.DecodeRune(text)
	if t.contractions != nil {
		if e, more := t.contracted(r, text[n:]); more > 0 {
			return e, n + more
		}
	}
	return t.of(r, buf), n
}

// contracted returns the elements of the longest contraction of a character and the text behind it, and
// how much of the text is in it, 0 for none.
func (t *Table) contracted(r rune, text []byte) ([]Element, int) {
next:
	for _, c := range t.contractions[r] {
		at := 0
		for _, want := range c.rest {
			r, n := utf8.DecodeRune(text[at:])
			if r != want {
				continue next
			}
			at += n
		}
		return c.elements, at
	}
	return nil, 0
}

// Contractions returns the first two characters of all contractions.
func (t *Table) Contractions() [][2]rune {
	var out [][2]rune
	for r, list := range t.contractions {
		for _, c := range list {
			out = append(out, [2]rune{r, c.rest[0]})
		}
	}
	return out
}

// kanaLevel tells hiragana from katakana, by the weights of kana.
const kanaLevel = 3

func kana(r rune) uint32 {
	switch {
	case r >= 0x30A1 && r <= 0x30FA || r >= 0xFF66 && r <= 0xFF9D || r == 0x30FD || r == 0x30FE || r == 0x30FC:
		return 8
	case r >= 0x3041 && r <= 0x3096 || r == 0x309D || r == 0x309E:
		return 2
	}
	return 0
}

// Compare compares two texts, level by level. With pad the shorter goes on with blanks.
func (t *Table) Compare(a, b []byte, pad bool) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) && n == len(b) {
		return 0
	}
	if n < len(a) && n < len(b) && a[n]|b[n] < utf8.RuneSelf && t.joined == nil {
		if v, w := t.low[0][a[n]], t.low[0][b[n]]; v != w && v != Special && w != Special {
			if v < w {
				return -1
			}
			return 1
		}
	}
	for n > 0 && (n < len(a) && !utf8.RuneStart(a[n]) || n < len(b) && !utf8.RuneStart(b[n])) {
		n--
	}
	for t.joined != nil && n > 0 { // back to where no contraction goes on
		r, size := utf8.DecodeLastRune(a[:n])
		if !t.joined[r] {
			break
		}
		n -= size
	}
	a, b = a[n:], b[n:]
	for level := range t.Levels {
		if n := t.compare(a, b, level, pad); n != 0 {
			return n
		}
	}
	return 0
}

func (t *Table) compare(a, b []byte, level int, pad bool) int {
	low := &t.low[level]
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		q, m := rune(a[i]), 1
		r, n := rune(b[j]), 1
		if q|r >= utf8.RuneSelf {
			if q >= utf8.RuneSelf {
				q, m = utf8.DecodeRune(a[i:])
			}
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(b[j:])
			}
			if q >= LowRunes || r >= LowRunes {
				break
			}
		}
		v, w := low[q], low[r]
		if v == Special || w == Special {
			break
		}
		if v != w {
			if v < w {
				return -1
			}
			return 1
		}
		i, j = i+m, j+n
	}
	if i == len(a) && j == len(b) {
		return 0
	}
	x, y := t.Scan(a[i:]), t.Scan(b[j:])
	for {
		v, w := x.Next(level), y.Next(level)
		if pad && v != w {
			if v == 0 {
				v = t.Space
			} else if w == 0 {
				w = t.Space
			}
		} else if v == 0 && w == 0 {
			return 0
		}
		if v != w {
			if v < w {
				return -1
			}
			return 1
		}
	}
}

// Hash returns a checksum of all that texts are weighed by.
func (t *Table) Hash() uint64 {
	table := crc64.MakeTable(crc64.ECMA)
	sum := uint64(t.Levels)
	add := func(r rune, elements []Element) {
		buf := binary.LittleEndian.AppendUint32(nil, uint32(r))
		for _, e := range elements {
			buf = binary.LittleEndian.AppendUint32(buf, e.Primary)
			buf = binary.LittleEndian.AppendUint16(buf, uint16(t.Weight(e, 1)))
			buf = binary.LittleEndian.AppendUint16(buf, uint16(t.Weight(e, 2)))
		}
		sum = crc64.Update(sum, table, buf)
	}
	var buf [3]Element
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		for j := range rune(len(p)) {
			add(rune(i)<<8+j, t.of(rune(i)<<8+j, &buf))
		}
	}
	for _, r := range sortedKeys(t.contractions) {
		for _, c := range t.contractions[r] {
			add(r, c.elements)
			for _, r := range c.rest {
				add(r, nil)
			}
		}
	}
	return sum
}
