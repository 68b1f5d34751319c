package gms

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dolthub/go-mysql-server/sql"

	"sextant/engine"
	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/value"
)

// An index lookup is a set of boxes: for each column of the index an interval of
// values. The tree can only be asked for intervals of keys. A box becomes the
// interval of its leading points and the first column that is more than one point;
// what further columns demand is checked row by row (the planner removed the
// filter that would have done so).

// span is one column's interval in the order of the key's bytes.
type span struct {
	lo, hi []byte // [lo, hi); hi nil: no end
	point  []byte // not nil: the interval is the keys that begin with it
}

// keyRoom is what most encoded bounds fit in, bytes.
const keyRoom = 16

// keySpace encodes the columns of one index.
type keySpace struct {
	shape *shape
	ix    *Index
	parts []engine.IndexColumn // of the extended columns
	// order is the tree's key as positions in parts: the index's columns, then the
	// whole primary key, columns that are in both twice. -1: encoded otherwise there.
	order []int
}

func newKeySpace(ix *Index) keySpace {
	k := keySpace{shape: ix.shape, ix: ix, parts: slices.Clone(ix.def.Columns)}
	for _, c := range ix.extended[len(ix.columns):] {
		part := engine.IndexColumn{Column: c}
		for _, p := range ix.shape.def.Primary.Columns {
			if p.Column == c {
				part = p
			}
		}
		k.parts = append(k.parts, part)
	}
	for i := range ix.columns {
		k.order = append(k.order, i)
	}
	if ix.def == ix.shape.def.Primary || ix.shape.def.Keyless() {
		return k
	}
	for _, p := range ix.shape.def.Primary.Columns {
		k.order = append(k.order, slices.Index(k.parts, p))
	}
	return k
}

func (k keySpace) append(dst []byte, i int, v row.Datum) []byte {
	p := k.parts[i]
	if p.Prefix > 0 {
		return row.AppendKeyBound(dst, k.shape.def.Columns[p.Column].Column, p.Prefix, p.Desc, v)
	}
	return row.AppendKey(dst, k.shape.def.Columns[p.Column].Column, p.Prefix, p.Desc, v)
}

// value returns the encoding of a bound of column i.
func (k keySpace) value(ctx context.Context, i int, v any) ([]byte, error) {
	d, err := k.shape.codecs[k.parts[i].Column].Datum(ctx, v)
	if err != nil {
		return nil, err
	}
	return k.append(make([]byte, 0, keyRoom), i, d), nil
}

// cut returns where a cut lies among the encodings of column i: everything at or
// above the result is above the cut (below it, for a descending column).
// whole is set if it is behind everything.
func (k keySpace) cut(ctx context.Context, i int, c sql.MySQLRangeCut, upper bool) (at []byte, whole bool, err error) {
	col := k.shape.def.Columns[k.parts[i].Column].Column
	desc, prefixed := k.parts[i].Desc, k.parts[i].Prefix > 0
	var key any
	above := false
	switch c := c.(type) {
	case sql.BelowNull:
		return nil, desc, nil
	case sql.AboveAll:
		return nil, !desc, nil
	case sql.AboveNull:
		switch {
		case !col.Nullable:
			return nil, desc, nil
		case desc:
			return []byte{0xff}, false, nil
		}
		return []byte{1}, false, nil
	case sql.Below:
		key = c.Key
	case sql.Above:
		key, above = c.Key, true
	default:
		return nil, false, fmt.Errorf("gms: range cut %T", c)
	}
	if key == nil { // col <=> NULL
		if above {
			return k.cut(ctx, i, sql.AboveNull{}, upper)
		}
		return k.cut(ctx, i, sql.BelowNull{}, upper)
	}
	if t, ok := k.shape.codecs[k.parts[i].Column].Typ.(sql.DecimalType); ok {
		next, exact, err := expr.NextDecimal(ctx, t, key)
		switch {
		case err != nil:
			return nil, false, err
		case next == nil && exact: // above all
			return nil, !desc, nil
		case next == nil:
			return k.cut(ctx, i, sql.AboveNull{}, upper)
		}
		key, above = next, above && exact
	}
	e, err := k.value(ctx, i, key)
	if err != nil {
		return nil, false, err
	}
	if t, ok := key.(time.Time); ok && above && k.shape.codecs[k.parts[i].Column].Store == row.TypeTimestamp {
		_, above = value.ZoneOf(ctx).Instant(t) // of a time that no clock shows e is the next that it shows
	}
	if prefixed {
		above = upper // a prefix that is equal says nothing about the rest
	}
	if above == desc {
		return e, false, nil
	}
	end := row.PrefixEnd(e)
	return end, end == nil, nil
}

// integerPoint returns the interval of one integer, false if r is another.
func (k keySpace) integerPoint(ctx context.Context, i int, r sql.MySQLRangeColumnExpr) (span, bool, error) {
	lo, isBelow := r.LowerBound.(sql.Below)
	hi, isAbove := r.UpperBound.(sql.Above)
	if !isBelow || !isAbove || k.parts[i].Desc || !k.shape.codecs[k.parts[i].Column].Integer() {
		return span{}, false, nil
	}
	switch lo.Key.(type) {
	case int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		if lo.Key != hi.Key {
			return span{}, false, nil
		}
	default:
		return span{}, false, nil
	}
	e, err := k.value(ctx, i, lo.Key)
	return span{lo: e, hi: row.PrefixEnd(e), point: e}, err == nil, err
}

// span returns the interval of column i in byte order.
func (k keySpace) span(ctx context.Context, i int, r sql.MySQLRangeColumnExpr) (span, bool, error) {
	if s, ok, err := k.integerPoint(ctx, i, r); ok || err != nil {
		return s, ok, err
	}
	lo, loWhole, err := k.cut(ctx, i, r.LowerBound, false)
	if err != nil {
		return span{}, false, err
	}
	hi, hiWhole, err := k.cut(ctx, i, r.UpperBound, true)
	if err != nil {
		return span{}, false, err
	}
	if k.parts[i].Desc {
		lo, hi, loWhole, hiWhole = hi, lo, hiWhole, loWhole
	}
	s := span{lo: lo, hi: hi}
	if loWhole || !hiWhole && bytes.Compare(lo, hi) >= 0 {
		return s, false, nil
	}
	if hiWhole {
		s.hi = nil
	}
	nullable := k.shape.def.Columns[k.parts[i].Column].Nullable
	switch {
	case nullable && !k.parts[i].Desc && len(lo) == 0 && bytes.Equal(s.hi, []byte{1}):
		s.lo, s.point = []byte{0}, []byte{0}
	case nullable && k.parts[i].Desc && bytes.Equal(lo, []byte{0xff}) && s.hi == nil:
		s.point = lo
	case len(lo) > 1 || len(lo) == 1 && !nullable:
		if s.hi != nil && bytes.Equal(row.PrefixEnd(lo), s.hi) {
			s.point = lo
		}
	}
	return s, true, nil
}

// box is a range of the planner in byte order, column by column.
type box []span

// lookup is what an index lookup asks of the tree.
type lookup struct {
	ranges []engine.Range
	boxes  []box // to be checked row by row; nil: the ranges are exact
	space  keySpace
	unique bool // each range is one value of a unique key
}

// empty reports whether a lookup matches nothing. The planner says so of every NULL
// among the keys of a join, but to <=> it is a value, whose range is NULL's.
func empty(l sql.IndexLookup) bool {
	if !l.IsEmptyRange {
		return false
	}
	null := false
	coll, _ := l.Ranges.(sql.MySQLRangeCollection)
	for _, r := range coll {
		for _, c := range r {
			if b, ok := c.LowerBound.(sql.Below); ok && b.Key == nil {
				return true
			}
			if _, ok := c.UpperBound.(sql.AboveNull); ok {
				null = true
			}
		}
	}
	return !null
}

// newLookup returns the key ranges of a lookup, in key order. No ranges: nothing matches.
func newLookup(ctx context.Context, ix *Index, l sql.IndexLookup) (*lookup, error) {
	k := ix.space
	out := &lookup{space: k, unique: ix.IsUnique()}
	coll, ok := l.Ranges.(sql.MySQLRangeCollection)
	if !ok {
		return nil, fmt.Errorf("gms: ranges of type %T", l.Ranges)
	}
	exact := true
	out.ranges, out.boxes = make([]engine.Range, 0, len(coll)), make([]box, 0, len(coll))
	for _, r := range coll {
		if len(r) > len(k.parts) {
			return nil, fmt.Errorf("gms: range of %d columns on index %s", len(r), ix.ID())
		}
		b := make(box, len(r))
		any := true
		for i := range r {
			s, some, err := k.span(ctx, i, r[i])
			if err != nil {
				return nil, err
			}
			b[i] = s
			any = any && some
			out.unique = out.unique && s.point != nil
		}
		out.unique = out.unique && len(r) == len(k.parts)
		if !any {
			continue
		}
		er, all := k.keys(b)
		exact = exact && all
		out.ranges = append(out.ranges, er)
		out.boxes = append(out.boxes, b)
	}
	merged := mergeRanges(out.ranges)
	if exact && len(merged) == len(out.ranges) || ix.multi >= 0 { // a row's list is none of its members
		out.boxes = nil
	}
	out.ranges = merged
	return out, nil
}

// keys returns the key interval of a box, and whether it says all that the box does.
func (k keySpace) keys(b box) (engine.Range, bool) {
	var prefix []byte
	decided := make([]bool, len(b))
	for _, i := range k.order {
		if i < 0 || i >= len(b) {
			break
		}
		decided[i] = true
		s := b[i]
		if s.point != nil {
			prefix = append(prefix, s.point...)
			continue
		}
		r := engine.Range{Lo: slices.Concat(prefix, s.lo), HiOpen: true}
		if s.hi != nil {
			r.Hi = slices.Concat(prefix, s.hi)
		} else {
			r.Hi = row.PrefixEnd(prefix)
		}
		return r, b.free(decided)
	}
	if k.ix.def == k.shape.def.Primary && len(b) == len(k.ix.def.Columns) {
		return engine.Range{Lo: prefix, Hi: prefix}, true
	}
	return engine.Range{Lo: prefix, Hi: row.PrefixEnd(prefix), HiOpen: true}, b.free(decided)
}

// free reports whether the columns that are not decided are not bounded either.
func (b box) free(decided []bool) bool {
	for i, s := range b {
		if !decided[i] && (len(s.lo) > 0 || s.hi != nil) {
			return false
		}
	}
	return true
}

// mergeRanges sorts ranges by key and joins those that overlap. Closed ranges are
// points.
func mergeRanges(in []engine.Range) []engine.Range {
	if len(in) < 2 {
		return in
	}
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b engine.Range) int { return bytes.Compare(a.Lo, b.Lo) })
	n := 0
	for _, r := range out {
		if n > 0 && overlap(out[n-1], r) {
			last := &out[n-1]
			if last.Hi != nil && (r.Hi == nil || bytes.Compare(r.Hi, last.Hi) > 0) {
				last.Hi, last.HiOpen = r.Hi, r.HiOpen
			}
			continue
		}
		out[n] = r
		n++
	}
	return out[:n]
}

func overlap(a, b engine.Range) bool {
	if a.Hi == nil {
		return true
	}
	c := bytes.Compare(b.Lo, a.Hi)
	return c < 0 || c == 0 && !a.HiOpen
}

// matches reports whether a row is in one of the boxes.
func (l *lookup) matches(d *row.Desc, r row.Row) bool {
	if l.boxes == nil {
		return true
	}
	var buf [256]byte
	for _, b := range l.boxes {
		in := true
		for i, s := range b {
			v := l.space.append(buf[:0], i, d.Datum(r, l.space.parts[i].Column))
			if bytes.Compare(v, s.lo) < 0 || s.hi != nil && bytes.Compare(v, s.hi) >= 0 {
				in = false
				break
			}
		}
		if in {
			return true
		}
	}
	return false
}
