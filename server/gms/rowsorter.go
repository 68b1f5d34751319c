package gms

import (
	"io"
	"slices"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/encodings"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/types"

	"sextant/engine/row"
	"sextant/server/gms/expr"
	"sextant/server/gms/function"
	"sextant/server/gms/value"
)

// fanIn is how many sorted runs of rows are merged at once.
const fanIn = 64

// rowSorter sorts rows, those that are equal in the order in which they came. What does not fit into memory goes to a
// temporary file in sorted runs, which are merged when the rows are read.
type rowSorter struct {
	m       *memory
	compare func(a, b sql.Row) int
	failed  func() error  // what has become of the comparisons so far
	full    expr.Overflow // of a full disk, nil: a sort's
	most    int64         // of the first rows, -1: all
	cut     sql.Row       // a row that is followed by none of those that are wanted, nil: not known
	rows    []sql.Row
	bytes   int64 // of rows
	buffers int64 // of the merge
	file    *rowFile
	runs    [][2]int64
	heads   []*runHead
	sent    int64
}

// runHead is the next row of a run that is merged.
type runHead struct {
	row  sql.Row
	rows *fileRows
	run  int
}

// newRowSorter returns a sorter by conditions.
func newRowSorter(ctx *sql.Context, m *memory, by sql.SortConditions, most int64) *rowSorter {
	compare, failed := comparer(ctx, by)
	return &rowSorter{m: m, compare: compare, most: most, failed: failed}
}

// comparer returns a comparison of rows by conditions, and what tells the error that it has met with.
func comparer(ctx *sql.Context, by sql.SortConditions) (compare func(a, b sql.Row) int, failure func() error) {
	keys := make([]sortKey, len(by))
	for i, c := range by {
		keys[i] = sortKey{SortCondition: c, typ: c.Expr.Type(ctx), column: -1}
		if f, ok := c.Expr.(*expression.GetField); ok {
			keys[i].column = f.Index()
		}
		if t, ok := keys[i].typ.(types.StringType); ok && types.IsTextOnly(t) {
			keys[i].collation = value.CollationOf(t.Collation())
		}
	}
	n := 0
	var failed error
	compare = func(a, b sql.Row) int {
		if n++; n&0xfff == 0 && failed == nil {
			failed = ctx.Err()
		}
		for i := range keys {
			if failed != nil {
				return 0 // it ends soon
			}
			var c int
			if c, failed = keys[i].compare(ctx, a, b); c != 0 {
				return c
			}
		}
		return 0
	}
	return compare, func() error { return failed }
}

// sortKey is a condition of a sort.
type sortKey struct {
	sql.SortCondition
	typ       sql.Type
	column    int            // of the row, -1: an expression
	collation *row.Collation // of texts, nil: others
}

// value returns a row's.
func (k *sortKey) value(ctx *sql.Context, r sql.Row) (any, error) {
	if k.column >= 0 && k.column < len(r) {
		return r[k.column], nil
	}
	v, err := k.Expr.Eval(ctx, r)
	if err != nil {
		return nil, sql.ErrUnableSort.Wrap(err)
	}
	return v, nil
}

// compare compares two rows as the planner does.
func (k *sortKey) compare(ctx *sql.Context, a, b sql.Row) (int, error) {
	x, err := k.value(ctx, a)
	if err != nil {
		return 0, err
	}
	y, err := k.value(ctx, b)
	if err != nil {
		return 0, err
	}
	if k.Order == sql.Descending {
		x, y = y, x
	}
	switch {
	case x == nil && y == nil:
		return 0, nil
	case k.NullOrdering == sql.NullsFirst && x == nil:
		return -1, nil
	case k.NullOrdering == sql.NullsFirst && y == nil:
		return 1, nil
	}
	if k.collation != nil {
		if s, ok := x.(string); ok {
			if t, ok := y.(string); ok {
				return k.collation.Compare(encodings.StringToBytes(s), encodings.StringToBytes(t)), nil
			}
		}
	}
	return k.typ.Compare(ctx, x, y)
}

// add adds a row.
func (s *rowSorter) add(ctx *sql.Context, r sql.Row) error {
	if s.most == 0 {
		return nil
	}
	if s.cut != nil && s.compare(r, s.cut) >= 0 {
		return s.failed()
	}
	n := function.RowSize(r)
	ok, err := s.m.fits(ctx, n, s.bytes, 1)
	if err == nil && !ok && s.most > 0 && int64(len(s.rows)) > s.most {
		if err = s.sort(); err == nil {
			ok, err = s.m.fits(ctx, n, s.bytes, 1)
		}
	}
	if err == nil && !ok {
		if err = s.spill(ctx); err == nil {
			_, err = s.m.fits(ctx, n, 0, 1)
		}
	}
	if err != nil {
		return err
	}
	s.bytes += n
	s.rows = append(s.rows, r)
	if s.most > 0 && int64(len(s.rows))/2 > max(s.most, 512) {
		return s.sort()
	}
	return nil
}

// sort sorts the rows in memory, and drops those that are not wanted.
func (s *rowSorter) sort() error {
	slices.SortStableFunc(s.rows, s.compare)
	if s.most > 0 && int64(len(s.rows)) >= s.most {
		s.cut = s.rows[s.most-1]
		dropped := int64(0)
		for _, r := range s.rows[s.most:] {
			dropped += function.RowSize(r)
		}
		s.m.release(dropped)
		s.bytes -= dropped
		clear(s.rows[s.most:])
		s.rows = s.rows[:s.most]
	}
	return s.failed()
}

// spill writes the rows in memory as one run.
func (s *rowSorter) spill(ctx *sql.Context) error {
	err := s.sort()
	if err == nil && s.file == nil {
		s.file, err = s.m.rowFile(ctx, s.full)
	}
	if err != nil {
		return err
	}
	from := s.file.at
	for _, r := range s.rows {
		if _, err := s.file.add(ctx, r); err != nil {
			return err
		}
	}
	s.runs = append(s.runs, [2]int64{from, s.file.at})
	clear(s.rows)
	s.rows = s.rows[:0]
	s.m.release(s.bytes)
	s.bytes = 0
	return nil
}

// finish ends the rows that are added; next returns them from now on.
func (s *rowSorter) finish(ctx *sql.Context) error {
	if len(s.runs) == 0 {
		return s.sort()
	}
	if err := s.spill(ctx); err != nil {
		return err
	}
	s.rows = nil
	for len(s.runs) > fanIn {
		if err := s.pass(ctx); err != nil {
			return err
		}
	}
	return s.merge(ctx, s.runs)
}

// pass merges the runs into fewer and longer ones.
func (s *rowSorter) pass(ctx *sql.Context) error {
	to, err := s.m.rowFile(ctx, s.full)
	if err != nil {
		return err
	}
	var merged [][2]int64
	for runs := range slices.Chunk(s.runs, fanIn) {
		if err := s.merge(ctx, runs); err != nil {
			return err
		}
		from := to.at
		for s.sent = 0; ; {
			r, err := s.next(ctx)
			if err == io.EOF {
				break
			}
			if err == nil {
				_, err = to.add(ctx, r)
			}
			if err != nil {
				return err
			}
		}
		merged = append(merged, [2]int64{from, to.at})
	}
	s.file.close()
	s.file, s.runs, s.sent = to, merged, 0
	return nil
}

// merge begins a merge of runs.
func (s *rowSorter) merge(ctx *sql.Context, runs [][2]int64) error {
	if err := s.file.w.Flush(); err != nil {
		return err
	}
	s.m.s.work.add(mergePasses, 1)
	buffer := s.m.bufferSize(ctx)
	if s.buffers == 0 {
		n := int64(buffer * len(runs))
		if ok, err := s.m.fits(ctx, n, n, 1); ok && err == nil {
			s.buffers = n
		} else {
			buffer = 4 << 10
		}
	}
	s.heads = s.heads[:0]
	for i, run := range runs {
		h := &runHead{rows: s.file.reader(run[0], run[1], buffer), run: i}
		switch err := s.advance(ctx, h); err {
		case nil:
			s.heads = append(s.heads, h)
		case io.EOF:
		default:
			return err
		}
	}
	for i := len(s.heads)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
	return s.failed()
}

// advance reads a run's next row.
func (s *rowSorter) advance(ctx *sql.Context, h *runHead) (err error) {
	h.row, err = h.rows.next(ctx)
	return err
}

// sink moves a head down to where it belongs in the heap.
func (s *rowSorter) sink(i int) {
	for {
		first := 2*i + 1
		if first >= len(s.heads) {
			return
		}
		if second := first + 1; second < len(s.heads) && s.before(second, first) {
			first = second
		}
		if !s.before(first, i) {
			return
		}
		s.heads[i], s.heads[first] = s.heads[first], s.heads[i]
		i = first
	}
}

func (s *rowSorter) before(i, j int) bool {
	a, b := s.heads[i], s.heads[j]
	c := s.compare(a.row, b.row)
	return c < 0 || c == 0 && a.run < b.run
}

// next returns the next row, io.EOF after the last.
func (s *rowSorter) next(ctx *sql.Context) (sql.Row, error) {
	if s.sent == s.most {
		return nil, io.EOF
	}
	s.sent++
	if len(s.runs) == 0 {
		if s.sent > int64(len(s.rows)) {
			return nil, io.EOF
		}
		return s.rows[s.sent-1], nil
	}
	if len(s.heads) == 0 {
		return nil, io.EOF
	}
	h := s.heads[0]
	r := h.row
	if err := s.advance(ctx, h); err == io.EOF {
		last := len(s.heads) - 1
		s.heads[0] = s.heads[last]
		s.heads = s.heads[:last]
	} else if err != nil {
		return nil, err
	}
	s.sink(0)
	return r, s.failed()
}

// close gives memory and file back.
func (s *rowSorter) close() {
	s.m.release(s.bytes + s.buffers)
	s.bytes, s.buffers, s.rows, s.heads = 0, 0, nil, nil
	if s.file != nil {
		s.file.close()
		s.file = nil
	}
}

// sortIter returns the rows of a child in an order.
type sortIter struct {
	child  sql.RowIter
	sorter *rowSorter
	scan   task // how the rows were found, 0: it is not counted
	read   int64
	began  bool
	calc   bool // SQL_CALC_FOUND_ROWS
}

// Next implements sql.RowIter.
func (i *sortIter) Next(ctx *sql.Context) (sql.Row, error) {
	if !i.began {
		if err := i.sort(ctx); err != nil {
			return nil, err
		}
	}
	return i.sorter.next(ctx)
}

// sort reads the child's rows.
func (i *sortIter) sort(ctx *sql.Context) error {
	i.began = true
	for {
		r, err := i.child.Next(ctx)
		if err == io.EOF {
			break
		}
		if err == nil {
			i.read++
			err = i.sorter.add(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	if err := i.sorter.finish(ctx); err != nil || i.scan == 0 {
		return err
	}
	i.sorter.m.s.work.add(i.scan, 1)
	rows := i.read
	if most := i.sorter.most; most >= 0 {
		rows = min(rows, most)
	}
	i.sorter.m.s.work.add(sortRows, uint64(rows))
	return nil
}

// Close implements sql.RowIter.
func (i *sortIter) Close(ctx *sql.Context) error {
	i.sorter.close()
	if i.calc {
		ctx.GetLastQueryInfo().FoundRows.Store(i.read)
	}
	return i.child.Close(ctx)
}
