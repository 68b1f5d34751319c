package row

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// KeyFormat is the version of the key encoding. An index records the version its
// keys were made with.
const KeyFormat = 1

// KeyMax is the longest encoded key, in bytes.
const KeyMax = 3 << 10

// ErrKeyTooLong is returned for a key above KeyMax.
var ErrKeyTooLong = errors.New("row: key too long")

// KeyPart is one column of a key.
type KeyPart struct {
	Column int    // ordinal in the Desc
	Prefix uint32 // characters of TypeText, bytes of TypeBytes; 0: the whole value
	Desc   bool   // descending
	Multi  bool   // of TypeBytes: the members of the value, each in an entry of its own
}

// Key turns values of columns into bytes whose order (bytes.Compare) is the order
// of the values, column by column; NULL is below every value. A descending
// column's bytes are inverted, its NULL is above every value. No encoded column
// is a proper prefix of another value's, so keys can be joined and cut at columns.
//
// A column is:
//
//	nullable      0 for NULL, or 1 and the value
//	integers      big-endian at storage width, the sign bit of signed ones flipped
//	dates, times  the same
//	floats        IEEE bits big-endian; sign bit flipped, or all bits if negative.
//	              -0 is 0; NaN, which SQL does not have, is above everything
//	decimals      1 negative, 2 zero, 3 positive; decimal exponent + 0x4000 in two bytes; two digits
//	              a byte plus 1; 0. All behind the sign is inverted if negative
//	bytes, binary collations  00 written as 00 FF, then 00 01
//	other text    weights (see Collation.AppendWeights)
//
// Changing Nullable, Type, Collation or a part of an index changes its keys.
// A Key is immutable and safe for concurrent use.
type Key struct {
	Parts []KeyPart
	cols  []keyColumn
	// decodable: every part can be turned back into its column's value, which no member is
	decodable bool
	multi     int // the part that is Multi, -1: none
}

type keyColumn struct {
	KeyPart
	typ       Type
	nullable  bool
	collation *Collation // of text that is not binary
	width     int        // value bytes of a fixed-width column
}

// NewKey returns the key of these columns of d's rows. Returns an error if a
// column's type cannot be in a key, or its collation is not registered.
func NewKey(d *Desc, parts []KeyPart) (*Key, error) {
	k := &Key{Parts: parts, cols: make([]keyColumn, len(parts)), decodable: true, multi: -1}
	for i, p := range parts {
		c := d.Columns[p.Column]
		kc := keyColumn{KeyPart: p, typ: c.Type, nullable: c.Nullable, width: c.Type.Width()}
		switch c.Type {
		case TypeText:
			coll := CollationByID(c.Collation)
			if coll == nil {
				return nil, fmt.Errorf("row: column %q: collation %d is not registered", c.Name, c.Collation)
			}
			if !coll.Binary {
				kc.collation = coll
			}
		case TypeJSON, TypeGeometry:
			return nil, fmt.Errorf("row: column %q: type %d cannot be in a key", c.Name, c.Type)
		}
		if p.Prefix > 0 && c.Type != TypeText && c.Type != TypeBytes {
			return nil, fmt.Errorf("row: column %q: prefix of type %d", c.Name, c.Type)
		}
		if p.Multi {
			if c.Type != TypeBytes || p.Prefix > 0 || p.Desc || k.multi >= 0 {
				return nil, fmt.Errorf("row: column %q: part %d of a key cannot be of several values", c.Name, i)
			}
			k.multi = i
		}
		k.cols[i] = kc
		k.decodable = k.decodable && kc.decodable() && !p.Multi
	}
	return k, nil
}

func (c *keyColumn) decodable() bool {
	switch c.typ {
	case TypeFloat32, TypeFloat64, TypeDecimal:
		return false
	}
	return c.collation == nil && c.Prefix == 0
}

// Decodable reports whether Decode can give back every part's value.
func (k *Key) Decodable() bool { return k.decodable }

// PartDecodable reports whether Decode gives back part i.
func (k *Key) PartDecodable(i int) bool { return k.cols[i].decodable() }

// HashCollations returns a checksum of the weights of the collations the key uses.
func (k *Key) HashCollations() uint64 {
	var h uint64
	for i := range k.cols {
		h = h*0x100000001b3 + 1
		if c := k.cols[i].collation; c != nil {
			h ^= c.Hash()
		}
	}
	return h
}

// AppendRow appends the key of r, a row of d. d must have the columns that the
// key was made for, at the same ordinals. Returns ErrKeyTooLong if what was
// appended is above KeyMax; null reports whether a part is NULL.
func (k *Key) AppendRow(dst []byte, d *Desc, r Row) (key []byte, null bool, err error) {
	return k.AppendEntry(dst, d, r, 0)
}

// AppendEntry is AppendRow of one of the row's Entries.
func (k *Key) AppendEntry(dst []byte, d *Desc, r Row, entry int) (key []byte, null bool, err error) {
	at := len(dst)
	for i := range k.cols {
		v := d.Datum(r, k.cols[i].Column)
		if i == k.multi && v.Kind != KindNull {
			v.B = member(v.B, entry)
		}
		null = null || v.Kind == KindNull
		dst = k.cols[i].append(dst, v)
	}
	if len(dst)-at > KeyMax {
		return dst[:at], null, fmt.Errorf("%w: %d bytes", ErrKeyTooLong, len(dst)-at)
	}
	return dst, null, nil
}

// Append appends part i of the key with value v, which must be of the column
// type's kind or NULL. A NULL of a column that is not nullable is below all its values
// only if nothing is appended, which is what this does.
func (k *Key) Append(dst []byte, i int, v Datum) []byte { return k.cols[i].append(dst, v) }

// AppendKey appends one column's value to a key, as Key.Append does. It looks up
// the collation each time; Key is for hot paths. It panics if the collation is
// not registered.
func AppendKey(dst []byte, c Column, prefix uint32, desc bool, v Datum) []byte {
	return keyColumnOf(c, prefix, desc).append(dst, v)
}

// AppendKeyBound appends what the keys begin with of all values that may have a prefix in common with v: of a text that is compared on
// several levels the first one.
func AppendKeyBound(dst []byte, c Column, prefix uint32, desc bool, v Datum) []byte {
	kc, at := keyColumnOf(c, prefix, desc), len(dst)
	dst = kc.append(dst, v)
	if kc.collation == nil || v.Kind == KindNull || kc.collation.levels() == 1 {
		return dst
	}
	flip := byte(0)
	if desc {
		flip = 0xFF
	}
	if kc.nullable {
		at++
	}
	return dst[:at+kc.collation.codeLen(dst[at:], flip, 1)]
}

// keyColumnOf panics if the collation is not registered.
func keyColumnOf(c Column, prefix uint32, desc bool) *keyColumn {
	kc := &keyColumn{KeyPart: KeyPart{Prefix: prefix, Desc: desc}, typ: c.Type, nullable: c.Nullable, width: c.Type.Width()}
	if c.Type == TypeText {
		if coll := CollationByID(c.Collation); coll == nil {
			panic(fmt.Sprintf("row: collation %d is not registered", c.Collation))
		} else if !coll.Binary {
			kc.collation = coll
		}
	}
	return kc
}

func (c *keyColumn) append(dst []byte, v Datum) []byte {
	at := len(dst)
	switch {
	case v.Kind == KindNull && c.nullable:
		dst = append(dst, 0)
	case v.Kind == KindNull:
		return dst
	default:
		if c.nullable {
			dst = append(dst, 1)
		}
		dst = c.appendValue(dst, v)
	}
	if c.Desc {
		invert(dst[at:])
	}
	return dst
}

func (c *keyColumn) appendValue(dst []byte, v Datum) []byte {
	switch c.typ {
	case TypeFloat32:
		return binary.BigEndian.AppendUint32(dst, orderFloat32(float32(v.Float())))
	case TypeFloat64:
		return binary.BigEndian.AppendUint64(dst, orderFloat64(v.Float()))
	case TypeDecimal:
		return appendDecimal(dst, v.B)
	case TypeText:
		switch {
		case c.collation != nil && c.Prefix > 0:
			return c.collation.AppendPrefix(dst, v.B, c.Prefix)
		case c.collation != nil:
			return c.collation.AppendWeights(dst, v.B)
		case c.Prefix > 0:
			return appendEscaped(dst, runePrefix(v.B, c.Prefix))
		}
		return appendEscaped(dst, v.B)
	case TypeBytes:
		if c.Prefix > 0 && uint32(len(v.B)) > c.Prefix {
			return appendEscaped(dst, v.B[:c.Prefix])
		}
		return appendEscaped(dst, v.B)
	}
	n := v.N
	if c.typ.Kind() == KindInt {
		n ^= 1 << (8*c.width - 1)
	}
	switch c.width {
	case 1:
		return append(dst, byte(n))
	case 2:
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	case 4:
		return binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	return binary.BigEndian.AppendUint64(dst, n)
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func orderFloat64(f float64) uint64 {
	switch {
	case f == 0:
		f = 0 // -0
	case math.IsNaN(f):
		return math.MaxUint64
	}
	if b := math.Float64bits(f); b>>63 == 0 {
		return b | 1<<63
	} else {
		return ^b
	}
}

func orderFloat32(f float32) uint32 {
	switch {
	case f == 0:
		f = 0 // -0
	case f != f:
		return math.MaxUint32
	}
	if b := math.Float32bits(f); b>>31 == 0 {
		return b | 1<<31
	} else {
		return ^b
	}
}

func appendEscaped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			break
		}
		dst = append(dst, b[:i]...)
		dst = append(dst, 0, 0xFF)
		b = b[i+1:]
	}
	dst = append(dst, b...)
	return append(dst, 0, 1)
}

// runePrefix returns the first n characters of text.
func runePrefix(text []byte, n uint32) []byte {
	if uint64(len(text)) <= uint64(n) {
		return text
	}
	at := 0
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return text[:at]
}

// The sign bytes of a decimal.
const (
	decimalNegative = 1
	decimalZero     = 2
	decimalPositive = 3
	exponentBias    = 0x4000
)

func appendDecimal(dst, text []byte) []byte {
	negative := len(text) > 0 && text[0] == '-'
	if negative || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	whole, frac := text, []byte(nil)
	if i := bytes.IndexByte(text, '.'); i >= 0 {
		whole, frac = text[:i], text[i+1:]
	}
	whole, frac = bytes.TrimLeft(whole, "0"), bytes.TrimRight(frac, "0")
	exponent := len(whole) // of 0.d1d2d3… with d1 not 0
	if len(whole) == 0 {
		n := len(frac)
		frac = bytes.TrimLeft(frac, "0")
		exponent = len(frac) - n
	} else if len(frac) == 0 {
		whole = bytes.TrimRight(whole, "0")
	}
	if len(whole)+len(frac) == 0 {
		return append(dst, decimalZero)
	}
	if negative {
		dst = append(dst, decimalNegative)
	} else {
		dst = append(dst, decimalPositive)
	}
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(exponent+exponentBias))
	digit := func(i int) byte {
		switch {
		case i < len(whole):
			return whole[i] - '0'
		case i-len(whole) < len(frac):
			return frac[i-len(whole)] - '0'
		}
		return 0
	}
	for i := 0; i < len(whole)+len(frac); i += 2 {
		dst = append(dst, 10*digit(i)+digit(i+1)+1)
	}
	dst = append(dst, 0)
	if negative {
		invert(dst[at:])
	}
	return dst
}

// PrefixEnd returns the lowest key above every key that begins with prefix, in
// new memory; nil if there is none (no upper bound).
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xFF {
			end := slices.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

// Skip returns the length of the encoding of part i at the head of key. Returns
// ErrCorrupt.
func (k *Key) Skip(key []byte, i int) (int, error) {
	c := &k.cols[i]
	flip := byte(0)
	if c.Desc {
		flip = 0xFF
	}
	at := 0
	if c.nullable {
		if len(key) == 0 {
			return 0, ErrCorrupt
		}
		if key[0]^flip == 0 {
			return 1, nil
		}
		at = 1
	}
	n := c.valueLen(key[at:], flip)
	if n < 0 || at+n > len(key) {
		return 0, fmt.Errorf("%w: key of %d bytes ends within a column", ErrCorrupt, len(key))
	}
	return at + n, nil
}

// valueLen returns the length of a value at the head of b, -1 if it does not end in b.
func (c *keyColumn) valueLen(b []byte, flip byte) int {
	switch {
	case c.width > 0:
		return c.width
	case c.collation != nil:
		return c.collation.codeLen(b, flip, c.collation.levels())
	case c.typ == TypeDecimal:
		return decimalLen(b, flip)
	}
	for i := 0; i+1 < len(b); i++ {
		if b[i]^flip == 0 {
			if b[i+1]^flip == 1 {
				return i + 2
			}
			i++
		}
	}
	return -1
}

func decimalLen(b []byte, flip byte) int {
	if len(b) == 0 {
		return -1
	}
	sign := b[0] ^ flip
	if sign == decimalZero {
		return 1
	}
	if sign == decimalNegative {
		flip = ^flip
	}
	for i := 3; i < len(b); i++ {
		if b[i]^flip == 0 {
			return i + 1
		}
	}
	return -1
}

// Len returns the length of the first n parts at the head of key. Returns ErrCorrupt.
func (k *Key) Len(key []byte, n int) (int, error) {
	at := 0
	for i := range n {
		size, err := k.Skip(key[at:], i)
		if err != nil {
			return 0, err
		}
		at += size
	}
	return at, nil
}

// Decode returns the value of part i at the head of key and its length. A value
// with bytes is in new memory. Returns ErrCorrupt, also for a part that is not PartDecodable.
func (k *Key) Decode(key []byte, i int) (Datum, int, error) {
	c := &k.cols[i]
	n, err := k.Skip(key, i)
	if err != nil {
		return Datum{}, 0, err
	}
	if !c.decodable() {
		return Datum{}, 0, fmt.Errorf("%w: part %d of the key cannot be decoded", ErrCorrupt, i)
	}
	b := key[:n]
	if c.Desc {
		b = slices.Clone(b)
		invert(b)
	}
	if c.nullable {
		if b[0] == 0 {
			return Datum{}, n, nil
		}
		b = b[1:]
	}
	if c.width == 0 {
		return NewBytes(unescape(b[:len(b)-2])), n, nil
	}
	return c.decodeFixed(b), n, nil
}

func (c *keyColumn) decodeFixed(b []byte) Datum {
	var v uint64
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	if c.typ.Kind() != KindInt {
		return NewUint(v)
	}
	shift := 64 - 8*c.width
	v ^= 1 << (8*c.width - 1)
	return NewInt(int64(v<<shift) >> shift)
}

func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		out = append(out, b[i])
		if b[i] == 0 {
			i++
		}
	}
	return out
}

// Complete reports whether key is exactly one value of each of the first n parts,
// and whether one of them is NULL.
func (k *Key) Complete(key []byte, n int) (complete, null bool) {
	for i := range n {
		size, err := k.Skip(key, i)
		if err != nil {
			return false, false
		}
		if c := &k.cols[i]; c.nullable && (key[0] == 0 && !c.Desc || key[0] == 0xFF && c.Desc) {
			null = true
		}
		key = key[size:]
	}
	return len(key) == 0, null
}

// Nullable reports whether part i may be NULL, which is a byte 0 then, with a byte 1 before other values.
func (k *Key) Nullable(i int) bool { return k.cols[i].nullable }

// Size returns the bytes of part i with the byte before it, 0 if they are not always as many.
func (k *Key) Size(i int) int {
	n := k.cols[i].width
	if n > 0 && k.cols[i].nullable {
		n++
	}
	return n
}
