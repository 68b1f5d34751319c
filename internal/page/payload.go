package page

import (
	"encoding/binary"

	"sextant/internal/redo"
)

// The payloads of the operations. A payload's functions append to dst, so that a
// caller can build many in one buffer.
//
//	OpFormat        kind, level, tree (uvarint), then cells, or the body of an overflow page
//	OpInsert        one or more cells in ascending order of keys
//	OpDelete        the key
//	OpPatch         key length (uvarint), key, splices
//	OpReplace       one cell
//	OpTruncateFrom  the key
//	OpRaise         key length (uvarint), key, number (uvarint)
//	OpFree          nothing
//	OpImage         what Pack makes
//	OpVersion       the version of Apply (one byte)
//	OpNone          anything; it is not looked at
//
//	cell:   key length (uvarint), value length*2 + flag (uvarint), key, value
//	splice: bytes kept since the last one, bytes deleted, bytes inserted (uvarints), the inserted bytes

// AppendFormat appends the head of an OpFormat payload. Cells (AppendCell, in
// ascending order of keys) or the body of an overflow page may follow it.
func AppendFormat(dst []byte, kind Kind, level int, tree uint64) []byte {
	return binary.AppendUvarint(append(dst, byte(kind), byte(level)), tree)
}

// AppendCell appends a cell, as OpFormat, OpInsert and OpReplace carry it.
func AppendCell(dst, key, value []byte, flag bool) []byte {
	v := uint64(len(value)) << 1
	if flag {
		v |= 1
	}
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = binary.AppendUvarint(dst, v)
	return append(append(dst, key...), value...)
}

// AppendKey appends a key with its length: the head of an OpPatch payload, which
// splices follow.
func AppendKey(dst, key []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(key))), key...)
}

// AppendSplice appends one splice of an OpPatch payload: after keep bytes since
// the last splice, deleted bytes of the old value give way to insert.
func AppendSplice(dst []byte, keep, deleted int, insert []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(keep))
	dst = binary.AppendUvarint(dst, uint64(deleted))
	return append(binary.AppendUvarint(dst, uint64(len(insert))), insert...)
}

// AppendPatch appends an OpPatch payload that turns the value before into the
// value after, with the bytes that differ and little more.
func AppendPatch(dst, key, before, after []byte) []byte {
	return AppendDiff(AppendKey(dst, key), before, after)
}

// AppendDiff appends the splices that turn before into after; none if they are equal.
func AppendDiff(dst, before, after []byte) []byte {
	const joinGap = 4 // equal bytes that cost less to repeat than another splice
	suffix := 0
	if len(before) != len(after) {
		n := min(len(before), len(after))
		for suffix < n && before[len(before)-1-suffix] == after[len(after)-1-suffix] {
			suffix++
		}
	}
	b, a := before[:len(before)-suffix], after[:len(after)-suffix]
	n := min(len(b), len(a))
	last := 0 // end of the last splice in b and, but for the final splice, in a
	for i := 0; i < n; {
		if b[i] == a[i] {
			i++
			continue
		}
		from, end := i, i+1
		for i = end; i < n && i-end < joinGap; i++ {
			if b[i] != a[i] {
				end = i + 1
			}
		}
		if len(b) != len(a) && n-end < joinGap {
			return AppendSplice(dst, from-last, len(b)-from, a[from:])
		}
		dst = AppendSplice(dst, from-last, end-from, a[from:end])
		last, i = end, end
	}
	if len(b) != len(a) {
		dst = AppendSplice(dst, n-last, len(b)-n, a[n:])
	}
	return dst
}

// AppendRaise appends an OpRaise payload.
func AppendRaise(dst, key []byte, to uint64) []byte {
	return binary.AppendUvarint(AppendKey(dst, key), to)
}

// FormatRecord is for callers that write few pages by hand: a record of OpFormat.
func FormatRecord(id redo.PageID, kind Kind, level int, tree uint64) redo.Record {
	return redo.Record{Page: id, Op: redo.OpFormat, Payload: AppendFormat(nil, kind, level, tree)}
}
