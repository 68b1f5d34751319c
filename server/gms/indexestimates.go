package gms

import (
	"sort"
	"strings"
	"time"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
)

// partOfBucket is the part of a bucket's rows that a range inside of it is taken to have,
// where its values are no numbers.
const partOfBucket = 0.25

// estimate returns how many rows a lookup reads, by the indexHistogram of its index, false if
// there is none. The planner counts whole buckets, and takes half of the table for what is
// in none.
func (s *tableStats) estimate(ctx *sql.Context, l sql.IndexLookup) (float64, bool) {
	ix, ok := l.Index.(*Index)
	ranges, isRanges := l.Ranges.(sql.MySQLRangeCollection)
	if s == nil || !ok || !isRanges || ix.pseudo != nil || ix.hasPrefix {
		return 0, false
	}
	for _, st := range s.indexes {
		if !strings.EqualFold(st.Qualifier().Index(), ix.ID()) || len(st.Histogram()) == 0 {
			continue
		}
		h := indexHistogram{ctx: ctx, typ: ix.types(ix.columns)[0].Type, buckets: st.Histogram(), lower: st.LowerBound(), one: len(ix.columns) == 1}
		if d, ok := s.cardinality(ix.def, 1).(uint64); ok {
			h.perValue = float64(s.rowCount()) / float64(max(1, d))
		}
		rows := 0.0
		for _, r := range ranges {
			rows += s.ofRange(&h, ix, r)
		}
		return min(rows, float64(s.rowCount())), h.err == nil
	}
	return 0, false
}

// ofRange returns how many rows are in one range.
func (s *tableStats) ofRange(h *indexHistogram, ix *Index, r sql.MySQLRange) float64 {
	fixed := min(fixedColumns(sql.MySQLRangeCollection{r}), len(ix.columns))
	if fixed == 0 {
		return h.between(r[0])
	}
	if ix.def.Unique && fixed == len(ix.columns) {
		return 1
	}
	var rows float64
	if lo, ok := r[0].LowerBound.(sql.Below); ok {
		rows = h.equal(lo.Key)
	} else { // NULL
		for _, b := range h.buckets {
			rows += float64(b.NullCount())
		}
	}
	first, ok1 := s.cardinality(ix.def, 1).(uint64)
	all, ok2 := s.cardinality(ix.def, fixed).(uint64)
	if ok1 && ok2 {
		rows *= float64(first) / float64(max(1, all))
	}
	return max(1, rows)
}

// indexHistogram is that of an index's first column.
type indexHistogram struct {
	ctx      *sql.Context
	typ      sql.Type
	buckets  []sql.HistogramBucket
	lower    sql.Row
	one      bool    // the index has no other column
	perValue float64 // rows of one value on average
	err      error
}

// from returns the first bucket whose upper bound is not below a value, and with after
// above it.
func (h *indexHistogram) from(v any, after bool) int {
	return sort.Search(len(h.buckets), func(i int) bool {
		u := h.buckets[i].UpperBound()[0]
		if u == nil {
			return false
		}
		c, err := h.typ.Compare(h.ctx, u, v)
		if err != nil {
			h.err = err
		}
		return c > 0 || c == 0 && !after
	})
}

// equal returns how many rows have a value.
func (h *indexHistogram) equal(v any) float64 {
	lo, hi := h.from(v, false), h.from(v, true)
	if lo == len(h.buckets) {
		return 1
	}
	b := h.buckets[lo]
	rows := float64(b.RowCount())
	switch {
	case lo == hi && h.one:
		return max(1, (rows-float64(b.BoundCount()))/max(1, float64(b.DistinctCount())-1))
	case lo == hi:
		return min(rows, h.perValue)
	case h.one:
		rows = float64(b.BoundCount())
	case hi == lo+1:
		return min(rows, h.perValue)
	default:
		rows /= 2
	}
	for _, b := range h.buckets[lo+1 : hi] {
		rows += float64(b.RowCount())
	}
	return rows
}

// between returns how many rows are in an interval.
func (h *indexHistogram) between(r sql.MySQLRangeColumnExpr) float64 {
	lo, hi, inOne := 0, len(h.buckets)-1, true
	before, behind := 0.0, 0.0
	if k, ok := cutKey(r.LowerBound); ok {
		lo = min(h.from(k, false), len(h.buckets)-1)
		before = h.part(lo, k)
	} else {
		inOne = false
	}
	if k, ok := cutKey(r.UpperBound); ok {
		hi = min(h.from(k, false), len(h.buckets)-1)
		behind = 1 - h.part(hi, k)
	} else {
		inOne = false
	}
	rows := 0.0
	for i := lo; i <= hi; i++ {
		rows += float64(h.buckets[i].RowCount())
	}
	if lo > hi {
		return 1
	}
	if _, number := asNumber(h.ctx, h.buckets[lo].UpperBound()[0]); inOne && lo == hi && !number {
		return max(1, rows*partOfBucket)
	}
	rows -= before*float64(h.buckets[lo].RowCount()) + behind*float64(h.buckets[hi].RowCount())
	return max(1, rows)
}

// part returns which part of a bucket's rows is below a value.
func (h *indexHistogram) part(i int, v any) float64 {
	low := h.lower
	if i > 0 {
		low = h.buckets[i-1].UpperBound()
	}
	if len(low) == 0 {
		return 0
	}
	from, ok1 := asNumber(h.ctx, low[0])
	to, ok2 := asNumber(h.ctx, h.buckets[i].UpperBound()[0])
	at, ok3 := asNumber(h.ctx, v)
	if !ok1 || !ok2 || !ok3 || to <= from {
		return 0.5
	}
	return min(1, max(0, (at-from)/(to-from)))
}

// cutKey returns the value of a range's bound, false if it is none.
func cutKey(c sql.MySQLRangeCut) (any, bool) {
	switch c := c.(type) {
	case sql.Below:
		return c.Key, c.Key != nil
	case sql.Above:
		return c.Key, c.Key != nil
	}
	return nil, false
}

// asNumber returns a value as a number, false if it is none.
func asNumber(ctx *sql.Context, v any) (float64, bool) {
	switch v := v.(type) {
	case nil, string, []byte:
		return 0, false
	case time.Time:
		return float64(v.UnixMicro()), true
	}
	f, in, err := types.Float64.Convert(ctx, v)
	n, ok := f.(float64)
	return n, ok && err == nil && in == sql.InRange
}
