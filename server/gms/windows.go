package gms

import (
	"io"
	"slices"
	"sort"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/expression"
	"github.com/dolthub/go-mysql-server/sql/plan"

	"sextant/server/gms/function"
	"sextant/server/gms/planrule"
)

// windows builds a SELECT's window functions: the rows pass through a sort for each order of windows, and each adds the values
// of its functions to them.
func (b *builder) windows(ctx *sql.Context, s *Session, n *plan.Window, r sql.Row) (sql.RowIter, error) {
	s.work.add(tmpTables, 1)
	stages, err := planrule.WindowStages(ctx, n)
	if err != nil {
		return nil, err
	}
	child, err := b.base.Build(ctx, n.Child, r)
	if err != nil {
		return nil, err
	}
	return &windowsIter{exprs: n.SelectExprs, last: child, stages: stages, m: &s.memory, scan: sortCounter(n.Child)}, nil
}

// windowsIter returns the columns of a SELECT with window functions.
type windowsIter struct {
	exprs  []sql.Expression
	stages []*planrule.WindowStage // nil: they are begun
	m      *memory
	scan   task
	last   sql.RowIter // of the last stage, at first the child
	width  int         // of the child's rows
	values []int       // where the values of exprs are, -1: evaluated for the child's row
}

// Next implements sql.RowIter.
func (w *windowsIter) Next(ctx *sql.Context) (sql.Row, error) {
	if w.stages != nil {
		if err := w.begin(ctx); err != nil {
			return nil, err
		}
	}
	r, err := w.last.Next(ctx)
	if err != nil {
		return nil, err
	}
	out := make(sql.Row, len(w.exprs))
	for i, e := range w.exprs {
		if at := w.values[i]; at >= 0 {
			out[i] = r[at]
		} else if out[i], err = e.Eval(ctx, r[:w.width]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// begin builds the stages. A row has places behind its columns for the expressions by which it is sorted and for the values of
// the functions.
func (w *windowsIter) begin(ctx *sql.Context) error {
	first, err := w.last.Next(ctx)
	if err != nil {
		return err
	}
	w.width, w.values = len(first), slices.Repeat([]int{-1}, len(w.exprs))
	in := &wideRows{child: w.last, first: first, width: w.width}
	w.last = in
	for _, s := range w.stages {
		by := slices.Clone(s.Order)
		for i, o := range by {
			if _, ok := o.Expr.(*expression.GetField); !ok {
				by[i].Expr = expression.NewGetField(in.width+len(in.keys), o.Expr.Type(ctx), "", true)
				in.keys = append(in.keys, o.Expr)
			}
		}
		stage := &windowStage{WindowStage: s, width: w.width, values: w.values,
			in: sortIter{child: w.last, sorter: newRowSorter(ctx, w.m, by, -1), scan: w.scan}}
		if len(by) == 0 {
			stage.in.scan = 0
		}
		stage.parts, stage.failed = comparer(ctx, by[:s.Partition])
		peers, failed := comparer(ctx, by[s.Partition:])
		stage.Same = func(ctx *sql.Context, i, j int) (bool, error) {
			if len(by) == s.Partition {
				return true, nil
			}
			a, err := stage.row(ctx, i)
			if err != nil {
				return false, err
			}
			b, err := stage.row(ctx, j)
			if err != nil {
				return false, err
			}
			return peers(a, b) == 0, failed()
		}
		stage.Row = func(ctx *sql.Context, i int) (sql.Row, error) {
			r, err := stage.row(ctx, i)
			if err != nil {
				return nil, err
			}
			return r[:w.width], nil
		}
		if before, ok := w.last.(*windowStage); ok {
			before.hands = true
		}
		w.last = stage
	}
	in.places = len(in.keys)
	for _, s := range w.stages {
		for _, i := range s.Places {
			w.values[i] = w.width + in.places
			in.places++
		}
	}
	w.stages = nil
	return nil
}

// Close implements sql.RowIter.
func (w *windowsIter) Close(ctx *sql.Context) error { return w.last.Close(ctx) }

// wideRows are a child's rows with the keys of sorts behind their columns, and room.
type wideRows struct {
	child  sql.RowIter
	first  sql.Row // that is read already
	width  int
	keys   []sql.Expression
	places int // behind a row, those of keys first
}

// Next implements sql.RowIter.
func (w *wideRows) Next(ctx *sql.Context) (sql.Row, error) {
	r := w.first
	if w.first = nil; r == nil {
		var err error
		if r, err = w.child.Next(ctx); err != nil {
			return nil, err
		}
	}
	out := make(sql.Row, w.width+w.places)
	copy(out, r)
	for i, e := range w.keys {
		var err error
		if out[w.width+i], err = e.Eval(ctx, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Close implements sql.RowIter.
func (w *wideRows) Close(ctx *sql.Context) error { return w.child.Close(ctx) }

// windowStage returns rows in the order of their windows, with the values of the functions.
type windowStage struct {
	*planrule.WindowStage
	planrule.Partition
	in     sortIter
	width  int
	values []int
	hands  bool                   // another stage keeps the rows that it returns
	parts  func(a, b sql.Row) int // 0: of one partition
	failed func() error
	rows   []sql.Row // the partition's, if they are in memory
	next   int       // of the rows that are sorted in memory, where the next partition begins
	ahead  sql.Row   // of those that are not, its first row
	kept   blockList // the partition's, then
}

// Next implements sql.RowIter.
func (s *windowStage) Next(ctx *sql.Context) (sql.Row, error) {
	if s.At == s.N {
		if err := s.partition(ctx); err != nil {
			return nil, err
		}
	}
	r, err := s.row(ctx, s.At)
	if err != nil {
		return nil, err
	}
	err = s.Values(ctx, &s.Partition, func(i int, v any) { r[s.values[i]] = v })
	if s.hands && s.rows != nil {
		n := min(function.RowSize(r), s.in.sorter.bytes)
		s.in.sorter.bytes -= n
		s.in.sorter.m.release(n)
	}
	return r, err
}

// partition finds the next one. Returns io.EOF after the last.
func (s *windowStage) partition(ctx *sql.Context) error {
	sorter := s.in.sorter
	began := s.in.began
	if !began {
		if err := s.in.sort(ctx); err != nil {
			return err
		}
	}
	s.Partition.Begin()
	if len(sorter.runs) == 0 {
		if !s.hands {
			n := int64(0)
			for _, r := range s.rows {
				n += function.RowSize(r)
			}
			n = min(n, sorter.bytes)
			sorter.bytes -= n
			sorter.m.release(n)
		}
		clear(s.rows)
		rest := sorter.rows[s.next:]
		if len(rest) == 0 {
			return io.EOF
		}
		for s.N = 1; s.N < len(rest) && (s.WindowStage.Partition == 0 || s.parts(rest[0], rest[s.N]) == 0); s.N++ {
		}
		s.rows = rest[:s.N]
		s.next += s.N
		return s.failed()
	}
	if !began {
		s.kept.m = sorter.m
		var err error
		if s.ahead, err = sorter.next(ctx); err != nil {
			return err
		}
	}
	if s.ahead == nil {
		return io.EOF
	}
	s.kept.close()
	for first := s.ahead; s.ahead != nil && s.parts(first, s.ahead) == 0; s.N++ {
		if err := s.kept.add(ctx, s.ahead); err != nil {
			return err
		}
		var err error
		if s.ahead, err = sorter.next(ctx); err != nil && err != io.EOF {
			return err
		}
	}
	if s.kept.file != nil {
		if err := s.kept.file.w.Flush(); err != nil {
			return err
		}
	}
	return s.failed()
}

// row returns a row of the partition, with its places.
func (s *windowStage) row(ctx *sql.Context, i int) (sql.Row, error) {
	if s.rows != nil {
		return s.rows[i], nil
	}
	return s.kept.row(ctx, i)
}

// Close implements sql.RowIter.
func (s *windowStage) Close(ctx *sql.Context) error {
	if s.kept.m != nil {
		s.kept.close()
	}
	return s.in.Close(ctx)
}

// blockList is a list of rows that are read at any place. Those of a file are read in blocks, the last ones of which are kept.
type blockList struct {
	rowList
	n      int        // rows
	starts []rowBlock // of the blocks in the file, without their rows
	blocks []rowBlock // that are kept, the one that was used last first
}

// rowBlock is rows of a file.
type rowBlock struct {
	first int // the first one's number
	at    int64
	rows  []sql.Row
}

// What is in a block at most, but for one row, and how many are kept.
const (
	blockRows  = 32
	blockBytes = 32 << 10
	blocksKept = 16
)

// add adds a row.
func (l *blockList) add(ctx *sql.Context, r sql.Row) error {
	at := int64(0)
	if l.file != nil {
		at = l.file.at
	}
	if err := l.rowList.add(ctx, r); err != nil {
		return err
	}
	if l.file != nil {
		if last := len(l.starts) - 1; last < 0 || l.n-l.starts[last].first == blockRows || at-l.starts[last].at >= blockBytes {
			l.starts = append(l.starts, rowBlock{first: l.n, at: at})
		}
	}
	l.n++
	return nil
}

// row returns a row.
func (l *blockList) row(ctx *sql.Context, i int) (sql.Row, error) {
	if i < len(l.rows) {
		return l.rows[i], nil
	}
	for at, b := range l.blocks {
		if in := i - b.first; in >= 0 && in < len(b.rows) {
			copy(l.blocks[1:at+1], l.blocks[:at])
			l.blocks[0] = b
			return b.rows[in], nil
		}
	}
	n := sort.Search(len(l.starts), func(n int) bool { return l.starts[n].first > i })
	b, end := l.starts[n-1], l.file.at
	if n < len(l.starts) {
		end = l.starts[n].at
	}
	for rows := l.file.reader(b.at, end, int(min(end-b.at, 2*blockBytes))); ; {
		r, err := rows.next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		b.rows = append(b.rows, r)
	}
	if len(l.blocks) == blocksKept {
		l.blocks = l.blocks[:blocksKept-1]
	}
	l.blocks = slices.Insert(l.blocks, 0, b)
	return b.rows[i-b.first], nil
}

// close gives memory and file back. Rows can be added again.
func (l *blockList) close() {
	l.rowList.close()
	*l = blockList{rowList: rowList{m: l.m}, starts: l.starts[:0], blocks: l.blocks[:0]}
}
